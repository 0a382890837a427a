//! A series as a file: CSV in, CSV out.
//!
//! Promises: columns are told by their names; what is no number is named with its line; an empty field is a missing
//! value, which is not zero.

use crate::detectors::unpacked::unpacked;
use crate::terms::Day;

/// Periods a year where neither the file nor a parameter says so.
pub const FREQ_DEFAULT: f64 = 52.0;

/// A series and what methods ask about it.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Series {
    /// NaN = missing.
    pub observed: Vec<f64>,
    /// Dates as days since 1970-01-01, where the file has them.
    pub dates: Option<Vec<i32>>,
    /// Whether reference weeks are taken by date rather than by index.
    pub epoch_as_date: bool,
    /// Periods a year.
    pub freq: Option<f64>,
    /// Year and period of the first value.
    pub start: Option<(i32, f64)>,
    pub population: Option<Vec<f64>>,
}

impl Series {
    /// Reads CSV with `t, observed` and optionally `date, epoch, epoch_as_date, freq, start_year, start_period,
    /// population`; gzip is unpacked.
    pub fn read(bytes: &[u8]) -> Result<Self, String> {
        let text = unpacked(bytes)?;
        let mut reader = csv::ReaderBuilder::new().flexible(false).from_reader(&*text);
        let headers = reader.headers().map_err(|error| error.to_string())?.clone();
        let at = |names: &[&str]| headers.iter().position(|name| names.contains(&name.trim()));
        let observed = at(&["observed"]).ok_or("there is no column observed: the first line names the columns")?;
        let places = Places {
            observed,
            date: at(&["date", "epoch"]),
            by_date: at(&["epoch_as_date"]),
            freq: at(&["freq"]),
            year: at(&["start_year"]),
            period: at(&["start_period"]),
            population: at(&["population"]),
        };
        let mut series = Self::default();
        let (mut dates, mut population) = (Vec::new(), Vec::new());
        for (number, record) in reader.records().enumerate() {
            let record = record.map_err(|error| error.to_string())?;
            let row = Row { record: &record, line: number + 2 };
            series.observed.push(row.number(places.observed, "observed")?.unwrap_or(f64::NAN));
            if let Some(place) = places.date {
                dates.push(row.date(place)?);
            }
            if let Some(place) = places.population {
                population.push(row.number(place, "population")?.unwrap_or(f64::NAN));
            }
            if number == 0 {
                places.read_first(&row, &mut series)?;
            }
        }
        series.dates = dates.into_iter().collect::<Option<Vec<i32>>>().filter(|dates| !dates.is_empty());
        series.population = places.population.map(|_| population);
        Ok(series)
    }
}

struct Places {
    observed: usize,
    date: Option<usize>,
    by_date: Option<usize>,
    freq: Option<usize>,
    year: Option<usize>,
    period: Option<usize>,
    population: Option<usize>,
}

impl Places {
    /// What is the same in every row.
    fn read_first(&self, row: &Row<'_>, series: &mut Series) -> Result<(), String> {
        let number = |place: Option<usize>, name| place.map_or(Ok(None), |place| row.number(place, name));
        series.epoch_as_date = number(self.by_date, "epoch_as_date")? == Some(1.0);
        series.freq = number(self.freq, "freq")?;
        let (year, period) = (number(self.year, "start_year")?, number(self.period, "start_period")?);
        series.start = year.zip(period).map(|(year, period)| (year as i32, period));
        Ok(())
    }
}

struct Row<'a> {
    record: &'a csv::StringRecord,
    line: usize,
}

impl Row<'_> {
    fn text(&self, place: usize) -> &str {
        self.record.get(place).unwrap_or_default().trim()
    }

    fn number(&self, place: usize, name: &str) -> Result<Option<f64>, String> {
        match self.text(place) {
            "" | "NA" => Ok(None),
            text => {
                text.parse().map(Some).map_err(|_| format!("line {}: {name} is {text}, which is no number", self.line))
            }
        }
    }

    /// `None` where the field is empty or a bare index.
    fn date(&self, place: usize) -> Result<Option<i32>, String> {
        let text = self.text(place);
        if text.is_empty() || text.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(None);
        }
        Day::parse(text)
            .map(|day| Some(day.0))
            .ok_or_else(|| format!("line {}: {text} is no date; write 2021-01-31", self.line))
    }
}

/// What a method answered, column by column, from the t `first` (1-based) on.
pub struct Answer {
    pub first: usize,
    pub observed: Vec<f64>,
    pub columns: Vec<(&'static str, Column)>,
    /// `None` = not available.
    pub alarm: Vec<Option<bool>>,
}

/// One column.
pub enum Column {
    /// NaN = not available.
    Numbers(Vec<f64>),
    Words(Vec<&'static str>),
}

impl Column {
    fn after(self, first: usize) -> Self {
        match self {
            Self::Numbers(values) => Self::Numbers(values.into_iter().skip(first).collect()),
            Self::Words(words) => Self::Words(words.into_iter().skip(first).collect()),
        }
    }
}

impl Answer {
    /// Of columns as long as the series, from the 0-based index `first` on.
    pub fn from(first: usize, series: &Series, columns: Vec<(&'static str, Column)>, alarm: Vec<bool>) -> Self {
        let columns = columns.into_iter().map(|(name, column)| (name, column.after(first))).collect();
        let alarm = alarm.into_iter().skip(first).collect();
        Self::monitored(first, &series.observed, columns, alarm)
    }

    /// Without an alarm, not even none, where the value or the column `name` is not available.
    pub fn unless_known(self, name: &str) -> Self {
        let mut answer = self.unless_computed(name);
        for (alarm, observed) in answer.alarm.iter_mut().zip(&answer.observed) {
            *alarm = alarm.filter(|_| !observed.is_nan());
        }
        answer
    }

    /// Without an alarm, not even none, where the column `name` is not available.
    pub fn unless_computed(mut self, name: &str) -> Self {
        let column = self.columns.iter().find(|(known, _)| *known == name).map(|(_, column)| column);
        let unknown = |row: usize| match column {
            Some(Column::Numbers(values)) => values.get(row).is_none_or(|value| value.is_nan()),
            Some(Column::Words(_)) | None => false,
        };
        for (row, alarm) in self.alarm.iter_mut().enumerate() {
            *alarm = alarm.filter(|_| !unknown(row));
        }
        self
    }

    /// Of columns that begin at the 0-based index `first` of `observed`.
    pub fn monitored(first: usize, observed: &[f64], columns: Vec<(&'static str, Column)>, alarm: Vec<bool>) -> Self {
        let observed = observed.iter().skip(first).copied().collect();
        let alarm = alarm.into_iter().map(Some).collect();
        Self { first: first + 1, observed, columns, alarm }
    }

    /// CSV `t, observed`, the columns, `alarm` as 0 or 1, empty for what is not available; numbers read back to the bit.
    pub fn csv(&self) -> String {
        let names: Vec<&str> = self.columns.iter().map(|(name, _)| *name).collect();
        let mut text = format!("t,observed,{}{}alarm\n", names.join(","), if names.is_empty() { "" } else { "," });
        for (row, alarm) in self.alarm.iter().enumerate() {
            let observed = self.observed.get(row).copied().unwrap_or(f64::NAN);
            text.push_str(&format!("{},{}", self.first + row, shown(observed)));
            for (_, column) in &self.columns {
                text.push(',');
                match column {
                    Column::Numbers(values) => text.push_str(&shown(values.get(row).copied().unwrap_or(f64::NAN))),
                    Column::Words(words) => text.push_str(words.get(row).unwrap_or(&"")),
                }
            }
            text.push_str(match alarm {
                Some(true) => ",1\n",
                Some(false) => ",0\n",
                None => ",\n",
            });
        }
        text
    }
}

/// The shortest digits, at most 17, that read back to the same number; `Inf` as R writes it.
fn shown(value: f64) -> String {
    match value {
        value if value.is_nan() => String::new(),
        value if value.is_infinite() => (if value > 0.0 { "Inf" } else { "-Inf" }).to_owned(),
        value => value.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_told_by_name_and_an_empty_field_is_missing() {
        let text = "t,observed,population,freq,start_year,start_period,date,epoch_as_date\n1,5,100,52,2001,1,2001-01-01,1\n2,,100,52,2001,1,2001-01-08,1\n";
        let series = Series::read(text.as_bytes()).unwrap();
        assert!(series.observed[0] == 5.0 && series.observed[1].is_nan());
        assert_eq!((series.freq, series.start, series.epoch_as_date), (Some(52.0), Some((2001, 1.0)), true));
        assert_eq!(series.dates, Some(vec![11_323, 11_330]));
        assert_eq!(series.population, Some(vec![100.0, 100.0]));
        let bare = Series::read(b"\"t\",\"observed\",\"epoch\"\n1,3,1\n").unwrap();
        assert_eq!((bare.observed, bare.dates), (vec![3.0], None));
    }

    #[test]
    fn what_is_no_number_is_named_with_its_line() {
        assert!(Series::read(b"t,observed\n1,3\n2,many\n").unwrap_err().contains("line 3: observed is many"));
        assert!(Series::read(b"t,count\n1,3\n").unwrap_err().contains("no column observed"));
        assert!(Series::read(b"t,observed,date\n1,3,2021-13-01\n").unwrap_err().contains("2021-13-01 is no date"));
        assert!(Series::read(b"t,observed,date\n1,3,2021-02-30\n").unwrap_err().contains("2021-02-30 is no date"));
        assert!(Series::read(&[0x1f, 0x8b, 0, 0]).unwrap_err().contains("gzip"));
    }

    #[test]
    fn numbers_read_back_to_the_bit() {
        let answer = Answer {
            first: 8,
            observed: vec![3.0, f64::NAN],
            columns: vec![
                ("upperbound", Column::Numbers(vec![1.0 / 3.0, f64::INFINITY])),
                ("alert", Column::Words(vec!["red"])),
            ],
            alarm: vec![Some(true), None],
        };
        assert_eq!(answer.csv(), "t,observed,upperbound,alert,alarm\n8,3,0.3333333333333333,red,1\n9,,Inf,,\n");
    }
}
