//! The broker that `.ci/run live` started, and what a test does to it besides the code under test.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use qianshao::kafka::KafkaSettings;
use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{Headers, Message};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};
use rdkafka::topic_partition_list::Offset;
use rdkafka::{ClientConfig, TopicPartitionList};

use crate::process::until;

pub const WAIT: Duration = Duration::from_secs(20);
static TESTS: AtomicU32 = AtomicU32::new(0);

pub fn address() -> String {
    std::env::var("QIANSHAO_KAFKA").expect("QIANSHAO_KAFKA names the broker: run `.ci/run live`, which starts one")
}

/// Settings with topics and a group that no other test and no earlier run uses.
pub fn settings(word: &str) -> KafkaSettings {
    let unique = format!("{word}-{}-{}", std::process::id(), TESTS.fetch_add(1, Ordering::SeqCst));
    KafkaSettings {
        bootstrap_servers: address(),
        topic_prefix: unique.clone(),
        group_id: unique,
        ..KafkaSettings::default()
    }
}

pub fn admin() -> AdminClient<DefaultClientContext> {
    ClientConfig::new().set("bootstrap.servers", address()).create().unwrap()
}

pub fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(WAIT)).operation_timeout(Some(WAIT))
}

pub async fn create_topic(name: &str, partitions: i32) {
    let topic = NewTopic::new(name, partitions, TopicReplication::Fixed(1));
    for attempt in 0.. {
        let created = admin().create_topics([&topic], &options()).await.unwrap().remove(0);
        match created {
            Ok(_) => return,
            // Deletion goes on in the background after it was answered.
            Err(_) if attempt < 100 => tokio::time::sleep(Duration::from_millis(100)).await,
            Err((_, code)) => panic!("{name}: {code}"),
        }
    }
}

pub async fn delete_topic(name: &str) {
    admin().delete_topics(&[name], &options()).await.unwrap().remove(0).unwrap();
}

/// Sends one message a number, partition by remainder, and waits for the broker.
pub fn produce(topic: &str, partitions: i32, numbers: std::ops::Range<i32>) {
    let producer: BaseProducer =
        ClientConfig::new().set("bootstrap.servers", address()).set("linger.ms", "5").create().unwrap();
    for number in numbers {
        let body = format!("{{\"number\":{number}}}");
        let key = number.to_string();
        let record = BaseRecord::to(topic).partition(number % partitions).key(&key).payload(&body);
        producer.send(record).map_err(|(error, _)| error).unwrap();
    }
    producer.flush(WAIT).unwrap();
}

/// What stands in a topic.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stored {
    pub partition: i32,
    pub key: String,
    pub headers: Vec<(String, String)>,
    pub body: String,
}

impl Stored {
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(header, _)| header == name).map(|(_, value)| value.as_str()).unwrap()
    }
}

fn reader(isolation: &str) -> BaseConsumer {
    ClientConfig::new()
        .set("bootstrap.servers", address())
        .set("group.id", "live-reader")
        .set("isolation.level", isolation)
        .set("enable.partition.eof", "true")
        .set("enable.auto.commit", "false")
        .create()
        .unwrap()
}

/// Waits until no transaction stands open: Kafka answers a commit before it has marked it in every partition.
fn settle(topic: &str, partitions: &[i32]) {
    let (all, committed) = (reader("read_uncommitted"), reader("read_committed"));
    let end = |reader: &BaseConsumer, partition| reader.fetch_watermarks(topic, partition, WAIT).unwrap().1;
    for &partition in partitions {
        until("no transaction stands open", || end(&committed, partition) == end(&all, partition));
    }
}

/// Reads a whole topic at an isolation level.
pub fn read(topic: &str, isolation: &str) -> Vec<Stored> {
    let consumer = reader(isolation);
    let metadata = consumer.fetch_metadata(Some(topic), WAIT).unwrap();
    let partitions: Vec<i32> = metadata.topics()[0].partitions().iter().map(|one| one.id()).collect();
    if isolation == "read_committed" {
        settle(topic, &partitions);
    }
    let mut open = partitions.len();
    let mut list = TopicPartitionList::new();
    for partition in partitions {
        list.add_partition_offset(topic, partition, Offset::Beginning).unwrap();
    }
    consumer.assign(&list).unwrap();
    let mut stored = Vec::new();
    while open > 0 {
        match consumer.poll(WAIT).expect("the broker answers") {
            Ok(message) => stored.push(keep(&message)),
            Err(KafkaError::PartitionEOF(_)) => open -= 1,
            Err(error) => panic!("{topic}: {error}"),
        }
    }
    stored
}

fn keep(message: &impl Message) -> Stored {
    let text = |bytes: Option<&[u8]>| String::from_utf8(bytes.unwrap_or_default().to_vec()).unwrap();
    let headers = message.headers().map(|headers| headers.iter().map(|h| (h.key.to_owned(), text(h.value))).collect());
    Stored {
        partition: message.partition(),
        key: text(message.key()),
        headers: headers.unwrap_or_default(),
        body: text(message.payload()),
    }
}
