//! Registers, without the log that keeps them.

#[path = "../../src/delta/edition.rs"]
pub mod edition;
#[path = "../../src/delta/registers.rs"]
pub mod registers;
