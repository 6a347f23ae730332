//! Callbacks that race with other threads: with users of what they have accepted, retained or pended, and with code
//! that closes their socket or disables their event.

use std::future::{Future, poll_fn};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use test_support::connection::{LOCAL, buffer};
use test_support::events::{Signal, connect, on_both_networks};
use test_support::futures::{join, until};
use test_support::scenario::passive;
use wsk::events::{
    ConditionalListenEvents, ConnectionEvents, Data, EventMask, Incoming, Inspection, ListenEvents,
    PendingInspection, Receipt, RetainedData,
};
use wsk::socket::{ConnectionSocket, Family, ListenSocket};
use wsk::{Buffer, Provider, Result, Runtime};

/// The objects that callbacks pass to a task in another thread.
struct Handoff<T>(Mutex<Vec<T>>, Signal);

impl<T> Default for Handoff<T> {
    fn default() -> Self {
        Self(Mutex::default(), Signal::default())
    }
}

impl<T> Handoff<T> {
    fn push(&self, value: T) {
        self.0.lock().unwrap().push(value);
        // The waiting thread may continue before this returns.
        self.1.set();
    }

    async fn next(&self) -> T {
        self.1.wait_until(|| !self.0.lock().unwrap().is_empty()).await;
        self.0.lock().unwrap().remove(0)
    }
}

/// A flag that is set as long as a callback runs.
#[derive(Default)]
struct RunningFlag {
    now: AtomicUsize,
    ever: AtomicUsize,
}

impl RunningFlag {
    fn run<T>(&self, callback: impl FnOnce() -> T) -> T {
        self.now.fetch_add(1, Ordering::SeqCst);
        self.ever.fetch_add(1, Ordering::SeqCst);
        let result = callback();
        self.now.fetch_sub(1, Ordering::SeqCst);
        result
    }

    fn is_running(&self) -> bool {
        self.now.load(Ordering::SeqCst) > 0
    }

    fn ever(&self) -> usize {
        self.ever.load(Ordering::SeqCst)
    }
}

type Accepted = Handoff<ConnectionSocket>;

/// Passes each accepted connection to another thread.
#[derive(Clone, Default)]
struct Giver(Arc<Accepted>, Arc<AtomicBool>);

#[wsk::events]
impl ListenEvents for Giver {
    type Connection = ();

    fn accept(&self, incoming: Incoming<'_, ()>) {
        let socket = incoming.accept(()).unwrap();
        if self.1.load(Ordering::SeqCst) {
            // It may be used at once.
            let mut sending = Box::pin(socket.send(Buffer::try_from(&b"at once"[..]).unwrap()));
            let _ = sending.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            // A request that is dropped may have been made.
            std::mem::drop(sending);
        }
        self.0.push(socket);
    }
}

async fn listen(wsk: &Provider, giver: &Giver) -> Result<ListenSocket<Giver>> {
    ListenSocket::builder(wsk, Family::INET).events(giver.clone()).bind(LOCAL).await
}

/// An accepted socket is used and closed by another thread, perhaps before the callback has returned.
#[test]
fn an_accepted_socket_is_used_on_another_thread() {
    for closes in [false, true] {
        on_both_networks(async |_, wsk| {
            let giver = Giver::default();
            let listener = listen(&wsk, &giver).await?;
            let address = listener.local_addr().await?;
            let runtime = Runtime::new(passive(), 2)?;
            let accepted = Arc::clone(&giver.0);
            runtime.spawner().spawn(async move {
                for _ in 0..4 {
                    let socket = accepted.next().await;
                    if !closes {
                        let hello = Buffer::try_from(&b"hello"[..]).unwrap();
                        socket.send_all(hello).await.into_result().unwrap();
                        socket.shutdown().await.unwrap();
                        // Until the peer has closed.
                        let _ = socket.receive(Buffer::new(1).unwrap()).await;
                    }
                }
            })?;
            for _ in 0..4 {
                let Ok(client) = connect(&wsk, address, ()).await else {
                    assert!(closes);
                    continue;
                };
                let (mut all, mut buffer) = (Vec::new(), Buffer::new(5)?);
                loop {
                    let (result, filled) = {
                        let result = client.receive(buffer).await;
                        (result.0, result.1)
                    };
                    buffer = filled;
                    match result {
                        Ok(0) => break,
                        Ok(received) => all.extend_from_slice(&buffer[..received]),
                        Err(_) => break assert!(closes, "only what is closed resets"),
                    }
                }
                assert_eq!(all, if closes { &b""[..] } else { b"hello" });
            }
            runtime.shutdown(passive());
            Ok(())
        });
    }
}

/// Requests may be made in the callback, and none is waited for there.
#[test]
fn an_accepted_socket_is_used_in_the_callback() {
    on_both_networks(async |_, wsk| {
        let giver = Giver::default();
        giver.1.store(true, Ordering::SeqCst);
        let listener = listen(&wsk, &giver).await?;
        let client = connect(&wsk, listener.local_addr().await?, ()).await?;
        let accepted = giver.0.next().await;
        accepted.send_all(buffer(b".")?).await.into_result()?;
        accepted.shutdown().await?;
        let (mut all, mut buffer) = (Vec::new(), Buffer::new(9)?);
        loop {
            let received;
            (received, buffer) = client.receive(buffer).await.into_result()?;
            if received == 0 {
                break;
            }
            all.extend_from_slice(&buffer[..received]);
        }
        assert!(all == b"." || all == b"at once.", "{all:?}");
        Ok(())
    });
}

/// Connections come while the listener is closed by another thread: each is accepted, or none, and nothing is left.
#[test]
fn connections_come_while_the_listener_closes() {
    on_both_networks(async |_, wsk| {
        for waits in [false, true, false, true] {
            let giver = Giver::default();
            let listener = listen(&wsk, &giver).await?;
            let address = listener.local_addr().await?;
            let runtime = Runtime::new(passive(), 2)?;
            let clients = wsk.clone();
            runtime.spawner().spawn(async move {
                for _ in 0..3 {
                    drop(connect(&clients, address, ()).await);
                }
            })?;
            if waits {
                let Handoff(accepted, signal) = &*giver.0;
                signal.wait_until(|| !accepted.lock().unwrap().is_empty()).await;
            }
            listener.close().await;
            runtime.shutdown(passive());
            // Accepted connections outlive their listener.
            let accepted: Vec<_> = giver.0.0.lock().unwrap().drain(..).collect();
            for socket in accepted {
                socket.close().await;
            }
        }
        Ok(())
    });
}

/// Retains as much as it can.
#[derive(Clone, Default)]
struct Retainer {
    kept: Arc<Mutex<Vec<RetainedData>>>,
    running: Arc<RunningFlag>,
    signal: Arc<Signal>,
}

#[wsk::events]
impl ConnectionEvents for Retainer {
    fn receive(&self, data: Data<'_>) -> Receipt {
        self.running.run(|| {
            // The socket may be closed, or the event disabled, from now on.
            self.signal.set();
            match data.retain() {
                Ok(kept) => {
                    assert!(kept.chunks().all(|chunk| chunk.is_ok()));
                    self.kept.lock().unwrap().push(kept);
                }
                // The close has begun.
                Err(data) => assert!(data.chunks().all(|chunk| chunk.is_ok())),
            }
            self.signal.set();
            Receipt::All
        })
    }
}

/// Data is retained while another thread closes the socket: the close waits, or the data is not retained (INV-47).
#[test]
fn data_is_retained_while_the_socket_closes() {
    let kept = AtomicUsize::new(0);
    on_both_networks(async |_, wsk| {
        let listener = ListenSocket::builder(&wsk, Family::INET).bind(LOCAL).await?;
        let address = listener.local_addr().await?;
        let runtime = Runtime::new(passive(), 2)?;
        for _ in 0..4 {
            let keeper = Retainer::default();
            let (client, accepted) =
                join(connect(&wsk, address, ()), listener.accept_with(keeper.clone())).await;
            let (client, socket) = (client?, accepted?.socket);
            let (running, signal) = (Arc::clone(&keeper.running), Arc::clone(&keeper.signal));
            let done = Arc::new(Handoff::default());
            let ended = Arc::clone(&done);
            runtime.spawner().spawn(async move {
                signal.wait_until(|| running.ever() > 0).await;
                let mut closing = Box::pin(socket.close());
                let closed = poll_fn(|context| Poll::Ready(closing.as_mut().poll(context)));
                let is_closed = closed.await.is_ready();
                ended.push((closing, is_closed));
            })?;
            for _ in 0..3 {
                // The connection may be closed already.
                let _ = client.send_all(buffer(b"data")?).await;
            }
            let (closing, is_closed) = done.next().await;
            let all = std::mem::take(&mut *keeper.kept.lock().unwrap());
            assert!(!is_closed || all.is_empty());
            kept.fetch_add(all.len(), Ordering::SeqCst);
            drop(all);
            if !is_closed {
                // Callbacks may still run, and retain more: until the close has begun, which waits for them.
                let empties = keeper.signal.wait_until(|| {
                    keeper.kept.lock().unwrap().clear();
                    false
                });
                until(closing, empties).await;
            }
            assert!(!keeper.running.is_running());
        }
        runtime.shutdown(passive());
        Ok(())
    });
    assert!(kept.into_inner() > 0);
}

/// Has its own socket, until data comes.
#[derive(Clone, Default)]
struct SelfOwner(Arc<Mutex<Option<ConnectionSocket<Self>>>>, Arc<Handoff<usize>>);

#[wsk::events]
impl ConnectionEvents for SelfOwner {
    fn receive(&self, data: Data<'_>) -> Receipt {
        let Some(socket) = self.0.lock().unwrap().take() else {
            return Receipt::All;
        };
        // The close begins here, and ends after the callback.
        drop(socket);
        let data = data.retain().unwrap_err();
        // The next time it is the same one.
        let data = data.retain().unwrap_err();
        self.1.push(data.len());
        Receipt::All
    }
}

/// A socket is closed in its own callback: nothing is retained any more, and the data is there until the end of it.
#[test]
fn a_socket_is_closed_in_its_callback() {
    on_both_networks(async |host, wsk| {
        let listener = ListenSocket::builder(&wsk, Family::INET).bind(LOCAL).await?;
        let address = listener.local_addr().await?;
        let owner = SelfOwner::default();
        let (client, accepted) =
            join(connect(&wsk, address, ()), listener.accept_with(owner.clone())).await;
        let (client, socket) = (client?, accepted?.socket);
        *owner.0.lock().unwrap() = Some(socket);
        client.send_all(buffer(b"data")?).await.into_result()?;
        assert!((1..=4).contains(&owner.1.next().await));
        host.settle();
        // Closing without disconnecting resets the connection.
        let result = client.receive(Buffer::new(1)?).await.into_result();
        result.unwrap_err();
        Ok(())
    });
}

/// When an event is disabled, no callback of it runs, and none begins (INV-52).
#[test]
fn an_event_is_disabled_while_it_runs() {
    on_both_networks(async |host, wsk| {
        let listener = ListenSocket::builder(&wsk, Family::INET).bind(LOCAL).await?;
        let address = listener.local_addr().await?;
        let keeper = Retainer::default();
        let (client, accepted) =
            join(connect(&wsk, address, ()), listener.accept_with(keeper.clone())).await;
        let (client, socket) = (client?, accepted?.socket);
        let runtime = Runtime::new(passive(), 2)?;
        let (running, signal) = (Arc::clone(&keeper.running), Arc::clone(&keeper.signal));
        let done = Arc::new(Handoff::default());
        let ended = Arc::clone(&done);
        runtime.spawner().spawn(async move {
            signal.wait_until(|| running.ever() > 0).await;
            socket.disable_events(EventMask::RECEIVE).await.unwrap();
            let ever = running.ever();
            assert!(!running.is_running());
            ended.push((socket, ever));
        })?;
        for _ in 0..5 {
            client.send_all(buffer(b"data")?).await.into_result()?;
        }
        let (socket, ever) = done.next().await;
        client.send_all(buffer(b"more")?).await.into_result()?;
        host.settle();
        assert_eq!(keeper.running.ever(), ever);
        // Everything that was not indicated is received.
        let before: usize = keeper.kept.lock().unwrap().iter().map(RetainedData::len).sum();
        let mut received = 0;
        while before + received < 24 {
            received += socket.receive(Buffer::new(24)?).await.into_result()?.0;
        }
        keeper.kept.lock().unwrap().clear();
        runtime.shutdown(passive());
        Ok(())
    });
}

/// Lets another thread decide, perhaps before the callback has returned.
#[derive(Clone, Default)]
struct InspectionQueue(Arc<Handoff<PendingInspection>>);

#[wsk::events]
impl ConditionalListenEvents for InspectionQueue {
    type Connection = ();

    fn inspect(&self, inspection: Inspection<'_>) {
        self.0.push(inspection.pend().unwrap());
    }
}

#[test]
fn a_pended_connection_is_decided_on_another_thread() {
    on_both_networks(async |_, wsk| {
        let door = InspectionQueue::default();
        let builder = ListenSocket::builder(&wsk, Family::INET).events(door.clone());
        let listener = builder.bind(LOCAL).await?;
        let address = listener.local_addr().await?;
        let runtime = Runtime::new(passive(), 2)?;
        runtime.spawner().spawn(async move {
            for number in 0..6 {
                let pending = door.0.next().await;
                match number % 3 {
                    0 => pending.accept().await.unwrap(),
                    1 => drop(pending),
                    _ => drop(pending.accept()),
                }
            }
        })?;
        for number in 0..6 {
            if number % 3 == 1 {
                if let Ok(socket) = connect(&wsk, address, ()).await {
                    let result = socket.receive(Buffer::new(1)?).await.into_result();
                    result.unwrap_err();
                }
            } else {
                let (client, accepted) = join(connect(&wsk, address, ()), listener.accept()).await;
                assert_eq!(accepted?.1, Some(client?.local_addr().await?));
            }
        }
        runtime.shutdown(passive());
        Ok(())
    });
}
