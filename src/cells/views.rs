//! What each rule of a pack is shown: the days that are judged, and as much of the past as it asks for.
//!
//! Promises: a rule that looks back for years costs the others nothing; live and when asked again it is shown the same.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::count::Units;
use super::moment::Moment;
use super::tables::Shown;

/// Rules that look back at most so many days share one view, the longest that one of them asks for: what one has counted
/// the next need not.
const SHARED_DAYS_MAX: i32 = 100;

/// One moment, shown to the rules of a pack.
pub struct Views {
    moment: Arc<Moment>,
    horizon_days: i32,
    tick: i64,
    /// The longest past that is shared.
    shared_days: i32,
    /// By days of history: everything, and what is narrowed to `units`.
    shown: BTreeMap<(i32, bool), Arc<Shown>>,
    units: Option<Arc<Units>>,
}

impl Views {
    /// `histories` are the days that the rules ask for; `units` what a narrowed view shows.
    pub fn new(
        moment: Arc<Moment>,
        horizon_days: i32,
        histories: impl Iterator<Item = i32>,
        tick: i64,
        units: Option<Arc<Units>>,
    ) -> Self {
        let shared_days = histories.filter(|days| *days <= SHARED_DAYS_MAX).max().unwrap_or(0);
        Self { moment, horizon_days, tick, shared_days, shown: BTreeMap::new(), units }
    }

    /// What a rule that looks back `history_days` sees, of every unit or of the narrowed ones.
    pub fn of(&mut self, history_days: i32, is_narrowed: bool) -> Arc<Shown> {
        let days = if history_days <= SHARED_DAYS_MAX { self.shared_days } else { history_days };
        if let Some(shown) = self.shown.get(&(days, is_narrowed)) {
            return shown.clone();
        }
        let whole = || Shown::to_rules(self.moment.clone(), self.horizon_days, days, self.tick);
        let shown = match self.units.clone().filter(|_| is_narrowed) {
            None => whole(),
            Some(units) => self.of(history_days, false).narrowed(units),
        };
        self.shown.insert((days, is_narrowed), shown.clone());
        shown
    }
}
