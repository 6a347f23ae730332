//! Yielding.

use core::future::poll_fn;
use core::task::Poll;

/// Yields to other tasks once.
///
/// Tasks that wait for requests yield automatically; a task that computes for a long time does not.
///
/// IRQL: the level at which the future is polled.
///
/// ```
/// use wsk::rt;
///
/// async fn sum(numbers: &[u64]) -> u64 {
///     let mut sum = 0;
///     for chunk in numbers.chunks(10_000) {
///         sum += chunk.iter().sum::<u64>();
///         rt::yield_now().await;
///     }
///     sum
/// }
/// # let passive = unsafe { wsk::irql::Passive::assume() };
/// # assert_eq!(rt::block_on(passive, sum(&[1; 30_000]))?, 30_000);
/// # extern crate wsk_host;
/// # Ok::<(), wsk::Error>(())
/// ```
///
/// # Cancel safety
///
/// This method is cancel safe. Dropping the future changes nothing.
pub async fn yield_now() {
    let mut has_given_way = false;
    poll_fn(|context| {
        if has_given_way {
            return Poll::Ready(());
        }
        has_given_way = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
