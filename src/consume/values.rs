//! What senders write for numbers, dates and times, and the little that is tolerated.
//!
//! Promises: tolerated are full-width digits, `yyyy-MM-dd HH:mm:ss` as local time, `yyyyMMdd`, and digits as text.
//! Never: guesses; what is not listed here is refused.

use std::borrow::Cow;

use chrono::{DateTime, Datelike, NaiveDate};

use crate::terms::{Day, LOCAL_OFFSET_SECONDS, MICROS_PER_SECOND};

use super::identifier::check_character;

/// Nobody alive was born earlier, and nothing here happens later.
const YEARS: std::ops::RangeInclusive<i32> = 1900..=2100;

/// Beyond this a double no longer counts in ones.
const EXACT_MAX: f64 = 9_007_199_254_740_992.0;

/// The half-width form of a full-width character or space.
pub fn half_width(c: char) -> char {
    match c {
        '\u{FF01}'..='\u{FF5E}' => char::from_u32(c as u32 - 0xFEE0).unwrap_or(c),
        '\u{3000}' => ' ',
        _ => c,
    }
}

/// The text with full-width digits made plain; borrowed where there are none.
pub fn plain_digits(text: &str) -> Cow<'_, str> {
    if text.is_ascii() || !text.contains(|c| matches!(c, '\u{FF10}'..='\u{FF19}')) {
        return Cow::Borrowed(text);
    }
    let plain = |c| if matches!(c, '\u{FF10}'..='\u{FF19}') { half_width(c) } else { c };
    Cow::Owned(text.chars().map(plain).collect())
}

/// A whole number written as text, of any size: a sign and digits, nothing else.
pub fn is_whole(text: &str) -> bool {
    let text = plain_digits(text);
    let digits = text.strip_prefix('-').unwrap_or(&text);
    !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())
}

/// The same, where 64 bits hold it.
pub fn integer_of_text(text: &str) -> Option<i64> {
    is_whole(text).then(|| plain_digits(text).parse().ok()).flatten()
}

/// A decimal number written as text: digits with at most one point.
pub fn number_of_text(text: &str) -> Option<f64> {
    let text = plain_digits(text);
    let digits = text.strip_prefix('-').unwrap_or(&text);
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, "0"));
    let plain = |part: &str| !part.is_empty() && part.bytes().all(|b| b.is_ascii_digit());
    if !plain(whole) || !plain(fraction) {
        return None;
    }
    text.parse().ok().filter(|number: &f64| number.is_finite())
}

/// `3.0` as a whole number.
pub fn integer_of_number(number: f64) -> Option<i64> {
    (number.fract() == 0.0 && number.abs() <= EXACT_MAX).then_some(number as i64)
}

/// A date as days since 1970: `2021-01-18` or `20210118`.
pub fn day_of_text(text: &str) -> Option<i32> {
    let text = plain_digits(text);
    let bytes = text.as_bytes();
    let (year, month, day) = match bytes.len() {
        10 if bytes[4] == b'-' && bytes[7] == b'-' => {
            (digits(&bytes[..4])?, digits(&bytes[5..7])?, digits(&bytes[8..])?)
        }
        8 => (digits(&bytes[..4])?, digits(&bytes[4..6])?, digits(&bytes[6..])?),
        _ => return None,
    };
    day_of(year, month, day)
}

/// An instant as microseconds UTC: RFC 3339, or date and time without zone as local time.
pub fn instant_of_text(text: &str) -> Option<i64> {
    let text = plain_digits(text);
    if let Some(micros) = common_instant(text.as_bytes()) {
        return Some(micros);
    }
    let at = DateTime::parse_from_rfc3339(&text).ok()?;
    YEARS.contains(&at.year()).then(|| at.timestamp_micros())
}

/// The three shapes that nearly all senders write: `…T08:30:00+08:00`, `…T08:30:00Z`, and `… 08:30:00` without zone.
fn common_instant(bytes: &[u8]) -> Option<i64> {
    let clock = bytes.get(..19)?;
    let parted = clock[4] == b'-' && clock[7] == b'-' && clock[13] == b':' && clock[16] == b':';
    let offset = match &bytes[19..] {
        b"" if matches!(clock[10], b' ' | b'T') => i64::from(LOCAL_OFFSET_SECONDS),
        b"Z" if clock[10] == b'T' => 0,
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2] if clock[10] == b'T' => {
            let (hours, minutes) = (digits(&[*h1, *h2])?, digits(&[*m1, *m2])?);
            let seconds = i64::from(hours * 3600 + minutes * 60);
            if hours > 23 || minutes > 59 {
                return None;
            }
            if *sign == b'-' { -seconds } else { seconds }
        }
        _ => return None,
    };
    let day = day_of(digits(&clock[..4])?, digits(&clock[5..7])?, digits(&clock[8..10])?)?;
    let (hour, minute, second) = (digits(&clock[11..13])?, digits(&clock[14..16])?, digits(&clock[17..])?);
    if !parted || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = i64::from(day) * 86_400 + i64::from(hour * 3600 + minute * 60 + second) - offset;
    Some(seconds * MICROS_PER_SECOND)
}

fn digits(bytes: &[u8]) -> Option<i32> {
    bytes.iter().try_fold(0, |number, b| b.is_ascii_digit().then(|| number * 10 + i32::from(b - b'0')))
}

fn day_of(year: i32, month: i32, day: i32) -> Option<i32> {
    civil_day(year, month, day).filter(|_| YEARS.contains(&year))
}

fn civil_day(year: i32, month: i32, day: i32) -> Option<i32> {
    let date = NaiveDate::from_ymd_opt(year, u32::try_from(month).ok()?, u32::try_from(day).ok()?)?;
    Some(Day::of_date(date).0)
}

/// Is this 18 characters with an existing birth date, not after `today`, and the right check character?
pub fn is_resident_number(text: &str, today: Day) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() != 18 || !bytes[..17].iter().all(u8::is_ascii_digit) {
        return false;
    }
    // The standard's own example was born in 1880.
    let part = |from: usize, to: usize| digits(&bytes[from..to]);
    let born = part(6, 10).zip(part(10, 12).zip(part(12, 14))).and_then(|(y, (m, d))| civil_day(y, m, d));
    born.is_some_and(|born| born <= today.0) && check_character(&bytes[..17]) == bytes[17] as char
}

/// Does a run of digits in the text look like a person's number, a mobile number or an 18-digit ID number, or the whole
/// of it like an ordinary passport? Part of an id may well: E20210104-3-2 is a class's event of a day.
pub fn holds_personal_number(text: &str, today: Day) -> bool {
    if is_passport(text) {
        return true;
    }
    if text.len() < 11 {
        return false;
    }
    let bytes = text.as_bytes();
    let mut start = 0;
    while let Some(skip) = bytes[start..].iter().position(u8::is_ascii_digit) {
        start += skip;
        let length = bytes[start..].iter().take_while(|b| b.is_ascii_digit()).count();
        let run = &text[start..start + length];
        let with_x = length == 17 && matches!(bytes.get(start + 17), Some(b'X' | b'x'));
        if is_mobile(run) || is_resident_number(run, today) || (with_x && is_resident_number(&format!("{run}X"), today))
        {
            return true;
        }
        start += length;
    }
    false
}

/// The same question for a number.
pub fn is_personal_number(number: i64, today: Day) -> bool {
    number >= 10_000_000_000 && holds_personal_number(&number.to_string(), today)
}

/// An ordinary passport of China: E or G with eight digits, or E, a letter and seven digits. A drug's licence number
/// (H, Z, S, B) looks like the other kinds, so those are not told apart.
fn is_passport(text: &str) -> bool {
    let bytes = text.as_bytes();
    if bytes.len() != 9 || !bytes[2..].iter().all(u8::is_ascii_digit) {
        return false;
    }
    match bytes[0].to_ascii_uppercase() {
        b'E' => bytes[1].is_ascii_alphanumeric(),
        b'G' => bytes[1].is_ascii_digit(),
        _ => false,
    }
}

fn is_mobile(run: &str) -> bool {
    let bytes = run.as_bytes();
    bytes.len() == 11 && bytes[0] == b'1' && (b'3'..=b'9').contains(&bytes[1])
}

/// Characters that hide or reorder what a person reads: controls, bidirectional marks, zero-width and byte order marks.
pub fn is_hidden(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{061C}' | '\u{200B}'..='\u{200F}' | '\u{2028}'..='\u{202E}' | '\u{2060}'..='\u{2069}' | '\u{FEFF}')
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::terms::parse_instant;

    #[test]
    fn times_are_read_in_every_tolerated_form() {
        let expected = parse_instant("2021-01-18T00:30:00Z");
        for text in [
            "2021-01-18T08:30:00+08:00",
            "2021-01-18T00:30:00Z",
            "2021-01-18 08:30:00",
            "2021-01-18T08:30:00.000+08:00",
            "２０２１-01-18 08:30:00",
            "2021-01-17T19:30:00-05:00",
        ] {
            assert_eq!(instant_of_text(text), expected, "{text}");
        }
    }

    #[test]
    fn times_that_do_not_exist_are_refused() {
        for text in [
            "2021-02-30T08:30:00+08:00",
            "0000-01-01T00:00:00Z",
            "9999-12-31T23:59:59Z",
            "2021-01-18T24:00:00+08:00",
            "2021-01-18T08:60:00Z",
            "2021-01-18T08:30:00+24:00",
            "2021-01-18",
            "2021-01-18T08:30",
            "1610929800",
            "",
            "９",
        ] {
            assert_eq!(instant_of_text(text), None, "{text}");
        }
    }

    #[test]
    fn dates_are_read_with_and_without_dashes() {
        assert_eq!(day_of_text("20210118"), day_of_text("2021-01-18"));
        assert_eq!(day_of_text("２０２１０１１８"), day_of_text("2021-01-18"));
        for text in ["2021-02-30", "00000000", "9999-01-01", "2021/01/18", "2021-1-18", "202101181"] {
            assert_eq!(day_of_text(text), None, "{text}");
        }
    }

    #[test]
    fn numbers_as_text_are_digits_and_nothing_else() {
        assert_eq!(integer_of_text("１２"), Some(12));
        assert_eq!(integer_of_text("-3"), Some(-3));
        for text in ["+3", "3.0", "1e3", "", "-", " 3", "９９９９９９９９９９９９９９９９９９９９"]
        {
            assert_eq!(integer_of_text(text), None, "{text}");
        }
        assert_eq!(number_of_text("37.5"), Some(37.5));
        assert_eq!(number_of_text("３８"), Some(38.0));
        for text in ["NaN", "inf", "1e400", ".5", "5.", "3,7"] {
            assert_eq!(number_of_text(text), None, "{text}");
        }
        assert_eq!(integer_of_number(3.0), Some(3));
        assert_eq!(integer_of_number(-0.0), Some(0));
        assert_eq!(integer_of_number(1e300), None);
    }

    #[test]
    fn a_person_s_number_is_seen_inside_a_code() {
        let today = Day::parse("2021-01-18").unwrap();
        for text in [
            "13900000000",
            "V-13900000000/1",
            "11010519491231002X",
            "id11010519491231002x",
            "E20210118",
            "EB1234567",
            "g12345678",
        ] {
            assert!(holds_personal_number(text, today), "{text}");
        }
        for text in [
            "20210118001",
            "113900000000",
            "110105194912310020",
            "F990101H01",
            "2021011800013900000000",
            "H20050036",
            "E990103Y01",
            "v/EB1234567",
        ] {
            assert!(!holds_personal_number(text, today), "{text}");
        }
        assert!(is_personal_number(13_900_000_000, today));
        assert!(!is_personal_number(20_210_118_001, today));
    }
}
