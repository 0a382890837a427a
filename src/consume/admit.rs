//! The rules of a contract, applied to one value.
//!
//! Promises: a value is appended or refused, never both; identifiers become tokens here, before anything else sees
//! them. Never: copies a text that is fine as it stands, repeats a person's data.

use std::borrow::Cow;

use serde::de::Error;

use crate::problem::codes::field as codes;
use crate::problem::{Code, describe};
use crate::terms::Day;

use super::columns::{Column, Scalar};
use super::identifier::normalize;
use super::identity::Subkey;
use super::message::Fault;
use super::plan::{IdentifierRule, IntegerRule, NumberRule, TextRule};
use super::values::{holds_personal_number, integer_of_number, is_hidden, is_personal_number, plain_digits};

/// What one message's reading needs and leaves behind.
pub struct Reading<'c> {
    pub subkeys: &'c [Subkey],
    pub known_area: &'c dyn Fn(&str) -> bool,
    pub today: Day,
    /// Why reading stopped, if our rules stopped it.
    pub fault: Option<Box<Fault>>,
    /// Where it stopped, innermost first.
    pub path: Vec<String>,
    pub out_of_range: bool,
    pub bad_id: bool,
    pub unknown_fields: usize,
    normal: String,
    token: String,
}

pub type Checked = Result<(), Box<Fault>>;

impl<'c> Reading<'c> {
    pub fn new(subkeys: &'c [Subkey], known_area: &'c dyn Fn(&str) -> bool, today: Day) -> Self {
        Self {
            subkeys,
            known_area,
            today,
            fault: None,
            path: Vec::new(),
            out_of_range: false,
            bad_id: false,
            unknown_fields: 0,
            normal: String::new(),
            token: String::new(),
        }
    }

    /// Turns a refusal into serde's error and keeps the refusal itself.
    pub fn settle<E: Error>(&mut self, checked: Checked) -> Result<(), E> {
        checked.map_err(|fault| {
            self.fault = Some(fault);
            E::custom("refused by the contract")
        })
    }

    pub fn identifier(&mut self, rule: &IdentifierRule, text: &str, column: &mut Column) -> Checked {
        let subkey = self.subkeys.get(rule.domain);
        match subkey.filter(|_| normalize(rule.scheme, text, self.today, &mut self.normal)) {
            Some(subkey) => {
                self.token.clear();
                subkey.token(&self.normal, &mut self.token);
                column.push(Scalar::Text(&self.token));
            }
            None => {
                self.bad_id = true;
                column.push_null();
            }
        }
        Ok(())
    }

    pub fn integer(&mut self, rule: &IntegerRule, value: i64, column: &mut Column) -> Checked {
        if is_personal_number(value, self.today) {
            return Err(refuse(codes::IDENTIFIER_IN_PLAIN_FIELD, describe(&value.to_string())));
        }
        if (rule.least..=rule.most).contains(&value) && (rule.choices.is_empty() || rule.choices.contains(&value)) {
            column.push(Scalar::Integer(value));
            return Ok(());
        }
        if !rule.choices.is_empty() {
            let choices: Vec<_> = rule.choices.iter().map(i64::to_string).collect();
            let help = format!("send one of {}", choices.join(", "));
            return Err(refuse(codes::NOT_IN_VALUE_SET, describe(&value.to_string())).help(help));
        }
        let help = format!("send a whole number from {} to {}", rule.least, rule.most);
        self.beyond(rule.flag, &value.to_string(), help, column)
    }

    pub fn number(&mut self, rule: &NumberRule, value: f64, column: &mut Column) -> Checked {
        if integer_of_number(value).is_some_and(|whole| is_personal_number(whole, self.today)) {
            return Err(refuse(codes::IDENTIFIER_IN_PLAIN_FIELD, "a number of a person's form"));
        }
        if (rule.least..=rule.most).contains(&value) {
            // Minus zero is zero, or the same statement would have two hashes.
            column.push(Scalar::Number(value + 0.0));
            return Ok(());
        }
        let help = format!("send a number from {} to {}", rule.least, rule.most);
        self.beyond(rule.flag, &value.to_string(), help, column)
    }

    fn beyond(&mut self, flag: bool, value: &str, help: String, column: &mut Column) -> Checked {
        if !flag {
            return Err(refuse(codes::OUT_OF_RANGE, describe(value)).help(help));
        }
        self.out_of_range = true;
        column.push_null();
        Ok(())
    }

    pub fn text(&self, rule: &TextRule, text: &str, column: &mut Column) -> Checked {
        let text = if rule.drop { Cow::Borrowed(text) } else { plain_digits(text) };
        let spelled = rule.spellings.iter().find(|(spelling, _)| *spelling == text);
        let text = spelled.map_or(&*text, |(_, canonical)| canonical);
        if !rule.choices.is_empty() {
            if !rule.choices.iter().any(|choice| choice == text) {
                let help = format!("send one of {}", rule.choices.join(", "));
                return Err(refuse(codes::NOT_IN_VALUE_SET, describe(text)).help(help));
            }
        } else {
            self.check_free(rule, text)?;
        }
        if rule.area && !(self.known_area)(text) {
            return Err(refuse(codes::UNKNOWN_AREA, describe(text)));
        }
        column.push(Scalar::Text(text));
        Ok(())
    }

    fn check_free(&self, rule: &TextRule, text: &str) -> Checked {
        if !rule.drop {
            // Nearly every code is plain ASCII, of which no character is read one by one.
            let is_plain = text.bytes().all(|b| matches!(b, b' '..=b'~'));
            if let Some(c) = (!is_plain).then(|| text.chars().find(|c| is_hidden(*c))).flatten() {
                return Err(refuse(codes::CONTROL_CHARACTER, format!("the character U+{:04X}", c as u32)));
            }
            if holds_personal_number(text, self.today) {
                return Err(refuse(codes::IDENTIFIER_IN_PLAIN_FIELD, describe(text)));
            }
        }
        if rule.least > 0 || rule.most.is_some() {
            let length = text.chars().count();
            let most = rule.most.unwrap_or(usize::MAX);
            if !(rule.least..=most).contains(&length) {
                return Err(refuse(codes::TEXT_LENGTH, format!("{length} characters")));
            }
        }
        match &rule.pattern {
            Some(pattern) if !pattern.is_match(text) => {
                let help = format!("send a text of the form {pattern}");
                Err(refuse(codes::PATTERN, describe(text)).help(help))
            }
            Some(_) | None => Ok(()),
        }
    }
}

/// A refusal of one value; its place is added on the way up.
pub fn refuse(code: Code, found: impl Into<String>) -> Box<Fault> {
    Fault::new(code, found)
}
