//! `cells`, `signals` (current rows) and `expected_reports` as tables: counted when a query reads them, and only the unit
//! kinds and signals that it asks for.
//!
//! Promises: a table shows one moment; what a filter narrows changes nothing but the work.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Int64Builder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::datasource::TableType;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, Operator, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};

use super::count::{Cell, CellKey, Counting, Units, Wanted, own_and_above};
use super::moment::Moment;
use super::records::Group;
use super::reports::{ReportState, Turnout};
use crate::delta::tables::{UTC, time_type};
use crate::terms::Day;

/// A moment and the days that its tables show.
pub struct Shown {
    pub moment: Arc<Moment>,
    pub from: Day,
    pub until: Day,
    /// The first day of `signals`, which need no calendar around them.
    signals_from: Day,
    /// Microseconds UTC: what is due is judged here.
    pub tick: i64,
    /// `None` = every unit.
    units: Option<Arc<Units>>,
    turnout: Arc<OnceLock<Turnout>>,
}

impl Shown {
    pub fn new(moment: Arc<Moment>, from: Day, until: Day, tick: i64) -> Arc<Self> {
        Arc::new(Self { moment, from, until, signals_from: from, tick, units: None, turnout: Arc::default() })
    }

    /// The same, but `cells` and `signals` of these units alone, and signals of what they are made of.
    pub fn narrowed(&self, units: Arc<Units>) -> Arc<Self> {
        let (moment, turnout) = (self.moment.clone(), self.turnout.clone());
        Arc::new(Self { moment, turnout, units: Some(units), ..*self })
    }

    /// What rules see at `tick`: the days that are judged, and the history before them.
    pub fn to_rules(moment: Arc<Moment>, horizon_days: i32, history_days: i32, tick: i64) -> Arc<Self> {
        let today = Day::of_micros(tick);
        Self::new(moment, today.plus(-horizon_days - history_days), today, tick)
    }

    /// The same with the signals of every day before: people ask for what is years old, rules do not.
    pub fn with_old_signals(moment: Arc<Moment>, from: Day, until: Day, tick: i64) -> Arc<Self> {
        Arc::new(Self { signals_from: Day(i32::MIN), moment, from, until, tick, units: None, turnout: Arc::default() })
    }

    /// Cells of what is wanted, within the units that are shown.
    pub fn cells(&self, wanted: &Wanted) -> BTreeMap<CellKey, Cell> {
        let wanted = Wanted { units: self.units.clone(), ..wanted.clone() };
        self.counting().cells(&wanted, self.from, self.until)
    }

    fn counting(&self) -> Counting<'_> {
        Counting {
            records: &self.moment.records,
            registers: &self.moment.registers,
            meanings: &self.moment.meanings,
            turnout: self.turnout.get_or_init(|| self.moment.turnout(self.from, self.until)),
        }
    }
}

/// What is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum View {
    Cells,
    /// Rows of winning messages that count.
    CurrentSignals,
    ExpectedReports,
}

/// The first column of `signals` that tells of the message that stands; the others follow.
const FIRST_OF_STATEMENT: &str = "reported_at";

/// Where a plan finds what is shown when it runs.
#[derive(Default)]
pub struct Stage(Mutex<Option<Arc<Shown>>>);

impl Stage {
    /// A stage on which nothing changes.
    pub fn set(shown: Arc<Shown>) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Some(shown))))
    }

    pub fn show(&self, shown: Option<Arc<Shown>>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = shown;
    }

    fn shown(&self) -> Result<Arc<Shown>> {
        let shown = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
        shown.ok_or_else(|| DataFusionError::Execution("nothing is shown between two ticks".to_owned()))
    }
}

/// A counted table.
pub struct Counted {
    stage: Arc<Stage>,
    view: View,
    schema: SchemaRef,
}

impl Counted {
    /// A table that always shows the same.
    pub fn new(shown: Arc<Shown>, view: View) -> Arc<Self> {
        Self::on(Stage::set(shown), view)
    }

    /// A table that shows what stands on the stage.
    pub fn on(stage: Arc<Stage>, view: View) -> Arc<Self> {
        Arc::new(Self { stage, view, schema: schema(view) })
    }
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.view)
    }
}

#[async_trait]
impl TableProvider for Counted {
    fn schema(&self) -> SchemaRef {
        self.schema.clone()
    }

    fn table_type(&self) -> TableType {
        TableType::View
    }

    fn supports_filters_pushdown(&self, filters: &[&Expr]) -> Result<Vec<TableProviderFilterPushDown>> {
        Ok(vec![TableProviderFilterPushDown::Inexact; filters.len()])
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        let asked = |first: usize| projection.is_none_or(|columns| columns.iter().any(|at| *at >= first));
        let part = Part {
            stage: self.stage.clone(),
            view: self.view,
            schema: self.schema.clone(),
            wanted: wanted(filters),
            asks_who_said_it: self.schema.index_of(FIRST_OF_STATEMENT).is_ok_and(asked),
        };
        let parts: Vec<Arc<dyn PartitionStream>> = vec![Arc::new(part)];
        Ok(Arc::new(StreamingTableExec::try_new(self.schema.clone(), parts, projection, [], false, None)?))
    }
}

/// What one scan shows, counted when it runs.
struct Part {
    stage: Arc<Stage>,
    view: View,
    schema: SchemaRef,
    wanted: Wanted,
    /// Whether anybody reads the columns of the message that stands; finding it costs as much as the rest.
    asks_who_said_it: bool,
}

impl Part {
    fn count(&self) -> Result<RecordBatch> {
        let shown = self.stage.shown()?;
        let wanted = Wanted { units: shown.units.clone(), ..self.wanted.clone() };
        match self.view {
            View::Cells => cells(&shown, &wanted, &self.schema),
            View::CurrentSignals => signals(&shown, &wanted, self.asks_who_said_it, &self.schema),
            View::ExpectedReports => expected(&shown, &self.schema),
        }
    }
}

impl fmt::Debug for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} of {:?}", self.view, self.wanted)
    }
}

impl PartitionStream for Part {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let rows = context.session_config().batch_size();
        let batches: Vec<Result<RecordBatch>> = match self.count() {
            Ok(batch) => (0..batch.num_rows())
                .step_by(rows)
                .map(|from| Ok(batch.slice(from, rows.min(batch.num_rows() - from))))
                .collect(),
            Err(error) => vec![Err(error)],
        };
        Box::pin(RecordBatchStreamAdapter::new(self.schema.clone(), futures::stream::iter(batches)))
    }
}

/// The unit kinds and signals that `filters` leave.
fn wanted(filters: &[Expr]) -> Wanted {
    let mut wanted = Wanted::default();
    for filter in filters {
        if let Some((column, values)) = equals(filter) {
            let slot = match column.as_str() {
                "unit_kind" => &mut wanted.unit_kinds,
                "signal" => &mut wanted.signals,
                _ => continue,
            };
            *slot = Some(match slot.take() {
                Some(before) => before.intersection(&values).cloned().collect(),
                None => values,
            });
        }
    }
    wanted
}

/// Reads `column = 'text'`, `column IN (…)` and ORs of these on one column.
fn equals(filter: &Expr) -> Option<(String, BTreeSet<String>)> {
    match filter {
        Expr::BinaryExpr(binary) if binary.op == Operator::Eq => {
            let (column, value) = match (&*binary.left, &*binary.right) {
                (Expr::Column(column), value) | (value, Expr::Column(column)) => (column, value),
                _ => return None,
            };
            Some((column.name.clone(), BTreeSet::from([literal(value)?])))
        }
        Expr::BinaryExpr(binary) if binary.op == Operator::Or => {
            let (left, right) = (equals(&binary.left)?, equals(&binary.right)?);
            (left.0 == right.0).then(|| (left.0, left.1.union(&right.1).cloned().collect()))
        }
        Expr::InList(list) if !list.negated => {
            let Expr::Column(column) = &*list.expr else { return None };
            let values: Option<BTreeSet<String>> = list.list.iter().map(literal).collect();
            Some((column.name.clone(), values?))
        }
        _ => None,
    }
}

fn literal(expression: &Expr) -> Option<String> {
    match expression {
        Expr::Literal(ScalarValue::Utf8(Some(text)), _)
        | Expr::Literal(ScalarValue::Utf8View(Some(text)), _)
        | Expr::Literal(ScalarValue::LargeUtf8(Some(text)), _) => Some(text.clone()),
        _ => None,
    }
}

/// Columns of a counted table: name and type.
pub fn schema(view: View) -> SchemaRef {
    let text = DataType::Utf8;
    let columns: Vec<(&str, DataType, bool)> = match view {
        View::Cells => vec![
            ("unit_kind", text.clone(), false),
            ("unit_id", text.clone(), false),
            ("signal", text.clone(), false),
            ("event_date", DataType::Date32, false),
            ("feed", text.clone(), false),
            ("area_code", text.clone(), true),
            ("facility_id", text.clone(), true),
            ("syndrome", text.clone(), true),
            ("channel", text, true),
            ("count", DataType::Int64, true),
            ("denominator", DataType::Int64, true),
            ("expected", DataType::Int64, false),
            ("reported", DataType::Int64, false),
            ("zero", DataType::Int64, false),
            ("missing", DataType::Int64, false),
        ],
        View::CurrentSignals => vec![
            ("unit_kind", text.clone(), false),
            ("unit_id", text.clone(), false),
            ("signal", text.clone(), false),
            ("event_date", DataType::Date32, false),
            ("feed", text.clone(), false),
            ("kind", text.clone(), false),
            ("area_code", text.clone(), true),
            ("facility_id", text.clone(), true),
            ("syndrome", text.clone(), true),
            ("person_key", text.clone(), true),
            ("slot", text.clone(), true),
            ("quality", text.clone(), true),
            ("value", DataType::Int64, false),
            ("denominator", DataType::Int64, true),
            ("event_time", time_type(), false),
            ("known_at", time_type(), false),
            ("reported_at", time_type(), true),
            ("record_key", text.clone(), false),
            ("operation", text.clone(), true),
            ("revision", DataType::Int64, true),
            ("topic", text, true),
            ("partition", DataType::Int64, true),
            ("offset", DataType::Int64, true),
        ],
        View::ExpectedReports => vec![
            ("facility_id", text.clone(), false),
            ("facility_kind", text.clone(), false),
            ("feed", text.clone(), false),
            ("report_date", DataType::Date32, false),
            ("missing_since", DataType::Date32, true),
            ("state", text.clone(), false),
            ("area_code", text, true),
            ("due_at", time_type(), false),
            ("received_at", time_type(), true),
            ("is_zero", DataType::Boolean, false),
            ("missing_run", DataType::Int64, false),
        ],
    };
    Arc::new(Schema::new(
        columns.into_iter().map(|(name, kind, null)| Field::new(name, kind, null)).collect::<Vec<_>>(),
    ))
}

/// Builders by kind, filled row by row, in the order of the columns of each kind.
#[derive(Default)]
struct Builders {
    texts: Vec<StringBuilder>,
    numbers: Vec<Int64Builder>,
    times: Vec<TimestampMicrosecondBuilder>,
    days: Vec<Date32Builder>,
    truths: BooleanBuilder,
}

impl Builders {
    fn texts<const N: usize>(&mut self, values: [Option<&str>; N]) {
        self.texts.resize_with(N, StringBuilder::new);
        self.texts.iter_mut().zip(values).for_each(|(builder, value)| builder.append_option(value));
    }

    fn numbers<const N: usize>(&mut self, values: [Option<i64>; N]) {
        self.numbers.resize_with(N, Int64Builder::new);
        self.numbers.iter_mut().zip(values).for_each(|(builder, value)| builder.append_option(value));
    }

    fn times<const N: usize>(&mut self, values: [Option<i64>; N]) {
        self.times.resize_with(N, TimestampMicrosecondBuilder::new);
        self.times.iter_mut().zip(values).for_each(|(builder, value)| builder.append_option(value));
    }

    fn days<const N: usize>(&mut self, values: [Option<Day>; N]) {
        self.days.resize_with(N, Date32Builder::new);
        self.days.iter_mut().zip(values).for_each(|(builder, value)| builder.append_option(value.map(|day| day.0)));
    }

    fn finish(mut self, schema: &SchemaRef) -> Result<RecordBatch> {
        let (mut texts, mut numbers) = (self.texts.into_iter(), self.numbers.into_iter());
        let (mut times, mut days) = (self.times.into_iter(), self.days.into_iter());
        let columns = schema.fields().iter().map(|field| -> ArrayRef {
            match field.data_type() {
                DataType::Utf8 => Arc::new(texts.next().unwrap_or_default().finish()),
                DataType::Int64 => Arc::new(numbers.next().unwrap_or_default().finish()),
                DataType::Date32 => Arc::new(days.next().unwrap_or_default().finish()),
                DataType::Boolean => Arc::new(self.truths.finish()),
                _ => Arc::new(times.next().unwrap_or_default().finish().with_timezone(UTC)),
            }
        });
        let columns: Vec<ArrayRef> = columns.collect();
        Ok(RecordBatch::try_new(schema.clone(), columns)?)
    }
}

fn cells(shown: &Shown, wanted: &Wanted, schema: &SchemaRef) -> Result<RecordBatch> {
    let cells = shown.counting().cells(wanted, shown.from, shown.until);
    let mut rows = Builders::default();
    for (key, cell) in &cells {
        let meaning = shown.moment.meanings.any(&key.signal);
        rows.texts([
            Some(&*key.unit_kind),
            Some(&*key.unit_id),
            Some(&*key.signal),
            Some(&*cell.feed),
            cell.area_code.as_deref(),
            cell.facility_id.as_deref(),
            meaning.map(|meaning| meaning.syndrome.as_str()),
            meaning.map(|meaning| meaning.channel.as_str()),
        ]);
        rows.days([Some(key.day)]);
        rows.numbers([
            cell.count,
            cell.denominator,
            Some(cell.expected),
            Some(cell.reported),
            Some(cell.zero),
            Some(cell.missing),
        ]);
    }
    if cells.is_empty() {
        return Ok(RecordBatch::new_empty(schema.clone()));
    }
    rows.finish(schema)
}

/// Whether a group's rows are of one of `units`, or of what one of them is made of.
fn is_part_of(moment: &Moment, group: &Group, units: &Units) -> bool {
    own_and_above(&moment.records, &moment.registers, group).any(|(kind, id)| units.contains(kind, id))
}

fn signals(shown: &Shown, wanted: &Wanted, asks_who_said_it: bool, schema: &SchemaRef) -> Result<RecordBatch> {
    let records = &shown.moment.records;
    let names = &records.names;
    let counting = shown.counting();
    let mut rows = Builders::default();
    let mut any = false;
    let groups = records.groups.iter().filter(|(group, _)| {
        group.day >= shown.signals_from
            && group.day <= shown.until
            && wanted.signal(names.text(group.signal))
            && wanted.unit_kind(names.text(group.unit_kind))
            && wanted.units.as_ref().is_none_or(|units| is_part_of(&shown.moment, group, units))
            && counting.is_authoritative(group)
    });
    for (group, members) in groups {
        let signal = names.text(group.signal);
        let syndrome = shown.moment.meanings.any(signal).map(|meaning| meaning.syndrome.as_str());
        for ((key, _), row) in members.iter().filter(|(_, row)| row.counts) {
            any = true;
            let statement = asks_who_said_it.then(|| records.statement(*key)).flatten();
            let record_key = if asks_who_said_it { format!("{key:032x}") } else { String::new() };
            let stands = statement.map(|statement| statement.standing);
            rows.texts([
                Some(names.text(group.unit_kind)),
                Some(names.text(group.unit_id)),
                Some(signal),
                Some(names.text(group.feed)),
                Some(names.text(group.kind)),
                group.area.map(|name| names.text(name)),
                group.facility.map(|name| names.text(name)),
                syndrome,
                row.person.map(|name| names.text(name)),
                row.slot.map(|name| names.text(name)),
                row.quality.map(|name| names.text(name)),
                Some(&record_key),
                statement.map(|statement| statement.operation),
                statement.map(|statement| statement.topic),
            ]);
            rows.days([Some(group.day)]);
            rows.numbers([
                Some(row.value),
                row.denominator,
                stands.map(|stands| stands.revision),
                stands.map(|stands| i64::from(stands.partition)),
                stands.map(|stands| stands.offset),
            ]);
            rows.times([Some(row.event_time), Some(row.known_at), stands.map(|stands| stands.reported_at)]);
        }
    }
    if any { rows.finish(schema) } else { Ok(RecordBatch::new_empty(schema.clone())) }
}

fn expected(shown: &Shown, schema: &SchemaRef) -> Result<RecordBatch> {
    let registers = &shown.moment.registers;
    let mut rows = Builders::default();
    let reports = shown.moment.expected_reports(shown.from, shown.until, shown.tick);
    for report in &reports {
        let facility = registers.facilities.get(&report.facility_id);
        let area = registers.area_of(&report.facility_id).map(|area| registers.lineage(area)).unwrap_or_default();
        let state: ReportState = report.state;
        rows.texts([
            Some(&*report.facility_id),
            facility.map(|facility| facility.kind.as_str()),
            Some(&*report.feed),
            Some(state.word()),
            area.county,
        ]);
        rows.days([Some(report.day), report.missing_since]);
        rows.times([Some(report.due_at), report.received_at]);
        rows.truths.append_value(report.is_zero);
        rows.numbers([Some(report.missing_run)]);
    }
    if reports.is_empty() { Ok(RecordBatch::new_empty(schema.clone())) } else { rows.finish(schema) }
}
