//! The space-time scan over the rows of a query: places, dates and counts in, clusters out.
//!
//! Promises: the same clusters and p-values as `qianshao scan`. Intervals are days from the first date to the last; a
//! place and day without a row had no cases, so a place that did not report must be left out. Asked the same again, a
//! session answers what it computed.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{
    Array, ArrayRef, AsArray, Date32Array, Float64Array, Int64Array, ListArray, ListBuilder, StringArray,
    StringBuilder, StructArray,
};
use arrow::buffer::OffsetBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Date32Type, Field, FieldRef, Fields};
use datafusion::common::{Result, ScalarValue};
use sha2::{Digest, Sha256};

use super::{Pairs, days, failed, known, numbers};
use crate::detectors::command::params::Params;
use crate::detectors::scan::{Cluster, Coordinates, Model, Observations, Period, Scan};

/// place, x, y, date, cases.
pub const COLUMNS: usize = 5;

/// Scans whose clusters are kept: a month of days for a few signals, which a rule asks for again at every tick.
const KEPT_MAX: usize = 256;

/// Clusters of the scans that a session ran last, by the digest of everything that they depend on.
///
/// A scan is drawn from its seed, so what is kept is what would be computed again.
#[derive(Debug, Default)]
pub struct Kept(Mutex<VecDeque<([u8; 32], ScalarValue)>>);

impl Kept {
    fn of(&self, digest: &[u8; 32]) -> Option<ScalarValue> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let at = kept.iter().position(|(known, _)| known == digest)?;
        // The one that was asked for longest ago goes first.
        let found = kept.remove(at)?;
        kept.push_back(found.clone());
        Some(found.1)
    }

    fn keep(&self, digest: [u8; 32], clusters: ScalarValue) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() == KEPT_MAX {
            kept.pop_front();
        }
        kept.push_back((digest, clusters));
    }
}

/// Days of a study: as many windows as this are looked at for every circle.
const DAYS_MAX: i64 = 20_000;

fn cluster_fields() -> Fields {
    let places = DataType::List(Field::new_list_field(DataType::Utf8, true).into());
    Fields::from(vec![
        Field::new("centre", DataType::Utf8, true),
        Field::new("places", places, true),
        Field::new("radius_km", DataType::Float64, true),
        Field::new("start", DataType::Date32, true),
        Field::new("end", DataType::Date32, true),
        Field::new("observed", DataType::Int64, true),
        Field::new("expected", DataType::Float64, true),
        Field::new("log_likelihood_ratio", DataType::Float64, true),
        Field::new("p_value", DataType::Float64, true),
        Field::new("gumbel_p_value", DataType::Float64, true),
        Field::new("recurrence_interval", DataType::Float64, true),
    ])
}

fn item() -> FieldRef {
    Field::new_list_field(DataType::Struct(cluster_fields()), true).into()
}

/// A list of clusters, the most likely first.
pub fn answer() -> DataType {
    DataType::List(item())
}

/// Places in the order of their names, days from the first on.
struct Study {
    names: Vec<String>,
    coordinates: Vec<[f64; 2]>,
    population: Vec<f64>,
    first: i32,
    observations: Observations,
}

pub fn run(function: &str, columns: &[ArrayRef], mut pairs: Pairs<'_>, kept: &Kept) -> Result<ScalarValue> {
    let population = pairs.column("population").map(|column| numbers(function, &column)).transpose()?;
    let study = Study::of(function, columns, population.as_deref())?;
    let told = |words: String| failed(function, words);
    let words = pairs.words()?;
    let params = Params::parse(&words).map_err(told)?;
    let scan = scan(&params).map_err(told)?;
    let is_plane = params.word(&["coordinates"], &[("lat_long", false), ("plane", true)]).map_err(told)?;
    params.finish(function).map_err(told)?;
    let coordinates = match is_plane {
        true => Coordinates::Plane(study.coordinates.clone()),
        false => Coordinates::LatLong(study.coordinates.clone()),
    };
    let digest = study.digest(&words);
    if let Some(clusters) = kept.of(&digest) {
        return Ok(clusters);
    }
    let model = if population.is_some() { Model::Poisson(study.population.clone()) } else { Model::Permutation };
    let found = scan.run(&coordinates, &study.observations, &model).map_err(told)?;
    let clusters = study.list(&found.clusters)?;
    kept.keep(digest, clusters.clone());
    Ok(clusters)
}

fn scan(params: &Params) -> std::result::Result<Scan, String> {
    let default = Scan::default();
    let radius_max_km = params.number_or_null(&["max_radius_km"], None)?;
    let earlier_analyses = params.count(&["earlier_analyses"], 0)?;
    let period = params.word(
        &["period"],
        &[("prospective", Period::Prospective { earlier_analyses }), ("retrospective", Period::Retrospective)],
    )?;
    Ok(Scan {
        period,
        share_max: params.number(&["max_share"], default.share_max)?,
        radius_max_km,
        window_max: params.count_or_null(&["max_window"])?,
        cases_min: u32::try_from(params.count(&["min_cases"], 2)?).map_err(|_| "min_cases: too many".to_owned())?,
        replications: params.count(&["replications"], default.replications)?,
        enough: params.count_or_null(&["enough"])?,
        seed: params.count(&["seed"], default.seed as usize)? as u64,
        ..default
    })
}

impl Study {
    fn of(function: &str, columns: &[ArrayRef], population: Option<&[f64]>) -> Result<Self> {
        let [place, x, y, date, cases] = columns else {
            return Err(failed(function, "place, x, y, date and cases are asked for"));
        };
        let place = cast(place, &DataType::Utf8)?;
        let place = place.as_string::<i32>();
        let (x, y, cases) = (numbers(function, x)?, numbers(function, y)?, numbers(function, cases)?);
        let date = days(function, date)?;
        let date = date.as_primitive::<Date32Type>();
        let mut places: BTreeMap<&str, usize> = BTreeMap::new();
        for row in 0..place.len() {
            if place.is_null(row) || date.is_null(row) || x[row].is_nan() || y[row].is_nan() {
                return Err(failed(
                    function,
                    format!("row {}: a place, its x and y, and a date are asked for", row + 1),
                ));
            }
            places.entry(place.value(row)).or_insert(row);
        }
        let (first, last) = (date.values().iter().min().copied(), date.values().iter().max().copied());
        let (first, last) = first.zip(last).unwrap_or_default();
        let length = i64::from(last) - i64::from(first) + 1;
        if length > DAYS_MAX {
            return Err(failed(function, format!("{length} days from the first date to the last: at most {DAYS_MAX}")));
        }
        let intervals = length as usize;
        // Each place's number, and a row that says where it is.
        let numbered: BTreeMap<&str, (usize, usize)> =
            places.iter().enumerate().map(|(number, (name, row))| (*name, (number, *row))).collect();
        let mut counted = vec![0_u32; places.len() * intervals];
        for row in 0..place.len() {
            let (at, seen) = numbered.get(place.value(row)).copied().unwrap_or_default();
            if (x[seen], y[seen]) != (x[row], y[row]) {
                return Err(failed(function, format!("{} stands at two points", place.value(row))));
            }
            // No count is no report, and a scan has no word for that.
            let whole =
                Some(cases[row]).filter(|count| count.fract() == 0.0 && (0.0..=f64::from(u32::MAX)).contains(count));
            let Some(whole) = whole else {
                let found = if cases[row].is_nan() { "null".to_owned() } else { cases[row].to_string() };
                return Err(failed(
                    function,
                    format!("{}: {found} cases; leave out who did not report", place.value(row)),
                ));
            };
            let cell = &mut counted[at * intervals + (date.value(row) - first) as usize];
            *cell = cell.saturating_add(whole as u32);
        }
        Ok(Self {
            names: places.keys().map(|name| (*name).to_owned()).collect(),
            coordinates: places.values().map(|row| [x[*row], y[*row]]).collect(),
            population: population.map_or(Vec::new(), |people| places.values().map(|row| people[*row]).collect()),
            first,
            observations: Observations { intervals, cases: counted },
        })
    }

    /// Of the rows and the parameters.
    fn digest(&self, words: &[String]) -> [u8; 32] {
        let mut digest = Sha256::new();
        for text in self.names.iter().chain(words) {
            digest.update((text.len() as u64).to_le_bytes());
            digest.update(text);
        }
        self.coordinates.iter().flatten().chain(&self.population).for_each(|value| digest.update(value.to_le_bytes()));
        digest.update((self.names.len() as u64).to_le_bytes());
        digest.update((self.population.len() as u64).to_le_bytes());
        digest.update(self.first.to_le_bytes());
        digest.update((self.observations.intervals as u64).to_le_bytes());
        self.observations.cases.iter().for_each(|count| digest.update(count.to_le_bytes()));
        digest.finalize().into()
    }

    fn list(&self, clusters: &[Cluster]) -> Result<ScalarValue> {
        let name = |place: usize| self.names.get(place).cloned().unwrap_or_default();
        let mut places = ListBuilder::new(StringBuilder::new());
        for cluster in clusters {
            cluster.places.iter().for_each(|place| places.values().append_value(name(*place)));
            places.append(true);
        }
        let number = |of: fn(&Cluster) -> Option<f64>| -> ArrayRef {
            Arc::new(known(clusters.iter().map(|cluster| of(cluster).unwrap_or(f64::NAN))))
        };
        let day = |of: fn(&Cluster) -> usize| -> ArrayRef {
            Arc::new(clusters.iter().map(|cluster| Some(self.first + of(cluster) as i32)).collect::<Date32Array>())
        };
        let columns: Vec<ArrayRef> = vec![
            Arc::new(clusters.iter().map(|cluster| Some(name(cluster.centre))).collect::<StringArray>()),
            Arc::new(places.finish()),
            Arc::new(clusters.iter().map(|cluster| Some(cluster.radius_km)).collect::<Float64Array>()),
            day(|cluster| cluster.start),
            day(|cluster| cluster.end),
            Arc::new(clusters.iter().map(|cluster| Some(i64::from(cluster.observed))).collect::<Int64Array>()),
            number(|cluster| Some(cluster.expected)),
            number(|cluster| Some(cluster.log_likelihood_ratio)),
            number(|cluster| cluster.p_value),
            number(|cluster| cluster.gumbel_p_value),
            number(|cluster| cluster.recurrence_interval),
        ];
        let clusters: ArrayRef = Arc::new(StructArray::try_new(cluster_fields(), columns, None)?);
        let list = ListArray::try_new(item(), OffsetBuffer::from_lengths([clusters.len()]), clusters, None)?;
        Ok(ScalarValue::List(Arc::new(list)))
    }
}
