//! CSV files whose columns are found by name; compressed with gzip or not.

use std::fs;
use std::path::Path;

use crate::detectors::unpacked::unpacked;

/// A file in memory.
pub struct Table {
    name: String,
    headers: Vec<String>,
    rows: Vec<csv::StringRecord>,
}

impl Table {
    /// Fails with words that name the file.
    pub fn read(path: &Path) -> Result<Self, String> {
        let name = path.display().to_string();
        let packed = fs::read(path).map_err(|error| format!("{name}: {error}"))?;
        let bytes = unpacked(&packed).map_err(|error| format!("{name}: {error}"))?;
        Self::parse(name, &bytes)
    }

    fn parse(name: String, bytes: &[u8]) -> Result<Self, String> {
        let mut reader = csv::ReaderBuilder::new().trim(csv::Trim::All).from_reader(bytes);
        let headers = reader.headers().map_err(|error| format!("{name}: {error}"))?;
        let headers = headers.iter().map(str::to_lowercase).collect();
        let rows: Result<Vec<_>, _> = reader.records().collect();
        Ok(Self { headers, rows: rows.map_err(|error| format!("{name}: {error}"))?, name })
    }

    /// The column with one of these names, the first that there is.
    pub fn column(&self, names: &[&str]) -> Option<usize> {
        names.iter().find_map(|name| self.headers.iter().position(|header| header == name))
    }

    /// The same, where it must be.
    pub fn needed(&self, names: &[&str]) -> Result<usize, String> {
        self.column(names).ok_or_else(|| {
            format!("{}: no column {}; there are {}", self.name, names.join(" or "), self.headers.join(", "))
        })
    }

    pub fn headers(&self) -> &[String] {
        &self.headers
    }

    /// Lines with their numbers, of which the header is 1.
    pub fn rows(&self) -> impl Iterator<Item = (usize, &csv::StringRecord)> {
        self.rows.iter().enumerate().map(|(n, row)| (n + 2, row))
    }

    /// What is wrong, with file and line.
    pub fn complaint(&self, line: usize, what: impl std::fmt::Display) -> String {
        format!("{}, line {line}: {what}", self.name)
    }

    /// A finite number.
    pub fn number(&self, line: usize, row: &csv::StringRecord, column: usize) -> Result<f64, String> {
        let text = row.get(column).unwrap_or("");
        let number: Option<f64> = text.parse().ok().filter(|number: &f64| number.is_finite());
        number.ok_or_else(|| {
            let header = self.headers.get(column).map_or("", String::as_str);
            self.complaint(line, format!("{header} is {text:?}: a number is needed"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_by_name() {
        let table = Table::parse("t".to_owned(), b"\"County\", Cases\n A ,3\n\"B, C\",x\n").unwrap();
        assert_eq!(table.column(&["id", "zip", "county"]), Some(0));
        assert!(table.needed(&["year"]).is_err());
        let rows: Vec<_> = table.rows().collect();
        assert_eq!(rows[1].1.get(0), Some("B, C"));
        assert_eq!(table.number(2, rows[0].1, 1), Ok(3.0));
        assert_eq!(table.number(3, rows[1].1, 1), Err("t, line 3: cases is \"x\": a number is needed".to_owned()));
    }
}
