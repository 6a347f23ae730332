//! Chains as a request has them: described, resumed in the middle, split and dropped in any order.
//!
//! # Safety
//!
//! They read and write memory by its MDLs while no reference to it exists.

#![expect(unsafe_code, reason = "see Safety")]

extern crate wsk_host as _;

use core::{mem, ptr};
use std::vec::Vec;

use wsk_host::kernel::{Config, Kernel};
use wsk_sys::fields::length;
use wsk_sys::{MDL, MmGetSystemAddressForMdlSafe, NormalPagePriority, WSK_BUF};

use super::sealed::Sealed;
use super::{Buffer, Chain, MdlChain, Slice};

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

#[test]
fn each_range_is_described_from_the_part_in_which_it_begins() {
    on_kernel(|| {
        const SMALL: [usize; 4] = [1, 4, 2, 3];
        let expected = pattern(SMALL.iter().sum());
        let (memory, start, end) = chain(&SMALL).into_parts();
        assert_eq!((start, end), (0, expected.len()));
        fill(&memory.describe(start, end), &expected);
        for start in 0..=expected.len() {
            for end in start..=expected.len() {
                let range = memory.describe(start, end);
                assert_eq!(gather(&range), expected[start..end]);
                if start < end {
                    assert_eq!(memory.position(&range), start);
                }
                let first = memory.contiguous(start, end);
                assert!(!first.is_empty() || start == end);
                assert_eq!(first, &expected[start..start + first.len()]);
                let mut copied = [0; 10];
                let count = memory.copy_to(start, end, &mut copied);
                assert_eq!(copied[..count], expected[start..end]);
            }
        }
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
                    let to = memory.contiguous_mut(start, start + bytes.len());
                    let count = to.len();
                    to.copy_from_slice(&bytes[..count]);
                    start += count;
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
