//! `qianshao offsets`: where the log stands in every partition; and, asked twice, the acceptance of a gap.
//!
//! Never: moves an offset that was not asked for by name, or without a row that says who lost what.

use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::say;
use crate::clock::{Clock, WallClock};
use crate::delta::delta_log::DeltaLog;
use crate::delta::log::{Append, Appended, Head, Log, offset_mark, witness_mark};
use crate::delta::reference::{CLASS_AUDIT, Text, put_in_force};
use crate::delta::repair::offsets;
use crate::delta::tables::Table;
use crate::problem::{Problem, Result, codes};
use crate::terms::local_text;

#[derive(Args)]
pub struct Offsets {
    #[arg(long)]
    state: PathBuf,
    /// TOPIC/PARTITION=OFFSET: go on there, giving up what lies between. 接受缺口
    #[arg(long)]
    accept_gap: Option<String>,
    /// The words that the first call asked for. 第二次确认
    #[arg(long)]
    confirm: Option<String>,
}

pub async fn run(wanted: &Offsets) -> Result<bool> {
    let clock: Arc<dyn Clock> = Arc::new(WallClock);
    let log = DeltaLog::open(&wanted.state, clock.clone()).await?;
    let head = log.head(Table::Signals).await?;
    let Some(gap) = &wanted.accept_gap else {
        let quarantine = offsets(&log.head(Table::Quarantine).await?);
        for (partition, next) in offsets(&head) {
            let bad = quarantine.get(&partition).map_or_else(|| "-".to_owned(), i64::to_string);
            say(&format!("{}/{}  next {next}  quarantine {bad}", partition.0, partition.1));
        }
        say(&format!("version {}  clock {}", head.version, local_text(head.clock)));
        return Ok(true);
    };
    accept(&log, &*clock, &head, gap, wanted.confirm.as_deref()).await
}

async fn accept(log: &DeltaLog, clock: &dyn Clock, head: &Head, gap: &str, confirm: Option<&str>) -> Result<bool> {
    let shape = || {
        Problem::new(codes::ARGUMENT, "--accept-gap", gap)
            .help("TOPIC/PARTITION=OFFSET, as `qianshao offsets` and the log message show them")
    };
    let (place, offset) = gap.split_once('=').ok_or_else(shape)?;
    let (topic, partition) = place.rsplit_once('/').ok_or_else(shape)?;
    let (partition, offset): (i32, i64) =
        (partition.parse().map_err(|_| shape())?, offset.parse().map_err(|_| shape())?);
    let stands = head.marks.get(&offset_mark(topic, partition)).copied();
    let words = match stands {
        Some(at) if offset >= at => format!("give up {} messages of {place}", offset - at),
        Some(at) => format!("read {place} again from {offset} although {at} were read"),
        None => format!("begin {place} at {offset}"),
    };
    if confirm != Some(words.as_str()) {
        say(&format!("this would: {words}\nask again with: --accept-gap {gap} --confirm '{words}'"));
        return Ok(false);
    }
    let known_at = head.next_known_at(clock.now());
    let append = Append {
        rows: arrow::array::RecordBatch::new_empty(Table::Signals.schema_unstamped()),
        known_at,
        marks: [
            (offset_mark(topic, partition), offset),
            // Nobody has seen what stands before the new offset.
            (witness_mark(topic, partition), 0),
            (crate::delta::commit::MARK_CLOCK.to_owned(), known_at.micros()),
        ]
        .into(),
        ranges: Default::default(),
    };
    // The audit row first: an accepted gap that nobody can find later would be a silent loss.
    let audit = Text {
        class: CLASS_AUDIT.to_owned(),
        name: format!("gap/{place}/{}", known_at.micros()),
        body: format!("{words}; stood at {stands:?}; accepted {}", local_text(clock.now())),
    };
    put_in_force(log, clock, &[], &[audit]).await?;
    match log.append(Table::Signals, head, append).await {
        Appended::Now(_) => {
            say(&format!("done: {words}; a running serve takes it up when it is started again"));
            Ok(true)
        }
        Appended::Refused | Appended::Unknown(_) => {
            Err(Problem::new(codes::log::COMMIT_GAVE_UP, place, "the log moved meanwhile; look again"))
        }
    }
}
