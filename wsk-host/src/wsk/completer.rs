//! Completing IRPs: in the thread at hand, or on one that stands for a processor's deferred procedure
//! calls.

use std::sync::mpsc::{Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::thread::JoinHandle;

use wsk_sys::{DISPATCH_LEVEL, IO_NO_INCREMENT, IO_STATUS_BLOCK, NTSTATUS, PIRP};

use crate::host::Host;
use crate::in_flight::completing;
use crate::io::IofCompleteRequest;
use crate::ke::{KeLowerIrql, KfRaiseIrql};

/// An IRP with its result, on its way back.
pub(crate) struct Completed {
    pub(super) irp: PIRP,
    pub(super) status: NTSTATUS,
    pub(super) information: usize,
    /// The socket whose close must wait for it.
    pub(super) socket: u64,
}

// SAFETY: the IRP is the provider's until it is completed.
unsafe impl Send for Completed {}

enum Job {
    Complete(Host, Completed),
    Settle(Sender<()>),
}

/// The thread that completes what is put off, one after the other.
pub(crate) struct Completer {
    jobs: Mutex<Option<Sender<Job>>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

impl Completer {
    pub(crate) fn start() -> Self {
        let (sender, receiver) = channel();
        let run = move || {
            for job in receiver {
                match job {
                    Job::Complete(host, completed) => {
                        let entered = host.enter();
                        let irql = KfRaiseIrql(DISPATCH_LEVEL);
                        deliver(&host, &completed);
                        KeLowerIrql(irql);
                        drop(entered);
                    }
                    // Whoever waits for it may have gone.
                    Job::Settle(done) => {
                        let _ = done.send(());
                    }
                }
            }
        };
        let thread = std::thread::Builder::new().name("deferred procedure calls".to_owned());
        Self {
            jobs: Mutex::new(Some(sender)),
            // Without a thread, every completion is inline.
            thread: Mutex::new(thread.spawn(run).ok()),
        }
    }

    fn send(&self, job: Job) {
        if let Some(jobs) = &*self.jobs.lock().unwrap_or_else(PoisonError::into_inner) {
            // The thread lives as long as the sender.
            let _ = jobs.send(job);
        }
    }

    pub(crate) fn settle(&self) {
        let (done, wait) = channel();
        self.send(Job::Settle(done));
        // An error says that the thread has ended, and with it everything that was put off.
        let _ = wait.recv();
    }
}

impl Drop for Completer {
    fn drop(&mut self) {
        drop(self.jobs.lock().unwrap_or_else(PoisonError::into_inner).take());
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        // The last clone of the host may have been the thread's own, which cannot join itself.
        let is_this = |thread: &JoinHandle<()>| thread.thread().id() == std::thread::current().id();
        if let Some(thread) = thread.filter(|thread| !is_this(thread)) {
            let _ = thread.join();
        }
    }
}

/// Completes IRPs, each now or later. No lock of the provider's is held.
pub(super) fn complete(host: &Host, completed: Vec<Completed>) {
    for completed in completed {
        if host.defers() {
            host.0.completer.send(Job::Complete(host.clone(), completed));
        } else {
            deliver(host, &completed);
        }
    }
}

fn deliver(host: &Host, completed: &Completed) {
    let Completed { irp, status, information, socket } = *completed;
    let result = IO_STATUS_BLOCK { Status: status, Information: information };
    // SAFETY: the IRP is the provider's until it is completed, which is next.
    unsafe { (*irp).IoStatus = result };
    host.in_flight().end(irp);
    // SAFETY: as above; it is at the provider's stack location.
    completing(|| unsafe { IofCompleteRequest(irp, IO_NO_INCREMENT) });
    let closed = host.stack().delivered(socket);
    if let Some(closed) = closed {
        complete(host, closed.finish());
    }
}
