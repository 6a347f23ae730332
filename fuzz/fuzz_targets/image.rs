//! See `wsk_fuzz::image`.

#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| wsk_fuzz::image::run(data));
