//! Who waits for the requests of a test, with the memory of another driver.
//!
//! # Safety
//!
//! The owner of lent memory has it.

#![expect(unsafe_code, reason = "see Safety")]

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use nbd::Owner;
use test_support::foreign::ForeignMemory;
use wsk::sync::Notify;
use wsk::sys::STATUS_CANCELLED;
use wsk::time::timeout;
use wsk::{Error, Lent, LentAccess};

/// The answers of a disk, by the number of the request.
#[derive(Clone, Default)]
pub(crate) struct Answers(Arc<Shared>);

#[derive(Default)]
struct Shared {
    requests: Mutex<HashMap<usize, State>>,
    clock: AtomicU64,
    /// One task waits for it.
    changed: Notify,
}

#[derive(Default)]
struct State {
    start: u64,
    is_cancelled: bool,
    /// The addresses and lengths of the pieces of its memory.
    pieces: Vec<(usize, usize)>,
    answer: Option<Answer>,
}

/// How a request ended.
#[derive(Clone)]
pub(crate) struct Answer {
    pub(crate) result: wsk::Result<usize>,
    /// The bytes of its memory.
    pub(crate) bytes: Vec<u8>,
    /// The numbers of the events, among all of the test, with which it started and ended.
    pub(crate) start: u64,
    pub(crate) end: u64,
}

impl Answers {
    pub(crate) fn new() -> Self {
        Self::default()
    }

    fn now(&self) -> u64 {
        self.0.clock.fetch_add(1, Ordering::SeqCst) + 1
    }

    /// An owner without memory, of a request that starts now.
    pub(crate) fn owner(&self, number: usize) -> TestOwner {
        let state = State { start: self.now(), ..State::default() };
        assert!(self.0.requests.lock().unwrap().insert(number, state).is_none());
        TestOwner { number, memory: None, answers: Some(self.clone()) }
    }

    /// The answer to a request, once it has one.
    pub(crate) async fn answer(&self, number: usize) -> Answer {
        self.wait_until(|| self.has_ended(number)).await;
        self.0.requests.lock().unwrap()[&number].answer.clone().unwrap()
    }

    pub(crate) async fn of(&self, number: usize) -> wsk::Result<usize> {
        self.answer(number).await.result
    }

    pub(crate) fn has_ended(&self, number: usize) -> bool {
        self.0.requests.lock().unwrap()[&number].answer.is_some()
    }

    /// The bytes of a request that has ended.
    pub(crate) fn bytes(&self, number: usize) -> Vec<u8> {
        self.0.requests.lock().unwrap()[&number].answer.clone().unwrap().bytes
    }

    pub(crate) fn pieces(&self, number: usize) -> Vec<(usize, usize)> {
        self.0.requests.lock().unwrap()[&number].pieces.clone()
    }

    pub(crate) fn cancel(&self, number: usize) {
        self.0.requests.lock().unwrap().get_mut(&number).unwrap().is_cancelled = true;
    }

    pub(crate) fn is_cancelled(&self, number: usize) -> bool {
        self.0.requests.lock().unwrap()[&number].is_cancelled
    }

    /// Waits until fewer requests than `most` are in flight.
    pub(crate) async fn fewer_than(&self, most: usize) {
        let in_flight = || {
            let requests = self.0.requests.lock().unwrap();
            requests.values().filter(|state| state.answer.is_none()).count()
        };
        self.wait_until(|| in_flight() < most).await;
    }

    async fn wait_until(&self, holds: impl Fn() -> bool) {
        while !holds() {
            // Longer than any outage.
            let ended = timeout(Duration::from_secs(300), self.0.changed.notified()).await;
            ended.expect("a request does not end");
        }
    }
}

/// Who waits for a request. Ending it twice fails the test.
pub(crate) struct TestOwner {
    number: usize,
    memory: Option<ForeignMemory>,
    /// None once it has ended.
    answers: Option<Answers>,
}

impl TestOwner {
    fn end(&mut self, result: wsk::Result<usize>) {
        let Some(answers) = self.answers.take() else {
            return;
        };
        let bytes = self.memory.as_ref().map(ForeignMemory::bytes).unwrap_or_default();
        let end = answers.now();
        let mut requests = answers.0.requests.lock().unwrap();
        let state = requests.get_mut(&self.number).unwrap();
        let answer = Answer { result, bytes, start: state.start, end };
        assert!(state.answer.replace(answer).is_none(), "request {} ended twice", self.number);
        drop(requests);
        answers.0.changed.notify_one();
    }
}

impl Owner for TestOwner {
    fn complete(mut self, result: wsk::Result<usize>) {
        self.end(result);
    }

    fn is_cancelled(&self) -> bool {
        self.answers.as_ref().is_some_and(|answers| answers.is_cancelled(self.number))
    }
}

impl Drop for TestOwner {
    fn drop(&mut self) {
        self.end(Err(Error::from_status(STATUS_CANCELLED).unwrap()));
    }
}

/// Memory of two pieces, lent by the owner of a request.
pub(crate) fn lend(answers: &Answers, number: usize, size: usize) -> Lent<TestOwner> {
    lend_bytes(answers, number, &vec![0xEE; size])
}

/// As [`lend`], with these bytes.
pub(crate) fn lend_bytes(answers: &Answers, number: usize, bytes: &[u8]) -> Lent<TestOwner> {
    let mut owner = answers.owner(number);
    let size = bytes.len();
    let mut memory = ForeignMemory::locked(&[size / 3, size - size / 3]);
    memory.fill(bytes);
    let mdl = memory.mdl();
    let pieces = memory.mdls().into_iter().map(|mdl| {
        // SAFETY: the MDL is the memory's.
        let mdl = unsafe { &*mdl };
        (mdl.StartVa.addr() + mdl.ByteOffset as usize, mdl.ByteCount as usize)
    });
    answers.0.requests.lock().unwrap().get_mut(&number).unwrap().pieces = pieces.collect();
    owner.memory = Some(memory);
    // SAFETY: the owner keeps the memory, whose pages are locked, and does not access it before it is back.
    let lent = unsafe { Lent::from_raw(mdl, 0, size, LentAccess::ReadWrite, owner) };
    lent.map_err(|(error, _)| error).unwrap()
}
