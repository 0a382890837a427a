//! Everything that the program says to whoever asks it, on record: listings, explanations, answers and errors in SQL.
//!
//! The program's own `replay` takes the same messages in once more, so that its log at debug level is searched too.

use std::collections::BTreeMap;
use std::fs::OpenOptions;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use qianshao::simulate::Outgoing;

/// Questions whose answers or errors could repeat a stored value.
const QUESTIONS: &[&str] = &[
    "SELECT * FROM signals",
    "SELECT * FROM quarantine",
    "SELECT * FROM alert_history",
    "SELECT CAST(person_key AS BIGINT) FROM signals",
    "SELECT CAST(unit_id AS DATE) FROM signals",
    "SELECT CAST(found AS BIGINT) FROM quarantine",
    "SELECT CAST(body_shape AS DATE) FROM quarantine",
    "SELECT 1 / (value - value) FROM signals",
    "SELECT to_timestamp(record_key) FROM signals",
    "SELECT arrow_cast(person_key, 'Int8') FROM signals",
    "SELECT * FROM signals WHERE person_key = 1 / 0",
    "SELECT nothing FROM signals",
    "EXPLAIN ANALYZE SELECT * FROM signals WHERE person_key LIKE '%1%'",
];
const OTHER_YEAR: &str = "2018-";
/// Quarantined messages that are shown one by one.
const SHOWN: usize = 12;

/// Asks the program about `folder`, into its `logs/`; `given` takes what must be read but is not to be searched.
pub fn everything(folder: &Path, messages: &[Outgoing], given: &Path) {
    let state = folder.join("state");
    let state = state.to_str().unwrap();
    let ask = |arguments: &[&str]| said(folder, env!("CARGO_BIN_EXE_qianshao"), arguments);
    for question in QUESTIONS {
        ask(&["sql", "--state", state, "-c", question, "--format", "ndjson"]);
    }
    let list = ask(&["quarantine", "list", "--state", state]);
    let places: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert!(places.len() > 1_000, "{} quarantined messages listed", places.len());
    for place in places.iter().step_by(places.len() / SHOWN) {
        ask(&["quarantine", "show", place, "--state", state]);
    }
    let ids = ask(&["sql", "--state", state, "-c", "SELECT alert_id FROM alerts LIMIT 5", "--format", "csv"]);
    assert!(ids.lines().count() > 1, "no alert to explain");
    ids.lines().skip(1).for_each(|id| drop(ask(&["alert", "why", id, "--state", state])));
    replay(folder, messages, given);
    psql(folder, state, given);
}

/// Runs a command and keeps what it says on both outputs; answers the first.
fn said(folder: &Path, program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).env("QIANSHAO_LOG", "debug").output().unwrap();
    keep(folder, &output.stdout);
    keep(folder, &output.stderr);
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn keep(folder: &Path, bytes: &[u8]) {
    let file = OpenOptions::new().create(true).append(true).open(folder.join("logs/asked.log"));
    std::io::Write::write_all(&mut file.unwrap(), bytes).unwrap();
}

/// The same bodies as files, where a line can hold them.
fn replay(folder: &Path, messages: &[Outgoing], given: &Path) {
    std::fs::create_dir_all(given).unwrap();
    let mut files: BTreeMap<&str, String> = BTreeMap::new();
    for message in messages {
        let feed = message.topic.split('.').nth(2).unwrap();
        let Some(Ok(text)) = message.payload.as_deref().map(std::str::from_utf8) else { continue };
        // One example is a case of another year: a replay would go through every day between.
        if !text.contains('\n') && !text.contains(OTHER_YEAR) {
            let lines = files.entry(feed).or_default();
            lines.push_str(text);
            lines.push('\n');
        }
    }
    // Any kind of the feed names its topic; which kind a line is of, the decoder finds out.
    let schemas = Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/feeds");
    let mut arguments = vec!["replay".to_owned(), "--state".to_owned()];
    arguments.push(folder.join("replayed").to_str().unwrap().to_owned());
    for (feed, text) in files {
        let path = given.join(format!("{feed}.ndjson"));
        std::fs::write(&path, text).unwrap();
        let kinds = std::fs::read_dir(schemas.join(feed)).unwrap().map(|entry| entry.unwrap().file_name());
        let kind = kinds.min().unwrap();
        arguments.push(format!("{feed}/{}={}", kind.to_string_lossy(), path.display()));
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let said = said(folder, env!("CARGO_BIN_EXE_qianshao"), &arguments);
    assert!(said.contains(" messages, "), "replay said {said}");
}

/// The SQL port of a process of its own, asked by psql.
fn psql(folder: &Path, state: &str, given: &Path) {
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let config = given.join("serve.toml");
    let text = format!(
        "[kafka]\nbootstrap_servers = \"127.0.0.1:1\"\n[state]\nfolder = \"{state}\"\n[observe]\naddress = \"127.0.0.1:0\"\n[serve]\nroles = [\"serve\"]\nsql_address = \"{free}\"\n"
    );
    std::fs::write(&config, text).unwrap();
    let log = OpenOptions::new().create(true).append(true).open(folder.join("logs/serve.log")).unwrap();
    let mut serve = Command::new(env!("CARGO_BIN_EXE_qianshao"))
        .args(["serve", "-c", config.to_str().unwrap()])
        .env("QIANSHAO_LOG", "debug")
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()
        .unwrap();
    let lines = BufReader::new(serve.stdout.take().unwrap()).lines();
    assert!(lines.map_while(Result::ok).any(|line| line.starts_with("ready")), "serve did not start");
    let port = free.port().to_string();
    for question in QUESTIONS.iter().chain(&["\\d signals", "\\copy signals TO STDOUT"]) {
        let arguments =
            ["-h", "127.0.0.1", "-p", &port, "-U", "analyst", "-v", "VERBOSITY=verbose", "qianshao", "-c", question];
        said(folder, "psql", &arguments);
    }
    let answer = said(
        folder,
        "psql",
        &["-h", "127.0.0.1", "-p", &port, "-U", "analyst", "-At", "qianshao", "-c", "SELECT count(*) FROM signals"],
    );
    assert!(answer.trim().parse::<i64>().is_ok_and(|rows| rows > 0), "psql answered {answer:?}");
    serve.kill().unwrap();
    serve.wait().unwrap();
}
