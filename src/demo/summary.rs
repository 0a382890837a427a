//! What a run came to, as one JSON object: books, outbreaks found, alerts nobody planted.
//!
//! Promises: `accepted + duplicates + quarantined = consumed`, in messages, counted from the tables themselves.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::io::BufRead;
use std::path::Path;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use serde::Serialize;
use sha2::{Digest, Sha256};

use crate::alert::{Alert, RuleKind, State};
use crate::delta::files::{known_at_of, positions_of};
use crate::delta::log::Log;
use crate::delta::repair::offsets;
use crate::delta::tables::Table;
use crate::detect::alert_rows::alerts_of;
use crate::problem::{Problem, Result, codes};
use crate::simulate::ledger::{LedgerLine, Planted};
use crate::simulate::oracle::Verdict;
use crate::terms::{Day, MICROS_PER_SECOND, Position};

/// The whole of a finished run.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Summary {
    pub consumed: i64,
    pub accepted: i64,
    pub duplicates: i64,
    pub quarantined: i64,
    pub alerts: usize,
    /// Alerts of threshold rules that the ledger does not know.
    pub false_alerts: usize,
    /// Alerts of statistical rules outside planted outbreaks.
    pub unplanted_alerts: usize,
    /// Where tables or topic differ from what the oracle expects.
    pub unexpected_vs_oracle: usize,
    pub seconds: f64,
    pub planted: Vec<Found>,
    pub rules: BTreeMap<String, Lives>,
    /// What the oracle says, in its own words.
    pub faults: Vec<String>,
    /// Statistical alerts outside outbreaks that tables and oracle do not agree on.
    pub unplanted_vs_oracle: usize,
}

/// A planted outbreak and the alert that found it.
#[derive(Clone, Debug, Serialize)]
pub struct Found {
    pub id: String,
    pub kind: String,
    pub area_code: String,
    pub rule: String,
    pub onset: String,
    pub found: bool,
    pub delay_hours: Option<f64>,
    pub alert_id: Option<String>,
}

/// How often a rule's alerts opened, ended, were withdrawn.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Lives {
    pub opened: usize,
    pub ended: usize,
    pub withdrawn: usize,
}

impl Summary {
    /// Everything that must hold for exit code 0.
    pub fn complaints(&self) -> Vec<String> {
        let mut complaints = Vec::new();
        if self.accepted + self.duplicates + self.quarantined != self.consumed {
            complaints.push("the books do not balance".to_owned());
        }
        complaints.extend(self.planted.iter().filter(|found| !found.found).map(|found| {
            format!("not found: {} {} in {} from {}", found.id, found.rule, found.area_code, found.onset)
        }));
        if self.false_alerts > 0 {
            complaints.push(format!("{} alerts of threshold rules that nobody planted", self.false_alerts));
        }
        if self.unexpected_vs_oracle > 0 {
            complaints.push(format!("{} differences from the oracle", self.unexpected_vs_oracle));
        }
        if self.unplanted_vs_oracle > 0 {
            complaints.push(format!(
                "{} unplanted alerts that the oracle does not derive, or the reverse",
                self.unplanted_vs_oracle
            ));
        }
        complaints
    }
}

/// Reads the tables of a finished run and compares them with its ledger and the oracle's verdict.
pub async fn summarize(log: &dyn Log, ledger: &Path, verdict: &Verdict) -> Result<Summary> {
    let planted = planted(ledger)?;
    let mut newest: BTreeMap<String, Alert> = BTreeMap::new();
    let mut first_tick: BTreeMap<String, i64> = BTreeMap::new();
    for batch in log.read(Table::AlertHistory, i64::MIN, i64::MAX).await? {
        for alert in alerts_of(&batch)? {
            first_tick.entry(alert.id.to_string()).or_insert(alert.tick.0);
            newest.insert(alert.id.to_string(), alert);
        }
    }
    let mut summary = Summary {
        alerts: newest.len(),
        unexpected_vs_oracle: verdict.faults.len(),
        faults: verdict.faults.iter().map(|f| format!("{} {} {}: {}", f.check, f.kind, f.place, f.detail)).collect(),
        ..Summary::default()
    };
    count_messages(log, &mut summary).await?;
    let mut unplanted = BTreeSet::new();
    for alert in newest.values() {
        let lives = summary.rules.entry(alert.rule.clone()).or_default();
        lives.opened += 1;
        lives.ended += usize::from(alert.state == State::Ended);
        lives.withdrawn += usize::from(alert.state == State::Withdrawn);
        let in_outbreak = planted.iter().any(|one| is_in(one, alert));
        let of_rule = planted.iter().any(|one| one.rule == alert.rule && is_in(one, alert));
        match alert.rule_kind {
            RuleKind::Threshold => summary.false_alerts += usize::from(!of_rule),
            RuleKind::Statistical if !in_outbreak => {
                let series = &alert.series;
                unplanted.insert((
                    alert.rule.clone(),
                    series.unit_id.clone(),
                    series.signal.clone(),
                    alert.first_onset,
                ));
            }
            RuleKind::Statistical => {}
        }
    }
    let derived: BTreeSet<(String, String, String, Day)> = verdict
        .expected_alerts
        .iter()
        .filter(|alert| {
            let (from, until) = (Day(alert.begins as i32), Day(alert.window_end as i32));
            alert.statistical && !planted.iter().any(|one| touches(one, &alert.area_code, from, until))
        })
        .map(|alert| (alert.rule.clone(), alert.unit_id.clone(), alert.signal.clone(), Day(alert.onset as i32)))
        .collect();
    summary.unplanted_alerts = unplanted.len();
    summary.unplanted_vs_oracle = unplanted.symmetric_difference(&derived).count();
    summary.planted = planted.iter().map(|one| found(one, &newest, &first_tick)).collect();
    Ok(summary)
}

fn found(planted: &Planted, alerts: &BTreeMap<String, Alert>, first_tick: &BTreeMap<String, i64>) -> Found {
    let by = alerts
        .values()
        .filter(|alert| alert.rule == planted.rule && is_in(planted, alert))
        .min_by_key(|alert| (first_tick.get(alert.id.as_str()), alert.id.clone()));
    let onset = Day::parse(&planted.onset).map(Day::start_micros);
    let delay = by.and_then(|alert| {
        Some((first_tick.get(alert.id.as_str())? - onset?) as f64 / (3_600 * MICROS_PER_SECOND) as f64)
    });
    Found {
        id: planted.id.clone(),
        kind: planted.kind.clone(),
        area_code: planted.area_code.clone(),
        rule: planted.rule.clone(),
        onset: planted.onset.clone(),
        found: by.is_some(),
        delay_hours: delay,
        alert_id: by.map(|alert| alert.id.to_string()),
    }
}

/// Whether an alert's run lies in the outbreak's county and touches its days.
fn is_in(planted: &Planted, alert: &Alert) -> bool {
    touches(planted, &alert.series.area_code, alert.onset.min(alert.window_start), alert.window_end)
}

fn touches(planted: &Planted, area_code: &str, from: Day, until: Day) -> bool {
    match (Day::parse(&planted.onset), Day::parse(&planted.until)) {
        (Some(onset), Some(end)) => planted.area_code == area_code && from <= end && until >= onset,
        _ => false,
    }
}

fn planted(ledger: &Path) -> Result<Vec<Planted>> {
    let at = |error: String| Problem::new(codes::IO, ledger.display().to_string(), error);
    let file = std::fs::File::open(ledger).map_err(|error| at(error.to_string()))?;
    let mut planted = Vec::new();
    for line in std::io::BufReader::new(file).lines() {
        let line = line.map_err(|error| at(error.to_string()))?;
        // Header lines come first; nothing is planted after the first message.
        match serde_json::from_str(&line).map_err(|error| at(error.to_string()))? {
            LedgerLine::Planted(one) => planted.push(one),
            LedgerLine::Message(_) => break,
            LedgerLine::City(_) | LedgerLine::Facility(_) | LedgerLine::Expected(_) | LedgerLine::Silence(_) => {}
        }
    }
    Ok(planted)
}

/// A message: when it became known, where it stands, and a digest of what it states of which record.
type Stated = (i64, Position, [u8; 16]);

/// Counts messages, not rows. A duplicate is a message whose record, revision and content an earlier one had.
async fn count_messages(log: &dyn Log, summary: &mut Summary) -> Result<()> {
    summary.consumed = offsets(&log.head(Table::Signals).await?).values().sum();
    let mut messages: Vec<Stated> = Vec::new();
    let mut take = |batch: RecordBatch| {
        state(&batch, &mut messages);
        Ok(())
    };
    log.each(Table::Signals, i64::MIN, i64::MAX, &mut take).await?;
    messages.sort_by(|one, other| (one.0, &one.1).cmp(&(other.0, &other.1)));
    messages.dedup_by(|one, other| (one.0, &one.1) == (other.0, &other.1));
    let mut seen = HashSet::new();
    summary.accepted = messages.iter().filter(|(_, _, statement)| seen.insert(*statement)).count() as i64;
    summary.duplicates = messages.len() as i64 - summary.accepted;
    let mut quarantined = BTreeSet::new();
    for batch in log.read(Table::Quarantine, i64::MIN, i64::MAX).await? {
        quarantined.extend(positions_of(&batch));
    }
    summary.quarantined = quarantined.len() as i64;
    Ok(())
}

/// Adds the messages whose rows begin in a batch.
fn state(batch: &RecordBatch, messages: &mut Vec<Stated>) {
    let text = |name: &str| batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
    let (key, content) = (text("record_key"), text("content_hash"));
    let revision = batch.column_by_name("revision").and_then(|column| column.as_primitive_opt::<Int64Type>());
    let known = known_at_of(batch);
    for (row, place) in positions_of(batch).into_iter().enumerate() {
        let known_at = known.map_or(0, |known| known.value(row));
        if messages.last().is_some_and(|last| (last.0, &last.1) == (known_at, &place)) {
            continue;
        }
        let mut digest = Sha256::new();
        digest.update(key.map_or("", |column| column.value(row)));
        digest.update(revision.map_or(0, |column| column.value(row)).to_be_bytes());
        digest.update(content.map_or("", |column| column.value(row)));
        let mut statement = [0; 16];
        statement.copy_from_slice(&digest.finalize()[..16]);
        messages.push((known_at, place, statement));
    }
}
