//! What went wrong, told to a person: what, where, what was found, what would be right.
//!
//! Promises: every problem has a code that `qianshao explain` and docs/problems.md know, in Chinese and English.
//! Never: shows a person's data. What was found is described, unless it is plainly a number or a date.

use std::fmt;

pub use codes::Code;
pub use document::documentation;

pub mod codes;
mod document;

/// One problem, the same value in the command line, in SQL and in `quarantine`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    pub code: Code,
    /// Where: feed, partition, offset, field; or file, line, column; or configuration key.
    pub at: String,
    /// What was found, described without a person's data.
    pub found: String,
    /// What would be right.
    pub help: String,
}

pub type Result<T, E = Box<Problem>> = std::result::Result<T, E>;

impl Problem {
    /// A problem whose help is the one of its code.
    pub fn new(code: Code, at: impl Into<String>, found: impl Into<String>) -> Box<Self> {
        Box::new(Self { code, at: at.into(), found: found.into(), help: code.help.to_owned() })
    }

    /// The same problem with a help that knows more than its code.
    pub fn help(mut self: Box<Self>, help: impl Into<String>) -> Box<Self> {
        self.help = help.into();
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "error: {} / {}", self.code.en, self.code.zh)?;
        writeln!(f, "  at:    {}", self.at)?;
        writeln!(f, "  found: {}", self.found)?;
        writeln!(f, "  help:  {}", self.help)?;
        write!(f, "  code:  {}   (qianshao explain {})", self.code.id, self.code.id)
    }
}

impl std::error::Error for Problem {}

/// Describes a value without repeating it, unless it is a short number or a date: a name or a number in the
/// wrong field must not reach a table, a topic or a log.
pub fn describe(value: &str) -> String {
    let short_number = value.len() <= 8 && value.bytes().all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'+'));
    // A telephone number behind a date is ten digits or more in a row; no date or time has them.
    let date_like = value.len() <= 35
        && value.len() >= 10
        && !value.as_bytes().windows(10).any(|run| run.iter().all(u8::is_ascii_digit))
        && value.as_bytes().iter().enumerate().all(|(i, b)| match i {
            4 | 7 => *b == b'-',
            0..=9 => b.is_ascii_digit(),
            _ => b.is_ascii_digit() || matches!(b, b':' | b'.' | b'-' | b'+' | b'T' | b'Z' | b' '),
        });
    if !value.is_empty() && (short_number || date_like) {
        return value.to_owned();
    }
    let characters = value.chars().count();
    if !value.is_empty() && value.bytes().all(|b| b.is_ascii_digit()) {
        return format!("a number of {characters} digits");
    }
    format!("a text of {characters} characters")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_or_a_long_number_is_described_and_not_repeated() {
        assert_eq!(describe("王小明"), "a text of 3 characters");
        assert_eq!(describe("13900000000"), "a number of 11 digits");
        assert_eq!(describe("377"), "377");
        assert_eq!(describe("2021-02-30"), "2021-02-30");
        assert_eq!(describe("2021-02-30 13900000000"), "a text of 22 characters");
    }
}
