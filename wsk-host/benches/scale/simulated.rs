//! Costs on the networks in memory.

use std::future::Future;
use std::net::Ipv4Addr;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use wsk::rt::Spawner;
use wsk::time::sleep;
use wsk::{Buffer, Provider, TcpListener, TcpStream};
use wsk_host::{Config, Network};

use crate::{each, on_host, processor_time};

const HOUR: Duration = Duration::from_secs(3600);

/// The connections from one address: it has 16,384 dynamic ports.
const OF_ADDRESS: usize = 16_000;

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

async fn scenario(
    wsk: &Provider,
    spawner: &Spawner,
    count: usize,
    rounds: u32,
) -> wsk::Result<Costs> {
    let listener = TcpListener::bind(wsk, (Ipv4Addr::UNSPECIFIED, 7)).await?;
    let mut pairs: Vec<(TcpStream, TcpStream)> = Vec::new();
    let connection = each(count.try_into().unwrap(), async |number| {
        let last = u8::try_from(1 + number / OF_ADDRESS).unwrap();
        let local = (Ipv4Addr::new(127, 0, 0, last), 0);
        let client = TcpStream::connect_from(wsk, local, (Ipv4Addr::LOCALHOST, 7)).await?;
        pairs.push((client, listener.accept().await?.0));
        Ok(())
    })
    .await?;
    let receive = |place: usize| {
        let server: &TcpStream = &pairs[place].1;
        Ok(start(server.recv_exact(Buffer::new(64)?)))
    };
    let mut receives: Vec<_> = (0..count).map(receive).collect::<wsk::Result<_>>()?;
    let sleeps: Vec<_> = (0..count).map(|_| start(sleep(HOUR))).collect();

    // Each of them in turn: a server answers all of its clients.
    let trip = each(rounds, async |round| {
        let place = round % count;
        let (client, server) = &pairs[place];
        client.send_all(Buffer::new(64)?).await.into_result()?;
        receives[place].as_mut().await.into_result()?;
        receives[place] = receive(place)?;
        server.send_all(Buffer::new(64)?).await.into_result()?;
        client.recv_exact(Buffer::new(64)?).await.into_result()?;
        Ok(())
    })
    .await?;
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
