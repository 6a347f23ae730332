//! Handles of open sockets, and how requests are made through them.

use core::future::Future;
use core::marker::PhantomData;
use core::net::SocketAddr;
use core::ptr::{self, NonNull};

use wsk_sys::{NTSTATUS, PIRP, PSOCKADDR, PWSK_BUF, WSK_SOCKET};

use super::category::Category;
use super::closing::Closing;
use super::memory::Shared;
use crate::address;
use crate::operation::{ControlArea, Idle, InFlight, Outcome, Payload, Started, Target};
use crate::status::{Result, known};
use crate::time::Deadline;

/// A use of an open socket. Dropping the last one starts the close and does not wait.
///
/// No call on a socket may be executing when it is closed (INV-45): every call is made through a
/// reference to a handle, or by who has another use, and the close begins when there is none.
pub(crate) struct Handle<C>(NonNull<Shared>, PhantomData<fn() -> C>);

// SAFETY: it is a use of what is itself shared.
unsafe impl<C> Send for Handle<C> {}
// SAFETY: as above.
unsafe impl<C> Sync for Handle<C> {}

impl<C> Handle<C> {
    /// # Safety
    ///
    /// The socket was delivered, is of category `C`, and a use of it is the handle's from here on.
    pub(super) const unsafe fn from_raw(shared: NonNull<Shared>) -> Self {
        Self(shared, PhantomData)
    }

    pub(crate) const fn shared(&self) -> &Shared {
        // SAFETY: the handle is a use.
        unsafe { self.0.as_ref() }
    }

    pub(crate) const fn as_ptr(&self) -> NonNull<Shared> {
        self.0
    }

    /// Closes the socket, as soon as there is no other use of it.
    pub(crate) fn close(self) -> Closing {
        let shared = self.0;
        core::mem::forget(self);
        // SAFETY: the handle was given up for this. Others are dropped, and not closed.
        unsafe { Closing::start(shared) }
    }

    /// Fails for an address of another family than the socket's, which WSK would misread (INV-32).
    pub(crate) fn require_family(&self, address: SocketAddr) -> Result<()> {
        if address::family(address) == self.shared().family() {
            Ok(())
        } else {
            Err(known::STATUS_INVALID_ADDRESS_COMPONENT)
        }
    }
}

impl<C> Clone for Handle<C> {
    fn clone(&self) -> Self {
        self.shared().begin_use();
        Self(self.0, PhantomData)
    }
}

impl<C> Drop for Handle<C> {
    fn drop(&mut self) {
        // SAFETY: the use ends here.
        unsafe { Shared::end_use(self.0) };
    }
}

impl<C: Category> Handle<C> {
    /// The socket's functions, while the handle is there.
    pub(crate) fn dispatch(&self) -> C::Dispatch {
        // SAFETY: the socket is open, and of this category, as the type says.
        unsafe { C::dispatch(self.shared().socket()) }
    }

    /// Starts a request. The payload is ready.
    ///
    /// # Safety
    ///
    /// As for [`Idle::start`].
    #[inline]
    pub(crate) unsafe fn start(
        &self,
        idle: Idle,
        call: impl FnOnce(C::Dispatch, PIRP, *mut Payload) -> NTSTATUS,
    ) -> InFlight {
        // SAFETY: the caller's promise.
        unsafe { self.start_to_look(idle, call) }.in_flight()
    }

    /// As [`start`](Self::start), for who looks for the end at once.
    ///
    /// # Safety
    ///
    /// As for [`Idle::start`].
    #[inline]
    pub(super) unsafe fn start_to_look(
        &self,
        idle: Idle,
        call: impl FnOnce(C::Dispatch, PIRP, *mut Payload) -> NTSTATUS,
    ) -> Started {
        let dispatch = self.dispatch();
        let call = |irp, payload: *mut Payload| call(dispatch, irp, payload);
        // SAFETY: the caller's promise; a use is a hold.
        unsafe { idle.start_to_look(Target::Socket(self.0), call) }
    }

    /// Makes a request that has no buffer and delivers no socket. `finish` takes the result out of the
    /// payload, and is told the information of the result (INV-19).
    ///
    /// # Safety
    ///
    /// As for [`Idle::start`].
    pub(crate) unsafe fn request<T, F: FnOnce(&mut Payload, usize) -> T + Send>(
        &self,
        prepare: impl FnOnce(&mut Payload),
        call: impl FnOnce(C::Dispatch, PIRP, *mut Payload) -> NTSTATUS,
        finish: F,
    ) -> impl Future<Output = Result<T>> + Send {
        // SAFETY: the caller's promise.
        let in_flight = unsafe { self.begin(prepare, call) };
        async move { self.end(in_flight?, &mut Deadline::never(), finish).await }
    }

    /// As [`request`](Self::request), until a deadline.
    ///
    /// # Safety
    ///
    /// As for [`Idle::start`].
    pub(crate) unsafe fn request_within<T, F: FnOnce(&mut Payload, usize) -> T + Send>(
        &self,
        deadline: &mut Deadline<'_>,
        prepare: impl FnOnce(&mut Payload),
        call: impl FnOnce(C::Dispatch, PIRP, *mut Payload) -> NTSTATUS,
        finish: F,
    ) -> impl Future<Output = Result<T>> + Send {
        // SAFETY: the caller's promise.
        let in_flight = unsafe { self.begin(prepare, call) };
        async move { self.end(in_flight?, deadline, finish).await }
    }

    /// # Safety
    ///
    /// As for [`Idle::start`].
    unsafe fn begin(
        &self,
        prepare: impl FnOnce(&mut Payload),
        call: impl FnOnce(C::Dispatch, PIRP, *mut Payload) -> NTSTATUS,
    ) -> Result<InFlight> {
        let mut idle = self.shared().idle()?;
        prepare(idle.payload());
        // SAFETY: the caller's promise.
        Ok(unsafe { self.start(idle, call) })
    }

    async fn end<T>(
        &self,
        in_flight: InFlight,
        deadline: &mut Deadline<'_>,
        finish: impl FnOnce(&mut Payload, usize) -> T,
    ) -> Result<T> {
        let shared = self.shared();
        match in_flight.within(deadline).await {
            Outcome::Completed(idle, result) => {
                let (mut idle, information) = shared.completed(idle, result)?;
                let value = finish(idle.payload(), information);
                shared.requests.put(idle);
                Ok(value)
            }
            Outcome::Refused(error) => Err(error),
        }
    }
}

/// The socket that a request delivered.
///
/// # Safety
///
/// The request delivers sockets of category `C`, and has completed with this information.
pub(crate) unsafe fn delivered<C>(idle: &mut Idle, information: usize) -> Result<Handle<C>> {
    // CAST: the information of a request that delivers a socket is its address (INV-19).
    let socket = NonNull::new(ptr::with_exposed_provenance_mut::<WSK_SOCKET>(information));
    match (idle.payload().delivered.take(), socket) {
        // SAFETY: the request delivered this socket, and nobody else has it.
        (Some(new), Some(socket)) => Ok(unsafe { new.open(socket) }),
        _ => Err(known::STATUS_INTERNAL_ERROR),
    }
}

/// What describes a payload's buffer, as WSK's functions take it.
///
/// # Safety
///
/// The pointer is the one that [`Idle::start`] gives to its call.
pub(crate) const unsafe fn descriptor(payload: *mut Payload) -> PWSK_BUF {
    // SAFETY: the payload is there, as the caller promises.
    unsafe { &raw mut (*payload).descriptor }
}

/// The local address of a payload, as WSK's functions take it.
///
/// # Safety
///
/// The pointer is the one that [`Idle::start`] gives to its call.
pub(crate) const unsafe fn local(payload: *mut Payload) -> PSOCKADDR {
    // SAFETY: the payload is there, as the caller promises.
    unsafe { &raw mut (*payload).local }.cast()
}

/// The remote address of a payload, as WSK's functions take it.
///
/// # Safety
///
/// The pointer is the one that [`Idle::start`] gives to its call.
pub(crate) const unsafe fn remote(payload: *mut Payload) -> PSOCKADDR {
    // SAFETY: the payload is there, as the caller promises.
    unsafe { &raw mut (*payload).remote }.cast()
}

/// The control area of a payload.
///
/// # Safety
///
/// The pointer is the one that [`Idle::start`] gives to its call.
pub(crate) const unsafe fn control(payload: *mut Payload) -> *mut ControlArea {
    // SAFETY: the payload is there, as the caller promises.
    unsafe { &raw mut (*payload).control }
}
