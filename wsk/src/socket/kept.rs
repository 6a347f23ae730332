//! Receives that follow those whose futures were dropped: see [`KeptReceives`](crate::operation::KeptReceives).

use core::future::poll_fn;
use core::pin::Pin;

use wsk_sys::fields::length;

use super::handle::Handle;
use crate::buffer::MdlChain;
use crate::category::Category;
use crate::operation::{Idle, KeptReceive, Payload, ReceiveTurn};
use crate::status::Result;
use crate::time::{Timeout, in_time};

impl<C: Category> Handle<C> {
    /// Whether a receive has to wait for its [turn](Self::turn), since earlier ones are kept.
    #[inline]
    pub(crate) fn has_kept(&self) -> bool {
        self.state().kept().is_active()
    }

    /// Waits for the turn to receive, after the receives that already wait. For a listener: to accept.
    ///
    /// # Errors
    ///
    /// `STATUS_IO_TIMEOUT`, or `STATUS_INSUFFICIENT_RESOURCES` if allocating the place in the queue fails.
    pub(super) async fn turn(&self, deadline: &impl Timeout) -> Result<ReceiveTurn<'_>> {
        let _ = self.state().budget().budgeted().await;
        let mut turn = self.state().kept().turn();
        poll_fn(|context| {
            in_time(
                context,
                |context| Pin::new(&mut turn).poll(context),
                |context| deadline.poll(context),
            )
        })
        .await?
    }

    /// Waits for the first kept receive, and takes it with its result; none if no receive is left.
    ///
    /// # Errors
    ///
    /// `STATUS_IO_TIMEOUT`.
    pub(super) async fn first_kept(
        &self,
        turn: &mut ReceiveTurn<'_>,
        deadline: &impl Timeout,
    ) -> Result<Option<(Idle, Result<usize>)>> {
        poll_fn(|context| {
            in_time(context, |context| turn.poll_first(context), |context| deadline.poll(context))
        })
        .await
    }

    /// Keeps the operation of a receive that was kept, for another request.
    pub(super) fn put_kept(&self, mut idle: Idle) {
        idle.payload().kept = KeptReceive::NONE;
        self.state().requests.put(idle);
    }
}

/// Copies the bytes of a kept receive with a result of `count` bytes that were not taken yet, as many as fit. Returns their
/// number, and the number of all.
pub(super) fn copy_kept(payload: &Payload, count: usize, to: &mut [u8]) -> (usize, usize) {
    let Some((buffer, start, end)) = kept_range(payload, count) else {
        return (0, 0);
    };
    (buffer.copy_to(start, end, to), end - start)
}

/// Copies a kept datagram of `count` bytes to a range of another buffer, as much as fits. Returns the number of bytes, and that
/// of all.
pub(super) fn copy_kept_to(
    payload: &Payload,
    count: usize,
    (to, to_start, to_end): (&mut MdlChain, usize, usize),
) -> (usize, usize) {
    let Some((buffer, start, end)) = kept_range(payload, count) else {
        return (0, 0);
    };
    let mut copied = 0;
    loop {
        match buffer.copy_to(start + copied, end, to.contiguous_mut(to_start + copied, to_end)) {
            0 => return (copied, end - start),
            count => copied += count,
        }
    }
}

/// The bytes of a kept receive that were not taken yet.
fn kept_range(payload: &Payload, count: usize) -> Option<(&MdlChain, usize, usize)> {
    let buffer = payload.buffer.as_ref()?;
    let own = buffer.position(&payload.descriptor);
    // A correct system never reports more bytes than the request had room for.
    let end = own.saturating_add(count.min(length(payload.descriptor.Length)));
    let start = own.saturating_sub(payload.kept.before).saturating_add(payload.kept.taken);
    (start < end).then_some((buffer, start, end))
}
