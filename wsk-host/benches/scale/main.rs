//! How the cost of one operation on a host depends on the number of others that wait.
//!
//! `cargo bench -p wsk-host --bench scale`. With `n` connections, each with a receive in flight, and `n` tasks that
//! sleep, it measures a connection, a request, a timer, and an allocation. A column that grows with `n` shows a search
//! where an index belongs. Numbers as arguments replace those of connections. As a test, it compares the processor
//! time of few connections with that of eight times as many.
//!
//! `--count WORKLOAD N` runs one workload and prints nothing, for a tool that counts instructions: `null` makes `N` requests
//! on the null network, `connections` makes `N` connections with 16 requests each, `timers` sets `N` timers and cancels
//! them, `tasks` runs `N` tasks that sleep. `cargo xtask bench` does that, and writes `docs/host-scale.md`.
//!
//! The bench fails if the requests per second with the most connections are fewer than 80 % of those with the fewest, the
//! two measured in turns, and if the null network takes fewer than a million requests per second and core. At the end, on
//! the machine's network, it connects 2,000 sockets at once, beside `std`, and makes more short connections than the
//! machine has local ports, each closed by the client first.

mod machine;
mod simulated;

use std::time::Duration;

use wsk::irql::Passive;
use wsk::rt::{Runtime, Spawner};
use wsk::{Provider, Registration, rt};
use wsk_host::{Config, Host, Timing};

/// The connections that a bench measures.
const BENCH: [usize; 3] = [1000, 10_000, 50_000];

/// The connections that a test measures first.
const FEW: usize = 200;

/// The smallest part of the requests per second with the fewest connections that must be left with the most.
const LEAST: f64 = 0.8;

/// The requests of a second that the null network takes at least.
const NULL: f64 = 1e6;

fn main() {
    let is_test = !std::env::args().any(|argument| argument == "--bench");
    if let Some((workload, number)) = counted(std::env::args()) {
        return simulated::run(&workload, number);
    }
    let given: Vec<usize> = std::env::args().filter_map(|argument| argument.parse().ok()).collect();
    let counts = match (is_test, &given[..]) {
        (true, []) => vec![FEW, 8 * FEW],
        (false, []) => BENCH.to_vec(),
        (_, given) => given.to_vec(),
    };
    let (rounds, at_once, short) = if is_test { (400, 100, 100) } else { (100_000, 2000, 30_000) };

    let null = simulated::null_requests(if is_test { 1000 } else { 1_000_000 });
    println!("null network: {null:.0} requests per second and core");
    println!(
        "processor time in microseconds for one of each, with n connections that receive and n \
         tasks that sleep"
    );
    println!(
        "{:>8}{:>12}{:>12}{:>12}{:>12}{:>12}{:>14}{:>10}",
        "n", "connection", "request", "timer", "task", "allocation", "requests/s", "all, s"
    );
    let mut times = Vec::new();
    for &count in &counts {
        let before = processor_time();
        let costs = simulated::measure(count, rounds);
        let time = processor_time() - before;
        let simulated::Costs { connection, request, timer, task, allocation } = costs;
        let rate = 1.0 / request;
        let [connection, request, timer, task, allocation] =
            [connection, request, timer, task, allocation].map(|each| each * 1e6);
        println!(
            "{count:>8}{connection:>12.2}{request:>12.2}{timer:>12.2}{task:>12.2}{allocation:>12.2}\
             {rate:>14.0}{time:>10.2}"
        );
        times.push(time);
    }
    let left = if let [few, .., many] = counts[..] {
        let (pairs, rounds) = if is_test { (1, 40) } else { (25, 20_000) };
        let left = simulated::part_left(few, many, pairs, rounds);
        println!("requests/s with {many} connections, of those with {few}: {:.0} %", left * 100.0);
        left
    } else {
        1.0
    };
    machine::connections_at_once(at_once);
    machine::short_connections(short);

    if is_test && given.is_empty() {
        // With a search for each connection, it would be 64 times as much.
        let ratio = times[1] / times[0];
        assert!(ratio < 24.0, "{FEW} and 8 times as many took {times:?} s");
    }
    if !is_test {
        assert!(left >= LEAST, "{:.0} % of the requests per second are left", left * 100.0);
        assert!(null >= NULL, "the null network takes {null:.0} requests per second");
    }
}

/// The workload to be counted, and how much of it, if the arguments ask for one.
fn counted(mut arguments: impl Iterator<Item = String>) -> Option<(String, u32)> {
    arguments.find(|argument| argument == "--count")?;
    let workload = arguments.next().expect("a workload");
    let number = arguments.next().and_then(|number| number.parse().ok());
    Some((workload, number.expect("a number")))
}

/// Runs a client on a host of its own, with a worker for its tasks.
fn on_host<T>(config: Config, run: impl AsyncFnOnce(&Provider, &Spawner) -> wsk::Result<T>) -> T {
    // SAFETY: this thread is at PASSIVE_LEVEL, and in no callback.
    let passive = || unsafe { Passive::assume() };
    let host = Host::new(config.timing(Timing::Inline));
    let _entered = host.enter();
    let registration = Registration::builder().register(passive()).unwrap();
    let wsk = registration.try_capture().unwrap();
    let runtime = Runtime::new(passive(), 1).unwrap();
    let result = rt::block_on(passive(), run(&wsk, &runtime.spawner())).unwrap().unwrap();
    runtime.shutdown(passive());
    result
}

/// The processor time of this process in seconds, where the system has a clock for it.
#[cfg(not(unix))]
fn processor_time() -> f64 {
    static START: std::sync::OnceLock<std::time::Instant> = std::sync::OnceLock::new();
    START.get_or_init(std::time::Instant::now).elapsed().as_secs_f64()
}

/// The processor time of this process in seconds.
#[cfg(unix)]
fn processor_time() -> f64 {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: there is room for a time.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(result, 0, "this process has no clock");
    let (seconds, nanoseconds) =
        (time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap());
    Duration::new(seconds, nanoseconds).as_secs_f64()
}

/// The processor seconds that one repetition takes.
async fn each(rounds: u32, mut run: impl AsyncFnMut(usize) -> wsk::Result<()>) -> wsk::Result<f64> {
    let start = processor_time();
    for round in 0..rounds {
        run(round.try_into().unwrap()).await?;
    }
    Ok((processor_time() - start) / f64::from(rounds))
}
