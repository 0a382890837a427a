//! Who exists in the invented city: counties, towns, fever clinics, pharmacies, schools with classes, a port.
//!
//! Promises: the same seed founds the same city; every code begins with 9901, which no real county has.

use std::collections::BTreeMap;

use super::chance::Chance;

pub const PREFECTURE: &str = "990100";
pub const COUNTIES: usize = 8;
pub const TOWNS: usize = 5;
const PHARMACIES: usize = 4;
const SCHOOLS: usize = 4;
/// A class this large keeps two absent pupils below the five per cent at which a school becomes conspicuous.
const ENROLLED_MIN: i64 = 41;
const ENROLLED_MAX: i64 = 50;

/// Three counties of which each touches the other two; the shared adjacency list says the same.
pub const NEIGHBOURS: [[usize; 3]; 8] =
    [[0, 1, 2], [0, 2, 3], [0, 3, 4], [0, 1, 4], [1, 2, 6], [2, 6, 7], [2, 3, 7], [3, 4, 5]];

/// Chinese and English names of the counties, as in the area list.
pub const COUNTY_NAMES: [(&str, &str); COUNTIES] = [
    ("临湖", "Linhu"),
    ("北桥", "Beiqiao"),
    ("东浦", "Dongpu"),
    ("南陂", "Nanpi"),
    ("西陵", "Xiling"),
    ("青石", "Qingshi"),
    ("白沙", "Baisha"),
    ("松口", "Songkou"),
];

/// A county's code, its index in the city being its position.
pub fn county_code(county: usize) -> String {
    format!("9901{:02}", county + 1)
}

pub struct Clinic {
    pub id: String,
    pub county: usize,
    pub area: String,
    /// The register counts its daily aggregate; its visits are only a cross-check.
    pub daily: bool,
}

pub struct Pharmacy {
    pub id: String,
    pub county: usize,
    pub area: String,
    /// Reports one number per category a day instead of sales.
    pub daily: bool,
}

pub struct School {
    pub id: String,
    pub county: usize,
    pub area: String,
    /// The register counts its pupil events; its class sheets say only that it reported.
    pub by_pupil: bool,
    pub boarding: bool,
    pub classes: std::ops::Range<usize>,
}

pub struct Class {
    pub id: String,
    pub grade: String,
    pub school: usize,
    pub enrolled: u32,
}

pub struct Port {
    pub id: String,
    pub county: usize,
    pub area: String,
}

/// Everybody who reports.
pub struct City {
    pub clinics: Vec<Clinic>,
    pub pharmacies: Vec<Pharmacy>,
    pub schools: Vec<School>,
    pub classes: Vec<Class>,
    pub port: Port,
}

impl City {
    pub fn founded(seed: u64) -> Self {
        let mut chance = Chance::of(seed, "city", 0, 0);
        let port = Port { id: "9901".to_owned(), county: 0, area: town_code(0, 0) };
        let mut city = Self { clinics: vec![], pharmacies: vec![], schools: vec![], classes: vec![], port };
        for county in 0..COUNTIES {
            city.found_clinics(county);
            city.found_pharmacies(county, &mut chance);
            city.found_schools(county, &mut chance);
        }
        city
    }

    fn found_clinics(&mut self, county: usize) {
        // Every other county has a second clinic, and there every other one reports by the day.
        for number in 0..1 + county % 2 {
            self.clinics.push(Clinic {
                id: format!("F{}H{:02}", county_code(county), number + 1),
                county,
                area: town_code(county, number),
                daily: number == 1 && county % 4 == 1,
            });
        }
    }

    fn found_pharmacies(&mut self, county: usize, chance: &mut Chance) {
        for number in 0..PHARMACIES {
            self.pharmacies.push(Pharmacy {
                id: format!("P{}R{:02}", county_code(county), number + 1),
                county,
                area: town_code(county, chance.below(TOWNS)),
                daily: number + 1 == PHARMACIES,
            });
        }
    }

    fn found_schools(&mut self, county: usize, chance: &mut Chance) {
        for number in 0..SCHOOLS {
            let first = self.classes.len();
            let classes = chance.between(6, 8) as usize;
            for class in 0..classes {
                self.classes.push(Class {
                    id: format!("{}-{}", class / 2 + 1, class % 2 + 1),
                    grade: (class / 2 + 1).to_string(),
                    school: self.schools.len(),
                    enrolled: chance.between(ENROLLED_MIN, ENROLLED_MAX) as u32,
                });
            }
            self.schools.push(School {
                id: format!("S{}P{:02}", county_code(county), number + 1),
                county,
                area: town_code(county, chance.below(TOWNS)),
                by_pupil: number + 1 == SCHOOLS,
                boarding: number + 2 >= SCHOOLS,
                classes: first..first + classes,
            });
        }
    }

    /// The unit of a class as rules see it.
    pub fn class_unit(&self, class: usize) -> String {
        format!("{}/{}", self.schools[self.classes[class].school].id, self.classes[class].id)
    }

    pub fn class_county(&self, class: usize) -> usize {
        self.schools[self.classes[class].school].county
    }

    /// Facility id to its county, for every facility.
    pub fn facilities(&self) -> BTreeMap<&str, usize> {
        let clinics = self.clinics.iter().map(|f| (f.id.as_str(), f.county));
        let pharmacies = self.pharmacies.iter().map(|f| (f.id.as_str(), f.county));
        let schools = self.schools.iter().map(|f| (f.id.as_str(), f.county));
        clinics.chain(pharmacies).chain(schools).chain([(self.port.id.as_str(), self.port.county)]).collect()
    }
}

/// The town where a facility stands or a person lives.
pub fn town_code(county: usize, town: usize) -> String {
    let numbers = match county {
        // Districts have streets first; the county-level city of 990107 has two, the counties one.
        0 | 1 => ["001", "002", "003", "100", "200"],
        6 => ["001", "002", "100", "101", "200"],
        _ => ["001", "100", "101", "200", "201"],
    };
    format!("{}{}", county_code(county), numbers[town % TOWNS])
}

/// A dormitory room of a class; a class never shares one, so its limits are the room's limits.
pub fn dormitory(class: usize, room: usize) -> String {
    format!("D{class:03}{room}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_city_is_complete_and_repeats() {
        let city = City::founded(7);
        assert_eq!(city.clinics.len(), 12);
        assert_eq!(city.pharmacies.len(), 32);
        assert_eq!(city.schools.len(), 32);
        assert!(city.classes.len() >= 6 * 32 && city.classes.len() <= 8 * 32);
        assert!(city.clinics.iter().any(|clinic| clinic.daily));
        let again = City::founded(7);
        assert!(city.classes.iter().zip(&again.classes).all(|(a, b)| a.enrolled == b.enrolled && a.id == b.id));
        assert!(city.classes.iter().all(|class| class.enrolled >= 41), "two absent stay below five per cent");
        assert_eq!(city.facilities().len(), 12 + 32 + 32 + 1);
    }
}
