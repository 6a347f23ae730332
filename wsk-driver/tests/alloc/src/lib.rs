//! A driver that uses `alloc`, and everything that compiled code may ask of a C library. `cargo xtask test drivers` links
//! it with and without optimization: what the linker misses, `wsk-driver` lacks. It is never run.

#![cfg(windows)]
#![no_std]

extern crate alloc;

use alloc::boxed::Box;
use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ffi::CStr;
use core::time::Duration;

use wsk::irql::Passive;
use wsk_driver::{Driver, Result};

wsk_driver::driver! {
    name: "alloc",
    pool_tag: b"Allo",
    start: start,
    stop: stop,
}

/// A plain function, whose result an async one ends.
fn start(driver: &Driver) -> Result<String> {
    let length = driver.parameters().number("Count")?.unwrap_or(3);
    let length = u16::try_from(length).unwrap_or(u16::MAX);
    let names = names(length);
    // SAFETY: the string ends with a NUL.
    let first = unsafe { CStr::from_ptr(names.as_ptr().cast()) };
    log::info!("{first:?}, {}", averages(length));
    driver.wsk()?;
    Ok(names)
}

async fn stop(names: String, _passive: Passive) {
    wsk::rt::yield_now().await;
    wsk_driver::println!("{names}");
}

/// Strings, maps, trait objects and shared values.
fn names(count: u16) -> String {
    let shared = Arc::new(count);
    let describe: Box<dyn Fn(u16) -> String> = {
        let shared = Arc::clone(&shared);
        Box::new(move |number| format!("{number:>8} of {:#06x}: {:?}", *shared, "name"))
    };
    let names: BTreeMap<u16, String> =
        (0..count).map(|number| (number, describe(number))).collect();
    let mut sorted: Vec<&str> = names.values().map(String::as_str).collect();
    sorted.sort_by_key(|name| name.len());
    format!("{}\0", sorted.join(", "))
}

/// Floating-point numbers, divisions of 128 bits, and a frame of more than a page.
fn averages(count: u16) -> f64 {
    let mut durations = [Duration::ZERO; 1024];
    for (duration, number) in durations.iter_mut().zip(0..count) {
        *duration = Duration::from_micros(number.into());
    }
    core::hint::black_box(&mut durations);
    let nanoseconds: u128 = durations.iter().map(Duration::as_nanos).sum();
    let average = nanoseconds / (u128::from(count) + 1);
    Duration::from_nanos(u64::try_from(average).unwrap_or(u64::MAX)).as_secs_f64()
}
