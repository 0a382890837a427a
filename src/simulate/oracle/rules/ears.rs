//! Statistical rules over county series: EARS C2 and C3, and neighbours that rise together.

use std::collections::{BTreeMap, BTreeSet};

use super::super::book::SumKey;
use super::super::rows::Text;
use super::{Finding, View};

/// One day of a county series: a day on which a report was expected.
#[derive(Debug, Clone, Copy)]
struct Day {
    day: i64,
    /// None when nobody reported: not zero.
    count: Option<i64>,
}

/// A day with its baseline.
#[derive(Debug, Clone, Copy)]
struct Scored {
    day: i64,
    count: i64,
    mean: f64,
    c2: f64,
}

/// Names of the parameters of one rule.
struct Limits {
    threshold: f64,
    count_min: f64,
    sd_min: f64,
    baseline_min: f64,
}

impl Limits {
    fn of(view: &View<'_>, rule: &str) -> Result<Self, String> {
        let number = |name: &str| view.parameter(&format!("{rule}.{name}"));
        Ok(Self {
            threshold: number("threshold")?,
            count_min: number("count_min")?,
            sd_min: number("sd_min")?,
            baseline_min: number("baseline_min")?,
        })
    }
}

pub fn fever_clinic_c2(view: &View<'_>) -> Result<Vec<Finding>, String> {
    c2_rule(view, "fever_clinic_c2", &["fever_visit"])
}

pub fn pharmacy_c2(view: &View<'_>) -> Result<Vec<Finding>, String> {
    c2_rule(view, "pharmacy_c2", &["sale_antipyretic", "sale_cough", "sale_antiviral"])
}

pub fn school_c2(view: &View<'_>) -> Result<Vec<Finding>, String> {
    c2_rule(view, "school_c2", &super::school::SYNDROMES)
}

fn c2_rule(view: &View<'_>, rule: &'static str, signals: &[&str]) -> Result<Vec<Finding>, String> {
    let limits = Limits::of(view, rule)?;
    let mut out = Vec::new();
    for signal in signals {
        for (county, days) in county_series(view, signal) {
            for scored in (0..days.len()).filter_map(|place| c2_at(&days, place, &limits)) {
                if scored.c2 > limits.threshold && scored.count as f64 >= limits.count_min && scored.day >= view.lean()
                {
                    let (unit, of) = (("county", &*county, &*county), (scored.count as f64, limits.threshold));
                    let finding = Finding::new(rule, unit, signal, (scored.day, scored.day), of);
                    out.push(finding.with(Some(scored.mean), scored.c2));
                }
            }
        }
    }
    Ok(out)
}

/// For each county the days on which its facilities had to report, up to the tick's day.
fn county_series(view: &View<'_>, signal: &str) -> BTreeMap<String, Vec<Day>> {
    let Some((feed, _)) = view.registers().any_signal(signal) else { return BTreeMap::new() };
    let (feed_text, signal_text) = (Text::from(feed), Text::from(signal));
    let mut out = BTreeMap::new();
    for county in view.duty.counties_of(feed) {
        let Some(days) = view.duty.days_in_county(feed, county) else { continue };
        let series = days.keys().filter(|day| **day <= view.today()).map(|day| {
            let key =
                SumKey { unit_kind: "county", unit_id: county.to_owned(), signal: signal_text.clone(), day: *day };
            let heard = view.book.heard.get(&(county.to_owned(), feed_text.clone(), *day));
            let reported = heard.is_some_and(|facilities| !facilities.is_empty());
            let count = view.book.sums.get(&key).map(|sum| sum.count).or(reported.then_some(0));
            Day { day: *day, count }
        });
        out.insert(county.to_owned(), series.collect());
    }
    out
}

/// C2: the day against the seven series days from the ninth to the third before it.
fn c2_at(days: &[Day], place: usize, limits: &Limits) -> Option<Scored> {
    let day = days.get(place)?;
    let count = day.count?;
    let earlier = &days[place.saturating_sub(9)..place.saturating_sub(2)];
    let known: Vec<i64> = earlier.iter().filter_map(|day| day.count).collect();
    let n = known.len();
    if (n as f64) < limits.baseline_min || n < 2 {
        return None;
    }
    let sum: i64 = known.iter().sum();
    let squares: i64 = known.iter().map(|count| count * count).sum();
    let mean = sum as f64 / n as f64;
    let variance = (squares as f64 - sum as f64 * sum as f64 / n as f64).max(0.0) / (n as f64 - 1.0);
    let sd = variance.sqrt().max(limits.sd_min);
    Some(Scored { day: day.day, count, mean, c2: (count as f64 - mean) / sd })
}

/// C3: what C2 exceeds one by, over the day and the two series days before it.
pub fn fever_clinic_c3(view: &View<'_>) -> Result<Vec<Finding>, String> {
    let (rule, signal) = ("fever_clinic_c3", "fever_visit");
    let limits = Limits::of(view, rule)?;
    let mut out = Vec::new();
    for (county, days) in county_series(view, signal) {
        let scores: Vec<Option<Scored>> = (0..days.len()).map(|place| c2_at(&days, place, &limits)).collect();
        let above = |place: Option<usize>| {
            let scored = place.and_then(|place| scores.get(place).copied().flatten());
            scored.map_or(0.0, |scored| (scored.c2 - 1.0).max(0.0))
        };
        for (place, scored) in scores.iter().enumerate().filter_map(|(place, s)| s.map(|s| (place, s))) {
            let c3 = above(Some(place)) + above(place.checked_sub(1)) + above(place.checked_sub(2));
            if c3 > limits.threshold && scored.count as f64 >= limits.count_min && scored.day >= view.lean() {
                let first = place.checked_sub(2).map_or(scored.day, |place| days[place].day);
                let (unit, of) = (("county", &*county, &*county), (scored.count as f64, limits.threshold));
                let finding = Finding::new(rule, unit, signal, (first, scored.day), of);
                out.push(finding.with(Some(scored.mean), c3));
            }
        }
    }
    Ok(out)
}

/// Counties whose fever visits rose together with a neighbour's within a few dates; each of them is told.
pub fn neighbours_rising(view: &View<'_>) -> Result<Vec<Finding>, String> {
    let (rule, signal) = ("neighbours_rising", "fever_visit");
    let limits = Limits::of(view, rule)?;
    let days = view.parameter("neighbours_rising.days")? as i64;
    let counties_min = view.parameter("neighbours_rising.counties")?;
    let mut risen: BTreeMap<String, BTreeMap<i64, f64>> = BTreeMap::new();
    for (county, series) in county_series(view, signal) {
        for scored in (0..series.len()).filter_map(|place| c2_at(&series, place, &limits)) {
            if scored.c2 > limits.threshold && scored.count as f64 >= limits.count_min {
                risen.entry(county.clone()).or_default().insert(scored.day, scored.c2);
            }
        }
    }
    let mut out = Vec::new();
    for here in risen.keys() {
        let none = BTreeSet::new();
        let neighbours = view.registers().neighbours.get(here).unwrap_or(&none);
        // A window ends on every day on which the county or a neighbour rises.
        let group = neighbours.iter().chain([here]).filter_map(|county| risen.get(county));
        let ends: BTreeSet<i64> = group.flat_map(|days| days.keys().copied()).collect();
        for end in ends.into_iter().filter(|end| *end >= view.lean()) {
            let first = end - (days - 1);
            let peak = |county: &String| -> Option<f64> {
                risen.get(county)?.range(first..=end).map(|(_, c2)| *c2).max_by(f64::total_cmp)
            };
            let others: Vec<f64> = neighbours.iter().filter_map(peak).collect();
            let (Some(mine), Some(theirs)) = (peak(here), others.iter().copied().max_by(f64::total_cmp)) else {
                continue;
            };
            let counties = others.len() as f64 + 1.0;
            if counties >= counties_min {
                let (unit, of) = (("county", &**here, &**here), (counties, limits.threshold));
                out.push(Finding::new(rule, unit, signal, (first, end), of).with(None, mine.min(theirs)));
            }
        }
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: Limits = Limits { threshold: 3.0, count_min: 3.0, sd_min: 0.5, baseline_min: 7.0 };

    fn days(counts: &[i64]) -> Vec<Day> {
        (0..).zip(counts).map(|(day, count)| Day { day, count: Some(*count) }).collect()
    }

    fn scores(counts: &[i64]) -> Vec<f64> {
        let days = days(counts);
        (0..days.len()).filter_map(|place| c2_at(&days, place, &LIMITS)).map(|scored| scored.c2).collect()
    }

    #[test]
    fn c2_of_the_fever_clinic_example_is_8_653() {
        let days = days(&[18, 22, 20, 19, 24, 21, 17, 20, 23, 41]);
        let scored = c2_at(&days, 9, &LIMITS).unwrap();
        assert!((scored.c2 - 8.653).abs() < 0.0005 && (scored.mean - 20.143).abs() < 0.0005, "{scored:?}");
    }

    #[test]
    fn a_slow_ramp_never_passes_c2_but_adds_up() {
        let ramp = scores(&[18, 22, 20, 19, 24, 21, 17, 20, 23, 24, 25, 26]);
        let expected = [1.600, 2.054, 2.290];
        assert!(ramp.iter().zip(expected).all(|(c2, told)| (c2 - told).abs() < 0.0005), "{ramp:?}");
        let c3: f64 = ramp.iter().map(|c2| (c2 - 1.0).max(0.0)).sum();
        assert!((c3 - 2.945).abs() < 0.001, "{c3}");
    }

    #[test]
    fn the_three_channels_of_the_corroboration_example() {
        let pharmacy = scores(&[310, 295, 322, 301, 288, 335, 340, 305, 298, 402]);
        let school = scores(&[14, 16, 13, 15, 17, 14, 16, 15, 16, 20]);
        let clinic = scores(&[20, 22, 19, 21, 23, 20, 22, 21, 22, 27]);
        for (found, told) in [(pharmacy, 4.45), (school, 3.536), (clinic, 4.243)] {
            assert!((found[0] - told).abs() < 0.005, "{found:?} {told}");
        }
    }

    #[test]
    fn thirty_days_of_zeros_then_three_is_six_standard_deviations() {
        assert_eq!(scores(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 3]), [6.0]);
    }

    #[test]
    fn a_missing_day_is_not_a_zero() {
        let mut silent = days(&[18, 22, 20, 19, 24, 21, 17, 20, 23, 41]);
        silent[3].count = None;
        assert!(c2_at(&silent, 9, &LIMITS).is_none());
    }
}
