//! The one log: tables, commits with offsets, snapshots, repair, maintenance.
//!
//! Promises: rows and the Kafka offsets they came from are one commit; an acknowledged commit survives a power
//! cut; an unknown outcome is a value that is read back before anyone acts.
//! Never: retries blindly, half-writes, or decides what a row means.

pub mod tables;
pub mod log;
pub mod commit;
pub mod store;
pub mod files;
pub mod recent;
pub mod repair;
pub mod verify;
pub mod delta_log;
pub mod memory_log;
pub mod timed_log;
pub mod maintain;
pub mod edition;
pub mod reference;
pub mod registers;
pub mod csv_folder;
#[cfg(test)]
pub mod testing;
