//! Pharmacies: a sale each with its lines, or one number per category a day.

use serde::Serialize;

use crate::simulate::chance::Chance;
use crate::simulate::ledger::TrueRow;
use crate::simulate::levels::CATEGORIES;
use crate::simulate::people::somebody;
use crate::simulate::rhythm::busy_moment;
use crate::simulate::series::SALE_SIGNALS;
use crate::terms::{Day, MICROS_PER_SECOND, local_text};

use super::{Message, Statement, facility_row, person_text};

/// Catalogue numbers and names, by category.
const DRUGS: [(&str, &str); 6] = [
    ("H99010001", "对乙酰氨基酚片"),
    ("Z99010002", "急支糖浆"),
    ("Z99010003", "抗病毒口服液"),
    ("H99010004", "阿莫西林胶囊"),
    ("Z99010005", "复方感冒灵片"),
    ("H99010006", "维生素C片"),
];

#[derive(Clone, Serialize)]
pub struct SaleLine {
    pub drug_code: &'static str,
    pub name: &'static str,
    pub category: &'static str,
    pub qty: u32,
    pub unit: &'static str,
}

#[derive(Clone, Serialize)]
pub struct Buyer {
    pub id: String,
    pub phone: String,
    pub name: String,
}

#[derive(Clone, Serialize)]
pub struct Sale {
    pub sale_id: String,
    pub sold_at: String,
    pub pharmacy_id: String,
    pub channel: &'static str,
    pub lines: Vec<SaleLine>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub buyer: Option<Buyer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub temp_c: Option<f64>,
    pub symptoms: Vec<&'static str>,
    #[serde(flatten)]
    pub statement: Statement,
    #[serde(skip)]
    pub area: String,
    #[serde(skip)]
    pub date: String,
}

/// The pharmacy of a sale.
pub struct Shop<'a> {
    pub pharmacy: &'a str,
    pub area: &'a str,
    pub county: usize,
    pub day: Day,
}

impl Sale {
    /// `lines` are categories and quantities.
    pub fn of(shop: &Shop<'_>, lines: &[(usize, u32)], number: usize, chance: &mut Chance) -> Self {
        let at = busy_moment(chance, shop.day);
        let buyer = chance.happens(0.8).then(|| {
            let who = somebody(chance, shop.county, 1945, 2003);
            Buyer { id: who.id_number, phone: who.phone, name: who.name }
        });
        let lines = lines.iter().map(|&(category, qty)| line(category, qty)).collect();
        Self {
            sale_id: format!("{}-{number:04}", shop.day.to_string().replace('-', "")),
            sold_at: local_text(at),
            pharmacy_id: shop.pharmacy.to_owned(),
            channel: if chance.happens(0.15) { "online" } else { "store" },
            lines,
            buyer,
            temp_c: chance.happens(0.5).then(|| chance.between(360, 378) as f64 / 10.0),
            symptoms: if chance.happens(0.3) {
                vec![chance.pick(&["cough", "fever", "sore_throat"], "cough")]
            } else {
                vec![]
            },
            statement: Statement::first(at + chance.between(1, 120) * MICROS_PER_SECOND),
            area: shop.area.to_owned(),
            date: shop.day.to_string(),
        }
    }
}

fn line(category: usize, qty: u32) -> SaleLine {
    let (drug_code, name) = DRUGS[category];
    SaleLine { drug_code, name, category: CATEGORIES[category].0, qty, unit: "盒" }
}

/// The signals that a category counts as.
fn signals(category: &str) -> &'static [&'static str] {
    match CATEGORIES.iter().position(|(name, _)| *name == category) {
        Some(4) => &SALE_SIGNALS[0..2],
        Some(known @ 0..=3) => &SALE_SIGNALS[known..=known],
        Some(_) | None => &SALE_SIGNALS[4..5],
    }
}

impl Message for Sale {
    const FEED: &'static str = "pharmacy";
    const KIND: &'static str = "sale";

    fn facility(&self) -> &str {
        &self.pharmacy_id
    }

    fn record(&self) -> String {
        format!("{}/{}", self.pharmacy_id, self.sale_id)
    }

    fn rows(&self) -> Vec<TrueRow> {
        let person = self.buyer.as_ref().map(|buyer| person_text(&buyer.id));
        let sold = |signal: &&'static str| -> i64 {
            self.lines
                .iter()
                .filter(|line| signals(line.category).contains(signal))
                .map(|line| i64::from(line.qty))
                .sum()
        };
        (SALE_SIGNALS.iter())
            .filter(|signal| self.lines.iter().any(|line| signals(line.category).contains(signal)))
            .map(|signal| TrueRow {
                person: person.clone(),
                ..facility_row(signal, &self.pharmacy_id, &self.area, &self.date, sold(signal))
            })
            .collect()
    }

    fn statement(&self) -> &Statement {
        &self.statement
    }

    fn state(&mut self, statement: Statement) {
        self.statement = statement;
    }

    fn misreport(&mut self, chance: &mut Chance) {
        // Rung up as something that no rule looks at.
        let qty = chance.between(1, 3) as u32;
        self.lines = vec![line(CATEGORIES.len() - 1, qty), line(3, qty)];
    }

    fn mistaken(&self) -> Option<Self> {
        let mut void = self.clone();
        void.sale_id.push('X');
        void.lines = vec![line(CATEGORIES.len() - 1, 1)];
        Some(void)
    }
}

#[derive(Clone, Serialize)]
pub struct Daily {
    pub pharmacy_id: String,
    pub date: String,
    pub category: &'static str,
    pub units: u32,
    pub transactions: u32,
    #[serde(flatten)]
    pub statement: Statement,
    #[serde(skip)]
    pub area: String,
}

impl Daily {
    pub fn of(shop: &Shop<'_>, category: usize, units: u32, chance: &mut Chance) -> Self {
        Self {
            pharmacy_id: shop.pharmacy.to_owned(),
            date: shop.day.to_string(),
            category: CATEGORIES[category].0,
            units,
            transactions: units - units / 4,
            statement: Statement::first(shop.day.at_minute(chance.between(21 * 60, 22 * 60 + 45))),
            area: shop.area.to_owned(),
        }
    }
}

impl Message for Daily {
    const FEED: &'static str = "pharmacy";
    const KIND: &'static str = "daily";

    fn facility(&self) -> &str {
        &self.pharmacy_id
    }

    fn record(&self) -> String {
        format!("{}/{}/{}", self.pharmacy_id, self.date, self.category)
    }

    fn rows(&self) -> Vec<TrueRow> {
        (signals(self.category).iter())
            .map(|signal| facility_row(signal, &self.pharmacy_id, &self.area, &self.date, i64::from(self.units)))
            .collect()
    }

    fn statement(&self) -> &Statement {
        &self.statement
    }

    fn state(&mut self, statement: Statement) {
        self.statement = statement;
    }

    fn misreport(&mut self, chance: &mut Chance) {
        self.units -= self.units.min(chance.between(1, 6) as u32);
        self.transactions += 1;
    }

    fn mistaken(&self) -> Option<Self> {
        None
    }
}
