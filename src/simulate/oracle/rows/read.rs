//! Readers of the five tables, one function a table.

use std::path::Path;
use std::sync::Arc;

use super::super::columns::{Ints, Rows, Texts};
use super::super::delta::{self, DataFile, Table};
use super::{AlertRow, Commit, Key, Origin, QuarantineRow, ReferenceRow, Said, SignalRow, Stated, TickRow, Words};

/// Calls `read` for every batch of every live file of `table`.
fn each_file(
    table: &Table,
    mut read: impl FnMut(usize, &DataFile, &Rows<'_>) -> Result<(), String>,
) -> Result<(), String> {
    for (index, file) in table.live.iter().enumerate() {
        for batch in delta::parquet(&table.root.join(&file.path))? {
            let rows = Rows { batch: &batch?, partition: &file.partition };
            read(index, file, &rows).map_err(|why| format!("{}: {why}", file.path))?;
        }
    }
    Ok(())
}

fn must<T>(value: Option<T>, column: &str, row: usize) -> Result<T, String> {
    value.ok_or_else(|| format!("row {row} has no {column}"))
}

struct Named<'a, C>(&'a str, C);

impl Named<'_, Texts> {
    fn must(&self, row: usize) -> Result<&str, String> {
        must(self.1.get(row), self.0, row)
    }

    fn owned(&self, row: usize) -> Result<String, String> {
        self.must(row).map(str::to_owned)
    }
}

impl Named<'_, Ints> {
    fn must(&self, row: usize) -> Result<i64, String> {
        must(self.1.get(row), self.0, row)
    }
}

fn text<'a>(rows: &Rows<'_>, name: &'a str) -> Result<Named<'a, Texts>, String> {
    Ok(Named(name, rows.texts(name)?))
}

fn int<'a>(rows: &Rows<'_>, name: &'a str) -> Result<Named<'a, Ints>, String> {
    Ok(Named(name, rows.ints(name)?))
}

fn time<'a>(rows: &Rows<'_>, name: &'a str) -> Result<Named<'a, Ints>, String> {
    Ok(Named(name, rows.times(name)?))
}

fn day<'a>(rows: &Rows<'_>, name: &'a str) -> Result<Named<'a, Ints>, String> {
    Ok(Named(name, rows.days(name)?))
}

/// All live rows of `signals`.
pub fn signals(table: &Table, words: &mut Words) -> Result<Vec<SignalRow>, String> {
    let mut out = Vec::new();
    each_file(table, |file, _, rows| read_signals(file, rows, words, &mut out))?;
    out.shrink_to_fit();
    Ok(out)
}

fn read_signals(file: usize, rows: &Rows<'_>, words: &mut Words, out: &mut Vec<SignalRow>) -> Result<(), String> {
    let (feed, kind, topic) = (text(rows, "feed")?, text(rows, "kind")?, text(rows, "topic")?);
    let (partition, offset, number) = (int(rows, "partition")?, int(rows, "offset")?, rows.ints("row")?);
    let (key, revision, hash) = (text(rows, "record_key")?, int(rows, "revision")?, text(rows, "content_hash")?);
    let (operation, signal) = (text(rows, "operation")?, text(rows, "signal")?);
    let (unit_kind, unit_id) = (text(rows, "unit_kind")?, text(rows, "unit_id")?);
    let (facility, area) = (rows.texts("facility_id")?, rows.texts("area_code")?);
    let (date, reported) = (day(rows, "event_date")?, time(rows, "reported_at")?);
    let (value, denominator) = (rows.ints("value")?, rows.ints("denominator")?);
    let (person, slot, quality) = (rows.texts("person_key")?, rows.texts("slot")?, rows.texts("quality")?);
    let (known, known_date) = (time(rows, "known_at")?, rows.days("known_date")?);
    let mut last: Option<Arc<Stated>> = None;
    for i in 0..rows.len() {
        let origin = Origin {
            topic: words.of(topic.must(i)?),
            partition: partition.must(i)?,
            feed: words.of(feed.must(i)?),
            kind: words.of(kind.must(i)?),
            operation: words.of(operation.must(i)?),
        };
        let stated = Stated {
            origin: words.origin(origin),
            offset: offset.must(i)?,
            record_key: Key::of(key.must(i)?),
            revision: revision.must(i)?,
            content_hash: Key::of(hash.must(i)?),
            reported_at: reported.must(i)?,
            commit: words.commit(Commit { known_at: known.must(i)?, known_date: known_date.get(i), file }),
        };
        let said = Said {
            signal: words.of(signal.must(i)?),
            unit_kind: words.of(unit_kind.must(i)?),
            unit_id: words.of(unit_id.must(i)?),
            facility_id: words.of_some(facility.get(i)),
            area_code: words.of_some(area.get(i)),
            event_date: date.must(i)?,
            value: value.get(i).unwrap_or(0),
            denominator: denominator.get(i),
            slot: words.of_some(slot.get(i)),
            quality: words.of_some(quality.get(i)),
        };
        // Rows of one message lie together and mostly say the same of it.
        let stated = last.filter(|last| **last == stated).unwrap_or_else(|| Arc::new(stated));
        last = Some(stated.clone());
        let row = i32::try_from(number.get(i).unwrap_or(0)).map_err(|e| format!("row {i}: {e}"))?;
        out.push(SignalRow { said: words.said(said), stated, person_key: person.get(i).map(Key::of), row });
    }
    Ok(())
}

/// All live rows of `quarantine`, in the order of their places.
pub fn quarantine(table: &Table, words: &mut Words) -> Result<Vec<QuarantineRow>, String> {
    let mut out = Vec::new();
    each_file(table, |_, _, rows| {
        let (topic, partition, offset) = (text(rows, "topic")?, int(rows, "partition")?, int(rows, "offset")?);
        let (reason, pointer, sha) = (rows.texts("reason")?, rows.texts("pointer")?, rows.texts("body_sha256")?);
        let (body, known) = (rows.bytes("body")?, time(rows, "known_at")?);
        for i in 0..rows.len() {
            out.push(QuarantineRow {
                topic: words.of(topic.must(i)?),
                partition: partition.must(i)?,
                offset: offset.must(i)?,
                reason: reason.get(i).unwrap_or_default().to_owned(),
                pointer: pointer.get(i).unwrap_or_default().to_owned(),
                body_sha256: sha.get(i).unwrap_or_default().to_owned(),
                body_bytes: body.get(i).map_or(0, <[u8]>::len),
                known_at: known.must(i)?,
            });
        }
        Ok(())
    })?;
    out.sort_by(|a, b| (&a.topic, a.partition, a.offset).cmp(&(&b.topic, b.partition, b.offset)));
    Ok(out)
}

/// All live rows of `alert_history`.
pub fn alert_history(table: &Table) -> Result<Vec<AlertRow>, String> {
    let mut out = Vec::new();
    each_file(table, |_, _, rows| read_alerts(rows, &mut out))?;
    out.sort_by(|a, b| (&a.alert_id, a.revision).cmp(&(&b.alert_id, b.revision)));
    Ok(out)
}

fn read_alerts(rows: &Rows<'_>, out: &mut Vec<AlertRow>) -> Result<(), String> {
    let (id, revision) = (text(rows, "alert_id")?, int(rows, "revision")?);
    let (rule, severity) = (text(rows, "rule")?, text(rows, "severity")?);
    let (state, reason, signal) = (text(rows, "state")?, rows.texts("reason")?, text(rows, "signal")?);
    let (unit_kind, unit_id, area) = (text(rows, "unit_kind")?, text(rows, "unit_id")?, text(rows, "area_code")?);
    let (onset, start, end) = (day(rows, "onset")?, day(rows, "window_start")?, day(rows, "window_end")?);
    let (observed, expected) = (rows.floats("observed")?, rows.floats("expected")?);
    let (threshold, statistic) = (rows.floats("threshold")?, rows.floats("statistic")?);
    let channels = rows.texts("channels")?;
    let (opened, due) = (time(rows, "opened_at")?, rows.times("verify_due")?);
    let (tick, known) = (time(rows, "tick")?, time(rows, "known_at")?);
    for i in 0..rows.len() {
        out.push(AlertRow {
            alert_id: id.owned(i)?,
            revision: revision.must(i)?,
            rule: rule.owned(i)?,
            severity: severity.owned(i)?,
            state: state.owned(i)?,
            reason: reason.get(i).map(str::to_owned),
            signal: signal.owned(i)?,
            unit_kind: unit_kind.owned(i)?,
            unit_id: unit_id.owned(i)?,
            area_code: area.owned(i)?,
            onset: onset.must(i)?,
            window_start: start.must(i)?,
            window_end: end.must(i)?,
            observed: observed.get(i).unwrap_or(f64::NAN),
            expected: expected.get(i),
            threshold: threshold.get(i).unwrap_or(f64::NAN),
            statistic: statistic.get(i),
            channels: channels.get(i).map(str::to_owned),
            opened_at: opened.must(i)?,
            verify_due: due.get(i).unwrap_or(0),
            tick: tick.must(i)?,
            known_at: known.must(i)?,
        });
    }
    Ok(())
}

/// All live rows of `ticks`, by `known_at`.
pub fn ticks(table: &Table) -> Result<Vec<TickRow>, String> {
    let mut out = Vec::new();
    each_file(table, |_, _, rows| {
        let (tick, until, known) = (time(rows, "tick")?, time(rows, "known_until")?, time(rows, "known_at")?);
        let (version, reference) = (rows.ints("signals_version")?, time(rows, "reference_known_at")?);
        for i in 0..rows.len() {
            out.push(TickRow {
                tick: tick.must(i)?,
                signals_version: version.get(i).unwrap_or(-1),
                known_until: until.must(i)?,
                reference_known_at: reference.must(i)?,
                known_at: known.must(i)?,
            });
        }
        Ok(())
    })?;
    out.sort_by_key(|row| row.known_at);
    Ok(out)
}

/// All live rows of `reference`, by `known_at`.
pub fn reference(table: &Table) -> Result<Vec<ReferenceRow>, String> {
    let mut out = Vec::new();
    each_file(table, |_, _, rows| {
        let (class, name, body) = (text(rows, "class")?, text(rows, "name")?, rows.texts("body")?);
        let (digest, known) = (rows.texts("digest")?, time(rows, "known_at")?);
        for i in 0..rows.len() {
            out.push(ReferenceRow {
                class: class.owned(i)?,
                name: name.owned(i)?,
                digest: digest.get(i).unwrap_or_default().to_owned(),
                body: body.get(i).unwrap_or_default().to_owned(),
                known_at: known.must(i)?,
            });
        }
        Ok(())
    })?;
    out.sort_by(|a, b| (a.known_at, &a.class, &a.name).cmp(&(b.known_at, &b.class, &b.name)));
    Ok(out)
}

/// Where the tables stand under a state folder.
pub fn table_at(state: &Path, name: &str) -> Result<Table, String> {
    delta::open(&state.join("tables").join(name))
}
