//! Tasks on system threads.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::task::Poll;

use test_support::connection::{buffer, receive_all};
use test_support::scenario::{on_host, passive, timings};
use wsk::{Buffer, ErrorKind, Provider, Result, Runtime, Spawner, TcpListener, TcpStream};
use wsk_host::{Config, Host};

/// Connections that are served at once, on several threads.
const CONNECTIONS: u8 = if cfg!(miri) { 3 } else { 32 };
const SIZE: usize = if cfg!(miri) { 50 } else { 5000 };

async fn serve(listener: TcpListener, spawner: Spawner) -> Result<()> {
    loop {
        let (stream, _) = listener.accept().await?;
        spawner.spawn(async move {
            let echo = async {
                let mut buffer = Buffer::new(1000)?;
                loop {
                    let (received, filled) = stream.recv(buffer).await.into_result()?;
                    if received == 0 {
                        return stream.shutdown().await;
                    }
                    let part = filled.slice(..received)?;
                    buffer = stream.send_all(part).await.into_result()?.1.into_inner();
                }
            };
            echo.await.unwrap();
        })?;
    }
}

#[test]
fn many_connections_are_served_and_the_server_is_dropped() {
    for timing in timings().take(20) {
        let host = Host::new(Config { timing, ..Config::default() });
        let outside = host.clone();
        let run = async |wsk: Provider| {
            let runtime = Runtime::new(passive(), 4)?;
            let spawner = runtime.spawner();
            let listener = TcpListener::bind(&wsk, ([127, 0, 0, 1], 0)).await?;
            let address = listener.local_addr().await?;
            let server = spawner.clone();
            spawner.spawn(async move { serve(listener, server).await.unwrap() })?;

            let (done, results) = mpsc::channel();
            for number in 0..CONNECTIONS {
                let (wsk, done) = (wsk.clone(), done.clone());
                spawner.spawn(async move {
                    let talk = async {
                        let stream = TcpStream::connect(&wsk, address).await?;
                        stream.send_all(buffer(&[number; SIZE])?).await.into_result()?;
                        stream.shutdown().await?;
                        receive_all(&stream).await
                    };
                    done.send((number, talk.await)).unwrap();
                })?;
            }
            drop(done);
            let mut count = 0;
            let results: Vec<_> = outside.blocking(|| results.iter().collect());
            for (number, received) in results {
                assert_eq!(received?, [number; SIZE]);
                count += 1;
            }
            assert_eq!(count, CONNECTIONS);
            runtime.shutdown(passive());
            Ok(())
        };
        on_host(&host, run).unwrap();
        assert_eq!(host.outstanding_allocations(), 0, "{timing:?}");
    }
}

/// Counts its drops.
struct Dropped(Arc<AtomicUsize>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

#[test]
fn a_task_that_cannot_be_allocated_is_dropped() {
    let host = Host::new(Config::default());
    let _entered = host.enter();
    let runtime = Runtime::new(passive(), 1).unwrap();
    let dropped = Arc::new(AtomicUsize::new(0));
    let guard = Dropped(Arc::clone(&dropped));
    host.fail_allocation(1);
    let error = runtime.spawner().spawn(async move { drop(guard) }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::OutOfMemory);
    assert_eq!(dropped.load(Ordering::SeqCst), 1);
    runtime.shutdown(passive());
    assert_eq!(host.outstanding_allocations(), 0);
}

#[test]
fn shutdown_drops_tasks_that_never_finish() {
    let host = Host::new(Config::default());
    let _entered = host.enter();
    let dropped = Arc::new(AtomicUsize::new(0));
    let runtime = Runtime::new(passive(), 2).unwrap();
    let (ready, waiting) = mpsc::channel();
    for _ in 0..10 {
        let (guard, ready) = (Dropped(Arc::clone(&dropped)), ready.clone());
        let task = async move {
            let _guard = guard;
            ready.send(()).unwrap();
            std::future::pending::<()>().await;
        };
        runtime.spawner().spawn(task).unwrap();
    }
    host.blocking(|| (0..10).for_each(|_| waiting.recv().unwrap()));
    let spawner = runtime.spawner();
    runtime.shutdown(passive());
    assert_eq!(dropped.load(Ordering::SeqCst), 10);

    let guard = Dropped(Arc::clone(&dropped));
    let error = spawner.spawn(async move { drop(guard) }).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Cancelled);
    assert_eq!(dropped.load(Ordering::SeqCst), 11, "a task that is refused is dropped");
    drop(spawner);
    assert_eq!(host.outstanding_allocations(), 0);
}

/// A waker may be used after its task has ended, and after the runtime has: it keeps the bare memory.
#[test]
fn wakers_outlive_tasks_and_the_runtime() {
    let host = Host::new(Config::default());
    let _entered = host.enter();
    let runtime = Runtime::new(passive(), 1).unwrap();
    let (sender, wakers) = mpsc::channel();
    runtime
        .spawner()
        .spawn(std::future::poll_fn(move |context| {
            // Woken while it is being polled, and polled again for it.
            context.waker().wake_by_ref();
            sender.send(context.waker().clone()).map_or(Poll::Ready(()), |()| Poll::Pending)
        }))
        .unwrap();
    let [first, second] = host.blocking(|| [(); 2].map(|()| wakers.recv().unwrap()));
    assert!(first.will_wake(&second));
    drop(wakers);
    runtime.shutdown(passive());
    first.wake_by_ref();
    first.wake();
    drop(second);
    assert_eq!(host.outstanding_allocations(), 0);
}

#[test]
fn a_runtime_needs_a_sensible_number_of_threads() {
    for threads in [0, Runtime::MAX_THREADS + 1] {
        let error = Runtime::new(passive(), threads).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidInput);
    }
}
