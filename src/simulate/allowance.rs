//! How many statistical alarms a county's background may raise: chance makes some, the duty desk must not drown in them.
//!
//! Promises: two alerts of one channel in any seven days of a county, never two channels, never two neighbours.

use super::city::COUNTIES;

/// Alerts of one county in a week.
const WEEK_MAX: usize = 2;
const WEEK: usize = 7;

/// What the background has used up.
#[derive(Default)]
pub struct Allowance {
    /// By county: day and channel of each alarm.
    raised: [Vec<(usize, &'static str)>; COUNTIES],
}

impl Allowance {
    /// May this many alarms of a channel stand on this day?
    pub fn permits(&self, county: usize, day: usize, channel: &str, alarms: usize) -> bool {
        let mut recent = self.raised[county].iter().filter(|(past, _)| past + WEEK > day);
        let used = recent.clone().count();
        alarms == 0 || (used + alarms <= WEEK_MAX && recent.all(|(_, of)| *of == channel))
    }

    pub fn charge(&mut self, county: usize, day: usize, channel: &'static str, alarms: usize) {
        self.raised[county].extend((0..alarms).map(|_| (day, channel)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_week_holds_two_alarms_of_one_channel() {
        let mut allowance = Allowance::default();
        assert!(allowance.permits(0, 10, "clinic", 2) && !allowance.permits(0, 10, "clinic", 3));
        allowance.charge(0, 10, "clinic", 1);
        assert!(allowance.permits(0, 16, "clinic", 1) && !allowance.permits(0, 16, "clinic", 2));
        assert!(!allowance.permits(0, 16, "school", 1) && allowance.permits(0, 16, "school", 0));
        assert!(allowance.permits(0, 17, "school", 2) && allowance.permits(1, 10, "school", 2));
    }
}
