//! Retained data and datagrams, kept longer than what they came from, and dropped in other places.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use test_support::connection::{LOCAL, buffer};
use test_support::events::connect;
use test_support::scenario::{passive, unload};
use test_support::seeds::seeds;
use wsk::events::{
    ConnectionEvents, Data, DatagramEvents, Datagrams, Disposition, Receipt, RetainedData,
    RetainedDatagrams,
};
use wsk::socket::{ConnectionSocket, DatagramSocket, Family, ListenSocket};
use wsk::{Provider, Result, Runtime, UdpSocket, rt, time};
use wsk_host::{Config, Host, Timing};

use super::with_driver;
use crate::unload::register;

/// What handlers have retained.
#[derive(Clone, Default)]
struct Kept(Arc<Mutex<(Vec<RetainedData>, Vec<RetainedDatagrams>)>>);

#[wsk::events]
impl ConnectionEvents for Kept {
    fn receive(&self, data: Data<'_>) -> Receipt {
        match data.retain() {
            Ok(retained) => {
                self.0.lock().unwrap().0.push(retained);
                Receipt::All
            }
            Err(_) => Receipt::Refused,
        }
    }
}

#[wsk::events]
impl DatagramEvents for Kept {
    fn receive_from(&self, datagrams: Datagrams<'_>) -> Disposition {
        if let Ok(retained) = datagrams.retain() {
            self.0.lock().unwrap().1.push(retained);
        }
        Disposition::Accepted
    }
}

/// Drops what is in the slot, in its callback.
struct Drops(Kept);

#[wsk::events]
impl DatagramEvents for Drops {
    fn receive_from(&self, _datagrams: Datagrams<'_>) -> Disposition {
        let taken = std::mem::take(&mut *self.0.0.lock().unwrap());
        drop(taken);
        Disposition::Accepted
    }
}

impl Kept {
    fn is_empty(&self) -> bool {
        let kept = self.0.lock().unwrap();
        kept.0.is_empty() || kept.1.is_empty()
    }

    fn take(&self) -> (Vec<RetainedData>, Vec<RetainedDatagrams>) {
        std::mem::take(&mut *self.0.lock().unwrap())
    }
}

/// Sockets whose handlers have retained "data" and "datagram".
async fn retain(
    wsk: &Provider,
    kept: &Kept,
) -> Result<(ConnectionSocket<Kept>, DatagramSocket<Kept>, ConnectionSocket)> {
    let listener = ListenSocket::builder(wsk, Family::INET).bind(LOCAL).await?;
    let client = connect(wsk, listener.local_addr().await?, kept.clone()).await?;
    let (server, _) = listener.accept().await?;
    server.send(buffer(b"data")?).await.into_result()?;
    let builder = DatagramSocket::builder(wsk, Family::INET).events(kept.clone());
    let datagrams = builder.bind(LOCAL).await?;
    let sender = UdpSocket::bind(wsk, LOCAL).await?;
    sender.send_copy_to(b"datagram", datagrams.local_addr().await?).await?;
    while kept.is_empty() {
        time::sleep(Duration::from_millis(1)).await?;
    }
    Ok((client, datagrams, server))
}

/// They are what was sent.
fn check((data, datagrams): &(Vec<RetainedData>, Vec<RetainedDatagrams>)) {
    let mut bytes = [0; 4];
    // The simulated network may indicate the data in parts.
    let count = data[0].copy_to(&mut bytes).unwrap();
    assert!(count > 0 && bytes[..count] == b"data"[..count]);
    let mut bytes = [0; 8];
    let datagram = datagrams[0].iter().next().unwrap();
    assert_eq!(datagram.copy_to(&mut bytes).unwrap(), 8);
    assert_eq!(&bytes, b"datagram");
}

/// The sockets stay open until their data is dropped, in another thread.
#[test]
fn over_a_close_and_in_other_threads() {
    with_driver(async |driver| {
        let kept = Kept::default();
        let sockets = retain(&driver.wsk, &kept).await?;
        let retained = kept.take();
        drop(sockets);
        time::sleep(Duration::from_millis(20)).await?;
        check(&retained);
        let task = driver.runtime.spawner().spawn(async move {
            check(&retained);
            retained
        })?;
        let retained = task.await?;
        let on_dpc = driver.dpcs.spawn(async move {
            check(&retained);
            drop(retained);
        })?;
        on_dpc.await
    });
}

/// The last of a socket's data is dropped in another socket's callback, where the socket is then closed.
#[test]
fn dropped_in_another_callback() {
    with_driver(async |driver| {
        let kept = Kept::default();
        let sockets = retain(&driver.wsk, &kept).await?;
        let builder =
            DatagramSocket::builder(&driver.wsk, Family::INET).events(Drops(kept.clone()));
        let other = builder.bind(LOCAL).await?;
        let sender = UdpSocket::bind(&driver.wsk, LOCAL).await?;
        drop(sockets);
        let to = other.local_addr().await?;
        while !kept.is_empty() {
            sender.send_copy_to(b"x", to).await?;
            time::sleep(Duration::from_millis(1)).await?;
        }
        Ok(())
    });
}

/// The registration, its provider and its sockets are dropped first: the data keeps them, and is intact.
#[test]
fn over_the_end_of_the_registration() {
    for seed in 0..seeds(20, 1) {
        let host = Host::new(Config::default().timing(Timing::Mixed(seed)));
        let _entered = host.enter();
        let (registration, wsk) = register();
        let kept = Kept::default();
        let sockets = rt::block_on(passive(), retain(&wsk, &kept)).unwrap().unwrap();
        let retained = kept.take();
        drop((registration, wsk));
        drop((sockets, kept));
        host.settle();
        check(&retained);
        let runtime = Runtime::new(passive(), 1).unwrap();
        let task = runtime.spawn(async move {
            check(&retained);
            drop(retained);
        });
        rt::block_on(passive(), task.unwrap()).unwrap().unwrap();
        runtime.shutdown(passive());
        unload(&host);
        assert_eq!(host.outstanding_allocations(), 0, "seed {seed}");
    }
}
