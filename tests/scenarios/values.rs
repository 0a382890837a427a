//! Values of an answer as a scenario writes them: dates `2021-01-18`, instants at +08:00, numbers with at most three decimals.

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{DataType, Date32Type, Float64Type, TimeUnit, TimestampMicrosecondType};
use arrow::util::display::array_value_to_string;
use qianshao::terms::{Day, local_text};
use sqllogictest::DefaultColumnType;

/// The rows of an answer as texts.
pub fn rows(batches: &[RecordBatch]) -> Vec<Vec<String>> {
    let of_batch = |batch: &RecordBatch| -> Vec<Vec<String>> {
        (0..batch.num_rows())
            .map(|row| batch.columns().iter().map(|column| value(column.as_ref(), row)).collect())
            .collect()
    };
    batches.iter().flat_map(of_batch).collect()
}

pub fn column_type(data_type: &DataType) -> DefaultColumnType {
    match data_type {
        DataType::Float64 | DataType::Float32 | DataType::Decimal128(..) => DefaultColumnType::FloatingPoint,
        data_type if data_type.is_integer() => DefaultColumnType::Integer,
        _ => DefaultColumnType::Text,
    }
}

fn value(column: &dyn Array, row: usize) -> String {
    if column.is_null(row) {
        return "NULL".to_owned();
    }
    let text = match column.data_type() {
        DataType::Date32 => Day(column.as_primitive::<Date32Type>().value(row)).to_string(),
        DataType::Timestamp(TimeUnit::Microsecond, Some(_)) => {
            local_text(column.as_primitive::<TimestampMicrosecondType>().value(row))
        }
        DataType::Float64 => number(column.as_primitive::<Float64Type>().value(row)),
        _ => array_value_to_string(column, row).unwrap(),
    };
    if text.is_empty() { "(empty)".to_owned() } else { text }
}

fn number(value: f64) -> String {
    let text = format!("{value:.3}");
    if !text.contains('.') {
        return text;
    }
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}
