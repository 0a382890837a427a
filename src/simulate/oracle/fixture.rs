//! A small finished run, written by hand: two counties, three feeds, twenty days, for the oracle's own tests.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use arrow::array::TimestampMicrosecondArray;
use arrow::array::{ArrayRef, BinaryArray, Date32Array, Float64Array, Int32Array, Int64Array, StringArray};
use arrow::record_batch::RecordBatch;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::alerts::replay;
use super::books::hex;
use super::calendar::{day_of_text, day_text, instant, local_day};
use super::life::Alert;
use super::selftest::{add_line, append_entry, write_parquet};
use super::{Input, ledger, read_run};

/// The first day: a Monday.
pub const FIRST_DAY: &str = "2021-01-04";
pub const DAYS: i64 = 20;

/// One row that a message stands for.
#[derive(Clone)]
pub struct Row {
    pub signal: &'static str,
    pub unit: (&'static str, String),
    pub value: i64,
    pub denominator: Option<i64>,
}

/// One message, as sent and as kept.
#[derive(Clone)]
pub struct Sent {
    pub feed: &'static str,
    pub kind: &'static str,
    pub facility: &'static str,
    pub area: &'static str,
    pub record: String,
    pub revision: i64,
    pub operation: &'static str,
    pub day: i64,
    /// The day on which it is sent.
    pub on: i64,
    pub rows: Vec<Row>,
    /// Refused with this reason.
    pub refused: Option<&'static str>,
    pub duplicate: bool,
}

fn report(feed: &'static str, kind: &'static str, facility: &'static str, day: i64, rows: Vec<Row>) -> Sent {
    let area = if facility.contains("990102") { "990102001" } else { "990101001" };
    let record = format!("{feed}/{kind}/{facility}/{}", day_text(day));
    let (revision, operation, on) = (0, "report", day);
    Sent { feed, kind, facility, area, record, revision, operation, day, on, rows, refused: None, duplicate: false }
}

fn class(fever: i64) -> Vec<Row> {
    let unit = ("class", "S990101P01/3-2".to_owned());
    let row = |signal, value| Row { signal, unit: unit.clone(), value, denominator: Some(40) };
    let mut rows = vec![row("school_absent_sick", fever.min(1))];
    rows.extend((fever > 0).then(|| row("school_fever", fever)));
    rows
}

fn clinic(facility: &str, visits: i64, fever: i64) -> Vec<Row> {
    let row = |signal, value| Row { signal, unit: ("facility", facility.to_owned()), value, denominator: None };
    vec![row("clinic_visit", visits), row("fever_visit", fever)]
}

/// What the two counties send in twenty days.
pub fn messages() -> Vec<Sent> {
    let first = day_of_text(FIRST_DAY).unwrap();
    let baseline = [18, 22, 20, 19, 24, 21, 17, 20, 23];
    let mut out = Vec::new();
    for n in 0..DAYS {
        let day = first + n;
        if n % 7 < 5 {
            let fever = match n {
                3 => 3,
                9 => 4,
                _ => 0,
            };
            out.push(report("school", "class_day", "S990101P01", day, class(fever)));
        }
        let visits = if n == 16 { 41 } else { baseline[(n % 9) as usize] };
        out.push(report("fever_clinic", "daily", "F990101H01", day, clinic("F990101H01", 100, visits)));
        // County 2 is silent for two days.
        if !(11..=12).contains(&n) {
            let visits = if n == 5 { 0 } else { 10 };
            let fever = if n == 5 { 0 } else { 2 };
            out.push(report("fever_clinic", "daily", "F990102H01", day, clinic("F990102H01", visits, fever)));
        }
    }
    // The third day's class is corrected five days later: one child, not three.
    let mut corrected = report("school", "class_day", "S990101P01", first + 3, class(1));
    (corrected.revision, corrected.operation, corrected.on) = (1, "correct", first + 8);
    out.push(corrected);
    let mut twice = out[4].clone();
    (twice.duplicate, twice.on) = (true, twice.day);
    out.push(twice);
    let mut sale = report("pharmacy", "sale", "P990101R01", first + 6, clinic("P990101R01", 0, 0));
    sale.rows =
        vec![Row { signal: "sale_cough", unit: ("facility", sale.facility.to_owned()), value: 2, denominator: None }];
    out.push(sale.clone());
    (sale.operation, sale.revision, sale.on) = ("retract", 1, first + 7);
    out.push(sale);
    for n in [2, 14] {
        let mut bad = report("fever_clinic", "daily", "F990101H01", first + n, Vec::new());
        (bad.refused, bad.record) = (Some("not_json"), format!("bad {n}"));
        out.push(bad);
    }
    out.sort_by_key(|sent| sent.on);
    out
}

/// Text columns by name.
fn texts<'a>(values: impl Iterator<Item = Option<String>> + 'a) -> ArrayRef {
    Arc::new(values.collect::<StringArray>())
}

fn times(values: Vec<i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from(values).with_timezone("UTC"))
}

fn batch(columns: Vec<(&str, ArrayRef)>) -> RecordBatch {
    RecordBatch::try_from_iter(columns).unwrap()
}

/// Writes one commit of a table: a file of one `known_date`, or marks alone.
pub fn commit(root: &Path, known_at: i64, rows: Option<RecordBatch>, ranges: &BTreeMap<String, (i64, i64)>) {
    let mut lines = Vec::new();
    if let Some(rows) = rows {
        let date = day_text(local_day(known_at));
        let path = format!("known_date={date}/{known_at}.parquet");
        let digest = write_parquet(&root.join(&path), &rows).unwrap();
        let tags = BTreeMap::from([
            ("qs.sha256".to_owned(), digest),
            ("qs.offsets".to_owned(), serde_json::to_string(ranges).unwrap()),
            ("qs.known_from".to_owned(), known_at.to_string()),
            ("qs.known_to".to_owned(), known_at.to_string()),
        ]);
        let partition = BTreeMap::from([("known_date".to_owned(), date)]);
        lines.push(add_line(root, &path, &partition, &tags, true).unwrap());
    }
    for (partition, (_, next)) in ranges {
        lines.push(json!({"txn": {"appId": format!("in/{partition}"), "version": next}}));
    }
    lines.push(json!({"txn": {"appId": "clock", "version": known_at}}));
    append_entry(root, &lines).unwrap();
}

fn topic_of(sent: &Sent) -> String {
    format!("qianshao.feed.{}.v1", sent.feed)
}

fn reported_at(sent: &Sent) -> i64 {
    instant(sent.on, 9 * 60)
}

/// Rows of `signals` for some messages with their offsets, known at one instant.
fn signal_rows(sent: &[(&Sent, i64)], known_at: i64) -> RecordBatch {
    let rows: Vec<(&Sent, i64, usize, &Row)> =
        sent.iter().flat_map(|(s, offset)| s.rows.iter().enumerate().map(|(n, row)| (*s, *offset, n, row))).collect();
    let text = |of: &dyn Fn(&(&Sent, i64, usize, &Row)) -> String| texts(rows.iter().map(|r| Some(of(r))));
    let key = |of: String| hex(&Sha256::digest(of))[..32].to_owned();
    let count = rows.len();
    batch(vec![
        ("feed", text(&|r| r.0.feed.into())),
        ("kind", text(&|r| r.0.kind.into())),
        ("topic", text(&|r| topic_of(r.0))),
        ("partition", Arc::new(Int32Array::from(vec![0; count]))),
        ("offset", Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.1)))),
        ("row", Arc::new(Int32Array::from_iter_values(rows.iter().map(|r| r.2 as i32)))),
        ("record_key", text(&|r| key(r.0.record.clone()))),
        ("revision", Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.0.revision)))),
        ("operation", text(&|r| r.0.operation.into())),
        ("content_hash", text(&|r| key(format!("{} {} {}", r.0.record, r.0.revision, r.0.operation)))),
        ("signal", text(&|r| r.3.signal.into())),
        ("unit_kind", text(&|r| r.3.unit.0.into())),
        ("unit_id", text(&|r| r.3.unit.1.clone())),
        ("facility_id", text(&|r| r.0.facility.into())),
        ("area_code", text(&|r| r.0.area.into())),
        ("event_date", Arc::new(Date32Array::from_iter_values(rows.iter().map(|r| r.0.day as i32)))),
        ("reported_at", times(rows.iter().map(|r| reported_at(r.0)).collect())),
        ("value", Arc::new(Int64Array::from_iter_values(rows.iter().map(|r| r.3.value)))),
        ("denominator", Arc::new(rows.iter().map(|r| r.3.denominator).collect::<Int64Array>())),
        ("known_at", times(vec![known_at; count])),
    ])
}

fn quarantine_rows(sent: &[(&Sent, i64)], known_at: i64) -> RecordBatch {
    let count = sent.len();
    batch(vec![
        ("topic", texts(sent.iter().map(|(s, _)| Some(topic_of(s))))),
        ("partition", Arc::new(Int32Array::from(vec![0; count]))),
        ("offset", Arc::new(Int64Array::from_iter_values(sent.iter().map(|(_, offset)| *offset)))),
        ("reason", texts(sent.iter().map(|(s, _)| s.refused.map(str::to_owned)))),
        ("pointer", texts(sent.iter().map(|_| Some(String::new())))),
        ("body", Arc::new(BinaryArray::from_iter_values(sent.iter().map(|_| b"sealed")))),
        ("body_sha256", texts(sent.iter().map(|(s, _)| Some(payload(s))))),
        ("known_at", times(vec![known_at; count])),
    ])
}

fn payload(sent: &Sent) -> String {
    hex(&Sha256::digest(format!("{} {} {}", sent.record, sent.revision, sent.on)))
}

fn ledger_line(seq: usize, sent: &Sent, offset: i64) -> Value {
    let fate = match (sent.refused, sent.duplicate) {
        (Some(_), _) => "quarantine",
        (None, true) => "duplicate",
        (None, false) => "accepted",
    };
    let rows = sent.rows.iter().map(|row| {
        json!({"signal": row.signal, "unit_kind": row.unit.0, "unit_id": row.unit.1, "area_code": sent.area,
            "event_date": day_text(sent.day), "value": row.value, "denominator": row.denominator})
    });
    json!({"line": "message", "seq": seq, "feed": sent.feed, "kind": sent.kind, "topic": topic_of(sent),
        "partition": 0, "offset": offset, "payload_sha256": payload(sent), "fate": fate, "reason": sent.refused,
        "record": sent.record, "revision": sent.revision, "reported_at": reported_at(sent),
        "operation": sent.operation, "facility_id": sent.facility, "rows": rows.collect::<Vec<_>>()})
}

const FACILITIES: &str = "facility_id,facility_kind,area_code,calendar_id,authoritative,active_from,active_to\n\
F990101H01,fever_clinic,990101001,always,fever_clinic/daily,,\n\
F990102H01,fever_clinic,990102001,always,fever_clinic/daily,,\n\
P990101R01,pharmacy,990101001,always,pharmacy/sale,,\n\
S990101P01,school,990101001,terms,school/class_day,,\n";
const EXPECTED: &str = "facility_kind,facility_id,feed,due_time,grace_minutes,valid_from,valid_to\n\
fever_clinic,,fever_clinic,12:00,0,,\nschool,,school,10:00,30,,\n";
const CALENDARS: &str = "calendar_id,date_from,date_to,weekdays,state\nterms,2020-01-01,2030-12-31,67,closed\n";
const AREAS: &str = "code,level,parent,replaced_by\n990100,prefecture,,\n990101,county,990100,\n\
990102,county,990100,\n990101001,town,990101,\n990102001,town,990102,\n";

fn contract(signals: &[(&str, &str, &str)]) -> String {
    let words = signals.iter().map(|(id, syndrome, count)| {
        ((*id).to_owned(), json!({"syndrome": syndrome, "channel": "c", "weight_tenths": 10, "count": count}))
    });
    json!({"x-signals": words.collect::<serde_json::Map<_, _>>()}).to_string()
}

/// Every text in force.
fn reference() -> Vec<(&'static str, &'static str, String)> {
    let rule = |id: &str, severity: &str, gap: i64, kind: &str| {
        format!(
            "-- id: {id}\n-- severity: {severity}\n-- gap_days: {gap}\n-- kind: {kind}\n-- verify_hours: 24\nSELECT 1\n"
        )
    };
    let parameters = [
        ("school_class_1d3.pupils", 3.0),
        ("missing_report.blue_days", 1.0),
        ("missing_report.yellow_days", 2.0),
        ("missing_report.orange_days", 3.0),
        ("silent_feed.missing_share", 1.0),
        ("fever_clinic_c2.threshold", 3.0),
        ("fever_clinic_c2.count_min", 3.0),
        ("fever_clinic_c2.sd_min", 0.5),
        ("fever_clinic_c2.baseline_min", 7.0),
    ];
    let pack: String = "[pack]\nid = \"base\"\nalert_horizon_days = 30\n".to_owned()
        + &parameters.map(|(name, value)| format!("[parameters.\"{name}\"]\nvalue = {value}\n")).concat();
    let school = [("school_absent_sick", "unspecified", "greatest_slot"), ("school_fever", "fever", "greatest_slot")];
    let clinic = [("clinic_visit", "none", "sum"), ("fever_visit", "fever", "sum")];
    vec![
        ("register", "facilities", FACILITIES.to_owned()),
        ("register", "expected_reports", EXPECTED.to_owned()),
        ("register", "calendars", CALENDARS.to_owned()),
        ("code", "areas", AREAS.to_owned()),
        ("feed", "school/class_day/contract.json", contract(&school)),
        ("feed", "fever_clinic/daily/contract.json", contract(&clinic)),
        ("feed", "pharmacy/sale/contract.json", contract(&[("sale_cough", "respiratory", "sum")])),
        ("pack", "base/pack.toml", pack),
        ("rule", "base/school_class_1d3.sql", rule("school_class_1d3", "yellow", 1, "threshold")),
        ("rule", "base/missing_report.sql", rule("missing_report", "blue", 3, "threshold")),
        ("rule", "base/silent_feed.sql", rule("silent_feed", "orange", 3, "threshold")),
        ("rule", "base/fever_clinic_c2.sql", rule("fever_clinic_c2", "yellow", 1, "statistical")),
    ]
}

fn write_reference(root: &Path, known_at: i64) {
    let all = reference();
    let column = |of: &dyn Fn(&(&str, &str, String)) -> String| texts(all.iter().map(|row| Some(of(row))));
    let rows = batch(vec![
        ("class", column(&|row| row.0.to_owned())),
        ("name", column(&|row| row.1.to_owned())),
        ("digest", column(&|row| hex(&Sha256::digest(&row.2)))),
        ("body", column(&|row| row.2.clone())),
        ("known_at", times(vec![known_at; all.len()])),
    ]);
    commit(root, known_at, Some(rows), &BTreeMap::new());
}

/// Writes the whole run into `folder`, in the layout that `Input::in_folder` reads.
pub fn write_run(folder: &Path) -> Input {
    write_run_of(folder, &messages())
}

/// The same for other messages.
pub fn write_run_of(folder: &Path, sent: &[Sent]) -> Input {
    let first = day_of_text(FIRST_DAY).unwrap();
    let table = |name: &str| folder.join("state/tables").join(name);
    write_reference(&table("reference"), instant(first, 0));
    let mut next: BTreeMap<String, i64> = BTreeMap::new();
    let mut lines = Vec::new();
    for day in first..first + DAYS {
        let known_at = instant(day, 18 * 60);
        let mut ranges: BTreeMap<String, (i64, i64)> = BTreeMap::new();
        let (mut good, mut bad) = (Vec::new(), Vec::new());
        for sent in sent.iter().filter(|sent| sent.on == day) {
            let at = next.entry(topic_of(sent)).or_default();
            let range = ranges.entry(format!("{}/0", topic_of(sent))).or_insert((*at, *at));
            range.1 = *at + 1;
            lines.push(ledger_line(lines.len(), sent, *at));
            if sent.refused.is_some() {
                bad.push((sent, *at))
            } else {
                good.push((sent, *at))
            }
            *at += 1;
        }
        if !bad.is_empty() {
            commit(&table("quarantine"), known_at, Some(quarantine_rows(&bad, known_at)), &BTreeMap::new());
        }
        let rows = (!good.is_empty()).then(|| signal_rows(&good, known_at));
        commit(&table("signals"), known_at, rows, &ranges);
        write_tick(&table("ticks"), day, day - first, instant(first, 0));
    }
    let outbreak = json!({"line": "planted", "id": "class-1", "kind": "school_class", "area_code": "990101",
        "unit_id": "S990101P01/3-2", "rule": "school_class_1d3", "signal": "school_fever",
        "onset": day_text(first + 9), "until": day_text(first + 10), "size": 4});
    lines.push(outbreak);
    let text: String = lines.iter().map(|line| format!("{line}\n")).collect();
    fs::write(folder.join("ledger.ndjson"), text).unwrap();
    write_alerts(folder, &table("alert_history"));
    Input::in_folder(folder)
}

fn write_tick(root: &Path, day: i64, version: i64, reference_known_at: i64) {
    let rows = batch(vec![
        ("tick", times(vec![instant(day, 18 * 60 + 30)])),
        ("known_until", times(vec![instant(day, 18 * 60)])),
        ("signals_version", Arc::new(Int64Array::from(vec![version]))),
        ("reference_known_at", times(vec![reference_known_at])),
        ("known_at", times(vec![instant(day, 18 * 60 + 30)])),
    ]);
    commit(root, instant(day, 18 * 60 + 30), Some(rows), &BTreeMap::new());
}

/// The alerts of a pipeline without a fault: those that the recount raises.
fn write_alerts(folder: &Path, root: &Path) {
    let run = read_run(ledger::read(&folder.join("ledger.ndjson")).unwrap(), &folder.join("state")).unwrap();
    let mut ids: BTreeMap<String, i64> = BTreeMap::new();
    let mut topic = String::new();
    let revisions = replay(&run).unwrap().revisions;
    for (offset, alert) in revisions.iter().enumerate() {
        let name = super::life::identity_text(&alert.series, alert.opening, alert.number);
        let id = hex(&Sha256::digest(&name))[..32].to_owned();
        let revision = ids.entry(id.clone()).and_modify(|n| *n += 1).or_insert(1);
        commit(
            root,
            alert.tick + offset as i64 + 1,
            Some(alert_row(&id, *revision, alert, alert.tick + offset as i64 + 1)),
            &BTreeMap::new(),
        );
        let value = json!({"alert_id": id, "revision": revision, "rule": alert.series.rule, "state": alert.state,
            "severity": alert.severity, "area_code": alert.series.area_code, "observed": alert.observed});
        let line = json!({"topic": "qianshao.alert.changed.v1", "partition": 0, "offset": offset, "key": id, "headers": {}, "value": value});
        topic += &format!("{line}\n");
    }
    fs::write(folder.join("topic.ndjson"), topic).unwrap();
}

fn alert_row(id: &str, revision: i64, alert: &Alert, known_at: i64) -> RecordBatch {
    let text = |text: &str| texts(std::iter::once(Some(text.to_owned())));
    let day = |day: i64| -> ArrayRef { Arc::new(Date32Array::from(vec![day as i32])) };
    let number = |number: Option<f64>| -> ArrayRef { Arc::new(Float64Array::from(vec![number])) };
    let reason = (alert.state == "withdrawn").then(|| "corrected".to_owned());
    batch(vec![
        ("alert_id", text(id)),
        ("revision", Arc::new(Int64Array::from(vec![revision]))),
        ("rule", text(&alert.series.rule)),
        ("severity", text(&alert.severity)),
        ("state", text(alert.state)),
        ("reason", texts(std::iter::once(reason))),
        ("signal", text(&alert.series.signal)),
        ("unit_kind", text(&alert.series.unit_kind)),
        ("unit_id", text(&alert.series.unit_id)),
        ("area_code", text(&alert.series.area_code)),
        ("onset", day(alert.onset)),
        ("window_start", day(alert.start)),
        ("window_end", day(alert.end)),
        ("observed", number(Some(alert.observed))),
        ("expected", number(alert.expected)),
        ("threshold", number(Some(alert.threshold))),
        ("statistic", number(alert.statistic)),
        ("opened_at", times(vec![alert.opened_at])),
        ("verify_due", times(vec![alert.verify_due])),
        ("tick", times(vec![alert.tick])),
        ("known_at", times(vec![known_at])),
    ])
}
