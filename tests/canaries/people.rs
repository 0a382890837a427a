//! Invented people: names, identity numbers, passports and telephones drawn from a seed, and how each may be written.
//!
//! Never: a real person. Identity numbers begin with 99, which no county has.

use rand::{Rng, RngExt, SeedableRng};
use rand_chacha::ChaCha8Rng;

/// Of each sort; there are four.
const OF_EACH: usize = 50;

/// Characters with their code in GBK: the programme has no such table, so neither is it shared with what is judged.
const SURNAMES: &[(char, u16)] = &[
    ('赵', 0xD5D4),
    ('钱', 0xC7AE),
    ('孙', 0xCBEF),
    ('周', 0xD6DC),
    ('吴', 0xCEE2),
    ('郑', 0xD6A3),
    ('冯', 0xB7EB),
    ('陈', 0xB3C2),
    ('褚', 0xF1D2),
    ('卫', 0xCEC0),
    ('蒋', 0xBDAF),
    ('沈', 0xC9F2),
    ('韩', 0xBAAB),
    ('杨', 0xD1EE),
    ('朱', 0xD6EC),
    ('秦', 0xC7D8),
    ('许', 0xD0ED),
    ('何', 0xBACE),
    ('吕', 0xC2C0),
];
const GIVEN: &[(char, u16)] = &[
    ('婉', 0xCDF1),
    ('琪', 0xE7F7),
    ('澜', 0xC0BD),
    ('钧', 0xBEFB),
    ('翊', 0xF1B4),
    ('璇', 0xE8AF),
    ('懿', 0xDCB2),
    ('骞', 0xE5B9),
    ('晟', 0xEAC9),
    ('珞', 0xE7F3),
    ('霁', 0xF6AB),
    ('蕴', 0xD4CC),
    ('岚', 0xE1B0),
    ('墨', 0xC4AB),
    ('筠', 0xF3DE),
    ('瑾', 0xE8AA),
    ('逸', 0xD2DD),
    ('昭', 0xD5D1),
    ('琛', 0xE8A1),
    ('曦', 0xEAD8),
];
const FULL_WIDTH_ZERO_GBK: u16 = 0xA3B0;

/// What a person could be found by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    Name,
    Number,
    Passport,
    Phone,
}

pub struct Canary {
    pub sort: Sort,
    pub text: String,
}

/// The same people for the same seed: names, numbers, passports and telephones by turns.
pub fn drawn(seed: u64) -> Vec<Canary> {
    let mut chance = ChaCha8Rng::seed_from_u64(seed);
    let mut all = Vec::new();
    for _ in 0..OF_EACH {
        for sort in [Sort::Name, Sort::Number, Sort::Passport, Sort::Phone] {
            let text = loop {
                let text = one(sort, &mut chance);
                if all.iter().all(|canary: &Canary| canary.text != text) {
                    break text;
                }
            };
            all.push(Canary { sort, text });
        }
    }
    all
}

fn one(sort: Sort, chance: &mut impl Rng) -> String {
    let mut digits =
        |count: usize| -> String { (0..count).map(|_| char::from(b'0' + chance.random_range(0..10u8))).collect() };
    match sort {
        Sort::Name => {
            let mut pick = |from: &[(char, u16)]| from[chance.random_range(0..from.len())].0;
            String::from_iter([pick(SURNAMES), pick(GIVEN), pick(GIVEN)])
        }
        Sort::Number => {
            let head = format!(
                "9901{:02}19{}{:02}{:02}{}",
                1 + chance.random_range(0..8),
                50 + chance.random_range(0..49),
                1 + chance.random_range(0..12),
                1 + chance.random_range(0..28),
                100 + chance.random_range(0..899)
            );
            let weights = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
            let sum: u32 = head.bytes().zip(weights).map(|(digit, weight)| u32::from(digit - b'0') * weight).sum();
            head + &"10X98765432"[(sum % 11) as usize..][..1]
        }
        Sort::Passport => format!("E{}", digits(8)),
        Sort::Phone => format!("139{}", digits(8)),
    }
}

/// Every way in which it may stand on a disk, as bytes: UTF-8, GBK, UTF-16, JSON's escapes, and full-width digits.
pub fn written(canary: &Canary) -> Vec<Vec<u8>> {
    let text = &canary.text;
    let units: Vec<u16> = text.encode_utf16().collect();
    let escaped: String = units.iter().map(|unit| format!("\\u{unit:04x}")).collect();
    let mut forms = vec![
        text.clone().into_bytes(),
        units.iter().flat_map(|unit| unit.to_le_bytes()).collect(),
        units.iter().flat_map(|unit| unit.to_be_bytes()).collect(),
        escaped.to_uppercase().replace('U', "u").into_bytes(),
        escaped.into_bytes(),
        gbk(text),
    ];
    if canary.sort != Sort::Name {
        let wide = full_width(text);
        forms.push(gbk(&wide));
        forms.push(wide.into_bytes());
        forms.push(text.to_lowercase().into_bytes());
    }
    forms.sort();
    forms.dedup();
    forms
}

pub fn full_width(text: &str) -> String {
    let wide = |c: char| c.to_digit(10).and_then(|digit| char::from_u32(0xFF10 + digit)).unwrap_or(c);
    text.chars().map(wide).collect()
}

pub fn gbk(text: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for c in text.chars() {
        let known = SURNAMES.iter().chain(GIVEN).find(|(known, _)| *known == c).map(|(_, code)| *code);
        let wide =
            (0xFF10..=0xFF19).contains(&u32::from(c)).then(|| FULL_WIDTH_ZERO_GBK + (u32::from(c) - 0xFF10) as u16);
        match known.or(wide) {
            Some(code) => bytes.extend(code.to_be_bytes()),
            // Other Chinese around a canary may be anything; it is not searched for.
            None if !c.is_ascii() => bytes.extend([0xA1, 0xF5]),
            None => bytes.push(c as u8),
        }
    }
    bytes
}
