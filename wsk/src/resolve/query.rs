//! The memory of a name look-up: WSK's input and output until it completes, and then the list.
//!
//! It is one allocation of nonpaged memory with the strings at its end. It keeps the provider captured, with which the
//! list is freed ([INV-66](crate::rules#inv-66)), and is freed with the list by the deferred queue, which needs no memory for that: so a list may
//! be dropped at any level, in any routine, and may arrive after its future was dropped ([INV-20](crate::rules#inv-20)).
//!
//! # Safety
//!
//! The strings and the list belong to one allocation, which a request owns until it completes, and then the list; the
//! deferred queue frees it.

#![expect(unsafe_code, reason = "see Safety")]

use core::mem::offset_of;
use core::ptr::{self, NonNull};

use wsk_sys::{ADDRINFOEXW, PADDRINFOEXW, PUNICODE_STRING, UNICODE_STRING};

use super::hints::{Hints, Service};
use super::text::{Digits, MeasuredName};
use crate::client::Client;
use crate::deferred::DeferredJob;
use crate::pool;
use crate::provider::Provider;
use crate::status::Result;

/// The start of the memory. The strings' code units follow.
///
/// # Invariants
///
/// Those of [`Query`], which owns it.
struct QueryMemory {
    job: DeferredJob,
    provider: Provider,
    hints: ADDRINFOEXW,
    /// The list from WSK; null before.
    list: PADDRINFOEXW,
    host: UNICODE_STRING,
    service: UNICODE_STRING,
}

/// A look-up, and its resulting list.
///
/// # Invariants
///
/// - The value owns the allocation until it is dropped; then the deferred queue does.
/// - The strings' pointers are null or into the allocation.
/// - After the look-up, `list` is null or a list of this provider that was not freed.
pub(crate) struct Query(NonNull<QueryMemory>);

// SAFETY: it owns its memory and its list (Invariants), which may be read and freed in any thread.
unsafe impl Send for Query {}
// SAFETY: a shared query only reads its memory and its list (Invariants).
unsafe impl Sync for Query {}

/// The arguments of the call to WSK. An absent string is null.
///
/// # Invariants
///
/// The pointers are null or into the memory of a [`Query`], and valid as long as that.
pub(super) struct QueryArguments {
    pub(super) host: PUNICODE_STRING,
    pub(super) service: PUNICODE_STRING,
    pub(super) hints: PADDRINFOEXW,
    pub(super) list: *mut PADDRINFOEXW,
}

impl Query {
    /// # Errors
    ///
    /// - `STATUS_INVALID_PARAMETER` or `STATUS_NAME_TOO_LONG` for a name that cannot be looked up.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    pub(super) fn new(
        provider: &Provider,
        host: Option<&str>,
        service: Service<'_>,
        hints: Hints,
    ) -> Result<Self> {
        let hints = hints.to_c()?;
        let mut digits = Digits::new();
        let texts = [host.map(MeasuredName::new).transpose()?, digits.text(service)?];
        // At most 511 units each.
        let units: usize = texts.iter().flatten().map(|text| text.room()).sum();
        let size = size_of::<QueryMemory>() + units * size_of::<u16>();
        let memory: NonNull<QueryMemory> = pool::allocate_zeroed(size)?.cast();
        // SAFETY: the characters follow the beginning, for which there is room.
        let mut place: *mut u16 = unsafe { memory.add(1) }.as_ptr().cast();
        let mut strings =
            [UNICODE_STRING { Length: 0, MaximumLength: 0, Buffer: ptr::null_mut() }; 2];
        for (string, text) in strings.iter_mut().zip(texts) {
            if let Some(text) = text {
                // SAFETY: there is room for both, and no other code has the memory.
                *string = unsafe { text.write(place) };
                // SAFETY: there is room for both, and no other code has the memory.
                place = unsafe { place.add(text.room()) };
            }
        }
        let [host, service] = strings;
        let (job, list) = (DeferredJob::new(free_deferred), ptr::null_mut());
        let header = QueryMemory { job, provider: provider.clone(), hints, list, host, service };
        // SAFETY: the memory is large enough, and aligned to 16 bytes.
        unsafe { memory.write(header) };
        // INVARIANT: the allocation was made above, the strings' pointers are into it, and there is no list yet.
        Ok(Self(memory))
    }

    /// The addresses that WSK reads from and writes to. Valid as long as this value.
    pub(super) fn arguments(&self) -> QueryArguments {
        let memory = self.0.as_ptr();
        let given = |string: PUNICODE_STRING| {
            // SAFETY: the string is a field of the memory, which this value owns.
            let is_given = unsafe { !(*string).Buffer.is_null() };
            if is_given { string } else { ptr::null_mut() }
        };
        QueryArguments {
            // SAFETY: the value owns its memory (Invariants).
            host: given(unsafe { &raw mut (*memory).host }),
            // SAFETY: the value owns its memory (Invariants).
            service: given(unsafe { &raw mut (*memory).service }),
            // SAFETY: the value owns its memory (Invariants).
            hints: unsafe { &raw mut (*memory).hints },
            // SAFETY: the value owns its memory (Invariants).
            list: unsafe { &raw mut (*memory).list },
        }
    }

    /// Records the end of the look-up. The list is valid only after success ([INV-19](crate::rules#inv-19)).
    pub(crate) fn complete(&mut self, succeeded: bool) {
        if !succeeded {
            // SAFETY: the value owns its memory, which WSK no longer uses.
            unsafe { (*self.0.as_ptr()).list = ptr::null_mut() };
        }
    }

    /// The first entry of the list, or null.
    pub(super) const fn list(&self) -> PADDRINFOEXW {
        // SAFETY: the value owns its memory, and the look-up has completed.
        unsafe { (*self.0.as_ptr()).list }
    }
}

impl Drop for Query {
    /// IRQL: <= `DISPATCH_LEVEL`. Makes no call to WSK, so that it may run in a completion routine ([INV-15](crate::rules#inv-15)).
    fn drop(&mut self) {
        let memory = self.0.as_ptr();
        // SAFETY: the value owns its memory (Invariants).
        let client = unsafe { (*memory).provider.client_ptr() };
        // SAFETY: the value owns its memory (Invariants).
        let job = unsafe { &raw mut (*memory).job };
        // SAFETY: derived from a pointer that is not null.
        let job = unsafe { NonNull::new_unchecked(job) };
        // SAFETY: the memory is the queue's from here on, and its provider keeps the registration.
        unsafe { Client::defer(client, job) };
    }
}

/// Called by the deferred queue: frees the list, if any, and the memory, and releases the provider.
///
/// # Safety
///
/// The job belongs to a [`Query`] that was dropped, and runs once, at `PASSIVE_LEVEL`.
unsafe fn free_deferred(job: NonNull<DeferredJob>) {
    // SAFETY: the job lies at this offset of its memory.
    let memory: NonNull<QueryMemory> = unsafe { job.byte_sub(offset_of!(QueryMemory, job)) }.cast();
    // SAFETY: this function owns the memory, and reads its contents once.
    let QueryMemory { provider, list, .. } = unsafe { memory.read() };
    // WSK returned a list, so its table has the function that frees it.
    if let (false, Some(names)) = (list.is_null(), provider.capabilities().name_resolution()) {
        // SAFETY: the list was given to this client, whose provider is captured, and is freed once, at
        // PASSIVE_LEVEL (INV-66).
        unsafe { provider.dispatch().free_address_info(names, provider.client(), list) };
    }
    // SAFETY: the memory is from the pool, and no longer used.
    unsafe { pool::free(memory.cast()) };
    // This comes last, since the registration may wait for it.
    drop(provider);
}
