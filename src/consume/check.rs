//! `qianshao feed check DIR`: what is wrong with a feed folder, file by file, line by line.
//!
//! Promises: a folder without a finding can be loaded, its good examples are accepted and its bad ones rejected for
//! the stated reason. Never: runs SQL; `check_mapping` does.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::problem::codes::folder;
use crate::problem::{Problem, Result};
use crate::terms::{Day, Position};

use super::decode::{Context, decode};
use super::feed::{Feed, Kind, files_of, last, shared_names, subfolders};
use super::identity::{Algorithm, Pseudonyms, unhex};
use super::message::{Message, Rejected};

const FILES: [&str; 5] = ["contract.json", "normalize.sql", "good.ndjson", "bad.ndjson", "proof.slt"];

/// The clock at which examples are judged: later than any of them.
pub(super) const JUDGED_ON: Day = Day(365 * 62);

/// Checks a folder of feeds, one feed, or one kind.
pub fn check_folder(dir: &Path, known_area: &dyn Fn(&str) -> bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    let feeds = match feed_folders(dir) {
        Ok(feeds) => feeds,
        Err(problem) => return vec![*problem],
    };
    if feeds.is_empty() {
        problems.push(*Problem::new(folder::FOLDER, dir.display().to_string(), "no contract.json in it or below"));
    }
    for (feed, kinds) in feeds {
        let mut read = Vec::new();
        for kind in kinds {
            match read_kind(&feed, &kind) {
                Ok(kind) => read.push(Arc::new(kind)),
                Err(found) => problems.extend(found),
            }
        }
        problems.extend(shared_names(&feed, &read));
        let feed = Feed { name: feed, kinds: read };
        for kind in &feed.kinds {
            problems.extend(check_examples(&feed, kind, known_area));
        }
    }
    problems
}

/// Feed names with the folders of their kinds, whichever of the three levels `dir` is.
pub(super) fn feed_folders(dir: &Path) -> Result<Vec<(String, Vec<PathBuf>)>> {
    let is_kind = |path: &Path| path.join("contract.json").is_file();
    if is_kind(dir) {
        let parent = dir.canonicalize().ok().and_then(|path| path.parent().map(last)).unwrap_or_default();
        return Ok(vec![(parent, vec![dir.to_path_buf()])]);
    }
    let below = subfolders(dir)?;
    if below.iter().any(|path| is_kind(path)) {
        let name = dir.canonicalize().map(|path| last(&path)).unwrap_or_else(|_| last(dir));
        return Ok(vec![(name, below)]);
    }
    below.iter().map(|feed| Ok((last(feed), subfolders(feed)?))).collect()
}

pub(super) fn read_kind(feed: &str, dir: &Path) -> Result<Kind, Vec<Problem>> {
    let files = files_of(dir).map_err(|problem| vec![*problem])?;
    let name = dir.canonicalize().map(|path| last(&path)).unwrap_or_else(|_| last(dir));
    let mut problems = Vec::new();
    for file in FILES {
        if files.get(file).is_none_or(|text| text.trim().is_empty()) {
            problems.push(*Problem::new(
                folder::FILE_MISSING,
                format!("{feed}/{name}"),
                format!("no {file}, or empty"),
            ));
        }
    }
    match Kind::read(feed, &name, &files) {
        Ok(kind) if problems.is_empty() => Ok(kind),
        Ok(_) => Err(problems),
        Err(found) => {
            // Absent files have been told already.
            problems.extend(found.into_iter().filter(|problem| problem.code != folder::FILE_MISSING));
            Err(problems)
        }
    }
}

/// One line of bad.ndjson.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct BadLine<'a> {
    expect: String,
    pointer: Option<String>,
    #[serde(borrow)]
    message: Option<&'a RawValue>,
    raw: Option<String>,
    /// Bytes that JSON cannot hold.
    raw_hex: Option<String>,
}

fn check_examples(feed: &Feed, kind: &Kind, known_area: &dyn Fn(&str) -> bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (number, line) in lines(&kind.good) {
        let at = format!("{}/{}/good.ndjson:{number}", kind.feed, kind.name);
        match judge(feed, line.as_bytes(), known_area) {
            Ok(found) if found == kind.name => {}
            Ok(found) => problems.push(*Problem::new(folder::GOOD_REJECTED, at, format!("a message of kind {found}"))),
            Err(rejected) => {
                let found = format!("{} at {:?}: {}", rejected.code.reason, rejected.pointer, rejected.found);
                problems.push(*Problem::new(folder::GOOD_REJECTED, at, found).help(rejected.help));
            }
        }
    }
    for (number, line) in lines(&kind.bad) {
        let at = format!("{}/{}/bad.ndjson:{number}", kind.feed, kind.name);
        problems.extend(check_bad(feed, line, &at, known_area).err().map(|problem| *problem));
    }
    problems
}

fn check_bad(feed: &Feed, line: &str, at: &str, known_area: &dyn Fn(&str) -> bool) -> Result<()> {
    let bad: BadLine<'_> =
        serde_json::from_str(line).map_err(|error| Problem::new(folder::EXAMPLE_LINE, at, error.to_string()))?;
    let payload = match (&bad.message, &bad.raw, bad.raw_hex.as_deref().map(unhex)) {
        (Some(message), None, None) => message.get().as_bytes().to_vec(),
        (None, Some(raw), None) => raw.as_bytes().to_vec(),
        (None, None, Some(Some(bytes))) => bytes,
        _ => return Err(Problem::new(folder::EXAMPLE_LINE, at, "not exactly one of message, raw and raw_hex")),
    };
    match judge(feed, &payload, known_area) {
        Ok(kind) => Err(Problem::new(folder::BAD_ACCEPTED, at, format!("accepted as {kind}"))),
        Err(rejected) => {
            let reason = rejected.code.reason == bad.expect;
            let pointer = bad.pointer.as_ref().is_none_or(|pointer| *pointer == rejected.pointer);
            if reason && pointer {
                return Ok(());
            }
            let found = format!("{} at {:?}", rejected.code.reason, rejected.pointer);
            Err(Problem::new(folder::BAD_OTHERWISE, at, found))
        }
    }
}

pub(super) fn lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines().enumerate().map(|(index, line)| (index + 1, line)).filter(|(_, line)| !line.trim().is_empty())
}

/// The kind that accepts a payload, or why none does.
fn judge(feed: &Feed, payload: &[u8], known_area: &dyn Fn(&str) -> bool) -> Result<String, Box<Rejected>> {
    let now = JUDGED_ON.start_micros();
    let message = Message {
        position: Position { topic: Arc::from("examples"), partition: 0, offset: 0 },
        timestamp: Some(now),
        key: None,
        headers: Vec::new(),
        payload: Some(payload.to_vec()),
    };
    // Examples are invented; their tokens are thrown away.
    let pseudonyms = Pseudonyms::from_bytes(b"the key of examples, used nowhere", Algorithm::Sha256);
    let context = Context { pseudonyms: &pseudonyms, known_area, now };
    let (decoded, rejected) = decode(feed, &[message], &context);
    match (decoded.first(), rejected.into_iter().next()) {
        (Some(decoded), _) => Ok(decoded.kind.name.clone()),
        (None, Some(rejected)) => Err(Box::new(rejected)),
        // The decoder asserts that a message ends in one of the two.
        (None, None) => Ok(String::new()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sample() -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/feeds/decoder")
    }

    fn copy_of_sample() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        for kind in ["everything", "tally"] {
            let to = dir.path().join("sample").join(kind);
            std::fs::create_dir_all(&to).unwrap();
            for (name, text) in files_of(&sample().join("sample").join(kind)).unwrap() {
                std::fs::write(to.join(name), text).unwrap();
            }
        }
        dir
    }

    fn edit(dir: &Path, file: &str, from: &str, to: &str) {
        let path = dir.join("sample").join(file);
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(from));
        std::fs::write(path, text.replacen(from, to, 1)).unwrap();
    }

    #[test]
    fn a_good_folder_has_no_finding_at_any_level() {
        for below in ["", "sample", "sample/tally"] {
            assert_eq!(check_folder(&sample().join(below), &|_| true), [], "{below}");
        }
    }

    #[test]
    fn the_shipped_feeds_pass_their_own_check() {
        let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas");
        let mut areas = csv::Reader::from_path(schemas.join("codes/areas.csv")).unwrap();
        let codes: Vec<String> = areas.records().map(|record| record.unwrap()[0].to_owned()).collect();
        let told: Vec<String> = check_folder(&schemas.join("feeds"), &|code| codes.iter().any(|known| known == code))
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(told.is_empty(), "{}", told.join("\n"));
    }

    #[test]
    fn every_fault_of_a_folder_is_told_with_its_place() {
        let dir = copy_of_sample();
        edit(dir.path(), "everything/good.ndjson", "F1", "f1");
        edit(dir.path(), "everything/bad.ndjson", "cut_off", "not_json");
        edit(dir.path(), "tally/bad.ndjson", "2021-02-30", "2021-02-28");
        let found = check_folder(dir.path(), &|_| true);
        let told: Vec<_> = found.iter().map(|problem| (problem.code.id, problem.at.as_str())).collect();
        assert_eq!(
            told,
            [
                ("QS-F011", "sample/everything/good.ndjson:1"),
                ("QS-F013", "sample/everything/bad.ndjson:3"),
                ("QS-F012", "sample/tally/bad.ndjson:1"),
            ]
        );
        std::fs::remove_file(dir.path().join("sample/tally/proof.slt")).unwrap();
        edit(dir.path(), "everything/contract.json", "\"x-zh\": \"流水号\"", "\"allOf\": []");
        let found = check_folder(dir.path(), &|_| true);
        assert!(found.iter().any(|problem| problem.code == folder::FILE_MISSING));
        assert!(
            found.iter().any(|problem| problem.code == folder::KEYWORD && problem.at.ends_with("contract.json:22:96"))
        );
    }

    #[test]
    fn an_empty_folder_is_told() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(check_folder(dir.path(), &|_| true)[0].code, folder::FOLDER);
    }
}
