//! Fuzz targets for the code that reads foreign bytes.
//!
//! Each module is a target: a function of any bytes that panics where a property does not hold. `cargo test` runs
//! every target over its seeds, on any toolchain; `cargo xtask test fuzz` runs it under libFuzzer.

pub mod control_data;
pub mod control_messages;
#[cfg(feature = "headers")]
pub mod header_text;
pub mod host_name;
pub mod image;
pub mod security_descriptor;
pub mod socket_address;

use wsk::{Provider, Registration};
use wsk_host::{Config, Host, Timing};

/// A target's function.
pub type FuzzTarget = fn(&[u8]);

/// Every target by its name, which is also the name of its folder of seeds and of its binary.
pub const TARGETS: &[(&str, FuzzTarget)] = &[
    ("control_data", control_data::run),
    ("control_messages", control_messages::run),
    #[cfg(feature = "headers")]
    ("header_text", header_text::run),
    ("host_name", host_name::run),
    ("image", image::run),
    ("security_descriptor", security_descriptor::run),
    ("socket_address", socket_address::run),
];

/// A host without chance, so that the same bytes always take the same path.
fn config() -> Config {
    Config::default().timing(Timing::Inline)
}

/// Calls `use_provider` with a provider on a new host, and checks that it leaves no memory allocated.
fn with_provider(use_provider: impl FnOnce(&Host, &Provider)) {
    let host = Host::new(config());
    {
        let _entered = host.enter();
        let passive = test_support::scenario::passive();
        let registration =
            Registration::register(passive).expect("a new host accepts a registration");
        let wsk = registration.try_capture().expect("the provider of a new host is ready");
        use_provider(&host, &wsk);
        drop(wsk);
        registration.deregister(passive);
        wsk::unload(passive);
    }
    host.settle();
    assert_eq!(host.outstanding_allocations(), 0, "memory was not freed");
}
