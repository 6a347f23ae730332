//! A driver's image, assembled into this program: the bytes of a file whose sections are at the same offsets in memory.

use std::arch::global_asm;
use std::path::PathBuf;

/// The action of the driver's `DriverEntry`.
#[derive(Clone, Copy, Debug)]
#[repr(u32)]
#[allow(dead_code, reason = "each test uses some")]
pub(crate) enum EntryAction {
    /// Checks everything that inline code reads, and the calls of imports.
    Checks = 0,
    Halt = 1,
    FailFast = 2,
    Breakpoint = 3,
    WriteToNull = 4,
    CallMissing = 5,
    CallData = 6,
    WriteToCode = 7,
    /// Sets a timer, and does not cancel it.
    LeaveTimer = 8,
    ReadControlRegister = 9,
    ReadPort = 10,
    BugCheck = 11,
    /// Starts a thread that waits forever.
    LeaveThread = 12,
}

/// The image's file.
pub(crate) fn bytes() -> Vec<u8> {
    unsafe extern "C" {
        static wsk_loader_sample: [u8; 0x5000];
    }
    // SAFETY: the symbol is of this many constant bytes.
    unsafe { wsk_loader_sample }.to_vec()
}

/// The image's file, for a mode.
pub(crate) fn with_mode(mode: EntryAction) -> Vec<u8> {
    let mut bytes = bytes();
    bytes[0x3000..0x3004].copy_from_slice(&(mode as u32).to_le_bytes());
    bytes
}

/// Where the file has the table of functions, and behind it the unwind information of `DriverEntry`.
#[allow(dead_code, reason = "each test uses some")]
pub(crate) const UNWIND: std::ops::Range<usize> = 0x2028..0x2040;

#[allow(dead_code, reason = "each test uses some")]
/// Writes the image's file into a folder of this test, and returns its path.
pub(crate) fn file(mode: EntryAction) -> PathBuf {
    write(&format!("{mode:?}"), &with_mode(mode))
}

#[allow(dead_code, reason = "each test uses some")]
/// Writes an image's file into a folder of this test's, and returns its path.
pub(crate) fn write(name: &str, bytes: &[u8]) -> PathBuf {
    let folder =
        PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id()));
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("sample.sys");
    std::fs::write(&path, bytes).unwrap();
    path
}

global_asm!(
    r#"
    .pushsection .rodata.wsk_loader_sample, "a", @progbits
    .globl wsk_loader_sample
    .hidden wsk_loader_sample
    .balign 4096
wsk_loader_sample:
.Limage:
    // The headers.
    .ascii "MZ"
    .fill 58, 1, 0
    .long 64
    .ascii "PE\0\0"
    .short 0x8664, 4
    .long 0, 0, 0
    .short 240, 0x22
    .short 0x20B, 0
    .long 0x1000, 0x3000, 0, .Lentry - .Limage, 0x1000
    .quad 0x140000000
    .long 0x1000, 0x1000
    .short 6, 2, 0, 0, 6, 2
    .long 0, 0x5000, 0x1000, 0
    .short 1, 0
    .quad 0x100000, 0x1000, 0x100000, 0x1000
    .long 0, 16
    .long 0, 0
    .long .Limports - .Limage, 40
    .long 0, 0
    .long .Lfunctions - .Limage, 12
    .long 0, 0
    .long .Lrelocations - .Limage, .Lrelocations_end - .Lrelocations
    .long 0, 0, 0, 0, 0, 0, 0, 0
    .long .Lconfiguration - .Limage, 148
    .fill 40, 1, 0
    .ascii ".text\0\0\0"
    .long 0x1000, 0x1000, 0x1000, 0x1000, 0, 0, 0, 0x60000020
    .ascii ".rdata\0\0"
    .long 0x1000, 0x2000, 0x1000, 0x2000, 0, 0, 0, 0x40000040
    .ascii ".data\0\0\0"
    .long 0x1000, 0x3000, 0x1000, 0x3000, 0, 0, 0, 0xC0000040
    .ascii ".reloc\0\0"
    .long 0x1000, 0x4000, 0x1000, 0x4000, 0, 0, 0, 0x42000040

    .balign 4096
.Lentry:
    push rbx
    push rsi
    push rdi
    sub rsp, 112
.Lentry_body:
    mov rbx, rcx
    mov rdi, rdx
    mov rax, [rip + .Lunload_pointer]
    mov [rbx + 0x68], rax
    mov eax, [rip + .Lmode]
    lea rcx, [rip + .Lmodes]
    movsxd rax, dword ptr [rcx + rax * 4]
    add rax, rcx
    jmp rax

.Lchecks:
    mov esi, 1
    mov rax, cr8
    test rax, rax
    jnz .Lfail
    mov esi, 2
    mov ecx, 0xFF02
    call [rip + .LKfRaiseIrql]
    mov rax, cr8
    cmp rax, 2
    jne .Lfail
    mov esi, 3
    mov r9d, 1
    mov cr8, r9
    call [rip + .LKeGetCurrentIrql]
    cmp al, 1
    jne .Lfail
    xor ecx, ecx
    mov cr8, rcx
    mov esi, 4
    call [rip + .LKeGetCurrentThread]
    mov rcx, rax
    mov rax, qword ptr gs:[0x188]
    cmp rax, rcx
    jne .Lfail
    mov esi, 5
    movabs rax, qword ptr [0xFFFFF78000000014]
    test rax, rax
    jz .Lfail
    mov rdx, 0xFFFFF7800000026C
    mov r9d, dword ptr [rdx]
    cmp r9, 10
    jne .Lfail
    or r10, -1
    movzx r10d, byte ptr [rdx]
    cmp r10, 10
    jne .Lfail
    mov esi, 6
    mov rax, 0x2B992DDFA232
    cmp rax, [rip + .Lcookie]
    je .Lfail
    mov esi, 7
    movq xmm6, rsp
    call [rip + .LKeQueryInterruptTime]
    movq rax, xmm6
    cmp rax, rsp
    jne .Lfail
    mov esi, 8
    lea rcx, [rip + .Lformat]
    mov edx, 42
    lea r8, [rip + .Ltext]
    mov r9, rdi
    mov rax, -7
    mov [rsp + 32], rax
    call [rip + .LDbgPrint]
    test eax, eax
    jnz .Lfail
    mov esi, 9
    mov ecx, 512
    mov edx, 100
    mov r8d, 0x6C706D53
    call [rip + .LExAllocatePoolWithTag]
    test rax, rax
    jz .Lfail
    mov rdi, rax
    mov rcx, rax
    mov edx, 0xAB
    mov r8d, 100
    call [rip + .Lmemset]
    cmp rax, rdi
    jne .Lfail
    cmp byte ptr [rdi + 99], 0xAB
    jne .Lfail
    mov rcx, rdi
    mov edx, 0x6C706D53
    call [rip + .LExFreePoolWithTag]
    mov esi, 10
    mov eax, 20000
    mov r11, -1
    call [rip + .L__chkstk]
    cmp rax, 20000
    jne .Lfail
    mov esi, 11
    lea rcx, [rip + .Lname]
    call [rip + .LMmGetSystemRoutineAddress]
    cmp rax, [rip + .LExFreePoolWithTag]
    jne .Lfail
    // A lookaside list without routines, whose inline functions call them.
    mov esi, 12
    lea rcx, [rip + .Llist]
    xor edx, edx
    xor r8d, r8d
    xor r9d, r9d
    mov qword ptr [rsp + 32], 100
    mov qword ptr [rsp + 40], 0x6C706D53
    mov qword ptr [rsp + 48], 0
    call [rip + .LExInitializeNPagedLookasideList]
    mov ecx, 512
    mov edx, 100
    mov r8d, 0x6C706D53
    call [rip + .Llist + 48]
    test rax, rax
    jz .Lfail
    mov rcx, rax
    call [rip + .Llist + 56]
    lea rcx, [rip + .Llist]
    call [rip + .LExDeleteNPagedLookasideList]
.Lsucceed:
    xor eax, eax
.Lreturn:
    add rsp, 112
    pop rdi
    pop rsi
    pop rbx
    ret
.Lfail:
    mov eax, esi
    or eax, 0xE0000000
    jmp .Lreturn

.Lhalt:
    hlt
.Lfail_fast:
    mov ecx, 7
    int 0x29
.Lbreakpoint:
    int3
    jmp .Lsucceed
.Lwrite_to_null:
    xor eax, eax
    mov dword ptr [rax + 8], ecx
    jmp .Lsucceed
.Lcall_missing:
    call [rip + .LNoSuchFunction]
    jmp .Lsucceed
.Lcall_data:
    lea rax, [rip + .Ltimer]
    call rax
    jmp .Lsucceed
.Lwrite_to_code:
    lea rax, [rip + .Lentry]
    mov byte ptr [rax], 0xC3
    jmp .Lsucceed
.Lread_control_register:
    mov rax, cr3
    jmp .Lsucceed
.Lread_port:
    in al, dx
    jmp .Lsucceed
.Lbug_check:
    mov ecx, 0x1234
    mov edx, 1
    mov r8d, 2
    mov r9d, 3
    mov qword ptr [rsp + 32], 4
    call [rip + .LKeBugCheckEx]
.Lleave_timer:
    lea rcx, [rip + .Ldpc]
    lea rdx, [rip + .Lroutine]
    xor r8d, r8d
    call [rip + .LKeInitializeDpc]
    lea rcx, [rip + .Ltimer]
    call [rip + .LKeInitializeTimer]
    lea rcx, [rip + .Ltimer]
    mov rdx, -1000000
    lea r8, [rip + .Ldpc]
    call [rip + .LKeSetTimer]
    jmp .Lsucceed
.Lleave_thread:
    lea rcx, [rip + .Ltimer]
    xor edx, edx
    xor r8d, r8d
    call [rip + .LKeInitializeEvent]
    lea rcx, [rip + .Ldpc]
    mov edx, 0x1F0FFF
    xor r8d, r8d
    xor r9d, r9d
    mov qword ptr [rsp + 32], 0
    lea rax, [rip + .Lthread]
    mov [rsp + 40], rax
    mov qword ptr [rsp + 48], 0
    call [rip + .LPsCreateSystemThread]
    mov rcx, [rip + .Ldpc]
    call [rip + .LZwClose]
    jmp .Lsucceed

.Lthread:
    sub rsp, 40
    lea rcx, [rip + .Ltimer]
    xor edx, edx
    xor r8d, r8d
    xor r9d, r9d
    mov qword ptr [rsp + 32], 0
    call [rip + .LKeWaitForSingleObject]
    add rsp, 40
.Lroutine:
    ret
.Lunload:
    ret

    .balign 4
.Lmodes:
    .long .Lchecks - .Lmodes, .Lhalt - .Lmodes, .Lfail_fast - .Lmodes
    .long .Lbreakpoint - .Lmodes, .Lwrite_to_null - .Lmodes, .Lcall_missing - .Lmodes
    .long .Lcall_data - .Lmodes, .Lwrite_to_code - .Lmodes, .Lleave_timer - .Lmodes
    .long .Lread_control_register - .Lmodes, .Lread_port - .Lmodes, .Lbug_check - .Lmodes
    .long .Lleave_thread - .Lmodes

    .balign 4096
.Limports:
    .long 0, 0, 0, .Lntoskrnl - .Limage, .Lslots - .Limage
    .long 0, 0, 0, 0, 0
    // `UNWIND` is from here to the end of `.Lframe`.
.Lfunctions:
    .long .Lentry - .Limage, .Lthread - .Limage, .Lframe - .Limage
.Lframe:
    .byte 1, .Lentry_body - .Lentry, 4, 0
    .byte 7, 0xD2, 3, 0x70, 2, 0x60, 1, 0x30
.Lconfiguration:
    .long 148
    .fill 84, 1, 0
    .quad 0x140000000 + (.Lcookie - .Limage)
    .fill 52, 1, 0
.Lntoskrnl:
    .asciz "ntoskrnl.exe"
.Lformat:
    .asciz "sample: %d %s %wZ %I64d\n"
.Ltext:
    .asciz "text"
    .macro sample_name name
    .balign 2
.Ln\name:
    .short 0
    .asciz "\name"
    .endm
    .macro sample_slot name
.L\name:
    .quad .Ln\name - .Limage
    .endm
    .irp name, KfRaiseIrql, KeGetCurrentIrql, KeGetCurrentThread, KeQueryInterruptTime, DbgPrint, ExAllocatePoolWithTag, memset, ExFreePoolWithTag, __chkstk, MmGetSystemRoutineAddress, KeBugCheckEx, KeInitializeDpc, KeInitializeTimer, KeSetTimer, KeInitializeEvent, PsCreateSystemThread, ZwClose, KeWaitForSingleObject, ExInitializeNPagedLookasideList, ExDeleteNPagedLookasideList, NoSuchFunction
    sample_name \name
    .endr
    .balign 8
.Lslots:
    .irp name, KfRaiseIrql, KeGetCurrentIrql, KeGetCurrentThread, KeQueryInterruptTime, DbgPrint, ExAllocatePoolWithTag, memset, ExFreePoolWithTag, __chkstk, MmGetSystemRoutineAddress, KeBugCheckEx, KeInitializeDpc, KeInitializeTimer, KeSetTimer, KeInitializeEvent, PsCreateSystemThread, ZwClose, KeWaitForSingleObject, ExInitializeNPagedLookasideList, ExDeleteNPagedLookasideList, NoSuchFunction
    sample_slot \name
    .endr
    .quad 0x8000000000000005
    .quad 0

    .balign 4096
.Lmode:
    .long 0, 0
.Lunload_pointer:
    .quad 0x140000000 + (.Lunload - .Limage)
.Lcookie:
    .quad 0x2B992DDFA232
.Lname:
    .short 34, 36
    .long 0
.Lname_pointer:
    .quad 0x140000000 + (.Lwide - .Limage)
.Lwide:
    .irpc unit, ExFreePoolWithTag
    .ascii "\unit\0"
    .endr
    .short 0
    .balign 16
.Ldpc:
    .fill 64, 1, 0
.Ltimer:
    .fill 64, 1, 0
    .balign 16
.Llist:
    .fill 128, 1, 0

    .balign 4096
.Lrelocations:
    .long 0x2000, 12
    .short 0xA000 + (.Lconfiguration + 88 - .Limports), 0
    .long 0x3000, 12
    .short 0xA000 + (.Lunload_pointer - .Lmode), 0xA000 + (.Lname_pointer - .Lmode)
.Lrelocations_end:
    .balign 4096
    .popsection
    "#
);
