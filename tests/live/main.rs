//! Real parts: what holds against Apache Kafka itself. `.ci/run live` starts a broker and says where it is.
//!
//! Never: passes without one. A test that finds no broker fails.

mod broker;
mod consuming;
mod gaps;
mod proxy;
mod publishing;
#[cfg(feature = "tls")]
mod security;
mod unknown;
