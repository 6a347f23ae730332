//! References to a socket's memory that are held for a limited time, in addition to those of its handles.
//!
//! # Safety
//!
//! Each type in this file has one reference of a kind that [`RefCounts`](super::counts::RefCounts) counts, with a pointer
//! to the whole memory, and releases it when it is dropped.

#![expect(unsafe_code, reason = "see Safety")]

use core::ptr::NonNull;

use wsk_sys::{PWSK_SOCKET, WSK_SOCKET};

use super::memory::SocketState;
use crate::client::Client;
use crate::deferred::ReservedCall;
use crate::operation::{Idle, Target as _};
use crate::status::Result;

/// A reference to a socket's memory, with its handler.
///
/// # Invariants
///
/// It has one memory reference.
pub(crate) struct MemoryRef(NonNull<SocketState>);

// SAFETY: it is a reference to a `SocketState`, which is `Send` and `Sync`.
unsafe impl Send for MemoryRef {}
// SAFETY: it is a reference to a `SocketState`, which is `Sync`.
unsafe impl Sync for MemoryRef {}

impl MemoryRef {
    /// Takes another memory reference.
    ///
    /// # Safety
    ///
    /// The caller has a memory reference; the pointer is to the whole memory.
    pub(super) unsafe fn new(state: NonNull<SocketState>) -> Self {
        // INVARIANT: this function takes the reference.
        // SAFETY: the caller's reference keeps the memory.
        unsafe { state.as_ref() }.retain();
        Self(state)
    }

    pub(crate) const fn as_ptr(&self) -> NonNull<SocketState> {
        self.0
    }
}

impl core::ops::Deref for MemoryRef {
    type Target = SocketState;

    fn deref(&self) -> &SocketState {
        // SAFETY: this value has a memory reference.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for MemoryRef {
    fn drop(&mut self) {
        // SAFETY: this value's memory reference is released once.
        unsafe { SocketState::release(self.0) };
    }
}

/// A weak reference to a socket's memory: neither the socket nor its handler nor the registration waits for it.
///
/// # Invariants
///
/// It has one weak reference.
pub(crate) struct Weak(NonNull<SocketState>);

// SAFETY: it is a reference to a `SocketState`, which is `Send` and `Sync`.
unsafe impl Send for Weak {}
// SAFETY: it is a reference to a `SocketState`, which is `Sync`.
unsafe impl Sync for Weak {}

impl Weak {
    pub(crate) fn new(state: &SocketState) -> Self {
        // INVARIANT: this function takes the reference.
        state.counts.retain_weak();
        Self(state.whole)
    }

    /// An open reference, if the socket is open.
    pub(crate) fn try_open(&self) -> Option<OpenGuard> {
        // SAFETY: this value's weak reference keeps the memory.
        OpenGuard::try_new(unsafe { self.0.as_ref() })
    }

    /// Returns the result like [`SocketState::completed`], for a socket that may be closed already.
    pub(crate) fn completed(&self, idle: Idle, result: Result<usize>) -> Result<()> {
        // SAFETY: this value's weak reference keeps the memory, and with it the cache.
        let state = unsafe { self.0.as_ref() };
        state.completed(idle, result).map(|(idle, _)| state.requests.put(idle))
    }
}

impl Drop for Weak {
    fn drop(&mut self) {
        // SAFETY: this value's weak reference is released once.
        unsafe { SocketState::release_weak(self.0) };
    }
}

/// Keeps a socket open, for a call or for as long as its data is retained.
///
/// # Invariants
///
/// It has one open reference, and `socket` is the open socket.
#[derive(Debug)]
pub(crate) struct OpenGuard {
    state: NonNull<SocketState>,
    socket: NonNull<WSK_SOCKET>,
}

// SAFETY: it is a reference to a `SocketState`, which is `Send` and `Sync`; WSK takes a socket in any thread.
unsafe impl Send for OpenGuard {}
// SAFETY: it is a reference to a `SocketState`, which is `Sync`; WSK takes a socket in any thread.
unsafe impl Sync for OpenGuard {}

impl OpenGuard {
    /// Keeps the socket open, if it was delivered and its close has not begun.
    pub(crate) fn try_new(state: &SocketState) -> Option<Self> {
        let socket = NonNull::new(state.socket())?;
        if !state.counts.try_retain_open() {
            return None;
        }
        // Not before: a value that is dropped would release a reference that was not taken (INV-45).
        // INVARIANT: the reference was taken just now.
        Some(Self { state: state.whole, socket })
    }

    pub(crate) const fn socket(&self) -> PWSK_SOCKET {
        self.socket.as_ptr()
    }

    pub(crate) const fn as_ptr(&self) -> NonNull<SocketState> {
        self.state
    }

    /// Calls `function` with this guard and `value` where WSK may be called: see [`Client::call_outside_routines`].
    pub(crate) fn call_outside_routines<T: Send>(self, value: T, function: fn((Self, T))) {
        let client = self.client;
        // SAFETY: the guard's open reference keeps the socket's memory, and with it the client.
        unsafe { Client::call_outside_routines(client, function, (self, value)) };
    }

    /// Calls `function` like [`call_outside_routines`](Self::call_outside_routines), with memory that was reserved for that.
    pub(crate) fn call_by<T: Send>(
        self,
        reserved: ReservedCall<(Self, T)>,
        value: T,
        function: fn((Self, T)),
    ) {
        let client = self.client;
        // SAFETY: the guard's open reference keeps the socket's memory, and with it the client.
        unsafe { Client::call_by(client, reserved, function, (self, value)) };
    }
}

impl core::ops::Deref for OpenGuard {
    type Target = SocketState;

    fn deref(&self) -> &SocketState {
        // SAFETY: this value has an open reference.
        unsafe { self.state.as_ref() }
    }
}

impl Drop for OpenGuard {
    fn drop(&mut self) {
        // SAFETY: this value's open reference, to a delivered socket, is released once.
        unsafe { SocketState::release_open(self.state) };
    }
}
