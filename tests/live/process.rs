//! The program itself, started as people start it, and stopped as people and machines stop it.

use std::fs;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use crate::broker::address;

/// A debug build on two busy cores needs this long for what takes seconds alone.
const PATIENCE: Duration = Duration::from_secs(120);

/// A folder with a configuration, a key and a state, and the prefix that nobody else uses.
pub struct Deployment {
    pub folder: tempfile::TempDir,
    pub prefix: String,
    pub port: u16,
}

impl Deployment {
    pub fn new(word: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let prefix = crate::broker::settings(word).topic_prefix;
        let mut options = fs::OpenOptions::new();
        let key = options.create(true).write(true).mode(0o600).open(folder.path().join("identity.key")).unwrap();
        std::io::Write::write_all(&mut &key, "5a".repeat(32).as_bytes()).unwrap();
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self { folder, prefix, port }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// A configuration of these roles; `more` is further TOML.
    pub fn config(&self, name: &str, roles: &str, more: &str) -> PathBuf {
        let (servers, prefix, port) = (address(), &self.prefix, self.port);
        let text = format!(
            "[kafka]\nbootstrap_servers = \"{servers}\"\ntopic_prefix = \"{prefix}\"\ngroup_id = \"{prefix}\"\n\
             [state]\nfolder = \"state\"\n[identity]\nkey_file = \"identity.key\"\n[detect]\npack = \"2021-CF\"\n\
             [observe]\naddress = \"127.0.0.1:0\"\n[serve]\nroles = [{roles}]\nsql_address = \"127.0.0.1:{port}\"\n{more}"
        );
        let file = self.path(name);
        fs::write(&file, text).unwrap();
        file
    }

    /// Runs a verb in the folder, to its end.
    pub fn run(&self, words: &[&str]) -> Output {
        program(self.folder.path(), words).output().unwrap()
    }

    /// The same, where it must succeed; its standard output.
    pub fn done(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    /// Starts `serve` and waits until it says that it is ready.
    pub fn serve(&self, config: &Path) -> Served {
        let name = config.file_stem().unwrap().to_str().unwrap();
        let number = fs::read_dir(self.folder.path()).unwrap().count();
        let (said, log) = (self.path(&format!("{name}-{number}.out")), self.path(&format!("{name}-{number}.log")));
        let child = program(self.folder.path(), &["serve", "-c", config.to_str().unwrap()])
            .stdout(fs::File::create(&said).unwrap())
            .stderr(fs::File::create(&log).unwrap())
            .spawn()
            .unwrap();
        Served { child, said, log }
    }

    /// Offsets of the log, added up.
    pub fn consumed(&self) -> i64 {
        let shown = self.run(&["offsets", "--state", "state"]);
        let offsets = text(&shown.stdout);
        let next = |line: &str| line.split_whitespace().nth(2)?.parse::<i64>().ok();
        offsets.lines().filter(|line| line.contains(".feed.")).filter_map(next).sum()
    }

    /// One column of a query's answer.
    pub fn ask(&self, query: &str) -> Vec<String> {
        let answer = self.done(&["sql", "--state", "state", "--format", "csv", "-c", query]);
        answer.lines().skip(1).map(str::to_owned).collect()
    }
}

fn program(folder: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_qianshao"));
    command.current_dir(folder).args(words).stdin(Stdio::null());
    command
}

pub fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A running `serve`; one that is dropped is killed.
pub struct Served {
    child: Child,
    said: PathBuf,
    log: PathBuf,
}

impl Served {
    pub fn ready(mut self) -> Self {
        until("it is ready", || {
            assert!(self.child.try_wait().unwrap().is_none(), "it ended: {}", self.log());
            self.lines().contains("ready / ")
        });
        self
    }

    /// Both of its outputs.
    pub fn lines(&self) -> String {
        fs::read_to_string(&self.said).unwrap() + &self.log()
    }

    /// Where it answers probes, as soon as it says so.
    pub fn probes(&self) -> String {
        const WORDS: &str = "probes and metrics on ";
        until("it says where it is asked", || self.lines().contains(WORDS));
        let lines = self.lines();
        let (_, rest) = lines.split_once(WORDS).unwrap();
        rest.chars().take_while(|c| c.is_ascii_digit() || matches!(c, '.' | ':')).collect()
    }

    /// Status and body of one of its pages, asked as a scraper asks.
    pub fn page(&self, path: &str) -> (u16, String) {
        let mut socket = TcpStream::connect(self.probes()).unwrap();
        write!(socket, "GET {path} HTTP/1.1\r\nHost: probe\r\n\r\n").unwrap();
        let mut answer = String::new();
        socket.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap();
        (head.split(' ').nth(1).unwrap().parse().unwrap(), body.to_owned())
    }

    pub fn log(&self) -> String {
        fs::read_to_string(&self.log).unwrap()
    }

    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Everything that it said, after it was told to end.
    pub fn lines_to_the_end(self) -> String {
        let (said, log) = (self.said.clone(), self.log.clone());
        self.stop();
        fs::read_to_string(said).unwrap() + &fs::read_to_string(log).unwrap()
    }

    /// As a service manager does it.
    pub fn stop(mut self) {
        Command::new("kill").args(["-TERM", &self.child.id().to_string()]).status().unwrap();
        let ended = self.child.wait().unwrap();
        assert!(ended.success(), "{ended}: {}", self.log());
    }
}

impl Drop for Served {
    fn drop(&mut self) {
        // It may have ended already, which is as good.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Waits for what must come.
#[expect(clippy::disallowed_methods, reason = "a process outside answers in its own time")]
pub fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(200));
    }
}
