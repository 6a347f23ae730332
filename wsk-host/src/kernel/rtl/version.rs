//! The version of Windows, and its comparison.
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
    BOOLEAN, FALSE, NTSTATUS, PASSIVE_LEVEL, PRTL_OSVERSIONINFOW, PUNICODE_STRING,
    RTL_OSVERSIONINFOW, STATUS_INVALID_PARAMETER, STATUS_SUCCESS, ULONG, UNICODE_STRING, USHORT,
};

use crate::kernel::ke::irql::require_at_most;
use crate::kernel::{current, status};

/// `VER_PLATFORM_WIN32_NT`.
const PLATFORM: ULONG = 2;
/// `VER_NT_WORKSTATION`.
const WORKSTATION: u8 = 1;
/// `VER_SUITE_SINGLEUSERTS`, which every workstation has.
const SUITES: USHORT = 0x100;

const STATUS_REVISION_MISMATCH: NTSTATUS = status(0xC000_0059);

/// `RTL_OSVERSIONINFOEXW`.
#[repr(C)]
struct ExtendedVersion {
    version: RTL_OSVERSIONINFOW,
    service_pack_major: USHORT,
    service_pack_minor: USHORT,
    suites: USHORT,
    product_type: u8,
    reserved: u8,
}

const _: () = assert!(size_of::<ExtendedVersion>() == 284);

/// Also fills a `RTL_OSVERSIONINFOEXW` whose size says that it is one.
#[wsk_host_macros::export]
unsafe extern "C" fn RtlGetVersion(information: PRTL_OSVERSIONINFOW) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, "RtlGetVersion");
    let windows = current().config().windows;
    // SAFETY: the caller passes room for the version.
    let is_extended = unsafe {
        let information = &mut *information;
        information.dwMajorVersion = windows.major;
        information.dwMinorVersion = windows.minor;
        information.dwBuildNumber = windows.build;
        information.dwPlatformId = PLATFORM;
        information.szCSDVersion.fill(0);
        information.dwOSVersionInfoSize as usize == size_of::<ExtendedVersion>()
    };
    if is_extended {
        // SAFETY: the caller's size says that there is room for the extended version.
        let extended = unsafe { &mut *information.cast::<ExtendedVersion>() };
        (extended.service_pack_major, extended.service_pack_minor) = (0, 0);
        extended.suites = SUITES;
        extended.product_type = WORKSTATION;
        extended.reserved = 0;
    }
    STATUS_SUCCESS
}

/// Returns whether this is a checked build: it is not.
#[wsk_host_macros::export]
unsafe extern "C" fn PsGetVersion(
    major: *mut ULONG,
    minor: *mut ULONG,
    build: *mut ULONG,
    service_pack: PUNICODE_STRING,
) -> BOOLEAN {
    require_at_most(PASSIVE_LEVEL, "PsGetVersion");
    let windows = current().config().windows;
    for (place, value) in [(major, windows.major), (minor, windows.minor), (build, windows.build)] {
        if !place.is_null() {
            // SAFETY: the caller passes room for each number, or null.
            unsafe { place.write(value) };
        }
    }
    if !service_pack.is_null() {
        let none = UNICODE_STRING { Length: 0, MaximumLength: 0, Buffer: std::ptr::null_mut() };
        // SAFETY: the caller passes room for a string, or null.
        unsafe { service_pack.write(none) };
    }
    FALSE
}

/// The conditions, `VER_EQUAL` to `VER_OR`.
const EQUAL: u8 = 1;
const GREATER: u8 = 2;
const GREATER_EQUAL: u8 = 3;
const LESS: u8 = 4;
const LESS_EQUAL: u8 = 5;
const AND: u8 = 6;
const OR: u8 = 7;

/// The fields, `VER_MINORVERSION` to `VER_PRODUCT_TYPE`. The position of a field's bit is that of its condition.
const MINOR: ULONG = 0x01;
const MAJOR: ULONG = 0x02;
const BUILD: ULONG = 0x04;
const PLATFORM_ID: ULONG = 0x08;
const SERVICE_PACK_MINOR: ULONG = 0x10;
const SERVICE_PACK_MAJOR: ULONG = 0x20;
const SUITE_NAME: ULONG = 0x40;
const PRODUCT_TYPE: ULONG = 0x80;
const FIELDS: ULONG = 0xFF;

/// Adds the condition of a field, the highest in the mask. Any level.
#[wsk_host_macros::export]
extern "C" fn VerSetConditionMask(mask: u64, field: ULONG, condition: u8) -> u64 {
    let fields = field & FIELDS;
    if fields == 0 {
        return mask;
    }
    mask | u64::from(condition & 7) << (3 * fields.ilog2())
}

/// The condition of one field.
fn condition(mask: u64, field: ULONG) -> u8 {
    let [lowest, ..] = (mask >> (3 * field.trailing_zeros())).to_le_bytes();
    lowest & 7
}

/// Whether a number is as wanted. None if the condition is not for numbers.
fn holds(actual: ULONG, wanted: ULONG, condition: u8) -> Option<bool> {
    Some(match condition {
        EQUAL => actual == wanted,
        GREATER => actual > wanted,
        GREATER_EQUAL => actual >= wanted,
        LESS => actual < wanted,
        LESS_EQUAL => actual <= wanted,
        _ => return None,
    })
}

/// Whether a version is as wanted. The parts of a version are compared from the highest to the lowest, and the first that
/// differs decides. None if a condition is invalid.
fn version_holds(parts: &[(ULONG, ULONG, ULONG)], mask: u64) -> Option<bool> {
    let mut result = true;
    for (field, actual, wanted) in parts {
        result = holds(*actual, *wanted, condition(mask, *field))?;
        if actual != wanted {
            break;
        }
    }
    Some(result)
}

#[wsk_host_macros::export]
unsafe extern "C" fn RtlVerifyVersionInfo(
    wanted: *const ExtendedVersion,
    fields: ULONG,
    mask: u64,
) -> NTSTATUS {
    require_at_most(PASSIVE_LEVEL, "RtlVerifyVersionInfo");
    if fields & FIELDS == 0 || mask == 0 {
        return STATUS_INVALID_PARAMETER;
    }
    let windows = current().config().windows;
    // SAFETY: the caller passes a version.
    let wanted = unsafe { &*wanted };
    let version = &wanted.version;
    let of_version = [
        (MAJOR, windows.major, version.dwMajorVersion),
        (MINOR, windows.minor, version.dwMinorVersion),
        (SERVICE_PACK_MAJOR, 0, wanted.service_pack_major.into()),
        (SERVICE_PACK_MINOR, 0, wanted.service_pack_minor.into()),
    ];
    let parts: Vec<_> = of_version.into_iter().filter(|(field, ..)| fields & field != 0).collect();
    let others = [
        (BUILD, windows.build, version.dwBuildNumber),
        (PLATFORM_ID, PLATFORM, version.dwPlatformId),
        (PRODUCT_TYPE, WORKSTATION.into(), wanted.product_type.into()),
    ];
    let mut results = vec![version_holds(&parts, mask)];
    for (field, actual, wanted) in others {
        if fields & field != 0 {
            results.push(holds(actual, wanted, condition(mask, field)));
        }
    }
    if fields & SUITE_NAME != 0 {
        results.push(match condition(mask, SUITE_NAME) {
            AND => Some(wanted.suites & !SUITES == 0),
            OR => Some(wanted.suites & SUITES != 0),
            _ => None,
        });
    }
    if results.contains(&None) {
        STATUS_INVALID_PARAMETER
    } else if results.contains(&Some(false)) {
        STATUS_REVISION_MISMATCH
    } else {
        STATUS_SUCCESS
    }
}
