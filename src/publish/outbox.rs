//! Which rows go out next, and what to do after a yes, a no, an unknown and a fence.
//!
//! Promises: rows leave in order of `(known_at, alert_id, revision)`, each batch with the mark up to which everything
//! has left; after anything but a yes the mark is read back from what is visible before the next batch is cut.
//! Never: sends twice because an answer was lost; goes on when another publisher has taken over.

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::fault;
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

/// A producer is used again only after a clean yes: what it left unclean may land on whatever it does next.
pub fn kept<T>(producer: T, published: &Published) -> Option<T> {
    (*published == Published::Yes).then_some(producer)
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
    let rows = pending.ordered();
    let mut progress = outbox.progress().await?.unwrap_or_default();
    let (mut alerts, mut dead_letters, mut unclean) = (0, 0, 0);
    while let Some(batch) = batch_after(topics, &rows, &progress, BATCH_ROWS_MAX) {
        fault::reached("publish::begun").await?;
        let (outcome, reason) = match outbox.publish(&batch.messages, &batch.progress).await {
            Published::Yes => {
                fault::reached("publish::after_commit").await?;
                (alerts, dead_letters, unclean) = (alerts + batch.alerts, dead_letters + batch.dead_letters, 0);
                progress = batch.progress;
                continue;
            }
            Published::Fenced(reason) => return Ok(Round::Fenced(reason)),
            Published::No(reason) => ("no", reason),
            Published::Unknown(reason) => ("unknown", reason),
        };
        unclean += 1;
        tracing::warn!(outcome, %reason, unclean, "publishing was not a clean yes; reading back what is visible");
        if unclean >= UNCLEAN_MAX {
            return Err(Problem::new(
                codes::kafka::PUBLISH_STUCK,
                format!("{} messages", batch.messages.len()),
                reason,
            ));
        }
        fault::reached("publish::aborted").await?;
        let visible = outbox.progress().await?.unwrap_or_default();
        // An unknown that became visible counts as sent: everything up to the new mark, and nothing else, is there.
        if visible == batch.progress {
            (alerts, dead_letters) = (alerts + batch.alerts, dead_letters + batch.dead_letters);
        }
        progress = visible;
    }
    Ok(Round::Done { alerts, dead_letters, progress })
}

/// Pending rows in the order in which they leave.
pub struct Ordered<'a> {
    alerts: Vec<(AlertMark, &'a AlertRow)>,
    dead_letters: Vec<(DeadLetterMark, &'a QuarantineRow)>,
}

impl<'a> Pending<'a> {
    pub fn ordered(self) -> Ordered<'a> {
        Ordered {
            alerts: ordered(self.alerts, AlertMark::of),
            dead_letters: ordered(self.dead_letters, DeadLetterMark::of),
        }
    }
}

fn ordered<Row, Mark: Ord>(rows: &[Row], mark_of: impl Fn(&Row) -> Mark) -> Vec<(Mark, &Row)> {
    let mut marked: Vec<(Mark, &Row)> = rows.iter().map(|row| (mark_of(row), row)).collect();
    marked.sort_by(|(a, _), (b, _)| a.cmp(b));
    // The caller may hand over a row twice (two snapshots); a reader of the topic never sees it twice.
    marked.dedup_by(|(a, _), (b, _)| a == b);
    marked
}

/// The next batch strictly after `progress`, or None when everything has left.
pub fn batch_after(topics: &Topics, rows: &Ordered<'_>, progress: &Progress, rows_max: usize) -> Option<Batch> {
    let alerts = after(&rows.alerts, progress.alerts.as_ref(), rows_max);
    let letters = after(&rows.dead_letters, progress.dead_letters.as_ref(), rows_max);
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

fn after<'a, Row, Mark: Ord>(rows: &'a [(Mark, Row)], last: Option<&Mark>, rows_max: usize) -> &'a [(Mark, Row)] {
    let begin = last.map_or(0, |last| rows.partition_point(|(mark, _)| mark <= last));
    &rows[begin..rows.len().min(begin + rows_max)]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::alert_row::sample::row;
    use crate::publish::memory::{MemoryTopics, Told};

    fn topics() -> Topics {
        Topics { prefix: "q".to_owned() }
    }

    fn ids(memory: &MemoryTopics) -> Vec<String> {
        let changed = topics().changed();
        let visible = memory.visible();
        visible.iter().filter(|m| m.topic == changed).filter_map(|m| m.header("ce_id")).map(short).collect()
    }

    fn short(id: &str) -> String {
        id.trim_start_matches('0').to_owned()
    }

    #[tokio::test]
    async fn rows_leave_in_the_order_in_which_they_were_known() {
        let memory = MemoryTopics::default();
        let rows = [row(2, "a", 2), row(1, "b", 1), row(2, "a", 1), row(1, "a", 1), row(2, "a", 2)];
        let pending = Pending { alerts: &rows, dead_letters: &[] };
        let round = publish_pending(&mut memory.outbox(), &topics(), pending).await.unwrap();
        assert!(matches!(round, Round::Done { alerts: 4, .. }));
        assert_eq!(ids(&memory), ["a:1", "b:1", "a:1", "a:2"]);
    }

    #[tokio::test]
    async fn a_second_round_sends_only_what_is_new() {
        let memory = MemoryTopics::default();
        let rows = [row(1, "a", 1), row(2, "b", 1)];
        let letters = [QuarantineRow::sample(1), QuarantineRow::sample(2)];
        publish_pending(&mut memory.outbox(), &topics(), Pending { alerts: &rows[..1], dead_letters: &letters[..1] })
            .await
            .unwrap();
        let round = publish_pending(&mut memory.outbox(), &topics(), Pending { alerts: &rows, dead_letters: &letters })
            .await
            .unwrap();
        assert!(matches!(round, Round::Done { alerts: 1, dead_letters: 1, .. }));
        assert_eq!(ids(&memory), ["a:1", "b:1"]);
    }

    #[tokio::test]
    async fn whatever_the_answers_every_row_is_visible_once_and_in_order() {
        let answers = [Told::No, Told::UnknownLanded, Told::UnknownLost];
        let rows: Vec<AlertRow> = (0..600).map(|n| row(n, &format!("{n:x}"), 1)).collect();
        let expected: Vec<String> = (0..600).map(|n| short(&format!("{n:x}:1"))).collect();
        for first in answers {
            for second in answers {
                for third in answers {
                    let memory = MemoryTopics::default();
                    memory.tell([first, second, third]);
                    let pending = Pending { alerts: &rows, dead_letters: &[] };
                    let round = publish_pending(&mut memory.outbox(), &topics(), pending).await.unwrap();
                    assert!(matches!(round, Round::Done { alerts: 600, .. }), "{round:?}");
                    assert_eq!(ids(&memory), expected, "{first:?} {second:?} {third:?}");
                }
            }
        }
    }

    #[tokio::test]
    async fn an_older_publisher_is_fenced_and_sends_nothing() {
        let memory = MemoryTopics::default();
        let mut old = memory.outbox();
        old.progress().await.unwrap();
        let mut new = memory.outbox();
        let rows = [row(1, "a", 1)];
        let pending = Pending { alerts: &rows, dead_letters: &[] };
        publish_pending(&mut new, &topics(), pending).await.unwrap();
        let batch = batch_after(&topics(), &pending.ordered(), &Progress::default(), 10).unwrap();
        assert!(matches!(old.publish(&batch.messages, &batch.progress).await, Published::Fenced(_)));
        assert_eq!(ids(&memory), ["a:1"]);
    }

    #[tokio::test]
    async fn a_person_is_told_when_nothing_gets_through() {
        let memory = MemoryTopics::default();
        memory.tell([Told::No; 9]);
        let rows = [row(1, "a", 1)];
        let stuck = publish_pending(&mut memory.outbox(), &topics(), Pending { alerts: &rows, dead_letters: &[] })
            .await
            .unwrap_err();
        assert_eq!(stuck.code.reason, "publish_stuck");
        assert!(memory.visible().is_empty());
    }
}
