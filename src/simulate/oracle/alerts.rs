//! O5 alerts: every alert is raised again at every recorded tick from the rows visible then, and compared.
//!
//! Promises: a missing, false, altered or wrongly numbered revision is named with its alert and tick.

use std::collections::{BTreeMap, BTreeSet};

use super::book::Book;
use super::calendar::{day_of_text, day_text, local_day};
use super::duty::Duty;
use super::life::{Alert, Lives, Series, identity_text};
use super::registers::{Registers, edition};
use super::rows::AlertRow;
use super::rules::{self, View, findings};
use super::{Counted, ExpectedAlert, Fault, Run};

/// Series days before the first tick that rules reach back to: horizon, history, and a silence before both.
const DAYS_BEFORE: i64 = 120 + rules::SILENCE_DAYS;

/// Raises every alert again and compares; answers the faults and what must have been raised.
pub(super) fn compare(run: &Run, counted: &mut Counted) -> Result<(Vec<Fault>, Vec<ExpectedAlert>), String> {
    let lives = replay(run)?;
    let mut faults = differences(&lives.revisions, &run.alerts);
    let (planted_faults, expected) = against_planted(run, &lives);
    faults.extend(planted_faults);
    counted.ticks = run.ticks.len() as u64;
    counted.revisions = run.alerts.len() as u64;
    counted.alerts = run.alerts.iter().map(|alert| &alert.alert_id).collect::<BTreeSet<_>>().len() as u64;
    Ok((faults, expected))
}

/// Every recorded tick, in order, each over the rows and registers that it saw.
pub(super) fn replay(run: &Run) -> Result<Lives, String> {
    let mut lives = Lives::default();
    let mut ticks: Vec<_> = run.ticks.iter().collect();
    ticks.sort_by_key(|tick| tick.tick);
    let Some((from, to)) = ticks.first().zip(ticks.last()).map(|(a, b)| (local_day(a.tick), local_day(b.tick))) else {
        return Ok(lives);
    };
    let mut editions: BTreeMap<i64, Vec<_>> = BTreeMap::new();
    for tick in &ticks {
        editions.entry(edition(&run.reference, tick.reference_known_at)).or_default().push(tick);
    }
    for (known_at, ticks) in editions {
        let registers = Registers::as_of(&run.reference, known_at)?;
        let duty = Duty::new(&registers, from - DAYS_BEFORE..=to);
        let mut book = Book::new(&run.rows, &run.messages, &registers);
        for tick in ticks {
            book.advance(tick.known_until);
            let view = View { book: &book, duty: &duty, tick: tick.tick };
            lives.tick(tick.tick, findings(&view)?, &registers);
        }
    }
    Ok(lives)
}

type Identity = (Series, i64, usize);

fn series_of(row: &AlertRow) -> Series {
    Series {
        rule: row.rule.clone(),
        unit_kind: row.unit_kind.clone(),
        unit_id: row.unit_id.clone(),
        area_code: row.area_code.clone(),
        signal: row.signal.clone(),
    }
}

/// The stored revisions by identity: ids are opaque, so an id stands for the opening it begins with.
fn stored(alerts: &[AlertRow]) -> BTreeMap<Identity, Vec<&AlertRow>> {
    let mut by_id: BTreeMap<&str, Vec<&AlertRow>> = BTreeMap::new();
    for row in alerts.iter().filter(|row| rules::knows(&row.rule)) {
        by_id.entry(&row.alert_id).or_default().push(row);
    }
    let mut histories: Vec<Vec<&AlertRow>> = by_id.into_values().collect();
    for history in &mut histories {
        history.sort_by_key(|row| (row.revision, row.tick));
    }
    histories.sort_by_key(|history| (history[0].opened_at, history[0].tick, history[0].alert_id.clone()));
    let mut out = BTreeMap::new();
    for history in histories {
        let first = history[0];
        let number = (0..).find(|n| !out.contains_key(&(series_of(first), first.onset, *n))).unwrap_or(0);
        out.insert((series_of(first), first.onset, number), history);
    }
    out
}

fn differences(expected: &[Alert], alerts: &[AlertRow]) -> Vec<Fault> {
    let mut wanted: BTreeMap<Identity, Vec<&Alert>> = BTreeMap::new();
    for revision in expected {
        wanted.entry((revision.series.clone(), revision.opening, revision.number)).or_default().push(revision);
    }
    let found = stored(alerts);
    let mut faults = Vec::new();
    let keys: BTreeSet<&Identity> = wanted.keys().chain(found.keys()).collect();
    for key in keys {
        let place = identity_text(&key.0, key.1, key.2);
        match (wanted.get(key), found.get(key)) {
            (Some(wanted), None) => {
                let detail = format!("must be opened at tick {}", wanted[0].tick);
                faults.push(Fault::new("O5", "alert_missing", place, detail));
            }
            (None, Some(found)) => {
                let detail = format!("alert {} is not supported by the rows", found[0].alert_id);
                faults.push(Fault::new("O5", "alert_false", place, detail));
            }
            (Some(wanted), Some(found)) => faults.extend(revisions(&place, wanted, found)),
            (None, None) => {}
        }
    }
    faults
}

/// Two histories of one alert, revision by revision; the first difference is named.
fn revisions(place: &str, wanted: &[&Alert], found: &[&AlertRow]) -> Option<Fault> {
    for (number, (wanted, found)) in wanted.iter().zip(found).enumerate() {
        let place = format!("{place} revision {}", number + 1);
        if found.revision != number as i64 + 1 {
            let detail = format!("alert {} has revision {} here", found.alert_id, found.revision);
            return Some(Fault::new("O5", "revision_skipped", place, detail));
        }
        if let Some((kind, detail)) = difference(wanted, found) {
            return Some(Fault::new("O5", kind, place, format!("alert {}: {detail}", found.alert_id)));
        }
    }
    let (kind, detail) = match (wanted.get(found.len()), found.get(wanted.len())) {
        (Some(next), _) => ("revision_missing", format!("must be {} at tick {}", next.state, next.tick)),
        (None, Some(next)) => ("revision_false", format!("{} at tick {} without a reason", next.state, next.tick)),
        (None, None) => return None,
    };
    Some(Fault::new("O5", kind, place, detail))
}

fn difference(wanted: &Alert, found: &AlertRow) -> Option<(&'static str, String)> {
    let texts = [
        ("wrong_state", wanted.state, &*found.state),
        ("wrong_severity", &*wanted.severity, &*found.severity),
        (
            "wrong_channels",
            wanted.channels.as_deref().unwrap_or_default(),
            found.channels.as_deref().unwrap_or_default(),
        ),
    ];
    if let Some((kind, told, kept)) = texts.into_iter().find(|(_, told, kept)| told != kept) {
        return Some((kind, format!("must be {told:?}, is {kept:?}")));
    }
    let days = [
        ("wrong_onset", wanted.onset, found.onset),
        ("wrong_window", wanted.start, found.window_start),
        ("wrong_window", wanted.end, found.window_end),
    ];
    if let Some((kind, told, kept)) = days.into_iter().find(|(_, told, kept)| told != kept) {
        return Some((kind, format!("must be {}, is {}", day_text(told), day_text(kept))));
    }
    // What is over may be said to be over as late as the next local day begins.
    let patient =
        wanted.state == "ended" && found.tick >= wanted.tick && local_day(found.tick) - local_day(wanted.tick) <= 1;
    let times = [
        ("wrong_tick", wanted.tick, if patient { wanted.tick } else { found.tick }),
        ("wrong_opening", wanted.opened_at, found.opened_at),
        ("wrong_deadline", wanted.verify_due, found.verify_due),
    ];
    if let Some((kind, told, kept)) = times.into_iter().find(|(_, told, kept)| told != kept) {
        return Some((kind, format!("must be {told}, is {kept}")));
    }
    let told_why = found.reason.as_deref();
    let has_reason = match (wanted.state, wanted.merged) {
        ("withdrawn", true) => told_why.is_some_and(|why| why.starts_with("merged_into:")),
        ("withdrawn", false) => told_why.is_some_and(|why| !why.starts_with("merged_into:")),
        _ => told_why.is_none(),
    };
    if !has_reason {
        return Some(("wrong_reason", format!("{} with reason {told_why:?}", wanted.state)));
    }
    let numbers = [
        ("wrong_observed", Some(wanted.observed), Some(found.observed)),
        ("wrong_threshold", Some(wanted.threshold), Some(found.threshold)),
        ("wrong_expected", wanted.expected, found.expected),
        ("wrong_statistic", wanted.statistic, found.statistic),
    ];
    let differ = numbers.into_iter().find(|(_, told, kept)| !close(*told, *kept))?;
    Some((differ.0, format!("must be {:?}, is {:?}", differ.1, differ.2)))
}

/// Equal but for the last digits, which depend on the order of floating-point steps.
fn close(told: Option<f64>, kept: Option<f64>) -> bool {
    match (told, kept) {
        (Some(told), Some(kept)) => (told - kept).abs() <= 1e-9 * told.abs().max(1.0),
        (None, None) => true,
        (Some(_), None) | (None, Some(_)) => false,
    }
}

/// Which planted outbreak each alert belongs to, and which outbreak has none.
fn against_planted(run: &Run, lives: &Lives) -> (Vec<Fault>, Vec<ExpectedAlert>) {
    let registers = Registers::as_of(&run.reference, i64::MAX).unwrap_or_default();
    let planted = &run.ledger.planted;
    let day = |text: &str| day_of_text(text).unwrap_or(i64::MIN);
    let overlaps = |alert: &Alert, from: &str, until: &str| alert.onset <= day(until) && alert.end >= day(from);
    let mut expected = Vec::new();
    for alert in lives.all() {
        let mine = planted.iter().find(|p| {
            p.rule == alert.series.rule && p.area_code == alert.series.area_code && overlaps(alert, &p.onset, &p.until)
        });
        let kind = registers.headers.get(&alert.series.rule).map(|header| header.word("kind").to_owned());
        expected.push(ExpectedAlert {
            rule: alert.series.rule.clone(),
            statistical: kind.as_deref() == Some("statistical"),
            unit_kind: alert.series.unit_kind.clone(),
            unit_id: alert.series.unit_id.clone(),
            area_code: alert.series.area_code.clone(),
            signal: alert.series.signal.clone(),
            onset: alert.opening,
            begins: alert.onset.min(alert.start),
            window_end: alert.end,
            state: alert.state.to_owned(),
            planted: mine.map(|planted| planted.id.clone()),
        });
    }
    let found = |id: &str, rule: &str, area: &str, from: &str, until: &str| {
        let by_rule = |row: &&AlertRow| row.rule == rule && row.area_code == area;
        let in_days = |row: &AlertRow| row.onset <= day(until) && row.window_end >= day(from);
        let there = run.alerts.iter().filter(by_rule).any(in_days);
        (!there).then(|| Fault::new("O5", "planted_missed", id, format!("{rule} in {area} from {from} to {until}")))
    };
    let faults = planted.iter().filter_map(|p| found(&p.id, &p.rule, &p.area_code, &p.onset, &p.until)).collect();
    (faults, expected)
}
