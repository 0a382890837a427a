//! Bytes of the fuzzer for the property in `tests/properties/areas.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| qianshao::areas::holds(data));
