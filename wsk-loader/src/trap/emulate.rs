//! Instructions that need a kernel, and the reports about all others that fault.

use iced_x86::{
    Decoder, DecoderOptions, Formatter as _, Instruction, IntelFormatter, Mnemonic, OpKind,
    Register,
};
use wsk_host::{current_irql, images};

use super::Fault;
use crate::modules::{self, Module};

/// The offsets of the processor's data, at `gs`: the current thread, and the number of the processor.
const CURRENT_THREAD: u64 = 0x188;
const PROCESSOR_NUMBER: u64 = 0x184;

/// The highest IRQL.
const HIGH_LEVEL: u8 = 15;

/// Emulates the instruction that has faulted, or ends the process with a report.
pub(super) fn resolve(fault: &mut Fault) {
    let signal = i32::try_from(fault.signal).unwrap_or(0);
    // The address of a breakpoint fault is behind the instruction.
    let place = fault.rip - usize::from(signal == libc::SIGTRAP);
    let Some(module) = modules::find(place) else { stop_outside(fault, place) };
    if module.is_unloaded() {
        let found = format!("its code at {} runs after it was unloaded", module.describe(place));
        images::stop_after_unload("the image", &found);
    }
    let Some(code) = module.code_at(place) else {
        images::stop(&format!(
            "the driver has called an address that is no code: {}",
            module.describe(place)
        ));
    };
    let mut decoder = Decoder::with_ip(64, code, place as u64, DecoderOptions::NONE);
    let instruction = decoder.decode();
    if signal == libc::SIGSEGV && emulate(fault, &instruction) {
        fault.rip = place + instruction.len();
        return;
    }
    stop(fault, signal, &instruction, &module, place);
}

/// Reports an access to an unloaded image by code of the host or of another client.
fn stop_outside(fault: &Fault, place: usize) -> ! {
    let Some(module) = modules::find(fault.address) else {
        images::stop(&format!("the code at {place:#x} is of no image"));
    };
    let target = module.describe(fault.address);
    if module.is_unloaded() {
        let found = format!("its memory at {target} is used after it was unloaded");
        images::stop_after_unload("the image", &found);
    }
    let access = if fault.is_write == 0 { "read" } else { "written" };
    images::stop(&format!("memory of the image at {target} cannot be {access}"))
}

/// Emulates an instruction of the emulated processor. Returns false if it is not one of the supported instructions.
fn emulate(fault: &mut Fault, instruction: &Instruction) -> bool {
    let (target, source) = (instruction.op0_register(), instruction.op1_register());
    match instruction.mnemonic() {
        Mnemonic::Mov if source == Register::CR8 => fault.set(target, current_irql().into()),
        Mnemonic::Mov if target == Register::CR8 => {
            let Some(level) = fault.get(source).and_then(|level| u8::try_from(level).ok()) else {
                return false;
            };
            let is_level = level <= HIGH_LEVEL;
            if is_level {
                images::set_irql(level);
            }
            is_level
        }
        Mnemonic::Mov | Mnemonic::Movzx => load(fault, instruction, false),
        Mnemonic::Movsx | Mnemonic::Movsxd => load(fault, instruction, true),
        _ => false,
    }
}

/// Emulates a load of a register from emulated memory. Returns false if it is not such a load.
fn load(fault: &mut Fault, instruction: &Instruction, is_signed: bool) -> bool {
    if instruction.op0_kind() != OpKind::Register || instruction.op1_kind() != OpKind::Memory {
        return false;
    }
    let address = instruction.virtual_address(1, 0, |register, _, _| fault.get(register));
    let size = instruction.memory_size().size();
    let Some(value) = address.and_then(|address| {
        if instruction.memory_segment() == Register::GS {
            processor_data(address, size)
        } else {
            shared_data(address, size)
        }
    }) else {
        return false;
    };
    let unused = 64 - 8 * u32::try_from(size).unwrap_or(8);
    let value = if is_signed {
        let signed = i64::from_ne_bytes(value.to_ne_bytes()) << unused >> unused;
        u64::from_ne_bytes(signed.to_ne_bytes())
    } else {
        value
    };
    fault.set(instruction.op0_register(), value)
}

fn processor_data(offset: u64, size: usize) -> Option<u64> {
    match (offset, size) {
        (CURRENT_THREAD, 8) => Some(images::current_thread() as u64),
        (PROCESSOR_NUMBER, 4) => Some(0),
        _ => None,
    }
}

/// A number of up to eight bytes in `KUSER_SHARED_DATA`.
fn shared_data(address: u64, size: usize) -> Option<u64> {
    let offset = usize::try_from(address).ok()?.checked_sub(images::SHARED_DATA)?;
    let page = images::shared_data();
    let found = page.get(offset..offset.checked_add(size)?)?;
    let mut bytes = [0; 8];
    bytes.get_mut(..size)?.copy_from_slice(found);
    Some(u64::from_le_bytes(bytes))
}

/// Ends the process with a report about an instruction that is not emulated.
fn stop(
    fault: &mut Fault,
    signal: i32,
    instruction: &Instruction,
    module: &Module,
    place: usize,
) -> ! {
    let mut text = String::new();
    IntelFormatter::new().format(instruction, &mut text);
    let address = fault.address;
    let found = match (signal, instruction.mnemonic()) {
        (_, Mnemonic::Int) if instruction.immediate8() == 0x29 => {
            let code = fault.get(Register::RCX).unwrap_or(0) & u64::from(u32::MAX);
            format!("the driver has stopped itself: __fastfail({code})")
        }
        (libc::SIGTRAP, _) => "a breakpoint, and no debugger is attached".to_owned(),
        (libc::SIGFPE, _) => {
            "an exception of arithmetic, for instance a division by zero".to_owned()
        }
        (libc::SIGILL, _) => "an instruction that is not valid".to_owned(),
        (_, _) if instruction.is_privileged() || uses_control_register(instruction) => {
            "a privileged instruction, which a host does not emulate".to_owned()
        }
        (_, _) if address == 0 && !accesses_zero(fault, instruction) => {
            "an instruction that a process cannot execute".to_owned()
        }
        _ => {
            let access = if fault.is_write == 0 { "a read of" } else { "a write to" };
            format!("{access} memory at {address:#x}, which does not exist or does not allow it")
        }
    };
    let place = module.describe(place);
    images::stop(&format!("the driver has faulted: {found}\n  code:    {text}\n  at:      {place}"))
}

fn uses_control_register(instruction: &Instruction) -> bool {
    [instruction.op0_register(), instruction.op1_register()]
        .iter()
        .any(|register| register.is_cr() || register.is_dr())
}

/// Whether a memory operand has the address zero: the system reports this address for other faults, too.
fn accesses_zero(fault: &mut Fault, instruction: &Instruction) -> bool {
    (0..instruction.op_count()).any(|operand| {
        instruction.op_kind(operand) == OpKind::Memory
            && instruction.virtual_address(operand, 0, |register, _, _| fault.get(register))
                == Some(0)
    })
}
