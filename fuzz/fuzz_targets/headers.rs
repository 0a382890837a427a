//! Bytes of the fuzzer for the property in `tests/properties/headers.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| qianshao::headers::holds(data));
