//! A pool of buffers for calls that take slices.
//!
//! # Safety
//!
//! A buffer in a slot is owned by the pool: an exchange puts it there and another takes it out.

#![expect(unsafe_code, reason = "see Safety")]

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use super::mdl_chain::BufferHeader;
use super::{Buffer, Slice, copy};
use crate::status::Result;

/// Up to two unused buffers, for calls that take slices.
///
/// # Invariants
///
/// Each slot is null, or a pointer from [`Buffer::into_raw`] that the pool owns.
pub(crate) struct BufferPool([AtomicPtr<BufferHeader>; 2]);

impl BufferPool {
    /// The minimum size of a pooled buffer in bytes, which exceeds a packet of most networks.
    const LEAST: usize = 2048;

    pub(crate) const fn new() -> Self {
        Self([const { AtomicPtr::new(ptr::null_mut()) }; 2])
    }

    /// Returns a buffer of at least `size` bytes: a pooled one, if it is large enough.
    ///
    /// # Errors
    ///
    /// Those of [`Buffer::new`].
    pub(crate) fn take(&self, size: usize) -> Result<Buffer> {
        for slot in &self.0 {
            if let Some(header) = NonNull::new(slot.swap(ptr::null_mut(), Ordering::Acquire)) {
                // SAFETY: the pointer is from `into_raw` (Invariants), and the exchange removed it.
                let buffer = unsafe { Buffer::from_raw(header) };
                if buffer.len() >= size {
                    return Ok(buffer);
                }
                // A buffer that is too small is dropped, because it would be too small for later calls as well.
                drop(buffer);
            }
        }
        // Doubles the size, so few allocations are needed until the buffers are large enough.
        let rounded = size.checked_next_power_of_two().filter(|size| *size <= Buffer::MAX_SIZE);
        Buffer::new(rounded.unwrap_or(size).max(Self::LEAST))
    }

    /// Returns a buffer with a copy of these bytes.
    ///
    /// # Errors
    ///
    /// Those of [`Buffer::new`].
    pub(crate) fn take_copy(&self, bytes: &[u8]) -> Result<Slice> {
        let mut buffer = self.take(bytes.len())?;
        copy(bytes, &mut buffer);
        buffer.slice(..bytes.len())
    }

    /// Returns a buffer to the pool, or frees it if the pool is full.
    pub(crate) fn put(&self, buffer: Buffer) {
        if buffer.is_empty() {
            return;
        }
        let header = buffer.into_raw();
        for slot in &self.0 {
            let empty = ptr::null_mut();
            let put =
                slot.compare_exchange(empty, header.as_ptr(), Ordering::Release, Ordering::Relaxed);
            if put.is_ok() {
                return;
            }
        }
        // SAFETY: the pointer is from `into_raw` above, and no slot took it.
        drop(unsafe { Buffer::from_raw(header) });
    }
}

impl Drop for BufferPool {
    fn drop(&mut self) {
        for slot in &mut self.0 {
            if let Some(header) = NonNull::new(*slot.get_mut()) {
                // SAFETY: the pointer is from `into_raw` (Invariants), and the pool is being dropped.
                drop(unsafe { Buffer::from_raw(header) });
            }
        }
    }
}
