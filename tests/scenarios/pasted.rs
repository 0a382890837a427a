//! Analysts paste a rule's text as it stands: every shipped rule returns in SQL what the last tick found.

use std::sync::Arc;

use qianshao::cells::moment::Moment;
use qianshao::delta::reference::{Text, put_in_force};
use qianshao::detect::evaluate::{Dirty, Plans, Standing};
use qianshao::detect::finding::{Finding, findings_of};
use qianshao::detect::tick::pack_of;
use qianshao::engine;
use qianshao::pipeline::InForce;
use qianshao::serve::tables::{Asked, session};
use qianshao::simulate::Options;
use qianshao::terms::{Day, MICROS_PER_DAY};

use super::as_of::Week;
use super::setting::Setting;
use super::world::PREFIX;

const DAYS: u32 = 14;
/// Parameter, shipped value, the value here.
const EASIER: [(&str, &str, &str); 6] = [
    ("fever_clinic_c2.threshold", "3", "0.5"),
    ("fever_clinic_c3.threshold", "2", "0.5"),
    ("school_c2.threshold", "3", "0.5"),
    ("pharmacy_c2.threshold", "3", "0.5"),
    ("neighbours_rising.threshold", "2", "0.2"),
    ("neighbours_rising.count_min", "3", "1"),
];

/// The same texts with numbers so low that most rules find something in two weeks.
fn easier(setting: &Setting) -> Setting {
    let ease = |text: &Text| {
        let mut body = text.body.clone();
        for (name, from, to) in EASIER {
            let number = |value: &str| format!("[parameters.\"{name}\"]\nvalue = {value}\n");
            body = body.replace(&number(from), &number(to));
        }
        Text { body, ..text.clone() }
    };
    let texts: Vec<Text> = setting.texts.iter().map(ease).collect();
    Setting { texts, feeds: setting.feeds.clone(), pack: setting.pack.clone() }
}

/// Findings as text, in an order of their own.
fn told(findings: impl IntoIterator<Item = Finding>, horizon: Day) -> Vec<String> {
    let judged = findings.into_iter().filter(|finding| finding.window_end >= horizon);
    let mut told: Vec<String> = judged.map(|finding| format!("{finding:?}")).collect();
    told.sort();
    told
}

#[tokio::test]
async fn every_shipped_rule_pasted_into_sql_returns_what_the_tick_found() {
    let start = Day::parse("2021-01-11").unwrap();
    let options =
        Options { seed: 3, days: DAYS, start, scale: 0.05, prefix: PREFIX.to_owned(), partitions: 2, planted: true };
    let folder = tempfile::tempdir().unwrap();
    let mut week = Week::begin(options, folder.path(), &[]).await;
    let texts = easier(&week.setting).texts_with(&week.registers);
    put_in_force(&*week.log, &*week.clock, &InForce::CLASSES, &texts).await.unwrap();
    let end = start.start_micros() + i64::from(DAYS) * MICROS_PER_DAY;
    week.advance(end).await;
    let tick = week.detect.tick(end).await.unwrap().tick;
    let moment = Arc::new(Moment::as_of(&*week.log, tick).await.unwrap());
    let pack = pack_of(&moment.edition, "2021-CF").unwrap();
    let mut standing = Standing::new();
    let plans = Plans::of(&moment, pack.clone()).await.unwrap();
    plans.evaluate(&moment, tick, &Dirty::Everything, &mut standing).await.unwrap();

    let asked = Asked { as_of: Some(tick), now: tick, pack: pack.id.clone(), prefix: PREFIX.to_owned() };
    let context = session(&week.log, &asked).await.unwrap();
    let horizon = Day::of_micros(tick).plus(-pack.alert_horizon_days);
    let mut firing = 0;
    for rule in &pack.rules {
        let batches = engine::query(&context, &rule.file, &rule.sql).await.unwrap();
        let pasted = batches.iter().flat_map(|batch| findings_of(batch, rule, moment.registers.home()).unwrap());
        let pasted = told(pasted.filter(|finding| rule.is_valid_on(finding.window_end)), horizon);
        assert_eq!(pasted, told(standing[&rule.id].clone(), horizon), "{}", rule.id);
        println!("{}: {} findings", rule.id, pasted.len());
        firing += usize::from(!pasted.is_empty());
    }
    assert!(firing >= 12, "{firing} rules found something");
    assert!(!standing["multi_channel"].is_empty(), "a rule that reads others' findings");
    // And the table `findings` is all of them.
    let all: usize = standing.values().map(Vec::len).sum();
    let count = engine::query(&context, "findings", "SELECT * FROM findings").await.unwrap();
    assert_eq!(count.iter().map(arrow::array::RecordBatch::num_rows).sum::<usize>(), all);
}
