//! `Rtl…String`: counted strings, of UTF-16 and of bytes.
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
    BOOLEAN, DISPATCH_LEVEL, FALSE, LONG, NTSTATUS, NonPagedPoolNx, PASSIVE_LEVEL, PCWSTR,
    PUNICODE_STRING, PVOID, STATUS_BUFFER_TOO_SMALL, STATUS_NAME_TOO_LONG, STATUS_SUCCESS, TRUE,
    ULONG, UNICODE_STRING, USHORT, WCHAR, fields,
};

use crate::kernel::ex::pool::{ExAllocatePoolWithTag, ExFreePoolWithTag};
use crate::kernel::ke::irql::require_at_most;
use crate::verifier::kernel_violation;

/// `ANSI_STRING`.
///
/// # Invariants
///
/// `buffer` has `maximum_length` bytes, of which the first `length` are the string; it may be null if both are zero.
#[repr(C)]
#[derive(Clone, Copy)]
pub(crate) struct AnsiString {
    pub(super) length: USHORT,
    pub(super) maximum_length: USHORT,
    pub(super) buffer: *mut u8,
}

const _: () = assert!(size_of::<AnsiString>() == 16);

/// The longest string of UTF-16, in bytes, with room for the NUL.
pub(super) const LONGEST: usize = USHORT::MAX as usize & !1;

/// The tag of strings that the run-time library allocates.
const TAG: ULONG = u32::from_le_bytes(*b"Strg");

/// A length in bytes; no string has more than 65,535.
pub(crate) fn size(bytes: usize) -> USHORT {
    USHORT::try_from(bytes).unwrap_or(USHORT::MAX)
}

/// The units of a string, up to its NUL or to a maximum number.
///
/// # Safety
///
/// The string is valid up to its NUL, or as long as said.
pub(super) unsafe fn zero_terminated<'a, U: Copy + PartialEq + Default>(
    string: *const U,
    longest: usize,
) -> &'a [U] {
    let mut length = 0;
    // SAFETY: the string ends with a NUL (this function's contract), and nothing is read behind it.
    while length < longest && unsafe { string.add(length).read() } != U::default() {
        length += 1;
    }
    // SAFETY: as many units were just read.
    unsafe { std::slice::from_raw_parts(string, length) }
}

/// The characters of a counted string.
///
/// # Safety
///
/// The string's buffer has the stated length, or is null and empty, while the result is used.
pub(crate) unsafe fn counted_units(string: &UNICODE_STRING) -> &[WCHAR] {
    let length = usize::from(string.Length / 2);
    if length == 0 {
        return &[];
    }
    // SAFETY: the buffer has this length (this function's contract).
    unsafe { std::slice::from_raw_parts(string.Buffer, length) }
}

/// The bytes of a counted string.
///
/// # Safety
///
/// The string's buffer has the stated length, or is null and empty, while the result is used.
pub(super) unsafe fn counted_bytes(string: &AnsiString) -> &[u8] {
    if string.length == 0 {
        return &[];
    }
    // SAFETY: the buffer has this length (this function's contract).
    unsafe { std::slice::from_raw_parts(string.buffer, string.length.into()) }
}

/// Memory for a string, or null.
pub(super) fn allocate(bytes: usize) -> PVOID {
    ExAllocatePoolWithTag(NonPagedPoolNx, fields::size_t(bytes), TAG)
}

#[wsk_host_macros::export]
pub(super) unsafe extern "C" fn RtlInitUnicodeString(string: PUNICODE_STRING, source: PCWSTR) {
    let bytes = if source.is_null() {
        0
    } else {
        // SAFETY: the caller passes a string that ends with a NUL.
        unsafe { zero_terminated(source, LONGEST / 2 - 1) }.len() * 2
    };
    let room = if source.is_null() { 0 } else { bytes + 2 };
    let initialized = UNICODE_STRING {
        Length: size(bytes),
        MaximumLength: size(room),
        Buffer: source.cast_mut(),
    };
    // SAFETY: the caller passes room for a counted string.
    unsafe { string.write(initialized) };
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlInitUnicodeStringEx(string: PUNICODE_STRING, source: PCWSTR) -> NTSTATUS {
    // SAFETY: the caller passes a string that ends with a NUL, or null.
    if !source.is_null() && unsafe { zero_terminated(source, LONGEST / 2) }.len() >= LONGEST / 2 {
        return STATUS_NAME_TOO_LONG;
    }
    // SAFETY: the caller passes room for a counted string, and a source that ends with a NUL, or null.
    unsafe { RtlInitUnicodeString(string, source) };
    STATUS_SUCCESS
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlInitAnsiString(string: *mut AnsiString, source: *const u8) {
    let length = if source.is_null() {
        0
    } else {
        // SAFETY: the caller passes a string that ends with a NUL.
        unsafe { zero_terminated(source, LONGEST - 1) }.len()
    };
    let room = if source.is_null() { 0 } else { length + 1 };
    let initialized =
        AnsiString { length: size(length), maximum_length: size(room), buffer: source.cast_mut() };
    // SAFETY: the caller passes room for a counted string.
    unsafe { string.write(initialized) };
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlInitString(string: *mut AnsiString, source: *const u8) {
    // SAFETY: the caller passes room for a counted string, and a source that ends with a NUL, or null.
    unsafe { RtlInitAnsiString(string, source) };
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlInitAnsiStringEx(string: *mut AnsiString, source: *const u8) -> NTSTATUS {
    // SAFETY: the caller passes a string that ends with a NUL, or null.
    if !source.is_null() && unsafe { zero_terminated(source, LONGEST) }.len() >= LONGEST {
        return STATUS_NAME_TOO_LONG;
    }
    // SAFETY: the caller passes room for a counted string, and a source that ends with a NUL, or null.
    unsafe { RtlInitAnsiString(string, source) };
    STATUS_SUCCESS
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlFreeUnicodeString(string: PUNICODE_STRING) {
    require_at_most(PASSIVE_LEVEL, "RtlFreeUnicodeString");
    // SAFETY: the caller passes a counted string of its own.
    let string = unsafe { &mut *string };
    if !string.Buffer.is_null() {
        ExFreePoolWithTag(string.Buffer.cast(), TAG);
    }
    *string = UNICODE_STRING { Length: 0, MaximumLength: 0, Buffer: std::ptr::null_mut() };
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlFreeAnsiString(string: *mut AnsiString) {
    require_at_most(PASSIVE_LEVEL, "RtlFreeAnsiString");
    // SAFETY: the caller passes a counted string of its own.
    let string = unsafe { &mut *string };
    if !string.buffer.is_null() {
        ExFreePoolWithTag(string.buffer.cast(), TAG);
    }
    *string = AnsiString { length: 0, maximum_length: 0, buffer: std::ptr::null_mut() };
}

/// Writes units behind the first `offset` bytes of a buffer, and a NUL if it fits. Returns the number of units written.
unsafe fn put(string: &UNICODE_STRING, offset: usize, units: &[WCHAR]) -> usize {
    let room = usize::from(string.MaximumLength).saturating_sub(offset) / 2;
    let written = units.len().min(room);
    let place = string.Buffer.wrapping_byte_add(offset);
    // SAFETY: the caller passes a string whose buffer has its maximum length; the source may overlap with it.
    unsafe { std::ptr::copy(units.as_ptr(), place, written) };
    if written < room {
        // SAFETY: the buffer has room for another unit.
        unsafe { place.add(written).write(0) };
    }
    written
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlCopyUnicodeString(target: PUNICODE_STRING, source: *const UNICODE_STRING) {
    require_at_most(DISPATCH_LEVEL, "RtlCopyUnicodeString");
    // SAFETY: the caller passes a string of its own.
    let target = unsafe { &mut *target };
    // SAFETY: the caller passes a string, or null.
    let units =
        unsafe { source.as_ref() }.map_or(&[][..], |source| unsafe { counted_units(source) });
    // SAFETY: the caller's string has a buffer of its maximum length.
    target.Length = size(unsafe { put(target, 0, units) } * 2);
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlCopyString(target: *mut AnsiString, source: *const AnsiString) {
    // SAFETY: the caller passes a string of its own.
    let target = unsafe { &mut *target };
    // SAFETY: the caller passes a string, or null.
    let bytes =
        unsafe { source.as_ref() }.map_or(&[][..], |source| unsafe { counted_bytes(source) });
    let written = bytes.len().min(target.maximum_length.into());
    // SAFETY: the caller's string has a buffer of its maximum length, which the source may overlap with.
    unsafe { std::ptr::copy(bytes.as_ptr(), target.buffer, written) };
    target.length = size(written);
}

unsafe fn append(target: PUNICODE_STRING, units: &[WCHAR]) -> NTSTATUS {
    // SAFETY: the caller passes a string of its own.
    let target = unsafe { &mut *target };
    let offset = usize::from(target.Length);
    if offset + units.len() * 2 > target.MaximumLength.into() {
        return STATUS_BUFFER_TOO_SMALL;
    }
    // SAFETY: the caller's string has a buffer of its maximum length.
    target.Length = size(offset + unsafe { put(target, offset, units) } * 2);
    STATUS_SUCCESS
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlAppendUnicodeStringToString(
    target: PUNICODE_STRING,
    source: *const UNICODE_STRING,
) -> NTSTATUS {
    // SAFETY: the caller passes two strings.
    unsafe { append(target, counted_units(&*source)) }
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlAppendUnicodeToString(target: PUNICODE_STRING, source: PCWSTR) -> NTSTATUS {
    if source.is_null() {
        return STATUS_SUCCESS;
    }
    // SAFETY: the caller passes a string of its own, and one that ends with a NUL.
    unsafe { append(target, zero_terminated(source, LONGEST)) }
}

/// A unit in upper case, if that is a single unit, as in the table of Windows.
pub(crate) fn upcase(unit: WCHAR) -> WCHAR {
    let Some(character) = char::from_u32(unit.into()) else { return unit };
    let mut upper = character.to_uppercase();
    match (upper.next().map(u32::from).map(WCHAR::try_from), upper.next()) {
        (Some(Ok(upper)), None) => upper,
        _ => unit,
    }
}

#[wsk_host_macros::export]
extern "C" fn RtlUpcaseUnicodeChar(unit: WCHAR) -> WCHAR {
    upcase(unit)
}

#[wsk_host_macros::export]
extern "C" fn RtlDowncaseUnicodeChar(unit: WCHAR) -> WCHAR {
    let Some(character) = char::from_u32(unit.into()) else { return unit };
    let mut lower = character.to_lowercase();
    match (lower.next().map(u32::from).map(WCHAR::try_from), lower.next()) {
        (Some(Ok(lower)), None) => lower,
        _ => unit,
    }
}

/// The difference of the first two that differ, or of the lengths.
fn compare<U: Copy + Into<LONG>>(left: &[U], right: &[U], map: impl Fn(U) -> U) -> LONG {
    let differs = |(left, right): (&U, &U)| map(*left).into() - map(*right).into();
    let first = left.iter().zip(right).map(differs).find(|difference| *difference != 0);
    let lengths = LONG::try_from(left.len()).unwrap_or(LONG::MAX)
        - LONG::try_from(right.len()).unwrap_or(LONG::MAX);
    first.unwrap_or(lengths)
}

unsafe fn compare_units(
    left: *const UNICODE_STRING,
    right: *const UNICODE_STRING,
    ignores_case: BOOLEAN,
    function: &str,
) -> LONG {
    require_at_most(PASSIVE_LEVEL, function);
    // SAFETY: the caller passes two strings.
    let (left, right) = unsafe { (counted_units(&*left), counted_units(&*right)) };
    compare(left, right, |unit| if ignores_case == FALSE { unit } else { upcase(unit) })
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlCompareUnicodeString(
    left: *const UNICODE_STRING,
    right: *const UNICODE_STRING,
    ignores_case: BOOLEAN,
) -> LONG {
    // SAFETY: the caller passes two strings.
    unsafe { compare_units(left, right, ignores_case, "RtlCompareUnicodeString") }
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlEqualUnicodeString(
    left: *const UNICODE_STRING,
    right: *const UNICODE_STRING,
    ignores_case: BOOLEAN,
) -> BOOLEAN {
    // SAFETY: the caller passes two strings.
    let order = unsafe { compare_units(left, right, ignores_case, "RtlEqualUnicodeString") };
    if order == 0 { TRUE } else { FALSE }
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlPrefixUnicodeString(
    prefix: *const UNICODE_STRING,
    string: *const UNICODE_STRING,
    ignores_case: BOOLEAN,
) -> BOOLEAN {
    require_at_most(PASSIVE_LEVEL, "RtlPrefixUnicodeString");
    // SAFETY: the caller passes two strings.
    let (prefix, string) = unsafe { (counted_units(&*prefix), counted_units(&*string)) };
    let Some(beginning) = string.get(..prefix.len()) else { return FALSE };
    let map = |unit| if ignores_case == FALSE { unit } else { upcase(unit) };
    if compare(prefix, beginning, map) == 0 { TRUE } else { FALSE }
}

unsafe fn compare_bytes(
    left: *const AnsiString,
    right: *const AnsiString,
    ignores_case: BOOLEAN,
) -> LONG {
    // SAFETY: the caller passes two strings.
    let (left, right) = unsafe { (counted_bytes(&*left), counted_bytes(&*right)) };
    let map = |byte: u8| if ignores_case == FALSE { byte } else { byte.to_ascii_uppercase() };
    compare(left, right, map)
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlCompareString(
    left: *const AnsiString,
    right: *const AnsiString,
    ignores_case: BOOLEAN,
) -> LONG {
    // SAFETY: the caller passes two strings.
    unsafe { compare_bytes(left, right, ignores_case) }
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlEqualString(
    left: *const AnsiString,
    right: *const AnsiString,
    ignores_case: BOOLEAN,
) -> BOOLEAN {
    // SAFETY: the caller passes two strings.
    if unsafe { compare_bytes(left, right, ignores_case) } == 0 { TRUE } else { FALSE }
}

/// Stops a client whose string has an odd length, or more bytes than its buffer.
pub(super) fn require_counted(string: &UNICODE_STRING, function: &str) {
    if string.Length % 2 != 0 || string.Length > string.MaximumLength {
        kernel_violation(&format!(
            "{function}: the string is invalid: Length is {}, MaximumLength is {}",
            string.Length, string.MaximumLength
        ));
    }
}
