//! Hangs: the process ends within seconds, with a report of each thread's wait.

use std::future::{Future, poll_fn};
use std::net::Ipv4Addr;
use std::sync::Mutex;
use std::task::Poll;
use std::time::Duration;

use wsk::events::{ConditionalListenEvents, Incoming, Inspection, PendingInspection};
use wsk::irql::Passive;
use wsk::socket::{Family, ListenSocket};
use wsk::{Buffer, Registration, Runtime, TcpListener, TcpStream, UdpSocket, rt, time};
use wsk_host::{Config, Host};

use super::{is_scenario, require, run_failing, run_until_said};

/// The longest that a report may take, on a machine that is busy with other tests.
const FEW_SECONDS: Duration = Duration::from_secs(30);

fn passive() -> Passive {
    // SAFETY: a test's thread is at PASSIVE_LEVEL.
    unsafe { Passive::assume() }
}

/// Runs a scenario that hangs, and returns its report.
#[track_caller]
fn hangs(config: Config, scenario: impl FnOnce(Passive)) -> Option<String> {
    if is_scenario() {
        let host = Host::new(config);
        let _entered = host.enter();
        scenario(passive());
        return None;
    }
    let said = run_failing();
    assert!(said.time < FEW_SECONDS, "it took {:?}:\n{}", said.time, said.error);
    require(
        &said.error,
        &[
            "wsk-host: ",
            "\n  with:    Config",
            "\n  likely:  ",
            // Where the thread waits.
            " at ./tests/reports/hangs.rs:",
        ],
    );
    let waits = said.error.contains("threads of this kernel are waiting");
    assert!(waits || said.error.contains("unload waits"), "{}", said.error);
    Some(said.error)
}

fn forgets_a_socket(passive: Passive) {
    let registration = Registration::register(passive).unwrap();
    let wsk = registration.try_capture().unwrap();
    let listener =
        rt::block_on(passive, TcpListener::bind(&wsk, (Ipv4Addr::LOCALHOST, 0))).unwrap().unwrap();
    std::mem::forget(listener);
    drop(wsk);
    registration.deregister(passive);
}

#[test]
fn a_forgotten_socket_is_named() {
    if let Some(said) = hangs(Config::default(), forgets_a_socket) {
        require(
            &said,
            &[
                "\n  open:    socket 1, a listen socket, listening, created by WskSocket in the thread `hangs::",
                "Open, without a request: 1. Close it",
            ],
        );
    }
}

#[test]
fn a_forgotten_socket_is_named_on_the_machines_network() {
    if let Some(said) = hangs(Config::real(), forgets_a_socket) {
        require(&said, &["\n  open:    socket 1, a listen socket", "Open, without a request: 1."]);
    }
}

/// Without a wait for the registration, the driver's unload routine waits.
#[test]
fn a_forgotten_socket_is_named_at_unload() {
    let said = hangs(Config::default(), |passive| {
        let registration = Registration::register(passive).unwrap();
        let wsk = registration.try_capture().unwrap();
        std::mem::forget(
            rt::block_on(passive, TcpListener::bind(&wsk, (Ipv4Addr::LOCALHOST, 0))).unwrap(),
        );
        drop((wsk, registration));
        wsk::unload(passive);
    });
    if let Some(said) = said {
        require(&said, &["\n  open:    socket 1, a listen socket", "Open, without a request: 1."]);
    }
}

#[test]
fn a_registration_that_is_dropped_before_its_provider_is_named() {
    let said = hangs(Config::default(), |passive| {
        let registration = Registration::register(passive).unwrap();
        let wsk = registration.try_capture().unwrap();
        std::mem::forget(wsk);
        registration.deregister(passive);
    });
    if let Some(said) = said {
        require(&said, &["\n  open:    a captured provider, captured by WskCaptureProviderNPI"]);
    }
}

/// A listener that decides about no connection.
struct Undecided(Mutex<Vec<PendingInspection>>);

#[wsk::events]
impl ConditionalListenEvents for Undecided {
    type Connection = ();

    fn inspect(&self, inspection: Inspection<'_>) {
        self.0.lock().unwrap().push(inspection.pend().unwrap());
    }

    fn accept(&self, _incoming: Incoming<'_, ()>) {}
}

/// Forgets a future that owns its socket, with a request in flight that does not complete, and ends the registration.
fn forgets(request: &str, passive: Passive) {
    let registration = Registration::register(passive).unwrap();
    let wsk = registration.try_capture().unwrap();
    let local = (Ipv4Addr::LOCALHOST, 0);
    rt::block_on(passive, async {
        if request == "WskReceiveFrom" {
            let socket = UdpSocket::bind(&wsk, local).await.unwrap();
            let buffer = Buffer::new(10).unwrap();
            return forget(async move { socket.recv_from(buffer).await }).await;
        }
        if request == "WskConnect" {
            let builder = ListenSocket::builder(&wsk, Family::INET);
            let listener = builder.events(Undecided(Mutex::default())).bind(local).await.unwrap();
            let address = listener.local_addr().await.unwrap();
            forget(TcpStream::connect(&wsk, address)).await;
            // Its end would end the connect.
            return std::mem::forget(listener);
        }
        let listener = TcpListener::bind(&wsk, local).await.unwrap();
        if request == "WskAccept" {
            return forget(async move { listener.accept().await }).await;
        }
        let address = listener.local_addr().await.unwrap();
        let client = TcpStream::connect(&wsk, address).await.unwrap();
        let (server, _) = listener.accept().await.unwrap();
        let buffer = Buffer::new(1000).unwrap();
        match request {
            "WskReceive" => forget(async move { client.recv(buffer).await }).await,
            "WskSend" => forget(async move { client.send(buffer).await }).await,
            "WskDisconnect" => forget(async move { client.shutdown_with(buffer).await }).await,
            _ => unreachable!("{request}"),
        }
        // Its end would end the request.
        std::mem::forget(server);
    })
    .unwrap();
    drop(wsk);
    registration.deregister(passive);
}

/// Polls a future until nothing of it is left to be done, and forgets it.
async fn forget(future: impl Future) {
    let mut future = Box::pin(future);
    for _ in 0..5 {
        let poll = poll_fn(|context| Poll::Ready(future.as_mut().poll(context)));
        assert!(poll.await.is_pending());
        time::sleep(Duration::from_millis(20)).await.unwrap();
    }
    std::mem::forget(future);
}

/// Requires that the report about a forgotten request first says what to do about its socket.
#[track_caller]
fn is_named(request: &str) {
    let config = Config { window: 10, ..Config::default() };
    let Some(said) = hangs(config, |passive| forgets(request, passive)) else { return };
    require(&said, &[&format!("made by {request}"), " or the future that owns it"]);
    let likely = said.split("\n  likely:  ").nth(1).expect("a mistake is likely");
    let sentence = "WskDeregister, and with it the unloading of a driver, waits until every socket is closed. Open, ";
    assert!(likely.starts_with(sentence), "{said}");
    assert!(likely.contains("with a request in flight: "), "{said}");
}

#[test]
fn a_forgotten_accept_is_named() {
    is_named("WskAccept");
}

#[test]
fn a_forgotten_connect_is_named() {
    is_named("WskConnect");
}

#[test]
fn a_forgotten_receive_is_named() {
    is_named("WskReceive");
}

#[test]
fn a_forgotten_send_is_named() {
    is_named("WskSend");
}

#[test]
fn a_forgotten_disconnect_is_named() {
    is_named("WskDisconnect");
}

#[test]
fn a_forgotten_receive_of_a_datagram_is_named() {
    is_named("WskReceiveFrom");
}

fn receives_what_is_never_sent(passive: Passive) {
    let registration = Registration::register(passive).unwrap();
    let wsk = registration.try_capture().unwrap();
    rt::block_on(passive, async {
        let listener = TcpListener::bind(&wsk, (Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().await.unwrap();
        let client = TcpStream::connect(&wsk, address).await.unwrap();
        let (_server, _) = listener.accept().await.unwrap();
        let _ = client.recv(Buffer::new(10).unwrap()).await;
    })
    .unwrap();
}

#[test]
fn a_receive_without_an_answer_is_named() {
    if let Some(said) = hangs(Config::default(), receives_what_is_never_sent) {
        require(
            &said,
            &[
                "\n  request: IRP ",
                ", in flight since ",
                "made by WskReceive",
                " waits for bytes, and its peer neither sends some nor shuts down",
            ],
        );
    }
}

/// Another process could still answer, so the wait is reported and continues.
#[test]
fn a_receive_without_an_answer_is_reported_on_the_machines_network() {
    if is_scenario() {
        let _entered = Host::new(Config::real()).enter();
        receives_what_is_never_sent(passive());
        return;
    }
    run_until_said(&[
        "wsk-host: all threads of this kernel wait",
        "and nothing arrives from outside of it",
        "made by WskReceive",
        "\n  likely:  ",
        "\n  with:    Config",
        " at ./tests/reports/hangs.rs:",
    ]);
}

/// The only worker waits for a task that it would have to run itself.
#[test]
fn a_task_that_blocks_its_only_worker_is_named() {
    let said = hangs(Config::default(), |passive| {
        let runtime = Runtime::new(passive, 1).unwrap();
        let spawner = runtime.spawner();
        let outer = runtime.spawner().spawn(async move {
            let inner = spawner.spawn(async {}).unwrap();
            // SAFETY: a worker is at PASSIVE_LEVEL.
            let passive = unsafe { Passive::assume() };
            rt::block_on(passive, inner).unwrap()
        });
        let _ = rt::block_on(passive, outer.unwrap());
        runtime.shutdown(passive);
    });
    if let Some(said) = said {
        require(
            &said,
            &["`system thread` in KeWaitForSingleObject for an event", "`block_on` within a task"],
        );
    }
}

/// A thread that waits for its own end, as a runtime does that is shut down in one of its tasks.
#[test]
fn a_thread_that_waits_for_its_own_end_is_named() {
    let said = hangs(Config::default(), |passive| {
        let runtime = Runtime::new(passive, 1).unwrap();
        let spawner = runtime.spawner();
        let task = spawner.spawn(async move {
            // SAFETY: a worker is at PASSIVE_LEVEL.
            runtime.shutdown(unsafe { Passive::assume() });
        });
        let _ = rt::block_on(passive, task.unwrap());
    });
    if let Some(said) = said {
        require(&said, &["waits for its own end"]);
    }
}

/// A task that spins lets time pass: the timer that ends it expires.
#[test]
fn time_passes_while_a_task_spins() {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};

    for timing in [wsk_host::Timing::Inline, wsk_host::Timing::Deferred, wsk_host::Timing::Mixed(0)]
    {
        let host = Host::new(Config::default().timing(timing));
        let _entered = host.enter();
        let passive = passive();
        let runtime = Runtime::new(passive, 1).unwrap();
        let is_over = Arc::new(AtomicBool::new(false));
        let over = Arc::clone(&is_over);
        let task = runtime.spawner().spawn(async move {
            while !over.load(Ordering::SeqCst) {
                rt::yield_now().await;
            }
        });
        rt::block_on(passive, time::sleep(Duration::from_millis(1))).unwrap().unwrap();
        is_over.store(true, Ordering::SeqCst);
        rt::block_on(passive, task.unwrap()).unwrap().unwrap();
        runtime.shutdown(passive);
    }
}

/// A task that spins forever is reported.
#[test]
fn a_task_that_spins_for_ever_is_named() {
    if is_scenario() {
        let host = Host::new(Config::default());
        let _entered = host.enter();
        let passive = passive();
        let runtime = Runtime::new(passive, 1).unwrap();
        let task = runtime.spawner().spawn(async {
            loop {
                rt::yield_now().await;
            }
        });
        let _: Result<Result<(), _>, _> = rt::block_on(passive, task.unwrap());
        return;
    }
    run_until_said(&["wsk-host: thread 2 of this kernel has kept its turn", "thread 1 `hangs::"]);
}
