//! What a `read_committed` reader of our own topics sees: the progress record, or, where it is missing, the messages.
//!
//! Promises: reads to the end that the broker shows, or says why not.
//! Never: takes an empty answer for an empty topic.

use std::collections::BTreeSet;
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::TopicPartitionList;
use rdkafka::consumer::{BaseConsumer, Consumer, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::topic_partition_list::Offset;
use serde::Deserialize;

use crate::kafka::{KafkaSettings, Topics, trouble};
use crate::problem::{Problem, Result, codes};
use crate::publish::outbox::{AlertMark, DeadLetterMark, Progress};
use crate::terms::parse_instant;

const METADATA_WAIT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(100);
/// Polls without an event before the broker counts as not answering: longer than a transaction can stay open.
const SILENT_POLLS_MAX: u32 = 400;

/// Reads our own topics; blocks, so only for threads that may.
pub struct Visible {
    settings: KafkaSettings,
    consumer: BaseConsumer<Reader>,
}

/// A reader to whom the end of a partition is no error.
struct Reader;

impl ClientContext for Reader {
    fn error(&self, error: KafkaError, reason: &str) {
        if !matches!(error, KafkaError::Global(RDKafkaErrorCode::PartitionEOF)) {
            tracing::warn!(%error, reason, "reading our own topics");
        }
    }
}

impl ConsumerContext for Reader {}

impl Visible {
    pub fn open(settings: &KafkaSettings) -> Result<Self> {
        let at = || format!("kafka {}", settings.bootstrap_servers);
        let consumer = settings
            .reader()?
            .create_with_context(Reader)
            .map_err(|error| trouble(codes::kafka::KAFKA_SETTING, at(), &error))?;
        Ok(Self { settings: settings.clone(), consumer })
    }

    /// The publisher's newest progress: its record, or what the messages themselves show.
    pub fn progress(&self, topics: &Topics, key: &str) -> Result<Option<Progress>> {
        let mut newest = None;
        self.read_all(&topics.progress(), &mut |message| {
            if message.key() == Some(key.as_bytes()) {
                newest = message.payload().map(parse_progress).transpose()?;
            }
            Ok(())
        })?;
        match newest {
            Some(progress) => Ok(Some(progress)),
            None => self.derived(topics),
        }
    }

    /// The newest row that any of the alert and dead-letter topics shows.
    fn derived(&self, topics: &Topics) -> Result<Option<Progress>> {
        let mut progress = Progress::default();
        for topic in self.topics()? {
            let is_alert = topic == topics.changed() || topic == topics.current();
            if is_alert || topic.starts_with(&topics.restricted_stem()) {
                self.read_all(&topic, &mut |message| {
                    progress.alerts = progress.alerts.take().max(parse_alert(message)?);
                    Ok(())
                })?;
            } else if topic.starts_with(&topics.dead_letter_stem()) {
                self.read_all(&topic, &mut |message| {
                    progress.dead_letters = progress.dead_letters.take().max(parse_dead_letter(message)?);
                    Ok(())
                })?;
            }
        }
        Ok((progress != Progress::default()).then_some(progress))
    }

    /// Names of all topics.
    pub fn topics(&self) -> Result<BTreeSet<String>> {
        let metadata = self
            .consumer
            .fetch_metadata(None, METADATA_WAIT)
            .map_err(|error| trouble(codes::kafka::KAFKA_UNREACHABLE, self.at("topics"), &error))?;
        Ok(metadata.topics().iter().map(|topic| topic.name().to_owned()).collect())
    }

    /// Hands over every visible message of a topic; a topic that does not exist has none.
    pub fn read_all(&self, topic: &str, each: &mut dyn FnMut(&BorrowedMessage<'_>) -> Result<()>) -> Result<()> {
        let unreachable = |error: &KafkaError| trouble(codes::kafka::KAFKA_UNREACHABLE, self.at(topic), error);
        let metadata = self.consumer.fetch_metadata(Some(topic), METADATA_WAIT).map_err(|e| unreachable(&e))?;
        let mut open = BTreeSet::new();
        let mut from_beginning = TopicPartitionList::new();
        for partition in metadata.topics().iter().flat_map(|topic| topic.partitions()) {
            open.insert(partition.id());
            let added = from_beginning.add_partition_offset(topic, partition.id(), Offset::Beginning);
            added.map_err(|e| unreachable(&e))?;
        }
        self.consumer.assign(&from_beginning).map_err(|e| unreachable(&e))?;
        let (mut silent, mut last) = (0, String::new());
        while !open.is_empty() && silent < SILENT_POLLS_MAX {
            silent += 1;
            match self.consumer.poll(POLL) {
                Some(Ok(message)) => (silent, _) = (0, each(&message)?),
                Some(Err(KafkaError::PartitionEOF(partition))) => _ = open.remove(&partition),
                // A broker that goes away while we read comes back; what it refuses, it refuses again.
                Some(Err(error)) => last = format!("; {error}"),
                None => {}
            }
        }
        if !open.is_empty() {
            let found = format!("{} partitions did not come to their end{last}", open.len());
            return Err(Problem::new(codes::kafka::KAFKA_UNREACHABLE, self.at(topic), found));
        }
        self.consumer.unassign().map_err(|e| unreachable(&e))
    }

    fn at(&self, topic: &str) -> String {
        format!("kafka {}, topic {topic}", self.settings.bootstrap_servers)
    }
}

fn parse_progress(payload: &[u8]) -> Result<Progress> {
    serde_json::from_slice(payload)
        .map_err(|error| Problem::new(codes::kafka::PROGRESS_UNREADABLE, "the progress topic", error.to_string()))
}

#[derive(Deserialize)]
struct AlertBody {
    alert_id: String,
    revision: i64,
    known_at: String,
}

fn parse_alert(message: &BorrowedMessage<'_>) -> Result<Option<AlertMark>> {
    let Some(AlertBody { alert_id, revision, known_at }) = parse(message)? else { return Ok(None) };
    Ok(Some(AlertMark { known_at: instant(message, &known_at)?, alert_id, revision }))
}

#[derive(Deserialize)]
struct DeadLetterBody {
    topic: String,
    partition: i32,
    offset: i64,
    known_at: String,
}

fn parse_dead_letter(message: &BorrowedMessage<'_>) -> Result<Option<DeadLetterMark>> {
    let Some(DeadLetterBody { topic, partition, offset, known_at }) = parse(message)? else { return Ok(None) };
    Ok(Some(DeadLetterMark { known_at: instant(message, &known_at)?, topic, partition, offset }))
}

/// None for a tombstone. What is not ours is a problem: passing over it could send everything again.
fn parse<T: for<'de> Deserialize<'de>>(message: &BorrowedMessage<'_>) -> Result<Option<T>> {
    let parsed = message.payload().map(serde_json::from_slice).transpose();
    parsed.map_err(|error| foreign(message, error.to_string()))
}

fn instant(message: &BorrowedMessage<'_>, text: &str) -> Result<i64> {
    parse_instant(text).ok_or_else(|| foreign(message, "known_at is not a time".to_owned()))
}

fn foreign(message: &BorrowedMessage<'_>, found: String) -> Box<Problem> {
    let at = format!("topic {}, partition {}, offset {}", message.topic(), message.partition(), message.offset());
    Problem::new(codes::kafka::PROGRESS_UNREADABLE, at, found)
        .help("somebody else writes to this topic: find out who, and give Write on it to the publisher alone")
}
