//! The same conversations on executors of others: this crate's futures need none of its own.

use std::collections::VecDeque;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Condvar, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use test_support::connection::{buffer, receive_all};
use test_support::scenario::{passive, timings};
use wsk::flags::NameInfoFlags;
use wsk::{Buffer, Provider, Registration, Result, TcpListener, TcpStream, net, time};
use wsk_host::{Config, Host};

/// Clients that talk at once, each with its own side of the server.
const CLIENTS: u8 = if cfg!(miri) { 2 } else { 16 };

type Task = Pin<Box<dyn Future<Output = ()> + Send>>;

async fn echo(stream: TcpStream) -> Result<()> {
    let mut buffer = Buffer::new(100)?;
    loop {
        let (received, filled) = stream.recv(buffer).await.into_result()?;
        if received == 0 {
            return stream.shutdown().await;
        }
        let part = filled.slice(..received)?;
        buffer = stream.send_all(part).await.into_result()?.1.into_inner();
    }
}

async fn ask(wsk: Provider, port: u16, number: u8) -> Result<()> {
    let stream = net::connect_host(&wsk, ("localhost", port)).await?;
    stream.send_all(buffer(&[number; 1000])?).await.into_result()?;
    stream.shutdown().await?;
    let received = time::timeout(Duration::from_secs(60), receive_all(&stream)).await??;
    assert_eq!(received, [number; 1000]);
    let peer = stream.peer_addr().await?;
    let names = wsk.name_of(peer, NameInfoFlags::NUMERIC_HOST).await?;
    assert_eq!(names.host(), "127.0.0.1");
    Ok(())
}

/// Spawns clients, and the server's side of their connections as they come. `ended` counts all of them, and this.
async fn converse(wsk: Provider, ended: Ended, spawn: impl Fn(Task)) {
    let spawn_counted = |task: Pin<Box<dyn Future<Output = Result<()>> + Send>>| {
        let ended = ended.clone();
        spawn(Box::pin(async move {
            task.await.unwrap();
            ended.one_more();
        }));
    };
    let listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await.unwrap();
    let port = listener.local_addr().await.unwrap().port();
    for number in 0..CLIENTS {
        spawn_counted(Box::pin(ask(wsk.clone(), port, number)));
    }
    for _ in 0..CLIENTS {
        let (stream, _) = listener.accept().await.unwrap();
        spawn_counted(Box::pin(echo(stream)));
    }
    listener.close().await;
    drop(wsk);
    ended.one_more();
}

/// How many tasks of a conversation have ended.
#[derive(Clone, Default)]
struct Ended(Arc<(Mutex<usize>, Condvar)>);

impl Ended {
    /// How many there are in a conversation.
    const ALL: usize = 2 * CLIENTS as usize + 1;

    fn one_more(&self) {
        *self.0.0.lock().unwrap() += 1;
        self.0.1.notify_all();
    }

    fn are_all(&self) -> bool {
        *self.0.0.lock().unwrap() == Self::ALL
    }

    fn wait_for_all(&self) {
        let ended = self.0.0.lock().unwrap();
        let patience = Duration::from_secs(60);
        let is_left = |ended: &mut usize| *ended < Self::ALL;
        let waited = self.0.1.wait_timeout_while(ended, patience, is_left).unwrap();
        assert!(!waited.1.timed_out(), "the conversation does not end");
    }
}

/// Runs something with a provider, on a host where it leaves nothing.
fn on(config: Config, run: impl FnOnce(&Host, Provider, Ended)) {
    let host = Host::new(config);
    let entered = host.enter();
    let registration = Registration::register(passive()).unwrap();
    let wsk = registration.try_capture().unwrap();
    let ended = Ended::default();
    run(&host, wsk, ended.clone());
    assert!(ended.are_all());
    registration.deregister(passive());
    drop(entered);
    host.settle();
    assert_eq!(host.outstanding_allocations(), 0, "{config:?}");
}

/// A queue and the crate `async-task`, as the executors of smol and of many others are made; polled by a thread
/// that looks after everything else in between.
#[test]
fn a_queue_of_async_task() {
    #[derive(Clone, Default)]
    struct Queue(Arc<Mutex<VecDeque<async_task::Runnable>>>);

    impl Queue {
        fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
            let queue = self.clone();
            let schedule = move |runnable| queue.0.lock().unwrap().push_back(runnable);
            let (runnable, task) = async_task::spawn(task, schedule);
            task.detach();
            runnable.schedule();
        }

        fn run_one(&self) -> bool {
            // Not under the lock: a task that runs may spawn, or wake.
            let runnable = self.0.lock().unwrap().pop_front();
            runnable.map(async_task::Runnable::run).is_some()
        }
    }

    for timing in timings().take(20) {
        on(Config::default().timing(timing), |host, wsk, ended| {
            let queue = Queue::default();
            let spawner = queue.clone();
            let spawn = move |task| spawner.spawn(task);
            queue.spawn(converse(wsk, ended.clone(), spawn));
            while !ended.are_all() {
                if !queue.run_one() {
                    host.settle();
                }
            }
            // The last wakers may be in the queue.
            while queue.run_one() {}
        });
    }
}

/// The executor of one thread of the crate `futures`.
#[cfg(not(miri))] // Miri has no network.
#[test]
fn a_local_pool_of_futures() {
    use futures_executor::LocalPool;
    use futures_util::task::LocalSpawnExt;

    on(Config::real(), |_, wsk, ended| {
        let mut pool = LocalPool::new();
        let spawner = pool.spawner();
        let spawn = move |task| spawner.spawn_local(task).unwrap();
        pool.run_until(converse(wsk, ended, spawn));
        pool.run();
    });
}

/// The executor of several threads of the crate `futures`, which move tasks between them.
#[cfg(not(miri))]
#[test]
fn a_thread_pool_of_futures() {
    use futures_executor::ThreadPool;

    on(Config::real(), |host, wsk, ended| {
        let pool = ThreadPool::builder().pool_size(3).create().unwrap();
        let (spawner, of) = (pool.clone(), host.clone());
        let spawn = move |task| spawner.spawn_ok(InHost(task, of.clone()));
        let first: Task = Box::pin(converse(wsk, ended.clone(), spawn));
        pool.spawn_ok(InHost(first, host.clone()));
        ended.wait_for_all();
    });
}

/// Polls a task on a thread that is otherwise none of the host's.
struct InHost(Task, Host);

impl Future for InHost {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let _entered = self.1.enter();
        self.0.as_mut().poll(context)
    }
}
