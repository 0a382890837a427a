//! A series with its calendar, and the reference periods of earlier years.
//!
//! Promises: years and months are counted as R's `seq.Date` counts them (29 February minus a year is 1 March).
//! Never: reads a clock; a day is a number since 1970-01-01.

use super::calendar::{civil, days_from_civil};

/// A series of counts, one value a period, oldest first.
#[derive(Clone, Copy, Debug)]
pub struct History<'a> {
    /// Counts; NaN where nothing is known.
    pub observed: &'a [f64],
    /// Periods a year: 52 weeks, 12 months, 365 days, or any other for a series without dates.
    pub freq: usize,
    /// People at risk, same length; needed only where a population offset is asked for.
    pub population: Option<&'a [f64]>,
    /// First day of each period, days since 1970-01-01, rising. With dates, earlier years are found by date
    /// instead of by index − `freq` (R: `epochAsDate`).
    pub dates: Option<&'a [i32]>,
}

impl<'a> History<'a> {
    /// A series without population and dates.
    pub fn of(observed: &'a [f64], freq: usize) -> Self {
        Self { observed, freq, population: None, dates: None }
    }

    /// Checks lengths and order. Fails in words.
    pub fn check(&self) -> Result<(), String> {
        if !(1..=366).contains(&self.freq) {
            return Err(format!("freq is {}: allowed are 1 to 366 periods a year", self.freq));
        }
        if let Some(population) = self.population
            && population.len() != self.observed.len()
        {
            let (found, wanted) = (population.len(), self.observed.len());
            return Err(format!("population has {found} values: allowed is one for each of the {wanted} counts"));
        }
        let Some(dates) = self.dates else { return Ok(()) };
        if dates.len() != self.observed.len() {
            let (found, wanted) = (dates.len(), self.observed.len());
            return Err(format!("dates has {found} values: allowed is one for each of the {wanted} counts"));
        }
        if Calendar::of(self.freq).is_none() {
            return Err(format!("freq is {}: allowed with dates are 12, 52 and 365", self.freq));
        }
        match dates.windows(2).find(|pair| pair[0] >= pair[1]) {
            Some(pair) => Err(format!("dates has {} after {}: allowed are rising days", pair[1], pair[0])),
            None => Ok(()),
        }
    }

    pub(crate) fn index_of(&self, day: i64) -> Option<usize> {
        let day = i32::try_from(day).ok()?;
        self.dates?.binary_search(&day).ok()
    }

    /// Σ of the last `periods` counts up to and with `at`; NaN if one is not known.
    pub(crate) fn recent(&self, at: usize, periods: usize) -> f64 {
        let from = (at + 1).saturating_sub(periods);
        self.observed.get(from..=at).map_or(f64::NAN, |counts| counts.iter().sum())
    }
}

/// The step of a dated series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Calendar {
    Weeks,
    Months,
    Days,
}

impl Calendar {
    pub fn of(freq: usize) -> Option<Self> {
        match freq {
            52 => Some(Self::Weeks),
            12 => Some(Self::Months),
            365 => Some(Self::Days),
            _ => None,
        }
    }

    /// `steps` weeks, months or days after `day`.
    pub fn shift(self, day: i64, steps: i64) -> i64 {
        match self {
            Self::Weeks => day + 7 * steps,
            Self::Days => day + steps,
            Self::Months => {
                let (year, month, day) = civil(day);
                let months = year * 12 + month - 1 + steps;
                days_from_civil(months.div_euclid(12), months.rem_euclid(12) + 1, day)
            }
        }
    }
}

/// Sunday = 0.
pub fn weekday(day: i64) -> i64 {
    (day + 4).rem_euclid(7)
}

/// The day nearest to `day` on the weekday of `like`.
pub fn nearest_weekday(day: i64, like: i64) -> i64 {
    let forward = (weekday(like) - weekday(day)).rem_euclid(7);
    if forward <= 3 { day + forward } else { day + forward - 7 }
}

/// Day of the month.
pub fn month_day(day: i64) -> i64 {
    civil(day).2
}

/// The same day `years` earlier; 29 February becomes 1 March where there is none.
pub fn years_before(day: i64, years: i64) -> i64 {
    let (year, month, day) = civil(day);
    days_from_civil(year - years, month, day)
}

/// Other counts of the periods of a history: the same series with an outbreak planted, for example.
#[derive(Clone, Copy, Debug, Default)]
pub struct OtherCounts<'a> {
    pub series: &'a [Vec<f64>],
    /// Whether a model is fitted again where one of its reference counts differs. Otherwise it stays the history's, and
    /// only the counts that it judges are the others.
    pub refit: bool,
}

/// One of them, and where it differs.
pub(crate) struct Other<'a> {
    observed: &'a [f64],
    places: Vec<usize>,
    refit: bool,
}

impl<'a> Other<'a> {
    /// Fails in words where a series is not as long as the history.
    pub fn of(history: &History, others: OtherCounts<'a>) -> Result<Vec<Self>, String> {
        others.series.iter().map(|observed| Self::one(history.observed, observed, others.refit)).collect()
    }

    fn one(base: &[f64], observed: &'a [f64], refit: bool) -> Result<Self, String> {
        if observed.len() != base.len() {
            return Err(format!("another series has {} counts: allowed are {}", observed.len(), base.len()));
        }
        let both = base.iter().zip(observed).enumerate();
        let differing = both.filter(|(_, (one, other))| one.to_bits() != other.to_bits());
        Ok(Self { observed, places: differing.map(|(index, _)| index).collect(), refit })
    }

    /// The history with these counts.
    pub fn history(&self, base: &History<'a>) -> History<'a> {
        History { observed: self.observed, ..*base }
    }

    /// Whether a model is another one that is fitted to the periods for which this is true.
    pub fn is_refitted(&self, uses: impl Fn(usize) -> bool) -> bool {
        self.refit && self.places.iter().any(|&index| uses(index))
    }

    /// Whether one of the `periods` up to `at` differs.
    pub fn differs(&self, at: usize, periods: usize) -> bool {
        self.places.iter().any(|&index| index <= at && index + periods.max(1) > at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leap_day_a_year_before_is_the_first_of_march() {
        assert_eq!(weekday(11_323), 1);
        let leap_day = days_from_civil(2012, 2, 29);
        assert_eq!(civil(years_before(leap_day, 1)), (2011, 3, 1));
        assert_eq!(civil(years_before(leap_day, 4)), (2008, 2, 29));
        assert_eq!(civil(Calendar::Months.shift(days_from_civil(2011, 1, 31), 1)), (2011, 3, 3));
        assert_eq!(civil(Calendar::Months.shift(days_from_civil(2011, 1, 1), -13)), (2009, 12, 1));
    }

    #[test]
    fn what_does_not_fit_is_said_in_words() {
        let observed = [1.0, 2.0];
        let said = |history: History| history.check().err().unwrap_or_default();
        assert!(said(History::of(&observed, 0)).contains("freq is 0"));
        let history = History { population: Some(&[1.0]), ..History::of(&observed, 52) };
        assert!(said(history).contains("population has 1"));
        let history = History { dates: Some(&[7, 0]), ..History::of(&observed, 52) };
        assert!(said(history).contains("rising"));
        let history = History { dates: Some(&[0, 7]), ..History::of(&observed, 13) };
        assert!(said(history).contains("12, 52 and 365"));
        assert_eq!(said(History { dates: Some(&[0, 7]), ..History::of(&observed, 52) }), "");
        assert!(History::of(&[], 52).recent(3, 4).is_nan());
    }
}
