//! A rule: one SQL file with a typed header.
//!
//! Promises: a header that can be misread is refused with file, line and what would be right. Never: looks into the SQL.

use sha2::{Digest, Sha256};

use crate::alert::RuleKind;
use crate::detect::header::Header;
use crate::problem::codes::rule::{RULE_NAME, VALIDITY};
use crate::problem::{Problem, Result};
use crate::terms::{Day, Severity, hex};

/// Days that a header may name; longer ones are typing errors.
const DAYS_MAX: i32 = 3_660;
/// Hours that people may have to verify an alert; longer ones are typing errors.
const VERIFY_HOURS_MAX: i64 = 24 * 365;
/// Runs are firing windows whose ends lie no further apart than this, where the header is silent.
const GAP_DAYS_DEFAULT: i32 = 1;

/// What a rule is evaluated over at a tick.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scope {
    /// Only units whose cells or signals changed; the rule's rows depend on those alone.
    Dirty,
    /// Everything, at each tick: clocks, comparisons between units, other rules' findings.
    All,
}

/// One parameter with two values that a proof must notice.
#[derive(Clone, Debug, PartialEq)]
pub struct Sabotage {
    pub parameter: String,
    /// With this value the case that fires must fall silent.
    pub tighter: f64,
    /// With this value the case that is silent must fire.
    pub looser: f64,
}

/// One SQL file of a pack.
#[derive(Clone, Debug, PartialEq)]
pub struct Rule {
    pub id: String,
    pub zh: String,
    pub en: String,
    pub severity: Severity,
    pub scope: Scope,
    pub kind: RuleKind,
    /// Both days count; `None` has no beginning or no end.
    pub valid_from: Option<Day>,
    pub valid_to: Option<Day>,
    /// Hours from opening to the first verification.
    pub verify_hours: i64,
    pub audience: Vec<String>,
    pub cites: String,
    /// Firing windows whose ends lie at most this many days apart are one run.
    pub gap_days: i32,
    /// Days of cells before the horizon that the rule's windows look back on.
    pub history_days: i32,
    /// Rules whose findings this one reads.
    pub needs: Vec<String>,
    /// A report of `qianshao power`, named from the pack's folder.
    pub power: Option<String>,
    pub sabotage: Vec<Sabotage>,
    /// The whole text, header and all: what `psql` can run as it stands.
    pub sql: String,
    /// The pack whose folder holds the file.
    pub pack: String,
    /// Where it was read, for messages.
    pub file: String,
    /// SHA-256 of the text, 64 hexadecimal digits.
    pub digest: String,
}

impl Rule {
    /// Whether windows that end on `day` are judged by this rule.
    pub fn is_valid_on(&self, day: Day) -> bool {
        self.valid_from.is_none_or(|from| from <= day) && self.valid_to.is_none_or(|to| day <= to)
    }

    /// Reads the text of `file` (shown in messages), which stands as `stem`.sql in the folder of `pack`.
    pub fn parse(pack: &str, stem: &str, file: &str, text: &str) -> Result<Self> {
        let header = Header::read(file, text)?;
        let id = header.text("id")?;
        if id != stem || !is_name(&id) {
            return Err(Problem::new(RULE_NAME, header.at("id"), format!("id {id} in {stem}.sql")));
        }
        let rule = Self {
            id,
            zh: header.text("zh")?,
            en: header.text("en")?,
            severity: header.word("severity", Severity::parse, "red, orange, yellow or blue")?,
            scope: header.word("scope", parse_scope, "dirty or all")?,
            kind: header.word("kind", RuleKind::parse, "threshold or statistical")?,
            valid_from: header.day("valid_from")?,
            valid_to: header.day("valid_to")?,
            verify_hours: header.number("verify_hours", None, 0..=VERIFY_HOURS_MAX)?,
            audience: header.list("audience"),
            cites: header.text("cites")?,
            gap_days: header.number("gap_days", Some(GAP_DAYS_DEFAULT), 0..=DAYS_MAX)?,
            history_days: header.number("history_days", None, 0..=DAYS_MAX)?,
            needs: header.list("needs"),
            power: header.optional("power"),
            sabotage: header.sabotage()?,
            sql: text.to_owned(),
            pack: pack.to_owned(),
            file: file.to_owned(),
            digest: digest(text),
        };
        if rule.valid_from.zip(rule.valid_to).is_some_and(|(from, to)| to < from) {
            return Err(Problem::new(VALIDITY, header.at("valid_to"), "valid_to before valid_from"));
        }
        Ok(rule)
    }
}

/// SHA-256 as 64 hexadecimal digits.
pub fn digest(text: &str) -> String {
    hex(&Sha256::digest(text.as_bytes()))
}

/// Lower-case letters, digits and `_`.
pub fn is_name(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
}

fn parse_scope(word: &str) -> Option<Scope> {
    match word {
        "dirty" => Some(Scope::Dirty),
        "all" => Some(Scope::All),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER_TEXT: &str = "-- id: r\n-- zh: 规则\n-- en: rule\n-- severity: yellow\n-- scope: dirty\n\
        -- kind: threshold\n-- valid_from: 2020-09-15\n-- valid_to: 2021-05-13\n-- verify_hours: 24\n\
        -- cites: a law\n-- history_days: 0\n";

    fn parse(text: &str) -> Result<Rule> {
        Rule::parse("base", "r", "base/r.sql", text)
    }

    #[test]
    fn a_header_is_typed_and_what_it_leaves_out_has_a_default() {
        let more = "-- needs: a, b\n-- sabotage: r.n tighter=4 looser=2\n-- A comment: with a colon.\nSELECT 1";
        let rule = parse(&format!("{HEADER_TEXT}{more}")).unwrap();
        assert_eq!((rule.severity, rule.scope, rule.gap_days), (Severity::Yellow, Scope::Dirty, 1));
        assert_eq!(rule.needs, ["a", "b"]);
        assert_eq!(rule.sabotage, [Sabotage { parameter: "r.n".into(), tighter: 4.0, looser: 2.0 }]);
        assert!(rule.is_valid_on(Day::parse("2021-05-13").unwrap()));
        assert!(!rule.is_valid_on(Day::parse("2021-05-14").unwrap()));
    }

    #[test]
    fn a_misspelt_key_is_refused_with_its_line_and_the_word_that_was_meant() {
        let problem = parse(&HEADER_TEXT.replace("-- severity", "-- severty")).unwrap_err();
        assert_eq!(problem.at, "base/r.sql, line 4");
        assert_eq!(problem.help, "did you mean severity?");
    }

    #[test]
    fn what_would_be_misread_is_refused() {
        let refused = |from: &str, to: &str| parse(&HEADER_TEXT.replace(from, to)).unwrap_err().code.id;
        assert_eq!(refused("yellow", "amber"), "QS-R003");
        assert_eq!(refused("verify_hours: 24", "verify_hours: soon"), "QS-R003");
        assert_eq!(refused("2020-09-15", "2020-09-31"), "QS-R003");
        assert_eq!(refused("en: rule", "en: rule\n-- en: rule"), "QS-R003");
        assert_eq!(refused("-- cites: a law\n", ""), "QS-R004");
        assert_eq!(refused("id: r", "id: q"), "QS-R005");
        assert_eq!(refused("2021-05-13", "2020-05-13"), "QS-R008");
    }
}
