//! Control data of a sent datagram: whole messages with any level, type and data.
//!
//! The host reads it in `WskSendTo`, and writes the part that arrives in `WskReceiveFrom`. A send must succeed or be
//! refused; a datagram that arrives must carry whole messages.
//!
//! This target leaves out incomplete messages: the host reports them as a violation (INV-26) and stops.

use test_support::raw::datagrams::{
    RawControlMessage, Receive, any_port, bound, message, send_with_control,
};
use test_support::raw::{Client, close, set_option};
use wsk_sys::{
    AF_INET, AF_INET6, IP_ECN, IP_HOPLIMIT, IP_PKTINFO, IP_TOS, IPPROTO_IP, IPPROTO_IPV6,
    IPPROTO_UDP, IPV6_ECN, IPV6_HOPLIMIT, IPV6_PKTINFO, IPV6_TCLASS, STATUS_SUCCESS,
    UDP_SEND_MSG_SIZE, ULONG,
};

/// The messages that a sender may have, which random numbers seldom hit.
const KNOWN: [(ULONG, ULONG); 9] = [
    (IPPROTO_IP, IP_PKTINFO),
    (IPPROTO_IP, IP_TOS),
    (IPPROTO_IP, IP_ECN),
    (IPPROTO_IP, IP_HOPLIMIT),
    (IPPROTO_IPV6, IPV6_PKTINFO),
    (IPPROTO_IPV6, IPV6_TCLASS),
    (IPPROTO_IPV6, IPV6_ECN),
    (IPPROTO_IPV6, IPV6_HOPLIMIT),
    (IPPROTO_UDP, UDP_SEND_MSG_SIZE),
];

/// Runs the target.
///
/// The first byte chooses the family. Each message is a byte that chooses its level and type, a byte that is the
/// length of its data, and the data.
///
/// # Panics
///
/// If a refused datagram arrives, or memory is left.
pub fn run(data: &[u8]) {
    let Some((&first, rest)) = data.split_first() else {
        return;
    };
    let messages = messages(rest);
    if messages.is_empty() {
        return;
    }
    let family = if first % 2 == 0 { AF_INET } else { AF_INET6 };
    let client = Client::new(super::config());
    let (sender, _) = bound(&client, any_port(family));
    let (receiver, address) = bound(&client, any_port(family));
    let options = if family == AF_INET {
        [IP_PKTINFO, IP_HOPLIMIT, IP_ECN].map(|name| (IPPROTO_IP, name))
    } else {
        [IPV6_PKTINFO, IPV6_HOPLIMIT, IPV6_ECN].map(|name| (IPPROTO_IPV6, name))
    };
    for (level, name) in options {
        assert_eq!(set_option(receiver, level, name, 1), STATUS_SUCCESS);
    }
    let status = send_with_control(sender, b"fuzz", address, &messages);
    let receive = Receive::new(receiver, 16, 512);
    if status == STATUS_SUCCESS {
        // A size of segments cuts the datagram; the first part arrives first.
        let received = receive.wait().expect("what was sent arrives");
        assert!(b"fuzz".starts_with(&received.bytes) && !received.bytes.is_empty());
    } else {
        receive.request.cancel();
        assert!(receive.wait().is_err(), "a refused datagram has arrived");
    }
    close(sender);
    close(receiver);
    client.end();
}

/// The messages that the bytes stand for: up to 16.
fn messages(mut bytes: &[u8]) -> Vec<RawControlMessage> {
    let mut messages = Vec::new();
    while let [which, length, rest @ ..] = bytes
        && messages.len() < 16
    {
        let (data, left) = rest.split_at(usize::from(*length).min(rest.len()));
        let (level, kind) = KNOWN
            .get(usize::from(*which))
            .copied()
            .unwrap_or((ULONG::from(*which), ULONG::from(*length)));
        messages.push(message(level, kind, data));
        bytes = left;
    }
    messages
}
