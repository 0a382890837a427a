//! Bytes of the fuzzer for the property in `tests/properties/times.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| qianshao::times::holds(data));
