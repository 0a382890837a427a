//! A proof that cannot fail proves nothing: with a rule's number made tighter its positive case must fail, with it made
//! looser its negative case. The numbers stand in the rule's header.

use std::collections::BTreeMap;
use std::path::Path;

use qianshao::detect::pack::Packs;
use qianshao::detect::rule::{Rule, Sabotage};
use qianshao::pipeline::Folders;
use sqllogictest::Record;

use super::schedule::Schedule;
use super::script::{Script, root};
use super::setting::{Setting, copy};
use super::{connect, opened};

/// Which of a file's marked cases held, by the word of its mark.
type Cases = BTreeMap<&'static str, bool>;

const MARKS: [&str; 2] = ["positive", "negative"];

#[tokio::test]
async fn sabotage_of_every_rule_is_noticed() {
    let packs = Packs::load(Some(&root().join("rules"))).unwrap();
    let rules: BTreeMap<&str, &Rule> =
        packs.packs.values().flat_map(|pack| &pack.rules).map(|rule| (rule.id.as_str(), rule)).collect();
    let (mut positive, mut negative, mut unnoticed) = (0, 0, Vec::new());
    for rule in rules.values() {
        let script = Script::read(&root().join("rules").join(&rule.pack).join(format!("{}.slt", rule.id)));
        let held = cases(&script, &with(rule, script.pack(), None)).await;
        assert_eq!(held, Cases::from(MARKS.map(|mark| (mark, true))), "{}", script.name);
        assert!(!rule.sabotage.is_empty(), "{}: no sabotage in its header", rule.file);
        for sabotage in &rule.sabotage {
            for (mark, value, noticed) in
                [("positive", sabotage.tighter, &mut positive), ("negative", sabotage.looser, &mut negative)]
            {
                let held = cases(&script, &with(rule, script.pack(), Some((sabotage, value)))).await;
                match held[mark] {
                    true => unnoticed.push(format!("{}: {mark} with {} = {value}", script.name, sabotage.parameter)),
                    false => *noticed += 1,
                }
            }
        }
    }
    println!(
        "sabotage of {} rules: {positive} positive and {negative} negative cases failed as they must",
        rules.len()
    );
    assert!(unnoticed.is_empty(), "went unnoticed:\n{}", unnoticed.join("\n"));
    assert!(rules.len() >= 20, "only {} rules", rules.len());
}

/// The rule and those it needs, of a copied folder in which one number may differ.
fn with(rule: &Rule, pack: &str, changed: Option<(&Sabotage, f64)>) -> std::sync::Arc<Setting> {
    let folder = tempfile::tempdir().unwrap();
    copy(&root().join("rules"), folder.path());
    if let Some((sabotage, value)) = changed {
        edit(folder.path(), &sabotage.parameter, value);
    }
    let folders = Folders { rules: Some(folder.path().to_owned()), ..Folders::default() };
    Setting::read(&folders, pack).with_rules(&[&rule.id])
}

/// Writes another value of a parameter into the pack that states it.
pub fn edit(rules: &Path, parameter: &str, value: f64) {
    let header = format!("[parameters.\"{parameter}\"]");
    let mut edited = 0;
    for pack in std::fs::read_dir(rules).unwrap() {
        let file = pack.unwrap().path().join("pack.toml");
        let text = std::fs::read_to_string(&file).unwrap();
        let Some((before, after)) = text.split_once(&header) else { continue };
        let (_, rest) = after.trim_start().split_once('\n').unwrap();
        std::fs::write(&file, format!("{before}{header}\nvalue = {value}\n{rest}")).unwrap();
        edited += 1;
    }
    assert_eq!(edited, 1, "packs that state {parameter}");
}

async fn cases(script: &Script, setting: &std::sync::Arc<Setting>) -> Cases {
    let world = opened(script, Schedule::Straight, setting.clone()).await.unwrap();
    let mut runner = connect(&world);
    let (mut cases, mut mark) = (Cases::new(), None);
    for record in script.records.clone() {
        match &record {
            Record::Comment(lines) => {
                mark = lines.iter().find_map(|line| MARKS.into_iter().find(|mark| line.trim().starts_with(mark)));
            }
            Record::Query { .. } => {
                let held = runner.run_async(record).await.is_ok();
                if let Some(mark) = mark.take() {
                    *cases.entry(mark).or_insert(true) &= held;
                }
                continue;
            }
            _ => {}
        }
        runner.run_async(record).await.unwrap();
    }
    cases
}
