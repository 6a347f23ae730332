//! Changes of the machine's addresses, and of the transports.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use wsk_sys::AF_INET;

use super::Stack;
use crate::wsk::action::Actions;
use crate::wsk::callback_table::CallbackTable;
use crate::wsk::category::BASIC;
use crate::wsk::client::Client;
use crate::wsk::requests::RequestKind;
use crate::wsk::socket::Socket;

impl Stack {
    /// The socket that stands for a client's own requests. It has no `WSK_SOCKET`.
    pub(in crate::wsk) fn changes_of(&mut self, client: &Arc<Client>) -> u64 {
        let known = client.changes.load(Ordering::SeqCst);
        if known != 0 {
            return known;
        }
        let id = self.add(Socket::new(Arc::clone(client), BASIC, AF_INET, 0, CallbackTable::NONE));
        client.changes.store(id, Ordering::SeqCst);
        client.request_begun();
        id
    }

    /// Completes the requests that wait for a change.
    pub(crate) fn change_addresses(&mut self) -> Actions {
        let mut actions = Vec::new();
        for (&id, socket) in &mut self.sockets {
            socket.requests.end_all(
                id,
                RequestKind::is_change,
                wsk_sys::STATUS_SUCCESS,
                &mut actions,
            );
        }
        actions
    }
}
