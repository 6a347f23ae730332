//! C's integer types as on 64-bit Windows, where `long` has 32 bits, for every target.

pub use core::ffi::c_void;

/// `char`.
pub type c_char = i8;
/// `signed char`.
pub type c_schar = i8;
/// `unsigned char`.
pub type c_uchar = u8;
/// `short`.
pub type c_short = i16;
/// `unsigned short`.
pub type c_ushort = u16;
/// `int`.
pub type c_int = i32;
/// `unsigned int`.
pub type c_uint = u32;
/// `long`: 32 bits on Windows.
pub type c_long = i32;
/// `unsigned long`: 32 bits on Windows.
pub type c_ulong = u32;
/// `long long`.
pub type c_longlong = i64;
/// `unsigned long long`.
pub type c_ulonglong = u64;
