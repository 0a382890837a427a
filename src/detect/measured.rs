//! Which rules of an edition say what they find of outbreaks, and whether that was measured on the rule as it is.
//!
//! Promises: a report counts by the digest in it, never by the time of a file. Never: judges whether the figures are good.

use std::path::Path;

use serde_json::Value;

use super::alone::judged_by;
use super::folder::report;
use super::pack::Pack;
use crate::problem::Problem;
use crate::problem::codes::rule::{POWER_MISSING, POWER_OLD, POWER_REPORT};

/// What a person should know about the reports of the edition, whose packs stand in `dir` or were built in.
pub fn unmeasured(dir: Option<&Path>, pack: &Pack) -> Vec<Problem> {
    let without: Vec<&str> =
        pack.rules.iter().filter(|rule| rule.power.is_none()).map(|rule| rule.id.as_str()).collect();
    let mut found = Vec::new();
    if !without.is_empty() {
        found.push(*Problem::new(POWER_MISSING, format!("pack {}", pack.id), without.join(", ")));
    }
    for rule in &pack.rules {
        let Some(name) = &rule.power else { continue };
        let at = format!("{}, power: {name}", rule.file);
        let text = report(dir, &rule.pack, name);
        let digest = text.as_deref().and_then(|text| {
            let told: Value = serde_json::from_str(text).ok()?;
            (told.get("rule")? == &rule.id).then(|| told.get("digest")?.as_str().map(str::to_owned))?
        });
        match digest {
            None if text.is_none() => found.push(*Problem::new(POWER_REPORT, at, "no such file")),
            None => found.push(*Problem::new(POWER_REPORT, at, format!("no digest of {} in it", rule.id))),
            Some(digest) if digest != judged_by(pack, &rule.id) => {
                found.push(*Problem::new(POWER_OLD, at, "text or numbers have changed since"));
            }
            Some(_) => {}
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::detect::pack::Packs;

    const TOML: &str = "[pack]\nid = \"p\"\nzh = \"z\"\nen = \"e\"\nsource = \"s\"\n";

    fn codes_of(root: &Path, sql: &str, report: Option<&str>) -> Vec<&'static str> {
        let folder = root.join("p");
        std::fs::create_dir_all(folder.join("reports")).unwrap();
        std::fs::write(folder.join("pack.toml"), TOML).unwrap();
        std::fs::write(folder.join("r.sql"), sql).unwrap();
        let file = folder.join("reports/r.json");
        match report {
            Some(text) => std::fs::write(&file, text).unwrap(),
            None => _ = std::fs::remove_file(&file),
        }
        let packs = Packs::load(Some(root)).unwrap();
        unmeasured(Some(root), packs.get("p").unwrap()).iter().map(|problem| problem.code.id).collect()
    }

    #[test]
    fn every_shipped_rule_names_a_report_of_it_as_it_is_shipped() {
        let packs = Packs::load(None).unwrap();
        let told: Vec<String> =
            packs.packs.values().flat_map(|pack| unmeasured(None, pack)).map(|problem| problem.to_string()).collect();
        assert!(!packs.packs.is_empty() && told.is_empty(), "{}", told.join("\n"));
    }

    #[test]
    fn a_rule_without_a_report_or_with_one_of_another_text_is_told() {
        let root = tempfile::tempdir().unwrap();
        let sql = |power: &str, what: &str| {
            format!(
                "-- id: r\n-- zh: z\n-- en: e\n-- severity: blue\n-- scope: all\n-- kind: threshold\n-- verify_hours: 1\n\
                 -- cites: c\n-- history_days: 0\n{power}SELECT {what}"
            )
        };
        assert_eq!(codes_of(root.path(), &sql("", "1"), None), ["QS-R010"]);
        let named = "-- power: reports/r.json\n";
        assert_eq!(codes_of(root.path(), &sql(named, "1"), None), ["QS-R012"]);
        assert_eq!(codes_of(root.path(), &sql(named, "1"), Some("{\"rule\":\"q\"}")), ["QS-R012"]);
        let digest = judged_by(Packs::load(Some(root.path())).unwrap().get("p").unwrap(), "r");
        let report = format!("{{\"rule\":\"r\",\"digest\":\"{digest}\"}}");
        assert_eq!(codes_of(root.path(), &sql(named, "1"), Some(&report)), [""; 0]);
        assert_eq!(codes_of(root.path(), &sql(named, "2"), Some(&report)), ["QS-R011"]);
        let outside = "-- power: ../p/reports/r.json\n";
        assert_eq!(codes_of(root.path(), &sql(outside, "1"), Some(&report)), ["QS-R012"]);
    }
}
