//! The city's rhythm: open days of schools, the weight of weekdays and holidays, the hours at which people come.
//!
//! Promises: `calendar_rows` and `school_open` say the same thing.

use chrono::{Datelike, NaiveDate};

use super::chance::Chance;
use crate::terms::{Day, MICROS_PER_SECOND};

/// Lunar New Year's Day of the years that a run may meet.
const SPRING_FESTIVALS: [(i32, u32, u32); 12] = [
    (2019, 2, 5),
    (2020, 1, 25),
    (2021, 2, 12),
    (2022, 2, 1),
    (2023, 1, 22),
    (2024, 2, 10),
    (2025, 1, 29),
    (2026, 2, 17),
    (2027, 2, 6),
    (2028, 1, 26),
    (2029, 2, 13),
    (2030, 2, 3),
];

/// Why a stretch of days is closed for schools.
struct Closure {
    from: Day,
    to: Day,
    zh: &'static str,
    en: &'static str,
    /// Clinics and pharmacies feel it too.
    public: bool,
}

/// The closures around a run.
pub struct Calendar {
    closures: Vec<Closure>,
}

fn day(year: i32, month: u32, of_month: u32) -> Day {
    Day::of_date(NaiveDate::from_ymd_opt(year, month, of_month).unwrap_or_default())
}

impl Calendar {
    /// The school year and public holidays of every year that touches `start` … `start + days`.
    pub fn around(start: Day, days: u32) -> Self {
        let mut closures = vec![];
        for year in start.plus(-60).date().year()..=start.plus(days as i32 + 60).date().year() {
            let mut close = |from, to, zh, en, public| closures.push(Closure { from, to, zh, en, public });
            close(day(year, 1, 1), day(year, 1, 3), "元旦", "New Year", true);
            close(day(year, 5, 1), day(year, 5, 5), "劳动节", "Labour Day", true);
            close(day(year, 7, 5), day(year, 8, 31), "暑假", "summer vacation", false);
            close(day(year, 10, 1), day(year, 10, 7), "国庆节", "National Day", true);
            if let Some((_, month, of_month)) = SPRING_FESTIVALS.into_iter().find(|(of, _, _)| *of == year) {
                let festival = day(year, month, of_month);
                close(festival.plus(-13), festival.plus(14), "寒假", "winter vacation", false);
                close(festival.plus(-1), festival.plus(5), "春节", "Spring Festival", true);
            }
        }
        Self { closures }
    }

    pub fn school_open(&self, day: Day) -> bool {
        day.weekday() <= 5 && !self.closures.iter().any(|closure| closure.from <= day && day <= closure.to)
    }

    fn public_holiday(&self, day: Day) -> bool {
        self.closures.iter().any(|closure| closure.public && closure.from <= day && day <= closure.to)
    }

    /// Rows of `calendars.csv`: calendar_id, date_from, date_to, weekdays, state, names.
    pub fn rows(&self) -> Vec<String> {
        let (Some(first), Some(last)) =
            (self.closures.iter().map(|c| c.from).min(), self.closures.iter().map(|c| c.to).max())
        else {
            return vec![];
        };
        let (first, last) = (first.date().year(), last.date().year());
        let year = format!("{first}-01-01,{last}-12-31");
        let mut rows = vec![
            format!("always,{year},1234567,open,每日,every day"),
            format!("school_terms,{year},12345,open,上课日,school days"),
            format!("school_terms,{year},67,closed,周末,weekend"),
        ];
        rows.extend(
            self.closures.iter().map(|c| format!("school_terms,{},{},1234567,closed,{},{}", c.from, c.to, c.zh, c.en)),
        );
        rows
    }

    /// How many come to a fever clinic, as a share of the mean: Mondays fill it, holidays thin it.
    pub fn clinic_weight(&self, day: Day) -> f64 {
        let weekday = [1.12, 1.03, 1.0, 0.98, 1.0, 0.95, 0.92];
        holiday_weight(self.public_holiday(day), 0.8) * of_weekday(weekday, day)
    }

    pub fn pharmacy_weight(&self, day: Day) -> f64 {
        let weekday = [0.98, 0.97, 0.97, 0.98, 1.02, 1.06, 1.02];
        holiday_weight(self.public_holiday(day), 0.85) * of_weekday(weekday, day)
    }

    pub fn port_weight(&self, day: Day) -> f64 {
        of_weekday([0.95, 0.95, 0.97, 1.0, 1.08, 1.06, 0.99], day)
    }

    /// More pupils are missing on Mondays.
    pub fn school_weight(&self, day: Day) -> f64 {
        of_weekday([1.1, 1.0, 0.98, 0.97, 0.95, 0.0, 0.0], day)
    }
}

fn of_weekday(weights: [f64; 7], day: Day) -> f64 {
    weights.get(day.weekday() as usize - 1).copied().unwrap_or(1.0)
}

fn holiday_weight(holiday: bool, weight: f64) -> f64 {
    if holiday { weight } else { 1.0 }
}

/// An instant of `day` between two local minutes.
pub fn moment(chance: &mut Chance, day: Day, from_minute: i64, to_minute: i64) -> i64 {
    day.start_micros() + chance.between(from_minute * 60, to_minute * 60) * MICROS_PER_SECOND
}

/// An instant of opening hours with a morning and an evening peak.
pub fn busy_moment(chance: &mut Chance, day: Day) -> i64 {
    match chance.below(10) {
        0..=3 => moment(chance, day, 8 * 60, 11 * 60),
        4..=6 => moment(chance, day, 11 * 60, 17 * 60),
        _ => moment(chance, day, 17 * 60, 20 * 60 + 40),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schools_close_at_weekends_and_for_the_winter() {
        let start = Day::parse("2021-01-04").unwrap();
        let calendar = Calendar::around(start, 60);
        let open: Vec<bool> = (0..60).map(|n| calendar.school_open(start.plus(n))).collect();
        assert_eq!(open[..7], [true, true, true, true, true, false, false]);
        assert!(calendar.school_open(Day::parse("2021-01-29").unwrap()));
        assert!(!calendar.school_open(Day::parse("2021-02-15").unwrap()));
        assert!(calendar.school_open(Day::parse("2021-03-01").unwrap()));
        assert!(calendar.rows().iter().any(|row| row.starts_with("school_terms,2021-02-11,2021-02-17,1234567,closed")));
    }
}
