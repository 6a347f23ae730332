//! See `wsk_fuzz::host_name`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wsk_fuzz::host_name::run(data));
