//! ROLE publish: rows of the log become messages, once.
//!
//! Promises: a `read_committed` reader of the alert topics sees every row of `alert_history` exactly once, in order of
//! `(known_at, alert_id, revision)`; a message and the record of having sent it are one Kafka transaction.
//! Never: sends what the log does not hold; goes on after an outcome that is not a clean yes without reading back what
//! is visible; shows a unit below the county outside the restricted topics.
//!
//! ```text
//! alert_history ─▶ message ─┐
//! quarantine ─▶ dead_letters ┴▶ outbox (order, progress, what to do after no, unknown, fenced) ─▶ topic (one transaction)
//! ```

pub mod columns;
pub mod alert_row;
pub mod message;
pub mod dead_letters;
pub mod outbox;
pub mod memory;
pub mod counted;
pub mod topic;
pub mod visible;
pub mod role;
