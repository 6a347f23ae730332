//! The frames of images, for the unwinder of this process: a backtrace in a report names the driver's functions.
//!
//! An image has a table of its functions, with the effects of each prologue on the stack. They are translated to
//! DWARF's call frame information, which the unwinder reads.
//!
//! # Safety
//!
//! The unwinder reads the translated table until it is deregistered.

#![expect(unsafe_code, reason = "the unwinder is the C library's")]

use std::ffi::c_void;
use std::ops::Range;

use wsk_host::images;

use crate::image::Image;

unsafe extern "C" {
    fn __register_frame(table: *const c_void);
    fn __deregister_frame(table: *const c_void);
}

/// A table that is registered with the unwinder.
///
/// # Invariants
///
/// The table ends with a zero length, and is registered until this is dropped.
pub(crate) struct RegisteredTable(Box<[u8]>);

impl RegisteredTable {
    fn new(mut table: Vec<u8>) -> Self {
        table.extend([0; 4]);
        let table = table.into_boxed_slice();
        // SAFETY: the table is complete, and stays until it is deregistered.
        unsafe { __register_frame(table.as_ptr().cast()) };
        Self(table)
    }
}

impl Drop for RegisteredTable {
    fn drop(&mut self) {
        // SAFETY: the table was registered (Invariants).
        unsafe { __deregister_frame(self.0.as_ptr().cast()) };
    }
}

/// Registers the frames of an image that is mapped at `start`.
pub(crate) fn register(image: &Image, start: usize) -> RegisteredTable {
    static ENTRY_POINTS: std::sync::OnceLock<RegisteredTable> = std::sync::OnceLock::new();
    ENTRY_POINTS.get_or_init(|| RegisteredTable::new(of_entry_points()));
    RegisteredTable::new(of_image(&image.bytes, &image.functions, start))
}

/// The maximum number of functions and of steps of their prologues that are translated. The largest drivers have a tenth of
/// it. A table may claim far more: functions may share their steps.
const MOST_STEPS: usize = 1 << 20;

/// Translates the function table of an image that is mapped at `start`. A backtrace ends in functions beyond
/// [`MOST_STEPS`].
fn of_image(bytes: &[u8], functions: &Range<usize>, start: usize) -> Vec<u8> {
    let mut functions: Vec<(usize, usize, usize)> = bytes[functions.clone()]
        .chunks_exact(ENTRY)
        .map(|function| (word(function, 0), word(function, 4), word(function, 8)))
        .filter(|(begin, end, _)| begin < end && *end <= bytes.len())
        .collect();
    functions.sort_unstable();
    let mut table = Vec::new();
    let cie = append_common(&mut table);
    let (mut covered, mut steps) = (0, 0);
    for (begin, end, info) in functions {
        if begin < covered {
            continue;
        }
        let mut rules = UnwindRules::default();
        let is_read = rules.read(bytes, info, 0).is_some();
        steps += 1 + rules.steps;
        if steps > MOST_STEPS {
            let rest = covered..bytes.len();
            append_end(&mut table, cie, start + rest.start, rest.len());
            return table;
        }
        if is_read {
            append_leaf(&mut table, cie, start, covered..begin);
            append_function(&mut table, cie, start + begin, end - begin, &rules.code);
            covered = end;
        }
    }
    append_leaf(&mut table, cie, start, covered..bytes.len());
    table
}

/// Each address of a part ends a backtrace.
fn append_end(table: &mut Vec<u8>, cie: usize, begin: usize, size: usize) {
    append_function(table, cie, begin, size, &[UNDEFINED, RETURN_ADDRESS]);
}

/// Functions without an entry in the image's table change neither callee-saved registers nor the stack pointer.
fn append_leaf(table: &mut Vec<u8>, cie: usize, start: usize, part: Range<usize>) {
    if !part.is_empty() {
        append_function(table, cie, start + part.start, part.len(), &[]);
    }
}

/// Registers each address of an unloaded image as the end of a backtrace, permanently. At an address without frames,
/// the unwinder would read the code, which no longer exists.
pub(crate) fn register_unloaded(range: &Range<usize>) {
    let mut table = Vec::new();
    let cie = append_common(&mut table);
    append_end(&mut table, cie, range.start, range.len());
    std::mem::forget(RegisteredTable::new(table));
}

/// The size of an entry of an image's table.
const ENTRY: usize = 12;

/// The DWARF numbers of registers, indexed by their numbers in Microsoft's unwind codes.
const NUMBERS: [u8; 16] = [0, 2, 1, 3, 7, 6, 4, 5, 8, 9, 10, 11, 12, 13, 14, 15];
const RSP: u8 = 7;
const RETURN_ADDRESS: u8 = 16;

const ADVANCE: u8 = 0x04;
const DEFINE_CFA: u8 = 0x0C;
const DEFINE_CFA_OFFSET: u8 = 0x0E;
const OFFSET: u8 = 0x80;
const OFFSET_EXTENDED: u8 = 0x05;
const UNDEFINED: u8 = 0x07;

/// A 32-bit number in a slice, which must contain it.
fn word(bytes: &[u8], at: usize) -> usize {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[at..at + 4]);
    usize::try_from(u32::from_le_bytes(word)).unwrap_or(usize::MAX)
}

fn append_number(code: &mut Vec<u8>, mut number: usize) {
    loop {
        let low = u8::try_from(number & 0x7F).unwrap_or(0);
        number >>= 7;
        if number == 0 {
            code.push(low);
            return;
        }
        code.push(low | 0x80);
    }
}

/// Appends the part common to all functions: on entry, the return address is at the top of the stack. Returns
/// its offset.
fn append_common(table: &mut Vec<u8>) -> usize {
    let at = table.len();
    // Version 1, no augmentation; code in units of 1, data in units of -8.
    let mut body = vec![0, 0, 0, 0, 1, 0, 1, 0x78, RETURN_ADDRESS];
    body.extend([DEFINE_CFA, RSP, 8, OFFSET | RETURN_ADDRESS, 1]);
    append_record(table, body);
    at
}

fn append_record(table: &mut Vec<u8>, mut body: Vec<u8>) {
    body.resize((body.len() + 4).next_multiple_of(8) - 4, 0);
    table.extend(u32::try_from(body.len()).unwrap_or(0).to_le_bytes());
    table.extend(body);
}

fn append_function(table: &mut Vec<u8>, cie: usize, begin: usize, size: usize, code: &[u8]) {
    let distance = u32::try_from(table.len() + 4 - cie).unwrap_or(0);
    let mut body = distance.to_le_bytes().to_vec();
    body.extend((begin as u64).to_le_bytes());
    body.extend((size as u64).to_le_bytes());
    body.extend(code);
    append_record(table, body);
}

/// The frames of the functions that images call, which all begin with the same instructions.
fn of_entry_points() -> Vec<u8> {
    let mut rules = UnwindRules::default();
    // push rbp; mov rbp, rsp; push rdi; push rsi
    rules.push(1, 5);
    rules.set_frame(4, 5, 0);
    rules.push(5, 7);
    rules.push(6, 6);
    let mut table = Vec::new();
    let cie = append_common(&mut table);
    for pair in images::entry_points().windows(2) {
        append_function(&mut table, cie, pair[0], pair[1] - pair[0], &rules.code);
    }
    table
}

/// The unwind rules of a function, updated as its prologue changes the stack.
#[derive(Default)]
struct UnwindRules {
    code: Vec<u8>,
    /// The offset in the prologue that the rules have reached.
    at: usize,
    /// The bytes that the prologue has pushed or allocated.
    depth: usize,
    has_frame: bool,
    /// The number of steps that were read, those of chained parts included.
    steps: usize,
}

/// The maximum number of chained parts of one function.
const LONGEST_CHAIN: usize = 32;

impl UnwindRules {
    fn advance(&mut self, to: usize) {
        if to > self.at {
            // DW_CFA_advance_loc4.
            self.code.push(ADVANCE);
            self.code.extend(u32::try_from(to - self.at).unwrap_or(0).to_le_bytes());
            self.at = to;
        }
    }

    fn allocate(&mut self, at: usize, bytes: usize) {
        self.advance(at);
        self.depth += bytes;
        if !self.has_frame {
            self.code.push(DEFINE_CFA_OFFSET);
            append_number(&mut self.code, self.depth + 8);
        }
    }

    fn push(&mut self, at: usize, register: u8) {
        self.allocate(at, 8);
        self.save(register, self.depth + 8);
    }

    /// A register was saved at a distance below the frame.
    fn save(&mut self, register: u8, distance: usize) {
        self.code.extend([OFFSET_EXTENDED, NUMBERS[usize::from(register & 15)]]);
        append_number(&mut self.code, distance / 8);
    }

    fn set_frame(&mut self, at: usize, register: u8, offset: usize) {
        self.advance(at);
        self.has_frame = true;
        self.code.extend([DEFINE_CFA, NUMBERS[usize::from(register & 15)]]);
        append_number(&mut self.code, (self.depth + 8).saturating_sub(offset));
    }

    /// Reads the unwind information at an offset. Returns `None` if it is damaged, or of an unknown kind.
    fn read(&mut self, bytes: &[u8], info: usize, length: usize) -> Option<()> {
        const CHAINED: u8 = 4;
        let header = bytes.get(info..info.checked_add(4)?)?;
        let (version, flags) = (header[0] & 7, header[0] >> 3);
        if !matches!(version, 1 | 2) {
            return None;
        }
        let count = usize::from(header[2]);
        self.steps += count;
        let codes = info + 4;
        let end = codes + count * 2;
        let slots: Vec<[u8; 2]> =
            bytes.get(codes..end)?.chunks_exact(2).map(|slot| [slot[0], slot[1]]).collect();
        let is_chained = flags & CHAINED != 0;
        if is_chained {
            let next = codes + count.next_multiple_of(2) * 2;
            let function = bytes.get(next..next + ENTRY)?;
            if length == LONGEST_CHAIN {
                return None;
            }
            self.read(bytes, word(function, 8), length + 1)?;
        }
        let mut operations = operations(&slots)?;
        operations.reverse();
        let of = |at: u8| if length == 0 { usize::from(at) } else { 0 };
        // Registers are saved relative to the stack pointer after the prologue.
        let total = self.depth
            + operations.iter().map(|operation| operation.what.allocated()).sum::<usize>();
        for UnwindStep { at, what } in operations {
            match what {
                UnwindOperation::Push(register) => self.push(of(at), register),
                UnwindOperation::Allocate(bytes) => self.allocate(of(at), bytes),
                UnwindOperation::SetFrame => {
                    let (register, offset) = (header[3] & 15, usize::from(header[3] >> 4) * 16);
                    self.set_frame(of(at), register, offset);
                }
                UnwindOperation::Save(register, offset) => {
                    self.advance(of(at));
                    self.save(register, (total + 8).checked_sub(offset)?);
                }
                UnwindOperation::Nothing => {}
            }
        }
        Some(())
    }
}

/// A step of a prologue, whose instruction ends at an offset.
struct UnwindStep {
    at: u8,
    what: UnwindOperation,
}

enum UnwindOperation {
    Push(u8),
    Allocate(usize),
    SetFrame,
    Save(u8, usize),
    /// An operation that a backtrace does not need.
    Nothing,
}

impl UnwindOperation {
    fn allocated(&self) -> usize {
        match self {
            Self::Push(_) => 8,
            Self::Allocate(bytes) => *bytes,
            _ => 0,
        }
    }
}

/// The operations of unwind codes, in their order. Returns `None` if one is of an unknown kind.
fn operations(slots: &[[u8; 2]]) -> Option<Vec<UnwindStep>> {
    let number = |at: usize| slots.get(at).map(|slot| usize::from(u16::from_le_bytes(*slot)));
    let large = |at: usize| Some(number(at)? | number(at + 1)? << 16);
    let mut found = Vec::new();
    let mut next = 0;
    while let Some([at, code]) = slots.get(next).copied() {
        let info = code >> 4;
        let (what, used) = match code & 15 {
            0 => (UnwindOperation::Push(info), 1),
            1 if info == 0 => (UnwindOperation::Allocate(number(next + 1)? * 8), 2),
            1 => (UnwindOperation::Allocate(large(next + 1)?), 3),
            2 => (UnwindOperation::Allocate(usize::from(info) * 8 + 8), 1),
            3 => (UnwindOperation::SetFrame, 1),
            4 => (UnwindOperation::Save(info, number(next + 1)? * 8), 2),
            5 => (UnwindOperation::Save(info, large(next + 1)?), 3),
            6 | 8 => (UnwindOperation::Nothing, 2),
            9 => (UnwindOperation::Nothing, 3),
            _ => return None,
        };
        found.push(UnwindStep { at, what });
        next += used;
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An image of functions of one byte each, which share their unwind information, and its function table.
    fn image(functions: u32, information: &[u8]) -> (Vec<u8>, Range<usize>) {
        let code = usize::try_from(functions).unwrap();
        let shared = functions.to_le_bytes();
        let mut bytes = vec![0xCC; code];
        bytes.extend(information);
        let start = bytes.len();
        for function in 0..functions {
            bytes.extend([function.to_le_bytes(), (function + 1).to_le_bytes(), shared].concat());
        }
        let table = start..bytes.len();
        (bytes, table)
    }

    /// Unwind information with 255 steps, each of which pushes a register.
    fn pushes(flags: u8) -> Vec<u8> {
        let mut information = vec![1 | flags << 3, 255, 255, 0];
        information.extend((0..255).rev().flat_map(|at| [at, 0x30]));
        information.extend([0; 2]);
        information
    }

    #[test]
    fn a_function_table_is_translated_up_to_a_limit() {
        /// The maximum number of bytes for a step, with the part of its function's record.
        const STEP: usize = 16;
        let small = image(100, &pushes(0));
        assert!(of_image(&small.0, &small.1, 0x10000).len() > 100 * 255);
        // Half a gigabyte of rules without the limit.
        let large = image(200_000, &pushes(0));
        let table = of_image(&large.0, &large.1, 0x10000);
        assert!(table.len() < MOST_STEPS * STEP, "{} bytes", table.len());
        // The rest ends a backtrace.
        let end = [UNDEFINED, RETURN_ADDRESS];
        assert!(table[table.len() - 16..].windows(2).any(|code| code == end));
    }

    #[test]
    fn damaged_functions_count_for_the_limit() {
        const CHAINED: u8 = 4;
        // A chain to itself is read 32 times, and has no rules.
        let mut information = pushes(CHAINED);
        information.extend([0_u32, 1, 200_000].map(u32::to_le_bytes).concat());
        let (bytes, functions) = image(200_000, &information);
        let table = of_image(&bytes, &functions, 0x10000);
        let end = [UNDEFINED, RETURN_ADDRESS];
        assert!(table[table.len() - 16..].windows(2).any(|code| code == end));
    }
}
