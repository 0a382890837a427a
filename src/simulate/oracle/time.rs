//! O9 time: what we knew only grows, ticks only advance, and no tick saw what was committed later.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::books::hex;
use super::calendar::{day_text, local_day};
use super::rows::place_text;
use super::{Fault, Run};

/// Checks the order of commits and ticks.
pub(super) fn order(run: &Run) -> Vec<Fault> {
    let mut faults = rows_in_order(run);
    faults.extend(commits_in_order(run));
    faults.extend(ticks_in_order(run));
    faults.extend(alerts_in_order(run));
    faults.extend(quarantine_in_order(run));
    faults.extend(references_unaltered(run));
    faults
}

fn rows_in_order(run: &Run) -> Vec<Fault> {
    let mut faults = Vec::new();
    for message in &run.messages {
        for commit in run.rows[message.rows()].iter().map(|row| &*row.stated.commit) {
            if commit.known_at != message.commit.known_at {
                faults.push(Fault::new(
                    "O9",
                    "split_commit",
                    message.place_text(),
                    "rows of one message differ in known_at",
                ));
            }
            let known_on = local_day(commit.known_at);
            if let Some(told) = commit.known_date.filter(|day| *day != known_on) {
                let detail = format!("known_date {}, known_at is of {}", day_text(told), day_text(known_on));
                faults.push(Fault::new("O9", "wrong_known_date", message.place_text(), detail));
            }
        }
    }
    for pair in run.messages.windows(2) {
        let partition = |message: usize| (&*pair[message].origin.topic, pair[message].origin.partition);
        let same = partition(0) == partition(1);
        let (before, after) = (pair[0].commit.known_at, pair[1].commit.known_at);
        if same && after < before {
            let detail = format!("known at {after}, the message before it at {before}");
            faults.push(Fault::new("O9", "known_at_back", pair[1].place_text(), detail));
        }
    }
    faults
}

/// One commit has one `known_at`, greater than that of every earlier commit.
fn commits_in_order(run: &Run) -> Vec<Fault> {
    let table = &run.signals_table;
    let mut known: BTreeMap<&str, BTreeSet<i64>> = BTreeMap::new();
    for commit in run.rows.iter().map(|row| &*row.stated.commit) {
        known.entry(&table.live[commit.file].path).or_default().insert(commit.known_at);
    }
    let mut faults = Vec::new();
    for file in &table.live {
        let tag = |name: &str| file.tags.get(name).and_then(|text| text.parse::<i64>().ok());
        let (Some(from), Some(to)) = (tag("qs.known_from"), tag("qs.known_to")) else { continue };
        let outside = known.get(&*file.path).into_iter().flatten().find(|at| **at < from || **at > to);
        if let Some(at) = outside {
            let detail = format!("a row known at {at}, its tags say {from} to {to}");
            faults.push(Fault::new("O9", "outside_commit", &*file.path, detail));
        }
    }
    let mut newest = i64::MIN;
    for entry in &table.entries {
        let times: BTreeSet<i64> =
            entry.adds.iter().filter_map(|file| known.get(&*file.path)).flatten().copied().collect();
        let place = format!("signals version {}", entry.version);
        if times.len() > 1 {
            faults.push(Fault::new("O9", "two_clocks", &*place, format!("one commit, known_at {times:?}")));
        }
        if let Some(first) = times.first().filter(|first| **first <= newest) {
            let detail = format!("known at {first}, an earlier commit at {newest}");
            faults.push(Fault::new("O9", "commit_back", &*place, detail));
        }
        newest = newest.max(times.last().copied().unwrap_or(i64::MIN));
        for tick in run.ticks.iter().filter(|tick| tick.signals_version >= 0) {
            let seen = entry.version <= tick.signals_version;
            let wrong = times.iter().find(|at| (**at <= tick.known_until) != seen);
            if let Some(at) = wrong {
                let detail = format!(
                    "tick at version {} and known_until {}: rows known at {at} of version {}",
                    tick.signals_version, tick.known_until, entry.version
                );
                faults.push(Fault::new("O9", "hindsight", format!("tick {}", tick.tick), detail));
            }
        }
    }
    faults
}

fn ticks_in_order(run: &Run) -> Vec<Fault> {
    let mut faults = Vec::new();
    for pair in run.ticks.windows(2) {
        let place = format!("tick {}", pair[1].tick);
        if pair[1].tick <= pair[0].tick {
            faults.push(Fault::new("O9", "tick_back", &*place, format!("after tick {}", pair[0].tick)));
        }
        let back = pair[1].known_until < pair[0].known_until
            || pair[1].signals_version < pair[0].signals_version
            || pair[1].reference_known_at < pair[0].reference_known_at;
        if back {
            faults.push(Fault::new("O9", "tick_saw_less", &*place, "it saw less than the tick before it"));
        }
    }
    for tick in run.ticks.iter().filter(|t| t.known_until > t.tick) {
        let detail = format!("saw rows known until {}", tick.known_until);
        faults.push(Fault::new("O9", "hindsight", format!("tick {}", tick.tick), detail));
    }
    faults
}

/// A text in force must be the text that was put in force.
fn references_unaltered(run: &Run) -> Vec<Fault> {
    let altered = run.reference.iter().filter(|row| !row.digest.is_empty());
    altered
        .filter(|row| hex(&Sha256::digest(row.body.as_bytes())) != row.digest.to_lowercase())
        .map(|row| {
            let place = format!("reference {} {}", row.class, row.name);
            Fault::new("O9", "reference_altered", place, "its body does not have its digest")
        })
        .collect()
}

fn quarantine_in_order(run: &Run) -> Vec<Fault> {
    let mut rows: Vec<_> = run.quarantine.iter().collect();
    rows.sort_by_key(|row| row.place());
    let back = rows.windows(2).filter(|pair| {
        let same = pair[0].topic == pair[1].topic && pair[0].partition == pair[1].partition;
        same && pair[1].known_at < pair[0].known_at
    });
    back.map(|pair| {
        let place = place_text(pair[1].place());
        Fault::new("O9", "known_at_back", place, "in quarantine, known before the message ahead of it")
    })
    .collect()
}

fn alerts_in_order(run: &Run) -> Vec<Fault> {
    let ticks: BTreeSet<i64> = run.ticks.iter().map(|t| t.tick).collect();
    let mut faults = Vec::new();
    for alert in run.alerts.iter().filter(|alert| !ticks.contains(&alert.tick)) {
        let place = format!("{} revision {}", alert.alert_id, alert.revision);
        faults.push(Fault::new("O9", "tick_missing", place, format!("tick {} is not recorded", alert.tick)));
    }
    for pair in run.alerts.windows(2).filter(|pair| pair[0].alert_id == pair[1].alert_id) {
        let place = format!("{} revision {}", pair[1].alert_id, pair[1].revision);
        if pair[1].revision == pair[0].revision {
            faults.push(Fault::new("O9", "revision_twice", &*place, "stands twice in alert_history"));
        } else if pair[1].revision != pair[0].revision + 1 {
            faults.push(Fault::new("O9", "revision_gap", &*place, format!("after revision {}", pair[0].revision)));
        }
        if pair[1].known_at < pair[0].known_at || pair[1].tick < pair[0].tick {
            faults.push(Fault::new("O9", "revision_back", &*place, "older than the revision before it"));
        }
    }
    faults
}
