//! Real parts: what holds against Apache Kafka itself. `.ci/run live` starts a broker and says where it is.
//!
//! Never: passes without one. A test that finds no broker fails.

#![expect(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test may stop")]

mod broker;
mod consuming;
mod gaps;
mod operating;
mod other_clients;
mod process;
mod proxy;
mod publishing;
mod relay;
mod seat;
#[cfg(feature = "tls")]
mod security;
mod serving;
mod unknown;
mod watching;
