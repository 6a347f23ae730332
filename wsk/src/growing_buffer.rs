//! Queries for lists of unknown size.

use core::ptr;

use wsk_sys::fields::length;
use wsk_sys::{NTSTATUS, PSIZE_T, PVOID, SIZE_T, STATUS_BUFFER_OVERFLOW};

use crate::buffer::Buffer;
use crate::status::{Result, check, known};

/// The number of retries for a list that has grown since its size was queried.
const ATTEMPTS: usize = 8;

/// Queries a whole list into a buffer that grows as needed. Returns the buffer and the list's size in bytes.
///
/// `ask` receives the buffer, its size in bytes, and the address of the list's size: a `SIZE_T`, although some pages
/// say otherwise ([INV-27](crate::rules#inv-27)). WSK writes the size even if the list does not fit, with a status that is
/// not a success ([INV-68](crate::rules#inv-68)).
///
/// # Errors
///
/// - `STATUS_BUFFER_OVERFLOW` if the list has grown at every retry.
/// - As for [`Buffer::new`], and what `ask` returns.
pub(crate) fn query_with_growing_buffer(
    mut ask: impl FnMut(PVOID, usize, PSIZE_T) -> NTSTATUS,
) -> Result<(Buffer, usize)> {
    let mut buffer = Buffer::empty();
    for _ in 0..ATTEMPTS {
        let size = buffer.len();
        let room: PVOID = if size == 0 { ptr::null_mut() } else { buffer.at(0).cast() };
        let mut returned: SIZE_T = 0;
        let status = ask(room, size, &raw mut returned);
        let returned = length(returned);
        match status {
            // The list may have shrunk since.
            STATUS_BUFFER_OVERFLOW if returned > size => buffer = Buffer::new(returned)?,
            STATUS_BUFFER_OVERFLOW => break,
            status => return check(status).map(|()| (buffer, returned.min(size))),
        }
    }
    Err(known::STATUS_BUFFER_OVERFLOW)
}

#[cfg(all(test, not(loom)))]
#[expect(unsafe_code, reason = "the tests stand in for the system")]
mod tests {
    // Defines the pool's functions.
    extern crate wsk_host as _;

    use std::vec::Vec;

    use super::*;

    /// Queries a list whose size changes each time.
    fn sizes(of: impl IntoIterator<Item = usize>) -> (Vec<usize>, Result<(Vec<u8>, usize)>) {
        let mut of = of.into_iter();
        let mut rooms = Vec::new();
        let result = query_with_growing_buffer(|output, room, returned| {
            assert_eq!(output.is_null(), room == 0);
            rooms.push(room);
            let size = of.next().expect("asked too often");
            // SAFETY: there is room for a size.
            unsafe { returned.write(size) };
            if size > room {
                return STATUS_BUFFER_OVERFLOW;
            }
            // SAFETY: the buffer has room for the list.
            unsafe { ptr::write_bytes(output.cast::<u8>(), 7, size) };
            wsk_sys::STATUS_SUCCESS
        });
        (rooms, result.map(|(buffer, size)| (buffer.to_vec(), size)))
    }

    #[test]
    fn a_list_is_asked_for_until_it_fits() {
        assert_eq!(sizes([0]), (std::vec![0], Ok((Vec::new(), 0))));
        assert_eq!(sizes([3, 3]), (std::vec![0, 3], Ok((std::vec![7; 3], 3))));
        assert_eq!(sizes([3, 5, 6, 6]), (std::vec![0, 3, 5, 6], Ok((std::vec![7; 6], 6))));
    }

    #[test]
    fn a_list_may_become_shorter() {
        assert_eq!(sizes([3, 1]), (std::vec![0, 3], Ok((std::vec![7, 0, 0], 1))));
    }

    #[test]
    fn a_list_that_always_grows_is_an_error() {
        let (rooms, result) = sizes(1..);
        assert_eq!((rooms.len(), result), (ATTEMPTS, Err(known::STATUS_BUFFER_OVERFLOW)));
    }

    #[test]
    fn an_implausible_answer_ends_the_query() {
        for (status, error) in [
            (STATUS_BUFFER_OVERFLOW, known::STATUS_BUFFER_OVERFLOW),
            (wsk_sys::STATUS_PENDING, known::STATUS_INTERNAL_ERROR),
            (wsk_sys::STATUS_NOT_IMPLEMENTED, known::STATUS_NOT_IMPLEMENTED),
        ] {
            let mut asked = 0;
            let result = query_with_growing_buffer(|_, _, _| {
                asked += 1;
                status
            });
            assert_eq!((result.map(|_| ()), asked), (Err(error), 1));
        }
        // WSK cannot have written more than the buffer's size.
        let result = query_with_growing_buffer(|_, _, returned| {
            // SAFETY: there is room for a size.
            unsafe { returned.write(100) };
            wsk_sys::STATUS_SUCCESS
        });
        assert_eq!(result.map(|(_, size)| size), Ok(0));
    }
}
