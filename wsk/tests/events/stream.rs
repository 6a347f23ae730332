//! Events of a stream socket, in both of its roles.

use std::sync::{Arc, Mutex};

use wsk::events::{ConnectionEvents, Data, Incoming, ListenEvents, Receipt};
use wsk::socket::{Family, StreamSocket};

use crate::host::buffer;
use crate::listen::{Peer, Record};
use crate::support::{LOCAL, everywhere};

/// Both roles of a stream socket have one type.
#[derive(Clone, Default)]
pub(crate) struct Both {
    record: Arc<Record>,
    received: Arc<Mutex<Vec<u8>>>,
}

#[wsk::events]
impl ListenEvents for Both {
    type Connection = Peer;

    fn accept(&self, incoming: Incoming<'_, Peer>) {
        self.record.offer(incoming);
    }
}

#[wsk::events]
impl ConnectionEvents for Both {
    fn receive(&self, data: Data<'_>) -> Receipt {
        let mut bytes = vec![0; data.len()];
        data.copy_to(&mut bytes).unwrap();
        self.received.lock().unwrap().extend(bytes);
        self.record.signal.set();
        Receipt::All
    }
}

#[test]
fn a_stream_socket_has_events_in_both_roles() {
    everywhere(async |_, wsk| {
        let stream = || StreamSocket::builder(&wsk, Family::INET);
        let (server, client) = (Both::default(), Both::default());
        let listener = stream().events(server.clone()).bind(LOCAL).await?.listen().await?;
        let address = listener.local_addr().await?;
        let socket = stream().events(client.clone()).connect(address).await?;
        server.record.signal.wait_until(|| server.record.count() == 1).await;
        let accepted = server.record.accepted.lock().unwrap().pop().unwrap();
        accepted.send_all(buffer(b"to the stream")?).await.into_result()?;
        let received = || client.received.lock().unwrap().len() == 13;
        client.record.signal.wait_until(received).await;
        socket.send_all(buffer(b"and back")?).await.into_result()?;
        let Peer(received, signal) = &server.record.peer;
        signal.wait_until(|| *received.lock().unwrap() == b"and back").await;
        Ok(())
    });
}
