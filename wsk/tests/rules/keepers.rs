//! How this crate keeps each of WSK's rules, and the tests that show it.
//!
//! The sentences of the rules are those of `wsk_host::rules`.

use wsk_host::rules::Rule;

use self::Enforcement::{Branch, NotApplicable, Safety, Type};

/// What keeps a rule.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Enforcement {
    /// The compiler rejects a violation, or the public API cannot express it.
    Type,
    /// The code checks or ensures it where it could be violated.
    Branch,
    /// A `# Safety` section, or a property of the whole crate.
    Safety,
    /// The crate does nothing to which the rule applies.
    NotApplicable,
}

/// A rule, and how this crate keeps it.
pub(crate) struct RuleRow {
    pub(crate) rule: Rule,
    pub(crate) kind: Enforcement,
    pub(crate) how: &'static str,
    /// By path: `host::echo::connecting_to_a_closed_port_is_refused` is in `tests/host/echo.rs`.
    pub(crate) tests: &'static [&'static str],
}

const fn kept(
    rule: Rule,
    kind: Enforcement,
    how: &'static str,
    tests: &'static [&'static str],
) -> RuleRow {
    RuleRow { rule, kind, how, tests }
}

/// In the order of the rules.
pub(crate) const KEPT: &[RuleRow] = &[
    kept(
        Rule::CLIENT_TABLE_UNCHANGED,
        Type,
        "the only table is a static in this crate",
        &["pitfalls::registration::pitfall_09_a_registration_can_be_moved"],
    ),
    kept(
        Rule::REGISTRATION_BLOCK,
        Type,
        "the block is in nonpaged memory that the `Registration` owns through a pointer",
        &[
            "pitfalls::registration::pitfall_09_a_registration_can_be_moved",
            "host::registration::a_driver_may_register_more_than_once",
        ],
    ),
    kept(
        Rule::REGISTRATION_ENDED_ONCE,
        Branch,
        "`deregister`, and the drop of a `Registration`, end it once; `wsk::unload` waits until it is deregistered",
        &[
            "pitfalls::registration::pitfall_12_registering_and_deregistering_are_balanced",
            "host::unload::a_registration_may_be_dropped_in_its_own_callback",
            "host::unload::a_forgotten_registration_is_named",
        ],
    ),
    kept(
        Rule::PROVIDER_RELEASED_ONCE,
        Type,
        "a capture is reference-counted, and released with the last `Provider`",
        &["pitfalls::registration::pitfall_11_a_capture_is_released_on_every_path"],
    ),
    kept(
        Rule::DEREGISTRATION_WAITS,
        Branch,
        "a registration waits for its providers, sockets and requests, and ends requests that were forgotten",
        &[
            "host::registration::a_registration_waits_for_its_sockets",
            "host::clients::a_registration_ends_although_a_wait_for_changes_was_forgotten",
            "host::names::lifetimes::look_ups_can_be_forgotten",
        ],
    ),
    kept(
        Rule::UNBOUNDED_CAPTURE,
        Type,
        "`try_capture` never waits, and `capture` takes a `Passive` token and a time limit",
        &["pitfalls::registration::pitfall_10_a_capture_early_during_boot"],
    ),
    kept(
        Rule::CAPTURE_FAILURES_DIFFER,
        Branch,
        "the failures are errors of two kinds, and `provider_versions` returns the versions of the provider",
        &[
            "host::registration::capturing_an_unready_subsystem_fails_with_its_own_error",
            "host::registration::the_provider_reports_its_version",
        ],
    ),
    kept(
        Rule::PROVIDER_TABLE_LENGTH,
        Type,
        "a slot that some versions of Windows lack takes a proof from `Capabilities`; a call reads only its own slot",
        &[
            "host::registration::capabilities_match_the_running_windows",
            "host::tcp_connect::older_windows_has_fewer_ways_to_connect",
            "host::udp::batch::windows_7_has_no_batches",
            "wsk-macros/tests/provider_table/a_capability_is_needed.rs",
        ],
    ),
    kept(
        Rule::CLIENT_SET_UP_BEFORE_SOCKETS,
        Type,
        "these settings belong to a builder, and are applied once, before the first provider exists",
        &[
            "host::clients::a_client_is_set_up_once",
            "host::clients::a_client_is_set_up_once_by_racing_threads",
            "pitfalls::control_data::pitfall_16_filters_can_be_bypassed",
        ],
    ),
    kept(
        Rule::IRP_PER_REQUEST,
        Type,
        "only an `Idle` request can be submitted, and it becomes `InFlight`; its IRP is initialized each time",
        &[
            "pitfalls::irps::pitfall_06_sizes_of_irps_and_mdls",
            "host::tcp_transfer::many_requests_are_in_flight_from_many_threads",
        ],
    ),
    kept(
        Rule::COMPLETION_ROUTINE,
        Branch,
        "every request has the same completion routine, set for every outcome",
        &["pitfalls::ffi::pitfall_25_outcomes_of_a_completion_routine"],
    ),
    kept(
        Rule::COMPLETES_ONCE,
        Branch,
        "results are read only from a completed IRP",
        &[
            "pitfalls::irps::pitfall_01_a_completion_before_the_call_returns",
            "pitfalls::irps::pitfall_04_a_second_poll_reads_no_result",
        ],
    ),
    kept(
        Rule::BORROWED_IRP_PENDING,
        NotApplicable,
        "this crate takes no IRPs from higher drivers; the raw calls do",
        &["from_c::every_item_of_the_header_is_in_the_table"],
    ),
    kept(
        Rule::IRP_IN_FLIGHT,
        Branch,
        "the state of a request names its owner, and an owner that leaves it in flight may cancel it before that, and does nothing else to it",
        &[
            "src/operation/state/loom_tests::a_request_has_exactly_one_owner_after_it_was_left",
            "host::dropped::a_receive_can_be_dropped_while_it_completes",
        ],
    ),
    kept(
        Rule::COMPLETION_ROUTINE_CALLS_WSK,
        Branch,
        "completion routines store, wake, and defer what calls WSK; while one calls a foreign waker, what the waker would call is deferred to the registration's thread, or fails: drops, and futures that are about to issue a request, are deferred, and other calls fail. One exception: if there is no memory to return retained data or a decision later, the routine does it",
        &[
            "host::dropped::connecting_can_be_dropped_at_any_point",
            "host::names::lifetimes::a_list_may_be_dropped_in_a_completion_routine",
            "host::unload::a_waker_may_own_the_future",
            "host::unload::a_foreign_waker_may_drop_anything",
            "host::hostile::in_place::connections",
            "host::hostile::in_place::sockets_with_events",
            "src/rundown/foreign_wakers::a_call_is_known_in_its_own_thread_only",
        ],
    ),
    kept(
        Rule::CALLBACK_WAITS,
        Type,
        "a function that waits takes a `Passive`, which safe code cannot carry into a callback in a driver, whose threads have no variables of their own; no drop waits",
        &[
            "src/irql.rs",
            "src/guide/irql.md",
            "host::unload::a_registration_may_be_dropped_in_a_callback",
            "host::unload::a_runtime_may_be_dropped_anywhere",
        ],
    ),
    kept(
        Rule::CONTEXT_NONPAGED,
        Type,
        "contexts and requests are in a `PoolBox`, which is nonpaged; tables and code are in the driver's image, which is resident but for what the driver itself puts into pageable sections, and `cargo wsk audit` searches those",
        &[
            "host::allocation::every_windows_has_a_function_that_allocates",
            "pitfalls::ffi::pitfall_27_a_windows_without_ex_allocate_pool_2",
        ],
    ),
    kept(
        Rule::UNLOAD_AFTER_ROUTINES,
        Branch,
        "a request in flight refers to its socket or client, and through it to the registration; `wsk::unload` waits for threads, DPC queues, registrations, providers, sockets and timers, then for a tick of the clock and for DPCs. It cannot wait for the last instructions of a routine in a thread that gets no processor for longer than that, unless the registration has the driver's device, and the kernel memory for each request: then the kernel keeps the driver loaded",
        &[
            "host::registration::a_registration_waits_for_its_sockets",
            "pitfalls::irps::pitfall_05_a_completion_after_its_socket",
            "host::unload::timers_need_no_registration",
            "host::unload::a_runtime_may_end_after_its_registration",
            "host::unload::a_forgotten_runtime_is_named",
            "host::device::a_request_fails_before_it_is_issued_if_its_routine_needs_memory",
        ],
    ),
    kept(
        Rule::INFORMATION_PER_CALL,
        Branch,
        "each request interprets its own information, and only after success",
        &[
            "pitfalls::irps::pitfall_04_a_second_poll_reads_no_result",
            "host::names::answers::an_address_has_names",
            "host::echo::connecting_to_a_closed_port_is_refused",
        ],
    ),
    kept(
        Rule::ABANDONED_RESULT,
        Branch,
        "the result of an abandoned request is closed or freed by the deferred queue; that of a request whose future was forgotten stays the future's, and the registration waits for it, with a report",
        &[
            "host::dropped::connecting_can_be_dropped_at_any_point",
            "host::accept::dropping_an_accept_loses_no_connection",
            "host::names::lifetimes::a_list_may_arrive_after_everything_is_dropped",
        ],
    ),
    kept(
        Rule::BUFFER_RESIDENT,
        Type,
        "buffers move into the request, and come back with its result",
        &[
            "pitfalls::irps::pitfall_03_a_buffer_outlives_its_future",
            "host::dropped::a_receive_can_be_forgotten",
        ],
    ),
    kept(
        Rule::BUFFER_WITHIN_MDLS,
        Branch,
        "ranges are checked when a slice is created",
        &[
            "pitfalls::semantics::pitfall_21_a_length_beyond_the_buffer",
            "host::buffers::ranges_are_checked",
        ],
    ),
    kept(
        Rule::MDL_OF_NONPAGED_POOL,
        Type,
        "a `Buffer` is allocated from nonpaged pool",
        &["pitfalls::irps::pitfall_08_no_pages_are_locked"],
    ),
    kept(
        Rule::REFERENCE_TO_KERNEL_MEMORY,
        Type,
        "only the owner of a `Buffer` has access to its bytes, and a request in flight owns it",
        &["pitfalls::irps::pitfall_03_a_buffer_outlives_its_future"],
    ),
    kept(
        Rule::ADDRESS_MEMORY,
        Type,
        "memory for addresses is part of the request, and fits IPv4 and IPv6, the families of its sockets",
        &[
            "host::dropped::connecting_can_be_dropped_at_any_point",
            "host::udp::every_request_can_be_dropped_at_any_point",
        ],
    ),
    kept(
        Rule::CONTROL_DATA,
        Type,
        "control data is part of the request or moves into it, and only whole messages are read",
        &[
            "src/cmsg/messages::any_bytes_are_read_as_c_reads_them",
            "host::udp::control::truncated_control_data_is_reported_without_an_error",
            "host::udp::every_request_can_be_dropped_at_any_point",
        ],
    ),
    kept(
        Rule::CONTROL_OUTPUT,
        Type,
        "values are part of the request, whose IRP returns the size; without an IRP, the size is written to a `SIZE_T`",
        &[
            "host::controls::everything_can_be_dropped_at_any_point",
            "host::ioctls::the_output_is_in_the_returned_buffer",
        ],
    ),
    kept(
        Rule::BUFFER_LIST,
        Type,
        "a batch moves into the request as a whole, with the list that WSK reads",
        &[
            "host::udp::batch::sending_can_be_dropped_at_any_point",
            "host::udp::batch::sending_can_be_forgotten",
        ],
    ),
    kept(
        Rule::CONNECT_DATA_LIMIT,
        Branch,
        "more data is an error before the call",
        &["host::tcp_connect::a_connect_sends_first_bytes"],
    ),
    kept(
        Rule::RESERVED_FLAGS,
        Type,
        "methods have no reserved parameters",
        &["wsk-macros/tests/provider_table/an_argument_that_is_reserved.rs"],
    ),
    kept(
        Rule::FLAGS_OF_CALL,
        Type,
        "each call has a type for its flags; draining and aborting are methods of their own",
        &[
            "host::tcp_transfer::flags_match_the_documentation",
            "host::tcp_transfer::drained_bytes_are_discarded",
            "host::tcp_end::an_abort_fails_every_request_at_once",
            "wsk-macros/tests/provider_table/another_calls_flags.rs",
        ],
    ),
    kept(
        Rule::ADDRESS_FAMILY,
        Branch,
        "an address of another family is an error before the call",
        &[
            "host::udp::ipv6_behaves_alike_and_families_do_not_mix",
            "host::tcp_connect::one_call_takes_the_family_of_both_addresses",
        ],
    ),
    kept(
        Rule::BOUND_FIRST,
        Type,
        "methods that need an address exist only for sockets that have one",
        &[
            "src/socket/mod.rs",
            "pitfalls::semantics::pitfall_20_a_connection_is_bound_before_it_connects",
        ],
    ),
    kept(
        Rule::OPTIONS_BEFORE_BIND,
        Type,
        "these settings belong to the builder, or are options of `Unbound` sockets",
        &[
            "src/options/mod.rs",
            "src/socket/security.rs",
            "host::options::an_option_set_before_the_bind_keeps_its_value",
        ],
    ),
    kept(
        Rule::CONTROLS_AFTER_BIND,
        Type,
        "events and controls that need an address or a peer exist only for sockets that have it",
        &["src/options/applies.rs", "host::tcp_end::send_backlogs_are_reported"],
    ),
    kept(
        Rule::CONNECTED_FIRST,
        Type,
        "sending and receiving exist only for connected sockets",
        &["src/socket/mod.rs", "src/socket/listen.rs"],
    ),
    kept(
        Rule::DATAGRAM_DESTINATION,
        Type,
        "sending without an address exists only for sockets with a peer",
        &[
            "src/socket/datagram/peer.rs",
            "host::udp::a_connected_udp_socket_receives_from_its_peer_only",
        ],
    ),
    kept(
        Rule::PROVIDER_TABLE_OF_CATEGORY,
        Type,
        "a socket's category is a type, which determines the dispatch table",
        &["src/dispatch.rs", "wsk-macros/tests/provider_table/another_categorys_function.rs"],
    ),
    kept(
        Rule::CLIENT_TABLE_OF_CATEGORY,
        Type,
        "a handler's table is that of its category; a socket without events has neither context nor table",
        &[
            "wsk-macros/tests/events/an_event_of_another_category.rs",
            "events::stream::a_stream_socket_has_events_in_both_roles",
            "host::clients::sockets_without_callbacks_for_static_events_are_refused",
        ],
    ),
    kept(
        Rule::STREAM_ROLE,
        Type,
        "listening and connecting consume the socket, and return one in another state",
        &["src/socket/listen.rs"],
    ),
    kept(
        Rule::STREAM_PENDS_INSPECTION,
        Type,
        "the table of a stream socket is built from `ListenEvents` and `ConnectionEvents`, without `WskInspectEvent`, whatever else the handler implements, and stream sockets have no `WskInspectComplete`",
        &[
            "wsk-macros/tests/events/a_conditional_stream.rs",
            "events::method_sets::a_stream_never_inspects",
        ],
    ),
    kept(
        Rule::DEAD_SOCKET,
        Branch,
        "a socket is remembered as dead, and then fails every request but its close",
        &[
            "host::controls::a_dead_socket_has_no_options",
            "host::tcp_transfer::a_dead_socket_reports_its_death",
            "host::udp::receiver::a_dead_socket_fails_every_receive",
            "events::listen::a_withdrawn_listener_calls_its_callback_once",
        ],
    ),
    kept(
        Rule::SILENT_MODE,
        Branch,
        "a silent connection can only be closed, by its type; `into_silent` fails while a send is in flight, or another owner could begin one",
        &["src/socket/connection/end.rs", "host::tcp_end::silent_mode_waits_for_a_dropped_send"],
    ),
    kept(
        Rule::SOCKET_CLOSED_ONCE,
        Branch,
        "the release of the last open reference begins the one close, whose request is part of the socket's memory from the start",
        &[
            "host::sweep::every_allocation_of_a_connection_may_fail",
            "host::sweep::every_allocation_of_a_listener_may_fail",
        ],
    ),
    kept(
        Rule::CLOSE_DURING_CALL,
        Branch,
        "every call holds an open reference to the socket, and releasing the last one starts the close",
        &[
            "src/socket/counts/loom_tests::a_token_makes_a_call_to_an_open_socket_or_none",
            "events::inspect::several_pended_connections_outlive_the_listener",
            "host::dropped::a_stream_can_be_dropped_with_requests_in_flight",
            "pitfalls::irps::pitfall_07_a_close_with_requests_in_flight",
        ],
    ),
    kept(
        Rule::CLOSE_COMPLETES_LAST,
        Branch,
        "the socket's memory, which contains the handler, is freed when the close has completed and no request is in flight",
        &[
            "events::handlers::each_handler_is_dropped_once",
            "pitfalls::callbacks::pitfall_14_a_handler_outlives_the_call_that_failed",
        ],
    ),
    kept(
        Rule::RELEASED_BEFORE_CLOSE,
        Branch,
        "a retained indication holds an open reference to the socket",
        &[
            "src/socket/counts/loom_tests::a_close_waits_for_what_is_retained_or_nothing_is",
            "events::races::data_is_retained_while_the_socket_closes",
            "events::races::a_socket_is_closed_in_its_callback",
        ],
    ),
    kept(
        Rule::CALLBACK_WAITS_FOR_CLOSE,
        Type,
        "dropping a socket never waits, and a close is awaited only where futures are polled",
        &[
            "events::races::a_socket_is_closed_in_its_callback",
            "host::dropped::a_close_can_be_dropped",
        ],
    ),
    kept(
        Rule::CLOSE_ABORTS,
        Branch,
        "`finish` disconnects, and waits until the peer has; the documentation of dropping and closing says that they abort before that",
        &[
            "host::real::a_dropped_connection_is_reset_unless_it_was_disconnected",
            "host::echo::closing_after_both_sides_disconnected_sends_no_reset",
        ],
    ),
    kept(
        Rule::DISCONNECT_MAY_HANG,
        Branch,
        "every operation that may hang accepts a time limit, and is cancelled after it",
        &[
            "host::time::a_timeout_fires_only_if_its_future_hangs",
            "host::tcp_end::a_disconnect_that_hangs_times_out",
            "host::tcp_stream::sends_and_disconnects_can_time_out",
        ],
    ),
    kept(
        Rule::EVENT_CALLBACKS,
        Branch,
        "the event mask consists of the methods that a handler implements",
        &[
            "events::listen::tables_contain_the_implemented_callbacks_only",
            "host::clients::sockets_without_callbacks_for_static_events_are_refused",
        ],
    ),
    kept(
        Rule::DISABLED_EVENT_RUNS,
        Branch,
        "disabling an event is a future, and has an IRP",
        &[
            "events::races::an_event_is_disabled_while_it_runs",
            "events::dropped::events_can_be_dropped_while_they_are_disabled",
        ],
    ),
    kept(
        Rule::STATIC_EVENTS,
        Branch,
        "the handler exists before the socket, and methods that need the socket report that it is not known yet",
        &[
            "events::early::data_arrives_before_the_accept_returns_the_socket",
            "events::early::data_arrives_on_a_socket_whose_future_was_dropped",
            "pitfalls::callbacks::pitfall_13_a_callback_without_a_context",
        ],
    ),
    kept(
        Rule::REQUESTS_BEFORE_EVENTS,
        Branch,
        "requests and events can be used together, and neither loses what the other takes",
        &[
            "events::connection::events_race_with_requests",
            "events::listen::accept_events_race_with_requests",
        ],
    ),
    kept(
        Rule::RECEIVE_CALLBACK_RESULT,
        Type,
        "a callback returns a `Receipt` or a `Disposition`, and the count is limited to the bytes that were indicated",
        &[
            "events::connection::refused_data_is_received_and_events_resume",
            "events::datagram::refused_datagrams_wait_if_events_are_dynamic_and_are_lost_if_static",
        ],
    ),
    kept(
        Rule::EVENTS_RESUME,
        Branch,
        "`resume_events` and `enable_events` resume events",
        &[
            "events::connection::an_empty_receive_resumes_events",
            "events::datagram::refused_datagrams_wait_if_events_are_dynamic_and_are_lost_if_static",
            "host::tcp_transfer::resumed_events_continue",
        ],
    ),
    kept(
        Rule::RETAINED_LIST_RELEASED_ONCE,
        Type,
        "a retained list is one value, which keeps its socket open, and releases the list when dropped; one that is forgotten keeps the socket open for ever",
        &[
            "events::connection::data_is_retained_and_released_later",
            "events::datagram::datagrams_are_retained_and_released_later",
            "pitfalls::callbacks::pitfall_15_nothing_is_retained_unless_asked_for",
        ],
    ),
    kept(
        Rule::INDICATION_AFTER_CALLBACK,
        Type,
        "arguments of a callback have the lifetime of the call, and mapping them may fail",
        &[
            "wsk-macros/tests/events/data_that_outlives_its_call.rs",
            "events::connection::data_is_accepted_until_the_end_of_the_stream",
        ],
    ),
    kept(
        Rule::ACCEPT_CALLBACK_RESULT,
        Type,
        "`Incoming::accept` consumes the socket, and writes both results that WSK reads",
        &[
            "events::listen::connections_are_accepted_and_rejected",
            "events::races::an_accepted_socket_is_used_in_the_callback",
        ],
    ),
    kept(
        Rule::INHERITED_EVENTS,
        Branch,
        "a listener's table has the events that its connections inherit, and disabling them is refused",
        &[
            "events::listen::connections_are_accepted_and_rejected",
            "events::listen::tables_contain_the_implemented_callbacks_only",
        ],
    ),
    kept(
        Rule::INSPECTION_DECIDED_ONCE,
        Type,
        "a connection that waits for a decision is one value; deciding consumes it, and dropping it rejects the connection. One that is forgotten is never decided: the connection waits until its listener is closed or the peer gives up",
        &[
            "src/events/inspection.rs",
            "wsk-macros/tests/events/an_inspection_that_is_decided_twice.rs",
            "events::inspect::a_decision_races_with_an_abort",
        ],
    ),
    kept(
        Rule::NOTIFICATION_CALLBACK_RESULT,
        Type,
        "methods without a result return `()`, and the table's functions return the status",
        &[
            "wsk-macros/tests/events/another_signature.rs",
            "events::inspect::a_pended_connection_is_aborted",
        ],
    ),
    kept(
        Rule::CALLBACKS_CONCURRENT,
        Type,
        "a handler is `Sync`, and its methods take `&self`",
        &["wsk-macros/tests/events/a_handler_that_is_not_shared.rs"],
    ),
    kept(
        Rule::NO_UNWINDING,
        Safety,
        "every entry from WSK is `extern \"C\"`, where a panic crashes the system instead of unwinding; this crate's own code there has none",
        &["audit"],
    ),
    kept(
        Rule::SECURITY_DESCRIPTOR,
        Type,
        "a cached descriptor is reference-counted, also by requests that use it, and released with the last reference",
        &[
            "host::security::a_descriptor_is_cached_and_released_once",
            "host::security::a_request_may_outlive_its_socket",
        ],
    ),
    kept(
        Rule::NAME_RESOLUTION,
        Branch,
        "names are copied into the request, with their NULs; above `PASSIVE_LEVEL`, a look-up fails before the call; a list references its provider, and is freed by the registration's thread when it is dropped",
        &[
            "host::names::lifetimes::look_ups_respect_their_irql",
            "host::names::lifetimes::a_list_outlives_the_provider",
            "src/resolve/list.rs",
        ],
    ),
    kept(
        Rule::OWNER_REFERENCED,
        NotApplicable,
        "the owner of a socket is the current process; no parameter names another",
        &["from_c::every_item_of_the_header_is_in_the_table"],
    ),
    kept(
        Rule::STATUS_MEANING,
        Branch,
        "`Error` holds no success status, and a success is never pending; a list that does not fit is queried again",
        &[
            "src/status::pending_is_no_success",
            "src/growing_buffer::a_list_is_asked_for_until_it_fits",
        ],
    ),
    kept(
        Rule::END_OF_STREAM,
        Branch,
        "a receive of zero bytes is the end of the stream, and so is every later one",
        &[
            "host::echo::bytes_arrive_in_order_and_then_the_end_of_the_stream",
            "host::tcp_transfer::an_early_end_of_the_stream_is_an_error",
        ],
    ),
    kept(
        Rule::COMPLETION_ORDER,
        Branch,
        "nothing depends on the order of completions; WSK fills receives in the order in which they start",
        &[
            "host::echo::several_receives_in_flight_are_filled_in_order",
            "host::tcp_transfer::many_requests_are_in_flight_from_many_threads",
        ],
    ),
    kept(
        Rule::DPC_RETURNS_SOON,
        Branch,
        "a DPC of `DpcExecutor` polls at most 16 tasks, and a task yields after 128 requests of a socket; the DPC of a timer wakes a task",
        &["host::dpc::turns::busy_tasks_share_their_processor"],
    ),
    kept(
        Rule::LENT_IRP_COMPLETED,
        Type,
        "a `PendedIrp` that is lent moves into the request, and completes its IRP when it is dropped, after the request",
        &["host::lent::a_dropped_request_returns_the_memory_to_its_owner"],
    ),
    kept(
        Rule::CHAIN_UNCHANGED,
        Type,
        "a `Chain` moves into its request; `Lent::from_raw` demands it of other MDLs under `# Safety`",
        &[
            "host::chains::a_chain_arrives_as_one_stream_of_bytes",
            "host::lent::lent_memory_is_sent_and_filled",
        ],
    ),
    kept(
        Rule::PARTIAL_MDL_OUTLIVES_SOURCE,
        Branch,
        "partial MDLs are freed with the lent memory, before the owner that keeps their source is dropped",
        &["host::lent::a_dropped_request_returns_the_memory_to_its_owner"],
    ),
    kept(
        Rule::RELEASED_IN_FLIGHT,
        Type,
        "retained data that is sent moves into the request, and is released when it is dropped, after the request",
        &["events::relayed::data_of_a_dropped_send_is_released"],
    ),
];
