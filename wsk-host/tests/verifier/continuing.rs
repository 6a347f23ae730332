//! Clients that break rules which are off, or only warned of: the host does what WSK could, and the client continues.

use std::ptr;
use std::sync::Mutex;

use test_support::raw::datagrams::{any_port, bound, local_address, send_to};
use test_support::raw::{
    Client, PoolAddress, PoolBuffer, bind, call, close, completed, connection, datagram,
    disconnect, irp, listen, npi, receive, receive_exactly, send, set_events,
};
use wsk_host::rules::{Level, Levels, Rule};
use wsk_host::{Config, Timing};
use wsk_sys::*;

use crate::stops::{breaks_on, deferred, inline};

/// The levels with every rule at one level.
fn all_at(level: Level) -> Levels {
    Rule::ALL.iter().fold(Levels::STRICT, |levels, rule| levels.with(*rule, level))
}

fn off() -> Config {
    Config { rules: all_at(Level::Off), ..inline() }
}

/// A receive of up to 10 bytes with these flags.
fn receive_with(socket: PWSK_SOCKET, flags: ULONG) -> (NTSTATUS, usize) {
    let buffer = PoolBuffer::new(10);
    receive(socket, &buffer, flags).wait()
}

#[test]
fn invalid_arguments_are_answered() {
    let client = Client::new(off());
    let (socket, address) = bound(&client, any_port(AF_INET));
    let buffer = PoolBuffer::with(b"x");
    let send = |to: PSOCKADDR, length: ULONG, control: PCMSGHDR| {
        // SAFETY: breaks rules that are off.
        call(|irp| unsafe {
            let send = datagram(socket).WskSendTo.unwrap();
            send(socket, buffer.buffer, 0, to, length, control, irp)
        })
        .wait()
    };
    let other = PoolAddress::new(any_port(AF_INET6));
    let own = PoolAddress::new(address);
    let odd = PoolBuffer::new(64);
    // An address of another family, none at all, and control data that is missing, not aligned, or cut off.
    assert_eq!(send(other.0, 0, ptr::null_mut()), (STATUS_INVALID_PARAMETER, 0));
    assert_eq!(send(ptr::null_mut(), 0, ptr::null_mut()), (STATUS_INVALID_PARAMETER, 0));
    assert_eq!(send(own.0, 32, ptr::null_mut()), (STATUS_INVALID_PARAMETER, 0));
    assert_eq!(send(own.0, 32, odd.bytes.wrapping_add(1).cast()), (STATUS_INVALID_PARAMETER, 0));
    assert_eq!(send(own.0, 32, odd.bytes.cast()), (STATUS_INVALID_PARAMETER, 0));
    assert_eq!(send(own.0, 0, ptr::null_mut()), (STATUS_SUCCESS, 1));
    close(socket);
    let listener = client.socket(WSK_FLAG_LISTEN_SOCKET);
    bind(listener, any_port(AF_INET6)).fail(STATUS_INVALID_PARAMETER);
    // SAFETY: breaks INV-32, which is off.
    call(|irp| unsafe { listen(listener).WskBind.unwrap()(listener, ptr::null_mut(), 0, irp) })
        .fail(STATUS_INVALID_PARAMETER);
    close(listener);
    drop((buffer, other, own, odd));
    client.end();
}

#[test]
fn invalid_flags_are_ignored_or_answered() {
    let client = Client::new(off());
    let [listener, socket, peer] = client.connections();
    let buffer = PoolBuffer::with(b"12345");
    // SAFETY: breaks INV-31, which is off.
    let sent = call(|irp| unsafe {
        connection(socket).WskSend.unwrap()(socket, buffer.buffer, 0x4000, irp)
    });
    assert_eq!(sent.succeed(), 5);
    assert_eq!(receive_with(peer, 0x4000), (STATUS_INVALID_PARAMETER, 0));
    assert_eq!(receive_exactly(peer, 5), b"12345");
    // SAFETY: breaks INV-31, which is off.
    call(|irp| unsafe {
        connection(socket).WskDisconnect.unwrap()(socket, ptr::null_mut(), 0x4000, irp)
    })
    .fail(STATUS_INVALID_PARAMETER);
    disconnect(socket).succeed();
    assert_eq!(receive_with(peer, 0), (STATUS_SUCCESS, 0));
    for socket in [listener, socket, peer] {
        close(socket);
    }
    drop(buffer);
    client.end();
}

/// The lists that the callback has retained.
static RETAINED: Mutex<Vec<usize>> = Mutex::new(Vec::new());

unsafe extern "C" fn retains(_: PVOID, _: ULONG, list: PWSK_DATAGRAM_INDICATION) -> NTSTATUS {
    RETAINED.lock().unwrap().push(list.expose_provenance());
    STATUS_PENDING
}

#[test]
fn retained_lists_are_released_twice_and_left() {
    static EVENTS: WSK_CLIENT_DATAGRAM_DISPATCH =
        WSK_CLIENT_DATAGRAM_DISPATCH { WskReceiveFromEvent: Some(retains) };
    let client = Client::new(off());
    let socket =
        client.socket_with(WSK_FLAG_DATAGRAM_SOCKET, ptr::null_mut(), (&raw const EVENTS).cast());
    bind(socket, any_port(AF_INET)).succeed();
    let (sender, _) = bound(&client, any_port(AF_INET));
    assert_eq!(set_events(socket, WSK_EVENT_RECEIVE_FROM), STATUS_SUCCESS);
    send_to(sender, b"x", local_address(socket));
    send_to(sender, b"y", local_address(socket));
    client.host.settle();
    let lists = std::mem::take(&mut *RETAINED.lock().unwrap());
    let list = ptr::with_exposed_provenance_mut(lists[0]);
    // SAFETY: breaks INV-57, which is off.
    let release = |socket| unsafe { datagram(socket).WskRelease.unwrap()(socket, list) };
    assert_eq!(release(sender), STATUS_INVALID_PARAMETER, "it is another socket's");
    assert_eq!(release(socket), STATUS_SUCCESS);
    assert_eq!(release(socket), STATUS_INVALID_PARAMETER);
    // One list is left: INV-47, which is off.
    close(socket);
    close(sender);
    client.end();
}

/// Memory that the client frees while a request uses it stays for the request.
#[test]
fn a_buffer_freed_in_flight_stays() {
    let client = Client::new(Config { rules: all_at(Level::Off), ..deferred() });
    let [listener, socket, peer] = client.connections();
    let buffer = PoolBuffer::with(b"12345");
    let sent = send(socket, &buffer);
    // Breaks INV-21, which is off.
    drop(buffer);
    assert_eq!(sent.succeed(), 5);
    assert_eq!(receive_exactly(peer, 5), b"12345");
    for socket in [listener, socket, peer] {
        close(socket);
    }
    client.end();
}

/// A callback that does what none may.
unsafe extern "C" fn accepts_more(
    _: PVOID,
    _: ULONG,
    _: PWSK_DATA_INDICATION,
    count: SIZE_T,
    accepted: *mut SIZE_T,
) -> NTSTATUS {
    // SAFETY: the provider passes room; breaks INV-55, which is off.
    unsafe { accepted.write(count + 1000) };
    STATUS_SUCCESS
}

#[test]
fn a_callback_that_accepts_too_much_accepts_all() {
    static TABLE: WSK_CLIENT_CONNECTION_DISPATCH = WSK_CLIENT_CONNECTION_DISPATCH {
        WskReceiveEvent: Some(accepts_more),
        WskDisconnectEvent: None,
        WskSendBacklogEvent: None,
    };
    let client = Client::new(off());
    let (listener, address) = client.listener(ptr::null_mut(), ptr::null());
    let socket = client.connected_to(address, ptr::null_mut(), &raw const TABLE);
    let peer = test_support::raw::accept(listener, ptr::null_mut(), ptr::null()).succeed();
    let peer = test_support::raw::socket_of(peer);
    assert_eq!(set_events(socket, WSK_EVENT_RECEIVE), STATUS_SUCCESS);
    let buffer = PoolBuffer::with(b"12345");
    assert_eq!(send(peer, &buffer).succeed(), 5);
    client.host.settle();
    disconnect(peer).succeed();
    // Only the end is left.
    assert_eq!(receive_with(socket, 0), (STATUS_SUCCESS, 0));
    for socket in [listener, socket, peer] {
        close(socket);
    }
    drop(buffer);
    client.end();
}

/// An IRP whose routine is set for success only is not given back to the client when it fails, as in Windows.
#[test]
fn a_routine_for_success_only_is_called_for_success() {
    let client = Client::new(off());
    let listener = client.socket(WSK_FLAG_LISTEN_SOCKET);
    let address = PoolAddress::new(any_port(AF_INET));
    let event = test_support::kernel::event();
    let irp = irp(Some(completed), event.raw());
    // SAFETY: breaks INV-11, which is off; the IRP is freed after its routine has kept it.
    unsafe {
        IoSetCompletionRoutine(irp, Some(completed), event.raw(), TRUE, FALSE, FALSE);
        listen(listener).WskBind.unwrap()(listener, address.0, 0, irp);
        assert!(test_support::kernel::wait(&event, None));
        assert_eq!((*irp).IoStatus.Status, STATUS_SUCCESS);
        IoFreeIrp(irp);
    }
    close(listener);
    drop((address, event));
    client.end();
}

/// Enables the receive event of the socket that its IRP is about: in the context, with an IRP behind it or none.
unsafe extern "C" fn enables(_: PDEVICE_OBJECT, _: PIRP, context: PVOID) -> NTSTATUS {
    // SAFETY: the test passes such a context.
    let [socket, irp, event, control] = unsafe { *context.cast::<[PVOID; 4]>() };
    let value = WSK_EVENT_CALLBACK_CONTROL { NpiId: npi(), EventMask: WSK_EVENT_RECEIVE };
    // SAFETY: the arguments outlive the request, which the test waits for.
    let status = unsafe {
        control.cast::<WSK_EVENT_CALLBACK_CONTROL>().write(value);
        connection(socket.cast()).Basic.WskControlSocket.unwrap()(
            socket.cast(),
            WskSetOption,
            SO_WSK_EVENT_CALLBACK,
            SOL_SOCKET,
            size_of_val(&value),
            control,
            0,
            ptr::null_mut(),
            ptr::null_mut(),
            irp.cast(),
        )
    };
    assert!(matches!(status, STATUS_SUCCESS | STATUS_PENDING), "{status:#x}");
    // SAFETY: the test passes an event.
    unsafe { KeSetEvent(event.cast(), 0, FALSE) };
    STATUS_MORE_PROCESSING_REQUIRED
}

static SEEN: Mutex<Vec<usize>> = Mutex::new(Vec::new());

unsafe extern "C" fn sees(
    _: PVOID,
    _: ULONG,
    _: PWSK_DATA_INDICATION,
    count: SIZE_T,
    _: *mut SIZE_T,
) -> NTSTATUS {
    SEEN.lock().unwrap().push(count);
    STATUS_SUCCESS
}

/// Connects, and enables the receive event in the completion routine, as shipped drivers do.
fn enables_in_the_routine_of_its_connect(client: &Client, has_irp: bool) {
    static TABLE: WSK_CLIENT_CONNECTION_DISPATCH = WSK_CLIENT_CONNECTION_DISPATCH {
        WskReceiveEvent: Some(sees),
        WskDisconnectEvent: None,
        WskSendBacklogEvent: None,
    };
    let (listener, address) = client.listener(ptr::null_mut(), ptr::null());
    let table = (&raw const TABLE).cast();
    let socket = client.socket_with(WSK_FLAG_CONNECTION_SOCKET, ptr::null_mut(), table);
    bind(socket, any_port(AF_INET)).succeed();
    let (event, own) = (test_support::kernel::event(), test_support::kernel::event());
    let second = if has_irp { irp(Some(completed), own.raw()) } else { ptr::null_mut() };
    let control = PoolBuffer::new(size_of::<WSK_EVENT_CALLBACK_CONTROL>());
    let context = [socket.cast(), second.cast(), event.raw(), control.bytes.cast()];
    let context = test_support::kernel::Pool::new(context);
    let first = irp(Some(enables), context.raw());
    let remote = PoolAddress::new(address);
    // SAFETY: the arguments outlive the request, which is waited for.
    unsafe { connection(socket).WskConnect.unwrap()(socket, remote.0, 0, first) };
    assert!(test_support::kernel::wait(&event, None));
    assert!(!has_irp || test_support::kernel::wait(&own, None));
    let peer = test_support::raw::accept(listener, ptr::null_mut(), ptr::null()).succeed();
    let peer = test_support::raw::socket_of(peer);
    let buffer = PoolBuffer::with(b"12345");
    assert_eq!(send(peer, &buffer).succeed(), 5);
    client.host.settle();
    assert_eq!(std::mem::take(&mut *SEEN.lock().unwrap()).iter().sum::<usize>(), 5);
    for socket in [listener, socket, peer] {
        close(socket);
    }
    // SAFETY: both have been completed, and kept by their routines.
    unsafe {
        IoFreeIrp(first);
        if has_irp {
            IoFreeIrp(second);
        }
    }
    drop((buffer, remote, context, control, event, own));
}

/// With and without an IRP, both of which shipped drivers do.
#[test]
fn events_are_enabled_in_the_completion_routine_of_a_connect() {
    for timing in [Timing::Inline, Timing::Deferred] {
        for has_irp in [false, true] {
            let config = Config { rules: Levels::TOLERANT, ..Config::default().timing(timing) };
            let client = Client::new(config);
            enables_in_the_routine_of_its_connect(&client, has_irp);
            client.end();
        }
    }
}

#[test]
fn events_enabled_in_a_completion_routine() {
    let says = ["WskControlSocket", "the current thread is in a completion routine", ""];
    breaks_on(inline(), 15, says, |client| enables_in_the_routine_of_its_connect(&client, true));
}

/// A report that the level cannot turn off has the reason.
#[test]
fn a_violation_after_which_the_host_cannot_continue() {
    for level in [Level::Off, Level::Warn] {
        let name = "continuing::a_violation_after_which_the_host_cannot_continue";
        let level = format!("{level:?}").to_lowercase();
        let said = test_support::process::run_failing(name, &level, |level| {
            let rules = Levels::STRICT.parse(&format!("all={level}")).unwrap();
            let client = Client::new(Config { rules, ..inline() });
            let socket = client.socket(WSK_FLAG_DATAGRAM_SOCKET);
            close(socket);
            close(socket);
        });
        let Some(said) = said else { return };
        let why =
            format!("\n  stops:   INV-44 is set to `{level}`, but the socket no longer exists\n");
        assert!(said.contains("wsk-host: INV-44 violated: ") && said.contains(&why), "{said}");
    }
}

/// A warning is written once for each place, and a rule that is off is not reported.
#[test]
fn a_warning_is_written_once_for_each_place() {
    let name = "continuing::a_warning_is_written_once_for_each_place";
    let said = test_support::process::run_failing(name, "", |_| {
        let rules = all_at(Level::Off).with(Rule::RESERVED_FLAGS, Level::Warn);
        let client = Client::new(Config { rules, ..inline() });
        let bind = |flags: ULONG| {
            let socket = client.socket(WSK_FLAG_DATAGRAM_SOCKET);
            let address = PoolAddress::new(any_port(AF_INET));
            // SAFETY: breaks INV-30, which is warned of.
            let bind =
                |irp| unsafe { datagram(socket).WskBind.unwrap()(socket, address.0, flags, irp) };
            call(bind).succeed();
            // Breaks INV-32, which is off.
            assert_ne!(
                test_support::raw::bind(socket, any_port(AF_INET6)).wait().0,
                STATUS_SUCCESS
            );
            close(socket);
        };
        for flags in 1..100 {
            bind(flags);
        }
        std::process::exit(3);
    });
    let Some(said) = said else { return };
    assert_eq!(said.matches("wsk-host: warning: INV-30 violated: ").count(), 1, "{said}");
    assert_eq!(said.matches("violated").count(), 1, "{said}");
}
