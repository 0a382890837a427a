//! The city's registers as the pipeline reads them: facilities, expected reports, calendars.
//!
//! Promises: what is expected here is what the city sends, silences excepted.

use std::fmt::Write;

use super::city::{COUNTIES, COUNTY_NAMES, City, town_code};
use super::ledger::{ExpectedLine, FacilityLine};
use super::levels::Levels;
use super::rhythm::Calendar;
use super::sending::hospital;
use crate::terms::Day;

/// Facility kind, feed, due minute, minutes of grace.
const EXPECTED: [(&str, &str, i64, i64); 4] = [
    ("fever_clinic", "fever_clinic", 23 * 60 + 59, 60),
    ("pharmacy", "pharmacy", 23 * 60 + 59, 120),
    ("school", "school", 10 * 60, 30),
    ("port", "customs", 23 * 60 + 59, 60),
];

/// A row of `facilities.csv`.
struct Facility {
    id: String,
    /// Chinese and English.
    name: (String, String),
    kind: &'static str,
    area: String,
    calendar: &'static str,
    authoritative: &'static str,
}

/// "临湖第2发热门诊" and "Linhu Fever Clinic 2"; the number is the id's last.
fn named(county: usize, id: &str, zh: &str, en: &str) -> (String, String) {
    let (county_zh, county_en) = COUNTY_NAMES[county];
    let number = id.get(id.len().saturating_sub(1)..).unwrap_or_default();
    (format!("{county_zh}第{number}{zh}"), format!("{county_en} {en} {number}"))
}

fn facilities(city: &City) -> Vec<Facility> {
    let clinics = city.clinics.iter().map(|clinic| Facility {
        id: clinic.id.clone(),
        name: named(clinic.county, &clinic.id, "发热门诊", "Fever Clinic"),
        kind: "fever_clinic",
        area: clinic.area.clone(),
        calendar: "always",
        authoritative: if clinic.daily { "fever_clinic/daily" } else { "fever_clinic/visit" },
    });
    let pharmacies = city.pharmacies.iter().map(|pharmacy| Facility {
        id: pharmacy.id.clone(),
        name: named(pharmacy.county, &pharmacy.id, "药店", "Pharmacy"),
        kind: "pharmacy",
        area: pharmacy.area.clone(),
        calendar: "always",
        authoritative: if pharmacy.daily { "pharmacy/daily" } else { "pharmacy/sale" },
    });
    let schools = city.schools.iter().map(|school| Facility {
        id: school.id.clone(),
        name: named(school.county, &school.id, "学校", "School"),
        kind: "school",
        area: school.area.clone(),
        calendar: "school_terms",
        authoritative: if school.by_pupil { "school/pupil_event" } else { "school/class_day" },
    });
    let hospitals = (0..COUNTIES).map(|county| Facility {
        id: hospital(county),
        name: named(county, "1", "人民医院", "Hospital"),
        kind: "hospital",
        area: town_code(county, 0),
        calendar: "always",
        authoritative: "",
    });
    let port = Facility {
        id: city.port.id.clone(),
        name: ("国际机场口岸".to_owned(), "Airport Port of Entry".to_owned()),
        kind: "port",
        area: city.port.area.clone(),
        calendar: "always",
        authoritative: "",
    };
    clinics.chain(pharmacies).chain(schools).chain(hospitals).chain([port]).collect()
}

/// File name and text of each register.
pub fn registers(city: &City, calendar: &Calendar, start: Day) -> Vec<(&'static str, String)> {
    let mut rows = String::from(
        "facility_id,name_zh,name_en,facility_kind,area_code,calendar_id,authoritative,active_from,active_to\n",
    );
    for of in facilities(city) {
        let Facility { id, name: (zh, en), kind, area, calendar, authoritative } = of;
        // Writing to a String cannot fail.
        let _infallible = writeln!(rows, "{id},{zh},{en},{kind},{area},{calendar},{authoritative},,");
    }
    let mut expected = String::from("facility_kind,facility_id,feed,due_time,grace_minutes,valid_from,valid_to\n");
    for (kind, feed, due, grace) in EXPECTED {
        let _infallible = writeln!(expected, "{kind},,{feed},{:02}:{:02},{grace},{start},", due / 60, due % 60);
    }
    let mut calendars = String::from("calendar_id,date_from,date_to,weekdays,state,name_zh,name_en\n");
    for row in calendar.rows() {
        let _infallible = writeln!(calendars, "{row}");
    }
    vec![("facilities.csv", rows), ("expected_reports.csv", expected), ("calendars.csv", calendars)]
}

/// The facilities as lines of the ledger.
pub fn facility_lines(city: &City) -> Vec<FacilityLine> {
    (facilities(city).into_iter())
        .map(|of| FacilityLine {
            facility_id: of.id,
            facility_kind: of.kind.to_owned(),
            area_code: of.area,
            authoritative: of.authoritative.to_owned(),
        })
        .collect()
}

/// Every report that is due in the run.
pub fn expected_lines(levels: &Levels, start: Day) -> Vec<ExpectedLine> {
    let mut lines = vec![];
    let facilities = facilities(&levels.city);
    for day in 0..levels.open.len() {
        for of in &facilities {
            let Some((_, feed, due, grace)) = EXPECTED.into_iter().find(|(kind, ..)| *kind == of.kind) else {
                continue;
            };
            if of.kind == "school" && !levels.open[day] {
                continue;
            }
            let date = start.plus(day as i32);
            lines.push(ExpectedLine {
                facility_id: of.id.clone(),
                feed: feed.to_owned(),
                report_date: date.to_string(),
                due_at: date.at_minute(due + grace),
                sent: !levels.silences.covers(&of.id, day),
            });
        }
    }
    lines
}
