//! Reading the text of an address. The parser of `core` can panic, as the compiler sees it, and takes more of the stack.

use core::net::{Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV4, SocketAddrV6};

use crate::status::{Result, known};

/// Reads the text of an address with a port: `192.0.2.1:514` or `[fe80::1%2]:514`. It takes exactly the texts from which `core`
/// makes a [`SocketAddr`], whose parser can panic, as the compiler sees it.
///
/// IRQL: any.
///
/// ```
/// use wsk::net::parse_socket_addr;
///
/// assert_eq!(parse_socket_addr("[fe80::1%2]:514")?.port(), 514);
/// assert!(parse_socket_addr("localhost:514").is_err());
/// # extern crate wsk_host;
/// # Ok::<(), wsk::Error>(())
/// ```
///
/// # Errors
///
/// `STATUS_INVALID_PARAMETER` if the text is not an address with a port.
pub fn parse_socket_addr(text: &str) -> Result<SocketAddr> {
    parse(text).ok_or(known::STATUS_INVALID_PARAMETER)
}

fn parse(text: &str) -> Option<SocketAddr> {
    let mut reader = Parser(text.as_bytes());
    let address = if let Some(ip) = reader.v4() {
        SocketAddrV4::new(ip, reader.port()?).into()
    } else {
        reader.byte(b'[')?;
        let ip = reader.v6()?;
        let scope = if reader.byte(b'%').is_some() { reader.number(DECIMAL)? } else { 0 };
        reader.byte(b']')?;
        SocketAddrV6::new(ip, reader.port()?, 0, scope).into()
    };
    reader.0.is_empty().then_some(address)
}

/// The form of a number.
#[derive(Clone, Copy)]
struct NumberFormat {
    radix: u32,
    digits: usize,
    /// Whether `01` is a number.
    zeros: bool,
    max: u32,
}

const DECIMAL: NumberFormat =
    NumberFormat { radix: 10, digits: usize::MAX, zeros: true, max: u32::MAX };
const PORT: NumberFormat = NumberFormat { max: 0xFFFF, ..DECIMAL };
const OCTET: NumberFormat = NumberFormat { radix: 10, digits: 3, zeros: false, max: 0xFF };
const GROUP: NumberFormat = NumberFormat { radix: 16, digits: 4, zeros: true, max: 0xFFFF };

/// The number of groups in an IPv6 address, and the bits of one.
const GROUPS: u32 = 8;
const GROUP_BITS: u32 = 16;

/// The rest of the text. A method that returns `None` has read nothing.
#[derive(Clone, Copy)]
struct Parser<'a>(&'a [u8]);

/// Groups of an IPv6 address.
struct Groups {
    bits: u128,
    count: u32,
    /// The last two were in the form of IPv4.
    has_v4: bool,
}

impl Parser<'_> {
    fn byte(&mut self, byte: u8) -> Option<()> {
        let (first, rest) = self.0.split_first()?;
        (*first == byte).then(|| self.0 = rest)
    }

    fn number(&mut self, form: NumberFormat) -> Option<u32> {
        let mut rest = self.0;
        let (mut value, mut digits) = (0_u32, 0_usize);
        while let Some((digit, after)) =
            rest.split_first().and_then(|(byte, after)| Some((digit(*byte, form.radix)?, after)))
        {
            value = value.checked_mul(form.radix)?.checked_add(digit)?;
            digits += 1;
            if digits > form.digits || value > form.max {
                return None;
            }
            rest = after;
        }
        let has_zeros = digits > 1 && self.0.first() == Some(&b'0');
        if digits == 0 || has_zeros && !form.zeros {
            return None;
        }
        self.0 = rest;
        Some(value)
    }

    fn port(&mut self) -> Option<u16> {
        let mut reader = *self;
        reader.byte(b':')?;
        let port = u16::try_from(reader.number(PORT)?).ok()?;
        *self = reader;
        Some(port)
    }

    fn v4(&mut self) -> Option<Ipv4Addr> {
        let mut reader = *self;
        let mut bits = reader.number(OCTET)?;
        for _ in 0..3 {
            reader.byte(b'.')?;
            bits = (bits << 8) | reader.number(OCTET)?;
        }
        *self = reader;
        Some(Ipv4Addr::from_bits(bits))
    }

    fn v6(&mut self) -> Option<Ipv6Addr> {
        let mut reader = *self;
        let head = reader.groups(GROUPS);
        let mut bits = head.bits;
        if head.count < GROUPS {
            // Which stands for one group of zeros or more.
            if head.has_v4 {
                return None;
            }
            reader.byte(b':')?;
            reader.byte(b':')?;
            let tail = reader.groups(GROUPS - head.count - 1);
            // The result of the shift is 0 if there is no group before the colons, and no other shift is as wide.
            bits = bits.checked_shl((GROUPS - head.count) * GROUP_BITS).unwrap_or(0) | tail.bits;
        }
        *self = reader;
        Some(Ipv6Addr::from_bits(bits))
    }

    /// Reads up to `limit` groups, with colons between them.
    fn groups(&mut self, limit: u32) -> Groups {
        let mut groups = Groups { bits: 0, count: 0, has_v4: false };
        while groups.count < limit {
            let mut reader = *self;
            if groups.count > 0 && reader.byte(b':').is_none() {
                break;
            }
            let v4 = if limit - groups.count >= 2 { reader.v4() } else { None };
            let (bits, count) = match v4 {
                Some(v4) => (v4.to_bits(), 2),
                None => match reader.number(GROUP) {
                    Some(group) => (group, 1),
                    None => break,
                },
            };
            groups.bits = (groups.bits << (GROUP_BITS * count)) | u128::from(bits);
            groups.count += count;
            groups.has_v4 = v4.is_some();
            *self = reader;
            if groups.has_v4 {
                break;
            }
        }
        groups
    }
}

fn digit(byte: u8, radix: u32) -> Option<u32> {
    let digit = match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        b'A'..=b'F' => byte - b'A' + 10,
        _ => return None,
    };
    Some(u32::from(digit)).filter(|digit| *digit < radix)
}

#[cfg(test)]
mod tests {
    use std::net::SocketAddr;
    use std::string::String;

    use super::parse;

    /// Addresses, and texts that resemble them.
    const TEXTS: [&str; 24] = [
        "192.0.2.1:514",
        "0.0.0.0:0",
        "255.255.255.255:65535",
        "1.2.3.4:000000080",
        "01.2.3.4:5",
        "1.2.3:4",
        "[::]:0",
        "[::1]:514",
        "[1::]:65536",
        "[2001:db8::1]:514",
        "[1:2:3:4:5:6:7:8]:9",
        "[1:2:3:4:5:6:7::]:9",
        "[::2:3:4:5:6:7:8]:9",
        "[1:2:3:4:5:6:7:8:9]:9",
        "[1:2::4:5::8]:9",
        "[fe80::1%2]:514",
        "[fe80::1%4294967295]:514",
        "[::ffff:192.0.2.1]:514",
        "[1:2:3:4:5:6:192.0.2.1]:514",
        "[1:2:3:4:5:6:7:192.0.2.1]:514",
        "[1.2.3.4::]:5",
        "[::1.2.3.4:5]:6",
        "[00001::]:5",
        "localhost:514",
    ];

    fn compare(text: &str) -> bool {
        let expected: Option<SocketAddr> = text.parse().ok();
        assert_eq!(parse(text), expected, "{text}");
        expected.is_some()
    }

    #[test]
    fn addresses_are_those_of_core() {
        let valid = TEXTS.iter().filter(|text| compare(text)).count();
        assert_eq!(valid, 14);
        // Each with one and with two characters replaced, inserted or removed.
        let mut valid = 0;
        for text in TEXTS {
            for place in 0..=text.len() {
                for new in
                    ["", "0", "9", "a", "F", ":", "::", ".", "[", "]", "%", "1.2.3.4", " ", "é"]
                {
                    let (before, after) = text.split_at(place);
                    let inserted: String = [before, new, after].concat();
                    valid += usize::from(compare(&inserted));
                    let mut rest = after.chars();
                    for _ in 0..2 {
                        rest.next();
                        valid += usize::from(compare(&[before, new, rest.as_str()].concat()));
                    }
                }
            }
        }
        assert!(valid > 1000, "{valid} texts were addresses");
    }
}
