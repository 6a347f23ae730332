//! Rules of WSK's broken by a client in raw calls, each in a process of its own, and what is said then.

#![allow(clippy::multiple_unsafe_ops_per_block, reason = "raw calls, one after the other")]

use std::env;
use std::mem::MaybeUninit;
use std::process::Command;
use std::ptr;

use wsk_host::{Config, Entered, Host, Timing};
use wsk_sys::*;

const TAG: ULONG = u32::from_le_bytes(*b"test");
const SCENARIO: &str = "WSK_HOST_SCENARIO";

/// Runs a scenario in a process of its own, which must end with a report that says all of this.
#[track_caller]
fn breaks(test: &str, rule: u8, says: &[&str], scenario: fn(&mut Client)) {
    stops(test, &format!("INV-{rule} is broken: "), says, scenario);
}

/// As [`breaks`], of any rule: the report begins like this.
#[track_caller]
fn stops(test: &str, headline: &str, says: &[&str], scenario: fn(&mut Client)) {
    if env::var_os(SCENARIO).is_some() {
        scenario(&mut Client::register());
        eprintln!("nothing was found");
        return;
    }
    let output = Command::new(env::current_exe().unwrap())
        .args([test, "--exact", "--nocapture", "--test-threads=1"])
        .env(SCENARIO, "1")
        .env_remove("RUST_BACKTRACE")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "it passed:\n{said}");
    let headline = format!("wsk-host: {headline}");
    for text in [headline.as_str()].iter().chain(says) {
        assert!(said.contains(text), "`{text}` is not said in:\n{said}");
    }
    assert_eq!(said.matches("wsk-host: ").count(), 1, "{said}");
}

/// Keeps an IRP, as a routine must.
unsafe extern "C" fn keeps(_device: PDEVICE_OBJECT, _irp: PIRP, event: PVOID) -> NTSTATUS {
    if !event.is_null() {
        // SAFETY: the client passes its event.
        unsafe { KeSetEvent(event.cast(), 0, FALSE) };
    }
    STATUS_MORE_PROCESSING_REQUIRED
}

/// Gives an IRP back that is nobody's.
unsafe extern "C" fn gives_back(_device: PDEVICE_OBJECT, _irp: PIRP, _event: PVOID) -> NTSTATUS {
    STATUS_SUCCESS
}

/// Closes a socket, which is a call.
unsafe extern "C" fn calls(_device: PDEVICE_OBJECT, irp: PIRP, _event: PVOID) -> NTSTATUS {
    // SAFETY: the IRP has delivered a socket.
    let socket = unsafe { (*irp).IoStatus.Information };
    let socket = ptr::with_exposed_provenance_mut::<WSK_SOCKET>(socket);
    let irp = ready(Some(keeps), ptr::null_mut());
    // SAFETY: breaks INV-15.
    unsafe {
        let table = (*socket).Dispatch.cast::<WSK_PROVIDER_BASIC_DISPATCH>();
        (*table).WskCloseSocket.unwrap()(socket, irp);
    }
    STATUS_MORE_PROCESSING_REQUIRED
}

/// A new IRP, ready for a call.
fn ready(routine: PIO_COMPLETION_ROUTINE, context: PVOID) -> PIRP {
    // SAFETY: the IRP is new.
    unsafe {
        let irp = IoAllocateIrp(1, FALSE);
        IoSetCompletionRoutine(irp, routine, context, TRUE, TRUE, TRUE);
        irp
    }
}

/// A client as they are written in C.
struct Client {
    host: Host,
    _entered: Entered,
    registration: Box<WSK_REGISTRATION>,
    provider: WSK_PROVIDER_NPI,
    event: Box<KEVENT>,
}

static DISPATCH: WSK_CLIENT_DISPATCH =
    WSK_CLIENT_DISPATCH { Version: MAKE_WSK_VERSION(1, 0), Reserved: 0, WskClientEvent: None };

impl Client {
    fn register() -> Self {
        let host = Host::new(Config { timing: Timing::Inline, ..Config::default() });
        let entered = host.enter();
        // SAFETY: zeroes are a block that is not registered.
        let mut registration = Box::new(unsafe { MaybeUninit::zeroed().assume_init() });
        let mut npi =
            WSK_CLIENT_NPI { ClientContext: ptr::null_mut(), Dispatch: &raw const DISPATCH };
        let mut provider = MaybeUninit::uninit();
        let mut event = Box::<KEVENT>::new_uninit();
        // SAFETY: everything is there.
        unsafe {
            assert_eq!(WskRegister(&raw mut npi, &raw mut *registration), STATUS_SUCCESS);
            let status =
                WskCaptureProviderNPI(&raw mut *registration, WSK_NO_WAIT, provider.as_mut_ptr());
            assert_eq!(status, STATUS_SUCCESS);
            KeInitializeEvent(event.as_mut_ptr(), SynchronizationEvent, FALSE);
            Self {
                host,
                _entered: entered,
                registration,
                provider: provider.assume_init(),
                event: event.assume_init(),
            }
        }
    }

    fn irp(&mut self) -> PIRP {
        ready(Some(keeps), (&raw mut *self.event).cast())
    }

    /// Waits for an IRP, and returns its result.
    fn result(&mut self, irp: PIRP) -> IO_STATUS_BLOCK {
        // SAFETY: the event is the IRP's, which has completed when it is signalled.
        unsafe {
            let event = (&raw mut *self.event).cast();
            KeWaitForSingleObject(event, Executive, KernelMode, FALSE, ptr::null_mut());
            let result = (*irp).IoStatus;
            IoFreeIrp(irp);
            result
        }
    }

    /// Creates a socket with an IRP, and does not wait for it.
    fn create(&self, flags: ULONG, irp: PIRP) {
        // SAFETY: the provider is captured.
        unsafe {
            (*self.provider.Dispatch).WskSocket.unwrap()(
                self.provider.Client,
                AF_INET,
                SOCK_STREAM,
                IPPROTO_TCP,
                flags,
                ptr::null_mut(),
                ptr::null(),
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                irp,
            );
        }
    }

    fn socket(&mut self, flags: ULONG) -> PWSK_SOCKET {
        let irp = self.irp();
        self.create(flags, irp);
        let result = self.result(irp);
        assert_eq!(result.Status, STATUS_SUCCESS);
        ptr::with_exposed_provenance_mut(result.Information)
    }

    fn close(&mut self, socket: PWSK_SOCKET) {
        let irp = self.irp();
        // SAFETY: the socket was created, unless the scenario breaks that.
        unsafe {
            let table = (*socket).Dispatch.cast::<WSK_PROVIDER_BASIC_DISPATCH>();
            (*table).WskCloseSocket.unwrap()(socket, irp);
        }
        assert_eq!(self.result(irp).Status, STATUS_SUCCESS);
    }

    fn bind(&mut self, socket: PWSK_SOCKET, family: ADDRESS_FAMILY, flags: ULONG) {
        let irp = self.irp();
        // SAFETY: zeroes are an address.
        let mut address: SOCKADDR_IN6 = unsafe { MaybeUninit::zeroed().assume_init() };
        address.sin6_family = family;
        // SAFETY: the socket listens or connects: both tables begin alike up to here.
        unsafe {
            let table = (*socket).Dispatch.cast::<WSK_PROVIDER_LISTEN_DISPATCH>();
            (*table).WskBind.unwrap()(socket, (&raw mut address).cast(), flags, irp);
        }
        assert_eq!(self.result(irp).Status, STATUS_SUCCESS);
    }

    /// A listener, a socket that is connected to it, and the one that it has accepted.
    fn connections(&mut self) -> [PWSK_SOCKET; 3] {
        let listener = self.socket(WSK_FLAG_LISTEN_SOCKET);
        self.bind(listener, AF_INET, 0);
        let socket = self.socket(WSK_FLAG_CONNECTION_SOCKET);
        self.bind(socket, AF_INET, 0);
        // SAFETY: zeroes are an address.
        let mut address: Box<SOCKADDR_IN6> =
            Box::new(unsafe { MaybeUninit::zeroed().assume_init() });
        let to: PSOCKADDR = (&raw mut *address).cast();
        // SAFETY: the socket listens.
        let table = unsafe { (*listener).Dispatch.cast::<WSK_PROVIDER_LISTEN_DISPATCH>() };
        let irp = self.irp();
        // SAFETY: the socket is bound.
        unsafe { (*table).WskGetLocalAddress.unwrap()(listener, to, irp) };
        assert_eq!(self.result(irp).Status, STATUS_SUCCESS);
        let irp = self.irp();
        // SAFETY: as above.
        unsafe { (*connection(socket)).WskConnect.unwrap()(socket, to, 0, irp) };
        assert_eq!(self.result(irp).Status, STATUS_SUCCESS);
        let irp = self.irp();
        let (none, nowhere) = (ptr::null_mut(), ptr::null_mut());
        // SAFETY: the socket listens, and the accepted one gets no callbacks.
        unsafe { (*table).WskAccept.unwrap()(listener, 0, none, ptr::null(), to, nowhere, irp) };
        let accepted = self.result(irp).Information;
        [listener, socket, ptr::with_exposed_provenance_mut(accepted)]
    }

    /// A connected socket.
    fn connected(&mut self) -> PWSK_SOCKET {
        self.connections()[1]
    }
}

fn connection(socket: PWSK_SOCKET) -> *const WSK_PROVIDER_CONNECTION_DISPATCH {
    // SAFETY: the socket is one of a connection.
    unsafe { (*socket).Dispatch.cast() }
}

/// A buffer of pool, its MDL and what describes them, also of pool.
fn pool_buffer(size: SIZE_T) -> (PVOID, PWSK_BUF) {
    // SAFETY: each call gets what the one before has made.
    unsafe {
        let bytes = ExAllocatePoolWithTag(NonPagedPoolNx, size, TAG);
        let mdl = IoAllocateMdl(bytes, size.try_into().unwrap(), FALSE, FALSE, ptr::null_mut());
        MmBuildMdlForNonPagedPool(mdl);
        let buffer: PWSK_BUF =
            ExAllocatePoolWithTag(NonPagedPoolNx, size_of::<WSK_BUF>(), TAG).cast();
        buffer.write(WSK_BUF { Mdl: mdl, Offset: 0, Length: size });
        (bytes, buffer)
    }
}

/// A receive that waits: nobody sends.
fn receive(client: &mut Client, socket: PWSK_SOCKET, buffer: PWSK_BUF) -> PIRP {
    let irp = client.irp();
    // SAFETY: the socket is connected.
    unsafe { (*connection(socket)).WskReceive.unwrap()(socket, buffer, 0, irp) };
    irp
}

#[test]
fn a_client_that_keeps_the_rules_is_not_stopped() {
    let mut client = Client::register();
    let sockets = client.connections();
    let (bytes, buffer) = pool_buffer(10);
    let irp = receive(&mut client, sockets[1], buffer);
    // SAFETY: the IRP is in flight.
    unsafe { IoCancelIrp(irp) };
    assert_eq!(client.result(irp).Status, STATUS_CANCELLED);
    for socket in sockets {
        client.close(socket);
    }
    // SAFETY: nothing is in use any more.
    unsafe {
        IoFreeMdl((*buffer).Mdl);
        ExFreePoolWithTag(buffer.cast(), TAG);
        ExFreePoolWithTag(bytes, TAG);
        WskReleaseProviderNPI(&raw mut *client.registration);
        WskDeregister(&raw mut *client.registration);
    }
    assert_eq!(client.host.outstanding_allocations(), 0);
}

#[test]
fn a_block_that_is_not_registered() {
    let says = ["call:    WskReleaseProviderNPI", "not registered"];
    breaks("a_block_that_is_not_registered", 2, &says, |client| {
        // SAFETY: breaks INV-2.
        unsafe {
            WskReleaseProviderNPI(&raw mut *client.registration);
            WskDeregister(&raw mut *client.registration);
            WskReleaseProviderNPI(&raw mut *client.registration);
        }
    });
}

#[test]
fn a_provider_released_twice() {
    let says = ["call:    WskReleaseProviderNPI", "not captured"];
    breaks("a_provider_released_twice", 4, &says, |client| {
        // SAFETY: breaks INV-4.
        unsafe {
            WskReleaseProviderNPI(&raw mut *client.registration);
            WskReleaseProviderNPI(&raw mut *client.registration);
        }
    });
}

#[test]
fn no_irp() {
    breaks("no_irp", 10, &["call:    WskSocket", "there is no IRP"], |client| {
        client.create(WSK_FLAG_LISTEN_SOCKET, ptr::null_mut());
    });
}

#[test]
fn an_irp_used_twice() {
    let says = ["call:    WskReceive", "in flight already", "created: by WskReceive in the thread"];
    breaks("an_irp_used_twice", 10, &says, |client| {
        let socket = client.connected();
        let (_, buffer) = pool_buffer(10);
        let irp = receive(client, socket, buffer);
        // SAFETY: breaks INV-10.
        unsafe { (*connection(socket)).WskReceive.unwrap()(socket, buffer, 0, irp) };
    });
}

#[test]
fn a_routine_for_success_only() {
    let says = ["call:    WskSocket", "for every outcome"];
    breaks("a_routine_for_success_only", 11, &says, |client| {
        // SAFETY: breaks INV-11.
        unsafe {
            let irp = IoAllocateIrp(1, FALSE);
            IoSetCompletionRoutine(irp, Some(keeps), ptr::null_mut(), TRUE, FALSE, FALSE);
            client.create(WSK_FLAG_LISTEN_SOCKET, irp);
        }
    });
}

#[test]
fn a_routine_that_gives_its_irp_back() {
    let says = ["call:    IofCompleteRequest", "did not keep it"];
    breaks("a_routine_that_gives_its_irp_back", 11, &says, |client| {
        client.create(WSK_FLAG_LISTEN_SOCKET, ready(Some(gives_back), ptr::null_mut()));
    });
}

#[test]
fn an_irp_reused_in_flight() {
    let says = ["call:    IoReuseIrp", "the IRP is in flight", "created: by WskReceive"];
    breaks("an_irp_reused_in_flight", 14, &says, |client| {
        let socket = client.connected();
        let (_, buffer) = pool_buffer(10);
        let irp = receive(client, socket, buffer);
        // SAFETY: breaks INV-14.
        unsafe { IoReuseIrp(irp, STATUS_SUCCESS) };
    });
}

#[test]
fn an_irp_freed_in_flight() {
    let says = ["call:    ExFreePoolWithTag", "an IRP in flight", "created: by WskReceive"];
    breaks("an_irp_freed_in_flight", 14, &says, |client| {
        let socket = client.connected();
        let (_, buffer) = pool_buffer(10);
        let irp = receive(client, socket, buffer);
        // SAFETY: breaks INV-14.
        unsafe { IoFreeIrp(irp) };
    });
}

#[test]
fn a_call_in_a_completion_routine() {
    let says = ["call:    WskCloseSocket", "in a completion routine"];
    breaks("a_call_in_a_completion_routine", 15, &says, |client| {
        client.create(WSK_FLAG_LISTEN_SOCKET, ready(Some(calls), ptr::null_mut()));
    });
}

#[test]
fn a_descriptor_that_changes() {
    let says = ["call:    WskReceive", "the buffer changed"];
    breaks("a_descriptor_that_changes", 21, &says, |client| {
        let [_, socket, peer] = client.connections();
        let (_, buffer) = pool_buffer(10);
        receive(client, socket, buffer);
        // SAFETY: breaks INV-21.
        unsafe { (*buffer).Length = 5 };
        let (_, sent) = pool_buffer(10);
        let irp = client.irp();
        // SAFETY: the socket is connected.
        unsafe { (*connection(peer)).WskSend.unwrap()(peer, sent, 0, irp) };
    });
}

#[test]
fn bytes_freed_in_flight() {
    let says = ["call:    ExFreePoolWithTag", "the buffer of a request", "created: by WskReceive"];
    breaks("bytes_freed_in_flight", 21, &says, |client| {
        let socket = client.connected();
        let (bytes, buffer) = pool_buffer(10);
        receive(client, socket, buffer);
        // SAFETY: breaks INV-21.
        unsafe { ExFreePoolWithTag(bytes, TAG) };
    });
}

#[test]
fn an_mdl_freed_in_flight() {
    let says = ["call:    ExFreePoolWithTag", "the MDL of a request", "created: by WskReceive"];
    breaks("an_mdl_freed_in_flight", 21, &says, |client| {
        let socket = client.connected();
        let (_, buffer) = pool_buffer(10);
        receive(client, socket, buffer);
        // SAFETY: breaks INV-21.
        unsafe { IoFreeMdl((*buffer).Mdl) };
    });
}

#[test]
fn memory_that_is_not_resident() {
    let says = ["call:    WskReceive", "neither nonpaged nor locked"];
    breaks("memory_that_is_not_resident", 21, &says, |client| {
        let socket = client.connected();
        let (bytes, buffer) = pool_buffer(10);
        // SAFETY: breaks INV-21: the pages of this MDL were neither locked nor built in.
        unsafe { (*buffer).Mdl = IoAllocateMdl(bytes, 10, FALSE, FALSE, ptr::null_mut()) };
        receive(client, socket, buffer);
    });
}

#[test]
fn a_buffer_beyond_its_mdl() {
    let says = ["call:    WskReceive", "beyond its MDL"];
    breaks("a_buffer_beyond_its_mdl", 22, &says, |client| {
        let socket = client.connected();
        let (_, buffer) = pool_buffer(10);
        // SAFETY: breaks INV-22.
        unsafe { (*buffer).Offset = 1 };
        receive(client, socket, buffer);
    });
}

#[test]
fn an_mdl_of_the_stack() {
    let says = ["call:    MmBuildMdlForNonPagedPool", "not nonpaged pool"];
    breaks("an_mdl_of_the_stack", 23, &says, |_| {
        let mut local = [0_u8; 10];
        // SAFETY: breaks INV-23.
        unsafe {
            let address = local.as_mut_ptr().cast();
            let mdl = IoAllocateMdl(address, 10, FALSE, FALSE, ptr::null_mut());
            MmBuildMdlForNonPagedPool(mdl);
        }
    });
}

#[test]
fn reserved_flags() {
    breaks("reserved_flags", 30, &["call:    WskBind", "the flags are 0x1"], |client| {
        let socket = client.socket(WSK_FLAG_LISTEN_SOCKET);
        client.bind(socket, AF_INET, 1);
    });
}

#[test]
fn an_address_of_another_family() {
    let says = ["call:    WskBind", "the address is of family 23, and the socket of 2"];
    breaks("an_address_of_another_family", 32, &says, |client| {
        let socket = client.socket(WSK_FLAG_LISTEN_SOCKET);
        client.bind(socket, AF_INET6, 0);
    });
}

#[test]
fn a_socket_closed_twice() {
    let says = ["call:    WskCloseSocket", "is closed", "created: by WskSocket in the thread"];
    breaks("a_socket_closed_twice", 44, &says, |client| {
        let socket = client.socket(WSK_FLAG_LISTEN_SOCKET);
        // SAFETY: the socket is open.
        let table = unsafe { (*socket).Dispatch.cast::<WSK_PROVIDER_BASIC_DISPATCH>() };
        client.close(socket);
        let irp = client.irp();
        // SAFETY: breaks INV-44; the table itself is static.
        unsafe { (*table).WskCloseSocket.unwrap()(socket, irp) };
    });
}

#[test]
fn a_socket_used_after_its_close() {
    let says = ["call:    WskReceive", "is closed", "created: by WskSocket in the thread"];
    breaks("a_socket_used_after_its_close", 44, &says, |client| {
        let socket = client.connected();
        let table = connection(socket);
        client.close(socket);
        let (_, buffer) = pool_buffer(10);
        let irp = client.irp();
        // SAFETY: breaks INV-44; the table itself is static.
        unsafe { (*table).WskReceive.unwrap()(socket, buffer, 0, irp) };
    });
}

#[test]
fn a_wait_at_dispatch_level() {
    let headline = "KeWaitForSingleObject: the IRQL is 2, and must not be above 1";
    stops("a_wait_at_dispatch_level", headline, &[], |client| {
        let event = (&raw mut *client.event).cast();
        // SAFETY: breaks the kernel's rule: no wait without a time-out at this level.
        unsafe {
            KfRaiseIrql(DISPATCH_LEVEL);
            KeWaitForSingleObject(event, Executive, KernelMode, FALSE, ptr::null_mut());
        }
    });
}
