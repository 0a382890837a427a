//! Times and dates: what is read is what was written, and what does not exist is not read.

use qianshao::consume::values::{day_of_text, instant_of_text};
use qianshao::terms::{Day, local_text, parse_instant};

/// 1900-01-01 and 2101-01-01 in days since 1970, by plain counting.
const DAYS: std::ops::Range<i64> = -25_567..47_847;

/// Whatever a text is, reading it gives nothing or a moment that can be written and read again.
pub fn holds(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Some(micros) = instant_of_text(&text) {
        let days = micros.div_euclid(86_400_000_000);
        // A day more at each end: the offset of the writer decides the year.
        assert!((DAYS.start - 1..DAYS.end + 1).contains(&days), "{text}: {days}");
        assert_eq!(instant_of_text(&local_text(micros)), Some(micros), "{text}");
        assert_eq!(instant_of_text(&wide(&text)), Some(micros), "{text} in full-width digits");
    }
    if let Some(day) = day_of_text(&text) {
        assert!(DAYS.contains(&i64::from(day)), "{text}: {day}");
        assert_eq!(day_of_text(&Day(day).to_string()), Some(day), "{text}");
        assert_eq!(day_of_text(&wide(&text)), Some(day), "{text} in full-width digits");
    }
    let _ = (Day::parse(&text), parse_instant(&text));
}

/// A civil moment with its offset, read against counting the days one by one.
pub fn agrees(civil: [u32; 6], offset_minutes: i32) {
    let [year, month, day, hour, minute, second] = civil;
    let exists = (1..=12).contains(&month) && day >= 1 && day <= days_in(year, month) && hour < 24 && minute < 60;
    let wanted = (exists && second < 60 && (1900..=2100).contains(&year)).then(|| {
        let days = days_before(year, month) + i64::from(day) - 1;
        let seconds = i64::from(hour * 3600 + minute * 60 + second) - i64::from(offset_minutes) * 60;
        (days * 86_400 + seconds) * 1_000_000
    });
    let date = format!("{year:04}-{month:02}-{day:02}");
    let (sign, ahead) = (if offset_minutes < 0 { '-' } else { '+' }, offset_minutes.unsigned_abs());
    let text = format!("{date}T{hour:02}:{minute:02}:{second:02}{sign}{:02}:{:02}", ahead / 60, ahead % 60);
    // A leap second may be read or not; nobody sends one.
    if second != 60 {
        assert_eq!(instant_of_text(&text), wanted, "{text}");
    }
    let day_wanted = wanted.filter(|_| hour == 0 && minute == 0 && second == 0 && offset_minutes == 0);
    if let Some(micros) = day_wanted {
        assert_eq!(day_of_text(&date).map(i64::from), Some(micros / 86_400_000_000), "{date}");
        assert_eq!(day_of_text(&date.replace('-', "")), day_of_text(&date), "{date}");
    } else if !exists && hour < 24 && minute < 60 {
        assert_eq!(day_of_text(&date), None, "{date}");
    }
}

fn is_leap(year: u32) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

fn days_in(year: u32, month: u32) -> u32 {
    match month {
        2 => 28 + u32::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_before(year: u32, month: u32) -> i64 {
    let years = |from: u32, to: u32| (from..to).map(|year| 365 + i64::from(is_leap(year))).sum::<i64>();
    let whole = if year >= 1970 { years(1970, year) } else { -years(year, 1970) };
    whole + (1..month).map(|month| i64::from(days_in(year, month))).sum::<i64>()
}

fn wide(text: &str) -> String {
    text.chars().map(|c| c.to_digit(10).and_then(|d| char::from_u32(0xFF10 + d)).unwrap_or(c)).collect()
}
