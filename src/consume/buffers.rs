//! What a grown column holds: read back row by row, or handed to Arrow as a whole.
//!
//! Promises: buffers are handed over, not copied; the entries of free-key objects are sorted by key.
//! Never: leaves rows behind: a finished column is empty.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BooleanArray, Date32Array, Float64Array, Int64Array, ListArray, StringArray, StructArray,
    TimestampMicrosecondArray, UInt32Array,
};
use arrow::buffer::{Buffer, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow::compute::take;
use arrow::error::ArrowError;

use super::columns::{Column, Values};
use super::plan::item_field;

impl Column {
    fn has(&self, row: usize) -> bool {
        row < self.valid.len() && self.valid.get_bit(row)
    }

    /// The text of a row.
    pub fn text(&self, row: usize) -> Option<&str> {
        let Values::Text { ends, bytes } = &self.values else { return None };
        let range = *ends.get(row)? as usize..*ends.get(row + 1)? as usize;
        std::str::from_utf8(bytes.get(range)?).ok().filter(|_| self.has(row))
    }

    /// The whole number, day or instant of a row.
    pub fn integer(&self, row: usize) -> Option<i64> {
        let value = match &self.values {
            Values::Integer(values) | Values::Instant(values) => *values.get(row)?,
            Values::Day(values) => i64::from(*values.get(row)?),
            _ => return None,
        };
        self.has(row).then_some(value)
    }

    pub fn boolean(&self, row: usize) -> Option<bool> {
        let Values::Boolean(values) = &self.values else { return None };
        self.has(row).then(|| values.get_bit(row))
    }

    /// The column at the end of a path of field indices.
    pub fn at(&self, steps: &[usize]) -> Option<&Self> {
        match (steps, &self.values) {
            ([], _) => Some(self),
            ([first, rest @ ..], Values::Object { columns, .. }) => columns.get(*first)?.at(rest),
            _ => None,
        }
    }

    /// Hands the buffers to Arrow and leaves the column empty.
    pub fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let nulls = Some(NullBuffer::new(self.valid.finish())).filter(|nulls| nulls.null_count() > 0);
        Ok(match &mut self.values {
            Values::Text { ends, bytes } => {
                let bytes = Buffer::from_vec(std::mem::take(bytes));
                Arc::new(StringArray::try_new(offsets(ends), bytes, nulls)?)
            }
            Values::Integer(values) => Arc::new(Int64Array::try_new(std::mem::take(values).into(), nulls)?),
            Values::Number(values) => Arc::new(Float64Array::try_new(std::mem::take(values).into(), nulls)?),
            Values::Boolean(values) => Arc::new(BooleanArray::new(values.finish(), nulls)),
            Values::Day(values) => Arc::new(Date32Array::try_new(std::mem::take(values).into(), nulls)?),
            Values::Instant(values) => {
                let array = TimestampMicrosecondArray::try_new(std::mem::take(values).into(), nulls)?;
                Arc::new(array.with_timezone("UTC"))
            }
            Values::List { ends, item } => list(ends, item.finish()?, nulls)?,
            Values::Object { fields, columns } => {
                let length = nulls.as_ref().map(NullBuffer::len);
                let arrays: Vec<ArrayRef> = columns.iter_mut().map(Self::finish).collect::<Result<_, _>>()?;
                let length = length.or_else(|| arrays.first().map(|array| array.len())).unwrap_or(0);
                Arc::new(StructArray::try_new_with_length(fields.clone(), arrays, nulls, length)?)
            }
            Values::Map { ends, fields, key, value, order } => {
                let entries: ArrayRef =
                    Arc::new(StructArray::try_new(fields.clone(), vec![key.finish()?, value.finish()?], None)?);
                let order = std::mem::take(order);
                let sorted = order.windows(2).all(|pair| pair[0] < pair[1]);
                let entries = if sorted { entries } else { take(&entries, &UInt32Array::from(order), None)? };
                list(ends, entries, nulls)?
            }
        })
    }
}

fn offsets(ends: &mut Vec<i32>) -> OffsetBuffer<i32> {
    OffsetBuffer::new(ScalarBuffer::from(std::mem::replace(ends, vec![0])))
}

fn list(ends: &mut Vec<i32>, items: ArrayRef, nulls: Option<NullBuffer>) -> Result<ArrayRef, ArrowError> {
    let field = item_field(items.data_type().clone());
    Ok(Arc::new(ListArray::try_new(field, offsets(ends), items, nulls)?))
}
