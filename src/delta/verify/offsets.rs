//! The offsets of all live files of `signals`: each partition's ranges follow one another.
//!
//! Promises: an overlap is always told; a gap is told unless its messages stand in quarantine or a person accepted it.

use std::collections::BTreeMap;
use std::path::Path;

use deltalake::kernel::Add;

use super::history::History;
use super::of_file;
use crate::delta::files::{known_of, ranges_of};
use crate::delta::log::offset_mark;
use crate::problem::{Problem, codes};
use crate::terms::Position;

/// Where ranges do not join. `accepted` names gaps as `gap/TOPIC/PARTITION/…`.
pub fn gaps(folder: &Path, live: &[&Add], refused: &[&Position], accepted: &[&str]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (place, mut ranges) in by_partition(live) {
        // An accepted gap may also step back, so nothing of that partition can be told by its offsets alone.
        if accepted
            .iter()
            .any(|name| name.strip_prefix("gap/").is_some_and(|rest| rest.starts_with(&format!("{place}/"))))
        {
            continue;
        }
        ranges.sort();
        for pair in ranges.windows(2) {
            let ((_, ended), (from, _)) = ((pair[0].1.0, pair[0].1.1), (pair[1].1.0, pair[1].1.1));
            let in_quarantine = refused.iter().any(|position| {
                (ended..from).contains(&position.offset)
                    && format!("{}/{}", position.topic, position.partition) == place
            });
            let found = match from.cmp(&ended) {
                std::cmp::Ordering::Less => format!("{place} begins at {from}, and an earlier file reaches {ended}"),
                std::cmp::Ordering::Greater if !in_quarantine => {
                    format!(
                        "{place} begins at {from}, and the file before it ends at {ended}; nothing in quarantine lies between"
                    )
                }
                std::cmp::Ordering::Greater | std::cmp::Ordering::Equal => continue,
            };
            problems.push(of_file(codes::log::OFFSETS_DO_NOT_JOIN, folder.join(&pair[1].2), found));
        }
    }
    problems
}

/// Files that reach further than the marks of their log.
pub fn behind(folder: &Path, history: &History, live: &[&Add]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for add in live {
        for (place, (_, to)) in ranges_of(add) {
            let Some((topic, partition)) = place.rsplit_once('/') else { continue };
            let mark = history.marks.get(&offset_mark(topic, partition.parse().unwrap_or(-1))).copied();
            if mark.is_none_or(|mark| mark < to) {
                let found = format!("rows of {place} up to {to}, and the log stands at {}", mark.unwrap_or(0));
                problems.push(of_file(codes::log::OFFSETS_DO_NOT_JOIN, folder.join(&add.path), found));
            }
        }
    }
    problems
}

type Ranges = Vec<(i64, (i64, i64), String)>;

/// The ranges of each partition with the first time and path of their file.
fn by_partition(live: &[&Add]) -> BTreeMap<String, Ranges> {
    let mut places: BTreeMap<String, Ranges> = BTreeMap::new();
    for add in live {
        let known = known_of(add).map_or(0, |(from, _)| from);
        for (place, range) in ranges_of(add) {
            places.entry(place).or_default().push((known, range, add.path.clone()));
        }
    }
    places
}
