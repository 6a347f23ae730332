//! Settings from the registry: DWORDs and strings in the subkey `Parameters` of the driver's key.
//!
//! # Safety
//!
//! The registry functions take raw pointers and require `PASSIVE_LEVEL`. [`Parameters::open`] makes its caller vouch for the
//! IRQL of every later use.

#![expect(unsafe_code, reason = "calls registry functions")]

use core::ptr;

use wsk::Buffer;
use wsk_sys::{
    ACCESS_MASK, HANDLE, NT_SUCCESS, NTSTATUS, OBJ_KERNEL_HANDLE, OBJECT_ATTRIBUTES, PHANDLE,
    POBJECT_ATTRIBUTES, PULONG, PUNICODE_STRING, PVOID, ULONG, UNICODE_STRING, ZwClose,
    unicode_string,
};

const KEY_READ: ACCESS_MASK = 0x0002_0019;
const OBJ_CASE_INSENSITIVE: ULONG = 0x40;
const KEY_VALUE_PARTIAL_INFORMATION: i32 = 2;
const REG_SZ: ULONG = 1;
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

/// The header that `ZwQueryValueKey` writes before the data of a value (`KEY_VALUE_PARTIAL_INFORMATION`).
#[repr(C)]
struct Header {
    title_index: ULONG,
    value_type: ULONG,
    length: ULONG,
}

/// The maximum length of a string in UTF-16 code units, including the NUL.
const MAX_UNITS: usize = 256;

/// The registry key with a driver's settings.
///
/// # Invariants
///
/// It is used and dropped at `PASSIVE_LEVEL` only: the contract of [`Parameters::open`].
pub struct Parameters(Key);

/// A string from the registry, as UTF-8. In pool memory, since the kernel's stack is small.
pub struct Text {
    bytes: Buffer,
    length: usize,
}

impl Text {
    /// Converts the code units before the first NUL. Returns `None` if allocation fails.
    fn from_utf16(units: impl Iterator<Item = u16>) -> Option<Self> {
        // A code unit takes at most three bytes in UTF-8.
        let mut text = Self { bytes: Buffer::new(3 * MAX_UNITS).ok()?, length: 0 };
        for character in char::decode_utf16(units.take_while(|unit| *unit != 0)) {
            let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
            let rest = text.bytes.get_mut(text.length..)?;
            if rest.len() < character.len_utf8() {
                return None;
            }
            text.length += character.encode_utf8(rest).len();
        }
        Some(text)
    }

    /// Returns the string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
}

/// An open registry key, closed on drop.
///
/// # Invariants
///
/// The handle is open and owned by this value. It is used and dropped at `PASSIVE_LEVEL` only: the contract of
/// [`Key::open`].
struct Key(HANDLE);

impl Key {
    /// Opens a subkey of `parent`, or a key by its full path.
    ///
    /// # Safety
    ///
    /// - `name` points to a valid string.
    /// - The IRQL is `PASSIVE_LEVEL`, here and wherever the returned key is used and dropped.
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
        // SAFETY: the IRQL is PASSIVE_LEVEL (this function's contract); `key`, `attributes` and the string outlive the
        // call.
        let status = unsafe { ZwOpenKey(&raw mut key, KEY_READ, &raw mut attributes) };
        // INVARIANT: after success, the handle is open and has no other owner.
        // INVARIANT: after success, the handle is open and has no other owner.
        NT_SUCCESS(status).then_some(Self(key))
    }

    /// Reads the data of a value of this type and of at most `size` bytes. Returns `None` on any failure.
    ///
    /// # Safety
    ///
    /// `name` points to a valid string, and the IRQL is `PASSIVE_LEVEL`.
    unsafe fn query(&self, name: PUNICODE_STRING, value_type: ULONG, size: usize) -> Option<Data> {
        let size = size_of::<Header>() + size;
        let mut buffer = Buffer::new(size).ok()?;
        let mut length = 0;
        // SAFETY: the IRQL is PASSIVE_LEVEL and `name` is valid (this function's contract); the handle is open (the
        // invariant of Key); `buffer` has `size` bytes.
        let status = unsafe {
            ZwQueryValueKey(
                self.0,
                name,
                KEY_VALUE_PARTIAL_INFORMATION,
                buffer.as_mut_ptr().cast(),
                u32::try_from(size).ok()?,
                &raw mut length,
            )
        };
        // SAFETY: the buffer is at least as large as a Header and initialized; every bit pattern is a valid Header.
        let header = unsafe { buffer.as_ptr().cast::<Header>().read_unaligned() };
        let is_wanted = NT_SUCCESS(status) && header.value_type == value_type;
        is_wanted.then_some(Data { buffer, length: usize::try_from(header.length).ok()? })
    }

    /// Reads a DWORD.
    ///
    /// # Safety
    ///
    /// `name` points to a valid string, and the IRQL is `PASSIVE_LEVEL`.
    unsafe fn dword(&self, name: PUNICODE_STRING) -> Option<ULONG> {
        // SAFETY: this function's contract is that of `query`.
        let data = unsafe { self.query(name, REG_DWORD, size_of::<ULONG>()) }?;
        data.bytes()?.try_into().ok().map(ULONG::from_ne_bytes)
    }

    /// Reads a string.
    ///
    /// # Safety
    ///
    /// `name` points to a valid string, and the IRQL is `PASSIVE_LEVEL`.
    unsafe fn text(&self, name: PUNICODE_STRING) -> Option<Text> {
        // SAFETY: this function's contract is that of `query`.
        let data = unsafe { self.query(name, REG_SZ, MAX_UNITS * size_of::<u16>()) }?;
        let units = data.bytes()?.chunks_exact(size_of::<u16>());
        Text::from_utf16(units.filter_map(|unit| unit.try_into().ok().map(u16::from_ne_bytes)))
    }
}

/// The data of a value, after its header.
struct Data {
    buffer: Buffer,
    length: usize,
}

impl Data {
    fn bytes(&self) -> Option<&[u8]> {
        self.buffer.get(size_of::<Header>()..)?.get(..self.length)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: by the invariants of Key, the handle is open and owned, and the IRQL is PASSIVE_LEVEL.
        unsafe { ZwClose(self.0) };
    }
}

/// The name of a setting in UTF-16: a buffer, and the number of code units in use.
struct Name([u16; Self::SIZE], usize);

impl Name {
    const SIZE: usize = 32;

    /// Returns `None` if the name is too long.
    fn new(name: &str) -> Option<Self> {
        let mut units = [0; Self::SIZE];
        let mut length = 0;
        for unit in name.encode_utf16() {
            *units.get_mut(length)? = unit;
            length += 1;
        }
        Some(Self(units, length))
    }

    fn string(&self) -> Option<UNICODE_STRING> {
        unicode_string(self.0.get(..self.1)?)
    }
}

impl Parameters {
    /// Opens the key. Returns `None` if it does not exist.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    ///
    /// # Safety
    ///
    /// - `registry_path` is the argument of `DriverEntry`.
    /// - The IRQL is `PASSIVE_LEVEL`, here and wherever the returned value is used and dropped.
    #[must_use]
    pub unsafe fn open(registry_path: PUNICODE_STRING) -> Option<Self> {
        // SAFETY: the argument of DriverEntry is a valid string. The IRQL is PASSIVE_LEVEL, here and wherever the key
        // is used (this function's contract).
        let driver = unsafe { Key::open(None, registry_path) }?;
        let name = Name::new("Parameters")?;
        let mut name = name.string()?;
        // SAFETY: `name` is a valid string. The IRQL is PASSIVE_LEVEL, here and wherever the key is used (contract).
        unsafe { Key::open(Some(&driver), &raw mut name) }.map(Self)
    }

    /// Returns a port number. `None` if the DWORD does not exist or is too large.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    #[must_use]
    pub fn port(&self, name: &str) -> Option<u16> {
        let name = Name::new(name)?;
        let mut name = name.string()?;
        // SAFETY: `name` is a valid string, and the IRQL is PASSIVE_LEVEL (the invariant of Parameters).
        let port = unsafe { self.0.dword(&raw mut name) }?;
        u16::try_from(port).ok()
    }

    /// Returns a string. `None` if it does not exist, or if allocation fails.
    ///
    /// IRQL: `PASSIVE_LEVEL`.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Text> {
        let name = Name::new(name)?;
        let mut name = name.string()?;
        // SAFETY: `name` is a valid string, and the IRQL is PASSIVE_LEVEL (the invariant of Parameters).
        unsafe { self.0.text(&raw mut name) }
    }
}
