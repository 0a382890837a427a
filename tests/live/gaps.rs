//! What cannot be read without a gap waits, and is said in words.

use std::collections::BTreeMap;

use qianshao::consume::kafka::KafkaSource;
use qianshao::consume::source::{Polled, Source, Start, Starts};
use rdkafka::TopicPartitionList;
use rdkafka::admin::NewPartitions;
use rdkafka::topic_partition_list::Offset;

use crate::broker::{admin, create_topic, delete_topic, options, produce, settings};
use crate::consuming::{LIMIT, Ledger, open};

/// The first trouble a reader from `starts` tells; nothing may be read before it.
async fn trouble(settings: &qianshao::kafka::KafkaSettings, topic: &str, starts: Starts) -> (&'static str, String) {
    let mut source = open(settings, topic, starts);
    for _ in 0..150 {
        match source.next_epoch(&LIMIT).await.unwrap() {
            Polled::Trouble(problem) if problem.code.reason != "topic_missing" => {
                // It waits: nothing comes after it either.
                assert!(!matches!(source.next_epoch(&LIMIT).await.unwrap(), Polled::Epoch(_)));
                return (problem.code.reason, problem.found);
            }
            Polled::Epoch(epoch) => panic!("read {:?} past a gap", epoch.ranges),
            Polled::Trouble(_) | Polled::Idle | Polled::Revoked => {}
            Polled::End => panic!("a topic has no end"),
        }
    }
    panic!("the gap was not said");
}

#[tokio::test]
async fn a_topic_that_was_recreated_waits_and_is_said() {
    let settings = settings("recreated");
    let topic = settings.topics().feed("a");
    create_topic(&topic, 1).await;
    produce(&topic, 1, 0..10);
    let mut ledger = Ledger::default();
    ledger.read(&mut open(&settings, &topic, Starts::new()), 10).await;
    delete_topic(&topic).await;
    create_topic(&topic, 1).await;
    produce(&topic, 1, 0..3);
    let said = trouble(&settings, &topic, ledger.starts.clone()).await;
    assert_eq!(said, ("topic_recreated", "it ends at offset 3, and we have read up to 10".to_owned()));
    // Even when it has grown past us: the message before our offset has another time.
    produce(&topic, 1, 3..30);
    assert_eq!(trouble(&settings, &topic, ledger.starts.clone()).await.0, "topic_recreated");
    // A person has accepted it: the log now says 0.
    let mut accepted = Ledger { starts: BTreeMap::from([((topic.clone(), 0), Start::at(0))]), ..Ledger::default() };
    let mut source = open(&settings, &topic, accepted.starts.clone());
    accepted.read(&mut source, 30).await;
    assert_eq!((accepted.seen.len(), accepted.troubles.len()), (30, 0));
}

#[tokio::test]
async fn what_retention_took_is_named_by_its_offsets() {
    let settings = settings("retention");
    let topic = settings.topics().feed("a");
    create_topic(&topic, 1).await;
    produce(&topic, 1, 0..20);
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topic, 0, Offset::Offset(8)).unwrap();
    admin().delete_records(&list, &options()).await.unwrap();
    let starts = BTreeMap::from([((topic.clone(), 0), Start::at(5))]);
    let said = trouble(&settings, &topic, starts).await;
    assert_eq!(said, ("retention_gap", "offsets 5 to 7 are gone: its first message is 8".to_owned()));
    let never_read = trouble(&settings, &topic, Starts::new()).await;
    assert_eq!(never_read.0, "retention_gap");
    let mut accepted = Ledger { starts: BTreeMap::from([((topic.clone(), 0), Start::at(8))]), ..Ledger::default() };
    let mut source = open(&settings, &topic, accepted.starts.clone());
    accepted.read(&mut source, 12).await;
    assert_eq!((accepted.seen.len(), accepted.troubles.len()), (12, 0));
}

#[tokio::test]
async fn a_partition_that_was_added_is_said_and_read_from_its_beginning() {
    let settings = settings("added");
    let topic = settings.topics().feed("a");
    create_topic(&topic, 1).await;
    produce(&topic, 1, 0..10);
    let mut ledger = Ledger::default();
    ledger.read(&mut open(&settings, &topic, Starts::new()), 10).await;
    admin().create_partitions([&NewPartitions::new(&topic, 2)], &options()).await.unwrap().remove(0).unwrap();
    produce(&topic, 2, 10..20);
    let mut source = open(&settings, &topic, ledger.starts.clone());
    ledger.read(&mut source, 20).await;
    assert_eq!(ledger.seen.len(), 20);
    if ledger.troubles.is_empty() {
        // The messages came within the epoch in which the partitions were given.
        let Polled::Trouble(problem) = source.next_epoch(&LIMIT).await.unwrap() else { panic!("it was not said") };
        ledger.troubles.push(*problem);
    }
    let said: Vec<&str> = ledger.troubles.iter().map(|problem| problem.code.reason).collect();
    assert_eq!(said, ["partition_added"]);
}

#[tokio::test]
async fn a_topic_that_is_not_there_yet_is_said_once_and_read_when_it_comes() {
    let settings = settings("missing");
    let topic = settings.topics().feed("a");
    let mut source = open(&settings, &topic, Starts::new());
    let mut said = 0;
    for _ in 0..20 {
        if let Polled::Trouble(problem) = source.next_epoch(&LIMIT).await.unwrap() {
            assert_eq!(problem.code.reason, "topic_missing");
            said += 1;
        }
    }
    assert_eq!(said, 1);
    create_topic(&topic, 1).await;
    produce(&topic, 1, 0..5);
    let mut ledger = Ledger::default();
    ledger.read(&mut source, 5).await;
    assert_eq!(ledger.seen.len(), 5);
}

#[tokio::test]
async fn retention_that_passes_a_slow_reader_is_said_and_nothing_is_skipped() {
    let settings = settings("passed");
    let topic = settings.topics().feed("a");
    create_topic(&topic, 1).await;
    produce(&topic, 1, 0..20_000);
    let mut source =
        KafkaSource::with_queue(&settings, std::slice::from_ref(&topic), Starts::new(), 64, 1 << 20).unwrap();
    let mut ledger = Ledger::default();
    ledger.read(&mut source, 100).await;
    // The queue is full and the partition paused: what comes next must be fetched again, and is gone.
    tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(&topic, 0, Offset::Offset(19_000)).unwrap();
    admin().delete_records(&list, &options()).await.unwrap();
    for _ in 0..150 {
        match source.next_epoch(&LIMIT).await.unwrap() {
            Polled::Epoch(epoch) => ledger.commit(&epoch),
            Polled::Trouble(problem) => {
                assert_eq!(problem.code.reason, "retention_gap");
                let next = ledger.starts[&(topic.clone(), 0)].next;
                assert!(next < 19_000);
                return;
            }
            Polled::Idle | Polled::Revoked | Polled::End => {}
        }
    }
    panic!("the gap was not said");
}
