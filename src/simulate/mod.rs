//! The invented city, its ledger of truth, and the oracle that judges a run by it.

pub mod oracle;
