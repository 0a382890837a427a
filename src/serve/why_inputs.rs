//! What a rule saw of an alert's unit: cells, reports, records, and what it returns when it is run again.
//!
//! Promises: everything is of one moment, the alert's tick. A list that is too long for a person says what it left out.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Date32Type, Float64Type};

use super::edition::{RuleText, Texts};
use super::findings::{Evaluation, joined};
use super::why::{LineKind, Why};
use super::why_facts::Facts;
use crate::cells::count::{CellKey, Counting, Units, Wanted};
use crate::cells::moment::Moment;
use crate::cells::records::Statement;
use crate::cells::rows::Series;
use crate::cells::session::findings_schema;
use crate::delta::reference::ADJACENCY;
use crate::problem::Result;
use crate::terms::{Day, local_text};

/// Records that are listed: more are no explanation, and `signals` has them all.
const RECORDS_MAX: usize = 500;
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
        let mut evaluation = Evaluation::new(self.texts, pack, self.moment, self.tick)?;
        let mut subjects = BTreeSet::from([Subject::of(self.facts)]);
        let mut findings = RecordBatch::new_empty(findings_schema());
        for need in &needed {
            let rows = evaluation.rows(need, &findings).await?;
            for row in 0..rows.num_rows() {
                let finding = Finding { rows: &rows, row };
                if finding.text("area_code") == self.facts.text("area_code") && finding.touches(self.facts) {
                    why.say(LineKind::Finding, &finding.name(need.id), &finding.text("observed"), &finding.detail());
                    subjects.insert(finding.subject());
                }
            }
            findings = joined(&findings, &rows)?;
        }
        let rows = evaluation.rows(rule, &findings).await?;
        let mut supported = false;
        for row in 0..rows.num_rows() {
            let finding = Finding { rows: &rows, row };
            let ours = ["unit_kind", "unit_id", "area_code", "signal"]
                .iter()
                .all(|column| finding.text(column) == self.facts.text(column));
            if ours && finding.touches(self.facts) {
                supported = true;
                why.say(LineKind::Finding, &finding.name(rule.id), &finding.text("observed"), &finding.detail());
            }
        }
        if !supported {
            let found = "the rule returns no row for this unit in this window any more / 该窗口已不再触发";
            why.say(LineKind::Note, "finding", "", found);
        }
        if reads(rule, ADJACENCY) {
            subjects.extend(self.neighbours());
        }
        Ok(subjects)
    }

    /// The same series in the areas that adjoin the alert's.
    fn neighbours(&self) -> Vec<Subject> {
        let here = self.facts.text("unit_id");
        let pairs = self.moment.edition.adjacent_areas();
        pairs
            .filter(|(one, _)| *one == here)
            .map(|(_, there)| Subject { unit_id: there.to_owned(), ..Subject::of(self.facts) })
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
            let mut units = Units::default();
            units.insert(&subject.unit_kind, &subject.unit_id);
            let wanted = Wanted {
                unit_kinds: None,
                signals: Some(BTreeSet::from([subject.signal.clone()])),
                units: Some(Arc::new(units)),
            };
            for (key, cell) in self.counting(&turnout).cells(&wanted, from, until) {
                let CellKey { unit_kind, unit_id, signal, day } = &key;
                if !told.insert(key.clone()) {
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
            let lineage = registers.area_of(report.facility_id).map(|area| registers.lineage(area)).unwrap_or_default();
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
    pub fn tell_records(&self, subjects: &BTreeSet<Subject>, why: &mut Why) -> Result<()> {
        let records = &self.moment.records;
        let names = &records.names;
        let mut told = BTreeSet::new();
        let mut left_out = 0;
        let from = subjects.iter().map(|subject| subject.from).min().unwrap_or(Day(0));
        let until = subjects.iter().map(|subject| subject.until).max().unwrap_or(Day(0));
        let groups = records.groups(from, until, |number, series| {
            self.moment.places.get(number).is_authoritative
                && subjects.iter().any(|subject| self.counts_for(series, subject))
        });
        for (series, of_day) in groups {
            let day = of_day.day;
            let is_inside = |subject: &Subject| day >= subject.from && day <= subject.until;
            if !subjects.iter().any(|subject| is_inside(subject) && self.counts_for(&series, subject)) {
                continue;
            }
            for (row, record) in records.rows_in_order(of_day, |row| row.what.counts)? {
                let Statement { key, topic, partition, offset, revision, known_at, .. } = records.statement(&record);
                if told.len() >= RECORDS_MAX {
                    left_out += 1;
                    continue;
                }
                if !told.insert((topic, partition, offset, series, day)) {
                    continue;
                }
                let detail = format!(
                    "record_key={key:032x} revision={revision} known_at={} {} {} {} {}",
                    local_text(known_at),
                    names.text(series.unit_kind),
                    names.text(series.unit_id),
                    names.text(series.signal),
                    day,
                );
                why.say(
                    LineKind::Record,
                    &format!("{topic}/{partition}/{offset}"),
                    &row.what.value.to_string(),
                    &detail,
                );
            }
        }
        if left_out > 0 {
            let rest = format!("{left_out} more records: SELECT … FROM signals / 另有 {left_out} 条");
            why.say(LineKind::Note, "record", "", &rest);
        }
        Ok(())
    }

    fn counting<'b>(&'b self, turnout: &'b crate::cells::reports::Turnout) -> Counting<'b> {
        Counting {
            records: &self.moment.records,
            places: &self.moment.places,
            meanings: &self.moment.meanings,
            turnout,
        }
    }

    /// Whether a series' rows are part of the subject's.
    fn counts_for(&self, series: &Series, subject: &Subject) -> bool {
        let names = &self.moment.records.names;
        let registers = &self.moment.registers;
        if names.text(series.signal) != subject.signal {
            return false;
        }
        let (kind, id) = (names.text(series.unit_kind), names.text(series.unit_id));
        if kind == subject.unit_kind && id == subject.unit_id {
            // One port sends people to several counties; the alert is about one of them.
            let county = series.area.and_then(|area| registers.lineage(names.text(area)).county);
            return county.is_none_or(|county| county == self.facts.text("area_code"));
        }
        if !registers.rolls_up.get(kind).copied().unwrap_or(false) {
            return false;
        }
        let lineage = series.area.map(|area| registers.lineage(names.text(area))).unwrap_or_default();
        let above = match subject.unit_kind.as_str() {
            "facility" => series.facility.map(|facility| names.text(facility)),
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

/// One row that a rule returned.
struct Finding<'a> {
    rows: &'a RecordBatch,
    row: usize,
}

impl Finding<'_> {
    fn text(&self, column: &str) -> String {
        let Some(column) = self.rows.column_by_name(column).filter(|column| column.is_valid(self.row)) else {
            return String::new();
        };
        if let Some(texts) = column.as_string_opt::<i32>() {
            return texts.value(self.row).to_owned();
        }
        let number = column.as_primitive_opt::<Float64Type>().map(|numbers| numbers.value(self.row).to_string());
        number.unwrap_or_default()
    }

    fn day(&self, column: &str) -> Day {
        let days = self.rows.column_by_name(column).and_then(|days| days.as_primitive_opt::<Date32Type>());
        Day(days.map_or(0, |days| days.value(self.row)))
    }

    /// Whether its window meets the alert's.
    fn touches(&self, facts: &Facts) -> bool {
        self.day("window_start") <= facts.day("window_end") && self.day("window_end") >= facts.day("window_start")
    }

    fn subject(&self) -> Subject {
        Subject {
            unit_kind: self.text("unit_kind"),
            unit_id: self.text("unit_id"),
            signal: self.text("signal"),
            from: self.day("window_start"),
            until: self.day("window_end"),
        }
    }

    fn name(&self, rule: &str) -> String {
        let unit = format!("{} {} {}", self.text("unit_kind"), self.text("unit_id"), self.text("signal"));
        format!("{rule} {unit} {} … {}", self.day("window_start"), self.day("window_end"))
    }

    fn detail(&self) -> String {
        let told = ["threshold", "expected", "statistic", "channels"].map(|name| (name, self.text(name)));
        let told: Vec<String> =
            told.iter().filter(|(_, value)| !value.is_empty()).map(|(name, value)| format!("{name}={value}")).collect();
        told.join(" ")
    }
}
