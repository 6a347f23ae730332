//! The wait for the end of all code of a driver, before it unloads ([INV-18](crate::rules#inv-18)).
//!
//! # Safety
//!
//! `KeFlushQueuedDpcs` needs `PASSIVE_LEVEL`.

#![expect(unsafe_code, reason = "see Safety")]

use core::time::Duration;

use wsk_sys::KeFlushQueuedDpcs;

use crate::irql::Passive;
use crate::kernel::{Thread, delay};
use crate::rundown::Rundown;

/// The first and the longest delay between two checks of the counts; each delay is twice the previous one.
const STEPS: [Duration; 2] = [Duration::from_millis(1), Duration::from_millis(64)];

/// The time between two messages about a wait.
const PATIENCE: Duration = Duration::from_secs(10);

/// Waits until no code of this crate, and no code that it calls, can run any more. `DriverUnload` calls it last, and so does
/// `DriverEntry` before it returns an error.
///
/// It waits for every registration, provider, socket, timer and thread of the driver, whether it was ended by
/// [`Registration::deregister`](crate::Registration::deregister) or [`Runtime::shutdown`](crate::Runtime::shutdown), which
/// wait themselves, or by a drop, which does not. Then it flushes deferred procedure calls.
/// [The guide](crate::guide::unloading) describes the code that it cannot wait for.
///
/// If the driver still owns one of these objects, or has passed one to [`core::mem::forget`], this waits indefinitely. Every
/// 10 seconds it sends a message to the kernel debugger that names the remaining objects. On a host, the first message ends
/// the process.
///
/// IRQL: `PASSIVE_LEVEL`. It takes one or two ticks of the system's clock, up to 32 ms.
///
/// ```
/// use wsk::{Registration, irql::Passive};
///
/// /// Called by the system to unload the driver.
/// fn driver_unload(passive: Passive, registration: Registration) {
///     registration.deregister(passive);
///     wsk::unload(passive);
/// }
/// # let host = wsk_host::Host::new(wsk_host::Config::default());
/// # let _entered = host.enter();
/// # let passive = unsafe { Passive::assume() };
/// # driver_unload(passive, Registration::register(passive)?);
/// # Ok::<(), wsk::Error>(())
/// ```
pub fn unload(passive: Passive) {
    let rundown = Rundown::current();
    let [mut step, longest] = STEPS;
    let mut waited = Duration::ZERO;
    loop {
        Thread::join_ended(passive);
        if rundown.is_empty() {
            break;
        }
        // Not an event: its signal would be one of the last steps of a completion routine, and would release this thread
        // while the routine is still in the driver's code.
        delay(passive, step);
        waited = waited.saturating_add(step);
        step = longest.min(step.saturating_mul(2));
        if waited >= PATIENCE {
            waited = Duration::ZERO;
            rundown.report("unload");
        }
    }
    // The last step of a completion routine releases its reference. During a delay, threads that were interrupted after
    // that step leave the routine, including those of a lower priority.
    delay(passive, STEPS[0]);
    // SAFETY: the token proves PASSIVE_LEVEL.
    unsafe { KeFlushQueuedDpcs() };
}
