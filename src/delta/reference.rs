//! Registers, code lists, packs and rules as rows: what was in force at any moment can be asked.
//!
//! Promises: a text is stored when its digest changes and not otherwise; as of T means the newest text known by T.

use std::path::Path;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch, StringArray};
use arrow::compute::filter_record_batch;
use async_trait::async_trait;

use super::commit::{Committed, append_once};
use super::files::{self, known_at_of};
use super::log::{Append, Appended, Head, Log};
use super::tables::Table;
use crate::clock::Clock;
use crate::problem::{Problem, Result, codes};
use crate::terms::KnownAt;

pub use super::edition::{ADJACENCY, CLASS_AUDIT, Edition, Text};

/// The texts in force as of `until`.
pub async fn edition(log: &dyn Log, until: i64) -> Result<Edition> {
    let mut edition = Edition::default();
    for batch in log.read(Table::Reference, i64::MIN, until).await? {
        let texts = |name: &str| batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
        let (Some(classes), Some(names), Some(bodies), Some(known)) =
            (texts("class"), texts("name"), texts("body"), known_at_of(&batch))
        else {
            return Err(Problem::new(codes::log::FILE_NOT_DECODED, "table reference", "a column is missing"));
        };
        for row in 0..batch.num_rows() {
            edition.known_at = edition.known_at.max(known.value(row));
            edition
                .texts
                .insert((classes.value(row).to_owned(), names.value(row).to_owned()), bodies.value(row).to_owned());
        }
    }
    Ok(edition)
}

/// What must be written to make `wanted` the texts in force for `classes`; an empty body withdraws.
pub fn difference(now: &Edition, classes: &[&str], wanted: &[Text]) -> Vec<Text> {
    let mut changed: Vec<Text> = wanted
        .iter()
        .filter(|text| now.texts.get(&(text.class.clone(), text.name.clone())) != Some(&text.body))
        .cloned()
        .collect();
    for ((class, name), body) in &now.texts {
        let gone = classes.contains(&class.as_str())
            && !body.is_empty()
            && !wanted.iter().any(|text| text.class == *class && text.name == *name);
        if gone {
            changed.push(Text { class: class.clone(), name: name.clone(), body: String::new() });
        }
    }
    changed
}

/// Makes `wanted` the texts in force for its classes, writing only what differs. Answers whether anything did.
pub async fn put_in_force(log: &dyn Log, clock: &dyn Clock, classes: &[&str], wanted: &[Text]) -> Result<bool> {
    let changed = difference(&edition(log, i64::MAX).await?, classes, wanted);
    if changed.is_empty() {
        return Ok(false);
    }
    let version = log.head(Table::Reference).await?.version as i64 + 1;
    let rows = rows_of(&changed)?;
    let committed = append_once(log, clock, Table::Reference, rows, &[("edition", version)], 0, None).await?;
    Ok(matches!(committed, Committed::Now(_)))
}

/// A log as if `texts` had come into force at one moment. Nothing can be written to it.
pub struct Proposed<'a> {
    log: &'a dyn Log,
    texts: Vec<RecordBatch>,
    known_at: KnownAt,
    /// Classes of which only these texts are seen.
    replaced: Vec<String>,
}

impl<'a> Proposed<'a> {
    pub fn new(log: &'a dyn Log, texts: &[Text], known_at: KnownAt) -> Result<Self> {
        let file =
            files::encode(Table::Reference, &rows_of(texts)?, known_at, &files::Ranges::new(), known_at.micros())?;
        let texts = files::decode(Table::Reference, file.bytes, known_at.day(), i64::MIN, i64::MAX)?;
        Ok(Self { log, texts, known_at, replaced: Vec::new() })
    }

    /// As if `texts` had been in force from the log's first text on, in place of all others of these classes.
    pub async fn instead(log: &'a dyn Log, texts: &[Text], classes: &[&str]) -> Result<Self> {
        let stored = log.read(Table::Reference, i64::MIN, i64::MAX).await?;
        let known = stored.iter().filter_map(known_at_of).flat_map(|known| known.values().to_vec());
        let texts: Vec<Text> = texts.iter().filter(|text| classes.contains(&text.class.as_str())).cloned().collect();
        let proposed = Self::new(log, &texts, KnownAt(known.min().unwrap_or(1)))?;
        Ok(Self { replaced: classes.iter().map(|class| (*class).to_owned()).collect(), ..proposed })
    }

    /// The rows of a stored batch that are seen.
    fn seen(&self, stored: &RecordBatch) -> Result<RecordBatch> {
        let classes = stored.column_by_name("class").and_then(|column| column.as_string_opt::<i32>());
        let Some(classes) = classes.filter(|_| !self.replaced.is_empty()) else { return Ok(stored.clone()) };
        let is_seen =
            |class: Option<&str>| Some(class.is_none_or(|class| !self.replaced.iter().any(|gone| gone == class)));
        filter_record_batch(stored, &classes.iter().map(is_seen).collect())
            .map_err(|error| Problem::new(codes::log::FILE_NOT_DECODED, "table reference", error.to_string()))
    }
}

#[async_trait]
impl Log for Proposed<'_> {
    fn scratch(&self) -> Option<&Path> {
        self.log.scratch()
    }

    async fn head(&self, table: Table) -> Result<Head> {
        let head = self.log.head(table).await?;
        let clock = if table == Table::Reference { head.clock.max(self.known_at.micros()) } else { head.clock };
        Ok(Head { clock, ..head })
    }

    async fn append(&self, _: Table, _: &Head, _: Append) -> Appended {
        Appended::Refused
    }

    async fn read(&self, table: Table, after: i64, until: i64) -> Result<Vec<RecordBatch>> {
        let mut rows = self.log.read(table, after, until).await?;
        let at = self.known_at.micros();
        if table == Table::Reference {
            rows = rows.iter().map(|stored| self.seen(stored)).collect::<Result<_>>()?;
            rows.extend(self.texts.iter().filter(|_| at > after && at <= until).cloned());
        }
        Ok(rows)
    }
}

fn rows_of(texts: &[Text]) -> Result<RecordBatch> {
    let column = |of: fn(&Text) -> String| Arc::new(StringArray::from_iter_values(texts.iter().map(of)));
    let columns: Vec<arrow::array::ArrayRef> = vec![
        column(|text| text.class.clone()),
        column(|text| text.name.clone()),
        column(Text::digest),
        column(|text| text.body.clone()),
    ];
    RecordBatch::try_new(Table::Reference.schema_unstamped(), columns)
        .map_err(|error| Problem::new(codes::log::FILE_NOT_ENCODED, "table reference", error.to_string()))
}
