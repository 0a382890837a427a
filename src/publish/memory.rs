//! A topic in memory, which answers as it is told: for tests, replay and the seeded world.
//!
//! Promises: a batch and its progress become visible together or not at all; an older publisher is fenced.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use crate::fault;
use crate::problem::Result;
use crate::publish::message::OutMessage;
use crate::publish::outbox::{Outbox, Progress, Published, kept};

/// What the next `publish` does instead of a plain yes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    No,
    /// The answer is lost; the batch is visible.
    UnknownLanded,
    /// The answer is lost; the batch is not visible.
    UnknownLost,
    /// The answer is lost; the batch becomes visible with the next one of the same producer, and never if there is none.
    UnknownLater,
}

/// What every publisher and reader of one broker shares.
#[derive(Clone, Default)]
pub struct MemoryTopics(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    visible: Vec<OutMessage>,
    progress: Option<Progress>,
    told: VecDeque<Told>,
    /// What may still land.
    later: Option<(u64, Vec<OutMessage>)>,
    /// Grows whenever a publisher starts; only the newest may publish.
    epoch: u64,
}

impl MemoryTopics {
    /// What a `read_committed` reader of all topics has seen, in order.
    pub fn visible(&self) -> Vec<OutMessage> {
        self.with(|state| state.visible.clone())
    }

    /// How many of them there are.
    pub fn count(&self) -> usize {
        self.with(|state| state.visible.len())
    }

    /// Decides the answers to come, first in, first out; after them every answer is yes.
    pub fn tell(&self, told: impl IntoIterator<Item = Told>) {
        self.with(|state| state.told.extend(told));
    }

    /// Takes back what was told and nobody has heard.
    pub fn forget_told(&self) {
        self.with(|state| state.told.clear());
    }

    /// A publisher with the one transactional id.
    pub fn outbox(&self) -> MemoryOutbox {
        MemoryOutbox { topics: self.clone(), epoch: None }
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// One publisher of a [`MemoryTopics`].
pub struct MemoryOutbox {
    topics: MemoryTopics,
    /// None until started, and again after anything unclean.
    epoch: Option<u64>,
}

#[async_trait]
impl Outbox for MemoryOutbox {
    async fn progress(&mut self) -> Result<Option<Progress>> {
        let mine = self.epoch;
        let (epoch, progress) = self.topics.with(|state| {
            let epoch = mine.unwrap_or_else(|| {
                state.epoch += 1;
                // A new producer ends what an older one left open.
                state.later = None;
                state.epoch
            });
            (epoch, state.progress.clone())
        });
        self.epoch = Some(epoch);
        Ok(progress)
    }

    async fn publish(&mut self, batch: &[OutMessage], progress: &Progress) -> Published {
        let Some(mine) = self.epoch else { return Published::No("progress was not read first".to_owned()) };
        for point in ["publish::sent", "publish::before_commit"] {
            if let Err(problem) = fault::reached(point).await {
                return Published::No(problem.to_string());
            }
        }
        let answer = self.topics.with(|state| {
            if state.epoch != mine {
                return Published::Fenced("a newer publisher has started".to_owned());
            }
            if let Some((_, late)) = state.later.take_if(|(epoch, _)| *epoch == mine) {
                state.visible.extend(late);
            }
            let told = state.told.pop_front();
            if matches!(told, None | Some(Told::UnknownLanded)) {
                state.visible.extend_from_slice(batch);
                state.progress = Some(progress.clone());
            }
            if told == Some(Told::UnknownLater) {
                state.later = Some((mine, batch.to_vec()));
            }
            match told {
                None => Published::Yes,
                Some(Told::No) => Published::No("told so".to_owned()),
                Some(Told::UnknownLanded | Told::UnknownLost | Told::UnknownLater) => {
                    Published::Unknown("told so".to_owned())
                }
            }
        });
        self.epoch = kept(mine, &answer);
        answer
    }
}
