//! Counters of a driver's network use, for a monitor: the feature `counters`.
//!
//! They count every socket of the driver since it was loaded, with three atomic additions for each request. Without the
//! feature, nothing is counted, and a request costs nothing more. [`pool::usage`](crate::pool::usage) counts memory, with or
//! without it.
//!
//! ```
//! use core::net::Ipv4Addr;
//! use wsk::{Buffer, Provider, UdpSocket, counters};
//!
//! # extern crate wsk_host;
//! async fn counts_what_it_sends(wsk: &Provider) -> wsk::Result<()> {
//!     let before = counters::read();
//!     let socket = UdpSocket::bind(wsk, (Ipv4Addr::LOCALHOST, 0)).await?;
//!     socket.send_to(Buffer::new(100)?, (Ipv4Addr::LOCALHOST, 9)).await.into_result()?;
//!     let after = counters::read();
//!     assert_eq!(after.bytes_sent - before.bytes_sent, 100);
//!     assert_eq!(after.sockets_open - before.sockets_open, 1);
//!     Ok(())
//! }
//! # // SAFETY: on a host, an example runs at PASSIVE_LEVEL.
//! # let passive = unsafe { wsk::irql::Passive::assume() };
//! # let registration = wsk::Registration::register(passive)?;
//! # let wsk = registration.try_capture()?;
//! # wsk::rt::block_on(passive, counts_what_it_sends(&wsk))??;
//! # Ok::<(), wsk::Error>(())
//! ```
//!
//! # Safety
//!
//! The static is all zeroes at the beginning, as `image_static` requires.

#![expect(unsafe_code, reason = "see Safety")]

use core::sync::atomic::{AtomicU64, Ordering};

use wsk_sys::image::image_static;

/// The network use of a driver since it was loaded. All but `sockets_open` only grow.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// The number of sockets that exist now: WSK has created them, and they are not closed yet.
    pub sockets_open: u64,
    /// The number of sockets that were created or accepted.
    pub sockets_created: u64,
    /// The bytes that requests have sent. WSK does not report those that are sent with the end of a connection
    /// ([`shutdown_with`](crate::TcpStream::shutdown_with)), so these are not counted.
    pub bytes_sent: u64,
    /// The bytes that requests have received, and those that callbacks have accepted or retained.
    pub bytes_received: u64,
    /// The number of requests that have completed, of any kind but closes.
    pub requests: u64,
    /// The number of those that failed, but for cancelled ones.
    pub requests_failed: u64,
}

struct Totals {
    sockets_created: AtomicU64,
    sockets_ended: AtomicU64,
    bytes_sent: AtomicU64,
    bytes_received: AtomicU64,
    requests: AtomicU64,
    requests_failed: AtomicU64,
}

static TOTALS: Totals = Totals {
    sockets_created: AtomicU64::new(0),
    sockets_ended: AtomicU64::new(0),
    bytes_sent: AtomicU64::new(0),
    bytes_received: AtomicU64::new(0),
    requests: AtomicU64::new(0),
    requests_failed: AtomicU64::new(0),
};

fn totals() -> &'static Totals {
    // SAFETY: the static consists of atomic integers that are zero.
    unsafe { image_static(&TOTALS) }
}

/// Reads the counters. They are read one after another, while requests may complete.
///
/// IRQL: any.
#[must_use]
pub fn read() -> Counters {
    let totals = totals();
    let get = |total: &AtomicU64| total.load(Ordering::Relaxed);
    // The ends first: a socket ends after it was created, so the difference is not negative.
    let sockets_ended = totals.sockets_ended.load(Ordering::Acquire);
    let sockets_created = get(&totals.sockets_created);
    Counters {
        sockets_open: sockets_created - sockets_ended,
        sockets_created,
        bytes_sent: get(&totals.bytes_sent),
        bytes_received: get(&totals.bytes_received),
        requests: get(&totals.requests),
        requests_failed: get(&totals.requests_failed),
    }
}

fn add(total: &AtomicU64, number: usize) {
    total.fetch_add(u64::try_from(number).unwrap_or(u64::MAX), Ordering::Relaxed);
}

pub(crate) fn socket_created() {
    add(&totals().sockets_created, 1);
}

pub(crate) fn socket_ended() {
    totals().sockets_ended.fetch_add(1, Ordering::Release);
}

/// Counts bytes that a request has sent.
pub(crate) fn sent(bytes: usize) {
    add(&totals().bytes_sent, bytes);
}

/// Counts bytes that a request has received, or that a callback has accepted or retained.
pub(crate) fn received(bytes: usize) {
    add(&totals().bytes_received, bytes);
}

/// Counts a completed request.
pub(crate) fn completed(is_failure: bool) {
    let totals = totals();
    add(&totals.requests, 1);
    if is_failure {
        add(&totals.requests_failed, 1);
    }
}
