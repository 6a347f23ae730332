//! See `wsk_fuzz::header_text`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wsk_fuzz::header_text::run(data));
