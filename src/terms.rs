//! The words every part shares: times, days, positions, severities.
//!
//! Promises: a time says which clock it is from; a day is a local date at +08:00, without daylight saving.
//! Never: reads a clock.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, Datelike, FixedOffset, NaiveDate, TimeZone, Utc};
use serde::{Deserialize, Serialize};

/// Microseconds in a second, the unit of every stored time.
pub const MICROS_PER_SECOND: i64 = 1_000_000;
/// Microseconds in a day.
pub const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;
/// China has one civil time, UTC+8, and no daylight saving since 1991.
pub const LOCAL_OFFSET_SECONDS: i32 = 8 * 3_600;

macro_rules! instant {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub i64);

        impl $name {
            /// Microseconds since 1970-01-01T00:00:00Z.
            pub const fn micros(self) -> i64 {
                self.0
            }

            /// The local date at +08:00.
            pub const fn day(self) -> Day {
                Day::of_micros(self.0)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&local_text(self.0))
            }
        }
    };
}

instant!(
    /// When it happened (onset, visit, sale, check).
    EventTime
);
instant!(
    /// When they told us, by the sender's word.
    ReportedAt
);
instant!(
    /// When we committed it. Strictly increasing along the log.
    KnownAt
);
instant!(
    /// The logical moment at which rules are evaluated; `now()` inside a rule.
    Tick
);

/// A local calendar date at +08:00, as days since 1970-01-01.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Day(pub i32);

impl Day {
    /// The local date of an instant.
    pub const fn of_micros(micros: i64) -> Self {
        let local = micros + LOCAL_OFFSET_SECONDS as i64 * MICROS_PER_SECOND;
        Self(local.div_euclid(MICROS_PER_DAY) as i32)
    }

    /// Reads `YYYY-MM-DD`, every digit of it.
    pub fn parse(text: &str) -> Option<Self> {
        // chrono also takes signs, blanks and years of any length.
        let is_plain = |(at, byte): (usize, u8)| if matches!(at, 4 | 7) { byte == b'-' } else { byte.is_ascii_digit() };
        if text.len() != 10 || !text.bytes().enumerate().all(is_plain) {
            return None;
        }
        let date = NaiveDate::parse_from_str(text, "%Y-%m-%d").ok()?;
        Some(Self::of_date(date))
    }

    /// The day of a civil date.
    pub fn of_date(date: NaiveDate) -> Self {
        // 719,163 is the day number of 1970-01-01 in the proleptic Gregorian calendar.
        Self(date.num_days_from_ce() - 719_163)
    }

    /// The instant at which the local day begins, microseconds UTC.
    pub const fn start_micros(self) -> i64 {
        self.0 as i64 * MICROS_PER_DAY - LOCAL_OFFSET_SECONDS as i64 * MICROS_PER_SECOND
    }

    /// The instant of a local wall-clock minute of this day, microseconds UTC.
    pub const fn at_minute(self, minute: i64) -> i64 {
        self.start_micros() + minute * 60 * MICROS_PER_SECOND
    }

    /// `n` days later; negative for earlier.
    pub const fn plus(self, n: i32) -> Self {
        Self(self.0 + n)
    }

    /// The civil date, or the first of 1970 beyond chrono's range.
    pub fn date(self) -> NaiveDate {
        NaiveDate::from_num_days_from_ce_opt(self.0.saturating_add(719_163)).unwrap_or_default()
    }

    /// 1 = Monday … 7 = Sunday.
    pub fn weekday(self) -> u32 {
        self.date().weekday().number_from_monday()
    }
}

impl fmt::Display for Day {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.date().format("%Y-%m-%d"))
    }
}

/// `2021-01-18T18:00:00+08:00`, with microseconds only where there are some.
pub fn local_text(micros: i64) -> String {
    let Some(offset) = FixedOffset::east_opt(LOCAL_OFFSET_SECONDS) else { return micros.to_string() };
    match DateTime::<Utc>::from_timestamp_micros(micros) {
        Some(at) if micros.rem_euclid(MICROS_PER_SECOND) == 0 => {
            at.with_timezone(&offset).format("%Y-%m-%dT%H:%M:%S%:z").to_string()
        }
        Some(at) => at.with_timezone(&offset).format("%Y-%m-%dT%H:%M:%S%.6f%:z").to_string(),
        None => micros.to_string(),
    }
}

/// Reads RFC 3339 with its offset, or `YYYY-MM-DD[ T]HH:MM[:SS[.f]]` as local time, or a date as its first instant.
pub fn parse_instant(text: &str) -> Option<i64> {
    let text = text.trim();
    if let Ok(at) = DateTime::parse_from_rfc3339(text) {
        return Some(at.timestamp_micros());
    }
    if let Some(day) = Day::parse(text) {
        return Some(day.start_micros());
    }
    // RFC 3339 asks for seconds; people on duty leave them out.
    if let Ok(at) = DateTime::parse_from_str(text, "%Y-%m-%dT%H:%M%:z") {
        return Some(at.timestamp_micros());
    }
    let offset = FixedOffset::east_opt(LOCAL_OFFSET_SECONDS)?;
    ["%Y-%m-%dT%H:%M:%S%.f", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M"]
        .iter()
        .find_map(|shape| chrono::NaiveDateTime::parse_from_str(text, shape).ok())
        .and_then(|naive| offset.from_local_datetime(&naive).single())
        .map(|at| at.timestamp_micros())
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len() * 2);
    push_hex(bytes, &mut text);
    text
}

/// Appends lower-case hexadecimal digits, for whoever reuses a buffer.
pub fn push_hex(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for byte in bytes {
        out.push(DIGITS[usize::from(byte >> 4)] as char);
        out.push(DIGITS[usize::from(byte & 15)] as char);
    }
}

/// Where a message stands in Kafka: the coordinates that identify it for ever.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    pub topic: Arc<str>,
    pub partition: i32,
    pub offset: i64,
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "topic {}, partition {}, offset {}", self.topic, self.partition, self.offset)
    }
}

/// How urgent, red first; the four levels of the 2025 early-warning rule.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    Red,
    Orange,
    Yellow,
    Blue,
}

impl Severity {
    pub const ALL: [Self; 4] = [Self::Red, Self::Orange, Self::Yellow, Self::Blue];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Red => "red",
            Self::Orange => "orange",
            Self::Yellow => "yellow",
            Self::Blue => "blue",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|severity| severity.word() == text)
    }
}

/// What a message does to its record.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Operation {
    Report,
    Correct,
    Retract,
    Zero,
}

impl Operation {
    pub const ALL: [Self; 4] = [Self::Report, Self::Correct, Self::Retract, Self::Zero];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Report => "report",
            Self::Correct => "correct",
            Self::Retract => "retract",
            Self::Zero => "zero",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|operation| operation.word() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_day_begins_at_midnight_of_china() {
        let micros = parse_instant("2021-01-18T00:00:00+08:00").unwrap();
        assert_eq!(Day::of_micros(micros).to_string(), "2021-01-18");
        assert_eq!(Day::of_micros(micros - 1).to_string(), "2021-01-17");
        assert_eq!(Day::parse("2021-01-18").unwrap().start_micros(), micros);
        assert_eq!(Day::parse("2021-01-18").unwrap().weekday(), 1);
    }

    #[test]
    fn a_day_is_four_two_and_two_digits_and_nothing_else() {
        for text in ["-2006-01-01", "+2021-01-18", "2021-1-18", "2021-01- 8", "12021-01-18", "2021-02-30", ""] {
            assert_eq!(Day::parse(text), None, "{text}");
        }
    }

    #[test]
    fn bytes_are_two_lower_case_digits_each() {
        assert_eq!(hex(&[0, 9, 10, 255]), "00090aff");
    }

    #[test]
    fn a_time_without_zone_is_local_time() {
        assert_eq!(parse_instant("2021-01-18 08:30:00"), parse_instant("2021-01-18T00:30:00Z"));
        assert_eq!(parse_instant("2021-01-18T18:00+08:00"), parse_instant("2021-01-18T10:00:00Z"));
        assert_eq!(local_text(parse_instant("2021-01-18T00:30:00Z").unwrap()), "2021-01-18T08:30:00+08:00");
    }
}
