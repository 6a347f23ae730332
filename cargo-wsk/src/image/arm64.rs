//! Code and unwind information of arm64.
//!
//! [Microsoft's page](https://learn.microsoft.com/cpp/build/arm64-exception-handling) describes the latter. It is read
//! here, since no maintained library does: `pe-unwind-info` has x64 only, `object` and `goblin` have no arm64.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};
use yaxpeax_arch::{Decoder as _, U8Reader};
use yaxpeax_arm::armv8::a64::{InstDecoder, Instruction, Opcode, Operand, SizeCode};

use super::{Flow, Frame, InstructionSet, Memory, Probe};

// A call keeps its return address in a register. The kernel is not known to leave any register unsaved.
pub(super) const PROCESSOR: InstructionSet =
    InstructionSet { flows, frames, unsaved: |_, _| None, return_address: 0 };

/// The known contents of a register.
#[derive(Clone, Copy)]
enum RegisterValue {
    Address(u32),
    /// The value in memory at an address.
    Memory(u32),
}

fn flows(code: &[u8], start: u32) -> Vec<Flow> {
    let decoder = InstDecoder::default();
    let mut flows = Vec::new();
    let mut registers = BTreeMap::new();
    let mut address = start;
    let mut probe = Probe::None;
    for word in code.chunks_exact(4) {
        // An invalid instruction is data between functions, or never runs.
        if let Ok(instruction) = decoder.decode(&mut U8Reader::new(word)) {
            flows.extend(match (flow(&instruction, address, &mut registers), probe) {
                (Some(Flow::PushUnknown), Probe::Called(size)) if subtracts_x15(&instruction) => {
                    Some(Flow::Push(size))
                }
                (flow, _) => flow,
            });
            probe = next_probe(probe, &instruction);
        }
        address += 4;
    }
    flows
}

/// The register with the size of a frame, which counts units of 16 bytes.
const SIZE: u16 = 15;

fn next_probe(probe: Probe, instruction: &Instruction) -> Probe {
    use Operand::{ImmShift, Register};

    match (probe, instruction.opcode, instruction.operands) {
        (_, Opcode::MOVZ, [Register(_, SIZE), ImmShift(units, shift), ..]) => {
            Probe::Size(u32::from(units) << shift << 4)
        }
        (Probe::Size(size), Opcode::BL, _) => Probe::Called(size),
        _ => Probe::None,
    }
}

fn subtracts_x15(instruction: &Instruction) -> bool {
    let [_, _, operand, _] = instruction.operands;
    matches!(operand, Operand::RegShift(_, 4, _, SIZE))
}

/// The register number of the stack pointer, in operands that may name it.
const SP: u16 = 31;

fn flow(
    instruction: &Instruction,
    address: u32,
    registers: &mut BTreeMap<u16, RegisterValue>,
) -> Option<Flow> {
    use Operand::{PCOffset, RegPreIndex, Register, RegisterOrSP};

    match (instruction.opcode, instruction.operands) {
        (Opcode::BL, [PCOffset(offset), ..]) => Some(Flow::Call(displaced(address, offset))),
        // In a conditional branch, the target may be the second or third operand.
        (
            Opcode::B | Opcode::Bcc(_) | Opcode::CBZ | Opcode::CBNZ | Opcode::TBZ | Opcode::TBNZ,
            operands,
        ) => operands.into_iter().find_map(|operand| match operand {
            PCOffset(offset) => Some(Flow::Jump(displaced(address, offset))),
            _ => None,
        }),
        (Opcode::BLR, [Register(_, to), ..]) => Some(match registers.get(&to) {
            Some(RegisterValue::Memory(slot)) => Flow::CallThrough(*slot),
            _ => Flow::CallPointer,
        }),
        (Opcode::BR, [Register(_, to), ..]) => Some(match registers.get(&to) {
            Some(RegisterValue::Memory(slot)) => Flow::JumpThrough(*slot),
            _ => Flow::JumpPointer,
        }),
        (Opcode::ADRP, [Register(_, to), PCOffset(offset), ..]) => {
            registers.insert(to, RegisterValue::Address(displaced(address & !0xFFF, offset)));
            None
        }
        (Opcode::ADR, [Register(_, to), PCOffset(offset), ..]) => {
            let value = displaced(address, offset);
            registers.insert(to, RegisterValue::Address(value));
            Some(Flow::Address(value))
        }
        (
            Opcode::ADD,
            [RegisterOrSP(SizeCode::X, to), RegisterOrSP(SizeCode::X, from), number, _],
        ) => {
            let Some(RegisterValue::Address(page)) = registers.get(&from).copied() else {
                return None;
            };
            let value = page.wrapping_add(immediate(number)?);
            registers.insert(to, RegisterValue::Address(value));
            Some(Flow::Address(value))
        }
        (Opcode::LDR, [Register(SizeCode::X, to), RegPreIndex(from, offset, false), ..]) => {
            let Some(RegisterValue::Address(page)) = registers.get(&from).copied() else {
                registers.remove(&to);
                return None;
            };
            registers.insert(to, RegisterValue::Memory(page.wrapping_add_signed(offset)));
            None
        }
        // Any other value is not a known address.
        (Opcode::LDR | Opcode::MOVZ, [Register(_, to), ..]) => {
            registers.remove(&to);
            None
        }
        (
            Opcode::SUB,
            [RegisterOrSP(SizeCode::X, SP), RegisterOrSP(SizeCode::X, SP), number, _],
        ) => Some(immediate(number).map_or(Flow::PushUnknown, Flow::Push)),
        // An instruction that moves the stack pointer down before it accesses memory.
        (_, operands) => operands.into_iter().find_map(|operand| match operand {
            RegPreIndex(SP, offset, true) if offset < 0 => Some(Flow::Push(offset.unsigned_abs())),
            _ => None,
        }),
    }
}

/// The value of an operand, if it is a number.
fn immediate(operand: Operand) -> Option<u32> {
    match operand {
        Operand::Immediate(number) => Some(number),
        Operand::ImmShift(number, shift) => Some(u32::from(number) << shift),
        _ => None,
    }
}

/// An address at a signed distance.
fn displaced(address: u32, offset: i64) -> u32 {
    // Both are within an image, which has less than 2 GiB.
    address.wrapping_add_signed(i32::try_from(offset).unwrap_or_default())
}

/// A field of a word.
const fn bits(word: u32, from: u32, count: u32) -> u32 {
    (word >> from) & ((1 << count) - 1)
}

/// Reads the function table: the start of each function, and the stack of its prologue, in the entry itself or in a
/// separate record.
fn frames(table: &[u8], memory: &Memory<'_>) -> Result<Vec<Frame>> {
    let mut frames = Vec::new();
    for entry in table.chunks_exact(8) {
        let number = |place: usize| {
            let bytes = entry.get(place..).and_then(|bytes| bytes.first_chunk());
            bytes.copied().map(u32::from_le_bytes).context("an entry is cut off")
        };
        let (start, unwind) = (number(0)?, number(4)?);
        let (length, size) = match bits(unwind, 0, 2) {
            0 => {
                let (length, codes) = codes(unwind, memory)?;
                (length, frame_size(&codes)?)
            }
            1 => (bits(unwind, 2, 11), bits(unwind, 23, 9) * 16),
            other => bail!("the function at {start:#x} has the flag {other}"),
        };
        frames.push(Frame { start, end: start + length * 4, size });
    }
    Ok(frames)
}

/// The length of a function, in instructions, and the codes of its prologue.
fn codes(unwind: u32, memory: &Memory<'_>) -> Result<(u32, Vec<u8>)> {
    let header = memory.u32(unwind)?;
    let length = bits(header, 0, 18);
    ensure!(bits(header, 18, 2) == 0, "the version is {}", bits(header, 18, 2));
    let has_one_epilogue = bits(header, 21, 1) == 1;
    let (mut epilogues, mut words) = (bits(header, 22, 5), bits(header, 27, 5));
    let mut place = unwind + 4;
    if epilogues == 0 && words == 0 {
        let more = memory.u32(place)?;
        (epilogues, words) = (bits(more, 0, 16), bits(more, 16, 8));
        place += 4;
    }
    if !has_one_epilogue {
        place += epilogues * 4;
    }
    let codes = memory.at(place)?.get(..usize::try_from(words * 4)?).context("it is cut off")?;
    Ok((length, codes.to_vec()))
}

/// The stack of the prologue in bytes, according to its unwind codes.
fn frame_size(codes: &[u8]) -> Result<u32> {
    let mut size = 0;
    let mut rest = codes.iter().copied().map(u32::from);
    while let Some(code) = rest.next() {
        let mut next = || rest.next().context("the codes are cut off");
        // A register that is saved before the stack pointer moves counts as part of that move.
        let pair = |code: u32| (bits(code, 0, 6) + 1) * 8;
        let single = |code: u32| (bits(code, 0, 5) + 1) * 8;
        size += match code {
            // Allocations, from small to large.
            0x00..=0x1F => bits(code, 0, 5) * 16,
            0x20..=0x3F => bits(code, 0, 5) * 8,
            0xC0..=0xC7 => (bits(code, 0, 3) << 8 | next()?) * 16,
            0xE0 => (next()? << 16 | next()? << 8 | next()?) * 16,
            // The frame pointer and the link register, with an allocation.
            0x80..=0xBF => pair(code),
            // Registers, in place.
            0xC8..=0xCB | 0xD0..=0xD3 | 0xD6 | 0xD7 | 0xD8 | 0xD9 | 0xDC | 0xDD => {
                next().map(|_| 0)?
            }
            // Registers, with an allocation.
            0xCC..=0xCF | 0xDA | 0xDB => pair(next()?),
            0xD4 | 0xD5 | 0xDE => single(next()?),
            // The frame pointer and the link register, in place; the frame pointer is set; the next registers; the
            // return address is signed.
            0x40..=0x7F | 0xE1 | 0xE3 | 0xE6 | 0xFC => 0,
            0xE2 => next().map(|_| 0)?,
            // The end.
            0xE4 => return Ok(size),
            other => bail!("the code {other:#x} is not understood"),
        };
    }
    bail!("the codes have no end")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_added_up() {
        // stp x29, x30, [sp, #-16]!; mov x29, sp; sub sp, sp, #0x120
        assert_eq!(frame_size(&[0x12, 0xE1, 0x81, 0xE4]).unwrap(), 0x120 + 16);
        // str x19, [sp, #-32]!; stp x29, x30, [sp, #16]
        assert_eq!(frame_size(&[0x42, 0xD4, 0x03, 0xE4]).unwrap(), 32);
        // sub sp, sp, #0x2010, in two sizes of allocation; stp x19, x20, [sp, #-0x40]!
        assert_eq!(frame_size(&[0xC2, 0x01, 0xCC, 0x07, 0xE4]).unwrap(), 0x2010 + 0x40);
        assert_eq!(frame_size(&[0xE0, 0x00, 0x02, 0x01, 0x28, 0xE4]).unwrap(), 0x2010 + 0x40);
    }

    #[test]
    fn unknown_unwind_codes_are_an_error() {
        assert!(frame_size(&[0xE1]).is_err());
        assert!(frame_size(&[0xE7, 0, 0, 0xE4]).is_err());
        assert!(frame_size(&[0xC2]).is_err());
    }

    #[test]
    fn calls_jumps_and_stack_changes_are_found() {
        let words: [u32; 17] = [
            0xA9BF_7BFD, // stp x29, x30, [sp, #-16]!
            0xF81E_0FF3, // str x19, [sp, #-32]!
            0xD104_83FF, // sub sp, sp, #0x120
            0x6DBD_23E9, // stp d9, d8, [sp, #-48]!
            0xADBE_07E0, // stp q0, q1, [sp, #-64]!
            0xCB2F_73FF, // sub sp, sp, x15, lsl #4
            0xA801_7BFD, // stp x29, x30, [sp], #16
            0x9400_03F9, // bl 0x2000
            0x9000_0008, // adrp x8, 0x1000
            0xF940_0908, // ldr x8, [x8, #16]
            0xD63F_0100, // blr x8
            0xB000_0009, // adrp x9, 0x2000
            0x9100_4120, // add x0, x9, #16
            0xB4FF_FF60, // cbz x0, 0x1020
            0xD63F_0140, // blr x10
            0x1400_03F1, // b 0x2000
            0xD61F_0160, // br x11
        ];
        let code: Vec<u8> = words.into_iter().flat_map(u32::to_le_bytes).collect();
        let expected = [
            Flow::Push(16),
            Flow::Push(32),
            Flow::Push(0x120),
            Flow::Push(48),
            Flow::Push(64),
            Flow::PushUnknown,
            Flow::Call(0x2000),
            Flow::CallThrough(0x1010),
            Flow::Address(0x2010),
            Flow::Jump(0x1020),
            Flow::CallPointer,
            Flow::Jump(0x2000),
            Flow::JumpPointer,
        ];
        assert_eq!(flows(&code, 0x1000), expected);
    }

    #[test]
    fn an_overwritten_address_is_not_taken() {
        let of = |words: &[u32]| {
            let code: Vec<u8> = words.iter().copied().flat_map(u32::to_le_bytes).collect();
            flows(&code, 0x1000)
        };
        // adrp x9, 0x2000; add x0, x9, #16
        let [page, add] = [0xB000_0009, 0x9100_4120];
        assert_eq!(of(&[page, add]), [Flow::Address(0x2010)]);
        // ldr x9, [x10, #16]; ldr w9, [x10, #16]; mov w9, #224
        for overwrites in [0xF940_0949, 0xB940_1149, 0x5280_1C09] {
            assert_eq!(of(&[page, overwrites, add]), [], "{overwrites:#x}");
        }
    }

    #[test]
    fn the_size_of_a_large_frame_is_that_of_its_probe() {
        let of = |words: &[u32]| {
            let code: Vec<u8> = words.iter().copied().flat_map(u32::to_le_bytes).collect();
            flows(&code, 0x1000)
        };
        // mov x15, #0x123; bl 0x2000; sub sp, sp, x15, lsl #4
        let [size, call, subtract] = [0xD280_246F, 0x9400_03FF, 0xCB2F_73FF];
        assert_eq!(of(&[size, call, subtract]), [Flow::Call(0x2000), Flow::Push(0x1230)]);
        assert_eq!(of(&[size, subtract]), [Flow::PushUnknown]);
        assert_eq!(of(&[call, subtract])[1], Flow::PushUnknown);
        let of_another_register = 0xCB2E_73FF; // sub sp, sp, x14, lsl #4
        assert_eq!(of(&[size, call, of_another_register])[1], Flow::PushUnknown);
        let changed = 0xD280_000F; // mov x15, #0
        assert_eq!(of(&[size, call, changed, subtract])[1], Flow::PushUnknown);
    }
}
