//! Scalars, strings, lists and opaque objects of ntdef.h.

use crate::ctypes::{c_int, c_void};

macro_rules! scalars {
    ($($(#[$doc:meta])* $name:ident = $ty:ty;)*) => {
        $($(#[$doc])* pub type $name = $ty;)*
    };
}

scalars! {
    /// An untyped pointer.
    PVOID = *mut c_void;
    /// An 8-bit character.
    CHAR = i8;
    /// An 8-bit character, used as a small signed integer.
    CCHAR = i8;
    /// An unsigned 8-bit integer.
    UCHAR = u8;
    /// A Boolean: zero is false, any other value is true.
    BOOLEAN = UCHAR;
    /// A signed 16-bit integer.
    CSHORT = i16;
    /// An unsigned 16-bit integer.
    USHORT = u16;
    /// A signed 32-bit integer.
    INT = i32;
    /// A signed 32-bit integer.
    LONG = i32;
    /// An unsigned 32-bit integer.
    ULONG = u32;
    /// A signed 64-bit integer.
    LONGLONG = i64;
    /// An unsigned 64-bit integer.
    ULONGLONG = u64;
    /// An unsigned 64-bit integer.
    ULONG64 = u64;
    /// A signed integer of pointer size.
    LONG_PTR = isize;
    /// An unsigned integer of pointer size.
    ULONG_PTR = usize;
    /// A size in bytes.
    SIZE_T = usize;
    /// A UTF-16 code unit.
    WCHAR = u16;
    /// A status code: negative for a warning or an error. See [`NT_SUCCESS`](crate::NT_SUCCESS).
    NTSTATUS = LONG;
    /// A handle.
    HANDLE = PVOID;
    /// Access rights.
    ACCESS_MASK = ULONG;
    /// An interrupt request level.
    KIRQL = UCHAR;
    /// A priority, or an increment of one.
    KPRIORITY = LONG;
    /// [`KernelMode`](crate::KernelMode) or [`UserMode`](crate::UserMode).
    KPROCESSOR_MODE = CCHAR;
    /// A spin lock.
    KSPIN_LOCK = ULONG_PTR;
    /// A set of processors, one bit each.
    KAFFINITY = ULONG_PTR;
    /// The type of an event.
    EVENT_TYPE = c_int;
    /// The type of a timer.
    TIMER_TYPE = c_int;
    /// The queue of a work item, which determines the thread that runs it.
    WORK_QUEUE_TYPE = c_int;
    /// Whether a wait is for one or all of its objects.
    WAIT_TYPE = c_int;
    /// The reason for a wait.
    KWAIT_REASON = c_int;
    /// The kind of access to locked memory.
    LOCK_OPERATION = c_int;
    /// The caching type of a mapping.
    MEMORY_CACHING_TYPE = c_int;
    /// A type of pool.
    POOL_TYPE = c_int;
    /// The type of pool and the options of an allocation.
    POOL_FLAGS = ULONG64;
    /// A security descriptor.
    PSECURITY_DESCRIPTOR = PVOID;
    /// Pointer to a [`BOOLEAN`].
    PBOOLEAN = *mut BOOLEAN;
    /// Pointer to a [`ULONG`].
    PULONG = *mut ULONG;
    /// Pointer to a [`SIZE_T`].
    PSIZE_T = *mut SIZE_T;
    /// Pointer to a [`HANDLE`].
    PHANDLE = *mut HANDLE;
    /// Pointer to a [`KIRQL`].
    PKIRQL = *mut KIRQL;
    /// Pointer to a [`KSPIN_LOCK`].
    PKSPIN_LOCK = *mut KSPIN_LOCK;
    /// Pointer to UTF-16 code units.
    PWCH = *mut WCHAR;
    /// Pointer to a NUL-terminated UTF-16 string.
    PWSTR = *mut WCHAR;
    /// Pointer to a constant NUL-terminated UTF-16 string.
    PCWSTR = *const WCHAR;
    /// Pointer to a constant NUL-terminated byte string.
    PCSTR = *const CHAR;
    /// Pointer to a [`GUID`].
    LPGUID = *mut GUID;
}

macro_rules! opaque {
    ($($(#[$doc:meta])* $name:ident, $pointer:ident;)*) => {
        $(
            $(#[$doc])*
            #[repr(C)]
            #[derive(Debug)]
            pub struct $name {
                opaque: [u8; 0],
                // Used behind pointers only: not movable, not Send, not Sync.
                not_auto: core::marker::PhantomData<(*mut u8, core::marker::PhantomPinned)>,
            }
            #[doc = concat!("Pointer to [`", stringify!($name), "`].")]
            pub type $pointer = *mut $name;
        )*
    };
}

opaque! {
    /// A device object.
    DEVICE_OBJECT, PDEVICE_OBJECT;
    /// A file object.
    FILE_OBJECT, PFILE_OBJECT;
    /// A process.
    EPROCESS, PEPROCESS;
    /// A thread.
    ETHREAD, PETHREAD;
    /// An object type.
    OBJECT_TYPE, POBJECT_TYPE;
    /// Information about a handle.
    OBJECT_HANDLE_INFORMATION, POBJECT_HANDLE_INFORMATION;
    /// Storage for a wait on more than three objects.
    KWAIT_BLOCK, PKWAIT_BLOCK;
    /// A work item. [`IoSizeofWorkItem`](crate::IoSizeofWorkItem) returns its size.
    IO_WORKITEM, PIO_WORKITEM;
}

/// A globally unique identifier.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GUID {
    /// The first 8 hexadecimal digits.
    pub Data1: ULONG,
    /// The first group of 4 hexadecimal digits.
    pub Data2: USHORT,
    /// The second group of 4 hexadecimal digits.
    pub Data3: USHORT,
    /// The last 16 hexadecimal digits.
    pub Data4: [UCHAR; 8],
}

/// A signed 64-bit integer, for example a time in units of 100 ns.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LARGE_INTEGER {
    /// The integer. C also names its two halves.
    pub QuadPart: LONGLONG,
}

/// Pointer to a [`LARGE_INTEGER`].
pub type PLARGE_INTEGER = *mut LARGE_INTEGER;

/// An unsigned 64-bit integer, for example a time in units of 100 ns.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ULARGE_INTEGER {
    /// The integer. C also names its two halves.
    pub QuadPart: ULONGLONG,
}

/// An entry, or the head, of a singly linked list.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct SINGLE_LIST_ENTRY {
    /// The next entry.
    pub Next: *mut SINGLE_LIST_ENTRY,
}

/// An entry, or the head, of a doubly linked list.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct LIST_ENTRY {
    /// The next entry.
    pub Flink: *mut LIST_ENTRY,
    /// The previous entry.
    pub Blink: *mut LIST_ENTRY,
}

/// A counted UTF-16 string.
///
/// [Microsoft's page](https://learn.microsoft.com/windows/win32/api/ntdef/ns-ntdef-_unicode_string).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct UNICODE_STRING {
    /// The length in bytes, without a terminating NUL.
    pub Length: USHORT,
    /// The size of `Buffer` in bytes.
    pub MaximumLength: USHORT,
    /// The code units.
    pub Buffer: PWCH,
}

/// Pointer to a [`UNICODE_STRING`].
pub type PUNICODE_STRING = *mut UNICODE_STRING;
