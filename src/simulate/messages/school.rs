//! Schools: a sheet per class and session, or an event per pupil.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::simulate::chance::Chance;
use crate::simulate::ledger::TrueRow;
use crate::simulate::levels::{ABSENT, FEVER, ILI, PUPIL_SIGNALS};
use crate::simulate::people::name;
use crate::simulate::rhythm::moment;
use crate::terms::{Day, MICROS_PER_SECOND, local_text};

use super::{Message, Statement, person_text};

/// The symptom that stands for a syndrome on a sheet, in the order of `PUPIL_SIGNALS` from fever on, and a second one.
const SYMPTOMS: [(&str, &str); 8] = [
    ("fever", "fever"),
    ("cough", "sore_throat"),
    ("vomiting", "diarrhoea"),
    ("rash", "rash"),
    ("parotid_swelling", "parotid_swelling"),
    ("conjunctival_congestion", "conjunctival_congestion"),
    ("jaundice", "jaundice"),
    ("headache", "fatigue"),
];

#[derive(Clone, Serialize)]
pub struct ClassDay {
    pub school_id: String,
    pub class_id: String,
    pub grade: String,
    pub check_date: String,
    pub session: &'static str,
    pub enrolled: u32,
    pub present: u32,
    pub absent_total: u32,
    pub absent_sick: u32,
    pub symptom_counts: BTreeMap<&'static str, u32>,
    pub new_today: BTreeMap<&'static str, u32>,
    pub ili_count: u32,
    pub zero_report: bool,
    #[serde(flatten)]
    pub statement: Statement,
    #[serde(skip)]
    pub area: String,
}

/// The class of a sheet or event.
pub struct Room<'a> {
    pub school: &'a str,
    pub area: &'a str,
    pub class: &'a str,
    pub grade: &'a str,
    pub enrolled: u32,
    pub day: Day,
}

impl ClassDay {
    pub fn of(room: &Room<'_>, session: &'static str, counts: &[u8; 10], chance: &mut Chance) -> Self {
        let absent_sick = u32::from(counts[ABSENT]);
        let absent_total = absent_sick + u32::from(chance.happens(0.2));
        let mut new_today = BTreeMap::new();
        for (pupils, (symptom, _)) in counts[FEVER..].iter().zip(SYMPTOMS).filter(|(pupils, _)| **pupils > 0) {
            new_today.insert(symptom, u32::from(*pupils));
        }
        // Of two symptoms of one syndrome the greater count stands.
        for (pupils, (_, second)) in counts[FEVER..].iter().zip(SYMPTOMS).filter(|(pupils, _)| **pupils > 1) {
            if !new_today.contains_key(second) {
                new_today.insert(second, u32::from(*pupils) - 1);
            }
        }
        let at = match session {
            "am" => moment(chance, room.day, 7 * 60 + 45, 8 * 60 + 50),
            _ => moment(chance, room.day, 13 * 60 + 45, 14 * 60 + 30),
        };
        Self {
            school_id: room.school.to_owned(),
            class_id: room.class.to_owned(),
            grade: room.grade.to_owned(),
            check_date: room.day.to_string(),
            session,
            enrolled: room.enrolled,
            present: room.enrolled - absent_total,
            absent_total,
            absent_sick,
            zero_report: absent_sick == 0 && new_today.is_empty() && counts[ILI] == 0,
            symptom_counts: new_today.clone(),
            new_today,
            ili_count: u32::from(counts[ILI]),
            statement: Statement::first(at),
            area: room.area.to_owned(),
        }
    }

    fn row(&self, signal: &str, value: u32) -> TrueRow {
        TrueRow {
            signal: signal.to_owned(),
            unit_kind: "class".to_owned(),
            unit_id: format!("{}/{}", self.school_id, self.class_id),
            area_code: self.area.clone(),
            event_date: self.check_date.clone(),
            value: i64::from(value),
            denominator: Some(i64::from(self.enrolled)),
            person: None,
            slot: Some(self.session.to_owned()),
        }
    }
}

impl Message for ClassDay {
    const FEED: &'static str = "school";
    const KIND: &'static str = "class_day";

    fn facility(&self) -> &str {
        &self.school_id
    }

    fn record(&self) -> String {
        format!("{}/{}/{}/{}", self.school_id, self.class_id, self.check_date, self.session)
    }

    fn rows(&self) -> Vec<TrueRow> {
        let mut rows = vec![self.row("school_absent_sick", self.absent_sick), self.row("school_ili", self.ili_count)];
        for (signal, (first, second)) in PUPIL_SIGNALS[FEVER..].iter().zip(SYMPTOMS) {
            let pupils = [first, second].into_iter().filter_map(|symptom| self.new_today.get(symptom)).max();
            rows.extend(pupils.filter(|pupils| **pupils > 0).map(|pupils| self.row(signal, *pupils)));
        }
        rows
    }

    fn statement(&self) -> &Statement {
        &self.statement
    }

    fn state(&mut self, statement: Statement) {
        self.statement = statement;
    }

    fn misreport(&mut self, _chance: &mut Chance) {
        // Sent before the sick list was in; the number of those present differs at least.
        self.absent_sick = 0;
        self.new_today.clear();
        self.symptom_counts.clear();
        self.ili_count = 0;
        self.zero_report = true;
        self.present = self.enrolled;
        self.absent_total = 0;
    }

    fn mistaken(&self) -> Option<Self> {
        None
    }

    fn is_zero(&self) -> bool {
        self.zero_report
    }
}

#[derive(Clone, Serialize)]
pub struct PupilEvent {
    pub school_id: String,
    pub event_id: String,
    pub class_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dorm_id: Option<String>,
    pub student_id: String,
    pub student_name: String,
    pub onset_at: String,
    pub symptoms: Vec<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temp_c: Option<f64>,
    #[serde(flatten)]
    pub statement: Statement,
    #[serde(skip)]
    pub area: String,
    #[serde(skip)]
    pub date: String,
    /// Index of `PUPIL_SIGNALS`.
    #[serde(skip)]
    pub signal: usize,
}

impl PupilEvent {
    /// The `number`th pupil of a class who falls ill on a day.
    pub fn of(room: &Room<'_>, dorm_id: Option<String>, signal: usize, number: usize, chance: &mut Chance) -> Self {
        let at = moment(chance, room.day, 6 * 60 + 30, 14 * 60);
        let (first, second) = SYMPTOMS[signal - FEVER];
        // A stride of thirteen keeps the pupils of three days apart in a class of more than forty.
        let pupil = (room.day.0.unsigned_abs() as usize * 13 + number) % room.enrolled as usize + 1;
        Self {
            school_id: room.school.to_owned(),
            event_id: format!("E{}-{}-{number:02}", room.day.to_string().replace('-', ""), room.class),
            class_id: room.class.to_owned(),
            dorm_id,
            student_id: format!("{}-{pupil:02}", room.class),
            student_name: name(chance),
            onset_at: local_text(at),
            symptoms: if chance.happens(0.5) { vec![first] } else { vec![second] },
            temp_c: (signal == FEVER).then(|| chance.between(376, 389) as f64 / 10.0),
            statement: Statement::first(at + chance.between(600, 7_200) * MICROS_PER_SECOND),
            area: room.area.to_owned(),
            date: room.day.to_string(),
            signal,
        }
    }
}

impl Message for PupilEvent {
    const FEED: &'static str = "school";
    const KIND: &'static str = "pupil_event";

    fn facility(&self) -> &str {
        &self.school_id
    }

    fn record(&self) -> String {
        format!("{}/{}", self.school_id, self.event_id)
    }

    fn rows(&self) -> Vec<TrueRow> {
        let class = TrueRow {
            signal: PUPIL_SIGNALS[self.signal].to_owned(),
            unit_kind: "class".to_owned(),
            unit_id: format!("{}/{}", self.school_id, self.class_id),
            area_code: self.area.clone(),
            event_date: self.date.clone(),
            value: 1,
            denominator: None,
            person: Some(person_text(&format!("{}/{}", self.school_id, self.student_id))),
            slot: None,
        };
        let dormitory = self.dorm_id.as_ref().map(|room| TrueRow {
            unit_kind: "dormitory".to_owned(),
            unit_id: format!("{}/dorm-{room}", self.school_id),
            ..class.clone()
        });
        [class].into_iter().chain(dormitory).collect()
    }

    fn statement(&self) -> &Statement {
        &self.statement
    }

    fn state(&mut self, statement: Statement) {
        self.statement = statement;
    }

    fn misreport(&mut self, _chance: &mut Chance) {
        self.signal = PUPIL_SIGNALS.len() - 1;
        self.symptoms = vec!["dizziness"];
        self.temp_c = None;
    }

    fn mistaken(&self) -> Option<Self> {
        let mut wrong = self.clone();
        wrong.event_id.push('X');
        wrong.signal = PUPIL_SIGNALS.len() - 1;
        wrong.symptoms = vec!["dizziness"];
        wrong.temp_c = None;
        Some(wrong)
    }
}
