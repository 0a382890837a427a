//! The decoder's files and the properties of `tests/properties/`, as cargo-fuzz builds them: by path, nothing copied.
//!
//! Never: shipped, or part of `cargo test`, which holds the same properties to what proptest finds.

#![allow(dead_code, unused_imports, reason = "files of a larger crate, of which only decoding is reached here")]

extern crate self as qianshao;

#[path = "../../src/alert.rs"]
pub mod alert;
#[path = "../../src/problem/mod.rs"]
pub mod problem;
#[path = "../../src/terms.rs"]
pub mod terms;

pub mod consume;
pub mod delta;
pub mod detect;

#[path = "../../tests/properties/areas.rs"]
pub mod areas;
#[path = "../../tests/properties/decode.rs"]
pub mod decode;
#[path = "../../tests/properties/envelopes.rs"]
pub mod envelopes;
#[path = "../../tests/properties/examples.rs"]
pub mod examples;
#[path = "../../tests/properties/headers.rs"]
pub mod headers;
#[path = "../../tests/properties/identity.rs"]
pub mod identity;
#[path = "../../tests/properties/times.rs"]
pub mod times;
