//! How many fell ill, bought and stayed away: the true counts of every facility and day, before outbreaks.
//!
//! Promises: counts of a county are overdispersed; in a quiet background a class never has two of one syndrome in a day
//! or four in three days, so no threshold rule fires on it; statistical alarms stay within the allowance.
//! Memory: a few numbers per class and day, whatever the number of messages.

use std::sync::Arc;

use crate::terms::Day;

use super::allowance::Allowance;
use super::chance::Chance;
use super::city::{COUNTIES, City};
use super::rhythm::Calendar;
use super::series::Series;
use super::silences::Silences;

/// Signals of a class. The first two are not syndromes.
pub const PUPIL_SIGNALS: [&str; 10] = [
    "school_absent_sick",
    "school_ili",
    "school_fever",
    "school_respiratory",
    "school_gi",
    "school_rash",
    "school_parotitis",
    "school_conjunctivitis",
    "school_jaundice",
    "school_other",
];
pub const ABSENT: usize = 0;
pub const ILI: usize = 1;
pub const FEVER: usize = 2;
pub const RESPIRATORY: usize = 3;
pub const GI: usize = 4;
pub const RASH: usize = 5;

/// Mean per county and school day, and variance ÷ mean.
const PUPIL_MEANS: [(f64, f64); 10] = [
    (13.0, 2.8),
    (1.5, 1.2),
    (4.5, 3.0),
    (6.5, 3.2),
    (2.2, 2.6),
    (0.3, 1.0),
    (0.12, 1.0),
    (0.25, 1.0),
    (0.05, 1.0),
    (1.2, 1.3),
];
/// Rare syndromes stay below the count at which a statistic may alarm.
const RARE_COUNTY_MAX: u32 = 2;
/// A class of one day and signal that is drawn freely; the smallest has one pupil more.
const CLASS_MAX: u8 = 40;
/// Background ILI of one school in seven days; the rule's threshold is 10.
const SCHOOL_ILI_MAX: u32 = 6;
/// Draws of one county's day; what then still alarms is left as chance made it.
const DRAWS_MAX: usize = 80;

/// Categories as pharmacies send them, with units a day and pharmacy.
pub const CATEGORIES: [(&str, f64); 6] = [
    ("antipyretic", 38.0),
    ("cough", 41.0),
    ("antiviral", 25.0),
    ("antibiotic", 45.0),
    ("compound_cold", 32.0),
    ("other", 81.0),
];

#[derive(Clone, Copy, Default, Debug, PartialEq, Eq)]
pub struct ClinicDay {
    pub visits: u32,
    /// Among the visits.
    pub fever: u32,
    /// Among the fevers.
    pub ili: u32,
}

/// The truth of a run.
#[derive(Clone)]
pub struct Levels {
    pub city: Arc<City>,
    pub silences: Arc<Silences>,
    /// School days.
    pub open: Vec<bool>,
    /// By day and clinic.
    pub clinics: Vec<Vec<ClinicDay>>,
    /// By day and pharmacy, units of `CATEGORIES`.
    pub pharmacies: Vec<Vec<[u32; 6]>>,
    /// By day and class, by `PUPIL_SIGNALS`.
    pub classes: Vec<Vec<[u8; 10]>>,
    /// Arrivals by day.
    pub arrivals: Vec<u32>,
}

/// Which of chance's days are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Background {
    /// Those whose alarms stay within the allowance: the duty desk must not drown in them.
    Quiet,
    /// All of them, so that false alarms can be counted.
    AsDrawn,
}

/// What decides the levels.
pub struct Setting<'a> {
    pub seed: u64,
    pub start: Day,
    pub days: usize,
    pub scale: f64,
    pub calendar: &'a Calendar,
    pub background: Background,
}

/// Visits of a county a day, and shares of them.
const VISITS: f64 = 370.0;
const FEVER_ONLY: f64 = 26.0;
const CLINIC_ILI: f64 = 14.0;
const ARRIVALS: f64 = 2_150.0;
const DISPERSION: f64 = 2.6;

impl Levels {
    pub fn drawn(city: Arc<City>, silences: Arc<Silences>, setting: &Setting<'_>) -> Self {
        let days = setting.days;
        let open = (0..days).map(|n| setting.calendar.school_open(setting.start.plus(n as i32))).collect();
        let mut levels = Self {
            clinics: vec![vec![ClinicDay::default(); city.clinics.len()]; days],
            pharmacies: vec![vec![[0; 6]; city.pharmacies.len()]; days],
            classes: vec![vec![[0; 10]; city.classes.len()]; days],
            arrivals: vec![0; days],
            city,
            silences,
            open,
        };
        let mut allowance = Allowance::default();
        for day in 0..days {
            let date = setting.start.plus(day as i32);
            for county in 0..COUNTIES {
                levels.draw_county(setting, day, county, &mut allowance);
            }
            let mut chance = Chance::of(setting.seed, "arrivals", 0, day as u64);
            let mean = chance.day_mean(ARRIVALS * setting.scale * setting.calendar.port_weight(date), 8.0);
            levels.arrivals[day] = chance.poisson(mean).max(1);
        }
        levels
    }

    /// Draws each channel of a county's day until its alarms fit the week's allowance.
    fn draw_county(&mut self, setting: &Setting<'_>, day: usize, county: usize, allowance: &mut Allowance) {
        for channel in ["clinic", "pharmacy", "school"] {
            let series: Vec<Series> = match channel {
                "clinic" => vec![Series::Fever],
                "pharmacy" => Series::PHARMACY.to_vec(),
                _ => Series::school().collect(),
            };
            let mut chance = Chance::of(setting.seed, channel, county as u64, day as u64);
            let draws = if setting.background == Background::Quiet { DRAWS_MAX } else { 1 };
            for draw in 1..=draws {
                match channel {
                    "clinic" => self.draw_clinics(setting, day, county, &mut chance),
                    "pharmacy" => self.draw_pharmacies(setting, day, county, &mut chance),
                    _ => self.draw_classes(setting, day, county, &mut chance),
                }
                let alarms = series.iter().map(|one| self.new_alarms(*one, county, day)).sum();
                let lonely =
                    channel != "clinic" || !(self.risen(county, day) && self.rises_with_neighbour(county, day));
                if draw == draws || (lonely && allowance.permits(county, day, channel, alarms)) {
                    allowance.charge(county, day, channel, alarms);
                    break;
                }
            }
        }
    }

    fn draw_clinics(&mut self, setting: &Setting<'_>, day: usize, county: usize, chance: &mut Chance) {
        let weight = setting.scale * setting.calendar.clinic_weight(setting.start.plus(day as i32));
        let mut mean = |of: f64| chance.day_mean(of * weight, DISPERSION);
        let (other, fever, ili) = (mean(VISITS - FEVER_ONLY - CLINIC_ILI), mean(FEVER_ONLY), mean(CLINIC_ILI));
        let here = self.here(self.city.clinics.iter().map(|clinic| clinic.county), county);
        for (rank, &clinic) in here.iter().enumerate() {
            // The first clinic is the large one.
            let share = if here.len() == 1 { 1.0 } else { [0.62, 0.38][rank.min(1)] };
            let ili = chance.poisson(ili * share);
            let fever = ili + chance.poisson(fever * share);
            let visits = fever + chance.poisson(other * share).max(1);
            let silent = self.silences.covers(&self.city.clinics[clinic].id, day);
            self.clinics[day][clinic] = if silent { ClinicDay::default() } else { ClinicDay { visits, fever, ili } };
        }
    }

    fn draw_pharmacies(&mut self, setting: &Setting<'_>, day: usize, county: usize, chance: &mut Chance) {
        let weight = setting.scale * setting.calendar.pharmacy_weight(setting.start.plus(day as i32));
        let here = self.here(self.city.pharmacies.iter().map(|pharmacy| pharmacy.county), county);
        for (category, (_, units)) in CATEGORIES.into_iter().enumerate() {
            let mean = chance.day_mean(units * weight * here.len() as f64, DISPERSION) / here.len() as f64;
            for &pharmacy in &here {
                // An open pharmacy sells something, or it would look silent.
                let drawn = chance.poisson(mean).max(u32::from(category + 1 == CATEGORIES.len()));
                let silent = self.silences.covers(&self.city.pharmacies[pharmacy].id, day);
                self.pharmacies[day][pharmacy][category] = if silent { 0 } else { drawn };
            }
        }
    }

    fn draw_classes(&mut self, setting: &Setting<'_>, day: usize, county: usize, chance: &mut Chance) {
        let city = Arc::clone(&self.city);
        let here = self.here((0..city.classes.len()).map(|class| city.class_county(class)), county);
        for &class in &here {
            self.classes[day][class] = [0; 10];
        }
        if !self.open[day] {
            return;
        }
        let weight = setting.calendar.school_weight(setting.start.plus(day as i32));
        for (signal, (mean, dispersion)) in PUPIL_MEANS.into_iter().enumerate() {
            let mean = chance.day_mean(mean * weight, dispersion);
            let quiet = setting.background == Background::Quiet;
            let most = if quiet && signal >= RASH { RARE_COUNTY_MAX } else { u32::MAX };
            for _ in 0..chance.poisson(mean).min(most) {
                let class = here[chance.below(here.len())];
                let limit = match quiet {
                    true if signal == ABSENT => 2,
                    true => 1,
                    false => CLASS_MAX,
                };
                if self.classes[day][class][signal] < limit && self.may_add(quiet, day, class, signal) {
                    self.classes[day][class][signal] += 1;
                }
            }
        }
    }

    /// Would one more pupil of the background stay clear of the rules?
    fn may_add(&self, quiet: bool, day: usize, class: usize, signal: usize) -> bool {
        let school = &self.city.schools[self.city.classes[class].school];
        if self.silences.covers(&school.id, day) {
            return false;
        }
        let counts_absence = !school.by_pupil || (signal != ABSENT && signal != ILI);
        counts_absence && (!quiet || signal != ILI || self.school_week(day, class, ILI) < SCHOOL_ILI_MAX)
    }

    /// A signal of the class's school in the seven days that end on `day`.
    pub fn school_week(&self, day: usize, class: usize, signal: usize) -> u32 {
        let classes = self.city.schools[self.city.classes[class].school].classes.clone();
        let days = day.saturating_sub(6)..=day;
        days.flat_map(|past| classes.clone().map(move |class| (past, class)))
            .map(|(past, class)| u32::from(self.classes[past][class][signal]))
            .sum()
    }

    /// The positions of those in a county.
    pub fn here(&self, counties: impl Iterator<Item = usize>, county: usize) -> Vec<usize> {
        counties.enumerate().filter(|(_, of)| *of == county).map(|(position, _)| position).collect()
    }
}
