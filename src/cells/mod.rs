//! What counts: the current state of every record, recounted into cells and expected reports.
//!
//! Promises: the state of a record is all rows of its winning message, whatever the order in which messages came;
//! a cell is recomputed from records and registers, never closed; silence is null, not zero.
//! Never: stores anything. Everything here can be rebuilt from `signals` and `reference`.

mod distinct;
pub mod names;
pub mod meanings;
mod columns;
pub mod pages;
mod keys;
pub mod rows;
mod worth;
pub mod reporters;
pub mod records;
pub mod reports;
pub mod places;
pub mod count;
pub mod filters;
mod builders;
pub mod tables;
pub mod views;
pub mod moment;
pub mod session;

#[cfg(test)]
mod records_tests;
