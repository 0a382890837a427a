//! An outbox that counts what became of each transaction; else it is the outbox behind it.
//!
//! Never: changes an outcome.

use std::sync::Arc;

use async_trait::async_trait;

use super::message::OutMessage;
use super::outbox::{Outbox, Progress, Published};
use crate::observe::{Observed, families};
use crate::problem::Result;

pub struct CountedOutbox {
    outbox: Box<dyn Outbox>,
    observed: Arc<Observed>,
}

impl CountedOutbox {
    pub fn new(outbox: Box<dyn Outbox>, observed: Arc<Observed>) -> Self {
        Self { outbox, observed }
    }
}

#[async_trait]
impl Outbox for CountedOutbox {
    async fn progress(&mut self) -> Result<Option<Progress>> {
        self.outbox.progress().await
    }

    async fn publish(&mut self, batch: &[OutMessage], progress: &Progress) -> Published {
        let published = self.outbox.publish(batch, progress).await;
        let outcome = match &published {
            Published::Yes => "yes",
            Published::No(_) => "no",
            Published::Unknown(_) => "unknown",
            Published::Fenced(_) => "fenced",
        };
        self.observed.metrics.add(&families::TRANSACTIONS, &[outcome], 1.0);
        if published == Published::Yes {
            self.observed.metrics.add(&families::PUBLISHED_MESSAGES, &[], batch.len() as f64);
        }
        published
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::kafka::Topics;
    use crate::publish::alert_row::sample::row;
    use crate::publish::memory::{MemoryTopics, Told};
    use crate::publish::outbox::{Pending, publish_pending};

    #[tokio::test]
    async fn what_became_of_a_transaction_is_counted_by_its_outcome() {
        let (memory, observed) = (MemoryTopics::default(), Observed::new(Arc::new(ManualClock::new(0)), &[]));
        memory.tell([Told::No, Told::UnknownLost]);
        let mut outbox = CountedOutbox::new(Box::new(memory.outbox()), observed.clone());
        let rows = [row(1, "a", 1)];
        let topics = Topics { prefix: "q".to_owned() };
        publish_pending(&mut outbox, &topics, Pending { alerts: &rows, dead_letters: &[] }).await.unwrap();
        let text = observed.metrics.text();
        for outcome in ["yes", "no", "unknown"] {
            assert!(
                text.contains(&format!("qianshao_publish_transactions_total{{outcome=\"{outcome}\"}} 1\n")),
                "{text}"
            );
        }
        let sent = memory.visible().iter().filter(|message| message.topic != topics.progress()).count();
        assert!(text.contains(&format!("qianshao_published_messages_total {sent}\n")), "{text}");
    }
}
