//! A driver with a control device, as the system and its programs see it.
//!
//! # Safety
//!
//! `Driver::load` calls a client's entry point, which its caller promises to be one.

#![expect(unsafe_code, reason = "an entry point is C's")]

use wsk_sys::{NTSTATUS, PDRIVER_INITIALIZE};

use crate::kernel::io::driver::Loaded;
use crate::kernel::io::request::OpenFile;

/// A driver that the current thread's host has loaded.
///
/// ```
/// use wsk_host::Driver;
/// use wsk_sys::{NTSTATUS, PDRIVER_OBJECT, PUNICODE_STRING, STATUS_SUCCESS};
///
/// unsafe extern "C" fn unload(_: PDRIVER_OBJECT) {}
///
/// unsafe extern "C" fn entry(driver: PDRIVER_OBJECT, _: PUNICODE_STRING) -> NTSTATUS {
///     // SAFETY: the system passes the driver's own object.
///     unsafe { (*driver).DriverUnload = Some(unload) };
///     STATUS_SUCCESS
/// }
///
/// // SAFETY: the entry point is a driver's.
/// let driver = unsafe { Driver::load("sample", Some(entry)) }.unwrap();
/// driver.unload();
/// ```
pub struct Driver(Loaded);

impl Driver {
    /// Loads a driver: calls its entry point, with an object that refuses every request, and a registry path.
    ///
    /// # Errors
    ///
    /// What the entry point fails with.
    ///
    /// # Safety
    ///
    /// `entry` is the entry point of a driver that keeps the contracts of the functions that it calls.
    pub unsafe fn load(name: &str, entry: PDRIVER_INITIALIZE) -> Result<Self, NTSTATUS> {
        // SAFETY: the caller promises a driver's entry point.
        unsafe { Loaded::load(name, entry) }.map(Self)
    }

    /// Unloads the driver. The process is stopped, with a report, if the driver has no `DriverUnload`, if one of its
    /// devices is open, or if it leaves a device or a symbolic link behind.
    pub fn unload(self) {
        self.0.unload();
    }

    /// Hands the driver to a client in C.
    #[doc(hidden)]
    #[must_use]
    pub fn into_raw(self) -> *mut std::ffi::c_void {
        self.0.into_raw()
    }

    /// # Safety
    ///
    /// The pointer is of [`into_raw`](Self::into_raw), and is given back once.
    #[doc(hidden)]
    #[must_use]
    pub unsafe fn from_raw(driver: *mut std::ffi::c_void) -> Self {
        // SAFETY: the pointer is from `into_raw`, and is passed once (this function's contract).
        Self(unsafe { Loaded::from_raw(driver) })
    }
}

/// A device that a program has opened by name, through a symbolic link or not. Each call waits for its request.
pub struct File(OpenFile);

impl File {
    /// Opens a device: `\\.\Name` is `\??\Name`, every other path is the object manager's.
    ///
    /// # Errors
    ///
    /// `STATUS_OBJECT_NAME_NOT_FOUND` if no device has the name, `STATUS_NO_SUCH_DEVICE` while its driver initializes
    /// itself, `STATUS_ACCESS_DENIED` if it is exclusive and open; or what the driver fails with.
    pub fn open(path: &str) -> Result<Self, NTSTATUS> {
        let path = match path.strip_prefix(r"\\.\") {
            Some(name) => format!(r"\??\{name}"),
            None => path.to_owned(),
        };
        OpenFile::open(&path).map(Self)
    }

    /// Sends a control code. Returns the driver's status, which may be a warning, and how many bytes of the output it
    /// has written.
    ///
    /// # Errors
    ///
    /// What the driver fails with.
    pub fn control(
        &mut self,
        code: u32,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(NTSTATUS, usize), NTSTATUS> {
        result(self.0.control(code, &mut input.to_vec(), output))
    }

    /// Reads. Returns the driver's status and how many bytes there are.
    ///
    /// # Errors
    ///
    /// What the driver fails with.
    pub fn read(&mut self, target: &mut [u8]) -> Result<(NTSTATUS, usize), NTSTATUS> {
        result(self.0.read(target))
    }

    /// Writes. Returns the driver's status and how many bytes it has taken.
    ///
    /// # Errors
    ///
    /// What the driver fails with.
    pub fn write(&mut self, source: &[u8]) -> Result<(NTSTATUS, usize), NTSTATUS> {
        result(self.0.write(&mut source.to_vec()))
    }

    /// Closes the file: the driver gets `IRP_MJ_CLEANUP` and `IRP_MJ_CLOSE`.
    pub fn close(self) {
        self.0.close();
    }
}

/// Warnings have data, and errors have none.
fn result((status, information): (NTSTATUS, usize)) -> Result<(NTSTATUS, usize), NTSTATUS> {
    if crate::kernel::is_error(status) { Err(status) } else { Ok((status, information)) }
}
