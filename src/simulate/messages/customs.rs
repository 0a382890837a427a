//! The port: health declarations of those who arrive and leave.

use serde::Serialize;

use crate::simulate::chance::Chance;
use crate::simulate::ledger::TrueRow;
use crate::simulate::people::{name, passport};
use crate::simulate::rhythm::moment;
use crate::terms::{Day, MICROS_PER_SECOND, local_text};

use super::{Message, Statement, degrees, facility_row, person_text};

#[derive(Clone, Serialize)]
pub struct Conveyance {
    pub mode: &'static str,
    pub no: String,
    pub seat: String,
}

#[derive(Clone, Serialize)]
pub struct Traveller {
    pub id_type: &'static str,
    pub id: String,
    pub name: String,
    pub nationality: &'static str,
}

#[derive(Clone, Serialize)]
pub struct Declaration {
    pub declaration_id: String,
    pub declared_at: String,
    pub direction: &'static str,
    pub port_code: String,
    pub conveyance: Conveyance,
    pub person: Traveller,
    pub destination_area: String,
    pub symptoms: Vec<&'static str>,
    pub temp_c: f64,
    #[serde(flatten)]
    pub statement: Statement,
    #[serde(skip)]
    pub date: String,
    #[serde(skip)]
    pub sick: bool,
}

impl Declaration {
    /// Declarations of one port and day are numbered; `destination` is a county or town of the city.
    pub fn of(port: &str, day: Day, destination: String, sick: bool, number: usize, chance: &mut Chance) -> Self {
        let at = moment(chance, day, 0, 23 * 60 + 40);
        let inbound = sick || chance.happens(0.85);
        let symptoms =
            if sick { vec![chance.pick(&["fever", "dry_cough", "fatigue", "diarrhoea"], "fever")] } else { vec![] };
        let flight = format!("QS{:03}", chance.between(100, 139));
        let seat = format!("{}{}", chance.between(1, 42), chance.pick(&["A", "B", "C", "D", "E", "F"], "A"));
        Self {
            declaration_id: format!("{port}-{}-{number:05}", day.to_string().replace('-', "")),
            declared_at: local_text(at),
            direction: if inbound { "in" } else { "out" },
            port_code: port.to_owned(),
            conveyance: Conveyance { mode: "air", no: flight, seat },
            person: Traveller {
                id_type: "passport",
                id: passport(chance),
                name: name(chance),
                nationality: chance.pick(&["CHN", "CHN", "CHN", "JPN", "KOR", "DEU", "FRA", "USA"], "CHN"),
            },
            destination_area: destination,
            symptoms,
            temp_c: if sick { degrees(chance, 371, 385) } else { degrees(chance, 360, 371) },
            statement: Statement::first(at + chance.between(5, 600) * MICROS_PER_SECOND),
            date: day.to_string(),
            sick,
        }
    }
}

impl Message for Declaration {
    const FEED: &'static str = "customs";
    const KIND: &'static str = "declaration";

    fn facility(&self) -> &str {
        &self.port_code
    }

    fn record(&self) -> String {
        self.declaration_id.clone()
    }

    fn rows(&self) -> Vec<TrueRow> {
        let person = Some(person_text(&self.person.id));
        let row = |signal| TrueRow {
            person: person.clone(),
            ..facility_row(signal, &self.port_code, &self.destination_area, &self.date, 1)
        };
        match (self.direction, self.sick) {
            ("in", true) => vec![row("customs_arrival"), row("customs_symptomatic")],
            ("in", false) => vec![row("customs_arrival")],
            _ => vec![row("customs_departure")],
        }
    }

    fn statement(&self) -> &Statement {
        &self.statement
    }

    fn state(&mut self, statement: Statement) {
        self.statement = statement;
    }

    fn misreport(&mut self, _chance: &mut Chance) {
        self.conveyance.seat = "99Z".to_owned();
    }

    fn mistaken(&self) -> Option<Self> {
        let mut void = self.clone();
        void.declaration_id.push('X');
        void.symptoms.clear();
        void.temp_c = 36.4;
        void.sick = false;
        Some(void)
    }
}
