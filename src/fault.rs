//! Named moments at which a test ends, fails, freezes or delays a run.
//!
//! Promises: in a release build a point does nothing and costs nothing; one with debug assertions obeys
//! `QIANSHAO_FAULT=point:hit:action` (several, parted by commas), and a test in the same process its `Crashes`.
//! The wall clock is wrong by as many seconds as the file that `QIANSHAO_CLOCK` names says, from one look to the next.
//! Never: decides anything. What a point answers is an error that the code around it had to expect anyway.
//!
//! ```text
//! abort   the process ends here, as if killed        stop    it freezes itself with SIGSTOP, until SIGCONT
//! error   the step fails                             sleep   two seconds pass
//! ```

#[cfg(debug_assertions)]
mod armed;

#[cfg(debug_assertions)]
pub use armed::{Crashes, Ended, arm_from_environment, clock_jump, reached, reached_on_thread};

/// Every point, in the order in which a message passes them.
pub const POINTS: [&str; 21] = [
    "source::assigned",
    "source::revoked",
    "consume::polled",
    "consume::decoded",
    "store::data_put_before",
    "store::data_put_after",
    "store::log_put_before",
    "store::log_put_after",
    "commit::quarantine_written",
    "commit::acknowledged",
    "store::checkpoint",
    "maintain::compacted",
    "detect::counted",
    "detect::evaluated",
    "detect::alerts_committed",
    "detect::tick_recorded",
    "publish::begun",
    "publish::sent",
    "publish::before_commit",
    "publish::after_commit",
    "publish::aborted",
];

/// A point in code that may wait.
#[cfg(not(debug_assertions))]
pub async fn reached(_point: &str) -> crate::problem::Result<()> {
    Ok(())
}

/// By how many microseconds the machine's clock is wrong.
#[cfg(not(debug_assertions))]
pub const fn clock_jump() -> i64 {
    0
}

/// A point on a thread of its own.
#[cfg(not(debug_assertions))]
pub fn reached_on_thread(_point: &str) -> crate::problem::Result<()> {
    Ok(())
}
