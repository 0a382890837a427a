//! The one place that names Kafka's settings and our topics: every client of this program is configured here.
//!
//! Promises: a setting that is not on the list is refused in words; a reader never starts where it was not told to;
//! what we read of our own topics is committed. Never: holds a password in anything that can be printed.

use std::collections::BTreeMap;
use std::fmt;

use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::{ClientConfig, Statistics};

use crate::problem::{Code, Problem, Result, codes};

pub use topics::Topics;

pub mod seat;
pub mod resend;
pub mod setup;
pub mod topics;

/// What librdkafka may keep of messages not yet polled, over all partitions; its own 64 MB is filled by any backlog.
const PREFETCH_KBYTES: u32 = 24 * 1_024;
/// Messages that librdkafka keeps ready a partition; its own 100,000 means hundreds of megabytes after a night's pause.
const PREFETCH_MESSAGES: u32 = 10_000;
/// How long a broker waits for more bytes: half a second, the default, would be the floor of our latency.
const FETCH_WAIT_MS: u32 = 50;
/// A partition that was added is seen within this time; the default is five minutes.
const METADATA_REFRESH_MS: u32 = 10_000;
/// How long a dead publisher can hold up `read_committed` readers.
pub const TRANSACTION_TIMEOUT_MS: u32 = 30_000;
/// Must end before the transaction does, or its outcome would be decided by the broker's clock.
const MESSAGE_TIMEOUT_MS: u32 = 20_000;

/// How often a member of a group says which connections stand and where partitions end.
const STATISTICS_MS: u32 = 1_000;

/// librdkafka's names that the `[kafka.security]` table may hold, and no others.
pub const SECURITY_NAMES: [&str; 10] = [
    "sasl.mechanism",
    "sasl.password_file",
    "sasl.username",
    "security.protocol",
    "ssl.ca.location",
    "ssl.certificate.location",
    "ssl.endpoint.identification.algorithm",
    "ssl.key.location",
    "ssl.key.password_file",
    "client.id",
];

/// How to reach Kafka, as the configuration says it.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaSettings {
    /// `host:port,host:port`.
    pub bootstrap_servers: String,
    /// librdkafka's names; secrets only as `…_file`, so that a configuration can be shown.
    pub security: BTreeMap<String, String>,
    /// What every topic name begins with.
    pub topic_prefix: String,
    pub group_id: String,
    /// A member that comes back under this name within the session timeout keeps its partitions.
    pub group_instance_id: Option<String>,
    /// Not below 6,000 with a broker's own defaults; librdkafka's 45,000 would be 45 s without data after a crash.
    pub session_timeout_ms: u32,
}

impl Default for KafkaSettings {
    fn default() -> Self {
        Self {
            bootstrap_servers: "127.0.0.1:9092".to_owned(),
            security: BTreeMap::new(),
            topic_prefix: "qianshao".to_owned(),
            group_id: "qianshao".to_owned(),
            group_instance_id: None,
            session_timeout_ms: 6_000,
        }
    }
}

impl fmt::Debug for KafkaSettings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KafkaSettings")
            .field("bootstrap_servers", &self.bootstrap_servers)
            .field("security", &self.security.keys().collect::<Vec<_>>())
            .field("topic_prefix", &self.topic_prefix)
            .field("group_id", &self.group_id)
            .field("group_instance_id", &self.group_instance_id)
            .field("session_timeout_ms", &self.session_timeout_ms)
            .finish()
    }
}

impl KafkaSettings {
    /// The names of our topics.
    pub fn topics(&self) -> Topics {
        Topics { prefix: self.topic_prefix.clone() }
    }

    /// A member of the group that reads the feeds. Its offsets come from the log, never from Kafka.
    pub fn member(&self) -> Result<ClientConfig> {
        let mut config = self.reading()?;
        config
            .set("group.id", &self.group_id)
            .set("session.timeout.ms", self.session_timeout_ms.to_string())
            .set("heartbeat.interval.ms", (self.session_timeout_ms / 3).to_string())
            .set("statistics.interval.ms", STATISTICS_MS.to_string())
            .set("partition.assignment.strategy", "roundrobin");
        if let Some(instance) = &self.group_instance_id {
            config.set("group.instance.id", instance);
        }
        Ok(config)
    }

    /// A candidate for a seat: holding the control topic's partition is all it does in its group.
    pub fn candidate(&self, role: &str) -> Result<ClientConfig> {
        let mut config = self.member()?;
        // A name of its own would keep the seat for a process that has gone, until its session ends.
        config.remove("group.instance.id");
        config.set("group.id", format!("{}-{role}", self.group_id)).set("auto.offset.reset", "latest");
        Ok(config)
    }

    /// Reads partitions that we name, from offsets that we name, and says where they end.
    pub fn reader(&self) -> Result<ClientConfig> {
        let mut config = self.reading()?;
        // librdkafka asks for a group even where only partitions are assigned; this one never joins or commits.
        config.set("group.id", format!("{}-reader", self.group_id)).set("enable.partition.eof", "true");
        Ok(config)
    }

    /// The one writer of the alert topics: whoever starts with this id fences whoever had it before.
    pub fn publisher(&self, transactional_id: &str) -> Result<ClientConfig> {
        let mut config = self.producer()?;
        config
            .set("transactional.id", transactional_id)
            .set("transaction.timeout.ms", TRANSACTION_TIMEOUT_MS.to_string())
            .set("message.timeout.ms", MESSAGE_TIMEOUT_MS.to_string());
        Ok(config)
    }

    /// Writes without transactions: a simulated city, a retried message.
    pub fn producer(&self) -> Result<ClientConfig> {
        let mut config = self.common()?;
        config
            .set("enable.idempotence", "true")
            .set("linger.ms", "5")
            .set("compression.type", "lz4")
            // Java's choice: a key lies in the same partition whoever wrote it.
            .set("partitioner", "murmur2_random");
        Ok(config)
    }

    /// Creates and inspects topics.
    pub fn admin(&self) -> Result<ClientConfig> {
        self.common()
    }

    fn reading(&self) -> Result<ClientConfig> {
        let mut config = self.common()?;
        config
            // `largest`, the default, is a silent loss when an offset is gone.
            .set("auto.offset.reset", "error")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            .set("isolation.level", "read_committed")
            .set("queued.max.messages.kbytes", PREFETCH_KBYTES.to_string())
            .set("queued.min.messages", PREFETCH_MESSAGES.to_string())
            .set("fetch.max.bytes", (PREFETCH_KBYTES * 1_024).to_string())
            .set("fetch.wait.max.ms", FETCH_WAIT_MS.to_string())
            .set("fetch.queue.backoff.ms", "50");
        Ok(config)
    }

    fn common(&self) -> Result<ClientConfig> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.bootstrap_servers)
            .set("client.id", "qianshao")
            .set("topic.metadata.refresh.interval.ms", METADATA_REFRESH_MS.to_string())
            .set("reconnect.backoff.max.ms", "2000")
            .set("log.connection.close", "false")
            .set_log_level(RDKafkaLogLevel::Warning);
        for (name, value) in &self.security {
            self.secure(&mut config, name, value)?;
        }
        Ok(config)
    }

    fn secure(&self, config: &mut ClientConfig, name: &str, value: &str) -> Result<()> {
        if !SECURITY_NAMES.contains(&name) {
            return Err(unknown_name(name));
        }
        if name == "security.protocol" && !cfg!(feature = "tls") && value.to_ascii_uppercase().contains("SSL") {
            return Err(Problem::new(codes::kafka::KAFKA_SETTING, "kafka.security, security.protocol", value).help(
                "this program was built without TLS: build it with `cargo build --features tls` (needs OpenSSL)",
            ));
        }
        match name.strip_suffix("_file") {
            Some(secret) => {
                let text = std::fs::read_to_string(value).map_err(|error| {
                    Problem::new(codes::IO, format!("kafka.security, {name}"), format!("{value}: {error}"))
                })?;
                config.set(secret, text.trim_end_matches(['\r', '\n']));
            }
            None => {
                config.set(name, value);
            }
        }
        Ok(())
    }
}

fn unknown_name(name: &str) -> Box<Problem> {
    let nearest = SECURITY_NAMES
        .iter()
        .map(|known| (strsim::damerau_levenshtein(name, known), *known))
        .min()
        .filter(|(distance, _)| *distance <= 6);
    let help = match nearest {
        Some((_, known)) => format!("did you mean {known}? A secret is given as the file that holds it"),
        None => format!("one of: {}", SECURITY_NAMES.join(", ")),
    };
    Problem::new(codes::kafka::KAFKA_SETTING, "kafka.security", format!("the name {name}")).help(help)
}

/// Connections to brokers that stand.
pub fn brokers_up(statistics: &Statistics) -> usize {
    statistics.brokers.values().filter(|broker| ["UP", "UPDATE"].contains(&broker.state.as_str())).count()
}

/// A failure of librdkafka, told to a person.
pub fn trouble(code: Code, at: impl Into<String>, error: &KafkaError) -> Box<Problem> {
    Problem::new(code, at, error.to_string())
}

/// Runs what waits for Kafka on a thread that may wait.
pub async fn blocking<T: Send + 'static>(act: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let done = tokio::task::spawn_blocking(act).await;
    done.map_err(|error| {
        Problem::new(codes::kafka::KAFKA_UNREACHABLE, "a thread that waits for Kafka", error.to_string())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_off_the_list_is_refused_with_the_nearest_name() {
        let security = BTreeMap::from([("sasl.mechansim".to_owned(), "PLAIN".to_owned())]);
        let problem = KafkaSettings { security, ..KafkaSettings::default() }.member().unwrap_err();
        assert_eq!(problem.code.id, "QS-K001");
        assert!(problem.help.contains("sasl.mechanism?"), "{}", problem.help);
    }

    #[test]
    fn a_secret_is_read_from_its_file_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("password");
        std::fs::write(&file, "open sesame\n").unwrap();
        let security = BTreeMap::from([("sasl.password_file".to_owned(), file.display().to_string())]);
        let settings = KafkaSettings { security, ..KafkaSettings::default() };
        assert_eq!(settings.member().unwrap().get("sasl.password"), Some("open sesame"));
        assert!(!format!("{settings:?}").contains("sesame"));
    }

    #[test]
    fn a_reader_never_starts_where_it_was_not_told_to() {
        let config = KafkaSettings::default().member().unwrap();
        assert_eq!(config.get("auto.offset.reset"), Some("error"));
        assert_eq!(config.get("enable.auto.commit"), Some("false"));
        assert_eq!(config.get("session.timeout.ms"), Some("6000"));
    }
}
