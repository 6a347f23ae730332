//! Drivers that are loaded from images.
//!
//! # Safety
//!
//! An image's code runs only after the caller of [`Options::load`] has vouched for it.

#![expect(unsafe_code, reason = "the image's code is not this project's")]

#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
use std::mem::ManuallyDrop;
use std::path::Path;

use crate::error::LoadError;
#[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
use crate::mapping::Mapping;

/// A driver, loaded from its image by the host of the current thread.
///
/// Its requests and its registry key work like those of [`wsk_host::Driver`]. Dropping this value leaves the driver
/// loaded.
pub struct Driver {
    driver: wsk_host::Driver,
    #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    mapping: ManuallyDrop<Mapping>,
}

/// How a driver is loaded.
#[derive(Clone, Debug, Default)]
pub struct Options {
    name: Option<String>,
    allows_missing: bool,
}

impl Options {
    /// The defaults: the driver has the name of its file, and all of its imports must exist.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the name of the driver, of its registry key and of its driver object.
    #[must_use]
    pub fn name(mut self, name: &str) -> Self {
        self.name = Some(name.to_owned());
        self
    }

    /// Loads the driver even if the host lacks some of its imports. Calling a missing import ends the process with a
    /// report that names it.
    #[must_use]
    pub fn allow_missing(mut self) -> Self {
        self.allows_missing = true;
        self
    }

    /// Loads a driver, and calls its `DriverEntry`.
    ///
    /// # Errors
    ///
    /// - [`LoadError::Read`] if the file cannot be read.
    /// - [`LoadError::Image`] if it is not a driver's image for this processor, or is damaged.
    /// - [`LoadError::MissingImports`] if the host lacks imports, unless that is [allowed](Self::allow_missing).
    /// - [`LoadError::Memory`] if the system has no memory for the image.
    /// - [`LoadError::Entry`] if `DriverEntry` fails.
    /// - [`LoadError::Unsupported`] on systems other than Linux on x64 and arm64.
    ///
    /// # Safety
    ///
    /// The image is of a driver that is trusted like a program: its code runs in this process, with this process's
    /// rights. It keeps the contracts of the functions that it calls, except those that the verifier reports.
    #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
    pub unsafe fn load(self, path: impl AsRef<Path>) -> Result<Driver, LoadError> {
        let path = path.as_ref();
        let file = std::fs::read(path)
            .map_err(|error| LoadError::Read { path: path.to_owned(), error })?;
        let image = crate::image::Image::parse(&file)
            .map_err(|error| LoadError::Image { path: path.to_owned(), error })?;
        let name = self.name.unwrap_or_else(|| {
            path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned()
        });
        let mapping = Mapping::new(image, path, self.allows_missing)?;
        let entry = mapping.entry();
        // SAFETY: the entry point is in an executable section of the image; `wsk_host` calls it in Microsoft's
        // convention, because its address is in the range of the images. The driver is trusted (this function's
        // contract).
        let entry = unsafe {
            std::mem::transmute::<
                usize,
                unsafe extern "C" fn(
                    wsk_sys::PDRIVER_OBJECT,
                    wsk_sys::PUNICODE_STRING,
                ) -> wsk_sys::NTSTATUS,
            >(entry)
        };
        // SAFETY: `entry` is the entry point of a trusted driver (this function's contract).
        match unsafe { wsk_host::Driver::load(&name, Some(entry)) } {
            Ok(driver) => Ok(Driver { driver, mapping: ManuallyDrop::new(mapping) }),
            Err(status) => {
                mapping.unload();
                Err(LoadError::Entry(status))
            }
        }
    }

    /// Always fails: images are loaded on Linux on x64 and arm64 only.
    ///
    /// # Errors
    ///
    /// [`LoadError::Unsupported`].
    ///
    /// # Safety
    ///
    /// None, on this system.
    #[cfg(not(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64"))))]
    pub unsafe fn load(self, _path: impl AsRef<Path>) -> Result<Driver, LoadError> {
        Err(LoadError::Unsupported)
    }
}

impl Driver {
    /// Loads a driver with the default [`Options`], and calls its `DriverEntry`.
    ///
    /// # Errors
    ///
    /// Those of [`Options::load`].
    ///
    /// # Safety
    ///
    /// As for [`Options::load`]: the image is of a driver that is trusted like a program.
    pub unsafe fn load(path: impl AsRef<Path>) -> Result<Self, LoadError> {
        // SAFETY: the caller trusts the driver (this function's contract).
        unsafe { Options::new().load(path) }
    }

    /// Opens one of the driver's devices as a program does: by its path in the object manager, or by a symbolic link
    /// (`\\.\Name`). The file reads, writes and sends control codes through the driver's dispatch routines, with
    /// buffered or direct I/O as the device or the code requires. Close it before unloading the driver.
    ///
    /// ```no_run
    /// use wsk_host::{Config, Host};
    /// use wsk_loader::Driver;
    ///
    /// let host = Host::new(Config::default());
    /// let _entered = host.enter();
    /// // SAFETY: the driver is this project's own; it runs with the rights of this process.
    /// let driver = unsafe { Driver::load("target/driver/x64/release/counter.sys") }?;
    /// let mut device = driver.device(r"\Device\Counter").expect("the driver has this device");
    /// let mut count = [0; 4];
    /// let (_, read) = device.read(&mut count).expect("the driver reads");
    /// assert_eq!((read, u32::from_le_bytes(count)), (4, 0));
    /// device.close();
    /// driver.unload();
    /// # Ok::<(), wsk_loader::LoadError>(())
    /// ```
    ///
    /// # Errors
    ///
    /// Those of [`wsk_host::File::open`]: `STATUS_OBJECT_NAME_NOT_FOUND` if no device has the name, and any status that
    /// the driver returns for `IRP_MJ_CREATE`.
    pub fn device(&self, path: &str) -> Result<wsk_host::File, wsk_sys::NTSTATUS> {
        wsk_host::File::open(path)
    }

    /// Unloads the driver: calls `DriverUnload`, then removes the image from memory.
    ///
    /// The process ends with a report if one of the driver's routines is still running, or if a part of the image is
    /// called or used later.
    pub fn unload(self) {
        self.driver.unload();
        #[cfg(all(target_os = "linux", any(target_arch = "x86_64", target_arch = "aarch64")))]
        ManuallyDrop::into_inner(self.mapping).unload();
    }
}
