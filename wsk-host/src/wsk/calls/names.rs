//! Name resolution, both ways.
//!
//! # Safety
//!
//! The functions are called through the provider's tables, and have the contracts of WSK's documentation. The provider
//! owns an IRP that it has taken over, and may use the memory of its request, until the IRP is completed.

#![expect(unsafe_code, reason = "the functions and objects are those of a C interface")]

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};
use std::ptr;
use std::sync::Arc;

use wsk_sys::{
    ADDRESS_FAMILY, ADDRINFOEXW, AF_INET, AF_INET6, AF_UNSPEC, AI_CANONNAME, AI_FQDN,
    AI_NUMERICHOST, AI_NUMERICSERV, AI_PASSIVE, GUID, IPPROTO_TCP, IPPROTO_UDP, NI_NAMEREQD,
    NI_NUMERICHOST, NI_NUMERICSERV, NS_ALL, NS_DNS, NTSTATUS, PADDRINFOEXW, PASSIVE_LEVEL,
    PEPROCESS, PETHREAD, PIRP, PSOCKADDR, PUNICODE_STRING, PWSK_CLIENT, SOCK_DGRAM, SOCK_STREAM,
    SOCKADDR_IN6, SOCKADDR_STORAGE, STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_PARAMETER,
    STATUS_NO_MATCH, STATUS_NOT_FOUND, STATUS_NOT_IMPLEMENTED, STATUS_SUCCESS, ULONG,
    UNICODE_STRING, USHORT,
};

use super::returned::{self, ReturnedStatus};
use super::{take_over, with_stack};
use crate::kernel::Kernel;
use crate::kernel::config::Windows;
use crate::kernel::context::require_no_completion_routine;
use crate::kernel::interrupt;
use crate::kernel::ke::irql::current_irql;
use crate::kernel::rtl::address::{parse_scoped_v6, scoped_text_v6};
use crate::kernel::trace::{self, TraceEvent};
use crate::verifier::{Origin, Rule, rule_violation};
use crate::wsk::action::{Action, Actions, IrpCompletion};
use crate::wsk::address;
use crate::wsk::client::{Client, captured};
use crate::wsk::config::Network;
use crate::wsk::execute::{execute, remember};
use crate::wsk::names::{LookupFault, port, service};
use crate::wsk::requests::RequestKind;

/// An IRP that another thread completes, and the address of its result.
///
/// # Invariants
///
/// The provider owns the IRP, and the address is valid, until the IRP is completed.
#[derive(Clone, Copy)]
struct BackgroundIrp<T>(PIRP, T);

// SAFETY: the IRP and the address are the provider's (Invariants), which may use them in any thread.
unsafe impl<T> Send for BackgroundIrp<T> {}

/// The client of a captured provider, at the level that name functions are for ([INV-66](crate::rules#inv-66)).
unsafe fn client(client: PWSK_CLIENT, function: &'static str) -> Arc<Client> {
    let level = current_irql();
    if level > PASSIVE_LEVEL {
        rule_violation(
            Rule::NAME_RESOLUTION,
            function,
            &format!("called at IRQL {level}, requires PASSIVE_LEVEL"),
            None,
        );
    }
    require_no_completion_routine(function);
    // SAFETY: the caller has captured the provider.
    let client = unsafe { captured(client, function) };
    interrupt();
    client
}

/// Reads a string, which ends with a NUL as well.
///
/// # Safety
///
/// The pointer is null, or to a valid string.
unsafe fn read(
    kernel: &Kernel,
    irp: PIRP,
    string: PUNICODE_STRING,
    function: &str,
) -> Option<String> {
    // SAFETY: the pointer is null, or to a valid string (this function's contract).
    unsafe { pin_string(kernel, irp, string) };
    // SAFETY: the pointer is null or valid, by this function's contract.
    let string = unsafe { string.as_ref() }?;
    let length = usize::from(string.Length) / 2;
    if length == 0 || string.Buffer.is_null() {
        return None;
    }
    // SAFETY: the string has this many units.
    let units = unsafe { std::slice::from_raw_parts(string.Buffer, length) };
    let has_room = usize::from(string.MaximumLength) >= (length + 1) * 2;
    // SAFETY: there is room for one more.
    if !has_room || unsafe { string.Buffer.add(length).read() } != 0 {
        rule_violation(Rule::NAME_RESOLUTION, function, "a name does not end with a NUL", None);
    }
    Some(String::from_utf16_lossy(units))
}

/// Pins a string while a request is in flight.
///
/// # Safety
///
/// The pointer is null, or to a valid string.
unsafe fn pin_string(kernel: &Kernel, irp: PIRP, string: PUNICODE_STRING) {
    let mut usage = kernel.usage();
    // SAFETY: the pointer is null or valid, by this function's contract.
    if let Some(UNICODE_STRING { Buffer, MaximumLength, .. }) = unsafe { string.as_ref() } {
        usage.pin(
            irp,
            ("string", Rule::NAME_RESOLUTION),
            string.addr(),
            size_of::<UNICODE_STRING>(),
        );
        usage.pin(
            irp,
            ("string", Rule::NAME_RESOLUTION),
            Buffer.addr(),
            usize::from(*MaximumLength),
        );
    }
}

/// Whether a look-up may be made for a process and a thread.
fn may_act_for(process: PEPROCESS, thread: PETHREAD) -> bool {
    thread.is_null() || !process.is_null()
}

/// The parameters of a look-up.
struct NameQuery {
    node: Option<String>,
    port: u16,
    flags: i32,
    family: i32,
    types: Vec<(USHORT, ULONG)>,
}

impl NameQuery {
    /// The addresses that this process can determine, with the query's port.
    fn addresses(&self, kernel: &Kernel) -> Vec<SocketAddr> {
        let numeric = self.node.as_ref().and_then(|node| numeric(node, self.port));
        if let Some(address) = numeric {
            return vec![address];
        }
        let addresses = self.unscoped_addresses(kernel).into_iter();
        addresses.map(|address| SocketAddr::new(address, self.port)).collect()
    }

    /// The addresses of a name that is not numeric.
    fn unscoped_addresses(&self, kernel: &Kernel) -> Vec<IpAddr> {
        let Some(node) = &self.node else {
            let is_passive = self.flags & AI_PASSIVE != 0;
            return if is_passive {
                vec![Ipv6Addr::UNSPECIFIED.into(), Ipv4Addr::UNSPECIFIED.into()]
            } else {
                vec![Ipv6Addr::LOCALHOST.into(), Ipv4Addr::LOCALHOST.into()]
            };
        };
        if self.flags & AI_NUMERICHOST != 0 {
            return Vec::new();
        }
        let known = kernel.stack().services.names.addresses(node);
        if known.is_empty() && kernel.wsk_config().network == Network::Real {
            return dns_lookup::lookup_host(node).map(Iterator::collect).unwrap_or_default();
        }
        known
    }

    fn results(&self, kernel: &Kernel) -> Vec<(SocketAddr, USHORT, ULONG)> {
        let is_wanted = |address: &SocketAddr| {
            self.family == i32::from(AF_UNSPEC)
                || self.family == i32::from(if address.is_ipv4() { AF_INET } else { AF_INET6 })
        };
        let addresses = self.addresses(kernel).into_iter().filter(is_wanted);
        addresses
            .flat_map(|address| {
                self.types.iter().map(move |&(kind, protocol)| (address, kind, protocol))
            })
            .collect()
    }
}

/// The address that a text is, with the scope of an IPv6 address.
fn numeric(text: &str, port: u16) -> Option<SocketAddr> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some((address, port).into());
    }
    let (address, scope) = parse_scoped_v6(text)?;
    Some(SocketAddrV6::new(address, port, 0, scope).into())
}

/// The text of an address, with the scope of an IPv6 address.
fn number(address: SocketAddr) -> String {
    match address {
        SocketAddr::V4(address) => address.ip().to_string(),
        SocketAddr::V6(address) => scoped_text_v6(*address.ip(), address.scope_id()),
    }
}

pub(in crate::wsk) unsafe extern "C" fn get_address_info(
    client_pointer: PWSK_CLIENT,
    node: PUNICODE_STRING,
    service: PUNICODE_STRING,
    name_space: ULONG,
    _provider: *mut GUID,
    hints: PADDRINFOEXW,
    result: *mut PADDRINFOEXW,
    process: PEPROCESS,
    thread: PETHREAD,
    irp: PIRP,
) -> NTSTATUS {
    const FUNCTION: &str = "WskGetAddressInfo";
    // SAFETY: the caller has captured the provider.
    let client = unsafe { client(client_pointer, FUNCTION) };
    let kernel = client.kernel.clone();
    // SAFETY: the caller passes an IRP.
    unsafe { take_over(&kernel, 0, irp, FUNCTION, None) };
    client.request_begun();
    kernel.usage().pin(
        irp,
        ("result", Rule::NAME_RESOLUTION),
        result.addr(),
        size_of::<PADDRINFOEXW>(),
    );
    // SAFETY: the caller passes strings, or null.
    let node = unsafe { read(&kernel, irp, node, FUNCTION) };
    // SAFETY: the caller passes strings, or null.
    let service = unsafe { read(&kernel, irp, service, FUNCTION) };
    // SAFETY: the caller passes hints, or null.
    let hints = unsafe { hints.as_ref() };
    let wanted = hints.map_or((0, 0, 0, 0), |hints| {
        (hints.ai_flags, hints.ai_family, hints.ai_socktype, hints.ai_protocol)
    });
    let (flags, family, socket_type, protocol) = wanted;
    let is_wanted = |&(kind, of): &(USHORT, ULONG)| {
        (socket_type == 0 || socket_type == i32::from(kind))
            && (protocol == 0 || u32::try_from(protocol) == Ok(of))
    };
    let types = [(SOCK_STREAM, IPPROTO_TCP), (SOCK_DGRAM, IPPROTO_UDP)];
    let types: Vec<_> = types.into_iter().filter(is_wanted).collect();
    let is_family = [AF_UNSPEC, AF_INET, AF_INET6].map(i32::from).contains(&family);
    let is_valid = !result.is_null()
        && is_family
        && (flags & (AI_CANONNAME | AI_FQDN) == 0 || node.is_some())
        && (node.is_some() || service.is_some())
        && matches!(name_space, NS_ALL | NS_DNS)
        && may_act_for(process, thread)
        && !types.is_empty();
    if !is_valid {
        return complete(&client, irp, STATUS_INVALID_PARAMETER);
    }
    // Without hints one result for an address is enough.
    let types = if hints.is_none() { vec![(0, 0)] } else { types };
    let port = match &service {
        None => 0,
        Some(service) if flags & AI_NUMERICSERV != 0 => match service.parse() {
            Ok(port) => port,
            Err(_) => return complete(&client, irp, STATUS_NO_MATCH),
        },
        Some(service) => match port(service) {
            Some(port) => port,
            None => return complete(&client, irp, STATUS_NO_MATCH),
        },
    };
    let fault = node.as_ref().and_then(|node| kernel.stack().services.names.take_fault(node));
    match fault {
        Some(LookupFault::Failure(status)) => return complete(&client, irp, status),
        // SAFETY: the IRP was taken over.
        Some(LookupFault::Silence) => return unsafe { wait_to_be_cancelled(&client, irp) },
        None => {}
    }
    let query = NameQuery { node, port, flags, family, types };
    let later = BackgroundIrp(irp, result);
    let giver = Arc::clone(&client);
    in_background(&client, irp, move |kernel| {
        let later = later;
        let results = query.results(kernel);
        if results.is_empty() {
            not_found(kernel)
        } else {
            let name = query.node.filter(|_| query.flags & (AI_CANONNAME | AI_FQDN) != 0);
            let list = AddressEntry::new_list(&results, name.as_deref());
            giver.list_given(list.addr(), Origin::here(FUNCTION));
            // SAFETY: the caller's memory has room for a pointer until the IRP is completed.
            unsafe { later.1.write(list) };
            STATUS_SUCCESS
        }
    })
}

/// The status of a look-up of a host that has no address.
fn not_found(kernel: &Kernel) -> NTSTATUS {
    if kernel.config().windows < Windows::EIGHT { STATUS_NO_MATCH } else { STATUS_NOT_FOUND }
}

/// Completes an IRP within its call, and returns the result of the call.
fn complete(client: &Arc<Client>, irp: PIRP, status: NTSTATUS) -> NTSTATUS {
    returned::complete(&client.kernel, irp, completion(client, irp, status))
}

/// Makes a request wait, as one of the client's own requests.
///
/// # Safety
///
/// The IRP was taken over.
unsafe fn wait_to_be_cancelled(client: &Arc<Client>, irp: PIRP) -> NTSTATUS {
    let socket = client.kernel.stack().changes_of(client);
    // SAFETY: the IRP was taken over, by this function's contract.
    unsafe { remember(&client.kernel, socket, irp) };
    // The registration waits for what stands for its requests.
    client.request_ended();
    with_stack(&client.kernel, irp, |stack| stack.request(socket, irp, RequestKind::Stalled))
}

fn completion(client: &Arc<Client>, irp: PIRP, status: NTSTATUS) -> IrpCompletion {
    // The result is the status once more (INV-19), but for a host that was not found.
    let number = match status {
        STATUS_NOT_FOUND => 0,
        status => u32::from_ne_bytes(status.to_ne_bytes()) as usize,
    };
    let result = trace::CallResult::Number(number);
    IrpCompletion::of_client(Arc::clone(client), irp, status, result)
}

/// Runs a look-up that may block outside of the kernel, in a thread that may block, and completes the IRP.
fn in_background(
    client: &Arc<Client>,
    irp: PIRP,
    work: impl FnOnce(&Kernel) -> NTSTATUS + Send + 'static,
) -> NTSTATUS {
    match client.kernel.wsk_config().network {
        Network::Simulated | Network::Null => {
            let status = work(&client.kernel);
            complete(client, irp, status)
        }
        Network::Real => {
            // No action completes it in this call.
            let pending = ReturnedStatus::decide(&client.kernel, irp, &Actions::new());
            let (later, of) = (BackgroundIrp(irp, ()), Arc::clone(client));
            let thread = std::thread::Builder::new().name("name resolution".to_owned());
            let spawned = thread.spawn(move || {
                let later = later;
                let _entered = of.kernel.enter();
                let status = work(&of.kernel);
                let completion = completion(&of, later.0, status);
                execute(&of.kernel, vec![Action::Complete(completion)]);
            });
            let mut actions = Actions::new();
            if spawned.is_err() {
                let status = wsk_sys::STATUS_INSUFFICIENT_RESOURCES;
                actions.push(Action::Complete(completion(client, irp, status)));
            }
            pending.execute(&client.kernel, actions)
        }
    }
}

/// An entry and the memory that it points to.
#[repr(C)]
struct AddressEntry {
    entry: ADDRINFOEXW,
    address: SOCKADDR_STORAGE,
    name: Vec<u16>,
}

impl AddressEntry {
    /// Creates a list, which `free` frees.
    fn new_list(results: &[(SocketAddr, USHORT, ULONG)], name: Option<&str>) -> PADDRINFOEXW {
        let mut next: PADDRINFOEXW = ptr::null_mut();
        for (index, &(address, socket_type, protocol)) in results.iter().enumerate().rev() {
            // The first one has the name.
            let name = name.filter(|_| index == 0).unwrap_or_default();
            // SAFETY: zeroes are an entry without anything.
            let mut node = Box::new(unsafe {
                Self { entry: std::mem::zeroed(), address: std::mem::zeroed(), name: Vec::new() }
            });
            if !name.is_empty() {
                node.name = name.encode_utf16().chain([0]).collect();
            }
            node.entry.ai_family = i32::from(address::family_of(address));
            node.entry.ai_socktype = i32::from(socket_type);
            node.entry.ai_protocol = i32::try_from(protocol).unwrap_or(0);
            node.entry.ai_addrlen = address::size_of_family(address::family_of(address));
            node.entry.ai_next = next;
            let node = Box::into_raw(node);
            // SAFETY: the node is this function's, and its parts stay where they are from here on.
            unsafe {
                address::write((&raw mut (*node).address).cast(), address);
                (*node).entry.ai_addr = (&raw mut (*node).address).cast();
                if !(*node).name.is_empty() {
                    (*node).entry.ai_canonname = (*node).name.as_mut_ptr();
                }
            }
            next = node.cast();
        }
        next
    }

    /// # Safety
    ///
    /// The list came from `new_list`, and is not used afterwards.
    unsafe fn free(mut list: PADDRINFOEXW) {
        while !list.is_null() {
            // SAFETY: every entry is the beginning of a node.
            let node = unsafe { Box::from_raw(list.cast::<Self>()) };
            list = node.entry.ai_next;
        }
    }
}

pub(in crate::wsk) unsafe extern "C" fn free_address_info(
    client_pointer: PWSK_CLIENT,
    list: PADDRINFOEXW,
) {
    const FUNCTION: &str = "WskFreeAddressInfo";
    // SAFETY: the caller has captured the provider.
    let client = unsafe { client(client_pointer, FUNCTION) };
    client.kernel.record(TraceEvent::Call { function: FUNCTION, socket: 0, irp: 0, amount: None });
    if !client.list_freed(list.addr()) {
        rule_violation(
            Rule::NAME_RESOLUTION,
            FUNCTION,
            "the list is not from WskGetAddressInfo, or is already freed",
            None,
        );
        return;
    }
    // SAFETY: it was given to the client, which gives it back.
    unsafe { AddressEntry::free(list) };
}

/// The client's string that receives a name.
///
/// # Invariants
///
/// The pointer is null, or to a counted string with a buffer of its maximum length, valid until the request has
/// completed.
struct NameBuffer(PUNICODE_STRING);

impl NameBuffer {
    /// Writes a name and a NUL. Returns false if they do not fit.
    ///
    /// # Safety
    ///
    /// The string is null, or valid.
    unsafe fn write(&self, name: &str) -> bool {
        // SAFETY: the pointer is null or valid, by this function's contract.
        let Some(string) = (unsafe { self.0.as_mut() }) else {
            return true;
        };
        let string: &mut UNICODE_STRING = string;
        let units: Vec<u16> = name.encode_utf16().chain([0]).collect();
        if usize::from(string.MaximumLength) < units.len() * 2 {
            return false;
        }
        // SAFETY: there is room for the units.
        unsafe { string.Buffer.copy_from_nonoverlapping(units.as_ptr(), units.len()) };
        string.Length = USHORT::try_from((units.len() - 1) * 2).unwrap_or(0);
        true
    }
}

pub(in crate::wsk) unsafe extern "C" fn get_name_info(
    client_pointer: PWSK_CLIENT,
    address: PSOCKADDR,
    length: ULONG,
    node: PUNICODE_STRING,
    service_name: PUNICODE_STRING,
    flags: ULONG,
    process: PEPROCESS,
    thread: PETHREAD,
    irp: PIRP,
) -> NTSTATUS {
    const FUNCTION: &str = "WskGetNameInfo";
    // SAFETY: the caller has captured the provider.
    let client = unsafe { client(client_pointer, FUNCTION) };
    let kernel = client.kernel.clone();
    if kernel.wsk_config().refuse_name_info {
        return STATUS_NOT_IMPLEMENTED;
    }
    // SAFETY: the caller passes an IRP.
    unsafe { take_over(&kernel, 0, irp, FUNCTION, None) };
    client.request_begun();
    for string in [node, service_name] {
        // SAFETY: the caller passes strings, or null.
        unsafe { pin_string(&kernel, irp, string) };
    }
    // SAFETY: the caller passes strings, or null.
    let lacks_buffer = |string: PUNICODE_STRING| match unsafe { string.as_ref() } {
        Some(string) => string.Buffer.is_null() && string.MaximumLength > 0,
        None => false,
    };
    if address.is_null()
        || (node.is_null() && service_name.is_null())
        || lacks_buffer(node)
        || lacks_buffer(service_name)
    {
        return complete(&client, irp, STATUS_INVALID_PARAMETER);
    }
    // SAFETY: the caller passes an address.
    let family = unsafe { address::read_family(address, FUNCTION) };
    let is_valid = |family: &ADDRESS_FAMILY| {
        matches!(*family, AF_INET | AF_INET6)
            && length as usize >= address::size_of_family(*family)
            && length as usize <= size_of::<SOCKADDR_STORAGE>()
            && may_act_for(process, thread)
    };
    let family = family.filter(is_valid);
    // SAFETY: the caller passes an address of this length.
    let address = family.and_then(|family| unsafe { address::read(address, family, FUNCTION) });
    let Some(address) = address else {
        return complete(&client, irp, STATUS_INVALID_PARAMETER);
    };
    let later = BackgroundIrp(irp, (NameBuffer(node), NameBuffer(service_name)));
    in_background(&client, irp, move |kernel| {
        let later = later;
        let BackgroundIrp(_, (node, service_name)) = later;
        // A name that the client does not request is not looked up.
        let name =
            if node.0.is_null() { Some(String::new()) } else { name_of(kernel, address, flags) };
        let Some(name) = name else {
            return STATUS_NO_MATCH;
        };
        let port = address.port();
        let service = service(port).filter(|_| flags & NI_NUMERICSERV == 0);
        let service = service.map_or_else(|| port.to_string(), str::to_owned);
        // SAFETY: the caller's strings are valid until the IRP is completed.
        let written = unsafe { node.write(&name) && service_name.write(&service) };
        if written { STATUS_SUCCESS } else { STATUS_BUFFER_TOO_SMALL }
    })
}

/// The name of an address, or its number where that will do.
fn name_of(kernel: &Kernel, address: SocketAddr, flags: ULONG) -> Option<String> {
    if flags & NI_NUMERICHOST != 0 {
        return Some(number(address));
    }
    let known = kernel.stack().services.names.name(address.ip());
    let known = known.or_else(|| match kernel.wsk_config().network {
        Network::Real => dns_lookup::lookup_addr(&address.ip()).ok(),
        Network::Simulated | Network::Null => None,
    });
    match known {
        Some(name) => Some(name),
        None if flags & NI_NAMEREQD != 0 => None,
        None => Some(number(address)),
    }
}

const _: () = assert!(size_of::<SOCKADDR_IN6>() <= size_of::<SOCKADDR_STORAGE>());
