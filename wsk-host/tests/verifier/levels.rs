//! The levels of rules: a test may tolerate practices of shipped drivers, and the environment overrides everything.

use std::ptr;
use std::sync::Mutex;

use test_support::raw::datagrams::{any_port, bound, send_to};
use test_support::raw::{
    Client, PoolAddress, PoolBuffer, basic, bind, call, close, control, datagram, npi, set_events,
};
use wsk_host::Config;
use wsk_host::rules::{Level, Levels, Rule};
use wsk_sys::*;

use crate::stops::{breaks, breaks_on, breaks_without_client, inline};

fn tolerant() -> Config {
    Config { rules: Levels::TOLERANT, ..inline() }
}

/// A message with control data of length 0, as a client sends it that always has room for some.
fn sends_empty_control_data(client: &Client) {
    let (socket, to) = bound(client, any_port(AF_INET));
    let (buffer, to, room) = (PoolBuffer::with(b"x"), PoolAddress::new(to), PoolBuffer::new(64));
    // SAFETY: the arguments outlive the request, which is waited for; the levels decide about what is wrong with them.
    let request = call(|irp| unsafe {
        let control = room.bytes.cast();
        datagram(socket).WskSendTo.unwrap()(socket, buffer.buffer, 0, to.0, 0, control, irp)
    });
    assert_eq!(request.succeed(), 1);
    close(socket);
}

const CONTROL_DATA: &str = "control data has a length but no pointer, or a pointer but no length";

#[test]
fn control_data_without_a_length() {
    breaks(26, ["WskSendTo", CONTROL_DATA, ""], |client| sends_empty_control_data(&client));
}

/// A query with an IRP and with room for the size, which WSK leaves alone.
fn asks_with_both(client: &Client) {
    let socket = client.socket(WSK_FLAG_DATAGRAM_SOCKET);
    let value = PoolBuffer::new(4);
    let mut size = 7;
    // SAFETY: the arguments outlive the request, which is waited for; the levels decide about what is wrong with them.
    let request = call(|irp| unsafe {
        basic(socket).WskControlSocket.unwrap()(
            socket,
            WskGetOption,
            SO_BROADCAST,
            SOL_SOCKET,
            0,
            ptr::null_mut(),
            4,
            value.bytes.cast(),
            &raw mut size,
            irp,
        )
    });
    assert_eq!((request.succeed(), size), (4, 7));
    close(socket);
}

/// An address on the stack of a function that waits.
fn asks_for_an_address_on_the_stack(client: &Client) {
    let (socket, address) = bound(client, any_port(AF_INET));
    // SAFETY: zeroes are an address.
    let mut room: SOCKADDR_IN = unsafe { std::mem::zeroed() };
    // SAFETY: the arguments outlive the request, which is waited for; the levels decide about what is wrong with them.
    let request = call(|irp| unsafe {
        datagram(socket).WskGetLocalAddress.unwrap()(socket, (&raw mut room).cast(), irp)
    });
    request.succeed();
    assert_eq!(u16::from_be(room.sin_port), address.port());
    close(socket);
}

/// Events that are enabled with an IRP.
fn enables_with_an_irp(client: &Client) {
    let (listener, _) = client.listener(ptr::null_mut(), &raw const TABLE);
    let value = WSK_EVENT_CALLBACK_CONTROL { NpiId: npi(), EventMask: WSK_EVENT_ACCEPT };
    let input = PoolBuffer::new(size_of_val(&value));
    // SAFETY: there is room for the value.
    unsafe { input.bytes.cast::<WSK_EVENT_CALLBACK_CONTROL>().write(value) };
    let option = (WskSetOption, SO_WSK_EVENT_CALLBACK, SOL_SOCKET);
    control(listener, option, Some(&input), None).succeed();
    close(listener);
}

unsafe extern "C" fn refuses(
    _: PVOID,
    _: ULONG,
    _: PSOCKADDR,
    _: PSOCKADDR,
    _: PWSK_SOCKET,
    _: *mut PVOID,
    _: *mut *const WSK_CLIENT_CONNECTION_DISPATCH,
) -> NTSTATUS {
    STATUS_REQUEST_NOT_ACCEPTED
}

static TABLE: WSK_CLIENT_LISTEN_DISPATCH = WSK_CLIENT_LISTEN_DISPATCH {
    WskAcceptEvent: Some(refuses),
    WskInspectEvent: None,
    WskAbortEvent: None,
};

/// A context on the stack of a function that waits until its socket is closed.
fn has_a_context_on_the_stack(client: &Client) {
    let mut context = 0_u64;
    close(client.socket_with(WSK_FLAG_LISTEN_SOCKET, (&raw mut context).cast(), ptr::null()));
}

/// The elements of the retained lists, each without those behind it.
static RETAINED: Mutex<Vec<usize>> = Mutex::new(Vec::new());

unsafe extern "C" fn retains(_: PVOID, _: ULONG, mut list: PWSK_DATAGRAM_INDICATION) -> NTSTATUS {
    let mut retained = RETAINED.lock().unwrap();
    while !list.is_null() {
        retained.push(list.expose_provenance());
        // SAFETY: a callback gets a valid list, which it divides.
        list = unsafe { std::mem::replace(&mut (*list).Next, ptr::null_mut()) };
    }
    STATUS_PENDING
}

/// Retains lists of datagrams, and releases their elements one by one.
fn releases_element_by_element(client: &Client) {
    static EVENTS: WSK_CLIENT_DATAGRAM_DISPATCH =
        WSK_CLIENT_DATAGRAM_DISPATCH { WskReceiveFromEvent: Some(retains) };
    let socket =
        client.socket_with(WSK_FLAG_DATAGRAM_SOCKET, ptr::null_mut(), (&raw const EVENTS).cast());
    bind(socket, any_port(AF_INET)).succeed();
    let to = test_support::raw::datagrams::local_address(socket);
    let (sender, _) = bound(client, any_port(AF_INET));
    for _ in 0..3 {
        send_to(sender, b"x", to);
    }
    assert_eq!(set_events(socket, WSK_EVENT_RECEIVE_FROM), STATUS_SUCCESS);
    let mut retained = std::mem::take(&mut *RETAINED.lock().unwrap());
    assert_eq!(retained.len(), 3);
    retained.reverse();
    for element in retained {
        let element = ptr::with_exposed_provenance_mut(element);
        // SAFETY: the element is retained, and released once.
        unsafe {
            assert_eq!(datagram(socket).WskRelease.unwrap()(socket, element), STATUS_SUCCESS);
        };
    }
    close(socket);
    close(sender);
}

#[test]
fn a_list_released_element_by_element() {
    breaks(57, ["WskRelease", "the list is released in parts", "WskSocket"], |client| {
        releases_element_by_element(&client);
    });
}

#[test]
fn practices_of_shipped_drivers_are_tolerated() {
    let practices: [fn(&Client); 6] = [
        releases_element_by_element,
        sends_empty_control_data,
        asks_with_both,
        asks_for_an_address_on_the_stack,
        enables_with_an_irp,
        has_a_context_on_the_stack,
    ];
    for practice in practices {
        let client = Client::new(tolerant());
        practice(&client);
        client.end();
    }
}

#[test]
fn a_level_of_a_rule_comes_before_the_tolerance() {
    let config =
        Config { rules: Levels::TOLERANT.with(Rule::CONTROL_DATA, Level::Stop), ..inline() };
    breaks_on(config, 26, ["WskSendTo", CONTROL_DATA, ""], |client| {
        sends_empty_control_data(&client);
    });
}

/// A rule that shipped drivers keep can also be off.
#[test]
fn a_rule_that_is_off_is_not_enforced() {
    let config =
        Config { rules: Levels::STRICT.with(Rule::RESERVED_FLAGS, Level::Off), ..inline() };
    let client = Client::new(config);
    let socket = client.socket(WSK_FLAG_DATAGRAM_SOCKET);
    let address = PoolAddress::new(any_port(AF_INET));
    // SAFETY: breaks INV-30, which is off.
    call(|irp| unsafe { datagram(socket).WskBind.unwrap()(socket, address.0, 1, irp) }).succeed();
    close(socket);
    drop(address);
    client.end();
}

#[test]
fn the_environment_overrides_the_configuration() {
    breaks_without_client(26, ["WskSendTo", CONTROL_DATA, ""], || {
        // SAFETY: the scenario is the only thread that uses the environment.
        unsafe { std::env::set_var("WSK_HOST_RULES", "strict") };
        sends_empty_control_data(&Client::new(tolerant()));
    });
}
