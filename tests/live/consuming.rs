//! Reading goes on where the log stands, whatever Kafka's group thinks.

use std::collections::BTreeMap;
use std::time::Duration;

use qianshao::consume::kafka::KafkaSource;
use qianshao::consume::source::{Epoch, EpochLimit, Partition, Polled, Source, Start, Starts};
use qianshao::kafka::KafkaSettings;
use qianshao::problem::Problem;

use crate::broker::{create_topic, produce, settings};

pub const LIMIT: EpochLimit = EpochLimit { messages: 500, bytes: 1 << 20, wait_ms: 200 };
/// A broker with tests beside it may take this many silent epochs to give a member its partitions.
const IDLE_MAX: usize = 150;

/// What a log would hold: every message once, and where each partition stands.
#[derive(Default)]
pub struct Ledger {
    pub starts: Starts,
    pub seen: BTreeMap<(Partition, i64), Vec<u8>>,
    pub troubles: Vec<Problem>,
}

impl Ledger {
    /// The check of a commit: every range begins where the log stands.
    pub fn commit(&mut self, epoch: &Epoch) {
        for (partition, (from, to)) in &epoch.ranges {
            let stands = self.starts.get(partition).map_or(0, |start| start.next);
            assert_eq!(*from, stands, "{partition:?}");
            let witness = epoch.witnesses.get(partition).copied();
            self.starts.insert(partition.clone(), Start { next: *to, witness });
        }
        for message in &epoch.messages {
            let position = &message.position;
            let key = ((position.topic.to_string(), position.partition), position.offset);
            assert_eq!(self.seen.insert(key, message.payload.clone().unwrap()), None, "{position} came twice");
        }
    }

    /// Reads until `count` messages are held, or nothing comes any more; true if a revoke was heard.
    pub async fn read(&mut self, source: &mut KafkaSource, count: usize) -> bool {
        let (mut idle, mut revoked) = (0, false);
        while self.seen.len() < count && idle < IDLE_MAX {
            match source.next_epoch(&LIMIT).await.unwrap() {
                Polled::Epoch(epoch) => {
                    assert!(epoch.messages.len() <= LIMIT.messages);
                    self.commit(&epoch);
                    source.committed(&epoch);
                }
                Polled::Idle => idle += 1,
                Polled::Revoked => revoked = true,
                Polled::Trouble(problem) => self.troubles.push(*problem),
                Polled::End => panic!("a topic has no end"),
            }
        }
        revoked
    }
}

pub fn open(settings: &KafkaSettings, topic: &str, starts: Starts) -> KafkaSource {
    KafkaSource::open(settings, &[topic.to_owned()], starts).unwrap()
}

#[tokio::test]
async fn reading_resumes_where_the_log_stands_and_a_full_queue_only_pauses() {
    let settings = settings("resume");
    let topic = settings.topics().feed("a");
    create_topic(&topic, 3).await;
    produce(&topic, 3, 0..9_000);
    let mut ledger = Ledger::default();
    // A queue this small is full at once, again and again.
    let mut first =
        KafkaSource::with_queue(&settings, std::slice::from_ref(&topic), Starts::new(), 64, 16 << 20).unwrap();
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    ledger.read(&mut first, 4_000).await;
    let held = ledger.seen.len();
    // What was cut but not committed is read again by the next one.
    first.next_epoch(&LIMIT).await.unwrap();
    drop(first);
    let mut second = open(&settings, &topic, ledger.starts.clone());
    ledger.read(&mut second, 9_000).await;
    assert_eq!(ledger.seen.len(), 9_000);
    assert!((4_000..9_000).contains(&held));
    assert!(ledger.troubles.is_empty(), "{:?}", ledger.troubles);
}

#[tokio::test]
async fn a_log_that_refused_is_read_again_from_where_it_stands() {
    let settings = settings("restart");
    let topic = settings.topics().feed("a");
    create_topic(&topic, 2).await;
    produce(&topic, 2, 0..2_000);
    let mut source = open(&settings, &topic, Starts::new());
    let mut ledger = Ledger::default();
    ledger.read(&mut source, 500).await;
    let before = source.generation();
    source.next_epoch(&LIMIT).await.unwrap();
    source.restart(ledger.starts.clone());
    assert!(source.generation() > before, "what was cut before must not be committed");
    ledger.read(&mut source, 2_000).await;
    assert_eq!(ledger.seen.len(), 2_000);
}

#[tokio::test]
async fn a_member_hears_that_its_partitions_were_taken() {
    let settings = settings("revoke");
    let topic = settings.topics().feed("a");
    create_topic(&topic, 4).await;
    produce(&topic, 4, 0..400);
    let mut first = open(&settings, &topic, Starts::new());
    let mut ledger = Ledger::default();
    ledger.read(&mut first, 400).await;
    let generation = first.generation();
    let mut second = open(&settings, &topic, ledger.starts.clone());
    let mut heard = false;
    for _ in 0..IDLE_MAX {
        heard |= matches!(first.next_epoch(&LIMIT).await.unwrap(), Polled::Revoked);
        if heard {
            break;
        }
    }
    assert!(heard && first.generation() > generation);
    // Both go on from the log: nothing is read twice, nothing is left.
    produce(&topic, 4, 400..800);
    let mut both = Ledger { starts: ledger.starts.clone(), ..Ledger::default() };
    let (mut by_first, mut by_second) = (0, 0);
    for _ in 0..IDLE_MAX {
        for (source, by) in [(&mut first, &mut by_first), (&mut second, &mut by_second)] {
            if let Polled::Epoch(epoch) = source.next_epoch(&LIMIT).await.unwrap() {
                both.commit(&epoch);
                source.committed(&epoch);
                *by += epoch.messages.len();
            }
        }
        if both.seen.len() == 400 {
            break;
        }
    }
    assert_eq!(both.seen.len(), 400);
    assert!(by_first > 0 && by_second > 0, "{by_first} and {by_second}: one of them was not fed");
}

#[tokio::test]
async fn two_members_of_one_name_end_in_words_and_one_of_them_reads_on() {
    let settings = KafkaSettings { group_instance_id: Some("one".to_owned()), ..settings("static") };
    let topic = settings.topics().feed("a");
    create_topic(&topic, 2).await;
    produce(&topic, 2, 0..100);
    let mut first = open(&settings, &topic, Starts::new());
    let mut ledger = Ledger::default();
    ledger.read(&mut first, 100).await;
    let mut second = open(&settings, &topic, ledger.starts.clone());
    produce(&topic, 2, 100..200);
    ledger.read(&mut second, 200).await;
    assert_eq!(ledger.seen.len(), 200);
    let mut ended = None;
    for _ in 0..IDLE_MAX {
        if let Err(problem) = first.next_epoch(&LIMIT).await {
            ended = Some(problem);
            break;
        }
    }
    let ended = ended.expect("the first one is fenced");
    assert_eq!(ended.code.reason, "kafka_read");
    assert!(ended.found.contains("FencedInstanceId"), "{}", ended.found);
}
