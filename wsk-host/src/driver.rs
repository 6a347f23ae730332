//! The I/O manager's view of a driver with a control device: loading, unloading, and files that programs open.
//!
//! # Safety
//!
//! `Driver::load` calls an entry point, for whose contract its caller is responsible.

#![expect(unsafe_code, reason = "an entry point has the C ABI")]

use wsk_sys::{NTSTATUS, PDRIVER_INITIALIZE};

use crate::kernel::io::driver::LoadedDriver;
use crate::kernel::io::request::OpenFile;

/// A driver, loaded by the host of the current thread.
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
/// // SAFETY: `entry` keeps the contract of a driver's entry point.
/// let driver = unsafe { Driver::load("sample", Some(entry)) }.unwrap();
/// driver.unload();
/// ```
pub struct Driver(LoadedDriver);

impl Driver {
    /// Loads a driver: calls its entry point with a driver object that refuses every request, and a registry path.
    ///
    /// # Errors
    ///
    /// The status of the entry point, if it fails.
    ///
    /// # Safety
    ///
    /// `entry` is the entry point of a driver that keeps the contracts of the functions that it calls.
    pub unsafe fn load(name: &str, entry: PDRIVER_INITIALIZE) -> Result<Self, NTSTATUS> {
        // SAFETY: `entry` is a driver's entry point (this function's contract).
        unsafe { LoadedDriver::load(name, entry) }.map(Self)
    }

    /// Unloads the driver. The process ends with a report if the driver has no `DriverUnload`, if one of its devices is
    /// open, or if it leaves a device or a symbolic link behind.
    pub fn unload(self) {
        self.0.unload();
    }

    /// Converts the driver into a handle for a client in C.
    #[doc(hidden)]
    #[must_use]
    pub fn into_raw(self) -> *mut std::ffi::c_void {
        self.0.into_raw()
    }

    /// Converts a handle back into the driver.
    ///
    /// # Safety
    ///
    /// [`into_raw`](Self::into_raw) returned the pointer, and it is passed once.
    #[doc(hidden)]
    #[must_use]
    pub unsafe fn from_raw(driver: *mut std::ffi::c_void) -> Self {
        // SAFETY: the pointer is from `into_raw`, and is passed once (this function's contract).
        Self(unsafe { LoadedDriver::from_raw(driver) })
    }
}

/// A file that a program has opened on a device. Each method waits until its request has completed.
pub struct File(OpenFile);

impl File {
    /// Opens a device by its name or by a symbolic link. `\\.\Name` means `\??\Name`; every other path is a path of the
    /// object manager.
    ///
    /// # Errors
    ///
    /// - `STATUS_OBJECT_NAME_NOT_FOUND` if no device has the name.
    /// - `STATUS_NO_SUCH_DEVICE` while the driver initializes the device.
    /// - `STATUS_ACCESS_DENIED` if the device is exclusive and already open.
    /// - Any other status of the driver.
    pub fn open(path: &str) -> Result<Self, NTSTATUS> {
        let path = match path.strip_prefix(r"\\.\") {
            Some(name) => format!(r"\??\{name}"),
            None => path.to_owned(),
        };
        OpenFile::open(&path).map(Self)
    }

    /// Sends a control code. Returns the driver's status, which is a success or a warning, and the number of bytes that
    /// the driver has written to `output`.
    ///
    /// # Errors
    ///
    /// The status of the driver, if it is an error.
    pub fn control(
        &mut self,
        code: u32,
        input: &[u8],
        output: &mut [u8],
    ) -> Result<(NTSTATUS, usize), NTSTATUS> {
        result(self.0.control(code, &mut input.to_vec(), output))
    }

    /// Reads into `target`. Returns the driver's status, which is a success or a warning, and the number of bytes read.
    ///
    /// # Errors
    ///
    /// The status of the driver, if it is an error.
    pub fn read(&mut self, target: &mut [u8]) -> Result<(NTSTATUS, usize), NTSTATUS> {
        result(self.0.read(target))
    }

    /// Writes `source`. Returns the driver's status, which is a success or a warning, and the number of bytes written.
    ///
    /// # Errors
    ///
    /// The status of the driver, if it is an error.
    pub fn write(&mut self, source: &[u8]) -> Result<(NTSTATUS, usize), NTSTATUS> {
        result(self.0.write(&mut source.to_vec()))
    }

    /// Closes the file: the driver receives `IRP_MJ_CLEANUP` and `IRP_MJ_CLOSE`.
    pub fn close(self) {
        self.0.close();
    }
}

/// A success or a warning comes with data, an error does not.
fn result((status, information): (NTSTATUS, usize)) -> Result<(NTSTATUS, usize), NTSTATUS> {
    if crate::kernel::is_error(status) { Err(status) } else { Ok((status, information)) }
}
