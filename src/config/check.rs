//! What a configuration points at: folders, files, addresses. Every fault at once, each with its remedy.
//!
//! Promises: looks without changing anything; a file that it writes to try a folder is gone when it answers.
//! Never: connects to anything.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;

use crate::problem::codes::config::{
    CONFIG_MISSING, CONFIG_VALUE, FOLDER_ABSENT, SECRET_FILE, SQL_ADDRESS, STATE_FOLDER, UNKNOWN_PACK,
};
use crate::problem::{Problem, Result, codes};

use super::{Config, Role};

/// Kafka's own limit for a topic name is 249; the rest of our longest name and a feed's name must fit behind the prefix.
const TOPIC_PREFIX_CHARACTERS_MAX: usize = 100;

/// Everything that would stop `serve`, or that somebody should not have left so.
pub fn check(config: &Config) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut note = |found: Result<()>| problems.extend(found.err().map(|problem| *problem));
    note(servers(&config.kafka.bootstrap_servers));
    note(prefix(&config.kafka.topic_prefix));
    for (name, file) in config.kafka.security.iter().filter(|(name, _)| name.ends_with("_file")) {
        note(secret(&format!("kafka.security, {name}"), Path::new(file)));
    }
    // Says what is wrong with names and values of `kafka.security`; nothing is connected.
    note(
        config
            .kafka
            .member()
            .map(drop)
            .or_else(|problem| if problem.code == codes::IO { Ok(()) } else { Err(problem) }),
    );
    note(state(config));
    for (name, folder) in [
        ("folders.feeds", &config.folders.feeds),
        ("folders.rules", &config.folders.rules),
        ("folders.registers", &config.folders.registers),
        ("folders.codes", &config.folders.codes),
    ] {
        if let Some(folder) = folder.as_ref().filter(|folder| !folder.is_dir()) {
            note(Err(Problem::new(FOLDER_ABSENT, name, folder.display().to_string())));
        }
    }
    note(key_file(config));
    note(epoch(config));
    note(sql_address(config));
    problems
}

/// Whether the pack is one of those that were loaded; the configuration itself cannot know them.
pub fn check_pack<'a>(config: &Config, known: impl IntoIterator<Item = &'a str>) -> Option<Problem> {
    let pack = config.detect.pack.as_str();
    let known: Vec<&str> = known.into_iter().collect();
    if known.contains(&pack) {
        return None;
    }
    let help = if known.is_empty() {
        "the rules folder holds no pack: correct folders.rules".to_owned()
    } else {
        format!("one of: {}", known.join(", "))
    };
    Some(*Problem::new(UNKNOWN_PACK, "detect.pack", pack).help(help))
}

fn servers(servers: &str) -> Result<()> {
    for server in servers.split(',').map(str::trim) {
        let port = server.rsplit_once(':').filter(|(host, _)| !host.is_empty()).map(|(_, port)| port.parse::<u16>());
        if !matches!(port, Some(Ok(1..))) {
            return Err(Problem::new(CONFIG_VALUE, "kafka.bootstrap_servers", format!("the server {server}"))
                .help("host:port, several separated by commas"));
        }
    }
    Ok(())
}

fn prefix(prefix: &str) -> Result<()> {
    let is_plain = prefix.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-'));
    if is_plain && !prefix.is_empty() && prefix.len() <= TOPIC_PREFIX_CHARACTERS_MAX {
        return Ok(());
    }
    let help = format!("letters, digits, `.`, `_` and `-`, at most {TOPIC_PREFIX_CHARACTERS_MAX}");
    Err(Problem::new(CONFIG_VALUE, "kafka.topic_prefix", prefix).help(help))
}

/// `consume` and `detect` write the log; the other roles only read it.
fn state(config: &Config) -> Result<()> {
    let folder = &config.state.folder;
    let refuse = |found: String| Problem::new(STATE_FOLDER, "state.folder", format!("{}: {found}", folder.display()));
    let writes = config.has(Role::Consume) || config.has(Role::Detect);
    if !writes {
        let listed = fs::read_dir(folder).map(drop);
        return listed.map_err(|error| {
            refuse(error.to_string()).help("start a process with the role consume first, on the same folder")
        });
    }
    // A first start makes the folder: then the nearest one above it must let us.
    let standing = folder.ancestors().find(|folder| folder.exists()).unwrap_or(folder);
    if !standing.is_dir() {
        return Err(refuse(format!("{} is not a folder", standing.display())));
    }
    let trial = standing.join(format!(".qianshao-check-{}", std::process::id()));
    fs::write(&trial, b"").and_then(|()| fs::remove_file(&trial)).map_err(|error| {
        refuse(error.to_string()).help(format!(
            "let this user write to {}: chown it, or name another folder; a full disk says the same",
            standing.display()
        ))
    })
}

fn key_file(config: &Config) -> Result<()> {
    match &config.identity.key_file {
        // Whoever does not need the key should not be able to read it; that is not ours to test.
        _ if !config.has(Role::Consume) => Ok(()),
        None => Err(Problem::new(CONFIG_MISSING, "identity.key_file", "nothing, and the role consume needs it")
            .help("make a key once and keep it: `(umask 077; openssl rand -hex 32 > identity.key)`")),
        Some(file) => secret("identity.key_file", file),
    }
}

fn secret(at: &str, file: &Path) -> Result<()> {
    let refuse = |found: String| Problem::new(SECRET_FILE, at, format!("{}: {found}", file.display()));
    let metadata = fs::metadata(file).and_then(|metadata| fs::File::open(file).map(|_| metadata));
    let metadata = metadata.map_err(|error| match error.kind() {
        ErrorKind::NotFound => refuse("no such file".to_owned()).help("create it, or correct the path"),
        _ => refuse(error.to_string()),
    })?;
    if metadata.is_dir() {
        return Err(refuse("a folder".to_owned()).help("name the file in it"));
    }
    open_to_others(&metadata)
        .map_or(Ok(()), |mode| Err(refuse(format!("mode {mode:03o}")).help(format!("chmod 600 {}", file.display()))))
}

#[cfg(unix)]
fn open_to_others(metadata: &fs::Metadata) -> Option<u32> {
    use std::os::unix::fs::PermissionsExt;
    let mode = metadata.permissions().mode() & 0o777;
    (mode & 0o077 != 0).then_some(mode)
}

#[cfg(not(unix))]
fn open_to_others(_: &fs::Metadata) -> Option<u32> {
    None
}

fn epoch(config: &Config) -> Result<()> {
    let (min, max) = (config.epoch.wait_ms_min, config.epoch.wait_ms_max);
    if min <= max {
        return Ok(());
    }
    let found = format!("epoch.wait_ms_min = {min}, epoch.wait_ms_max = {max}");
    Err(Problem::new(CONFIG_VALUE, "epoch", found).help("let the wait under backlog be at least the one when idle"))
}

fn sql_address(config: &Config) -> Result<()> {
    let address = config.serve.sql_address;
    if !config.has(Role::Serve) || address.ip().is_loopback() {
        return Ok(());
    }
    Err(Problem::new(SQL_ADDRESS, "serve.sql_address", address.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration in a folder of its own in which nothing is wrong.
    fn sound(folder: &Path, more: &str) -> Config {
        let key = folder.join("identity.key");
        fs::write(&key, "00".repeat(32)).unwrap();
        chmod(&key, 0o600);
        let keys = "[state]\nfolder = \"state\"\n[identity]\nkey_file = \"identity.key\"\n";
        super::super::parse(&format!("{keys}{more}"), "test", folder).unwrap()
    }

    fn chmod(file: &Path, mode: u32) {
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(file, fs::Permissions::from_mode(mode)).unwrap();
    }

    fn told(config: &Config) -> Vec<(&'static str, String)> {
        check(config).into_iter().map(|problem| (problem.code.id, problem.at)).collect()
    }

    #[test]
    fn a_sound_configuration_says_nothing_and_leaves_nothing_behind() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(told(&sound(folder.path(), "")), []);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "the key");
    }

    #[test]
    fn a_key_that_others_may_read_is_told_with_the_command_that_closes_it() {
        let folder = tempfile::tempdir().unwrap();
        let config = sound(folder.path(), "");
        let key = folder.path().join("identity.key");
        chmod(&key, 0o640);
        let problems = check(&config);
        assert_eq!((problems.len(), problems[0].code.id), (1, "QS-C016"));
        assert_eq!(problems[0].help, format!("chmod 600 {}", key.display()));
        fs::remove_file(&key).unwrap();
        assert!(check(&config)[0].found.ends_with("no such file"));
    }

    #[test]
    fn only_consume_asks_for_the_key_and_only_writers_for_a_folder_that_can_be_written() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("state"), "a file in the way").unwrap();
        let mut config = sound(folder.path(), "");
        config.identity.key_file = None;
        let told_of = |config: &Config| told(config).into_iter().map(|(id, _)| id).collect::<Vec<_>>();
        assert_eq!(told_of(&config), ["QS-C014", "QS-C013"]);
        config.state.folder = folder.path().to_owned();
        config.serve.roles = vec![Role::Publish, Role::Serve];
        assert_eq!(told(&config), []);
    }

    #[test]
    fn what_it_names_must_be_there_and_what_it_opens_must_stay_here() {
        let folder = tempfile::tempdir().unwrap();
        let more = "[folders]\nrules = \"rulez\"\n[serve]\nsql_address = \"0.0.0.0:5433\"\n\
                    [kafka]\nbootstrap_servers = \"a:1,b\"\ntopic_prefix = \"a/b\"\n[epoch]\nwait_ms_min = 2000";
        let ids: Vec<_> = told(&sound(folder.path(), more)).into_iter().map(|(id, _)| id).collect();
        assert_eq!(ids, ["QS-C012", "QS-C012", "QS-C015", "QS-C012", "QS-C018"]);
    }

    #[test]
    fn a_misspelt_security_name_and_a_missing_password_file_are_told_once_each() {
        let folder = tempfile::tempdir().unwrap();
        let more = "[kafka.security]\n\"sasl.mechansim\" = \"PLAIN\"\n\"sasl.password_file\" = \"absent\"";
        let ids: Vec<_> = told(&sound(folder.path(), more)).into_iter().map(|(id, _)| id).collect();
        assert_eq!(ids, ["QS-C016", "QS-K001"]);
    }

    #[test]
    fn a_pack_that_was_not_loaded_is_refused_with_those_that_were() {
        let folder = tempfile::tempdir().unwrap();
        let config = sound(folder.path(), "[detect]\npack = \"2012\"");
        assert_eq!(check_pack(&config, ["2012"]), None);
        assert_eq!(check_pack(&config, ["a", "b"]).unwrap().help, "one of: a, b");
    }
}
