//! `Rtl…To…`: strings of bytes, of UTF-16, and numbers. A host's strings of bytes are in UTF-8.
//!
//! # Safety
//!
//! The exported functions have the contracts that Microsoft documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]

use wsk_sys::{
    BOOLEAN, FALSE, NTSTATUS, PASSIVE_LEVEL, PUNICODE_STRING, STATUS_BUFFER_OVERFLOW,
    STATUS_BUFFER_TOO_SMALL, STATUS_INVALID_PARAMETER, STATUS_NO_MEMORY, STATUS_SUCCESS, ULONG,
    UNICODE_STRING, WCHAR,
};

use crate::kernel::ke::irql::require_at_most;
use crate::kernel::rtl::strings::{
    AnsiString, LONGEST, allocate, counted_bytes, counted_units, require_counted, size, upcase,
};

const STATUS_INVALID_PARAMETER_2: NTSTATUS = crate::kernel::status(0xC000_00F0);
/// Some characters were replaced.
const STATUS_SOME_NOT_MAPPED: NTSTATUS = 0x107;

/// Passes a string of UTF-16 to a client, in its buffer or in a new one, which also has a NUL.
///
/// # Safety
///
/// The target is the client's string, with a buffer of its maximum length unless one is allocated.
pub(super) unsafe fn write_string(
    target: PUNICODE_STRING,
    units: &[WCHAR],
    allocates: BOOLEAN,
    ends: bool,
) -> NTSTATUS {
    // SAFETY: the pointer is to a string that only the caller uses (this function's contract).
    let target = unsafe { &mut *target };
    let end = usize::from(ends || allocates != FALSE);
    let bytes = units.len() * 2;
    if bytes + 2 * end > LONGEST {
        return STATUS_INVALID_PARAMETER_2;
    }
    if allocates != FALSE {
        let memory = allocate(bytes + 2);
        if memory.is_null() {
            return STATUS_NO_MEMORY;
        }
        target.Buffer = memory.cast();
        target.MaximumLength = size(bytes + 2);
    } else if bytes + 2 * end > target.MaximumLength.into() {
        return STATUS_BUFFER_OVERFLOW;
    }
    // SAFETY: the buffer has room, as was just checked.
    unsafe { std::ptr::copy_nonoverlapping(units.as_ptr(), target.Buffer, units.len()) };
    if bytes + 2 <= target.MaximumLength.into() {
        // SAFETY: the buffer has room for another unit.
        unsafe { target.Buffer.add(units.len()).write(0) };
    }
    target.Length = size(bytes);
    STATUS_SUCCESS
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlAnsiStringToUnicodeString(
    target: PUNICODE_STRING,
    source: *const AnsiString,
    allocates: BOOLEAN,
) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, "RtlAnsiStringToUnicodeString");
    // SAFETY: the caller passes a string.
    let text = String::from_utf8_lossy(unsafe { counted_bytes(&*source) });
    let units: Vec<WCHAR> = text.encode_utf16().collect();
    // SAFETY: the caller passes a string of its own.
    unsafe { write_string(target, &units, allocates, true) }
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlUnicodeStringToAnsiString(
    target: *mut AnsiString,
    source: *const UNICODE_STRING,
    allocates: BOOLEAN,
) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, "RtlUnicodeStringToAnsiString");
    // SAFETY: the caller passes a string.
    let source = unsafe { &*source };
    require_counted(source, "RtlUnicodeStringToAnsiString");
    // SAFETY: the caller's string has a buffer of its length.
    let text = String::from_utf16_lossy(unsafe { counted_units(source) });
    let (bytes, room) = (text.as_bytes(), text.len() + 1);
    if room > LONGEST + 1 {
        return STATUS_INVALID_PARAMETER_2;
    }
    // SAFETY: the caller passes a string of its own.
    let target = unsafe { &mut *target };
    let mut copied = bytes.len();
    if allocates != FALSE {
        let memory = allocate(room);
        if memory.is_null() {
            return STATUS_NO_MEMORY;
        }
        target.buffer = memory.cast();
        target.maximum_length = size(room);
    } else if room > target.maximum_length.into() {
        if target.maximum_length == 0 {
            return STATUS_BUFFER_OVERFLOW;
        }
        // Truncated to the available space, which is a warning.
        copied = usize::from(target.maximum_length) - 1;
    }
    // SAFETY: the buffer has room for these bytes and a NUL.
    unsafe {
        std::ptr::copy_nonoverlapping(bytes.as_ptr(), target.buffer, copied);
        target.buffer.add(copied).write(0);
    }
    target.length = size(copied);
    if copied < bytes.len() { STATUS_BUFFER_OVERFLOW } else { STATUS_SUCCESS }
}

fn number(length: usize) -> ULONG {
    ULONG::try_from(length).unwrap_or(ULONG::MAX)
}

/// The size in bytes of a string as UTF-16, with a NUL.
#[wsk_host_macros::export]
unsafe extern "C" fn RtlxAnsiStringToUnicodeSize(source: *const AnsiString) -> ULONG {
    // SAFETY: the caller passes a string.
    let text = String::from_utf8_lossy(unsafe { counted_bytes(&*source) });
    number((text.encode_utf16().count() + 1) * 2)
}

/// The size of a string in bytes, with a NUL.
#[wsk_host_macros::export]
unsafe extern "C" fn RtlxUnicodeStringToAnsiSize(source: *const UNICODE_STRING) -> ULONG {
    // SAFETY: the caller passes a string.
    number(String::from_utf16_lossy(unsafe { counted_units(&*source) }).len() + 1)
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlUnicodeToUTF8N(
    target: *mut u8,
    room: ULONG,
    actual: *mut ULONG,
    source: *const WCHAR,
    bytes: ULONG,
) -> NTSTATUS {
    if source.is_null() || bytes % 2 != 0 {
        return STATUS_INVALID_PARAMETER;
    }
    // SAFETY: the caller passes a source of this size.
    let units = unsafe { std::slice::from_raw_parts(source, bytes as usize / 2) };
    let (mut text, mut is_mapped) = (String::new(), true);
    for character in char::decode_utf16(units.iter().copied()) {
        is_mapped &= character.is_ok();
        text.push(character.unwrap_or(char::REPLACEMENT_CHARACTER));
    }
    // SAFETY: the caller passes a target of this size, or null, and room for a number, or null.
    unsafe { write_units(text.as_bytes(), 1, target, room, actual, is_mapped) }
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlUTF8ToUnicodeN(
    target: *mut WCHAR,
    room: ULONG,
    actual: *mut ULONG,
    source: *const u8,
    bytes: ULONG,
) -> NTSTATUS {
    if source.is_null() {
        return STATUS_INVALID_PARAMETER;
    }
    // SAFETY: the caller passes a source of this size.
    let bytes = unsafe { std::slice::from_raw_parts(source, bytes as usize) };
    let text = String::from_utf8_lossy(bytes);
    let is_mapped = std::str::from_utf8(bytes).is_ok();
    let units: Vec<WCHAR> = text.encode_utf16().collect();
    // SAFETY: the caller passes a target of this size, or null, and room for a number, or null.
    unsafe { write_units(&units, 2, target, room, actual, is_mapped) }
}

/// Passes units to a client, or only their size if the target is null.
unsafe fn write_units<U: Copy>(
    units: &[U],
    unit: usize,
    target: *mut U,
    room: ULONG,
    actual: *mut ULONG,
    is_mapped: bool,
) -> NTSTATUS {
    let given = if target.is_null() { units.len() } else { units.len().min(room as usize / unit) };
    if !target.is_null() {
        // SAFETY: the caller's target has room for as many.
        unsafe { std::ptr::copy_nonoverlapping(units.as_ptr(), target, given) };
    } else if actual.is_null() {
        return STATUS_INVALID_PARAMETER;
    }
    if !actual.is_null() {
        // SAFETY: the caller has room for a number.
        unsafe { actual.write(number(given * unit)) };
    }
    match (given == units.len(), is_mapped) {
        (false, _) => STATUS_BUFFER_TOO_SMALL,
        (true, false) => STATUS_SOME_NOT_MAPPED,
        (true, true) => STATUS_SUCCESS,
    }
}

/// The digits of a number, in one of four bases. Zero is ten.
fn digits(value: u64, base: ULONG) -> Option<String> {
    match base {
        0 | 10 => Some(value.to_string()),
        2 => Some(format!("{value:b}")),
        8 => Some(format!("{value:o}")),
        16 => Some(format!("{value:X}")),
        _ => None,
    }
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlInt64ToUnicodeString(
    value: u64,
    base: ULONG,
    target: PUNICODE_STRING,
) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, "RtlInt64ToUnicodeString");
    let Some(digits) = digits(value, base) else { return STATUS_INVALID_PARAMETER };
    let units: Vec<WCHAR> = digits.encode_utf16().collect();
    // SAFETY: the caller passes a string of its own.
    unsafe { write_string(target, &units, FALSE, false) }
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlIntegerToUnicodeString(
    value: ULONG,
    base: ULONG,
    target: PUNICODE_STRING,
) -> NTSTATUS {
    // SAFETY: the caller passes a counted string to write to.
    unsafe { RtlInt64ToUnicodeString(value.into(), base, target) }
}

/// Parses a number after blanks, a sign and the prefix of its base, up to the first other character.
fn parse(text: &str, base: ULONG) -> Option<ULONG> {
    let text = text.trim_start_matches(|character: char| character <= ' ');
    let (is_negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let (base, text) = match (base, text.get(..2)) {
        (0, Some("0x")) => (16, &text[2..]),
        (0, Some("0o")) => (8, &text[2..]),
        (0, Some("0b")) => (2, &text[2..]),
        (0, _) => (10, text),
        (2 | 8 | 10 | 16, _) => (base, text),
        _ => return None,
    };
    let value = text
        .chars()
        .map_while(|character| character.to_digit(base))
        .fold(0_u32, |value, digit| value.wrapping_mul(base).wrapping_add(digit));
    Some(if is_negative { value.wrapping_neg() } else { value })
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlUnicodeStringToInteger(
    source: *const UNICODE_STRING,
    base: ULONG,
    value: *mut ULONG,
) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, "RtlUnicodeStringToInteger");
    // SAFETY: the caller passes a string.
    let text = String::from_utf16_lossy(unsafe { counted_units(&*source) });
    let Some(parsed) = parse(&text, base) else { return STATUS_INVALID_PARAMETER };
    // SAFETY: the caller passes room for a number.
    unsafe { value.write(parsed) };
    STATUS_SUCCESS
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlUpcaseUnicodeString(
    target: PUNICODE_STRING,
    source: *const UNICODE_STRING,
    allocates: BOOLEAN,
) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, "RtlUpcaseUnicodeString");
    // SAFETY: the caller passes a string.
    let units: Vec<WCHAR> =
        unsafe { counted_units(&*source) }.iter().copied().map(upcase).collect();
    // SAFETY: the caller passes a string of its own.
    unsafe { write_string(target, &units, allocates, false) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_parsed_as_far_as_they_go() {
        let parsed =
            [("12", 0, 12), (" -1x", 0, u32::MAX), ("0x1F", 0, 31), ("1F", 16, 31), ("", 0, 0)];
        for (text, base, value) in parsed {
            assert_eq!(parse(text, base), Some(value), "{text} of base {base}");
        }
        assert_eq!(parse("12", 7), None);
        assert_eq!(parse("0b101", 0), Some(5));
    }
}
