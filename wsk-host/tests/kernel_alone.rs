//! The kernel without WSK, on which a driver without sockets can be tested.

use std::time::Duration;

use wsk_host::Timing;
use wsk_host::kernel::{Config, Kernel, Threads};
use wsk_sys::{FALSE, IoAllocateIrp, IoFreeIrp, KeDelayExecutionThread, KernelMode, LARGE_INTEGER};

/// Sleeps in the kernel.
fn sleep(duration: Duration) {
    let ticks = i64::try_from(duration.as_nanos() / 100).unwrap();
    let mut interval = LARGE_INTEGER { QuadPart: -ticks };
    // SAFETY: the interval is valid, and the IRQL is PASSIVE_LEVEL.
    unsafe { KeDelayExecutionThread(KernelMode as _, FALSE, &raw mut interval) };
}

#[test]
fn time_passes_while_all_threads_wait() {
    for seed in 0..4 {
        let kernel = Kernel::new(Config { timing: Timing::Mixed(seed), ..Config::default() });
        let _entered = kernel.enter();
        sleep(Duration::from_secs(3600));
        assert!(kernel.elapsed() >= Duration::from_secs(3600));
    }
}

#[test]
fn native_threads_sleep_in_the_time_of_the_machine() {
    let kernel = Kernel::new(Config { threads: Threads::Native, ..Config::default() });
    let _entered = kernel.enter();
    let start = std::time::Instant::now();
    sleep(Duration::from_millis(20));
    assert!(start.elapsed() >= Duration::from_millis(20));
}

#[test]
fn each_kernel_has_a_pool_of_its_own() {
    let [first, second] = [0, 1].map(|_| Kernel::new(Config::default()));
    let irp = {
        let _entered = first.enter();
        // SAFETY: an IRP may be allocated at any IRQL up to DISPATCH_LEVEL.
        unsafe { IoAllocateIrp(1, FALSE) }
    };
    assert!(!irp.is_null());
    assert_eq!((first.outstanding_allocations(), second.outstanding_allocations()), (1, 0));
    assert!(first.outstanding_by_tag().contains_key(b"Irp "));
    let _entered = first.enter();
    // SAFETY: the IRP was allocated on this kernel, and is not in flight.
    unsafe { IoFreeIrp(irp) };
    first.fail_allocation(1);
    // SAFETY: an IRP may be allocated at any IRQL up to DISPATCH_LEVEL.
    assert!(unsafe { IoAllocateIrp(1, FALSE) }.is_null());
    assert_eq!(first.trace().len(), 1);
}
