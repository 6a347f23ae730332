//! Ends: what a driver may drop or forget, and where, before it is unloaded.
//!
//! After `wsk::unload` each scenario unloads the host's image: code of the driver that runs then ends the process
//! (INV-18).

use std::env;
use std::future::Future;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::process::Command;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Wake, Waker};
use std::time::Duration;

use test_support::connection::streams;
use test_support::scenario::{passive, unload};
use test_support::seeds::seeds;
use wsk::events::{DatagramEvents, Datagrams, Disposition, RetainedDatagrams};
use wsk::resolve::Hints;
use wsk::socket::{DatagramSocket, Family};
use wsk::{Buffer, Provider, Registration, Result, Runtime, UdpSocket, rt, time};
use wsk_host::{Config, Host, Timing};

/// The number of seeds that a race is looked for with. Miri takes long for each.
fn race_seeds() -> u64 {
    seeds(300, 1)
}

/// Runs a scenario with every seed, and unloads the driver. Nothing may run, or be left, afterwards.
fn with_seeds(scenario: impl Fn(&Host)) {
    for seed in 0..race_seeds() {
        let host = Host::new(Config::default().timing(Timing::Mixed(seed)));
        let _entered = host.enter();
        scenario(&host);
        unload(&host);
        assert_eq!(host.outstanding_allocations(), 0, "seed {seed}");
        assert_eq!(host.kernel().set_timers(), 0, "seed {seed}");
    }
}

/// A registration with its provider.
pub(crate) fn register() -> (Registration, Provider) {
    let registration = Registration::register(passive()).unwrap();
    let wsk = registration.try_capture().unwrap();
    (registration, wsk)
}

/// As [`with_seeds`], with a registration that ends afterwards.
fn with_provider(scenario: impl AsyncFn(Provider) -> Result<()>) {
    with_seeds(|_| {
        let (registration, wsk) = register();
        rt::block_on(passive(), scenario(wsk)).unwrap().unwrap();
        registration.deregister(passive());
    });
}

/// Drops a value in a callback of a datagram socket.
pub(crate) async fn drop_in_callback<T: Send + 'static>(wsk: &Provider, value: T) -> Result<()> {
    struct Handler<T>(Mutex<Option<T>>);

    #[wsk::events]
    impl<T: Send + 'static> DatagramEvents for Handler<T> {
        fn receive_from(&self, _datagrams: Datagrams<'_>) -> Disposition {
            drop(self.0.lock().unwrap().take());
            Disposition::Accepted
        }
    }

    let handler = Handler(Mutex::new(Some(value)));
    let builder = DatagramSocket::builder(wsk, Family::INET).events(handler);
    let receiver = builder.bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let sender = UdpSocket::bind(wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
    let to = receiver.local_addr().await?;
    sender.send_to(Buffer::new(1)?, to).await.into_result()?;
    time::sleep(Duration::from_millis(100)).await
}

/// A waker of a foreign executor, which drops a value when it is called.
struct DropsOnWake<T>(Mutex<Option<T>>);

impl<T: Send + 'static> DropsOnWake<T> {
    fn waker(value: T) -> Waker {
        Waker::from(Arc::new(Self(Mutex::new(Some(value)))))
    }
}

impl<T: Send> Wake for DropsOnWake<T> {
    fn wake(self: Arc<Self>) {
        drop(self.0.lock().unwrap().take());
    }
}

/// Drops a value in a deferred procedure call.
pub(crate) async fn drop_in_dpc<T: Send + 'static>(value: T) -> Result<()> {
    let waker = DropsOnWake::waker(value);
    let mut sleep = Box::pin(time::Sleep::new(Duration::from_millis(1))?);
    assert!(sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    time::sleep(Duration::from_millis(100)).await
}

/// Drops a value in a completion routine.
pub(crate) async fn drop_in_completion_routine<T: Send + 'static>(
    wsk: &Provider,
    value: T,
) -> Result<()> {
    let (client, server) = streams(wsk).await?;
    let waker = DropsOnWake::waker(value);
    let mut receive = Box::pin(server.recv(Buffer::new(9)?));
    assert!(receive.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
    client.send_all(Buffer::new(3)?).await.into_result()?;
    time::sleep(Duration::from_millis(100)).await
}

/// A runtime with a task that waits for ever.
fn runtime() -> Runtime {
    let runtime = Runtime::new(passive(), 2).unwrap();
    drop(runtime.spawner().spawn(std::future::pending::<()>()).unwrap());
    runtime
}

#[test]
fn a_registration_may_be_dropped_in_a_callback() {
    with_provider(async |wsk| drop_in_callback(&wsk, register()).await);
}

#[test]
fn a_registration_may_be_dropped_in_its_own_callback() {
    with_seeds(|_| {
        let (registration, wsk) = register();
        rt::block_on(passive(), drop_in_callback(&wsk, registration)).unwrap().unwrap();
    });
}

#[test]
fn a_registration_may_be_dropped_in_a_dpc() {
    with_seeds(|_| rt::block_on(passive(), drop_in_dpc(register())).unwrap().unwrap());
}

#[test]
fn a_registration_may_be_dropped_in_a_completion_routine() {
    with_provider(async |wsk| drop_in_completion_routine(&wsk, register()).await);
}

#[test]
fn a_registration_may_be_dropped_in_its_own_completion_routine() {
    with_seeds(|_| {
        let (registration, wsk) = register();
        let dropped = drop_in_completion_routine(&wsk, registration);
        rt::block_on(passive(), dropped).unwrap().unwrap();
    });
}

#[test]
fn a_registration_may_be_dropped_in_a_task() {
    with_seeds(|_| {
        let (registration, wsk) = register();
        let runtime = Runtime::new(passive(), 1).unwrap();
        let task = async move {
            let streams = streams(&wsk).await;
            drop(registration);
            drop(streams);
        };
        runtime.spawner().spawn(task).unwrap();
        runtime.finish(passive());
    });
}

#[test]
fn a_runtime_may_be_dropped_anywhere() {
    with_provider(async |wsk| {
        drop_in_callback(&wsk, runtime()).await?;
        drop_in_dpc(runtime()).await?;
        drop_in_completion_routine(&wsk, runtime()).await
    });
}

#[test]
fn a_runtime_may_be_dropped_in_its_own_task() {
    with_seeds(|_| {
        let runtime = runtime();
        let spawner = runtime.spawner();
        drop(spawner.spawn(async move { drop(runtime) }).unwrap());
    });
}

/// The last thread of the one runtime drops the other.
#[test]
fn a_task_may_own_another_runtime() {
    with_seeds(|_| {
        let (first, second) = (runtime(), runtime());
        let owns = async move {
            std::future::pending::<()>().await;
            drop(second);
        };
        drop(first.spawner().spawn(owns).unwrap());
        drop(first);
    });
}

/// Requests of its tasks are in flight when the runtime ends after its registration.
#[test]
fn a_runtime_may_end_after_its_registration() {
    with_seeds(|_| {
        let (registration, wsk) = register();
        let runtime = Runtime::new(passive(), 1).unwrap();
        for _ in 0..8 {
            let wsk = wsk.clone();
            let task = async move {
                time::sleep(Duration::from_millis(1)).await?;
                let (_client, server) = streams(&wsk).await?;
                server.recv(Buffer::new(1)?).await.into_result()
            };
            drop(runtime.spawner().spawn(task).unwrap());
        }
        drop(wsk);
        drop(registration);
        rt::block_on(passive(), time::sleep(Duration::from_millis(1))).unwrap().unwrap();
        drop(runtime);
    });
}

/// Every timer was dropped, and the deferred procedure calls of some are still to run.
#[test]
fn timers_need_no_registration() {
    with_seeds(|_| {
        let timers = async {
            let new = || time::Sleep::new(Duration::from_millis(1));
            let others: Vec<_> = (0..8).map(|_| new()).collect::<Result<_>>()?;
            time::sleep(Duration::from_millis(1)).await?;
            drop(others);
            Ok::<_, wsk::Error>(())
        };
        rt::block_on(passive(), timers).unwrap().unwrap();
    });
}

/// A timer that was forgotten expires, before the driver is unloaded.
#[test]
fn a_timer_may_be_forgotten() {
    struct Counts(AtomicUsize);

    impl Wake for Counts {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::SeqCst);
        }
    }

    for seed in 0..race_seeds() {
        let host = Host::new(Config::default().timing(Timing::Mixed(seed)));
        let _entered = host.enter();
        let counts = Arc::new(Counts(AtomicUsize::new(0)));
        let waker = Waker::from(Arc::clone(&counts));
        let mut sleep = Box::pin(time::Sleep::new(Duration::from_secs(5)).unwrap());
        assert!(sleep.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        std::mem::forget(sleep);
        wsk::unload(passive());
        assert_eq!(counts.0.load(Ordering::SeqCst), 1, "seed {seed}");
        host.unload();
        host.settle();
    }
}

/// The executor of the Rust async book: its waker is an `Arc` of the task. The executor has gone, so the last waker drops
/// the future, with its socket, in WSK's completion routine.
#[test]
fn a_waker_may_own_the_future() {
    struct Task {
        future: Mutex<Option<Pin<Box<dyn Future<Output = ()> + Send>>>>,
    }

    impl Wake for Task {
        fn wake(self: Arc<Self>) {}
    }

    with_provider(async |wsk| {
        let (client, server) = streams(&wsk).await?;
        let task = Arc::new(Task { future: Mutex::new(None) });
        let waker = Waker::from(Arc::clone(&task));
        let mut future: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move {
            drop(server.recv(Buffer::new(9).unwrap()).await);
        });
        assert!(future.as_mut().poll(&mut Context::from_waker(&waker)).is_pending());
        *task.future.lock().unwrap() = Some(future);
        drop((task, waker));
        client.send_all(Buffer::new(3)?).await.into_result()?;
        time::sleep(Duration::from_millis(100)).await
    });
}

/// Drops a value while allocation fails.
struct WithoutMemory<T>(Option<T>, Host);

impl<T> Drop for WithoutMemory<T> {
    fn drop(&mut self) {
        self.1.fail_allocations_from(1);
        drop(self.0.take());
        self.1.fail_allocations_from(usize::MAX / 2);
    }
}

/// Everything of this crate that calls WSK when it is dropped. No memory is needed for that, except for retained data.
#[test]
fn a_foreign_waker_may_drop_anything() {
    with_seeds(|host| {
        let (registration, wsk) = register();
        let dropped = drop_everything(host, wsk);
        rt::block_on(passive(), dropped).unwrap().unwrap();
        registration.deregister(passive());
    });
}

async fn drop_everything(host: &Host, wsk: Provider) -> Result<()> {
    struct Retains(Mutex<Vec<RetainedDatagrams>>);

    #[wsk::events]
    impl DatagramEvents for Retains {
        fn receive_from(&self, datagrams: Datagrams<'_>) -> Disposition {
            if let Ok(retained) = datagrams.retain() {
                self.0.lock().unwrap().push(retained);
            }
            Disposition::Refused
        }
    }

    let (client, server) = streams(&wsk).await?;
    let mut receive = Box::pin(async move { server.recv(Buffer::new(9)?).await.into_result() });
    assert!(receive.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
    let retains = Retains(Mutex::default());
    let builder = DatagramSocket::builder(&wsk, Family::INET).events(retains);
    let socket = builder.bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let sender = UdpSocket::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
    let to = socket.local_addr().await?;
    sender.send_to(Buffer::new(1)?, to).await.into_result()?;
    time::sleep(Duration::from_millis(100)).await?;
    let retained = std::mem::take(&mut *socket.handler().0.lock().unwrap());
    assert!(!retained.is_empty());
    let list = wsk.resolve("localhost", 80, Hints::new()).await?;
    let runtime = Runtime::new(passive(), 1)?;
    let udp = UdpSocket::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
    let joined = runtime.spawner().spawn(async move { udp })?;
    while !joined.is_finished() {
        time::sleep(Duration::from_millis(1)).await?;
    }
    let sleep = time::Sleep::new(Duration::from_secs(1))?;
    // The last provider of a registration of its own, too.
    let (other, others_provider) = register();
    drop(other);
    let everything =
        (client, receive, socket, sender, list, joined, sleep, others_provider, runtime);
    let everything = (retained, WithoutMemory(Some(everything), host.clone()));
    drop_in_completion_routine(&wsk, everything).await
}

/// Runs this executable again, for one test, which must end with a report that has this text.
fn stops(test: &str, text: &str, scenario: impl FnOnce()) {
    const VARIABLE: &str = "WSK_UNLOAD_SCENARIO";
    if env::var_os(VARIABLE).is_some() {
        let host = Host::new(Config::default());
        let _entered = host.enter();
        scenario();
        wsk::unload(passive());
        return;
    }
    let mut command = Command::new(env::current_exe().unwrap());
    command.args(["--exact", test, "--nocapture"]).env(VARIABLE, "1");
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success(), "{said}");
    assert!(said.contains("INV-18"), "{said}");
    assert!(said.contains(text), "{said}");
}

#[cfg_attr(miri, ignore = "runs a process")]
#[test]
fn a_forgotten_runtime_is_named() {
    stops("unload::a_forgotten_runtime_is_named", "these are left: threads: 2\n", || {
        std::mem::forget(runtime());
    });
}

#[cfg_attr(miri, ignore = "runs a process")]
#[test]
fn a_forgotten_registration_is_named() {
    let text = "these are left: threads: 1, registrations: 1, providers: 1\n";
    stops("unload::a_forgotten_registration_is_named", text, || std::mem::forget(register()));
}

#[cfg_attr(miri, ignore = "runs a process")]
#[test]
fn a_forgotten_socket_is_named() {
    let text = "these are left: threads: 1, registrations: 1, sockets: 1\n";
    stops("unload::a_forgotten_socket_is_named", text, || {
        let (registration, wsk) = register();
        let bind = UdpSocket::bind(&wsk, (Ipv4Addr::LOCALHOST, 0));
        std::mem::forget(rt::block_on(passive(), bind).unwrap().unwrap());
        drop((wsk, registration));
    });
}

#[cfg_attr(miri, ignore = "runs a process")]
#[test]
fn a_long_timer_is_named() {
    let text = "these are left: set timers: 1\n";
    stops("unload::a_long_timer_is_named", text, || {
        std::mem::forget(time::Sleep::new(Duration::from_secs(3600)).unwrap());
    });
}
