//! `cells`, `signals` (current rows) and `expected_reports` as tables: counted when a query reads them, and only the unit
//! kinds and signals that it asks for.
//!
//! Promises: a table shows one moment; what a filter narrows changes nothing but the work.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};

use arrow::array::{RecordBatch, RecordBatchOptions};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::catalog::{Session, TableProvider};
use datafusion::common::{DataFusionError, Result};
use datafusion::datasource::TableType;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};

use super::builders::{Builders, Column};
use super::count::{Cell, CellKey, Counting, Units, Wanted};
use super::filters::wanted;
use super::moment::Moment;
use super::names::Name;
use super::records::{Record, Records};
use super::reports::Turnout;
use super::rows::{NONE, Row, Series};
use crate::delta::tables::time_type;
use crate::engine::Scan;
use crate::terms::Day;

/// Rows of cells that are kept for the next who wants the same: rules want a few thousand, people years of everything.
const CELLS_KEPT_MAX: usize = 250_000;

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
    /// Tables that several rules read, once each.
    expected: Arc<OnceLock<RecordBatch>>,
    cells: Mutex<Vec<(Wanted, RecordBatch)>>,
}

impl Shown {
    pub fn new(moment: Arc<Moment>, from: Day, until: Day, tick: i64) -> Arc<Self> {
        Arc::new(Self::of(moment, from, until, tick))
    }

    fn of(moment: Arc<Moment>, from: Day, until: Day, tick: i64) -> Self {
        let (turnout, expected, cells) = (Arc::default(), Arc::default(), Mutex::default());
        Self { moment, from, until, signals_from: from, tick, units: None, turnout, expected, cells }
    }

    /// The same, but `cells` and `signals` of these units alone, and signals of what they are made of.
    pub fn narrowed(&self, units: Arc<Units>) -> Arc<Self> {
        let (moment, turnout, expected) = (self.moment.clone(), self.turnout.clone(), self.expected.clone());
        Arc::new(Self { moment, turnout, expected, units: Some(units), cells: Mutex::default(), ..*self })
    }

    /// What rules see at `tick`: the days that are judged, and the history before them.
    pub fn to_rules(moment: Arc<Moment>, horizon_days: i32, history_days: i32, tick: i64) -> Arc<Self> {
        let today = Day::of_micros(tick);
        Self::new(moment, today.plus(-horizon_days - history_days), today, tick)
    }

    /// The same with the signals of every day before: people ask for what is years old, rules do not.
    pub fn with_old_signals(moment: Arc<Moment>, from: Day, until: Day, tick: i64) -> Arc<Self> {
        Arc::new(Self { signals_from: Day(i32::MIN), ..Self::of(moment, from, until, tick) })
    }

    fn cells_table(&self, wanted: &Wanted) -> Result<RecordBatch> {
        let mut tables = self.cells.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, table)) = tables.iter().find(|(counted, _)| counted == wanted) {
            return Ok(table.clone());
        }
        let table = cells(self, &Wanted { units: self.units.clone(), ..wanted.clone() })?;
        let kept: usize = tables.iter().map(|(_, table)| table.num_rows()).sum();
        // An empty table takes a place too.
        if kept + tables.len() + table.num_rows() < CELLS_KEPT_MAX {
            tables.push((wanted.clone(), table.clone()));
        }
        Ok(table)
    }

    fn expected_table(&self) -> Result<RecordBatch> {
        match self.expected.get() {
            Some(table) => Ok(table.clone()),
            None => expected(self).map(|table| self.expected.get_or_init(|| table).clone()),
        }
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

    /// A plan that counts what is `wanted` when it runs; all columns, or those of `projection`.
    pub fn read(&self, projection: Option<Vec<usize>>, wanted: Wanted) -> Result<Arc<dyn ExecutionPlan>> {
        let shape = match &projection {
            Some(columns) => Arc::new(self.schema.project(columns)?),
            None => self.schema.clone(),
        };
        let part = Part { stage: self.stage.clone(), view: self.view, schema: shape.clone(), projection, wanted };
        let parts: Vec<Arc<dyn PartitionStream>> = vec![Arc::new(part)];
        Ok(Arc::new(StreamingTableExec::try_new(shape, parts, None, [], false, None)?))
    }
}

impl fmt::Debug for Counted {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?}", self.view)
    }
}

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

    fn scan<'a, 'b, 'c, 'd, 'e>(
        &'a self,
        _state: &'b dyn Session,
        projection: Option<&'c Vec<usize>>,
        filters: &'d [Expr],
        _limit: Option<usize>,
    ) -> Scan<'e>
    where
        'a: 'e,
        'b: 'e,
        'c: 'e,
        'd: 'e,
        Self: 'e,
    {
        Box::pin(std::future::ready(self.read(projection.cloned(), wanted(filters))))
    }
}

/// What one scan shows, counted when it runs.
struct Part {
    stage: Arc<Stage>,
    view: View,
    /// The columns that are read, and their places among all.
    schema: SchemaRef,
    projection: Option<Vec<usize>>,
    wanted: Wanted,
}

impl Part {
    fn count(&self) -> Result<RecordBatch> {
        let shown = self.stage.shown()?;
        let whole = match self.view {
            View::Cells => shown.cells_table(&self.wanted)?,
            // There are many of them: what is not read is not written.
            View::CurrentSignals => return signals(&shown, &self.wanted, &self.schema),
            View::ExpectedReports => shown.expected_table()?,
        };
        match &self.projection {
            Some(columns) => Ok(whole.project(columns)?),
            None => Ok(whole),
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

fn cells(shown: &Shown, wanted: &Wanted) -> Result<RecordBatch> {
    let mut rows = Builders::default();
    for series in &shown.counting().series(wanted, shown.from, shown.until) {
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
    rows.finish(&schema(View::Cells))
}

fn signals(shown: &Shown, wanted: &Wanted, schema: &SchemaRef) -> Result<RecordBatch> {
    let Moment { records, places, meanings, .. } = &*shown.moment;
    let names = &records.names;
    // Of a unit that is shown, what it is made of is shown too.
    let among = shown.units.as_ref().map(|units| (places.among(units), units));
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
    let mut columns: Vec<Column> = schema.fields().iter().map(|field| Column::of(field.data_type())).collect();
    let mut count = 0;
    for (series, of_day) in &groups {
        let rows = records
            .rows_in_order(*of_day, |row| row.what.counts)
            .map_err(|problem| DataFusionError::External(problem))?;
        count += rows.len();
        let syndrome = meanings.any(names.text(series.signal)).map(|meaning| meaning.syndrome.as_str());
        for (field, column) in schema.fields().iter().zip(&mut columns) {
            tell(records, (series, of_day.day), syndrome, &rows, field.name(), column);
        }
    }
    let columns = columns.into_iter().map(Column::finish).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    Ok(RecordBatch::try_new_with_options(schema.clone(), columns, &options)?)
}

/// What the rows of one series and day say in the column `name` of `signals`.
fn tell(
    records: &Records,
    (series, day): (&Series, Day),
    syndrome: Option<&str>,
    rows: &[(Row, Record)],
    name: &str,
    column: &mut Column,
) {
    let names = &records.names;
    let text = |name: Name| Some(names.text(name));
    let says = |(_, record): &(Row, Record)| records.statement(record);
    match name {
        "unit_kind" => column.same_text(text(series.unit_kind), rows.len()),
        "unit_id" => column.same_text(text(series.unit_id), rows.len()),
        "signal" => column.same_text(text(series.signal), rows.len()),
        "event_date" => column.same_number(day.0.into(), rows.len()),
        "feed" => column.same_text(text(series.feed), rows.len()),
        "kind" => column.same_text(text(series.kind), rows.len()),
        "area_code" => column.same_text(series.area.and_then(text), rows.len()),
        "facility_id" => column.same_text(series.facility.and_then(text), rows.len()),
        "syndrome" => column.same_text(syndrome, rows.len()),
        "person_key" => {
            rows.iter().for_each(|(row, _)| column.text(row.person.map(|person| names.token(person)).as_deref()))
        }
        "slot" => rows.iter().for_each(|(row, _)| column.text(row.what.slot.and_then(text))),
        "quality" => rows.iter().for_each(|(row, _)| column.text(row.what.quality.and_then(text))),
        "value" => rows.iter().for_each(|(row, _)| column.number(Some(row.what.value))),
        "denominator" => rows.iter().for_each(|(row, _)| column.number(row.what.denominator)),
        "event_time" => rows.iter().for_each(|(row, _)| column.number(Some(row.event_time))),
        "known_at" => rows.iter().for_each(|row| column.number(Some(says(row).known_at))),
        "reported_at" => rows.iter().for_each(|row| column.number(Some(says(row).reported_at))),
        "record_key" => rows.iter().for_each(|row| column.text(Some(&format!("{:032x}", says(row).key)))),
        "operation" => rows.iter().for_each(|row| column.text(Some(says(row).operation))),
        "revision" => rows.iter().for_each(|row| column.number(Some(says(row).revision))),
        "topic" => rows.iter().for_each(|row| column.text(Some(says(row).topic))),
        "partition" => rows.iter().for_each(|row| column.number(Some(says(row).partition.into()))),
        "offset" => rows.iter().for_each(|row| column.number(Some(says(row).offset))),
        _ => (0..rows.len()).for_each(|_| column.text(None)),
    }
}

fn expected(shown: &Shown) -> Result<RecordBatch> {
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
    rows.finish(&schema(View::ExpectedReports))
}
