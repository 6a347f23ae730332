//! Settings from the registry, below the driver's key: `Parameters\NAME`, each a DWORD or a string.

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

/// What `ZwQueryValueKey` writes before a value's data.
#[repr(C)]
struct Header {
    title_index: ULONG,
    value_type: ULONG,
    length: ULONG,
}

/// The most characters of a string, with a NUL.
const MAX_UNITS: usize = 256;

/// The key of a driver's settings.
///
/// Opened, used and dropped at `PASSIVE_LEVEL`: whoever opens it says so.
pub struct Parameters(Key);

/// A string of the registry's, in UTF-8. Not on the stack, which is small in the kernel.
pub struct Text {
    bytes: Buffer,
    length: usize,
}

impl Text {
    /// Up to a NUL. None if there is no memory.
    fn from_utf16(units: impl Iterator<Item = u16>) -> Option<Self> {
        // A unit becomes three bytes at most.
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

    /// The string.
    #[must_use]
    pub fn as_str(&self) -> &str {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        core::str::from_utf8(bytes).unwrap_or_default()
    }
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

    /// Reads the data of a value of this type and of at most so many bytes. None if there is no memory.
    ///
    /// # Safety
    ///
    /// The name is a valid string, at `PASSIVE_LEVEL`.
    unsafe fn query(&self, name: PUNICODE_STRING, value_type: ULONG, size: usize) -> Option<Data> {
        let size = size_of::<Header>() + size;
        let mut buffer = Buffer::new(size).ok()?;
        let mut length = 0;
        // SAFETY: the level is passive, and everything that is pointed to is valid during the call.
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
        // SAFETY: the buffer is large enough, and any bytes are a header.
        let header = unsafe { buffer.as_ptr().cast::<Header>().read_unaligned() };
        let is_wanted = NT_SUCCESS(status) && header.value_type == value_type;
        is_wanted.then_some(Data { buffer, length: usize::try_from(header.length).ok()? })
    }

    /// Reads a DWORD.
    ///
    /// # Safety
    ///
    /// The name is a valid string, at `PASSIVE_LEVEL`.
    unsafe fn dword(&self, name: PUNICODE_STRING) -> Option<ULONG> {
        // SAFETY: the caller's promise.
        let data = unsafe { self.query(name, REG_DWORD, size_of::<ULONG>()) }?;
        data.bytes()?.try_into().ok().map(ULONG::from_ne_bytes)
    }

    /// Reads a string.
    ///
    /// # Safety
    ///
    /// The name is a valid string, at `PASSIVE_LEVEL`.
    unsafe fn text(&self, name: PUNICODE_STRING) -> Option<Text> {
        // SAFETY: the caller's promise.
        let data = unsafe { self.query(name, REG_SZ, MAX_UNITS * size_of::<u16>()) }?;
        let units = data.bytes()?.chunks_exact(size_of::<u16>());
        Text::from_utf16(units.filter_map(|unit| unit.try_into().ok().map(u16::from_ne_bytes)))
    }
}

/// What a value has.
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
        // SAFETY: the handle is this value's; keys are only used at PASSIVE_LEVEL.
        unsafe { ZwClose(self.0) };
    }
}

/// A name of a setting in UTF-16.
struct Name([u16; Self::SIZE], usize);

impl Name {
    const SIZE: usize = 32;

    /// None if it is too long.
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
    /// Opens the key, if there is one.
    ///
    /// # Safety
    ///
    /// `registry_path` is what the system passed to `DriverEntry`. The level is passive, also where this is used and
    /// dropped.
    #[must_use]
    pub unsafe fn open(registry_path: PUNICODE_STRING) -> Option<Self> {
        // SAFETY: the system's string is valid, and the level passive.
        let driver = unsafe { Key::open(None, registry_path) }?;
        let name = Name::new("Parameters")?;
        let mut name = name.string()?;
        // SAFETY: the name is valid, and the level passive.
        unsafe { Key::open(Some(&driver), &raw mut name) }.map(Self)
    }

    /// A port. None if there is no such DWORD, or it is too large.
    #[must_use]
    pub fn port(&self, name: &str) -> Option<u16> {
        let name = Name::new(name)?;
        let mut name = name.string()?;
        // SAFETY: the name is valid, and the level passive, as whoever has opened this promised.
        let port = unsafe { self.0.dword(&raw mut name) }?;
        u16::try_from(port).ok()
    }

    /// A string. None if there is no such string, or no memory.
    #[must_use]
    pub fn text(&self, name: &str) -> Option<Text> {
        let name = Name::new(name)?;
        let mut name = name.string()?;
        // SAFETY: as above.
        unsafe { self.0.text(&raw mut name) }
    }
}
