//! Rows of a counted table: row by row, or those columns that are read.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanBuilder, Date32Builder, Int64Builder, RecordBatch, StringBuilder, TimestampMicrosecondBuilder,
};
use arrow::datatypes::{DataType, SchemaRef};
use datafusion::common::Result;

use crate::delta::tables::UTC;
use crate::terms::Day;

/// Builders by kind, filled row by row, in the order of the columns of each kind.
#[derive(Default)]
pub struct Builders {
    texts: Vec<StringBuilder>,
    numbers: Vec<Int64Builder>,
    times: Vec<TimestampMicrosecondBuilder>,
    days: Vec<Date32Builder>,
    pub truths: BooleanBuilder,
}

impl Builders {
    pub fn texts<const N: usize>(&mut self, values: [Option<&str>; N]) {
        self.texts.resize_with(N, StringBuilder::new);
        self.texts.iter_mut().zip(values).for_each(|(builder, value)| builder.append_option(value));
    }

    pub fn numbers<const N: usize>(&mut self, values: [Option<i64>; N]) {
        self.numbers.resize_with(N, Int64Builder::new);
        self.numbers.iter_mut().zip(values).for_each(|(builder, value)| builder.append_option(value));
    }

    pub fn times<const N: usize>(&mut self, values: [Option<i64>; N]) {
        self.times.resize_with(N, TimestampMicrosecondBuilder::new);
        self.times.iter_mut().zip(values).for_each(|(builder, value)| builder.append_option(value));
    }

    pub fn days<const N: usize>(&mut self, values: [Option<Day>; N]) {
        self.days.resize_with(N, Date32Builder::new);
        self.days.iter_mut().zip(values).for_each(|(builder, value)| builder.append_option(value.map(|day| day.0)));
    }

    pub fn finish(mut self, schema: &SchemaRef) -> Result<RecordBatch> {
        if self.texts.is_empty() {
            return Ok(RecordBatch::new_empty(schema.clone()));
        }
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

/// One column. What is not of its kind is nothing in it.
pub enum Column {
    Text(StringBuilder),
    Number(Int64Builder),
    Time(TimestampMicrosecondBuilder),
    Day(Date32Builder),
}

impl Column {
    pub fn of(kind: &DataType) -> Self {
        match kind {
            DataType::Int64 => Self::Number(Int64Builder::new()),
            DataType::Date32 => Self::Day(Date32Builder::new()),
            DataType::Timestamp(_, _) => Self::Time(TimestampMicrosecondBuilder::new()),
            _ => Self::Text(StringBuilder::new()),
        }
    }

    pub fn text(&mut self, value: Option<&str>) {
        match self {
            Self::Text(texts) => texts.append_option(value),
            Self::Number(_) | Self::Time(_) | Self::Day(_) => self.number(None),
        }
    }

    pub fn number(&mut self, value: Option<i64>) {
        match self {
            Self::Text(texts) => texts.append_null(),
            Self::Number(numbers) => numbers.append_option(value),
            Self::Time(times) => times.append_option(value),
            Self::Day(days) => days.append_option(value.map(|day| day as i32)),
        }
    }

    pub fn same_text(&mut self, value: Option<&str>, rows: usize) {
        (0..rows).for_each(|_| self.text(value));
    }

    pub fn same_number(&mut self, value: i64, rows: usize) {
        (0..rows).for_each(|_| self.number(Some(value)));
    }

    pub fn finish(self) -> ArrayRef {
        match self {
            Self::Text(mut texts) => Arc::new(texts.finish()),
            Self::Number(mut numbers) => Arc::new(numbers.finish()),
            Self::Time(mut times) => Arc::new(times.finish().with_timezone(UTC)),
            Self::Day(mut days) => Arc::new(days.finish()),
        }
    }
}
