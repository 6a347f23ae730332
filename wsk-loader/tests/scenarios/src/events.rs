//! Sockets with event handlers: accepted connections, received data, and retained datagrams.

use core::net::Ipv4Addr;
use core::sync::atomic::{AtomicUsize, Ordering};

use wsk::events::{
    ConnectionEvents, Data, DatagramEvents, Datagrams, Disposition, Incoming, ListenEvents,
    Receipt, RetainedDatagrams,
};
use wsk::socket::{ConnectionSocket, DatagramSocket, Family, ListenSocket};
use wsk::sync::{Arc, Notify, mpsc};
use wsk::{TcpStream, UdpSocket};
use wsk_driver::{Driver, Result};

use crate::check::{check, is_payload, payload, unexpected};

/// Any port of this machine.
const ANY: (Ipv4Addr, u16) = (Ipv4Addr::LOCALHOST, 0);

pub(crate) async fn run(driver: &Driver) -> Result<()> {
    datagrams(driver).await?;
    connections(driver).await
}

/// Keeps the datagrams that arrive.
struct Keeper(mpsc::Sender<RetainedDatagrams>);

#[wsk::events]
impl DatagramEvents for Keeper {
    fn receive_from(&self, datagrams: Datagrams<'_>) -> Disposition {
        if let Ok(retained) = datagrams.retain() {
            // Datagrams for which the channel has no place are released.
            let _ = self.0.try_send(retained);
        }
        Disposition::Accepted
    }
}

async fn datagrams(driver: &Driver) -> Result<()> {
    const DATAGRAMS: usize = 5;
    let wsk = driver.wsk()?;
    let (sender, mut retained) = mpsc::channel(DATAGRAMS)?;
    let receiver =
        DatagramSocket::builder(wsk, Family::INET).events(Keeper(sender)).bind(ANY).await?;
    let to = receiver.local_addr().await?;
    let socket = UdpSocket::bind(wsk, ANY).await?;
    for size in 1..=DATAGRAMS {
        socket.send_to(payload(size)?, to).await.into_result()?;
    }
    let (mut count, mut total) = (0, 0);
    while count < DATAGRAMS {
        let datagrams = retained.recv().await.ok_or_else(|| unexpected("the socket is open"))?;
        for datagram in &datagrams {
            let mut bytes = [0; DATAGRAMS];
            let length = datagram.copy_to(&mut bytes)?;
            check(is_payload(&bytes[..length], 0), "a datagram is indicated")?;
            count += 1;
            total += length;
        }
    }
    check(total == 15, "the datagrams have 15 bytes")?;
    receiver.close().await;
    Ok(())
}

/// Counts the bytes of a connection.
#[derive(Default)]
struct Received {
    bytes: AtomicUsize,
    changed: Notify,
}

/// The handler of an accepted connection, which shares its count with the scenario.
struct Counter(Arc<Received>);

#[wsk::events]
impl ConnectionEvents for Counter {
    fn receive(&self, data: Data<'_>) -> Receipt {
        self.0.bytes.fetch_add(data.len(), Ordering::SeqCst);
        self.0.changed.notify_one();
        Receipt::All
    }
}

/// Accepts connections with a handler, and passes them to the scenario.
struct Acceptor {
    received: Arc<Received>,
    accepted: mpsc::Sender<ConnectionSocket<Counter>>,
}

#[wsk::events]
impl ListenEvents for Acceptor {
    type Connection = Counter;

    fn accept(&self, incoming: Incoming<'_, Counter>) {
        if let Ok(connection) = incoming.accept(Counter(self.received.clone())) {
            // A connection for which the channel has no place is closed.
            let _ = self.accepted.try_send(connection);
        }
    }
}

async fn connections(driver: &Driver) -> Result<()> {
    const CONNECTIONS: usize = 3;
    const SIZE: usize = 5000;
    let wsk = driver.wsk()?;
    let received = Arc::new(Received::default())?;
    let (accepted, mut connections) = mpsc::channel(CONNECTIONS)?;
    let acceptor = Acceptor { received: received.clone(), accepted };
    let listener = ListenSocket::builder(wsk, Family::INET).events(acceptor).bind(ANY).await?;
    let address = listener.local_addr().await?;
    for number in 1..=CONNECTIONS {
        let client = TcpStream::connect(wsk, address).await?;
        let connection = connections.recv().await.ok_or_else(|| unexpected("it listens"))?;
        client.send_all(payload(SIZE)?).await.into_result()?;
        while received.bytes.load(Ordering::SeqCst) < number * SIZE {
            received.changed.notified().await;
        }
        client.shutdown().await?;
        connection.shutdown().await?;
        connection.close().await;
        client.close().await;
    }
    let total = received.bytes.load(Ordering::SeqCst);
    check(total == CONNECTIONS * SIZE, "every byte is indicated once")?;
    listener.close().await;
    Ok(())
}
