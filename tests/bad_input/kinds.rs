//! The kinds of bad input that `tests/bad_input.ndjson` declares, each with its fate.

use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

/// What must be declared at least once: the list of the specification, word by word.
pub const WORDS: [&str; 26] = [
    "invalid UTF-8",
    "GBK bytes",
    "BOM",
    "NUL",
    "10 MB JSON",
    "10⁶-deep nesting",
    "10⁵ keys",
    "duplicate keys",
    "NaN",
    "Infinity",
    "1e400",
    "2⁶³",
    "−0",
    "fullwidth digits \"１２\"",
    "lone surrogate",
    "wrong types",
    "arrays for scalars",
    "dates 0000/9999/02-30",
    "future +2 h/+2 y",
    "unknown or abolished area code",
    "empty payload",
    "tombstone",
    "huge headers",
    "compressed bombs (zstd/gzip 1:1000)",
    "control/bidi characters",
    "SQL/HTML/CSV-formula text",
];

/// What becomes of a message.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq, PartialOrd, Ord)]
#[serde(rename_all = "snake_case")]
pub enum Fate {
    /// It has rows in `signals`, and they count.
    Signal,
    /// It has rows that say `out_of_range`; no rule sees them.
    Flagged,
    /// It has rows, and repeats an earlier message.
    Duplicate,
    /// It has a row in `quarantine` and none elsewhere.
    Quarantine,
}

/// One line of the file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Kind {
    pub kind: String,
    /// One sentence.
    pub what: String,
    /// Of [`WORDS`].
    pub words: Vec<String>,
    pub feed: String,
    pub contract: String,
    pub fate: Fate,
    pub reason: Option<String>,
    pub pointer: Option<String>,
    /// Flags of the rows.
    pub quality: Option<String>,
    /// See `tests/bad_input/wording.rs`.
    pub message: Map<String, Value>,
}

pub fn kinds() -> Vec<Kind> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bad_input.ndjson");
    let text = std::fs::read_to_string(path).unwrap();
    let read = |(line, text): (usize, &str)| {
        serde_json::from_str(text).unwrap_or_else(|error| panic!("tests/bad_input.ndjson:{}: {error}", line + 1))
    };
    text.lines().enumerate().map(read).collect()
}
