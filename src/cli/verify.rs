//! `qianshao verify`: reads a state folder from its first byte to its last and names every file that is damaged.

use std::path::PathBuf;

use clap::Args;

use super::{say, say_error};
use crate::delta::verify::{Verified, verify};
use crate::problem::{Problem, Result};

#[derive(Args)]
pub struct Verify {
    /// The folder that `demo`, `replay` or `serve` keeps its tables in. 状态文件夹
    #[arg(long)]
    state: PathBuf,
    /// One JSON object instead of sentences. 以 JSON 输出
    #[arg(long)]
    json: bool,
}

pub fn run(wanted: &Verify) -> Result<bool> {
    let verified = verify(&wanted.state)?;
    let is_whole = verified.problems.is_empty();
    if wanted.json {
        say(&document(&verified).to_string());
        return Ok(is_whole);
    }
    verified.problems.iter().for_each(|problem| say_error(&problem.to_string()));
    for note in &verified.notes {
        say(&format!("note: {} / {}: {}", note.code.en, note.code.zh, note.at));
    }
    let Verified { entries, files, rows, bytes, .. } = verified;
    let read = format!("{entries} log entries, {files} data files, {rows} rows, {bytes} bytes");
    say(&match verified.problems.len() {
        0 => format!("{read}: nothing is damaged / 未发现损坏"),
        damaged => format!("{read}: {damaged} damaged / {damaged} 处损坏"),
    });
    Ok(is_whole)
}

fn document(verified: &Verified) -> serde_json::Value {
    let told = |problems: &[Problem]| -> serde_json::Value {
        let one = |problem: &Problem| {
            serde_json::json!({
                "code": problem.code.id, "reason": problem.code.reason, "at": problem.at,
                "found": problem.found, "help": problem.help,
            })
        };
        problems.iter().map(one).collect()
    };
    serde_json::json!({
        "entries": verified.entries, "files": verified.files, "rows": verified.rows, "bytes": verified.bytes,
        "problems": told(&verified.problems), "notes": told(&verified.notes),
    })
}
