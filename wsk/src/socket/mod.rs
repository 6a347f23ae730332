//! What all sockets share: their memory, their close, and how requests are made to them.
//!
//! A socket's memory is one allocation, made before the socket exists, with the IRP of its close in it:
//! a close needs no memory and cannot fail (INV-44). It is freed when three things have ended: the
//! owner's handle, the close, and every request's completion routine. Only then does the registration
//! stop waiting for it (INV-5, INV-18).

mod connection;
mod datagram;
mod listen;

use core::future::Future;
use core::marker::PhantomData;
use core::pin::Pin;
use core::ptr::{self, NonNull};
use core::sync::atomic::{AtomicBool, AtomicPtr, AtomicUsize, Ordering, fence};
use core::task::{Context, Poll};

use wsk_sys::{
    ADDRESS_FAMILY, NTSTATUS, PDEVICE_OBJECT, PIRP, PSOCKADDR, PVOID, PWSK_BUF, PWSK_SOCKET,
    STATUS_FILE_FORCED_CLOSED, STATUS_MORE_PROCESSING_REQUIRED, ULONG, USHORT, WSK_SOCKET,
};

pub(crate) use self::connection::ConnectionSocket;
pub(crate) use self::datagram::DatagramSocket;
pub(crate) use self::listen::ListenSocket;
use crate::buffer::Buffer;
use crate::dispatch::{BasicDispatch, Category};
use crate::operation::{Cache, Idle, InFlight, Operation, Outcome, Payload};
use crate::pool::PoolBox;
use crate::registration::{Core, Provider};
use crate::status::{Error, Result, known};

/// A socket's memory, which its handle, its close and its requests in flight hold.
pub(crate) struct Shared {
    close: Operation,
    holds: AtomicUsize,
    /// Null until the socket was delivered.
    socket: AtomicPtr<WSK_SOCKET>,
    /// The socket no longer works, and only a close is legal (INV-42).
    dead: AtomicBool,
    pub(crate) requests: Cache,
    /// The registration that the socket belongs to, which waits for this memory.
    core: NonNull<Core>,
    /// The next socket in the reaper's list.
    pub(crate) next_reaped: AtomicPtr<Shared>,
}

// SAFETY: every field is shared by atomics or by its own rules, and the registration outlives it.
unsafe impl Send for Shared {}
// SAFETY: as above.
unsafe impl Sync for Shared {}

impl Shared {
    pub(crate) fn retain(&self) {
        self.holds.fetch_add(1, Ordering::Relaxed);
    }

    /// Gives up one hold; the last one frees the memory. IRQL: <= `DISPATCH_LEVEL`.
    ///
    /// # Safety
    ///
    /// The caller has a hold, and does not use the socket any more.
    pub(crate) unsafe fn release(shared: NonNull<Self>) {
        // SAFETY: the caller's hold keeps the memory until the next step.
        let holds = unsafe { &(*shared.as_ptr()).holds };
        if holds.fetch_sub(1, Ordering::Release) != 1 {
            return;
        }
        // What the other holders did happens before the memory is freed.
        fence(Ordering::Acquire);
        // SAFETY: this was the last hold.
        let memory = unsafe { PoolBox::from_raw(shared) };
        let core = memory.core;
        drop(memory);
        // SAFETY: the registration waits for this very call, which is the socket's only one.
        unsafe { Core::release(core) };
    }

    pub(crate) fn socket(&self) -> PWSK_SOCKET {
        self.socket.load(Ordering::Acquire)
    }

    /// Remembers that the socket is dead if that is what the error says (INV-42).
    fn note(&self, error: Error) -> Error {
        if error.status() == STATUS_FILE_FORCED_CLOSED {
            self.dead.store(true, Ordering::Relaxed);
        }
        error
    }

    /// A request to be made, unless the socket is dead.
    fn idle(&self) -> Result<Idle> {
        if self.dead.load(Ordering::Relaxed) {
            return Err(known::STATUS_FILE_FORCED_CLOSED);
        }
        self.requests.take()
    }

    /// Keeps the request of a failure for the next use, and notes what it says about the socket.
    fn completed(&self, idle: Idle, result: Result<usize>) -> Result<(Idle, usize)> {
        match result {
            Ok(information) => Ok((idle, information)),
            Err(error) => {
                self.requests.put(idle);
                Err(self.note(error))
            }
        }
    }
}

/// The memory of a socket that is still to be delivered.
pub(crate) struct NewSocket(NonNull<Shared>);

// SAFETY: it is a hold on what is itself shared.
unsafe impl Send for NewSocket {}

impl NewSocket {
    /// # Errors
    ///
    /// `STATUS_INSUFFICIENT_RESOURCES` if there is no memory.
    pub(crate) fn allocate(core: &Core) -> Result<Self> {
        let shared = PoolBox::new(Shared {
            close: Operation::new(),
            holds: AtomicUsize::new(1),
            socket: AtomicPtr::new(ptr::null_mut()),
            dead: AtomicBool::new(false),
            requests: Cache::new(),
            core: NonNull::from(core),
            next_reaped: AtomicPtr::new(ptr::null_mut()),
        })?;
        core.retain();
        // SAFETY: it stays in this allocation, which is nonpaged.
        unsafe { shared.close.initialise() };
        Ok(Self(shared.into_raw()))
    }

    fn shared(&self) -> &Shared {
        // SAFETY: it is a hold.
        unsafe { self.0.as_ref() }
    }

    fn hold(&self) -> Hold {
        self.shared().retain();
        Hold(self.0)
    }

    /// # Safety
    ///
    /// `socket` is of category `C`, was delivered to a request of this client, and nobody else has it.
    pub(crate) unsafe fn open<C>(self, socket: NonNull<WSK_SOCKET>) -> Socket<C> {
        self.shared().socket.store(socket.as_ptr(), Ordering::Release);
        let shared = self.0;
        core::mem::forget(self);
        Socket(shared, PhantomData)
    }

    /// Has the reaper close a socket that arrived when nobody waited for it any more. For completion
    /// routines, which must not make the call themselves (INV-15).
    ///
    /// # Safety
    ///
    /// `socket` was delivered to a request of this client, and nobody else has it.
    pub(crate) unsafe fn reap(self, socket: NonNull<WSK_SOCKET>) {
        let shared = self.0;
        self.shared().socket.store(socket.as_ptr(), Ordering::Release);
        // SAFETY: the socket keeps its registration.
        let core = unsafe { self.shared().core.as_ref() };
        core::mem::forget(self);
        // SAFETY: the hold was given up for this.
        unsafe { core.reaper().push(shared) };
    }
}

impl Drop for NewSocket {
    fn drop(&mut self) {
        // SAFETY: it is a hold, and ends here.
        unsafe { Shared::release(self.0) };
    }
}

/// A hold on a socket's memory, for as long as it takes.
struct Hold(NonNull<Shared>);

// SAFETY: it is a hold on what is itself shared.
unsafe impl Send for Hold {}
// SAFETY: as above.
unsafe impl Sync for Hold {}

impl core::ops::Deref for Hold {
    type Target = Shared;

    fn deref(&self) -> &Shared {
        // SAFETY: it is a hold.
        unsafe { self.0.as_ref() }
    }
}

impl Drop for Hold {
    fn drop(&mut self) {
        // SAFETY: it is a hold, and ends here.
        unsafe { Shared::release(self.0) };
    }
}

/// An open socket. Dropping it starts the close and does not wait.
///
/// No call on a socket may be executing when it is closed (INV-45): every call is made through a
/// reference to this value, which is neither shared nor cloned, and the close needs the value itself.
pub(crate) struct Socket<C>(NonNull<Shared>, PhantomData<C>);

// SAFETY: it is a hold on what is itself shared.
unsafe impl<C> Send for Socket<C> {}
// SAFETY: as above.
unsafe impl<C> Sync for Socket<C> {}

/// The transport that a socket is created for.
#[derive(Clone, Copy)]
pub(crate) struct Transport {
    pub(crate) family: ADDRESS_FAMILY,
    pub(crate) socket_type: USHORT,
    pub(crate) protocol: ULONG,
}

impl<C: Category> Socket<C> {
    pub(crate) async fn create(provider: &Provider, transport: Transport) -> Result<Self> {
        let new = NewSocket::allocate(provider.core())?;
        let hold = new.hold();
        let mut idle = hold.requests.take()?;
        idle.payload().delivered = Some(new);
        let in_flight = {
            let call = |_, irp, _: *mut Payload| {
                // No callbacks (Dispatch and SocketContext null, INV-39), the current process as
                // owner, and no sharing of addresses (SecurityDescriptor null).
                // SAFETY: the provider is captured; the IRP is ready, and will be completed.
                unsafe {
                    provider.dispatch().socket(
                        provider.client(),
                        transport.family,
                        transport.socket_type,
                        transport.protocol,
                        C::FLAGS,
                        ptr::null_mut(),
                        ptr::null(),
                        ptr::null_mut(),
                        ptr::null_mut(),
                        ptr::null_mut(),
                        irp,
                    )
                }
            };
            // SAFETY: the call is given no memory but the IRP's.
            unsafe { idle.start(hold.0, call) }.never_refused()
        };
        match in_flight.await {
            Outcome::Completed(idle, result) => {
                let (mut idle, information) = hold.completed(idle, result)?;
                // SAFETY: the request created a socket of this category.
                let socket = unsafe { delivered(&mut idle, information) };
                hold.requests.put(idle);
                socket
            }
            Outcome::Refused(error) => Err(error),
        }
    }

    pub(crate) fn shared(&self) -> &Shared {
        // SAFETY: the handle is a hold.
        unsafe { self.0.as_ref() }
    }

    /// Starts a request. The payload is ready.
    ///
    /// # Safety
    ///
    /// As for [`Idle::start`].
    pub(crate) unsafe fn start(
        &self,
        idle: Idle,
        call: impl FnOnce(C, PIRP, *mut Payload) -> NTSTATUS,
    ) -> InFlight {
        let call = |socket, irp, payload: *mut Payload| {
            // SAFETY: the socket is open, and of this category, as the type says.
            let dispatch = unsafe { C::of(socket) };
            call(dispatch, irp, payload)
        };
        // SAFETY: the caller's promise.
        unsafe { idle.start(self.0, call) }
    }

    /// Makes a request that has no buffer and delivers no socket. `finish` takes the result out of the
    /// payload.
    ///
    /// # Safety
    ///
    /// As for [`Idle::start`].
    pub(crate) unsafe fn request<T, F: FnOnce(&mut Payload) -> T + Send>(
        &self,
        prepare: impl FnOnce(&mut Payload),
        call: impl FnOnce(C, PIRP, *mut Payload) -> NTSTATUS,
        finish: F,
    ) -> impl Future<Output = Result<T>> + Send {
        let shared = self.shared();
        let in_flight = shared.idle().map(|mut idle| {
            prepare(idle.payload());
            // SAFETY: the caller's promise.
            unsafe { self.start(idle, call) }
        });
        async move {
            match in_flight?.await {
                Outcome::Completed(idle, result) => {
                    let (mut idle, _) = shared.completed(idle, result)?;
                    let value = finish(idle.payload());
                    shared.requests.put(idle);
                    Ok(value)
                }
                Outcome::Refused(error) => Err(error),
            }
        }
    }

    /// Makes a request with `start..end` of a buffer, which must be within it. `finish` takes the result
    /// out of the payload, and is told how many bytes were transferred.
    ///
    /// # Safety
    ///
    /// As for [`Idle::start`]. The call is given the payload's descriptor, and through it the buffer.
    pub(crate) async unsafe fn transfer<T>(
        &self,
        (buffer, start, end): (Buffer, usize, usize),
        prepare: impl FnOnce(&mut Payload),
        call: impl FnOnce(C, PWSK_BUF, PIRP, *mut Payload) -> NTSTATUS,
        finish: impl FnOnce(&mut Payload, usize) -> T,
    ) -> (Result<T>, Buffer) {
        let shared = self.shared();
        let in_flight = {
            let mut idle = match shared.idle() {
                Ok(idle) => idle,
                Err(error) => return (Err(error), buffer),
            };
            let payload = idle.payload();
            payload.descriptor = buffer.describe(start, end);
            payload.buffer = Some(buffer);
            prepare(payload);
            let call = |dispatch, irp, payload: *mut Payload| {
                // SAFETY: the payload is the request's, and stays until it completes.
                let descriptor: PWSK_BUF = unsafe { &raw mut (*payload).descriptor };
                call(dispatch, descriptor, irp, payload)
            };
            // SAFETY: the caller's promise.
            unsafe { self.start(idle, call) }
        };
        match in_flight.await {
            Outcome::Completed(mut idle, result) => {
                let buffer = idle.payload().buffer.take().unwrap_or(Buffer::empty());
                let result = shared.completed(idle, result).map(|(mut idle, information)| {
                    // No system should report more than it was given room for.
                    let value = finish(idle.payload(), information.min(end - start));
                    shared.requests.put(idle);
                    value
                });
                (result, buffer)
            }
            // The system does not implement the call, and may still use the buffer.
            Outcome::Refused(error) => (Err(error), Buffer::empty()),
        }
    }

    /// Closes the socket.
    pub(crate) fn close(self) -> Closing {
        let shared = self.0;
        core::mem::forget(self);
        // One hold for the close's completion routine, besides the handle's, which `Closing` has now.
        // SAFETY: the handle's hold keeps the memory.
        unsafe { shared.as_ref() }.retain();
        // SAFETY: the handle was given up for this.
        unsafe { begin_close(shared, false) };
        Closing(shared)
    }
}

impl<C> Drop for Socket<C> {
    fn drop(&mut self) {
        // SAFETY: the handle ends here, and leaves its hold to the completion routine.
        unsafe { begin_close(self.0, true) };
    }
}

/// Starts the close of a socket. The completion routine gives up one hold. IRQL: <= `DISPATCH_LEVEL`.
///
/// # Safety
///
/// - The socket was delivered, and is closed once.
/// - No call to it is executing, and none follows.
/// - There is a hold for the completion routine to give up.
pub(crate) unsafe fn begin_close(shared: NonNull<Shared>, detached: bool) {
    // SAFETY: the hold keeps the memory until the completion routine has run.
    let memory = unsafe { shared.as_ref() };
    let socket = memory.socket();
    // SAFETY: this is the one close, and nobody uses its request otherwise.
    let irp = unsafe { memory.close.ready_close(detached, closed, shared.as_ptr().cast()) };
    // SAFETY: the socket is open, and its table begins with the basic functions.
    let dispatch = unsafe { BasicDispatch::of(socket) };
    // From here on the memory may be gone. The status says nothing that the completion routine will not
    // (INV-12).
    // SAFETY: no call to the socket is executing, as promised; the IRP is ready.
    unsafe { dispatch.close_socket(irp) };
}

/// The completion routine of a close.
unsafe extern "C" fn closed(_device: PDEVICE_OBJECT, _irp: PIRP, context: PVOID) -> NTSTATUS {
    // SAFETY: `begin_close` set this context.
    let shared = unsafe { NonNull::new_unchecked(context.cast::<Shared>()) };
    // SAFETY: this routine's hold keeps the memory.
    let waker = unsafe { shared.as_ref() }.close.close_completed();
    if let Some(waker) = waker {
        waker.wake();
    }
    // The last thing that this routine does: it may let the driver unload.
    // SAFETY: `begin_close` left a hold for this.
    unsafe { Shared::release(shared) };
    STATUS_MORE_PROCESSING_REQUIRED
}

/// A close in progress. Ready when the socket is gone; dropping it does not stop the close.
#[must_use = "the close has begun, but nobody waits for its end"]
pub(crate) struct Closing(NonNull<Shared>);

// SAFETY: it is a hold on what is itself shared.
unsafe impl Send for Closing {}
// SAFETY: as above.
unsafe impl Sync for Closing {}

impl Closing {
    fn close(&self) -> &Operation {
        // SAFETY: it is a hold.
        unsafe { &self.0.as_ref().close }
    }
}

impl Future for Closing {
    type Output = ();

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        self.close().poll_close(context)
    }
}

impl Drop for Closing {
    fn drop(&mut self) {
        self.close().detach_close();
        // SAFETY: it is a hold, and ends here.
        unsafe { Shared::release(self.0) };
    }
}

/// The socket that a request delivered.
///
/// # Safety
///
/// The request delivers sockets of category `C`, and has completed with this information.
pub(crate) unsafe fn delivered<C>(idle: &mut Idle, information: usize) -> Result<Socket<C>> {
    // CAST: the information of a request that delivers a socket is its address (INV-19).
    let socket = NonNull::new(ptr::with_exposed_provenance_mut::<WSK_SOCKET>(information));
    match (idle.payload().delivered.take(), socket) {
        // SAFETY: the request delivered this socket, and nobody else has it.
        (Some(new), Some(socket)) => Ok(unsafe { new.open(socket) }),
        _ => Err(known::STATUS_INTERNAL_ERROR),
    }
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
