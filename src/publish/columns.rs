//! Columns of a record batch by name, whatever width of text or unit of time the engine chose.
//!
//! Promises: a missing column or a null where there must be a value is a problem with the column's name.

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Int32Array, Int64Array, RecordBatch, StringArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Float64Type, Int32Type, Int64Type, TimeUnit};

use crate::problem::{Problem, Result, codes};
use crate::terms::Day;

/// Names the columns of one batch of one table.
pub struct Columns<'a> {
    pub table: &'static str,
    pub batch: &'a RecordBatch,
}

impl Columns<'_> {
    pub fn text(&self, name: &str) -> Result<Texts> {
        Ok(Texts { at: self.at(name), values: self.of(name, &DataType::Utf8)?.as_string::<i32>().clone() })
    }

    pub fn integers(&self, name: &str) -> Result<Integers> {
        let values = self.of(name, &DataType::Int64)?.as_primitive::<Int64Type>().clone();
        Ok(Integers { at: self.at(name), values })
    }

    /// Microseconds UTC.
    pub fn micros(&self, name: &str) -> Result<Integers> {
        let instants = self.of(name, &DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())))?;
        let values = cast(&instants, &DataType::Int64).map_err(|error| self.bad(name, &error.to_string()))?;
        Ok(Integers { at: self.at(name), values: values.as_primitive::<Int64Type>().clone() })
    }

    pub fn days(&self, name: &str) -> Result<Days> {
        let days = self.of(name, &DataType::Date32)?;
        Ok(Days { at: self.at(name), values: days.as_primitive::<Date32Type>().reinterpret_cast::<Int32Type>() })
    }

    pub fn floats(&self, name: &str) -> Result<Floats> {
        let values = self.of(name, &DataType::Float64)?.as_primitive::<Float64Type>().clone();
        Ok(Floats { at: self.at(name), values })
    }

    fn of(&self, name: &str, wanted: &DataType) -> Result<ArrayRef> {
        let column = self.batch.column_by_name(name).ok_or_else(|| self.bad(name, "no such column"))?;
        cast(column, wanted).map_err(|error| self.bad(name, &error.to_string()))
    }

    fn at(&self, name: &str) -> String {
        format!("table {}, column {name}", self.table)
    }

    fn bad(&self, name: &str, found: &str) -> Box<Problem> {
        Problem::new(codes::kafka::ROW_SHAPE, self.at(name), found)
    }
}

fn null(at: &str, row: usize) -> Box<Problem> {
    Problem::new(codes::kafka::ROW_SHAPE, format!("{at}, row {row}"), "null where there must be a value")
}

pub struct Texts {
    at: String,
    values: StringArray,
}

impl Texts {
    pub fn get(&self, row: usize) -> Result<String> {
        self.find(row).ok_or_else(|| null(&self.at, row))
    }

    pub fn find(&self, row: usize) -> Option<String> {
        self.values.is_valid(row).then(|| self.values.value(row).to_owned())
    }
}

pub struct Integers {
    at: String,
    values: Int64Array,
}

impl Integers {
    pub fn get(&self, row: usize) -> Result<i64> {
        self.values.is_valid(row).then(|| self.values.value(row)).ok_or_else(|| null(&self.at, row))
    }
}

pub struct Days {
    at: String,
    values: Int32Array,
}

impl Days {
    pub fn get(&self, row: usize) -> Result<Day> {
        self.values.is_valid(row).then(|| Day(self.values.value(row))).ok_or_else(|| null(&self.at, row))
    }
}

pub struct Floats {
    at: String,
    values: Float64Array,
}

impl Floats {
    pub fn get(&self, row: usize) -> Result<f64> {
        self.find(row).ok_or_else(|| null(&self.at, row))
    }

    /// None too for what JSON cannot say (infinite, not a number).
    pub fn find(&self, row: usize) -> Option<f64> {
        self.values.is_valid(row).then(|| self.values.value(row)).filter(|value| value.is_finite())
    }
}
