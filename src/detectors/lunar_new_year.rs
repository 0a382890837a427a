//! The Spring Festival moves by up to four weeks, so days around it are compared with days as far from it in other years.
//!
//! Promises: no answer for a day that is not near a New Year's Day, or for a year that the table does not have.

use super::calendar::{civil, days_from_civil};

/// Lunar New Year's Day, month and day, from 2000 on.
const NEW_YEARS: [(i64, i64); 41] = [
    (2, 5),
    (1, 24),
    (2, 12),
    (2, 1),
    (1, 22),
    (2, 9),
    (1, 29),
    (2, 18),
    (2, 7),
    (1, 26),
    (2, 14),
    (2, 3),
    (1, 23),
    (2, 10),
    (1, 31),
    (2, 19),
    (2, 8),
    (1, 28),
    (2, 16),
    (2, 5),
    (1, 25),
    (2, 12),
    (2, 1),
    (1, 22),
    (2, 10),
    (1, 29),
    (2, 17),
    (2, 6),
    (1, 26),
    (2, 13),
    (2, 3),
    (1, 23),
    (2, 11),
    (1, 31),
    (2, 19),
    (2, 8),
    (1, 28),
    (2, 15),
    (2, 4),
    (1, 24),
    (2, 12),
];
const FIRST_YEAR: i64 = 2000;

/// People begin to travel and to stock up.
const DAYS_BEFORE: i64 = 28;
/// Schools are open again, and the Lantern Festival is three weeks past.
const DAYS_AFTER: i64 = 35;

fn new_year(year: i64) -> Option<i64> {
    let place = usize::try_from(year - FIRST_YEAR).ok()?;
    NEW_YEARS.get(place).map(|(month, day)| days_from_civil(year, *month, *day))
}

/// The day `years` earlier that is as far from its New Year's Day as `day` is from this year's.
pub fn earlier(day: i32, years: usize) -> Option<i32> {
    let day = i64::from(day);
    // Four weeks before 21 January is in December.
    let (year, ..) = civil(day + DAYS_BEFORE);
    let off = day - new_year(year)?;
    let then = new_year(year - i64::try_from(years).ok()?)?;
    (-DAYS_BEFORE..=DAYS_AFTER).contains(&off).then(|| i32::try_from(then + off).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(year: i64, month: i64, day: i64) -> i32 {
        days_from_civil(year, month, day) as i32
    }

    #[test]
    fn days_keep_their_distance_from_the_festival() {
        assert_eq!(earlier(day(2021, 2, 12), 1), Some(day(2020, 1, 25)));
        assert_eq!(earlier(day(2021, 2, 10), 6), Some(day(2015, 2, 17)));
        assert_eq!(earlier(day(2023, 2, 26), 1), Some(day(2022, 3, 8)));
        assert_eq!(earlier(day(2022, 12, 28), 2), Some(day(2021, 1, 18)));
    }

    #[test]
    fn a_day_far_from_the_festival_or_a_year_outside_the_table_has_none() {
        assert_eq!(earlier(day(2021, 7, 1), 1), None);
        assert_eq!(earlier(day(2021, 3, 20), 1), None);
        assert_eq!(earlier(day(2001, 1, 24), 2), None);
        assert_eq!(earlier(day(1999, 2, 16), 1), None);
    }
}
