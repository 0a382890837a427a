//! What stands in texts, as tables: rules, feeds; and views that `\dt` lists among the tables.
//!
//! Promises: one row a text in force, by pack and rule, by feed and kind.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int64Array, RecordBatch, StringArray, TimestampMicrosecondArray};
use arrow::datatypes::{Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::datasource::TableType;
use datafusion::logical_expr::{Expr, LogicalPlan};
use serde_json::Value;

use super::edition::{RuleText, Texts};
use crate::cells::meanings::CLASS_FEED;
use crate::delta::tables::UTC;
use crate::engine::Scan;
use crate::problem::{Problem, Result, codes};

/// Header lines that are columns of `rules`.
const HEADER_TEXTS: [&str; 9] =
    ["zh", "en", "severity", "scope", "kind", "valid_from", "valid_to", "audience", "cites"];
const HEADER_NUMBERS: [&str; 3] = ["verify_hours", "gap_days", "history_days"];

/// Table `rules`: every rule of every pack, with its text.
pub fn rules(texts: &Texts) -> Result<RecordBatch> {
    let rules: Vec<RuleText> = texts.rules().collect();
    let text = |of: &dyn Fn(&RuleText) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter(rules.iter().map(of).map(|value| (!value.is_empty()).then_some(value))))
    };
    let mut columns: Vec<(&str, ArrayRef)> =
        vec![("pack", text(&|rule| rule.pack.to_owned())), ("id", text(&|rule| rule.id.to_owned()))];
    for key in HEADER_TEXTS {
        columns.push((key, text(&|rule| rule.header(key).to_owned())));
    }
    for key in HEADER_NUMBERS {
        let numbers: Int64Array = rules.iter().map(|rule| rule.header(key).parse::<i64>().ok()).collect();
        columns.push((key, Arc::new(numbers)));
    }
    columns.push(("needs", text(&|rule| rule.header("needs").to_owned())));
    columns.push(("sql", text(&|rule| rule.text.body.clone())));
    columns.push(("digest", text(&|rule| rule.text.digest.clone())));
    columns.push(("known_at", times(rules.iter().map(|rule| rule.text.known_at))));
    table("rules", columns)
}

/// Table `packs`: the editions that `SET qianshao.pack` chooses from.
pub fn packs(texts: &Texts) -> Result<RecordBatch> {
    let packs: Vec<&str> = texts.packs().collect();
    let rules = packs.iter().map(|pack| texts.in_order_of_need(pack).len() as i64);
    table(
        "packs",
        vec![
            ("pack", Arc::new(StringArray::from_iter_values(&packs))),
            ("rules", Arc::new(Int64Array::from_iter_values(rules))),
        ],
    )
}

/// Table `feeds`: every kind of message of every feed; topics begin with `prefix`.
pub fn feeds(texts: &Texts, prefix: &str) -> Result<RecordBatch> {
    let kinds: Vec<(&str, &str, Value, i64)> = texts
        .of(CLASS_FEED)
        .filter_map(|(name, text)| {
            let (feed, kind) = name.split_once('/')?;
            Some((feed, kind, serde_json::from_str(&text.body).ok()?, text.known_at))
        })
        .collect();
    let stated = |key: &str| -> ArrayRef {
        Arc::new(kinds.iter().map(|(_, _, contract, _)| contract[key].as_str()).collect::<StringArray>())
    };
    let given = |of: &dyn Fn(&str, &str) -> String| -> ArrayRef {
        Arc::new(StringArray::from_iter_values(kinds.iter().map(|(feed, kind, _, _)| of(feed, kind))))
    };
    table(
        "feeds",
        vec![
            ("feed", given(&|feed, _| feed.to_owned())),
            ("kind", given(&|_, kind| kind.to_owned())),
            ("title", stated("title")),
            ("zh", stated("x-zh")),
            ("ce_type", stated("x-ce-type")),
            ("topic", given(&|feed, _| format!("{prefix}.feed.{feed}.v1"))),
            ("known_at", times(kinds.iter().map(|(_, _, _, known_at)| *known_at))),
        ],
    )
}

/// A view that is listed as a table: people look for tables with `\dt`, which leaves views out.
#[derive(Debug)]
pub struct Listed(Arc<dyn TableProvider>);

impl Listed {
    pub fn over(view: Arc<dyn TableProvider>) -> Arc<dyn TableProvider> {
        Arc::new(Self(view))
    }
}

impl TableProvider for Listed {
    fn schema(&self) -> SchemaRef {
        self.0.schema()
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    // The planner puts this plan in the view's place, so filters reach the files.
    fn get_logical_plan(&self) -> Option<Cow<'_, LogicalPlan>> {
        self.0.get_logical_plan()
    }

    fn scan<'a, 'b, 'c, 'd, 'e>(
        &'a self,
        state: &'b dyn Session,
        projection: Option<&'c Vec<usize>>,
        filters: &'d [Expr],
        limit: Option<usize>,
    ) -> Scan<'e>
    where
        'a: 'e,
        'b: 'e,
        'c: 'e,
        'd: 'e,
        Self: 'e,
    {
        self.0.scan(state, projection, filters, limit)
    }
}

/// A table of columns that may all be null.
pub fn table(name: &str, columns: Vec<(&str, ArrayRef)>) -> Result<RecordBatch> {
    let fields: Vec<Field> =
        columns.iter().map(|(name, column)| Field::new(*name, column.data_type().clone(), true)).collect();
    RecordBatch::try_new(Arc::new(Schema::new(fields)), columns.into_iter().map(|(_, column)| column).collect())
        .map_err(|error| Problem::new(codes::log::FILE_NOT_ENCODED, format!("table {name}"), error.to_string()))
}

fn times(micros: impl Iterator<Item = i64>) -> ArrayRef {
    Arc::new(TimestampMicrosecondArray::from_iter_values(micros).with_timezone(UTC))
}
