//! MDLs and the look-up of system routines.

use std::ptr;

use test_support::kernel::TAG;
use wsk_host::{Config, Host, Windows};
use wsk_sys::*;

use crate::host;

#[test]
fn mdls_describe_pool_locked_memory_and_parts() {
    let (host, _entered) = host();
    // SAFETY: each call gets what the one before has made.
    unsafe {
        let memory = ExAllocatePoolWithTag(NonPagedPoolNx, 10_000, TAG);
        let irp = IoAllocateIrp(1, FALSE);
        let pool = IoAllocateMdl(memory, 10_000, FALSE, FALSE, irp);
        assert_eq!((*irp).MdlAddress, pool);
        MmBuildMdlForNonPagedPool(pool);
        assert_eq!(MmGetSystemAddressForMdlSafe(pool, 0), memory);

        let middle = memory.byte_add(5000);
        let part = IoAllocateMdl(middle, 3000, TRUE, FALSE, irp);
        assert_eq!((*pool).Next, part);
        IoBuildPartialMdl(pool, part, middle, 3000);
        assert_eq!(MmGetSystemAddressForMdlSafe(part, 0), middle);
        assert_eq!((*part).ByteCount, 3000);

        let mut local = [0_u8; 100];
        let locked = IoAllocateMdl(local.as_mut_ptr().cast(), 100, FALSE, FALSE, ptr::null_mut());
        MmProbeAndLockPages(locked, KernelMode, IoWriteAccess);
        host.fail_allocation(1);
        assert!(MmGetSystemAddressForMdlSafe(locked, 0).is_null());
        assert_eq!(MmGetSystemAddressForMdlSafe(locked, 0), local.as_mut_ptr().cast());
        MmUnlockPages(locked);

        for mdl in [pool, part, locked] {
            IoFreeMdl(mdl);
        }
        IoFreeIrp(irp);
        ExFreePoolWithTag(memory, TAG);
    }
    assert_eq!(host.outstanding_allocations(), 0);
}

/// Looks for a routine by name.
pub(crate) fn routine(name: &str) -> PVOID {
    let text: Vec<u16> = name.encode_utf16().collect();
    let mut name = unicode_string(&text).unwrap();
    // SAFETY: the name is a valid string.
    unsafe { MmGetSystemRoutineAddress(&raw mut name) }
}

#[test]
fn a_system_routine_is_found_since_its_windows() {
    for (windows, is_there) in [
        (Windows::VISTA, false),
        (Windows::TEN_1803, false),
        (Windows::TEN_2004, true),
        (Windows::ELEVEN, true),
    ] {
        let host = Host::new(Config::default().windows(windows));
        let _entered = host.enter();
        assert_eq!(!routine("ExAllocatePool2").is_null(), is_there, "{windows:?}");
        for name in ["ExAllocatePool", "ExAllocatePool22", "exallocatepool2", ""] {
            assert!(routine(name).is_null(), "{name}");
        }
    }
}
