//! One moment of everything that is counted: texts in force, registers, meanings, records.
//!
//! Promises: as of T is what rows with `known_at` ≤ T and texts known by T say; live and later it is the same.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::RecordBatch;

use super::meanings::Meanings;
use super::pages::Room;
use super::places::Places;
use super::records::Records;
use super::reports::{ExpectedReport, Turnout, expected_reports, turnout};
use crate::delta::log::Log;
use crate::delta::reference::{self, Edition};
use crate::delta::registers::Registers;
use crate::delta::tables::Table;
use crate::problem::Result;
use crate::terms::Day;

/// Bytes of records, and as many of rows, that are in memory: half a million of each. With debug assertions so few that
/// whatever is tested on a disk asks the file too.
const ROOM_BYTES: usize = if cfg!(debug_assertions) { 256 << 10 } else { 32 << 20 };

/// The counted world at one moment.
#[derive(Clone)]
pub struct Moment {
    pub edition: Arc<Edition>,
    pub registers: Arc<Registers>,
    pub meanings: Arc<Meanings>,
    pub records: Records,
    /// Where each series of the records counts.
    pub places: Places,
}

impl Moment {
    /// Nothing counted yet, under the texts in force as of `until`.
    pub async fn empty(log: &dyn Log, until: i64) -> Result<Self> {
        let edition = reference::edition(log, until).await?;
        Ok(Self {
            registers: Arc::new(Registers::of(&edition)?),
            meanings: Arc::new(Meanings::of(&edition)?),
            edition: Arc::new(edition),
            records: Records::within(&Room { folder: log.scratch().map(Arc::from), bytes: ROOM_BYTES }),
            places: Places::default(),
        })
    }

    /// Everything known by `until`.
    pub async fn as_of(log: &dyn Log, until: i64) -> Result<Self> {
        let mut moment = Self::empty(log, until).await?;
        moment.advance(log, until).await?;
        Ok(moment)
    }

    /// Feeds what was committed since; answers the series of rows that changed.
    pub async fn advance(&mut self, log: &dyn Log, until: i64) -> Result<BTreeSet<u32>> {
        let mut changed = BTreeSet::new();
        let after = self.records.known_until;
        let mut feed = |batch: RecordBatch| {
            changed.extend(self.feed(&batch)?);
            Ok(())
        };
        log.each(Table::Signals, after, until, &mut feed).await?;
        Ok(changed)
    }

    /// Feeds rows of `signals`; answers the series that changed.
    pub fn feed(&mut self, batch: &RecordBatch) -> Result<BTreeSet<u32>> {
        let changed = self.records.feed(batch)?;
        self.count()?;
        Ok(changed)
    }

    fn count(&mut self) -> Result<()> {
        let Self { records, places, registers, meanings, .. } = self;
        places.extend(records, registers, meanings);
        records.count(|series| places.get(series).count)
    }

    /// Takes up texts that came into force; answers whether there were any.
    pub async fn renew(&mut self, log: &dyn Log, until: i64) -> Result<bool> {
        if log.head(Table::Reference).await?.clock == self.edition.known_at {
            return Ok(false);
        }
        let edition = reference::edition(log, until).await?;
        if edition.known_at == self.edition.known_at {
            return Ok(false);
        }
        self.registers = Arc::new(Registers::of(&edition)?);
        self.meanings = Arc::new(Meanings::of(&edition)?);
        self.edition = Arc::new(edition);
        let before = std::mem::take(&mut self.places);
        self.places.extend(&self.records, &self.registers, &self.meanings);
        let series = 0..self.records.rows.series.len() as u32;
        series
            .filter(|series| before.get(*series).count != self.places.get(*series).count)
            .for_each(|series| self.records.uncount(series));
        self.count()?;
        Ok(true)
    }

    pub fn turnout(&self, from: Day, until: Day) -> Turnout {
        turnout(&self.records, &self.registers, from, until)
    }

    pub fn expected_reports(&self, from: Day, until: Day, tick: i64) -> Vec<ExpectedReport<'_>> {
        expected_reports(&self.records, &self.registers, from, until, tick)
    }
}
