//! The threshold rules, counted over the truth: what must alarm in a school, and nothing else.
//!
//! Promises: a unit's runs of firing days, as the rule files state them: three in a day, five in three days (class and
//! dormitory), ten or thirty influenza-like illnesses of a school in seven days, unusual absence of a school.

use super::city::dormitory;
use super::levels::{ABSENT, FEVER, ILI, Levels, PUPIL_SIGNALS};

const DAY_PUPILS: u32 = 3;
const WINDOW_PUPILS: u32 = 5;
const ILI_WEEK: u32 = 10;
const ILI_WEEK_RED: u32 = 30;
const ABSENCE_PUPILS: u32 = 5;
const ABSENCE_SHARE: f64 = 0.05;
const ABSENCE_FACTOR: f64 = 3.0;
const ABSENCE_DAYS: usize = 14;
const ABSENCE_VALUES_MIN: usize = 5;
/// "other" names no similar symptom.
const SIMILAR: std::ops::Range<usize> = FEVER..PUPIL_SIGNALS.len() - 1;

/// One rule's run of firing days at one unit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Firing {
    pub rule: &'static str,
    pub unit_id: String,
    pub county: usize,
    pub signal: &'static str,
    pub class: usize,
    pub onset: usize,
    pub until: usize,
}

/// Everything that fires in the whole run.
pub fn firings(levels: &Levels) -> Vec<Firing> {
    let days = levels.open.len();
    let mut found = vec![];
    for class in 0..levels.city.classes.len() {
        for signal in SIMILAR {
            let at = |day: usize| u32::from(levels.classes[day][class][signal]);
            let one = (0..days).map(|day| at(day) >= DAY_PUPILS);
            let three =
                (0..days).map(|day| at(day) > 0 && (day.saturating_sub(2)..=day).map(at).sum::<u32>() >= WINDOW_PUPILS);
            push_runs(levels, &mut found, ("school_class_1d3", 1), class, signal, one);
            push_runs(levels, &mut found, ("school_class_3d5", 2), class, signal, three);
        }
    }
    for school in &levels.city.schools {
        let class = school.classes.start;
        let ili = |least: u32| {
            (0..days).map(move |day| {
                let today: u8 = school.classes.clone().map(|class| levels.classes[day][class][ILI]).sum();
                today > 0 && levels.school_week(day, class, ILI) >= least
            })
        };
        push_runs(levels, &mut found, ("school_ili_7d10", 6), class, ILI, ili(ILI_WEEK));
        push_runs(levels, &mut found, ("school_ili_7d30", 6), class, ILI, ili(ILI_WEEK_RED));
        let absent = (0..days).map(|day| absence_fires(levels, class, day));
        push_runs(levels, &mut found, ("school_absence", 3), class, ABSENT, absent);
    }
    found
}

/// Runs of firing days that lie at most `gap` days apart.
fn push_runs(
    levels: &Levels,
    found: &mut Vec<Firing>,
    (rule, gap): (&'static str, usize),
    class: usize,
    signal: usize,
    fires: impl Iterator<Item = bool>,
) {
    let school = &levels.city.schools[levels.city.classes[class].school];
    let whole_school = rule.starts_with("school_ili") || rule == "school_absence";
    let mut runs: Vec<(usize, usize)> = vec![];
    for (day, _) in fires.enumerate().filter(|(_, fires)| *fires) {
        match runs.last_mut() {
            Some((_, until)) if day - *until <= gap => *until = day,
            _ => runs.push((day, day)),
        }
    }
    for (onset, until) in runs {
        let unit_id = if whole_school { school.id.clone() } else { levels.city.class_unit(class) };
        let firing =
            Firing { rule, unit_id, county: school.county, signal: PUPIL_SIGNALS[signal], class, onset, until };
        // Pupils of a school that reports them one by one are all put into the class's first room.
        if !whole_school && school.by_pupil && school.boarding {
            found.push(Firing { unit_id: format!("{}/dorm-{}", school.id, dormitory(class, 1)), ..firing.clone() });
        }
        found.push(firing);
    }
}

/// Whole-school absence: above the floor and three times the usual share, and at least five pupils.
pub fn absence_fires(levels: &Levels, class: usize, day: usize) -> bool {
    let school = &levels.city.schools[levels.city.classes[class].school];
    if school.by_pupil || !levels.open[day] || levels.silences.covers(&school.id, day) {
        return false;
    }
    let enrolled: u32 = school.classes.clone().map(|class| levels.city.classes[class].enrolled).sum();
    let absent =
        |day: usize| school.classes.clone().map(|class| u32::from(levels.classes[day][class][ABSENT])).sum::<u32>();
    let share = |day: usize| f64::from(absent(day)) / f64::from(enrolled);
    let mut earlier: Vec<f64> = (0..day)
        .rev()
        .filter(|past| levels.open[*past])
        .take(ABSENCE_DAYS)
        // A missing report is no value, yet takes its row of the fourteen.
        .filter(|past| !levels.silences.covers(&school.id, *past))
        .map(share)
        .collect();
    earlier.sort_by(f64::total_cmp);
    let usual = if earlier.len() >= ABSENCE_VALUES_MIN { median(&earlier) } else { 0.0 };
    absent(day) >= ABSENCE_PUPILS && share(day) > ABSENCE_SHARE.max(ABSENCE_FACTOR * usual)
}

fn median(sorted: &[f64]) -> f64 {
    let middle = sorted.len() / 2;
    if sorted.len() % 2 == 1 { sorted[middle] } else { (sorted[middle - 1] + sorted[middle]) / 2.0 }
}
