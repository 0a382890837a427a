//! An answer file of the reference, and its comparison with ours.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use qianshao::detectors::command::series::{Answer, Column};

/// Data with their source and licence: `tests/data/reference/README.md`.
pub fn reference(folder: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/reference").join(folder)
}

/// How many values were compared and the greatest relative difference, by method.
#[derive(Default)]
pub struct Scores(BTreeMap<String, (usize, f64)>);

impl Scores {
    pub fn add(&mut self, method: &str, score: (usize, f64)) {
        let sum = self.0.entry(method.to_owned()).or_default();
        *sum = (sum.0 + score.0, sum.1.max(score.1));
    }

    /// Prints them; the number of values.
    pub fn told(&self) -> usize {
        for (method, (values, difference)) in &self.0 {
            println!("{method}: {values} values, greatest difference {difference:.1e}");
        }
        self.0.values().map(|(values, _)| values).sum()
    }
}

pub struct Table {
    pub columns: BTreeMap<String, Vec<String>>,
}

impl Table {
    pub fn read(path: &Path) -> Self {
        let mut reader = csv::Reader::from_path(path).unwrap();
        let names: Vec<String> = reader.headers().unwrap().iter().map(str::to_owned).collect();
        let mut columns: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for record in reader.records() {
            for (name, field) in names.iter().zip(&record.unwrap()) {
                columns.entry(name.clone()).or_default().push(field.to_owned());
            }
        }
        Self { columns }
    }
}

/// What R prints, and NaN for nothing.
fn number(text: &str) -> f64 {
    match text {
        "" | "NA" => f64::NAN,
        "Inf" => f64::INFINITY,
        "-Inf" => f64::NEG_INFINITY,
        text => text.parse().unwrap(),
    }
}

/// Compares; answers how many values there were and the greatest relative difference.
pub fn compare(place: &str, answer: &Answer, table: &Table, worst: &mut (usize, f64)) {
    let rows = table.columns["t"].len();
    assert_eq!(answer.alarm.len(), rows, "{place}: rows");
    for (name, wanted) in &table.columns {
        if ["t", "date", "observed"].contains(&name.as_str()) {
            continue;
        }
        for row in 0..rows {
            let at = format!("{place}, {name}, row {row}");
            worst.0 += 1;
            if name == "alarm" {
                let alarm = answer.alarm[row].map_or(String::new(), |alarm| i32::from(alarm).to_string());
                assert_eq!(alarm, wanted[row], "{at}");
                continue;
            }
            // Where R's whole coefficient was not kept, its whole part was.
            let truncated = name == "trend" && !table.columns.contains_key("doTrend") && !wanted[row].is_empty();
            let column = answer.columns.iter().find(|(known, _)| known == name);
            match &column.unwrap_or_else(|| panic!("{place}: no column {name}")).1 {
                Column::Words(words) => assert_eq!(words[row], wanted[row], "{at}"),
                Column::Numbers(values) => {
                    let got = if truncated { values[row].trunc() } else { values[row] };
                    let wanted = number(&wanted[row]);
                    assert_eq!(got.is_nan(), wanted.is_nan(), "{at}: {got}, wanted {wanted}");
                    if wanted.is_nan() || got == wanted {
                        continue;
                    }
                    let difference = (got - wanted).abs() / wanted.abs().max(1.0);
                    assert!(difference <= 1e-7, "{at}: {got}, wanted {wanted}");
                    worst.1 = worst.1.max(difference);
                }
            }
        }
    }
}
