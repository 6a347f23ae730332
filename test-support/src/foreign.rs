//! Memory of another driver, described by a chain of its MDLs.
//!
//! # Safety
//!
//! The memory and its MDLs belong to the value, which frees them when it is dropped.

#![expect(unsafe_code, reason = "see Safety")]

use std::ptr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use wsk_sys::fields::size_t;
use wsk_sys::{
    ExAllocatePool2, ExFreePoolWithTag, FALSE, IoAllocateMdl, IoFreeMdl, IoWriteAccess, KernelMode,
    MmBuildMdlForNonPagedPool, MmProbeAndLockPages, MmUnlockPages, PMDL, POOL_FLAG_NON_PAGED,
};

const TAG: u32 = u32::from_le_bytes(*b"Them");

/// The byte of memory that was not written.
pub const UNTOUCHED: u8 = 0xA5;

/// A chain of MDLs with its memory, which counts how often it was dropped.
///
/// # Invariants
///
/// Each piece is an MDL of `IoAllocateMdl`, of a block of pool of that size.
pub struct ForeignMemory {
    pieces: Vec<(PMDL, *mut u8, usize)>,
    is_locked: bool,
    drops: Arc<AtomicUsize>,
}

// SAFETY: the value owns its pieces (Invariants).
unsafe impl Send for ForeignMemory {}

impl ForeignMemory {
    /// Allocates pieces of these sizes, each with an MDL of nonpaged pool.
    pub fn new(sizes: &[usize]) -> Self {
        Self::allocate(sizes, false)
    }

    /// Allocates pieces of these sizes, each with an MDL of locked pages, which are not mapped.
    pub fn locked(sizes: &[usize]) -> Self {
        Self::allocate(sizes, true)
    }

    fn allocate(sizes: &[usize], is_locked: bool) -> Self {
        let mut pieces: Vec<(PMDL, *mut u8, usize)> = Vec::new();
        for &size in sizes {
            // SAFETY: tests run at a level at which pool may be allocated.
            let block = unsafe { ExAllocatePool2(POOL_FLAG_NON_PAGED, size_t(size), TAG) };
            assert!(!block.is_null());
            // SAFETY: the block has this size.
            unsafe { block.cast::<u8>().write_bytes(UNTOUCHED, size) };
            let length = u32::try_from(size).unwrap();
            // SAFETY: without an IRP.
            let mdl = unsafe { IoAllocateMdl(block, length, FALSE, FALSE, ptr::null_mut()) };
            assert!(!mdl.is_null());
            if is_locked {
                // SAFETY: the MDL is new, and of memory that stays.
                unsafe { MmProbeAndLockPages(mdl, KernelMode, IoWriteAccess) };
            } else {
                // SAFETY: the MDL is of a block of nonpaged pool.
                unsafe { MmBuildMdlForNonPagedPool(mdl) };
            }
            if let Some((last, ..)) = pieces.last() {
                // SAFETY: the last MDL is this function's.
                unsafe { (**last).Next = mdl };
            }
            pieces.push((mdl, block.cast(), size));
        }
        Self { pieces, is_locked, drops: Arc::default() }
    }

    /// The first MDL.
    pub fn mdl(&self) -> PMDL {
        self.pieces[0].0
    }

    /// All MDLs.
    pub fn mdls(&self) -> Vec<PMDL> {
        self.pieces.iter().map(|piece| piece.0).collect()
    }

    /// The number of bytes.
    pub fn size(&self) -> usize {
        self.pieces.iter().map(|piece| piece.2).sum()
    }

    /// The number of times that it was dropped.
    pub fn drops(&self) -> Arc<AtomicUsize> {
        Arc::clone(&self.drops)
    }

    /// The bytes. No request has the memory.
    pub fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        for &(_, block, size) in &self.pieces {
            let end = bytes.len();
            bytes.resize(end + size, 0);
            // SAFETY: the block has this size.
            unsafe { ptr::copy_nonoverlapping(block, bytes[end..].as_mut_ptr(), size) };
        }
        bytes
    }

    /// Writes all bytes. No request has the memory.
    pub fn fill(&mut self, mut bytes: &[u8]) {
        for &(_, block, size) in &self.pieces {
            let (first, rest) = bytes.split_at(size);
            // SAFETY: the block has this size.
            unsafe { ptr::copy_nonoverlapping(first.as_ptr(), block, size) };
            bytes = rest;
        }
    }

    /// That no MDL has changed its place in the chain.
    pub fn assert_chain(&self) {
        let mut mdl = self.mdl();
        for &(expected, ..) in &self.pieces {
            assert_eq!(mdl, expected, "the chain was changed");
            // SAFETY: the MDL is this value's.
            mdl = unsafe { (*mdl).Next };
        }
        assert!(mdl.is_null(), "the chain was continued");
    }
}

impl Drop for ForeignMemory {
    fn drop(&mut self) {
        self.assert_chain();
        self.drops.fetch_add(1, Ordering::SeqCst);
        for &(mdl, block, _) in &self.pieces {
            if self.is_locked {
                // SAFETY: its pages are locked.
                unsafe { MmUnlockPages(mdl) };
            }
            // SAFETY: the MDL is this value's.
            unsafe { IoFreeMdl(mdl) };
            // SAFETY: the block is this value's.
            unsafe { ExFreePoolWithTag(block.cast(), TAG) };
        }
    }
}
