//! `qianshao detect METHOD`: one detector over one series, CSV in, CSV out.

use std::io::Read;
use std::path::{Path, PathBuf};

use clap::Args;

use super::{io, say};
use crate::detectors::command::detect;
use crate::detectors::command::series::Series;
use crate::problem::{Problem, Result, codes};

#[derive(Args)]
pub struct Detect {
    /// One of docs/detectors.md, for example ears_c2. 方法
    method: String,
    /// NAME=VALUE, in the spelling of the reference or in ours. 参数
    #[arg(long = "param", value_name = "NAME=VALUE", num_args = 1..)]
    params: Vec<String>,
    /// CSV with t, observed and what the method needs; without it standard input is read. 输入文件
    #[arg(long)]
    input: Option<PathBuf>,
}

/// What a file holds, or standard input, and what it is called.
pub fn bytes(input: Option<&Path>) -> Result<(String, Vec<u8>)> {
    match input {
        Some(path) => Ok((path.display().to_string(), std::fs::read(path).map_err(|error| io(path, &error))?)),
        None => {
            let mut bytes = Vec::new();
            let read = std::io::stdin().lock().read_to_end(&mut bytes);
            read.map_err(|error| io(Path::new("standard input"), &error))?;
            Ok(("standard input".to_owned(), bytes))
        }
    }
}

pub fn run(wanted: &Detect) -> Result<bool> {
    let (name, bytes) = bytes(wanted.input.as_deref())?;
    let series = Series::read(&bytes).map_err(|found| {
        Problem::new(codes::ARGUMENT, name, found).help("CSV with the columns t, observed: docs/detectors.md")
    })?;
    let answer = detect(&wanted.method, &wanted.params, &series).map_err(|found| {
        let at = format!("detect {}", wanted.method);
        Problem::new(codes::ARGUMENT, at, found).help("docs/detectors.md lists methods and parameters")
    })?;
    say(answer.csv().trim_end());
    Ok(true)
}
