//! What is sent: pupils who fell ill, their corrections and retractions, repeats, and messages that nobody can read.
//!
//! Promises: the same dice give the same messages; every schedule has a cluster, a correction and a retraction.

use qianshao::terms::{Day, MICROS_PER_SECOND, local_text};
use serde_json::json;

use crate::scenarios::Dice;

/// The first day on which somebody falls ill.
pub const FIRST_DAY: &str = "2021-01-12";
/// Days on which somebody falls ill.
pub const DAYS: u64 = 7;
pub const SCHOOL: &str = "S990101P02";
pub const PARTITIONS: i32 = 3;
const CLASSES: u64 = 3;
const SYMPTOMS: [&str; 2] = ["fever", "vomiting"];

/// What a readable message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The record.
    pub event: u64,
    pub revision: i64,
    pub reported_at: i64,
    pub retracted: bool,
    pub class: u64,
    pub symptom: usize,
    pub day: Day,
}

impl Said {
    pub fn unit(&self) -> String {
        format!("{SCHOOL}/C{}", self.class)
    }

    pub const fn signal(&self) -> &'static str {
        match self.symptom {
            0 => "school_fever",
            _ => "school_gi",
        }
    }

    fn text(&self) -> String {
        let operation = match (self.retracted, self.revision) {
            (true, _) => "retract",
            (false, 0) => "report",
            (false, _) => "correct",
        };
        json!({
            "school_id": SCHOOL,
            "event_id": format!("E{}", self.event),
            "class_id": format!("C{}", self.class),
            "student_id": format!("P{}", self.event),
            "onset_at": local_text(self.day.at_minute(8 * 60)),
            "symptoms": [SYMPTOMS[self.symptom]],
            "revision": self.revision,
            "operation": operation,
            "submitted_at": local_text(self.reported_at),
        })
        .to_string()
    }
}

/// A message before it has a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    pub partition: i32,
    pub text: String,
    /// Nothing where it cannot be read.
    pub said: Option<Said>,
}

/// All messages of a schedule, in the order in which they were written.
pub fn letters(dice: &mut Dice) -> Vec<Letter> {
    let first = Day::parse(FIRST_DAY).unwrap();
    let cluster = (dice.below(CLASSES), dice.below(2) as usize, dice.below(DAYS));
    let records = 42 + dice.below(16);
    let mut letters = Vec::new();
    for event in 0..records {
        let (class, symptom, day) = match event {
            0..6 => cluster,
            _ => (dice.below(CLASSES), dice.below(2) as usize, dice.below(DAYS)),
        };
        let day = first.plus(day as i32);
        let reported_at = day.at_minute(9 * 60) + event as i64 * MICROS_PER_SECOND;
        let said = Said { event, revision: 0, reported_at, retracted: false, class, symptom, day };
        letters.push(letter(&said, dice));
        let changes = match event {
            1 | 7 => 1,
            _ => usize::from(dice.below(5) == 0) * (1 + dice.below(2) as usize),
        };
        for revision in 1..=changes as i64 {
            letters.push(letter(&changed(&said, revision, event, first, dice), dice));
        }
        if dice.below(12) == 0 {
            let partition = dice.below(PARTITIONS as u64) as i32;
            let text = ["{\"school_id\":", "[]", "{\"school_id\":\"S990101P02\",\"event_id\":7}", "\u{feff}"];
            let text = text[dice.below(4) as usize].to_owned();
            letters.push(Letter { partition, text, said: None });
        }
    }
    letters
}

/// A correction moves a pupil to another class, day or symptom; some are retracted.
fn changed(said: &Said, revision: i64, event: u64, first: Day, dice: &mut Dice) -> Said {
    let mut changed = said.clone();
    (changed.revision, changed.reported_at) = (revision, said.reported_at + revision * 60 * MICROS_PER_SECOND);
    match dice.below(4) {
        0 => changed.class = dice.below(CLASSES),
        1 => changed.day = first.plus(dice.below(DAYS) as i32),
        2 => changed.symptom = 1 - said.symptom,
        _ => changed.retracted = true,
    }
    if event == 7 {
        changed.retracted = true;
    }
    changed
}

fn letter(said: &Said, dice: &mut Dice) -> Letter {
    // Senders do not keep to one partition: a correction may well overtake.
    Letter { partition: dice.below(PARTITIONS as u64) as i32, text: said.text(), said: Some(said.clone()) }
}
