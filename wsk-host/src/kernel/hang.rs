//! The report about a kernel whose threads all wait: the wait of each thread, and the likely mistakes.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use wsk_sys::{LONG, NTSTATUS};

use crate::kernel::ke::dispatcher::{
    MUTANT, NOTIFICATION_TIMER, SEMAPHORE, SYNCHRONIZATION_TIMER, THREAD, WaitingThread,
};
use crate::kernel::schedule::{ThreadId, Ticks};
use crate::kernel::trace::{Milliseconds, Status};

/// The open objects of the driver stack above a kernel.
#[derive(Default)]
pub(crate) struct OpenObjects {
    /// One line for each open object.
    pub(crate) objects: Vec<String>,
    /// The likely mistakes, each in a sentence.
    pub(crate) advice: Vec<String>,
    /// The likely mistake, if a thread waits for an end: the objects with requests in flight that nothing closes.
    pub(crate) keep_open: Option<String>,
    /// Whether something from outside of the process could end a wait.
    pub(crate) from_outside: bool,
}

/// A request in flight, for a report.
pub(crate) struct RequestInFlight {
    pub(crate) number: u64,
    pub(crate) socket: u64,
    pub(crate) since: Ticks,
    pub(crate) origin: String,
}

/// An object that a thread waits for.
pub(crate) enum AwaitedObject {
    Event,
    Semaphore,
    Mutex,
    Timer,
    /// The end of a thread, by its number if it is known.
    Thread(Option<ThreadId>),
}

impl AwaitedObject {
    /// The object for a kind of dispatcher object.
    pub(crate) fn new(kind: LONG, thread: impl FnOnce() -> Option<ThreadId>) -> Self {
        match kind {
            SEMAPHORE => Self::Semaphore,
            MUTANT => Self::Mutex,
            NOTIFICATION_TIMER | SYNCHRONIZATION_TIMER => Self::Timer,
            THREAD => Self::Thread(thread()),
            _ => Self::Event,
        }
    }

    fn describe(&self) -> String {
        match self {
            Self::Event => "an event".to_owned(),
            Self::Semaphore => "a semaphore".to_owned(),
            Self::Mutex => "a mutex".to_owned(),
            Self::Timer => "a timer".to_owned(),
            Self::Thread(None) => "the end of a thread".to_owned(),
            Self::Thread(Some(thread)) => format!("the end of thread {thread}"),
        }
    }
}

/// The waiting threads, and the object of each wait.
pub(crate) type Waits = Vec<(WaitingThread, Vec<AwaitedObject>)>;

/// The number of objects, of requests and of likely mistakes that a report has.
const MOST: usize = 20;

/// Writes the first lines of one kind, and the number of the others.
fn list(report: &mut String, kind: &str, lines: &[String]) {
    let (first, rest) = lines.split_at(lines.len().min(MOST));
    for line in first {
        let _ = write!(report, "\n  {kind:<8} {line}");
    }
    if !rest.is_empty() {
        let _ = write!(report, "\n  {kind:<8} {} more", rest.len());
    }
}

/// Describes a hang: each thread, the first open objects and requests, and the likely mistakes.
pub(crate) fn describe(
    now: Ticks,
    waits: &Waits,
    places: &BTreeMap<ThreadId, String>,
    requests: &[RequestInFlight],
    outstanding: &OpenObjects,
) -> String {
    let mut report = String::new();
    for (waiting, objects) in waits {
        let name = waiting.machine_thread.name().unwrap_or("unnamed");
        let (thread, function) = (waiting.thread, waiting.function);
        let awaited = match &objects[..] {
            [] => "a time".to_owned(),
            objects => objects.iter().map(AwaitedObject::describe).collect::<Vec<_>>().join(", "),
        };
        let (since, ago) =
            (Milliseconds(waiting.since), Milliseconds(now - waiting.since.min(now)));
        let timeout = if waiting.has_timeout { ", with a timeout" } else { "" };
        let _ = write!(
            report,
            "\n  waits:   thread {thread} `{name}` in {function} for {awaited}, since {since}, for {ago}{timeout}"
        );
        if let Some(place) = places.get(&thread) {
            report.push_str(place);
        }
    }
    let is_waiting = |thread: ThreadId| waits.iter().any(|(waiting, _)| waiting.thread == thread);
    for (thread, place) in places.iter().filter(|(thread, _)| !is_waiting(**thread)) {
        let _ = write!(report, "\n  runs:    thread {thread}{place}");
    }
    list(&mut report, "open:", &outstanding.objects);
    let in_flight = |RequestInFlight { number, socket, since, origin }: &RequestInFlight| {
        let socket = if *socket == 0 { String::new() } else { format!(" on socket {socket}") };
        format!("IRP {number}{socket}, in flight since {}, made {origin}", Milliseconds(*since))
    };
    list(&mut report, "request:", &requests.iter().map(in_flight).collect::<Vec<_>>());
    let mut likely = advice_of_threads(waits);
    // A request that its owner has forgotten looks like one that is waited for. Only a wait for an end tells them apart.
    if waits.iter().any(waits_for_an_end) {
        likely.extend(outstanding.keep_open.clone());
    }
    likely.extend(outstanding.advice.iter().cloned());
    if likely.is_empty() && requests.is_empty() {
        likely.extend(advice_of_events(waits));
    }
    list(&mut report, "likely:", &likely);
    report
}

/// Whether a thread waits for the end of a thread, as `wsk`'s registration and unload routine do, or of a registration.
fn waits_for_an_end((waiting, objects): &(WaitingThread, Vec<AwaitedObject>)) -> bool {
    waiting.function == "WskDeregister"
        || objects.iter().any(|object| matches!(object, AwaitedObject::Thread(_)))
}

/// The likely mistakes that the waits show.
fn advice_of_threads(waits: &Waits) -> Vec<String> {
    let mut advice = Vec::new();
    let waits_for = |from: ThreadId| {
        let (_, objects) = waits.iter().find(|(waiting, _)| waiting.thread == from)?;
        objects.iter().find_map(|object| match object {
            AwaitedObject::Thread(thread) => *thread,
            _ => None,
        })
    };
    for (waiting, _) in waits {
        let Some(awaited) = waits_for(waiting.thread) else { continue };
        if awaited == waiting.thread {
            advice.push(format!(
                "thread {awaited} waits for its own end. A runtime is shut down outside of its own tasks, and its \
                 last owner is not one of them"
            ));
        } else if waits_for(awaited) == Some(waiting.thread) && awaited < waiting.thread {
            advice.push(format!(
                "threads {awaited} and {} wait for each other's end",
                waiting.thread
            ));
        }
    }
    advice
}

/// The likely mistake of threads that wait for an event after a call has returned its request's final status.
pub(crate) fn advice_of_returned(
    waits: &Waits,
    last_return: impl Fn(ThreadId) -> Option<(u64, NTSTATUS)>,
) -> Vec<String> {
    let advise = |(waiting, objects): &(WaitingThread, Vec<AwaitedObject>)| {
        let [AwaitedObject::Event] = objects[..] else { return None };
        let (irp, status) = last_return(waiting.thread)?;
        Some(format!(
            "thread {} waits for an event after its call with IRP {irp} has returned {}, the final status: the completion \
             routine has run, and `Irp->PendingReturned` was FALSE. A routine that sets its event only if that is TRUE \
             never sets it for such a call: set it in any case, or wait only if the call returns STATUS_PENDING",
            waiting.thread,
            Status(status)
        ))
    };
    waits.iter().filter(|(waiting, _)| !waiting.has_timeout).filter_map(advise).collect()
}

/// The likely mistake, if system threads wait for events that only the driver sets.
fn advice_of_events(waits: &Waits) -> Option<String> {
    let is_event = |(waiting, objects): &&(WaitingThread, Vec<AwaitedObject>)| {
        let is_system_thread = waiting.machine_thread.name() == Some("system thread");
        is_system_thread && objects.iter().any(|object| matches!(object, AwaitedObject::Event))
    };
    let threads: Vec<String> =
        waits.iter().filter(is_event).map(|(waiting, _)| waiting.thread.to_string()).collect();
    (!threads.is_empty()).then(|| {
        format!(
            "the events of the system threads ({}) are set by the driver's own code, and all of that waits. A worker \
             of a runtime that is blocked (`block_on` within a task) runs no other task: `await` there instead",
            threads.join(", ")
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn waiting(thread: ThreadId, awaited: AwaitedObject) -> (WaitingThread, Vec<AwaitedObject>) {
        let waiting = WaitingThread {
            kernel: 0,
            thread,
            machine_thread: std::thread::current(),
            function: "KeWaitForSingleObject",
            since: 10_000,
            has_timeout: false,
        };
        (waiting, vec![awaited])
    }

    #[test]
    fn a_thread_that_waits_for_itself_is_named() {
        let waits = vec![waiting(2, AwaitedObject::Thread(Some(2)))];
        let report = describe(20_000, &waits, &BTreeMap::new(), &[], &OpenObjects::default());
        assert!(report.contains("thread 2 `"), "{report}");
        assert!(
            report.contains("for the end of thread 2, since 1.0000 ms, for 1.0000 ms"),
            "{report}"
        );
        assert!(report.contains("likely:  thread 2 waits for its own end"), "{report}");
    }

    #[test]
    fn threads_that_wait_for_each_other_are_named_once() {
        let waits = vec![
            waiting(1, AwaitedObject::Thread(Some(2))),
            waiting(2, AwaitedObject::Thread(Some(1))),
        ];
        let advice = advice_of_threads(&waits);
        assert_eq!(advice, ["threads 1 and 2 wait for each other's end"]);
    }

    #[test]
    fn a_wait_after_a_final_status_is_explained() {
        let waits = vec![
            waiting(1, AwaitedObject::Event),
            waiting(2, AwaitedObject::Event),
            waiting(3, AwaitedObject::Thread(Some(1))),
        ];
        let returned = |thread| (thread != 2).then_some((7, wsk_sys::STATUS_SUCCESS));
        let advice = advice_of_returned(&waits, returned);
        assert_eq!(advice.len(), 1, "{advice:?}");
        assert!(
            advice[0].starts_with(
                "thread 1 waits for an event after its call with IRP 7 has returned STATUS_SUCCESS"
            ),
            "{advice:?}"
        );
    }

    #[test]
    fn a_report_about_thousands_of_sockets_can_be_read() {
        let lines = |text: &str| (0..2000).map(|number| format!("{text} {number}")).collect();
        let outstanding = OpenObjects {
            objects: lines("socket"),
            advice: lines("close"),
            ..OpenObjects::default()
        };
        let report = describe(0, &Vec::new(), &BTreeMap::new(), &[], &outstanding);
        assert_eq!(report.lines().count(), 1 + 2 * (MOST + 1));
        assert!(
            report.contains("\n  open:    socket 19\n  open:    1980 more\n  likely:  close 0\n")
        );
    }

    #[test]
    fn every_object_and_request_has_its_line() {
        let outstanding = OpenObjects {
            objects: vec!["socket 3, a listen socket".to_owned()],
            advice: vec!["close it".to_owned()],
            ..OpenObjects::default()
        };
        let origin = "by WskAccept in the thread `main`".to_owned();
        let requests = [RequestInFlight { number: 7, socket: 3, since: 0, origin }];
        let waits = vec![waiting(1, AwaitedObject::Event)];
        let places = BTreeMap::from([(1, "\n      main at ./main.rs:3:1".to_owned())]);
        let report = describe(10_000, &waits, &places, &requests, &outstanding);
        for line in [
            "in KeWaitForSingleObject for an event, since 1.0000 ms, for 0.0000 ms\n      main at ./main.rs:3:1\n",
            "\n  open:    socket 3, a listen socket\n",
            "\n  request: IRP 7 on socket 3, in flight since 0.0000 ms, made by WskAccept in the thread `main`\n",
            "\n  likely:  close it",
        ] {
            assert!(report.contains(line), "`{line}` is missing in:{report}");
        }
    }
}
