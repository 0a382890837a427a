//! An answer as a table for eyes, or as CSV, JSON, NDJSON or Parquet for programs.
//!
//! Promises: every format carries the column names, also of an answer without rows (but NDJSON, which has none);
//! Chinese text is as wide on the screen as the terminal makes it.

use std::fmt::Write as _;
use std::io::Write;

use arrow::array::RecordBatch;
use arrow::csv::WriterBuilder as CsvWriterBuilder;
use arrow::datatypes::{DataType, SchemaRef};
use arrow::json::writer::{JsonArray, JsonFormat, LineDelimited, WriterBuilder};
use arrow::util::display::{ArrayFormatter, FormatOptions};
use parquet::arrow::ArrowWriter;

use crate::problem::{Problem, Result, codes};

/// Local time, as everywhere that people read.
const TIME_FORMAT: &str = "%Y-%m-%d %H:%M:%S%.f%:z";

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    #[default]
    Table,
    Csv,
    Json,
    Ndjson,
    Parquet,
}

impl Format {
    pub const ALL: [Self; 5] = [Self::Table, Self::Csv, Self::Json, Self::Ndjson, Self::Parquet];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Table => "table",
            Self::Csv => "csv",
            Self::Json => "json",
            Self::Ndjson => "ndjson",
            Self::Parquet => "parquet",
        }
    }

    pub fn parse(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.word() == word)
    }
}

/// The bytes of an answer.
pub fn render(batches: &[RecordBatch], schema: &SchemaRef, format: Format) -> Result<Vec<u8>> {
    match format {
        Format::Table => table(batches, schema),
        Format::Csv => csv(batches, schema),
        Format::Json => json::<JsonArray>(batches),
        Format::Ndjson => json::<LineDelimited>(batches),
        Format::Parquet => parquet(batches, schema),
    }
}

fn csv(batches: &[RecordBatch], schema: &SchemaRef) -> Result<Vec<u8>> {
    let mut writer = CsvWriterBuilder::new().with_header(true).build(Vec::new());
    if batches.is_empty() {
        writer.write(&RecordBatch::new_empty(schema.clone())).map_err(unwritten)?;
    }
    for batch in batches {
        writer.write(batch).map_err(unwritten)?;
    }
    Ok(writer.into_inner())
}

fn json<F: JsonFormat>(batches: &[RecordBatch]) -> Result<Vec<u8>> {
    let mut writer = WriterBuilder::new().with_explicit_nulls(true).build::<_, F>(Vec::new());
    for batch in batches {
        writer.write(batch).map_err(unwritten)?;
    }
    writer.finish().map_err(unwritten)?;
    let mut bytes = writer.into_inner();
    if bytes.last().is_some_and(|last| *last != b'\n') {
        bytes.push(b'\n');
    }
    Ok(bytes)
}

fn parquet(batches: &[RecordBatch], schema: &SchemaRef) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, schema.clone(), None).map_err(unwritten)?;
    for batch in batches {
        writer.write(batch).map_err(unwritten)?;
    }
    writer.close().map_err(unwritten)?;
    Ok(bytes)
}

/// Columns as wide as their widest value, numbers to the right, a line that says how many rows.
fn table(batches: &[RecordBatch], schema: &SchemaRef) -> Result<Vec<u8>> {
    let header: Vec<String> = schema.fields().iter().map(|field| field.name().clone()).collect();
    let mut lines = vec![header];
    let options = FormatOptions::new().with_null("").with_timestamp_tz_format(Some(TIME_FORMAT));
    for batch in batches {
        let batch = local(batch)?;
        let columns: Vec<ArrayFormatter> = batch
            .columns()
            .iter()
            .map(|column| ArrayFormatter::try_new(column, &options).map_err(unwritten))
            .collect::<Result<_>>()?;
        for row in 0..batch.num_rows() {
            let values = columns.iter().map(|column| column.value(row).try_to_string().map_err(unwritten));
            lines.push(values.collect::<Result<_>>()?);
        }
    }
    let right: Vec<bool> = schema.fields().iter().map(|field| field.data_type().is_numeric()).collect();
    draw(&lines, &right)
}

fn draw(lines: &[Vec<String>], right: &[bool]) -> Result<Vec<u8>> {
    let cells = |line: &[String]| -> Vec<String> { line.iter().map(|value| value.replace('\n', "⏎")).collect() };
    let lines: Vec<Vec<String>> = lines.iter().map(|line| cells(line)).collect();
    let widths: Vec<usize> =
        (0..right.len()).map(|at| lines.iter().map(|line| width(&line[at])).max().unwrap_or(0)).collect();
    let mut text = String::new();
    for (number, line) in lines.iter().enumerate() {
        for (at, value) in line.iter().enumerate() {
            let pad = " ".repeat(widths[at] - width(value));
            let padded = if right[at] && number > 0 { format!("{pad}{value}") } else { format!("{value}{pad}") };
            let _ = write!(text, "{}{padded}", if at > 0 { " | " } else { " " });
        }
        text.truncate(text.trim_end().len());
        text.push('\n');
        if number == 0 {
            let rules: Vec<String> = widths.iter().map(|width| "-".repeat(width + 2)).collect();
            let _ = writeln!(text, "{}", rules.join("+"));
        }
    }
    let rows = lines.len() - 1;
    let mut bytes = text.into_bytes();
    writeln!(bytes, "({rows} {} / {rows} 行)", if rows == 1 { "row" } else { "rows" }).map_err(unwritten)?;
    Ok(bytes)
}

/// Instants at +08:00.
fn local(batch: &RecordBatch) -> Result<RecordBatch> {
    let columns = batch.columns().iter().map(|column| match column.data_type() {
        DataType::Timestamp(unit, Some(_)) => {
            arrow::compute::cast(column, &DataType::Timestamp(*unit, Some("+08:00".into()))).map_err(unwritten)
        }
        _ => Ok(column.clone()),
    });
    let columns: Vec<_> = columns.collect::<Result<_>>()?;
    let schema = batch.schema();
    let named = schema.fields().iter().map(|field| field.name().clone()).zip(columns);
    let fields: Vec<_> = named.map(|(name, column)| (name, column, true)).collect();
    if fields.is_empty() {
        return Ok(batch.clone());
    }
    RecordBatch::try_from_iter_with_nullable(fields).map_err(unwritten)
}

/// Columns on the screen: characters of Chinese, Japanese and Korean and their punctuation take two.
fn width(text: &str) -> usize {
    let wide = |character: char| {
        matches!(u32::from(character), 0x1100..=0x115F | 0x2E80..=0xA4CF | 0xAC00..=0xD7A3 | 0xF900..=0xFAFF
            | 0xFE30..=0xFE6F | 0xFF00..=0xFF60 | 0xFFE0..=0xFFE6 | 0x1F300..=0x1FAFF | 0x20000..=0x3FFFD)
    };
    text.chars().map(|character| if wide(character) { 2 } else { 1 }).sum()
}

fn unwritten(error: impl std::fmt::Display) -> Box<Problem> {
    Problem::new(codes::sql::OUTPUT, "the answer of a query", error.to_string())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int64Array, StringArray, TimestampMicrosecondArray};
    use arrow::datatypes::Schema;

    use super::*;

    fn answer() -> RecordBatch {
        let known = TimestampMicrosecondArray::from(vec![1_611_000_000_000_000, 0]).with_timezone("UTC");
        RecordBatch::try_from_iter_with_nullable([
            ("县区", Arc::new(StringArray::from(vec![Some("城东"), None])) as ArrayRef, true),
            ("n", Arc::new(Int64Array::from(vec![12, 3])), true),
            ("known_at", Arc::new(known), true),
        ])
        .unwrap()
    }

    fn text(format: Format) -> String {
        let answer = answer();
        String::from_utf8(render(std::slice::from_ref(&answer), &answer.schema(), format).unwrap()).unwrap()
    }

    #[test]
    fn a_table_lines_up_chinese_and_shows_local_time() {
        let expected = " 县区 | n  | known_at\n------+----+---------------------------\n\
            \u{20}城东 | 12 | 2021-01-19 04:00:00+08:00\n      |  3 | 1970-01-01 08:00:00+08:00\n(2 rows / 2 行)\n";
        assert_eq!(text(Format::Table), expected);
    }

    #[test]
    fn programs_get_csv_json_and_lines() {
        assert_eq!(text(Format::Csv).lines().next(), Some("县区,n,known_at"));
        let rows: serde_json::Value = serde_json::from_str(&text(Format::Json)).unwrap();
        assert_eq!((rows[0]["n"].as_i64(), rows[1]["县区"].is_null()), (Some(12), true));
        assert_eq!(text(Format::Ndjson).lines().count(), 2);
    }

    #[test]
    fn an_answer_without_rows_still_has_its_columns() {
        let schema: SchemaRef = answer().schema();
        let empty = |format| render(&[], &schema, format).unwrap();
        assert_eq!(empty(Format::Csv), "县区,n,known_at\n".as_bytes());
        assert_eq!(empty(Format::Json), b"[]\n");
        assert_eq!(empty(Format::Ndjson), b"");
        let nothing: SchemaRef = Arc::new(Schema::empty());
        assert!(render(&[], &nothing, Format::Table).is_ok());
    }

    #[test]
    fn parquet_reads_back() {
        use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
        let answer = answer();
        let bytes = render(std::slice::from_ref(&answer), &answer.schema(), Format::Parquet).unwrap();
        let mut reader = ParquetRecordBatchReaderBuilder::try_new(bytes::Bytes::from(bytes)).unwrap().build().unwrap();
        assert_eq!(reader.next().unwrap().unwrap(), answer);
    }
}
