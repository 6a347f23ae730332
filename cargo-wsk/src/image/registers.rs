//! The registers of x64 that the kernel does not save for a driver: those of x87 and MMX, and the upper parts of the
//! vector registers, which AVX changes. They hold the state of the process whose thread was interrupted.
//!
//! [Microsoft's page](https://learn.microsoft.com/windows-hardware/drivers/kernel/floating-point-support-for-64-bit-drivers)
//! says what a driver may use.

use iced_x86::{
    CpuidFeature, Decoder, DecoderOptions, EncodingKind, Formatter as _, Instruction,
    IntelFormatter, Mnemonic,
};

/// The first instruction that changes such a register, as text.
pub(super) fn unsaved(code: &[u8], start: u32) -> Option<String> {
    let decoder = Decoder::with_ip(64, code, u64::from(start), DecoderOptions::NONE);
    let instruction = decoder.into_iter().find(changes_unsaved)?;
    let mut text = String::new();
    IntelFormatter::new().format(&instruction, &mut text);
    Some(text)
}

fn changes_unsaved(instruction: &Instruction) -> bool {
    // The upper part of a vector register is zeroed even if the instruction names only the lower part. `andn`, `mulx`
    // and related instructions have the same encoding, but use general registers.
    let is_vector = instruction.encoding() != EncodingKind::Legacy
        && (0..instruction.op_count()).any(|operand| {
            let register = instruction.op_register(operand);
            register.is_vector_register() || register.is_k() || register.is_tmm()
        });
    let zeroes = matches!(instruction.mnemonic(), Mnemonic::Vzeroupper | Mnemonic::Vzeroall);
    let old = |feature: &CpuidFeature| {
        matches!(
            feature,
            CpuidFeature::FPU | CpuidFeature::FPU287 | CpuidFeature::FPU387 | CpuidFeature::MMX
        )
    };
    is_vector || zeroes || instruction.cpuid_features().iter().any(old)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The bytes are the output of GNU's assembler for the text in Intel's notation; it leaves out `st`.
    #[test]
    fn avx_mmx_and_x87_are_found() {
        for (text, code) in [
            ("vzeroupper", &[0xC5, 0xF8, 0x77][..]),
            ("vmovups ymm0,[rcx]", &[0xC5, 0xFC, 0x10, 0x01]),
            ("vaddps xmm0,xmm0,xmm1", &[0xC5, 0xF8, 0x58, 0xC1]),
            ("vpxord zmm0,zmm0,zmm0", &[0x62, 0xF1, 0x7D, 0x48, 0xEF, 0xC0]),
            ("kxorw k0,k0,k0", &[0xC5, 0xFC, 0x47, 0xC0]),
            ("movq mm0,[rcx]", &[0x0F, 0x6F, 0x01]),
            ("fld st,dword ptr [rcx]", &[0xD9, 0x01]),
            ("fild st,qword ptr [rcx]", &[0xDF, 0x29]),
        ] {
            let found = unsaved(&[&[0x90], code].concat(), 0x1000).unwrap_or_default();
            assert_eq!(found.replace(", ", ","), text);
        }
    }

    #[test]
    fn what_the_kernel_saves_is_not() {
        let code = [
            0x0F, 0x58, 0xC1, // addps xmm0, xmm1
            0x66, 0x0F, 0x6F, 0x01, // movdqa xmm0, [rcx]
            0x66, 0x0F, 0x38, 0xDC, 0xC1, // aesenc xmm0, xmm1
            0xC4, 0xE2, 0x70, 0xF2, 0xC2, // andn eax, ecx, edx
            0xC4, 0xE2, 0xFB, 0xF6, 0xC1, // mulx rax, rax, rcx
            0xF3, 0x0F, 0xB8, 0xC1, // popcnt eax, ecx
        ];
        assert_eq!(unsaved(&code, 0x1000), None);
    }
}
