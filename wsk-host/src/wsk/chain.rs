//! The chains of MDLs that indicated data is in, in all shapes that WSK's documentation allows.
//!
//! # Safety
//!
//! MDLs and their memory are this file's own allocations. They are freed with their indication, when the client has returned
//! or released it.

#![expect(unsafe_code, reason = "the functions and objects are those of a C interface")]

use std::ptr;

use wsk_sys::fields::size_t;
use wsk_sys::{MDL, MDL_SOURCE_IS_NONPAGED_POOL, MmInitializeMdl, PMDL, ULONG, WSK_BUF};

use super::config::Indications;
use crate::kernel::choices::{ChoiceKind, Choices};
use crate::kernel::mm::{RetiredMdl, retire};
use crate::verifier::{Origin, Rule};

/// The byte in front of indicated data and behind it: of headers, trailers and padding, in a real system.
const OTHER: u8 = 0xEE;

/// The most elements of a list, and the most MDLs with data of a chain.
const PARTS: usize = 4;

/// The shapes of indications, one chosen after the other.
pub(super) struct ShapeChooser<'a> {
    indications: Indications,
    choices: &'a mut Choices,
}

impl<'a> ShapeChooser<'a> {
    pub(super) fn new(indications: Indications, choices: &'a mut Choices) -> Self {
        Self { indications, choices }
    }

    /// Picks one of these numbers. The first one is for the plain shape.
    fn choose<const N: usize>(&mut self, numbers: [usize; N]) -> usize {
        match self.indications {
            Indications::Mixed => numbers[self.choices.below(ChoiceKind::Shape, N)],
            Indications::Plain => numbers[0],
        }
    }

    /// Splits bytes into up to [`PARTS`] parts. No part is empty, unless there are no bytes.
    pub(super) fn split<'b>(&mut self, bytes: &'b [u8]) -> Vec<&'b [u8]> {
        let count = self.choose([1, 1, 2, PARTS]).min(bytes.len());
        let mut parts = Vec::new();
        let mut rest = bytes;
        for after in (1..count).rev() {
            // Each part after this one needs a byte.
            let (part, others) =
                rest.split_at(1 + self.choices.below(ChoiceKind::Size, rest.len() - after));
            parts.push(part);
            rest = others;
        }
        parts.push(rest);
        parts
    }
}

/// An MDL of indicated data, and the memory that it describes.
///
/// # Invariants
///
/// `mdl` and `bytes` are separate allocations (`Box::into_raw`), and the MDL describes all of `bytes`.
struct IndicatedMdl {
    mdl: PMDL,
    bytes: *mut [u8],
    origin: Origin,
}

// SAFETY: the block owns both allocations (Invariants).
unsafe impl Send for IndicatedMdl {}

impl IndicatedMdl {
    /// An MDL of some data, with other bytes before and after it.
    fn new(front: usize, data: &[u8], behind: usize, origin: &Origin) -> Self {
        let mut memory = vec![OTHER; front];
        memory.extend_from_slice(data);
        memory.resize(memory.len() + behind, OTHER);
        let bytes = Box::into_raw(memory.into_boxed_slice());
        // SAFETY: zeroes are an MDL, which is initialized next.
        let mdl = Box::into_raw(Box::new(unsafe { std::mem::zeroed::<MDL>() }));
        // SAFETY: the MDL is new. Pages are not described: a host has none.
        unsafe { MmInitializeMdl(mdl, bytes.cast(), size_t(bytes.len())) };
        // SAFETY: the MDL is new, and initialized.
        let header = unsafe { &mut *mdl };
        header.MdlFlags |= MDL_SOURCE_IS_NONPAGED_POOL;
        header.MappedSystemVa = bytes.cast();
        // INVARIANT: both are from `Box::into_raw`, and the MDL was initialized for all bytes.
        Self { mdl, bytes, origin: origin.clone() }
    }
}

impl Drop for IndicatedMdl {
    fn drop(&mut self) {
        // SAFETY: both are from `Box::into_raw` (Invariants), and the client has released the indication.
        let (mdl, bytes) = unsafe { (Box::from_raw(self.mdl), Box::from_raw(self.bytes)) };
        let found = "the MDL describes indicated data that is already released";
        retire(RetiredMdl {
            mdl,
            bytes,
            rule: Rule::INDICATION_AFTER_CALLBACK,
            found,
            origin: self.origin.clone(),
        });
    }
}

/// A chain of MDLs with indicated data.
pub(super) struct IndicationChain {
    blocks: Vec<IndicatedMdl>,
    /// The offset of the data from the start of the first MDL.
    offset: usize,
    length: usize,
}

impl IndicationChain {
    pub(super) fn new(data: &[u8], shapes: &mut ShapeChooser<'_>, origin: &Origin) -> Self {
        let length = data.len();
        if data.is_empty() && shapes.choose([0, 0, 1]) == 1 {
            return Self { blocks: Vec::new(), offset: 0, length };
        }
        let offset = shapes.choose([0, 0, 14, 54]);
        let behind = shapes.choose([0, 0, 1, 46]);
        // The offset is that of a byte in the first MDL, even if there is no data.
        let behind = behind.max(usize::from(data.is_empty() && offset > 0));
        let parts = shapes.split(data);
        let last = parts.len() - 1;
        let block = |(index, part): (usize, &&[u8])| {
            let front = if index == 0 { offset } else { 0 };
            IndicatedMdl::new(front, part, if index == last { behind } else { 0 }, origin)
        };
        let mut blocks: Vec<_> = parts.iter().enumerate().map(block).collect();
        if shapes.choose([0, 0, 1]) == 1 {
            // An MDL of no bytes. The first one has the data's offset within it.
            let first = usize::from(offset > 0);
            let place = first + shapes.choices.below(ChoiceKind::Shape, blocks.len() + 1 - first);
            blocks.insert(place, IndicatedMdl::new(0, &[], 0, origin));
        }
        if shapes.choose([0, 0, 0, 1]) == 1 {
            blocks.push(IndicatedMdl::new(0, &[], 4, origin));
        }
        for pair in blocks.windows(2) {
            // SAFETY: the MDLs are this chain's own.
            unsafe { (*pair[0].mdl).Next = pair[1].mdl };
        }
        Self { blocks, offset, length }
    }

    /// The MDLs with data, and the address and the number of their bytes.
    pub(super) fn parts(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        let (mut offset, mut left) = (self.offset, self.length);
        self.blocks.iter().filter_map(move |block| {
            let start = std::mem::take(&mut offset);
            let length = (block.bytes.len() - start).min(left);
            left -= length;
            let address = block.bytes.cast::<u8>().addr() + start;
            (length > 0).then_some((block.mdl.addr(), address, length))
        })
    }

    /// The description of the data. Valid as long as the chain.
    pub(super) fn buffer(&self) -> WSK_BUF {
        let mdl = self.blocks.first().map_or(ptr::null_mut(), |block| block.mdl);
        let offset = ULONG::try_from(self.offset).unwrap_or(0);
        WSK_BUF { Mdl: mdl, Offset: offset, Length: size_t(self.length) }
    }
}
