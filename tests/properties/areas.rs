//! Area codes: any register, circles included, leads to today's code or to nothing.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::sync::LazyLock;

use qianshao::delta::edition::Edition;
use qianshao::delta::registers::{CLASS_CODE, Registers};
use qianshao::terms::Day;

use super::examples::Choices;

/// Few codes, so that they meet; one that no row has.
const CODES: [&str; 8] = ["990100", "990101", "990102", "990103", "990101001", "990104", "341822", "341882"];
const LEVELS: [&str; 4] = ["province", "prefecture", "county", "town"];
const DAYS: [&str; 5] = ["", "2018-12-31", "2019-07-31", "2021-01-18", "nonsense"];

static SHIPPED: LazyLock<Registers> =
    LazyLock::new(|| registers(include_str!("../../schemas/codes/areas.csv").to_owned()).unwrap());

fn registers(areas: String) -> Option<Registers> {
    let mut edition = Edition::default();
    edition.texts.insert((CLASS_CODE.to_owned(), "areas".to_owned()), areas);
    Registers::of(&edition).ok()
}

/// The bytes are a register, and a text that is asked for.
pub fn holds(data: &[u8]) {
    let mut choices = Choices(data);
    let mut csv = "code,level,parent,valid_from,valid_to,replaced_by\n".to_owned();
    for _ in 0..choices.byte() % 10 {
        let (code, level, above) = (choices.of(&CODES), choices.of(&LEVELS), choices.of(&CODES));
        let (from, to) = (choices.of(&DAYS), choices.of(&DAYS));
        let next = if choices.byte() % 2 == 0 { choices.of(&CODES) } else { "" };
        let _ = writeln!(csv, "{code},{level},{above},{from},{to},{next}");
    }
    let day = Day(17_000 + choices.below(3_000) as i32);
    let made = registers(csv).unwrap();
    for code in CODES {
        leads_somewhere(&made, code, day);
    }
    let asked = String::from_utf8_lossy(choices.0);
    for registers in [&made, &SHIPPED] {
        leads_somewhere(registers, &asked, day);
    }
    // A register as somebody typed it: read or refused, never a panic.
    let _ = registers(asked.into_owned());
}

fn leads_somewhere(registers: &Registers, code: &str, day: Day) {
    let area = registers.areas.get(code);
    assert_eq!(registers.knows_area(code), area.is_some(), "{code}");
    let today = registers.today(code);
    if let Some(today) = today {
        assert!(area.is_some() && registers.areas[today].replaced_by.is_none(), "{code} is {today} today");
    }
    let in_use = area
        .is_some_and(|area| area.valid_from.is_none_or(|from| from <= day) && area.valid_to.is_none_or(|to| day <= to));
    assert_eq!(registers.area_at(code, day), today.filter(|_| in_use), "{code} on {day}");
    let line = registers.lineage(code);
    for (found, level) in [(line.town, "town"), (line.county, "county"), (line.prefecture, "prefecture")] {
        assert!(found.is_none_or(|found| registers.areas[found].level == level), "{code}: {line:?}");
    }
    let above: BTreeSet<&str> = [line.town, line.county, line.prefecture].into_iter().flatten().collect();
    assert!(area.is_some() || above.is_empty(), "{code} is unknown and lies in {above:?}");
}
