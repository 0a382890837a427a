//! Report cards of notifiable diseases; a correction is card kind 2.

use serde::Serialize;

use crate::simulate::chance::Chance;
use crate::simulate::ledger::TrueRow;
use crate::simulate::people::somebody;
use crate::simulate::rhythm::moment;
use crate::terms::{Day, MICROS_PER_SECOND, local_text};

use super::{Message, Statement, person_text};

#[derive(Clone, Serialize)]
pub struct Card {
    pub card_id: String,
    pub card_kind: &'static str,
    pub disease_code: &'static str,
    pub case_class: &'static str,
    pub onset_date: String,
    pub diagnosed_at: String,
    pub report_org: String,
    pub residence_area: String,
    pub name: String,
    pub id_no: String,
    pub sex: &'static str,
    pub birth_date: String,
    pub phone: String,
    pub submitted_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<u32>,
    #[serde(skip)]
    pub statement: Statement,
    #[serde(skip)]
    pub onset: Day,
}

/// Who reports a case, of whom, and when it was diagnosed.
pub struct Case<'a> {
    pub org: &'a str,
    pub county: usize,
    pub home: String,
    pub onset: Day,
    pub diagnosed: Day,
}

impl Card {
    pub fn of(case: &Case<'_>, card_id: String, disease_code: &'static str, chance: &mut Chance) -> Self {
        let at = moment(chance, case.diagnosed, 8 * 60, 17 * 60);
        let who = somebody(chance, case.county, 1940, 2018);
        let statement = Statement::first(at + chance.between(600, 4_500) * MICROS_PER_SECOND);
        Self {
            card_id,
            card_kind: "1",
            disease_code,
            case_class: chance.pick(&["1", "2", "3"], "2"),
            onset_date: case.onset.to_string(),
            diagnosed_at: local_text(at),
            report_org: case.org.to_owned(),
            residence_area: case.home.clone(),
            name: who.name,
            id_no: who.id_number,
            sex: who.sex,
            birth_date: who.birth_date,
            phone: who.phone,
            submitted_at: statement.submitted_at.clone(),
            revision: None,
            statement,
            onset: case.onset,
        }
    }
}

impl Message for Card {
    const FEED: &'static str = "report_card";
    const KIND: &'static str = "card";

    fn facility(&self) -> &str {
        &self.report_org
    }

    fn record(&self) -> String {
        self.card_id.clone()
    }

    fn rows(&self) -> Vec<TrueRow> {
        vec![TrueRow {
            signal: format!("case_{}", self.disease_code.to_lowercase()),
            unit_kind: "case".to_owned(),
            unit_id: self.card_id.clone(),
            area_code: self.residence_area.clone(),
            event_date: self.onset_date.clone(),
            value: 1,
            denominator: None,
            person: Some(person_text(&self.id_no)),
            slot: None,
        }]
    }

    fn statement(&self) -> &Statement {
        &self.statement
    }

    fn state(&mut self, statement: Statement) {
        self.card_kind = if statement.operation.is_some() { "2" } else { "1" };
        self.revision = statement.revision;
        self.submitted_at = statement.submitted_at.clone();
        self.statement = statement;
    }

    fn misreport(&mut self, _chance: &mut Chance) {
        self.case_class = "1";
        self.onset_date = self.onset.plus(-1).to_string();
    }

    fn mistaken(&self) -> Option<Self> {
        None
    }
}
