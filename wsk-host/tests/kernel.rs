//! The kernel's calls, made as a client in C makes them.

#![allow(clippy::multiple_unsafe_ops_per_block, reason = "raw calls, one after the other")]

use std::collections::BTreeSet;
use std::mem::MaybeUninit;
use std::ptr;
use std::sync::atomic::{AtomicUsize, Ordering};

use wsk_host::{Config, Entered, Host, Windows};
use wsk_sys::*;

const TAG: ULONG = u32::from_le_bytes(*b"test");

/// A host for the current thread.
fn host() -> (Host, Entered) {
    let host = Host::new(Config::default());
    let entered = host.enter();
    (host, entered)
}

/// Relative, in units of 100 ns.
fn milliseconds(count: i64) -> LARGE_INTEGER {
    LARGE_INTEGER { QuadPart: -10_000 * count }
}

/// The names of functions, and whether each is linked.
macro_rules! linked {
    ($($name:ident)*) => {
        [$((stringify!($name), $name as *const () as usize != 0)),*]
    };
}

#[test]
fn every_function_that_wsk_sys_declares_is_there() {
    let linked = linked! {
        ExAcquireRundownProtection ExAllocatePoolWithTag ExFreePoolWithTag
        ExInitializeRundownProtection ExReleaseRundownProtection ExWaitForRundownProtectionRelease
        IoAllocateIrp IoAllocateMdl IoAllocateWorkItem IoBuildPartialMdl IoCancelIrp
        IofCompleteRequest IoFreeIrp IoFreeMdl IoFreeWorkItem IoGetCurrentProcess IoInitializeIrp
        IoInitializeWorkItem IoQueueWorkItem IoQueueWorkItemEx IoReuseIrp IoSetCompletionRoutineEx
        IoSizeofWorkItem IoUninitializeWorkItem KeAcquireSpinLockRaiseToDpc KeBugCheckEx
        KeCancelTimer KeClearEvent KeDelayExecutionThread KeFlushQueuedDpcs KeInitializeDpc
        KeInitializeEvent KeInitializeSemaphore KeInitializeTimer KeInitializeTimerEx
        KeQuerySystemTimePrecise KeQueryUnbiasedInterruptTime KeReadStateEvent KeReleaseSemaphore
        KeReleaseSpinLock KeResetEvent KeSetEvent KeSetTimer KeWaitForMultipleObjects
        KeWaitForSingleObject MmBuildMdlForNonPagedPool MmGetSystemRoutineAddress
        MmMapLockedPagesSpecifyCache MmProbeAndLockPages MmUnlockPages ObfDereferenceObject
        ObfReferenceObject ObReferenceObjectByHandle PsCreateSystemThread PsTerminateSystemThread
        RtlGetVersion RtlInitUnicodeString WskCaptureProviderNPI WskDeregister
        WskQueryProviderCharacteristics WskRegister WskReleaseProviderNPI ZwClose
    };
    let names: BTreeSet<&str> =
        linked.iter().filter(|(_, is_there)| *is_there).map(|(name, _)| *name).collect();
    let sources = [
        include_str!("../../wsk-sys/src/generated/kernel.rs"),
        include_str!("../../wsk-sys/src/generated/wsk.rs"),
    ];
    let declared: BTreeSet<&str> = sources
        .iter()
        .flat_map(|source| source.split("    pub fn ").skip(1))
        .filter_map(|rest| rest.split('(').next())
        // Stable Rust cannot define a function with a variable number of arguments.
        .filter(|name| *name != "DbgPrint")
        .collect();
    assert_eq!(names, declared);
}

static COMPLETIONS: AtomicUsize = AtomicUsize::new(0);

unsafe extern "C" fn completed(_device: PDEVICE_OBJECT, irp: PIRP, context: PVOID) -> NTSTATUS {
    COMPLETIONS.fetch_add(1, Ordering::SeqCst);
    // SAFETY: the test passes an event.
    unsafe { KeSetEvent(context.cast(), 0, FALSE) };
    // SAFETY: the IRP is completed.
    assert_eq!(unsafe { (*irp).IoStatus.Information }, 7);
    STATUS_MORE_PROCESSING_REQUIRED
}

#[test]
fn an_irp_is_allocated_completed_and_freed() {
    let (host, _entered) = host();
    let mut event = MaybeUninit::<KEVENT>::uninit();
    // SAFETY: each call gets what the one before has made.
    unsafe {
        KeInitializeEvent(event.as_mut_ptr(), NotificationEvent, FALSE);
        let irp = IoAllocateIrp(1, FALSE);
        assert_eq!((*irp).StackCount, 1);
        let status = IoSetCompletionRoutineEx(
            ptr::null_mut(),
            irp,
            Some(completed),
            event.as_mut_ptr().cast(),
            TRUE,
            TRUE,
            TRUE,
        );
        assert_eq!(status, STATUS_SUCCESS);
        IoSetNextIrpStackLocation(irp);
        (*irp).IoStatus = IO_STATUS_BLOCK { Status: STATUS_SUCCESS, Information: 7 };
        IofCompleteRequest(irp, 0);
        assert_eq!(COMPLETIONS.load(Ordering::SeqCst), 1);
        assert_ne!(KeReadStateEvent(event.as_mut_ptr()), 0);
        assert_eq!(host.outstanding_allocations(), 1);
        IoFreeIrp(irp);
    }
    assert_eq!(host.outstanding_allocations(), 0);
}

#[test]
fn irps_mdls_and_mappings_may_not_be_had() {
    let (host, _entered) = host();
    host.fail_allocation(1);
    // SAFETY: no pointers are passed that would have to be valid.
    assert!(unsafe { IoAllocateIrp(1, FALSE) }.is_null());
    host.fail_allocation(1);
    // SAFETY: as above.
    let mdl = unsafe { IoAllocateMdl(0x1000 as _, 10, FALSE, FALSE, ptr::null_mut()) };
    assert!(mdl.is_null());
    assert_eq!(host.outstanding_allocations(), 0);
}

/// One allocation fails, or one and all that follow; what was not freed is told by tag.
#[test]
fn memory_is_short_once_or_for_good() {
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

#[test]
fn a_wait_for_several_takes_one_or_all() {
    let (_host, _entered) = host();
    let mut events = [const { MaybeUninit::<KEVENT>::uninit() }; 2];
    let [first, second] = events.each_mut().map(MaybeUninit::as_mut_ptr);
    let mut objects: [PVOID; 2] = [first.cast(), second.cast()];
    let mut timeout = milliseconds(1);
    let mut wait = |wait_type| {
        // SAFETY: the events are initialised below, before the first wait.
        unsafe {
            KeWaitForMultipleObjects(
                2,
                objects.as_mut_ptr(),
                wait_type,
                Executive,
                KernelMode,
                FALSE,
                &raw mut timeout,
                ptr::null_mut(),
            )
        }
    };
    // SAFETY: the events are here.
    unsafe {
        KeInitializeEvent(first, SynchronizationEvent, FALSE);
        KeInitializeEvent(second, SynchronizationEvent, FALSE);
        assert_eq!(wait(WaitAny), STATUS_TIMEOUT);
        KeSetEvent(second, 0, FALSE);
        assert_eq!(wait(WaitAll), STATUS_TIMEOUT);
        assert_eq!(wait(WaitAny), STATUS_SUCCESS + 1);
        assert_eq!(wait(WaitAny), STATUS_TIMEOUT);
        KeSetEvent(first, 0, FALSE);
        KeSetEvent(second, 0, FALSE);
        assert_eq!(wait(WaitAll), STATUS_SUCCESS);
        assert_eq!((KeReadStateEvent(first), KeReadStateEvent(second)), (0, 0));
    }
}

unsafe extern "C" fn returns(context: PVOID) {
    // SAFETY: the test passes an event.
    unsafe { KeSetEvent(context.cast(), 0, FALSE) };
}

unsafe extern "C" fn terminates(context: PVOID) {
    // SAFETY: the test passes an event.
    unsafe { KeSetEvent(context.cast(), 0, FALSE) };
    // SAFETY: it is a system thread.
    unsafe { PsTerminateSystemThread(STATUS_SUCCESS) };
    unreachable!("the thread has ended");
}

#[test]
fn a_thread_is_waited_for_by_handle_and_as_an_object() {
    let (_host, _entered) = host();
    for routine in [returns, terminates] {
        let mut event = MaybeUninit::<KEVENT>::uninit();
        let event = event.as_mut_ptr();
        let mut handle: HANDLE = ptr::null_mut();
        let mut object: PVOID = ptr::null_mut();
        // SAFETY: each call gets what the one before has made.
        unsafe {
            KeInitializeEvent(event, NotificationEvent, FALSE);
            let status = PsCreateSystemThread(
                &raw mut handle,
                0,
                ptr::null_mut(),
                ptr::null_mut(),
                ptr::null_mut(),
                Some(routine),
                event.cast(),
            );
            assert_eq!(status, STATUS_SUCCESS);
            let status = ObReferenceObjectByHandle(
                handle,
                0,
                ptr::null_mut(),
                KernelMode,
                &raw mut object,
                ptr::null_mut(),
            );
            assert_eq!(status, STATUS_SUCCESS);
            ObfReferenceObject(object);
            for _ in 0..2 {
                let status =
                    KeWaitForSingleObject(object, Executive, KernelMode, FALSE, ptr::null_mut());
                assert_eq!(status, STATUS_SUCCESS);
            }
            assert_ne!(KeReadStateEvent(event), 0);
            let mut timeout = milliseconds(10_000);
            let status = ZwWaitForSingleObject(handle, FALSE, &raw mut timeout);
            assert_eq!(status, STATUS_SUCCESS);
            assert_eq!(ZwClose(handle), STATUS_SUCCESS);
            ObfDereferenceObject(object);
            ObfDereferenceObject(object);
            assert_eq!(
                ZwWaitForSingleObject(handle, FALSE, ptr::null_mut()),
                STATUS_INVALID_HANDLE
            );
        }
    }
}

#[test]
fn strings_are_counted_and_the_version_is_said() {
    let (_host, _entered) = host();
    let text: Vec<u16> = "wsk\0more".encode_utf16().collect();
    let mut string = MaybeUninit::<UNICODE_STRING>::uninit();
    let mut version = MaybeUninit::<RTL_OSVERSIONINFOW>::zeroed();
    // SAFETY: the memory is there.
    unsafe {
        RtlInitUnicodeString(string.as_mut_ptr(), text.as_ptr());
        let string = string.assume_init();
        assert_eq!((string.Length, string.MaximumLength), (6, 8));
        assert_eq!(string.Buffer.cast_const(), text.as_ptr());
        RtlGetVersion(version.as_mut_ptr());
        assert_eq!(version.assume_init().dwMajorVersion, 10);
    }
}

/// What the kernel's own `ExAllocatePool2` is called by.
type Allocate = unsafe extern "C" fn(POOL_FLAGS, SIZE_T, ULONG) -> PVOID;

/// Looks for a routine by name.
fn routine(name: &str) -> PVOID {
    let text: Vec<u16> = name.encode_utf16().collect();
    let mut name = unicode_string(&text).unwrap();
    // SAFETY: the name is a valid string.
    unsafe { MmGetSystemRoutineAddress(&raw mut name) }
}

#[test]
fn a_routine_is_found_where_the_system_has_it() {
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

unsafe extern "C" {
    /// Not in wsk-sys: drivers free with the tag.
    fn ExFreePool(memory: PVOID);
}

#[test]
fn pool_of_the_newer_function_is_zeroed_and_counted() {
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
        // No pool, two pools, flags that nobody knows, no size, no tag.
        for flags in [0, POOL_FLAG_UNINITIALIZED, ZEROED | PAGED, ZEROED | 0x200] {
            assert!(allocate(flags, 100, TAG).is_null(), "{flags:#x}");
        }
        assert!(allocate(ZEROED, 0, TAG).is_null());
        assert!(allocate(ZEROED, 100, 0).is_null());
        // Flags of the upper half are ignored by who does not know them.
        let optional = allocate(ZEROED | 1 << 40, 100, TAG);
        ExFreePoolWithTag(optional, 0);
        ExFreePoolWithTag(memory, TAG);
        ExFreePool(other);
    }
    assert_eq!(host.outstanding_allocations(), 0);
}
