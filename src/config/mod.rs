//! What an operator may set: one TOML file for `qianshao serve -c FILE`.
//!
//! Promises: every key has one entry in `keys`, from which it is read, refused, documented and shown; an unknown key
//! is refused with the one that was probably meant. Never: holds a secret. Secrets are files that it names.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Deserializer, de};

use crate::alert::Mode;
use crate::kafka::KafkaSettings;
use crate::problem::{Problem, codes};

pub use check::{check, check_pack};
pub use document::{documentation, example};
pub use read::parse;

pub mod keys;
mod read;
mod check;
mod document;

/// A configuration that was read: types are right, what it points at was not looked at yet (`check`).
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct Config {
    #[serde(with = "KafkaFields")]
    pub kafka: KafkaSettings,
    pub state: StateSection,
    pub folders: FoldersSection,
    pub identity: IdentitySection,
    pub epoch: EpochSection,
    pub detect: DetectSection,
    pub observe: ObserveSection,
    pub serve: ServeSection,
}

/// `KafkaSettings` as serde sees it.
#[derive(Deserialize)]
#[serde(remote = "KafkaSettings")]
struct KafkaFields {
    bootstrap_servers: String,
    security: std::collections::BTreeMap<String, String>,
    topic_prefix: String,
    group_id: String,
    group_instance_id: Option<String>,
    session_timeout_ms: u32,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct StateSection {
    pub folder: PathBuf,
}

/// Without a folder, what the program was built with.
#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct FoldersSection {
    pub feeds: Option<PathBuf>,
    pub rules: Option<PathBuf>,
    pub registers: Option<PathBuf>,
    pub codes: Option<PathBuf>,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct IdentitySection {
    /// Only `consume` needs it, and only `consume` should be able to read it.
    pub key_file: Option<PathBuf>,
    pub algorithm: Algorithm,
}

/// The hash function under the tokens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Algorithm {
    HmacSha256,
    HmacSm3,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct EpochSection {
    pub messages_max: usize,
    pub bytes_max: usize,
    pub wait_ms_min: u64,
    pub wait_ms_max: u64,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct DetectSection {
    pub pack: String,
    #[serde(deserialize_with = "mode")]
    pub mode: Mode,
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ObserveSection {
    /// None is `off`.
    #[serde(deserialize_with = "unless_off")]
    pub address: Option<SocketAddr>,
    pub log_format: LogFormat,
}

/// How a line of the log is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    Text,
    Json,
}

impl LogFormat {
    pub fn parse(word: &str) -> Option<Self> {
        match word {
            "text" => Some(Self::Text),
            "json" => Some(Self::Json),
            _ => None,
        }
    }
}

fn unless_off<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<SocketAddr>, D::Error> {
    match String::deserialize(deserializer)?.as_str() {
        "off" => Ok(None),
        address => address.parse().map(Some).map_err(de::Error::custom),
    }
}

#[derive(Clone, Debug, PartialEq, Deserialize)]
pub struct ServeSection {
    pub roles: Vec<Role>,
    pub sql_address: SocketAddr,
}

/// What a process may be told to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    Consume,
    Detect,
    Publish,
    Serve,
}

fn mode<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Mode, D::Error> {
    let word = String::deserialize(deserializer)?;
    Mode::parse(&word).ok_or_else(|| de::Error::custom(format!("no mode {word}")))
}

impl Config {
    /// Reads a configuration file; relative paths in it start at its own folder.
    pub fn load(file: &Path) -> Result<Self, Vec<Problem>> {
        let name = file.display().to_string();
        let text =
            std::fs::read_to_string(file).map_err(|error| vec![*Problem::new(codes::IO, &name, error.to_string())])?;
        // The parent of a bare file name is the empty path, which is no folder to the file system.
        let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        parse(&text, &name, folder)
    }

    pub fn has(&self, role: Role) -> bool {
        self.serve.roles.contains(&role)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Config, Vec<Problem>> {
        parse(text, "qianshao.toml", Path::new("/etc/qianshao"))
    }

    fn refusal(text: &str) -> Problem {
        let mut problems = read(text).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        problems.remove(0)
    }

    #[test]
    fn an_empty_file_is_every_default() {
        let config = read("").unwrap();
        assert_eq!(config.kafka, KafkaSettings::default());
        assert_eq!((config.epoch.messages_max, config.epoch.wait_ms_min), (20_000, 50));
        assert_eq!(config.serve.roles, [Role::Consume, Role::Detect, Role::Publish, Role::Serve]);
        assert_eq!((config.identity.algorithm, config.detect.mode), (Algorithm::HmacSha256, Mode::Actual));
        assert_eq!(config.folders.rules, None);
        assert_eq!(config.observe.address, Some("127.0.0.1:9180".parse().unwrap()));
    }

    #[test]
    fn the_shown_example_is_a_configuration() {
        let config = read(&example()).unwrap();
        assert_eq!(config.kafka.security.get("sasl.mechanism").map(String::as_str), Some("SCRAM-SHA-512"));
        assert_eq!(config.identity.key_file.as_deref(), Some(Path::new("/etc/qianshao/identity.key")));
    }

    #[test]
    fn an_unknown_key_is_refused_with_its_line_and_the_key_that_was_meant() {
        let problem = refusal("[kafka]\nbootstrap_severs = \"a:1\"\n");
        assert_eq!((problem.code.id, problem.at.as_str()), ("QS-C011", "qianshao.toml, line 2"));
        assert_eq!(problem.help, "did you mean kafka.bootstrap_servers?");
        assert_eq!(refusal("group_id = \"a\"").help, "did you mean kafka.group_id?");
        assert_eq!(refusal("[kafak]\ngroup_id = \"a\"").help, "did you mean [kafka]?");
        assert_eq!(refusal("[serve]\npack = \"base\"").help, "did you mean detect.pack?");
    }

    #[test]
    fn every_fault_of_a_file_is_told_at_once() {
        let problems = read("[epoch]\nmessages_max = 0\nbytes = 1\nwait_ms_min = \"soon\"").unwrap_err();
        let told: Vec<_> = problems.iter().map(|problem| (problem.code.id, problem.at.as_str())).collect();
        let at = |line| format!("qianshao.toml, line {line}");
        assert_eq!(told, [("QS-C012", &*at(2)), ("QS-C011", &*at(3)), ("QS-C012", &*at(4))]);
        assert!(problems[0].help.contains("from 1 to 1000000"), "{}", problems[0].help);
    }

    #[test]
    fn a_relative_path_starts_at_the_file() {
        let config = read("[state]\nfolder = \"state\"\n[kafka.security]\n\"ssl.ca.location\" = \"ca.pem\"").unwrap();
        assert_eq!(config.state.folder, Path::new("/etc/qianshao/state"));
        assert_eq!(config.kafka.security["ssl.ca.location"], "/etc/qianshao/ca.pem");
    }

    #[test]
    fn names_of_librdkafka_may_stand_without_quotes() {
        let config = read("[kafka.security]\nsecurity.protocol = \"PLAINTEXT\"").unwrap();
        assert_eq!(config.kafka.security["security.protocol"], "PLAINTEXT");
    }

    #[test]
    fn a_word_or_an_address_that_cannot_be_is_refused_with_those_that_can() {
        let problem = refusal("[detect]\nmode = \"drill\"");
        assert_eq!(problem.help, "one of: actual, exercise, replay, test");
        assert_eq!(refusal("[serve]\nroles = []").code.id, "QS-C012");
        assert_eq!(refusal("[serve]\nroles = [\"consume\", \"publsh\"]").help, "did you mean publish?");
        assert_eq!(refusal("[serve]\nsql_address = \"localhost\"").code.id, "QS-C012");
        assert_eq!(refusal("[serve").code.id, "QS-C010");
    }

    #[test]
    fn the_probes_can_be_switched_off_and_a_host_name_is_no_address() {
        assert_eq!(read("[observe]\naddress = \"off\"").unwrap().observe.address, None);
        assert_eq!(refusal("[observe]\naddress = \"localhost:9180\"").code.id, "QS-C012");
        assert_eq!(read("[observe]\nlog_format = \"json\"").unwrap().observe.log_format, LogFormat::Json);
    }

    #[test]
    fn the_words_of_the_keys_are_those_of_the_types() {
        assert!(keys::LOG_FORMATS.iter().all(|word| LogFormat::parse(word).is_some()));
        let modes: Vec<_> = Mode::ALL.iter().map(|mode| mode.word()).collect();
        assert_eq!(keys::MODES, modes);
        for key in keys::KEYS {
            assert!(keys::SECTIONS.iter().any(|(section, ..)| *section == key.section), "{}", key.path());
            assert!(!key.en.is_empty() && !key.zh.is_empty(), "{}", key.path());
            assert!(key.default.is_some() || key.example.is_some(), "{} shows nothing", key.path());
        }
    }
}
