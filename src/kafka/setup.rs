//! Topics: ours are created where they are missing, looked at where they are there.
//!
//! Promises: progress is one compacted partition and the newest alerts are compacted, or nothing is published.

use std::collections::BTreeSet;
use std::time::Duration;

use rdkafka::admin::{AdminClient, AdminOptions, NewTopic, ResourceSpecifier, TopicReplication};
use rdkafka::client::DefaultClientContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use crate::kafka::{KafkaSettings, Topics, blocking, trouble};
use crate::problem::{Problem, Result, codes};

const ADMIN_WAIT: Duration = Duration::from_secs(15);
/// A new topic is known to every broker within seconds.
const DESCRIBE_ATTEMPTS_MAX: u32 = 50;
const DESCRIBE_AGAIN: Duration = Duration::from_millis(100);
/// The broker's own default, for partitions and for replicas.
const BROKERS_DEFAULT: i32 = -1;

/// What was already ensured.
pub struct Setup {
    settings: KafkaSettings,
    topics: Topics,
    ready: BTreeSet<String>,
    /// Of topics that may have any number.
    partitions: i32,
    /// Says how long messages are kept, where the broker's own choice would be wrong.
    retention_ms: Option<&'static str>,
}

impl Setup {
    pub fn new(settings: &KafkaSettings) -> Self {
        Self {
            settings: settings.clone(),
            topics: settings.topics(),
            ready: BTreeSet::new(),
            partitions: BROKERS_DEFAULT,
            retention_ms: None,
        }
    }

    /// For the invented city's feeds: its partitions are named by their senders, and its days lie in the past, so a
    /// broker that judges age by the messages' own times would throw them away before they are read.
    pub fn of_the_past(settings: &KafkaSettings, partitions: i32) -> Self {
        Self { partitions, retention_ms: Some("-1"), ..Self::new(settings) }
    }

    /// After this every one of `names` is there and as it must be.
    pub async fn ensure(&mut self, names: impl IntoIterator<Item = String>) -> Result<()> {
        let missing: BTreeSet<String> = names.into_iter().filter(|name| !self.ready.contains(name)).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let settings = self.settings.clone();
        let (admin, there) = blocking(move || connect(&settings)).await??;
        for name in missing {
            // Looked for first: where topics are made by an administrator, asking to create one is already refused.
            let was_there = there.contains(&name) || self.create(&admin, &name).await?;
            if was_there && self.is_compacted(&name) {
                check_compaction(&admin, &name).await?;
            }
            self.ready.insert(name);
        }
        Ok(())
    }

    fn is_compacted(&self, name: &str) -> bool {
        name == self.topics.progress() || name == self.topics.current()
    }

    /// True if somebody else has created it meanwhile.
    async fn create(&self, admin: &AdminClient<DefaultClientContext>, name: &str) -> Result<bool> {
        let is_single = name == self.topics.progress() || name == self.topics.control();
        let partitions = if is_single { 1 } else { self.partitions };
        let mut topic = NewTopic::new(name, partitions, TopicReplication::Fixed(BROKERS_DEFAULT));
        if self.is_compacted(name) {
            topic = topic.set("cleanup.policy", "compact");
        }
        if let Some(retention_ms) = self.retention_ms {
            topic = topic.set("retention.ms", retention_ms);
        }
        let at = || format!("topic {name}");
        let created = admin.create_topics([&topic], &options()).await;
        match created.map_err(|error| trouble(codes::kafka::KAFKA_UNREACHABLE, at(), &error))?.pop() {
            None | Some(Ok(_)) => Ok(false),
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(true),
            Some(Err((_, code))) => Err(trouble(codes::kafka::TOPIC_MISSING, at(), &KafkaError::AdminOp(code))
                .help("let an administrator create it, or give this user Create on the cluster")),
        }
    }
}

/// What keeps these topics from being used: each that is missing, each of ours that is not as it must be.
pub async fn look(settings: &KafkaSettings, wanted: &[String]) -> Vec<Problem> {
    let setup = Setup::new(settings);
    let connecting = settings.clone();
    let connected = blocking(move || connect(&connecting)).await.and_then(|connected| connected);
    let (admin, there) = match connected {
        Ok(connected) => connected,
        Err(problem) => return vec![*problem],
    };
    let missing = wanted.iter().filter(|name| !there.contains(*name));
    let mut problems: Vec<Problem> = missing
        .map(|name| *Problem::new(codes::kafka::TOPIC_MISSING, format!("topic {name}"), "it is not there"))
        .collect();
    for name in there.iter().filter(|name| setup.is_compacted(name)) {
        problems.extend(check_compaction(&admin, name).await.err().map(|problem| *problem));
    }
    problems
}

/// An administrator's client, and the names of the topics that are there.
fn connect(settings: &KafkaSettings) -> Result<(AdminClient<DefaultClientContext>, BTreeSet<String>)> {
    let at = || format!("kafka {}", settings.bootstrap_servers);
    let admin: AdminClient<DefaultClientContext> =
        settings.admin()?.create().map_err(|error| trouble(codes::kafka::KAFKA_SETTING, at(), &error))?;
    let metadata = admin.inner().fetch_metadata(None, ADMIN_WAIT);
    let metadata = metadata.map_err(|error| trouble(codes::kafka::KAFKA_UNREACHABLE, at(), &error))?;
    let there = metadata.topics().iter().map(|topic| topic.name().to_owned()).collect();
    Ok((admin, there))
}

async fn check_compaction(admin: &AdminClient<DefaultClientContext>, name: &str) -> Result<()> {
    let mut policy = String::new();
    for _ in 0..DESCRIBE_ATTEMPTS_MAX {
        policy = cleanup_policy(admin, name).await?;
        // A broker that has not yet heard of a new topic describes it as having no settings at all.
        if !policy.is_empty() {
            break;
        }
        tokio::time::sleep(DESCRIBE_AGAIN).await;
    }
    if policy.split(',').any(|word| word.trim() == "compact") {
        return Ok(());
    }
    Err(Problem::new(codes::kafka::TOPIC_SHAPE, format!("topic {name}"), format!("cleanup.policy={policy}")))
}

async fn cleanup_policy(admin: &AdminClient<DefaultClientContext>, name: &str) -> Result<String> {
    let at = || format!("topic {name}");
    let described = admin.describe_configs([&ResourceSpecifier::Topic(name)], &options()).await;
    match described.map_err(|error| trouble(codes::kafka::KAFKA_UNREACHABLE, at(), &error))?.pop() {
        Some(Ok(resource)) => Ok(resource.get("cleanup.policy").and_then(|e| e.value.clone()).unwrap_or_default()),
        Some(Err(code)) => Err(trouble(codes::kafka::TOPIC_SHAPE, at(), &KafkaError::AdminOp(code))
            .help("give this user DescribeConfigs on the topic: it must see that the topic is compacted")),
        None => Ok(String::new()),
    }
}

fn options() -> AdminOptions {
    AdminOptions::new().request_timeout(Some(ADMIN_WAIT)).operation_timeout(Some(ADMIN_WAIT))
}
