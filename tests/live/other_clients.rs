//! Somebody else's program reads the same alerts: kcat, which is not ours and not Rust.

use std::collections::BTreeMap;
use std::process::Command;

use qianshao::publish::topic::KafkaOutbox;
use serde_json::Value;

use crate::broker::{address, settings};
use crate::publishing::{publish, rows};

#[tokio::test]
async fn kcat_reads_every_alert_with_its_headers_and_its_key() {
    let settings = settings("kcat");
    publish(&mut KafkaOutbox::new(&settings, "kcat"), &settings, &rows(50)).await;
    let (broker, topic) = (address(), settings.topics().current());
    // -J: one JSON object a message; -e: leave at the end.
    let read = Command::new("kcat")
        .args(["-C", "-J", "-e", "-q", "-o", "beginning", "-X", "isolation.level=read_committed"])
        .args(["-b", &broker, "-t", &topic])
        .output()
        .expect("kcat is installed by .ci/run");
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
