//! A connection that carries requests and replies.

use core::time::Duration;

use embassy_futures::join::join;
use wsk::sync::{CancellationToken, Mutex, Notify, mpsc};
use wsk::{BufResult, Buffer, Chain, ErrorKind, Slice, TcpStream};

use crate::error::{Error, Result};
use crate::protocol::{Command, Header, REPLY_SIZE, REQUEST_SIZE, decode_reply};
use crate::request::{Owner, Request};
use crate::table::{Answer, SLOTS, Table, cancelled};

/// The time between looks at requests that were cancelled, or are not answered.
const LOOK: Duration = Duration::from_secs(1);

/// The most bytes that are discarded at once.
const SCRAP: usize = 64 << 10;

/// What survives a connection.
pub(crate) struct Shared<R> {
    pub(crate) queue: mpsc::Receiver<Request<R>>,
    /// The next request, which waits for a slot.
    pub(crate) next: Option<Request<R>>,
    pub(crate) table: Mutex<Table<R>>,
    /// A slot has become free.
    pub(crate) freed: Notify,
}

/// Sends requests and receives replies until the queue ends, or the connection fails. A failed connection leaves in the
/// table what was not answered, each request with its memory.
pub(crate) async fn serve<R: Owner>(
    stream: &TcpStream,
    shared: &mut Shared<R>,
    patience: Duration,
) -> Result<()> {
    stream.set_write_timeout(Some(patience))?;
    let broken = CancellationToken::new()?;
    let Shared { queue, next, table, freed } = shared;
    let (table, freed) = (&*table, &*freed);
    // If one half fails, the other must end too. Its request in flight is not dropped, which would drop the memory: it ends
    // with the connection.
    let fail = async |result: Result<()>| {
        if result.is_err() {
            broken.cancel();
            // It fails if the connection has ended already.
            let _ = stream.abort().await;
        }
        result
    };
    let sends =
        async { fail(send_requests(stream, queue, next, table, freed, &broken).await).await };
    let receives =
        async { fail(receive_replies(stream, table, freed, &broken, patience).await).await };
    let (sent, received) = join(sends, receives).await;
    received.and(sent)
}

async fn send_requests<R: Owner>(
    stream: &TcpStream,
    queue: &mut mpsc::Receiver<Request<R>>,
    next: &mut Option<Request<R>>,
    table: &Mutex<Table<R>>,
    freed: &Notify,
    broken: &CancellationToken,
) -> Result<()> {
    let mut header = Buffer::new(REQUEST_SIZE)?;
    // Those that the last connection left unanswered.
    table.lock().await.begin();
    for slot in 0..SLOTS {
        header = send_one(stream, table, slot, header).await?;
    }
    loop {
        let request = match next.take() {
            Some(request) => request,
            None => match broken.run_until_cancelled(queue.recv()).await {
                Some(Some(request)) => request,
                Some(None) => break,
                // The other half has the error.
                None => return Ok(()),
            },
        };
        if request.payload.is_cancelled() {
            request.complete(cancelled());
            continue;
        }
        let is_first = next.insert(request);
        while !table.lock().await.has_room_for(is_first) {
            if broken.run_until_cancelled(freed.notified()).await.is_none() {
                return Ok(());
            }
        }
        let Some(request) = next.take() else {
            continue;
        };
        let inserted = table.lock().await.insert(request);
        match inserted {
            Ok(slot) => header = send_one(stream, table, slot, header).await?,
            Err(request) => *next = Some(request),
        }
    }
    while !table.lock().await.is_empty() {
        if broken.run_until_cancelled(freed.notified()).await.is_none() {
            return Ok(());
        }
    }
    let end = Header { command: Command::Disconnect, fua: false, offset: 0, length: 0 };
    write_header(&mut header, &end.encode(0));
    // The replies end with the connection, and then it is no error.
    broken.cancel();
    stream.send_all(header).await.into_result()?;
    stream.shutdown().await?;
    Ok(())
}

/// Sends the request of a slot, if it still waits. Returns the buffer of its header.
async fn send_one<R: Owner>(
    stream: &TcpStream,
    table: &Mutex<Table<R>>,
    slot: usize,
    mut header: Buffer,
) -> Result<Buffer> {
    let Some((bytes, memory)) = table.lock().await.start(slot) else {
        return Ok(header);
    };
    write_header(&mut header, &bytes);
    let mut message = Chain::from(header);
    if let Some(memory) = memory {
        if let Err((error, memory)) = message.push_back_lent(memory) {
            table.lock().await.sent(slot, Some(memory));
            return Err(error.into());
        }
    }
    let BufResult(result, mut message) = stream.send_all(message).await;
    let header = message.pop_front().map(Slice::into_inner);
    table.lock().await.sent(slot, message.pop_front_lent());
    result?;
    // A send that succeeded has returned its buffers.
    header.ok_or(Error::Silent)
}

fn write_header(header: &mut Buffer, bytes: &[u8]) {
    for (to, from) in header.iter_mut().zip(bytes) {
        *to = *from;
    }
}

async fn receive_replies<R: Owner>(
    stream: &TcpStream,
    table: &Mutex<Table<R>>,
    freed: &Notify,
    broken: &CancellationToken,
    patience: Duration,
) -> Result<()> {
    let mut header = Buffer::new(REPLY_SIZE)?;
    loop {
        let mut length = 0;
        while length < REPLY_SIZE {
            stream.set_read_timeout(Some(patience.min(LOOK)))?;
            let BufResult(received, filled) = stream.recv(header.slice(length..)?).await;
            header = filled.into_inner();
            match received {
                // The client has ended the connection, or has seen its end.
                _ if broken.is_cancelled() => return Ok(()),
                Ok(0) => return Err(Error::Unexpected("the end of the connection")),
                Ok(received) => length += received,
                Err(error) if error.kind() == ErrorKind::TimedOut => {}
                Err(error) => return Err(error.into()),
            }
            let mut table = table.lock().await;
            table.end_cancelled();
            if table.oldest().is_some_and(|time| time >= patience) {
                return Err(Error::Silent);
            }
            drop(table);
            freed.notify_one();
        }
        let bytes = header.first_chunk().copied().unwrap_or([0; REPLY_SIZE]);
        let (error, cookie) = decode_reply(bytes)?;
        let answer = table.lock().await.answer(error, cookie)?;
        stream.set_read_timeout(Some(patience))?;
        match answer {
            Answer::Done => {}
            Answer::Data(slot, memory) => {
                let BufResult(result, memory) = stream.recv_exact(memory).await;
                table.lock().await.received(slot, memory, result);
                result?;
            }
            Answer::Discard(length) => discard(stream, length).await?,
        }
        freed.notify_one();
    }
}

/// Receives data that nobody wants.
async fn discard(stream: &TcpStream, length: usize) -> Result<()> {
    let mut left = length;
    let mut buffer = Buffer::new(left.min(SCRAP))?;
    while left > 0 {
        let part = buffer.slice(..left.min(SCRAP))?;
        let ((), part) = stream.recv_exact(part).await.into_result()?;
        buffer = part.into_inner();
        left -= left.min(SCRAP);
    }
    Ok(())
}
