//! Every row of the history reaches the topics once, whatever dies.

use std::collections::BTreeSet;
use std::process::{Command, Stdio};
use std::time::Duration;

use qianshao::kafka::KafkaSettings;
use qianshao::publish::dead_letters::QuarantineRow;
use qianshao::publish::message::AlertRow;
use qianshao::publish::outbox::{
    AlertMark, DeadLetterMark, Outbox, Pending, Progress, Published, Round, batch_after, publish_pending,
};
use qianshao::publish::topic::KafkaOutbox;
use qianshao::terms::Day;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::broker::{WAIT, delete_topic, read, settings};

pub const PUBLISHER: &str = "qianshao-publisher";

pub fn row(number: i64) -> AlertRow {
    AlertRow {
        alert_id: format!("{:032x}", number % 97),
        revision: number / 97,
        rule: "a_rule".to_owned(),
        rule_kind: "threshold".to_owned(),
        pack: "base".to_owned(),
        severity: "yellow".to_owned(),
        state: "open".to_owned(),
        response: "none".to_owned(),
        reason: None,
        mode: "test".to_owned(),
        signal: "a_signal".to_owned(),
        syndrome: None,
        unit_kind: "class".to_owned(),
        unit_id: "S990103P01/2-3".to_owned(),
        facility_id: Some("S990103P01".to_owned()),
        area_code: "990103".to_owned(),
        onset: Day(18_645),
        window_start: Day(18_645),
        window_end: Day(18_645),
        observed: 3.0,
        expected: None,
        threshold: 3.0,
        statistic: None,
        channels: None,
        title_zh: "示例".to_owned(),
        title_en: "example".to_owned(),
        opened_at: 0,
        verify_due: 0,
        tick: 0,
        known_at: number,
    }
}

pub fn rows(count: i64) -> Vec<AlertRow> {
    (0..count).map(row).collect()
}

pub fn letter(offset: i64) -> QuarantineRow {
    QuarantineRow {
        topic: "qianshao.feed.example.v1".to_owned(),
        partition: 0,
        offset,
        feed: "example".to_owned(),
        kind: None,
        code: "QS-D001".to_owned(),
        reason: "not_json".to_owned(),
        pointer: String::new(),
        found: "a text of 3 characters".to_owned(),
        help: "send a JSON object".to_owned(),
        body_sha256: "0".repeat(64),
        body_shape: String::new(),
        retry_of: None,
        known_at: offset,
    }
}

pub async fn publish(outbox: &mut KafkaOutbox, settings: &KafkaSettings, alerts: &[AlertRow]) -> Round {
    publish_pending(outbox, &settings.topics(), Pending { alerts, dead_letters: &[] }).await.unwrap()
}

/// Asserts that readers see exactly `count` rows, once and in order; returns how many aborted messages stand between.
pub fn assert_published(settings: &KafkaSettings, count: i64) -> usize {
    let topics = settings.topics();
    let expected: BTreeSet<String> =
        rows(count).iter().map(|row| format!("{}:{}", row.alert_id, row.revision)).collect();
    let mut aborted = 0;
    for topic in [topics.changed(), topics.restricted("990103")] {
        let visible = read(&topic, "read_committed");
        let ids: BTreeSet<String> = visible.iter().map(|message| message.header("ce_id").to_owned()).collect();
        assert_eq!((visible.len(), &ids), (expected.len(), &expected), "{topic}");
        for pair in visible.windows(2).filter(|pair| pair[0].partition == pair[1].partition) {
            assert!(pair[0].header("ce_time") < pair[1].header("ce_time"), "{topic} is out of order");
        }
        aborted += read(&topic, "read_uncommitted").len() - visible.len();
    }
    aborted
}

const ROWS_OF_THE_KILLED: i64 = 2_000;

/// The test is its own publisher: started again with this variable it publishes, ten rows a transaction.
const CHILD: &str = "QIANSHAO_LIVE_CHILD";

#[tokio::test]
async fn a_killed_publisher_repeats_nothing_and_loses_nothing() {
    if let Ok(prefix) = std::env::var(CHILD) {
        let settings = KafkaSettings { topic_prefix: prefix.clone(), group_id: prefix, ..settings("child") };
        let (all, mut outbox) = (rows(ROWS_OF_THE_KILLED), KafkaOutbox::new(&settings, PUBLISHER_OF_THE_KILLED));
        for end in (10..=all.len()).step_by(10) {
            publish(&mut outbox, &settings, &all[..end]).await;
        }
        return;
    }
    let settings = settings("killed");
    let child = || {
        Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "publishing::a_killed_publisher_repeats_nothing_and_loses_nothing"])
            .env(CHILD, &settings.topic_prefix)
            .stdout(Stdio::null())
            .spawn()
            .unwrap()
    };
    for wait_ms in [1_500, 900, 1_100, 700, 1_300, 1_000] {
        let mut killed = child();
        tokio::time::sleep(Duration::from_millis(wait_ms)).await;
        killed.kill().unwrap();
        killed.wait().unwrap();
    }
    die_inside_a_transaction(&settings);
    assert!(child().wait().unwrap().success());
    let aborted = assert_published(&settings, ROWS_OF_THE_KILLED);
    assert!(aborted >= 20, "only {aborted} messages were ever given up: nothing was tested");
    println!("{ROWS_OF_THE_KILLED} rows, {aborted} aborted messages between them");
}

const PUBLISHER_OF_THE_KILLED: &str = "qianshao-publisher-killed";

/// Leaves an open transaction with 20 messages that the broker has.
fn die_inside_a_transaction(settings: &KafkaSettings) {
    let producer: BaseProducer = settings.publisher(PUBLISHER_OF_THE_KILLED).unwrap().create().unwrap();
    producer.init_transactions(WAIT).unwrap();
    producer.begin_transaction().unwrap();
    for number in 0..20 {
        let key = format!("{number}");
        let topic = settings.topics().changed();
        producer.send(BaseRecord::to(&topic).key(&key).payload("given up")).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(WAIT).unwrap();
}

#[tokio::test]
async fn a_zombie_with_the_same_id_is_fenced_and_never_seen() {
    let settings = settings("zombie");
    let (mut zombie, mut heir) = (KafkaOutbox::new(&settings, "zombie"), KafkaOutbox::new(&settings, "zombie"));
    let all = rows(30);
    publish(&mut zombie, &settings, &all[..10]).await;
    publish(&mut heir, &settings, &all[..20]).await;
    let pending = Pending { alerts: &all, dead_letters: &[] };
    let stale = Progress { alerts: Some(AlertMark::of(&all[9])), dead_letters: None };
    let batch = batch_after(&settings.topics(), &pending.ordered(), &stale, 500).unwrap();
    let published = zombie.publish(&batch.messages, &batch.progress).await;
    assert!(matches!(published, Published::Fenced(_)), "{published:?}");
    publish(&mut heir, &settings, &all).await;
    assert_published(&settings, 30);
}

#[tokio::test]
async fn progress_that_is_missing_is_read_back_from_the_alerts() {
    let settings = settings("readback");
    let topics = settings.topics();
    let (all, letters) = (rows(300), [letter(3), letter(1), letter(2)]);
    let before = Pending { alerts: &all[..250], dead_letters: &letters[..2] };
    publish_pending(&mut KafkaOutbox::new(&settings, "readback"), &topics, before).await.unwrap();
    delete_topic(&topics.progress()).await;
    let mut heir = KafkaOutbox::new(&settings, "readback");
    let progress = heir.progress().await.unwrap().unwrap();
    assert_eq!(progress.alerts, Some(AlertMark::of(&all[249])));
    assert_eq!(progress.dead_letters, Some(DeadLetterMark::of(&letters[0])));
    let more = [letter(4)];
    let after = Pending { alerts: &all, dead_letters: &more };
    let round = publish_pending(&mut heir, &topics, after).await.unwrap();
    assert!(matches!(round, Round::Done { alerts: 50, dead_letters: 1, .. }), "{round:?}");
    assert_published(&settings, 300);
    let mut offsets: Vec<String> = read(&topics.dead_letter("example"), "read_committed")
        .iter()
        .map(|letter| letter.header("qs_origin_offset").to_owned())
        .collect();
    offsets.sort();
    assert_eq!(offsets, ["1", "3", "4"]);
}

#[tokio::test]
async fn progress_that_is_not_compacted_is_refused_in_words() {
    let settings = settings("shape");
    crate::broker::create_topic(&settings.topics().progress(), 1).await;
    let problem = KafkaOutbox::new(&settings, PUBLISHER).progress().await.unwrap_err();
    assert_eq!((problem.code.reason, problem.found.as_str()), ("topic_shape", "cleanup.policy=delete"));
}
