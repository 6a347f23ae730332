//! Tasks on threads: functions that block, locks, and channels.

use core::time::Duration;

use wsk::rt::yield_now;
use wsk::sync::{Arc, Mutex, mpsc, oneshot};
use wsk::time::sleep;
use wsk_driver::{Driver, Result};

use crate::check::check;

pub(crate) async fn run(driver: &Driver) -> Result<()> {
    let spawner = driver.spawner()?;
    let sum = spawner.spawn_blocking(|_passive| (1..=100).sum::<u32>())?;
    check(sum.await? == 5050, "a function runs on a thread of its own")?;

    let counter = Arc::new(Mutex::new(0))?;
    let (sender, mut receiver) = mpsc::channel(2)?;
    for number in 0..8_u32 {
        let (counter, sender) = (counter.clone(), sender.clone());
        let task = async move {
            for _ in 0..10 {
                let mut guard = counter.lock().await;
                let value = *guard;
                // Another task cannot take the lock meanwhile.
                yield_now().await;
                *guard = value + 1;
            }
            sleep(Duration::from_millis(number.into())).await?;
            // A full channel makes the task wait. The receiver outlives it.
            let _ = sender.send(number).await;
            Ok::<_, wsk::Error>(())
        };
        drop(spawner.spawn(task)?);
    }
    drop(sender);
    let (mut count, mut sum) = (0, 0);
    while let Some(number) = receiver.recv().await {
        count += 1;
        sum += number;
    }
    check((count, sum) == (8, 28), "every task has sent its number")?;
    check(*counter.lock().await == 80, "the lock excludes others")?;

    let (sender, receiver) = oneshot::channel()?;
    let pinned = spawner.spawn_pinned(move |local| async move {
        let inner = local.spawn_local(async { 3 })?;
        let value = inner.await?;
        // The receiver waits for it.
        let _ = sender.send(value);
        Ok::<_, wsk::Error>(())
    })?;
    check(receiver.await? == 3, "a pinned task has tasks of its own")?;
    pinned.await??;
    Ok(())
}
