//! Feeds are folders: `<feed>/<kind>/contract.json` and its neighbours, read at run time.
//!
//! Promises: the shipped feeds are inside the binary and used where no folder is given; folders are read in the order
//! of their names. Never: knows a feed by name.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use include_dir::{Dir, include_dir};

use crate::problem::codes::{self, folder};
use crate::problem::{Problem, Result};

use super::contract::Contract;
use super::plan::{ObjectRule, Shape};

static SHIPPED: Dir<'_> = include_dir!("$CARGO_MANIFEST_DIR/schemas/feeds");

/// Every feed, by name.
#[derive(Clone, Debug, Default)]
pub struct Feeds {
    pub feeds: Vec<Feed>,
}

/// One reporting channel.
#[derive(Clone, Debug)]
pub struct Feed {
    pub name: String,
    pub kinds: Vec<Arc<Kind>>,
}

/// One kind of message of a feed.
#[derive(Debug)]
pub struct Kind {
    pub feed: String,
    pub name: String,
    pub contract: Contract,
    /// The contract's text, as it is put in force.
    pub contract_json: String,
    pub normalize_sql: String,
    /// Examples that must be accepted, one JSON object a line.
    pub good: String,
    /// Examples that must be rejected, with what is expected.
    pub bad: String,
}

impl Feeds {
    /// The feeds of `dir`, or the shipped ones.
    pub fn load(dir: Option<&Path>) -> Result<Self, Vec<Problem>> {
        let folders = match dir {
            Some(dir) => folders_on_disk(dir).map_err(|problem| vec![*problem])?,
            None => shipped_folders(),
        };
        let mut problems = Vec::new();
        let mut feeds = Self::default();
        for (feed, kinds) in folders {
            let kinds = kinds.into_iter().map(|(kind, files)| Kind::read(&feed, &kind, &files));
            let mut read = Vec::new();
            for kind in kinds {
                match kind {
                    Ok(kind) => read.push(Arc::new(kind)),
                    Err(found) => problems.extend(found),
                }
            }
            problems.extend(shared_names(&feed, &read));
            feeds.feeds.push(Feed { name: feed, kinds: read });
        }
        if problems.is_empty() { Ok(feeds) } else { Err(problems) }
    }

    pub fn get(&self, name: &str) -> Option<&Feed> {
        self.feeds.iter().find(|feed| feed.name == name)
    }
}

impl Feed {
    /// Is this a key that some contract of the feed knows, at any level?
    pub fn knows_key(&self, key: &str) -> bool {
        self.kinds.iter().any(|kind| knows(&kind.contract.root, key))
    }
}

fn knows(object: &ObjectRule, key: &str) -> bool {
    object.find(key, 0).is_some()
        || object.fields.iter().any(|field| match &field.shape {
            Shape::Object(inner) => knows(inner, key),
            Shape::List { item, .. } => matches!(&**item, Shape::Object(inner) if knows(inner, key)),
            Shape::Map(value) => matches!(&**value, Shape::Object(inner) if knows(inner, key)),
            Shape::Text(_)
            | Shape::Identifier(_)
            | Shape::Integer(_)
            | Shape::Number(_)
            | Shape::Boolean
            | Shape::Day
            | Shape::Instant => false,
        })
}

/// The text files of a kind by name.
pub type Files = BTreeMap<String, String>;

impl Kind {
    /// Reads one kind from the files of its folder; examples may be absent here, `feed check` asks for them.
    pub fn read(feed: &str, kind: &str, files: &Files) -> Result<Self, Vec<Problem>> {
        let at = format!("{feed}/{kind}");
        for name in [feed, kind] {
            if !is_plain_name(name) {
                return Err(vec![*Problem::new(folder::FOLDER, at, format!("the name {name}"))]);
            }
        }
        let file = |name: &str| {
            let found = format!("no {name}");
            files.get(name).cloned().ok_or_else(|| vec![*Problem::new(folder::FILE_MISSING, &at, found)])
        };
        let contract_json = file("contract.json")?;
        let contract = Contract::parse(&format!("{at}/contract.json"), &contract_json)?;
        Ok(Self {
            feed: feed.to_owned(),
            name: kind.to_owned(),
            contract,
            contract_json,
            normalize_sql: file("normalize.sql")?,
            good: files.get("good.ndjson").cloned().unwrap_or_default(),
            bad: files.get("bad.ndjson").cloned().unwrap_or_default(),
        })
    }
}

/// A name that may stand in a topic, a path and a column.
fn is_plain_name(name: &str) -> bool {
    name.starts_with(|c: char| c.is_ascii_lowercase())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// Two kinds of a feed must be told apart by type and by key.
pub fn shared_names(feed: &str, kinds: &[Arc<Kind>]) -> Vec<Problem> {
    let mut problems = Vec::new();
    for (index, kind) in kinds.iter().enumerate() {
        for other in &kinds[index + 1..] {
            let at = format!("{feed}/{}, {feed}/{}", kind.name, other.name);
            if kind.contract.ce_type == other.contract.ce_type {
                problems.push(*Problem::new(folder::NAME_TAKEN, &at, format!("x-ce-type {}", kind.contract.ce_type)));
            }
            for (one, two) in [(kind, other), (other, kind)] {
                let key = &one.contract.unique_key;
                if two.contract.root.find(key, 0).is_some() {
                    let help = "let x-unique-key be a field that no other kind of the feed has";
                    problems.push(*Problem::new(folder::NAME_TAKEN, &at, format!("x-unique-key {key}")).help(help));
                }
            }
        }
    }
    problems
}

type Folders = BTreeMap<String, BTreeMap<String, Files>>;

fn shipped_folders() -> Folders {
    let mut folders = Folders::new();
    for feed in SHIPPED.dirs() {
        for kind in feed.dirs() {
            let files = kind.files().filter_map(|file| Some((last(file.path()), file.contents_utf8()?.to_owned())));
            folders.entry(last(feed.path())).or_default().insert(last(kind.path()), files.collect());
        }
    }
    folders
}

fn folders_on_disk(dir: &Path) -> Result<Folders> {
    let mut folders = Folders::new();
    for feed in subfolders(dir)? {
        let kinds = folders.entry(last(&feed)).or_default();
        for kind in subfolders(&feed)? {
            kinds.insert(last(&kind), files_of(&kind)?);
        }
    }
    Ok(folders)
}

/// The text files of a folder; a file that is no UTF-8 counts as absent.
pub fn files_of(dir: &Path) -> Result<Files> {
    let mut files = Files::new();
    for path in listing(dir)?.into_iter().filter(|path| path.is_file()) {
        let bytes = std::fs::read(&path).map_err(|error| unreadable(&path, &error))?;
        if let Ok(text) = String::from_utf8(bytes) {
            files.insert(last(&path), text);
        }
    }
    Ok(files)
}

/// The folders in `dir`, by name; those that begin with a dot are nobody's feed.
pub fn subfolders(dir: &Path) -> Result<Vec<PathBuf>> {
    Ok(listing(dir)?.into_iter().filter(|path| path.is_dir() && !last(path).starts_with('.')).collect())
}

fn listing(dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = std::fs::read_dir(dir).map_err(|error| unreadable(dir, &error))?;
    let mut paths = Vec::new();
    for entry in entries {
        paths.push(entry.map_err(|error| unreadable(dir, &error))?.path());
    }
    paths.sort();
    Ok(paths)
}

fn unreadable(path: &Path, error: &std::io::Error) -> Box<Problem> {
    Problem::new(codes::IO, path.display().to_string(), error.to_string())
}

/// The last part of a path, as text.
pub fn last(path: &Path) -> String {
    path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_feeds_load() {
        let feeds = Feeds::load(None).unwrap();
        assert!(feeds.feeds.iter().all(|feed| !feed.kinds.is_empty()));
    }

    #[test]
    fn a_feed_is_a_folder() {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/feeds/decoder");
        let feeds = Feeds::load(Some(&dir)).unwrap();
        let names: Vec<_> = feeds.feeds[0].kinds.iter().map(|kind| kind.name.as_str()).collect();
        assert_eq!(names, ["everything", "tally"]);
        assert!(feeds.feeds[0].knows_key("temp_c"));
        assert!(!feeds.feeds[0].knows_key("nickname"));
    }
}
