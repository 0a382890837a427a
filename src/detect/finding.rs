//! A finding: one row of a rule, saying that an alert should stand for one window of one unit.
//!
//! Promises: a rule may give integers, floats, dates or texts of any width; a column that is missing or null where it
//! must not be is named; what happens in a unit of unknown area is not lost, for it is put to the whole area that we watch.
//! Never: fills in a number that the rule did not give.

use arrow::array::{Array, ArrayRef, AsArray, RecordBatch};
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Float64Type};

use crate::alert::Series;
use crate::detect::rule::Rule;
use crate::problem::codes::rule::RULE_COLUMNS;
use crate::problem::{Problem, Result};
use crate::terms::{Day, Severity};

/// A rule's row. Where there is a `statistic`, it is what `threshold` bounds; else `observed` is.
#[derive(Clone, Debug, PartialEq)]
pub struct Finding {
    pub series: Series,
    pub facility_id: Option<String>,
    pub syndrome: Option<String>,
    pub window_start: Day,
    pub window_end: Day,
    pub observed: f64,
    pub expected: Option<f64>,
    pub threshold: f64,
    pub statistic: Option<f64>,
    pub channels: Option<String>,
    /// Where the rule grades by itself; else the rule's header counts.
    pub severity: Option<Severity>,
}

/// The rows of a batch that `rule` returned. `home` is the area of those that know none: a facility that is not registered.
pub fn findings_of(batch: &RecordBatch, rule: &Rule, home: Option<&str>) -> Result<Vec<Finding>> {
    let columns = Columns { batch, rule };
    let unit_kind = columns.texts("unit_kind", Need::Required)?;
    let unit_id = columns.texts("unit_id", Need::Required)?;
    let area_code = columns.texts("area_code", Need::Required)?;
    let signal = columns.texts("signal", Need::Required)?;
    let facility_id = columns.texts("facility_id", Need::Optional)?;
    let syndrome = columns.texts("syndrome", Need::Optional)?;
    let channels = columns.texts("channels", Need::Optional)?;
    let severity = columns.texts("severity", Need::Optional)?;
    let window_start = columns.days("window_start")?;
    let window_end = columns.days("window_end")?;
    let observed = columns.numbers("observed", Need::Required)?;
    let threshold = columns.numbers("threshold", Need::Required)?;
    let expected = columns.numbers("expected", Need::Optional)?;
    let statistic = columns.numbers("statistic", Need::Optional)?;
    (0..batch.num_rows())
        .map(|row| {
            let given = |column: &Option<ArrayRef>| text_at(column, row);
            let must = |column: &Option<ArrayRef>, name: &str| given(column).ok_or_else(|| columns.null(name));
            let number = |column: &Option<ArrayRef>| number_at(column, row);
            let finding = Finding {
                series: Series {
                    unit_kind: must(&unit_kind, "unit_kind")?,
                    unit_id: must(&unit_id, "unit_id")?,
                    area_code: given(&area_code)
                        .or_else(|| home.map(str::to_owned))
                        .ok_or_else(|| columns.null("area_code"))?,
                    signal: must(&signal, "signal")?,
                },
                facility_id: given(&facility_id),
                syndrome: given(&syndrome),
                window_start: day_at(&window_start, row).ok_or_else(|| columns.null("window_start"))?,
                window_end: day_at(&window_end, row).ok_or_else(|| columns.null("window_end"))?,
                observed: number(&observed).ok_or_else(|| columns.null("observed"))?,
                expected: number(&expected),
                threshold: number(&threshold).ok_or_else(|| columns.null("threshold"))?,
                statistic: number(&statistic),
                channels: given(&channels),
                severity: given(&severity).map(|word| columns.severity(&word)).transpose()?,
            };
            columns.in_order(&finding)?;
            Ok(finding)
        })
        .collect()
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Need {
    Required,
    Optional,
}

struct Columns<'a> {
    batch: &'a RecordBatch,
    rule: &'a Rule,
}

impl Columns<'_> {
    fn cast(&self, name: &str, to: &DataType, need: Need) -> Result<Option<ArrayRef>> {
        let Some(column) = self.batch.column_by_name(name) else {
            return match need {
                Need::Optional => Ok(None),
                Need::Required => Err(Problem::new(RULE_COLUMNS, self.at(), format!("no column {name}"))),
            };
        };
        let cast = cast(column, to).map_err(|_| self.mistyped(name, column.data_type(), to))?;
        // A text that is no date casts to null without a word.
        if cast.null_count() != column.null_count() {
            return Err(self.mistyped(name, column.data_type(), to));
        }
        Ok(Some(cast))
    }

    fn texts(&self, name: &str, need: Need) -> Result<Option<ArrayRef>> {
        self.cast(name, &DataType::Utf8, need)
    }

    fn numbers(&self, name: &str, need: Need) -> Result<Option<ArrayRef>> {
        self.cast(name, &DataType::Float64, need)
    }

    fn days(&self, name: &str) -> Result<Option<ArrayRef>> {
        self.cast(name, &DataType::Date32, Need::Required)
    }

    fn at(&self) -> String {
        format!("rule {}, its result", self.rule.id)
    }

    fn mistyped(&self, name: &str, found: &DataType, wanted: &DataType) -> Box<Problem> {
        Problem::new(RULE_COLUMNS, self.at(), format!("column {name} is {found}, which does not become {wanted}"))
    }

    fn null(&self, name: &str) -> Box<Problem> {
        Problem::new(RULE_COLUMNS, self.at(), format!("column {name} is null or not a finite number in a row"))
    }

    fn severity(&self, word: &str) -> Result<Severity> {
        Severity::parse(word).ok_or_else(|| {
            Problem::new(RULE_COLUMNS, self.at(), format!("a severity of {} characters", word.chars().count()))
                .help("red, orange, yellow or blue")
        })
    }

    fn in_order(&self, finding: &Finding) -> Result<()> {
        if finding.window_start <= finding.window_end {
            return Ok(());
        }
        let found = format!("a window from {} to {}", finding.window_start, finding.window_end);
        Err(Problem::new(RULE_COLUMNS, self.at(), found).help("window_start is not after window_end"))
    }
}

fn text_at(column: &Option<ArrayRef>, row: usize) -> Option<String> {
    let texts = column.as_ref()?.as_string_opt::<i32>()?;
    texts.is_valid(row).then(|| texts.value(row).to_owned())
}

fn number_at(column: &Option<ArrayRef>, row: usize) -> Option<f64> {
    let numbers = column.as_ref()?.as_primitive_opt::<Float64Type>()?;
    numbers.is_valid(row).then(|| numbers.value(row)).filter(|number| number.is_finite())
}

fn day_at(column: &Option<ArrayRef>, row: usize) -> Option<Day> {
    let days = column.as_ref()?.as_primitive_opt::<Date32Type>()?;
    days.is_valid(row).then(|| Day(days.value(row)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{Date32Array, Float64Array, Int32Array, Int64Array, StringArray};

    use super::*;

    const HEADER: &str = "-- id: r\n-- zh: z\n-- en: e\n-- severity: blue\n-- scope: all\n-- kind: threshold\n\
        -- verify_hours: 1\n-- cites: c\n-- history_days: 0\n";

    fn findings(columns: Vec<(&str, ArrayRef)>) -> Result<Vec<Finding>> {
        let rule = Rule::parse("p", "r", "p/r.sql", HEADER).unwrap();
        findings_of(
            &RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(n, c)| (n, c, true))).unwrap(),
            &rule,
            Some("990100"),
        )
    }

    fn text(value: &str) -> ArrayRef {
        Arc::new(StringArray::from(vec![value]))
    }

    fn least() -> Vec<(&'static str, ArrayRef)> {
        vec![
            ("unit_kind", text("class")),
            ("unit_id", text("S1/1")),
            ("area_code", text("990101")),
            ("signal", text("gi")),
            ("window_start", Arc::new(Date32Array::from(vec![100]))),
            ("window_end", text("1970-04-12")),
            ("observed", Arc::new(Int64Array::from(vec![3]))),
            ("threshold", Arc::new(Int32Array::from(vec![2]))),
        ]
    }

    #[test]
    fn any_number_or_date_type_will_do_and_optional_columns_may_be_absent() {
        let found = findings(least()).unwrap();
        assert_eq!((found[0].observed, found[0].threshold, found[0].window_end), (3.0, 2.0, Day(101)));
        assert_eq!((found[0].severity, found[0].statistic), (None, None));
    }

    #[test]
    fn a_unit_of_unknown_area_is_put_to_the_area_that_we_watch() {
        let mut columns = least();
        columns[2].1 = Arc::new(StringArray::from(vec![None::<&str>]));
        assert_eq!(findings(columns).unwrap()[0].series.area_code, "990100");
    }

    #[test]
    fn a_missing_null_or_mistyped_column_is_named() {
        for name in ["unit_kind", "window_end", "threshold"] {
            let without = least().into_iter().filter(|(column, _)| *column != name).collect();
            assert!(findings(without).unwrap_err().found.contains(name));
        }
        let replaced = |name: &str, column: ArrayRef| {
            let columns = least().into_iter().map(|(n, c)| if n == name { (n, Arc::clone(&column)) } else { (n, c) });
            findings(columns.collect()).unwrap_err()
        };
        assert!(replaced("observed", Arc::new(Float64Array::from(vec![None]))).found.contains("null"));
        assert!(replaced("observed", Arc::new(Float64Array::from(vec![f64::NAN]))).found.contains("finite"));
        assert!(replaced("window_end", text("soon")).found.contains("window_end is Utf8"));
        assert!(replaced("window_end", text("1970-01-01")).found.contains("a window from"));
    }

    #[test]
    fn a_severity_that_is_no_word_of_ours_is_refused() {
        let mut columns = least();
        columns.push(("severity", text("amber")));
        assert_eq!(findings(columns).unwrap_err().help, "red, orange, yellow or blue");
    }
}
