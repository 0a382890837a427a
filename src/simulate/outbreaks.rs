//! Planted outbreaks: more cases where and when the seed says, with the alerts that they must raise.
//!
//! Promises: an outbreak is kept only if the very statistic of its rule, computed from the counts that will be sent,
//! crosses its threshold; no day rises beyond six sd of its baseline; sizes vary fourfold by seed.
//! Never: before day 12 of a long run, when the baselines are not yet whole.

use super::chance::Chance;
use super::city::{COUNTIES, NEIGHBOURS, county_code};
use super::ledger::Planted;
use super::levels::{FEVER, GI, Levels, RASH, RESPIRATORY};
use super::plant::{Plot, raise_c2, raise_c3};
use super::school_outbreaks::{plant_absence, plant_class, plant_ili};
use super::series::{C2_ALARM, C3_ALARM, Series};
use super::thresholds::firings;
use crate::terms::Day;

/// Days before the first onset of a long run: seven of baseline, two of guard, and some.
const FIRST_ONSET: usize = 12;
/// Below this a run has no room for a baseline and an outbreak; only threshold kinds are planted.
const LONG_RUN: usize = 18;
/// One set of outbreaks in so many days.
const ROUND: usize = 20;
/// C2 that an outbreak is raised to, lowest and highest; with two to four days its size varies more than fourfold.
const C2_LOW: f64 = 3.3;
const C2_HIGH: f64 = 5.2;

/// First and last day of the edition that watches statistically (2021-CF).
const STATISTICAL_RULES: [&str; 2] = ["2020-09-15", "2021-05-13"];

/// Places and days that are tried for one outbreak.
const TRIES: usize = 300;

/// Notifiable diseases of which one case alarms.
const SINGLE_CASE: [&str; 4] = ["CHOLERA", "H7N9", "SARS", "POLIO"];

/// What was planted beyond the levels: declarations and cards.
#[derive(Default)]
pub struct Outbreaks {
    pub planted: Vec<Planted>,
    /// Day, county, symptomatic arrivals.
    pub imported: Vec<(usize, usize, u32)>,
    /// Day of onset, county, disease; the card comes the day after.
    pub cards: Vec<(usize, usize, &'static str)>,
}

/// Plants into `levels`.
pub fn plant(levels: &mut Levels, seed: u64, start: Day) -> Outbreaks {
    let days = levels.open.len();
    let mut outbreaks = Outbreaks::default();
    let long = days >= LONG_RUN && is_in_force(start, days);
    let first = if long { FIRST_ONSET } else { days / 3 };
    let rounds = (days.saturating_sub(first) / ROUND).max(1);
    for round in 0..rounds {
        let mut chance = Chance::of(seed, "outbreaks", round as u64, 0);
        let from = first + round * ROUND;
        // Two days after the last onset a late report has come and the alert is there.
        let to = if round + 1 == rounds { days.saturating_sub(3) } else { from + ROUND - 8 };
        let plot = Plot { from, to: to.max(from + 1).min(days.saturating_sub(1)), start };
        if plot.from >= plot.to {
            continue;
        }
        let mut counties: Vec<usize> = (0..COUNTIES).collect();
        chance.shuffle(&mut counties);
        if long {
            plant_statistical(levels, &mut outbreaks, &plot, &mut counties, &mut chance);
        }
        plant_schools(levels, &mut outbreaks, &plot, &counties, &mut chance);
        plant_single_cases(&mut outbreaks, &plot, &mut chance, levels);
    }
    plant_silences(levels, &mut outbreaks, start);
    name_all(levels, &mut outbreaks, start);
    outbreaks
}

/// Whether the statistical rules judge every day of the run: beyond their edition they raise nothing.
fn is_in_force(start: Day, days: usize) -> bool {
    let [from, to] = STATISTICAL_RULES.map(Day::parse);
    from.is_some_and(|from| from <= start) && to.is_some_and(|to| start.plus(days as i32) <= to)
}

/// A silence must be missed.
fn plant_silences(levels: &Levels, outbreaks: &mut Outbreaks, start: Day) {
    let plot = Plot { from: 0, to: 0, start };
    for quiet in &levels.silences.all {
        let due = |day: &usize| quiet.feed != "school" || levels.open[*day];
        let (Some(first), Some(last)) = ((quiet.from..=quiet.to).find(due), (quiet.from..=quiet.to).rev().find(due))
        else {
            continue;
        };
        let line = plot.line("silence", "missing_report", quiet.county, (first, last), 0);
        let signal = format!("{}_report", quiet.feed);
        outbreaks.planted.push(Planted { unit_id: quiet.facility_id.clone(), signal, ..line });
    }
}

/// Takes the counties that it uses off the list.
fn plant_statistical(
    levels: &mut Levels,
    outbreaks: &mut Outbreaks,
    plot: &Plot,
    counties: &mut Vec<usize>,
    chance: &mut Chance,
) {
    let mut triangles = NEIGHBOURS;
    chance.shuffle(&mut triangles);
    let triangle = (triangles.into_iter())
        .find(|triangle| (0..TRIES).any(|_| plant_neighbours(levels, outbreaks, plot, *triangle, chance)));
    counties.retain(|county| !triangle.is_some_and(|triangle| triangle.contains(county)));
    for plant in [plant_channels, plant_ramp] {
        let place =
            counties.iter().position(|county| (0..TRIES).any(|_| plant(levels, outbreaks, plot, *county, chance)));
        if let Some(place) = place {
            counties.remove(place);
        }
    }
}

/// Three counties, each touching the others, rise on the same days.
fn plant_neighbours(
    levels: &mut Levels,
    outbreaks: &mut Outbreaks,
    plot: &Plot,
    triangle: [usize; 3],
    chance: &mut Chance,
) -> bool {
    let length = chance.between(2, 4) as usize;
    let Some(onset) = plot.onset(chance, length) else { return false };
    let height = chance.within(C2_LOW, C2_HIGH);
    let mut trial = levels.clone();
    let mut size = 0;
    for county in triangle {
        for day in onset..onset + length {
            size += raise_c2(&mut trial, Series::ClinicIli, county, day, height - 0.3, chance);
            size += raise_c2(&mut trial, Series::Fever, county, day, height, chance);
        }
    }
    let rises = |county: &usize, day| trial.c2(Series::Fever, *county, day).is_some_and(|c2| c2 > C2_ALARM + 0.1);
    if !triangle.iter().all(|county| rises(county, onset)) || !plot.plausible(&trial, &triangle, onset, length) {
        return false;
    }
    *levels = trial;
    // Each county of the group is told.
    for county in triangle {
        let line = plot.line("neighbours", "neighbours_rising", county, (onset, onset + length - 1), size);
        outbreaks.planted.push(Planted { signal: Series::Fever.signal().into(), ..line });
    }
    true
}

/// Fever clinics, pharmacies and schools of one county rise together.
fn plant_channels(
    levels: &mut Levels,
    outbreaks: &mut Outbreaks,
    plot: &Plot,
    county: usize,
    chance: &mut Chance,
) -> bool {
    let length = chance.between(2, 4) as usize;
    let Some(onset) = plot.onset(chance, length) else { return false };
    let height = chance.within(C2_LOW, C2_HIGH);
    let mut trial = levels.clone();
    let mut size = 0;
    for day in onset..onset + length {
        for series in [Series::ClinicIli, Series::Fever, Series::Sale(0), Series::Sale(1)] {
            size += raise_c2(&mut trial, series, county, day, height, chance);
        }
        for series in [Series::Pupil(FEVER), Series::Pupil(RESPIRATORY)] {
            size += raise_c2(&mut trial, series, county, day, height, chance);
        }
    }
    let seen = |series| trial.c2(series, county, onset).is_some_and(|c2| c2 > C2_ALARM + 0.1);
    let channels = [Series::Fever, Series::ClinicIli, Series::Sale(0), Series::Sale(1)];
    let schools = [Series::Pupil(FEVER), Series::Pupil(RESPIRATORY)];
    if !channels.into_iter().chain(schools).all(seen) || !plot.plausible(&trial, &[county], onset, length) {
        return false;
    }
    *levels = trial;
    let line = plot.line("county_ili", "multi_channel", county, (onset, onset + length - 1), size);
    outbreaks.planted.push(Planted { signal: "multi_channel".into(), ..line });
    true
}

/// A few more every day: no day stands out, three together do.
fn plant_ramp(levels: &mut Levels, outbreaks: &mut Outbreaks, plot: &Plot, county: usize, chance: &mut Chance) -> bool {
    let length = chance.between(3, 7) as usize;
    let Some(onset) = plot.onset(chance, length) else { return false };
    let mut trial = levels.clone();
    let size = raise_c3(&mut trial, county, onset, length, chance);
    let c3 = |day| trial.c3(Series::Fever, county, day).is_some_and(|sum| sum > C3_ALARM + 0.1);
    let loud = |day| trial.c2(Series::Fever, county, day).is_some_and(|c2| c2 > C2_ALARM);
    let days = onset..onset + length;
    if !days.clone().any(c3) || days.clone().any(loud) || !plot.plausible(&trial, &[county], onset, length) {
        return false;
    }
    *levels = trial;
    let line = plot.line("slow_ramp", "fever_clinic_c3", county, (onset, onset + length - 1), size);
    outbreaks.planted.push(Planted { signal: Series::Fever.signal().into(), ..line });
    true
}

/// Clusters in classes, influenza-like illness in a school, absence in another; their alerts are named afterwards.
fn plant_schools(levels: &mut Levels, outbreaks: &mut Outbreaks, plot: &Plot, counties: &[usize], chance: &mut Chance) {
    let county = |position: usize| counties[position % counties.len()];
    for (number, syndrome) in [GI, RASH, RESPIRATORY, GI].into_iter().enumerate() {
        let slow = number % 2 == 1;
        let place = county(number);
        let _planted = (0..TRIES).any(|_| plant_class(levels, outbreaks, plot, place, syndrome, slow, chance));
    }
    let _planted = (0..TRIES).any(|_| plant_ili(levels, outbreaks, plot, county(1), chance));
    let _planted = (0..TRIES).any(|_| plant_absence(levels, outbreaks, plot, county(2), chance));
}

/// A plane with sick passengers, and one case of a disease of which one is enough.
fn plant_single_cases(outbreaks: &mut Outbreaks, plot: &Plot, chance: &mut Chance, levels: &Levels) {
    let (day, county) = (chance.between(plot.from as i64, plot.to as i64 - 1) as usize, chance.below(COUNTIES));
    let sick = chance.between(1, 4) as u32;
    outbreaks.imported.push((day, county, sick));
    let line = plot.line("imported_case", "customs_symptomatic", county, (day, day), sick);
    let port = levels.city.port.id.clone();
    outbreaks.planted.push(Planted { unit_id: port, signal: "customs_symptomatic".into(), ..line });

    let (day, county) = (chance.between(plot.from as i64, plot.to as i64 - 1) as usize, chance.below(COUNTIES));
    let disease = chance.pick(&SINGLE_CASE, "CHOLERA");
    outbreaks.cards.push((day, county, disease));
    let line = plot.line("notifiable_case", "notifiable_single_case", county, (day, day), 1);
    let signal = format!("case_{}", disease.to_lowercase());
    outbreaks.planted.push(Planted { unit_id: card_id(county, day), signal, ..line });
}

/// The card of a planted case.
pub fn card_id(county: usize, day: usize) -> String {
    format!("K{}-{day:04}-S1", county_code(county))
}

/// School alerts are those that the rules find in the final truth; then every line gets its number.
fn name_all(levels: &Levels, outbreaks: &mut Outbreaks, start: Day) {
    let clusters: Vec<Planted> = outbreaks.planted.extract_if(.., |line| line.rule.is_empty()).collect();
    for firing in firings(levels) {
        // A run may reach a little beyond its outbreak, by the background of the days around.
        let of = clusters.iter().find(|cluster| {
            cluster.area_code == county_code(firing.county)
                && (firing.unit_id.starts_with(&cluster.unit_id)
                    || firing.unit_id.ends_with(&format!("/dorm-{}", super::city::dormitory(firing.class, 1)))
                        && cluster.unit_id == levels.city.class_unit(firing.class))
                && (cluster.signal == firing.signal)
        });
        let (kind, size) = of.map_or(("unplanned", 0), |cluster| (cluster.kind.as_str(), cluster.size));
        outbreaks.planted.push(Planted {
            id: String::new(),
            kind: kind.into(),
            area_code: county_code(firing.county),
            unit_id: firing.unit_id,
            rule: firing.rule.into(),
            signal: firing.signal.into(),
            onset: start.plus(firing.onset as i32).to_string(),
            until: start.plus(firing.until as i32).to_string(),
            size,
        });
    }
    outbreaks
        .planted
        .sort_by(|a, b| (&a.onset, &a.kind, &a.unit_id, &a.rule).cmp(&(&b.onset, &b.kind, &b.unit_id, &b.rule)));
    for (number, line) in outbreaks.planted.iter_mut().enumerate() {
        line.id = format!("outbreak-{:02}", number + 1);
    }
}
