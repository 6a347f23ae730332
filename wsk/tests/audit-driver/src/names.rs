//! Names and addresses.

use core::fmt::{Debug, Display};
use core::net::{IpAddr, SocketAddr};

use wsk::flags::{AddressInfoFlags, NameInfoFlags};
use wsk::net::{self, LookupHost};
use wsk::resolve::{AddressInfo, AddressList, Addresses, Hints, Name, Names, Service, SocketType};
use wsk::socket::{Family, Protocol};
use wsk::{Provider, sys};

type Wsk = &'static Provider;
type Text = &'static str;

futures! {
    "Provider::resolve": |(wsk, host, service, hints): (Wsk, Text, Service<'static>, Hints)| {
        wsk.resolve(host, service, hints)
    };
    "Provider::name_of": |(wsk, address, flags): (Wsk, SocketAddr, NameInfoFlags)| {
        wsk.name_of(address, flags)
    };
    "Provider::host_by_name": |(wsk, name, family): (Wsk, Text, Family)| {
        wsk.host_by_name(name, family)
    };
    "Provider::host_by_address": |(wsk, address, buffer): (Wsk, IpAddr, &'static mut [u8])| {
        wsk.host_by_address(address, buffer)
    };
    "net::lookup_host<&str>": |(wsk, host): (Wsk, Text)| net::lookup_host(wsk, host);
    "net::lookup_host<pair>": |(wsk, host, port): (Wsk, Text, u16)| {
        net::lookup_host(wsk, (host, port))
    };
    "net::lookup_host<SocketAddr>": |(wsk, host): (Wsk, SocketAddr)| net::lookup_host(wsk, host);
    "net::connect_host": |(wsk, host): (Wsk, Text)| net::connect_host(wsk, host);
    "net::listen_host": |(wsk, host): (Wsk, Text)| net::listen_host(wsk, host);
}

calls! {
    "net::parse_socket_addr": |text: Text| net::parse_socket_addr(text);
    "Hints::new": |()| Hints::new();
    "Hints::default": |()| Hints::default();
    "Hints::stream": |()| Hints::stream();
    "Hints::datagram": |()| Hints::datagram();
    "Hints::family": |(hints, family): (Hints, Family)| hints.family(family);
    "Hints::socket_type": |(hints, kind): (Hints, SocketType)| hints.socket_type(kind);
    "Hints::protocol": |(hints, protocol): (Hints, Protocol)| hints.protocol(protocol);
    "Hints::flags": |(hints, flags): (Hints, AddressInfoFlags)| hints.flags(flags);
    "SocketType::from_raw": |number: sys::USHORT| SocketType::from_raw(number);
    "SocketType::to_raw": |kind: SocketType| kind.to_raw();
    "Service::from<u16>": |port: u16| Service::from(port);
    "Service::from<&str>": |name: Text| Service::from(name);
    "AddressList::iter": |list: &'static AddressList| list.iter();
    "AddressList::into_iter": |list: &'static AddressList| list.into_iter();
    "AddressList::addresses": |list: &'static AddressList| list.addresses().count();
    "AddressList::canonical_name": |list: &'static AddressList| list.canonical_name();
    "Addresses::next": |addresses: &'static mut Addresses<'static>| addresses.next();
    "Addresses::clone": |addresses: &'static Addresses<'static>| addresses.clone();
    "AddressInfo::family": |entry: AddressInfo<'static>| entry.family();
    "LookupHost::next": |addresses: &'static mut LookupHost| addresses.next();
    "Names::host": |names: &'static Names| names.host();
    "Names::service": |names: &'static Names| names.service();
    "Name::units": |name: Name<'static>| name.units();
    "Name::chars": |name: Name<'static>| name.chars().count();
    "Name::to_utf8": |(name, buffer): (Name<'static>, &'static mut [u8])| name.to_utf8(buffer);
    "Name::eq<str>": |(name, other): (Name<'static>, Text)| name == *other;
    "Name::eq<&str>": |(name, other): (Name<'static>, Text)| name == other;
}

drops! {
    "AddressList::drop": AddressList;
    "LookupHost::drop": LookupHost;
    "Names::drop": Names;
}

formats! {
    "AddressList::fmt<Debug>": AddressList as Debug;
    "Addresses::fmt<Debug>": Addresses<'static> as Debug;
    "AddressInfo::fmt<Debug>": AddressInfo<'static> as Debug;
    "Hints::fmt<Debug>": Hints as Debug;
    "LookupHost::fmt<Debug>": LookupHost as Debug;
    "Names::fmt<Debug>": Names as Debug;
    "Name::fmt<Debug>": Name<'static> as Debug;
    "Name::fmt<Display>": Name<'static> as Display;
    "Service::fmt<Debug>": Service<'static> as Debug;
    "SocketType::fmt<Debug>": SocketType as Debug;
}
