//! One message, sent again to where it once stood.
//!
//! Promises: answers only when the broker has it.

use std::time::Duration;

use rdkafka::error::KafkaError;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use super::{KafkaSettings, trouble};
use crate::problem::{Result, codes};

/// Waiting for the broker to have it.
const FLUSH_WAIT: Duration = Duration::from_secs(30);

/// Sends `payload` to a partition with one header; blocks, so only for threads that may.
pub fn send_again(
    settings: &KafkaSettings,
    topic: &str,
    partition: i32,
    header: (&str, &str),
    payload: &[u8],
) -> Result<()> {
    let failed = |error: &KafkaError| trouble(codes::kafka::KAFKA_UNREACHABLE, topic, error);
    let producer: BaseProducer = settings.producer()?.create().map_err(|error| failed(&error))?;
    let headers = OwnedHeaders::new().insert(Header { key: header.0, value: Some(header.1) });
    let record: BaseRecord<'_, [u8], [u8]> =
        BaseRecord::to(topic).partition(partition).headers(headers).payload(payload);
    producer.send(record).map_err(|(error, _)| failed(&error))?;
    producer.flush(FLUSH_WAIT).map_err(|error| failed(&error))
}
