//! The last events of a kernel, to find the cause of a failure.

use std::fmt::{self, Write as _};

use wsk_sys::NTSTATUS;

use crate::kernel::schedule::{ThreadId, Ticks};

/// The number of entries that are kept.
const LENGTH: usize = 4096;

#[derive(Default)]
pub(crate) struct Trace {
    /// A ring, once it is full.
    entries: Vec<TraceEntry>,
    /// The place of the oldest entry.
    first: usize,
}

pub(crate) struct TraceEntry {
    pub(crate) time: Ticks,
    /// Zero if no thread of the kernel did it.
    pub(crate) thread: ThreadId,
    pub(crate) event: TraceEvent,
}

/// Sockets and IRPs are numbered in the order of their creation and of their use: addresses would differ from
/// run to run.
pub(crate) enum TraceEvent {
    Call {
        function: &'static str,
        socket: u64,
        irp: u64,
        amount: Option<usize>,
    },
    Completion {
        irp: u64,
        status: NTSTATUS,
        result: CallResult,
    },
    /// A call returns the final status of its request, not `STATUS_PENDING`.
    Return {
        irp: u64,
        status: NTSTATUS,
    },
    Callback {
        function: &'static str,
        socket: u64,
        detail: String,
    },
    Note(String),
}

#[derive(Clone, Copy)]
pub(crate) enum CallResult {
    Nothing,
    Number(usize),
    Socket(u64),
}

impl Trace {
    pub(crate) fn record(&mut self, entry: TraceEntry) {
        if self.entries.len() < LENGTH {
            self.entries.push(entry);
            return;
        }
        self.entries[self.first] = entry;
        self.first = (self.first + 1) % LENGTH;
    }

    /// The entries, from the oldest on.
    fn iter(&self) -> impl DoubleEndedIterator<Item = &TraceEntry> {
        let (last, first) = self.entries.split_at(self.first);
        first.iter().chain(last)
    }

    pub(crate) fn lines(&self) -> Vec<String> {
        self.iter().map(TraceEntry::to_string).collect()
    }

    /// The time of the last event.
    pub(crate) fn last_time(&self) -> Option<Ticks> {
        self.iter().next_back().map(|entry| entry.time)
    }

    /// The request whose final status a thread's last call has returned, if the thread has done nothing since.
    pub(crate) fn last_return(&self, thread: ThreadId) -> Option<(u64, NTSTATUS)> {
        match self.iter().rfind(|entry| entry.thread == thread)?.event {
            TraceEvent::Return { irp, status } => Some((irp, status)),
            _ => None,
        }
    }

    /// The last `count` lines, each after a line break.
    pub(crate) fn tail(&self, count: usize) -> String {
        let first = self.entries.len().saturating_sub(count);
        let mut tail = String::new();
        for entry in self.iter().skip(first) {
            let _ = write!(tail, "\n  {entry}");
        }
        tail
    }
}

impl fmt::Display for TraceEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let milliseconds = self.time / 10_000;
        write!(f, "{milliseconds:6}.{:04} ms  ", self.time % 10_000)?;
        match self.thread {
            0 => f.write_str("          ")?,
            thread => write!(f, "thread {thread}  ")?,
        }
        match &self.event {
            TraceEvent::Call { function, socket, irp, amount } => {
                f.write_str(function)?;
                if *socket != 0 {
                    write!(f, " on socket {socket}")?;
                }
                if *irp != 0 {
                    write!(f, " with IRP {irp}")?;
                }
                match amount {
                    Some(amount) => write!(f, ": {amount} bytes"),
                    None => Ok(()),
                }
            }
            TraceEvent::Completion { irp, status, result } => {
                write!(f, "IRP {irp} completes: {}", Status(*status))?;
                match result {
                    CallResult::Nothing => Ok(()),
                    CallResult::Number(number) => write!(f, ", {number}"),
                    CallResult::Socket(socket) => write!(f, ", socket {socket}"),
                }
            }
            TraceEvent::Return { irp, status } => {
                write!(
                    f,
                    "the call with IRP {irp} returns {}: the IRP is not marked pending",
                    Status(*status)
                )
            }
            TraceEvent::Callback { function, socket, detail } => {
                write!(f, "{function} of socket {socket}: {detail}")
            }
            TraceEvent::Note(text) => f.write_str(text),
        }
    }
}

/// Displays a time in milliseconds.
pub(crate) struct Milliseconds(pub(crate) Ticks);

impl fmt::Display for Milliseconds {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:04} ms", self.0 / 10_000, self.0 % 10_000)
    }
}

/// Displays a status by its name, if this crate returns it, or as a number.
pub(crate) struct Status(pub(crate) NTSTATUS);

macro_rules! named {
    ($status:expr, $($name:ident)*) => {
        match $status {
            $(wsk_sys::$name => Some(stringify!($name)),)*
            _ => None,
        }
    };
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = named!(self.0,
            STATUS_SUCCESS STATUS_PENDING STATUS_TIMEOUT STATUS_EVENT_PENDING STATUS_BUFFER_OVERFLOW
            STATUS_UNSUCCESSFUL STATUS_NOT_IMPLEMENTED STATUS_INVALID_PARAMETER
            STATUS_INVALID_DEVICE_REQUEST STATUS_ACCESS_DENIED STATUS_BUFFER_TOO_SMALL
            STATUS_INSUFFICIENT_RESOURCES STATUS_DEVICE_NOT_READY STATUS_IO_TIMEOUT
            STATUS_FILE_FORCED_CLOSED STATUS_NOT_SUPPORTED STATUS_REQUEST_NOT_ACCEPTED
            STATUS_CANCELLED STATUS_INVALID_DEVICE_STATE STATUS_INVALID_BUFFER_SIZE
            STATUS_DATA_NOT_ACCEPTED STATUS_NOT_FOUND STATUS_NO_MATCH STATUS_NOINTERFACE STATUS_LOCAL_DISCONNECT
            STATUS_PROTOCOL_UNREACHABLE
            STATUS_INVALID_ADDRESS_COMPONENT STATUS_ADDRESS_ALREADY_EXISTS STATUS_CONNECTION_RESET
            STATUS_CONNECTION_REFUSED STATUS_CONNECTION_ACTIVE STATUS_NETWORK_UNREACHABLE
            STATUS_HOST_UNREACHABLE STATUS_PORT_UNREACHABLE STATUS_CONNECTION_ABORTED
        );
        match name {
            Some(name) => f.write_str(name),
            None => write!(f, "{:#010X}", self.0),
        }
    }
}
