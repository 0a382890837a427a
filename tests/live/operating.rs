//! What a person on duty does with the program: look, send again, accept a gap. Each by its verb, against Apache Kafka.

use std::fs;
use std::path::{Path, PathBuf};

use rdkafka::ClientConfig;
use rdkafka::admin::{NewTopic, TopicReplication};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer};

use crate::broker::{WAIT, address, admin, create_topic, delete_topic, options, produce, read};
use crate::process::{Deployment, text, until};

pub const FEEDS: [&str; 5] = ["customs", "fever_clinic", "pharmacy", "report_card", "school"];

pub async fn create_feeds(deployment: &Deployment) {
    for feed in FEEDS {
        create_topic(&format!("{}.feed.{feed}.v1", deployment.prefix), 1).await;
    }
}

/// A school topic of which five messages were read, deleted and made again; with what reads it.
pub async fn made_again(word: &str) -> (Deployment, String, PathBuf) {
    let deployment = Deployment::new(word);
    create_feeds(&deployment).await;
    let feed = format!("{}.feed.school.v1", deployment.prefix);
    let config = deployment.config("consume.toml", "\"consume\"", "");
    produce(&feed, 1, 0..5);
    let served = deployment.serve(&config).ready();
    until("five are read", || deployment.consumed() == 5);
    served.stop();
    delete_topic(&feed).await;
    create_topic(&feed, 1).await;
    (deployment, feed, config)
}

pub fn send(topic: &str, body: &str) {
    let producer: BaseProducer = ClientConfig::new().set("bootstrap.servers", address()).create().unwrap();
    producer.send(BaseRecord::<str, str>::to(topic).key("card").payload(body)).map_err(|(error, _)| error).unwrap();
    producer.flush(WAIT).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_is_sent_again_after_the_list_was_mended_resolves_its_quarantine() {
    let deployment = Deployment::new("retry");
    create_feeds(&deployment).await;
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/codes");
    fs::create_dir(deployment.path("codes")).unwrap();
    for file in fs::read_dir(shipped).unwrap().map(|file| file.unwrap()) {
        fs::copy(file.path(), deployment.path("codes").join(file.file_name())).unwrap();
    }
    let config = deployment.config("serve.toml", r#""consume", "publish""#, "[folders]\ncodes = \"codes\"\n");
    let shipped = include_str!("../../schemas/feeds/report_card/card/good.ndjson");
    let card = shipped.lines().next().unwrap().replace("990102001", "990102777");
    let served = deployment.serve(&config).ready();
    let (feed, letters) = (
        format!("{}.feed.report_card.v1", deployment.prefix),
        format!("{}.deadletter.report_card.v1", deployment.prefix),
    );
    send(&feed, &card);
    until("it is in quarantine", || deployment.consumed() == 1);
    let place = format!("{feed}/0/0");
    let listed = deployment.done(&["quarantine", "list", "--state", "state"]);
    assert!(listed.contains(&place) && listed.contains("unknown_area"), "{listed}");
    until("the dead letter is visible", || {
        let there = deployment.ask("SELECT count(*) FROM quarantine") == ["1"];
        there && std::panic::catch_unwind(|| read(&letters, "read_committed")).is_ok_and(|letters| letters.len() == 1)
    });
    let letter = read(&letters, "read_committed").remove(0).body;
    assert!(letter.contains("unknown_area") && !letter.contains("顾北辰"), "{letter}");
    let shown = deployment.done(&["quarantine", "show", &place, "--state", "state"]);
    assert!(!shown.contains("顾北辰"), "{shown}");
    let opened = ["quarantine", "show", &place, "--state", "state", "--key-file", "identity.key"];
    assert!(deployment.done(&opened).contains("顾北辰"), "with the key the body is shown");

    // Sent again before anything was mended: refused again, and not resolved.
    deployment.done(&["quarantine", "retry", &place, "-c", "serve.toml"]);
    until("it is refused again", || deployment.consumed() == 2);
    let resolved = "SELECT CAST(resolved AS VARCHAR) FROM quarantine ORDER BY \"offset\"";
    assert_eq!(deployment.ask(resolved), ["false", "false"]);

    served.stop();
    let areas = fs::read_to_string(deployment.path("codes/areas.csv")).unwrap();
    let town = areas.lines().find(|line| line.starts_with("990102001,")).unwrap();
    fs::write(
        deployment.path("codes/areas.csv"),
        format!("{}\n{}\n", areas.trim_end(), town.replace("990102001", "990102777")),
    )
    .unwrap();
    let served = deployment.serve(&config).ready();
    // By the newer attempt: both stand for the same first message.
    deployment.done(&["quarantine", "retry", &format!("{feed}/0/1"), "-c", "serve.toml"]);
    until("it is accepted", || deployment.consumed() == 3);
    assert_eq!(deployment.ask(resolved), ["true", "true"]);
    assert_eq!(read(&feed, "read_committed")[2].header("qs_retry_of"), place);
    assert_eq!(deployment.ask("SELECT retry_of FROM signal_history"), [place.as_str()]);
    let wrong = "SELECT count(*) FROM accounting WHERE accepted + duplicates + quarantined <> consumed";
    assert_eq!(deployment.ask(wrong), ["0"]);
    served.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_topic_that_was_recreated_and_has_grown_past_us_is_noticed_and_the_gap_accepted_when_asked_twice() {
    let (deployment, feed, config) = made_again("grown").await;
    produce(&feed, 1, 100..130);
    let served = deployment.serve(&config).ready();
    until("it is said", || served.log().contains("the message there is not the one that was read"));
    assert_eq!(deployment.consumed(), 5, "nothing is read past it");
    served.stop();

    let gap = format!("{feed}/0=8");
    let asked = deployment.run(&["offsets", "--state", "state", "--accept-gap", &gap]);
    let words = format!("give up 3 messages of {feed}/0");
    assert!(!asked.status.success() && text(&asked.stdout).contains(&words), "{}", text(&asked.stdout));
    assert_eq!(deployment.consumed(), 5, "asked once it changes nothing");
    let confirmed = ["offsets", "--state", "state", "--accept-gap", &gap, "--confirm", &words];
    assert!(deployment.done(&confirmed).contains("done"));
    let served = deployment.serve(&config).ready();
    until("it goes on from there", || deployment.consumed() == 30);
    served.stop();
    // What retention took is said by the same program.
    let mut list = rdkafka::TopicPartitionList::new();
    produce(&feed, 1, 130..140);
    list.add_partition_offset(&feed, 0, rdkafka::Offset::Offset(34)).unwrap();
    admin().delete_records(&list, &options()).await.unwrap();
    let served = deployment.serve(&config).ready();
    until("it is said", || served.log().contains("offsets 30 to 33 are gone"));
    served.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn check_says_what_the_broker_lacks_and_what_to_do() {
    let deployment = Deployment::new("check");
    deployment.config("serve.toml", r#""consume", "publish""#, "");
    let told = |expected: &[&str]| {
        let checked = deployment.run(&["check", "-c", "serve.toml"]);
        let said = text(&checked.stderr);
        assert!(!checked.status.success() && expected.iter().all(|words| said.contains(words)), "{said}");
    };
    told(&["QS-K003", "feed.school.v1", "create the topic"]);
    create_feeds(&deployment).await;
    assert!(deployment.done(&["check", "-c", "serve.toml"]).contains("fine"));
    let progress = format!("{}.progress.v1", deployment.prefix);
    let plain = NewTopic::new(&progress, 1, TopicReplication::Fixed(1)).set("cleanup.policy", "delete");
    admin().create_topics([&plain], &options()).await.unwrap().remove(0).unwrap();
    told(&["QS-K008", &progress, "cleanup.policy=delete", "compact"]);
    let config = fs::read_to_string(deployment.path("serve.toml")).unwrap();
    fs::write(deployment.path("serve.toml"), config.replace(&address(), "127.0.0.1:1")).unwrap();
    told(&["QS-K002", "127.0.0.1:1"]);
}
