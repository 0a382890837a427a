//! The tables that people see, over one moment of the log.
//!
//! Promises: every table shows what was known by the same moment; a table that no statement reads is not read.
//! Never: shows a message's body, or a table that is not named here, by a register or by a code list.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, Int64Array, RecordBatch, StringArray};
use datafusion::catalog::TableProvider;
use datafusion::common::ScalarValue;
use datafusion::execution::context::SessionContext;
use datafusion::prelude::{DataFrame, Expr, col, lit};
use deltalake::DeltaTable;

use super::edition::Texts;
use super::findings::Findings;
use super::listing::Listed;
use super::recount::{Recount, Recounted};
use super::why_function::AlertWhy;
use super::{documentation, history, listing};
use crate::cells::meanings::Meanings;
use crate::cells::moment::Moment;
use crate::cells::tables::View;
use crate::delta::delta_log::DeltaLog;
use crate::delta::log::{Head, Log, parse_offset_mark};
use crate::delta::registers::Registers;
use crate::delta::tables::{STAMP, Table, UTC};
use crate::engine;
use crate::problem::Result;
use crate::terms::Day;

const ALERTS: &str = include_str!("sql/alerts.sql");
const QUARANTINE: &str = include_str!("sql/quarantine.sql");
const EPOCHS: &str = include_str!("sql/epochs.sql");
const ACCOUNTING: &str = include_str!("sql/accounting.sql");

/// The register that says what is expected; the table of its name shows what that makes of each day.
const EXPECTED_REPORTS: &str = "expected_reports";
const EXPECTED_REPORT_RULES: &str = "expected_report_rules";

/// Which moment, and in whose words.
#[derive(Clone, Debug)]
pub struct Asked {
    /// What was known by then; `None` = everything.
    pub as_of: Option<i64>,
    /// What `now()` answers where `as_of` does not.
    pub now: i64,
    /// Whose parameters `param('name')` gives.
    pub pack: String,
    /// What the topics' names begin with.
    pub prefix: String,
}

/// A session and the counted state behind it.
pub struct Opened {
    pub context: SessionContext,
    pub recount: Arc<Recount>,
    pub registers: Arc<Registers>,
    pub parameters: BTreeMap<String, f64>,
    /// What `now()` answers at first.
    pub now: i64,
}

/// A session over everything that was known at the moment asked for.
pub async fn session(log: &Arc<DeltaLog>, asked: &Asked) -> Result<SessionContext> {
    Ok(open(log, asked, Earlier::Nothing).await?.context)
}

/// The greatest moment that the log knows: the `now` of a log that nobody writes any more.
pub async fn log_clock(log: &DeltaLog) -> Result<i64> {
    let mut clock = 0;
    for table in Table::ALL {
        clock = clock.max(log.head(table).await?.clock);
    }
    Ok(clock)
}

/// What may be used again of what was counted before.
pub enum Earlier {
    Nothing,
    /// A moment of the same log, not later, to go on from.
    Counted(Arc<Moment>),
    /// The same moment, for another pack.
    Same(Arc<Recount>),
}

/// A session that goes on from what an earlier one counted of the same log.
pub async fn open(log: &Arc<DeltaLog>, asked: &Asked, earlier: Earlier) -> Result<Opened> {
    let (signals, head) = log.delta_table_and_head(Table::Signals).await?;
    let until = match asked.as_of {
        Some(then) => then,
        None => log_clock(log).await?,
    };
    let now = asked.as_of.unwrap_or(asked.now);
    let texts = Arc::new(Texts::read(&**log, until).await?);
    let registers = Arc::new(Registers::of(&texts.edition)?);
    let parameters: BTreeMap<String, f64> =
        texts.parameters(&asked.pack).into_iter().map(|(name, parameter)| (name, parameter.value)).collect();
    let context = engine::session(&registers, &parameters, now);
    let recount = match earlier {
        Earlier::Nothing => Recount::new(log.clone(), until, now, None),
        Earlier::Counted(moment) => Recount::new(log.clone(), until, now, Some(moment)),
        Earlier::Same(recount) => recount,
    };
    register_stored(&context, log, asked.as_of, &signals).await?;
    register_counted(&context, &recount)?;
    register_texts(&context, &texts, &asked.prefix)?;
    let meanings = Arc::new(Meanings::of(&texts.edition)?);
    let history = Listed::over(history::view(&context, &registers, &meanings).await?);
    shown(&context, "signal_history", history)?;
    shown(&context, "findings", Findings::new(texts.clone(), &asked.pack, recount.clone()))?;
    register_derived(&context, log, asked.as_of, &head).await?;
    context.register_udtf("alert_why", Arc::new(AlertWhy { log: log.clone(), until }));
    let functions = documentation::functions()?;
    engine::register(&context, "functions", functions.schema(), vec![functions])?;
    let words = documentation::table(&context).await?;
    engine::register(&context, "documentation", words.schema(), vec![words])?;
    Ok(Opened { context, recount, registers, parameters, now })
}

/// Stored tables as the log holds them; signals and quarantine under names that are taken back once their views stand.
async fn register_stored(
    context: &SessionContext,
    log: &DeltaLog,
    as_of: Option<i64>,
    signals: &DeltaTable,
) -> Result<()> {
    for (table, name) in [
        (Table::Signals, "stored_signals"),
        (Table::Quarantine, "stored_quarantine"),
        (Table::AlertHistory, "alert_history"),
        (Table::Ticks, "ticks"),
    ] {
        // The offsets that are compared with the rows of signals are those of this very version.
        let newest = if table == Table::Signals { signals.clone() } else { log.delta_table(table).await? };
        let stored = stored(context, &newest, name).await?;
        let shown = match as_of {
            Some(then) => Listed::over(known_by(context, stored, then, name)?.into_view()),
            None => stored,
        };
        self::shown(context, name, shown)?;
    }
    Ok(())
}

fn shown(context: &SessionContext, name: &str, table: Arc<dyn TableProvider>) -> Result<()> {
    context.register_table(name, table).map_err(|error| engine::not_run(name, &error))?;
    Ok(())
}

async fn stored(context: &SessionContext, table: &DeltaTable, name: &str) -> Result<Arc<dyn TableProvider>> {
    let at = |error: &dyn std::fmt::Display| {
        crate::problem::Problem::new(crate::problem::codes::log::LOG_NOT_OPENED, name, error.to_string())
    };
    table.update_datafusion_session(&context.state()).map_err(|error| at(&error))?;
    table.table_provider().await.map_err(|error| at(&error))
}

/// Rows known by `then`; the day lets whole partitions be left out.
fn known_by(context: &SessionContext, stored: Arc<dyn TableProvider>, then: i64, name: &str) -> Result<DataFrame> {
    let instant = lit(ScalarValue::TimestampMicrosecond(Some(then), Some(UTC.into())));
    let day = lit(ScalarValue::Date32(Some(Day::of_micros(then).0)));
    let known: Expr = col("known_date").lt_eq(day).and(col("known_at").lt_eq(instant));
    context.read_table(stored).and_then(|rows| rows.filter(known)).map_err(|error| engine::not_run(name, &error))
}

fn register_counted(context: &SessionContext, recount: &Arc<Recount>) -> Result<()> {
    for (name, view) in
        [("cells", View::Cells), ("signals", View::CurrentSignals), (EXPECTED_REPORTS, View::ExpectedReports)]
    {
        shown(context, name, Recounted::new(recount.clone(), view))?;
    }
    Ok(())
}

fn register_texts(context: &SessionContext, texts: &Texts, prefix: &str) -> Result<()> {
    let mut tables: Vec<(String, RecordBatch)> = vec![
        ("packs".to_owned(), listing::packs(texts)?),
        ("rules".to_owned(), listing::rules(texts)?),
        ("feeds".to_owned(), listing::feeds(texts, prefix)?),
        ("signal_names".to_owned(), Meanings::of(&texts.edition)?.table()?),
    ];
    for (name, rows) in engine::reference_tables(&texts.edition)? {
        let name = if name == EXPECTED_REPORTS { EXPECTED_REPORT_RULES.to_owned() } else { name };
        tables.push((name, rows));
    }
    for (name, rows) in tables {
        engine::register(context, &name, rows.schema(), vec![rows])?;
    }
    Ok(())
}

/// Views in SQL over the tables above.
async fn register_derived(context: &SessionContext, log: &DeltaLog, as_of: Option<i64>, head: &Head) -> Result<()> {
    let progress = progress(log, as_of, head).await?;
    engine::register(context, "progress", progress.schema(), vec![progress])?;
    // The offsets in the log's head are today's; what was consumed by then can only be told from the rows.
    let (consumed, beyond) = match as_of {
        Some(_) => ("coalesce(t.accepted, 0) + coalesce(t.duplicates, 0) + coalesce(r.quarantined, 0)", "true"),
        None => ("coalesce(p.next_offset - p.first_offset, 0)", r#"q."offset" < p.next_offset"#),
    };
    let accounting = ACCOUNTING.replace("{consumed}", consumed).replace("{beyond}", beyond);
    let alerts = ALERTS.replace("{columns}", &columns(Table::AlertHistory, &[]));
    let quarantine = QUARANTINE.replace("{columns}", &columns(Table::Quarantine, &["body"]));
    for (name, sql) in
        [("alerts", alerts.as_str()), ("quarantine", &quarantine), ("epochs", EPOCHS), ("accounting", &accounting)]
    {
        shown(context, name, Listed::over(engine::plan(context, name, sql).await?.into_view()))?;
    }
    for name in ["stored_signals", "stored_quarantine", "progress"] {
        context.deregister_table(name).map_err(|error| engine::not_run(name, &error))?;
    }
    Ok(())
}

fn columns(table: Table, without: &[&str]) -> String {
    let names = table.columns().iter().chain(STAMP).map(|column| column.name);
    let quoted: Vec<String> = names.filter(|name| !without.contains(name)).map(|name| format!("\"{name}\"")).collect();
    quoted.join(", ")
}

/// First and next offset of every partition, by the marks of the newest commit; nothing for a moment that is past.
async fn progress(log: &DeltaLog, as_of: Option<i64>, head: &Head) -> Result<RecordBatch> {
    let mut firsts = log.first_offsets(Table::Signals).await?;
    for (partition, from) in log.first_offsets(Table::Quarantine).await? {
        let first = firsts.entry(partition).or_insert(from);
        *first = from.min(*first);
    }
    let marks: Vec<(&str, i32, i64, i64)> = match as_of {
        Some(_) => Vec::new(),
        None => head
            .marks
            .iter()
            .filter_map(|(mark, next)| {
                let (topic, partition) = parse_offset_mark(mark)?;
                let first = firsts.get(&format!("{topic}/{partition}")).copied().unwrap_or(0);
                Some((topic, partition, first, *next))
            })
            .collect(),
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("topic", Arc::new(StringArray::from_iter_values(marks.iter().map(|mark| mark.0)))),
        ("partition", Arc::new(Int32Array::from_iter_values(marks.iter().map(|mark| mark.1)))),
        ("first_offset", Arc::new(Int64Array::from_iter_values(marks.iter().map(|mark| mark.2)))),
        ("next_offset", Arc::new(Int64Array::from_iter_values(marks.iter().map(|mark| mark.3)))),
    ];
    listing::table("progress", columns)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::serve::testing::{State, asked};

    const BOOKS: &str = "SELECT topic, \"partition\", consumed, accepted, duplicates, quarantined FROM accounting";

    #[tokio::test]
    async fn the_books_balance_now_and_at_any_moment() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::three_days(folder.path()).await;
        let now = state.session(None).await;
        assert_eq!(asked(&now, BOOKS).await, ["t,0,8,5,1,2"]);
        for (then, books) in [
            ("2021-01-18 19:00", vec![]),
            ("2021-01-18 21:00", vec!["t,0,2,2,0,0"]),
            ("2021-01-19 21:00", vec!["t,0,5,3,1,1"]),
            ("2021-01-21 00:00", vec!["t,0,8,5,1,2"]),
        ] {
            assert_eq!(asked(&state.session(Some(then)).await, BOOKS).await, books, "as of {then}");
        }
    }

    #[tokio::test]
    async fn every_table_shows_what_was_known_then() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::three_days(folder.path()).await;
        let count =
            "SELECT count FROM cells WHERE unit_kind = 'county' AND unit_id = '11' AND event_date = '2021-01-18'";
        for (then, rows, visits, alerts) in [
            (Some("2021-01-18 21:00"), "2", "2", "0"),
            (Some("2021-01-19 21:00"), "4", "4", "1"),
            (None, "6", "3", "1"),
        ] {
            let context = state.session(then).await;
            assert_eq!(asked(&context, "SELECT count(*) FROM signal_history").await, [rows], "signals {then:?}");
            assert_eq!(asked(&context, count).await, [visits], "cells {then:?}");
            assert_eq!(asked(&context, "SELECT count(*) FROM alerts").await, [alerts], "alerts {then:?}");
        }
        let then = state.session(Some("2021-01-19 21:00")).await;
        assert_eq!(asked(&then, "SELECT now() = '2021-01-19T13:00:00Z', param('three.visits')").await, ["true,3.0"]);
        let early = state.session(Some("2021-01-17 00:00")).await;
        assert_eq!(asked(&early, "SELECT count(*) FROM rules").await, ["0"]);
    }

    #[tokio::test]
    async fn signals_are_what_counts_and_the_history_says_what_became_of_every_row() {
        let folder = tempfile::tempdir().unwrap();
        let now = State::three_days(folder.path()).await.session(None).await;
        assert_eq!(asked(&now, "SELECT unit_id, value FROM signals").await, ["A1,1", "A2,1", "A2,1", "B1,0"]);
        let history = "SELECT \"offset\", standing, is_duplicate, quality FROM signal_history";
        assert_eq!(
            asked(&now, history).await,
            [
                "0,superseded,false,",
                "1,current,false,",
                "2,current,true,",
                "4,superseded,false,",
                "5,current,false,",
                "6,current,false,"
            ]
        );
    }

    #[tokio::test]
    async fn people_see_who_reported_what_came_and_what_was_refused() {
        let folder = tempfile::tempdir().unwrap();
        let now = State::three_days(folder.path()).await.session(None).await;
        let states =
            "SELECT facility_id, state FROM expected_reports WHERE report_date = '2021-01-18' AND facility_id <> 'A1'";
        assert_eq!(asked(&now, states).await, ["A2,received", "B1,missing"]);
        let resolved = "SELECT \"offset\", resolved FROM quarantine";
        assert_eq!(asked(&now, resolved).await, ["3,true", "7,false"]);
        let epochs = "SELECT offset_first, offset_last, messages, \"rows\" FROM epochs";
        assert_eq!(asked(&now, epochs).await, ["0,1,2,2", "2,4,2,2", "5,6,2,2"]);
        assert_eq!(asked(&now, "SELECT feed, kind, topic FROM feeds").await, ["f,k,x.feed.f.v1"]);
        assert_eq!(asked(&now, "SELECT id, severity, history_days FROM rules").await, ["three,yellow,1"]);
        assert_eq!(asked(&now, "SELECT facility_kind FROM expected_report_rules").await, ["clinic"]);
    }

    #[tokio::test]
    async fn every_column_of_every_table_is_documented_and_no_body_is_shown() {
        let folder = tempfile::tempdir().unwrap();
        let now = State::three_days(folder.path()).await.session(None).await;
        let undocumented = "SELECT table_name, column_name FROM documentation WHERE en IS NULL OR zh IS NULL";
        let mut undocumented = asked(&now, undocumented).await;
        // Registers and code lists carry their own words.
        let texts = BTreeSet::from(["areas", "unit_kinds", "facilities", "expected_report_rules"]);
        undocumented.retain(|line| !texts.contains(line.split(',').next().unwrap()));
        assert_eq!(undocumented, [] as [&str; 0]);
        let body = "SELECT table_name FROM documentation WHERE column_name = 'body'";
        assert_eq!(asked(&now, body).await, [] as [&str; 0]);
        let tables = asked(&now, "SELECT DISTINCT table_name FROM documentation").await;
        for (table, _, _) in documentation::TABLES {
            assert!(tables.contains(&(*table).to_owned()), "{table}");
        }
    }

    #[tokio::test]
    async fn an_old_moment_leaves_newer_files_unread() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::three_days(folder.path()).await;
        let then = state.session(Some("2021-01-18 21:00")).await;
        let plan = asked(&then, "EXPLAIN ANALYZE SELECT value FROM signal_history").await.join("\n");
        assert!(!plan.contains("known_date=2021-01-20"), "{plan}");
    }
}
