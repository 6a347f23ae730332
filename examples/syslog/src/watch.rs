//! A source of messages: the datagrams that a socket receives.

use wsk::events::{DatagramEvents, Datagrams, Disposition};

use crate::message::Severity;
use crate::queue::Sender;

/// The handler of a socket that logs the size and the origin of each datagram. WSK calls it at up to `DISPATCH_LEVEL`.
pub struct Watch {
    sender: Sender,
}

impl Watch {
    /// Creates a handler that logs with `sender`.
    #[must_use]
    pub const fn new(sender: Sender) -> Self {
        Self { sender }
    }
}

#[wsk::events]
impl DatagramEvents for Watch {
    fn receive_from(&self, datagrams: Datagrams<'_>) -> Disposition {
        for datagram in &datagrams {
            let length = datagram.len();
            match datagram.peer_addr() {
                Some(remote) => self
                    .sender
                    .log(Severity::Informational, format_args!("{length} bytes from {remote}")),
                None => self.sender.log(Severity::Informational, format_args!("{length} bytes")),
            }
        }
        Disposition::Accepted
    }
}
