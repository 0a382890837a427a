//! The demo: the whole pipeline in one process, on a broker inside it, fed by the invented city.
//!
//! Promises: the ledger is written before anything is sent; the books balance or the demo says where they do not.
//! The embedded broker keeps about 5 MiB a partition and forgets the oldest silently, so the city waits for the consumer.

pub mod broker;
pub mod books;
pub mod counted;
pub mod once;
pub mod live;
pub mod sender;
pub mod summary;
pub mod trial;
