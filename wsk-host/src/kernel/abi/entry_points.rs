//! Entry points for images: functions in Microsoft's x64 convention that call a function of the host.
//!
//! The code of an entry point is made from the kinds of its function's arguments. It keeps the registers that only
//! Microsoft's convention preserves (`rdi`, `rsi`, `xmm6` to `xmm15`), moves each argument to its register or its place on
//! the stack, and extends small integers.
//!
//! # Safety
//!
//! Code is written to pages while they are writable, and run when they are not.

#![expect(unsafe_code, reason = "entry points are functions that the compiler does not know")]

use std::collections::HashMap;
use std::sync::OnceLock;

use super::argument::{Argument, ArgumentKind};
use super::export::{EXPORTS, ExportTarget, HostFunction};
use super::images;
use crate::verifier::kernel_violation;

/// Functions that tables of the host refer to, which an image calls through a pointer.
#[linkme::distributed_slice]
pub(crate) static TABLE_FUNCTIONS: [fn(&mut Vec<HostFunction>)];

/// A function pointer of the host, with the kinds of its arguments.
pub(crate) trait HostRoutine: Copy {
    fn host_function(self) -> HostFunction;
}

macro_rules! host_routines {
    ($($argument:ident)*) => {
        impl<Output, $($argument: Argument),*> HostRoutine
            for unsafe extern "C" fn($($argument),*) -> Output
        {
            fn host_function(self) -> HostFunction {
                HostFunction { address: self as *const (), arguments: &[$($argument::KIND),*] }
            }
        }
    };
}

host_routines!(A);
host_routines!(A B);
host_routines!(A B C);
host_routines!(A B C D);
host_routines!(A B C D E);
host_routines!(A B C D E F);
host_routines!(A B C D E F G);
host_routines!(A B C D E F G H);
host_routines!(A B C D E F G H I);
host_routines!(A B C D E F G H I J);
host_routines!(A B C D E F G H I J K);
host_routines!(A B C D E F G H I J K L);

/// All entry points.
///
/// # Invariants
///
/// Each address in `by_function` is an entry point for the function.
struct EntryPoints {
    by_function: HashMap<usize, usize>,
    /// The beginnings of all entry points, in ascending order, and the end of the last.
    starts: Vec<usize>,
}

static ENTRY_POINTS: OnceLock<EntryPoints> = OnceLock::new();

fn entry_points() -> &'static EntryPoints {
    ENTRY_POINTS.get_or_init(EntryPoints::new)
}

/// The address where an image calls a function of the host.
pub(crate) fn of(function: HostFunction) -> usize {
    let address = function.address.expose_provenance();
    entry_points().by_function.get(&address).copied().unwrap_or_else(|| {
        kernel_violation("wsk-host: a function that an image may call is in no table of functions")
    })
}

/// The pointer with which an image calls a function of the host.
pub(crate) fn pointer<F: HostRoutine>(function: F) -> F {
    let entry_point = of(function.host_function());
    const { assert!(size_of::<F>() == size_of::<usize>()) };
    // SAFETY: the type is a function pointer's (`HostRoutine`), and an entry point is a function. Its convention is not
    // the type's: the host calls it by `Routine::invoke` only, and an image in its own convention.
    unsafe { std::mem::transmute_copy(&entry_point) }
}

/// The beginnings of all entry points, in ascending order, and the end of the last.
pub(crate) fn starts() -> &'static [usize] {
    &entry_points().starts
}

impl EntryPoints {
    fn new() -> Self {
        let mut functions = Vec::new();
        for export in EXPORTS {
            if let ExportTarget::Function(function) = export.target {
                functions.push(function);
            }
        }
        for add in TABLE_FUNCTIONS {
            add(&mut functions);
        }
        let mut code = Vec::new();
        let mut offsets = HashMap::new();
        for function in functions {
            offsets.entry(function.address.expose_provenance()).or_insert_with(|| {
                let offset = code.len();
                assemble(&mut code, function);
                code.resize(code.len().next_multiple_of(ALIGNMENT), INT3);
                offset
            });
        }
        let start = executable(&code);
        let by_function: HashMap<usize, usize> =
            offsets.into_iter().map(|(function, offset)| (function, start + offset)).collect();
        let mut starts: Vec<usize> = by_function.values().copied().collect();
        starts.push(start + code.len());
        starts.sort_unstable();
        Self { by_function, starts }
    }
}

/// The alignment of an entry point, and what fills the bytes between two.
const ALIGNMENT: usize = 16;
const INT3: u8 = 0xCC;

/// The bytes of `xmm6` to `xmm15`, which an entry point keeps below `rdi` and `rsi`.
const SAVED: i32 = 160;

/// The offset from `rbp` of the fifth argument: above `rbp`, the return address and the caller's 32 bytes.
const FIFTH: i32 = 48;

/// Appends the code of an entry point.
fn assemble(code: &mut Vec<u8>, function: HostFunction) {
    let arguments = function.arguments;
    let on_stack = i32::try_from(arguments.len().saturating_sub(6)).unwrap_or(i32::MAX);
    let room = SAVED + (8 * on_stack + 15) / 16 * 16;
    // push rbp; mov rbp, rsp; push rdi; push rsi
    code.extend([0x55, 0x48, 0x89, 0xE5, 0x57, 0x56]);
    // sub rsp, room
    code.extend([0x48, 0x81, 0xEC]);
    code.extend(room.to_le_bytes());
    for register in 6..16 {
        move_xmm(code, 0x29, register);
    }
    // Of the moves between registers, each reads one that no earlier move has written.
    for (number, kind) in arguments.iter().enumerate() {
        let source = match number {
            0 => ArgumentSource::Register(1),
            1 => ArgumentSource::Register(2),
            2 => ArgumentSource::Register(8),
            3 => ArgumentSource::Register(9),
            _ => ArgumentSource::Frame(FIFTH + 8 * (i32::try_from(number).unwrap_or(0) - 4)),
        };
        if let Some(register) = [7, 6, 2, 1, 8, 9].get(number) {
            load(code, *kind, *register, source);
        } else {
            load(code, *kind, 0, source);
            // mov [rsp + offset], rax
            code.extend([0x48, 0x89, 0x84, 0x24]);
            code.extend((8 * (i32::try_from(number).unwrap_or(0) - 6)).to_le_bytes());
        }
    }
    // mov rax, function; call rax
    code.extend([0x48, 0xB8]);
    code.extend((function.address.expose_provenance() as u64).to_le_bytes());
    code.extend([0xFF, 0xD0]);
    for register in 6..16 {
        move_xmm(code, 0x28, register);
    }
    // lea rsp, [rbp - 16]; pop rsi; pop rdi; pop rbp; ret
    code.extend([0x48, 0x8D, 0x65, 0xF0, 0x5E, 0x5F, 0x5D, 0xC3]);
}

/// Appends `movaps` between `xmm6` to `xmm15` and its place below `rbp`: 0x29 stores, 0x28 loads.
fn move_xmm(code: &mut Vec<u8>, opcode: u8, register: u8) {
    if register >= 8 {
        code.push(0x44);
    }
    // [rbp + disp32]
    code.extend([0x0F, opcode, 0x85 | (register & 7) << 3]);
    let offset = -16 - SAVED + 16 * (i32::from(register) - 6);
    code.extend(offset.to_le_bytes());
}

/// The source of an argument: a register by its number, or a place above `rbp`.
#[derive(Clone, Copy)]
enum ArgumentSource {
    Register(u8),
    Frame(i32),
}

/// Appends a move of an argument to a register, extended as its kind requires.
fn load(code: &mut Vec<u8>, kind: ArgumentKind, target: u8, source: ArgumentSource) {
    const WIDE: u8 = 8;
    let (wide, opcode): (u8, &[u8]) = match kind {
        ArgumentKind::Signed8 => (0, &[0x0F, 0xBE]),
        ArgumentKind::Unsigned8 => (0, &[0x0F, 0xB6]),
        ArgumentKind::Signed16 => (0, &[0x0F, 0xBF]),
        ArgumentKind::Unsigned16 => (0, &[0x0F, 0xB7]),
        ArgumentKind::Bits32 => (0, &[0x8B]),
        ArgumentKind::Bits64 => (WIDE, &[0x8B]),
    };
    let from = match source {
        ArgumentSource::Register(register) => register,
        ArgumentSource::Frame(_) => 5,
    };
    // Always with a REX prefix, so that a byte register is the lowest byte of its register.
    code.push(0x40 | wide | (target >> 3) << 2 | from >> 3);
    code.extend(opcode);
    let mode = if matches!(source, ArgumentSource::Register(_)) { 0xC0 } else { 0x80 };
    code.push(mode | (target & 7) << 3 | from & 7);
    if let ArgumentSource::Frame(offset) = source {
        code.extend(offset.to_le_bytes());
    }
}

/// Copies code to separate pages, which are executable and never freed. Returns their address.
fn executable(code: &[u8]) -> usize {
    let refused =
        || -> ! { kernel_violation("the system has no memory for the functions that images call") };
    let Some(mut pages) = images::place(code.len()) else { refused() };
    let executable = libc::PROT_READ | libc::PROT_EXEC;
    if pages.write(0, code).and_then(|()| pages.protect(0..code.len(), executable)).is_err() {
        refused();
    }
    std::mem::ManuallyDrop::new(pages).range().start
}

#[cfg(test)]
mod tests {
    use super::*;

    type Eight = unsafe extern "C" fn(u8, i8, u16, i16, u32, i64, u8, i16) -> i64;

    #[expect(clippy::many_single_char_names, reason = "the arguments are digits")]
    unsafe extern "C" fn digits(
        a: u8,
        b: i8,
        c: u16,
        d: i16,
        e: u32,
        f: i64,
        g: u8,
        h: i16,
    ) -> i64 {
        [i64::from(a), b.into(), c.into(), d.into(), e.into(), f, g.into(), h.into()]
            .iter()
            .fold(0, |sum, digit| sum * 10 + digit)
    }

    fn entry_point(function: HostFunction) -> usize {
        let mut code = Vec::new();
        assemble(&mut code, function);
        executable(&code)
    }

    #[test]
    fn arguments_arrive_extended_whatever_the_upper_bits_of_their_registers_are() {
        const UPPER: u64 = 0xDEAD_BEEF_CAFE_0000;
        let digits: Eight = digits;
        let address = entry_point(digits.host_function());
        // SAFETY: an entry point is a function in this convention; each argument is given as a whole register.
        let call = unsafe {
            std::mem::transmute::<
                usize,
                unsafe extern "win64" fn(u64, u64, u64, u64, u64, u64, u64, u64) -> i64,
            >(address)
        };
        // SAFETY: the function only calculates.
        let result = unsafe {
            call(
                UPPER | 0x7701,
                UPPER | 0x77FE,
                UPPER | 3,
                UPPER | 0xFFFC,
                0xDEAD_BEEF_0000_0005,
                6,
                UPPER | 0x7707,
                UPPER | 0xFFF8,
            )
        };
        assert_eq!(
            result,
            [1, -2, 3, -4, 5, 6, 7, -8].iter().fold(0, |sum, digit| sum * 10 + digit)
        );
    }

    unsafe extern "C" fn clobbers(argument: u64) -> u64 {
        // SAFETY: all registers that this convention does not preserve are declared.
        unsafe {
            std::arch::asm!(
                "xorps xmm6, xmm6", "xorps xmm7, xmm7", "xorps xmm15, xmm15",
                "xor edi, edi", "xor esi, esi",
                out("xmm6") _, out("xmm7") _, out("xmm15") _, out("rdi") _, out("rsi") _,
            );
        }
        argument + 1
    }

    #[test]
    fn registers_of_microsofts_convention_survive_a_call() {
        let function: unsafe extern "C" fn(u64) -> u64 = clobbers;
        let address = entry_point(function.host_function());
        let (rdi, rsi, xmm6, xmm15, result): (u64, u64, u64, u64, u64);
        // SAFETY: the call follows Microsoft's convention, with 32 bytes for its function.
        unsafe {
            std::arch::asm!(
                "mov r12, rsp", "and rsp, -16", "sub rsp, 32",
                "movq xmm6, {value}", "movq xmm15, {value}", "mov rdi, {value}", "mov rsi, {value}",
                "call rax",
                "mov rsp, r12",
                "movq r12, xmm6", "movq r13, xmm15",
                value = in(reg) 0x0123_4567_89AB_CDEF_u64,
                inout("rax") address => result,
                inout("rcx") 41_u64 => _,
                out("r12") xmm6, out("r13") xmm15,
                out("rdi") rdi, out("rsi") rsi,
                out("rdx") _, out("r8") _, out("r9") _, out("r10") _, out("r11") _,
                out("xmm0") _, out("xmm1") _, out("xmm2") _, out("xmm3") _, out("xmm4") _,
                out("xmm5") _, out("xmm6") _, out("xmm15") _,
            );
        }
        assert_eq!((result, rdi, rsi, xmm6, xmm15), {
            let value = 0x0123_4567_89AB_CDEF;
            (42, value, value, value, value)
        });
    }
}
