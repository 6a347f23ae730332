//! Passing data from one connection to another without a copy.

mod incoming;

use core::future::{Future, poll_fn};
use core::pin::{Pin, pin};
use core::task::{Context, Poll};

use self::incoming::{IncomingData, Step, forwarder};
use crate::buffer::{BufResult, Buffer, Chain};
use crate::events::{RetainedData, release_chain};
use crate::flags::SendFlags;
use crate::operation::Budgeted;
use crate::socket::{ConnectionSocket, Submitted};
use crate::status::{Result, known};
use crate::time::Never;

/// The default limit in bytes of each direction.
const LIMIT: usize = 256 << 10;

/// The number of sends in flight, of each direction. The second one waits for the network while the first one is acknowledged.
const SENDS: usize = 2;

/// The size in bytes of the buffer for data that no event has indicated.
const REST: usize = 4 << 10;

/// The outcome of [`relay`].
#[must_use = "the relay may have failed"]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Relayed {
    /// The number of bytes that were received from the first connection, and that the peer of the second one has acknowledged.
    pub a_to_b: u64,
    /// The number of bytes in the other direction.
    pub b_to_a: u64,
    /// The error that has ended the relay, if both peers have not finished.
    pub result: Result<()>,
}

impl Relayed {
    /// Returns the numbers of bytes, from `a` to `b` and from `b` to `a`, or the error alone.
    ///
    /// # Errors
    ///
    /// The error of the relay.
    pub fn into_result(self) -> Result<(u64, u64)> {
        self.result.map(|()| (self.a_to_b, self.b_to_a))
    }
}

/// Passes on in both directions what two connections receive, without a copy, until both peers have finished sending. Then
/// closes both connections.
///
/// This does what [`copy_bidirectional`](super::copy_bidirectional) does, with receive events instead of requests: WSK indicates
/// the memory in which the network adapter has put the data. The data is [retained](crate::events::Data::retain), sent from where
/// it is, and released when the peer has acknowledged it. So a relay owns connections, for whose events it needs a handler. Their
/// timeouts are not used.
///
/// Data is sent in the order in which it was received. What arrives while two sends are in flight is sent together by the next
/// one.
///
/// # Flow control
///
/// Each direction retains at most 256 KiB; [`relay_with_limit`] takes another number. If the receiver is slower than the sender,
/// further data is refused: it stays with the transport, whose receive window then stops the sender. Data that WSK asks to be
/// [released soon](crate::events::Data::release_soon) is accepted only if no other is held.
///
/// # Ends
///
/// - When one peer finishes sending, the other connection is [shut down](crate::TcpStream::shutdown) after the last byte, and the
///   other direction continues.
/// - An error in one direction ends both, and aborts both connections. [`Relayed`] contains the numbers of bytes in this case, too.
///
/// # Copies
///
/// This crate copies nothing. Two kinds of data are not indicated, so the system copies them into a [`Buffer`], which
/// is sent: what receives have got whose futures were dropped before the relay, and data that no event has indicated when the peer
/// has finished.
///
/// ```
/// use wsk::{Buffer, Provider, TcpListener, TcpStream, net};
///
/// /// A proxy: forwards one connection to a server.
/// async fn forward(wsk: &Provider, client: TcpStream, server: &str) -> wsk::Result<()> {
///     let server = TcpStream::connect(wsk, server).await?;
///     let relayed = net::relay(client, server).await;
///     println!("{} bytes to the server, {} back", relayed.a_to_b, relayed.b_to_a);
///     relayed.result
/// }
/// # extern crate wsk_host;
/// # let passive = unsafe { wsk::irql::Passive::assume() };
/// # let registration = wsk::Registration::register(passive)?;
/// # let wsk = registration.try_capture()?;
/// # let runtime = wsk::Runtime::new(passive, 1)?;
/// # wsk::rt::block_on(passive, async {
/// # let listener = TcpListener::bind(&wsk, "127.0.0.1:0").await?;
/// # let client = TcpStream::connect(&wsk, listener.local_addr().await?).await?;
/// # let (at_proxy, _) = listener.accept().await?;
/// # let server = TcpListener::bind(&wsk, "127.0.0.1:0").await?;
/// # let address = server.local_addr().await?.to_string();
/// # let of_proxy = wsk.clone();
/// # let proxy = runtime.spawner().spawn(async move { forward(&of_proxy, at_proxy, &address).await })?;
/// # client.shutdown_with(Buffer::try_from(b"hello")?).await.into_result()?;
/// # let (server, _) = server.accept().await?;
/// # let (received, _) = server.recv_full(Buffer::new(6)?).await.into_result()?;
/// # assert_eq!(received, 5);
/// # server.shutdown().await?;
/// # proxy.await??;
/// # client.close().await;
/// # server.close().await;
/// # Ok::<(), wsk::Error>(())
/// # })??;
/// # drop(wsk);
/// # runtime.shutdown(passive);
/// # registration.deregister(passive);
/// # Ok::<(), wsk::Error>(())
/// ```
///
/// IRQL: `PASSIVE_LEVEL`, where futures are polled.
/// [Microsoft's page of the event](https://learn.microsoft.com/windows-hardware/drivers/ddi/wsk/nc-wsk-pfn_wsk_receive_event).
///
/// # Cancel safety
///
/// This function is not cancel safe. Dropping the future aborts both connections. Data that is being sent is released when its
/// request has been cancelled.
///
/// # Errors
///
/// In [`Relayed::result`]:
///
/// - `STATUS_CONNECTION_RESET` if a peer has aborted its connection.
/// - `STATUS_FILE_FORCED_CLOSED` if a socket no longer works.
/// - `STATUS_INSUFFICIENT_RESOURCES` if allocation fails: each indication that is sent takes one.
/// - `STATUS_CONNECTION_ABORTED` if WSK has sent a part of some data, which it does not, according to its documentation.
/// - Any other status of `WskSend`, `WskReceive`, `WskDisconnect` and `WskControlSocket`. Wine has neither receive events nor
///   `WskDisconnect`: use [`copy_bidirectional`](super::copy_bidirectional) there.
pub async fn relay(a: impl Into<ConnectionSocket>, b: impl Into<ConnectionSocket>) -> Relayed {
    relay_with_limit(a, b, LIMIT).await
}

/// Passes on data like [`relay`]. Each direction retains at most `limit` bytes, or one indication, if that has more.
///
/// # Cancel safety
///
/// As for [`relay`].
///
/// # Errors
///
/// As for [`relay`].
pub async fn relay_with_limit(
    a: impl Into<ConnectionSocket>,
    b: impl Into<ConnectionSocket>,
    limit: usize,
) -> Relayed {
    let (a, b) = (a.into(), b.into());
    let (mut a_to_b, mut b_to_a) = (0, 0);
    let result = {
        let mut forth = pin!(forward(a.share(), &b, limit, &mut a_to_b));
        let mut back = pin!(forward(b.share(), &a, limit, &mut b_to_a));
        let (mut is_sent, mut is_received) = (false, false);
        poll_fn(|context| {
            if poll_unless(&mut is_sent, forth.as_mut(), context)?
                & poll_unless(&mut is_received, back.as_mut(), context)?
            {
                return Poll::Ready(Ok(()));
            }
            Poll::Pending
        })
        .await
    };
    if result.is_ok() {
        a.close().await;
        b.close().await;
    }
    Relayed { a_to_b, b_to_a, result }
}

/// Polls a future unless it has ended. Returns whether it has.
fn poll_unless(
    has_ended: &mut bool,
    future: Pin<&mut impl Future<Output = Result<()>>>,
    context: &mut Context<'_>,
) -> Result<bool> {
    if !*has_ended {
        if let Poll::Ready(result) = future.poll(context) {
            result?;
            *has_ended = true;
        }
    }
    Ok(*has_ended)
}

/// Passes on one direction, and ends it. Adds the bytes to `count`.
async fn forward(
    from: ConnectionSocket,
    to: &ConnectionSocket,
    limit: usize,
    count: &mut u64,
) -> Result<()> {
    // What earlier receives have got precedes what is indicated.
    while from.handle().has_kept() {
        if !copy_some(&from, to, count).await? {
            return to.shutdown().await;
        }
    }
    let (handler, incoming) = forwarder(limit)?;
    let from = from.events(handler)?;
    forward_indicated(&from, &incoming, to, count).await?;
    // The callbacks refuse what follows, if anything does.
    while copy_some(&from, to, count).await? {}
    to.shutdown().await
}

/// Receives into a buffer, and sends it. Returns whether there was anything.
async fn copy_some<H>(
    from: &ConnectionSocket<H>,
    to: &ConnectionSocket,
    count: &mut u64,
) -> Result<bool> {
    let (received, buffer) = from.receive(Buffer::new(REST)?).await.into_result()?;
    if received == 0 {
        return Ok(false);
    }
    to.send_all(buffer.slice(..received)?).await.into_result()?;
    // NO-OVERFLOW: a buffer has less than 16 MiB.
    *count += received as u64;
    Ok(true)
}

/// Sends what is indicated, until the peer has finished and everything that was accepted is sent.
async fn forward_indicated<H>(
    from: &ConnectionSocket<H>,
    incoming: &IncomingData,
    to: &ConnectionSocket,
    count: &mut u64,
) -> Result<()> {
    let to = to.handle();
    let send = |budgeted, chain| to.send(budgeted, chain, SendFlags::empty(), Never);
    let resume = || from.resume_events();
    let mut sends = no_sends(send);
    let mut resuming = pin!(none_of(resume));
    let mut waiting: Option<Chain> = None;
    let mut has_finished = false;
    poll_fn(|context| {
        loop {
            // Each of them, so that each wakes the task.
            for place in &mut sends {
                if let Some((sending, length)) = place {
                    if let Poll::Ready(result) = Pin::new(sending).poll(context) {
                        let length = *length;
                        *place = None;
                        end_send(result, length, incoming, count)?;
                    }
                }
            }
            if let Some(resumes) = resuming.as_mut().as_pin_mut() {
                if let Poll::Ready(result) = resumes.poll(context) {
                    resuming.set(None);
                    let () = result?;
                }
            }
            let free = sends.iter_mut().find(|place| place.is_none());
            if waiting.is_none() && !has_finished {
                match incoming.poll_next(context, free.is_some(), resuming.is_none()) {
                    Poll::Ready(Ok(Step::Send(data))) => waiting = Some(gather(data, incoming)?),
                    Poll::Ready(Ok(Step::Resume)) => {
                        resuming.set(Some(resume()));
                        continue;
                    }
                    Poll::Ready(Ok(Step::ReceiveRest)) => has_finished = true,
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                    Poll::Pending => {}
                }
            }
            match (waiting.take(), free) {
                (Some(chain), Some(place)) => {
                    // A request is made here, in the order of the data: what it returns is polled in any order.
                    let Poll::Ready(budgeted) = to.state().poll_permit(context) else {
                        waiting = Some(chain);
                        return Poll::Pending;
                    };
                    let length = chain.len();
                    match send(budgeted, chain) {
                        Submitted::Completed(result) => end_send(result, length, incoming, count)?,
                        Submitted::InFlight(sending) => *place = Some((sending, length)),
                    }
                }
                (none, _) => {
                    waiting = none;
                    if has_finished && sends.iter().all(Option::is_none) {
                        return Poll::Ready(Ok(()));
                    }
                    return Poll::Pending;
                }
            }
        }
    })
    .await
}

/// Places for what `send` returns, which are free.
fn no_sends<T, W>(
    _send: impl Fn(Budgeted, Chain) -> Submitted<T, W>,
) -> [Option<(W, usize)>; SENDS] {
    [const { None }; SENDS]
}

/// A place for what `make` returns.
fn none_of<W>(_make: impl Fn() -> W) -> Option<W> {
    None
}

/// All data that waits, as one chain.
fn gather(first: RetainedData, incoming: &IncomingData) -> Result<Chain> {
    let chain = |data: RetainedData| data.into_chain().map_err(|(error, _)| error);
    let mut all = chain(first)?;
    while let Some(data) = incoming.pop() {
        all.append(&mut chain(data)?);
    }
    Ok(all)
}

/// Releases the data of a send, and counts it.
fn end_send(
    BufResult(result, chain): BufResult<usize, Chain>,
    length: usize,
    incoming: &IncomingData,
    count: &mut u64,
) -> Result<()> {
    release_chain(chain);
    incoming.release(length);
    let sent = result?;
    // NO-OVERFLOW: a chain's bytes are in memory.
    *count += sent as u64;
    // The rest of it would follow what was sent since.
    if sent == length { Ok(()) } else { Err(known::STATUS_CONNECTION_ABORTED) }
}
