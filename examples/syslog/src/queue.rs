//! The queue between callbacks and the task that sends.

use core::fmt::{self, Write as _};
use core::net::SocketAddr;
use core::sync::atomic::{AtomicU64, Ordering};

use wsk::pool::PoolBox;
use wsk::sync::{Arc, mpsc};
use wsk::{BufResult, Buffer, Result, UdpSocket};

use crate::message::{Cursor, Message, Severity};

/// The maximum size of a datagram: every server accepts it, and it fits into one packet.
const DATAGRAM: usize = 480;

/// The outcomes of the messages.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Statistics {
    /// Messages that were sent.
    pub sent: u64,
    /// Messages that found the queue full.
    pub dropped: u64,
    /// Messages that the network refused.
    pub failed: u64,
}

#[derive(Default)]
struct Counters {
    sent: AtomicU64,
    dropped: AtomicU64,
    failed: AtomicU64,
}

/// Puts messages into the queue. Clones share it.
#[derive(Clone)]
pub struct Sender {
    messages: mpsc::Sender<Message>,
    counters: Arc<Counters>,
}

/// The receiving end of the queue, for [`send`].
pub struct Queue {
    messages: mpsc::Receiver<Message>,
    counters: Arc<Counters>,
}

impl Sender {
    /// Creates a queue of `capacity` messages.
    ///
    /// # Errors
    ///
    /// Those of [`mpsc::channel`].
    pub fn new(capacity: usize) -> Result<(Self, Queue)> {
        let (sender, receiver) = mpsc::channel(capacity)?;
        let counters = Arc::new(Counters::default())?;
        let queue = Queue { messages: receiver, counters: counters.clone() };
        Ok((Self { messages: sender, counters }, queue))
    }

    /// Puts a message into the queue, or counts it as dropped if the queue is full. Allocates nothing and does not
    /// wait.
    ///
    /// IRQL: <= `DISPATCH_LEVEL`.
    pub fn log(&self, severity: Severity, text: fmt::Arguments<'_>) {
        if self.messages.try_send(Message::new(severity, text)).is_err() {
            self.counters.dropped.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The outcomes of the messages so far.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        Statistics {
            sent: self.counters.sent.load(Ordering::Relaxed),
            dropped: self.counters.dropped.load(Ordering::Relaxed),
            failed: self.counters.failed.load(Ordering::Relaxed),
        }
    }
}

/// Sends the messages of a queue to a server, and reports drops there, until every [`Sender`] is dropped.
///
/// # Errors
///
/// `STATUS_INSUFFICIENT_RESOURCES` if there is no memory for a datagram. A datagram that the network refuses is
/// counted.
pub async fn send(socket: &UdpSocket, server: SocketAddr, queue: Queue) -> Result<()> {
    // Its state is in the pool: a task's own state is on the stack while the task is spawned.
    PoolBox::pin_with(|| send_all(socket, server, queue))?.await
}

async fn send_all(socket: &UdpSocket, server: SocketAddr, mut queue: Queue) -> Result<()> {
    let mut reported = 0;
    let mut buffer = Buffer::new(DATAGRAM)?;
    loop {
        // The message is dropped before its datagram is sent; otherwise it would take space in the task's memory.
        let length = match queue.messages.recv().await {
            Some(message) => write_datagram(&mut buffer, &message),
            None => return Ok(()),
        };
        buffer = send_datagram(socket, server, buffer, length, &queue.counters).await?;
        let dropped = queue.counters.dropped.load(Ordering::Relaxed);
        if dropped != reported {
            let length = write_drops(&mut buffer, dropped.wrapping_sub(reported));
            buffer = send_datagram(socket, server, buffer, length, &queue.counters).await?;
            reported = dropped;
        }
    }
}

/// Writes a message in the form in which it is sent. Returns its size.
fn write_datagram(buffer: &mut [u8], message: &Message) -> usize {
    let mut datagram = Cursor::new(buffer);
    // A message always fits: its text and less than 100 other bytes.
    let _ = write!(datagram, "{message}");
    datagram.written().len()
}

fn write_drops(buffer: &mut [u8], count: u64) -> usize {
    let message = Message::new(Severity::Warning, format_args!("{count} messages dropped"));
    write_datagram(buffer, &message)
}

async fn send_datagram(
    socket: &UdpSocket,
    server: SocketAddr,
    buffer: Buffer,
    length: usize,
    counters: &Counters,
) -> Result<Buffer> {
    let BufResult(result, sent) = socket.send_to(buffer.slice(..length)?, server).await;
    let counter = if result.is_ok() { &counters.sent } else { &counters.failed };
    counter.fetch_add(1, Ordering::Relaxed);
    Ok(sent.into_inner())
}
