//! Fever clinics: a visit each, and the day's aggregate at night.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::simulate::chance::Chance;
use crate::simulate::ledger::TrueRow;
use crate::simulate::levels::ClinicDay;
use crate::simulate::people::{age, somebody};
use crate::simulate::rhythm::busy_moment;
use crate::terms::{Day, MICROS_PER_SECOND, local_text};

use super::{Message, Statement, degrees, facility_row, person_text};

/// Fever from here, and the temperature of an influenza-like illness (domain: gate 37.3, ILI 38.0).
const FEVER_C: f64 = 37.3;
const ILI_C: f64 = 38.0;
const BANDS: [&str; 5] = ["0-4", "5-14", "15-24", "25-59", "60+"];

/// How ill a visitor is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Illness {
    Other,
    Fever,
    Ili,
}

#[derive(Clone, Serialize)]
pub struct Patient {
    pub id_type: &'static str,
    pub id: String,
    pub name: String,
    pub sex: &'static str,
    pub birth_date: String,
}

#[derive(Clone, Serialize)]
pub struct Visit {
    pub visit_no: String,
    pub event_time: String,
    pub facility_id: String,
    pub dept: &'static str,
    pub person: Patient,
    pub residence_area: String,
    pub chief_complaint: String,
    pub temp_c: f64,
    pub symptoms: Vec<&'static str>,
    pub onset_date: String,
    pub dx_codes: Vec<&'static str>,
    #[serde(flatten)]
    pub statement: Statement,
    #[serde(skip)]
    pub area: String,
    #[serde(skip)]
    pub date: String,
    /// The hospital's system writes Chinese words and local time.
    #[serde(skip)]
    pub vendor: bool,
}

/// Where and when a visit takes place.
pub struct Place<'a> {
    pub facility: &'a str,
    pub area: &'a str,
    pub county: usize,
    pub home: String,
    pub day: Day,
    pub vendor: bool,
}

impl Visit {
    pub fn of(place: &Place<'_>, illness: Illness, number: usize, chance: &mut Chance) -> Self {
        let at = busy_moment(chance, place.day);
        let who = somebody(chance, place.county, 1940, 2015);
        let (temp_c, symptoms, dx_codes): (f64, Vec<&'static str>, Vec<&'static str>) = match illness {
            Illness::Ili => (
                degrees(chance, 380, 396),
                vec!["fever", chance.pick(&["cough", "sore_throat", "dry_cough"], "cough")],
                vec!["J11.1"],
            ),
            Illness::Fever => match chance.below(3) {
                // Below the gate's temperature, but the patient says so.
                0 => (degrees(chance, 368, 372), vec!["fever"], vec!["R50.9"]),
                1 => (degrees(chance, 373, 379), vec!["cough"], vec!["J06.9"]),
                _ => (degrees(chance, 374, 392), vec!["headache"], vec!["R50.9"]),
            },
            Illness::Other => (
                degrees(chance, 361, 371),
                vec![chance.pick(&["cough", "runny_nose", "fatigue", "diarrhoea", "sore_throat"], "cough")],
                vec!["J00"],
            ),
        };
        let days = chance.between(0, 3);
        let years = age(&who, place.day);
        let (sex, symptoms) = if place.vendor {
            (if who.sex == "1" { "男" } else { "女" }, symptoms.into_iter().map(chinese).collect())
        } else {
            (who.sex, symptoms)
        };
        let complaint = if illness == Illness::Other { "不适" } else { "发热" };
        Self {
            visit_no: format!("V{}{number:04}", place.day.to_string().replace('-', "")),
            event_time: if place.vendor {
                local_text(at).replace('T', " ").replace("+08:00", "")
            } else {
                local_text(at)
            },
            facility_id: place.facility.to_owned(),
            dept: "发热门诊",
            person: Patient { id_type: "01", id: who.id_number, name: who.name, sex, birth_date: who.birth_date },
            residence_area: place.home.clone(),
            chief_complaint: format!("{years}岁，{complaint}{days}天"),
            temp_c,
            symptoms,
            onset_date: place.day.plus(-(days as i32)).to_string(),
            dx_codes,
            statement: Statement::first(at + chance.between(60, 1_200) * MICROS_PER_SECOND),
            area: place.area.to_owned(),
            date: place.day.to_string(),
            vendor: place.vendor,
        }
    }

    fn has(&self, words: &[&str]) -> bool {
        self.symptoms.iter().any(|symptom| words.contains(symptom))
    }
}

fn chinese(symptom: &'static str) -> &'static str {
    match symptom {
        "fever" => "发热",
        "cough" => "咳嗽",
        "dry_cough" => "干咳",
        "sore_throat" => "咽痛",
        "headache" => "头痛",
        "runny_nose" => "流涕",
        "fatigue" => "乏力",
        "diarrhoea" => "腹泻",
        other => other,
    }
}

impl Message for Visit {
    const FEED: &'static str = "fever_clinic";
    const KIND: &'static str = "visit";

    fn facility(&self) -> &str {
        &self.facility_id
    }

    fn record(&self) -> String {
        format!("{}/{}", self.facility_id, self.visit_no)
    }

    fn rows(&self) -> Vec<TrueRow> {
        let person = Some(person_text(&self.person.id));
        let row = |signal| TrueRow {
            person: person.clone(),
            ..facility_row(signal, &self.facility_id, &self.area, &self.date, 1)
        };
        let mut rows = vec![row("clinic_visit")];
        if self.temp_c >= FEVER_C || self.has(&["fever", "发热"]) {
            rows.push(row("fever_visit"));
        }
        if self.temp_c >= ILI_C && self.has(&["cough", "dry_cough", "sore_throat", "咳嗽", "干咳", "咽痛"]) {
            rows.push(row("ili_visit"));
        }
        rows
    }

    fn statement(&self) -> &Statement {
        &self.statement
    }

    fn state(&mut self, statement: Statement) {
        self.statement = statement;
    }

    fn misreport(&mut self, chance: &mut Chance) {
        // Typed at the desk before the thermometer was read.
        self.temp_c = degrees(chance, 362, 370);
        self.symptoms.retain(|symptom| *symptom != "fever" && *symptom != "发热");
    }

    fn mistaken(&self) -> Option<Self> {
        let mut twice = self.clone();
        twice.visit_no.push('X');
        twice.temp_c = 36.5;
        twice.symptoms = vec!["fatigue"];
        Some(twice)
    }
}

#[derive(Clone, Serialize)]
pub struct Daily {
    pub report_date: String,
    pub facility_id: String,
    pub visits_total: u32,
    pub fever_visits: u32,
    pub ili_by_age: BTreeMap<&'static str, u32>,
    #[serde(flatten)]
    pub statement: Statement,
    #[serde(skip)]
    pub area: String,
}

impl Daily {
    pub fn of(facility: &str, area: &str, day: Day, counts: ClinicDay, chance: &mut Chance) -> Self {
        let mut ili_by_age: BTreeMap<&'static str, u32> = BANDS.into_iter().map(|band| (band, 0)).collect();
        for _ in 0..counts.ili {
            *ili_by_age.entry(chance.pick(&BANDS, "25-59")).or_default() += 1;
        }
        Self {
            report_date: day.to_string(),
            facility_id: facility.to_owned(),
            visits_total: counts.visits,
            fever_visits: counts.fever,
            ili_by_age,
            statement: Statement::first(day.at_minute(chance.between(21 * 60, 22 * 60 + 30))),
            area: area.to_owned(),
        }
    }
}

impl Message for Daily {
    const FEED: &'static str = "fever_clinic";
    const KIND: &'static str = "daily";

    fn facility(&self) -> &str {
        &self.facility_id
    }

    fn record(&self) -> String {
        format!("{}/{}", self.facility_id, self.report_date)
    }

    fn rows(&self) -> Vec<TrueRow> {
        let total = i64::from(self.visits_total);
        let row = |signal, value| facility_row(signal, &self.facility_id, &self.area, &self.report_date, value);
        let shared = |signal, value| TrueRow { denominator: Some(total), ..row(signal, value) };
        let ili: u32 = self.ili_by_age.values().sum();
        vec![
            row("clinic_visit", total),
            shared("fever_visit", i64::from(self.fever_visits)),
            shared("ili_visit", i64::from(ili)),
        ]
    }

    fn statement(&self) -> &Statement {
        &self.statement
    }

    fn state(&mut self, statement: Statement) {
        self.statement = statement;
    }

    fn misreport(&mut self, chance: &mut Chance) {
        // The evening's patients were not yet in.
        self.fever_visits -= self.fever_visits.min(chance.between(0, 4) as u32);
        self.visits_total -= self.visits_total.min(chance.between(1, 20) as u32);
    }

    fn mistaken(&self) -> Option<Self> {
        None
    }
}
