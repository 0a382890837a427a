//! SASL_SSL with SCRAM-SHA-512: how a deployment connects. `.ci/run live` starts the broker with that listener.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt;

use qianshao::consume::source::Starts;
use qianshao::kafka::KafkaSettings;
use qianshao::publish::outbox::Outbox;
use qianshao::publish::topic::KafkaOutbox;

use crate::broker::{address, create_topic, produce, settings};
use crate::consuming::{Ledger, open};
use crate::process::{Deployment, text};
use crate::publishing::{assert_published, publish, rows};

fn secure(plain: &KafkaSettings, password: &str) -> (KafkaSettings, tempfile::TempDir) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("password");
    std::fs::write(&file, format!("{password}\n")).unwrap();
    let broker = std::env::var("QIANSHAO_KAFKA_DIR").expect("QIANSHAO_KAFKA_DIR is the broker's folder");
    let security = BTreeMap::from(
        [
            ("security.protocol", "SASL_SSL".to_owned()),
            ("ssl.ca.location", format!("{broker}/tls/ca.pem")),
            ("sasl.mechanism", "SCRAM-SHA-512".to_owned()),
            ("sasl.username", "admin".to_owned()),
            ("sasl.password_file", file.display().to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value)),
    );
    let port: u16 = address().rsplit_once(':').unwrap().1.parse().unwrap();
    let bootstrap_servers = format!("127.0.0.1:{}", port + 200);
    (KafkaSettings { bootstrap_servers, security, ..plain.clone() }, folder)
}

#[tokio::test]
async fn feeds_are_read_and_alerts_published_over_tls_with_a_password() {
    let plain = settings("secure");
    let topic = plain.topics().feed("a");
    create_topic(&topic, 2).await;
    produce(&topic, 2, 0..100);
    let (secured, _folder) = secure(&plain, "admin-secret");
    let mut ledger = Ledger::default();
    ledger.read(&mut open(&secured, &topic, Starts::new()), 100).await;
    assert_eq!(ledger.seen.len(), 100);
    publish(&mut KafkaOutbox::new(&secured, "secure"), &secured, &rows(10)).await;
    assert_published(&plain, 10);
}

#[tokio::test]
async fn a_wrong_password_is_a_problem_in_words() {
    let (secured, _folder) = secure(&settings("wrong"), "guess");
    let problem = KafkaOutbox::new(&secured, "wrong").progress().await.unwrap_err();
    assert_eq!(problem.code.reason, "kafka_unreachable");
    assert!(problem.found.contains("Authentication failed"), "{}", problem.found);
}

#[test]
fn check_reaches_a_broker_over_tls_and_a_wrong_password_is_told() {
    let deployment = Deployment::new("secure-check");
    for (password, code) in [("admin-secret", "QS-K003"), ("guess", "QS-K002")] {
        let (secured, folder) = secure(&settings("secure-check"), password);
        fs::set_permissions(folder.path().join("password"), fs::Permissions::from_mode(0o600)).unwrap();
        let names: Vec<String> =
            secured.security.iter().map(|(name, value)| format!("\"{name}\" = \"{value}\"")).collect();
        let file = deployment.config("serve.toml", "\"consume\"", &format!("[kafka.security]\n{}\n", names.join("\n")));
        let config = fs::read_to_string(&file).unwrap().replace(&address(), &secured.bootstrap_servers);
        fs::write(&file, config).unwrap();
        let checked = deployment.run(&["check", "-c", "serve.toml"]);
        assert!(text(&checked.stderr).contains(code), "{password}: {}", text(&checked.stderr));
    }
}
