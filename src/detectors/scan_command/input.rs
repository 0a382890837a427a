//! The three files of a scan become coordinates, counts and a model.
//!
//! Promises: every row is used, refused with its line, or counted as outside the study period.

use std::collections::{BTreeMap, HashMap};

use super::dates::{Day, Unit, Written, intervals};
use super::table::Table;
use super::{ModelName, Options};
use crate::detectors::scan::{Census, Coordinates, Model, Observations, expected_cells};

const ID: [&str; 6] = ["id", "zip", "county", "location", "location_id", "place"];
const COUNT: [&str; 4] = ["cases", "count", "observed", "n"];
const DATE: [&str; 3] = ["date", "day", "year"];
const POPULATION: [&str; 2] = ["population", "pop"];

/// Cells at most: places × intervals.
const CELLS_MAX: usize = 1 << 28;

/// Everything that the scan needs.
#[derive(Debug)]
pub struct Input {
    pub ids: Vec<String>,
    pub coordinates: Coordinates,
    pub observations: Observations,
    pub model: Model,
    /// First days of the intervals, and the day after the last.
    pub starts: Vec<Day>,
    pub unit: Unit,
    /// Cases outside the study period.
    pub outside: u64,
}

/// One row of the file of cases.
struct CaseRow {
    place: usize,
    count: u32,
    date: Written,
    stratum: usize,
}

impl Input {
    pub fn read(options: &Options) -> Result<Self, String> {
        let (ids, coordinates) = places(&Table::read(&options.geo)?)?;
        let index: HashMap<&str, usize> = ids.iter().enumerate().map(|(n, id)| (id.as_str(), n)).collect();
        let people = match (options.model, &options.population) {
            (ModelName::Permutation, _) => None,
            (ModelName::Poisson, Some(path)) => Some(Table::read(path)?),
            (ModelName::Poisson, None) => return Err("--model poisson needs --population".to_owned()),
        };
        let table = Table::read(&options.cases)?;
        let mut strata = Strata::new(&table, people.as_ref());
        let rows = cases(&table, &index, &mut strata)?;
        let unit = rows.iter().map(|row| row.date.unit).min().unwrap_or(Unit::Day);
        let (first, last) = study_period(options, &rows)?;
        // Counted before they are made, because a period of millennia is a slip of the pen.
        if ((last.0 - first.0) as f64 / unit.days()) * ids.len() as f64 > CELLS_MAX as f64 {
            return Err(format!("{first} to {last} by {} for {} places is too much", unit.word(), ids.len()));
        }
        let starts = intervals(first, last, unit);
        let length = starts.len() - 1;
        let mut observations = Observations { intervals: length, cases: vec![0; ids.len() * length] };
        let mut by_stratum: Vec<f64> = Vec::new();
        let mut outside = 0;
        for row in &rows {
            let day = row.date.first();
            if day < first || day > last {
                outside += u64::from(row.count);
                continue;
            }
            let interval = starts.partition_point(|start| *start <= day) - 1;
            let cell = &mut observations.cases[row.place * length + interval];
            *cell = cell.checked_add(row.count).ok_or("more cases than can be counted")?;
            by_stratum.resize(by_stratum.len().max(row.stratum + 1), 0.0);
            by_stratum[row.stratum] += f64::from(row.count);
        }
        let model = match &people {
            None => Model::Permutation,
            Some(people) => population(people, &index, &mut strata, &by_stratum, &starts)?,
        };
        Ok(Self { ids, coordinates, observations, model, starts, unit, outside })
    }
}

fn places(table: &Table) -> Result<(Vec<String>, Coordinates), String> {
    let id = table.needed(&ID)?;
    let on_earth = table.column(&["lat", "latitude"]).zip(table.column(&["long", "longitude", "lon", "lng"]));
    let columns = match on_earth {
        Some(columns) => columns,
        None => (table.needed(&["x_km", "x"])?, table.needed(&["y_km", "y"])?),
    };
    let (mut ids, mut pairs) = (Vec::new(), Vec::new());
    let mut seen: HashMap<String, (usize, [f64; 2])> = HashMap::new();
    for (line, row) in table.rows() {
        let name = row.get(id).unwrap_or("").to_owned();
        let pair = [table.number(line, row, columns.0)?, table.number(line, row, columns.1)?];
        if on_earth.is_some() && (pair[0].abs() > 90.0 || pair[1].abs() > 180.0) {
            let what = format!("latitude {}, longitude {}: name the columns x and y for a plane", pair[0], pair[1]);
            return Err(table.complaint(line, what));
        }
        match seen.insert(name.clone(), (line, pair)) {
            Some((_, before)) if before == pair => continue,
            Some((before, _)) => {
                return Err(table.complaint(line, format!("{name} stands elsewhere in line {before}")));
            }
            None => {}
        }
        ids.push(name);
        pairs.push(pair);
    }
    Ok((ids, if on_earth.is_some() { Coordinates::LatLong(pairs) } else { Coordinates::Plane(pairs) }))
}

fn place_of(table: &Table, line: usize, name: &str, index: &HashMap<&str, usize>) -> Result<usize, String> {
    index.get(name).copied().ok_or_else(|| table.complaint(line, format!("{name:?} has no coordinates")))
}

fn cases(table: &Table, index: &HashMap<&str, usize>, strata: &mut Strata) -> Result<Vec<CaseRow>, String> {
    let (id, date, count) = (table.needed(&ID)?, table.needed(&DATE)?, table.column(&COUNT));
    let mut rows = Vec::new();
    for (line, row) in table.rows() {
        let place = place_of(table, line, row.get(id).unwrap_or(""), index)?;
        // Without such a column a row is a case.
        let number = count.map_or(Ok(1.0), |column| table.number(line, row, column))?;
        if number < 0.0 || number.fract() != 0.0 || number > f64::from(i32::MAX) {
            return Err(table.complaint(line, format!("{number} cases: a whole number is needed")));
        }
        let written = Written::parse(row.get(date).unwrap_or("")).map_err(|error| table.complaint(line, error))?;
        // A year of two digits in a file of cases is of the last century, SaTScan's answer without a study period.
        let date = written.in_century_of(Day::new(1900, 1, 1));
        rows.push(CaseRow { place, count: number as u32, date, stratum: strata.of_case(row) });
    }
    Ok(rows)
}

/// As asked for; else from the first case to the last, and to the day of a prospective analysis.
fn study_period(options: &Options, rows: &[CaseRow]) -> Result<(Day, Day), String> {
    let until = options.prospective.map(Written::last);
    let (first, last) = match options.study_period {
        Some((first, last)) => (first.first(), last.last()),
        None => {
            // A row of 0 cases also says that somebody looked that day.
            let first = rows.iter().map(|row| row.date.first()).min();
            let last = until.or_else(|| rows.iter().map(|row| row.date.last()).max());
            first.zip(last).ok_or("no cases: give --study-period")?
        }
    };
    let last = match until {
        Some(until) if until > last => return Err(format!("--prospective {until} is after the study period")),
        Some(until) => until,
        None => last,
    };
    if first > last {
        return Err(format!("the study period {first} to {last} has no day"));
    }
    Ok((first, last))
}

/// Strata: the values of the columns that cases and population share, apart from place, date and number.
struct Strata {
    of_cases: Vec<usize>,
    of_people: Vec<usize>,
    known: BTreeMap<Vec<String>, usize>,
}

impl Strata {
    fn new(cases: &Table, people: Option<&Table>) -> Self {
        let mut strata = Self { of_cases: Vec::new(), of_people: Vec::new(), known: BTreeMap::new() };
        let Some(people) = people else { return strata };
        let known = [&ID[..], &COUNT, &DATE, &POPULATION].concat();
        for (column, header) in people.headers().iter().enumerate() {
            if let (false, Some(case)) = (known.contains(&header.as_str()), cases.column(&[header])) {
                strata.of_cases.push(case);
                strata.of_people.push(column);
            }
        }
        strata
    }

    fn number(known: &mut BTreeMap<Vec<String>, usize>, columns: &[usize], row: &csv::StringRecord) -> usize {
        let values = columns.iter().map(|&column| row.get(column).unwrap_or("").to_owned()).collect();
        let next = known.len();
        *known.entry(values).or_insert(next)
    }

    fn of_case(&mut self, row: &csv::StringRecord) -> usize {
        Self::number(&mut self.known, &self.of_cases, row)
    }

    fn of_people(&mut self, row: &csv::StringRecord) -> usize {
        Self::number(&mut self.known, &self.of_people, row)
    }
}

fn population(
    table: &Table,
    index: &HashMap<&str, usize>,
    strata: &mut Strata,
    cases: &[f64],
    starts: &[Day],
) -> Result<Model, String> {
    let (id, people, date) = (table.needed(&ID)?, table.needed(&POPULATION)?, table.column(&DATE));
    let first = starts.first().copied().unwrap_or(Day(0));
    let mut census = Vec::new();
    for (line, row) in table.rows() {
        let place = place_of(table, line, row.get(id).unwrap_or(""), index)?;
        let stratum = strata.of_people(row);
        let population = table.number(line, row, people)?;
        if population < 0.0 {
            return Err(table.complaint(line, format!("population {population}: 0 or more is allowed")));
        }
        let mut add = |day| census.push(Census { place, stratum, day, population });
        match date.map(|column| row.get(column).unwrap_or("")) {
            None | Some("") => add(first.0),
            Some(text) => {
                let written = Written::parse(text).map_err(|error| table.complaint(line, error))?.in_century_of(first);
                // SaTScan's days: 1 July of a year, the 15th of a month; a day's number holds all that day.
                match written.unit {
                    Unit::Year => add(Day::new(written.year, 7, 1).0),
                    Unit::Month => add(Day::new(written.year, written.month, 15).0),
                    Unit::Day => {
                        add(written.first().0);
                        add(written.first().0 + 1);
                    }
                }
            }
        }
    }
    if date.is_none() && strata.of_people.is_empty() {
        // Whole numbers stay exact, and so do shares.
        let mut by_place = vec![0.0; index.len()];
        census.iter().for_each(|one: &Census| by_place[one.place] += one.population);
        return Ok(Model::Poisson(by_place));
    }
    let starts: Vec<i64> = starts.iter().map(|day| day.0).collect();
    expected_cells(&census, cases, index.len(), &starts).map(Model::PoissonCells)
}
