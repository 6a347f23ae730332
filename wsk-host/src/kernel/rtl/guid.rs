//! GUIDs as text, in braces.
//!
//! # Safety
//!
//! The exported functions have the contracts that Microsoft documents. They use the client's pointers during
//! the call only.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use wsk_sys::{
    GUID, NTSTATUS, PASSIVE_LEVEL, PUNICODE_STRING, STATUS_INVALID_PARAMETER, STATUS_SUCCESS, TRUE,
    UNICODE_STRING,
};

use crate::kernel::ke::irql::require_at_most;
use crate::kernel::rtl::convert::write_string;
use crate::kernel::rtl::strings::counted_units;

/// The text of a GUID.
fn text(guid: &GUID) -> String {
    let GUID { Data1, Data2, Data3, Data4 } = guid;
    let last = u64::from_be_bytes(*Data4);
    let (clock, node) = (last >> 48, last & 0xFFFF_FFFF_FFFF);
    format!("{{{Data1:08X}-{Data2:04X}-{Data3:04X}-{clock:04X}-{node:012X}}}")
}

/// The GUID of a text.
fn parse(text: &str) -> Option<GUID> {
    let text = text.strip_prefix('{')?.strip_suffix('}')?;
    let parts: Vec<&str> = text.split('-').collect();
    let lengths: Vec<usize> = parts.iter().map(|part| part.len()).collect();
    let is_hexadecimal = parts.iter().all(|part| part.bytes().all(|byte| byte.is_ascii_hexdigit()));
    if lengths != [8, 4, 4, 4, 12] || !is_hexadecimal {
        return None;
    }
    let last = format!("{}{}", parts[3], parts[4]);
    Some(GUID {
        Data1: u32::from_str_radix(parts[0], 16).ok()?,
        Data2: u16::from_str_radix(parts[1], 16).ok()?,
        Data3: u16::from_str_radix(parts[2], 16).ok()?,
        Data4: u64::from_str_radix(&last, 16).ok()?.to_be_bytes(),
    })
}

/// The client frees the string with `RtlFreeUnicodeString`.
#[wsk_host_macros::export]
unsafe extern "C" fn RtlStringFromGUID(guid: *const GUID, string: PUNICODE_STRING) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, "RtlStringFromGUID");
    // SAFETY: the caller passes a GUID.
    let units: Vec<u16> = text(unsafe { &*guid }).encode_utf16().collect();
    // SAFETY: the caller passes a string of its own.
    unsafe { write_string(string, &units, TRUE, true) }
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlGUIDFromString(string: *const UNICODE_STRING, guid: *mut GUID) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, "RtlGUIDFromString");
    // SAFETY: the caller passes a string.
    let text = String::from_utf16_lossy(unsafe { counted_units(&*string) });
    let Some(parsed) = parse(&text) else { return STATUS_INVALID_PARAMETER };
    // SAFETY: the caller passes room for a GUID.
    unsafe { guid.write(parsed) };
    STATUS_SUCCESS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_whole_guids_in_braces_are_parsed() {
        let whole = "{6BA7B810-9DAD-11D1-80B4-00C04FD430C8}";
        let guid = parse(whole).unwrap();
        assert_eq!((guid.Data1, guid.Data2, guid.Data3), (0x6BA7_B810, 0x9DAD, 0x11D1));
        assert_eq!(guid.Data4, [0x80, 0xB4, 0x00, 0xC0, 0x4F, 0xD4, 0x30, 0xC8]);
        assert_eq!(text(&guid), whole);
        assert!(parse(&whole.to_lowercase()).is_some());
        for wrong in [
            "",
            "{}",
            &whole[1..],
            &whole[..37],
            "{6BA7B81-09DAD-11D1-80B4-00C04FD430C8}",
            "{+BA7B810-9DAD-11D1-80B4-00C04FD430C8}",
            "{6BA7B810-9DAD-11D1-80B4-00C04FD430C8}x",
        ] {
            assert!(parse(wrong).is_none(), "{wrong}");
        }
    }
}
