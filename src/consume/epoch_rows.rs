//! One epoch of messages becomes the rows of one commit.
//!
//! Promises: accepted + duplicates + quarantined = consumed, in messages, by construction: whatever is not a signal row
//! is a quarantine row. A message that an earlier life quarantined keeps its verdict.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute::concat_batches;
use arrow::datatypes::{Date32Type, Int64Type, TimestampMicrosecondType};

use super::contract::FieldPath;
use super::decode::{Context, Decoded, Stated, decode};
use super::envelope::retry_of;
use super::feed::{Feed, Feeds, Kind};
use super::identity::Pseudonyms;
use super::message::{Message, Rejected};
use super::normalize::Mapping;
use super::quarantine_rows::QuarantineRows;
use super::seal::Sealer;
use super::signal_rows::{Mapped, SignalRows};
use super::source::Epoch;
use crate::delta::commit::EpochRows;
use crate::delta::reference::Edition;
use crate::delta::registers::Registers;
use crate::delta::tables::Table;
use crate::engine;
use crate::problem::codes::normalize as codes;
use crate::problem::{Problem, Result};
use crate::terms::{Day, Position};

/// Observations older than this are stored and flagged `late`: they inform the baseline and open no alert.
const LATE_AFTER_DAYS: i32 = 30;

/// Everything that turns messages into rows under one edition of registers and code lists.
pub struct Intake {
    feeds: Arc<Feeds>,
    registers: Arc<Registers>,
    pseudonyms: Arc<Pseudonyms>,
    sealer: Arc<Sealer>,
    prefix: String,
    mappings: BTreeMap<(String, String), Mapping>,
}

impl Intake {
    /// Plans every mapping.
    pub async fn new(
        feeds: Arc<Feeds>,
        edition: &Edition,
        pseudonyms: Arc<Pseudonyms>,
        sealer: Arc<Sealer>,
        prefix: &str,
    ) -> Result<Self> {
        let registers = Arc::new(Registers::of(edition)?);
        let context = engine::session(&registers, &BTreeMap::new(), 0);
        for (name, batch) in engine::reference_tables(edition)? {
            engine::register(&context, &name, batch.schema(), vec![batch])?;
        }
        let mut mappings = BTreeMap::new();
        for kind in feeds.feeds.iter().flat_map(|feed| &feed.kinds) {
            mappings.insert((kind.feed.clone(), kind.name.clone()), Mapping::plan(&context, kind).await?);
        }
        Ok(Self { feeds, registers, pseudonyms, sealer, prefix: prefix.to_owned(), mappings })
    }

    /// Topics of all feeds.
    pub fn topics(&self) -> Vec<String> {
        self.feeds.feeds.iter().map(|feed| feed_topic(&self.prefix, &feed.name)).collect()
    }

    /// The rows of one epoch. `kept` are messages that stand in quarantine already.
    pub async fn rows(&self, epoch: &Epoch, kept: &BTreeSet<Position>, now: i64) -> Result<EpochRows> {
        let mut by_feed: BTreeMap<&str, Vec<&Message>> = BTreeMap::new();
        for message in epoch.messages.iter().filter(|message| !kept.contains(&message.position)) {
            by_feed.entry(&message.position.topic).or_default().push(message);
        }
        let mut signals = Vec::new();
        let mut quarantine = QuarantineRows::default();
        for (topic, messages) in by_feed {
            let Some(feed) = self.feeds.feeds.iter().find(|feed| feed_topic(&self.prefix, &feed.name) == topic) else {
                return Err(Problem::new(
                    crate::problem::codes::kafka::TOPIC_MISSING,
                    topic,
                    "no feed folder for this topic",
                ));
            };
            let (decoded, mut rejected) = self.decode(feed, &messages, now);
            for batch in &decoded {
                let (rows, refused) = self.map(batch, &messages, now).await?;
                signals.push(rows);
                rejected.extend(refused);
            }
            rejected.sort_by_key(|rejection| rejection.message);
            for rejection in &rejected {
                let message = messages[rejection.message];
                // From the message itself: most are refused before there is a statement. A bad header is a reason of its own.
                let retry_of = retry_of(message).ok().flatten();
                quarantine.push(feed, message, rejection, retry_of.as_deref(), &self.sealer);
            }
        }
        let schema = Table::Signals.schema_unstamped();
        let signals = concat_batches(&schema, &signals).map_err(unbuilt)?;
        let (ranges, witnesses) = (epoch.ranges.clone(), epoch.witnesses.clone());
        Ok(EpochRows { ranges, witnesses, signals, quarantine: quarantine.finish()? })
    }

    fn decode(&self, feed: &Feed, messages: &[&Message], now: i64) -> (Vec<Decoded>, Vec<Rejected>) {
        let known_area = |code: &str| self.registers.knows_area(code);
        decode(feed, messages, &Context { pseudonyms: &self.pseudonyms, known_area: &known_area, now })
    }

    /// Maps one kind's batch; answers its rows and the messages that made none.
    async fn map(&self, batch: &Decoded, messages: &[&Message], now: i64) -> Result<(RecordBatch, Vec<Rejected>)> {
        let kind = &batch.kind;
        let Some(mapping) = self.mappings.get(&(kind.feed.clone(), kind.name.clone())) else {
            return Err(unbuilt("a kind without a planned mapping"));
        };
        let (rows, failed) = mapping.run(&batch.raw).await?;
        let mut refused: BTreeMap<usize, Rejected> = BTreeMap::new();
        let mut refuse = |row: i64, code, found: String| {
            let Some(stated) = usize::try_from(row).ok().and_then(|row| batch.stated.get(row)) else { return };
            refused.entry(stated.message).or_insert_with(|| Rejected {
                message: stated.message,
                kind: Some(kind.name.clone()),
                code,
                pointer: pointer_of(kind, code),
                found,
                help: code.help.to_owned(),
            });
        };
        for row in failed.keys() {
            // The engine's words may repeat a value, so they go to nobody.
            refuse(*row, codes::NORMALIZE_FAILED, "an error in normalize.sql".to_owned());
        }
        let mapped = self.mapped(kind, batch, &rows, now, &mut refuse);
        let mut reached = vec![false; batch.stated.len()];
        mapped.iter().for_each(|row| reached[row.raw] = true);
        for (row, _) in reached.iter().enumerate().filter(|(row, is)| !**is && !failed.contains_key(&(*row as i64))) {
            refuse(row as i64, codes::NO_SIGNAL, "no row".to_owned());
        }
        let mut builder = SignalRows::new(kind);
        for row in &mapped {
            let stated = &batch.stated[row.raw];
            if !refused.contains_key(&stated.message) {
                builder.push(&messages[stated.message].position, stated, row);
            }
        }
        Ok((builder.finish()?, refused.into_values().collect()))
    }

    /// Whether the area that the message names has a code of another time: today's reader would lay the event to the
    /// facility's area, and nobody would notice.
    fn is_out_of_use(&self, kind: &Kind, batch: &Decoded, row: i64, day: Day) -> bool {
        let row = usize::try_from(row).unwrap_or_default();
        let named = kind.contract.area.as_ref().and_then(|path| text_at(&batch.raw, path, row));
        named.is_some_and(|code| self.registers.knows_area(code) && self.registers.area_at(code, day).is_none())
    }

    /// The mapping's rows, completed from registers and statements; what may not stand is refused.
    fn mapped<'r>(
        &'r self,
        kind: &Kind,
        batch: &Decoded,
        rows: &'r RecordBatch,
        now: i64,
        refuse: &mut impl FnMut(i64, crate::problem::Code, String),
    ) -> Vec<Mapped<'r>> {
        let texts = |name: &str| {
            let column = rows.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
            move |row: usize| column.filter(|column| column.is_valid(row)).map(|column| column.value(row))
        };
        let numbers = |name: &str| {
            let column = rows.column_by_name(name).and_then(|column| column.as_primitive_opt::<Int64Type>());
            move |row: usize| column.filter(|column| column.is_valid(row)).map(|column| column.value(row))
        };
        let times = rows.column_by_name("event_time").and_then(|c| c.as_primitive_opt::<TimestampMicrosecondType>());
        let time = |row: usize| times.filter(|times| times.is_valid(row)).map(|times| times.value(row));
        let dates = rows.column_by_name("event_date").and_then(|column| column.as_primitive_opt::<Date32Type>());
        let date = |row: usize| dates.filter(|dates| dates.is_valid(row)).map(|dates| Day(dates.value(row)));
        let (message, value, denominator) = (numbers("message"), numbers("value"), numbers("denominator"));
        let (signals, unit_kinds, unit_ids) = (texts("signal"), texts("unit_kind"), texts("unit_id"));
        let (facilities, areas) = (texts("facility_id"), texts("area_code"));
        let (persons, slots) = (texts("person_key"), texts("slot"));
        let mut mapped = Vec::with_capacity(rows.num_rows());
        for row in 0..rows.num_rows() {
            let raw = message(row).unwrap_or(-1);
            let Some(stated) = usize::try_from(raw).ok().and_then(|raw| batch.stated.get(raw)) else { continue };
            let (Some(signal), Some(unit_kind), Some(unit_id), Some(value)) =
                (signals(row), unit_kinds(row), unit_ids(row), value(row))
            else {
                refuse(raw, codes::NORMALIZE_FAILED, "a null in a column that must not be null".to_owned());
                continue;
            };
            let declared = kind.contract.signals.iter().any(|meaning| meaning.signal == signal)
                && self.registers.rolls_up.contains_key(unit_kind);
            if !declared {
                refuse(raw, codes::UNDECLARED, format!("signal {signal}, unit kind {unit_kind}"));
                continue;
            }
            let Some((event_time, event_date)) = moment_of(stated, time(row), date(row)) else {
                refuse(raw, codes::NO_EVENT_TIME, "neither event_time nor event_date".to_owned());
                continue;
            };
            if self.is_out_of_use(kind, batch, raw, event_date) {
                refuse(raw, codes::AREA_NOT_IN_USE, format!("a code that was not in use on {event_date}"));
                continue;
            }
            let facility_id = facilities(row);
            let unknown = facility_id.is_some_and(|facility| !self.registers.facilities.contains_key(facility));
            let area_code =
                areas(row).and_then(|code| self.registers.today(code)).or_else(|| self.registers.area_of(facility_id?));
            let late = event_date < Day::of_micros(now).plus(-LATE_AFTER_DAYS);
            mapped.push(Mapped {
                raw: raw as usize,
                signal,
                unit_kind,
                unit_id,
                facility_id,
                area_code,
                event_time,
                event_date,
                value,
                denominator: denominator(row),
                person_key: persons(row),
                slot: slots(row),
                quality: flags(stated.quality.as_deref(), late, unknown),
            });
        }
        mapped
    }
}

/// When a row counts: as the mapping says, or at the report where the event lies in the future.
fn moment_of(stated: &Stated, time: Option<i64>, date: Option<Day>) -> Option<(i64, Day)> {
    let in_future = stated.quality.as_deref().is_some_and(|flags| flags.contains("future_time"));
    match if in_future { (stated.event_time, None) } else { (time, date) } {
        (Some(at), given) => Some((at, given.unwrap_or(Day::of_micros(at)))),
        (None, Some(day)) => Some((day.start_micros(), day)),
        (None, None) => stated.event_time.map(|at| (at, Day::of_micros(at))),
    }
}

/// The field that a mapping's refusal speaks of; most speak of the whole message.
fn pointer_of(kind: &Kind, code: crate::problem::Code) -> String {
    let area = kind.contract.area.as_ref().filter(|_| code == codes::AREA_NOT_IN_USE);
    area.map(|path| format!("/{}", path.text.replace('.', "/"))).unwrap_or_default()
}

/// The text of a field in one row of table `raw`.
fn text_at<'b>(raw: &'b RecordBatch, path: &FieldPath, row: usize) -> Option<&'b str> {
    let (first, rest) = path.steps.split_first()?;
    let mut column = raw.columns().get(*first)?;
    for step in rest {
        column = column.as_struct_opt()?.columns().get(*step)?;
    }
    column.as_string_opt::<i32>().filter(|texts| texts.is_valid(row)).map(|texts| texts.value(row))
}

/// The topic of a feed.
pub fn feed_topic(prefix: &str, feed: &str) -> String {
    format!("{prefix}.feed.{feed}.v1")
}

fn flags(stated: Option<&str>, late: bool, unknown_facility: bool) -> Option<String> {
    if stated.is_none() && !late && !unknown_facility {
        return None;
    }
    let mut flags: BTreeSet<&str> = stated.unwrap_or("").split(',').filter(|flag| !flag.is_empty()).collect();
    if late {
        flags.insert("late");
    }
    if unknown_facility {
        flags.insert("unknown_facility");
    }
    (!flags.is_empty()).then(|| flags.into_iter().collect::<Vec<_>>().join(","))
}

pub(super) fn unbuilt(error: impl std::fmt::Display) -> Box<Problem> {
    Problem::new(crate::problem::codes::log::FILE_NOT_ENCODED, "rows of an epoch", error.to_string())
}
