//! The guide: three complete clients.
//!
//! 1. [Raw client](#raw-client): every call as in C
//! 2. [Async client](#async-client): with the safe crate, `wsk`
//! 3. [Datagrams with events](#datagrams-with-events): callbacks, on a lossy network
//!
//! [`run`](crate::run) runs each client once per seed. A failure prints the seed and a trace of the preceding events. In
//! your own crate, the attribute [`#[wsk_host::test]`](macro@crate::test) does the same for a test function.
//! [A race, found and shrunk](#a-race-found-and-shrunk) shows what to do with a failure.
//!
//! # Raw client
//!
//! As in a C driver, every call has an IRP, whose completion routine keeps the IRP and sets an event. The memory of a
//! request is nonpaged pool and stays allocated until the request has completed. Otherwise the host would stop the
//! process with a report.
//!
//! ```
//! use std::mem::MaybeUninit;
//! use std::ptr;
//! use wsk_sys::*;
//!
//! const TAG: ULONG = u32::from_le_bytes(*b"demo");
//!
//! static DISPATCH: WSK_CLIENT_DISPATCH =
//!     WSK_CLIENT_DISPATCH { Version: MAKE_WSK_VERSION(1, 0), Reserved: 0, WskClientEvent: None };
//!
//! unsafe extern "C" fn completed(_: PDEVICE_OBJECT, _: PIRP, event: PVOID) -> NTSTATUS {
//!     unsafe { KeSetEvent(event.cast(), 0, FALSE) };
//!     STATUS_MORE_PROCESSING_REQUIRED
//! }
//!
//! /// Issues a request with an IRP, waits for its completion, and returns the result.
//! unsafe fn wait_for(call: impl FnOnce(PIRP) -> NTSTATUS) -> IO_STATUS_BLOCK {
//!     let mut event = MaybeUninit::<KEVENT>::uninit();
//!     let event = event.as_mut_ptr();
//!     unsafe {
//!         KeInitializeEvent(event, NotificationEvent, FALSE);
//!         let irp = IoAllocateIrp(1, FALSE);
//!         IoSetCompletionRoutine(irp, Some(completed), event.cast(), TRUE, TRUE, TRUE);
//!         // The result is the IRP's status, never the return value.
//!         call(irp);
//!         KeWaitForSingleObject(event.cast(), Executive, KernelMode, FALSE, ptr::null_mut());
//!         let result = (*irp).IoStatus;
//!         IoFreeIrp(irp);
//!         result
//!     }
//! }
//!
//! wsk_host::run(wsk_host::Config::default(), 0..8, |_host| unsafe {
//!     let mut registration = Box::<WSK_REGISTRATION>::new(MaybeUninit::zeroed().assume_init());
//!     let mut npi = WSK_CLIENT_NPI { ClientContext: ptr::null_mut(), Dispatch: &raw const DISPATCH };
//!     assert_eq!(WskRegister(&raw mut npi, &raw mut *registration), STATUS_SUCCESS);
//!     let mut provider = MaybeUninit::<WSK_PROVIDER_NPI>::uninit();
//!     let status =
//!         WskCaptureProviderNPI(&raw mut *registration, WSK_NO_WAIT, provider.as_mut_ptr());
//!     assert_eq!(status, STATUS_SUCCESS);
//!     let provider = provider.assume_init();
//!
//!     // A listening socket, and the provider's table of its category.
//!     let result = wait_for(|irp| {
//!         (*provider.Dispatch).WskSocket.unwrap()(
//!             provider.Client, AF_INET, SOCK_STREAM, IPPROTO_TCP, WSK_FLAG_LISTEN_SOCKET,
//!             ptr::null_mut(), ptr::null(), ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), irp,
//!         )
//!     });
//!     assert_eq!(result.Status, STATUS_SUCCESS);
//!     let listener: PWSK_SOCKET = ptr::with_exposed_provenance_mut(result.Information);
//!     let table = (*listener).Dispatch.cast::<WSK_PROVIDER_LISTEN_DISPATCH>();
//!
//!     // WSK writes addresses to nonpaged memory only.
//!     let size = size_of::<SOCKADDR_IN>();
//!     let address: *mut SOCKADDR_IN = ExAllocatePoolWithTag(NonPagedPoolNx, size, TAG).cast();
//!     address.write(MaybeUninit::zeroed().assume_init());
//!     (*address).sin_family = AF_INET;
//!     let result = wait_for(|irp| (*table).WskBind.unwrap()(listener, address.cast(), 0, irp));
//!     assert_eq!(result.Status, STATUS_SUCCESS);
//!     let result =
//!         wait_for(|irp| (*table).WskGetLocalAddress.unwrap()(listener, address.cast(), irp));
//!     assert_eq!(result.Status, STATUS_SUCCESS);
//!     assert_ne!((*address).sin_port, 0);
//!     ExFreePoolWithTag(address.cast(), TAG);
//!
//!     let result = wait_for(|irp| (*table).Basic.WskCloseSocket.unwrap()(listener, irp));
//!     assert_eq!(result.Status, STATUS_SUCCESS);
//!     WskReleaseProviderNPI(&raw mut *registration);
//!     WskDeregister(&raw mut *registration);
//! });
//! ```
//!
//! # Async client
//!
//! With the safe crate, `wsk`, which does not depend on the host. Both ends of the connection are in this process. A
//! receive may return fewer bytes than were sent, as on any network.
//!
//! ```
//! use std::net::Ipv4Addr;
//! use wsk::{Buffer, Registration, Result, TcpListener, TcpStream, irql::Passive, rt};
//!
//! fn echo_once(passive: Passive) -> Result<Vec<u8>> {
//!     let registration = Registration::register(passive)?;
//!     let wsk = registration.try_capture()?;
//!     rt::block_on(passive, async {
//!         let listener = TcpListener::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
//!         let client = TcpStream::connect(&wsk, listener.local_addr().await?).await?;
//!         let (server, _peer) = listener.accept().await?;
//!         client.send_all(Buffer::try_from(&b"hello"[..])?).await.into_result()?;
//!         client.shutdown().await?;
//!
//!         let (mut all, mut buffer) = (Vec::new(), Buffer::new(100)?);
//!         loop {
//!             let (received, filled) = server.recv(buffer).await.into_result()?;
//!             if received == 0 {
//!                 return Ok(all);
//!             }
//!             all.extend_from_slice(&filled[..received]);
//!             buffer = filled;
//!         }
//!     })?
//! }
//!
//! wsk_host::run(wsk_host::Config::default(), 0..8, |_host| {
//!     // SAFETY: the thread of a scenario runs at PASSIVE_LEVEL.
//!     let passive = unsafe { Passive::assume() };
//!     assert_eq!(echo_once(passive).unwrap(), b"hello");
//!     // The registration was dropped, and ends on its own. This waits for it, as DriverUnload does.
//!     wsk::unload(passive);
//! });
//! ```
//!
//! # Datagrams with events
//!
//! A socket created with a callback table and a context is notified when datagrams arrive: at any time, on any thread, at
//! `DISPATCH_LEVEL` or below. The network in this example loses one datagram in ten.
//!
//! ```
//! # use std::mem::MaybeUninit;
//! # use std::ptr;
//! # use std::sync::atomic::{AtomicUsize, Ordering};
//! # use std::time::Duration;
//! use wsk_host::{Config, Faults};
//! use wsk_sys::*;
//! # const TAG: ULONG = u32::from_le_bytes(*b"demo");
//! # static DISPATCH: WSK_CLIENT_DISPATCH =
//! #     WSK_CLIENT_DISPATCH { Version: MAKE_WSK_VERSION(1, 0), Reserved: 0, WskClientEvent: None };
//! # unsafe extern "C" fn completed(_: PDEVICE_OBJECT, _: PIRP, event: PVOID) -> NTSTATUS {
//! #     unsafe { KeSetEvent(event.cast(), 0, FALSE) };
//! #     STATUS_MORE_PROCESSING_REQUIRED
//! # }
//! # unsafe fn wait_for(call: impl FnOnce(PIRP) -> NTSTATUS) -> IO_STATUS_BLOCK {
//! #     let mut event = MaybeUninit::<KEVENT>::uninit();
//! #     let event = event.as_mut_ptr();
//! #     unsafe {
//! #         KeInitializeEvent(event, NotificationEvent, FALSE);
//! #         let irp = IoAllocateIrp(1, FALSE);
//! #         IoSetCompletionRoutine(irp, Some(completed), event.cast(), TRUE, TRUE, TRUE);
//! #         call(irp);
//! #         KeWaitForSingleObject(event.cast(), Executive, KernelMode, FALSE, ptr::null_mut());
//! #         let result = (*irp).IoStatus;
//! #         IoFreeIrp(irp);
//! #         assert_eq!(result.Status, STATUS_SUCCESS);
//! #         result
//! #     }
//! # }
//!
//! /// Counts the datagrams of an indication. Its memory returns to WSK when the callback returns.
//! unsafe extern "C" fn received(
//!     context: PVOID,
//!     _flags: ULONG,
//!     mut datagram: PWSK_DATAGRAM_INDICATION,
//! ) -> NTSTATUS {
//!     let count = unsafe { &*context.cast::<AtomicUsize>() };
//!     // A null list means that the socket no longer works and can only be closed.
//!     while !datagram.is_null() {
//!         assert_eq!(unsafe { (*datagram).Buffer.Length }, 100);
//!         count.fetch_add(1, Ordering::Relaxed);
//!         datagram = unsafe { (*datagram).Next };
//!     }
//!     STATUS_SUCCESS
//! }
//!
//! static EVENTS: WSK_CLIENT_DATAGRAM_DISPATCH =
//!     WSK_CLIENT_DATAGRAM_DISPATCH { WskReceiveFromEvent: Some(received) };
//!
//! # unsafe fn allocate<T>(value: T) -> *mut T {
//! #     unsafe {
//! #         let to: *mut T = ExAllocatePoolWithTag(NonPagedPoolNx, size_of::<T>(), TAG).cast();
//! #         to.write(value);
//! #         to
//! #     }
//! # }
//! let lossy = Faults { loss: 100, ..Faults::default() };
//! let config = Config::default().faults(lossy).delay(Duration::from_millis(20));
//! wsk_host::run(config, 0..8, |host| unsafe {
//! #   let mut registration = Box::<WSK_REGISTRATION>::new(MaybeUninit::zeroed().assume_init());
//! #   let mut npi = WSK_CLIENT_NPI { ClientContext: ptr::null_mut(), Dispatch: &raw const DISPATCH };
//! #   assert_eq!(WskRegister(&raw mut npi, &raw mut *registration), STATUS_SUCCESS);
//! #   let mut provider = MaybeUninit::<WSK_PROVIDER_NPI>::uninit();
//! #   let captured =
//! #       WskCaptureProviderNPI(&raw mut *registration, WSK_NO_WAIT, provider.as_mut_ptr());
//! #   assert_eq!(captured, STATUS_SUCCESS);
//! #   let provider = provider.assume_init();
//!     let count: *mut AtomicUsize = allocate(AtomicUsize::new(0));
//!     let socket = wait_for(|irp| {
//!         (*provider.Dispatch).WskSocket.unwrap()(
//!             provider.Client, AF_INET, SOCK_DGRAM, IPPROTO_UDP, WSK_FLAG_DATAGRAM_SOCKET,
//!             count.cast(), (&raw const EVENTS).cast(),
//!             ptr::null_mut(), ptr::null_mut(), ptr::null_mut(), irp,
//!         )
//!     });
//!     let socket: PWSK_SOCKET = ptr::with_exposed_provenance_mut(socket.Information);
//!     let table = (*socket).Dispatch.cast::<WSK_PROVIDER_DATAGRAM_DISPATCH>();
//!     let mut address: SOCKADDR_IN = MaybeUninit::zeroed().assume_init();
//!     address.sin_family = AF_INET;
//!     address.sin_port = 7_u16.to_be();
//!     address.sin_addr.S_un.S_addr = u32::from_ne_bytes([127, 0, 0, 1]);
//!     let to: PSOCKADDR = (&raw mut address).cast();
//!     wait_for(|irp| (*table).WskBind.unwrap()(socket, to, 0, irp));
//!
//!     // Callbacks are disabled until this call, which takes no IRP.
//!     static NPI: NPIID = NPI_WSK_INTERFACE_ID;
//!     let mut enable = WSK_EVENT_CALLBACK_CONTROL {
//!         NpiId: (&raw const NPI).cast_mut(),
//!         EventMask: WSK_EVENT_RECEIVE_FROM,
//!     };
//!     let status = (*table).Basic.WskControlSocket.unwrap()(
//!         socket, WskSetOption, SO_WSK_EVENT_CALLBACK, SOL_SOCKET,
//!         size_of_val(&enable), (&raw mut enable).cast(), 0, ptr::null_mut(), ptr::null_mut(),
//!         ptr::null_mut(),
//!     );
//!     assert_eq!(status, STATUS_SUCCESS);
//!
//!     let bytes = allocate([7_u8; 100]);
//!     let mdl = IoAllocateMdl(bytes.cast(), 100, FALSE, FALSE, ptr::null_mut());
//!     MmBuildMdlForNonPagedPool(mdl);
//!     let buffer = allocate(WSK_BUF { Mdl: mdl, Offset: 0, Length: 100 });
//!     for _ in 0..100 {
//!         wait_for(|irp| {
//!             (*table).WskSendTo.unwrap()(socket, buffer, 0, to, 0, ptr::null_mut(), irp)
//!         });
//!     }
//!     // Delivers everything in transit, in virtual time.
//!     host.settle();
//!     let arrived = (*count).load(Ordering::Relaxed);
//!     assert!((50..100).contains(&arrived), "{arrived}");
//!
//!     // After the close has completed, no callback runs any more: their context can be freed.
//!     wait_for(|irp| (*table).Basic.WskCloseSocket.unwrap()(socket, irp));
//!     ExFreePoolWithTag(count.cast(), TAG);
//! #   IoFreeMdl(mdl);
//! #   ExFreePoolWithTag(buffer.cast(), TAG);
//! #   ExFreePoolWithTag(bytes.cast(), TAG);
//! #   WskReleaseProviderNPI(&raw mut *registration);
//! #   WskDeregister(&raw mut *registration);
//! });
//! ```
//!
//! # A race, found and shrunk
//!
//! A seed decides many things: which thread runs, where it is preempted, how long data takes. Each is a *choice*, whose plainest
//! value is 0. A test whose two threads add one to a counter without a lock fails with some seed:
//!
//! ```text
//! assertion `left == right` failed: an addition was lost
//! wsk-host: to repeat it:
//! WSK_HOST_REPLAY=1:uniform-4 cargo test -p my-driver counts -- --exact
//! (with WSK_HOST_SHRINK=1 before it: to the choices that matter)
//! ```
//!
//! The first line **replays** the run: the same calls, in the same order, at the same times. With `WSK_HOST_SHRINK=1` before
//! it, the test looks for a run that fails in the same way with fewer choices that differ from the plainest. It ends with the
//! story of that run, and a line that replays it:
//!
//! ```text
//!        0.0000 ms            thread 2 has the turn
//!        0.0000 ms            CHOICE p1=1 of 2: the thread is preempted, in adds at ./src/counter.rs:28:14
//!        0.0000 ms            thread 3 has the turn
//!        0.0000 ms            thread 2 has the turn
//!        0.0000 ms            thread 1 has the turn
//! wsk-host: shrunk to 1 of 1 choices that differ from the plainest run, by 4 runs
//! wsk-host: to repeat it:
//! WSK_HOST_REPLAY=1:plain:p1=1:6-c9c6 cargo test -p my-driver counts -- --exact
//! ```
//!
//! One preemption is left, at the call between the load and the store. The calls, completions and callbacks of sockets appear
//! between such lines. A line is for the code that printed it: after a change, `wsk-host` refuses a value that a choice does not
//! have, and reports a run that passes and makes other choices than the recorded one.
//!
//! [`Config::schedule`](crate::Config::schedule()), or `schedule = …` of the attribute, selects how choices are made: by the seed, by the priorities of
//! probabilistic concurrency testing, or in an exhaustive search of all runs with few choices that differ from the plainest,
//! which suits small tests. `docs/schedules.md` has how many of a set of planted bugs each finds. [`run_bytes`](crate::run_bytes) reads the
//! choices from bytes: a target of cargo-fuzz is one call.
