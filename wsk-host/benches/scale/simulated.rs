//! Costs on the networks in memory.

use std::future::Future;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::sync::mpsc;
use std::task::{Context, Poll, Waker};
use std::thread;
use std::time::Duration;

use wsk::rt::Spawner;
use wsk::time::sleep;
use wsk::{Buffer, Provider, TcpListener, TcpStream};
use wsk_host::{Config, Network};

use crate::{each, on_host, processor_time};

const HOUR: Duration = Duration::from_secs(3600);

/// The connections from one address: it has 16,384 dynamic ports.
const OF_ADDRESS: usize = 16_000;

/// The round trips of each connection whose instructions are counted.
const TRIPS: usize = 4;

/// The round trips before each measurement of some.
const WARM: u32 = 1000;

/// The processor seconds that one of each takes.
pub(crate) struct Costs {
    pub(crate) connection: f64,
    pub(crate) request: f64,
    pub(crate) timer: f64,
    /// A task that sleeps, from its creation to its end.
    pub(crate) task: f64,
    pub(crate) allocation: f64,
}

/// Measures with `count` connections and as many sleeping tasks.
pub(crate) fn measure(count: usize, rounds: u32) -> Costs {
    on_host(Config::default(), async |wsk, spawner| scenario(wsk, spawner, count, rounds).await)
}

/// Runs one workload, for a tool that counts its instructions.
pub(crate) fn run(workload: &str, number: u32) {
    let count: usize = number.try_into().unwrap();
    match workload {
        "null" => _ = null_requests(number / 2),
        "connections" => on_host(Config::default(), async |wsk, _| {
            let pairs = connect(wsk, count).await?;
            let mut receives = receives(&pairs)?;
            for round in 0..TRIPS * count {
                trip(&pairs, &mut receives, round).await?;
            }
            Ok(())
        }),
        "timers" => on_host(Config::default(), async |_, _| {
            drop((0..count).map(|_| start(sleep(HOUR))).collect::<Vec<_>>());
            Ok(())
        }),
        "tasks" => _ = on_host(Config::default(), async |_, spawner| tasks(spawner, count).await),
        other => panic!("no workload: {other}"),
    }
}

/// The requests per second of processor time on the network that carries nothing.
pub(crate) fn null_requests(rounds: u32) -> f64 {
    let config = Config { network: Network::Null, ..Config::default() };
    let time = on_host(config, async |wsk, _| {
        let stream = TcpStream::connect(wsk, (Ipv4Addr::LOCALHOST, 7)).await?;
        let mut buffer = Some(Buffer::new(64)?);
        let start = processor_time();
        for _ in 0..rounds {
            let sent = stream.send_all(buffer.take().unwrap()).await.into_result()?;
            let ((), received) = stream.recv_exact(sent.1).await.into_result()?;
            buffer = Some(received);
        }
        Ok(processor_time() - start)
    });
    f64::from(2 * rounds) / time
}

/// Starts a future that waits.
fn start<F: Future>(future: F) -> Pin<Box<F>> {
    let mut future = Box::pin(future);
    let poll = future.as_mut().poll(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(poll, Poll::Pending), "it was to wait");
    future
}

/// The requests per second with `many` connections as a part of those with `few`: the median of pairs of measurements,
/// which take turns, so that other work on the machine slows both.
pub(crate) fn part_left(few: usize, many: usize, pairs: usize, rounds: u32) -> f64 {
    thread::scope(|scope| {
        let measured = [few, many].map(|count| {
            let ((order, orders), (times, measured)) =
                (mpsc::sync_channel(1), mpsc::sync_channel(1));
            scope.spawn(move || {
                on_host(Config::default(), async |wsk, _| {
                    requests(wsk, count, &orders, &times).await
                });
            });
            move || {
                order.send(rounds).unwrap();
                measured.recv().unwrap()
            }
        });
        let mut parts: Vec<f64> = (0..pairs).map(|_| measured[0]() / measured[1]()).collect();
        parts.sort_by(f64::total_cmp);
        parts[pairs / 2]
    })
}

/// Measures as many round trips as are ordered, until there are no more orders.
async fn requests(
    wsk: &Provider,
    count: usize,
    orders: &mpsc::Receiver<u32>,
    times: &mpsc::SyncSender<f64>,
) -> wsk::Result<()> {
    let pairs = connect(wsk, count).await?;
    let mut receives = receives(&pairs)?;
    let mut next = 0;
    let mut run = async |rounds: u32| {
        each(rounds, async |_| {
            next += 1;
            trip(&pairs, &mut receives, next).await
        })
        .await
    };
    // The first requests of a connection allocate what the others reuse.
    run(count.try_into().unwrap()).await?;
    while let Ok(rounds) = orders.recv() {
        // Caches have what the other measurement has left.
        run(WARM).await?;
        times.send(run(rounds).await?).unwrap();
    }
    Ok(())
}

async fn scenario(
    wsk: &Provider,
    spawner: &Spawner,
    count: usize,
    rounds: u32,
) -> wsk::Result<Costs> {
    let start_of_all = processor_time();
    let pairs = connect(wsk, count).await?;
    let connection = (processor_time() - start_of_all) / f64::from(u32::try_from(count).unwrap());
    let mut receives = receives(&pairs)?;
    let sleeps: Vec<_> = (0..count).map(|_| start(sleep(HOUR))).collect();
    let trip = each(rounds, async |round| trip(&pairs, &mut receives, round).await).await?;
    let timer = each(rounds, async |_| {
        drop(start(sleep(HOUR)));
        Ok(())
    })
    .await?;
    let allocation = each(rounds, async |_| Buffer::new(64).map(drop)).await?;
    drop((receives, sleeps));
    let task = tasks(spawner, count).await?;
    Ok(Costs { connection, request: trip / 4.0, timer, task, allocation })
}

/// The two ends of a connection: the client and the server.
type Ends = (TcpStream, TcpStream);

/// A receive in flight.
type Receive<'a> = Pin<Box<dyn Future<Output = wsk::BufResult<(), Buffer>> + 'a>>;

/// Makes connections from as many addresses as they need ports.
async fn connect(wsk: &Provider, count: usize) -> wsk::Result<Vec<Ends>> {
    let listener = TcpListener::bind(wsk, (Ipv4Addr::UNSPECIFIED, 7)).await?;
    let mut pairs = Vec::new();
    for number in 0..count {
        let last = u8::try_from(1 + number / OF_ADDRESS).unwrap();
        let local = (Ipv4Addr::new(127, 0, 0, last), 0);
        let client = TcpStream::connect_from(wsk, local, (Ipv4Addr::LOCALHOST, 7)).await?;
        pairs.push((client, listener.accept().await?.0));
    }
    Ok(pairs)
}

/// Starts a receive on each connection's server.
fn receives(pairs: &[Ends]) -> wsk::Result<Vec<Receive<'_>>> {
    pairs.iter().map(receive).collect()
}

fn receive((_, server): &Ends) -> wsk::Result<Receive<'_>> {
    Ok(start(server.recv_exact(Buffer::new(64)?)))
}

/// A message and its answer, on the next connection: a server answers all of its clients in turn.
async fn trip<'a>(
    pairs: &'a [Ends],
    receives: &mut [Receive<'a>],
    round: usize,
) -> wsk::Result<()> {
    let place = round % pairs.len();
    let (client, server) = &pairs[place];
    client.send_all(Buffer::new(64)?).await.into_result()?;
    receives[place].as_mut().await.into_result()?;
    receives[place] = receive(&pairs[place])?;
    server.send_all(Buffer::new(64)?).await.into_result()?;
    client.recv_exact(Buffer::new(64)?).await.into_result()?;
    Ok(())
}

/// The processor seconds of each of `count` tasks, which sleep at the same time, for different times.
async fn tasks(spawner: &Spawner, count: usize) -> wsk::Result<f64> {
    let start = processor_time();
    let sleeps = (0..count).map(|number| {
        let time = Duration::from_micros((number * 7919 % 1_000_003).try_into().unwrap());
        spawner.spawn(async move { sleep(time).await })
    });
    let tasks: Vec<_> = sleeps.collect::<wsk::Result<_>>()?;
    for task in tasks {
        task.await??;
    }
    Ok((processor_time() - start) / f64::from(u32::try_from(count).unwrap()))
}
