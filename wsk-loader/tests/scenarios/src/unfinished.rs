//! Tasks that never end by themselves, and objects that the driver owns until it is unloaded. The tests make the name
//! `stalled.example` take for ever.

use core::future::pending;
use core::net::{Ipv4Addr, Ipv6Addr};
use core::time::Duration;

use wsk::events::{DatagramEvents, Datagrams, Disposition};
use wsk::net::lookup_host;
use wsk::rt::DpcExecutor;
use wsk::socket::{DatagramSocket, Family};
use wsk::time::{interval, sleep};
use wsk::{Buffer, TcpListener, TcpStream, UdpSocket};
use wsk_driver::{Driver, Result};

/// What is dropped when the driver is unloaded.
pub(crate) struct Unfinished {
    _executor: DpcExecutor,
    _socket: DatagramSocket<Ignored>,
}

/// Ignores datagrams.
struct Ignored;

#[wsk::events]
impl DatagramEvents for Ignored {
    fn receive_from(&self, _datagrams: Datagrams<'_>) -> Disposition {
        Disposition::Accepted
    }
}

pub(crate) async fn run(driver: &Driver) -> Result<Unfinished> {
    let wsk = driver.wsk()?;
    let listener = TcpListener::bind(wsk, (Ipv6Addr::LOCALHOST, 0)).await?;
    let executor = DpcExecutor::new(driver.passive(), 2)?;
    for number in 0..4 {
        let client = TcpStream::connect(wsk, listener.local_addr().await?).await?;
        let (server, _) = listener.accept().await?;
        driver.spawn(receive(client))?;
        if number % 2 == 0 {
            drop(executor.spawn(receive(server))?);
        } else {
            driver.spawn(receive(server))?;
        }
    }
    driver.spawn(async move {
        drop(listener.accept().await);
        pending::<()>().await;
    })?;
    let datagrams = UdpSocket::bind(wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
    driver.spawn(async move {
        if let Ok(buffer) = Buffer::new(10) {
            drop(datagrams.recv_from(buffer).await);
        }
        pending::<()>().await;
    })?;
    let resolves = wsk.clone();
    driver.spawn(async move {
        drop(lookup_host(&resolves, ("stalled.example", 80)).await);
        pending::<()>().await;
    })?;
    drop(executor.spawn(async {
        let _ = sleep(Duration::from_secs(3600)).await;
        pending::<()>().await;
    })?);
    driver.spawn(async {
        if let Ok(mut ticks) = interval(Duration::from_millis(7)) {
            loop {
                ticks.tick().await;
            }
        }
    })?;
    let socket = DatagramSocket::builder(wsk, Family::INET).events(Ignored);
    let socket = socket.bind((Ipv4Addr::LOCALHOST, 0)).await?;
    Ok(Unfinished { _executor: executor, _socket: socket })
}

/// Receives on a connection, whose peer never sends, and keeps it open.
async fn receive(stream: TcpStream) {
    if let Ok(buffer) = Buffer::new(10) {
        // A failure does not end the task.
        let _ = stream.recv(buffer).await;
    }
    pending::<()>().await;
}
