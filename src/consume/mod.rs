//! ROLE consume: Kafka in. Bytes become signals, and are committed with the offsets they came from.

pub mod message;
pub mod source;
pub mod memory;
pub mod starts;
mod reading;
mod poller;
pub mod kafka;
