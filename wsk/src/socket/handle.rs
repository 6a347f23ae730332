//! Handles of open sockets, and how requests are made through them.
//!
//! # Safety
//!
//! A handle has one open reference, with a pointer to the whole memory of its socket.

#![expect(unsafe_code, reason = "see Safety")]

use core::future::Future;
use core::marker::PhantomData;
use core::net::SocketAddr;
use core::ptr::NonNull;

use wsk_sys::{NTSTATUS, PIRP};

use super::close::Close;
use super::memory::SocketState;
use crate::address;
use crate::category::Category;
use crate::client::AwaitOutsideRoutines;
use crate::operation::{
    Idle, InFlight, Issued, OptionalFunction, Payload, RARE, RequestKind, RequestOutcome,
};
use crate::status::{Result, known};
use crate::time::Timeout;

/// An open reference to a socket of category `C`. Dropping the last one starts the close and does not wait.
///
/// No call on a socket may be executing when it is closed ([INV-45](crate::rules#inv-45)): every call is made through a
/// reference to a handle or another open reference, and the close begins when there is none.
///
/// The variance in `C` is irrelevant: categories are sealed and have no subtypes.
///
/// # Invariants
///
/// It owns an open reference to a delivered socket of category `C`. The pointer is to the whole memory of the socket.
pub(crate) struct Handle<C>(NonNull<SocketState>, PhantomData<fn() -> C>);

// SAFETY: it owns a reference (Invariants) to a `SocketState`, which is `Sync`, and any thread may release it.
unsafe impl<C> Send for Handle<C> {}
// SAFETY: it is a reference to a `SocketState`, which is `Sync`.
unsafe impl<C> Sync for Handle<C> {}

impl<C> Handle<C> {
    /// # Safety
    ///
    /// The socket was delivered, has category `C`, and the caller transfers an open reference to the handle. The
    /// pointer is to the whole memory.
    pub(super) const unsafe fn from_raw(state: NonNull<SocketState>) -> Self {
        // INVARIANT: the caller transfers an open reference to a socket of this category (this function's contract).
        Self(state, PhantomData)
    }

    pub(crate) const fn state(&self) -> &SocketState {
        // SAFETY: the handle owns an open reference (Invariants).
        unsafe { self.0.as_ref() }
    }

    pub(crate) const fn as_ptr(&self) -> NonNull<SocketState> {
        self.0
    }

    /// Closes the socket as soon as there is no other open reference.
    pub(crate) fn close(self) -> Close {
        let state = self.0;
        core::mem::forget(self);
        // SAFETY: the handle's open reference was given up for this. Other handles are dropped, and not closed.
        unsafe { Close::start(state) }
    }

    /// Fails for an address whose family is not the socket's, which WSK would misread ([INV-32](crate::rules#inv-32)).
    pub(crate) fn check_family(&self, address: SocketAddr) -> Result<()> {
        if address::family(address) == self.state().family() {
            Ok(())
        } else {
            Err(known::STATUS_INVALID_ADDRESS_COMPONENT)
        }
    }
}

impl<C> Clone for Handle<C> {
    fn clone(&self) -> Self {
        self.state().retain_open();
        // INVARIANT: `retain_open` took an open reference for this value.
        Self(self.0, PhantomData)
    }
}

impl<C> Drop for Handle<C> {
    fn drop(&mut self) {
        // SAFETY: the handle owns an open reference (Invariants), and ends here.
        unsafe { SocketState::release_open(self.0) };
    }
}

impl<C: Category> Handle<C> {
    /// Waits until the future is polled where it may call WSK: see
    /// [`Client::outside_routines`](crate::client::Client::outside_routines). No `await` may be between this and the call.
    #[inline]
    pub(crate) fn outside_routines(&self) -> AwaitOutsideRoutines<'_> {
        self.state().client().outside_routines()
    }

    /// The socket's functions, valid as long as the handle.
    pub(crate) fn dispatch(&self) -> C::Dispatch {
        // SAFETY: the handle keeps the socket open, which is of category `C` (the type's invariant).
        unsafe { C::dispatch(self.state().socket()) }
    }

    /// Issues a request whose payload is ready. A `FREQUENT` one has more code for fewer instructions.
    ///
    /// # Safety
    ///
    /// As for [`Idle::start`].
    #[inline]
    pub(crate) unsafe fn start<const FREQUENT: bool>(
        &self,
        idle: Idle,
        kind: RequestKind,
        call: impl FnOnce(C::Dispatch, PIRP, *mut Payload) -> NTSTATUS,
    ) -> Issued {
        let dispatch = self.dispatch();
        let call = |irp, payload: *mut Payload| call(dispatch, irp, payload);
        // SAFETY: the handle's open reference keeps the target, and its pointer is to the whole memory. After the last
        // open reference, `begin_close` ends all borrowing. The rest is this function's contract.
        unsafe { idle.start_borrowing::<FREQUENT, _>(self.0, kind, call) }
    }

    /// Makes a request like [`request`](Self::request), with a function that some systems lack.
    ///
    /// # Safety
    ///
    /// As for [`Idle::start`].
    pub(crate) unsafe fn request_of<
        T,
        D: Timeout + Send,
        F: FnOnce(&mut Payload, usize) -> T + Send,
    >(
        &self,
        function: OptionalFunction,
        kind: RequestKind,
        deadline: D,
        prepare: impl FnOnce(&mut Payload),
        call: impl FnOnce(C::Dispatch, PIRP, *mut Payload) -> NTSTATUS,
        finish: F,
    ) -> impl Future<Output = Result<T>> + Send {
        let refusals = &self.state().client().refusals;
        // SAFETY: the future below borrows the handle, which keeps the socket's memory.
        let idle = || unsafe { self.state().idle() };
        let idle = refusals.check(function).and_then(|()| idle());
        let in_flight = idle.and_then(|mut idle| {
            prepare(idle.payload());
            // SAFETY: this function's contract is that of `start`.
            unsafe { self.start::<RARE>(idle, kind, call) }.in_flight_of(function, refusals)
        });
        self.finish_request(in_flight, deadline, finish)
    }

    /// Makes a request that has no buffer and delivers no socket, until a deadline. `finish` takes the result out of
    /// the payload, and gets the information of the result ([INV-19](crate::rules#inv-19)).
    ///
    /// # Safety
    ///
    /// As for [`Idle::start`].
    pub(crate) unsafe fn request<
        T,
        D: Timeout + Send,
        F: FnOnce(&mut Payload, usize) -> T + Send,
    >(
        &self,
        deadline: D,
        prepare: impl FnOnce(&mut Payload),
        call: impl FnOnce(C::Dispatch, PIRP, *mut Payload) -> NTSTATUS,
        finish: F,
    ) -> impl Future<Output = Result<T>> + Send {
        // SAFETY: the future below borrows the handle, which keeps the socket's memory.
        let in_flight = unsafe { self.state().idle() }.map(|mut idle| {
            prepare(idle.payload());
            // SAFETY: this function's contract is that of `start`.
            unsafe { self.start::<RARE>(idle, RequestKind::Other, call) }.in_flight()
        });
        self.finish_request(in_flight, deadline, finish)
    }

    async fn finish_request<T>(
        &self,
        in_flight: Result<InFlight>,
        deadline: impl Timeout,
        finish: impl FnOnce(&mut Payload, usize) -> T,
    ) -> Result<T> {
        let state = self.state();
        match in_flight?.with_deadline(deadline).await {
            RequestOutcome::Completed(idle, result) => {
                let (mut idle, information) = state.completed(idle, result)?;
                let value = finish(idle.payload(), information);
                state.requests.put(idle);
                Ok(value)
            }
            RequestOutcome::Refused(error) => Err(error),
        }
    }
}
