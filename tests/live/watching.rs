//! What probes, scrapers and service managers see of the program, against Apache Kafka.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::Value;

use crate::broker::{address, create_topic, produce};
use crate::operating::{FEEDS, create_feeds, made_again, send};
use crate::process::{Deployment, Served, until};
use crate::relay::Relay;
use crate::serving::{CITY, judge, send_city, settle};

const ALL_ROLES: &str = r#""consume", "detect", "publish", "serve""#;

/// Why it is not ready, by code: status and `code: found`.
fn reasons(served: &Served) -> (u16, Vec<String>) {
    let (status, body) = served.page("/readyz");
    let body: Value = serde_json::from_str(&body).unwrap();
    let told = |reason: &Value| {
        assert!(
            reason["zh"].as_str().unwrap().chars().any(|c| c > '\u{3000}') && reason["help"].is_string(),
            "{reason}"
        );
        format!("{}: {}", reason["code"].as_str().unwrap(), reason["found"].as_str().unwrap())
    };
    (status, body["reasons"].as_array().unwrap().iter().map(told).collect())
}

fn is_ready(served: &Served) -> bool {
    reasons(served) == (200, Vec::new())
}

/// The series of a metric, by what stands between its braces.
fn series(text: &str, name: &str) -> BTreeMap<String, f64> {
    let parts = text.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let (series, value) = line.rsplit_once(' ')?;
        let (found, labels) = series.split_once('{').unwrap_or((series, ""));
        (found == name).then(|| (labels.trim_end_matches('}').to_owned(), value.parse().unwrap()))
    });
    parts.collect()
}

fn sum(text: &str, name: &str) -> f64 {
    series(text, name).values().sum()
}

/// The judge of the Prometheus project.
fn promtool_agrees(text: &str) {
    let mut tool = Command::new("promtool");
    let mut checking = tool
        .args(["check", "metrics"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    checking.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let checked = checking.wait_with_output().unwrap();
    let said = crate::process::text(&checked.stdout) + &crate::process::text(&checked.stderr);
    assert!(checked.status.success() && said.trim().is_empty(), "promtool: {said}");
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_ready_once_every_topic_is_there_and_counts_what_sql_counts() {
    let deployment = Deployment::new("watched");
    let topic = |feed: &str| format!("{}.feed.{feed}.v1", deployment.prefix);
    for feed in &FEEDS[1..] {
        create_topic(&topic(feed), 1).await;
    }
    let config = deployment.config("serve.toml", ALL_ROLES, "");
    let served = deployment.serve(&config).ready();
    let missing = (503, vec![format!("QS-K003: {}", topic(FEEDS[0]))]);
    until("it says which topic is missing", || reasons(&served) == missing);
    assert_eq!(served.page("/livez").0, 200, "a missing topic is no reason to restart");
    let asked = deployment.run(&["health", "--address", &served.probes(), "--ready"]);
    assert!(!asked.status.success() && crate::process::text(&asked.stdout).contains("QS-K003"));
    create_topic(&topic(FEEDS[0]), 1).await;
    until("it is ready", || is_ready(&served));
    deployment.done(&["health", "--address", &served.probes(), "--ready"]);

    let cards = include_str!("../../schemas/feeds/report_card/card/good.ndjson");
    cards.lines().chain(["not JSON", "neither"]).for_each(|card| send(&topic("report_card"), card));
    let sent = cards.lines().count() as f64 + 2.0;
    until("everything is read and the dead letters are out", || {
        let text = served.page("/metrics").1;
        sum(&text, "qianshao_messages_consumed_total") == sent
            && series(&text, "qianshao_published_rows_total").get("kind=\"dead_letter\"") == Some(&2.0)
            && series(&text, "qianshao_log_offset").values().sum::<f64>() == sent
    });
    let text = served.page("/metrics").1;
    promtool_agrees(&text);
    let counted =
        "SELECT concat(sum(consumed), '/', sum(accepted + duplicates), '/', sum(quarantined)) FROM accounting";
    let of = |name: &str| sum(&text, &format!("qianshao_messages_{name}_total"));
    let shown = format!("{}/{}/{}", of("consumed"), of("accepted"), of("quarantined"));
    assert_eq!(deployment.ask(counted), [shown]);
    assert_eq!(of("quarantined"), 2.0);
    assert_eq!(sum(&text, "qianshao_lag_messages"), 0.0);
    assert_eq!(series(&text, "qianshao_lag_messages").len(), FEEDS.len());
    for at_least_one in
        ["kafka_brokers_up", "publisher_seated", "ticks_total", "commits_total", "epochs_total", "ready"]
    {
        assert!(sum(&text, &format!("qianshao_{at_least_one}")) >= 1.0, "{at_least_one}");
    }
    served.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_partition_with_a_gap_makes_it_unready_and_says_what_to_do() {
    let (deployment, _, config) = made_again("unready").await;
    let served = deployment.serve(&config).ready();
    let gap = "QS-K004: it ends at offset 0, and we have read up to 5".to_owned();
    until("the gap is a reason", || reasons(&served) == (503, vec![gap.clone()]));
    assert_eq!(sum(&served.page("/metrics").1, "qianshao_partitions_waiting"), 1.0);
    assert_eq!(served.page("/livez").0, 200);
    served.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_broker_that_is_gone_makes_it_unready_but_not_dead_and_it_goes_on_and_ends_by_itself() {
    let (deployment, relay) = (Deployment::new("cut"), Relay::start());
    create_feeds(&deployment).await;
    let config = deployment.config("serve.toml", ALL_ROLES, "");
    let text = fs::read_to_string(&config).unwrap();
    fs::write(&config, text.replace(&address(), &relay.address)).unwrap();
    let served = deployment.serve(&config).ready();
    until("it is ready", || is_ready(&served));
    relay.cut();
    until("the consumer and the publisher say that no broker answers", || {
        let (status, reasons) = reasons(&served);
        let told = reasons.iter().filter(|reason| reason.starts_with("QS-K002")).count();
        status == 503 && told >= 2
    });
    assert_eq!(served.page("/livez").0, 200);
    produce(&format!("{}.feed.school.v1", deployment.prefix), 1, 0..7);
    relay.mend();
    until("it is ready again", || is_ready(&served));
    until("what was sent meanwhile is read", || deployment.consumed() == 7);
    relay.cut();
    until("it notices", || reasons(&served).0 == 503);
    // It ends with 0, whatever Kafka does.
    served.stop();
}

#[test]
fn told_to_end_in_the_middle_of_a_backlog_it_ends_well_and_nothing_comes_twice() {
    let deployment = Deployment::new("drained");
    let sent = send_city(&deployment, "11");
    let more = format!("{CITY}[epoch]\nmessages_max = 500\n");
    let config = deployment.config("serve.toml", ALL_ROLES, &more);
    let mut read = 0;
    for _ in 0..3 {
        let served = deployment.serve(&config).ready();
        until("more is read", || deployment.consumed() > read);
        assert!(sum(&served.page("/metrics").1, "qianshao_lag_messages") > 0.0, "it is told with nothing left to read");
        served.stop();
        read = deployment.consumed();
        assert!(read < sent, "it ended with nothing left to read");
    }
    let served = deployment.serve(&config).ready();
    settle(&deployment, sent);
    let log = served.log();
    served.stop();
    assert!(!log.contains("ERROR") && !log.contains("not there before"), "{log}");
    judge(&deployment);
    let wrong = "SELECT count(*) FROM accounting WHERE accepted + duplicates + quarantined <> consumed";
    assert_eq!(deployment.ask(wrong), ["0"]);
}

/// Every line of both outputs as an object.
fn objects(lines: &str) -> Vec<Value> {
    let object = |line: &str| serde_json::from_str(line).ok().filter(Value::is_object);
    lines.lines().map(|line| object(line).unwrap_or_else(|| panic!("no JSON object: {line}"))).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn every_line_that_a_process_says_is_an_object_when_machines_read_it() {
    let deployment = Deployment::new("json");
    create_feeds(&deployment).await;
    let config = deployment.config("serve.toml", r#""consume", "detect", "publish""#, "");
    json(&config);
    let feed = format!("{}.feed.school.v1", deployment.prefix);
    let served = deployment.serve(&config).ready();
    produce(&feed, 1, 0..3);
    until("an epoch is told", || served.log().contains("epoch committed"));
    let probes = served.probes();
    let lines = {
        // A second process on the same address cannot start, and says so as the first would.
        let text = fs::read_to_string(&config).unwrap().replace("127.0.0.1:0", &probes);
        fs::write(deployment.path("second.toml"), text).unwrap();
        let refused = deployment.run(&["serve", "-c", "second.toml"]);
        assert_eq!(refused.status.code(), Some(2));
        crate::process::text(&refused.stdout) + &crate::process::text(&refused.stderr)
    };
    let problem = objects(&lines).pop().unwrap();
    assert_eq!((&problem["level"], &problem["code"]), (&Value::from("ERROR"), &Value::from("QS-C001")), "{problem}");
    let log = served.lines_to_the_end();
    let told = objects(&log);
    let epoch = told.iter().find(|line| line["message"] == "epoch committed").unwrap();
    assert!(epoch["messages"].is_u64() && epoch["quarantined"].is_u64() && epoch["timestamp"].is_string(), "{epoch}");
    assert!(told.iter().any(|line| line["message"] == "stopped"), "{log}");
}

fn json(config: &Path) {
    let text = fs::read_to_string(config).unwrap();
    fs::write(config, text.replace("[observe]\n", "[observe]\nlog_format = \"json\"\n")).unwrap();
}
