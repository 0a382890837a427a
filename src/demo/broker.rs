//! The embedded broker: librdkafka's own mock cluster, real protocol on a loopback port.
//!
//! Never: the place to test transactions, fencing or rebalance; it fakes them.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::Duration;

use async_trait::async_trait;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{DefaultProducerContext, Producer, ThreadedProducer};

use super::sender::{Wire, enqueue};
use crate::kafka::KafkaSettings;
use crate::problem::{Problem, Result, codes};
use crate::publish::message::OutMessage;
use crate::publish::outbox::{Outbox, Progress, Published};
use crate::simulate::Outgoing;

/// Partitions of a feed topic: enough that each stays far below what the broker keeps.
pub const PARTITIONS: i32 = 8;
/// One producer batch must reach the broker within this.
const FLUSH_WAIT: Duration = Duration::from_secs(30);

/// Topics waiting to be made; each waits for its answer, so one would do.
const ORDERS_MAX: usize = 8;

/// A topic to be made, and who waits for it.
type Order = (String, i32, SyncSender<()>);

/// A broker in this process; it ends, with everything it holds, when the last handle goes.
#[derive(Clone)]
pub struct Broker {
    orders: SyncSender<Order>,
    producer: Arc<ThreadedProducer<DefaultProducerContext>>,
    pub settings: KafkaSettings,
}

impl Broker {
    pub fn start(prefix: &str) -> Result<Self> {
        let (orders, waiting) = sync_channel::<Order>(ORDERS_MAX);
        let (tell, told) = sync_channel(1);
        // The cluster may not leave the thread that made it.
        std::thread::Builder::new()
            .name("embedded-broker".to_owned())
            .spawn(move || keep(&waiting, &tell))
            .map_err(|error| gone(error.to_string()))?;
        let bootstrap_servers = told.recv().map_err(|error| gone(error.to_string()))?.map_err(gone)?;
        let settings = KafkaSettings {
            bootstrap_servers,
            security: Default::default(),
            topic_prefix: prefix.to_owned(),
            group_id: format!("{prefix}-demo"),
            group_instance_id: None,
            session_timeout_ms: 6_000,
        };
        let producer = settings.producer()?.create().map_err(|error| gone(error.to_string()))?;
        Ok(Self { orders, producer: Arc::new(producer), settings })
    }

    /// Makes a topic; one that is there already is as good.
    pub fn topic(&self, name: &str, partitions: i32) {
        let (tell, told) = sync_channel(1);
        if self.orders.send((name.to_owned(), partitions, tell)).is_ok() {
            // The broker's end is noticed by whoever sends or reads next.
            let _ = told.recv();
        }
    }

    /// Sends the city's messages and waits until the broker has them.
    pub fn send(&self, messages: &[Outgoing]) -> Result<()> {
        self.send_all(messages.iter().map(Wire::from))
    }

    fn send_all<'a>(&self, messages: impl Iterator<Item = Wire<'a>>) -> Result<()> {
        for message in messages {
            enqueue(&self.producer, message).map_err(|error| gone(error.to_string()))?;
        }
        self.flush()
    }

    fn send_out(&self, messages: &[OutMessage]) -> Result<()> {
        messages.iter().for_each(|message| self.topic(&message.topic, 1));
        self.send_all(messages.iter().map(Wire::from))
    }

    fn flush(&self) -> Result<()> {
        self.producer.flush(FLUSH_WAIT).map_err(|error| gone(error.to_string()))
    }

    /// The outbox of this broker.
    pub fn outbox(&self) -> EmbeddedOutbox {
        EmbeddedOutbox { broker: self.clone(), progress: None }
    }
}

/// Owns the cluster until nobody can order any more.
fn keep(orders: &Receiver<Order>, tell: &SyncSender<std::result::Result<String, String>>) {
    let cluster = match MockCluster::new(1) {
        Ok(cluster) => cluster,
        Err(error) => {
            let _ = tell.send(Err(error.to_string()));
            return;
        }
    };
    let _ = tell.send(Ok(cluster.bootstrap_servers()));
    while let Ok((name, partitions, made)) = orders.recv() {
        // The mock says so when the topic is there, which is what was wanted.
        let _ = cluster.create_topic(&name, partitions, 1);
        let _ = made.send(());
    }
}

fn gone(found: String) -> Box<Problem> {
    Problem::new(codes::kafka::KAFKA_UNREACHABLE, "the embedded broker", found)
}

/// An outbox without transactions: the broker has none, and it dies with us.
pub struct EmbeddedOutbox {
    broker: Broker,
    progress: Option<Progress>,
}

#[async_trait]
impl Outbox for EmbeddedOutbox {
    async fn progress(&mut self) -> Result<Option<Progress>> {
        Ok(self.progress.clone())
    }

    async fn publish(&mut self, batch: &[OutMessage], progress: &Progress) -> Published {
        let (broker, messages) = (self.broker.clone(), batch.to_vec());
        let sent = tokio::task::spawn_blocking(move || broker.send_out(&messages)).await;
        match sent {
            Ok(Ok(())) => {
                self.progress = Some(progress.clone());
                Published::Yes
            }
            Ok(Err(problem)) => Published::Unknown(problem.to_string()),
            Err(error) => Published::Unknown(error.to_string()),
        }
    }
}
