//! Rules over classes, dormitories and schools.

use std::collections::{BTreeMap, BTreeSet};

use super::super::book::Count;
use super::super::rows::{Key, Text};
use super::{Finding, View};

/// Syndromes in which pupils are alike; "other" is not one.
pub const SYNDROMES: [&str; 7] = [
    "school_fever",
    "school_respiratory",
    "school_gi",
    "school_rash",
    "school_parotitis",
    "school_conjunctivitis",
    "school_jaundice",
];

const ROOMS: [&str; 2] = ["class", "dormitory"];

/// Three pupils of one class or dormitory, one syndrome, one day.
pub fn class_1d3(view: &View<'_>) -> Result<Vec<Finding>, String> {
    let pupils = view.parameter("school_class_1d3.pupils")?;
    let mut out = Vec::new();
    for signal in SYNDROMES {
        for room in ROOMS {
            for ((unit, day), (area, count)) in room_days(view, signal, room, view.lean()) {
                if count.count as f64 >= pupils {
                    let of = (count.count as f64, pupils);
                    out.push(Finding::new("school_class_1d3", (room, &unit, &area), signal, (day, day), of));
                }
            }
        }
    }
    Ok(out)
}

/// Counts by unit and day; one unit is told by one kind, so two counts of a day are not expected, but added.
fn room_days(view: &View<'_>, signal: &str, room: &str, from: i64) -> BTreeMap<(Text, i64), (String, Count)> {
    let mut out: BTreeMap<(Text, i64), (String, Count)> = BTreeMap::new();
    for (key, count) in view.base(signal, room, from) {
        let entry = out
            .entry((key.unit_id.clone(), key.day))
            .or_insert_with(|| (view.registers().county_of(&key.area), Count::default()));
        entry.1.count += count.count;
        entry.1.persons.extend(&count.persons);
        entry.1.is_total |= count.is_total;
        entry.1.denominator = entry.1.denominator.max(count.denominator);
    }
    out
}

/// Five different pupils within three consecutive dates.
pub fn class_3d5(view: &View<'_>) -> Result<Vec<Finding>, String> {
    let pupils = view.parameter("school_class_3d5.pupils")?;
    let days = view.parameter("school_class_3d5.days")? as i64;
    let mut out = Vec::new();
    for signal in SYNDROMES {
        for room in ROOMS {
            let counts = room_days(view, signal, room, view.lean() - days);
            for ((unit, end), (area, _)) in counts.iter().filter(|(_, (_, count))| count.count > 0) {
                let first = end - (days - 1);
                let inside = (first..=*end).filter_map(|day| counts.get(&(unit.clone(), day))).map(|(_, count)| count);
                let observed = different_pupils(inside);
                if observed as f64 >= pupils {
                    let of = (observed as f64, pupils);
                    out.push(Finding::new("school_class_3d5", (room, unit, area), signal, (first, *end), of));
                }
            }
        }
    }
    Ok(out)
}

/// Named pupils once; new cases may be added; of totals only the largest, for a child ill three days is in all three.
fn different_pupils<'a>(days: impl Iterator<Item = &'a Count>) -> i64 {
    let mut named: BTreeSet<Key> = BTreeSet::new();
    let (mut new_cases, mut largest_total) = (0, 0);
    for count in days {
        named.extend(&count.persons);
        let nameless = (count.count - count.persons.len() as i64).max(0);
        if count.is_total { largest_total = largest_total.max(nameless) } else { new_cases += nameless }
    }
    named.len() as i64 + new_cases + largest_total
}

pub fn ili_7d10(view: &View<'_>) -> Result<Vec<Finding>, String> {
    ili(view, "school_ili_7d10")
}

pub fn ili_7d30(view: &View<'_>) -> Result<Vec<Finding>, String> {
    ili(view, "school_ili_7d30")
}

/// New influenza-like illnesses of one school in consecutive dates.
fn ili(view: &View<'_>, rule: &'static str) -> Result<Vec<Finding>, String> {
    let pupils = view.parameter(&format!("{rule}.pupils"))?;
    let days = view.parameter(&format!("{rule}.days"))? as i64;
    let mut by_school: BTreeMap<(&str, i64), i64> = BTreeMap::new();
    for (key, sum) in view.book.sums_of("school_ili", "facility") {
        by_school.insert((&key.unit_id, key.day), sum.count);
    }
    let mut out = Vec::new();
    for ((school, end), _) in by_school.iter().filter(|((_, end), count)| **count > 0 && *end >= view.lean()) {
        let first = end - (days - 1);
        let observed: i64 = (first..=*end).filter_map(|day| by_school.get(&(school, day))).sum();
        if observed as f64 >= pupils {
            let area = view.duty.county_of(school);
            let of = (observed as f64, pupils);
            out.push(Finding::new(rule, ("facility", school, area), "school_ili", (first, *end), of));
        }
    }
    Ok(out)
}

/// A share of absent pupils above three times the school's usual share and five per cent, or a third of a class.
pub fn absence(view: &View<'_>) -> Result<Vec<Finding>, String> {
    let mut out = school_absence(view)?;
    let class_share = view.parameter("school_absence.class_share")?;
    for ((unit, day), (area, count)) in room_days(view, "school_absent_sick", "class", view.lean()) {
        let Some(enrolled) = count.denominator.filter(|enrolled| *enrolled > 0) else { continue };
        let share = count.count as f64 / enrolled as f64;
        if share >= class_share {
            let (unit, of) = (("class", &*unit, &*area), (count.count as f64, class_share));
            out.push(Finding::new("school_absence", unit, "school_absent_sick", (day, day), of).with(None, share));
        }
    }
    Ok(out)
}

/// Earlier school days that the usual share is taken from.
const USUAL_DAYS: usize = 14;

fn school_absence(view: &View<'_>) -> Result<Vec<Finding>, String> {
    let signal = "school_absent_sick";
    let floor = view.parameter("school_absence.floor_share")?;
    let factor = view.parameter("school_absence.median_factor")?;
    let pupils = view.parameter("school_absence.pupils")?;
    let values_min = view.parameter("school_absence.median_values_min")?;
    let Some((feed, _)) = view.registers().any_signal(signal) else { return Ok(Vec::new()) };
    let mut by_school: BTreeMap<&str, BTreeMap<i64, (i64, Option<i64>)>> = BTreeMap::new();
    for (key, sum) in view.book.sums_of(signal, "facility") {
        by_school.entry(&key.unit_id).or_default().insert(key.day, (sum.count, sum.denominator));
    }
    let mut out = Vec::new();
    for (school, days) in by_school {
        let due = view.duty.days_of(feed, school);
        let share_on = |day: i64| -> Option<f64> {
            let (count, enrolled) = days.get(&day)?;
            enrolled.filter(|enrolled| *enrolled != 0).map(|enrolled| *count as f64 / enrolled as f64)
        };
        for (place, (day, _)) in due.iter().enumerate() {
            let (Some(share), Some((count, enrolled))) = (share_on(*day), days.get(day)) else { continue };
            let earlier = &due[place.saturating_sub(USUAL_DAYS)..place];
            let usual: Vec<f64> = earlier.iter().filter_map(|(day, _)| share_on(*day)).collect();
            let known = usual.len() as f64 >= values_min;
            let median = median(usual);
            let limit = if known { floor.max(factor * median) } else { floor };
            if share > limit && *count as f64 >= pupils && *day >= view.lean() {
                let area = view.duty.county_of(school);
                let (unit, of) = (("facility", school, area), (*count as f64, limit));
                let expected = known.then(|| median * enrolled.unwrap_or(0) as f64);
                out.push(Finding::new("school_absence", unit, signal, (*day, *day), of).with(expected, share));
            }
        }
    }
    Ok(out)
}

/// The middle value, or the mean of the two in the middle.
fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    let half = values.len() / 2;
    match (values.get(half), values.len() % 2) {
        (None, _) => 0.0,
        (Some(middle), 1) => *middle,
        (Some(above), _) => (values.get(half.saturating_sub(1)).copied().unwrap_or(*above) + above) / 2.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(count: i64, persons: &[&str], is_total: bool) -> Count {
        let persons = persons.iter().map(Key::of).collect();
        Count { count, denominator: None, persons, is_total }
    }

    #[test]
    fn a_child_ill_for_three_days_is_one_child() {
        let named = [day(2, &["a", "b"], false), day(1, &["b"], false), day(2, &["c", "d"], false)];
        assert_eq!(different_pupils(named.iter()), 4);
        let new_cases = [day(2, &[], false), day(1, &[], false), day(2, &[], false)];
        assert_eq!(different_pupils(new_cases.iter()), 5);
        let totals = [day(2, &[], true), day(3, &[], true), day(3, &[], true)];
        assert_eq!(different_pupils(totals.iter()), 3);
    }

    #[test]
    fn the_median_of_an_even_number_is_between_the_middle_two() {
        assert_eq!(median(vec![0.04, 0.01, 0.02, 0.03]), 0.025);
        assert_eq!(median(vec![3.0, 1.0, 2.0]), 2.0);
        assert_eq!(median(Vec::new()), 0.0);
    }
}
