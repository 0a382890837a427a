//! Which rows go out next, and what to do after a yes, a no, an unknown and a fence.
//!
//! Promises: rows leave in order of `(known_at, alert_id, revision)`, each batch with the mark up to which everything
//! has left; after anything but a yes the mark is read back from what is visible before the next batch is cut.
//! Never: sends twice because an answer was lost; goes on when another publisher has taken over.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::kafka::Topics;
use crate::problem::{Problem, Result, codes};
use crate::publish::dead_letters::{QuarantineRow, dead_letter};
use crate::publish::message::{AlertRow, OutMessage, alert_messages};

/// Rows in one transaction: three messages each. Larger keeps `read_committed` readers waiting longer.
pub const BATCH_ROWS_MAX: usize = 500;
/// Unclean outcomes in a row before a person is told; each one has already waited for Kafka's own timeouts.
pub const UNCLEAN_MAX: u32 = 5;

/// The last row of `alert_history` that is visible; the order of the fields is the order of publishing.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct AlertMark {
    pub known_at: i64,
    pub alert_id: String,
    pub revision: i64,
}

impl AlertMark {
    pub fn of(row: &AlertRow) -> Self {
        Self { known_at: row.known_at, alert_id: row.alert_id.clone(), revision: row.revision }
    }
}

/// The last row of `quarantine` that is visible.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct DeadLetterMark {
    pub known_at: i64,
    pub topic: String,
    pub partition: i32,
    pub offset: i64,
}

impl DeadLetterMark {
    pub fn of(row: &QuarantineRow) -> Self {
        Self { known_at: row.known_at, topic: row.topic.clone(), partition: row.partition, offset: row.offset }
    }
}

/// How far publishing has come, as the progress topic holds it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Progress {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub alerts: Option<AlertMark>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dead_letters: Option<DeadLetterMark>,
}

/// What became of a batch.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Published {
    Yes,
    /// It is not visible and will not be.
    No(String),
    /// It may or may not be visible: read progress.
    Unknown(String),
    /// Another publisher has taken over; this one must wait to be assigned again.
    Fenced(String),
}

/// Where messages leave. Behind it: Kafka, or a topic in memory.
#[async_trait]
pub trait Outbox: Send {
    /// What is visible, after making sure that nothing of ours is still under way. None: nothing was ever published.
    async fn progress(&mut self) -> Result<Option<Progress>>;

    /// Makes the messages and the progress visible together, or neither.
    async fn publish(&mut self, batch: &[OutMessage], progress: &Progress) -> Published;
}

/// How a round of publishing ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Round {
    /// Everything that was pending is visible.
    Done { alerts: usize, dead_letters: usize, progress: Progress },
    /// Another publisher has taken over.
    Fenced(String),
}

/// Rows that may have to go out; those at or before the mark are passed over.
#[derive(Clone, Copy, Debug, Default)]
pub struct Pending<'a> {
    pub alerts: &'a [AlertRow],
    pub dead_letters: &'a [QuarantineRow],
}

/// What one transaction carries.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Batch {
    pub messages: Vec<OutMessage>,
    pub alerts: usize,
    pub dead_letters: usize,
    pub progress: Progress,
}

/// Publishes what is pending, batch by batch.
pub async fn publish_pending(outbox: &mut dyn Outbox, topics: &Topics, pending: Pending<'_>) -> Result<Round> {
    let mut progress = outbox.progress().await?.unwrap_or_default();
    let (mut alerts, mut dead_letters, mut unclean) = (0, 0, 0);
    while let Some(batch) = batch_after(topics, pending, &progress, BATCH_ROWS_MAX) {
        let reason = match outbox.publish(&batch.messages, &batch.progress).await {
            Published::Yes => {
                (alerts, dead_letters, unclean) = (alerts + batch.alerts, dead_letters + batch.dead_letters, 0);
                progress = batch.progress;
                continue;
            }
            Published::Fenced(reason) => return Ok(Round::Fenced(reason)),
            Published::No(reason) | Published::Unknown(reason) => reason,
        };
        unclean += 1;
        tracing::warn!(%reason, unclean, "publishing was not a clean yes; reading back what is visible");
        if unclean >= UNCLEAN_MAX {
            return Err(Problem::new(codes::PUBLISH_STUCK, format!("{} messages", batch.messages.len()), reason));
        }
        let visible = outbox.progress().await?.unwrap_or_default();
        // An unknown that became visible counts as sent: everything up to the new mark, and nothing else, is there.
        if visible == batch.progress {
            (alerts, dead_letters) = (alerts + batch.alerts, dead_letters + batch.dead_letters);
        }
        progress = visible;
    }
    Ok(Round::Done { alerts, dead_letters, progress })
}

/// The next batch strictly after `progress`, or None when everything has left.
pub fn batch_after(topics: &Topics, pending: Pending<'_>, progress: &Progress, rows_max: usize) -> Option<Batch> {
    let alerts = first_after(pending.alerts, AlertMark::of, progress.alerts.as_ref(), rows_max);
    let letters = first_after(pending.dead_letters, DeadLetterMark::of, progress.dead_letters.as_ref(), rows_max);
    if alerts.is_empty() && letters.is_empty() {
        return None;
    }
    let messages = alerts
        .iter()
        .flat_map(|(_, row)| alert_messages(topics, row))
        .chain(letters.iter().map(|(_, row)| dead_letter(topics, row)))
        .collect();
    let progress = Progress {
        alerts: alerts.last().map(|(mark, _)| mark.clone()).or_else(|| progress.alerts.clone()),
        dead_letters: letters.last().map(|(mark, _)| mark.clone()).or_else(|| progress.dead_letters.clone()),
    };
    Some(Batch { messages, alerts: alerts.len(), dead_letters: letters.len(), progress })
}

fn first_after<'a, Row, Mark: Ord>(
    rows: &'a [Row],
    mark_of: impl Fn(&Row) -> Mark,
    last: Option<&Mark>,
    rows_max: usize,
) -> Vec<(Mark, &'a Row)> {
    let mut marked: Vec<(Mark, &Row)> =
        rows.iter().map(|row| (mark_of(row), row)).filter(|(mark, _)| last.is_none_or(|last| mark > last)).collect();
    marked.sort_by(|(a, _), (b, _)| a.cmp(b));
    // The caller may hand over a row twice (two snapshots); a reader of the topic never sees it twice.
    marked.dedup_by(|(a, _), (b, _)| a == b);
    marked.truncate(rows_max);
    marked
}
