//! See `wsk_fuzz::control_messages`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wsk_fuzz::control_messages::run(data));
