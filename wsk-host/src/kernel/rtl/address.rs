//! `RtlIpv4…`, `RtlIpv6…`: addresses as text, and the reverse.
//!
//! # Safety
//!
//! The exported functions have the contracts that Microsoft documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use std::net::{Ipv4Addr, Ipv6Addr};

use wsk_sys::{
    BOOLEAN, FALSE, NTSTATUS, STATUS_INVALID_PARAMETER, STATUS_SUCCESS, ULONG, USHORT, WCHAR,
};

use crate::kernel::rtl::strings::zero_terminated;

/// The longest text of an address with its scope and port, and a NUL.
const LONGEST: usize = 65;

/// A code unit of a text. All units of an address are ASCII.
trait CodeUnit: Copy + PartialEq + Default {
    fn of(byte: u8) -> Self;
    fn byte(self) -> Option<u8>;
}

impl CodeUnit for u8 {
    fn of(byte: u8) -> Self {
        byte
    }

    fn byte(self) -> Option<u8> {
        self.is_ascii().then_some(self)
    }
}

impl CodeUnit for WCHAR {
    fn of(byte: u8) -> Self {
        byte.into()
    }

    fn byte(self) -> Option<u8> {
        u8::try_from(self).ok().filter(u8::is_ascii)
    }
}

/// Writes a text with its NUL, and returns where that is.
unsafe fn put<U: CodeUnit>(target: *mut U, text: &str) -> *mut U {
    for (index, byte) in text.bytes().enumerate() {
        // SAFETY: the caller passes room for the longest text.
        unsafe { target.add(index).write(U::of(byte)) };
    }
    // SAFETY: the caller passes room for the NUL, too.
    unsafe {
        let end = target.add(text.len());
        end.write(U::default());
        end
    }
}

/// Writes a text like [`put`], if the client's buffer is large enough. The required size is always returned.
unsafe fn put_within<U: CodeUnit>(target: *mut U, room: *mut ULONG, text: &str) -> NTSTATUS {
    if room.is_null() {
        return STATUS_INVALID_PARAMETER;
    }
    let needed = ULONG::try_from(text.len() + 1).unwrap_or(ULONG::MAX);
    // SAFETY: the caller passes how much room there is.
    let has_room = unsafe { room.replace(needed) } >= needed;
    if target.is_null() || !has_room {
        return STATUS_INVALID_PARAMETER;
    }
    // SAFETY: there is room, as was just checked.
    unsafe { put(target, text) };
    STATUS_SUCCESS
}

/// The ASCII at the beginning of a text, as far as an address can go.
unsafe fn read<U: CodeUnit>(text: *const U) -> String {
    // SAFETY: the caller passes a text that ends with a NUL.
    let units = unsafe { zero_terminated(text, LONGEST) };
    units.iter().map_while(|unit| unit.byte()).map(char::from).collect()
}

/// A number as C writes it.
fn number(text: &str) -> Option<u64> {
    let (digits, base) = match text.strip_prefix("0x").or_else(|| text.strip_prefix("0X")) {
        Some(digits) => (digits, 16),
        None if text.len() > 1 && text.starts_with('0') => (&text[1..], 8),
        None => (text, 10),
    };
    u64::from_str_radix(digits, base).ok().filter(|_| !digits.starts_with('+'))
}

/// Parses an IPv4 address at the beginning of a text, and returns it with its length in bytes. If `strict`, it has four
/// decimal parts. Otherwise it may have fewer, in C's three bases, and the last part fills the remaining bytes.
fn parse_v4(text: &str, strict: bool) -> Option<(Ipv4Addr, usize)> {
    let is_part = |byte: &u8| {
        byte.is_ascii_digit()
            || (!strict && (byte.is_ascii_hexdigit() || matches!(byte, b'x' | b'X')))
    };
    let length = text.bytes().take_while(|byte| is_part(byte) || *byte == b'.').count();
    let text = &text[..length];
    let parts: Vec<&str> = text.split('.').collect();
    if strict {
        // A leading zero would make a part octal.
        let is_octal = |part: &&str| part.len() > 1 && part.starts_with('0');
        let part = |part: &&str| part.parse().ok().filter(|_| !is_octal(part));
        let all: Option<Vec<u8>> = parts.iter().map(part).collect();
        let all: [u8; 4] = all?.try_into().ok()?;
        return Some((all.into(), length));
    }
    let numbers: Option<Vec<u64>> = parts.iter().map(|part| number(part)).collect();
    let numbers = numbers?;
    let (last, first) = numbers.split_last()?;
    if first.len() > 3
        || first.iter().any(|part| *part > 255)
        || last >> (8 * (4 - first.len())) != 0
    {
        return None;
    }
    let high = first.iter().enumerate().map(|(index, part)| part << (24 - 8 * index)).sum::<u64>();
    let whole = u32::try_from(high + last).ok()?;
    Some((whole.into(), length))
}

/// Parses the longest IPv6 address at the beginning of a text, and returns it with its length in bytes.
fn parse_v6(text: &str) -> Option<(Ipv6Addr, usize)> {
    let is_part = |byte: &u8| byte.is_ascii_hexdigit() || matches!(byte, b':' | b'.');
    let most = text.bytes().take_while(is_part).count();
    (2..=most).rev().find_map(|length| Some((text[..length].parse().ok()?, length)))
}

/// A port behind a colon, which ends the text.
fn parse_port(text: &str) -> Option<u16> {
    match text.strip_prefix(':') {
        Some(port) => number(port).and_then(|port| u16::try_from(port).ok()),
        None if text.is_empty() => Some(0),
        None => None,
    }
}

fn with_port_v4(text: &str, strict: bool) -> Option<(Ipv4Addr, u16)> {
    let (address, length) = parse_v4(text, strict)?;
    Some((address, parse_port(&text[length..])?))
}

/// Parses the decimal number of a scope.
fn parse_scope(text: &str) -> Option<u32> {
    text.parse().ok().filter(|_| text.bytes().all(|byte| byte.is_ascii_digit()))
}

/// Parses an IPv6 address and its scope, `address%scope`, which are the whole text. Without a scope, it is zero.
pub(crate) fn parse_scoped_v6(text: &str) -> Option<(Ipv6Addr, u32)> {
    let (address, length) = parse_v6(text)?;
    let scope = match text[length..].strip_prefix('%') {
        Some(scope) => parse_scope(scope)?,
        None if text.len() == length => 0,
        None => return None,
    };
    Some((address, scope))
}

/// `address%scope`, or `[address%scope]:port`.
fn with_port_v6(text: &str) -> Option<(Ipv6Addr, u32, u16)> {
    let (inner, port) = match text.strip_prefix('[') {
        Some(rest) => {
            let (inner, port) = rest.split_once(']')?;
            (inner, parse_port(port)?)
        }
        None => (text, 0),
    };
    let (address, scope) = parse_scoped_v6(inner)?;
    Some((address, scope, port))
}

/// An address, from the client's memory.
unsafe fn v4(address: *const u8) -> Ipv4Addr {
    // SAFETY: the caller passes an address of four bytes.
    unsafe { address.cast::<[u8; 4]>().read() }.into()
}

unsafe fn v6(address: *const u8) -> Ipv6Addr {
    // SAFETY: the caller passes an address of 16 bytes.
    unsafe { address.cast::<[u8; 16]>().read() }.into()
}

/// Ports are in network order.
fn text_v4(address: Ipv4Addr, port: USHORT) -> String {
    if port == 0 { address.to_string() } else { format!("{address}:{}", u16::from_be(port)) }
}

/// An address and its scope as text, without a scope of zero. The last 32 bits of an IPv4-compatible address are written
/// as IPv4 writes them.
pub(crate) fn scoped_text_v6(address: Ipv6Addr, scope: ULONG) -> String {
    let text = match address.segments() {
        [0, 0, 0, 0, 0, 0, high, low] if high != 0 => {
            let [a, b] = high.to_be_bytes();
            let [c, d] = low.to_be_bytes();
            format!("::{a}.{b}.{c}.{d}")
        }
        _ => address.to_string(),
    };
    if scope == 0 { text } else { format!("{text}%{scope}") }
}

fn text_v6(address: Ipv6Addr, scope: ULONG, port: USHORT) -> String {
    let text = scoped_text_v6(address, scope);
    if port == 0 { text } else { format!("[{text}]:{}", u16::from_be(port)) }
}

macro_rules! texts {
    ($unit:ty, $text4:ident, $text4_ex:ident, $parse4:ident, $parse4_ex:ident,
     $text6:ident, $text6_ex:ident, $parse6:ident, $parse6_ex:ident) => {
        #[wsk_host_macros::export]
        unsafe extern "C" fn $text4(address: *const u8, target: *mut $unit) -> *mut $unit {
            // SAFETY: the caller passes an address, and room for its longest text.
            unsafe { put(target, &text_v4(v4(address), 0)) }
        }

        #[wsk_host_macros::export]
        unsafe extern "C" fn $text4_ex(
            address: *const u8,
            port: USHORT,
            target: *mut $unit,
            room: *mut ULONG,
        ) -> NTSTATUS {
            // SAFETY: the caller passes an address, and says how much room there is.
            unsafe { put_within(target, room, &text_v4(v4(address), port)) }
        }

        #[wsk_host_macros::export]
        unsafe extern "C" fn $parse4(
            text: *const $unit,
            strict: BOOLEAN,
            end: *mut *const $unit,
            address: *mut u8,
        ) -> NTSTATUS {
            // SAFETY: the caller passes a text that ends with a NUL.
            let found = parse_v4(&unsafe { read(text) }, strict != FALSE);
            // SAFETY: the caller passes room for where the text ends, and for an address.
            unsafe {
                write_result(
                    text,
                    found.map(|(found, length)| (found.octets(), length)),
                    end,
                    address,
                )
            }
        }

        #[wsk_host_macros::export]
        unsafe extern "C" fn $parse4_ex(
            text: *const $unit,
            strict: BOOLEAN,
            address: *mut u8,
            port: *mut USHORT,
        ) -> NTSTATUS {
            // SAFETY: the caller passes a text that ends with a NUL.
            let found = with_port_v4(&unsafe { read(text) }, strict != FALSE);
            let Some((found, found_port)) = found else { return STATUS_INVALID_PARAMETER };
            // SAFETY: the caller passes room for an address and for a port.
            unsafe {
                address.cast::<[u8; 4]>().write(found.octets());
                port.write(found_port.to_be());
            }
            STATUS_SUCCESS
        }

        #[wsk_host_macros::export]
        unsafe extern "C" fn $text6(address: *const u8, target: *mut $unit) -> *mut $unit {
            // SAFETY: the caller passes an address, and room for its longest text.
            unsafe { put(target, &text_v6(v6(address), 0, 0)) }
        }

        #[wsk_host_macros::export]
        unsafe extern "C" fn $text6_ex(
            address: *const u8,
            scope: ULONG,
            port: USHORT,
            target: *mut $unit,
            room: *mut ULONG,
        ) -> NTSTATUS {
            // SAFETY: the caller passes an address, and says how much room there is.
            unsafe { put_within(target, room, &text_v6(v6(address), scope, port)) }
        }

        #[wsk_host_macros::export]
        unsafe extern "C" fn $parse6(
            text: *const $unit,
            end: *mut *const $unit,
            address: *mut u8,
        ) -> NTSTATUS {
            // SAFETY: the caller passes a text that ends with a NUL.
            let found = parse_v6(&unsafe { read(text) });
            // SAFETY: the caller passes room for where the text ends, and for an address.
            unsafe {
                write_result(
                    text,
                    found.map(|(found, length)| (found.octets(), length)),
                    end,
                    address,
                )
            }
        }

        #[wsk_host_macros::export]
        unsafe extern "C" fn $parse6_ex(
            text: *const $unit,
            address: *mut u8,
            scope: *mut ULONG,
            port: *mut USHORT,
        ) -> NTSTATUS {
            // SAFETY: the caller passes a text that ends with a NUL.
            let found = with_port_v6(&unsafe { read(text) });
            let Some((found, found_scope, found_port)) = found else {
                return STATUS_INVALID_PARAMETER;
            };
            // SAFETY: the caller passes room for an address, a scope and a port.
            unsafe {
                address.cast::<[u8; 16]>().write(found.octets());
                scope.write(found_scope);
                port.write(found_port.to_be());
            }
            STATUS_SUCCESS
        }
    };
}

/// Passes an address to a client, with the end of its text. If the text is not an address, that is the start of the
/// text.
unsafe fn write_result<U, const N: usize>(
    text: *const U,
    found: Option<([u8; N], usize)>,
    end: *mut *const U,
    address: *mut u8,
) -> NTSTATUS {
    let length = found.map_or(0, |(_, length)| length);
    // SAFETY: the caller passes room for a pointer.
    unsafe { end.write(text.wrapping_add(length)) };
    let Some((found, _)) = found else { return STATUS_INVALID_PARAMETER };
    // SAFETY: the caller passes room for an address.
    unsafe { address.cast::<[u8; N]>().write(found) };
    STATUS_SUCCESS
}

texts! {
    u8, RtlIpv4AddressToStringA, RtlIpv4AddressToStringExA, RtlIpv4StringToAddressA,
    RtlIpv4StringToAddressExA, RtlIpv6AddressToStringA, RtlIpv6AddressToStringExA,
    RtlIpv6StringToAddressA, RtlIpv6StringToAddressExA
}
texts! {
    u16, RtlIpv4AddressToStringW, RtlIpv4AddressToStringExW, RtlIpv4StringToAddressW,
    RtlIpv4StringToAddressExW, RtlIpv6AddressToStringW, RtlIpv6AddressToStringExW,
    RtlIpv6StringToAddressW, RtlIpv6StringToAddressExW
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ipv4_is_parsed_strictly_or_as_c_writes_numbers() {
        let localhost = Ipv4Addr::LOCALHOST;
        assert_eq!(parse_v4("127.0.0.1", true), Some((localhost, 9)));
        assert_eq!(parse_v4("127.0.0.1:80", true), Some((localhost, 9)));
        assert_eq!(parse_v4("127.1", true), None);
        assert_eq!(parse_v4("256.0.0.1", true), None);
        assert_eq!(parse_v4("127.0.0.01", true), None);
        assert_eq!(parse_v4("127.1", false), Some((localhost, 5)));
        assert_eq!(parse_v4("0x7f.1", false), Some((localhost, 6)));
        assert_eq!(parse_v4("017700000001", false), Some((localhost, 12)));
        assert_eq!(parse_v4("1.2.3.4.5", false), None);
        assert_eq!(parse_v4("1.2.65536", false), None);
        assert_eq!(parse_v4("", false), None);
    }

    #[test]
    fn ipv6_is_parsed_with_scope_and_port() {
        assert_eq!(parse_v6("::1"), Some((Ipv6Addr::LOCALHOST, 3)));
        assert_eq!(parse_v6("::1%3"), Some((Ipv6Addr::LOCALHOST, 3)));
        assert_eq!(parse_v6(":1"), None);
        let link_local = "fe80::1".parse().unwrap();
        assert_eq!(with_port_v6("fe80::1%4"), Some((link_local, 4, 0)));
        assert_eq!(with_port_v6("[fe80::1%4]:443"), Some((link_local, 4, 443)));
        for wrong in ["fe80::1%", "fe80::1%+4", "fe80::1%x", "fe80::1%4294967296", "fe80::1%4 "] {
            assert_eq!(parse_scoped_v6(wrong), None, "{wrong}");
        }
        assert_eq!(parse_scoped_v6("::1"), Some((Ipv6Addr::LOCALHOST, 0)));
        assert_eq!(parse_scoped_v6("fe80::1%4294967295"), Some((link_local, u32::MAX)));
        assert_eq!(with_port_v6("[::1]443"), None);
    }

    #[test]
    fn written_addresses_are_parsed_again() {
        let address: Ipv6Addr = "2001:db8::7".parse().unwrap();
        let text = text_v6(address, 9, 443_u16.to_be());
        assert_eq!(text, "[2001:db8::7%9]:443");
        assert_eq!(with_port_v6(&text), Some((address, 9, 443)));
        for text in ["::1", "::7:8", "fe80::1%1", "::ffff:192.0.2.1", "1::2"] {
            let (address, scope) = parse_scoped_v6(text).unwrap();
            let text = if text == "::7:8" { "::0.7.0.8" } else { text };
            assert_eq!(scoped_text_v6(address, scope), text);
        }
        let text = text_v4(Ipv4Addr::LOCALHOST, 80_u16.to_be());
        assert_eq!(with_port_v4(&text, true), Some((Ipv4Addr::LOCALHOST, 80)));
    }
}
