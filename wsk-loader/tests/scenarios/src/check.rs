//! What scenarios expect, and the bytes that they send.

use core::future::{Future, poll_fn};
use core::pin::pin;
use core::task::Poll;

use wsk::rt::yield_now;
use wsk::{Buffer, ErrorKind};
use wsk_driver::{Error, Result};
use wsk_sys::STATUS_UNSUCCESSFUL;

/// Fails unless `holds`.
pub(crate) fn check(holds: bool, expected: &str) -> Result<()> {
    if holds { Ok(()) } else { Err(unexpected(expected)) }
}

/// Fails unless a call has failed with this kind of error. A lack of memory is reported as such.
pub(crate) fn check_fails<T>(
    result: &wsk::Result<T>,
    kind: ErrorKind,
    expected: &str,
) -> Result<()> {
    match result {
        Err(error) if error.kind() == kind => Ok(()),
        Err(error) => Err((*error).into()),
        Ok(_) => Err(unexpected(expected)),
    }
}

pub(crate) fn unexpected(expected: &str) -> Error {
    Error::new(STATUS_UNSUCCESSFUL, format_args!("expected that {expected}"))
}

/// The byte at a position of a payload.
fn byte(position: usize) -> u8 {
    (position % 251).to_le_bytes()[0]
}

/// A payload of `size` bytes.
pub(crate) fn payload(size: usize) -> wsk::Result<Buffer> {
    let mut buffer = Buffer::new(size)?;
    for (position, to) in buffer.iter_mut().enumerate() {
        *to = byte(position);
    }
    Ok(buffer)
}

/// Whether these bytes are a part of a payload, from this position on.
pub(crate) fn is_payload(bytes: &[u8], from: usize) -> bool {
    bytes.iter().enumerate().all(|(position, found)| *found == byte(from + position))
}

/// Polls a future up to `times` times, without waiting, then drops it.
pub(crate) async fn poll_times<F: Future>(future: F, times: usize) -> Option<F::Output> {
    let mut future = pin!(future);
    for _ in 0..times {
        let polled = poll_fn(|context| Poll::Ready(future.as_mut().poll(context))).await;
        if let Poll::Ready(output) = polled {
            return Some(output);
        }
        yield_now().await;
    }
    None
}
