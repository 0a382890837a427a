//! Why an alert stands: its rule, numbers and edition, and the cells and records that its window was made of, all as
//! known at the tick that wrote it.
//!
//! Promises: nothing that came later is shown; the rule is run again over that moment, and what it returns is shown.
//! Never: lists a whole area's records where a unit's would do.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::edition::{RuleText, Texts};
use super::why_facts::{Facts, versions};
use super::why_inputs::{Inputs, Subject};
use crate::cells::moment::Moment;
use crate::delta::log::Log;
use crate::problem::Result;
use crate::terms::local_text;

/// What a line tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum LineKind {
    Alert,
    Rule,
    Parameter,
    Version,
    /// A row that the rule returns when it is run again.
    Finding,
    Cell,
    Expected,
    Record,
    /// What was left out.
    Note,
}

impl LineKind {
    pub const fn word(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Rule => "rule",
            Self::Parameter => "parameter",
            Self::Version => "version",
            Self::Finding => "finding",
            Self::Cell => "cell",
            Self::Expected => "expected_report",
            Self::Record => "record",
            Self::Note => "note",
        }
    }

    const fn heading(self) -> &'static str {
        match self {
            Self::Alert => "预警 / alert",
            Self::Rule => "规则 / rule",
            Self::Parameter => "参数 / parameters",
            Self::Version => "版本 / versions",
            Self::Finding => "规则重算结果 / what the rule returns when run again",
            Self::Cell => "计数 / cells",
            Self::Expected => "应报告 / expected reports",
            Self::Record => "记录 / records",
            Self::Note => "说明 / notes",
        }
    }
}

/// One thing that there is to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Line {
    pub kind: LineKind,
    pub name: String,
    pub value: String,
    pub detail: String,
}

/// Everything that there is to say about an alert.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Why {
    pub lines: Vec<Line>,
}

/// Explains the newest revision of an alert that was known by `until`, or the one that is named.
pub async fn alert_why(log: &Arc<dyn Log>, alert_id: &str, revision: Option<i64>, until: i64) -> Result<Why> {
    let facts = Facts::read(&**log, alert_id, revision, until).await?;
    let tick = facts.time("tick");
    let texts = Texts::read(&**log, tick).await?;
    let moment = Arc::new(Moment::as_of(&**log, tick).await?);
    let mut why = Why::default();
    why.tell_alert(&facts);
    let rule = texts.rule(facts.text("pack"), facts.text("rule"));
    match &rule {
        Some(rule) => why.tell_rule(rule, &texts, facts.text("pack")),
        None => why.say(
            LineKind::Note,
            "rule",
            facts.text("rule"),
            "no longer in force at this tick / 该时刻已不在规则包中",
        ),
    }
    for (name, value) in versions(&**log, tick).await? {
        why.say(LineKind::Version, name, &value, "");
    }
    let inputs = Inputs { texts: &texts, moment: &moment, facts: &facts, tick };
    let subjects = match &rule {
        Some(rule) => inputs.run_again(rule, &mut why).await?,
        None => BTreeSet::from([Subject::of(&facts)]),
    };
    inputs.tell_cells(rule.as_ref(), &subjects, &mut why);
    inputs.tell_expected(rule.as_ref(), &mut why);
    inputs.tell_records(&subjects, &mut why)?;
    Ok(why)
}

impl Why {
    pub fn say(&mut self, kind: LineKind, name: &str, value: &str, detail: &str) {
        self.lines.push(Line { kind, name: name.to_owned(), value: value.to_owned(), detail: detail.to_owned() });
    }

    fn tell_alert(&mut self, facts: &Facts) {
        let window = format!("{} … {}", facts.day("window_start"), facts.day("window_end"));
        let number = |name: &str| facts.float(name).map(|number| number.to_string()).unwrap_or_default();
        let said = [
            ("alert_id", facts.text("alert_id").to_owned(), format!("revision {}", facts.revision())),
            ("title", facts.text("title_zh").to_owned(), facts.text("title_en").to_owned()),
            ("state", facts.text("state").to_owned(), facts.text("reason").to_owned()),
            ("severity", facts.text("severity").to_owned(), facts.text("mode").to_owned()),
            ("unit", facts.text("unit_id").to_owned(), facts.text("unit_kind").to_owned()),
            ("area_code", facts.text("area_code").to_owned(), String::new()),
            ("signal", facts.text("signal").to_owned(), facts.text("syndrome").to_owned()),
            ("window", window, format!("onset {}", facts.day("onset"))),
            ("observed", number("observed"), format!("threshold {}", number("threshold"))),
            ("expected", number("expected"), format!("statistic {}", number("statistic"))),
            ("channels", facts.text("channels").to_owned(), String::new()),
            ("opened_at", local_text(facts.time("opened_at")), format!("tick {}", local_text(facts.time("tick")))),
        ];
        for (name, value, detail) in said.iter().filter(|(_, value, _)| !value.is_empty()) {
            self.say(LineKind::Alert, name, value, detail);
        }
    }

    fn tell_rule(&mut self, rule: &RuleText<'_>, texts: &Texts, pack: &str) {
        self.say(LineKind::Rule, "id", rule.id, &format!("{} / {}", rule.header("zh"), rule.header("en")));
        self.say(LineKind::Rule, "pack", pack, &format!("text of rules/{}/{}.sql", rule.pack, rule.id));
        self.say(LineKind::Rule, "cites", rule.header("cites"), "");
        self.say(LineKind::Rule, "digest", &rule.text.digest, &format!("known_at {}", local_text(rule.text.known_at)));
        self.say(LineKind::Rule, "sql", "", &rule.text.body);
        for (name, parameter) in texts.parameters(pack) {
            if rule.text.body.contains(&format!("'{name}'")) {
                let detail = format!("{}; {} ({})", parameter.unit, parameter.source, parameter.mark);
                self.say(LineKind::Parameter, &name, &parameter.value.to_string(), &detail);
            }
        }
    }

    /// For eyes: a heading a kind, a line each, the rule's text as it stands.
    pub fn text(&self) -> String {
        let mut text = String::new();
        let mut before = None;
        for line in &self.lines {
            if before != Some(line.kind) {
                text.push_str(&format!("{}{}\n", if text.is_empty() { "" } else { "\n" }, line.kind.heading()));
                before = Some(line.kind);
            }
            if line.detail.contains('\n') {
                let indented: Vec<String> = line.detail.lines().map(|sql| format!("    | {sql}")).collect();
                text.push_str(&format!("  {}:\n{}\n", line.name, indented.join("\n")));
                continue;
            }
            let detail = if line.detail.is_empty() { String::new() } else { format!("   ({})", line.detail) };
            text.push_str(&format!("  {}: {}{detail}\n", line.name, line.value));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::serve::testing::{ALERT, State, asked};

    #[tokio::test]
    async fn an_alert_tells_its_rule_its_numbers_and_the_records_of_its_window_as_known_then() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::three_days(folder.path()).await;
        let log: Arc<dyn Log> = state.log.clone();
        let why = alert_why(&log, ALERT, None, i64::MAX).await.unwrap();
        let of = |kind: LineKind| -> Vec<String> {
            why.lines
                .iter()
                .filter(|line| line.kind == kind)
                .map(|line| format!("{}={}", line.name, line.value))
                .collect()
        };
        assert_eq!(of(LineKind::Parameter), ["three.visits=3"]);
        assert_eq!(of(LineKind::Finding), ["three county 11 s 2021-01-18 … 2021-01-18=4"]);
        assert!(of(LineKind::Cell).contains(&"county 11 s 2021-01-18=4".to_owned()));
        // The duplicate at offset 2 decides its record; the correction at offset 5 came later.
        let mut records = of(LineKind::Record);
        records.sort();
        assert_eq!(records, ["t/0/1=1", "t/0/2=1", "t/0/4=2"]);
        assert!(of(LineKind::Version).contains(&"signals_version=2".to_owned()));
        assert_eq!(of(LineKind::Note), [] as [&str; 0]);
        let text = why.text();
        assert!(text.contains("三例 / three visits") && text.contains("| FROM cells"), "{text}");
    }

    #[tokio::test]
    async fn sql_tells_the_same_and_refuses_an_id_that_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let state = State::three_days(folder.path()).await;
        let now = state.session(None).await;
        let sql = format!("SELECT count(*) FROM alert_why('{ALERT}') WHERE kind = 'record'");
        assert_eq!(asked(&now, &sql).await, ["3"]);
        let absent = now.sql("SELECT * FROM alert_why('no')").await.unwrap().collect().await.unwrap_err();
        assert!(absent.to_string().contains("QS-S006"), "{absent}");
        let early = state.session(Some("2021-01-19 00:00")).await;
        let sql = format!("SELECT * FROM alert_why('{ALERT}')");
        assert!(early.sql(&sql).await.unwrap().collect().await.is_err(), "not yet known then");
    }
}
