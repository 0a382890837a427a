//! qianshao (前哨): reporting channels in, explained alerts out.
//!
//! ```text
//! feeds (Kafka) ─▶ consume ─▶ signals (Delta, offsets inside) ─▶ detect ─▶ alerts (outbox) ─▶ publish ─▶ alert topics
//!                     └─▶ quarantine ─▶ dead-letter topics          └──────────── serve: SQL for analysts
//! ```
//!
//! One straight line in four roles that meet only in the log: consume → (delta) → detect → publish → serve.

pub mod terms;
pub mod problem;
pub mod fault;
pub mod clock;
pub mod observe;
pub mod config;
pub mod alert;
pub mod kafka;
pub mod engine;
pub mod cells;
pub mod detectors;
pub mod consume;
pub mod delta;
pub mod detect;
pub mod publish;
pub mod serve;
pub mod simulate;
pub mod power;
pub mod pipeline;
pub mod demo;
pub mod cli;
