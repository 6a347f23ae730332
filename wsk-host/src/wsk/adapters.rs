//! The thread that stands for the machine's network adapters.

use std::io::{self, ErrorKind};
use std::sync::Arc;
use std::thread;

use polling::{Events, Poller};
use wsk_sys::DISPATCH_LEVEL;

use super::execute::execute;
use crate::kernel::WeakKernel;
use crate::kernel::ke::irql::at_level;
use crate::verifier::kernel_violation;

/// Starts the thread.
pub(super) fn start(poller: Arc<Poller>, kernel: WeakKernel) -> io::Result<()> {
    let thread = thread::Builder::new().name("network adapters".to_owned());
    thread.spawn(move || serve(&poller, &kernel)).map(drop)
}

/// Serves a kernel's requests as its sockets become ready, until the kernel has ended.
fn serve(poller: &Poller, kernel: &WeakKernel) {
    let mut events = Events::new();
    loop {
        events.clear();
        match poller.wait(&mut events, None) {
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Interrupted => continue,
            Err(error) => kernel_violation(&format!("cannot poll the machine's sockets: {error}")),
        }
        let Some(kernel) = kernel.upgrade() else {
            return;
        };
        let entered = kernel.enter();
        at_level(DISPATCH_LEVEL, || {
            for event in events.iter() {
                let actions = kernel.stack().progress(event.key as u64);
                execute(&kernel, actions);
            }
        });
        drop(entered);
    }
}
