//! Bytes of the fuzzer for the property in `tests/properties/identity.rs`.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| qianshao::identity::holds(data));
