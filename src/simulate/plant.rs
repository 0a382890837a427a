//! Where an outbreak may lie, and how a county's series is lifted to a height.
//!
//! Promises: a day is lifted to `height` sd above its baseline, never beyond six, and class limits hold.

use super::chance::Chance;
use super::city::county_code;
use super::ledger::Planted;
use super::levels::{ABSENT, ILI, Levels};
use super::series::{C2_ALARM, Series, neighbours};
use crate::terms::Day;

/// No planted day lies beyond this many sd of its baseline.
pub const SD_MAX: f64 = 6.0;
/// A county-wide rise puts at most one more into a class than the background does, and three days stay below five.
const CLASS_DAY_MAX: u8 = 2;
const CLASS_WINDOW_MAX: u32 = 4;

/// The days of one set of outbreaks.
pub struct Plot {
    pub from: usize,
    /// Onsets lie before this.
    pub to: usize,
    pub start: Day,
}

impl Plot {
    /// An onset whose `length` days end inside the plot.
    pub fn onset(&self, chance: &mut Chance, length: usize) -> Option<usize> {
        let last = (self.to + 1).checked_sub(length).filter(|last| *last >= self.from)?;
        Some(chance.between(self.from as i64, last as i64) as usize)
    }

    /// No lifted series of these counties exceeds six sd on the outbreak's days, and no neighbour outside rises by chance
    /// just then: it could speak for them.
    pub fn plausible(&self, levels: &Levels, counties: &[usize], onset: usize, length: usize) -> bool {
        let around = onset.saturating_sub(2)..(onset + length + 2).min(levels.open.len());
        let outside = counties.iter().flat_map(|county| neighbours(*county)).filter(|other| !counties.contains(other));
        if outside.into_iter().any(|other| around.clone().any(|day| levels.risen(other, day))) {
            return false;
        }
        let lifted: Vec<Series> = Series::all().into_iter().filter(|series| *series != Series::Pupil(ABSENT)).collect();
        counties.iter().all(|county| {
            (onset..(onset + length).min(levels.open.len()))
                .all(|day| lifted.iter().all(|one| levels.c2(*one, *county, day).is_none_or(|c2| c2 <= SD_MAX)))
        })
    }

    /// The line of a county's outbreak, without its number and signal.
    pub fn line(&self, kind: &str, rule: &str, county: usize, (onset, until): (usize, usize), size: u32) -> Planted {
        Planted {
            id: String::new(),
            kind: kind.into(),
            area_code: county_code(county),
            unit_id: county_code(county),
            rule: rule.into(),
            signal: String::new(),
            onset: self.start.plus(onset as i32).to_string(),
            until: self.start.plus(until as i32).to_string(),
            size,
        }
    }
}

/// Lifts a day to `height` sd above its baseline; returns what was added.
pub fn raise_c2(
    levels: &mut Levels,
    series: Series,
    county: usize,
    day: usize,
    height: f64,
    chance: &mut Chance,
) -> u32 {
    let Some((mean, sd, observed)) = levels.baseline(series, county, day) else { return 0 };
    let wanted = (mean + height * sd).ceil() as u32;
    add(levels, series, county, day, wanted.saturating_sub(observed), chance)
}

/// Lifts each day a little, so that C2 stays quiet and C3 adds up.
pub fn raise_c3(levels: &mut Levels, county: usize, onset: usize, length: usize, chance: &mut Chance) -> u32 {
    let target = chance.within(1.9, 2.8);
    let mut added = 0;
    for (position, day) in (onset..onset + length).enumerate() {
        let height = (1.5 + 0.35 * position as f64).min(target);
        added += raise_c2(levels, Series::Fever, county, day, height, chance);
        if levels.c2(Series::Fever, county, day).is_some_and(|c2| c2 > C2_ALARM) {
            break;
        }
    }
    added
}

/// Adds cases to a county's day, spread over those who report; returns how many found a place.
fn add(levels: &mut Levels, series: Series, county: usize, day: usize, cases: u32, chance: &mut Chance) -> u32 {
    let city = std::sync::Arc::clone(&levels.city);
    let silences = std::sync::Arc::clone(&levels.silences);
    let mut added = 0;
    match series {
        Series::Visits | Series::Fever | Series::ClinicIli => {
            let here: Vec<usize> = (levels.here(city.clinics.iter().map(|clinic| clinic.county), county).into_iter())
                .filter(|clinic| !silences.covers(&city.clinics[*clinic].id, day))
                .collect();
            for _ in 0..if here.is_empty() { 0 } else { cases } {
                let at = &mut levels.clinics[day][here[chance.below(here.len())]];
                at.visits += 1;
                at.fever += u32::from(series != Series::Visits);
                at.ili += u32::from(series == Series::ClinicIli);
                added += 1;
            }
        }
        Series::Sale(signal) => {
            let here: Vec<usize> =
                (levels.here(city.pharmacies.iter().map(|pharmacy| pharmacy.county), county).into_iter())
                    .filter(|pharmacy| !silences.covers(&city.pharmacies[*pharmacy].id, day))
                    .collect();
            for _ in 0..if here.is_empty() { 0 } else { cases } {
                // The first four signals have a category of their own.
                levels.pharmacies[day][here[chance.below(here.len())]][signal] += 1;
                added += 1;
            }
        }
        Series::Pupil(signal) => {
            let mut here = levels.here((0..city.classes.len()).map(|class| city.class_county(class)), county);
            here.retain(|class| may_fall_ill(levels, *class, signal, day));
            for _ in 0..cases {
                chance.shuffle(&mut here);
                let Some(class) = here.iter().copied().find(|class| has_room(levels, *class, signal, day)) else {
                    break;
                };
                levels.classes[day][class][signal] += 1;
                added += 1;
            }
        }
    }
    added
}

/// Does this class's report count for the signal on this day?
pub fn may_fall_ill(levels: &Levels, class: usize, signal: usize, day: usize) -> bool {
    let school = &levels.city.schools[levels.city.classes[class].school];
    levels.open[day]
        && !levels.silences.covers(&school.id, day)
        && (!school.by_pupil || (signal != ABSENT && signal != ILI))
}

/// Room for one more without coming near a class rule, in every three days that hold this one.
fn has_room(levels: &Levels, class: usize, signal: usize, day: usize) -> bool {
    let at = |day: usize| levels.classes.get(day).map_or(0, |classes| u32::from(classes[class][signal]));
    levels.classes[day][class][signal] < CLASS_DAY_MAX
        && (day.saturating_sub(2)..=day).all(|first| (first..first + 3).map(at).sum::<u32>() < CLASS_WINDOW_MAX)
}
