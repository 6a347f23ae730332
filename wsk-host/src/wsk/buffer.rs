//! Buffers of clients: a `WSK_BUF`, the chain of MDLs behind it, and their memory.
//!
//! # Safety
//!
//! The client keeps the MDLs of a buffer and their memory until the request's IRP is completed, and the provider
//! drops `Bytes` before it completes the IRP.

#![expect(unsafe_code, reason = "the functions and objects are those of a C interface")]

use std::mem::MaybeUninit;

use smallvec::SmallVec;
use wsk_sys::fields;
use wsk_sys::{MDL, PIRP, PWSK_BUF};

use crate::kernel::Kernel;
use crate::kernel::mm::{MDL_PARTIAL, system_address};
use crate::kernel::residency::require_allocated;
use crate::kernel::usage::PassedMemory;
use crate::verifier::{Rule, fatal_violation};

/// The memory of a buffer. The call has read the `WSK_BUF` that describes it, which may be a local variable, as WSK
/// does.
///
/// # Invariants
///
/// - The parts are within the buffer's MDLs, do not overlap, and are `length` bytes together.
/// - The parts are the provider's until the request's IRP is completed.
pub(super) struct Bytes {
    parts: SmallVec<[BufferPart; 1]>,
    length: usize,
}

/// A contiguous part of a buffer.
///
/// # Invariants
///
/// `memory` is valid for `length` bytes until the request of the buffer has completed.
#[derive(Clone, Copy)]
struct BufferPart {
    memory: *mut u8,
    length: usize,
}

// SAFETY: the memory is the provider's until the IRP is completed (Invariants), in any thread.
unsafe impl Send for Bytes {}

/// Stops a client whose buffer is not within its MDLs.
fn outside(function: &str, found: &str) -> ! {
    let why = "the host would access memory that is not the buffer's";
    fatal_violation(Rule::BUFFER_WITHIN_MDLS, function, found, None, why)
}

impl Bytes {
    /// The bytes of a buffer, which the request in flight needs from now on.
    ///
    /// # Safety
    ///
    /// The buffer is valid during the call, and its MDLs are valid until the IRP is completed.
    pub(super) unsafe fn new(
        kernel: &Kernel,
        irp: PIRP,
        buffer: PWSK_BUF,
        function: &'static str,
    ) -> Self {
        if buffer.is_null() {
            outside(function, "the buffer is null");
        }
        // SAFETY: the caller passes a buffer.
        let descriptor = unsafe { buffer.read() };
        let mut bytes = Self { parts: SmallVec::new(), length: fields::length(descriptor.Length) };
        if descriptor.Mdl.is_null() {
            if descriptor.Length != 0 {
                outside(function, "the buffer has a length, but no MDL");
            }
            return bytes;
        }
        let (mut mdl, mut offset, mut left) =
            (descriptor.Mdl, descriptor.Offset as usize, fields::length(descriptor.Length));
        let require = |address: usize, size, what| {
            require_allocated(kernel, Rule::BUFFER_RESIDENT, address, size, what, function);
        };
        if offset > 0 {
            require(mdl.addr(), size_of::<MDL>(), "the MDL");
        }
        // SAFETY: the caller passes a chain of valid MDLs.
        if offset > 0 && offset >= unsafe { (*mdl).ByteCount } as usize {
            outside(function, "the buffer starts past the end of its first MDL");
        }
        let mut walked = SmallVec::<[_; 4]>::new();
        let mut usage = kernel.usage();
        while left > 0 {
            if mdl.is_null() {
                outside(function, "the buffer extends past its last MDL");
            }
            // Walked in full, a circle would never end, or hand the same memory out twice.
            if walked.contains(&mdl) {
                outside(function, "the chain of MDLs returns to an MDL that it has left");
            }
            walked.push(mdl);
            require(mdl.addr(), size_of::<MDL>(), "the MDL");
            // SAFETY: the caller passes a chain of valid MDLs.
            let (size, next) = unsafe { ((*mdl).ByteCount as usize, (*mdl).Next) };
            let length = left.min(size - offset);
            // SAFETY: the caller passes a chain of valid MDLs.
            let memory = unsafe { system_address(mdl, function) };
            // SAFETY: the offset is within the memory.
            let memory = unsafe { memory.add(offset) };
            if length > 0 {
                require(memory.addr(), length, "the memory of the MDL");
            }
            usage.pin(irp, ("MDL", Rule::BUFFER_RESIDENT), mdl.addr(), size_of::<MDL>());
            // SAFETY: the caller passes a chain of MDLs that are valid until the IRP is completed.
            unsafe { usage.add_mdl(irp, mdl) };
            // SAFETY: the caller passes a chain of valid MDLs.
            if unsafe { (*mdl).MdlFlags } & MDL_PARTIAL != 0 {
                usage.require_source(mdl.addr(), function);
            }
            usage.pin(irp, ("buffer", Rule::BUFFER_RESIDENT), memory.addr(), length);
            if length > 0 {
                bytes.parts.push(BufferPart { memory, length });
                let (mdl, address) = (mdl.addr(), memory.addr());
                usage.record.add(PassedMemory { function, mdl, address, length });
            }
            (mdl, offset, left) = (next, 0, left - length);
        }
        bytes
    }

    pub(super) fn length(&self) -> usize {
        self.length
    }

    /// The part that contains the byte with the given number, starting at that byte.
    fn part_at(&self, mut offset: usize) -> Option<BufferPart> {
        for part in &self.parts {
            if offset < part.length {
                // SAFETY: the offset is within the part.
                let memory = unsafe { part.memory.add(offset) };
                return Some(BufferPart { memory, length: part.length - offset });
            }
            offset -= part.length;
        }
        None
    }

    /// Bytes from a number on, as many as lie together; none at the end.
    pub(super) fn from(&self, offset: usize) -> &[u8] {
        match self.part_at(offset) {
            // SAFETY: the memory is the provider's until the IRP is completed, which this request waits for.
            Some(part) => unsafe { std::slice::from_raw_parts(part.memory, part.length) },
            None => &[],
        }
    }

    /// The contiguous room from an offset on; empty at the end.
    pub(super) fn room_from(&mut self, offset: usize) -> &mut [MaybeUninit<u8>] {
        match self.part_at(offset) {
            // SAFETY: the memory is the provider's until the IRP is completed, which this request waits for.
            Some(part) => unsafe {
                std::slice::from_raw_parts_mut(part.memory.cast(), part.length)
            },
            None => &mut [],
        }
    }

    /// All bytes together.
    pub(super) fn gather(&self) -> Vec<u8> {
        let mut all = Vec::with_capacity(self.length);
        while all.len() < self.length {
            all.extend_from_slice(self.from(all.len()));
        }
        all
    }

    /// Writes bytes at an offset, up to the end of the buffer. Returns the number of bytes written.
    pub(super) fn scatter(&mut self, offset: usize, bytes: &[u8]) -> usize {
        let mut written = 0;
        while written < bytes.len() {
            let room = self.room_from(offset + written);
            let count = room.len().min(bytes.len() - written);
            if count == 0 {
                break;
            }
            for (to, from) in room.iter_mut().zip(&bytes[written..written + count]) {
                to.write(*from);
            }
            written += count;
        }
        written
    }
}
