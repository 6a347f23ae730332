//! Drivers and their devices, for programs in C; the header documents these functions.

use std::ffi::{CStr, c_char, c_void};

use wsk_host::{Driver, File};
use wsk_sys::{NTSTATUS, PDRIVER_INITIALIZE, STATUS_INVALID_PARAMETER, STATUS_SUCCESS};

/// A text from C, if it is UTF-8.
///
/// # Safety
///
/// The pointer is null, or points to a NUL-terminated string that does not change while the result is used.
unsafe fn text<'a>(text: *const c_char) -> Option<&'a str> {
    if text.is_null() {
        return None;
    }
    // SAFETY: the pointer is to a C string (this function's contract).
    unsafe { CStr::from_ptr(text) }.to_str().ok()
}

/// A copy of the bytes of a buffer from C, which may be null if it is empty, and may also be the output buffer.
///
/// # Safety
///
/// The buffer has this size, and nothing writes to it during the call.
unsafe fn copy(buffer: *const c_void, size: usize) -> Vec<u8> {
    if size == 0 {
        return Vec::new();
    }
    // SAFETY: the buffer has this size (this function's contract).
    unsafe { std::slice::from_raw_parts(buffer.cast::<u8>(), size) }.to_vec()
}

/// The bytes of a buffer from C, which may be null if it is empty.
///
/// # Safety
///
/// The buffer has this size, and nothing else uses it while the result is used.
unsafe fn bytes<'a>(buffer: *mut c_void, size: usize) -> &'a mut [u8] {
    if size == 0 {
        return &mut [];
    }
    // SAFETY: the buffer has this size (this function's contract).
    unsafe { std::slice::from_raw_parts_mut(buffer.cast(), size) }
}

/// Loads a driver.
///
/// # Safety
///
/// `name` ends with a NUL, `entry` is the entry point of a driver, and `driver` has room for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsk_host_load(
    name: *const c_char,
    entry: PDRIVER_INITIALIZE,
    driver: *mut *mut c_void,
) -> NTSTATUS {
    // SAFETY: the pointer is to a C string (this function's contract).
    let Some(name) = (unsafe { text(name) }) else { return STATUS_INVALID_PARAMETER };
    // SAFETY: `entry` is a driver's entry point (this function's contract).
    match unsafe { Driver::load(name, entry) } {
        Ok(loaded) => {
            // SAFETY: the pointer is valid for a write (this function's contract).
            unsafe { driver.write(loaded.into_raw()) };
            STATUS_SUCCESS
        }
        Err(status) => status,
    }
}

/// Unloads a driver.
///
/// # Safety
///
/// The driver was loaded by [`wsk_host_load`], and is unloaded once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsk_host_unload(driver: *mut c_void) {
    // SAFETY: `wsk_host_load` returned the driver, and it is unloaded once (this function's contract).
    unsafe { Driver::from_raw(driver) }.unload();
}

/// Opens a device.
///
/// # Safety
///
/// `path` ends with a NUL, and `file` has room for a pointer.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsk_host_open(path: *const c_char, file: *mut *mut c_void) -> NTSTATUS {
    // SAFETY: the pointer is to a C string (this function's contract).
    let Some(path) = (unsafe { text(path) }) else { return STATUS_INVALID_PARAMETER };
    match File::open(path) {
        Ok(open) => {
            // SAFETY: the pointer is valid for a write (this function's contract).
            unsafe { file.write(Box::into_raw(Box::new(open)).cast()) };
            STATUS_SUCCESS
        }
        Err(status) => status,
    }
}

/// Returns a result to C: the number of bytes, if requested, and the status.
///
/// # Safety
///
/// `returned` is null or has room for a number.
unsafe fn return_result(
    result: Result<(NTSTATUS, usize), NTSTATUS>,
    returned: *mut usize,
) -> NTSTATUS {
    let (status, information) = match result {
        Ok((status, information)) => (status, information),
        Err(status) => (status, 0),
    };
    if !returned.is_null() {
        // SAFETY: the pointer is valid for a write (this function's contract).
        unsafe { returned.write(information) };
    }
    status
}

/// Sends a control code.
///
/// # Safety
///
/// The file is open and used by this thread alone, the buffers have these sizes and may be the same one, and `returned`
/// is null or has room for a number.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsk_host_control(
    file: *mut c_void,
    code: u32,
    input: *const c_void,
    input_size: usize,
    output: *mut c_void,
    output_size: usize,
    returned: *mut usize,
) -> NTSTATUS {
    // SAFETY: `wsk_host_open` returned the file (this function's contract).
    let file = unsafe { &mut *file.cast::<File>() };
    // SAFETY: the buffer has this size (this function's contract).
    let input = unsafe { copy(input, input_size) };
    // SAFETY: the buffer has this size (this function's contract).
    let output = unsafe { bytes(output, output_size) };
    // SAFETY: the pointer is null, or valid for a write (this function's contract).
    unsafe { return_result(file.control(code, &input, output), returned) }
}

/// Reads.
///
/// # Safety
///
/// As for [`wsk_host_control`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsk_host_read(
    file: *mut c_void,
    buffer: *mut c_void,
    size: usize,
    returned: *mut usize,
) -> NTSTATUS {
    // SAFETY: `wsk_host_open` returned the file (this function's contract).
    let file = unsafe { &mut *file.cast::<File>() };
    // SAFETY: the buffer has this size (this function's contract).
    let buffer = unsafe { bytes(buffer, size) };
    // SAFETY: the pointer is null, or valid for a write (this function's contract).
    unsafe { return_result(file.read(buffer), returned) }
}

/// Writes.
///
/// # Safety
///
/// As for [`wsk_host_control`].
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsk_host_write(
    file: *mut c_void,
    buffer: *const c_void,
    size: usize,
    returned: *mut usize,
) -> NTSTATUS {
    // SAFETY: `wsk_host_open` returned the file (this function's contract).
    let file = unsafe { &mut *file.cast::<File>() };
    // SAFETY: the buffer has this size (this function's contract).
    let buffer = unsafe { copy(buffer, size) };
    // SAFETY: the pointer is null, or valid for a write (this function's contract).
    unsafe { return_result(file.write(&buffer), returned) }
}

/// Closes a file.
///
/// # Safety
///
/// The file is open, and closed once.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn wsk_host_close(file: *mut c_void) {
    // SAFETY: `wsk_host_open` returned the file (this function's contract), from `Box::into_raw`.
    unsafe { Box::from_raw(file.cast::<File>()) }.close();
}
