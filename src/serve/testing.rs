//! A small state for tests of serve: one feed, three facilities, one rule, a few epochs, one alert.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::json::ReaderBuilder;
use datafusion::execution::context::SessionContext;

use super::output::{Format, render};
use super::tables::{Asked, session};
use crate::clock::ManualClock;
use crate::delta::commit::{EpochRows, append_once, commit_epoch};
use crate::delta::delta_log::DeltaLog;
use crate::delta::reference::{Text, put_in_force};
use crate::delta::tables::Table;
use crate::engine;
use crate::terms::parse_instant;

pub const ALERT: &str = "00000000000000000000000000000001";

const TEXTS: &[(&str, &str, &str)] = &[
    (
        "code",
        "areas",
        "code,level,name_zh,name_en,parent,valid_from,valid_to,replaced_by,source\n\
         1,prefecture,市,City,,,,,\n11,county,东县,East,1,,,,\n12,county,西县,West,1,,,,\n111,town,镇,Town,11,,,,\n",
    ),
    ("code", "unit_kinds", "unit_kind,rolls_up,zh,en\nfacility,yes,,\n"),
    (
        "register",
        "facilities",
        "facility_id,name_zh,name_en,facility_kind,area_code,calendar_id,authoritative,active_from,active_to\n\
         A1,,,clinic,111,,,,\nA2,,,clinic,111,,,,\nB1,,,clinic,12,,,,\n",
    ),
    (
        "register",
        "expected_reports",
        "facility_kind,facility_id,feed,due_time,grace_minutes,valid_from,valid_to\nclinic,,f,23:59,0,,\n",
    ),
    (
        "feed",
        "f/k",
        r#"{"title": "visits", "x-zh": "就诊", "x-ce-type": "cn.example.k.v1", "x-signals":
            {"s": {"en": "visits", "zh": "就诊", "syndrome": "ili", "channel": "clinic", "weight_tenths": 10}}}"#,
    ),
    (
        "pack",
        "p/pack.toml",
        "[pack]\nid = \"p\"\nzh = \"包\"\nen = \"pack\"\nsource = \"\"\nextends = \"\"\nalert_horizon_days = 30\n\
         [parameters.\"three.visits\"]\nvalue = 3\nunit = \"visits\"\nsource = \"a test\"\nmark = \"D\"\n",
    ),
    (
        "pack",
        "q/pack.toml",
        "[pack]\nid = \"q\"\nzh = \"包\"\nen = \"pack\"\nsource = \"\"\nextends = \"p\"\n\
         [parameters.\"three.visits\"]\nvalue = 5\nunit = \"visits\"\nsource = \"a test\"\nmark = \"D\"\n",
    ),
    (
        "rule",
        "p/three.sql",
        "-- id: three\n-- zh: 三例\n-- en: three visits\n-- severity: yellow\n-- scope: dirty\n-- kind: threshold\n\
         -- history_days: 1\n-- cites: none\n\
         SELECT unit_kind, unit_id, area_code, signal, event_date AS window_start, event_date AS window_end,\n\
         count AS observed, param('three.visits') AS threshold\n\
         FROM cells WHERE unit_kind = 'county' AND count >= param('three.visits')\n",
    ),
];

/// A log on disk and the clock that stamps it.
pub struct State {
    pub log: Arc<DeltaLog>,
    pub clock: Arc<ManualClock>,
}

/// Rows of a table from JSON lines; columns that are not named are null.
pub fn rows(table: Table, lines: &str) -> RecordBatch {
    let schema = table.schema_unstamped();
    let mut decoder = ReaderBuilder::new(schema.clone()).build_decoder().unwrap();
    decoder.decode(lines.as_bytes()).unwrap();
    decoder.flush().unwrap().unwrap_or_else(|| RecordBatch::new_empty(schema))
}

/// One row of `signals`: offset, key, revision, hash, facility, day, value.
pub fn said(offset: i64, key: u32, revision: i64, hash: &str, facility: &str, day: &str, value: i64) -> String {
    let area = if facility == "B1" { "12" } else { "111" };
    format!(
        r#"{{"feed":"f","kind":"k","topic":"t","partition":0,"offset":{offset},"row":0,"record_key":"{key:032x}",
        "revision":{revision},"operation":"report","content_hash":"{hash}","signal":"s","unit_kind":"facility",
        "unit_id":"{facility}","facility_id":"{facility}","area_code":"{area}","event_time":"{day}T04:00:00Z",
        "event_date":"{day}","reported_at":"{day}T05:00:00Z","value":{value}}}"#
    )
}

/// One row of `quarantine`.
pub fn refused(offset: i64) -> String {
    format!(
        r#"{{"topic":"t","partition":0,"offset":{offset},"feed":"f","code":"QS-D001","reason":"r","pointer":"",
        "found":"x","help":"y","body":"00","body_sha256":"z","body_shape":"{{}}"}}"#
    )
}

impl State {
    pub async fn open(folder: &Path) -> Self {
        let clock = Arc::new(ManualClock::new(parse_instant("2021-01-18 00:00").unwrap()));
        let log = Arc::new(DeltaLog::open(folder, clock.clone()).await.unwrap());
        let text = |(class, name, body): &(&str, &str, &str)| Text {
            class: (*class).to_owned(),
            name: (*name).to_owned(),
            body: (*body).to_owned(),
        };
        let texts: Vec<Text> = TEXTS.iter().map(text).collect();
        put_in_force(&*log, &*clock, &["rule"], &texts).await.unwrap();
        Self { log, clock }
    }

    /// Commits offsets `[from, to)` of the one partition at a local time.
    pub async fn epoch(&self, at: &str, (from, to): (i64, i64), signals: &[String], quarantine: &[String]) {
        self.clock.advance_to(parse_instant(at).unwrap());
        let epoch = EpochRows {
            ranges: BTreeMap::from([(("t".to_owned(), 0), (from, to))]),
            witnesses: BTreeMap::new(),
            signals: rows(Table::Signals, &signals.join("\n")),
            quarantine: rows(Table::Quarantine, &quarantine.join("\n")),
        };
        commit_epoch(&*self.log, &*self.clock, &epoch).await.unwrap();
    }

    /// Three days: on the 18th two visits in the east; on the 19th a duplicate, a bad message and a third visit for the
    /// 18th, which opens an alert; on the 20th a correction and bad messages only.
    pub async fn three_days(folder: &Path) -> Self {
        let state = Self::open(folder).await;
        let first = [said(0, 1, 0, "a", "A1", "2021-01-18", 1), said(1, 2, 0, "b", "A2", "2021-01-18", 1)];
        state.epoch("2021-01-18 20:00", (0, 2), &first, &[]).await;
        let second = [said(2, 1, 0, "a", "A1", "2021-01-18", 1), said(4, 3, 0, "c", "A2", "2021-01-18", 2)];
        state.epoch("2021-01-19 20:00", (2, 5), &second, &[refused(3)]).await;
        state.alert("2021-01-19 20:01").await;
        let retry = said(6, 4, 0, "e", "B1", "2021-01-19", 0).replace(r#""row":0"#, r#""row":0,"retry_of":"t/0/3""#);
        let third = [said(5, 3, 1, "d", "A2", "2021-01-18", 1), retry];
        state.epoch("2021-01-20 20:00", (5, 7), &third, &[]).await;
        state.epoch("2021-01-20 21:00", (7, 8), &[], &[refused(7)]).await;
        state
    }

    async fn alert(&self, at: &str) {
        let tick = parse_instant(at).unwrap();
        self.clock.advance_to(tick);
        let alert = format!(
            r#"{{"alert_id":"{ALERT}","revision":1,"rule":"three","rule_kind":"threshold","pack":"p","severity":"yellow",
            "state":"open","response":"none","mode":"test","signal":"s","syndrome":"ili","unit_kind":"county",
            "unit_id":"11","area_code":"11","first_onset":"2021-01-18","onset":"2021-01-18",
            "window_start":"2021-01-18","window_end":"2021-01-18","observed":4,"threshold":3,"title_zh":"三例",
            "title_en":"three visits","opened_at":"2021-01-19T12:01:00Z","verify_due":"2021-01-20T12:01:00Z",
            "tick":"2021-01-19T12:01:00Z"}}"#
        );
        let ticked = r#"{"tick":"2021-01-19T12:01:00Z","known_until":"2021-01-19T12:01:00Z","signals_version":2,
            "reference_known_at":"2021-01-17T16:00:00Z","rules_digest":"d","findings":1,"changes":1}"#;
        let (alert, ticked) = (rows(Table::AlertHistory, &alert), rows(Table::Ticks, ticked));
        append_once(&*self.log, &*self.clock, Table::AlertHistory, alert, &[("tick", tick)], tick, None).await.unwrap();
        append_once(&*self.log, &*self.clock, Table::Ticks, ticked, &[("tick", tick)], tick, None).await.unwrap();
    }

    pub async fn session(&self, as_of: Option<&str>) -> SessionContext {
        let asked = Asked {
            as_of: as_of.map(|text| parse_instant(text).unwrap()),
            now: parse_instant("2021-01-20 22:00").unwrap(),
            pack: "p".to_owned(),
            prefix: "x".to_owned(),
        };
        session(&self.log, &asked).await.unwrap()
    }
}

/// The answer of a query as CSV without its header, the lines sorted.
pub async fn asked(context: &SessionContext, sql: &str) -> Vec<String> {
    let frame = engine::plan(context, "a test", sql).await.unwrap();
    let schema = frame.schema().inner().clone();
    let batches = frame.collect().await.unwrap();
    let csv = String::from_utf8(render(&batches, &schema, Format::Csv).unwrap()).unwrap();
    let mut lines: Vec<String> = csv.lines().skip(1).map(str::to_owned).collect();
    lines.sort();
    lines
}
