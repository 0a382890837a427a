//! One run of the whole pipeline over the embedded broker, in a process of its own: what it logs is on record.
//!
//! Promises: everything that was sent is consumed, judged and published; every topic that we write is read back whole.

use std::io::Write;
use std::path::Path;
use std::sync::Arc;

use qianshao::alert::Mode;
use qianshao::clock::{Clock, ManualClock};
use qianshao::consume::identity::{Algorithm, Pseudonyms};
use qianshao::consume::kafka::KafkaSource;
use qianshao::consume::role::{Consume, Step};
use qianshao::consume::seal::Sealer;
use qianshao::consume::source::EpochLimit;
use qianshao::demo::broker::{Broker, PARTITIONS};
use qianshao::detect::tick::Detect;
use qianshao::kafka::KafkaSettings;
use qianshao::pipeline::{Folders, open_state};
use qianshao::publish::role::Publish;
use qianshao::publish::visible::Visible;
use qianshao::simulate::Outgoing;
use rdkafka::Message as _;
use rdkafka::message::{BorrowedMessage, Headers};

use super::messages::SENT_AT;

/// Between two lives of the clock: a tick of the same day, and one of the next morning, when reports are missing.
const TICKS: [i64; 2] = [SENT_AT, SENT_AT + 12 * 3_600_000_000];

/// Runs it below `folder`: `state/` and `topics/`.
pub async fn run(folder: &Path, messages: Vec<Outgoing>, hashed: bool) {
    let clock = Arc::new(ManualClock::new(SENT_AT));
    let wall: Arc<dyn Clock> = clock.clone();
    let state = open_state(&folder.join("state"), &Folders::default(), &wall).await.unwrap();
    let broker = Broker::start("qianshao").unwrap();
    let key = [7; 32];
    let pseudonyms = match hashed {
        true => Pseudonyms::from_bytes(&key, Algorithm::Sha256),
        false => Pseudonyms::insecure_plain(),
    };
    let sealer = Arc::new(Sealer::from_bytes(&key));
    let mut consume =
        Consume::open(state.log.clone(), wall.clone(), state.feeds, Arc::new(pseudonyms), sealer, "qianshao")
            .await
            .unwrap();
    consume.topics().iter().for_each(|topic| broker.topic(topic, PARTITIONS));
    let topics = broker.settings.topics();
    [topics.changed(), topics.current(), topics.progress()].iter().for_each(|topic| broker.topic(topic, 1));
    let starts = consume.starts().await.unwrap();
    let mut source = KafkaSource::open(&broker.settings, &consume.topics(), starts).unwrap();
    let mut left = messages.len();
    let sending = broker.clone();
    tokio::task::spawn_blocking(move || sending.send(&messages)).await.unwrap().unwrap();
    let mut idle = 0;
    while left > 0 {
        match consume.step(&mut source, &EpochLimit { messages: 2_000, bytes: 16 << 20, wait_ms: 500 }).await.unwrap() {
            Step::Epoch { messages, .. } => (left, idle) = (left - messages, 0),
            Step::Idle | Step::Dropped | Step::End => idle += 1,
        }
        assert!(idle < 100, "{left} messages never came");
    }
    let mut detect = Detect::open(state.log.clone(), wall, "2021-CF", Mode::Exercise).await.unwrap();
    let publish = Publish::new(state.log.clone(), topics);
    let mut outbox = broker.outbox();
    for tick in TICKS {
        clock.advance_to(tick);
        detect.tick(tick).await.unwrap();
        publish.round(&mut outbox).await.unwrap();
    }
    let (settings, folder) = (broker.settings.clone(), folder.join("topics"));
    tokio::task::spawn_blocking(move || dump(&settings, &folder)).await.unwrap();
}

/// Every topic but the feeds', one message a line, bytes as they are.
fn dump(settings: &KafkaSettings, folder: &Path) {
    std::fs::create_dir_all(folder).unwrap();
    let visible = Visible::open(settings).unwrap();
    for topic in visible.topics().unwrap().into_iter().filter(|topic| !topic.contains(".feed.")) {
        let mut out = std::fs::File::create(folder.join(format!("{topic}.ndjson"))).unwrap();
        let mut each = |message: &BorrowedMessage<'_>| {
            let headers = message.headers().into_iter().flat_map(|headers| headers.iter());
            for header in headers {
                out.write_all(&[header.key.as_bytes(), b" ", header.value.unwrap_or_default(), b" "].concat()).unwrap();
            }
            let (key, payload) = (message.key().unwrap_or_default(), message.payload().unwrap_or_default());
            out.write_all(&[key, b" ", payload, b"\n"].concat()).unwrap();
            Ok(())
        };
        visible.read_all(&topic, &mut each).unwrap();
    }
}
