//! Accesses outside a block of the pool, and after its free, each in a separate process.

use test_support::kernel::TAG;
use wsk_sys::*;

use crate::stops::reports;

const SIZE: usize = 24;

/// A block of [`SIZE`] bytes.
fn block() -> *mut u8 {
    // SAFETY: the IRQL is PASSIVE_LEVEL.
    unsafe { ExAllocatePoolWithTag(NonPagedPoolNx, SIZE, TAG).cast() }
}

fn free(memory: *mut u8) {
    // SAFETY: it came from `block`; a scenario may do it twice.
    unsafe { ExFreePoolWithTag(memory.cast(), TAG) };
}

/// A block of two pages and a little more.
fn pages() -> *mut u8 {
    // SAFETY: the IRQL is PASSIVE_LEVEL.
    unsafe { ExAllocatePoolWithTag(NonPagedPoolNx, 8200, TAG).cast() }
}

/// An MDL of locked pages of the process.
fn locked() -> PMDL {
    static PAGES: [u8; 64] = [0; 64];
    // SAFETY: the memory stays.
    unsafe {
        let memory = (&raw const PAGES).cast_mut().cast();
        let mdl = IoAllocateMdl(memory, 64, FALSE, FALSE, std::ptr::null_mut());
        MmProbeAndLockPages(mdl, 0, IoReadAccess);
        mdl
    }
}

// SAFETY, of the unsafe blocks below: each breaks the rule that its test is named after. The memory around a block, and a
// freed block, are the host's: guards and quarantine.
#[allow(clippy::undocumented_unsafe_blocks, reason = "see above")]
mod rules {
    use super::*;

    reports! {
        an_overrun_by_eight_bytes
            says ["ExFreePoolWithTag: the block of 24 bytes with the tag `test` was written beyond its end, 0 to 7 bytes",
                "created: by ExAllocatePoolWithTag in the thread `"]:
            |_| {
                let memory = block();
                unsafe { memory.add(SIZE).write_bytes(7, 8) };
                free(memory);
            };
        an_overrun_by_sixty_four_bytes
            says ["ExFreePoolWithTag: the block of 24 bytes with the tag `test` was written beyond its end, 0 to 63 bytes"]:
            |_| {
                let memory = block();
                unsafe { memory.add(SIZE).write_bytes(7, 64) };
                free(memory);
            };
        an_overrun_by_one_byte_behind_a_gap
            says ["ExFreePoolWithTag: the block of 24 bytes with the tag `test` was written beyond its end, 5 bytes"]:
            |_| {
                let memory = block();
                unsafe { memory.add(SIZE + 5).write(0) };
                free(memory);
            };
        a_write_before_a_block
            says ["ExFreePoolWithTag: the block of 24 bytes with the tag `test` was written before its begin, 1 to 4 bytes"]:
            |_| {
                let memory = block();
                unsafe { memory.sub(4).write_bytes(7, 4) };
                free(memory);
            };
        an_overrun_of_a_block_of_pages
            says ["ExFreePoolWithTag: the block of 8192 bytes with the tag `test` was written beyond its end, 0 to 7 bytes"]:
            |_| unsafe {
                let memory: *mut u8 = ExAllocatePoolWithTag(NonPagedPoolNx, 8192, TAG).cast();
                assert_eq!(memory.addr() % PAGE_SIZE, 0);
                memory.add(8192).write_bytes(7, 8);
                free(memory);
            };
        an_overrun_of_a_block_that_stays
            says ["the end of a test: the block of 24 bytes with the tag `test` was written beyond its end"]:
            |_| unsafe { block().add(SIZE).write(7) };
        a_write_after_free
            says ["the end of a test: the block of 24 bytes with the tag `test` was written after it was freed, at its bytes 3",
                "created: by ExAllocatePoolWithTag", "freed:   by ExFreePoolWithTag"]:
            |_| {
                let memory = block();
                free(memory);
                unsafe { memory.add(3).write(0) };
            };
        a_write_after_free_before_many_others
            says ["ExFreePoolWithTag has checked the pool: the block of 24 bytes with the tag `test` was written after"]:
            |_| {
                let memory = block();
                free(memory);
                unsafe { memory.write(0) };
                loop {
                    free(block());
                }
            };
        a_block_freed_twice
            says ["ExFreePoolWithTag: the block of 24 bytes with the tag `test` was freed", "freed:   by ExFreePoolWithTag"]:
            |_| {
                let memory = block();
                free(memory);
                free(memory);
            };
        pages_that_are_never_unlocked
            says ["failed with", "the pages of 1 MDLs are still locked, the first of them by MmProbeAndLockPages"]:
            |_| _ = locked();
        an_mdl_freed_while_its_pages_are_locked
            says ["IoFreeMdl: the memory is an MDL whose pages are locked, and were not unlocked",
                "since:   by MmProbeAndLockPages"]:
            |_| unsafe { IoFreeMdl(locked()) };
        memory_that_is_left
            says ["failed with", "memory was not freed, by tag:\n  test: 2 of 48 bytes\n  2 times the block of 24 bytes",
                "made by ExAllocatePoolWithTag in the thread"]:
            |_| {
                block();
                block();
            };
    }
}

// SAFETY, of the unsafe blocks below: each breaks the rule that its test is named after. Freed pages are the host's, and
// protected.
#[cfg(all(target_os = "linux", target_arch = "x86_64"))]
#[allow(clippy::undocumented_unsafe_blocks, reason = "see above")]
mod protected {
    use super::*;

    reports! {
        a_write_after_free_of_a_block_of_pages
            says ["a write to freed memory, at the offset 4100 of it: the block of 8200 bytes with the tag `test` was freed",
                "created: by ExAllocatePoolWithTag", "freed:   by ExFreePoolWithTag"]:
            |_| {
                let memory = pages();
                free(memory);
                unsafe { memory.add(4100).write(0) };
            };
        a_read_after_free_of_a_block_of_pages
            says ["a read of freed memory, at the offset 8191 of it: the block of 8200 bytes with the tag `test` was freed"]:
            |_| {
                let memory = pages();
                free(memory);
                unsafe { memory.add(8191).read_volatile() };
            };
        a_write_after_free_behind_the_pages_of_a_block
            says ["the end of a test: the block of 8200 bytes with the tag `test` was written after it was freed, at its bytes 8199"]:
            |_| {
                let memory = pages();
                free(memory);
                unsafe { memory.add(8199).write(0) };
            };
        a_read_of_a_freed_irp
            says ["a read of freed memory, at the offset 48 of it: the block of ",
                "bytes with the tag `Irp ` was freed\n  created: by IoAllocateIrp in the thread `",
                "freed:   by IoFreeIrp in the thread `"]:
            |_| {
                let irp = unsafe { IoAllocateIrp(1, FALSE) };
                unsafe { IoFreeIrp(irp) };
                unsafe { (&raw const (*irp).IoStatus).cast::<u8>().read_volatile() };
            };
        a_write_to_a_freed_irp_in_another_thread
            says ["a write to freed memory, at the offset 48 of it: the block of ", "freed:   by IoFreeIrp in the thread `"]:
            |host| {
                let irp = unsafe { IoAllocateIrp(1, FALSE) };
                let address = irp.expose_provenance();
                unsafe { IoFreeIrp(irp) };
                let write = || {
                    let _entered = host.enter();
                    let irp: PIRP = std::ptr::with_exposed_provenance_mut(address);
                    unsafe { (&raw mut (*irp).IoStatus).cast::<u8>().write_volatile(0) };
                };
                host.blocking(|| std::thread::scope(|scope| _ = scope.spawn(write)));
            };
        an_overrun_of_an_irp
            says ["IoFreeIrp: the block of ", "bytes with the tag `Irp ` was written beyond its end, 0 bytes"]:
            |_| {
                let irp = unsafe { IoAllocateIrp(1, FALSE) };
                unsafe { irp.cast::<u8>().add(IoSizeOfIrp(1).into()).write(0) };
                unsafe { IoFreeIrp(irp) };
            };
    }
}

/// A driver does not find its data in memory that it has freed.
#[test]
fn freed_memory_is_poisoned() {
    let host = wsk_host::Host::new(crate::stops::inline());
    let _entered = host.enter();
    let memory = block();
    // SAFETY: the block is the test's; freed, it is in the host's quarantine.
    let found = unsafe {
        memory.write_bytes(1, SIZE);
        free(memory);
        std::slice::from_raw_parts(memory, SIZE).to_vec()
    };
    assert_eq!(found, [0xDD; SIZE]);
}

/// Freed memory is protected as long as it is in the quarantine, and accessible when it is allocated again.
#[test]
fn freed_pages_are_used_again() {
    let host = wsk_host::Host::new(crate::stops::inline());
    let _entered = host.enter();
    for round in 0..3000_usize {
        let memory = pages();
        // SAFETY: the block is the test's.
        unsafe { memory.write_bytes(round.to_ne_bytes()[0], 8200) };
        free(memory);
        // SAFETY: the IRP is the test's.
        unsafe {
            let irp = IoAllocateIrp(CCHAR::try_from(1 + round % 100).unwrap(), FALSE);
            assert_eq!((*irp).Size, IoSizeOfIrp((*irp).StackCount));
            IoFreeIrp(irp);
        }
    }
    assert_eq!(host.kernel().outstanding_allocations(), 0);
}

/// A fault elsewhere ends the process as it does without a host.
#[test]
#[cfg(unix)]
fn a_fault_outside_the_pool_ends_the_process_without_a_report() {
    let test = "memory::a_fault_outside_the_pool_ends_the_process_without_a_report";
    let said = test_support::process::run_failing(test, "", |_| {
        let host = wsk_host::Host::new(crate::stops::inline());
        let _entered = host.enter();
        free(pages());
        let nothing: *const u8 = std::ptr::without_provenance(4096);
        // SAFETY: the access faults, which is what is tested.
        unsafe { nothing.read_volatile() };
    });
    if let Some(said) = said {
        assert!(!said.contains("wsk-host: "), "{said}");
        assert!(!said.contains("ended without a report"), "{said}");
    }
}
