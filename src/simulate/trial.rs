//! Outbreaks of known size in a city that keeps no alarm back: what a rule is measured by.
//!
//! Size: Poisson(k·sd) cases, sd of a week of the place's series, drawn again until ≥ 2; a case falls ⌊4·LN(0, 0.5²)⌋ days
//! after the onset, in a school on the next school day. In one class: k pupils, ⌊LN(0, 0.5²)⌋ days after the onset.
//!
//! Promises: an outbreak is planted whether anything sees it or not; sizes come equally often.
//! Never: looks at a threshold, or at what its cases make of the day's statistic.

use super::chance::Chance;
use super::city::{COUNTIES, county_code};
use super::levels::{ABSENT, ILI, Levels};
use super::series::Series;
use crate::terms::Day;

/// k = 1 … 10, as in the literature's simulations.
pub const SIZES: usize = 10;
/// Days before the first onset: three weeks make every baseline whole that reads days.
pub const FIRST_ONSET: usize = 21;
/// One outbreak of a county in so many days: a week of cases, and two in which baselines forget it.
const ROUND: usize = 21;
/// Onsets lie in the first days of a round, so that its cases and their late reports fall into it too.
const ONSETS: usize = 8;
/// Standard deviation of the logarithm of a case's delay.
const SPREAD: f64 = 0.5;
/// Days of delay in units of LN(0, 0.5²).
const DAYS_SPREAD: f64 = 4.0;
const CASES_MIN: u32 = 2;
/// Draws of a size; where the mean is next to nothing it stays at the least.
const DRAWS_MAX: usize = 1_000;
/// Pupils of a class with one signal on one day: the smallest class has one more.
const CLASS_MAX: u8 = 40;

/// Where the cases of one outbreak fall.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    County,
    /// One clinic, pharmacy or school of the county.
    Facility,
    /// One class of it.
    Class,
}

impl Place {
    pub const fn word(self) -> &'static str {
        match self {
            Self::County => "county",
            Self::Facility => "facility",
            Self::Class => "class",
        }
    }
}

/// What is planted for a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    pub series: Vec<Series>,
    /// Whether an outbreak shows in all series at once; else in one of them.
    pub together: bool,
    pub place: Place,
}

/// One planted outbreak.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trial {
    /// The county's code.
    pub area_code: String,
    /// What the ids of its units begin with: the county's code or a facility's id.
    pub unit: String,
    pub signals: Vec<&'static str>,
    /// k.
    pub size: usize,
    pub cases: u32,
    /// Day of the first case, and of the last.
    pub first: Day,
    pub last: Day,
}

/// The series that a rule's SQL names, as text or as the beginning of a text in LIKE.
pub fn named(sql: &str) -> Vec<Series> {
    let code: String =
        sql.lines().map(|line| line.split("--").next().unwrap_or_default()).collect::<Vec<_>>().join("\n");
    let texts: Vec<&str> = code.split('\'').skip(1).step_by(2).collect();
    let is_named = |series: &Series| {
        let prefix = |text: &str| {
            text.strip_suffix('%').is_some_and(|begin| !begin.is_empty() && series.signal().starts_with(begin))
        };
        texts.iter().any(|text| *text == series.signal() || prefix(text))
    };
    Series::all().into_iter().filter(is_named).collect()
}

/// Whether a signal is none of the city's: what a rule calls what it makes of other rules' findings.
pub fn is_own(signal: &str) -> bool {
    Series::all().iter().all(|series| series.signal() != signal)
}

/// Plants into `levels`, whose first day is `start`.
pub fn plant(levels: &mut Levels, watched: &Watched, seed: u64, start: Day) -> Vec<Trial> {
    let background = levels.clone();
    let rounds = levels.open.len().saturating_sub(FIRST_ONSET) / ROUND;
    // Seeds that follow each other go on with the sizes, so that together they have each equally often.
    let begin = (seed as usize).wrapping_mul(rounds * COUNTIES);
    let mut sizes: Vec<usize> = (0..rounds * COUNTIES).map(|nth| begin.wrapping_add(nth) % SIZES + 1).collect();
    Chance::of(seed, "trial sizes", 0, 0).shuffle(&mut sizes);
    let mut trials = Vec::new();
    for (nth, size) in sizes.into_iter().enumerate() {
        let (round, county) = (nth / COUNTIES, nth % COUNTIES);
        let mut chance = Chance::of(seed, "trial", round as u64, county as u64);
        let onset = FIRST_ONSET + round * ROUND + chance.below(ONSETS);
        let place = Site { county, onset, size };
        trials.extend(place.plant(levels, &background, watched, start, &mut chance));
    }
    trials
}

/// An outbreak that is to come.
struct Site {
    county: usize,
    onset: usize,
    size: usize,
}

impl Site {
    fn plant(
        &self,
        levels: &mut Levels,
        background: &Levels,
        watched: &Watched,
        start: Day,
        chance: &mut Chance,
    ) -> Option<Trial> {
        let all = &watched.series;
        let series = if watched.together { all.clone() } else { vec![*all.get(chance.below(all.len()))?] };
        let (mut days, mut unit) = (Vec::new(), county_code(self.county));
        for one in &series {
            let mut spots = reporters(levels, *one, self.county);
            if watched.place != Place::County {
                let spot = *spots.get(chance.below(spots.len()))?;
                unit = facility(levels, *one, spot);
                spots.retain(|other| {
                    *other == spot || watched.place == Place::Facility && facility(levels, *one, *other) == unit
                });
            }
            let size = self.cases(background, *one, &spots, watched.place, chance);
            let spread = if watched.place == Place::Class { 1.0 } else { DAYS_SPREAD };
            for _ in 0..size {
                let day = self.onset + (spread * (SPREAD * chance.normal()).exp()) as usize;
                let spot = *spots.get(chance.below(spots.len()))?;
                if let Some(day) = reported(levels, *one, day).filter(|day| add(levels, *one, spot, *day)) {
                    days.push(day);
                }
            }
        }
        let (first, last) = (days.iter().min()?, days.iter().max()?);
        Some(Trial {
            area_code: county_code(self.county),
            unit,
            signals: series.iter().map(|one| one.signal()).collect(),
            size: self.size,
            cases: days.len() as u32,
            first: start.plus(*first as i32),
            last: start.plus(*last as i32),
        })
    }

    fn cases(&self, background: &Levels, series: Series, spots: &[usize], place: Place, chance: &mut Chance) -> u32 {
        if place == Place::Class {
            return self.size as u32;
        }
        let expected = self.size as f64 * week_sd(background, series, spots);
        let mut drawn = (0..DRAWS_MAX).map(|_| chance.poisson(expected));
        drawn.find(|cases| *cases >= CASES_MIN).unwrap_or(CASES_MIN)
    }
}

/// Standard deviation of a week of these reporters: that of their days, as if days were independent.
fn week_sd(levels: &Levels, series: Series, spots: &[usize]) -> f64 {
    let is_school = series.is_of_pupils();
    let days: Vec<f64> = (0..levels.open.len())
        .filter(|day| !is_school || levels.open[*day])
        .map(|day| spots.iter().map(|spot| f64::from(count(levels, series, *spot, day))).sum())
        .collect();
    let mean = days.iter().sum::<f64>() / days.len().max(1) as f64;
    let squares: f64 = days.iter().map(|count| (count - mean).powi(2)).sum();
    let of_week = if is_school { 5.0 } else { 7.0 };
    (squares / days.len().saturating_sub(1).max(1) as f64 * of_week).sqrt()
}

/// Positions of those in a county that report a series: clinics, pharmacies or classes.
fn reporters(levels: &Levels, series: Series, county: usize) -> Vec<usize> {
    let city = &levels.city;
    match series {
        Series::Visits | Series::Fever | Series::ClinicIli => {
            levels.here(city.clinics.iter().map(|one| one.county), county)
        }
        Series::Sale(_) => levels.here(city.pharmacies.iter().map(|one| one.county), county),
        Series::Pupil(signal) => {
            let mut here = levels.here((0..city.classes.len()).map(|class| city.class_county(class)), county);
            // Pupil events say nothing of absence and do not know the ILI definition.
            here.retain(|class| {
                let by_pupil = city.schools[city.classes[*class].school].by_pupil;
                !by_pupil || (signal != ABSENT && signal != ILI)
            });
            here
        }
    }
}

/// The facility at a position.
fn facility(levels: &Levels, series: Series, spot: usize) -> String {
    let city = &levels.city;
    match series {
        Series::Visits | Series::Fever | Series::ClinicIli => city.clinics[spot].id.clone(),
        Series::Sale(_) => city.pharmacies[spot].id.clone(),
        Series::Pupil(_) => city.schools[city.classes[spot].school].id.clone(),
    }
}

fn count(levels: &Levels, series: Series, spot: usize, day: usize) -> u32 {
    match series {
        Series::Visits => levels.clinics[day][spot].visits,
        Series::Fever => levels.clinics[day][spot].fever,
        Series::ClinicIli => levels.clinics[day][spot].ili,
        Series::Sale(signal) => levels.pharmacies[day][spot][signal],
        Series::Pupil(signal) => u32::from(levels.classes[day][spot][signal]),
    }
}

/// The day on which a case of `day` is reported, where the run still has one.
fn reported(levels: &Levels, series: Series, day: usize) -> Option<usize> {
    let is_school = series.is_of_pupils();
    (day..levels.open.len()).find(|day| !is_school || levels.open[*day])
}

/// One more; whether there was room.
fn add(levels: &mut Levels, series: Series, spot: usize, day: usize) -> bool {
    match series {
        Series::Visits | Series::Fever | Series::ClinicIli => {
            let at = &mut levels.clinics[day][spot];
            at.visits += 1;
            at.fever += u32::from(series != Series::Visits);
            at.ili += u32::from(series == Series::ClinicIli);
        }
        // The first four signals have a category of their own; the fifth is the last.
        Series::Sale(signal) => {
            let categories = &mut levels.pharmacies[day][spot];
            categories[if signal < 4 { signal } else { 5 }] += 1;
        }
        Series::Pupil(signal) => {
            let pupils = &mut levels.classes[day][spot][signal];
            if *pupils >= CLASS_MAX {
                return false;
            }
            *pupils += 1;
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulate::{Options, Simulation};

    fn options(seed: u64) -> Options {
        let start = Day::parse("2021-03-01").unwrap();
        Options { seed, days: 63, start, scale: 1.0, prefix: "qianshao".into(), partitions: 2, planted: false }
    }

    fn trials(seed: u64, place: Place, series: &[Series]) -> Vec<Trial> {
        let watched = Watched { series: series.to_vec(), together: false, place };
        Simulation::trial(options(seed), Some(&watched)).1
    }

    #[test]
    fn a_rule_names_its_series_in_quotes_or_by_their_beginning_and_not_in_a_comment() {
        assert_eq!(named("SELECT 'fever_visit' -- not 'sale_cough'"), [Series::Fever]);
        let sales = named("SELECT 1 WHERE signal LIKE 'sale_%'");
        assert_eq!(sales, Series::PHARMACY);
        assert_eq!(named("SELECT 'fever' FROM cells WHERE x LIKE '%'"), []);
    }

    #[test]
    fn five_seeds_have_every_size_equally_often_and_larger_ones_have_more_cases() {
        let all: Vec<Trial> = (1..=5).flat_map(|seed| trials(seed, Place::County, &[Series::Fever])).collect();
        let of = |size: usize| all.iter().filter(move |trial| trial.size == size);
        assert_eq!((all.len(), of(1).count(), of(10).count()), (80, 8, 8));
        let mean = |size: usize| of(size).map(|trial| f64::from(trial.cases)).sum::<f64>() / of(size).count() as f64;
        assert!(mean(10) > 3.0 * mean(2), "{} {}", mean(10), mean(2));
        assert!(all.iter().all(|trial| trial.cases >= CASES_MIN && trial.first <= trial.last));
    }

    #[test]
    fn a_class_has_as_many_pupils_as_its_size_says_on_school_days() {
        let simulation = Simulation::trial(options(1), None).0;
        let all = trials(1, Place::Class, &[Series::Pupil(4), Series::Pupil(5)]);
        assert!(all.iter().all(|trial| trial.cases == trial.size as u32 && trial.signals.len() == 1));
        let start = options(1).start;
        let is_open = |day: Day| simulation.levels.open[(day.0 - start.0) as usize];
        assert!(all.iter().all(|trial| is_open(trial.first) && is_open(trial.last)));
    }

    #[test]
    fn what_is_planted_is_more_and_everything_else_stays() {
        let (without, _) = Simulation::trial(options(2), None);
        let watched = Watched { series: vec![Series::Fever, Series::Sale(0)], together: true, place: Place::Facility };
        let (with, trials) = Simulation::trial(options(2), Some(&watched));
        let visits =
            |simulation: &Simulation| -> u32 { simulation.levels.clinics.iter().flatten().map(|day| day.fever).sum() };
        let sales =
            |simulation: &Simulation| -> u32 { simulation.levels.pharmacies.iter().flatten().map(|day| day[0]).sum() };
        let planted: u32 = trials.iter().map(|trial| trial.cases).sum();
        assert_eq!(visits(&with) - visits(&without) + sales(&with) - sales(&without), planted);
        assert_eq!(with.levels.classes, without.levels.classes);
        assert_eq!(with.levels.arrivals, without.levels.arrivals);
    }
}
