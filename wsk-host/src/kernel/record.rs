//! Recording the events of a kernel in its trace.

use crate::kernel::ke::dpc_watchdog::count_request;
use crate::kernel::trace::{Trace, TraceEntry, TraceEvent};
use crate::kernel::{Kernel, lock};

impl Kernel {
    pub(crate) fn record(&self, event: TraceEvent) {
        let (time, thread) = (self.now(), Self::current_thread());
        let request =
            if let TraceEvent::Call { function, .. } = event { Some(function) } else { None };
        self.0.scheduler.count_event();
        let mut trace = lock(&self.0.trace);
        self.record_story(&mut trace);
        trace.record(TraceEntry { time, thread, event });
        drop(trace);
        // After the record, which a report shows.
        if let Some(function) = request {
            count_request(function);
        }
    }

    /// Records what a replayed run has told since the last event.
    pub(super) fn record_story(&self, trace: &mut Trace) {
        let Some(run) = &self.0.run else { return };
        for note in run.take_notes() {
            trace.record(TraceEntry { time: self.now(), thread: 0, event: TraceEvent::Note(note) });
        }
    }

    /// Records an event that is neither a call nor a return.
    pub(crate) fn note(&self, text: String) {
        self.record(TraceEvent::Note(text));
    }
}
