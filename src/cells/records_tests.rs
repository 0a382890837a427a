//! Records against a model that keeps every message and looks through all of them for each answer.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Date32Array, Int32Array, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray,
};

use super::meanings::Count;
use super::pages::Room;
use super::records::Records;
use super::worth::worth;
use crate::delta::tables::UTC;
use crate::terms::Day;

/// Messages of one world; enough that records meet, and few enough that the slow model is quick.
const MESSAGES: usize = 60;
const WORLDS: u64 = 200;

/// Numbers that a seed decides.
struct Chance(u64);

impl Chance {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

#[derive(Clone, Debug)]
struct Line {
    signal: String,
    day: i32,
    unit: String,
    facility: Option<String>,
    value: i64,
    denominator: Option<i64>,
    person: Option<String>,
}

#[derive(Clone, Debug)]
struct Message {
    key: u128,
    revision: i64,
    reported_at: i64,
    topic: String,
    offset: i64,
    operation: &'static str,
    known_at: i64,
    lines: Vec<Line>,
}

impl Message {
    fn any(chance: &mut Chance, offset: i64) -> Self {
        let operation = ["report", "report", "correct", "correct", "zero", "retract"][chance.below(6) as usize];
        let count = chance.below(4) as usize + 1;
        let mut line = || Line {
            signal: format!("s{}", chance.below(2)),
            day: chance.below(4) as i32,
            unit: format!("u{}", chance.below(3)),
            facility: Some(chance.below(3)).filter(|facility| *facility > 0).map(|facility| format!("F{facility}")),
            value: chance.below(3) as i64,
            denominator: Some(chance.below(50) as i64).filter(|of| *of > 25),
            person: Some(chance.below(4)).filter(|person| *person > 0).map(|person| format!("0a0b0c0d:{person:032x}")),
        };
        let lines = std::iter::repeat_with(&mut line).take(count).collect();
        Self {
            // Keys differ in their upper half alone: the half that is the hash is the same for all.
            key: u128::from(chance.below(12)) << 64 | 7,
            lines,
            revision: chance.below(3) as i64,
            reported_at: chance.below(3) as i64,
            topic: format!("t{}", chance.below(2)),
            offset,
            operation,
            known_at: 100 + chance.below(40) as i64,
        }
    }

    fn place(&self) -> (i64, i64, &str, i64) {
        (self.revision, self.reported_at, &self.topic, self.offset)
    }

    fn is_zero(&self) -> bool {
        self.operation == "zero" || self.lines.iter().all(|line| line.value == 0)
    }
}

fn batch(messages: &[Message]) -> RecordBatch {
    let lines: Vec<(&Message, &Line)> =
        messages.iter().flat_map(|message| message.lines.iter().map(move |line| (message, line))).collect();
    let text = |of: &dyn Fn(&Message, &Line) -> Option<String>| -> ArrayRef {
        Arc::new(lines.iter().map(|(message, line)| of(message, line)).collect::<StringArray>())
    };
    let number = |of: &dyn Fn(&Message, &Line) -> Option<i64>| -> ArrayRef {
        Arc::new(lines.iter().map(|(message, line)| of(message, line)).collect::<Int64Array>())
    };
    let time = |of: &dyn Fn(&Message) -> i64| -> ArrayRef {
        let times = TimestampMicrosecondArray::from_iter_values(lines.iter().map(|(message, _)| of(message)));
        Arc::new(times.with_timezone(UTC))
    };
    let days: ArrayRef = Arc::new(Date32Array::from_iter_values(lines.iter().map(|(_, line)| line.day)));
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("feed", text(&|_, _| Some("school".to_owned()))),
        ("kind", text(&|_, _| Some("event".to_owned()))),
        ("topic", text(&|message, _| Some(message.topic.clone()))),
        ("partition", Arc::new(Int32Array::from(vec![0; lines.len()]))),
        ("offset", number(&|message, _| Some(message.offset))),
        ("record_key", text(&|message, _| Some(format!("{:032x}", message.key)))),
        ("revision", number(&|message, _| Some(message.revision))),
        ("operation", text(&|message, _| Some(message.operation.to_owned()))),
        ("signal", text(&|_, line| Some(line.signal.clone()))),
        ("unit_kind", text(&|_, _| Some("class".to_owned()))),
        ("unit_id", text(&|_, line| Some(line.unit.clone()))),
        ("facility_id", text(&|_, line| line.facility.clone())),
        ("area_code", text(&|_, _| None)),
        ("event_time", time(&|message| message.offset)),
        ("event_date", days),
        ("reported_at", time(&|message| message.reported_at)),
        ("value", number(&|_, line| Some(line.value))),
        ("denominator", number(&|_, line| line.denominator)),
        ("person_key", text(&|_, line| line.person.clone())),
        ("slot", text(&|_, _| None)),
        ("quality", text(&|_, _| None)),
        ("known_at", time(&|message| message.known_at)),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}

/// What is kept: rows group by group in their order, and what each facility said each day.
type Told = (BTreeMap<(String, i32, String, String), Vec<String>>, BTreeMap<(String, i32), (i64, bool)>);

fn row(message: &Message, line: &Line) -> String {
    let Message { key, revision, topic, offset, operation, .. } = message;
    let Line { value, denominator, person, .. } = line;
    format!("{key:x} {revision} {topic}/{offset} {operation} {value} {denominator:?} {person:?}")
}

fn model(messages: &[Message]) -> Told {
    let (mut rows, mut reports) = (BTreeMap::new(), BTreeMap::new());
    let keys: BTreeSet<u128> = messages.iter().map(|message| message.key).collect();
    for key in keys {
        let of_key = || messages.iter().filter(|message| message.key == key);
        let stands = of_key().max_by_key(|message| message.place()).unwrap();
        let heard = of_key().filter(|message| message.operation != "retract").map(|message| message.known_at).min();
        for line in stands.lines.iter().filter(|_| stands.operation != "retract") {
            let facility = line.facility.clone().unwrap_or_default();
            let group: &mut Vec<String> =
                rows.entry((line.signal.clone(), line.day, line.unit.clone(), facility)).or_default();
            group.push(row(stands, line));
            if let Some(facility) = &line.facility {
                let report = reports.entry((facility.clone(), line.day)).or_insert((i64::MAX, true));
                *report = (report.0.min(heard.unwrap()), report.1 && stands.is_zero());
            }
        }
    }
    (rows, reports)
}

fn told(records: &Records) -> Told {
    let names = &records.names;
    let text = |name: u32| names.text(name).to_owned();
    let (mut rows, mut reports) = (BTreeMap::new(), BTreeMap::new());
    for (series, of_day) in records.groups(Day(i32::MIN), Day(i32::MAX), |_, _| true) {
        let facility = series.facility.map(text).unwrap_or_default();
        let of_series = records.rows_in_order(of_day, |_| true).unwrap().into_iter().map(|(row, record)| {
            let stands = records.statement(&record);
            let person = row.person.map(|person| names.token(person).into_owned());
            let (key, revision, topic, offset) = (stands.key, stands.revision, stands.topic, stands.offset);
            let (operation, value, denominator) = (stands.operation, row.what.value, row.what.denominator);
            assert_eq!(row.event_time, offset);
            format!("{key:x} {revision} {topic}/{offset} {operation} {value} {denominator:?} {person:?}")
        });
        let all = records.rows.of_day(of_day).unwrap();
        assert_eq!(records.rows.worth(of_day), worth(Count::Sum, &all), "counted again whenever a row came or went");
        rows.insert((text(series.signal), of_day.day.0, text(series.unit_id), facility), of_series.collect());
    }
    for (reporter, _, facility) in records.reporters.all() {
        let days = records.reporters.days(reporter).iter();
        reports.extend(days.map(|said| ((text(facility), said.day.0), (said.heard_at, said.is_zero()))));
    }
    (rows, reports)
}

#[test]
fn whatever_order_messages_come_in_and_however_often_what_is_kept_is_what_all_of_them_say() {
    for seed in 1..=WORLDS {
        let mut chance = Chance(seed);
        let mut messages: Vec<Message> = (0..MESSAGES).map(|offset| Message::any(&mut chance, offset as i64)).collect();
        let expected = model(&messages);
        assert!(expected.0.len() > 5 && expected.1.len() > 2, "seed {seed}: {expected:?}");
        // Of every other world only a few rows are in memory.
        let folder = tempfile::tempdir().unwrap();
        let path = Some(folder.path().into()).filter(|_| seed % 2 == 0);
        let mut records = Records::within(&Room { folder: path, bytes: 600 });
        let mut copies: Vec<(Records, Told)> = Vec::new();
        // Twice, in two orders, cut into batches anywhere.
        for _ in 0..2 {
            (1..MESSAGES).for_each(|at| messages.swap(at, chance.below(at as u64 + 1) as usize));
            for part in messages.chunks(1 + chance.below(9) as usize) {
                records.feed(&batch(part)).unwrap();
                records.count(|_| Count::Sum).unwrap();
                if chance.below(8) == 0 {
                    copies.push((records.clone(), told(&records)));
                }
            }
            assert_eq!(told(&records), expected, "seed {seed}");
        }
        for (copy, then) in &copies {
            assert_eq!(told(copy), *then, "seed {seed}: a copy stays as it was");
        }
        let standing: usize = expected.0.values().map(Vec::len).sum();
        assert_eq!(records.rows.count, standing, "seed {seed}");
        assert_eq!(records.first_day().map(|day| day.0), expected.0.keys().map(|(_, day, _, _)| *day).min());
        assert_eq!(told(&records.clone()), expected, "seed {seed}");
    }
}
