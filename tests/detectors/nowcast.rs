//! The nowcast beside R's on an outbreak as it was reported, as a command, and in SQL.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, Date32Array, Int64Array, RecordBatch};
use arrow::datatypes::{Date32Type, Float64Type, Int64Type};
use flate2::Compression;
use flate2::write::GzEncoder;
use qianshao::detectors::nowcast::Nowcast;
use qianshao::terms::Day;

use super::sql::ask as in_sql;
use super::table::{Table, reference};
use crate::scenarios::Dice;

pub fn day(text: &str) -> i32 {
    Day::parse(text).unwrap().0
}

/// Event day and the day on which it was known, one a case.
pub fn reports() -> Vec<(i32, i32)> {
    let table = Table::read(&reference("nowcast").join("ehec_o104_germany_2011.csv"));
    let columns = ["date_hospitalised", "date_report_arrived"].map(|name| &table.columns[name]);
    columns[0].iter().zip(columns[1]).map(|(event, known)| (day(event), day(known))).collect()
}

pub fn triangle(reports: &[(i32, i32)], first: i32, now: i32) -> Vec<Vec<f64>> {
    let mut triangle: Vec<Vec<f64>> = (first..=now).map(|day| vec![0.0; (now - day + 1) as usize]).collect();
    for (event, known) in reports.iter().filter(|(_, known)| *known <= now) {
        triangle[(event - first) as usize][(known - event) as usize] += 1.0;
    }
    triangle
}

#[test]
fn the_nowcast_holds_the_last_count_as_often_as_it_says_and_is_no_wider_than_r() {
    let reports = reports();
    let first = reports.iter().map(|(event, _)| *event).min().unwrap();
    let of_r = Table::read(&reference("nowcast").join("r_nowcast.csv"));
    let mut limits: BTreeMap<(&str, i32), Vec<(i32, f64)>> = BTreeMap::new();
    for row in 0..of_r.columns["method"].len() {
        let text = |column: &str| of_r.columns[column][row].as_str();
        let width = text("upper").parse::<f64>().unwrap() - text("lower").parse::<f64>().unwrap();
        limits.entry((text("method"), day(text("now")))).or_default().push((day(text("event_date")), width));
    }
    for method in ["bayes.notrunc", "bayes.trunc"] {
        let (mut days, mut held, mut ours, mut theirs) = (0, 0, 0.0, 0.0);
        for ((_, now), widths) in limits.iter().filter(|((name, _), _)| *name == method) {
            let answer = Nowcast::default().run(&triangle(&reports, first, *now)).unwrap();
            for (event, width) in widths {
                let at = (event - first) as usize;
                let last = reports.iter().filter(|(day, _)| day == event).count() as f64;
                days += 1;
                held += u32::from((answer.lower[at]..=answer.upper[at]).contains(&last));
                ours += answer.upper[at] - answer.lower[at];
                theirs += width;
            }
        }
        let (held, wide) = (f64::from(held) / f64::from(days), ours / theirs);
        println!("{method}: {days} days, {:.1} % held, {wide:.2} as wide", 100.0 * held);
        assert!(days >= 280 && (0.90..=0.99).contains(&held) && wide <= 1.2, "{method}: {days} {held} {wide}");
    }
}

fn ask(file: &Path, words: &[&str]) -> Result<String, String> {
    let file = file.display().to_string();
    let answer =
        Command::new(env!("CARGO_BIN_EXE_qianshao")).args(["nowcast", "--input", &file]).args(words).output().unwrap();
    let said = |bytes| String::from_utf8(bytes).unwrap();
    if answer.status.success() { Ok(said(answer.stdout)) } else { Err(said(answer.stderr)) }
}

/// The outbreak as the command reads it.
fn csv() -> String {
    let rows = reports().into_iter().map(|(event, known)| format!("{},{}\n", Day(event), Day(known)));
    format!("event_date,known_date\n{}", rows.collect::<String>())
}

#[test]
fn the_command_answers_a_row_a_day_from_a_file_that_is_packed_or_not() {
    let folder = tempfile::tempdir().unwrap();
    let (plain, packed) = (folder.path().join("reports.csv"), folder.path().join("reports.csv.gz"));
    std::fs::write(&plain, csv()).unwrap();
    let mut writer = GzEncoder::new(std::fs::File::create(&packed).unwrap(), Compression::fast());
    writer.write_all(csv().as_bytes()).unwrap();
    writer.finish().unwrap();
    let answer = ask(&plain, &["--now", "2011-06-03", "--param", "level=0.9"]).unwrap();
    assert_eq!(Ok(&answer), ask(&packed, &["--now", "2011-06-03", "--param", "level=0.9"]).as_ref());
    let lines: Vec<&str> = answer.lines().collect();
    assert_eq!((lines[0], lines.len()), ("event_date,observed,expected,lower,upper", 29));
    assert!(lines[1].starts_with("2011-05-07,1,") && lines[28].starts_with("2011-06-03,1,"), "{answer}");
}

#[test]
fn the_command_refuses_in_two_languages_with_line_and_column() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("reports.csv");
    std::fs::write(&file, "event_date,known_date\n2021-01-01,2021-01-02\n2021-01-02,13900000000\n").unwrap();
    let told = ask(&file, &[]).unwrap_err();
    assert!(told.contains("line 3, column known_date") && told.contains("无法识别"), "{told}");
    assert!(told.contains("QS-C002") && told.contains("reports.csv") && !told.contains("13900000000"), "{told}");
    std::fs::write(&file, csv()).unwrap();
    for (words, found) in [
        (["--param", "level=2"], "level is 2"),
        (["--param", "D=1.5"], "a whole number"),
        (["--param", "delays=3"], "delay_max"),
        (["--now", "tomorrow"], "2021-01-31"),
    ] {
        let told = ask(&file, &words).unwrap_err();
        assert!(told.contains(found) && told.contains("QS-C002"), "{words:?}: {told}");
    }
    assert!(ask(&folder.path().join("nowhere"), &[]).unwrap_err().contains("QS-C001"));
}

/// Reports as rows, in two batches and an order that is not theirs; some twice, with a count of 0.
fn rows() -> Vec<RecordBatch> {
    let mut reports: Vec<(i32, i32, i64)> = reports().into_iter().map(|(event, known)| (event, known, 1)).collect();
    reports.extend(reports.clone().into_iter().step_by(9).map(|(event, known, _)| (event, known, 0)));
    Dice::seeded(11).shuffle(&mut reports);
    let batch = |reports: &[(i32, i32, i64)]| {
        let columns: [(&str, ArrayRef); 3] = [
            ("event", Arc::new(reports.iter().map(|report| Some(report.0)).collect::<Date32Array>())),
            ("known", Arc::new(reports.iter().map(|report| Some(report.1)).collect::<Date32Array>())),
            ("cases", Arc::new(reports.iter().map(|report| Some(report.2)).collect::<Int64Array>())),
        ];
        RecordBatch::try_from_iter(columns).unwrap()
    };
    vec![batch(&reports[..200]), batch(&reports[200..])]
}

#[tokio::test]
async fn sql_answers_what_the_command_answers_to_the_bit() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("reports.csv");
    std::fs::write(&file, csv()).unwrap();
    let mut compared = 0;
    for (call, words) in [
        ("nowcast(event, known, DATE '2011-06-03', 'count', cases)", &["--now", "2011-06-03"][..]),
        ("nowcast(event, known, NULL, 'count', cases, 'level', 0.5, 'days', 45)", &["--param", "level=0.5", "days=45"]),
        (
            "nowcast(event, known, DATE '2011-05-30', 'D', 9) FILTER (WHERE cases = 1)",
            &["--now", "2011-05-30", "--param", "D=9"],
        ),
    ] {
        let sql = format!(
            "WITH found AS (SELECT unnest({call}) AS one FROM rows)
            SELECT one['event_date'], one['observed'], one['expected'], one['lower'], one['upper'] FROM found"
        );
        let found = in_sql(&rows(), &sql).await.unwrap_or_else(|why| panic!("{call}: {why}"));
        let answer = ask(&file, words).unwrap();
        let lines: Vec<Vec<&str>> = answer.lines().skip(1).map(|line| line.split(',').collect()).collect();
        assert_eq!(found.num_rows(), lines.len(), "{call}");
        for (row, line) in lines.iter().enumerate() {
            let date = Day(found.column(0).as_primitive::<Date32Type>().value(row)).to_string();
            let observed = found.column(1).as_primitive::<Int64Type>().value(row).to_string();
            assert_eq!([date.as_str(), observed.as_str()], line[..2], "{call}");
            for column in 2..5 {
                let number = found.column(column).as_primitive::<Float64Type>().value(row);
                assert_eq!(number.to_bits(), line[column].parse::<f64>().unwrap().to_bits(), "{call}: {line:?}");
                compared += 1;
            }
        }
    }
    println!("{compared} numbers of SQL are those of the command");
    assert!(compared > 200);
}

#[tokio::test]
async fn sql_says_what_does_not_fit() {
    for (call, told) in [
        ("nowcast(event, known)", "2 arguments"),
        ("nowcast(event, known, event)", "as_of is not the same in all rows"),
        ("nowcast('soon', known, NULL)", "is no date"),
        ("nowcast(known + 400, known, NULL)", "before it happened"),
        ("nowcast(event, NULLIF(known, known), NULL)", "row 1: an event_date and a known_date"),
        ("nowcast(event, known, NULL, 'count', -1)", "a whole number from 0 on"),
        ("nowcast(event, known, NULL, 'levels', 0.5)", "level"),
    ] {
        let told_was = in_sql(&rows(), &format!("SELECT {call} AS answer FROM rows")).await.unwrap_err();
        assert!(told_was.contains(told), "{call}: {told_was}");
    }
}
