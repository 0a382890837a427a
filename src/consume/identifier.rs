//! Identifiers of people in their normal form, before they become tokens.
//!
//! Promises: one number has one form, however it was typed; what cannot be a number of its scheme is told.
//! Never: keeps one.

use crate::terms::Day;

use super::plan::Scheme;
use super::values::{half_width, is_resident_number};

/// Writes the normalized identifier to `out` with its scheme's prefix; false where it cannot be one.
pub fn normalize(scheme: Scheme, text: &str, today: Day, out: &mut String) -> bool {
    let text: String = text.trim().chars().map(half_width).filter(|c| !c.is_control()).collect();
    let text = text.trim();
    out.clear();
    match scheme {
        Scheme::CnId => resident(text, today, out),
        Scheme::Passport => prefixed("pp:", text, out, |c| c.is_ascii_alphanumeric().then(|| c.to_ascii_uppercase())),
        Scheme::Phone => phone(text, out),
        Scheme::Name => prefixed("name:", text, out, |c| Some(c).filter(|c| !c.is_whitespace())),
        Scheme::Local => prefixed("local:", text, out, Some),
    }
}

fn prefixed(prefix: &str, text: &str, out: &mut String, keep: impl Fn(char) -> Option<char>) -> bool {
    out.push_str(prefix);
    out.extend(text.chars().filter_map(keep));
    out.len() > prefix.len()
}

/// `cn-id:` and 18 characters; a number of 15 digits is from before 1999 and belongs to the 20th century.
fn resident(text: &str, today: Day, out: &mut String) -> bool {
    out.push_str("cn-id:");
    if text.len() == 15 && text.bytes().all(|b| b.is_ascii_digit()) {
        let long = format!("{}19{}", &text[..6], &text[6..]);
        out.push_str(&long);
        out.push(check_character(long.as_bytes()));
    } else {
        out.extend(text.chars().map(|c| c.to_ascii_uppercase()));
    }
    is_resident_number(&out["cn-id:".len()..], today)
}

/// The check character of 17 digits, GB 11643 (ISO 7064 MOD 11-2).
pub fn check_character(digits: &[u8]) -> char {
    const WEIGHTS: [u32; 17] = [7, 9, 10, 5, 8, 4, 2, 1, 6, 3, 7, 9, 10, 5, 8, 4, 2];
    let sum: u32 = digits.iter().zip(WEIGHTS).map(|(digit, weight)| u32::from(digit.wrapping_sub(b'0')) * weight).sum();
    b"10X98765432"[(sum % 11) as usize] as char
}

/// `phone:` and digits; the country's own prefix is dropped, so +86 139… and 139… are one telephone.
fn phone(text: &str, out: &mut String) -> bool {
    let digits: String = text.chars().filter(|c| !matches!(c, ' ' | '-' | '(' | ')' | '+')).collect();
    let local = digits.strip_prefix("0086").or_else(|| digits.strip_prefix("86").filter(|rest| rest.len() == 11));
    let number = local.unwrap_or(&digits);
    out.push_str("phone:");
    out.push_str(number);
    (5..=15).contains(&number.len()) && number.bytes().all(|b| b.is_ascii_digit())
}
