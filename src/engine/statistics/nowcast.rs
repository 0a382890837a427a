//! The nowcast over the rows of a query: dates of events and of reports in, corrected days out.
//!
//! Promises: the numbers of `qianshao nowcast`, to the bit; a row that was known after `as_of` changes nothing.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Date32Array, Int64Array, ListArray, Scalar, StructArray};
use arrow::buffer::OffsetBuffer;
use arrow::compute::kernels::cmp::distinct;
use arrow::datatypes::{DataType, Date32Type, Field, FieldRef, Fields};
use datafusion::common::{Result, ScalarValue};

use super::{Pairs, days, failed, known, numbers};
use crate::detectors::command::nowcast::Reports;
use crate::detectors::nowcast::Nowcasts;
use crate::terms::Day;

/// event_date, known_date, as_of.
pub const COLUMNS: usize = 3;

fn fields() -> Fields {
    Fields::from(vec![
        Field::new("event_date", DataType::Date32, true),
        Field::new("observed", DataType::Int64, true),
        Field::new("expected", DataType::Float64, true),
        Field::new("lower", DataType::Float64, true),
        Field::new("upper", DataType::Float64, true),
    ])
}

fn item() -> FieldRef {
    Field::new_list_field(DataType::Struct(fields()), true).into()
}

/// A list of days, the oldest first.
pub fn answer() -> DataType {
    DataType::List(item())
}

pub fn run(function: &str, columns: &[ArrayRef], mut pairs: Pairs<'_>) -> Result<ScalarValue> {
    let [event, known, as_of] = columns else {
        return Err(failed(function, "event_date, known_date and as_of are asked for"));
    };
    let counts = pairs.column("count").map(|column| numbers(function, &column)).transpose()?;
    let now = today(function, as_of)?;
    let (event, known) = (days(function, event)?, days(function, known)?);
    let (event, known) = (event.as_primitive::<Date32Type>(), known.as_primitive::<Date32Type>());
    let mut reports = Reports::default();
    for row in 0..event.len() {
        let told = |words: String| failed(function, format!("row {}: {words}", row + 1));
        if event.is_null(row) || known.is_null(row) {
            return Err(told("an event_date and a known_date are asked for; leave out what has none".to_owned()));
        }
        let count = counts.as_ref().map_or(1.0, |counts| counts[row]);
        reports.add(Day(event.value(row)), Day(known.value(row)), count).map_err(told)?;
    }
    let (first, nowcasts) = reports.nowcast(now, &pairs.words()?).map_err(|words| failed(function, words))?;
    list(first, nowcasts)
}

/// The day that all rows take as today; null is the last known_date.
fn today(function: &str, as_of: &ArrayRef) -> Result<Option<Day>> {
    if as_of.data_type().is_null() {
        return Ok(None);
    }
    let as_of = days(function, as_of)?;
    if distinct(&as_of, &Scalar::new(as_of.slice(0, 1)))?.true_count() > 0 {
        return Err(failed(function, "as_of is not the same in all rows"));
    }
    Ok(as_of.as_primitive::<Date32Type>().iter().next().flatten().map(Day))
}

fn list(first: Day, Nowcasts { observed, expected, lower, upper }: Nowcasts) -> Result<ScalarValue> {
    let dates = (0..observed.len()).map(|place| Some(first.plus(place as i32).0));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(dates.collect::<Date32Array>()),
        Arc::new(observed.iter().map(|count| Some(*count as i64)).collect::<Int64Array>()),
        Arc::new(known(expected)),
        Arc::new(known(lower)),
        Arc::new(known(upper)),
    ];
    let days: ArrayRef = Arc::new(StructArray::try_new(fields(), columns, None)?);
    let list = ListArray::try_new(item(), OffsetBuffer::from_lengths([days.len()]), days, None)?;
    Ok(ScalarValue::List(Arc::new(list)))
}
