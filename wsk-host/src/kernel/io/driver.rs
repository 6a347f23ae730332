//! Drivers: how they are loaded, and unloaded.
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
    DRIVER_OBJECT, NTSTATUS, PASSIVE_LEVEL, PDRIVER_INITIALIZE, PDRIVER_OBJECT, UNICODE_STRING,
};

use crate::kernel::abi::Routine as _;
use crate::kernel::current;
use crate::kernel::io::device_table::DriverMemory;
use crate::kernel::io::request::refuse;
use crate::kernel::ke::irql::require_at_most;
use crate::kernel::registry::SERVICES;
use crate::kernel::rtl::strings::size;
use crate::verifier::kernel_violation;

/// The type of a driver among the I/O manager's objects.
const IO_TYPE_DRIVER: i16 = 4;

fn counted(units: &mut [u16]) -> UNICODE_STRING {
    let bytes = size(units.len() * 2);
    UNICODE_STRING { Length: bytes, MaximumLength: bytes, Buffer: units.as_mut_ptr() }
}

/// A loaded driver.
///
/// # Invariants
///
/// The pointer is to an allocation that this value owns, with the driver object of a driver whose entry point has
/// succeeded.
pub(crate) struct LoadedDriver(*mut DriverMemory);

impl LoadedDriver {
    /// Calls a driver's entry point, and fails if that fails.
    ///
    /// # Safety
    ///
    /// The routine is the entry point of a driver, which keeps the contracts of the functions that it calls.
    pub(crate) unsafe fn load(name: &str, entry: PDRIVER_INITIALIZE) -> Result<Self, NTSTATUS> {
        require_at_most(PASSIVE_LEVEL, "loading a driver");
        let Some(entry) = entry else {
            kernel_violation("loading a driver: the entry point is null")
        };
        let path = format!("{SERVICES}\\{name}");
        current().registry().add(&path);
        // SAFETY: zeroes are a driver object that has nothing.
        let object: DRIVER_OBJECT = unsafe { std::mem::zeroed() };
        let memory = Box::into_raw(Box::new(DriverMemory {
            object,
            extension: [0; 5],
            name: format!("\\Driver\\{name}").encode_utf16().collect(),
            registry_path: path.encode_utf16().collect(),
        }));
        // SAFETY: the memory was just allocated, and stays where it is.
        let driver = unsafe { &mut *memory };
        driver.object.Type = IO_TYPE_DRIVER;
        driver.object.Size = i16::try_from(size_of::<DRIVER_OBJECT>()).unwrap_or(i16::MAX);
        driver.object.DriverName = counted(&mut driver.name);
        driver.object.DriverInit = Some(entry);
        driver.object.MajorFunction.fill(Some(refuse));
        driver.extension[0] = (&raw mut driver.object).expose_provenance() as u64;
        driver.object.DriverExtension = (&raw mut driver.extension).cast();
        let mut path = counted(&mut driver.registry_path);
        let loaded = Self(memory);
        let kernel = current();
        kernel.devices().drivers.insert(loaded.object().addr(), name.to_owned());
        // SAFETY: `entry` is a driver's entry point (this function's contract).
        let status = unsafe { entry.invoke((loaded.object(), &raw mut path)) };
        require_at_most(PASSIVE_LEVEL, "the end of DriverEntry");
        if status < 0 {
            let names = kernel.devices().names_of(loaded.object().addr());
            loaded.end(name, "DriverEntry failed", &names);
            return Err(status);
        }
        kernel.devices().initialized(loaded.object().addr());
        Ok(loaded)
    }

    fn object(&self) -> PDRIVER_OBJECT {
        // SAFETY: the memory is this one's until it is freed in `end`.
        unsafe { &raw mut (*self.0).object }
    }

    /// Unloads the driver, and stops it if it leaves a device or a link behind.
    pub(crate) fn unload(self) {
        require_at_most(PASSIVE_LEVEL, "unloading a driver");
        let (kernel, object) = (current(), self.object());
        let name = kernel.devices().drivers.get(&object.addr()).cloned().unwrap_or_default();
        // SAFETY: the object is the driver's, which runs none of its functions that would change this.
        let Some(unload) = (unsafe { (*object).DriverUnload }) else {
            kernel_violation(&format!(
                "the driver {name} cannot be unloaded: it has no DriverUnload routine"
            ));
        };
        if kernel.devices().is_open(object.addr()) {
            kernel_violation(&format!(
                "the driver {name} is being unloaded while one of its devices is open"
            ));
        }
        let names = kernel.devices().names_of(object.addr());
        // SAFETY: the driver gave this routine, for its own object.
        unsafe { unload.invoke((object,)) };
        require_at_most(PASSIVE_LEVEL, "the end of DriverUnload");
        self.end(&name, "DriverUnload returned", &names);
    }

    /// The driver is unloaded.
    fn end(self, name: &str, why: &str, names: &[String]) {
        let kernel = current();
        let left = {
            let mut devices = kernel.devices();
            devices.drivers.remove(&self.object().addr());
            devices.left(self.object().addr(), names)
        };
        if let Some(left) = left {
            kernel_violation(&format!("driver {name}: {why}, but {left}"));
        }
        // SAFETY: the memory was allocated in `load`, and nothing of the driver's points to it any more.
        drop(unsafe { Box::from_raw(self.0) });
    }

    /// Gives the driver to a client in C.
    pub(crate) fn into_raw(self) -> *mut std::ffi::c_void {
        self.0.cast()
    }

    /// # Safety
    ///
    /// The pointer is of [`into_raw`](Self::into_raw), and is given back once.
    pub(crate) unsafe fn from_raw(driver: *mut std::ffi::c_void) -> Self {
        if driver.is_null() {
            kernel_violation("unloading a driver: the driver is null");
        }
        Self(driver.cast())
    }
}
