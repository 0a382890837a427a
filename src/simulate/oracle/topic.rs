//! O6 topic: what a reader of the alert topics sees is exactly `alert_history`.
//!
//! Promises: every (id, revision) once, ascending within an id, in each topic that carries the whole history.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use serde_json::Value;

use super::rows::AlertRow;
use super::{Fault, Run, tally};

/// One message read back.
struct Sent {
    topic: String,
    place: String,
    order: (i64, i64),
    key: Option<String>,
    id: String,
    revision: i64,
    body: Value,
}

/// Which topics hold one message per revision; dead letters and the compacted topic do not.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Carries {
    Everything,
    OnePrefecture,
    SomethingElse,
}

fn carries(topic: &str) -> Carries {
    if topic.contains(".alert.restricted.") {
        Carries::OnePrefecture
    } else if topic.is_empty() || topic.contains(".alert.changed") {
        Carries::Everything
    } else {
        Carries::SomethingElse
    }
}

/// Compares the messages in `path` with the alert history.
pub(super) fn compare(run: &Run, path: &Path) -> Result<Vec<Fault>, String> {
    let text = fs::read_to_string(path).map_err(|e| format!("{}: {e}", path.display()))?;
    let mut faults = Vec::new();
    let mut sent = Vec::new();
    for (number, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
        match read_line(number, line) {
            Ok(Some(message)) => sent.push(message),
            Ok(None) => {}
            Err(why) => faults.push(Fault::new("O6", "unreadable", format!("line {}", number + 1), why)),
        }
    }
    let changed: Vec<&Sent> = sent.iter().filter(|m| carries(&m.topic) == Carries::Everything).collect();
    let restricted: Vec<&Sent> = sent.iter().filter(|m| carries(&m.topic) == Carries::OnePrefecture).collect();
    faults.extend(against_history(&changed, &run.alerts, "changed"));
    if !restricted.is_empty() {
        faults.extend(against_history(&restricted, &run.alerts, "restricted"));
    }
    Ok(faults)
}

fn read_line(number: usize, line: &str) -> Result<Option<Sent>, String> {
    let line: Value = serde_json::from_str(line).map_err(|e| e.to_string())?;
    let topic = line.get("topic").and_then(Value::as_str).unwrap_or_default().to_owned();
    if carries(&topic) == Carries::SomethingElse || line.get("value").is_none_or(Value::is_null) {
        return Ok(None);
    }
    let body = match line.get("value") {
        Some(Value::String(text)) => serde_json::from_str(text).map_err(|e| format!("value: {e}"))?,
        Some(value) => value.clone(),
        None => Value::Null,
    };
    let body = body.get("data").filter(|data| data.is_object()).cloned().unwrap_or(body);
    let number_of = |name: &str| line.get(name).and_then(Value::as_i64);
    let id = body.get("alert_id").and_then(Value::as_str).ok_or("value has no alert_id")?.to_owned();
    let revision = body.get("revision").and_then(Value::as_i64).ok_or("value has no revision")?;
    let (partition, offset) = (number_of("partition").unwrap_or(0), number_of("offset").unwrap_or(number as i64));
    Ok(Some(Sent {
        place: format!("{topic}/{partition}@{offset} line {}", number + 1),
        topic,
        order: (partition, offset),
        key: line.get("key").and_then(Value::as_str).map(str::to_owned),
        id,
        revision,
        body,
    }))
}

fn against_history(sent: &[&Sent], alerts: &[AlertRow], which: &str) -> Vec<Fault> {
    let mut faults = Vec::new();
    let rows: BTreeMap<(&str, i64), &AlertRow> = alerts.iter().map(|a| ((&*a.alert_id, a.revision), a)).collect();
    let times = tally(sent.iter().map(|m| (&*m.id, m.revision)));
    for (id, revision) in rows.keys().filter(|key| !times.contains_key(*key)) {
        let place = format!("{id} revision {revision}");
        faults.push(Fault::new("O6", "not_published", place, format!("in alert_history, not in the {which} topic")));
    }
    for ((id, revision), times) in times.iter().filter(|(_, times)| **times > 1) {
        faults.push(Fault::new("O6", "published_twice", format!("{id} revision {revision}"), format!("{times} times")));
    }
    let mut by_id: BTreeMap<&str, Vec<&Sent>> = BTreeMap::new();
    for message in sent {
        by_id.entry(&message.id).or_default().push(message);
        match rows.get(&(&*message.id, message.revision)) {
            None => {
                let detail = format!("{} revision {} is not in alert_history", message.id, message.revision);
                faults.push(Fault::new("O6", "not_in_table", &*message.place, detail));
            }
            Some(row) => faults.extend(differences(message, row)),
        }
    }
    for (id, mut messages) in by_id {
        messages.sort_by_key(|m| m.order);
        let partitions: BTreeSet<i64> = messages.iter().map(|m| m.order.0).collect();
        if partitions.len() > 1 {
            faults.push(Fault::new("O6", "two_partitions", id, format!("in partitions {partitions:?}")));
        }
        for pair in messages.windows(2).filter(|pair| pair[1].revision < pair[0].revision) {
            let detail = format!("revision {} after {}", pair[1].revision, pair[0].revision);
            faults.push(Fault::new("O6", "out_of_order", format!("{id} at {}", pair[1].place), detail));
        }
    }
    faults
}

fn differences(message: &Sent, row: &AlertRow) -> Vec<Fault> {
    let texts = [
        ("rule", &row.rule),
        ("severity", &row.severity),
        ("state", &row.state),
        ("area_code", &row.area_code),
        ("signal", &row.signal),
    ];
    let place = format!("{} revision {}", message.id, message.revision);
    let mut faults = Vec::new();
    for (name, told) in texts {
        if let Some(found) = message.body.get(name).and_then(Value::as_str).filter(|found| found != told) {
            let detail = format!("{name}: table {told}, message {found}");
            faults.push(Fault::new("O6", "message_differs", &*place, detail));
        }
    }
    if let Some(found) = message.body.get("observed").and_then(Value::as_f64).filter(|found| *found != row.observed) {
        let detail = format!("observed: table {}, message {found}", row.observed);
        faults.push(Fault::new("O6", "message_differs", &*place, detail));
    }
    if message.key.as_deref().is_some_and(|key| key != message.id) {
        faults.push(Fault::new("O6", "wrong_key", &*place, format!("key {:?}", message.key)));
    }
    faults
}
