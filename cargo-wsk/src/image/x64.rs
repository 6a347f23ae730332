//! Code and unwind information of x64.
//!
//! [Microsoft's page](https://learn.microsoft.com/cpp/build/exception-handling-x64) describes the latter.

use anyhow::{Context, Result, bail, ensure};
use iced_x86::{Decoder, DecoderOptions, FlowControl, Instruction, Mnemonic, OpKind, Register};
use pe_unwind_info::x86_64::{
    FunctionTableEntries, RuntimeFunction, UnwindInfo, UnwindInfoFlags, UnwindOperation,
};

use super::registers::unsaved;
use super::{Flow, Frame, InstructionSet, Memory, Probe};

pub(super) const PROCESSOR: InstructionSet =
    InstructionSet { flows, frames, unsaved, return_address: 8 };

fn flows(code: &[u8], start: u32) -> Vec<Flow> {
    let mut decoder = Decoder::with_ip(64, code, u64::from(start), DecoderOptions::NONE);
    let mut flows = Vec::new();
    let mut instruction = Instruction::default();
    let mut probe = Probe::None;
    while decoder.can_decode() {
        decoder.decode_out(&mut instruction);
        flows.extend(match (flow(&instruction), probe) {
            (Some(Flow::PushUnknown), Probe::Called(size)) if subtracts_rax(&instruction) => {
                Some(Flow::Push(size))
            }
            (flow, _) => flow,
        });
        probe = next_probe(probe, &instruction);
    }
    flows
}

/// The size is in EAX, and `__chkstk` leaves it there.
fn next_probe(probe: Probe, instruction: &Instruction) -> Probe {
    let is_size = instruction.mnemonic() == Mnemonic::Mov
        && instruction.op0_kind() == OpKind::Register
        && instruction.op0_register() == Register::EAX
        && instruction.op1_kind() == OpKind::Immediate32;
    match probe {
        _ if is_size => Probe::Size(instruction.immediate32()),
        Probe::Size(size) if instruction.flow_control() == FlowControl::Call => Probe::Called(size),
        _ => Probe::None,
    }
}

fn subtracts_rax(instruction: &Instruction) -> bool {
    instruction.mnemonic() == Mnemonic::Sub
        && instruction.op1_kind() == OpKind::Register
        && instruction.op1_register() == Register::RAX
}

fn flow(instruction: &Instruction) -> Option<Flow> {
    let relative = |address: u64| u32::try_from(address).unwrap_or(u32::MAX);
    let target = relative(instruction.near_branch_target());
    let known = instruction.is_ip_rel_memory_operand();
    let memory = relative(if known { instruction.ip_rel_memory_address() } else { 0 });
    let changes_stack =
        instruction.op0_kind() == OpKind::Register && instruction.op0_register() == Register::RSP;
    // Numbers are signed, with 32 bits.
    let has_number =
        matches!(instruction.op1_kind(), OpKind::Immediate8to64 | OpKind::Immediate32to64);
    let number = has_number.then(|| relative(instruction.immediate(1) & u64::from(u32::MAX)));
    match instruction.flow_control() {
        FlowControl::Call => Some(Flow::Call(target)),
        FlowControl::IndirectCall if known => Some(Flow::CallThrough(memory)),
        FlowControl::IndirectCall => Some(Flow::CallPointer),
        FlowControl::UnconditionalBranch | FlowControl::ConditionalBranch => {
            Some(Flow::Jump(target))
        }
        FlowControl::IndirectBranch if known => Some(Flow::JumpThrough(memory)),
        FlowControl::IndirectBranch => Some(Flow::JumpPointer),
        _ => match instruction.mnemonic() {
            Mnemonic::Lea if known => Some(Flow::Address(memory)),
            Mnemonic::Push => Some(Flow::Push(8)),
            Mnemonic::Sub if changes_stack => Some(number.map_or(Flow::PushUnknown, Flow::Push)),
            // Aligns the stack pointer down to a multiple, which skips at most this number of bytes.
            Mnemonic::And if changes_stack => {
                let most = number.map(u32::wrapping_neg);
                Some(most.map_or(Flow::PushUnknown, Flow::Push))
            }
            _ => None,
        },
    }
}

/// Reads `RUNTIME_FUNCTION`s: where a function begins and ends, and where its unwind information is.
fn frames(table: &[u8], memory: &Memory<'_>) -> Result<Vec<Frame>> {
    let entries = FunctionTableEntries::parse(table).functions();
    let frame = |entry: &RuntimeFunction| {
        let (start, end) = (entry.begin_address.get(), entry.end_address.get());
        let size = frame_size(memory.at(entry.unwind_info_address.get())?)
            .with_context(|| format!("the unwind information of the function at {start:#x}"))?;
        Ok(Frame { start, end, size })
    };
    entries.context("the table of functions is cut off")?.iter().map(frame).collect()
}

/// The stack of the prologue, in bytes.
fn frame_size(unwind: &[u8]) -> Result<u32> {
    let info =
        UnwindInfo::parse(unwind).context("it is cut off, or of a version that is not known")?;
    ensure!(info.version() == 1, "its version is {}", info.version());
    ensure!(
        !info.flags().contains(UnwindInfoFlags::CHAININFO),
        "it is chained, which is not understood here"
    );
    let mut operations = info.unwind_operations();
    let mut size = 0;
    while operations.unwind_code().is_some() {
        let (_, operation) = operations.next().context("a code is not understood, or cut off")?;
        size += match operation {
            UnwindOperation::PopNonVolatile(_) => 8,
            UnwindOperation::UnStackAlloc(bytes) => bytes,
            // Registers are saved in stack that is already allocated.
            UnwindOperation::RestoreSPFromFP
            | UnwindOperation::ReadNonVolatile(..)
            | UnwindOperation::ReadXMM(..) => 0,
            other => bail!("the operation {other:?} is not understood"),
        };
    }
    Ok(size)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_are_added_up() {
        // push rbp; push rsi; sub rsp, 0x28
        let small = [0x01, 6, 3, 0, 6, 0x42, 2, 0x60, 1, 0x50, 0, 0];
        assert_eq!(frame_size(&small).unwrap(), 8 + 8 + 0x28);
        // sub rsp, 0x1238, in one unit of eight bytes and in two of one; a register saved.
        let large = [0x01, 7, 4, 0, 7, 0x64, 0x10, 0x00, 7, 0x01, 0x47, 0x02];
        assert_eq!(frame_size(&large).unwrap(), 0x1238);
        let larger = [0x01, 7, 3, 0, 7, 0x11, 0x38, 0x12, 0x01, 0x00];
        assert_eq!(frame_size(&larger).unwrap(), 0x1_1238);
    }

    #[test]
    fn unknown_unwind_codes_are_an_error() {
        assert!(frame_size(&[0x21, 0, 0, 0]).is_err());
        assert!(frame_size(&[0x02, 0, 0, 0]).is_err());
        assert!(frame_size(&[0x01, 0, 1, 0, 0, 0x0A]).is_err());
        assert!(frame_size(&[0x01, 0, 2, 0]).is_err());
    }

    #[test]
    fn calls_jumps_and_stack_changes_are_found() {
        let code = [
            0x56, // push rsi
            0x48, 0x83, 0xEC, 0x20, // sub rsp, 0x20
            0xE8, 0xF6, 0x0F, 0x00, 0x00, // call 0x2000
            0x48, 0x83, 0xE4, 0xC0, // and rsp, -0x40
            0x48, 0x81, 0xEC, 0x00, 0x01, 0x00, 0x00, // sub rsp, 0x100
            0x48, 0x29, 0xC4, // sub rsp, rax
            0xFF, 0x15, 0xE2, 0x0F, 0x00, 0x00, // call [0x2000]
            0xFF, 0xD0, // call rax
            0x48, 0x8D, 0x05, 0xD9, 0x0F, 0x00, 0x00, // lea rax, [0x2000]
            0x74, 0xD7, // je 0x1000
            0xFF, 0x25, 0xD1, 0x0F, 0x00, 0x00, // jmp [0x2000]
            0xFF, 0xE1, // jmp rcx
        ];
        let expected = [
            Flow::Push(8),
            Flow::Push(0x20),
            Flow::Call(0x2000),
            Flow::Push(0x40),
            Flow::Push(0x100),
            Flow::PushUnknown,
            Flow::CallThrough(0x2000),
            Flow::CallPointer,
            Flow::Address(0x2000),
            Flow::Jump(0x1000),
            Flow::JumpThrough(0x2000),
            Flow::JumpPointer,
        ];
        assert_eq!(flows(&code, 0x1000), expected);
    }

    #[test]
    fn the_size_of_a_large_frame_is_that_of_its_probe() {
        let probed = [
            0xB8, 0x38, 0x12, 0x00, 0x00, // mov eax, 0x1238
            0xE8, 0xF6, 0x0F, 0x00, 0x00, // call 0x2000
            0x48, 0x29, 0xC4, // sub rsp, rax
        ];
        assert_eq!(flows(&probed, 0x1000), [Flow::Call(0x2000), Flow::Push(0x1238)]);
        let without_a_call = [&probed[..5], &probed[10..]].concat();
        assert_eq!(flows(&without_a_call, 0x1000), [Flow::PushUnknown]);
        let of_another_register = [&probed[..12], &[0xCC]].concat(); // sub rsp, rcx
        assert_eq!(flows(&of_another_register, 0x1000), [Flow::Call(0x2000), Flow::PushUnknown]);
        let changed = [&probed[..10], &[0x31, 0xC0], &probed[10..]].concat(); // xor eax, eax
        assert_eq!(flows(&changed, 0x1000), [Flow::Call(0x2000), Flow::PushUnknown]);
    }
}
