//! Live is backtest: the recorded ticks over the final log give the alert history that was written, to the bit; and a
//! tick is recorded with the version of the log that it saw, whatever was committed while it was judged.

use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use async_trait::async_trait;
use qianshao::alert::{Alert, Mode, Reason};
use qianshao::clock::{Clock, ManualClock};
use qianshao::delta::commit::heartbeat;
use qianshao::delta::log::{Append, Appended, Head, Log};
use qianshao::delta::memory_log::MemoryLog;
use qianshao::delta::reference::{Proposed, Text, put_in_force};
use qianshao::delta::tables::Table;
use qianshao::detect::alert_rows::rows_of;
use qianshao::detect::backtest::{backtest, recorded_ticks};
use qianshao::detect::judge::Judge;
use qianshao::detect::tick::{CLASS_PACK, CLASS_RULE, Detect};
use qianshao::pipeline::{Folders, InForce};
use qianshao::problem::Result;
use qianshao::simulate::Options;
use qianshao::terms::{Day, MICROS_PER_DAY, parse_instant};

use super::as_of::Week;
use super::replay::history;
use super::setting::Setting;
use super::world::PREFIX;

const DAYS: u32 = 6;
const TICKS_PER_DAY: i64 = 2;
const RULES: [&str; 6] = [
    "missing_report",
    "school_class_1d3",
    "school_class_3d5",
    "school_absence",
    "customs_symptomatic",
    "multi_channel",
];
const NUMBER: &str = "[parameters.\"missing_report.blue_days\"]\nvalue = 1";

/// The same texts, but that one missing report is no alert any more.
fn edited(setting: &Setting) -> Arc<Setting> {
    let edit = |text: &Text| Text { body: text.body.replace(NUMBER, &NUMBER.replace("= 1", "= 2")), ..text.clone() };
    let texts: Vec<Text> = setting.texts.iter().map(edit).collect();
    assert_ne!(texts, setting.texts);
    Arc::new(Setting { texts, feeds: setting.feeds.clone(), pack: setting.pack.clone() })
}

#[tokio::test]
async fn the_recorded_ticks_over_the_final_log_give_the_same_alert_history() {
    let start = Day::parse("2021-01-11").unwrap();
    let options =
        Options { seed: 11, days: DAYS, start, scale: 0.05, prefix: PREFIX.to_owned(), partitions: 2, planted: true };
    let folder = tempfile::tempdir().unwrap();
    let mut week = Week::begin(options, folder.path(), &RULES).await;
    let texts = week.setting.texts.clone();
    for tick in 1..=i64::from(DAYS) * TICKS_PER_DAY {
        let at = start.start_micros() + tick * MICROS_PER_DAY / TICKS_PER_DAY;
        // The consumer stands still for a morning: what was sent then is missing, and comes after all.
        match tick {
            3 => week.clock.advance_to(at),
            _ => week.advance(at).await,
        }
        match tick {
            5 => week.close_one(at).await,
            8 => {
                week.setting = edited(&week.setting);
                let texts = week.setting.texts_with(&week.registers);
                put_in_force(&*week.log, &*week.clock, &InForce::CLASSES, &texts).await.unwrap();
            }
            10 => {
                week.detect = Detect::open(week.log.clone(), week.clock.clone(), "2021-CF", Mode::Test).await.unwrap()
            }
            _ => {}
        }
        week.detect.tick(at).await.unwrap();
    }
    let again: Vec<Alert> = backtest(&*week.log, "2021-CF", Mode::Test).await.unwrap();
    let live = history(&*week.log).await.unwrap();
    let unstamped: Vec<usize> = (0..Table::AlertHistory.columns().len()).collect();
    assert_eq!(live.project(&unstamped).unwrap(), rows_of(&again).unwrap());
    assert_eq!(rows_of(&judged_whole(&*week.log).await).unwrap(), rows_of(&again).unwrap());
    // The week had what it is about.
    assert_eq!(recorded_ticks(&*week.log).await.unwrap().len() as i64, i64::from(DAYS) * TICKS_PER_DAY);
    let withdrawn = |reason: &Reason| again.iter().filter(|alert| alert.reason.as_ref() == Some(reason)).count();
    let counts = (again.len(), withdrawn(&Reason::RuleChanged), withdrawn(&Reason::Corrected));
    println!("revisions, of them withdrawn for a changed rule, for rows: {counts:?}");
    assert!(counts.0 > 20 && counts.1 > 0 && counts.2 > 0, "{counts:?}");
    other_rules_are_judged_as_if_they_had_been_in_force_from_the_first(&*week.log, &again, &texts, &week.setting.texts)
        .await;
}

async fn other_rules_are_judged_as_if_they_had_been_in_force_from_the_first(
    log: &dyn Log,
    live: &[Alert],
    first: &[Text],
    later: &[Text],
) {
    let judged_by = async |texts: &[Text]| {
        let log = Proposed::instead(log, texts, &[CLASS_RULE, CLASS_PACK]).await.unwrap();
        backtest(&log, "2021-CF", Mode::Test).await.unwrap()
    };
    let (first, later) = (judged_by(first).await, judged_by(later).await);
    let is_for_a_rule = |alert: &Alert| alert.reason == Some(Reason::RuleChanged);
    assert!(
        !first.iter().chain(&later).any(is_for_a_rule),
        "no rule changes when one edition is in force from the first"
    );
    let change = live.iter().filter(|alert| is_for_a_rule(alert)).map(|alert| alert.tick).min();
    let before = |all: &[Alert]| all.iter().filter(|alert| Some(alert.tick) < change).cloned().collect::<Vec<_>>();
    assert!(before(live).len() > 5 && before(&first) == before(live), "until the change they are the rules of then");
    assert_ne!(before(&later), before(live), "one missing report is no alert for them");
}

/// The same by a judge that is opened anew for every tick: it has found nothing yet, so no rule is narrowed to the units
/// about which rows came.
async fn judged_whole(log: &dyn Log) -> Vec<Alert> {
    let (mut revisions, mut last_tick, mut digest) = (Vec::<Alert>::new(), 0, String::new());
    for tick in recorded_ticks(log).await.unwrap() {
        let mut judge = Judge::open(log, "2021-CF", Mode::Test, last_tick, &digest).await.unwrap();
        revisions.iter().for_each(|revision| judge.remember(revision.clone()));
        let judged = judge.judge(log, tick).await.unwrap();
        revisions.extend(judged.changes);
        (last_tick, digest) = (tick, judged.rules_digest);
    }
    revisions
}

/// A log into which somebody commits while alerts are written, and which may break before a tick is recorded.
struct Meddled {
    inner: Arc<dyn Log>,
    breaks: bool,
}

#[async_trait]
impl Log for Meddled {
    async fn head(&self, table: Table) -> Result<Head> {
        self.inner.head(table).await
    }

    async fn append(&self, table: Table, on: &Head, append: Append) -> Appended {
        if table == Table::AlertHistory && append.rows.num_rows() > 0 {
            let clock = self.inner.head(Table::Signals).await.unwrap().clock;
            heartbeat(&*self.inner, Table::Signals, clock + 1).await.unwrap();
        }
        match table {
            Table::Ticks if self.breaks && append.rows.num_rows() > 0 => Appended::Refused,
            _ => self.inner.append(table, on, append).await,
        }
    }

    async fn read(&self, table: Table, after: i64, until: i64) -> Result<Vec<RecordBatch>> {
        self.inner.read(table, after, until).await
    }
}

async fn newest_version(log: &dyn Log) -> i64 {
    let batches = log.read(Table::Ticks, i64::MIN, i64::MAX).await.unwrap();
    let versions = batches.last().unwrap().column_by_name("signals_version").unwrap().as_primitive::<Int64Type>();
    versions.value(versions.len() - 1)
}

#[tokio::test]
async fn a_tick_is_recorded_with_the_version_that_it_saw() {
    let setting = Setting::read(&Folders::default(), "base").with_rules(&["missing_report"]);
    let clock = Arc::new(ManualClock::new(parse_instant("2021-01-01 00:00").unwrap()));
    let inner: Arc<dyn Log> = Arc::new(MemoryLog::default());
    put_in_force(&*inner, &*clock, &InForce::CLASSES, &setting.texts).await.unwrap();
    for (at, breaks) in [("2021-01-18 12:00", false), ("2021-01-19 12:00", true)] {
        let at = parse_instant(at).unwrap();
        clock.advance_to(at);
        let before = inner.head(Table::Signals).await.unwrap().version;
        let wall: Arc<dyn Clock> = clock.clone();
        let meddled = Arc::new(Meddled { inner: inner.clone(), breaks });
        let mut detect = Detect::open(meddled, wall.clone(), "base", Mode::Test).await.unwrap();
        assert_eq!(detect.tick(at).await.is_err(), breaks);
        // An earlier life died between its alerts and its tick.
        Detect::open(inner.clone(), wall, "base", Mode::Test).await.unwrap();
        let after = inner.head(Table::Signals).await.unwrap().version;
        assert_eq!((newest_version(&*inner).await, after), (before as i64 + 1, before + 2));
        assert_eq!(recorded_ticks(&*inner).await.unwrap().last(), Some(&at));
    }
}
