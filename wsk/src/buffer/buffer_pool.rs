//! Buffers that are kept for those who have none of their own.
//!
//! # Safety
//!
//! A buffer in a slot is owned by the pool: an exchange puts it there and another takes it out.

#![expect(unsafe_code, reason = "see Safety")]

use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, Ordering};

use super::{Buffer, BufferHeader, Slice, copy};
use crate::status::Result;

/// A few buffers that wait to be used again, for those who have none of their own.
pub(crate) struct BufferPool([AtomicPtr<BufferHeader>; 2]);

impl BufferPool {
    /// The least size of a buffer that is kept, in bytes: more than most networks carry at once.
    const LEAST: usize = 2048;

    pub(crate) const fn new() -> Self {
        Self([const { AtomicPtr::new(ptr::null_mut()) }; 2])
    }

    /// A buffer of at least `size` bytes: one that was kept, if it is large enough.
    ///
    /// # Errors
    ///
    /// Those of [`Buffer::new`].
    pub(crate) fn take(&self, size: usize) -> Result<Buffer> {
        for slot in &self.0 {
            if let Some(header) = NonNull::new(slot.swap(ptr::null_mut(), Ordering::Acquire)) {
                // SAFETY: `put` gave it away, and the exchange took it out.
                let buffer = unsafe { Buffer::from_raw(header) };
                if buffer.len() >= size {
                    return Ok(buffer);
                }
                // One that is too small now would be so again.
                drop(buffer);
            }
        }
        // Twice as large each time, so that soon no more are needed.
        let rounded = size.checked_next_power_of_two().filter(|size| *size <= Buffer::MAX_SIZE);
        Buffer::new(rounded.unwrap_or(size).max(Self::LEAST))
    }

    /// A buffer of these bytes, for as many as there are.
    ///
    /// # Errors
    ///
    /// Those of [`Buffer::new`].
    pub(crate) fn take_copy(&self, bytes: &[u8]) -> Result<Slice> {
        let mut buffer = self.take(bytes.len())?;
        copy(bytes, &mut buffer);
        buffer.slice(..bytes.len())
    }

    /// Keeps a buffer, or frees it.
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
        // SAFETY: it was given away above, and no slot took it.
        drop(unsafe { Buffer::from_raw(header) });
    }
}

impl Drop for BufferPool {
    fn drop(&mut self) {
        for slot in &mut self.0 {
            if let Some(header) = NonNull::new(*slot.get_mut()) {
                // SAFETY: `put` gave it away.
                drop(unsafe { Buffer::from_raw(header) });
            }
        }
    }
}
