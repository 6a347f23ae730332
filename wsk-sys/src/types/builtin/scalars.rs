//! Scalars, strings, lists and opaque objects, as ntdef.h has them.

use crate::ctypes::{c_int, c_void};

macro_rules! scalars {
    ($($(#[$doc:meta])* $name:ident = $ty:ty;)*) => {
        $($(#[$doc])* pub type $name = $ty;)*
    };
}

scalars! {
    /// A pointer to anything.
    PVOID = *mut c_void;
    /// A character of 8 bits.
    CHAR = i8;
    /// A character of 8 bits, used as a small signed number.
    CCHAR = i8;
    /// An unsigned number of 8 bits.
    UCHAR = u8;
    /// Zero or not.
    BOOLEAN = UCHAR;
    /// A signed number of 16 bits.
    CSHORT = i16;
    /// An unsigned number of 16 bits.
    USHORT = u16;
    /// A signed number of 32 bits.
    INT = i32;
    /// A signed number of 32 bits.
    LONG = i32;
    /// An unsigned number of 32 bits.
    ULONG = u32;
    /// A signed number of 64 bits.
    LONGLONG = i64;
    /// An unsigned number of 64 bits.
    ULONGLONG = u64;
    /// An unsigned number of 64 bits.
    ULONG64 = u64;
    /// A signed number of the size of a pointer.
    LONG_PTR = isize;
    /// An unsigned number of the size of a pointer.
    ULONG_PTR = usize;
    /// A size in bytes.
    SIZE_T = usize;
    /// A UTF-16 code unit.
    WCHAR = u16;
    /// A result: negative for a warning or an error. See [`NT_SUCCESS`](crate::NT_SUCCESS).
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
    /// A set of processors.
    KAFFINITY = ULONG_PTR;
    /// The kind of an event.
    EVENT_TYPE = c_int;
    /// The kind of a timer.
    TIMER_TYPE = c_int;
    /// The kind of thread that runs a work item.
    WORK_QUEUE_TYPE = c_int;
    /// How many objects a wait needs.
    WAIT_TYPE = c_int;
    /// Why a thread waits.
    KWAIT_REASON = c_int;
    /// What will be done with locked memory.
    LOCK_OPERATION = c_int;
    /// How mapped memory is cached.
    MEMORY_CACHING_TYPE = c_int;
    /// A kind of pool.
    POOL_TYPE = c_int;
    /// A kind of pool and how to allocate from it.
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
    /// Pointer to a string of UTF-16 code units.
    PWCH = *mut WCHAR;
    /// Pointer to a string of UTF-16 code units that ends with a NUL.
    PWSTR = *mut WCHAR;
    /// Pointer to a string of UTF-16 code units that ends with a NUL, to read only.
    PCWSTR = *const WCHAR;
    /// Pointer to a string of bytes that ends with a NUL, to read only.
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
                // Behind a pointer only: neither moved, nor sent, nor shared by value.
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
    /// A type of kernel objects.
    OBJECT_TYPE, POBJECT_TYPE;
    /// Information about a handle.
    OBJECT_HANDLE_INFORMATION, POBJECT_HANDLE_INFORMATION;
    /// Room for a wait on more than three objects.
    KWAIT_BLOCK, PKWAIT_BLOCK;
    /// A work item. [`IoSizeofWorkItem`](crate::IoSizeofWorkItem) says how many bytes it has.
    IO_WORKITEM, PIO_WORKITEM;
}

/// A globally unique identifier.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct GUID {
    /// The first 8 digits.
    pub Data1: ULONG,
    /// The first group of 4 digits.
    pub Data2: USHORT,
    /// The second group of 4 digits.
    pub Data3: USHORT,
    /// The rest.
    pub Data4: [UCHAR; 8],
}

/// A signed number of 64 bits, such as a time in units of 100 ns.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LARGE_INTEGER {
    /// The number. C can also name its two halves.
    pub QuadPart: LONGLONG,
}

/// Pointer to a [`LARGE_INTEGER`].
pub type PLARGE_INTEGER = *mut LARGE_INTEGER;

/// An unsigned number of 64 bits, such as a time in units of 100 ns.
#[repr(C)]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ULARGE_INTEGER {
    /// The number. C can also name its two halves.
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

/// A counted string.
///
/// [Microsoft's page](https://learn.microsoft.com/windows/win32/api/ntdef/ns-ntdef-_unicode_string).
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct UNICODE_STRING {
    /// Bytes in use, without a terminating NUL.
    pub Length: USHORT,
    /// Bytes at `Buffer`.
    pub MaximumLength: USHORT,
    /// The characters.
    pub Buffer: PWCH,
}

/// Pointer to a [`UNICODE_STRING`].
pub type PUNICODE_STRING = *mut UNICODE_STRING;
