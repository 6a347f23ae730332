//! Pool: failing allocations, accounting by tag, `ExAllocatePool2`.

use test_support::kernel::TAG;
use wsk_sys::*;

use crate::host;
use crate::mm::routine;

/// One allocation fails, or every one from a number on; unfreed memory is counted by tag.
#[test]
fn allocations_fail_once_or_from_one_on() {
    const TAG: ULONG = u32::from_le_bytes(*b"tags");
    let (host, _entered) = host();
    // SAFETY: memory may be asked for anywhere.
    let allocate = || unsafe { ExAllocatePoolWithTag(NonPagedPoolNx, 10, TAG) };
    host.fail_allocation(2);
    let once = [(); 3].map(|()| allocate());
    assert_eq!(once.map(PVOID::is_null), [false, true, false]);
    assert_eq!(host.outstanding_by_tag().into_iter().collect::<Vec<_>>(), [(*b"tags", (2, 20))]);
    host.fail_allocations_from(2);
    let lasting = [(); 3].map(|()| allocate());
    assert_eq!(lasting.map(PVOID::is_null), [false, true, true]);
    for memory in once.into_iter().chain(lasting).filter(|memory| !memory.is_null()) {
        // SAFETY: it was allocated above, and is freed once.
        unsafe { ExFreePoolWithTag(memory, TAG) };
    }
    assert!(host.outstanding_by_tag().is_empty());
}

/// The type of the kernel's own `ExAllocatePool2`.
type Allocate = unsafe extern "C" fn(POOL_FLAGS, SIZE_T, ULONG) -> PVOID;

unsafe extern "C" {
    /// Not in wsk-sys: drivers free with the tag.
    fn ExFreePool(memory: PVOID);
}

#[test]
fn ex_allocate_pool_2_zeroes_and_is_accounted() {
    const ZEROED: POOL_FLAGS = POOL_FLAG_NON_PAGED;
    const AS_IT_IS: POOL_FLAGS = POOL_FLAG_NON_PAGED | POOL_FLAG_UNINITIALIZED;
    const PAGED: POOL_FLAGS = 0x100;
    let (host, _entered) = host();
    // SAFETY: the routine is the kernel's, and has this type.
    let allocate = unsafe { std::mem::transmute::<PVOID, Allocate>(routine("ExAllocatePool2")) };
    // SAFETY: the memory has the size that it is read with.
    unsafe {
        let memory = allocate(ZEROED, 100, TAG);
        assert_eq!(std::slice::from_raw_parts(memory.cast::<u8>(), 100), [0; 100]);
        let other = allocate(AS_IT_IS, 100, TAG);
        assert_ne!(other.cast::<u8>().read(), 0);
        assert_eq!(host.outstanding_allocations(), 2);
        host.fail_allocation(1);
        assert!(allocate(ZEROED, 100, TAG).is_null());
        // No pool, two pools, unknown required flags, no size, no tag.
        for flags in [0, POOL_FLAG_UNINITIALIZED, ZEROED | PAGED, ZEROED | 0x200] {
            assert!(allocate(flags, 100, TAG).is_null(), "{flags:#x}");
        }
        assert!(allocate(ZEROED, 0, TAG).is_null());
        assert!(allocate(ZEROED, 100, 0).is_null());
        // Unknown flags of the upper half are optional, and ignored.
        let optional = allocate(ZEROED | 1 << 40, 100, TAG);
        ExFreePoolWithTag(optional, 0);
        ExFreePoolWithTag(memory, TAG);
        ExFreePool(other);
    }
    assert_eq!(host.outstanding_allocations(), 0);
}
