//! See `wsk_fuzz::security_descriptor`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wsk_fuzz::security_descriptor::run(data));
