//! The second half of `qianshao feed check DIR`: `normalize.sql` is planned, and the good examples go through it.
//!
//! Promises: a mapping without a finding can be served: its SQL plans, it gives the columns that are needed, and every
//! good example ends as at least one signal.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;

use super::check::{JUDGED_ON, feed_folders, lines, read_kind};
use super::epoch_rows::{Intake, feed_topic};
use super::feed::{Feed, Feeds, Kind};
use super::identity::{Algorithm, Pseudonyms};
use super::message::Message;
use super::seal::Sealer;
use super::source::Epoch;
use crate::delta::reference::Edition;
use crate::problem::codes::folder;
use crate::problem::{Problem, Result};
use crate::terms::Position;

/// Examples are invented; their tokens are thrown away.
const KEY: &[u8; 32] = b"the key of examples used nowhere";
const PREFIX: &str = "examples";

/// Checks the mappings of a folder whose contracts are fine; one kind's mistake hides no other's.
pub async fn check_mappings(dir: &Path, edition: &Edition) -> Vec<Problem> {
    let Ok(folders) = feed_folders(dir) else { return Vec::new() };
    let mut problems = Vec::new();
    for (feed, kinds) in folders {
        for kind in kinds.iter().filter_map(|kind| read_kind(&feed, kind).ok()) {
            match check(kind, edition).await {
                Ok(found) => problems.extend(found),
                Err(problem) => problems.push(*problem),
            }
        }
    }
    problems
}

async fn check(kind: Kind, edition: &Edition) -> Result<Vec<Problem>> {
    let at = format!("{}/{}/good.ndjson", kind.feed, kind.name);
    let topic = feed_topic(PREFIX, &kind.feed);
    let messages: Vec<Message> =
        lines(&kind.good).map(|(number, line)| example(&topic, number as i64, line.as_bytes())).collect();
    let feeds = Feeds { feeds: vec![Feed { name: kind.feed.clone(), kinds: vec![Arc::new(kind)] }] };
    let pseudonyms = Arc::new(Pseudonyms::from_bytes(KEY, Algorithm::Sha256));
    let intake = Intake::new(Arc::new(feeds), edition, pseudonyms, Arc::new(Sealer::from_bytes(KEY)), PREFIX).await?;
    let ranges = BTreeMap::from([((topic, 0), (0, messages.len() as i64 + 1))]);
    let epoch = Epoch { messages, ranges, ..Epoch::default() };
    let rows = intake.rows(&epoch, &BTreeSet::new(), JUDGED_ON.start_micros()).await?;
    let texts = |name: &str| rows.quarantine.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
    let offsets = rows.quarantine.column_by_name("offset").and_then(|column| column.as_primitive_opt::<Int64Type>());
    let (Some(offsets), Some(reasons), Some(found), Some(help)) =
        (offsets, texts("reason"), texts("found"), texts("help"))
    else {
        return Ok(Vec::new());
    };
    let problem = |row: usize| {
        let found = format!("{}: {}", reasons.value(row), found.value(row));
        *Problem::new(folder::GOOD_REJECTED, format!("{at}:{}", offsets.value(row)), found).help(help.value(row))
    };
    Ok((0..rows.quarantine.num_rows()).map(problem).collect())
}

/// A line as a message whose offset is the line's number.
fn example(topic: &str, number: i64, line: &[u8]) -> Message {
    Message {
        position: Position { topic: topic.into(), partition: 0, offset: number },
        timestamp: Some(JUDGED_ON.start_micros()),
        key: None,
        headers: Vec::new(),
        payload: Some(line.to_vec()),
    }
}
