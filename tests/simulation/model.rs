//! What must be true of the messages that were taken in, counted anew in plain loops: which statements stand, how many
//! fell ill, and which runs of firing windows there are. Shares no code with what it judges.

use std::collections::BTreeMap;

use super::letters::{Letter, Said};
use super::rules::{ONE_DAY, THREE_DAYS};
use qianshao::terms::Day;

/// Class, signal and day.
pub type Counts = BTreeMap<(String, &'static str, Day), i64>;
/// Rule, class and signal: first and last day on which a window of the run ends, and what the last one holds.
pub type Runs = BTreeMap<(&'static str, String, &'static str), Vec<(Day, Day, i64)>>;

/// The statement that stands for each record, by place.
pub fn standing(taken_in: &BTreeMap<(i32, i64), Letter>) -> BTreeMap<u64, (&Said, i32, i64)> {
    let mut standing: BTreeMap<u64, (&Said, i32, i64)> = BTreeMap::new();
    for ((partition, offset), letter) in taken_in {
        let Some(said) = &letter.said else { continue };
        let new = (said.revision, said.reported_at, *partition, *offset);
        let wins = standing
            .get(&said.event)
            .is_none_or(|(old, partition, offset)| new > (old.revision, old.reported_at, *partition, *offset));
        if wins {
            standing.insert(said.event, (said, *partition, *offset));
        }
    }
    standing
}

pub fn counts(taken_in: &BTreeMap<(i32, i64), Letter>) -> Counts {
    let mut counts = Counts::new();
    for (said, _, _) in standing(taken_in).into_values().filter(|(said, _, _)| !said.retracted) {
        *counts.entry((said.unit(), said.signal(), said.day)).or_default() += 1;
    }
    counts
}

/// Runs whose windows end on or before `today`.
pub fn runs(counts: &Counts, today: Day) -> Runs {
    let mut runs = Runs::new();
    for (rule, days, pupils, gap) in [ONE_DAY, THREE_DAYS] {
        // Keys come in order of class, signal and day.
        for (unit, signal, end) in counts.keys().filter(|(_, _, end)| *end <= today) {
            let held = |day: i32| counts.get(&(unit.clone(), signal, Day(day))).copied().unwrap_or(0);
            let observed: i64 = (end.0 - days + 1..=end.0).map(held).sum();
            if observed < pupils {
                continue;
            }
            let of = runs.entry((rule, unit.clone(), *signal)).or_default();
            match of.last_mut() {
                Some((_, last, shown)) if end.0 - last.0 <= gap => (*last, *shown) = (*end, observed),
                Some(_) | None => of.push((*end, *end, observed)),
            }
        }
    }
    runs
}

/// Statements that came after one that they do not replace, and repeats of what was said already.
pub fn overtaken_and_repeated(in_order: &[(i32, i64)], taken_in: &BTreeMap<(i32, i64), Letter>) -> (usize, usize) {
    let mut newest: BTreeMap<u64, i64> = BTreeMap::new();
    let (mut overtaken, mut repeated) = (0, 0);
    for said in in_order.iter().filter_map(|place| taken_in.get(place)?.said.as_ref()) {
        match newest.get(&said.event) {
            Some(revision) if said.revision < *revision => overtaken += 1,
            Some(revision) if said.revision == *revision => repeated += 1,
            Some(_) | None => _ = newest.insert(said.event, said.revision),
        }
    }
    (overtaken, repeated)
}
