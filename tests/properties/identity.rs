//! Identifiers: one person has one token however the number was typed, and no number is found anywhere afterwards.

use qianshao::consume::identifier::{check_character, normalize};
use qianshao::consume::identity::{Algorithm, Pseudonyms};
use qianshao::consume::plan::Scheme;
use qianshao::consume::redact::body_shape;
use qianshao::consume::values::{holds_personal_number, is_resident_number};
use qianshao::terms::Day;

use super::examples::{Choices, FEEDS, NOW, decoded, good, message};

fn today() -> Day {
    Day::of_micros(NOW)
}

/// The bytes choose a number of an invented area, how it is typed, and where it is put.
pub fn holds(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    for scheme in Scheme::ALL {
        normal_form_is_stable(scheme, &text);
    }
    let mut choices = Choices(data);
    let number = resident(&mut choices);
    assert!(is_resident_number(&number, today()), "{number}");
    let wrong = wrong_check(&number);
    assert!(!is_resident_number(&wrong, today()), "{wrong}");
    one_token(&number);
    assert!(holds_personal_number(&format!("x{number}"), today()), "x{number}");
    assert!(holds_personal_number(&format!("v/{number}-1"), today()), "v/{number}-1");
    nowhere_in_clear(&number, &mut choices);
    let mobile = format!("1{}{:09}", 3 + choices.byte() % 7, choices.below(65_536) * 15_258);
    assert!(holds_personal_number(&mobile, today()), "{mobile}");
    nowhere_in_clear(&mobile, &mut choices);
}

/// 18 characters: area 9901xx, a birthday before today, a serial number, and the check counted from the standard.
fn resident(choices: &mut Choices<'_>) -> String {
    let born = Day(choices.below(18_600) as i32).to_string().replace('-', "");
    let digits = format!("9901{:02}{born}{:03}", choices.byte() % 100, choices.below(1000));
    let sum: u32 = digits.bytes().rev().zip(1_u32..).map(|(d, i)| u32::from(d - b'0') * 2_u32.pow(i) % 11).sum();
    let check = char::from_digit((12 - sum % 11) % 11, 11).unwrap().to_ascii_uppercase();
    // In base 11 the digit ten is A; the standard writes X.
    let check = if check == 'A' { 'X' } else { check };
    assert_eq!(check, check_character(digits.as_bytes()), "{digits}");
    format!("{digits}{check}")
}

fn wrong_check(number: &str) -> String {
    let other = if number.ends_with('0') { '1' } else { '0' };
    format!("{}{other}", &number[..17])
}

fn normal_form_is_stable(scheme: Scheme, text: &str) {
    let (mut once, mut again) = (String::new(), String::new());
    if normalize(scheme, text, today(), &mut once) {
        let (prefix, rest) = once.split_once(':').unwrap();
        assert!(!rest.is_empty(), "{prefix}");
        assert!(normalize(scheme, rest, today(), &mut again), "{once}");
        assert_eq!(once, again);
    }
}

fn token(scheme: Scheme, text: &str) -> Option<String> {
    let (mut normal, mut token) = (String::new(), String::new());
    normalize(scheme, text, today(), &mut normal).then(|| {
        Pseudonyms::from_bytes(&[7; 32], Algorithm::Sha256).subkey("person").token(&normal, &mut token);
        token
    })
}

fn one_token(number: &str) {
    let wide: String = number.chars().map(|c| char::from_u32(c as u32 + 0xFEE0).unwrap()).collect();
    let wanted = token(Scheme::CnId, number);
    assert!(wanted.as_ref().is_some_and(|token| !token.contains(&number[6..14])), "{wanted:?}");
    for typed in [number.to_lowercase(), format!(" {number}\t"), wide] {
        assert_eq!(token(Scheme::CnId, &typed), wanted, "{typed:?}");
    }
    assert_eq!(token(Scheme::CnId, &wrong_check(number)), None);
}

/// Puts the number into one text of an example, or under a key of its own; nothing that is kept may show it.
fn nowhere_in_clear(number: &str, choices: &mut Choices<'_>) {
    let feed = &FEEDS.feeds[choices.below(FEEDS.feeds.len())];
    let lines = good(feed);
    let line = choices.of(&lines);
    let texts: Vec<usize> = line.match_indices("\": \"").map(|(at, _)| at + 4).collect();
    let at = texts[choices.below(texts.len())];
    let end = at + line[at..].find('"').unwrap();
    let body = match choices.byte() % 4 {
        0 => format!("{}, \"{number}\": 1}}", line.trim_end_matches('}')),
        1 => line.replacen(": {", &format!(": {{\"{number}\": 1, "), 1),
        // A letter behind it: a number that runs on into other digits is some other number.
        2 => format!("{}{number}z{}", &line[..at], &line[at..]),
        _ => format!("{}{number}{}", &line[..at], &line[end..]),
    };
    let (taken, rejected) = decoded(feed, &[message(body.as_bytes())]);
    for part in &taken {
        for field in part.raw.schema().fields() {
            let column = part.raw.column_by_name(field.name()).unwrap();
            let shown = format!("{column:?}");
            // Free text and what is beside a name is dropped by the mapping; it is seen inside the batch and kept nowhere.
            assert!(!shown.contains(number) || drops(&part.kind.contract, field.name()), "{}: {body}", field.name());
        }
        assert!(!format!("{:?}", part.stated).contains(number), "{body}");
    }
    assert!(!format!("{rejected:?}").contains(number), "{body}");
    let shape = body_shape(body.as_bytes(), &|key| feed.knows_key(key), 4_096);
    assert!(!shape.contains(number), "{shape}");
}

fn drops(contract: &qianshao::consume::contract::Contract, name: &str) -> bool {
    contract.root.fields.iter().any(|field| field.name == name && field.shape.drops())
}
