//! The kernel's formatter: `_vsnprintf`, `_vsnwprintf`, and the messages of `DbgPrint`.
//!
//! Formats are those of Microsoft's library without floating-point numbers, which no driver may print: `%wZ` and `%Z`
//! are counted strings, `%S` is a string of the other kind, `%I64d`, `%lld` and `%Iu` have 64 bits, `%ld` has 32.
//!
//! # Safety
//!
//! The exported functions have the contracts that Microsoft documents. They use the client's pointers during
//! the call only, unless a comment says otherwise.

#![expect(
    unsafe_code,
    reason = "the functions are C's, and so are the objects behind their pointers"
)]
#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "an argument has as many bits as its format says"
)]

use wsk_sys::{SIZE_T, UNICODE_STRING, fields};

use crate::kernel::rtl::strings::{AnsiString, counted_bytes, counted_units, zero_terminated};
use crate::kernel::rtl::va_list::{RawList, VaList};
use crate::verifier::kernel_violation;

/// The width of characters: bytes, or units of UTF-16.
pub(super) trait CharWidth {
    type Unit: Copy + Into<u32> + PartialEq + Default;
    /// Whether strings are wide unless a format specifies otherwise.
    const IS_WIDE: bool;

    fn push_bytes(out: &mut Vec<Self::Unit>, bytes: &[u8]);
    fn push_units(out: &mut Vec<Self::Unit>, units: &[u16]);
}

pub(super) struct Narrow;
pub(super) struct Wide;

impl CharWidth for Narrow {
    type Unit = u8;
    const IS_WIDE: bool = false;

    fn push_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
        out.extend_from_slice(bytes);
    }

    fn push_units(out: &mut Vec<u8>, units: &[u16]) {
        out.extend_from_slice(String::from_utf16_lossy(units).as_bytes());
    }
}

impl CharWidth for Wide {
    type Unit = u16;
    const IS_WIDE: bool = true;

    fn push_bytes(out: &mut Vec<u16>, bytes: &[u8]) {
        out.extend(String::from_utf8_lossy(bytes).encode_utf16());
    }

    fn push_units(out: &mut Vec<u16>, units: &[u16]) {
        out.extend_from_slice(units);
    }
}

/// The flags, width, precision and size between `%` and the letter.
#[derive(Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag of a format")]
struct Spec {
    left: bool,
    plus: bool,
    space: bool,
    alternate: bool,
    zero: bool,
    width: usize,
    precision: Option<usize>,
    size: LengthModifier,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum LengthModifier {
    #[default]
    Default,
    Byte,
    Short,
    /// `l` and `w`: wide characters, and 32 bits.
    Long,
    Bits64,
}

/// A format string, read unit by unit.
///
/// # Invariants
///
/// `next` points into the string, at or before its NUL.
struct FormatString<U> {
    next: *const U,
}

impl<U: Copy + Into<u32>> FormatString<U> {
    fn peek(&self) -> char {
        // SAFETY: the format ends with a NUL, behind which nothing is read.
        char::from_u32(unsafe { self.next.read() }.into()).unwrap_or('\u{FFFD}')
    }

    fn unit(&self) -> U {
        // SAFETY: the format ends with a NUL, behind which nothing is read.
        unsafe { self.next.read() }
    }

    fn advance(&mut self) {
        self.next = self.next.wrapping_add(1);
    }

    /// Takes a character if it is next.
    fn take(&mut self, wanted: char) -> bool {
        let is_it = self.peek() == wanted;
        if is_it {
            self.advance();
        }
        is_it
    }

    fn number(&mut self) -> usize {
        let mut number = 0_usize;
        while let Some(digit) = self.peek().to_digit(10) {
            number = number.saturating_mul(10).saturating_add(digit as usize);
            self.advance();
        }
        number
    }

    fn size(&mut self) -> LengthModifier {
        match self.peek() {
            'h' => {
                self.advance();
                if self.take('h') { LengthModifier::Byte } else { LengthModifier::Short }
            }
            'l' => {
                self.advance();
                if self.take('l') { LengthModifier::Bits64 } else { LengthModifier::Long }
            }
            'w' => {
                self.advance();
                LengthModifier::Long
            }
            'I' => {
                self.advance();
                if self.take('6') {
                    self.take('4');
                    LengthModifier::Bits64
                } else if self.take('3') {
                    self.take('2');
                    LengthModifier::Default
                } else {
                    LengthModifier::Bits64
                }
            }
            'z' | 'j' | 't' => {
                self.advance();
                LengthModifier::Bits64
            }
            _ => LengthModifier::Default,
        }
    }

    fn spec(&mut self, arguments: &mut VaList) -> Spec {
        let mut spec = Spec::default();
        loop {
            match self.peek() {
                '-' => spec.left = true,
                '+' => spec.plus = true,
                ' ' => spec.space = true,
                '#' => spec.alternate = true,
                '0' => spec.zero = true,
                _ => break,
            }
            self.advance();
        }
        if self.take('*') {
            // CAST: the lower half is the `int`.
            let width = arguments.integer() as i32;
            spec.left |= width < 0;
            spec.width = width.unsigned_abs() as usize;
        } else {
            spec.width = self.number();
        }
        if self.take('.') {
            spec.precision = if self.take('*') {
                // CAST: the lower half is the `int`; a negative one is none.
                usize::try_from(arguments.integer() as i32).ok()
            } else {
                Some(self.number())
            };
        }
        spec.size = self.size();
        spec
    }
}

impl Spec {
    /// Whether a string, or a character, is wide.
    fn is_wide(&self, default: bool) -> bool {
        match self.size {
            LengthModifier::Long => true,
            LengthModifier::Short | LengthModifier::Byte => false,
            LengthModifier::Default | LengthModifier::Bits64 => default,
        }
    }

    fn signed(&self, value: u64) -> i64 {
        // CAST: to the type that the format specifies for the argument.
        match self.size {
            LengthModifier::Byte => (value as i8).into(),
            LengthModifier::Short => (value as i16).into(),
            LengthModifier::Default | LengthModifier::Long => (value as i32).into(),
            LengthModifier::Bits64 => value as i64,
        }
    }

    fn unsigned(&self, value: u64) -> u64 {
        // CAST: to the type that the format specifies for the argument.
        match self.size {
            LengthModifier::Byte => (value as u8).into(),
            LengthModifier::Short => (value as u16).into(),
            LengthModifier::Default | LengthModifier::Long => (value as u32).into(),
            LengthModifier::Bits64 => value,
        }
    }

    /// A number with its sign or prefix, and with zeros up to the precision or the width.
    fn digits(&self, prefix: &str, digits: &str) -> String {
        let digits = if self.precision == Some(0) && digits == "0" { "" } else { digits };
        let wanted = match self.precision {
            Some(precision) => precision,
            None if self.zero && !self.left => self.width.saturating_sub(prefix.len()),
            None => 0,
        };
        format!("{prefix}{digits:0>wanted$}")
    }

    fn sign(&self, is_negative: bool) -> &'static str {
        match (is_negative, self.plus, self.space) {
            (true, _, _) => "-",
            (false, true, _) => "+",
            (false, false, true) => " ",
            (false, false, false) => "",
        }
    }

    /// Appends a text, with blanks up to the width.
    fn pad<K: CharWidth>(&self, out: &mut Vec<K::Unit>, text: &[K::Unit]) {
        let blanks = vec![b' '; self.width.saturating_sub(text.len())];
        if !self.left {
            K::push_bytes(out, &blanks);
        }
        out.extend_from_slice(text);
        if self.left {
            K::push_bytes(out, &blanks);
        }
    }
}

/// The longest string that is read without a precision.
const LONGEST: usize = 1 << 20;

/// A text, formatted as its format and its arguments specify.
///
/// # Safety
///
/// The format ends with a NUL, and the arguments are those that it names.
pub(super) unsafe fn format<K: CharWidth>(
    format: *const K::Unit,
    arguments: &mut VaList,
) -> Vec<K::Unit> {
    let mut out = Vec::new();
    let mut format = FormatString { next: format };
    while format.unit() != K::Unit::default() {
        if !format.take('%') {
            out.push(format.unit());
            format.advance();
            continue;
        }
        let spec = format.spec(arguments);
        let letter = format.peek();
        if format.unit() == K::Unit::default() {
            break;
        }
        format.advance();
        let mut text = Vec::new();
        let longest = spec.precision.unwrap_or(LONGEST);
        match letter {
            '%' => K::push_bytes(&mut text, b"%"),
            'd' | 'i' => {
                let value = spec.signed(arguments.integer());
                let digits = value.unsigned_abs().to_string();
                K::push_bytes(&mut text, spec.digits(spec.sign(value < 0), &digits).as_bytes());
            }
            'u' => {
                let digits = spec.unsigned(arguments.integer()).to_string();
                K::push_bytes(&mut text, spec.digits("", &digits).as_bytes());
            }
            'x' | 'X' | 'o' => {
                let value = spec.unsigned(arguments.integer());
                let (prefix, digits) = match letter {
                    'x' => ("0x", format!("{value:x}")),
                    'X' => ("0X", format!("{value:X}")),
                    _ => ("0", format!("{value:o}")),
                };
                let prefix = if spec.alternate && value != 0 { prefix } else { "" };
                K::push_bytes(&mut text, spec.digits(prefix, &digits).as_bytes());
            }
            'p' | 'P' => {
                let value = arguments.integer();
                K::push_bytes(&mut text, format!("{value:016X}").as_bytes());
            }
            'c' | 'C' => {
                let value = arguments.integer();
                // CAST: the lowest bits are the character.
                if spec.is_wide(K::IS_WIDE == (letter == 'c')) {
                    K::push_units(&mut text, &[value as u16]);
                } else {
                    K::push_bytes(&mut text, &[value as u8]);
                }
            }
            's' | 'S' => {
                // SAFETY: the arguments are those of the format (this function's contract): a string that ends with a
                // NUL, or that has as many characters as the precision specifies, or null.
                if spec.is_wide(K::IS_WIDE == (letter == 's')) {
                    let units = arguments.pointer::<u16>();
                    if units.is_null() {
                        K::push_bytes(&mut text, b"(null)");
                    } else {
                        // SAFETY: as said before the condition.
                        K::push_units(&mut text, unsafe { zero_terminated(units, longest) });
                    }
                } else {
                    let bytes = arguments.pointer::<u8>();
                    if bytes.is_null() {
                        K::push_bytes(&mut text, b"(null)");
                    } else {
                        // SAFETY: as said before the condition.
                        K::push_bytes(&mut text, unsafe { zero_terminated(bytes, longest) });
                    }
                }
            }
            'Z' => {
                if spec.is_wide(K::IS_WIDE) {
                    let string = arguments.pointer::<UNICODE_STRING>();
                    // SAFETY: the arguments are those of the format (this function's contract): a counted string or
                    // null.
                    let units =
                        unsafe { string.as_ref() }.map(|string| unsafe { counted_units(string) });
                    match units {
                        Some(units) => K::push_units(&mut text, &units[..units.len().min(longest)]),
                        None => K::push_bytes(&mut text, b"(null)"),
                    }
                } else {
                    let string = arguments.pointer::<AnsiString>();
                    // SAFETY: the arguments are those of the format (this function's contract): a counted string or
                    // null.
                    let bytes =
                        unsafe { string.as_ref() }.map(|string| unsafe { counted_bytes(string) });
                    match bytes {
                        Some(bytes) => K::push_bytes(&mut text, &bytes[..bytes.len().min(longest)]),
                        None => K::push_bytes(&mut text, b"(null)"),
                    }
                }
            }
            'e' | 'E' | 'f' | 'F' | 'g' | 'G' | 'a' | 'A' => kernel_violation(&format!(
                "the format has %{letter}, but the kernel does not format floating-point numbers"
            )),
            'n' => kernel_violation("the format has %n, which the kernel does not support"),
            other => {
                kernel_violation(&format!("the format has %{other}, which is not a conversion"))
            }
        }
        spec.pad::<K>(&mut out, &text);
    }
    out
}

/// Writes a text into a buffer, with a NUL if it fits. Returns its length, or -1 if it was truncated.
///
/// # Safety
///
/// The buffer has room for `count` units.
pub(super) unsafe fn write<U: Copy + Default>(buffer: *mut U, count: SIZE_T, text: &[U]) -> i32 {
    let room = fields::length(count);
    let written = text.len().min(room);
    // SAFETY: the caller passes a buffer of this size.
    unsafe { std::ptr::copy_nonoverlapping(text.as_ptr(), buffer, written) };
    if written < room {
        // SAFETY: there is room for another unit.
        unsafe { buffer.add(written).write(U::default()) };
    }
    if text.len() > room { -1 } else { i32::try_from(written).unwrap_or(-1) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn _vsnprintf(
    buffer: *mut u8,
    count: SIZE_T,
    text: *const u8,
    arguments: RawList,
) -> i32 {
    // SAFETY: the caller passes a format and its arguments.
    let text = unsafe { format::<Narrow>(text, &mut VaList::new(arguments)) };
    // SAFETY: the caller passes a buffer of this size.
    unsafe { write(buffer, count, &text) }
}

#[unsafe(no_mangle)]
unsafe extern "C" fn _vsnwprintf(
    buffer: *mut u16,
    count: SIZE_T,
    text: *const u16,
    arguments: RawList,
) -> i32 {
    // SAFETY: the caller passes a format and its arguments.
    let text = unsafe { format::<Wide>(text, &mut VaList::new(arguments)) };
    // SAFETY: the caller passes a buffer of this size.
    unsafe { write(buffer, count, &text) }
}
