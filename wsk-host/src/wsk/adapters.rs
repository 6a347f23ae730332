//! The thread that stands for the machine's network adapters.

use std::io::ErrorKind;
use std::sync::Weak;

use polling::{Events, Poller};
use wsk_sys::DISPATCH_LEVEL;

use crate::host::{Host, State};
use crate::kernel::ke::{KeLowerIrql, KfRaiseIrql};
use crate::verifier::violation;
use crate::wsk::act::act;

/// Serves a host's requests as its sockets become ready, until the host is gone.
pub(super) fn serve(poller: &Poller, host: &Weak<State>) {
    let mut events = Events::new();
    loop {
        events.clear();
        match poller.wait(&mut events, None) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => violation(&format!("this machine's sockets cannot be polled: {error}")),
        }
        let Some(host) = host.upgrade().map(Host) else {
            return;
        };
        let entered = host.enter();
        let irql = KfRaiseIrql(DISPATCH_LEVEL);
        for event in events.iter() {
            let actions = host.stack().progress(event.key as u64);
            act(&host, actions);
        }
        KeLowerIrql(irql);
        drop(entered);
    }
}
