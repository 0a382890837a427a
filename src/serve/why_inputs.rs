//! What a rule saw of an alert's unit: cells, reports, records, and what it returns when it is run again.
//!
//! Promises: everything is of one moment, the alert's tick. A list that is too long for a person says what it left out.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::DataType;
use datafusion::execution::context::SessionContext;

use super::edition::{RuleText, Texts};
use super::why::{LineKind, Why};
use super::why_facts::Facts;
use crate::cells::count::{CellKey, Counting, Wanted};
use crate::cells::moment::Moment;
use crate::cells::records::Group;
use crate::cells::tables::{Counted, Shown, View};
use crate::engine;
use crate::problem::Result;
use crate::terms::{Day, local_text};

/// Days before the tick that are judged, where no pack says so.
const HORIZON_DAYS_DEFAULT: i32 = 30;
/// Records that are listed: more are no explanation, and `current_signals` has them all.
const RECORDS_MAX: usize = 500;
/// Columns of a finding that tell what it is about.
const FINDING_TEXTS: [&str; 7] = ["unit_kind", "unit_id", "area_code", "facility_id", "signal", "syndrome", "channels"];
const FINDING_DAYS: [&str; 2] = ["window_start", "window_end"];
const FINDING_NUMBERS: [&str; 4] = ["observed", "expected", "threshold", "statistic"];

/// A series: a unit and a signal.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    unit_kind: String,
    unit_id: String,
    signal: String,
    from: Day,
    until: Day,
}

impl Subject {
    pub fn of(facts: &Facts) -> Self {
        Self {
            unit_kind: facts.text("unit_kind").to_owned(),
            unit_id: facts.text("unit_id").to_owned(),
            signal: facts.text("signal").to_owned(),
            from: facts.day("window_start"),
            until: facts.day("window_end"),
        }
    }
}

/// The moment of the tick, and whom it is asked about.
pub struct Inputs<'a> {
    pub texts: &'a Texts,
    pub moment: &'a Arc<Moment>,
    pub facts: &'a Facts,
    pub tick: i64,
}

impl Inputs<'_> {
    /// Runs the rule and those it needs; tells its rows about the alert's unit, answers the series they are about.
    pub async fn run_again(&self, rule: &RuleText<'_>, why: &mut Why) -> Result<BTreeSet<Subject>> {
        let pack = self.facts.text("pack");
        let needed: Vec<RuleText<'_>> = rule.needs().filter_map(|id| self.texts.rule(pack, id)).collect();
        let history = needed.iter().chain([rule]).map(|rule| rule.days("history_days")).max().unwrap_or(0);
        let context = self.rule_session(history)?;
        let mut subjects = BTreeSet::from([Subject::of(self.facts)]);
        let mut findings: Option<RecordBatch> = None;
        for need in &needed {
            let rows = finding_rows(&context, need, findings.as_ref()).await?;
            for row in 0..rows.num_rows() {
                let finding = Finding { rows: &rows, row };
                if finding.text("area_code") == self.facts.text("area_code") && finding.touches(self.facts) {
                    why.say(LineKind::Finding, &finding.name(need.id), finding.text("observed"), &finding.detail());
                    subjects.insert(finding.subject());
                }
            }
            findings = Some(match findings {
                Some(before) => arrow::compute::concat_batches(&rows.schema(), [&before, &rows])
                    .map_err(|error| engine::not_run(need.id, &error.into()))?,
                None => rows,
            });
        }
        let rows = finding_rows(&context, rule, findings.as_ref()).await?;
        let mut supported = false;
        for row in 0..rows.num_rows() {
            let finding = Finding { rows: &rows, row };
            let ours = ["unit_kind", "unit_id", "area_code", "signal"]
                .iter()
                .all(|column| finding.text(column) == self.facts.text(column));
            if ours && finding.touches(self.facts) {
                supported = true;
                why.say(LineKind::Finding, &finding.name(rule.id), finding.text("observed"), &finding.detail());
            }
        }
        if !supported {
            let found = "the rule returns no row for this unit in this window any more / 该窗口已不再触发";
            why.say(LineKind::Note, "finding", "", found);
        }
        if reads(rule, "adjacency") {
            subjects.extend(self.neighbours());
        }
        Ok(subjects)
    }

    /// The counted tables as the rule saw them.
    fn rule_session(&self, history: i32) -> Result<SessionContext> {
        let pack = self.facts.text("pack");
        let today = Day::of_micros(self.tick);
        let from = today.plus(-self.texts.horizon_days(pack).unwrap_or(HORIZON_DAYS_DEFAULT) - history);
        let parameters =
            self.texts.parameters(pack).into_iter().map(|(name, parameter)| (name, parameter.value)).collect();
        let context = engine::session(&self.moment.registers, &parameters, self.tick);
        let shown = Shown::new(self.moment.clone(), from, today, self.tick);
        for (name, view) in
            [("cells", View::Cells), ("signals", View::CurrentSignals), ("expected_reports", View::ExpectedReports)]
        {
            context
                .register_table(name, Counted::new(shown.clone(), view))
                .map_err(|error| engine::not_run(name, &error))?;
        }
        for (name, rows) in engine::reference_tables(&self.moment.edition)? {
            if name != "expected_reports" {
                engine::register(&context, &name, rows.schema(), vec![rows])?;
            }
        }
        let names = self.moment.meanings.table()?;
        engine::register(&context, "signal_names", names.schema(), vec![names])?;
        Ok(context)
    }

    /// The same series in the areas that adjoin the alert's.
    fn neighbours(&self) -> Vec<Subject> {
        let here = self.facts.text("unit_id");
        let pairs = self.moment.edition.texts.iter().filter(|((_, name), _)| name == "adjacency");
        pairs
            .flat_map(|(_, body)| body.lines().skip(1))
            .filter_map(|line| {
                let mut columns = line.split(',').map(str::trim);
                let (one, other) = (columns.next()?, columns.next()?);
                if one == here { Some(other) } else { (other == here).then_some(one) }
            })
            .map(|there| Subject { unit_id: there.to_owned(), ..Subject::of(self.facts) })
            .collect()
    }

    /// The cells of each series over its window and the days before it that the rule looks back on.
    pub fn tell_cells(&self, rule: Option<&RuleText<'_>>, subjects: &BTreeSet<Subject>, why: &mut Why) {
        let own = rule.map_or(0, |rule| rule.days("history_days"));
        let needed = rule.into_iter().flat_map(RuleText::needs);
        let history = needed
            .filter_map(|id| Some(self.texts.rule(self.facts.text("pack"), id)?.days("history_days")))
            .fold(own, i32::max);
        let mut told = BTreeSet::new();
        for subject in subjects {
            let (from, until) = (subject.from.plus(-history), subject.until);
            let turnout = self.moment.turnout(from, until);
            let wanted = Wanted {
                unit_kinds: Some(BTreeSet::from([subject.unit_kind.clone()])),
                signals: Some(BTreeSet::from([subject.signal.clone()])),
            };
            for (key, cell) in self.counting(&turnout).cells(&wanted, from, until) {
                let CellKey { unit_kind, unit_id, signal, day } = &key;
                if *unit_id != subject.unit_id || !told.insert(key.clone()) {
                    continue;
                }
                let count = cell.count.map_or_else(|| "null".to_owned(), |count| count.to_string());
                let of = cell.denominator.map(|of| format!(" denominator={of}")).unwrap_or_default();
                let detail = format!(
                    "expected={} reported={} zero={} missing={}{of}",
                    cell.expected, cell.reported, cell.zero, cell.missing
                );
                why.say(LineKind::Cell, &format!("{unit_kind} {unit_id} {signal} {day}"), &count, &detail);
            }
        }
    }

    /// Reports owed in the window, where the rule reads them.
    pub fn tell_expected(&self, rule: Option<&RuleText<'_>>, why: &mut Why) {
        if !rule.is_some_and(|rule| reads(rule, "expected_reports")) {
            return;
        }
        let (unit_kind, unit_id) = (self.facts.text("unit_kind"), self.facts.text("unit_id"));
        let registers = &self.moment.registers;
        let (from, until) = (self.facts.day("window_start"), self.facts.day("window_end"));
        for report in self.moment.expected_reports(from, until, self.tick) {
            let lineage =
                registers.area_of(&report.facility_id).map(|area| registers.lineage(area)).unwrap_or_default();
            let inside = match unit_kind {
                "facility" => report.facility_id == unit_id,
                _ => [lineage.town, lineage.county, lineage.prefecture].contains(&Some(unit_id)),
            };
            if inside {
                let name = format!("{} {} {}", report.facility_id, report.feed, report.day);
                let came = report.received_at.map(|at| format!(" received_at={}", local_text(at))).unwrap_or_default();
                let due = format!("due_at={}{came} missing_run={}", local_text(report.due_at), report.missing_run);
                why.say(LineKind::Expected, &name, report.state.word(), &due);
            }
        }
    }

    /// The rows of standing messages that the windows were counted from, by coordinates.
    pub fn tell_records(&self, subjects: &BTreeSet<Subject>, why: &mut Why) {
        let records = &self.moment.records;
        let turnout = Default::default();
        let counting = self.counting(&turnout);
        let mut told = BTreeSet::new();
        let mut left_out = 0;
        for (group, rows) in &records.groups {
            if !subjects.iter().any(|subject| self.counts_for(group, subject)) || !counting.is_authoritative(group) {
                continue;
            }
            for ((key, _), row) in rows.iter().filter(|(_, row)| row.counts) {
                let Some((topic, partition, offset, revision)) = records.message(*key) else { continue };
                if told.len() >= RECORDS_MAX {
                    left_out += 1;
                    continue;
                }
                if !told.insert((topic, partition, offset, *group)) {
                    continue;
                }
                let names = &records.names;
                let detail = format!(
                    "record_key={key:032x} revision={revision} known_at={} {} {} {} {}",
                    local_text(row.known_at),
                    names.text(group.unit_kind),
                    names.text(group.unit_id),
                    names.text(group.signal),
                    group.day,
                );
                why.say(LineKind::Record, &format!("{topic}/{partition}/{offset}"), &row.value.to_string(), &detail);
            }
        }
        if left_out > 0 {
            let rest = format!("{left_out} more records: SELECT … FROM current_signals / 另有 {left_out} 条");
            why.say(LineKind::Note, "record", "", &rest);
        }
    }

    fn counting<'b>(&'b self, turnout: &'b crate::cells::reports::Turnout) -> Counting<'b> {
        Counting {
            records: &self.moment.records,
            registers: &self.moment.registers,
            meanings: &self.moment.meanings,
            turnout,
        }
    }

    /// Whether a group's rows are part of the series' windows.
    fn counts_for(&self, group: &Group, subject: &Subject) -> bool {
        let names = &self.moment.records.names;
        let registers = &self.moment.registers;
        if group.day < subject.from || group.day > subject.until || names.text(group.signal) != subject.signal {
            return false;
        }
        let (kind, id) = (names.text(group.unit_kind), names.text(group.unit_id));
        if kind == subject.unit_kind && id == subject.unit_id {
            // One port sends people to several counties; the alert is about one of them.
            let county = group.area.and_then(|area| registers.lineage(names.text(area)).county);
            return county.is_none_or(|county| county == self.facts.text("area_code"));
        }
        if !registers.rolls_up.get(kind).copied().unwrap_or(false) {
            return false;
        }
        let lineage = group.area.map(|area| registers.lineage(names.text(area))).unwrap_or_default();
        let above = match subject.unit_kind.as_str() {
            "facility" => group.facility.map(|facility| names.text(facility)),
            "town" => lineage.town,
            "county" => lineage.county,
            "prefecture" => lineage.prefecture,
            _ => None,
        };
        above == Some(subject.unit_id.as_str())
    }
}

/// Whether a rule's text names a table.
fn reads(rule: &RuleText<'_>, table: &str) -> bool {
    rule.text.body.lines().filter(|line| !line.trim_start().starts_with("--")).any(|line| line.contains(table))
}

/// A rule's rows, all as text, with the rule's id; `findings` is what it may read of the rules before.
async fn finding_rows(
    context: &SessionContext,
    rule: &RuleText<'_>,
    findings: Option<&RecordBatch>,
) -> Result<RecordBatch> {
    if let Some(findings) = findings {
        // There is none before the first rule.
        let _ = context.deregister_table("texts_of_findings");
        let _ = context.deregister_table("findings");
        engine::register(context, "texts_of_findings", findings.schema(), vec![findings.clone()])?;
        let numbers = FINDING_NUMBERS.map(|name| format!("CAST({name} AS DOUBLE) AS {name}"));
        let days = FINDING_DAYS.map(|name| format!("CAST({name} AS DATE) AS {name}"));
        let typed = format!(
            "SELECT rule, {}, {}, {} FROM texts_of_findings",
            FINDING_TEXTS.join(", "),
            days.join(", "),
            numbers.join(", ")
        );
        let view = engine::plan(context, rule.id, &typed).await?.into_view();
        context.register_table("findings", view).map_err(|error| engine::not_run(rule.id, &error))?;
    }
    let frame = engine::plan(context, rule.id, &rule.text.body).await?;
    let schema = frame.schema().inner().clone();
    let batches = frame.collect().await.map_err(|error| engine::not_run(rule.id, &error))?;
    let failed = |error: arrow::error::ArrowError| engine::not_run(rule.id, &error.into());
    let rows = arrow::compute::concat_batches(&schema, &batches).map_err(failed)?;
    let ids: StringArray = (0..rows.num_rows()).map(|_| Some(rule.id)).collect();
    let mut columns: Vec<(&str, arrow::array::ArrayRef, bool)> = vec![("rule", Arc::new(ids), true)];
    for name in FINDING_TEXTS.into_iter().chain(FINDING_DAYS).chain(FINDING_NUMBERS) {
        let column = match rows.column_by_name(name) {
            Some(column) => cast(column, &DataType::Utf8).map_err(failed)?,
            None => arrow::array::new_null_array(&DataType::Utf8, rows.num_rows()),
        };
        columns.push((name, column, true));
    }
    RecordBatch::try_from_iter_with_nullable(columns).map_err(failed)
}

/// One row that a rule returned.
struct Finding<'a> {
    rows: &'a RecordBatch,
    row: usize,
}

impl Finding<'_> {
    fn text(&self, column: &str) -> &str {
        let column = self.rows.column_by_name(column).and_then(|column| column.as_any().downcast_ref::<StringArray>());
        column.filter(|column| column.is_valid(self.row)).map_or("", |column| column.value(self.row))
    }

    fn day(&self, column: &str) -> Day {
        Day::parse(self.text(column)).unwrap_or(Day(0))
    }

    /// Whether its window meets the alert's.
    fn touches(&self, facts: &Facts) -> bool {
        self.day("window_start") <= facts.day("window_end") && self.day("window_end") >= facts.day("window_start")
    }

    fn subject(&self) -> Subject {
        Subject {
            unit_kind: self.text("unit_kind").to_owned(),
            unit_id: self.text("unit_id").to_owned(),
            signal: self.text("signal").to_owned(),
            from: self.day("window_start"),
            until: self.day("window_end"),
        }
    }

    fn name(&self, rule: &str) -> String {
        let unit = format!("{} {} {}", self.text("unit_kind"), self.text("unit_id"), self.text("signal"));
        format!("{rule} {unit} {} … {}", self.text("window_start"), self.text("window_end"))
    }

    fn detail(&self) -> String {
        let told = ["threshold", "expected", "statistic", "channels"].map(|name| (name, self.text(name)));
        let told: Vec<String> =
            told.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!("{name}={value}")).collect();
        told.join(" ")
    }
}
