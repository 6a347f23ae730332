//! Tests the crates against independent programs, over the machine's network, on an emulated kernel.

mod dns;
mod driver;
mod executors;
mod http;
mod https;
mod mqtt;
mod ntp;
mod peer;
mod readings;
