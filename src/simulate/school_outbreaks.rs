//! Outbreaks inside one school: a class cluster, influenza-like illness, absence.
//!
//! Promises: the cluster's class is large enough and its county's series stays within six sd.

use super::chance::Chance;
use super::city::county_code;
use super::ledger::Planted;
use super::levels::{ABSENT, ILI, Levels, PUPIL_SIGNALS};
use super::outbreaks::Outbreaks;
use super::plant::{Plot, SD_MAX, may_fall_ill};
use super::series::Series;
use super::thresholds::{absence_fires, firings};

/// Smallest and largest cluster of a class in one day.
const CLUSTER_MIN: i64 = 3;
const CLUSTER_MAX: i64 = 12;
const ILI_MIN: i64 = 10;
const ILI_MAX: i64 = 16;

/// Three to twelve in a day, or (`slow`) two a day until there are at least five.
pub fn plant_class(
    levels: &mut Levels,
    outbreaks: &mut Outbreaks,
    plot: &Plot,
    county: usize,
    signal: usize,
    slow: bool,
    chance: &mut Chance,
) -> bool {
    let pattern: Vec<i64> = match (slow, chance.below(3)) {
        (false, _) => vec![drawn_size(chance, CLUSTER_MIN, CLUSTER_MAX)],
        (true, 0) => vec![2, 1, 2],
        (true, 1) => vec![1, 2, 2],
        (true, _) => vec![2, 2, 2],
    };
    let Some(onset) = plot.onset(chance, pattern.len()) else { return false };
    let days = onset..onset + pattern.len();
    let here = levels.here((0..levels.city.classes.len()).map(|class| levels.city.class_county(class)), county);
    let class = here[chance.below(here.len())];
    let school = levels.city.classes[class].school;
    let used = |line: &Planted| line.unit_id.starts_with(&levels.city.schools[school].id);
    if !days.clone().all(|day| may_fall_ill(levels, class, signal, day)) || outbreaks.planted.iter().any(used) {
        return false;
    }
    let mut trial = levels.clone();
    for (day, pupils) in days.zip(&pattern) {
        trial.classes[day][class][signal] = *pupils as u8;
    }
    if !within_sd(&trial, signal, county, onset, pattern.len()) {
        return false;
    }
    *levels = trial;
    let size = pattern.iter().sum::<i64>() as u32;
    let unit = levels.city.class_unit(class);
    cluster(outbreaks, plot, "class_cluster", county, unit, signal, (onset, onset + pattern.len() - 1), size);
    true
}

/// Ten and more influenza-like illnesses of one school in five school days at most.
pub fn plant_ili(
    levels: &mut Levels,
    outbreaks: &mut Outbreaks,
    plot: &Plot,
    county: usize,
    chance: &mut Chance,
) -> bool {
    let size = drawn_size(chance, ILI_MIN, ILI_MAX);
    let length = chance.between(3, 5) as usize;
    let Some(onset) = plot.onset(chance, length) else { return false };
    let Some(classes) = a_school(levels, outbreaks, county, chance) else { return false };
    let mut trial = levels.clone();
    let days: Vec<usize> =
        (onset..onset + length).filter(|day| may_fall_ill(levels, classes.start, ILI, *day)).collect();
    if days.len() < 3 {
        return false;
    }
    for number in 0..size as usize {
        let class = classes.start + chance.below(classes.len());
        let day = days[number % days.len()];
        if trial.classes[day][class][ILI] < 2 {
            trial.classes[day][class][ILI] += 1;
        }
    }
    let unit = levels.city.schools[levels.city.classes[classes.start].school].id.clone();
    let fires = firings(&trial).iter().any(|firing| firing.rule == "school_ili_7d10" && firing.unit_id == unit);
    if !fires || !within_sd(&trial, ILI, county, onset, length) {
        return false;
    }
    *levels = trial;
    cluster(outbreaks, plot, "school_ili", county, unit, ILI, (onset, onset + length - 1), size as u32);
    true
}

/// A day on which many of one school stay at home.
pub fn plant_absence(
    levels: &mut Levels,
    outbreaks: &mut Outbreaks,
    plot: &Plot,
    county: usize,
    chance: &mut Chance,
) -> bool {
    let Some(day) = plot.onset(chance, 1) else { return false };
    let Some(classes) = a_school(levels, outbreaks, county, chance) else { return false };
    if !may_fall_ill(levels, classes.start, ABSENT, day) {
        return false;
    }
    let mut trial = levels.clone();
    let mut size = 0;
    while !absence_fires(&trial, classes.start, day) {
        for class in classes.clone() {
            trial.classes[day][class][ABSENT] += 1;
            size += 1;
        }
    }
    if !within_sd(&trial, ABSENT, county, day, 1) {
        return false;
    }
    *levels = trial;
    let unit = levels.city.schools[levels.city.classes[classes.start].school].id.clone();
    cluster(outbreaks, plot, "school_absence", county, unit, ABSENT, (day, day), size);
    true
}

/// Log-uniform, so that small and large are equally common.
fn drawn_size(chance: &mut Chance, least: i64, most: i64) -> i64 {
    let (least_ln, most_ln) = ((least as f64).ln(), (most as f64 + 0.999).ln());
    (chance.within(least_ln, most_ln).exp() as i64).clamp(least, most)
}

/// A school that sends class sheets and holds no other outbreak.
fn a_school(
    levels: &Levels,
    outbreaks: &Outbreaks,
    county: usize,
    chance: &mut Chance,
) -> Option<std::ops::Range<usize>> {
    let free: Vec<_> = (levels.city.schools.iter())
        .filter(|school| school.county == county && !school.by_pupil)
        .filter(|school| !outbreaks.planted.iter().any(|line| line.unit_id.starts_with(&school.id)))
        .map(|school| school.classes.clone())
        .collect();
    free.get(chance.below(free.len())).cloned()
}

fn within_sd(levels: &Levels, signal: usize, county: usize, onset: usize, length: usize) -> bool {
    (onset..onset + length).all(|day| levels.c2(Series::Pupil(signal), county, day).is_none_or(|c2| c2 <= SD_MAX))
}

fn cluster(
    outbreaks: &mut Outbreaks,
    plot: &Plot,
    kind: &str,
    county: usize,
    unit_id: String,
    signal: usize,
    days: (usize, usize),
    size: u32,
) {
    let line = plot.line(kind, "", county, days, size);
    let signal = PUPIL_SIGNALS[signal].to_owned();
    outbreaks.planted.push(Planted { area_code: county_code(county), unit_id, signal, ..line });
}
