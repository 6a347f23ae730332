//! Settings from the registry: DWORDs and strings in the subkey `Parameters` of the driver's key.
//!
//! # Safety
//!
//! The registry functions take raw pointers, and require `PASSIVE_LEVEL`: every [`Key`] has a [`Passive`].

#![expect(unsafe_code, reason = "calls registry functions")]

use core::mem::offset_of;
use core::net::SocketAddr;
use core::ptr;

use wsk::Buffer;
use wsk::irql::Passive;
use wsk_sys::{
    HANDLE, KEY_READ, KEY_VALUE_PARTIAL_INFORMATION, KeyValuePartialInformation, NT_SUCCESS,
    NTSTATUS, OBJ_CASE_INSENSITIVE, OBJ_KERNEL_HANDLE, OBJECT_ATTRIBUTES, PUNICODE_STRING,
    REG_DWORD, REG_SZ, STATUS_INVALID_PARAMETER, STATUS_OBJECT_TYPE_MISMATCH, ULONG,
    UNICODE_STRING, ZwClose, ZwOpenKey, ZwQueryValueKey, unicode_string,
};

use crate::error::{Context as _, Error, Result};

/// The maximum length of a string in UTF-16 code units, including the NUL.
const MAX_UNITS: usize = 256;

/// No key or value has this name.
const STATUS_OBJECT_NAME_NOT_FOUND: NTSTATUS = status(0xC000_0034);

/// The value does not fit into the buffer.
const STATUS_BUFFER_OVERFLOW: NTSTATUS = status(0x8000_0005);

const fn status(code: u32) -> NTSTATUS {
    NTSTATUS::from_ne_bytes(code.to_ne_bytes())
}

/// The settings of a driver: the values of the subkey `Parameters` of its key, as a setup program or `reg add` writes them.
///
/// A value that does not exist is `None`. A value of another type, or out of its range, is an error: the driver's user has
/// meant something by it.
///
/// IRQL: `PASSIVE_LEVEL`, which its type ensures.
pub struct Parameters(Option<Key>);

impl Parameters {
    /// Opens the key. Without one, no value exists. A key that cannot be opened is reported to the debugger, and treated as
    /// if it did not exist.
    ///
    /// # Safety
    ///
    /// `registry_path` is null, or points to a valid string, as the argument of `DriverEntry` does.
    #[must_use]
    pub unsafe fn open(registry_path: PUNICODE_STRING, passive: Passive) -> Self {
        if registry_path.is_null() {
            return Self(None);
        }
        let open = || {
            // SAFETY: the path is a valid string (this function's contract).
            let driver = unsafe { Key::open(None, registry_path, passive) }?;
            let mut name = ValueName::new("Parameters")?;
            let mut name = name.string()?;
            // SAFETY: `name` is a valid string.
            unsafe { Key::open(Some(&driver), &raw mut name, passive) }
        };
        match open() {
            Ok(key) => Self(Some(key)),
            Err(error) => {
                if error.status() != STATUS_OBJECT_NAME_NOT_FOUND {
                    crate::println!("the parameters cannot be read: {error}");
                }
                Self(None)
            }
        }
    }

    /// A number: a DWORD.
    ///
    /// # Errors
    ///
    /// - `STATUS_OBJECT_TYPE_MISMATCH` if the value has another type.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any status of `ZwQueryValueKey`.
    pub fn number(&self, name: &str) -> Result<Option<u32>> {
        let Some(data) = self.query(name, REG_DWORD, size_of::<ULONG>())? else {
            return Ok(None);
        };
        let bytes = data.bytes().and_then(|bytes| bytes.try_into().ok());
        match bytes {
            Some(bytes) => Ok(Some(ULONG::from_ne_bytes(bytes))),
            None => Err(Error::new(
                STATUS_OBJECT_TYPE_MISMATCH,
                format_args!("the parameter {name} is no DWORD of four bytes"),
            )),
        }
    }

    /// A port: a DWORD of at most 65,535.
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_PARAMETER` if the number is too large.
    /// - Those of [`number`](Self::number).
    pub fn port(&self, name: &str) -> Result<Option<u16>> {
        let Some(number) = self.number(name)? else {
            return Ok(None);
        };
        match u16::try_from(number) {
            Ok(port) => Ok(Some(port)),
            Err(_) => Err(Error::new(
                STATUS_INVALID_PARAMETER,
                format_args!("the parameter {name} is {number}; a port is at most 65535"),
            )),
        }
    }

    /// A text of up to 255 UTF-16 code units: a `REG_SZ`, up to its first NUL.
    ///
    /// # Errors
    ///
    /// - `STATUS_BUFFER_OVERFLOW` if the text is longer.
    /// - `STATUS_OBJECT_TYPE_MISMATCH` if the value has another type.
    /// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails.
    /// - Any status of `ZwQueryValueKey`.
    pub fn text(&self, name: &str) -> Result<Option<Text>> {
        let Some(data) = self.query(name, REG_SZ, MAX_UNITS * size_of::<u16>())? else {
            return Ok(None);
        };
        let units = data.bytes().unwrap_or_default().chunks_exact(size_of::<u16>());
        let units = units.filter_map(|unit| unit.try_into().ok().map(u16::from_ne_bytes));
        Text::from_utf16(units).map(Some).context(format_args!("the parameter {name}"))
    }

    /// An address: a `REG_SZ` such as `192.0.2.1:514` or `[2001:db8::1]:514`.
    ///
    /// ```
    /// use wsk_driver::{Driver, Result};
    ///
    /// fn start(driver: &Driver) -> Result<()> {
    ///     match driver.parameters().address("Server")? {
    ///         Some(server) => wsk_driver::println!("sending to {server}"),
    ///         None => wsk_driver::println!("the parameter Server is not set"),
    ///     }
    ///     Ok(())
    /// }
    /// # extern crate wsk_host;
    /// ```
    ///
    /// # Errors
    ///
    /// - `STATUS_INVALID_PARAMETER` if the text is not an address with a port.
    /// - Those of [`text`](Self::text).
    pub fn address(&self, name: &str) -> Result<Option<SocketAddr>> {
        let Some(text) = self.text(name)? else {
            return Ok(None);
        };
        let text = text.as_str();
        match wsk::net::parse_socket_addr(text) {
            Ok(address) => Ok(Some(address)),
            Err(_) => Err(Error::new(
                STATUS_INVALID_PARAMETER,
                format_args!("the parameter {name} is no address such as 192.0.2.1:514: {text}"),
            )),
        }
    }

    fn query(&self, name: &str, value_type: ULONG, size: usize) -> Result<Option<ValueData>> {
        let Some(key) = &self.0 else {
            return Ok(None);
        };
        let mut units = ValueName::new(name)?;
        let mut string = units.string()?;
        // SAFETY: the name is a valid string.
        match unsafe { key.query(&raw mut string, size) } {
            Ok(data) if data.value_type == value_type => Ok(Some(data)),
            Ok(_) => Err(Error::new(
                STATUS_OBJECT_TYPE_MISMATCH,
                format_args!(
                    "the parameter {name} has the wrong type; it must be a {}",
                    if value_type == REG_SZ { "REG_SZ" } else { "REG_DWORD" }
                ),
            )),
            Err(error) if error.status() == STATUS_OBJECT_NAME_NOT_FOUND => Ok(None),
            Err(error) if error.status() == STATUS_BUFFER_OVERFLOW => Err(Error::new(
                STATUS_BUFFER_OVERFLOW,
                format_args!("the parameter {name} is longer than {size} bytes"),
            )),
            Err(error) => Err(error).context(format_args!("the parameter {name}")),
        }
    }
}

/// A string from the registry, as UTF-8. In pool memory, since the kernel's stack is small.
pub struct Text {
    bytes: Buffer,
    length: usize,
}

impl Text {
    /// Converts the code units before the first NUL.
    fn from_utf16(units: impl Iterator<Item = u16>) -> wsk::Result<Self> {
        // A code unit takes at most three bytes in UTF-8.
        let mut text = Self { bytes: Buffer::new(3 * MAX_UNITS)?, length: 0 };
        for character in char::decode_utf16(units.take_while(|unit| *unit != 0)) {
            let character = character.unwrap_or(char::REPLACEMENT_CHARACTER);
            let rest = text.bytes.get_mut(text.length..).unwrap_or_default();
            if rest.len() < character.len_utf8() {
                break;
            }
            text.length += character.encode_utf8(rest).len();
        }
        Ok(text)
    }

    /// The string.
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
/// The handle is open and owned by this value.
struct Key {
    handle: HANDLE,
    /// Keeps the value on its thread, at `PASSIVE_LEVEL`.
    _passive: Passive,
}

impl Key {
    /// Opens a subkey of `parent`, or a key by its full path.
    ///
    /// # Safety
    ///
    /// `name` points to a valid string.
    unsafe fn open(parent: Option<&Self>, name: PUNICODE_STRING, passive: Passive) -> Result<Self> {
        let mut attributes = OBJECT_ATTRIBUTES {
            Length: ULONG::try_from(size_of::<OBJECT_ATTRIBUTES>()).unwrap_or_default(),
            RootDirectory: parent.map_or(ptr::null_mut(), |parent| parent.handle),
            ObjectName: name,
            Attributes: OBJ_KERNEL_HANDLE | OBJ_CASE_INSENSITIVE,
            SecurityDescriptor: ptr::null_mut(),
            SecurityQualityOfService: ptr::null_mut(),
        };
        let mut handle = ptr::null_mut();
        // SAFETY: the token proves PASSIVE_LEVEL; `handle`, `attributes` and the string outlive the call.
        let status = unsafe { ZwOpenKey(&raw mut handle, KEY_READ, &raw mut attributes) };
        if !NT_SUCCESS(status) {
            return Err(Error::new(status, format_args!("the registry key: {status:#010X}")));
        }
        // INVARIANT: after success, the handle is open and has no other owner.
        Ok(Self { handle, _passive: passive })
    }

    /// Reads a value whose data has at most `size` bytes.
    ///
    /// # Safety
    ///
    /// `name` points to a valid string.
    unsafe fn query(&self, name: PUNICODE_STRING, size: usize) -> Result<ValueData> {
        // At least the whole structure, whose size includes the first bytes of the data.
        let size = size_of::<KEY_VALUE_PARTIAL_INFORMATION>()
            .max(offset_of!(KEY_VALUE_PARTIAL_INFORMATION, Data) + size);
        let mut buffer = Buffer::new(size)?;
        let mut length = 0;
        // SAFETY: this value is on its thread, at PASSIVE_LEVEL; `name` is valid (this function's contract); the handle is open
        // (Invariants); `buffer` has `size` bytes.
        let status = unsafe {
            ZwQueryValueKey(
                self.handle,
                name,
                KeyValuePartialInformation,
                buffer.as_mut_ptr().cast(),
                u32::try_from(size).unwrap_or_default(),
                &raw mut length,
            )
        };
        // Of the success statuses, only this one comes with data.
        if status != 0 {
            return Err(Error::new(status, format_args!("status {status:#010X}")));
        }
        // SAFETY: the buffer has room for the structure and is initialized; every bit pattern is a valid one.
        let header =
            unsafe { buffer.as_ptr().cast::<KEY_VALUE_PARTIAL_INFORMATION>().read_unaligned() };
        let length = usize::try_from(header.DataLength).unwrap_or(usize::MAX);
        Ok(ValueData { value_type: header.Type, buffer, length })
    }
}

/// The data of a value, after its header.
struct ValueData {
    value_type: ULONG,
    buffer: Buffer,
    length: usize,
}

impl ValueData {
    fn bytes(&self) -> Option<&[u8]> {
        let data = self.buffer.get(offset_of!(KEY_VALUE_PARTIAL_INFORMATION, Data)..)?;
        data.get(..self.length)
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        // SAFETY: the handle is open and owned (Invariants); this value is on its thread, at PASSIVE_LEVEL.
        unsafe { ZwClose(self.handle) };
    }
}

/// The name of a setting in UTF-16: a buffer, and the number of code units in use.
struct ValueName([u16; Self::SIZE], usize);

impl ValueName {
    const SIZE: usize = 32;

    fn new(name: &str) -> Result<Self> {
        let mut units = [0; Self::SIZE];
        let mut length = 0;
        for unit in name.encode_utf16() {
            let Some(place) = units.get_mut(length) else {
                return Err(Self::too_long(name));
            };
            *place = unit;
            length += 1;
        }
        Ok(Self(units, length))
    }

    /// The string, which points into this value.
    fn string(&mut self) -> Result<UNICODE_STRING> {
        let string = self.0.get(..self.1).and_then(unicode_string);
        string.ok_or_else(|| Self::too_long(""))
    }

    fn too_long(name: &str) -> Error {
        Error::new(
            STATUS_INVALID_PARAMETER,
            format_args!("the name {name} of a parameter has more than {} characters", Self::SIZE),
        )
    }
}
