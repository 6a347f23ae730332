//! The registers of a thread at a fault.

use iced_x86::Register;

/// A fault, and the registers of the thread. Changes of the registers take effect when the thread continues.
#[repr(C)]
pub(crate) struct Fault {
    flags: u64,
    rax: u64,
    rcx: u64,
    rdx: u64,
    rbx: u64,
    rbp: u64,
    rsi: u64,
    rdi: u64,
    /// `r8` to `r15`.
    numbered: [u64; 8],
    pub(crate) signal: u64,
    /// Nonzero if the access was a write.
    pub(crate) is_write: u64,
    /// The address of the access.
    pub(crate) address: usize,
    pub(crate) rip: usize,
}

impl Fault {
    /// The stack pointer: the thread's stack pointer was above this.
    fn rsp(&self) -> u64 {
        (std::ptr::from_ref(self).addr() + size_of::<Self>()) as u64
    }

    fn register(&mut self, whole: Register) -> Option<&mut u64> {
        Some(match whole {
            Register::RAX => &mut self.rax,
            Register::RCX => &mut self.rcx,
            Register::RDX => &mut self.rdx,
            Register::RBX => &mut self.rbx,
            Register::RBP => &mut self.rbp,
            Register::RSI => &mut self.rsi,
            Register::RDI => &mut self.rdi,
            _ => {
                let number = whole.number().checked_sub(8)?;
                return self.numbered.get_mut(number).filter(|_| whole.is_gpr64());
            }
        })
    }

    /// The value of a whole register; `None` if it is not a general-purpose one.
    pub(crate) fn get(&mut self, register: Register) -> Option<u64> {
        match register {
            Register::RSP => Some(self.rsp()),
            // Images use no other segment base, and that of `gs` is zero in a process.
            Register::None
            | Register::GS
            | Register::DS
            | Register::SS
            | Register::CS
            | Register::ES => Some(0),
            _ => self.register(register).map(|value| *value),
        }
    }

    /// Writes a register or a part of one, as an instruction does: 32 bits clear the others. Returns false if it is not
    /// a general-purpose register, or an upper byte.
    pub(crate) fn set(&mut self, register: Register, value: u64) -> bool {
        let size = register.size();
        let is_upper =
            matches!(register, Register::AH | Register::BH | Register::CH | Register::DH);
        let Some(whole) = self.register(register.full_register()) else { return false };
        let kept = match size {
            1 => !0xFF,
            2 => !0xFFFF,
            _ => 0,
        };
        let bits = match size {
            8 => u64::MAX,
            4 => u64::from(u32::MAX),
            _ => !kept,
        };
        if !is_upper {
            *whole = *whole & kept | value & bits;
        }
        !is_upper
    }
}
