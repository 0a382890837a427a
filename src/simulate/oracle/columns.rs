//! Arrow columns as plain values, whatever physical type a writer chose.
//!
//! Promises: a missing column reads as nulls; a value that is not what its name says is an error, not a zero.

use std::collections::BTreeMap;

use arrow::array::{Array, ArrayRef, AsArray, BinaryArray, Float64Array, Int64Array, StringArray, StructArray};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Int64Type, TimeUnit};
use arrow::record_batch::RecordBatch;

/// A batch and the partition values that stand in the log instead of in the file.
pub struct Rows<'a> {
    pub batch: &'a RecordBatch,
    pub partition: &'a BTreeMap<String, String>,
}

/// One column of texts; `None` inside where the file has no such column.
pub struct Texts(Option<StringArray>, Option<String>);
/// One column of integers, days or microseconds.
pub struct Ints(Option<Int64Array>, Option<i64>);
/// One column of floats.
pub struct Floats(Option<Float64Array>);
/// One column of bytes.
pub struct Bytes(Option<BinaryArray>);

impl Texts {
    pub fn get(&self, row: usize) -> Option<&str> {
        match &self.0 {
            Some(array) if array.is_valid(row) => Some(array.value(row)),
            Some(_) => None,
            None => self.1.as_deref(),
        }
    }
}

impl Ints {
    pub fn get(&self, row: usize) -> Option<i64> {
        match &self.0 {
            Some(array) if array.is_valid(row) => Some(array.value(row)),
            Some(_) => None,
            None => self.1,
        }
    }
}

impl Floats {
    pub fn get(&self, row: usize) -> Option<f64> {
        self.0.as_ref().filter(|array| array.is_valid(row)).map(|array| array.value(row))
    }
}

impl Bytes {
    pub fn get(&self, row: usize) -> Option<&[u8]> {
        self.0.as_ref().filter(|array| array.is_valid(row)).map(|array| array.value(row))
    }
}

impl Rows<'_> {
    pub fn len(&self) -> usize {
        self.batch.num_rows()
    }

    fn column_as(&self, name: &str, to: &DataType) -> Result<Option<ArrayRef>, String> {
        let Some(column) = self.batch.column_by_name(name) else { return Ok(None) };
        cast(column, to).map(Some).map_err(|e| format!("column {name}: {e}"))
    }

    pub fn texts(&self, name: &str) -> Result<Texts, String> {
        let array = self.column_as(name, &DataType::Utf8)?;
        Ok(Texts(array.map(|a| a.as_string::<i32>().clone()), self.partition.get(name).cloned()))
    }

    pub fn ints(&self, name: &str) -> Result<Ints, String> {
        let array = self.column_as(name, &DataType::Int64)?;
        Ok(Ints(array.map(|a| a.as_primitive::<Int64Type>().clone()), None))
    }

    /// Microseconds UTC.
    pub fn times(&self, name: &str) -> Result<Ints, String> {
        let Some(array) = self.column_as(name, &DataType::Timestamp(TimeUnit::Microsecond, None))? else {
            return Ok(Ints(None, None));
        };
        let array = cast(&array, &DataType::Int64).map_err(|e| format!("column {name}: {e}"))?;
        Ok(Ints(Some(array.as_primitive::<Int64Type>().clone()), None))
    }

    /// Days since 1970-01-01.
    pub fn days(&self, name: &str) -> Result<Ints, String> {
        let Some(array) = self.column_as(name, &DataType::Date32)? else {
            return Ok(Ints(None, self.partition.get(name).and_then(|text| super::day_of_text(text))));
        };
        let array = cast(&array, &DataType::Int64).map_err(|e| format!("column {name}: {e}"))?;
        Ok(Ints(Some(array.as_primitive::<Int64Type>().clone()), None))
    }

    pub fn floats(&self, name: &str) -> Result<Floats, String> {
        let array = self.column_as(name, &DataType::Float64)?;
        Ok(Floats(array.map(|a| a.as_primitive().clone())))
    }

    pub fn bytes(&self, name: &str) -> Result<Bytes, String> {
        let array = self.column_as(name, &DataType::Binary)?;
        Ok(Bytes(array.map(|a| a.as_binary::<i32>().clone())))
    }
}

type Map = BTreeMap<String, String>;

/// The `add` actions of a checkpoint batch: path, partition values, tags.
pub fn checkpoint_adds(batch: &RecordBatch) -> Result<Vec<(String, Map, Map)>, String> {
    let Some(add) = batch.column_by_name("add").and_then(|c| c.as_struct_opt()) else { return Ok(Vec::new()) };
    let paths = text_field(add, "path")?;
    let mut out = Vec::new();
    for row in (0..add.len()).filter(|row| add.is_valid(*row) && paths.is_valid(*row)) {
        let partition = map_field(add, "partitionValues", row)?;
        out.push((paths.value(row).to_owned(), partition, map_field(add, "tags", row)?));
    }
    Ok(out)
}

/// The `txn` actions of a checkpoint batch.
pub fn checkpoint_txns(batch: &RecordBatch) -> Result<BTreeMap<String, i64>, String> {
    let Some(txn) = batch.column_by_name("txn").and_then(|c| c.as_struct_opt()) else { return Ok(BTreeMap::new()) };
    let apps = text_field(txn, "appId")?;
    let versions = txn.column_by_name("version").ok_or("checkpoint txn without version")?;
    let versions = cast(versions, &DataType::Int64).map_err(|e| format!("checkpoint txn: {e}"))?;
    let versions = versions.as_primitive::<Int64Type>();
    let valid = (0..txn.len()).filter(|row| txn.is_valid(*row) && apps.is_valid(*row));
    Ok(valid.map(|row| (apps.value(row).to_owned(), versions.value(row))).collect())
}

fn text_field(parent: &StructArray, name: &str) -> Result<StringArray, String> {
    let column = parent.column_by_name(name).ok_or_else(|| format!("checkpoint without {name}"))?;
    let column = cast(column, &DataType::Utf8).map_err(|e| format!("checkpoint {name}: {e}"))?;
    Ok(column.as_string::<i32>().clone())
}

fn map_field(parent: &StructArray, name: &str, row: usize) -> Result<Map, String> {
    let Some(map) = parent.column_by_name(name).and_then(|c| c.as_map_opt()) else { return Ok(Map::new()) };
    if map.is_null(row) {
        return Ok(Map::new());
    }
    let pairs = map.value(row);
    let text = |at: usize| cast(pairs.column(at), &DataType::Utf8).map_err(|e| format!("checkpoint {name}: {e}"));
    let (keys, values) = (text(0)?, text(1)?);
    let (keys, values) = (keys.as_string::<i32>(), values.as_string::<i32>());
    let valid = (0..pairs.len()).filter(|i| values.is_valid(*i));
    Ok(valid.map(|i| (keys.value(i).to_owned(), values.value(i).to_owned())).collect())
}
