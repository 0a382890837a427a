//! Messages and the record of having sent them: one Kafka transaction, one writer.
//!
//! Promises: a batch is visible with its progress or not at all. Whatever is not a clean yes costs the producer: the
//! next one fences it, and what is visible is read before anything is sent.
//! Never: uses a producer again after an unclean commit or abort; retries a commit.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use rdkafka::ClientContext;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer, ProducerContext};

use crate::fault;
use crate::kafka::setup::Setup;
use crate::kafka::{KafkaSettings, TRANSACTION_TIMEOUT_MS, Topics, blocking, trouble};
use crate::problem::{Problem, Result, codes};
use crate::publish::message::OutMessage;
use crate::publish::outbox::{Outbox, Progress, Published, kept};
use crate::publish::visible::Visible;

/// Waiting longer than the transaction lives would wait for an outcome that the broker has decided.
const TRANSACTION_WAIT: Duration = Duration::from_millis(TRANSACTION_TIMEOUT_MS as u64);
/// How long a broker may take to answer at all.
const CONNECT_WAIT: Duration = Duration::from_secs(10);
/// How long the broker's words are waited for when a connection has failed.
const WORDS_WAIT: Duration = Duration::from_millis(20);
/// Deliveries are served this often; the last one is seen this late at most.
const SERVE: Duration = Duration::from_millis(1);

/// The publisher's end of Kafka.
pub struct KafkaOutbox {
    settings: KafkaSettings,
    topics: Topics,
    transactional_id: String,
    setup: Setup,
    /// None until progress was read, and again after anything unclean.
    lane: Option<Lane>,
}

/// A producer that holds the transactional id, and what was visible when it last knew.
struct Lane {
    producer: BaseProducer<Deliveries>,
    progress: Option<Progress>,
}

impl KafkaOutbox {
    /// `transactional_id` is fixed for the deployment: it is what fences an older publisher.
    pub fn new(settings: &KafkaSettings, transactional_id: &str) -> Self {
        Self {
            settings: settings.clone(),
            topics: settings.topics(),
            transactional_id: transactional_id.to_owned(),
            setup: Setup::new(settings),
            lane: None,
        }
    }

    async fn start(&mut self) -> Result<Lane> {
        let (settings, topics, id) = (self.settings.clone(), self.topics.clone(), self.transactional_id.clone());
        let (for_settings, for_id) = (settings.clone(), id.clone());
        let producer = blocking(move || connect(&for_settings, &for_id)).await??;
        self.setup.ensure([topics.changed(), topics.current(), topics.progress()]).await?;
        blocking(move || {
            // Fences whoever had the id, and ends what it left open: only then is what we read the whole truth.
            producer.init_transactions(TRANSACTION_WAIT).map_err(|error| unreachable(&settings, &producer, &error))?;
            let progress = Visible::open(&settings)?.progress(&topics, &id)?;
            Ok(Lane { producer, progress })
        })
        .await?
    }
}

/// A producer that has reached a broker: whoever is refused hears why here, not from a timeout later.
fn connect(settings: &KafkaSettings, transactional_id: &str) -> Result<BaseProducer<Deliveries>> {
    let producer: BaseProducer<Deliveries> =
        settings.publisher(transactional_id)?.create_with_context(Deliveries::default()).map_err(|error| {
            trouble(codes::kafka::KAFKA_SETTING, format!("kafka {}", settings.bootstrap_servers), &error)
        })?;
    match producer.client().fetch_metadata(None, CONNECT_WAIT) {
        Ok(_) => Ok(producer),
        Err(error) => Err(unreachable(settings, &producer, &error)),
    }
}

/// With the broker's own words, where it said some: librdkafka's error is only that time ran out.
fn unreachable(settings: &KafkaSettings, producer: &BaseProducer<Deliveries>, error: &KafkaError) -> Box<Problem> {
    // All that has come, and what comes at once: the words follow the error.
    producer.poll(WORDS_WAIT);
    let mut problem = trouble(codes::kafka::KAFKA_UNREACHABLE, format!("kafka {}", settings.bootstrap_servers), error);
    if let Some(words) = producer.context().last_words() {
        problem.found = format!("{}: {words}", problem.found);
    }
    problem
}

#[async_trait]
impl Outbox for KafkaOutbox {
    async fn progress(&mut self) -> Result<Option<Progress>> {
        if let Some(lane) = &self.lane {
            return Ok(lane.progress.clone());
        }
        let lane = self.start().await?;
        let progress = lane.progress.clone();
        self.lane = Some(lane);
        Ok(progress)
    }

    async fn publish(&mut self, batch: &[OutMessage], progress: &Progress) -> Published {
        let Some(lane) = self.lane.take() else { return Published::No("progress was not read first".to_owned()) };
        if let Err(problem) = self.setup.ensure(batch.iter().map(|message| message.topic.clone())).await {
            return Published::No(problem.to_string());
        }
        let record = match serde_json::to_vec(progress) {
            Ok(body) => OutMessage {
                topic: self.topics.progress(),
                key: self.transactional_id.clone(),
                headers: Vec::new(),
                body,
            },
            Err(error) => return Published::No(error.to_string()),
        };
        let messages: Vec<OutMessage> = batch.iter().cloned().chain([record]).collect();
        let progress = progress.clone();
        let done = blocking(move || {
            let published = transact(&lane.producer, &messages);
            // One that is not kept ends here, on a thread that may wait for it.
            (kept(Lane { progress: Some(progress), ..lane }, &published), published)
        });
        match done.await {
            Ok((lane, published)) => {
                self.lane = lane;
                published
            }
            Err(problem) => Published::Unknown(problem.to_string()),
        }
    }
}

fn transact(producer: &BaseProducer<Deliveries>, messages: &[OutMessage]) -> Published {
    let sent = producer.begin_transaction().and_then(|()| send(producer, messages));
    if let Err(error) = sent {
        return give_up(producer, &error);
    }
    if let Err(problem) = fault::reached_on_thread("publish::before_commit") {
        return Published::Unknown(problem.to_string());
    }
    match producer.commit_transaction(TRANSACTION_WAIT) {
        Ok(()) => Published::Yes,
        Err(error) if is_fenced(producer, &error) => Published::Fenced(error.to_string()),
        Err(error) => Published::Unknown(error.to_string()),
    }
}

/// Sends everything and waits until all of it is acknowledged: a commit then has nothing left to do but commit.
fn send(producer: &BaseProducer<Deliveries>, messages: &[OutMessage]) -> KafkaResult<()> {
    for message in messages {
        let mut headers = OwnedHeaders::new_with_capacity(message.headers.len());
        for (key, value) in &message.headers {
            headers = headers.insert(Header { key, value: Some(value.as_bytes()) });
        }
        let record = BaseRecord::to(&message.topic).key(message.key.as_bytes()).payload(&message.body).headers(headers);
        let mut refused = producer.send(record);
        while let Err((KafkaError::MessageProduction(RDKafkaErrorCode::QueueFull), record)) = refused {
            serve(producer);
            refused = producer.send(record);
        }
        refused.map_err(|(error, _)| error)?;
    }
    if fault::reached_on_thread("publish::sent").is_err() {
        return Err(KafkaError::Canceled);
    }
    // librdkafka gives every message up after its own timeout, so this ends.
    while producer.in_flight_count() > 0 {
        serve(producer);
    }
    producer.context().first_failure()
}

/// Serves what has come of deliveries, then rests. A poll with a timeout would not rest in its last millisecond: librdkafka
/// counts in whole ones, and `rdkafka` asks it again and again for none.
fn serve(producer: &BaseProducer<Deliveries>) {
    producer.poll(Duration::ZERO);
    std::thread::sleep(SERVE);
}

fn give_up(producer: &BaseProducer<Deliveries>, error: &KafkaError) -> Published {
    if is_fenced(producer, error) {
        return Published::Fenced(error.to_string());
    }
    match producer.abort_transaction(TRANSACTION_WAIT) {
        Ok(()) => Published::No(error.to_string()),
        Err(abort) if is_fenced(producer, &abort) => Published::Fenced(abort.to_string()),
        Err(abort) => Published::Unknown(format!("{error}; and the abort: {abort}")),
    }
}

fn is_fenced(producer: &BaseProducer<Deliveries>, error: &KafkaError) -> bool {
    let fenced = |code| {
        use RDKafkaErrorCode::{Fenced, InvalidProducerEpoch, ProducerFenced};
        matches!(code, Fenced | ProducerFenced | InvalidProducerEpoch)
    };
    let fatal = producer.client().fatal_error().map(|(code, _)| code);
    error.rdkafka_error_code().is_some_and(fenced) || fatal.is_some_and(fenced)
}

/// Remembers the first message that Kafka did not take, and what a broker last complained of.
#[derive(Default)]
struct Deliveries {
    failure: Mutex<Option<KafkaError>>,
    words: Mutex<Option<String>>,
}

impl Deliveries {
    fn first_failure(&self) -> KafkaResult<()> {
        self.failure.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }

    fn last_words(&self) -> Option<String> {
        self.words.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ClientContext for Deliveries {
    fn error(&self, error: KafkaError, reason: &str) {
        tracing::debug!(%error, reason, "publisher");
        let mut words = self.words.lock().unwrap_or_else(PoisonError::into_inner);
        // That all brokers are down says nothing about why, and comes after what does.
        if words.is_none() || error.rdkafka_error_code() != Some(RDKafkaErrorCode::AllBrokersDown) {
            *words = Some(reason.to_owned());
        }
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        if let Err((error, _)) = result {
            self.failure.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert_with(|| error.clone());
        }
    }
}
