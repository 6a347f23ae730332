//! The future of each method, forgotten while its request is in flight: nothing hangs, and other requests go on.

use std::future::{Future, pending, poll_fn};
use std::task::Poll;
use std::time::Duration;

use test_support::connection::{LOCAL, buffer, streams};
use test_support::futures::poll_times;
use wsk::rt::{self, JoinSet, TaskTracker};
use wsk::sync::{CancellationToken, Mutex, Notify, RwLock, mpsc, oneshot, watch};
use wsk::{Buffer, TcpListener, TcpStream, UdpSocket, time};

use super::driver;

/// Polls a future, and forgets it.
async fn forget(future: impl Future) {
    let mut future = Box::pin(future);
    poll_fn(|context| {
        let _ = future.as_mut().poll(context);
        Poll::Ready(())
    })
    .await;
    std::mem::forget(future);
}

/// A connection on which each receive is forgotten receives again, and ends.
#[test]
fn receives() {
    driver(async |driver| {
        for which in 0..6 {
            let (stream, peer) = streams(&driver.wsk).await?;
            let mut bytes = [0; 3];
            match which {
                0 => forget(stream.recv(Buffer::new(3)?)).await,
                1 => forget(stream.recv_into(&mut bytes)).await,
                2 => forget(stream.recv_full(Buffer::new(3)?)).await,
                3 => forget(stream.recv_exact(Buffer::new(3)?)).await,
                4 => forget(stream.readable()).await,
                _ => forget(stream.drain()).await,
            }
            peer.send_all(buffer(b"some bytes")?).await.into_result()?;
            peer.shutdown().await?;
            // The forgotten request may have some of them.
            let received = time::timeout(Duration::from_secs(1), async {
                while stream.recv_into(&mut bytes).await? > 0 {}
                Ok::<_, wsk::Error>(())
            });
            let _ = received.await;
            stream.close().await;
        }
        Ok(())
    });
}

#[test]
fn sends() {
    driver(async |driver| {
        for which in 0..5 {
            let (stream, peer) = streams(&driver.wsk).await?;
            match which {
                0 => forget(stream.send(Buffer::new(3)?)).await,
                1 => forget(stream.send_all(Buffer::new(300_000)?)).await,
                2 => forget(stream.shutdown()).await,
                3 => forget(stream.shutdown_with(Buffer::new(3)?)).await,
                _ => forget(stream.abort()).await,
            }
            let mut bytes = [0; 1000];
            let received = time::timeout(Duration::from_millis(50), async {
                while peer.recv_into(&mut bytes).await? > 0 {}
                Ok::<_, wsk::Error>(())
            });
            let _ = received.await;
            drop(stream);
            peer.close().await;
        }
        Ok(())
    });
}

#[test]
fn ends_and_addresses() {
    driver(async |driver| {
        let (stream, peer) = streams(&driver.wsk).await?;
        forget(stream.local_addr()).await;
        forget(stream.peer_addr()).await;
        let mut buffered = peer.buffered();
        buffered.write(b"some").await?;
        forget(buffered.flush()).await;
        forget(buffered.fill_buf()).await;
        forget(buffered.shutdown()).await;
        forget(buffered.into_inner().close()).await;
        let listener = TcpListener::bind(&driver.wsk, LOCAL).await?;
        forget(listener.local_addr()).await;
        forget(listener.close()).await;
        forget(wsk::net::copy(&stream, &stream)).await;
        Ok(())
    });
}

#[test]
fn datagrams() {
    driver(async |driver| {
        let socket = UdpSocket::bind(&driver.wsk, LOCAL).await?;
        let to = socket.local_addr().await?;
        let mut bytes = [0; 9];
        forget(socket.recv_from(Buffer::new(9)?)).await;
        forget(socket.recv_from_into(&mut bytes)).await;
        forget(socket.readable()).await;
        forget(socket.receiver(9)?.recv_from()).await;
        forget(socket.send_to(Buffer::new(9)?, to)).await;
        forget(socket.send_copy_to(b"datagram", to)).await;
        for _ in 0..9 {
            socket.send_copy_to(b"datagram", to).await?;
        }
        let received = socket.recv_from_into(&mut bytes);
        let _ = time::timeout(Duration::from_secs(1), received).await;
        forget(socket.close()).await;
        Ok(())
    });
}

/// A forgotten wait keeps its place in the queue, in memory that is never reused; those before and after it are served.
#[test]
fn waits_of_tasks() {
    driver(async |driver| {
        let notify = Notify::new();
        forget(notify.notified()).await;
        notify.notify_waiters();
        notify.notify_one();
        notify.notified().await;

        let mutex = Mutex::new(0);
        let guard = mutex.try_lock()?;
        // Its turn is lost with it, if it is served: no other lock waits here.
        poll_times(mutex.lock(), 1).await;
        drop(guard);
        *mutex.lock().await += 1;
        let lock = RwLock::new(0);
        let reads = lock.try_read()?;
        poll_times(lock.write(), 1).await;
        drop(reads);
        *lock.write().await += 1;

        let (values, mut queue) = mpsc::channel(1)?;
        values.try_send(1).expect("there is room");
        poll_times(values.send(2), 1).await;
        assert!(queue.recv().await.is_some());
        forget(queue.recv()).await;
        values.send(3).await.unwrap();
        assert_eq!(queue.recv().await, Some(3));
        let (_sender, mut answer) = oneshot::channel::<u8>()?;
        forget(async { (&mut answer).await }).await;
        let (seen, mut watcher) = watch::channel(1)?;
        forget(watcher.changed()).await;
        seen.send(2);
        assert_eq!(watcher.get_and_update(), 2);

        let token = CancellationToken::new()?;
        forget(token.cancelled()).await;
        let child = token.child_token()?;
        forget(child.run_until_cancelled(pending::<()>())).await;
        token.cancel();
        let tracker = TaskTracker::new()?;
        forget(tracker.wait()).await;
        let mut set = JoinSet::new(driver.runtime.spawner())?;
        set.spawn(rt::yield_now())?;
        forget(set.join_next()).await;
        set.spawn(rt::yield_now())?;
        forget(set.shutdown()).await;
        while set.join_next().await.is_some() {}
        let mut task = driver.runtime.spawn(rt::yield_now())?;
        forget(&mut task).await;
        // The output may be that of the forgotten poll.
        let _ = task.await;
        Ok(())
    });
}

/// A forgotten timer expires for nobody.
#[test]
fn timers() {
    driver(async |_| {
        forget(time::sleep(Duration::from_millis(1))).await;
        forget(time::timeout(Duration::from_millis(1), pending::<()>())).await;
        let mut interval = time::interval(Duration::from_millis(1))?;
        interval.tick().await;
        forget(interval.tick()).await;
        forget(rt::yield_now()).await;
        interval.tick().await;
        time::sleep(Duration::from_millis(5)).await
    });
}

/// The parts of a connect that are forgotten before the socket is open.
#[test]
fn a_connect_that_was_not_polled() {
    driver(async |driver| {
        std::mem::forget(TcpStream::connect(&driver.wsk, LOCAL));
        std::mem::forget(TcpListener::bind(&driver.wsk, LOCAL));
        Ok::<(), wsk::Error>(())
    });
}

/// Results that nobody takes.
#[test]
fn results() {
    driver(async |driver| {
        let (stream, peer) = streams(&driver.wsk).await?;
        peer.send_all(buffer(b"x")?).await.into_result()?;
        std::mem::forget(stream.recv(Buffer::new(1)?).await);
        std::mem::forget(stream.send(Buffer::new(1)?).await);
        std::mem::forget(Buffer::new(5000)?);
        Ok(())
    });
}
