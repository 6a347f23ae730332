//! Handlers attached to sockets that are already connected.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use test_support::connection::{LOCAL, buffer};
use test_support::events::{Signal, connect, on_both_networks, with_both_enablings};
use test_support::futures::{join, poll_times};
use wsk::events::{ConnectionEvents, Data, EventMask, Receipt};
use wsk::socket::{Accepted, ConnectionSocket, Family, ListenSocket};
use wsk::time::timeout;
use wsk::{Buffer, ErrorKind, Provider, Result};

use crate::connection::{ALL, Record, Recorder};

async fn listen(wsk: &Provider) -> Result<ListenSocket> {
    ListenSocket::builder(wsk, Family::INET).bind(LOCAL).await
}

fn recorder() -> (Recorder, Arc<Record>) {
    let record = Arc::new(Record::default());
    (Recorder(Arc::clone(&record)), record)
}

/// The handler gets events from before it was attached, and from after.
#[test]
fn a_connection_is_accepted_with_a_handler() {
    with_both_enablings(ALL, async |host, wsk, _| {
        let listener = listen(&wsk).await?;
        let address = listener.local_addr().await?;
        let client = connect(&wsk, address, ()).await?;
        client.send_all(buffer(b"before ")?).await.into_result()?;
        host.settle();
        let (recorder, record) = recorder();
        let accepted = listener.accept_with(recorder).await?;
        assert_eq!(accepted.local_addr, Some(address));
        assert_eq!(accepted.peer_addr, Some(client.local_addr().await?));
        assert!(Arc::ptr_eq(&accepted.socket.handler().0, &record));
        client.send_all(buffer(b"and after")?).await.into_result()?;
        record.signal.wait_until(|| record.received() == b"before and after").await;
        accepted.socket.send_all(buffer(b"answer")?).await.into_result()?;
        let (received, filled) = client.receive(Buffer::new(6)?).await.into_result()?;
        assert!(b"answer".starts_with(&filled[..received]));
        client.shutdown().await?;
        record.signal.wait_until(|| !record.ends.lock().unwrap().is_empty()).await;
        assert_eq!(*record.ends.lock().unwrap(), [false]);
        accepted.socket.close().await;
        Ok(())
    });
}

/// The disconnect callback runs even if the peer disconnected before the handler was attached.
#[test]
fn a_disconnect_before_the_handler_is_delivered_to_it() {
    for is_abortive in [false, true] {
        with_both_enablings(ALL, async |host, wsk, _| {
            let listener = listen(&wsk).await?;
            let client = connect(&wsk, listener.local_addr().await?, ()).await?;
            let (socket, _) = listener.accept().await?;
            if is_abortive {
                client.close().await;
            } else {
                client.shutdown().await?;
            }
            host.settle();
            let (recorder, record) = recorder();
            let _socket = socket.events(recorder)?;
            record.signal.wait_until(|| !record.ends.lock().unwrap().is_empty()).await;
            host.settle();
            assert_eq!(*record.ends.lock().unwrap(), [is_abortive]);
            Ok(())
        });
    }
}

/// No handler is none, however often it is given: the first real one hears of everything, and nothing is left.
#[test]
fn a_handler_is_attached_to_a_socket_without_one() {
    with_both_enablings(ALL, async |host, wsk, _| {
        let listener = listen(&wsk).await?;
        let client = connect(&wsk, listener.local_addr().await?, ()).await?;
        let socket = listener.accept_with(()).await?.socket.events(())?;
        client.send_all(buffer(b"hello")?).await.into_result()?;
        client.shutdown().await?;
        host.settle();
        let (recorder, record) = recorder();
        let _socket = socket.events(recorder)?;
        record.signal.wait_until(|| !record.ends.lock().unwrap().is_empty()).await;
        record.signal.wait_until(|| record.received() == b"hello").await;
        Ok(())
    });
}

/// As it is with a handler from the beginning.
#[test]
fn a_handler_is_attached_to_a_connected_socket() {
    on_both_networks(async |host, wsk| {
        let listener = listen(&wsk).await?;
        let socket = connect(&wsk, listener.local_addr().await?, ()).await?;
        let (peer, _) = listener.accept().await?;
        let (recorder, record) = recorder();
        let socket = socket.events(recorder)?;
        peer.send_all(buffer(b"hello")?).await.into_result()?;
        record.signal.wait_until(|| record.received() == b"hello").await;
        socket.disable_events(EventMask::RECEIVE).await?;
        peer.send_all(buffer(b", again")?).await.into_result()?;
        host.settle();
        assert_eq!(record.received(), b"hello");
        socket.enable_events(EventMask::RECEIVE)?;
        record.signal.wait_until(|| record.received() == b"hello, again").await;
        host.withdraw();
        let deaths = || record.deaths.load(Ordering::SeqCst);
        record.signal.wait_until(|| deaths() > 0).await;
        assert_eq!(deaths(), 1);
        Ok(())
    });
}

/// An attached handler can also retain data, which holds up the close.
#[test]
fn an_attached_handler_retains_data() {
    with_both_enablings(ALL, async |host, wsk, _| {
        let listener = listen(&wsk).await?;
        let client = connect(&wsk, listener.local_addr().await?, ()).await?;
        let (recorder, record) = recorder();
        *record.way.lock().unwrap() = crate::connection::Reception::Keep;
        let Accepted { socket, .. } = listener.accept_with(recorder).await?;
        client.send_all(buffer(b"kept")?).await.into_result()?;
        let kept = || {
            record.kept.lock().unwrap().iter().map(wsk::events::RetainedData::len).sum::<usize>()
        };
        record.signal.wait_until(|| kept() == 4).await;
        let mut closing = Box::pin(socket.close());
        host.settle();
        assert!(poll_times(&mut closing, 1).await.is_none());
        record.kept.lock().unwrap().clear();
        closing.await;
        Ok(())
    });
}

/// Neither dropping the future nor a timeout loses a connection, whatever the next accept is.
#[test]
fn an_accept_with_a_handler_can_be_dropped_at_any_point() {
    with_both_enablings(ALL, async |_, wsk, _| {
        let listener = listen(&wsk).await?;
        let address = listener.local_addr().await?;
        let mut sockets = Vec::new();
        for polls in 0..4 {
            let client = connect(&wsk, address, ()).await?;
            let peer = Some(client.local_addr().await?);
            if let Some(accepted) = poll_times(listener.accept_with(recorder().0), polls).await {
                assert_eq!(accepted?.peer_addr, peer);
            } else if polls % 2 == 0 {
                assert_eq!(listener.accept_with(recorder().0).await?.peer_addr, peer);
            } else {
                assert_eq!(listener.accept().await?.1, peer);
            }
            sockets.push(client);
        }
        Ok(())
    });
}

#[test]
fn an_accept_with_a_handler_times_out() {
    with_both_enablings(ALL, async |_, wsk, _| {
        let listener = listen(&wsk).await?;
        let address = listener.local_addr().await?;
        let soon = std::time::Duration::from_millis(20);
        let (first, _) = recorder();
        let result = timeout(soon, listener.accept_with(first)).await;
        assert_eq!(result.unwrap_err().kind(), ErrorKind::TimedOut);
        let (second, record) = recorder();
        let (client, accepted) =
            join(connect(&wsk, address, ()), listener.accept_with(second)).await;
        let (client, _accepted) = (client?, accepted?);
        client.send_all(buffer(b"to the second")?).await.into_result()?;
        record.signal.wait_until(|| record.received() == b"to the second").await;
        Ok(())
    });
}

/// A handler with nothing implemented.
struct Nothing;

#[wsk::events]
impl ConnectionEvents for Nothing {}

#[derive(Clone, Default)]
struct Sink(Arc<AtomicUsize>, Arc<Signal>);

#[wsk::events]
impl ConnectionEvents for Sink {
    fn receive(&self, data: Data<'_>) -> Receipt {
        self.0.fetch_add(data.len(), Ordering::SeqCst);
        self.1.set();
        Receipt::All
    }
}

#[test]
fn a_handler_without_callbacks_is_attached() {
    with_both_enablings(ALL, async |_, wsk, _| {
        let listener = listen(&wsk).await?;
        let address = listener.local_addr().await?;
        let clients: [ConnectionSocket; 3] = [
            connect(&wsk, address, ()).await?,
            connect(&wsk, address, ()).await?,
            connect(&wsk, address, ()).await?,
        ];
        let nothing = listener.accept_with(Nothing).await?.socket;
        let unit = listener.accept_with(()).await?.socket;
        let sink = Sink::default();
        let taken = listener.accept_with(sink.clone()).await?.socket;
        for client in &clients {
            client.send_all(buffer(b"hello")?).await.into_result()?;
        }
        let (received, _) = nothing.receive(Buffer::new(9)?).await.into_result()?;
        assert!((1..=5).contains(&received));
        let (received, _) = unit.receive(Buffer::new(9)?).await.into_result()?;
        assert!((1..=5).contains(&received));
        sink.1.wait_until(|| sink.0.load(Ordering::SeqCst) == 5).await;
        let mut receive = Box::pin(taken.receive(Buffer::new(9)?));
        assert!(poll_times(&mut receive, 1).await.is_none());
        Ok(())
    });
}
