//! See `wsk_fuzz::control_data`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wsk_fuzz::control_data::run(data));
