//! Days, written as people write them: `2001/11/3`, `2001-11-03`, a month or only a year.

use std::fmt;

use crate::detectors::calendar::{civil, days_from_civil, days_in};

/// Days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Day(pub i64);

/// How exactly a date was written, which is also the length of an interval.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Unit {
    Year,
    Month,
    Day,
}

impl Unit {
    /// Mean length in days.
    pub fn days(self) -> f64 {
        match self {
            Self::Year => 365.25,
            Self::Month => 365.25 / 12.0,
            Self::Day => 1.0,
        }
    }

    pub fn word(self) -> &'static str {
        match self {
            Self::Year => "year",
            Self::Month => "month",
            Self::Day => "day",
        }
    }
}

/// A date as written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    pub year: i64,
    /// 1 where only a year was written.
    pub month: i64,
    /// 1 where no day was written.
    pub day: i64,
    pub unit: Unit,
}

impl Written {
    /// Reads year, month and day with `/`, `-` or `.` between them, lesser parts missing or not.
    pub fn parse(text: &str) -> Result<Self, String> {
        let wrong = || format!("date {text:?}: write 2001/11/3, 2001-11-03, 2001-11 or 2001");
        let parts: Option<Vec<i64>> =
            text.trim().split(['/', '-', '.']).map(|part| part.trim().parse().ok().filter(|&n| n >= 0)).collect();
        let parts = parts.ok_or_else(wrong)?;
        let (year, month, day, unit) = match parts[..] {
            [year] => (year, 1, 1, Unit::Year),
            [year, month] => (year, month, 1, Unit::Month),
            [year, month, day] => (year, month, day, Unit::Day),
            _ => return Err(wrong()),
        };
        if year > 9_999 || !(1..=12).contains(&month) || day < 1 || day > days_in(year, month) {
            return Err(wrong());
        }
        Ok(Self { year, month, day, unit })
    }

    /// The first day it can mean.
    pub fn first(self) -> Day {
        Day::new(self.year, self.month, self.day)
    }

    /// The last day it can mean.
    pub fn last(self) -> Day {
        match self.unit {
            Unit::Year => Day::new(self.year, 12, 31),
            Unit::Month => Day::new(self.year, self.month, days_in(self.year, self.month)),
            Unit::Day => self.first(),
        }
    }

    /// A year of two digits is one of the century of `near`, as SaTScan reads it.
    pub fn in_century_of(mut self, near: Day) -> Self {
        if self.year < 100 {
            self.year += near.parts().0.div_euclid(100) * 100;
        }
        self
    }
}

impl Day {
    pub fn new(year: i64, month: i64, day: i64) -> Self {
        Self(days_from_civil(year, month, day))
    }

    /// Year, month, day.
    pub fn parts(self) -> (i64, i64, i64) {
        civil(self.0)
    }

    /// `count` units later; the last day of a shorter month.
    fn later(self, count: i64, unit: Unit) -> Self {
        let (year, month, day) = self.parts();
        let months = match unit {
            Unit::Day => return Self(self.0 + count),
            Unit::Month => month - 1 + count,
            Unit::Year => month - 1 + 12 * count,
        };
        let (year, month) = (year + months.div_euclid(12), months.rem_euclid(12) + 1);
        Self::new(year, month, day.min(days_in(year, month)))
    }
}

impl fmt::Display for Day {
    /// As SaTScan writes it: `2021/2/10`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (year, month, day) = self.parts();
        write!(f, "{year}/{month}/{day}")
    }
}

/// First days of the intervals from `first` to `last`, and the day after the last one.
pub fn intervals(first: Day, last: Day, unit: Unit) -> Vec<Day> {
    let end = Day(last.0 + 1);
    let inside = (0..).map(|count| first.later(count, unit)).take_while(|day| *day < end);
    inside.chain(std::iter::once(end)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_read_in_every_form() {
        let day = |text| Written::parse(text).map(Written::first);
        assert_eq!(day("2001/11/3"), day("2001-11-03"));
        assert_eq!(day("1970-1-1"), Ok(Day(0)));
        assert_eq!(Written::parse("1991").unwrap().last().to_string(), "1991/12/31");
        assert_eq!(Written::parse("2020-02").unwrap().last().to_string(), "2020/2/29");
        assert_eq!(Written::parse("73").unwrap().in_century_of(Day(0)).year, 1973);
        for wrong in ["", "x", "2001-13-1", "2001-2-29", "2001-1-1-1", "-5", "2001//1"] {
            assert!(day(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn intervals_follow_the_calendar() {
        let years = intervals(Day::new(1973, 1, 1), Day::new(1991, 12, 31), Unit::Year);
        assert_eq!(years.len(), 20);
        assert_eq!(years[19], Day::new(1992, 1, 1));
        assert_eq!(intervals(Day::new(2020, 1, 31), Day::new(2020, 3, 1), Unit::Month).len(), 3);
    }
}
