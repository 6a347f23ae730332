//! See `wsk_fuzz::socket_address`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wsk_fuzz::socket_address::run(data));
