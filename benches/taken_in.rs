//! A city's messages taken in as `serve` takes them in: decoded, and committed to a log in epochs.
//!
//! Promises: an epoch is known when its last message came.

use std::collections::BTreeSet;
use std::sync::Arc;

use qianshao::clock::{Clock, ManualClock};
use qianshao::consume::epoch_rows::Intake;
use qianshao::consume::feed::Feeds;
use qianshao::consume::identity::{Algorithm, Pseudonyms};
use qianshao::consume::memory::{MemoryFeeds, MemorySource};
use qianshao::consume::message::Message;
use qianshao::consume::seal::Sealer;
use qianshao::consume::source::{EpochLimit, Polled, Source, Starts};
use qianshao::delta::commit::commit_epoch;
use qianshao::delta::log::Log;
use qianshao::delta::reference::edition;

/// Messages that wait, and what takes them in.
pub struct TakingIn {
    intake: Intake,
    source: MemorySource,
}

impl TakingIn {
    /// Under the texts that are in force in `log`.
    pub async fn of(log: &dyn Log, feeds: Arc<Feeds>, messages: Vec<Message>) -> Self {
        let texts = edition(log, i64::MAX).await.unwrap();
        let key = [7; 32];
        let (pseudonyms, sealer) = (Pseudonyms::from_bytes(&key, Algorithm::Sha256), Sealer::from_bytes(&key));
        let intake = Intake::new(feeds, &texts, Arc::new(pseudonyms), Arc::new(sealer), "qianshao").await.unwrap();
        Self { intake, source: MemoryFeeds::of(messages).source(Starts::new()) }
    }

    /// One epoch of so many messages at most; how many there were.
    pub async fn epoch(&mut self, log: &dyn Log, clock: &ManualClock, messages: usize) -> usize {
        let limit = EpochLimit { messages, bytes: usize::MAX, wait_ms: 1 };
        let Polled::Epoch(epoch) = self.source.next_epoch(&limit).await.unwrap() else { return 0 };
        clock.advance_to(epoch.messages.iter().filter_map(|message| message.timestamp).max().unwrap_or(0));
        let rows = self.intake.rows(&epoch, &BTreeSet::new(), clock.now()).await.unwrap();
        commit_epoch(log, clock, &rows).await.unwrap();
        epoch.messages.len()
    }
}
