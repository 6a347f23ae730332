//! embassy-sync, postcard and heapless: a callback decodes datagrams, and sends what they contain to a task.

#![expect(unsafe_code, reason = "a promise about the closures of locks")]

use core::net::SocketAddr;

use embassy_sync::channel::Channel;
use serde::Deserialize;
use wsk::Provider;
use wsk::events::{DatagramEvents, Datagrams, Disposition};
use wsk::socket::{DatagramSocket, Family};
use wsk::sync::Arc;
use wsk::sync::{DispatchRawMutex, NeverWaits};

use crate::Result;

/// The contents of a datagram, in postcard's format.
#[derive(Debug, PartialEq, Deserialize)]
pub struct Reading {
    /// The name of the sensor.
    pub sensor: heapless::String<16>,
    /// The temperature in thousandths of a degree.
    pub temperature: i32,
}

/// The maximum size of a reading in bytes: the length of the name and the name; five bytes for a number of 32 bits.
const SIZE: usize = 1 + 16 + 5;

/// This driver's promise to `wsk`.
struct ThisDriver;

// SAFETY: this driver uses only a channel of embassy-sync, whose closures move readings and wake tasks of `wsk`.
unsafe impl NeverWaits for ThisDriver {}

type Readings = Channel<DispatchRawMutex<ThisDriver>, Reading, 8>;

/// A socket whose callback decodes datagrams.
pub struct Receiver {
    socket: DatagramSocket<Decoder>,
    readings: Arc<Readings>,
}

impl Receiver {
    /// Binds the socket.
    ///
    /// # Errors
    ///
    /// Those of the socket, and of an allocation.
    pub async fn bind(wsk: &Provider, local: SocketAddr) -> Result<Self> {
        let readings = Arc::new(Channel::new())?;
        let family = if local.is_ipv4() { Family::INET } else { Family::INET6 };
        let decoder = Decoder(readings.clone());
        let socket = DatagramSocket::builder(wsk, family).events(decoder).bind(local).await?;
        Ok(Self { socket, readings })
    }

    /// The socket's address.
    ///
    /// # Errors
    ///
    /// Those of the socket.
    pub async fn local_addr(&self) -> Result<SocketAddr> {
        Ok(self.socket.local_addr().await?)
    }

    /// Waits for a reading.
    pub async fn recv(&self) -> Reading {
        self.readings.receive().await
    }
}

/// Decodes datagrams, usually at `DISPATCH_LEVEL`.
struct Decoder(Arc<Readings>);

#[wsk::events]
impl DatagramEvents for Decoder {
    fn receive_from(&self, datagrams: Datagrams<'_>) -> Disposition {
        for datagram in &datagrams {
            let mut bytes = [0; SIZE];
            let Ok(copied) = datagram.copy_to(&mut bytes) else { continue };
            let bytes = bytes.get(..copied).unwrap_or_default();
            if let Ok(reading) = postcard::from_bytes(bytes) {
                // A reading for which the channel has no room is lost, as a datagram may be.
                let _ = self.0.try_send(reading);
            }
        }
        Disposition::Accepted
    }
}
