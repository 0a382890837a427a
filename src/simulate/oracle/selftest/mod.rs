//! The test of the tester: faults planted in copies of a finished run, each of which must be named.
//!
//! Promises: the run itself is judged first and must be clean; every copy has exactly one thing wrong with it.
//! Never: touches the run it was given.

mod alerts;
mod edit;
mod plants;

use std::fs;
use std::path::{Path, PathBuf};

use super::{Fault, Input, Run, Verdict, judge, ledger, read_run};

#[cfg(test)]
pub(super) use edit::{add_line, append_entry, write_parquet};

/// A name that no city has, written into a log line of one copy.
const CANARY: &str = "欧阳前哨 Ouyang Qianshao";

/// What became of one planted fault.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Planted {
    pub planted: &'static str,
    /// Kind and place were named.
    pub named: bool,
    /// Where it was planted, or why it could not be.
    pub place: String,
    /// The fault that named it, or the first of those that did not.
    pub found: Option<Fault>,
    pub faults: usize,
}

/// One way of being wrong.
struct Plant {
    name: &'static str,
    /// Checks and kinds that name it.
    named_by: &'static [(&'static str, &'static str)],
    plant: fn(&Scene<'_>) -> Result<String, String>,
}

/// A copy to plant in, and what the run says before.
struct Scene<'a> {
    state: PathBuf,
    topic: PathBuf,
    logs: PathBuf,
    run: &'a Run,
}

impl Scene<'_> {
    fn table(&self, name: &str) -> PathBuf {
        self.state.join("tables").join(name)
    }
}

impl Input {
    /// A finished run in one folder: `ledger.ndjson`, `topic.ndjson`, `state/` and, if any, `logs/`.
    pub fn in_folder(folder: &Path) -> Self {
        let logs = folder.join("logs");
        Self {
            ledger: folder.join("ledger.ndjson"),
            state: folder.join("state"),
            topic: Some(folder.join("topic.ndjson")),
            logs: logs.exists().then_some(logs),
            canaries: Vec::new(),
        }
    }
}

/// Plants every fault in a copy below `scratch` and judges it. An error says that the run itself is not clean.
pub fn selftest(finished_run: &Path, scratch: &Path) -> Result<Vec<Planted>, String> {
    selftest_of(&Input::in_folder(finished_run), scratch)
}

/// The same for a run whose parts stand in several places.
pub fn selftest_of(input: &Input, scratch: &Path) -> Result<Vec<Planted>, String> {
    let clean = judge(input)?;
    if let Some(first) = clean.faults.first() {
        return Err(format!("the run has {} faults before any is planted, the first: {first:?}", clean.faults.len()));
    }
    let run = read_run(ledger::read(&input.ledger)?, &input.state)?;
    plants::ALL
        .iter()
        .enumerate()
        .map(|(number, plant)| one(input, &run, plant, &scratch.join(number.to_string())))
        .collect()
}

fn one(input: &Input, run: &Run, plant: &Plant, copy: &Path) -> Result<Planted, String> {
    let copied = copied(input, copy)?;
    let scene = Scene {
        state: copied.state.clone(),
        topic: copied.topic.clone().unwrap_or_default(),
        logs: copied.logs.clone().unwrap_or_default(),
        run,
    };
    let place = match (plant.plant)(&scene) {
        Ok(place) => place,
        Err(why) => {
            fs::remove_dir_all(copy).map_err(|e| format!("{}: {e}", copy.display()))?;
            return Ok(Planted { planted: plant.name, named: false, place: why, found: None, faults: 0 });
        }
    };
    let Verdict { faults, .. } = judge(&copied)?;
    fs::remove_dir_all(copy).map_err(|e| format!("{}: {e}", copy.display()))?;
    let names = |fault: &&Fault| {
        let is_kind = plant.named_by.contains(&(fault.check, fault.kind));
        is_kind && (fault.place.contains(&place) || fault.detail.contains(&place))
    };
    let named = faults.iter().find(names);
    let found = named.or(faults.first()).cloned();
    Ok(Planted { planted: plant.name, named: named.is_some(), place, found, faults: faults.len() })
}

/// A copy of everything the judge reads, with one canary more to look for.
fn copied(input: &Input, copy: &Path) -> Result<Input, String> {
    let state = copy.join("state");
    copy_tree(&input.state, &state)?;
    let topic = copy.join("topic.ndjson");
    if let Some(from) = &input.topic {
        copy_tree(from, &topic)?;
    }
    let logs = copy.join("logs");
    fs::create_dir_all(&logs).map_err(|e| format!("{}: {e}", logs.display()))?;
    if let Some(from) = &input.logs {
        copy_tree(from, &logs)?;
    }
    let mut canaries = input.canaries.clone();
    canaries.push(CANARY.as_bytes().to_vec());
    let topic = input.topic.as_ref().map(|_| topic);
    Ok(Input { ledger: input.ledger.clone(), state, topic, logs: Some(logs), canaries })
}

fn copy_tree(from: &Path, to: &Path) -> Result<(), String> {
    let say = |e: std::io::Error| format!("{}: {e}", from.display());
    if from.is_file() {
        return fs::copy(from, to).map(|_| ()).map_err(say);
    }
    fs::create_dir_all(to).map_err(say)?;
    for item in fs::read_dir(from).map_err(say)? {
        let item = item.map_err(say)?;
        copy_tree(&item.path(), &to.join(item.file_name()))?;
    }
    Ok(())
}
