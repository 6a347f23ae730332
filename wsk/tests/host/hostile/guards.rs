//! Guards, handles and tokens that are forgotten, and futures that are exchanged before they are polled.

use std::mem::{forget, replace, swap};
use std::time::Duration;

use test_support::connection::{buffer, streams};
use test_support::futures::poll_times;

use wsk::rt::{self, TaskTracker};
use wsk::sync::{Arc, Mutex, RwLock, mpsc, watch};
use wsk::{Buffer, ErrorKind, time};

use super::{driver, with_driver};

/// A forgotten guard locks for ever: everyone else waits, is told so, and can be dropped.
#[test]
fn forgotten_guards() {
    let left = driver(async |_| {
        let short = Duration::from_millis(1);
        let mut mutex = Mutex::new(0);
        forget(mutex.lock().await);
        assert_eq!(
            time::timeout(short, mutex.lock()).await.unwrap_err().kind(),
            ErrorKind::TimedOut
        );
        assert!(mutex.try_lock().is_err());
        // Who owns the lock alone needs no guard.
        *mutex.get_mut() += 1;
        assert_eq!(mutex.into_inner(), 1);

        let lock = RwLock::new(0);
        forget(lock.read().await);
        assert_eq!(*lock.try_read().unwrap(), 0);
        assert!(time::timeout(short, lock.write()).await.is_err());
        assert_eq!(*lock.read().await, 0, "a writer that gave up blocks nobody");
        let lock = RwLock::new(0);
        forget(lock.write().await);
        assert!(time::timeout(short, lock.read()).await.is_err());
        assert!(lock.try_write().is_err());

        let (seen, watcher) = watch::channel(1)?;
        forget(watcher.clone());
        seen.send(2);
        drop(watcher);
        Ok(())
    });
    // The channel of the receiver that was forgotten.
    assert!(left.iter().all(|left| *left == 1), "{left:?}");
}

#[test]
fn forgotten_tokens_and_handles() {
    let left = driver(async |driver| {
        let tracker = TaskTracker::new()?;
        tracker.close();
        let token = tracker.token();
        let copy = tracker.token();
        assert_eq!(tracker.len(), 2);
        drop(token);
        assert!(time::timeout(Duration::from_millis(1), tracker.wait()).await.is_err());
        drop(copy);
        tracker.wait().await;

        // The task ends, although nobody can wait for it.
        let (done, mut finished) = mpsc::channel(1)?;
        forget(driver.runtime.spawner().clone());
        let task = driver.runtime.spawn(async move { done.send(1).await.is_ok() })?;
        let abort = task.abort_handle();
        drop(task);
        assert_eq!(finished.recv().await, Some(1));
        abort.abort();
        abort.abort();
        let mut shared = Arc::new(1)?;
        let other = shared.clone();
        assert!(Arc::get_mut(&mut shared).is_none());
        drop(other);
        assert_eq!(Arc::into_inner(shared), Some(1));
        Ok(())
    });
    // The scheduler of the spawner that was forgotten: its memory, and that of its two lists.
    assert!(left.iter().all(|left| *left == 3), "{left:?}");
}

/// Futures that were not polled may move and be exchanged; each still belongs to the object that it was made of.
#[test]
fn exchanged_futures() {
    let left = driver(async |driver| {
        let (one, one_peer) = streams(&driver.wsk).await?;
        let (other, other_peer) = streams(&driver.wsk).await?;
        one_peer.send_all(buffer(b"1")?).await.into_result()?;
        other_peer.send_all(buffer(b"2")?).await.into_result()?;
        let recv = |stream| wsk::TcpStream::recv(stream, Buffer::new(9).unwrap());
        let (mut first, mut second) = (recv(&one), recv(&other));
        swap(&mut first, &mut second);
        let third = replace(&mut first, recv(&one));
        let mut futures = vec![second, third, first];
        futures.reverse();
        futures.swap(0, 2);
        // The second one on the same connection waits, and is dropped in the vector.
        let last = futures.pop().unwrap();
        drop(last);
        let mut received = Vec::new();
        for future in futures {
            let (count, bytes) = future.await.into_result()?;
            received.extend_from_slice(&bytes[..count]);
        }
        received.sort_unstable();
        assert_eq!(received, *b"12");
        // A future is forgotten before it was polled: there is no request.
        forget(one.recv(Buffer::new(1)?));
        one_peer.send_all(buffer(b"3")?).await.into_result()?;
        let (count, bytes) = one.recv(Buffer::new(9)?).await.into_result()?;
        assert_eq!(bytes[..count], *b"3");
        Ok(())
    });
    // The buffer of the future that was forgotten.
    assert!(left.iter().all(|left| *left == 1), "{left:?}");
}

/// Handles that are futures are exchanged between two polls: each is the other task's then.
#[test]
fn exchanged_handles() {
    with_driver(async |driver| {
        let spawn = |value: u8| {
            driver.runtime.spawn(async move {
                for _ in 0..3 {
                    rt::yield_now().await;
                }
                value
            })
        };
        let (mut one, mut other) = (spawn(1)?, spawn(2)?);
        poll_times(&mut one, 1).await;
        swap(&mut one, &mut other);
        // A handle that was ready must not be polled again; these may be.
        let early = replace(&mut one, spawn(3)?);
        assert_eq!(early.await?, 2);
        assert_eq!(one.await?, 3);
        let _ = other.await;
        Ok(())
    });
}
