//! Somebody else's programs read the same alerts: kcat, and the CloudEvents project's own library.

use std::collections::BTreeMap;
use std::process::{Command, Stdio};

use qianshao::publish::outbox::{Pending, publish_pending};
use qianshao::publish::topic::KafkaOutbox;
use serde_json::Value;

use crate::broker::{address, settings};
use crate::publishing::{letter, publish, rows};

/// One JSON object a message, up to the end.
pub fn kcat(topic: &str) -> Command {
    let mut kcat = Command::new("kcat");
    kcat.args(["-C", "-J", "-e", "-q", "-o", "beginning", "-X", "isolation.level=read_committed"]);
    kcat.args(["-b", &address(), "-t", topic]);
    kcat
}

#[tokio::test]
async fn kcat_reads_every_alert_with_its_headers_and_its_key() {
    let settings = settings("kcat");
    publish(&mut KafkaOutbox::new(&settings, "kcat"), &settings, &rows(50)).await;
    let read = kcat(&settings.topics().current()).output().unwrap();
    assert!(read.status.success(), "{}", String::from_utf8_lossy(&read.stderr));
    let mut newest = BTreeMap::new();
    for line in String::from_utf8(read.stdout).unwrap().lines() {
        let message: Value = serde_json::from_str(line).unwrap();
        let body: Value = serde_json::from_str(message["payload"].as_str().unwrap()).unwrap();
        let flat: Vec<&str> = message["headers"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let headers: BTreeMap<&str, &str> = flat.chunks(2).map(|pair| (pair[0], pair[1])).collect();
        assert_eq!(message["key"], body["alert_id"]);
        assert_eq!(headers["ce_specversion"], "1.0");
        assert_eq!(headers["ce_type"], "cn.qianshao.alert.current.v1");
        assert_eq!(headers["ce_id"], format!("{}:{}", body["alert_id"].as_str().unwrap(), body["revision"]));
        newest.insert(body["alert_id"].clone().to_string(), body["revision"].clone());
    }
    assert_eq!(newest.len(), 50);
}

#[tokio::test]
async fn the_cloudevents_library_takes_every_message_of_every_topic() {
    let python = std::env::var("QIANSHAO_PYTHON").expect("QIANSHAO_PYTHON has the library: run `.ci/run live`");
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/live/read_events.py");
    let (settings, letters) = (settings("events"), [letter(1), letter(2)]);
    let topics = settings.topics();
    let pending = Pending { alerts: &rows(20), dead_letters: &letters };
    publish_pending(&mut KafkaOutbox::new(&settings, "events"), &topics, pending).await.unwrap();
    let every = [topics.changed(), topics.current(), topics.restricted("990103"), topics.dead_letter("example")];
    for (topic, count) in every.iter().zip([20, 20, 20, 2]) {
        let mut messages = kcat(topic).stdout(Stdio::piped()).spawn().unwrap();
        let read = Command::new(&python).arg(script).stdin(messages.stdout.take().unwrap()).output().unwrap();
        assert!(messages.wait().unwrap().success());
        assert!(read.status.success(), "{topic}: {}", String::from_utf8_lossy(&read.stderr));
        let lines = String::from_utf8(read.stdout).unwrap();
        assert_eq!(lines.lines().count(), count, "{topic}");
        for event in lines.lines().map(|line| serde_json::from_str::<Value>(line).unwrap()) {
            assert!(event["type"].as_str().unwrap().starts_with("cn.qianshao."), "{event}");
            assert_eq!(event["datacontenttype"], "application/json");
            assert!(event["data"]["known_at"].is_string(), "the body is parsed: {event}");
        }
    }
}
