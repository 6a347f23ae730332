//! Timers: sleeping, intervals, timeouts, and many timers at once.

use core::future::pending;
use core::time::Duration;

use wsk::ErrorKind;
use wsk::rt::JoinSet;
use wsk::time::{Instant, interval, sleep, timeout};
use wsk_driver::{Driver, Result};

use crate::check::{check, check_fails};

const MILLISECOND: Duration = Duration::from_millis(1);

pub(crate) async fn run(driver: &Driver) -> Result<()> {
    let start = Instant::now();
    sleep(20 * MILLISECOND).await?;
    check(start.elapsed() >= 20 * MILLISECOND, "a sleep is no shorter")?;

    let mut ticks = interval(5 * MILLISECOND)?;
    let first = ticks.tick().await;
    let mut last = first;
    for _ in 0..4 {
        last = ticks.tick().await;
    }
    check(last.duration_since(first) >= 20 * MILLISECOND, "four ticks take four periods")?;

    check_fails(&timeout(MILLISECOND, pending::<()>()).await, ErrorKind::TimedOut, "time is up")?;
    check(timeout(MILLISECOND, async { 7 }).await? == 7, "a ready future is in time")?;

    let start = Instant::now();
    let mut tasks = JoinSet::new(driver.spawner()?)?;
    for number in 0..16 {
        tasks.spawn(async move { sleep(number * MILLISECOND).await.map(|()| number) })?;
    }
    let mut sum = 0;
    while let Some(number) = tasks.join_next().await {
        sum += number??;
    }
    check(sum == 120, "every task has slept")?;
    check(start.elapsed() >= 15 * MILLISECOND, "the longest sleep is no shorter")
}
