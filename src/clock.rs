//! The only reader of the wall clock. Everything below `main` is handed a `Clock`.
//!
//! Promises: a manual clock moves only when told, and never backwards.

use std::sync::atomic::{AtomicI64, Ordering};

use crate::fault;

/// Where time comes from: the wall, or a test, a demo, a replay.
pub trait Clock: Send + Sync {
    /// Microseconds UTC.
    fn now(&self) -> i64;
}

/// The machine's clock.
pub struct WallClock;

impl Clock for WallClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now(&self) -> i64 {
        chrono::Utc::now().timestamp_micros() + fault::clock_jump()
    }
}

/// A clock that is told the time.
pub struct ManualClock(AtomicI64);

impl ManualClock {
    pub const fn new(micros: i64) -> Self {
        Self(AtomicI64::new(micros))
    }

    /// Moves forward to `micros`; an earlier time changes nothing.
    pub fn advance_to(&self, micros: i64) {
        self.0.fetch_max(micros, Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> i64 {
        self.0.load(Ordering::SeqCst)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manual_clock_never_goes_back() {
        let clock = ManualClock::new(10);
        clock.advance_to(5);
        assert_eq!(clock.now(), 10);
        clock.advance_to(12);
        assert_eq!(clock.now(), 12);
    }
}
