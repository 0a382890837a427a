//! `simulate --to kafka://…`: the invented city sends to a real broker, its ledger written first.
//!
//! Promises: the ledger's coordinates are the broker's: topics are made where they are missing and looked at before the
//! first message, and partitions are named by us.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, DefaultProducerContext, Producer, ThreadedProducer};

use super::broker::PARTITIONS;
use crate::clock::{Clock, WallClock};
use crate::kafka::setup::Setup;
use crate::kafka::{KafkaSettings, trouble};
use crate::problem::{Problem, Result, codes};
use crate::publish::message::OutMessage;
use crate::simulate::ledger::{LedgerLine, write_lines};
use crate::simulate::{Options, Outgoing, Simulation};
use crate::terms::{MICROS_PER_DAY, MICROS_PER_SECOND};

const FLUSH_WAIT: Duration = Duration::from_secs(60);
const METADATA_WAIT: Duration = Duration::from_secs(15);
const QUEUE_WAIT: Duration = Duration::from_millis(5);

/// Sends every day of the city; gives the number of messages.
pub async fn send_city(options: Options, servers: &str, ledger: &Path, per_second: Option<u32>) -> Result<u64> {
    let settings = KafkaSettings {
        bootstrap_servers: servers.to_owned(),
        security: Default::default(),
        topic_prefix: options.prefix.clone(),
        group_id: format!("{}-simulate", options.prefix),
        group_instance_id: None,
        session_timeout_ms: 6_000,
    };
    Setup::of_the_past(&settings, PARTITIONS).ensure(options.topics()).await?;
    let ledger = ledger.to_owned();
    tokio::task::spawn_blocking(move || send(options, &settings, &ledger, per_second))
        .await
        .map_err(|error| Problem::new(codes::kafka::KAFKA_UNREACHABLE, "the sending thread", error.to_string()))?
}

fn send(options: Options, settings: &KafkaSettings, folder: &Path, per_second: Option<u32>) -> Result<u64> {
    let at = |error: std::io::Error| Problem::new(codes::IO, folder.display().to_string(), error.to_string());
    let mut simulation = Simulation::new(options.clone());
    std::fs::create_dir_all(folder.join("registers")).map_err(at)?;
    for (name, text) in simulation.registers() {
        std::fs::write(folder.join("registers").join(name), text).map_err(at)?;
    }
    let mut ledger = BufWriter::new(File::create(folder.join("ledger.ndjson")).map_err(at)?);
    write_lines(&mut ledger, &simulation.header_lines()).map_err(at)?;
    let producer: ThreadedProducer<DefaultProducerContext> =
        settings.producer()?.create().map_err(|error| unreachable(settings, &error))?;
    let mut bases = Bases::new(settings)?;
    let (mut sent, began) = (0, WallClock.now());
    for day in 1..=i64::from(options.days) {
        let mut step = simulation.until(options.start.start_micros() + day * MICROS_PER_DAY);
        for line in &mut step.ledger {
            if let LedgerLine::Message(line) = line {
                line.offset += bases.of(&line.topic, line.partition)?;
            }
        }
        write_lines(&mut ledger, &step.ledger).and_then(|()| ledger.flush()).map_err(at)?;
        for message in &step.messages {
            enqueue(&producer, message.into()).map_err(|error| unreachable(settings, &error))?;
            sent += 1;
            if let Some(rate) = per_second {
                hold_back(sent, rate, WallClock.now() - began);
            }
        }
        producer.flush(FLUSH_WAIT).map_err(|error| unreachable(settings, &error))?;
    }
    Ok(sent)
}

/// Waits while more was sent than the rate allows in the time that passed.
fn hold_back(sent: u64, rate: u32, passed_micros: i64) {
    let due = (sent as f64 / f64::from(rate.max(1)) * MICROS_PER_SECOND as f64) as i64;
    // Shorter waits than this cost more than they even out.
    if due - passed_micros > 5_000 {
        std::thread::sleep(Duration::from_micros((due - passed_micros) as u64));
    }
}

/// Where each partition ended before the first message of the city.
struct Bases {
    consumer: BaseConsumer,
    settings: KafkaSettings,
    ends: std::collections::BTreeMap<(String, i32), i64>,
}

impl Bases {
    fn new(settings: &KafkaSettings) -> Result<Self> {
        let consumer = settings.reader()?.create().map_err(|error| unreachable(settings, &error))?;
        Ok(Self { consumer, settings: settings.clone(), ends: Default::default() })
    }

    fn of(&mut self, topic: &str, partition: i32) -> Result<i64> {
        let place = (topic.to_owned(), partition);
        if let Some(end) = self.ends.get(&place) {
            return Ok(*end);
        }
        let (_, end) = self.consumer.fetch_watermarks(topic, partition, METADATA_WAIT).map_err(|error| {
            let help = format!("give the topic {PARTITIONS} partitions: the city names them");
            unreachable(&self.settings, &error).help(help)
        })?;
        self.ends.insert(place, end);
        Ok(end)
    }
}

/// A message on its way to a broker, whoever wrote it.
pub struct Wire<'a> {
    pub topic: &'a str,
    pub partition: Option<i32>,
    /// Kafka's timestamp, milliseconds.
    pub at_ms: Option<i64>,
    pub headers: OwnedHeaders,
    pub key: &'a [u8],
    pub payload: Option<&'a [u8]>,
}

impl<'a> From<&'a Outgoing> for Wire<'a> {
    fn from(message: &'a Outgoing) -> Self {
        let headers = message.headers.iter().map(|(key, value)| (key.as_str(), &value[..]));
        Self {
            topic: &message.topic,
            partition: Some(message.partition),
            at_ms: Some(message.at / 1_000),
            headers: owned(headers),
            key: &message.key,
            payload: message.payload.as_deref(),
        }
    }
}

impl<'a> From<&'a OutMessage> for Wire<'a> {
    fn from(message: &'a OutMessage) -> Self {
        let headers = message.headers.iter().map(|(key, value)| (*key, value.as_bytes()));
        Self {
            topic: &message.topic,
            partition: None,
            at_ms: None,
            headers: owned(headers),
            key: message.key.as_bytes(),
            payload: Some(&message.body),
        }
    }
}

fn owned<'a>(headers: impl Iterator<Item = (&'a str, &'a [u8])>) -> OwnedHeaders {
    headers.fold(OwnedHeaders::new(), |headers, (key, value)| headers.insert(Header { key, value: Some(value) }))
}

/// Hands a message to the producer, waiting where its queue is full.
pub fn enqueue(
    producer: &ThreadedProducer<DefaultProducerContext>,
    wire: Wire<'_>,
) -> std::result::Result<(), KafkaError> {
    let mut record: BaseRecord<'_, [u8], [u8]> = BaseRecord::to(wire.topic).headers(wire.headers).key(wire.key);
    if let Some(partition) = wire.partition {
        record = record.partition(partition);
    }
    if let Some(at_ms) = wire.at_ms {
        record = record.timestamp(at_ms);
    }
    if let Some(payload) = wire.payload {
        record = record.payload(payload);
    }
    loop {
        match producer.send(record) {
            Ok(()) => return Ok(()),
            Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), back)) => {
                record = back;
                std::thread::sleep(QUEUE_WAIT);
            }
            Err((error, _)) => return Err(error),
        }
    }
}

fn unreachable(settings: &KafkaSettings, error: &KafkaError) -> Box<Problem> {
    trouble(codes::kafka::KAFKA_UNREACHABLE, format!("kafka {}", settings.bootstrap_servers), error)
}
