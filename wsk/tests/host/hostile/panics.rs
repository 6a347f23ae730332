//! Panics of a driver's code where the kernel, or this crate, has called it. In a driver a panic ends the system; on a host it
//! ends the process with a report, or unwinds through this crate's code, which must leave nothing that is dropped twice.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use test_support::connection::{LOCAL, buffer, streams};
use test_support::process::run_failing;
use test_support::scenario::passive;
use test_support::seeds::seeds;
use wsk::events::{DatagramEvents, Datagrams, Disposition};
use wsk::pool::PoolBox;
use wsk::socket::{DatagramSocket, Family};
use wsk::sync::{self, Mutex, Notify, RwLock, mpsc, oneshot};
use wsk::{Buffer, Provider, Result, Runtime, UdpSocket, rt, time};
use wsk_host::{Config, Host, Timing};

use super::{driver, with_driver};
use crate::unload::register;

const MESSAGE: &str = "a panic of this test";

/// Panics when it is woken.
struct PanicsWhenWoken;

impl Wake for PanicsWhenWoken {
    fn wake(self: Arc<Self>) {
        panic!("{MESSAGE}");
    }
}

/// Panics when it is dropped, once counted.
struct PanicsWhenDropped(Arc<AtomicUsize>);

impl Drop for PanicsWhenDropped {
    fn drop(&mut self) {
        // A second drop would show in the count.
        let is_first = self.0.fetch_add(1, Ordering::SeqCst) % 2 == 0;
        assert!(!is_first || std::thread::panicking(), "{MESSAGE}");
    }
}

/// Panics in its callback, or when it is dropped.
struct Handler {
    in_callback: bool,
    _drops: Option<PanicsWhenDropped>,
}

#[wsk::events]
impl DatagramEvents for Handler {
    fn receive_from(&self, _datagrams: Datagrams<'_>) -> Disposition {
        assert!(!self.in_callback, "{MESSAGE}");
        Disposition::Accepted
    }
}

async fn panic_in(place: &str, wsk: &Provider, runtime: &Runtime) -> Result<()> {
    let drops = || PanicsWhenDropped(Arc::default());
    match place {
        "callback" | "handler" => {
            let in_callback = place == "callback";
            let handler = Handler { in_callback, _drops: (!in_callback).then(drops) };
            let builder = DatagramSocket::builder(wsk, Family::INET).events(handler);
            let socket = builder.bind(LOCAL).await?;
            let sender = UdpSocket::bind(wsk, LOCAL).await?;
            sender.send_copy_to(b"x", socket.local_addr().await?).await?;
            time::sleep(Duration::from_millis(50)).await?;
            drop(socket);
        }
        "waker" => {
            let (client, server) = streams(wsk).await?;
            let waker = Waker::from(Arc::new(PanicsWhenWoken));
            let mut receive = pin!(server.recv(Buffer::new(1)?));
            assert!(receive.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            client.send(buffer(b"x")?).await.into_result()?;
            time::sleep(Duration::from_millis(50)).await?;
        }
        "timer" => {
            let waker = Waker::from(Arc::new(PanicsWhenWoken));
            let mut sleep = pin!(time::sleep(Duration::from_millis(1)));
            assert!(sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
            time::sleep(Duration::from_millis(50)).await?;
        }
        "task" => drop(runtime.spawn(async { panic!("{MESSAGE}") })?),
        _ => drop(runtime.spawn(async move { drops() })?),
    }
    time::sleep(Duration::from_millis(50)).await
}

/// The process ends, with the panic's message and the host's configuration.
#[cfg_attr(miri, ignore = "runs processes")]
#[test]
fn where_the_kernel_calls() {
    for place in ["callback", "handler", "waker", "timer", "task", "output"] {
        for seed in 0..seeds(20, 1) {
            let report = run_failing("hostile::panics::where_the_kernel_calls", place, |place| {
                let host = Host::new(Config::default().timing(Timing::Mixed(seed)));
                let _entered = host.enter();
                let (_registration, wsk) = register();
                let runtime = Runtime::new(passive(), 1).unwrap();
                let _ = rt::block_on(passive(), panic_in(place, &wsk, &runtime));
                std::process::exit(0);
            });
            // None in the process that runs the scenario.
            let Some(report) = report else { return };
            assert!(report.contains(MESSAGE), "{place}, seed {seed}: {report}");
            assert!(report.contains("Config {"), "{place}, seed {seed}: {report}");
        }
    }
}

/// Runs code that panics.
fn panics(code: impl FnOnce()) {
    assert!(catch_unwind(AssertUnwindSafe(code)).is_err(), "there was no panic");
}

/// A waker that panics leaves the others to the next change.
#[test]
fn in_wakers_of_primitives() {
    with_driver(async |_| {
        let notify = Notify::new();
        let panicking = Waker::from(Arc::new(PanicsWhenWoken));
        let (mut first, mut second) = (pin!(notify.notified()), pin!(notify.notified()));
        assert!(first.as_mut().poll(&mut Context::from_waker(&panicking)).is_pending());
        assert!(second.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        panics(|| notify.notify_waiters());
        assert!(first.as_mut().poll(&mut Context::from_waker(&panicking)).is_ready());
        assert!(second.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready());

        let mutex = Mutex::new(0);
        let guard = mutex.lock().await;
        let mut lock = pin!(mutex.lock());
        assert!(lock.as_mut().poll(&mut Context::from_waker(&panicking)).is_pending());
        panics(move || drop(guard));
        // The lock was passed on before its waker was called.
        let Poll::Ready(mut guard) = lock.poll(&mut Context::from_waker(Waker::noop())) else {
            panic!("the lock is lost");
        };
        *guard += 1;
        drop(guard);
        assert_eq!(*mutex.lock().await, 1);

        let lock = RwLock::new(0);
        let guard = lock.write().await;
        let mut read = pin!(lock.read());
        assert!(read.as_mut().poll(&mut Context::from_waker(&panicking)).is_pending());
        panics(move || drop(guard));
        assert!(read.poll(&mut Context::from_waker(Waker::noop())).is_ready());

        let (values, mut queue) = mpsc::channel(1)?;
        poll_fn(|_| {
            assert!(queue.poll_recv(&mut Context::from_waker(&panicking)).is_pending());
            Poll::Ready(())
        })
        .await;
        panics(|| assert!(values.try_send(1).is_ok()));
        assert_eq!(queue.recv().await, Some(1));
        let token = sync::CancellationToken::new()?;
        let child = token.child_token()?;
        let mut cancelled = pin!(child.cancelled());
        assert!(cancelled.as_mut().poll(&mut Context::from_waker(&panicking)).is_pending());
        panics(|| token.cancel());
        assert!(token.is_cancelled());
        token.cancel();
        assert!(cancelled.poll(&mut Context::from_waker(Waker::noop())).is_ready());
        Ok(())
    });
}

/// No value is dropped twice if its drop, or that of another one, panics.
#[test]
fn in_drops_of_contents() {
    // A value whose drop unwinds may leave the memory around it.
    let _left = driver(async |_| {
        let count = Arc::new(AtomicUsize::new(0));
        let value = || PanicsWhenDropped(Arc::clone(&count));
        let dropped = || count.swap(0, Ordering::SeqCst);

        let (values, queue) = mpsc::channel(4)?;
        for _ in 0..4 {
            assert!(values.try_send(value()).is_ok());
        }
        drop(values);
        panics(move || drop(queue));
        assert!(dropped() <= 4);

        let (answer, receiver) = oneshot::channel()?;
        assert!(answer.send(value()).is_ok());
        panics(move || drop(receiver));
        assert_eq!(dropped(), 1);

        let boxed = PoolBox::new(value())?;
        panics(move || drop(boxed));
        assert_eq!(dropped(), 1);
        let shared = wsk::sync::Arc::new(value())?;
        let other = shared.clone();
        drop(shared);
        panics(move || drop(other));
        assert_eq!(dropped(), 1);
        Ok(())
    });
}
