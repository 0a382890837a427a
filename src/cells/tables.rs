//! `cells`, `signals` (current rows) and `expected_reports` as tables: counted when a query reads them, and only the unit
//! kinds and signals that it asks for.
//!
//! Promises: a table shows one moment; what a filter narrows changes nothing but the work.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::TableType;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};

use super::builders::Builders;
use super::count::{Cell, CellKey, Counting, Units, Wanted};
use super::filters::wanted;
use super::moment::Moment;
use super::reports::Turnout;
use super::rows::{NONE, Series};
use crate::delta::tables::time_type;
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
    /// The table of expected reports: several rules read it.
    expected: Arc<OnceLock<RecordBatch>>,
}

impl Shown {
    pub fn new(moment: Arc<Moment>, from: Day, until: Day, tick: i64) -> Arc<Self> {
        let (turnout, expected) = (Arc::default(), Arc::default());
        Arc::new(Self { moment, from, until, signals_from: from, tick, units: None, turnout, expected })
    }

    /// The same, but `cells` and `signals` of these units alone, and signals of what they are made of.
    pub fn narrowed(&self, units: Arc<Units>) -> Arc<Self> {
        let (moment, turnout, expected) = (self.moment.clone(), self.turnout.clone(), self.expected.clone());
        Arc::new(Self { moment, turnout, expected, units: Some(units), ..*self })
    }

    /// What rules see at `tick`: the days that are judged, and the history before them.
    pub fn to_rules(moment: Arc<Moment>, horizon_days: i32, history_days: i32, tick: i64) -> Arc<Self> {
        let today = Day::of_micros(tick);
        Self::new(moment, today.plus(-horizon_days - history_days), today, tick)
    }

    /// The same with the signals of every day before: people ask for what is years old, rules do not.
    pub fn with_old_signals(moment: Arc<Moment>, from: Day, until: Day, tick: i64) -> Arc<Self> {
        let (turnout, expected) = (Arc::default(), Arc::default());
        let signals_from = Day(i32::MIN);
        Arc::new(Self { moment, from, until, signals_from, tick, units: None, turnout, expected })
    }

    /// Cells of what is wanted, within the units that are shown.
    pub fn cells(&self, wanted: &Wanted) -> BTreeMap<CellKey, Cell<'_>> {
        let wanted = Wanted { units: self.units.clone(), ..wanted.clone() };
        self.counting().cells(&wanted, self.from, self.until)
    }

    fn counting(&self) -> Counting<'_> {
        Counting {
            records: &self.moment.records,
            places: &self.moment.places,
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

fn cells(shown: &Shown, wanted: &Wanted, schema: &SchemaRef) -> Result<RecordBatch> {
    let cells = shown.counting().series(wanted, shown.from, shown.until);
    if cells.is_empty() {
        return Ok(RecordBatch::new_empty(schema.clone()));
    }
    let mut rows = Builders::default();
    for series in &cells {
        let meaning = shown.moment.meanings.any(series.signal);
        for (day, cell) in &series.days {
            rows.texts([
                Some(series.unit_kind),
                Some(series.unit_id),
                Some(series.signal),
                Some(cell.feed),
                cell.area_code,
                cell.facility_id,
                meaning.map(|meaning| meaning.syndrome.as_str()),
                meaning.map(|meaning| meaning.channel.as_str()),
            ]);
            rows.days([Some(*day)]);
            rows.numbers([
                cell.count,
                cell.denominator,
                Some(cell.expected),
                Some(cell.reported),
                Some(cell.zero),
                Some(cell.missing),
            ]);
        }
    }
    rows.finish(schema)
}

fn signals(shown: &Shown, wanted: &Wanted, asks_who_said_it: bool, schema: &SchemaRef) -> Result<RecordBatch> {
    let Moment { records, places, meanings, .. } = &*shown.moment;
    let names = &records.names;
    // Of a unit that is shown, what it is made of is shown too.
    let among = wanted.units.as_ref().map(|units| (places.among(units), units));
    let is_part = |number: u32, series: &Series| {
        among.as_ref().is_none_or(|(among, units)| {
            let place = places.get(number);
            let is_own = || units.contains(names.text(series.unit_kind), names.text(series.unit_id));
            place.units().any(|unit| among[unit as usize]) || (place.own == NONE && is_own())
        })
    };
    let groups = records.groups(shown.signals_from, shown.until, |number, series| {
        wanted.signal(names.text(series.signal))
            && wanted.unit_kind(names.text(series.unit_kind))
            && places.get(number).is_authoritative
            && is_part(number, series)
    });
    let mut rows = Builders::default();
    let mut any = false;
    for (group, of_day) in &groups {
        let signal = names.text(group.signal);
        let syndrome = meanings.any(signal).map(|meaning| meaning.syndrome.as_str());
        for row in records.rows_in_order(*of_day).iter().filter(|row| row.what.counts) {
            any = true;
            let stands = records.statement(row);
            let told = asks_who_said_it.then_some(stands);
            let record_key = told.map(|told| format!("{:032x}", told.key)).unwrap_or_default();
            rows.texts([
                Some(names.text(group.unit_kind)),
                Some(names.text(group.unit_id)),
                Some(signal),
                Some(names.text(group.feed)),
                Some(names.text(group.kind)),
                group.area.map(|name| names.text(name)),
                group.facility.map(|name| names.text(name)),
                syndrome,
                row.person.map(|person| names.token(person)).as_deref(),
                row.what.slot.map(|name| names.text(name)),
                row.what.quality.map(|name| names.text(name)),
                Some(&record_key),
                told.map(|told| told.operation),
                told.map(|told| told.topic),
            ]);
            rows.days([Some(group.day)]);
            rows.numbers([
                Some(row.what.value),
                row.what.denominator,
                told.map(|told| told.revision),
                told.map(|told| i64::from(told.partition)),
                told.map(|told| told.offset),
            ]);
            rows.times([Some(row.event_time), Some(stands.known_at), told.map(|told| told.reported_at)]);
        }
    }
    if any { rows.finish(schema) } else { Ok(RecordBatch::new_empty(schema.clone())) }
}

fn expected(shown: &Shown, schema: &SchemaRef) -> Result<RecordBatch> {
    if let Some(rows) = shown.expected.get() {
        return Ok(rows.clone());
    }
    let registers = &shown.moment.registers;
    let mut rows = Builders::default();
    let reports = shown.moment.expected_reports(shown.from, shown.until, shown.tick);
    // They come by facility, which is looked up once.
    for of_facility in reports.chunk_by(|one, other| one.facility_id == other.facility_id) {
        let facility_id = of_facility[0].facility_id;
        let kind = registers.facilities.get(facility_id).map(|facility| facility.kind.as_str());
        let area = registers.area_of(facility_id).map(|area| registers.lineage(area)).unwrap_or_default();
        for report in of_facility {
            rows.texts([Some(facility_id), kind, Some(report.feed), Some(report.state.word()), area.county]);
            rows.days([Some(report.day), report.missing_since]);
            rows.times([Some(report.due_at), report.received_at]);
            rows.truths.append_value(report.is_zero);
            rows.numbers([Some(report.missing_run)]);
        }
    }
    let rows = if reports.is_empty() { RecordBatch::new_empty(schema.clone()) } else { rows.finish(schema)? };
    Ok(shown.expected.get_or_init(|| rows).clone())
}
