//! A foreign executor whose wakers poll their task in place, where they are woken: also in a completion routine.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::future::{join, join3};
use futures_util::{AsyncReadExt, AsyncWriteExt};
use test_support::connection::{LOCAL, buffer, streams};
use test_support::scenario::{last_under_miri, on, on_host};
use test_support::seeds::seeds;
use wsk::events::{ConnectionEvents, Data, EventMask, Receipt};
use wsk::net::Compat;
use wsk::resolve::Hints;
use wsk::socket::{Accepted, ConnectionSocket, DatagramSocket, Family, ListenSocket, StreamSocket};
use wsk::sync::oneshot;
use wsk::{Batch, Buffer, Error, ErrorKind, Provider, Result, TcpListener, TcpStream, UdpSocket};
use wsk::{flags::NameInfoFlags, options};
use wsk_host::{Config, Host, Timing};

use crate::unload::drop_in_completion_routine;

/// A task that is polled wherever its waker is woken.
struct InPlace {
    future: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    is_woken: AtomicBool,
}

impl InPlace {
    fn run(self: &Arc<Self>) {
        self.is_woken.store(true, Ordering::SeqCst);
        // Without the lock, another thread polls it, and sees that it was woken.
        while let Ok(mut slot) = self.future.try_lock() {
            while self.is_woken.swap(false, Ordering::SeqCst) {
                let waker = Waker::from(Arc::clone(self));
                let Some(future) = slot.as_mut() else { return };
                if future.as_mut().poll(&mut Context::from_waker(&waker)).is_ready() {
                    *slot = None;
                }
            }
            drop(slot);
            if !self.is_woken.load(Ordering::SeqCst) {
                return;
            }
        }
    }
}

impl Wake for InPlace {
    fn wake(self: Arc<Self>) {
        self.run();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.run();
    }
}

/// Polls a future in place until it ends, and returns its output.
async fn in_place<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> T {
    let (sender, output) = oneshot::channel().unwrap();
    let future = Box::pin(async move {
        let _ = sender.send(future.await);
    });
    let is_woken = AtomicBool::new(false);
    Arc::new(InPlace { future: Mutex::new(Some(future)), is_woken }).run();
    output.await.unwrap()
}

/// Runs a scenario with every timing, in which WSK must not be called in a completion routine (INV-15).
fn everywhere(scenario: impl AsyncFn(Provider) -> Result<()>) {
    let timings = last_under_miri([Timing::Inline, Timing::Deferred]);
    for timing in timings.chain((0..seeds(25, 1)).map(Timing::Mixed)) {
        let config = Config::default().timing(timing);
        on(config, &scenario).unwrap_or_else(|error| panic!("{timing:?}: {error}"));
    }
}

#[test]
fn connections() {
    everywhere(async |wsk| {
        let listener = TcpListener::bind(&wsk, LOCAL).await?;
        let to = listener.local_addr().await?;
        let server = in_place(async move {
            let (stream, _) = listener.accept().await?;
            let mut bytes = [0; 100];
            loop {
                let count = stream.recv_into(&mut bytes).await?;
                if count == 0 {
                    break;
                }
                stream.send_all(buffer(&bytes[..count])?).await.into_result()?;
            }
            stream.shutdown().await?;
            stream.close().await;
            listener.close().await;
            Result::Ok(())
        });
        let client = in_place(async move {
            let stream = TcpStream::connect(&wsk, to).await?;
            assert_eq!(stream.peer_addr().await?, to);
            stream.set_nodelay(true).await?;
            for _ in 0..3 {
                stream.send_all(buffer(b"some bytes")?).await.into_result()?;
                let received = stream.recv_exact(Buffer::new(10)?).await.into_result()?;
                assert_eq!(received.1[..], *b"some bytes");
            }
            stream.shutdown().await?;
            stream.drain().await?;
            drop(stream);
            Result::Ok(())
        });
        let (server, client) = join(server, client).await;
        client.and(server)
    });
}

/// Several futures of one task, and several tasks that accept.
#[test]
fn many_futures() {
    everywhere(async |wsk| {
        let listener = Arc::new(TcpListener::bind(&wsk, LOCAL).await?);
        let to = listener.local_addr().await?;
        let accept = |listener: Arc<TcpListener>| {
            in_place(async move {
                for _ in 0..2 {
                    let (stream, _) = listener.accept().await?;
                    stream.readable().await?;
                    let mut bytes = [0; 9];
                    let mut count = 0;
                    while count == 0 {
                        match stream.try_recv(&mut bytes) {
                            Ok(received) => count = received,
                            Err(error) if error.kind() == ErrorKind::NotReady => {
                                stream.readable().await?;
                            }
                            Err(error) => return Err(error),
                        }
                    }
                    stream.send(buffer(b"answer")?).await.into_result()?;
                    stream.shutdown().await?;
                    while stream.recv_into(&mut bytes).await? > 0 {}
                }
                Result::Ok(())
            })
        };
        let clients = in_place(async move {
            let client = async || {
                let stream = TcpStream::connect(&wsk, to).await?;
                stream.send_all(buffer(b"x")?).await.into_result()?;
                let mut bytes = [0; 9];
                while stream.recv_into(&mut bytes).await? > 0 {}
                stream.shutdown().await?;
                Result::Ok(())
            };
            let (one, two) = join(join(client(), client()), join(client(), client())).await;
            one.0.and(one.1).and(two.0).and(two.1)
        });
        let listeners = join(accept(Arc::clone(&listener)), accept(listener));
        let (clients, (one, two)) = join(clients, listeners).await;
        clients.and(one).and(two)
    });
}

#[test]
fn streams_of_bytes() {
    everywhere(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let client = in_place(async move {
            let mut stream = client.buffered();
            for _ in 0..20 {
                stream.write_all(&[7; 3000]).await?;
            }
            stream.flush().await?;
            let mut answer = [0; 5000];
            stream.read_exact(&mut answer).await?;
            stream.shutdown().await?;
            assert_eq!(stream.read(&mut answer).await?, 0);
            Result::Ok(())
        });
        let server = in_place(async move {
            let mut stream = Compat::from(server);
            let mut bytes = vec![0; 60_000];
            stream.read_exact(&mut bytes).await?;
            assert!(bytes.iter().all(|byte| *byte == 7));
            stream.write_all(&bytes[..5000]).await?;
            stream.flush().await?;
            assert_eq!(stream.read(&mut bytes).await?, 0);
            stream.close().await?;
            std::io::Result::Ok(())
        });
        let (client, server) = join(client, server).await;
        server.unwrap();
        client
    });
}

#[test]
fn datagrams() {
    everywhere(async |wsk| {
        in_place(async move {
            let socket = UdpSocket::bind(&wsk, LOCAL).await?;
            let to = socket.local_addr().await?;
            let mut bytes = [0; 9];
            for _ in 0..3 {
                socket.send_copy_to(b"one", to).await?;
                socket.recv_from_into(&mut bytes).await?;
                socket.send_to(buffer(b"two")?, to).await.into_result()?;
                socket.readable().await?;
                socket.recv_from(Buffer::new(9)?).await.into_result()?;
            }
            let mut receiver = socket.receiver(9)?;
            socket.send_copy_to(b"three", to).await?;
            assert_eq!(receiver.recv_from().await?.0, b"three");
            drop(receiver);
            let raw = socket.into_socket();
            let mut batch = Batch::with_capacity(2)?;
            for _ in 0..2 {
                batch.push(buffer(b"four")?).unwrap();
            }
            raw.send_batch_to(batch, to).await.into_result()?;
            let connected = UdpSocket::from(raw).into_connected(to).await?;
            connected.send(buffer(b"five")?).await.into_result()?;
            Result::Ok(())
        })
        .await
    });
}

/// Takes everything.
struct Takes;

#[wsk::events]
impl ConnectionEvents for Takes {
    fn receive(&self, _data: Data<'_>) -> Receipt {
        Receipt::All
    }
}

#[test]
fn sockets_with_events() {
    everywhere(async |wsk| {
        let listener = ListenSocket::builder(&wsk, Family::INET).bind(LOCAL).await?;
        let to = listener.local_addr().await?;
        let accepted = in_place(async move {
            let Accepted { socket, .. } = listener.accept_with(Takes).await?;
            socket.disable_events(EventMask::RECEIVE).await?;
            // Not in a completion routine, as the next one may be.
            socket.local_addr().await?;
            match socket.enable_events(EventMask::RECEIVE) {
                Ok(()) => {}
                Err(error) => assert_eq!(error, in_routine()),
            }
            socket.close().await;
            Result::Ok(())
        });
        let provider = wsk.clone();
        let connected = in_place(async move {
            let wsk = provider;
            let socket = ConnectionSocket::connect_new(&wsk, LOCAL, to, Takes).await?;
            // The other side may have closed its socket.
            let _ = socket.send(buffer(b"data")?).await;
            Result::Ok(socket)
        });
        let others = in_place(async move {
            let socket = StreamSocket::builder(&wsk, Family::INET).bind(LOCAL).await?;
            let listener = socket.listen().await?;
            let to = listener.local_addr().await?;
            let connecting = StreamSocket::builder(&wsk, Family::INET).bind(LOCAL).await?;
            let (connected, accepted) =
                join(connecting.connect_with_data(to, buffer(b"first")?), listener.accept()).await;
            let (connected, _) = connected.into_result()?;
            let (accepted, _) = accepted?;
            accepted.receive_exact(Buffer::new(5)?).await.into_result()?;
            connected.abort().await?;
            Result::Ok(())
        });
        let (accepted, connected, others) = join3(accepted, connected, others).await;
        accepted.and(connected.map(drop)).and(others)
    });
}

/// The error of a call that is no future.
fn in_routine() -> Error {
    Error::from_status(wsk::sys::STATUS_INVALID_DEVICE_REQUEST).unwrap()
}

#[test]
fn names_options_and_lists() {
    everywhere(async |wsk| {
        in_place(async move {
            let list = wsk.resolve("localhost", 80, Hints::new()).await?;
            let first = list.addresses().next().unwrap();
            wsk.name_of(first, NameInfoFlags::empty()).await?;
            let socket = DatagramSocket::builder(&wsk, Family::INET).create().await?;
            let descriptor = socket.security_descriptor(&wsk).await;
            assert!(descriptor.is_err_and(|error| error.kind() == ErrorKind::NotFound));
            socket.set(options::RECEIVE_BUFFER, 5000).await?;
            socket.get(options::RECEIVE_BUFFER).await?;
            let socket = socket.bind(LOCAL).await?;
            // These cannot be made later.
            let is_right = |result: Result<()>| match result {
                Ok(()) => {}
                Err(error) => assert_eq!(error, in_routine()),
            };
            is_right(wsk.transports().map(drop));
            is_right(socket.local_addresses().map(drop));
            drop(wsk.transports_changed());
            drop(socket.local_addresses_changed());
            let socket = UdpSocket::from(socket);
            let to = socket.local_addr().await?;
            match socket.try_send_to(b"datagram", to) {
                Ok(_) => {}
                Err(error) => assert_eq!(error.kind(), ErrorKind::NotReady),
            }
            Result::Ok(())
        })
        .await
    });
}

/// A task that is polled in a waker starts another one there.
#[test]
fn a_waker_that_starts_another_task() {
    everywhere(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let (client, server) = (Arc::new(client), Arc::new(server));
        let (done, all_done) = oneshot::channel()?;
        let (sends, receives) = (Arc::clone(&client), Arc::clone(&server));
        let task = in_place(async move {
            let received = receives.recv(Buffer::new(9)?).await.into_result()?;
            assert_eq!(received.0, 1);
            // In the waker of the receive, most likely.
            let spawned = in_place(async move {
                sends.send(buffer(b"second")?).await.into_result()?;
                let other = TcpStream::connect(&wsk, sends.local_addr().await?).await;
                assert!(other.is_err());
                let _ = done.send(());
                Result::Ok(())
            });
            spawned.await?;
            receives.recv_exact(Buffer::new(6)?).await.into_result()?;
            Result::Ok(())
        });
        let send = async {
            client.send(buffer(b"1")?).await.into_result()?;
            all_done.await.unwrap();
            Result::Ok(())
        };
        let (task, sent) = join(task, send).await;
        task.and(sent)
    });
}

/// Polls a future once when it is dropped, while allocation fails.
struct PollsWithoutMemory<F: Future<Output = Error>>(Pin<Box<F>>, Host, Arc<AtomicBool>);

impl<F: Future<Output = Error>> Drop for PollsWithoutMemory<F> {
    fn drop(&mut self) {
        self.1.fail_allocations_from(1);
        let polled = self.0.as_mut().poll(&mut Context::from_waker(Waker::noop()));
        self.1.fail_allocations_from(usize::MAX / 2);
        assert_eq!(polled, Poll::Ready(in_routine()));
        self.2.store(true, Ordering::SeqCst);
    }
}

/// If there is no memory to wake the future later, its request fails, and is not made in the routine.
#[test]
fn without_memory() {
    for seed in 0..seeds(20, 1) {
        let host = Host::new(Config::default().timing(Timing::Mixed(seed)));
        let run = async |wsk: Provider| {
            let (one, other) = streams(&wsk).await?;
            let polls = [Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false))];
            let control = async move { one.peer_addr().await.unwrap_err() };
            let polled = PollsWithoutMemory(Box::pin(control), host.clone(), polls[0].clone());
            drop_in_completion_routine(&wsk, polled).await?;
            let room = Buffer::new(1)?;
            let transfer = async move { other.recv(room).await.into_result().unwrap_err() };
            let polled = PollsWithoutMemory(Box::pin(transfer), host.clone(), polls[1].clone());
            drop_in_completion_routine(&wsk, polled).await?;
            assert!(polls.iter().all(|polled| polled.load(Ordering::SeqCst)), "not polled");
            Ok(())
        };
        on_host(&host, run).unwrap_or_else(|error| panic!("seed {seed}: {error}"));
        assert_eq!(host.outstanding_allocations(), 0, "seed {seed}");
    }
}
