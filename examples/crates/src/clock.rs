//! embassy-time, whose driver is `wsk`'s: edge-http's timeouts need it.

use wsk::time::EmbassyTimeDriver;

embassy_time_driver::time_driver_impl!(
    static TIME: EmbassyTimeDriver<16> = EmbassyTimeDriver::new()
);

/// Wakes the tasks that wait for a time: a task of the driver.
///
/// # Errors
///
/// `STATUS_INSUFFICIENT_RESOURCES`, after which none of them is woken.
pub async fn run() -> wsk::Result<()> {
    TIME.run().await.map(drop)
}
