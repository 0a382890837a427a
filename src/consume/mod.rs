//! ROLE consume: Kafka in. Bytes become signals, and are committed with the offsets they came from.
//! The only place that knows JSON, CloudEvents and contracts.
//!
//! Promises: every message ends as one row of its kind or as one rejection with code, pointer, what was found and
//! what would be right; a bad message leaves no trace in its neighbours' rows.
//! Never: stores a person's identifier, repeats a person's data in a rejection, reads a clock.

pub mod message;
pub mod source;
pub mod memory;
pub mod starts;
mod heard;
mod reading;
mod poller;
pub mod kafka;
pub mod document;
pub mod contract;
pub mod plan;
pub mod compile;
pub mod root;
pub mod feed;
pub mod identity;
pub mod identifier;
pub mod seal;
pub mod payload;
pub mod kinds;
pub mod envelope;
pub mod values;
pub mod columns;
pub mod buffers;
pub mod admit;
pub mod fields;
pub mod containers;
pub mod decode;
pub mod statement;
pub mod redact;
pub mod normalize;
pub mod signal_rows;
pub mod quarantine_rows;
pub mod epoch_rows;
pub mod taken;
pub mod role;
pub mod check;
pub mod check_mapping;

#[cfg(test)]
mod proof;
#[cfg(test)]
mod refusals;
#[cfg(test)]
mod reference;
