//! Control messages of a received datagram: any bytes.
//!
//! `wsk::cmsg::ControlMessages` must find the messages that C's macros find, and the same bytes in each.

use wsk::cmsg::ControlMessages;
use wsk_sys::{PCMSGHDR, ULONG, WSA_CMSG_DATA, WSA_CMSG_LEN, first_cmsg, next_cmsg};

/// Runs the target.
///
/// # Panics
///
/// If the two readers differ.
pub fn run(data: &[u8]) {
    let messages = ControlMessages::new(data);
    let read: Vec<(ULONG, ULONG, Vec<u8>)> = messages
        .clone()
        .map(|message| (message.level, message.kind, message.data.to_vec()))
        .collect();
    assert_eq!(read, as_in_c(data));
    // None of these may panic, whatever the data of a message is.
    let _ = format!("{messages:?}");
    let _ = (messages.packet_info(), messages.ecn(), messages.traffic_class());
    let _ = (messages.hop_limit(), messages.segment_size());
}

/// The messages that the functions of `wsk_sys` find, which follow C's macros.
fn as_in_c(data: &[u8]) -> Vec<(ULONG, ULONG, Vec<u8>)> {
    // Aligned for a header, as control data is.
    let mut words = vec![0_u64; data.len().div_ceil(8)];
    for (word, bytes) in words.iter_mut().zip(data.chunks(8)) {
        let mut whole = [0; 8];
        whole[..bytes.len()].copy_from_slice(bytes);
        *word = u64::from_ne_bytes(whole);
    }
    let start: PCMSGHDR = words.as_mut_ptr().cast();
    let mut found = Vec::new();
    // SAFETY: the words are aligned for a header, initialized, and at least `data.len()` bytes.
    let mut next = unsafe { first_cmsg(start, data.len()) };
    while !next.is_null() {
        // SAFETY: `first_cmsg` and `next_cmsg` return a whole message inside the words, or null.
        let header = unsafe { next.read() };
        let size = header.cmsg_len - WSA_CMSG_LEN(0);
        let data_of = WSA_CMSG_DATA(next);
        // SAFETY: the message is whole: `size` initialized bytes follow its header.
        let bytes = unsafe { std::slice::from_raw_parts(data_of.cast_const(), size) };
        // No protocol and no type is negative.
        let [level, kind] = [header.cmsg_level, header.cmsg_type]
            .map(|number| ULONG::try_from(number).unwrap_or(ULONG::MAX));
        found.push((level, kind, bytes.to_vec()));
        // SAFETY: `next` is a message of this control data.
        next = unsafe { next_cmsg(start, data.len(), next) };
    }
    found
}
