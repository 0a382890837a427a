//! Rules decide in SQL: without them nothing alerts, another number gives other alerts, and a rule, a pack or a feed is
//! added by files alone.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::TimestampMicrosecondType;
use qianshao::alert::{Alert, Mode};
use qianshao::clock::Clock;
use qianshao::config::keys::PACK;
use qianshao::delta::memory_log::MemoryLog;
use qianshao::delta::tables::Table;
use qianshao::detect::pack::Packs;
use qianshao::detect::preview::{Preview, pack_in_force, preview};
use qianshao::observe::Observed;
use qianshao::pipeline::judging::{Opening, detect};
use qianshao::pipeline::{Folders, InForce, Stop};
use tempfile::TempDir;

use super::sabotage::edit;
use super::schedule::Schedule;
use super::script::root;
use super::setting::{Setting, copy, laid_over};
use super::world::World;
use super::{session, values};

/// Three feverish pupils of one class, two of another.
const PUPILS: &str = r#"{"school_id":"S990101P02","event_id":"E1","class_id":"3-2","student_id":"001","onset_at":"2021-01-18T07:30:00+08:00","symptoms":["fever"],"submitted_at":"2021-01-18T08:40:00+08:00"}
{"school_id":"S990101P02","event_id":"E2","class_id":"3-2","student_id":"002","onset_at":"2021-01-18T07:30:00+08:00","symptoms":["fever"],"submitted_at":"2021-01-18T08:40:00+08:00"}
{"school_id":"S990101P02","event_id":"E3","class_id":"3-2","student_id":"003","onset_at":"2021-01-18T07:30:00+08:00","symptoms":["fever"],"submitted_at":"2021-01-18T08:40:00+08:00"}
{"school_id":"S990101P02","event_id":"E4","class_id":"3-3","student_id":"004","onset_at":"2021-01-18T07:30:00+08:00","symptoms":["fever"],"submitted_at":"2021-01-18T08:40:00+08:00"}
{"school_id":"S990101P02","event_id":"E5","class_id":"3-3","student_id":"005","onset_at":"2021-01-18T07:30:00+08:00","symptoms":["fever"],"submitted_at":"2021-01-18T08:40:00+08:00"}"#;
const EVENING: i64 = 1_610_964_000_000_000;
const HOUR: i64 = 3_600_000_000;
const ALERTS: &str = "SELECT rule, unit_id, state, reason FROM alerts WHERE rule NOT IN ('missing_report', 'silent_feed') ORDER BY rule, unit_id";

/// The shipped rules, in a folder that may be edited.
fn rules() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    copy(&root().join("rules"), folder.path());
    folder
}

/// Adds the pack `own`, which extends `base` by one rule; its folder.
fn own_pack(rules: &Path) -> PathBuf {
    let own = rules.join("own");
    std::fs::create_dir(&own).unwrap();
    let pack = "[pack]\nid = \"own\"\nzh = \"自订\"\nen = \"our own\"\nextends = \"base\"\nsource = \"a test\"\n";
    std::fs::write(own.join("pack.toml"), pack).unwrap();
    std::fs::write(own.join("two_of_a_class.sql"), RULE).unwrap();
    own
}

fn under(rules: &Path, pack: &str) -> Arc<Setting> {
    Setting::read(&Folders { rules: Some(rules.to_owned()), ..Folders::default() }, pack)
}

async fn world(setting: &Arc<Setting>, schedule: Schedule) -> World {
    let mut world = World::open(setting.clone(), setting.feeds.clone(), schedule, "deciding").await.unwrap();
    PUPILS.lines().for_each(|payload| world.send("school", payload));
    world
}

async fn ask(world: &World, sql: &str) -> Vec<String> {
    let context = session::session(&world.log, &world.setting.pack, i64::MAX, world.tick).await.unwrap();
    let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
    values::rows(&batches).into_iter().map(|row| row.join(" ")).collect()
}

#[tokio::test]
async fn an_empty_rules_folder_gives_no_alert() {
    let empty = tempfile::tempdir().unwrap();
    let mut world = world(&under(empty.path(), "2021-CF"), Schedule::Straight).await;
    world.tick_at(EVENING).await.unwrap();
    assert_eq!(ask(&world, "SELECT count(*) FROM alert_history").await, ["0"]);
    assert_eq!(ask(&world, "SELECT count(*) FROM signal_history").await, ["5"]);
}

#[tokio::test]
async fn an_edited_number_gives_other_alerts_and_says_so_through_a_restart() {
    let folder = rules();
    let mut world =
        world(&under(folder.path(), "2021-CF").with_rules(&["school_class_1d3"]), Schedule::Restarted).await;
    world.tick_at(EVENING).await.unwrap();
    assert_eq!(ask(&world, ALERTS).await, ["school_class_1d3 S990101P02/3-2 open NULL"]);
    edit(folder.path(), "school_class_1d3.pupils", 2.0);
    world.put_in_force(&under(folder.path(), "2021-CF").with_rules(&["school_class_1d3"])).await.unwrap();
    world.tick_at(EVENING + HOUR).await.unwrap();
    assert_eq!(
        ask(&world, ALERTS).await,
        ["school_class_1d3 S990101P02/3-2 open NULL", "school_class_1d3 S990101P02/3-3 open NULL"]
    );
    // Rows come with the change: it is the change that withdraws.
    edit(folder.path(), "school_class_1d3.pupils", 4.0);
    world.put_in_force(&under(folder.path(), "2021-CF").with_rules(&["school_class_1d3"])).await.unwrap();
    world.send("school", &PUPILS.lines().next().unwrap().replace("E1", "E9").replace("3-2", "6-1"));
    world.tick_at(EVENING + 2 * HOUR).await.unwrap();
    assert_eq!(
        ask(&world, ALERTS).await,
        [
            "school_class_1d3 S990101P02/3-2 withdrawn rule_changed",
            "school_class_1d3 S990101P02/3-3 withdrawn rule_changed"
        ]
    );
}

#[tokio::test]
async fn a_register_that_changes_is_no_changed_rule() {
    let setting = under(&root().join("rules"), "base").with_rules(&["missing_report"]);
    let mut world = world(&setting, Schedule::Straight).await;
    world.tick_at(EVENING).await.unwrap();
    let missing = "SELECT state, reason FROM alerts WHERE rule = 'missing_report' AND unit_id = 'P990102R01'";
    assert_eq!(ask(&world, missing).await, ["open NULL"]);
    let shipped = setting.registers()["facilities"].clone();
    let header = shipped.lines().next().unwrap();
    let closed = shipped.lines().find(|line| line.starts_with("P990102R01")).unwrap();
    world.register("facilities", &format!("{header}\n{}2020-01-01\n", closed)).await.unwrap();
    world.tick_at(EVENING + HOUR).await.unwrap();
    assert_eq!(ask(&world, missing).await, ["withdrawn unsupported"]);
}

#[tokio::test]
async fn rows_about_one_unit_and_numbers_of_one_rule_do_not_speak_for_others() {
    let folder = rules();
    let named = ["missing_report", "school_class_1d3", "customs_symptomatic"];
    let setting = under(folder.path(), "base").with_rules(&named);
    let mut world = world(&setting, Schedule::Straight).await;
    world.tick_at(EVENING).await.unwrap();
    // At once: a register closes a pharmacy, a pupil had no fever, and a number of a third rule is edited.
    let corrected = PUPILS.lines().nth(2).unwrap().replace("[\"fever\"]", "[\"headache\"]");
    let later = "\"revision\":1,\"operation\":\"correct\",\"submitted_at\":\"2021-01-18T12:40:00+08:00\"";
    world.send("school", &corrected.replace("\"submitted_at\":\"2021-01-18T08:40:00+08:00\"", later));
    edit(folder.path(), "customs_symptomatic.arrivals", 9.0);
    world.put_in_force(&under(folder.path(), "base").with_rules(&named)).await.unwrap();
    let shipped = setting.registers()["facilities"].clone();
    let header = shipped.lines().next().unwrap();
    let closed = shipped.lines().find(|line| line.starts_with("P990102R01")).unwrap();
    world.register("facilities", &format!("{header}\n{}2020-01-01\n", closed)).await.unwrap();
    world.tick_at(EVENING + HOUR).await.unwrap();
    let withdrawn = "SELECT rule, unit_id, reason FROM alerts WHERE state = 'withdrawn' ORDER BY rule";
    assert_eq!(
        ask(&world, withdrawn).await,
        ["missing_report P990102R01 unsupported", "school_class_1d3 S990101P02/3-2 corrected"]
    );
}

#[tokio::test]
async fn what_happens_at_a_facility_that_is_not_registered_is_heard_and_silences_nobody() {
    let setting = under(&root().join("rules"), "base").with_rules(&["school_class_1d3", "customs_symptomatic"]);
    let mut world = world(&setting, Schedule::Straight).await;
    let arrival = r#"{"declaration_id":"d1","declared_at":"2021-01-18T10:00:00+08:00","direction":"in","port_code":"9977","symptoms":["cough"],"submitted_at":"2021-01-18T10:05:00+08:00"}"#;
    world.send("customs", arrival);
    let day = r#"{"school_id":"S990101P77","class_id":"3-2","check_date":"2021-01-18","session":"am","enrolled":42,"present":39,"absent_total":3,"absent_sick":3,"symptom_counts":{"fever":3},"submitted_at":"2021-01-18T08:31:00+08:00"}"#;
    world.send("school", day);
    world.tick_at(EVENING).await.unwrap();
    let alerts = "SELECT unit_id, area_code, state, reason FROM alerts ORDER BY unit_id, area_code";
    // Nobody knows its county, so it is put to the city.
    let heard = ["9977 990100 open NULL", "S990101P02/3-2 990101 open NULL", "S990101P77/3-2 990100 open NULL"];
    assert_eq!(ask(&world, alerts).await, heard);
    let header = setting.registers()["facilities"].lines().next().unwrap().to_owned();
    let school =
        setting.registers()["facilities"].lines().find(|line| line.starts_with("S990101P01")).unwrap().to_owned();
    world.register("facilities", &format!("{header}\n{}\n", school.replace("S990101P01", "S990101P77"))).await.unwrap();
    world.tick_at(EVENING + HOUR).await.unwrap();
    let moved = [
        "9977 990100 open NULL",
        "S990101P02/3-2 990101 open NULL",
        "S990101P77/3-2 990100 withdrawn unsupported",
        "S990101P77/3-2 990101 open NULL",
    ];
    assert_eq!(ask(&world, alerts).await, moved);
}

async fn foresee(world: &World, setting: &Setting, pack: &str, now: i64) -> Preview {
    let classes = &InForce::CLASSES;
    preview(&*world.log, pack, Mode::Test, classes, &setting.texts, now).await.unwrap()
}

fn told(alert: &Alert) -> String {
    let reason = alert.reason.as_ref().map_or_else(|| "NULL".to_owned(), ToString::to_string);
    format!("{} {} {} {reason} {}", alert.id, alert.series.unit_id, alert.state.word(), alert.revision)
}

#[tokio::test]
async fn a_preview_is_what_the_next_tick_does_and_writes_nothing() {
    let folder = rules();
    let named = ["school_class_1d3", "customs_symptomatic"];
    let in_force = under(folder.path(), "base").with_rules(&named);
    let mut world = world(&in_force, Schedule::Restarted).await;
    world.tick_at(EVENING).await.unwrap();
    let mut counts = Vec::new();
    for (hour, pupils) in [(1, 2.0), (2, 4.0)] {
        edit(folder.path(), "school_class_1d3.pupils", pupils);
        let setting = under(folder.path(), "base").with_rules(&named);
        let mut before = Vec::new();
        for table in Table::ALL {
            before.push(world.log.head(table).await.unwrap());
        }
        let foreseen = foresee(&world, &setting, "base", EVENING + hour * HOUR).await;
        for (table, head) in Table::ALL.into_iter().zip(before) {
            assert_eq!(world.log.head(table).await.unwrap(), head, "{}", table.name());
        }
        let texts: Vec<&str> = foreseen.texts.iter().map(|text| text.name.as_str()).collect();
        assert_eq!((texts, foreseen.broken.len()), (vec!["base/pack.toml"], 0));
        world.put_in_force(&setting).await.unwrap();
        world.tick_at(EVENING + hour * HOUR).await.unwrap();
        let newest = "SELECT alert_id, unit_id, state, reason, revision FROM alert_history
                      WHERE tick = (SELECT max(tick) FROM ticks) ORDER BY alert_id, revision";
        let foreseen: Vec<String> = foreseen.changes.iter().map(told).collect();
        assert_eq!(ask(&world, newest).await, foreseen);
        counts.push(foreseen.len());
    }
    // One alert shows its new threshold and another opens; then both are withdrawn.
    assert_eq!(counts, [2, 2]);
}

#[tokio::test]
async fn a_preview_leaves_out_what_time_and_rows_change_by_themselves() {
    let folder = rules();
    let named = ["school_class_1d3"];
    let in_force = under(folder.path(), "base").with_rules(&named);
    let mut world = world(&in_force, Schedule::Straight).await;
    // Nobody has judged yet, so what the rows raise by themselves is no matter of the texts.
    let late = EVENING + 5 * 24 * HOUR;
    assert_eq!(foresee(&world, &in_force, "base", late).await.changes, []);
    world.tick_at(EVENING).await.unwrap();
    let foreseen = foresee(&world, &in_force, "base", late).await;
    assert_eq!((foreseen.texts.len(), foreseen.changes.len()), (0, 0));
    world.tick_at(late).await.unwrap();
    assert_eq!(ask(&world, ALERTS).await, ["school_class_1d3 S990101P02/3-2 ended NULL"]);
}

#[tokio::test]
async fn a_preview_knows_another_pack_and_names_a_rule_that_does_not_run() {
    let folder = rules();
    let own = own_pack(folder.path());
    let setting = under(folder.path(), "base");
    let mut world = world(&setting, Schedule::Straight).await;
    world.tick_at(EVENING).await.unwrap();
    assert_eq!(pack_in_force(&*world.log, "own").await.unwrap(), "base");
    let foreseen = foresee(&world, &setting, "own", EVENING + HOUR).await;
    let rules: Vec<String> =
        foreseen.changes.iter().map(|alert| format!("{} {}", alert.rule, alert.series.unit_id)).collect();
    assert_eq!((foreseen.texts.len(), rules), (0, vec!["two_of_a_class S990101P02/3-3".to_owned()]));

    std::fs::write(own.join("two_of_a_class.sql"), RULE.replace("count BETWEEN", "cuont BETWEEN")).unwrap();
    let broken = foresee(&world, &under(folder.path(), "own"), "own", EVENING + HOUR).await.broken;
    assert_eq!((broken.len(), broken[0].code.id), (1, "QS-S003"));
    assert!(broken[0].at.contains("two_of_a_class") && broken[0].found.contains("cuont"), "{}", broken[0]);
    // So does the first start, before anything is there.
    let nothing = MemoryLog::default();
    let texts = under(folder.path(), "own");
    let first = preview(&nothing, "own", Mode::Test, &InForce::CLASSES, &texts.texts, EVENING).await.unwrap();
    assert!(first.first && first.broken == broken);
    assert_eq!(pack_in_force(&nothing, "own").await.unwrap(), "own");
}

#[test]
fn whoever_names_no_pack_has_one_that_does_not_end() {
    let packs = Packs::load(None).unwrap();
    assert_eq!(packs.get(PACK).and_then(|pack| pack.valid_to), None);
    assert!(packs.get(PACK).unwrap().rules.len() > packs.get("base").unwrap().rules.len());
}

/// A rule that was not there when the program was built, in a pack of its own.
const RULE: &str = "-- id: two_of_a_class
-- zh: 同班两例
-- en: two of one class
-- severity: blue
-- scope: dirty
-- kind: threshold
-- verify_hours: 24
-- cites: a test
-- history_days: 0
SELECT unit_kind, unit_id, area_code, facility_id, signal, syndrome, event_date AS window_start, event_date AS window_end,
  count AS observed, 2.0 AS threshold
FROM cells
WHERE unit_kind IN ('class', 'facility') AND count BETWEEN 2 AND 2
";

#[tokio::test]
async fn a_rule_and_a_pack_are_added_by_files() {
    let folder = rules();
    own_pack(folder.path());
    let mut world = world(&under(folder.path(), "own"), Schedule::Straight).await;
    world.tick_at(EVENING).await.unwrap();
    assert_eq!(
        ask(&world, ALERTS).await,
        ["school_class_1d3 S990101P02/3-2 open NULL", "two_of_a_class S990101P02/3-3 open NULL"]
    );
    assert_eq!(ask(&world, "SELECT DISTINCT pack FROM alerts").await, ["own"]);
}

#[tokio::test]
async fn a_feed_is_added_by_files_and_a_rule_judges_it() {
    let feeds = laid_over("schemas/feeds", &root().join("examples/add_a_feed"));
    let folder = rules();
    std::fs::write(folder.path().join("base/two_of_a_class.sql"), RULE).unwrap();
    let path = |folder: &TempDir| -> Option<PathBuf> { Some(folder.path().to_owned()) };
    let setting = Setting::read(&Folders { feeds: path(&feeds), rules: path(&folder), ..Folders::default() }, "base");
    let mut world = World::open(setting.clone(), setting.feeds.clone(), Schedule::Straight, "deciding").await.unwrap();
    let home = "facility_id,name_zh,name_en,facility_kind,area_code,calendar_id,authoritative,active_from,active_to\n\
                E990103Y01,东浦养老院,Dongpu Home,eldercare,990103001,always,,,";
    world.register("facilities", home).await.unwrap();
    let day = r#"{"home_id":"E990103Y01","report_date":"2021-01-18","residents":86,"fever":2,"submitted_at":"2021-01-18T17:00:00+08:00"}"#;
    world.send("eldercare", day);
    world.tick_at(EVENING).await.unwrap();
    let alerts = "SELECT rule, unit_id, signal FROM alerts WHERE rule = 'two_of_a_class'";
    assert_eq!(ask(&world, alerts).await, ["two_of_a_class E990103Y01 eldercare_fever"]);
}

#[tokio::test]
async fn who_judges_before_the_first_message_judges_no_earlier_than_now() {
    let setting = under(&root().join("rules"), "base").with_rules(&["school_class_1d3"]);
    let world = World::open(setting.clone(), setting.feeds.clone(), Schedule::Straight, "deciding").await.unwrap();
    let (log, clock, began) = (world.log.clone(), world.clock.clone(), world.clock.now());
    let opening = Opening {
        log: log.clone(),
        clock: clock.clone(),
        pack: setting.pack.clone(),
        mode: Mode::Test,
        observed: Observed::new(clock.clone(), &[]),
    };
    let (tell, stop) = Stop::new();
    let judging = tokio::spawn(detect(opening, stop));
    let ticks = async || {
        let rows = log.read(Table::Ticks, i64::MIN, i64::MAX).await.unwrap();
        let of = |batch: &RecordBatch| {
            let column = batch.column_by_name("tick").unwrap().as_primitive::<TimestampMicrosecondType>();
            column.values().to_vec()
        };
        rows.iter().flat_map(of).collect::<Vec<i64>>()
    };
    while ticks().await.is_empty() {
        // Whenever it looks, what is due without new rows has become due.
        clock.advance_to(clock.now() + 20_000_000);
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    tell.send(true).unwrap();
    judging.await.unwrap().unwrap();
    let first = ticks().await.into_iter().min();
    assert!(first >= Some(began), "{first:?}");
}
