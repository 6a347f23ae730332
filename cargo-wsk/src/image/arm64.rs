//! Code and unwind information of arm64.
//!
//! [Microsoft's page](https://learn.microsoft.com/cpp/build/arm64-exception-handling) describes the latter.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail, ensure};

use super::{Flow, Frame, Memory, Processor};

// A call keeps its return address in a register.
pub(super) const PROCESSOR: Processor = Processor { flows, frames, return_address: 0 };

/// What is known of a register.
#[derive(Clone, Copy)]
enum Value {
    Address(u32),
    /// What is in memory at an address.
    Memory(u32),
}

fn flows(code: &[u8], start: u32) -> Vec<Flow> {
    let mut flows = Vec::new();
    let mut registers = BTreeMap::new();
    let mut address = start;
    for instruction in code.chunks_exact(4) {
        let [a, b, c, d] = [instruction[0], instruction[1], instruction[2], instruction[3]];
        let word = u32::from_le_bytes([a, b, c, d]);
        flows.extend(flow(word, address, &mut registers));
        address += 4;
    }
    flows
}

/// A field of an instruction.
const fn bits(word: u32, from: u32, count: u32) -> u32 {
    (word >> from) & ((1 << count) - 1)
}

/// An address so many units of four bytes away, in a signed field.
const fn displaced(address: u32, word: u32, from: u32, count: u32) -> u32 {
    let field = bits(word, from, count) << (32 - count);
    let units = field.cast_signed() >> (32 - count);
    address.wrapping_add_signed(units * 4)
}

fn flow(word: u32, address: u32, registers: &mut BTreeMap<u32, Value>) -> Option<Flow> {
    const SP: u32 = 31;
    let (destination, source) = (bits(word, 0, 5), bits(word, 5, 5));
    // B, BL
    if word & 0x7C00_0000 == 0x1400_0000 {
        let target = displaced(address, word, 0, 26);
        return Some(if word >> 31 == 1 { Flow::Call(target) } else { Flow::Jump(target) });
    }
    // B.cond, CBZ and CBNZ
    if word & 0xFF00_0000 == 0x5400_0000 || word & 0x7E00_0000 == 0x3400_0000 {
        return Some(Flow::Jump(displaced(address, word, 5, 19)));
    }
    // TBZ and TBNZ
    if word & 0x7E00_0000 == 0x3600_0000 {
        return Some(Flow::Jump(displaced(address, word, 5, 14)));
    }
    // BR, BLR
    if word & 0xFFDF_FC1F == 0xD61F_0000 {
        let known = registers.get(&source);
        return Some(match (word & 0x0020_0000 != 0, known) {
            (true, Some(Value::Memory(slot))) => Flow::CallThrough(*slot),
            (true, _) => Flow::CallPointer,
            (false, Some(Value::Memory(slot))) => Flow::JumpThrough(*slot),
            (false, _) => Flow::JumpPointer,
        });
    }
    // ADRP, ADR
    if word & 0x1F00_0000 == 0x1000_0000 {
        let field = (bits(word, 5, 19) << 2 | bits(word, 29, 2)) << 11;
        let offset = field.cast_signed() >> 11;
        let is_page = word >> 31 == 1;
        let value = if is_page {
            (address & !0xFFF).wrapping_add_signed(offset << 12)
        } else {
            address.wrapping_add_signed(offset)
        };
        registers.insert(destination, Value::Address(value));
        return (!is_page).then_some(Flow::Address(value));
    }
    // ADD of a number
    if word & 0xFF80_0000 == 0x9100_0000
        && let Some(Value::Address(page)) = registers.get(&source).copied()
    {
        let number = bits(word, 10, 12) << (12 * bits(word, 22, 1));
        let value = page.wrapping_add(number);
        registers.insert(destination, Value::Address(value));
        return Some(Flow::Address(value));
    }
    // LDR of eight bytes, with an offset
    if word & 0xFFC0_0000 == 0xF940_0000
        && let Some(Value::Address(page)) = registers.get(&source).copied()
    {
        let slot = page.wrapping_add(bits(word, 10, 12) * 8);
        registers.insert(destination, Value::Memory(slot));
        return None;
    }
    if destination == SP && source == SP {
        // SUB of a number from the stack pointer, and of a register
        if word & 0xFF80_0000 == 0xD100_0000 {
            return Some(Flow::Push(bits(word, 10, 12) << (12 * bits(word, 22, 1))));
        }
        if word & 0xFFE0_0000 == 0xCB20_0000 {
            return Some(Flow::PushUnknown);
        }
    }
    // Stores that move the stack pointer first: of a pair of registers of four, eight or sixteen bytes, and of one.
    if source == SP && word & 0x3BC0_0000 == 0x2980_0000 {
        let scale = if word & 0x0400_0000 == 0 { 2 + (word >> 31) } else { 2 + (word >> 30) };
        return down(bits(word, 15, 7) << 25, 25 - scale);
    }
    if source == SP && word & 0x3B20_0C00 == 0x3800_0C00 {
        return down(bits(word, 12, 9) << 23, 23);
    }
    None
}

/// What a signed offset in the highest bits takes, if it goes down.
fn down(offset: u32, shift: u32) -> Option<Flow> {
    let offset = offset.cast_signed() >> shift;
    (offset < 0).then(|| Flow::Push(offset.unsigned_abs()))
}

/// Reads the table: where a function begins, and how much its prologue takes, there or elsewhere.
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

/// How much the prologue takes of the stack, which its codes describe up to their end.
fn frame_size(codes: &[u8]) -> Result<u32> {
    let mut size = 0;
    let mut rest = codes.iter().copied().map(u32::from);
    while let Some(code) = rest.next() {
        let mut next = || rest.next().context("the codes are cut off");
        // Registers that are saved before the stack pointer moves count as what it moves.
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
    fn what_is_not_understood_is_no_frame() {
        assert!(frame_size(&[0xE1]).is_err());
        assert!(frame_size(&[0xE7, 0, 0, 0xE4]).is_err());
        assert!(frame_size(&[0xC2]).is_err());
    }

    #[test]
    fn flows_are_found() {
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
}
