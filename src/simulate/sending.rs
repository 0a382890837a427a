//! One day of the city: every facility sends what its levels say.
//!
//! Promises: what is sent adds up to the levels; every facility that should report does so in time, silences excepted.

use crate::terms::Day;

use super::chance::Chance;
use super::city::{COUNTIES, City, TOWNS, county_code, dormitory, town_code};
use super::faults::{Care, Draft, Post};
use super::levels::{ABSENT, CATEGORIES, FEVER, ILI, Levels};
use super::messages::customs::Declaration;
use super::messages::fever_clinic::{self, Illness, Place, Visit};
use super::messages::pharmacy::{self, Sale, Shop};
use super::messages::report_card::{Card, Case};
use super::messages::school::{ClassDay, PupilEvent, Room};
use super::outbreaks::{Outbreaks, card_id};

/// Diseases of ordinary cards, more frequent ones more often.
const DISEASES: [&str; 9] =
    ["INFLUENZA", "INFLUENZA", "INFLUENZA", "HFMD", "INFECTIOUS_DIARRHOEA", "VARICELLA", "MUMPS", "TB", "HEPATITIS_B"];
const CARDS: f64 = 6.0;
/// Visits that a clinic sends besides the daily aggregate that counts.
const CROSS_CHECK_VISITS: u32 = 5;

/// A day's sender.
pub struct Sending<'a> {
    pub levels: &'a Levels,
    pub outbreaks: &'a Outbreaks,
    pub seed: u64,
    pub start: Day,
    pub scale: f64,
    /// Nothing is sent after this instant.
    pub end: i64,
}

impl Sending<'_> {
    /// Everything that has its origin on day `number` of the run; parts of it arrive later.
    pub fn day(&self, number: usize) -> Vec<Draft> {
        let mut post = Post::new(self.seed, number, self.end);
        self.clinics(number, &mut post);
        self.pharmacies(number, &mut post);
        if self.levels.open[number] {
            self.schools(number, &mut post);
        }
        self.port(number, &mut post);
        self.cards(number, &mut post);
        post.drafts
    }

    fn city(&self) -> &City {
        &self.levels.city
    }

    fn date(&self, number: usize) -> Day {
        self.start.plus(number as i32)
    }

    fn chance(&self, what: &str, who: usize, number: usize) -> Chance {
        Chance::of(self.seed, what, who as u64, number as u64)
    }

    fn clinics(&self, number: usize, post: &mut Post) {
        for (position, clinic) in self.city().clinics.iter().enumerate() {
            if self.levels.silences.covers(&clinic.id, number) {
                continue;
            }
            let mut chance = self.chance("visits", position, number);
            let counts = self.levels.clinics[number][position];
            let sent = if clinic.daily { counts.visits.min(CROSS_CHECK_VISITS) } else { counts.visits };
            for visit in 0..sent {
                let illness = match visit {
                    _ if visit < counts.ili => Illness::Ili,
                    _ if visit < counts.fever => Illness::Fever,
                    _ => Illness::Other,
                };
                let place = Place {
                    facility: &clinic.id,
                    area: &clinic.area,
                    county: clinic.county,
                    home: town_code(clinic.county, chance.below(TOWNS)),
                    day: self.date(number),
                    vendor: position % 3 == 1,
                };
                post.send(Visit::of(&place, illness, visit as usize + 1, &mut chance), Care::Ordinary);
            }
            let daily = fever_clinic::Daily::of(&clinic.id, &clinic.area, self.date(number), counts, &mut chance);
            post.send(daily, Care::Steady);
        }
    }

    fn pharmacies(&self, number: usize, post: &mut Post) {
        for (position, pharmacy) in self.city().pharmacies.iter().enumerate() {
            if self.levels.silences.covers(&pharmacy.id, number) {
                continue;
            }
            let mut chance = self.chance("sales", position, number);
            let shop =
                Shop { pharmacy: &pharmacy.id, area: &pharmacy.area, county: pharmacy.county, day: self.date(number) };
            let units = self.levels.pharmacies[number][position];
            if pharmacy.daily {
                for (category, units) in units.into_iter().enumerate() {
                    let care = if category == 0 { Care::Steady } else { Care::Ordinary };
                    post.send(pharmacy::Daily::of(&shop, category, units, &mut chance), care);
                }
            } else {
                for (sale, lines) in baskets(units, &mut chance).into_iter().enumerate() {
                    let care = if sale == 0 { Care::Steady } else { Care::Ordinary };
                    post.send(Sale::of(&shop, &lines, sale + 1, &mut chance), care);
                }
            }
        }
    }

    fn schools(&self, number: usize, post: &mut Post) {
        for (position, class) in self.city().classes.iter().enumerate() {
            let school = &self.city().schools[class.school];
            if self.levels.silences.covers(&school.id, number) {
                continue;
            }
            let mut chance = self.chance("classes", position, number);
            let room = Room {
                school: &school.id,
                area: &school.area,
                class: &class.id,
                grade: &class.grade,
                enrolled: class.enrolled,
                day: self.date(number),
            };
            let counts = self.levels.classes[number][position];
            let care = if position == school.classes.start { Care::Steady } else { Care::Ordinary };
            if school.by_pupil {
                let dormitory = school.boarding.then(|| dormitory(position, 1));
                send_pupils(&room, dormitory, &counts, post, &mut chance);
                // The sheet says that the class was checked; absence is not counted here.
                let mut sheet = counts;
                (sheet[ABSENT], sheet[ILI]) = (0, 0);
                post.send(ClassDay::of(&room, "am", &sheet, &mut chance), care);
            } else {
                // One session has the day's whole count, the other part of it: the greatest counts.
                let part = counts.map(|pupils| chance.between(0, i64::from(pupils)) as u8);
                let (am, pm) = if chance.happens(0.75) { (counts, part) } else { (part, counts) };
                post.send(ClassDay::of(&room, "am", &am, &mut chance), care);
                post.send(ClassDay::of(&room, "pm", &pm, &mut chance), Care::Ordinary);
            }
        }
    }

    fn port(&self, number: usize, post: &mut Post) {
        let port = &self.city().port.id;
        let mut chance = self.chance("declarations", 0, number);
        let healthy = self.levels.arrivals[number] as usize;
        for declaration in 0..healthy {
            let county = chance.below(COUNTIES);
            let home = if chance.happens(0.3) { county_code(county) } else { town_code(county, chance.below(TOWNS)) };
            let care = if declaration == 0 { Care::Steady } else { Care::Ordinary };
            post.send(Declaration::of(port, self.date(number), home, false, declaration + 1, &mut chance), care);
        }
        let mut next = healthy;
        for &(_, county, sick) in self.outbreaks.imported.iter().filter(|(day, _, _)| *day == number) {
            for _ in 0..sick {
                next += 1;
                let home = town_code(county, chance.below(TOWNS));
                post.send(Declaration::of(port, self.date(number), home, true, next, &mut chance), Care::Exact);
            }
        }
    }

    fn cards(&self, number: usize, post: &mut Post) {
        let mut chance = self.chance("cards", 0, number);
        let date = self.date(number);
        for card in 0..chance.poisson(CARDS * self.scale.min(4.0)) {
            let county = chance.below(COUNTIES);
            let onset = date.plus(-(chance.between(0, 5) as i32));
            let case = self.case(county, onset, date, &mut chance);
            let id = format!("K{}-{}-{card:03}", county_code(county), date.to_string().replace('-', ""));
            post.send(Card::of(&case.as_case(), id, chance.pick(&DISEASES, "INFLUENZA"), &mut chance), Care::Ordinary);
        }
        for &(onset, county, disease) in self.outbreaks.cards.iter().filter(|(onset, _, _)| onset + 1 == number) {
            let case = self.case(county, self.date(onset), date, &mut chance);
            post.send(Card::of(&case.as_case(), card_id(county, onset), disease, &mut chance), Care::Exact);
        }
    }

    fn case(&self, county: usize, onset: Day, diagnosed: Day, chance: &mut Chance) -> OwnedCase {
        let home = town_code(county, chance.below(TOWNS));
        OwnedCase { org: hospital(county), county, home, onset, diagnosed }
    }
}

struct OwnedCase {
    org: String,
    county: usize,
    home: String,
    onset: Day,
    diagnosed: Day,
}

impl OwnedCase {
    fn as_case(&self) -> Case<'_> {
        Case {
            org: &self.org,
            county: self.county,
            home: self.home.clone(),
            onset: self.onset,
            diagnosed: self.diagnosed,
        }
    }
}

/// The hospital that reports a county's cases.
pub fn hospital(county: usize) -> String {
    format!("H{}G01", county_code(county))
}

/// One event per pupil and syndrome, numbered over the class's day.
fn send_pupils(room: &Room<'_>, dormitory: Option<String>, counts: &[u8; 10], post: &mut Post, chance: &mut Chance) {
    let mut number = 0;
    for (signal, pupils) in counts.iter().enumerate().skip(FEVER) {
        for _ in 0..*pupils {
            post.send(PupilEvent::of(room, dormitory.clone(), signal, number, chance), Care::Ordinary);
            number += 1;
        }
    }
}

/// A day's units as sales of one or two lines.
fn baskets(units: [u32; 6], chance: &mut Chance) -> Vec<Vec<(usize, u32)>> {
    let mut lines = vec![];
    for (category, mut left) in units.into_iter().enumerate().take(CATEGORIES.len()) {
        while left > 0 {
            let qty = if chance.happens(0.25) { left.min(2) } else { 1 };
            lines.push((category, qty));
            left -= qty;
        }
    }
    chance.shuffle(&mut lines);
    let mut baskets: Vec<Vec<(usize, u32)>> = vec![];
    for line in lines {
        match baskets.last_mut() {
            Some(basket) if basket.len() == 1 && chance.happens(0.12) => basket.push(line),
            _ => baskets.push(vec![line]),
        }
    }
    baskets
}
