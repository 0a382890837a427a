//! Days as numbers since 1970-01-01 and instants as microseconds, at +08:00 without daylight saving.

use chrono::{Datelike, NaiveDate};

const DAY_MICROS: i64 = 86_400_000_000;
const HOUR_MICROS: i64 = 3_600_000_000;
/// Local time is eight hours ahead of UTC.
const AHEAD_MICROS: i64 = 8 * HOUR_MICROS;

fn epoch() -> NaiveDate {
    NaiveDate::default()
}

/// `2021-01-18` or `20210118` as a day.
pub fn day_of_text(text: &str) -> Option<i64> {
    let text = text.trim().get(..10).unwrap_or(text.trim());
    let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").or_else(|_| NaiveDate::parse_from_str(text, "%Y%m%d"));
    date.ok().map(|date| (date - epoch()).num_days())
}

/// A day as `2021-01-18`.
pub fn day_text(day: i64) -> String {
    let date = chrono::Duration::try_days(day).and_then(|days| epoch().checked_add_signed(days));
    date.map_or_else(|| day.to_string(), |date| date.to_string())
}

/// The local date of an instant.
pub fn local_day(micros: i64) -> i64 {
    (micros + AHEAD_MICROS).div_euclid(DAY_MICROS)
}

/// The instant of `minutes` after local midnight of `day`.
pub fn instant(day: i64, minutes: i64) -> i64 {
    day * DAY_MICROS - AHEAD_MICROS + minutes * 60_000_000
}

/// Hours as microseconds.
pub fn hours(count: i64) -> i64 {
    count * HOUR_MICROS
}

/// 1 = Monday … 7 = Sunday.
pub fn weekday(day: i64) -> u32 {
    let date = chrono::Duration::try_days(day).and_then(|days| epoch().checked_add_signed(days));
    date.map_or(1, |date| date.weekday().number_from_monday())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_local_day_begins_at_sixteen_hours_utc() {
        let day = day_of_text("2021-01-18").unwrap();
        assert_eq!(day_text(day), "2021-01-18");
        assert_eq!(local_day(instant(day, 0)), day);
        assert_eq!(local_day(instant(day, 0) - 1), day - 1);
        assert_eq!(weekday(day), 1);
    }
}
