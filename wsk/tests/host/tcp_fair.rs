//! A busy connection lets others have their turn.

use std::future::{Future, poll_fn};
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, mpsc};
use std::task::{Context, Poll, Wake, Waker};

use futures_util::future::{FutureExt as _, join_all};
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use test_support::connection::{buffer, streams};
use test_support::futures::join;
use test_support::scenario::{last_under_miri, on_host, passive};
use test_support::seeds::seeds;
use wsk::{Buffer, Provider, Result, Runtime, TcpStream, UdpSocket, rt};
use wsk_host::{Config, Host, Timing};

/// Tasks beside the busy one, and how often each talks to its peer.
const TASKS: usize = if cfg!(miri) { 2 } else { 8 };
const ROUNDS: usize = if cfg!(miri) { 3 } else { 20 };

/// Exchanges bytes with itself until a flag is set. With requests that complete inline, it never waits.
async fn busy(client: TcpStream, server: TcpStream, stop: &AtomicBool) -> Result<usize> {
    let (mut to_send, mut to_fill) = (buffer(b"busy")?, Buffer::new(4)?);
    let mut rounds = 0;
    while !stop.load(Ordering::SeqCst) {
        (_, to_send) = client.send_all(to_send).await.into_result()?;
        ((), to_fill) = server.recv_exact(to_fill).await.into_result()?;
        rounds += 1;
    }
    Ok(rounds)
}

/// Sends back one byte at a time.
async fn echo(stream: TcpStream) -> Result<()> {
    let mut byte = Buffer::new(1)?;
    loop {
        let (count, filled) = stream.recv(byte).await.into_result()?;
        if count == 0 {
            return stream.shutdown().await;
        }
        (_, byte) = stream.send_all(filled).await.into_result()?;
    }
}

async fn talk(stream: TcpStream) -> Result<()> {
    let mut byte = Buffer::new(1)?;
    for _ in 0..ROUNDS {
        (_, byte) = stream.send_all(byte).await.into_result()?;
        ((), byte) = stream.recv_exact(byte).await.into_result()?;
    }
    stream.shutdown().await?;
    stream.drain().await
}

/// With one thread for all, which the busy task would never let go. A host's other threads have to wait until that
/// one waits, too; so everything is prepared before, and the last task to be done says so to the busy one.
#[test]
fn a_busy_task_does_not_starve_others() {
    for timing in
        last_under_miri([Timing::Inline, Timing::Deferred, Timing::Mixed(1), Timing::Mixed(2)])
    {
        let host = Host::new(Config::default().timing(timing));
        let outside = host.clone();
        let run = async |wsk: Provider| {
            let runtime = Runtime::new(passive(), 1)?;
            let (stop, left) =
                (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(TASKS)));
            let (done, finished) = mpsc::channel();
            let (client, server) = streams(&wsk).await?;
            let mut talking = Vec::new();
            for _ in 0..TASKS {
                talking.push(streams(&wsk).await?);
            }
            let stopped = Arc::clone(&stop);
            runtime.spawner().spawn(async move {
                done.send(busy(client, server, &stopped).await.unwrap()).unwrap();
            })?;
            for (client, server) in talking {
                runtime.spawner().spawn(async move { echo(server).await.unwrap() })?;
                let (stop, left) = (Arc::clone(&stop), Arc::clone(&left));
                runtime.spawner().spawn(async move {
                    talk(client).await.unwrap();
                    if left.fetch_sub(1, Ordering::SeqCst) == 1 {
                        stop.store(true, Ordering::SeqCst);
                    }
                })?;
            }
            let rounds = outside.blocking(|| finished.recv().unwrap());
            assert!(rounds > 0, "nor do others starve it");
            runtime.shutdown(passive());
            Ok(())
        };
        on_host(&host, run).unwrap_or_else(|error| panic!("{timing:?}: {error}"));
        assert_eq!(host.outstanding_allocations(), 0);
    }
}

/// The same within one task, and on a thread that runs one future.
#[test]
fn a_busy_future_does_not_starve_its_neighbors() {
    for timing in last_under_miri([Timing::Inline, Timing::Deferred, Timing::Mixed(1)]) {
        let host = Host::new(Config::default().timing(timing));
        let run = async |wsk: Provider| {
            let stop = AtomicBool::new(false);
            let (client, server) = streams(&wsk).await?;
            let (one, other) = streams(&wsk).await?;
            let talks = async {
                let result = join(talk(one), echo(other)).await;
                stop.store(true, Ordering::SeqCst);
                result.0.and(result.1)
            };
            let (rounds, talked) = join(busy(client, server, &stop), talks).await;
            assert!(rounds? > 0);
            talked
        };
        on_host(&host, run).unwrap_or_else(|error| panic!("{timing:?}: {error}"));
        assert_eq!(host.outstanding_allocations(), 0);
    }
}

/// A task that yielded continues by itself: nothing else wakes it.
#[test]
fn a_task_that_yielded_continues() {
    let host = Host::new(Config::default().timing(Timing::Inline));
    let run = async |wsk: Provider| {
        let (client, _server) = streams(&wsk).await?;
        let mut many = Box::pin(async {
            for _ in 0..if cfg!(miri) { 300 } else { 1000 } {
                client.local_addr().await?;
            }
            Ok::<_, wsk::Error>(())
        });
        let mut polls = 0;
        poll_fn(|context| {
            polls += 1;
            many.as_mut().poll(context)
        })
        .await?;
        assert!((2..20).contains(&polls), "{polls} polls");
        Ok(())
    };
    on_host(&host, run).unwrap();
}

/// A way in which a task runs a future.
type Combinator = fn(Pin<Box<dyn Future<Output = ()> + Send>>) -> Task;

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Polls a future with a waker of its own, as combinators do that poll only what was woken.
async fn with_own_waker(mut future: Task) {
    struct OwnWaker {
        is_woken: AtomicBool,
        task: Mutex<Waker>,
    }
    impl Wake for OwnWaker {
        fn wake(self: Arc<Self>) {
            self.is_woken.store(true, Ordering::SeqCst);
            self.task.lock().unwrap().wake_by_ref();
        }
    }
    let own = Arc::new(OwnWaker { is_woken: true.into(), task: Waker::noop().clone().into() });
    let waker = Waker::from(Arc::clone(&own));
    poll_fn(|context| {
        own.task.lock().unwrap().clone_from(context.waker());
        if !own.is_woken.swap(false, Ordering::SeqCst) {
            return Poll::Pending;
        }
        future.as_mut().poll(&mut Context::from_waker(&waker))
    })
    .await;
}

/// Fairness needs no waker of this crate's: combinators have wakers of their own.
#[test]
fn a_busy_future_in_a_combinator_does_not_starve_other_tasks() {
    let rounds = usize::try_from(seeds(20_000, 600)).unwrap();
    let combinators: [(&str, Combinator); 5] = [
        ("none", |busy| busy),
        ("own waker", |busy| Box::pin(with_own_waker(busy))),
        ("FuturesUnordered", |busy| {
            let mut all: FuturesUnordered<_> = [busy].into_iter().collect();
            Box::pin(async move { while all.next().await.is_some() {} })
        }),
        ("join_all of 41", |busy| {
            let others = (0..40).map(|_| Box::pin(async {}) as Task);
            Box::pin(join_all(std::iter::once(busy).chain(others)).map(|_| ()))
        }),
        ("Shared", |busy| Box::pin(busy.shared())),
    ];
    for (name, combinator) in combinators {
        let host = Host::new(Config::default().timing(Timing::Inline));
        let run = async |wsk: Provider| {
            let socket = UdpSocket::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
            let is_done = Arc::new(AtomicBool::new(false));
            let done = Arc::clone(&is_done);
            let busy = async move {
                for _ in 0..rounds {
                    socket.send_copy_to(b"x", (Ipv4Addr::LOCALHOST, 9)).await.unwrap();
                }
                done.store(true, Ordering::SeqCst);
            };
            let runtime = Runtime::new(passive(), 1)?;
            let turns = Arc::new(AtomicUsize::new(0));
            let counted = Arc::clone(&turns);
            let busy = runtime.spawner().spawn(combinator(Box::pin(busy)))?;
            let other = runtime.spawner().spawn(async move {
                while !is_done.load(Ordering::SeqCst) {
                    counted.fetch_add(1, Ordering::SeqCst);
                    rt::yield_now().await;
                }
            })?;
            busy.await?;
            other.await?;
            let turns = turns.load(Ordering::SeqCst);
            assert!(turns >= rounds / 200, "{name}: {turns} turns in {rounds} requests");
            runtime.shutdown(passive());
            Ok(())
        };
        on_host(&host, run).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}
