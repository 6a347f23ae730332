//! embassy-time with `wsk`'s time driver, which edge-http's timeouts need.

use wsk::time::EmbassyTimeDriver;

embassy_time_driver::time_driver_impl!(
    static TIME: EmbassyTimeDriver<16> = EmbassyTimeDriver::new()
);

/// Wakes the tasks that wait for a time. Run it as a task of the driver.
///
/// # Errors
///
/// `STATUS_INSUFFICIENT_RESOURCES`. After this error, no task is woken.
pub async fn run() -> wsk::Result<()> {
    TIME.run().await.map(drop)
}
