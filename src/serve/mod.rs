//! What people and tools read: SQL over the log, as of now or as of then, by PostgreSQL's wire or in files.
//!
//! Promises: an answer shows one moment; nothing that is asked here changes anything.
//! Never: is reachable from another machine, or knows a feed, a signal or a rule by name.

pub mod documentation;
pub mod edition;
pub mod findings;
pub mod history;
pub mod listing;
pub mod output;
pub mod pg;
pub mod recount;
pub mod settings;
pub mod snapshots;
pub mod statements;
pub mod tables;
#[cfg(test)]
mod testing;
pub mod why;
pub mod why_facts;
pub mod why_function;
pub mod why_inputs;
pub mod yielding;
