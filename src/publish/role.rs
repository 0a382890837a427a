//! The publish role: rows of the log that are not yet visible become messages.
//!
//! Promises: reads the log from where the outbox's own progress stands; the table first, the topic second.

use std::sync::Arc;

use super::alert_row::AlertRow;
use super::dead_letters::QuarantineRow;
use super::outbox::{Outbox, Pending, Progress, Round, publish_pending};
use crate::delta::log::Log;
use crate::delta::tables::Table;
use crate::kafka::Topics;
use crate::problem::Result;

pub struct Publish {
    log: Arc<dyn Log>,
    topics: Topics,
}

impl Publish {
    pub fn new(log: Arc<dyn Log>, topics: Topics) -> Self {
        Self { log, topics }
    }

    /// Publishes everything that the log holds beyond the outbox's progress.
    pub async fn round(&self, outbox: &mut dyn Outbox) -> Result<Round> {
        let progress: Progress = outbox.progress().await?.unwrap_or_default();
        // Rows of one commit share their `known_at`: the mark's own commit is read again and passed over row by row.
        let alerts_from = progress.alerts.as_ref().map_or(i64::MIN, |mark| mark.known_at - 1);
        let letters_from = progress.dead_letters.as_ref().map_or(i64::MIN, |mark| mark.known_at - 1);
        let mut alerts = Vec::new();
        for batch in self.log.read(Table::AlertHistory, alerts_from, i64::MAX).await? {
            alerts.extend(AlertRow::read(&batch)?);
        }
        let mut dead_letters = Vec::new();
        for batch in self.log.read(Table::Quarantine, letters_from, i64::MAX).await? {
            dead_letters.extend(QuarantineRow::read(&batch)?);
        }
        publish_pending(outbox, &self.topics, Pending { alerts: &alerts, dead_letters: &dead_letters }).await
    }
}
