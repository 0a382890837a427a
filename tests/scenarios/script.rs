//! Scenario files: where they stand, and what their first comments ask for.
//!
//! A comment `# key: value` before the first statement is a heading:
//! `schedules` (a comma list; all where it is absent), `feeds` and `rules` (a folder laid over the shipped ones),
//! `pack` (2021-CF where it is absent), `about` (rules; straight, all are in force, else these and what they need).

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use qianshao::consume::feed::{Feed, Feeds};
use sqllogictest::{DefaultColumnType, Record, parse_file};

use super::schedule::Schedule;

/// The edition whose rules apply where a scenario names none.
const PACK: &str = "2021-CF";
const FOLDERS: [&str; 5] = ["tests/scenarios", "rules", "schemas/feeds", "examples", "tests/data/feeds/gate"];

/// One file.
#[derive(Clone)]
pub struct Script {
    /// From the root of the project.
    pub name: String,
    pub path: PathBuf,
    pub records: Vec<Record<DefaultColumnType>>,
    headings: BTreeMap<String, String>,
}

impl Script {
    pub fn read(path: &Path) -> Self {
        let name = path.strip_prefix(root()).unwrap_or(path).to_string_lossy().into_owned();
        let text = std::fs::read_to_string(path).unwrap();
        let headings = text
            .lines()
            .take_while(|line| line.is_empty() || line.starts_with('#'))
            .filter_map(|line| line.strip_prefix("# ")?.split_once(": "))
            .map(|(key, value)| (key.to_owned(), value.trim().to_owned()))
            .collect();
        let records = parse_file(path).unwrap_or_else(|error| panic!("{name}: {error}"));
        Self { name, path: path.to_owned(), records, headings }
    }

    pub fn runs_under(&self, schedule: Schedule) -> bool {
        let Some(listed) = self.headings.get("schedules") else { return true };
        let named = |word: &str| Schedule::parse(word).unwrap_or_else(|| panic!("{}: schedule {word}", self.name));
        listed.split(", ").map(named).any(|named| named == schedule)
    }

    pub fn pack(&self) -> &str {
        self.headings.get("pack").map_or(PACK, String::as_str)
    }

    /// A feeds folder to lay over the shipped ones: the one named, or the one that the file stands in.
    pub fn feeds(&self) -> Option<PathBuf> {
        let named = self.headings.get("feeds").map(|folder| root().join(folder));
        let own = || (self.path.file_name()? == "proof.slt").then(|| self.path.ancestors().nth(3)).flatten();
        named.or_else(|| own().map(Path::to_owned)).filter(|folder| *folder != root().join("schemas/feeds"))
    }

    /// The feeds that the script sends to: planning the others' mappings would be most of a short scenario's time.
    pub fn sent_feeds(&self, feeds: &Feeds) -> Arc<Feeds> {
        let is_sent = |feed: &Feed| {
            let name = format!("{}/", feed.name);
            self.records.iter().any(|record| matches!(record, Record::Statement { sql, .. } if sql.contains(&name)))
        };
        Arc::new(Feeds { feeds: feeds.feeds.iter().filter(|feed| is_sent(feed)).cloned().collect() })
    }

    /// The rules that the file is about: those of its heading `about`, the one it stands beside, none beside a feed.
    /// Planning the others at every tick would be most of its time. `None` for all.
    pub fn subject(&self) -> Option<Vec<&str>> {
        let stem = self.path.file_stem()?.to_str()?;
        match (self.headings.get("about"), stem) {
            (Some(listed), _) => Some(listed.split(", ").collect()),
            (None, "proof") => Some(Vec::new()),
            (None, rule) => self.name.starts_with("rules/").then(|| vec![rule]),
        }
    }

    pub fn rules(&self) -> Option<PathBuf> {
        self.headings.get("rules").map(|folder| root().join(folder))
    }
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Every scenario, in the order of the names.
pub fn scripts() -> Vec<Script> {
    let mut paths = Vec::new();
    FOLDERS.iter().for_each(|folder| collect(&root().join(folder), &mut paths));
    paths.sort();
    paths.iter().map(|path| Script::read(path)).collect()
}

fn collect(folder: &Path, paths: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, paths);
        } else if path.extension().is_some_and(|extension| extension == "slt") {
            paths.push(path);
        }
    }
}
