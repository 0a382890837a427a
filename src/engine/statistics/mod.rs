//! The detectors as SQL functions: what `qianshao detect`, `scan` and `nowcast` compute, over the rows of a query.
//!
//! Promises: the same numbers as the commands, to the bit; what is not available is null, never NaN; a parameter that a
//! method does not know is refused with those that it knows.
//! Never: takes a missing row for zero.

use arrow::array::{Array, ArrayRef, AsArray, Float64Array, Scalar};
use arrow::compute::cast;
use arrow::compute::kernels::cmp::distinct;
use arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::execution::context::SessionContext;

use crate::detectors::command::methods;

mod adjusted;
mod gathered;
mod nowcast;
mod scan;
mod series;

/// What a person may call beside the methods of docs/detectors.md, for the table `functions`.
pub const FUNCTIONS: &[(&str, &str, &str)] = &[
    (
        "benjamini_hochberg(p) OVER (PARTITION BY …)",
        "p-values adjusted for how many they are; also `benjamini_yekutieli`, `holm`",
        "多重比较校正后的 p 值",
    ),
    (
        "stouffer(p, 'correlation', r)",
        "one p-value of many, as a struct of statistic, n, p; also `fisher(p)`",
        "合并多个 p 值",
    ),
    (
        "space_time_scan(place, x, y, date, cases, 'name', value, …)",
        "clusters of a space-time scan, as a list of structs",
        "时空扫描统计的聚集",
    ),
    (
        "nowcast(event_date, known_date, as_of, 'name', value, …)",
        "each day's count corrected for reports that are still to come, as a list of structs with an interval; `'count', n` where a row is not one case",
        "按报告延迟校正各日病例数：返回每日已报告数、预计最终数及其区间的列表；一行不是一例时用 'count' 给出例数",
    ),
];

/// The methods that judge a series; those that adjust p-values answer a number.
fn over_series() -> impl Iterator<Item = (&'static str, &'static str)> {
    methods().filter(|(name, _)| !adjusted::NAMES.contains(name))
}

/// How each method of docs/detectors.md is called: it answers its columns and `alarm` as one struct a row.
pub fn calls() -> impl Iterator<Item = (String, &'static str, &'static str)> {
    let call = |name| format!("{name}(observed, 'name', value, …) OVER (PARTITION BY … ORDER BY …)");
    over_series().map(move |(name, what)| (call(name), what, "探测方法（docs/detectors.md）"))
}

/// Makes the functions known to a session.
pub fn register(context: &SessionContext) {
    series::register(context);
    adjusted::register(context);
    gathered::register(context);
}

/// An error in words, with the function that says it.
fn failed(function: &str, words: impl std::fmt::Display) -> DataFusionError {
    DataFusionError::Execution(format!("{function}: {words}"))
}

/// Numbers with NaN where there is none.
fn numbers(function: &str, column: &ArrayRef) -> Result<Vec<f64>> {
    // A text is cast to null where it is no number, which would be a missing day.
    if !(column.data_type().is_numeric() || column.data_type().is_null()) {
        return Err(failed(function, format!("{} is no number", column.data_type())));
    }
    let cast = cast(column, &DataType::Float64)?;
    Ok(cast.as_primitive::<Float64Type>().iter().map(|value| value.unwrap_or(f64::NAN)).collect())
}

/// Days since 1970; a text is no date.
fn days(function: &str, column: &ArrayRef) -> Result<ArrayRef> {
    if !column.data_type().is_temporal() {
        return Err(failed(function, format!("{} is no date: CAST(… AS DATE)", column.data_type())));
    }
    Ok(cast(column, &DataType::Date32)?)
}

/// Numbers with null where there is none.
fn known(values: impl IntoIterator<Item = f64>) -> Float64Array {
    values.into_iter().map(|value| (!value.is_nan()).then_some(value)).collect()
}

/// `'name', value` pairs behind the columns of a function.
struct Pairs<'a> {
    function: &'a str,
    pairs: Vec<(String, ArrayRef)>,
}

impl<'a> Pairs<'a> {
    fn of(function: &'a str, arguments: &[ArrayRef]) -> Result<Self> {
        let mut pairs: Vec<(String, ArrayRef)> = Vec::new();
        for pair in arguments.chunks(2) {
            let [name, value] = pair else { return Err(failed(function, "a parameter is 'name', value")) };
            let name = match ScalarValue::try_from_array(name, 0)? {
                ScalarValue::Utf8(Some(name))
                | ScalarValue::LargeUtf8(Some(name))
                | ScalarValue::Utf8View(Some(name)) => name,
                other => return Err(failed(function, format!("{other} stands where a parameter's 'name' belongs"))),
            };
            if pairs.iter().any(|(known, _)| *known == name) {
                return Err(failed(function, format!("{name} is given twice")));
            }
            pairs.push((name, value.clone()));
        }
        Ok(Self { function, pairs })
    }

    /// A parameter that is a column, taken out.
    fn column(&mut self, name: &str) -> Option<ArrayRef> {
        let at = self.pairs.iter().position(|(known, _)| known == name)?;
        Some(self.pairs.remove(at).1)
    }

    /// The others, as `NAME=VALUE`: each says one thing in all rows.
    fn words(&self) -> Result<Vec<String>> {
        let words = self.pairs.iter().map(|(name, value)| {
            if distinct(value, &Scalar::new(value.slice(0, 1)))?.true_count() > 0 {
                return Err(failed(self.function, format!("{name} is not the same in all rows")));
            }
            let first = ScalarValue::try_from_array(value, 0)?;
            Ok(format!("{name}={}", if first.is_null() { "NULL".to_owned() } else { first.to_string() }))
        });
        words.collect()
    }
}
