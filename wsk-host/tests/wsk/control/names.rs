//! `WskGetAddressInfo`, `WskFreeAddressInfo` and `WskGetNameInfo`.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::ptr;

use test_support::hosts::{everywhere, real, simulated};
use test_support::raw::{Client, PoolAddress, Request, call, read_address};
use wsk_host::{Config, Windows};
use wsk_sys::*;

/// A string with a NUL after it, or room for one.
struct WideBuffer {
    string: Box<UNICODE_STRING>,
    units: Vec<u16>,
}

impl WideBuffer {
    fn new(text: &str) -> Self {
        let units: Vec<u16> = text.encode_utf16().chain([0]).collect();
        let mut text = Self::room(units.len());
        text.string.Length = (units.len() * 2 - 2).try_into().unwrap();
        text.units.copy_from_slice(&units);
        text
    }

    fn room(size: usize) -> Self {
        let mut units = vec![0xFFFF; size];
        let bytes = (size * 2).try_into().unwrap();
        let string = UNICODE_STRING { Length: 0, MaximumLength: bytes, Buffer: units.as_mut_ptr() };
        Self { string: Box::new(string), units }
    }

    fn pointer(text: &mut Option<Self>) -> PUNICODE_STRING {
        text.as_mut().map_or(ptr::null_mut(), |text| &raw mut *text.string)
    }

    /// The written text, with a NUL after it.
    fn get(&self) -> String {
        let length = usize::from(self.string.Length) / 2;
        // SAFETY: the units are initialized, and were written through this pointer.
        let units = unsafe { std::slice::from_raw_parts(self.string.Buffer, length + 1) };
        assert_eq!(units[length], 0);
        String::from_utf16(&units[..length]).unwrap()
    }
}

/// A result: its address, type, protocol and name.
type FoundAddress = (SocketAddr, i32, i32, Option<String>);

#[derive(Clone, Copy, Default)]
struct Hints {
    flags: INT,
    family: ADDRESS_FAMILY,
    kind: USHORT,
    protocol: ULONG,
}

struct Query {
    request: Request,
    result: *mut PADDRINFOEXW,
    _strings: [Option<WideBuffer>; 2],
}

fn begin(
    client: &Client,
    node: Option<&str>,
    service: Option<&str>,
    hints: Option<Hints>,
    name_space: ULONG,
) -> Query {
    let mut strings = [node, service].map(|text| text.map(WideBuffer::new));
    let result = Box::into_raw(Box::new(ptr::null_mut()));
    // SAFETY: zeroes are hints.
    let mut given: ADDRINFOEXW = unsafe { std::mem::zeroed() };
    if let Some(hints) = hints {
        given.ai_flags = hints.flags;
        given.ai_family = hints.family.into();
        given.ai_socktype = hints.kind.into();
        given.ai_protocol = hints.protocol.try_into().unwrap();
    }
    let [node, service] = &mut strings;
    let (node, service) = (WideBuffer::pointer(node), WideBuffer::pointer(service));
    let given = if hints.is_some() { &raw mut given } else { ptr::null_mut() };
    // SAFETY: the provider is captured, and everything stays; hints are read during the call.
    let request = call(|irp| unsafe {
        (*client.provider.Dispatch).WskGetAddressInfo.unwrap()(
            client.provider.Client,
            node,
            service,
            name_space,
            ptr::null_mut(),
            given,
            result,
            ptr::null_mut(),
            ptr::null_mut(),
            irp,
        )
    });
    Query { request, result, _strings: strings }
}

impl Query {
    fn wait(self, client: &Client) -> Result<Vec<FoundAddress>, NTSTATUS> {
        let (status, information) = self.request.wait();
        // SAFETY: `begin` made it, and the request has completed.
        let list = *unsafe { Box::from_raw(self.result) };
        // The information is the status once more, unless the host was not found.
        let expected = if status == STATUS_NOT_FOUND { 0 } else { information_of(status) };
        assert_eq!(information, expected);
        if status != STATUS_SUCCESS {
            assert!(list.is_null());
            return Err(status);
        }
        let (mut next, mut all) = (list, Vec::new());
        while !next.is_null() {
            // SAFETY: the list is the client's until it is freed.
            unsafe {
                let entry = &*next;
                let address = read_address(entry.ai_addr);
                let is_v4 = address.is_ipv4();
                let (family, size) = if is_v4 {
                    (AF_INET, size_of::<SOCKADDR_IN>())
                } else {
                    (AF_INET6, size_of::<SOCKADDR_IN6>())
                };
                assert_eq!((entry.ai_family, entry.ai_addrlen), (family.into(), size));
                let name = (!entry.ai_canonname.is_null()).then(|| {
                    let units = (0..).map(|at| entry.ai_canonname.add(at).read());
                    String::from_utf16(&units.take_while(|unit| *unit != 0).collect::<Vec<_>>())
                });
                let name = name.transpose().unwrap();
                all.push((address, entry.ai_socktype, entry.ai_protocol, name));
                next = entry.ai_next;
            }
        }
        // SAFETY: the list was given, and is not used any more.
        unsafe {
            let free = (*client.provider.Dispatch).WskFreeAddressInfo.unwrap();
            free(client.provider.Client, list);
        }
        Ok(all)
    }
}

/// A status, as stored in an IRP's information.
fn information_of(status: NTSTATUS) -> usize {
    u32::from_ne_bytes(status.to_ne_bytes()) as usize
}

fn resolve(
    client: &Client,
    node: Option<&str>,
    service: Option<&str>,
    hints: impl Into<Option<Hints>>,
) -> Result<Vec<FoundAddress>, NTSTATUS> {
    begin(client, node, service, hints.into(), NS_ALL).wait(client)
}

fn addresses(all: &[FoundAddress]) -> Vec<SocketAddr> {
    all.iter().map(|(address, ..)| *address).collect()
}

const SERVER: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const SERVER6: IpAddr = IpAddr::V6(Ipv6Addr::new(0x2001, 0xDB8, 0, 0, 0, 0, 0, 1));

#[test]
fn names_and_numbers_become_addresses() {
    everywhere(|client| {
        client.host.add_name("Server.example", SERVER);
        client.host.add_name("server.example", SERVER6);
        let ask = |node, service| resolve(client, node, service, None).map(|all| addresses(&all));
        let both = |port| Ok(vec![SocketAddr::new(SERVER, port), SocketAddr::new(SERVER6, port)]);
        assert_eq!(ask(Some("server.EXAMPLE"), None), both(0));
        assert_eq!(ask(Some("server.example."), Some("8080")), both(8080));
        assert_eq!(ask(Some("server.example"), Some("https")), both(443));
        assert_eq!(ask(Some("127.0.0.1"), Some("7")), Ok(vec![([127, 0, 0, 1], 7).into()]));
        assert_eq!(ask(Some("::1"), Some("7")), Ok(vec![(Ipv6Addr::LOCALHOST, 7).into()]));
        let local = ask(Some("localhost"), Some("80")).unwrap();
        for ip in [Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()] {
            assert!(local.contains(&SocketAddr::new(ip, 80)));
        }
        // Without a name it is this machine.
        let own = ask(None, Some("80")).unwrap();
        assert!(own.iter().all(|address| address.ip().is_loopback()));
        assert_eq!(ask(Some("localhost"), Some("no such service")), Err(STATUS_NO_MATCH));
        assert_eq!(ask(Some("localhost"), Some("65536")), Err(STATUS_NO_MATCH));
    });
}

#[test]
fn hints_select_the_results() {
    everywhere(|client| {
        client.host.add_name("server", SERVER);
        client.host.add_name("server", SERVER6);
        let ask = |hints| resolve(client, Some("server"), Some("53"), hints);
        let none = Hints::default();
        let (v4, v6) = (SocketAddr::new(SERVER, 53), SocketAddr::new(SERVER6, 53));
        assert_eq!(addresses(&ask(Hints { family: AF_INET, ..none }).unwrap()), [v4, v4]);
        assert_eq!(addresses(&ask(Hints { family: AF_INET6, ..none }).unwrap()), [v6, v6]);
        let (udp, tcp) = ((SOCK_DGRAM, IPPROTO_UDP), (SOCK_STREAM, IPPROTO_TCP));
        for ((kind, protocol), hints) in [
            (udp, Hints { kind: SOCK_DGRAM, ..none }),
            (udp, Hints { protocol: IPPROTO_UDP, ..none }),
            (tcp, Hints { kind: SOCK_STREAM, protocol: IPPROTO_TCP, ..none }),
        ] {
            let expected = |address| (address, kind.into(), protocol.try_into().unwrap(), None);
            assert_eq!(ask(hints).unwrap(), [expected(v4), expected(v6)]);
        }
        assert_eq!(ask(none).unwrap().len(), 4);
        let tcp4 = Hints { family: AF_INET, kind: SOCK_STREAM, ..none };
        let numeric = Hints { flags: AI_NUMERICHOST, ..tcp4 };
        assert_eq!(ask(numeric), Err(STATUS_NOT_FOUND));
        let found = resolve(client, Some("192.0.2.9"), None, numeric).unwrap();
        assert_eq!(addresses(&found), [([192, 0, 2, 9], 0).into()]);
        assert_eq!(resolve(client, Some("::1"), None, tcp4), Err(STATUS_NOT_FOUND));
        let numeric = Hints { flags: AI_NUMERICSERV, ..tcp4 };
        assert_eq!(resolve(client, Some("server"), Some("http"), numeric), Err(STATUS_NO_MATCH));
        assert_eq!(resolve(client, Some("server"), Some("80"), numeric).unwrap().len(), 1);
        let canonical = Hints { flags: AI_CANONNAME, kind: SOCK_STREAM, ..none };
        let names: Vec<_> = ask(canonical).unwrap().into_iter().map(|(.., name)| name).collect();
        assert_eq!(names, [Some("server".to_owned()), None]);
        let passive = Hints { flags: AI_PASSIVE, kind: SOCK_STREAM, ..none };
        let all = addresses(&resolve(client, None, Some("80"), passive).unwrap());
        assert!(all.len() == 2 && all.iter().all(|address| address.ip().is_unspecified()));
        // `NI_NAMEREQD` fails for an address without a name.
        assert_eq!(addresses(&ask(passive).unwrap()), [v4, v6]);
    });
}

#[test]
fn meaningless_queries_are_refused() {
    everywhere(|client| {
        let none = Hints::default();
        let invalid = Err(STATUS_INVALID_PARAMETER);
        assert_eq!(resolve(client, None, None, None), invalid);
        assert_eq!(resolve(client, Some(""), Some(""), None), invalid);
        for hints in [
            Hints { family: 99, ..none },
            Hints { kind: 99, ..none },
            Hints { kind: SOCK_DGRAM, protocol: IPPROTO_TCP, ..none },
        ] {
            assert_eq!(resolve(client, Some("localhost"), None, hints), invalid);
        }
        let named = Hints { flags: AI_CANONNAME, ..none };
        assert_eq!(resolve(client, None, Some("80"), named), invalid);
        let space = begin(client, Some("localhost"), None, None, 999).wait(client);
        assert_eq!(space, invalid);
    });
}

#[test]
fn the_simulated_network_resolves_added_names_only() {
    test_support::hosts::on(simulated(), |client| {
        let found = resolve(client, Some("nowhere.example"), None, None);
        assert_eq!(found, Err(STATUS_NOT_FOUND));
    });
}

#[test]
fn a_host_that_is_not_found_has_the_status_of_its_windows() {
    for (windows, status) in [
        (Windows::SEVEN, STATUS_NO_MATCH),
        (Windows::EIGHT, STATUS_NOT_FOUND),
        (Windows::ELEVEN, STATUS_NOT_FOUND),
    ] {
        test_support::hosts::on([Config::default().windows(windows)], |client| {
            assert_eq!(resolve(client, Some("nowhere.example"), None, None), Err(status));
        });
    }
}

/// [`Windows::SEVEN`] is a later edition.
#[test]
fn the_first_build_of_windows_7_has_names() {
    let windows = Windows { major: 6, minor: 1, build: 7600 };
    let configs: Vec<_> = simulated().into_iter().map(|config| config.windows(windows)).collect();
    test_support::hosts::on(configs, |client| {
        let number = resolve(client, Some("192.0.2.1"), Some("7"), None).unwrap();
        assert_eq!(addresses(&number), [SocketAddr::new(SERVER, 7)]);
    });
}

#[test]
fn a_deregistration_waits_for_names() {
    for config in simulated().into_iter().chain(real()) {
        let mut client = Client::new(config);
        let numeric = Some(Hints { flags: AI_NUMERICHOST, ..Hints::default() });
        let queries = [(); 4].map(|()| begin(&client, Some("no number"), None, numeric, NS_ALL));
        // SAFETY: the block is registered, and the provider captured.
        unsafe {
            WskReleaseProviderNPI(&raw mut *client.registration);
            WskDeregister(&raw mut *client.registration);
        }
        for query in queries {
            assert!(query.request.is_complete(), "a registration ends after its requests");
            assert_eq!(query.wait(&client), Err(STATUS_NOT_FOUND));
        }
    }
}

/// The name of an address and of its port, with room for `length` units each.
fn name_of(
    client: &Client,
    address: impl Into<SocketAddr>,
    length: Option<usize>,
    rooms: [Option<usize>; 2],
    flags: ULONG,
) -> Result<[Option<String>; 2], NTSTATUS> {
    name_into(client, address.into(), length, rooms.map(|room| room.map(WideBuffer::room)), flags)
}

/// As [`name_of`], into these texts.
fn name_into(
    client: &Client,
    address: SocketAddr,
    length: Option<usize>,
    mut texts: [Option<WideBuffer>; 2],
    flags: ULONG,
) -> Result<[Option<String>; 2], NTSTATUS> {
    let size = if address.is_ipv4() { size_of::<SOCKADDR_IN>() } else { size_of::<SOCKADDR_IN6>() };
    let length = length.unwrap_or(size).try_into().unwrap();
    let address = PoolAddress::new(address);
    let [node, service] = &mut texts;
    let (node, service) = (WideBuffer::pointer(node), WideBuffer::pointer(service));
    // SAFETY: the provider is captured, and everything stays.
    let request = call(|irp| unsafe {
        (*client.provider.Dispatch).WskGetNameInfo.unwrap()(
            client.provider.Client,
            address.0,
            length,
            node,
            service,
            flags,
            ptr::null_mut(),
            ptr::null_mut(),
            irp,
        )
    });
    let (status, information) = request.wait();
    assert_eq!(information, information_of(status));
    if status != STATUS_SUCCESS {
        return Err(status);
    }
    Ok(texts.map(|text| text.map(|text| text.get())))
}

#[test]
fn addresses_become_names() {
    everywhere(|client| {
        client.host.add_name("server.example", SERVER);
        let all = [Some(64), Some(64)];
        let texts =
            |node: &str, service: &str| Ok([Some(node.to_owned()), Some(service.to_owned())]);
        let ask = |port, flags| name_of(client, (SERVER, port), None, all, flags);
        assert_eq!(ask(443, 0), texts("server.example", "https"));
        assert_eq!(ask(443, NI_NUMERICSERV), texts("server.example", "443"));
        assert_eq!(ask(443, NI_NUMERICHOST), texts("192.0.2.1", "https"));
        assert_eq!(ask(443, NI_NUMERICHOST | NI_NUMERICSERV), texts("192.0.2.1", "443"));
        assert_eq!(ask(54_321, NI_NAMEREQD | NI_DGRAM), texts("server.example", "54321"));
        let numeric = NI_NUMERICHOST | NI_NUMERICSERV;
        let v6 = name_of(client, (Ipv6Addr::LOCALHOST, 9), None, all, numeric);
        assert_eq!(v6, texts("::1", "9"));
        let local = name_of(client, (Ipv4Addr::LOCALHOST, 80), None, all, 0);
        assert_eq!(local, texts("localhost", "http"));
        // Either alone will do.
        let node = name_of(client, (SERVER, 80), None, [Some(64), None], 0);
        assert_eq!(node, Ok([Some("server.example".to_owned()), None]));
        let unknown = (Ipv4Addr::new(192, 0, 2, 77), 80);
        let service = name_of(client, unknown, None, [None, Some(64)], NI_NAMEREQD);
        assert_eq!(service, Ok([None, Some("http".to_owned())]));
    });
}

/// A link-local address is of an interface, whose number is its scope.
#[test]
fn texts_of_ipv6_addresses_have_their_scope() {
    everywhere(|client| {
        let scoped = SocketAddr::V6(SocketAddrV6::new("fe80::1".parse().unwrap(), 80, 0, 7));
        let hints = Hints { family: AF_INET6, kind: SOCK_STREAM, ..Hints::default() };
        let numeric = Hints { flags: AI_NUMERICHOST, ..hints };
        for hints in [hints, numeric] {
            let found = resolve(client, Some("fe80::1%7"), Some("80"), Some(hints)).unwrap();
            assert_eq!(addresses(&found), [scoped]);
        }
        for wrong in ["fe80::1%", "fe80::1%x", "fe80::1%+7", "192.0.2.1%7"] {
            let result = resolve(client, Some(wrong), None, Some(numeric));
            assert!(result.is_err(), "{wrong}: {result:?}");
        }
        let flags = NI_NUMERICHOST | NI_NUMERICSERV;
        let name = name_of(client, scoped, None, [Some(64), Some(64)], flags);
        assert_eq!(name, Ok(["fe80::1%7", "80"].map(|text| Some(text.to_owned()))));
    });
}

/// Room for a name that is nowhere.
#[test]
fn a_name_needs_a_buffer() {
    everywhere(|client| {
        for place in 0..2 {
            let mut texts = [Some(WideBuffer::room(64)), Some(WideBuffer::room(64))];
            let text = texts[place].as_mut().unwrap();
            text.string.Buffer = ptr::null_mut();
            let result = name_into(client, (SERVER, 80).into(), None, texts, 0).map(drop);
            assert_eq!(result, Err(STATUS_INVALID_PARAMETER));
        }
    });
}

#[test]
fn an_address_without_a_name_has_its_number_on_the_simulated_network() {
    test_support::hosts::on(simulated(), |client| {
        let unknown = (Ipv4Addr::new(192, 0, 2, 77), 80);
        let room = [Some(64), None];
        let number = name_of(client, unknown, None, room, 0);
        assert_eq!(number, Ok([Some("192.0.2.77".to_owned()), None]));
        assert_eq!(name_of(client, unknown, None, room, NI_NAMEREQD), Err(STATUS_NO_MATCH));
    });
}

#[test]
fn a_name_needs_room_for_its_nul() {
    everywhere(|client| {
        let ask = |node, service| {
            let numeric = NI_NUMERICHOST | NI_NUMERICSERV;
            name_of(client, (SERVER, 80), None, [node, service], numeric)
        };
        assert!(ask(Some(10), Some(3)).is_ok());
        for (node, service) in
            [(Some(9), Some(3)), (Some(10), Some(2)), (Some(0), None), (None, Some(0))]
        {
            assert_eq!(ask(node, service), Err(STATUS_BUFFER_TOO_SMALL));
        }
        assert_eq!(ask(None, None), Err(STATUS_INVALID_PARAMETER));
        for length in [0, 4, 15, 4096] {
            let result = name_of(client, (SERVER, 80), Some(length), [Some(64), None], 0);
            assert_eq!(result, Err(STATUS_INVALID_PARAMETER), "{length}");
        }
    });
}

#[test]
fn look_ups_fail_as_often_as_configured() {
    everywhere(|client| {
        client.host.add_name("flaky.example", SERVER);
        client.host.fail_name("Flaky.example.", STATUS_INTERNAL_ERROR);
        client.host.fail_name("flaky.example", STATUS_INSUFFICIENT_RESOURCES);
        let ask = || resolve(client, Some("flaky.example"), None, None).map(|all| addresses(&all));
        assert_eq!(ask(), Err(STATUS_INTERNAL_ERROR));
        assert_eq!(ask(), Err(STATUS_INSUFFICIENT_RESOURCES));
        assert_eq!(ask(), Ok(vec![SocketAddr::new(SERVER, 0)]));
    });
}

#[test]
fn an_unanswered_look_up_can_be_cancelled() {
    everywhere(|client| {
        client.host.add_name("silent.example", SERVER);
        client.host.stall_name("silent.example");
        let query = begin(client, Some("silent.example"), None, None, NS_ALL);
        client.host.settle();
        assert!(!query.request.is_complete());
        query.request.cancel();
        query.request.fail(STATUS_CANCELLED);
        // SAFETY: `begin` made it, and the request has completed.
        drop(unsafe { Box::from_raw(query.result) });
        assert_eq!(resolve(client, Some("silent.example"), None, None).unwrap().len(), 1);
    });
}

#[test]
fn a_deregistration_cancels_an_unanswered_look_up() {
    for config in simulated().into_iter().chain(real()) {
        let mut client = Client::new(config);
        client.host.stall_name("silent.example");
        let query = begin(&client, Some("silent.example"), None, None, NS_ALL);
        // SAFETY: the block is registered, and the provider captured.
        unsafe {
            WskReleaseProviderNPI(&raw mut *client.registration);
            WskDeregister(&raw mut *client.registration);
        }
        query.request.fail(STATUS_CANCELLED);
        // SAFETY: `begin` made it, and the request has completed.
        drop(unsafe { Box::from_raw(query.result) });
    }
}

#[test]
fn wine_has_no_names_of_addresses() {
    let config = wsk_host::Config { refuse_name_info: true, ..wsk_host::Config::default() };
    let client = Client::new(config);
    let mut node = Some(WideBuffer::room(64));
    let node = WideBuffer::pointer(&mut node);
    let address = PoolAddress::new((SERVER, 80));
    // SAFETY: the provider is captured. The IRP stays the test's.
    let status = unsafe {
        (*client.provider.Dispatch).WskGetNameInfo.unwrap()(
            client.provider.Client,
            address.0,
            size_of::<SOCKADDR_IN>().try_into().unwrap(),
            node,
            ptr::null_mut(),
            0,
            ptr::null_mut(),
            ptr::null_mut(),
            ptr::null_mut(),
        )
    };
    assert_eq!(status, STATUS_NOT_IMPLEMENTED);
    drop(address);
    client.end();
}
