//! Chains as a request has them: described, resumed in the middle, split and dropped in any order.
//!
//! # Safety
//!
//! They read and write memory by its MDLs while no reference to it exists.

#![expect(unsafe_code, reason = "see Safety")]

extern crate wsk_host as _;

use core::{mem, ptr};
use std::sync::atomic::Ordering;
use std::vec;
use std::vec::Vec;

use test_support::foreign::{ForeignMemory, UNTOUCHED};
use wsk_host::kernel::{Config, Kernel};
use wsk_sys::fields::length;
use wsk_sys::{MDL, MmGetSystemAddressForMdlSafe, NormalPagePriority, WSK_BUF};

use super::sealed::Sealed;
use super::{Buffer, Chain, Lent, LentAccess, MdlChain, Slice};
use crate::pool::PoolBox;
use crate::status::known;

/// The bytes of a buffer before and behind its part.
const MARGINS: (usize, usize) = (3, 4);

/// Sizes of parts: of one byte, of several, and of one that begins in another page than it ends.
const SIZES: [usize; 5] = [1, 4, 2, 4093, 3];

/// Parts of these sizes, each in the middle of a larger buffer of zeros.
fn parts(sizes: &[usize]) -> Vec<Slice> {
    let (before, behind) = MARGINS;
    let part = |size: &usize| {
        let buffer = Buffer::new(before + size + behind).unwrap();
        buffer.slice(before..before + size).unwrap()
    };
    sizes.iter().map(part).collect()
}

fn chain(sizes: &[usize]) -> Chain {
    let mut chain = Chain::new();
    for part in parts(sizes) {
        chain.push_back(part).unwrap();
    }
    chain
}

/// Bytes that differ from their neighbors and are not zero.
fn pattern(count: usize) -> Vec<u8> {
    (0..count).map(|n| u8::try_from(n % 251).unwrap() + 1).collect()
}

/// Calls a closure with the address and the size of each piece of a range, as WSK finds them: by the MDLs alone.
fn pieces(range: &WSK_BUF, mut each: impl FnMut(*mut u8, usize)) {
    let (mut mdl, mut offset) = (range.Mdl, range.Offset as usize);
    let mut left = length(range.Length);
    while left > 0 {
        assert!(!mdl.is_null(), "the MDLs describe {left} bytes less than the range has");
        // SAFETY: the MDL is a chain's: it describes nonpaged memory.
        let address = unsafe { MmGetSystemAddressForMdlSafe(mdl, NormalPagePriority) };
        // SAFETY: the chain has the MDL, which no other code uses meanwhile.
        let MDL { ByteCount, Next, .. } = unsafe { mdl.read() };
        let size = ByteCount as usize;
        assert!(offset < size, "an offset of {offset} in an MDL of {size} bytes");
        let count = left.min(size - offset);
        each(address.cast::<u8>().wrapping_add(offset), count);
        (mdl, offset, left) = (Next, 0, left - count);
    }
}

/// Writes bytes to the start of a range, as WSK does for a receive.
fn fill(range: &WSK_BUF, mut bytes: &[u8]) {
    pieces(range, |address, size| {
        let (now, rest) = bytes.split_at(size.min(bytes.len()));
        // SAFETY: the chain has these bytes, and no reference to them exists.
        unsafe { ptr::copy_nonoverlapping(now.as_ptr(), address, now.len()) };
        bytes = rest;
    });
    assert!(bytes.is_empty(), "the range is shorter than the bytes");
}

/// Reads a range, as WSK does for a send.
fn gather(range: &WSK_BUF) -> Vec<u8> {
    let mut bytes = Vec::new();
    pieces(range, |address, size| {
        let end = bytes.len();
        bytes.resize(end + size, 0);
        // SAFETY: the chain has these initialized bytes, and no mutable reference to them exists.
        unsafe { ptr::copy_nonoverlapping(address, bytes[end..].as_mut_ptr(), size) };
    });
    bytes
}

/// The bytes of a chain's parts; those around the parts are zero still.
fn into_bytes(chain: Chain) -> Vec<u8> {
    let (before, behind) = MARGINS;
    let mut bytes = Vec::new();
    for part in chain {
        bytes.extend_from_slice(&part);
        let buffer = part.into_inner();
        let (head, tail) = (&buffer[..before], &buffer[buffer.len() - behind..]);
        assert_eq!((head, tail), (&[0; 3][..], &[0; 4][..]));
    }
    bytes
}

/// Runs a closure on its own kernel, and checks that it frees everything it allocates.
fn on_kernel(scenario: impl FnOnce()) {
    let kernel = Kernel::new(Config::default());
    let _entered = kernel.enter();
    scenario();
    assert_eq!(kernel.outstanding_allocations(), 0);
}

/// Writes bytes to all memory as WSK does, and checks each range of it.
fn assert_ranges(memory: &mut MdlChain, expected: &[u8]) {
    fill(&memory.describe(0, expected.len()), expected);
    for start in 0..=expected.len() {
        for end in start..=expected.len() {
            let range = memory.describe(start, end);
            assert_eq!(gather(&range), expected[start..end], "{start}..{end}");
            if start < end {
                assert_eq!(memory.position(&range), start, "{start}..{end}");
            }
            let mut copied = [0; 32];
            let count = memory.copy_to(start, end, &mut copied).unwrap();
            assert_eq!(copied[..count], expected[start..end], "{start}..{end}");
        }
    }
}

#[test]
fn each_range_is_described_from_the_part_in_which_it_begins() {
    on_kernel(|| {
        const SMALL: [usize; 4] = [1, 4, 2, 3];
        let expected = pattern(SMALL.iter().sum());
        let (mut memory, start, end) = chain(&SMALL).into_parts();
        assert_eq!((start, end), (0, expected.len()));
        assert_ranges(&mut memory, &expected);
        // SAFETY: they are a chain's parts.
        assert_eq!(into_bytes(unsafe { Chain::from_parts(memory, 0, end) }), expected);
    });
}

/// A receive that has got some bytes continues behind them, wherever that is.
#[test]
fn a_chain_is_filled_in_steps_of_any_size() {
    on_kernel(|| {
        let expected = pattern(SIZES.iter().sum());
        for step in [1000, 4096, 5, 2, expected.len()] {
            let (mut memory, mut start, end) = chain(&SIZES).into_parts();
            let mut is_own = false;
            while start < end {
                let bytes = &expected[start..end.min(start + step)];
                // Turns of WSK, and of data that a kept receive has.
                if is_own {
                    start += memory.copy_from(start, start + bytes.len(), bytes).unwrap();
                } else {
                    fill(&memory.describe(start, end), bytes);
                    start += bytes.len();
                }
                is_own = !is_own;
            }
            // SAFETY: they are a chain's parts.
            assert!(into_bytes(unsafe { Chain::from_parts(memory, 0, end) }) == expected);
        }
    });
}

/// A chain that the system keeps is replaced by one without memory; one that it returns is whole, and grows again.
#[test]
fn a_chain_comes_back_from_a_request() {
    on_kernel(|| {
        let (memory, _, end) = chain(&SIZES).into_parts();
        // SAFETY: a chain without memory.
        let mut without = unsafe { Chain::from_parts(MdlChain::empty(), 0, end) };
        assert_eq!((without.len(), without.iter().len(), without.is_empty()), (0, 0, true));
        without.push_back(Buffer::new(2).unwrap()).unwrap();
        assert_eq!(without.len(), 2);
        // SAFETY: they are a chain's parts.
        let mut back = unsafe { Chain::from_parts(memory, 0, end) };
        back.append(&mut without);
        let sizes: Vec<usize> = back.iter().map(<[u8]>::len).collect();
        assert_eq!((&sizes[..5], sizes[5], back.len()), (&SIZES[..], 2, end + 2));
    });
}

/// All slices to the parts exist at once, also while others of the same chain are written.
#[test]
fn parts_are_borrowed_independently() {
    on_kernel(|| {
        let mut chain = chain(&SIZES);
        let mut all: Vec<&mut [u8]> = chain.iter_mut().collect();
        for (number, part) in (1_u8..6).zip(&mut all).rev() {
            part.fill(number);
        }
        let numbers: Vec<u8> = all.iter().map(|part| part[part.len() - 1]).collect();
        assert_eq!(numbers, [1, 2, 3, 4, 5]);
        let shared: Vec<&[u8]> = chain.iter().chain(&chain).collect();
        assert_eq!((shared.len(), shared[0], shared[9]), (10, &[1][..], &[5; 3][..]));
    });
}

/// Every order of three pieces, each of which is a part, a chain or a buffer by then, and every place at which two chains are
/// one in between.
#[test]
fn pieces_are_dropped_in_any_order() {
    on_kernel(|| {
        for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
            for at_front in [false, true] {
                let mut rest = chain(&SIZES);
                let first = rest.pop_front().unwrap();
                let second = rest.pop_front().unwrap().into_inner();
                let mut again = Chain::from(first);
                if at_front {
                    again.push_front(rest.pop_front().unwrap()).unwrap();
                } else {
                    again.append(&mut rest);
                    rest.push_back(again.pop_front().unwrap()).unwrap();
                }
                let mut dropped = [
                    Some([again, Chain::new()]),
                    Some([Chain::from(second), Chain::default()]),
                    Some([rest, chain(&[1])]),
                ];
                for piece in order {
                    drop(mem::take(&mut dropped[piece]));
                    for left in dropped.iter().flatten().flatten() {
                        assert_eq!(left.iter().map(<[u8]>::len).sum::<usize>(), left.len());
                    }
                }
            }
        }
        // An iterator that is dropped before its end has the rest.
        let mut taken = chain(&SIZES).into_iter();
        let (first, second) = (taken.next().unwrap(), taken.next().unwrap());
        drop(taken);
        assert_eq!((first.len(), second.len()), (1, 4));
    });
}

/// Lends a part of such memory.
fn lend(memory: ForeignMemory, start: usize, end: usize) -> Lent<ForeignMemory> {
    // SAFETY: the owner keeps the MDLs, of nonpaged pool, until it is dropped, and does not access the memory meanwhile.
    let lent =
        unsafe { Lent::from_raw(memory.mdl(), start, end - start, LentAccess::ReadWrite, memory) };
    lent.map_err(|(error, _)| error).unwrap()
}

/// The pieces of foreign memory in these tests.
const PIECES: [usize; 4] = [3, 1, 5, 2];

#[test]
fn each_range_of_lent_memory_is_described_by_the_owners_mdls() {
    on_kernel(|| {
        for start in 0..11 {
            for end in start + 1..=11 {
                let memory = ForeignMemory::new(&PIECES);
                let (mdls, drops) = (memory.mdls(), memory.drops());
                let (mut chain, from, to) = lend(memory, start, end).into_parts();
                assert_eq!((from, to), (0, end - start));
                assert_ranges(&mut chain, &pattern(end - start));
                for at in 0..end - start {
                    assert!(mdls.contains(&chain.describe(at, end - start).Mdl));
                }
                assert_eq!(drops.load(Ordering::SeqCst), 0);
                // SAFETY: it is lent memory of this owner.
                let lent: Lent<ForeignMemory> = unsafe { Lent::from_parts(chain, from, to) };
                let memory = lent.into_owner().unwrap();
                let mut expected = vec![UNTOUCHED; 11];
                expected[start..end].copy_from_slice(&pattern(end - start));
                assert_eq!(memory.bytes(), expected);
                drop(memory);
                assert_eq!(drops.load(Ordering::SeqCst), 1);
            }
        }
    });
}

/// Lent memory in each place of a chain, with each beginning and end in its MDLs.
#[test]
fn lent_memory_is_a_part_of_a_chain() {
    on_kernel(|| {
        for start in [0, 1, 3, 5] {
            for end in [6, 9, 11] {
                for (before, behind) in [(0, 0), (1, 0), (0, 1), (2, 2)] {
                    let memory = ForeignMemory::new(&PIECES);
                    let (mdls, drops) = (memory.mdls(), memory.drops());
                    let lent = lend(memory, 0, 11).slice(start..end).unwrap();
                    let mut chain = Chain::new();
                    chain.append(&mut self::chain(&[1, 4][..before]));
                    chain.push_back_lent(lent).map_err(|(error, _)| error).unwrap();
                    chain.append(&mut self::chain(&[2, 1][..behind]));
                    let size = [1, 4][..before].iter().chain(&[2, 1][..behind]).sum::<usize>();
                    assert_eq!(
                        (chain.len(), chain.iter().len()),
                        (size + end - start, before + behind)
                    );
                    let (mut memory, from, to) = chain.into_parts();
                    assert_ranges(&mut memory, &pattern(to));

                    // The owner's MDLs are used wherever WSK allows that.
                    let place: usize = [1, 4][..before].iter().sum();
                    let is_whole_mdl = start == 0 || start == 3;
                    let is_owners = behind == 0 && (before == 0 || is_whole_mdl);
                    assert_eq!(mdls.contains(&memory.describe(place, to).Mdl), is_owners);

                    // SAFETY: they are a chain's parts.
                    let mut chain = unsafe { Chain::from_parts(memory, from, to) };
                    assert_eq!(chain.iter().len(), before + behind);
                    assert!(before == 0 || chain.pop_front_lent::<ForeignMemory>().is_none());
                    for _ in 0..before {
                        assert!(chain.pop_front().is_some());
                    }
                    assert!(chain.pop_front().is_none(), "lent memory is no slice");
                    assert!(chain.pop_front_lent::<PoolBox<[u8; 1]>>().is_none());
                    let lent = chain.pop_front_lent::<ForeignMemory>().unwrap();
                    assert_eq!((lent.len(), chain.iter().len()), (end - start, behind));
                    let lent = lent.whole();
                    assert_eq!(lent.len(), 11);
                    let memory = lent.into_owner().unwrap();
                    let all = &pattern(place + end - start)[place..];
                    assert_eq!(&memory.bytes()[start..end], all);
                    drop(memory);
                    assert_eq!(drops.load(Ordering::SeqCst), 1);
                    assert_eq!(chain.into_iter().count(), behind);
                }
            }
        }
    });
}

/// Chains of lent memory are appended to each other, and dropped as a whole, in part, and by an iterator.
#[test]
fn each_owner_is_dropped_once() {
    on_kernel(|| {
        for kept in 0..3 {
            let memory = [(); 3].map(|()| ForeignMemory::locked(&[2, 3]));
            let drops = memory.each_ref().map(ForeignMemory::drops);
            let count = || drops.each_ref().map(|drops| drops.load(Ordering::SeqCst));
            let mut chain = Chain::new();
            for (memory, start) in memory.into_iter().zip(0..) {
                let lent = lend(memory, start, 5);
                chain.push_back_lent(lent).map_err(|(error, _)| error).unwrap();
            }
            let (mut memory, from, to) = chain.into_parts();
            assert_ranges(&mut memory, &pattern(5 + 4 + 3));
            // SAFETY: they are a chain's parts.
            let mut chain = unsafe { Chain::from_parts(memory, from, to) };
            match kept {
                0 => assert_eq!(chain.into_iter().count(), 0),
                1 => {
                    let first: Lent<ForeignMemory> = chain.pop_front_lent().unwrap();
                    drop(chain);
                    assert_eq!(count(), [0, 1, 1]);
                    drop(first);
                }
                _ => {
                    let memory = chain.pop_front_lent::<ForeignMemory>().unwrap().into_owner();
                    chain.push_back_lent(lend(memory.unwrap(), 1, 2)).map_err(|_| ()).unwrap();
                    chain.push_front(Buffer::new(1).unwrap()).unwrap();
                    assert_eq!(chain.len(), 1 + 4 + 3 + 1);
                    drop(chain);
                }
            }
            assert_eq!(count(), [1; 3]);
        }
    });
}

#[test]
fn a_range_that_the_mdls_do_not_describe_is_refused_with_its_owner() {
    on_kernel(|| {
        for (offset, length) in
            [(0, 0), (0, 12), (11, 1), (12, 1), (usize::MAX, 2), (2, usize::MAX)]
        {
            let memory = ForeignMemory::new(&PIECES);
            let mdl = memory.mdl();
            // SAFETY: the owner keeps the MDLs.
            let refused =
                unsafe { Lent::from_raw(mdl, offset, length, LentAccess::ReadWrite, memory) };
            let (error, memory) = refused.unwrap_err();
            assert_eq!(error, known::STATUS_INVALID_BUFFER_SIZE);
            assert_eq!(memory.bytes(), [UNTOUCHED; 11]);
        }
        let (error, _) = Lent::from_pool(PoolBox::new([0; 0]).unwrap()).unwrap_err();
        assert_eq!(error, known::STATUS_INVALID_BUFFER_SIZE);
        let lent = Lent::from_pool(PoolBox::new([1; 4]).unwrap()).unwrap();
        let (error, lent) = Chain::from_lent(lent.slice(4..).unwrap()).unwrap_err();
        assert_eq!(
            (error, lent.len(), lent.whole().len()),
            (known::STATUS_INVALID_BUFFER_SIZE, 0, 4)
        );
    });
}

/// Each allocation and each mapping fails in turn. The owner comes back.
#[test]
fn lent_memory_survives_each_failure() {
    let mut failures = 0;
    for allowed in 0.. {
        let kernel = Kernel::new(Config::default());
        let _entered = kernel.enter();
        let memory = ForeignMemory::locked(&PIECES);
        let drops = memory.drops();
        kernel.fail_allocation(allowed + 1);
        let mdl = memory.mdl();
        // SAFETY: the owner keeps the MDLs, whose pages are locked, and does not access the memory meanwhile.
        let lent = unsafe { Lent::from_raw(mdl, 1, 9, LentAccess::ReadWrite, memory) };
        let end = match lent {
            Ok(lent) => match Chain::from_lent(lent) {
                Ok(mut chain) => {
                    let mut lent = chain.pop_front_lent::<ForeignMemory>().unwrap();
                    let written = lent.copy_from(b"123456789");
                    (written.map(drop), lent.into_owner().unwrap())
                }
                Err((error, lent)) => (Err(error), lent.into_owner().unwrap()),
            },
            Err((error, memory)) => (Err(error), memory),
        };
        let (result, memory) = end;
        assert_eq!(drops.load(Ordering::SeqCst), 0);
        if result.is_ok() {
            assert_eq!(&memory.bytes()[1..10], b"123456789");
        }
        drop(memory);
        assert_eq!(kernel.outstanding_allocations(), 0);
        match result {
            Ok(()) => break,
            Err(error) => assert_eq!(error, known::STATUS_INSUFFICIENT_RESOURCES),
        }
        failures += 1;
    }
    // The element, its four MDLs, and four mappings.
    assert_eq!(failures, 9);
}

#[test]
fn memory_that_is_only_read_is_not_written() {
    on_kernel(|| {
        let memory = ForeignMemory::new(&[4]);
        let mdl = memory.mdl();
        // SAFETY: the owner keeps the MDLs, of nonpaged pool, and does not access the memory meanwhile.
        let lent = unsafe { Lent::from_raw(mdl, 0, 4, LentAccess::ReadOnly, memory) };
        let mut lent = lent.map_err(|(error, _)| error).unwrap();
        assert_eq!(lent.copy_from(b"ab"), Err(known::STATUS_ACCESS_DENIED));
        let mut bytes = [0; 8];
        assert_eq!((lent.copy_to(&mut bytes), bytes[3]), (Ok(4), UNTOUCHED));
        assert!(!lent.is_writable());
        assert!(!Chain::from_lent(lent).unwrap().is_writable());
    });
}
