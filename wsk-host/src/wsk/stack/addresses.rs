//! Changes of the machine's addresses, and of the transports.

use super::Stack;
use crate::wsk::act::Actions;
use crate::wsk::requests::What;

impl Stack {
    /// Completes the requests that wait for a change.
    pub(crate) fn change_addresses(&mut self) -> Actions {
        let mut actions = Vec::new();
        for (&id, socket) in &mut self.sockets {
            socket.requests.end_all(id, What::is_change, wsk_sys::STATUS_SUCCESS, &mut actions);
        }
        actions
    }
}
