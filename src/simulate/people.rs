//! Invented people: names, ID numbers with right check digits, passports, mobile numbers.
//!
//! Promises: the ID numbers are of area 9901, which issues none; a person is the same whenever asked for by number.

use crate::terms::Day;

use super::chance::Chance;
use super::city::county_code;

const FAMILY: [&str; 20] = [
    "赵", "钱", "孙", "李", "周", "吴", "郑", "王", "冯", "陈", "褚", "卫", "蒋", "沈", "韩", "杨", "朱", "秦", "尤",
    "许",
];
const GIVEN: [&str; 24] = [
    "春晓", "明远", "思齐", "若水", "清扬", "子衿", "静好", "知行", "望舒", "怀瑾", "修远", "如松", "秋实", "立夏",
    "听雨", "云帆", "景行", "安然", "乐山", "致远", "新月", "归鸿", "念慈", "广平",
];

/// A person as the feeds know one.
#[derive(Clone)]
pub struct Person {
    pub id_number: String,
    pub name: String,
    pub sex: &'static str,
    pub birth_date: String,
    pub phone: String,
}

/// Somebody born between the two years.
pub fn somebody(chance: &mut Chance, county: usize, born_from: i64, born_to: i64) -> Person {
    let year = chance.between(born_from, born_to);
    let (month, day) = (chance.between(1, 12), chance.between(1, 28));
    let serial = chance.between(1, 999);
    let stem = format!("{}{year:04}{month:02}{day:02}{serial:03}", county_code(county));
    Person {
        id_number: format!("{stem}{}", check_digit(&stem)),
        name: name(chance),
        // Odd serial numbers are male (GB 11643).
        sex: if serial % 2 == 1 { "1" } else { "2" },
        birth_date: format!("{year:04}-{month:02}-{day:02}"),
        phone: phone(chance),
    }
}

pub fn name(chance: &mut Chance) -> String {
    format!("{}{}", chance.pick(&FAMILY, "赵"), chance.pick(&GIVEN, "春晓"))
}

pub fn phone(chance: &mut Chance) -> String {
    format!("1{}{:09}", chance.between(3, 9), chance.between(0, 999_999_999))
}

pub fn passport(chance: &mut Chance) -> String {
    format!("E{:08}", chance.between(10_000_000, 99_999_999))
}

/// The check character of 17 digits, ISO 7064 MOD 11-2.
pub fn check_digit(stem: &str) -> char {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = stem.chars().filter_map(|digit| digit.to_digit(10)).zip(WEIGHTS).map(|(d, w)| d * w).sum();
    "10X98765432".chars().nth((sum % 11) as usize).unwrap_or('0')
}

/// How old somebody is on a day, by the year alone.
pub fn age(person: &Person, day: Day) -> i32 {
    let born = person.birth_date.get(..4).and_then(|year| year.parse::<i32>().ok()).unwrap_or(1980);
    chrono::Datelike::year(&day.date()) - born
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn check_digits_are_those_of_the_standard() {
        assert_eq!(check_digit("11010519491231002"), 'X');
        assert_eq!(check_digit("44052418800101001"), '4');
    }
}
