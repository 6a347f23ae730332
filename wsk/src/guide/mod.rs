//! The guide: writing, testing and unloading a driver with this crate.
//!
//! 1. [First server](first_server): an echo server, starting from `DriverEntry`
//! 2. [First client](first_client): connections, host names, timeouts, errors
//! 3. [Datagrams with events](datagrams_with_events): callbacks instead of requests
//! 4. [Without copying](without_copying): requests' memory, packets and received data, sent as they are
//! 5. [IRQL](irql): the levels at which each operation is allowed
//! 6. [Executors](executors): threads or deferred procedure calls
//! 7. [Crates](crates): which crates for embedded Rust work, and what they cost
//! 8. [Unloading](unloading): the order of shutdown, and its pitfalls
//! 9. [Testing](testing): running driver code in a process, with faults
//! 10. [Windows](windows): loading a driver on a test machine, step by step
//! 11. [From C](from_c): the counterpart of every name in `wsk.h`
//!
//! Every program in the guide is a documentation test, run on the emulated kernel of `wsk-host`.

#[doc = include_str!("first_server.md")]
pub mod first_server {}

#[doc = include_str!("first_client.md")]
#[doc = include_str!("../net/closing.md")]
/// ---
///
/// Previous: [First server](crate::guide::first_server) · [Contents](crate::guide) · Next: [Datagrams with events](crate::guide::datagrams_with_events)
pub mod first_client {}

#[doc = include_str!("datagrams_with_events.md")]
pub mod datagrams_with_events {}

#[doc = include_str!("without_copying.md")]
pub mod without_copying {}

#[doc = include_str!("irql.md")]
pub mod irql {}

#[doc = include_str!("executors.md")]
pub mod executors {}

#[doc = include_str!("crates.md")]
pub mod crates {}

#[doc = include_str!("unloading.md")]
pub mod unloading {}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("windows.md")]
pub mod windows {}

#[doc = include_str!("from_c.md")]
pub mod from_c {}
