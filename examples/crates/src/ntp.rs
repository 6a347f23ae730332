//! sntpc: the time of an NTP server.

use core::net::SocketAddr;
use core::time::Duration;

use sntpc::{NtpContext, NtpResult, NtpTimestampGenerator, NtpUdpSocket};
use wsk::time::{SystemTime, timeout};
use wsk::{Provider, UdpSocket};

use crate::Result;

/// The timeout for an answer.
const PATIENCE: Duration = Duration::from_secs(2);

/// Asks a server for the time, once.
///
/// # Errors
///
/// `STATUS_IO_TIMEOUT` if there is no answer for 2 s, or the defect of the answer.
pub async fn time(wsk: &Provider, server: SocketAddr) -> Result<NtpResult> {
    let socket = Socket(UdpSocket::bind(wsk, wildcard(server)).await?);
    let context = NtpContext::new(Clock(Duration::ZERO));
    Ok(timeout(PATIENCE, sntpc::get_time(server, &socket, context)).await??)
}

/// The unspecified address of the same family.
fn wildcard(peer: SocketAddr) -> SocketAddr {
    match peer {
        SocketAddr::V4(_) => ([0; 4], 0).into(),
        SocketAddr::V6(_) => ([0; 16], 0).into(),
    }
}

/// Implements sntpc's trait for sockets. `wsk` implements only those of edge-nal.
struct Socket(UdpSocket);

impl NtpUdpSocket for Socket {
    async fn send_to(&self, bytes: &[u8], to: SocketAddr) -> sntpc::Result<usize> {
        self.0.send_copy_to(bytes, to).await.map_err(|_| sntpc::Error::Network)
    }

    async fn recv_from(&self, to: &mut [u8]) -> sntpc::Result<(usize, SocketAddr)> {
        self.0.recv_from_into(to).await.map_err(|_| sntpc::Error::Network)
    }
}

/// The system's time since 1970, when sntpc last read the clock.
#[derive(Clone, Copy)]
struct Clock(Duration);

impl NtpTimestampGenerator for Clock {
    fn init(&mut self) {
        // A clock that is set before 1970 counts as 1970.
        self.0 = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    }

    fn timestamp_sec(&self) -> u64 {
        self.0.as_secs()
    }

    fn timestamp_subsec_micros(&self) -> u32 {
        self.0.subsec_micros()
    }
}
