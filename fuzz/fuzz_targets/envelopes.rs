//! Bytes of the fuzzer for the property in `tests/properties/envelopes.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| qianshao::envelopes::holds(data));
