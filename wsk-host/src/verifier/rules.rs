//! The table of WSK's rules: the only source of their numbers, names and sentences.
//!
//! A row has the rule's constant, its number, the [`Outcome`] of a violation on the host, the rule in one
//! sentence, and a detail: the violation as the host sees it, the status that it returns, or the reason why it sees
//! nothing. The verifier's reports and both pages `RULES.md` are generated from it.
//!
//! To add a rule, append its row, call `rule_violation` with its constant if the host can see a violation (or
//! `fatal_violation` if it cannot continue after one), write a test in `tests/verifier` that breaks it, and generate the
//! page: `BLESS=1 cargo test -p wsk-host --test verifier table`.

use std::fmt;

/// A rule that WSK, or the kernel below it, imposes on a client.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rule(u8);

/// The host's reaction when a client breaks a rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum Outcome {
    /// The verifier reports the violation and ends the process.
    Stopped,
    /// The call returns a failure status, as in Windows.
    Answered,
    /// The host cannot see the violation.
    NotVisible,
}

/// A row of the table.
struct Row {
    number: u8,
    name: &'static str,
    outcome: Outcome,
    sentence: &'static str,
    detail: &'static str,
}

macro_rules! rules {
    ($($name:ident = $number:literal, $outcome:ident: $sentence:literal, $detail:literal;)*) => {
        impl Rule {
            $(
                #[doc = concat!("INV-", $number, ": ", $sentence)]
                pub const $name: Self = Self($number);
            )*

            /// Every rule, in the order of their numbers.
            pub const ALL: &[Self] = &[$(Self::$name),*];
        }

        const ROWS: &[Row] = &[$(Row {
            number: $number,
            name: stringify!($name),
            outcome: Outcome::$outcome,
            sentence: $sentence,
            detail: $detail,
        }),*];
    };
}

rules! {
    CLIENT_TABLE_UNCHANGED = 1, Stopped:
        "The client's dispatch table must stay valid, unchanged and in place until `WskDeregister` has returned.",
        "the table is on the stack, is freed, or has changed when the provider is captured";
    REGISTRATION_BLOCK = 2, Stopped:
        "A `WSK_REGISTRATION` belongs to one registration, and must not move or be freed between `WskRegister` and the return of `WskDeregister`.",
        "the block is on the stack, too small, freed, registered twice, or used while it is not registered";
    REGISTRATION_ENDED_ONCE = 3, Stopped:
        "Each registration must be ended exactly once, before its driver unloads.",
        "`WskDeregister` is called with a block that is not registered, or a registration is left when a `#[wsk_host::test]` ends";
    PROVIDER_RELEASED_ONCE = 4, Stopped:
        "Each captured provider must be released exactly once, and not called afterwards.",
        "a provider is released once too often, or called without being captured";
    DEREGISTRATION_WAITS = 5, Stopped:
        "Providers must be released, sockets closed and requests completed before a registration ends; `WskDeregister` waits for them.",
        "`WskDeregister` has waited for 30 seconds, which pass at once on the simulated network";
    UNBOUNDED_CAPTURE = 6, Stopped:
        "A client must not wait without a limit for a provider, because WSK may never become ready.",
        "a capture waits without a limit on a host where WSK never becomes ready";
    CAPTURE_FAILURES_DIFFER = 7, Answered:
        "A provider that is not ready yet and one that lacks the requested version are different failures, to which a client must respond differently.",
        "`STATUS_DEVICE_NOT_READY` or `STATUS_NOINTERFACE`";
    PROVIDER_TABLE_LENGTH = 8, Stopped:
        "A provider's tables are only as long as the running version of Windows makes them.",
        "the client calls a function that the host's version of Windows lacks";
    CLIENT_SET_UP_BEFORE_SOCKETS = 9, Stopped:
        "Static events and TDI behavior must be set before the client creates its first socket.",
        "`WskControlClient` sets one of them after a socket was created";
    IRP_PER_REQUEST = 10, Stopped:
        "Each request needs an IRP of its own, with a free stack location.",
        "a call has no IRP, an IRP without a free stack location, or one that is in flight";
    COMPLETION_ROUTINE = 11, Stopped:
        "An IRP that the client allocates needs a completion routine for every outcome, which returns `STATUS_MORE_PROCESSING_REQUIRED`.",
        "a call finds no such routine, or the routine returns another status";
    COMPLETES_ONCE = 12, Stopped:
        "An IRP completes exactly once, whatever the call returns, and possibly before the call returns.",
        "a client uses an IRP that its completion routine has freed, or completes one itself; `Config::call_status` lets calls return the final status";
    BORROWED_IRP_PENDING = 13, Stopped:
        "An IRP from a higher driver must be marked pending before its completion routine passes it on, and must not be freed or reused.",
        "a completion routine passes on an IRP that it has not marked pending";
    IRP_IN_FLIGHT = 14, Stopped:
        "An IRP in flight may only be cancelled; it must not be initialized, reused, modified, completed or freed.",
        "a kernel call does one of these to an IRP in flight";
    COMPLETION_ROUTINE_CALLS_WSK = 15, Stopped:
        "A completion routine must not call WSK.",
        "a thread calls WSK in a completion routine";
    CALLBACK_WAITS = 16, Stopped:
        "A completion routine or an event callback must not wait.",
        "a thread waits in a completion routine or an event callback";
    CONTEXT_NONPAGED = 17, Stopped:
        "Contexts, dispatch tables and the code of callbacks must be in memory that is resident at `DISPATCH_LEVEL`, not on a stack.",
        "a socket's context or dispatch table is on a stack or in paged pool; the host cannot see pageable code";
    UNLOAD_AFTER_ROUTINES = 18, Stopped:
        "A driver must not unload before its completion routines have returned.",
        "a routine, callback, DPC or thread of the client runs when `Host::unload` is called, which a `#[wsk_host::test]` does at its end, or is called afterwards";
    INFORMATION_PER_CALL = 19, NotVisible:
        "The meaning of `IoStatus.Information` depends on the call, and the field is valid only after success.",
        "reading the field makes no call";
    ABANDONED_RESULT = 20, NotVisible:
        "A socket or list that an abandoned request delivers must still be closed or freed.",
        "the host sees the leak when the registration ends (INV-5, INV-65, INV-66)";
    BUFFER_RESIDENT = 21, Stopped:
        "A buffer and its MDLs must stay resident and unchanged until the request completes.",
        "the memory is not resident, or is freed in flight; WSK copies the `WSK_BUF`, which may be a local variable";
    BUFFER_WITHIN_MDLS = 22, Stopped:
        "A buffer must start within its first MDL and end within its chain of MDLs.",
        "a call finds a buffer outside of its MDLs, or none";
    MDL_OF_NONPAGED_POOL = 23, Stopped:
        "`MmBuildMdlForNonPagedPool` must describe nonpaged pool only.",
        "the memory is not from the host's pool, or from paged pool";
    REFERENCE_TO_KERNEL_MEMORY = 24, NotVisible:
        "No reference in the language's sense may point to memory while the kernel reads or writes it.",
        "only the compiler knows references; Miri checks them";
    ADDRESS_MEMORY = 25, Stopped:
        "Memory for an address must be nonpaged, large enough, and valid until the request completes.",
        "the memory is null, on a stack, in paged pool, too small, freed, or freed in flight";
    CONTROL_DATA = 26, Stopped:
        "Control data must be well formed, and valid until the request completes.",
        "a control message exceeds its data or is shorter than its header, or the data is freed in flight; the host cannot see a client that ignores `MSG_CTRUNC`";
    CONTROL_OUTPUT = 27, Stopped:
        "A control call takes an IRP or `OutputSizeReturned`, as its code requires, and its buffers must stay valid until it completes.",
        "a call has an IRP where its code takes none, or both, or a buffer is freed in flight";
    BUFFER_LIST = 28, Stopped:
        "A list of buffers must stay valid until the request completes.",
        "an element is freed in flight";
    CONNECT_DATA_LIMIT = 29, Answered:
        "A connection request takes at most 65,535 bytes of data, and no flags.",
        "`STATUS_BUFFER_OVERFLOW` or `STATUS_INVALID_PARAMETER`";
    RESERVED_FLAGS = 30, Stopped:
        "Reserved flags must be zero.",
        "a call finds a reserved flag";
    FLAGS_OF_CALL = 31, Stopped:
        "A call takes only its own flags, in documented combinations.",
        "a call finds other flags; a flag that the transport does not support is answered with `STATUS_NOT_SUPPORTED`";
    ADDRESS_FAMILY = 32, Stopped:
        "An address must be present, and of the socket's address family.",
        "a call finds no address, or one of another family";
    BOUND_FIRST = 33, Answered:
        "A socket must be bound before it connects, listens, accepts connections, or sends or receives datagrams.",
        "`STATUS_INVALID_DEVICE_STATE`";
    OPTIONS_BEFORE_BIND = 34, Answered:
        "Address sharing, conditional accept and the security descriptor must be set before the socket is bound.",
        "`STATUS_INVALID_DEVICE_STATE`";
    CONTROLS_AFTER_BIND = 35, Answered:
        "Event callbacks, fixed remote addresses and backlog queries require a bound or a connected socket.",
        "`STATUS_INVALID_DEVICE_STATE`";
    CONNECTED_FIRST = 36, Answered:
        "A socket sends, receives and disconnects only while it is connected.",
        "`STATUS_INVALID_DEVICE_STATE`";
    DATAGRAM_DESTINATION = 37, Stopped:
        "A datagram needs a remote address, its own or its socket's.",
        "a call finds neither";
    PROVIDER_TABLE_OF_CATEGORY = 38, Stopped:
        "A socket must be used through the dispatch table of its own category.",
        "a function from another category's table is called with the socket";
    CLIENT_TABLE_OF_CATEGORY = 39, Stopped:
        "A socket's context and dispatch table must be those for its category.",
        "a basic socket has a context or a table; the host recognizes another category's table only by a missing callback (INV-51)";
    STREAM_ROLE = 40, Answered:
        "A stream socket that listens cannot connect, and one that connects cannot listen.",
        "`STATUS_INVALID_DEVICE_STATE`";
    STREAM_PENDS_INSPECTION = 41, Stopped:
        "A stream socket must not pend the inspection of a connection, because it has no function to complete it.",
        "the callback of a stream socket pends an inspection";
    DEAD_SOCKET = 42, Answered:
        "A socket that is no longer functional must be closed, and not used.",
        "`STATUS_FILE_FORCED_CLOSED`";
    SILENT_MODE = 43, Answered:
        "A connection enters silent mode only while no send or disconnect is pending, and can then only be closed.",
        "`STATUS_INVALID_DEVICE_STATE`";
    SOCKET_CLOSED_ONCE = 44, Stopped:
        "A socket must be closed exactly once, and not used afterwards.",
        "a call is made with a socket that is closed, or with a pointer that never was a socket";
    CLOSE_DURING_CALL = 45, Stopped:
        "A socket must not be closed while another call with it is executing.",
        "another thread has not returned from a call with the socket";
    CLOSE_COMPLETES_LAST = 46, Stopped:
        "A close completes after everything else of the socket, whose context and dispatch table must stay valid until then.",
        "the context or the table is freed before";
    RELEASED_BEFORE_CLOSE = 47, Stopped:
        "Retained indications must be released before their socket is closed.",
        "a close finds a retained indication";
    CALLBACK_WAITS_FOR_CLOSE = 48, NotVisible:
        "A callback or completion routine must not wait for a close that waits for it.",
        "the host stops every wait there (INV-16), and does not look for the reason";
    CLOSE_ABORTS = 49, NotVisible:
        "Closing a connection before both sides have disconnected aborts it.",
        "the client may intend it; the peer gets a reset";
    DISCONNECT_MAY_HANG = 50, NotVisible:
        "A graceful disconnect may never complete; an abortive one or a close ends it.",
        "starting one is no mistake; the scheduler stops a test that waits forever";
    EVENT_CALLBACKS = 51, Stopped:
        "Events may be enabled only if the socket's category has them and their callback exists; they are enabled without an IRP, and disabled one at a time.",
        "a call finds otherwise, or a callback that is needed is missing";
    DISABLED_EVENT_RUNS = 52, Answered:
        "A callback that has started keeps running while its event is disabled, and ends before the request to disable it completes.",
        "`STATUS_EVENT_PENDING` when there is no IRP; the socket still owns its context (INV-46)";
    STATIC_EVENTS = 53, Answered:
        "Static events cannot be disabled, and may occur before the client has its socket.",
        "`STATUS_INVALID_PARAMETER` to disabling one";
    REQUESTS_BEFORE_EVENTS = 54, NotVisible:
        "Pending requests take precedence over events, which may still occur.",
        "a seed decides which occurs, and the client must handle both";
    RECEIVE_CALLBACK_RESULT = 55, Stopped:
        "A receive callback must return one of three statuses, and must not accept more bytes than were indicated.",
        "a callback returns another status, or accepts more";
    EVENTS_RESUME = 56, NotVisible:
        "After a callback has refused data, the next receive event follows a completed receive.",
        "a client that forgets it waits, and makes no call";
    RETAINED_LIST_RELEASED_ONCE = 57, Stopped:
        "A retained list must be released exactly once, with its own socket.",
        "`WskRelease` is called with a list that is not retained, or that belongs to another socket";
    INDICATION_AFTER_CALLBACK = 58, Stopped:
        "Data passed to a callback must not be used after the callback returns, unless it is retained.",
        "an MDL of data that was given back is mapped or passed to WSK; the host also overwrites the data";
    ACCEPT_CALLBACK_RESULT = 59, Stopped:
        "`WskAcceptEvent` must return `STATUS_SUCCESS` or `STATUS_REQUEST_NOT_ACCEPTED`, and must not use a socket that it refuses.",
        "a callback returns another status; INV-44 covers a refused socket that is closed";
    INHERITED_EVENTS = 60, Answered:
        "Events that a listening socket enables for its connections cannot be disabled on that socket.",
        "`STATUS_INVALID_PARAMETER`";
    INSPECTION_DECIDED_ONCE = 61, Stopped:
        "A pended inspection must be completed exactly once, unless the connection is aborted.",
        "an action is not a valid one, or a connection is decided that does not wait for a decision";
    NOTIFICATION_CALLBACK_RESULT = 62, Stopped:
        "Abort, disconnect and backlog callbacks must return `STATUS_SUCCESS`.",
        "a callback returns another status; the host has no events for `WskClientEvent`";
    CALLBACKS_CONCURRENT = 63, NotVisible:
        "Callbacks run concurrently, in arbitrary threads, at up to `DISPATCH_LEVEL`.",
        "the host calls back so, and cannot see what a client does wrong";
    NO_UNWINDING = 64, NotVisible:
        "A callback or completion routine must not unwind into its caller.",
        "the language ends the process before the host can";
    SECURITY_DESCRIPTOR = 65, Stopped:
        "A security descriptor must be a cached one, and released exactly once, after the requests that use it have completed.",
        "a call has a descriptor that is not cached or is released, a descriptor is released too often or in flight, or one is left when the registration ends";
    NAME_RESOLUTION = 66, Stopped:
        "Names must end with a NUL and stay valid until the request completes, which is made at `PASSIVE_LEVEL`; each list of addresses must be freed exactly once.",
        "a call finds otherwise, a string is freed in flight, or a list is left when the registration ends; a thread without its process is answered with `STATUS_INVALID_PARAMETER`, and the host cannot see impersonation";
    OWNER_REFERENCED = 67, NotVisible:
        "A process or thread passed to a call must be referenced until the call returns.",
        "the host does not use them";
    STATUS_MEANING = 68, NotVisible:
        "Some success statuses mean that an operation is pending, and one failure status comes with data.",
        "interpreting a status makes no call";
    END_OF_STREAM = 69, NotVisible:
        "A receive that completes with zero bytes, into a buffer that has room, is the end of the stream.",
        "interpreting a result makes no call";
    COMPLETION_ORDER = 70, NotVisible:
        "Requests complete in any order and in any context.",
        "a seed decides it, and the client must handle every order";
    DPC_RETURNS_SOON = 71, Stopped:
        "A deferred procedure call must return soon: nothing else runs on its processor, and the system's watchdog stops one that runs too long.",
        "one call makes more than 4,096 requests, or stalls its processor for more than a millisecond";
    LENT_IRP_COMPLETED = 72, Stopped:
        "An IRP must not be completed while a request in flight uses its memory, which the completion unlocks and frees.",
        "`IoCompleteRequest` finds an MDL of the IRP, or memory that it describes, in a request in flight; INV-21 covers an MDL that the client frees or unlocks itself";
    CHAIN_UNCHANGED = 73, Stopped:
        "The MDLs of a request must not be changed before it completes.",
        "`Next`, `StartVa`, `ByteOffset` or `ByteCount` of one differs when the request completes; what follows the last MDL is not compared";
    PARTIAL_MDL_OUTLIVES_SOURCE = 74, Stopped:
        "A partial MDL must not be used after the pages of its source are unlocked.",
        "`MmUnlockPages` finds a request in flight with a partial MDL of the same pages, or a later call is given one";
    RELEASED_IN_FLIGHT = 75, Stopped:
        "A retained indication must not be released while a request in flight uses its MDLs.",
        "`WskRelease` finds an MDL of the list in a request in flight";
}

/// The numbers are 1, 2, 3, and so on: a rule finds its row by its number.
const _: () = {
    let mut index = 0;
    while index < ROWS.len() {
        assert!(
            ROWS[index].number as usize == index + 1,
            "the rules are not in the order of their numbers"
        );
        index += 1;
    }
};

impl Rule {
    fn row(self) -> &'static Row {
        &ROWS[usize::from(self.0) - 1]
    }

    /// The number in `INV-…`.
    #[must_use]
    pub const fn number(self) -> u8 {
        self.0
    }

    /// The name of the rule's constant.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.row().name
    }

    /// The rule, in one sentence.
    #[must_use]
    pub fn sentence(self) -> &'static str {
        self.row().sentence
    }

    /// Returns the host's reaction when a client breaks the rule.
    #[must_use]
    pub fn outcome(self) -> Outcome {
        self.row().outcome
    }

    /// The violation as the host sees it, the status that it answers with, or the reason why it sees none.
    #[must_use]
    pub fn detail(self) -> &'static str {
        self.row().detail
    }
}

/// `INV-`, and the number.
impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "INV-{}", self.0)
    }
}

/// `INV-`, the number, and the constant's name.
impl fmt::Debug for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self} ({})", self.name())
    }
}
