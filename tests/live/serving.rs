//! `simulate`, `serve`, `oracle`, `psql`: the program as a process, against Apache Kafka, judged by the ledger.

use std::collections::BTreeSet;
use std::fs;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::broker::{address, read};
use crate::other_clients::kcat;
use crate::process::{Deployment, Served, text, until};

pub const CITY: &str = "[folders]\nregisters = \"city/registers\"\n";

/// Sends two days of the city; the number of messages.
pub fn send_city(deployment: &Deployment, seed: &str) -> i64 {
    let to = format!("kafka://{}", address());
    let words = ["simulate", "--to", &to, "--prefix", &deployment.prefix, "--seed", seed, "--days", "2"];
    deployment.done(&[&words[..], &["--ledger", "city"]].concat());
    let ledger = fs::read_to_string(deployment.path("city/ledger.ndjson")).unwrap();
    ledger.lines().filter(|line| line.contains(r#""line":"message""#)).count() as i64
}

/// Revisions in the table, and messages that a `read_committed` reader sees.
fn revisions(deployment: &Deployment) -> (usize, usize) {
    let table = deployment.ask("SELECT concat(alert_id, ':', CAST(revision AS VARCHAR)) FROM alert_history");
    let topic = format!("{}.alert.changed.v1", deployment.prefix);
    (table.len(), read(&topic, "read_committed").len())
}

/// Everything was read, judged and published: the books are closed.
pub fn settle(deployment: &Deployment, sent: i64) {
    until("everything is read", || deployment.consumed() == sent);
    let judged = "SELECT CAST(max(t.tick) >= (SELECT max(known_at) FROM signal_history) AS VARCHAR) FROM ticks t";
    until("everything is judged", || deployment.ask(judged) == ["true"]);
    until("everything is published", || {
        let (table, topic) = revisions(deployment);
        table > 0 && table == topic
    });
}

/// The oracle finds every planted outbreak and nothing wrong.
pub fn judge(deployment: &Deployment) {
    let topic = format!("{}.alert.changed.v1", deployment.prefix);
    let lines: Vec<String> = read(&topic, "read_committed")
        .into_iter()
        .enumerate()
        .map(|(n, message)| {
            let value: Value = serde_json::from_str(&message.body).unwrap();
            let line =
                serde_json::json!({"partition": message.partition, "offset": n, "key": message.key, "value": value});
            line.to_string()
        })
        .collect();
    fs::write(deployment.path("topic.ndjson"), lines.join("\n")).unwrap();
    let words = ["oracle", "--ledger", "city/ledger.ndjson", "--state", "state", "--topic", "topic.ndjson"];
    let verdict = deployment.done(&words);
    assert!(verdict.starts_with("0 faults"), "{verdict}");
    let ledger = fs::read_to_string(deployment.path("city/ledger.ndjson")).unwrap();
    let planted = ledger.lines().filter(|line| line.contains(r#""line":"planted""#)).count();
    assert!(planted > 0, "the city planted nothing");
}

#[test]
fn a_city_that_is_sent_raises_its_alerts_and_a_kill_in_the_middle_repeats_nothing() {
    let deployment = Deployment::new("city");
    let sent = send_city(&deployment, "7");
    let config = deployment.config("serve.toml", r#""consume", "detect", "publish", "serve""#, CITY);
    assert!(deployment.done(&["check", "-c", "serve.toml"]).contains("fine"));
    let first = deployment.serve(&config).ready();
    until("something is read", || deployment.consumed() > 0);
    first.kill();
    let read = deployment.consumed();
    assert!(read < sent, "it was killed with nothing left to read");
    let second = deployment.serve(&config).ready();
    settle(&deployment, sent);
    let log = second.log();
    second.stop();
    assert!(!log.contains("ERROR") && !log.contains("not there before"), "{log}");
    judge(&deployment);
    a_changed_number_does_what_check_foretold(&deployment);
}

/// Nobody's class has so many pupils, so every alert of the rule is withdrawn: `check` says it, then `serve` does it.
fn a_changed_number_does_what_check_foretold(deployment: &Deployment) {
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/rules");
    assert!(Command::new("cp").args(["-r", shipped]).arg(deployment.path("rules")).status().unwrap().success());
    let pack = deployment.path("rules/base/pack.toml");
    let text = fs::read_to_string(&pack).unwrap();
    let (number, changed) = ("[parameters.\"school_class_1d3.pupils\"]\nvalue = 3\n", "value = 300\n");
    assert!(text.contains(number));
    fs::write(&pack, text.replace(number, &number.replace("value = 3\n", changed))).unwrap();
    let roles = r#""consume", "detect", "publish""#;
    let config = deployment.config("stricter.toml", roles, &format!("{CITY}rules = \"rules\"\n"));
    let withdrawn = "SELECT left(alert_id, 8) FROM alerts WHERE reason = 'rule_changed' ORDER BY alert_id";
    assert!(deployment.ask(withdrawn).is_empty());
    let foretold = deployment.done(&["check", "-c", "stricter.toml", "--lang", "en"]);
    let id = |line: &str| line.split_whitespace().last().unwrap().to_owned();
    let mut ids: Vec<String> = foretold.lines().filter(|line| line.contains("(rule_changed)")).map(id).collect();
    ids.sort();
    assert!(!ids.is_empty() && foretold.contains("new or changed pack base/pack.toml"), "{foretold}");
    let served = deployment.serve(&config).ready();
    until("what was foretold is withdrawn", || deployment.ask(withdrawn) == ids);
    served.stop();
}

#[test]
fn roles_in_processes_of_their_own_come_to_the_same_and_psql_sees_what_a_consumer_sees() {
    let deployment = Deployment::new("apart");
    let sent = send_city(&deployment, "9");
    // All at once, on a folder that is not there yet; who only reads comes when it is.
    let start =
        |role: &str| deployment.serve(&deployment.config(&format!("{role}.toml"), &format!("\"{role}\""), CITY));
    let writers: Vec<Served> = ["consume", "detect"].map(start).into_iter().map(Served::ready).collect();
    // The SQL service names no registers: it puts nothing in force.
    let publish = start("publish").ready();
    let sql = deployment.serve(&deployment.config("sql.toml", "\"serve\"", "")).ready();
    settle(&deployment, sent);
    psql_answers(&deployment);
    psql_refuses(&deployment);
    same_alerts(&deployment);
    writers.into_iter().chain([publish, sql]).for_each(Served::stop);
    judge(&deployment);
}

fn psql(deployment: &Deployment, statement: &str) -> (bool, String) {
    let port = deployment.port.to_string();
    let words = ["-X", "-h", "127.0.0.1", "-p", &port, "-U", "analyst", "-d", "qianshao", "-A", "-t", "-c", statement];
    let answer = Command::new("psql").args(words).stdin(Stdio::null()).output().unwrap();
    (answer.status.success(), text(&answer.stdout) + &text(&answer.stderr))
}

fn psql_answers(deployment: &Deployment) {
    let asked = [(r"\d", "alert_history"), (r"\dt", "signals"), (r"\d signals", "record_key"), (r"\dn", "public")];
    for (command, expected) in asked {
        let (done, answer) = psql(deployment, command);
        assert!(done && answer.contains(expected), "{command}: {answer}");
    }
}

fn psql_refuses(deployment: &Deployment) {
    let changes = ["DELETE FROM alerts", "CREATE TABLE t (a int)", "COPY alerts TO '/tmp/alerts'", "DROP TABLE alerts"];
    for statement in changes {
        let (done, answer) = psql(deployment, statement);
        assert!(!done && answer.contains("QS-S004") && answer.contains("only reads"), "{statement}: {answer}");
    }
    // What we do not have is refused in words, too.
    for command in [r"\du", r"\df"] {
        let (_, answer) = psql(deployment, command);
        assert!(answer.contains("QS-S001"), "{command}: {answer}");
    }
}

/// The newest revision of every alert, by psql and by the CloudEvents project's own consumer.
fn same_alerts(deployment: &Deployment) {
    let query = "SELECT alert_id, revision, state, severity, rule, area_code FROM alerts";
    let (done, answer) = psql(deployment, query);
    assert!(done, "{answer}");
    let by_psql: BTreeSet<String> = answer.lines().map(str::to_owned).collect();
    let python = std::env::var("QIANSHAO_PYTHON").expect("QIANSHAO_PYTHON has the library: run `.ci/run live`");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/live/read_events.py");
    let topic = format!("{}.alert.changed.v1", deployment.prefix);
    let mut messages = kcat(&topic).stdout(Stdio::piped()).spawn().unwrap();
    let events = Command::new(python).arg(script).stdin(messages.stdout.take().unwrap()).output().unwrap();
    assert!(messages.wait().unwrap().success() && events.status.success(), "{}", text(&events.stderr));
    let mut newest = std::collections::BTreeMap::new();
    for line in text(&events.stdout).lines() {
        let data = serde_json::from_str::<Value>(line).unwrap()["data"].take();
        let word = |name: &str| data[name].as_str().unwrap().to_owned();
        let (id, revision) = (word("alert_id"), data["revision"].as_i64().unwrap());
        let shown =
            format!("{id}|{revision}|{}|{}|{}|{}", word("state"), word("severity"), word("rule"), word("area_code"));
        let kept = newest.entry(id).or_insert((revision, shown.clone()));
        if kept.0 < revision {
            *kept = (revision, shown);
        }
    }
    let by_consumer: BTreeSet<String> = newest.into_values().map(|(_, shown)| shown).collect();
    assert!(!by_psql.is_empty());
    assert_eq!(by_psql, by_consumer);
}
