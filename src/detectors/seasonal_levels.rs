//! Which past periods enter a fit of Farrington flexible, and the seasonal level of each (Noufaily et al. 2013).
//!
//! Promises: the blocks of R's `farringtonFlexible`, also where a year is too short for them: a run without a period
//! then takes the two round its place.
//! Never: answers where one of the reference periods is not in the series.

use super::history::{Calendar, History, nearest_weekday, years_before};

/// How a year is cut.
#[derive(Clone, Copy, Debug)]
pub struct Cut {
    /// Years to look back.
    pub b: usize,
    /// Half width of the window around each reference period.
    pub w: usize,
    /// Levels a year, the last for the windows; 1 = windows alone.
    pub no_periods: usize,
    /// Periods before the present one that are left out.
    pub past: usize,
}

/// Levels of the periods from the first reference window to the present one.
#[derive(Clone, Debug, Default)]
pub struct SeasonalLevels {
    /// The present period and those `b` years back, most recent first.
    references: Vec<i64>,
    /// 0 = not used.
    levels: Vec<u16>,
    first_used: usize,
}

impl SeasonalLevels {
    /// Lays the levels for the 0-based period `at`. `None` where a reference period does not exist, or the gap between
    /// two windows is too short for the levels.
    pub fn lay(&mut self, history: &History, at: usize, cut: Cut) -> Option<()> {
        self.find_references(history, at, cut.b)?;
        let base = self.references.last()? - cut.w as i64;
        if base < 0 {
            return None;
        }
        self.levels.clear();
        self.levels.resize((at as i64 - base) as usize + 1, 0);
        let (now, w) = (at as i64 - base, cut.w as i64);
        self.assign(now - w, now, cut.no_periods);
        for year in 1..self.references.len() {
            let (later, reference) = (self.references[year - 1] - base, self.references[year] - base);
            self.assign(reference - w, reference + w, cut.no_periods);
            if cut.no_periods > 1 {
                self.cut_gap(reference + w + 1, later - w, cut)?;
            }
        }
        self.assign(now - cut.past as i64, now, 0);
        self.first_used = base as usize + self.levels.iter().position(|&level| level > 0)?;
        Some(())
    }

    /// 0-based index of the first period used.
    pub fn first_used(&self) -> usize {
        self.first_used
    }

    /// Periods used, oldest first, with their level from 0.
    pub fn used(&self, at: usize) -> impl Iterator<Item = (usize, usize)> {
        let base = at + 1 - self.levels.len();
        let levels = self.levels.iter().enumerate();
        levels.filter(|(_, level)| **level > 0).map(move |(place, &level)| (base + place, usize::from(level) - 1))
    }

    /// Whether the 0-based period `index` enters the fit of the period `at`, for which the levels were laid.
    pub fn uses(&self, at: usize, index: usize) -> bool {
        let place = (index + self.levels.len()).checked_sub(at + 1);
        place.and_then(|place| self.levels.get(place)).is_some_and(|&level| level > 0)
    }

    fn find_references(&mut self, history: &History, at: usize, years: usize) -> Option<()> {
        self.references.clear();
        self.references.push(at as i64);
        for year in 1..=years {
            let reference = match history.dates {
                None => at.checked_sub(history.freq * year)?,
                Some(dates) => {
                    let today = i64::from(*dates.get(at)?);
                    history.index_of(same_period(today, year as i64, history.freq))?
                }
            };
            self.references.push(reference as i64);
        }
        self.references.windows(2).all(|pair| pair[0] > pair[1]).then_some(())
    }

    /// Cuts `from` … `to` − 1 into runs for the levels but the last; the first runs are one longer.
    fn cut_gap(&mut self, from: i64, to: i64, cut: Cut) -> Option<()> {
        let (gap, runs) = (to - from, cut.no_periods as i64 - 1);
        if gap < cut.no_periods as i64 - (2 * cut.w as i64 + 1) {
            return None;
        }
        let (length, longer) = (gap.div_euclid(runs), gap.rem_euclid(runs));
        let mut from = from;
        for run in 0..runs {
            let next = from + length + i64::from(run < longer);
            self.assign(from, next - 1, run as usize + 1);
            from = next;
        }
        Some(())
    }

    /// As R's `from:to`, which runs backwards where a run has no period.
    fn assign(&mut self, from: i64, to: i64, level: usize) {
        for place in from.min(to)..=from.max(to) {
            if let Some(found) = usize::try_from(place).ok().and_then(|place| self.levels.get_mut(place)) {
                *found = level as u16;
            }
        }
    }
}

/// The day `years` before; of weeks the one on the same weekday that is nearest.
fn same_period(today: i64, years: i64, freq: usize) -> i64 {
    let day = years_before(today, years);
    if Calendar::of(freq) == Some(Calendar::Weeks) { nearest_weekday(day, today) } else { day }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn levels(length: usize, at: usize, cut: Cut, freq: usize) -> Option<Vec<(usize, usize)>> {
        let observed = vec![1.0; length];
        let mut levels = SeasonalLevels::default();
        levels.lay(&History::of(&observed, freq), at, cut)?;
        Some(levels.used(at).collect())
    }

    #[test]
    fn windows_alone_are_one_level() {
        let cut = Cut { b: 2, w: 3, no_periods: 1, past: 3 };
        let used = levels(200, 150, cut, 52).unwrap();
        let indices: Vec<usize> = used.iter().map(|pair| pair.0).collect();
        assert_eq!(indices, [(43..=49).collect::<Vec<_>>(), (95..=101).collect()].concat());
        assert!(used.iter().all(|pair| pair.1 == 0));
    }

    #[test]
    fn ten_periods_fill_the_year_without_the_last_half() {
        let cut = Cut { b: 1, w: 3, no_periods: 10, past: 26 };
        let used = levels(200, 150, cut, 52).unwrap();
        assert_eq!(used.first(), Some(&(95, 9)));
        assert_eq!(used.last().map(|pair| pair.0), Some(123));
        // 45 weeks in nine runs of five.
        assert_eq!(used[7..12].iter().map(|pair| pair.1).collect::<Vec<_>>(), [0; 5]);
        assert_eq!(used[12].1, 1);
    }

    #[test]
    fn a_history_too_short_has_no_levels() {
        let cut = Cut { b: 2, w: 3, no_periods: 1, past: 3 };
        assert!(levels(200, 106, cut, 52).is_none());
        assert!(levels(200, 107, cut, 52).is_some());
        assert!(levels(200, 107, Cut { no_periods: 52, ..cut }, 52).is_some());
        assert!(levels(200, 150, Cut { no_periods: 366, ..cut }, 52).is_none());
    }
}
