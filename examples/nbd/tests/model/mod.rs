//! Random requests, and whether their answers are those of a disk.

use std::collections::BTreeMap;

use nbd::{Disk, Request};

use crate::owner::{Answer, Answers, TestOwner, lend, lend_bytes};

/// Random numbers: xorshift64*.
pub(crate) struct Random(u64);

impl Random {
    pub(crate) fn new(seed: u64) -> Self {
        Self((seed + 1).wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub(crate) fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        let number = self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33;
        usize::try_from(number).unwrap() % bound
    }
}

/// The size of a block, whose value is the number of the request that has written it.
const BLOCK: usize = 512;

/// The most requests in flight.
const MOST: usize = 12;

/// What a request was.
struct Sent {
    is_write: bool,
    first: usize,
    blocks: usize,
}

/// Random requests to a few blocks, so that many overlap.
pub(crate) struct Workload {
    random: Random,
    blocks: usize,
    answers: Answers,
    sent: BTreeMap<usize, Sent>,
}

impl Workload {
    pub(crate) fn new(seed: u64, size: usize) -> Self {
        let blocks = (size / BLOCK).min(16);
        Self { random: Random::new(seed), blocks, answers: Answers::new(), sent: BTreeMap::new() }
    }

    /// Makes requests, several at once, waits for their answers, and checks them.
    pub(crate) async fn run(&mut self, disk: &Disk<TestOwner>, count: usize) -> wsk::Result<()> {
        // Zero is the value of a block that was not written.
        for number in 1..=count {
            self.submit(disk, number);
            if self.random.below(20) == 0 {
                self.answers.cancel(1 + self.random.below(number));
            }
            self.answers.fewer_than(1 + self.random.below(MOST)).await;
        }
        let mut ended = BTreeMap::new();
        for number in 1..=count {
            let answer = self.answers.answer(number).await;
            if let Err(error) = answer.result {
                assert!(self.answers.is_cancelled(number), "request {number}: {error}");
            }
            ended.insert(number, answer);
        }
        for block in 0..self.blocks {
            self.check(block, &ended);
        }
        Ok(())
    }

    fn submit(&mut self, disk: &Disk<TestOwner>, number: usize) {
        let first = self.random.below(self.blocks);
        let blocks = 1 + self.random.below((self.blocks - first).min(4));
        let offset = u64::try_from(first * BLOCK).unwrap();
        let kind = self.random.below(10);
        match kind {
            0 => disk.submit(Request::flush(self.answers.owner(number))),
            1..5 => {
                let value = u32::try_from(number).unwrap().to_le_bytes();
                let bytes = value.repeat(blocks * BLOCK / value.len());
                let memory = lend_bytes(&self.answers, number, &bytes);
                disk.submit(Request::write(offset, kind == 1, memory));
            }
            _ => disk.submit(Request::read(offset, lend(&self.answers, number, blocks * BLOCK))),
        }
        if kind > 0 {
            self.sent.insert(number, Sent { is_write: kind < 5, first, blocks });
        }
    }

    /// Checks that the reads and writes of a block have an order in which each takes effect between its start and its end, and
    /// reads return the last value written. The values are unique, so the theorem of Gibbons and Korach decides that (Testing
    /// Shared Memories, 1997): the operations of a value form a zone, from the first end to the last start. Two zones in
    /// which the end is first do not overlap, and none in which the start is first is inside of such a one.
    fn check(&self, block: usize, ended: &BTreeMap<usize, Answer>) {
        // By value: the start of its write, the first end, and the last start.
        let mut zones = BTreeMap::from([(0, (0, 0, 0))]);
        for (&number, sent) in self.sent.iter().filter(|(_, sent)| sent.is_write) {
            if (sent.first..sent.first + sent.blocks).contains(&block) {
                let answer = &ended[&number];
                // A write that was cancelled may take effect at any time, or never.
                let end = if answer.result.is_ok() { answer.end } else { u64::MAX };
                zones.insert(number, (answer.start, end, answer.start));
            }
        }
        for (number, sent) in self.sent.iter().filter(|(_, sent)| !sent.is_write) {
            let answer = &ended[number];
            if answer.result.is_err() || !(sent.first..sent.first + sent.blocks).contains(&block) {
                continue;
            }
            let bytes = &answer.bytes[(block - sent.first) * BLOCK..][..BLOCK];
            assert!(bytes.chunks(4).all(|chunk| chunk == &bytes[..4]), "a block was torn");
            let value = u32::from_le_bytes(bytes[..4].try_into().unwrap());
            let zone = zones.get_mut(&usize::try_from(value).unwrap());
            let (written, first_end, last_start) = zone
                .unwrap_or_else(|| panic!("read {number} has the value {value:#x} of no write"));
            assert!(*written < answer.end, "read {number} ended before its value {value} was sent");
            *first_end = (*first_end).min(answer.end);
            *last_start = (*last_start).max(answer.start);
        }
        let all: Vec<_> = zones.into_iter().collect();
        for (place, &(value, (_, end, start))) in all.iter().enumerate() {
            for &(other, (_, other_end, other_start)) in &all[place + 1..] {
                let has_order = start < other_end || other_start < end;
                let is_ordered = has_order || end >= start && other_end >= other_start;
                assert!(is_ordered, "block {block}: the values {value} and {other} have no order");
            }
        }
    }
}
