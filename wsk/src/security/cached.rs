//! Security descriptors cached by WSK.
//!
//! # Safety
//!
//! The descriptor is released once, after the last owner was dropped ([INV-65](crate::rules#inv-65)); each request that uses it is an owner.

#![expect(unsafe_code, reason = "see Safety")]

use core::mem::offset_of;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicPtr, AtomicUsize, Ordering, fence};

use wsk_sys::{PSECURITY_DESCRIPTOR, WSK_CACHE_SD, WSK_RELEASE_SD, ctypes::c_void};

use super::self_relative;
use crate::buffer::Buffer;
use crate::client::Client;
use crate::deferred::DeferredJob;
use crate::pool::PoolBox;
use crate::provider::Provider;
use crate::status::{Result, check, known};

/// A security descriptor cached by WSK, for use by sockets.
///
/// Clones share one descriptor. It keeps the [provider](Provider) captured, so the registration cannot end before it is
/// dropped; a [forgotten](core::mem::forget) one blocks that indefinitely. When the last clone is dropped and no request
/// uses it, a thread of the registration makes WSK release it ([INV-65](crate::rules#inv-65)), so it may be dropped at up to
/// `DISPATCH_LEVEL`, in any routine.
///
/// # Invariants
///
/// - The memory is valid while `owners` is not zero; each value, and each request that uses it, is one owner.
/// - `descriptor` is null, or cached by WSK for `provider` and not yet released.
pub struct CachedSecurityDescriptor(NonNull<CachedMemory>);

// SAFETY: clones share memory of atomics and a `Provider`, and WSK accepts a descriptor in any thread.
unsafe impl Send for CachedSecurityDescriptor {}
// SAFETY: shared access is to atomics and a `Provider`, and WSK accepts a descriptor in any thread.
unsafe impl Sync for CachedSecurityDescriptor {}

/// The memory that the clones of a descriptor share.
///
/// # Invariants
///
/// Those of [`CachedSecurityDescriptor`].
struct CachedMemory {
    job: DeferredJob,
    owners: AtomicUsize,
    provider: Provider,
    /// The cached descriptor; null before WSK returns it, and after a failure.
    descriptor: AtomicPtr<c_void>,
}

impl CachedSecurityDescriptor {
    /// Caches a self-relative descriptor with an owner and a group, given as bytes. Its lists may contain entries that
    /// allow, deny, audit, or set an integrity label; for others, use [`cache`](Self::cache).
    ///
    /// IRQL: <= `DISPATCH_LEVEL`. Minimum Windows: Windows Vista.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/network/wsk-cache-sd).
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_DEVICE_REQUEST` in a [foreign waker](crate::guide::executors#foreign-wakers) in a completion routine.
    /// - `STATUS_INVALID_PARAMETER` if the bytes are not such a descriptor.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any other status of `WskControlClient`. Wine does not implement it.
    pub fn from_bytes(wsk: &Provider, descriptor: &[u8]) -> Result<Self> {
        if !self_relative::is_valid(descriptor) {
            return Err(known::STATUS_INVALID_PARAMETER);
        }
        // A copy that is nonpaged and aligned, and does not change while WSK reads it.
        let copy = Buffer::try_from(descriptor)?;
        // SAFETY: the bytes are a valid descriptor, as was just checked, and do not change during the call.
        unsafe { Self::cache(wsk, copy.at(0).cast()) }
    }

    /// Caches a kernel security descriptor, for example from `SeExports`.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`. Minimum Windows: Windows Vista.
    /// [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/network/wsk-cache-sd).
    ///
    /// # Safety
    ///
    /// `descriptor` is a valid security descriptor, which can be read at the current level, and does not change
    /// until the call has returned. WSK copies it.
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_DEVICE_REQUEST` in a [foreign waker](crate::guide::executors#foreign-wakers) in a completion routine.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any other status of `WskControlClient`. Wine does not implement it.
    pub unsafe fn cache(wsk: &Provider, descriptor: PSECURITY_DESCRIPTOR) -> Result<Self> {
        wsk.client_ref().check_outside_routines()?;
        // The memory first: releasing a cached descriptor must need no further allocation.
        let cached = Self::unset(wsk)?;
        let mut given = descriptor;
        let mut taken: PSECURITY_DESCRIPTOR = ptr::null_mut();
        let size = size_of::<PSECURITY_DESCRIPTOR>();
        let input = ((&raw mut given).cast(), size);
        let output = ((&raw mut taken).cast(), size);
        // SAFETY: the code takes no IRP, and a pointer to a descriptor pointer each way; the descriptor is valid (this
        // function's contract).
        check(unsafe { wsk.control(WSK_CACHE_SD, input, output, ptr::null_mut()) })?;
        if taken.is_null() {
            return Err(known::STATUS_INTERNAL_ERROR);
        }
        cached.memory().descriptor.store(taken, Ordering::Relaxed);
        Ok(cached)
    }

    /// Creates the memory for a descriptor that WSK has not returned yet.
    pub(crate) fn unset(wsk: &Provider) -> Result<Self> {
        let memory = CachedMemory {
            job: DeferredJob::new(free_deferred),
            owners: AtomicUsize::new(1),
            provider: wsk.clone(),
            descriptor: AtomicPtr::new(ptr::null_mut()),
        };
        PoolBox::new(memory).map(|memory| Self(memory.into_raw()))
    }

    /// Stores the descriptor that WSK returned, if any. This value must release it.
    ///
    /// # Safety
    ///
    /// The descriptor is [`unset`](Self::unset), and the bytes are the output of its own request.
    pub(crate) unsafe fn receive(&self, written: &[u8]) {
        if let Some(bytes) = written.first_chunk() {
            let descriptor = ptr::with_exposed_provenance_mut(usize::from_ne_bytes(*bytes));
            self.memory().descriptor.store(descriptor, Ordering::Relaxed);
        }
    }

    /// Whether WSK has not returned a descriptor yet.
    pub(crate) fn is_unset(&self) -> bool {
        self.as_ptr().is_null()
    }

    /// Whether it belongs to this registration. Sockets of other registrations do not accept the descriptor.
    pub(crate) fn is_of(&self, client: &Client) -> bool {
        ptr::eq(self.memory().provider.client_ref(), client)
    }

    /// Returns the pointer for [`dispatch`](crate::dispatch), valid as long as this value or a clone of it exists.
    #[must_use]
    pub fn as_ptr(&self) -> PSECURITY_DESCRIPTOR {
        self.memory().descriptor.load(Ordering::Relaxed)
    }

    const fn memory(&self) -> &CachedMemory {
        // SAFETY: this value is one of the owners, so the memory is valid (Invariants).
        unsafe { self.0.as_ref() }
    }
}

impl Clone for CachedSecurityDescriptor {
    fn clone(&self) -> Self {
        // A 64-bit count does not overflow in practice.
        self.memory().owners.fetch_add(1, Ordering::Relaxed);
        Self(self.0)
    }
}

impl Drop for CachedSecurityDescriptor {
    /// IRQL: <= `DISPATCH_LEVEL`. Makes no call to WSK, so that it may run in a completion routine ([INV-15](crate::rules#inv-15)).
    fn drop(&mut self) {
        if self.memory().owners.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        // The other owners' accesses happen before the release.
        fence(Ordering::Acquire);
        let client = self.memory().provider.client_ptr();
        // SAFETY: this was the last owner, so the memory is valid and has no other user.
        let job = unsafe { &raw mut (*self.0.as_ptr()).job };
        // SAFETY: derived from a pointer that is not null.
        let job = unsafe { NonNull::new_unchecked(job) };
        // SAFETY: this was the last owner. The memory is the queue's from here on, and its provider keeps the
        // registration.
        unsafe { Client::defer(client, job) };
    }
}

impl core::fmt::Debug for CachedSecurityDescriptor {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_tuple("CachedSecurityDescriptor").field(&self.as_ptr()).finish()
    }
}

/// Called by the deferred queue: makes WSK release the descriptor, if any, frees the memory, and releases the provider.
///
/// # Safety
///
/// The job belongs to a descriptor whose last owner was dropped, and runs once.
unsafe fn free_deferred(job: NonNull<DeferredJob>) {
    // SAFETY: the job lies at this offset of its memory.
    let memory: NonNull<CachedMemory> =
        unsafe { job.byte_sub(offset_of!(CachedMemory, job)) }.cast();
    // SAFETY: the memory came from a `PoolBox`, and no other code has it.
    let memory = unsafe { PoolBox::from_raw(memory) };
    let mut descriptor: PSECURITY_DESCRIPTOR = memory.descriptor.load(Ordering::Relaxed);
    if !descriptor.is_null() {
        let input = ((&raw mut descriptor).cast(), size_of::<PSECURITY_DESCRIPTOR>());
        let output = (ptr::null_mut(), 0);
        // A failure is ignored: none is documented.
        // SAFETY: the code takes no IRP, and a pointer to a pointer to a descriptor that was cached; it is released
        // once, and every request that used it has completed, since each was an owner (INV-65).
        let _ = unsafe { memory.provider.control(WSK_RELEASE_SD, input, output, ptr::null_mut()) };
    }
    // Dropping the memory releases the provider. This comes last, since the registration may wait for it.
    drop(memory);
}
