//! Receives that follow those whose futures were dropped: see [`KeptReceives`](crate::operation::KeptReceives).

use core::future::poll_fn;
use core::pin::Pin;

use super::handle::Handle;
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

/// The bytes of a kept receive with a result of `count` bytes that were not taken yet.
pub(super) fn kept_bytes(payload: &Payload, count: usize) -> &[u8] {
    let Some(buffer) = &payload.buffer else {
        return &[];
    };
    let own = payload.descriptor.Offset as usize;
    // A correct system never reports more bytes than the buffer has room for.
    let end = own.saturating_add(count).min(buffer.len());
    let start = own.saturating_sub(payload.kept.before).saturating_add(payload.kept.taken);
    buffer.get(start..end).unwrap_or_default()
}
