//! Every owner, dropped in a callback, in a deferred procedure call and in a completion routine.

use std::future::{Future, pending};
use std::pin::Pin;
use std::task::{Context, Waker};
use std::time::Duration;

use test_support::connection::{LOCAL, streams};
use test_support::scenario::passive;
use wsk::pool::PoolBox;
use wsk::resolve::Hints;
use wsk::rt::{DpcExecutor, JoinSet, TaskTracker};
use wsk::socket::{ConnectionSocket, DatagramSocket, Family, ListenSocket};
use wsk::sync::{self, CancellationToken, mpsc, oneshot, watch};
use wsk::{Batch, Buffer, Chain, Result, TcpListener, TcpStream, UdpSocket, time};

use super::{Driver, with_driver};
use crate::unload::{drop_in_callback, drop_in_completion_routine, drop_in_dpc};

type Owner = Box<dyn Send>;

fn owner(value: impl Send + 'static) -> Owner {
    Box::new(value)
}

/// A future in flight.
fn polled(future: impl Future<Output: 'static> + Send + 'static) -> Owner {
    let mut future: Pin<Box<dyn Future<Output = _> + Send>> = Box::pin(future);
    let is_ready = future.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready();
    if is_ready { Box::new(()) } else { Box::new(future) }
}

/// Waits until requests have completed.
async fn settle() -> Result<()> {
    time::sleep(Duration::from_millis(20)).await
}

/// Runs a scenario in which each of some owners is dropped in each place.
#[allow(clippy::needless_pass_by_value, reason = "a closure is best written in place")]
fn dropped_everywhere(owners: impl AsyncFn(&Driver) -> Result<Vec<Owner>>) {
    with_driver(async |driver| {
        for owner in owners(driver).await? {
            drop_in_callback(&driver.wsk, owner).await?;
        }
        for owner in owners(driver).await? {
            drop_in_dpc(owner).await?;
        }
        for owner in owners(driver).await? {
            drop_in_completion_routine(&driver.wsk, owner).await?;
        }
        Ok(())
    });
}

#[test]
fn listeners() {
    dropped_everywhere(async |Driver { wsk, .. }| {
        let idle = TcpListener::bind(wsk, LOCAL).await?;
        let backlog = TcpListener::bind(wsk, LOCAL).await?;
        let client = TcpStream::connect(wsk, backlog.local_addr().await?).await?;
        let accepting = TcpListener::bind(wsk, LOCAL).await?;
        let socket = ListenSocket::builder(wsk, Family::INET).bind(LOCAL).await?;
        Ok(vec![
            owner(idle),
            owner(backlog),
            owner(client),
            polled(async move { accepting.accept().await.map(drop) }),
            owner(socket),
            polled({
                let wsk = wsk.clone();
                async move { TcpListener::bind(&wsk, LOCAL).await.map(drop) }
            }),
        ])
    });
}

#[test]
fn connections_and_their_halves() {
    dropped_everywhere(async |Driver { wsk, .. }| {
        let (client, server) = streams(wsk).await?;
        let (read, write) = client.into_split();
        let mut buffered = server.buffered();
        buffered.write(b"not flushed").await?;
        let (reader, mut writer) = streams(wsk).await?.0.buffered().into_split();
        writer.write(b"nobody reads it").await?;
        let builder = ConnectionSocket::builder(wsk, Family::INET);
        let bound = builder.bind(LOCAL).await?;
        Ok(vec![
            owner(read),
            owner(write),
            owner(buffered),
            owner(writer),
            owner(reader),
            owner(bound),
            owner(streams(wsk).await?),
        ])
    });
}

#[test]
fn futures_of_connections() {
    dropped_everywhere(async |Driver { wsk, .. }| {
        let listener = TcpListener::bind(wsk, LOCAL).await?;
        let address = listener.local_addr().await?;
        let wsk_of_connect = wsk.clone();
        let mut owners = vec![
            polled(async move { TcpStream::connect(&wsk_of_connect, address).await.map(drop) }),
            owner(listener),
        ];
        for which in 0..8 {
            let (stream, peer) = streams(wsk).await?;
            let buffer = Buffer::new(50_000)?;
            owners.push(match which {
                0 => polled(async move { drop(stream.recv(buffer).await) }),
                1 => polled(async move { drop(stream.send_all(buffer).await) }),
                2 => polled(async move { drop(stream.shutdown_with(buffer).await) }),
                3 => polled(async move { stream.drain().await.ok() }),
                4 => polled(async move { stream.readable().await.ok() }),
                5 => polled(async move { drop(stream.recv_exact(buffer).await) }),
                6 => polled(stream.close()),
                _ => polled(async move { stream.finish(Duration::from_secs(1)).await.ok() }),
            });
            owners.push(owner(peer));
        }
        Ok(owners)
    });
}

#[test]
fn datagram_sockets() {
    dropped_everywhere(async |Driver { wsk, .. }| {
        let mut first = UdpSocket::bind(wsk, LOCAL).await?;
        let second = UdpSocket::bind(wsk, LOCAL).await?;
        let third = UdpSocket::bind(wsk, LOCAL).await?;
        let _ = first.connect(second.local_addr().await?).await?;
        let connected = third.into_connected(second.local_addr().await?).await?;
        first.disconnect().await?;
        let mut receiver = first.receiver(10)?;
        let receives = UdpSocket::bind(wsk, LOCAL).await?;
        let socket = DatagramSocket::builder(wsk, Family::INET).bind(LOCAL).await?;
        Ok(vec![
            polled(async move { receiver.recv_from().await.map(drop) }),
            owner(first),
            owner(second),
            owner(connected),
            polled(async move {
                drop(receives.recv_from(Buffer::new(9)?).await);
                Ok::<_, wsk::Error>(())
            }),
            owner(socket),
        ])
    });
}

#[test]
fn memory() {
    dropped_everywhere(async |Driver { wsk, .. }| {
        let mut chain = Chain::new();
        for size in [1, 5000, 70_000] {
            chain.push_back(Buffer::new(size)?).expect("it is not empty");
        }
        let stream = streams(wsk).await?.0;
        Ok(vec![
            owner(chain),
            owner(Buffer::new(10_000)?),
            owner(Buffer::new(10)?.slice(2..3)?),
            owner(sync::Arc::new(stream)?),
            owner(PoolBox::new(streams(wsk).await?)?),
            owner(wsk.clone()),
            owner(wsk.resolve("localhost", 80, Hints::new()).await?),
        ])
    });
}

#[test]
fn timers() {
    dropped_everywhere(async |_| {
        let mut interval = time::interval(Duration::from_millis(3))?;
        interval.tick().await;
        Ok(vec![
            owner(time::Sleep::new(Duration::from_secs(1))?),
            polled(time::Sleep::new(Duration::from_secs(1))?),
            polled(async move { _ = interval.tick().await }),
            polled(time::timeout(Duration::from_millis(1), pending::<()>())),
        ])
    });
}

#[test]
fn tasks_and_their_handles() {
    dropped_everywhere(async |Driver { wsk, runtime, dpcs }| {
        let spawner = runtime.spawner();
        let (client, server) = streams(wsk).await?;
        let output = runtime.spawn(async move { client })?;
        let mut set = JoinSet::new(runtime.spawner())?;
        set.spawn(async move {
            drop(server.recv(Buffer::new(9).unwrap()).await);
            pending::<()>().await;
        })?;
        set.spawn(async {})?;
        let tracker = TaskTracker::new()?;
        drop(
            tracker
                .spawn(&spawner, async { time::sleep(Duration::from_millis(3)).await.unwrap() })?,
        );
        let tracked = tracker.token();
        let stream = streams(wsk).await?.0;
        let in_dpc = dpcs.spawn(async move {
            drop(stream.recv(Buffer::new(9).unwrap()).await);
        })?;
        let other = DpcExecutor::new(passive(), 1)?;
        let waits = other.spawn(time::sleep(Duration::from_secs(1)))?;
        let waiting = polled({
            let tracker = tracker.clone();
            async move { tracker.wait().await }
        });
        let aborted = runtime.spawn(pending::<()>())?;
        let handle = aborted.abort_handle();
        aborted.abort();
        settle().await?;
        Ok(vec![
            owner(output),
            owner(set),
            owner(tracked),
            owner(tracker),
            waiting,
            owner(in_dpc),
            owner(other),
            owner(waits),
            owner(aborted),
            owner(handle),
            owner(spawner),
            owner(dpcs.spawner()),
        ])
    });
}

/// Their values are sockets, and tasks wait for them.
#[test]
fn ends_of_channels() {
    dropped_everywhere(async |Driver { wsk, runtime, .. }| {
        let (values, mut queue) = mpsc::channel(4)?;
        values.try_send(streams(wsk).await?.0).expect("there is room");
        let full = values.clone();
        let (one, answer) = oneshot::channel()?;
        one.send(streams(wsk).await?.1).expect("it is received");
        let (unsent, mut waits) = oneshot::channel::<TcpStream>()?;
        drop(runtime.spawn(async move { drop((&mut waits).await) })?);
        let (seen, mut watcher) = watch::channel(1)?;
        drop(runtime.spawn(async move { _ = watcher.changed().await })?);
        let token = CancellationToken::new()?;
        let child = token.child_token()?;
        drop(runtime.spawn(async move { child.cancelled().await })?);
        let (asked, mut asks) = mpsc::channel::<u8>(1)?;
        drop(runtime.spawn(async move { while asks.recv().await.is_some() {} })?);
        drop(queue.try_recv()?);
        values.try_send(streams(wsk).await?.0).expect("there is room");
        settle().await?;
        Ok(vec![
            owner(queue),
            owner(full),
            owner(values),
            owner(answer),
            owner(unsent),
            owner(seen),
            owner(token.child_token()?.drop_guard()),
            owner(token.drop_guard()),
            owner(asked),
        ])
    });
}

#[test]
fn a_batch() {
    dropped_everywhere(async |Driver { wsk, .. }| {
        let socket = UdpSocket::bind(wsk, LOCAL).await?;
        let to = socket.local_addr().await?;
        let batch = || {
            let mut batch = Batch::with_capacity(2)?;
            for size in [1, 2] {
                batch.push(Buffer::new(size)?).expect("memory is left");
            }
            Ok::<_, wsk::Error>(batch)
        };
        let sent = batch()?;
        Ok(vec![owner(batch()?), polled(async move { drop(socket.send_batch_to(sent, to).await) })])
    });
}
