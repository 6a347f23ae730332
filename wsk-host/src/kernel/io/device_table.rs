//! A kernel's devices: their objects, their names, the links to these, and the drivers.
//!
//! # Safety
//!
//! A device's address is valid until the device is removed from this table.

#![expect(unsafe_code, reason = "devices are the client's objects, reached by their address")]

use std::collections::BTreeMap;
use std::ptr;

use wsk_sys::{CCHAR, CSHORT, DRIVER_OBJECT, LONG, PDRIVER_OBJECT, PVOID, ULONG, USHORT};

use crate::verifier::Origin;

pub(super) const DO_EXCLUSIVE: ULONG = 0x8;
pub(super) const DO_DEVICE_INITIALIZING: ULONG = 0x80;

/// `DEVICE_OBJECT`. The host uses the named members.
///
/// # Invariants
///
/// `IoCreateDevice` has allocated it. Until it is deleted and unreferenced, `driver` is its loaded driver, `extension`
/// points into the same allocation or is null, and `next` is null or another device of the driver.
#[repr(C, align(16))]
pub(super) struct DeviceObject {
    pub(super) kind: CSHORT,
    pub(super) size: USHORT,
    pub(super) reference_count: LONG,
    pub(super) driver: PDRIVER_OBJECT,
    pub(super) next: *mut DeviceObject,
    attached: PVOID,
    current_irp: PVOID,
    timer: PVOID,
    pub(super) flags: ULONG,
    pub(super) characteristics: ULONG,
    vpb: PVOID,
    pub(super) extension: PVOID,
    pub(super) kind_of_device: ULONG,
    pub(super) stack_size: CCHAR,
    /// Queues, a DPC and an event, for drivers of hardware.
    rest: [u64; 31],
}

const _: () = assert!(size_of::<DeviceObject>() == 0x150);
const _: () = assert!(std::mem::offset_of!(DeviceObject, extension) == 0x40);
const _: () = assert!(std::mem::offset_of!(DeviceObject, stack_size) == 0x4C);

/// The devices, links and drivers of a host.
#[derive(Default)]
pub(crate) struct Devices {
    /// By their paths in upper case.
    pub(super) names: BTreeMap<String, PathTarget>,
    /// By their address.
    pub(super) by_address: BTreeMap<usize, Device>,
    /// The references by pointer to open files, by their address.
    pub(super) files: BTreeMap<usize, usize>,
    /// Closed files that a driver still references, by their address.
    pub(super) closed: BTreeMap<usize, ClosedFile>,
    /// The drivers that were loaded: their names, by their object's address.
    pub(super) drivers: BTreeMap<usize, String>,
}

/// The target of a path.
pub(super) enum PathTarget {
    Device(usize),
    Link { path: String, target: String, origin: Origin },
}

pub(super) struct Device {
    pub(super) name: Option<String>,
    pub(super) driver: usize,
    /// The number of open files.
    pub(super) open: usize,
    /// References by pointer, of drivers.
    pub(super) references: usize,
    /// References of the I/O manager's own, for completion routines.
    pub(super) held: usize,
    /// Deleted, but still open or referenced.
    pub(super) is_deleted: bool,
    pub(super) origin: Origin,
}

/// An object whose last reference was released.
pub(crate) enum ReleasedObject {
    /// A deleted device: its address.
    Device(usize),
    /// A closed file.
    File(ClosedFile),
}

/// A closed file that a driver references.
pub(crate) struct ClosedFile {
    /// Its device, for a report.
    pub(super) device: String,
    /// Sends the driver `IRP_MJ_CLOSE`, at `PASSIVE_LEVEL`, and frees the file.
    pub(super) end: Box<dyn FnOnce() + Send>,
}

impl Device {
    /// Whether a deleted device's memory must be freed.
    pub(super) fn is_unused(&self) -> bool {
        self.is_deleted && self.open == 0 && self.references == 0 && self.held == 0
    }

    pub(super) fn describe(&self) -> String {
        self.name
            .as_ref()
            .map_or_else(|| "an unnamed device".to_owned(), |name| format!("the device {name}"))
    }
}

/// The canonical form of a path, for comparison. `\DosDevices` and `\GLOBAL??` are other names of `\??`.
pub(super) fn key(path: &str) -> String {
    let path = path.to_uppercase();
    for other in ["\\DOSDEVICES\\", "\\GLOBAL??\\"] {
        if let Some(rest) = path.strip_prefix(other) {
            return format!("\\??\\{rest}");
        }
    }
    path
}

impl Devices {
    /// The device that a path leads to, through links.
    pub(super) fn resolve(&self, path: &str) -> Option<*mut DeviceObject> {
        let mut key = key(path);
        // As many links as may follow each other.
        for _ in 0..32 {
            match self.names.get(&key)? {
                PathTarget::Device(address) => {
                    return Some(ptr::with_exposed_provenance_mut(*address));
                }
                PathTarget::Link { target, .. } => key = self::key(target),
            }
        }
        None
    }

    /// A file of a device was opened.
    pub(super) fn open(&mut self, device: *mut DeviceObject) {
        if let Some(device) = self.by_address.get_mut(&device.addr()) {
            device.open += 1;
        }
    }

    /// Records that a file of a device was closed. Returns whether the device's memory must be freed.
    pub(super) fn close(&mut self, device: *mut DeviceObject) -> bool {
        let Some(found) = self.by_address.get_mut(&device.addr()) else { return false };
        found.open -= 1;
        let is_last = found.is_unused();
        if is_last {
            self.by_address.remove(&device.addr());
        }
        is_last
    }

    /// Adds a reference by pointer to a device or file, and returns the number of references, including the object's own.
    pub(crate) fn reference(&mut self, object: usize) -> Option<usize> {
        let references = match self.by_address.get_mut(&object) {
            Some(device) => &mut device.references,
            None => self.files.get_mut(&object)?,
        };
        *references += 1;
        Some(*references + 1)
    }

    /// Releases a reference by pointer. Returns the number of remaining references, and the object if it is now unused.
    pub(crate) fn dereference(
        &mut self,
        object: usize,
    ) -> Result<(usize, Option<ReleasedObject>), &'static str> {
        let references = match self.by_address.get_mut(&object) {
            Some(device) => &mut device.references,
            None => self
                .files
                .get_mut(&object)
                .ok_or("the pointer is not to an object of this host, or the object was freed")?,
        };
        *references = references
            .checked_sub(1)
            .ok_or("the driver holds no reference to the device or file")?;
        let left = *references;
        let is_closed = self.closed.contains_key(&object);
        if left == 0 && is_closed {
            return Ok((0, self.closed.remove(&object).map(ReleasedObject::File)));
        }
        if self.by_address.get(&object).is_some_and(Device::is_unused) {
            self.by_address.remove(&object);
            return Ok((0, Some(ReleasedObject::Device(object))));
        }
        Ok((left + usize::from(!is_closed), None))
    }

    /// Adds a reference for the I/O manager itself to a device. Returns false if there is no such device.
    pub(crate) fn hold(&mut self, device: usize) -> bool {
        let found = self.by_address.get_mut(&device);
        found.map(|device| device.held += 1).is_some()
    }

    /// Releases a reference of the I/O manager itself to a device. Returns whether the device's memory must be freed.
    pub(crate) fn unhold(&mut self, device: usize) -> bool {
        let Some(found) = self.by_address.get_mut(&device) else {
            return false;
        };
        found.held -= 1;
        let is_unused = found.is_unused();
        if is_unused {
            self.by_address.remove(&device);
        }
        is_unused
    }

    /// Whether any file of a driver's devices is open.
    pub(super) fn is_open(&self, driver: usize) -> bool {
        self.by_address.values().any(|device| device.driver == driver && device.open > 0)
    }

    /// The objects that a driver has left behind: its devices, and the links to their names.
    pub(super) fn left(&self, driver: usize, names: &[String]) -> Option<String> {
        // A routine that keeps the driver loaded may still run.
        let is_kept = |device: &Device| {
            device.is_deleted && device.open == 0 && device.references == 0 && device.held > 0
        };
        let devices = self.by_address.values();
        let devices = devices.filter(|device| device.driver == driver && !is_kept(device));
        let mut left: Vec<String> = devices
            .map(|device| {
                format!("{} was not deleted\n  created: {}", device.describe(), device.origin)
            })
            .collect();
        left.extend(self.names.values().filter_map(|named| match named {
            PathTarget::Link { path, target, origin } if names.contains(&key(target)) => {
                Some(format!("the symbolic link {path} was not deleted\n  created: {origin}"))
            }
            _ => None,
        }));
        (!left.is_empty()).then(|| left.join("\n  and "))
    }

    /// The names of a driver's devices.
    pub(super) fn names_of(&self, driver: usize) -> Vec<String> {
        let devices = self.by_address.values().filter(|device| device.driver == driver);
        devices.filter_map(|device| device.name.as_deref().map(key)).collect()
    }

    /// A driver has initialized itself: its devices can be opened.
    pub(super) fn initialized(&self, driver: usize) {
        for (address, device) in &self.by_address {
            if device.driver == driver {
                let object: *mut DeviceObject = ptr::with_exposed_provenance_mut(*address);
                // SAFETY: a device is valid until it is deleted, and its driver is in no function of its own.
                unsafe { (*object).flags &= !DO_DEVICE_INITIALIZING };
            }
        }
    }

    /// The objects that all drivers have left behind.
    pub(crate) fn all_left(&self) -> Option<String> {
        if let Some(driver) = self.drivers.values().next() {
            return Some(format!("the driver {driver} is still loaded"));
        }
        let mut left = self.by_address.values().map(|device| {
            format!("{} was not deleted\n  created: {}", device.describe(), device.origin)
        });
        let files = || {
            let first = self.closed.values().next()?;
            Some(format!("a closed file of {} is still referenced", first.device))
        };
        left.next().or_else(files).or_else(|| {
            self.names.values().find_map(|named| match named {
                PathTarget::Link { path, origin, .. } => {
                    Some(format!("the symbolic link {path} was not deleted\n  created: {origin}"))
                }
                PathTarget::Device(_) => None,
            })
        })
    }
}

/// The host's allocation for a driver: the driver object, and the objects it points to.
pub(super) struct DriverMemory {
    pub(super) object: DRIVER_OBJECT,
    /// `DRIVER_EXTENSION`.
    pub(super) extension: [u64; 5],
    pub(super) name: Vec<u16>,
    pub(super) registry_path: Vec<u16>,
}
