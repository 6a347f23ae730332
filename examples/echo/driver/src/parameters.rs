//! Settings from the registry: `Parameters\Port`, a DWORD, below the driver's key.

use core::ptr;

use wsk_sys::{
    ACCESS_MASK, HANDLE, NT_SUCCESS, NTSTATUS, OBJ_KERNEL_HANDLE, OBJECT_ATTRIBUTES, PHANDLE,
    POBJECT_ATTRIBUTES, PULONG, PUNICODE_STRING, PVOID, ULONG, ZwClose, unicode_string,
};

const KEY_READ: ACCESS_MASK = 0x0002_0019;
const OBJ_CASE_INSENSITIVE: ULONG = 0x40;
const KEY_VALUE_PARTIAL_INFORMATION: i32 = 2;
const REG_DWORD: ULONG = 4;

#[link(name = "ntoskrnl.exe", kind = "raw-dylib", modifiers = "+verbatim")]
unsafe extern "C" {
    fn ZwOpenKey(key: PHANDLE, access: ACCESS_MASK, attributes: POBJECT_ATTRIBUTES) -> NTSTATUS;
    fn ZwQueryValueKey(
        key: HANDLE,
        name: PUNICODE_STRING,
        class: i32,
        information: PVOID,
        length: ULONG,
        result_length: PULONG,
    ) -> NTSTATUS;
}

/// What `ZwQueryValueKey` writes for a DWORD.
#[repr(C)]
#[derive(Default)]
struct DwordValue {
    title_index: ULONG,
    value_type: ULONG,
    length: ULONG,
    data: ULONG,
}

/// A key, closed when it is dropped.
struct Key(HANDLE);

impl Key {
    /// Opens a key below another one, or by its whole path.
    ///
    /// # Safety
    ///
    /// The name is a valid string, at `PASSIVE_LEVEL`.
    unsafe fn open(parent: Option<&Self>, name: PUNICODE_STRING) -> Option<Self> {
        let mut attributes = OBJECT_ATTRIBUTES {
            Length: u32::try_from(size_of::<OBJECT_ATTRIBUTES>()).ok()?,
            RootDirectory: parent.map_or(ptr::null_mut(), |parent| parent.0),
            ObjectName: name,
            Attributes: OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE,
            SecurityDescriptor: ptr::null_mut(),
            SecurityQualityOfService: ptr::null_mut(),
        };
        let mut key = ptr::null_mut();
        // SAFETY: the level is passive, and everything that is pointed to is valid during the call.
        let status = unsafe { ZwOpenKey(&raw mut key, KEY_READ, &raw mut attributes) };
        NT_SUCCESS(status).then_some(Self(key))
    }

    /// Reads a DWORD.
    ///
    /// # Safety
    ///
    /// The name is a valid string, at `PASSIVE_LEVEL`.
    unsafe fn dword(&self, name: PUNICODE_STRING) -> Option<ULONG> {
        let mut value = DwordValue::default();
        let mut length = 0;
        // SAFETY: the level is passive, and everything that is pointed to is valid during the call.
        let status = unsafe {
            ZwQueryValueKey(
                self.0,
                name,
                KEY_VALUE_PARTIAL_INFORMATION,
                (&raw mut value).cast(),
                u32::try_from(size_of::<DwordValue>()).ok()?,
                &raw mut length,
            )
        };
        let is_dword = value.value_type == REG_DWORD && value.length == 4;
        (NT_SUCCESS(status) && is_dword).then_some(value.data)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: the handle is this value's; keys are only used at PASSIVE_LEVEL.
        unsafe { ZwClose(self.0) };
    }
}

/// The port that the registry names, if it does.
///
/// # Safety
///
/// `registry_path` is what the system passed to `DriverEntry`, at `PASSIVE_LEVEL`.
pub(crate) unsafe fn port(registry_path: PUNICODE_STRING) -> Option<u16> {
    const PARAMETERS: [u16; 10] = wide(b"Parameters");
    const PORT: [u16; 4] = wide(b"Port");
    // SAFETY: the system's string is valid, and the level passive.
    let driver = unsafe { Key::open(None, registry_path) }?;
    let mut name = unicode_string(&PARAMETERS)?;
    // SAFETY: the name is valid, and the level passive.
    let parameters = unsafe { Key::open(Some(&driver), &raw mut name) }?;
    let mut name = unicode_string(&PORT)?;
    // SAFETY: as above.
    let port = unsafe { parameters.dword(&raw mut name) }?;
    u16::try_from(port).ok()
}

/// ASCII as UTF-16.
const fn wide<const LENGTH: usize>(text: &[u8; LENGTH]) -> [u16; LENGTH] {
    let mut units = [0; LENGTH];
    let mut index = 0;
    while index < LENGTH {
        units[index] = text[index] as u16;
        index += 1;
    }
    units
}
