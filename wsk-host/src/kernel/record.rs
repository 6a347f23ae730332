//! Recording the events of a kernel in its trace.

use crate::kernel::ke::dpc_watchdog::count_request;
use crate::kernel::trace::{TraceEntry, TraceEvent};
use crate::kernel::{Kernel, lock};

impl Kernel {
    pub(crate) fn record(&self, event: TraceEvent) {
        let (time, thread) = (self.now(), Self::current_thread());
        let request =
            if let TraceEvent::Call { function, .. } = event { Some(function) } else { None };
        self.0.scheduler.count_event();
        lock(&self.0.trace).record(TraceEntry { time, thread, event });
        // After the record, which a report shows.
        if let Some(function) = request {
            count_request(function);
        }
    }

    /// Records an event that is neither a call nor a return.
    pub(crate) fn note(&self, text: String) {
        self.record(TraceEvent::Note(text));
    }
}
