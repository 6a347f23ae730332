//! The guide: from the first server to unloading, chapter by chapter.
//!
//! | chapter | about |
//! |---|---|
//! | [`first_server`] | an echo server, from `DriverEntry` on |
//! | [`first_client`] | names, connections, time-outs |
//! | [`datagrams_with_events`] | callbacks instead of requests |
//! | [`irql`] | what may be called where |
//! | [`unloading`] | the order in which everything ends |
//! | [`testing`] | the same code in a process, with faults |
//! | [`from_c`] | where each function of WSK went |
//!
//! The programs in it are run by this crate's tests, on the host of [`wsk_host`](https://docs.rs/wsk-host).

#[doc = include_str!("first_server.md")]
pub mod first_server {}

#[doc = include_str!("first_client.md")]
pub mod first_client {}

#[doc = include_str!("datagrams_with_events.md")]
pub mod datagrams_with_events {}

#[doc = include_str!("irql.md")]
pub mod irql {}

#[doc = include_str!("unloading.md")]
pub mod unloading {}

#[doc = include_str!("testing.md")]
pub mod testing {}

#[doc = include_str!("from_c.md")]
pub mod from_c {}
