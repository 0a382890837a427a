//! Every problem this system can tell a person about, one entry each; docs/problems.md is written from here.

pub mod config;
pub mod field;
pub mod folder;
pub mod kafka;
pub mod log;
pub mod message;
pub mod normalize;
pub mod observe;
pub mod rule;
pub mod sql;

/// A problem's code: stable for ever once released.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Code {
    /// `QS-D001`: D decode and normalize, F feed folders, R rules, L log, K Kafka, P publish, O a running process, C configuration and command line, S SQL.
    pub id: &'static str,
    /// The word in `quarantine.reason`.
    pub reason: &'static str,
    pub en: &'static str,
    pub zh: &'static str,
    /// What to do, where the place of the problem knows nothing better.
    pub help: &'static str,
}

pub const IO: Code = Code {
    id: "QS-C001",
    reason: "io",
    en: "a file or folder could not be read or written",
    zh: "文件或文件夹无法读写",
    help: "check that the path exists and that this user may read and write it",
};

pub const ARGUMENT: Code = Code {
    id: "QS-C002",
    reason: "argument",
    en: "an argument is not understood",
    zh: "命令行参数无法识别",
    help: "`qianshao help` lists verbs and options",
};

pub const ALL: &[Code] = &[IO, ARGUMENT];

/// Every code, in the order of docs/problems.md.
pub fn every() -> impl Iterator<Item = &'static Code> {
    [
        ALL,
        config::ALL,
        field::ALL,
        folder::ALL,
        kafka::ALL,
        log::ALL,
        message::ALL,
        normalize::ALL,
        observe::ALL,
        rule::ALL,
        sql::ALL,
    ]
    .into_iter()
    .flatten()
}
