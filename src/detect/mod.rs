//! What changed is counted again and judged: rules are SQL files, their rows are findings, findings keep alerts standing.
//!
//! Promises: the same cells, rules and tick give the same alerts, live or in a backtest, in whatever order they come.
//! Never: reads a clock, or knows a rule, a feed or a signal by name; those are files.

pub mod folder;
pub mod header;
pub mod rule;
pub mod merge;
pub mod pack;
pub mod finding;
pub mod reconcile;
pub mod runs;
pub mod alert_rows;
pub mod evaluate;
pub mod changes;
pub mod judge;
pub mod tick;
pub mod preview;
pub mod backtest;
pub mod alone;
pub mod measured;
