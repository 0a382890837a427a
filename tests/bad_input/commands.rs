//! What an operator does afterwards: gets the bytes back out of quarantine, and has the folder verified.

use std::path::Path;
use std::process::{Command, Output};
use std::sync::Arc;

use qianshao::clock::ManualClock;
use qianshao::delta::delta_log::DeltaLog;
use qianshao::terms::hex;
use sha2::{Digest, Sha256};

use super::kinds::Fate;
use super::run::{AROUND, Input, KEY, run};
use super::{SETTING, wording};

/// One kind in so many is asked for through the program; all of them through its code.
const ONE_IN: usize = 16;

fn qianshao(arguments: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_qianshao")).args(arguments).output().unwrap()
}

#[tokio::test]
async fn the_raw_bytes_come_back_by_their_digest_and_a_damaged_folder_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("state");
    let log = Arc::new(DeltaLog::open(&state, Arc::new(ManualClock::new(wording::now()))).await.unwrap());
    let input = Input::read(&SETTING.feeds, false);
    run(&SETTING, &input.messages, log, 200).await;
    let key = folder.path().join("key");
    std::fs::write(&key, hex(KEY)).unwrap();
    let (state, key) = (state.to_str().unwrap(), key.to_str().unwrap());
    let refused = input.kinds.iter().enumerate().filter(|(_, kind)| kind.fate == Fate::Quarantine);
    let mut recovered = 0;
    for (at, kind) in refused.step_by(ONE_IN) {
        let payload = input.messages[AROUND * at + 1].payload.clone().unwrap_or_default();
        let digest = hex(&Sha256::digest(&payload));
        let shown = qianshao(&["quarantine", "show", &digest, "--state", state, "--key-file", key, "--raw"]);
        assert!(shown.status.success() && shown.stdout == payload, "{}: {:?}", kind.kind, shown.stderr);
        recovered += 1;
    }
    println!("{recovered} bodies came out of quarantine byte for byte, each asked for by its SHA-256");
    assert!(recovered >= 15);
    told_by_verify(state);
}

fn told_by_verify(state: &str) {
    let whole = qianshao(&["verify", "--state", state]);
    let said = String::from_utf8(whole.stdout).unwrap();
    assert!(whole.status.success() && said.contains("nothing is damaged"), "{said}");
    let days = Path::new(state).join("tables/quarantine/known_date=2021-01-20");
    let file = std::fs::read_dir(days).unwrap().next().unwrap().unwrap().path();
    let bytes = std::fs::read(&file).unwrap();
    std::fs::write(&file, &bytes[..bytes.len() - 1]).unwrap();
    let damaged = qianshao(&["verify", "--state", state]);
    let said = String::from_utf8(damaged.stderr).unwrap();
    assert_eq!(damaged.status.code(), Some(1));
    assert!(said.contains(file.to_str().unwrap()) && said.contains("QS-L010") && said.contains("数据文件"), "{said}");
    let told = qianshao(&["verify", "--state", state, "--json"]);
    let told: serde_json::Value = serde_json::from_slice(&told.stdout).unwrap();
    assert_eq!(told["problems"][0]["at"].as_str(), file.to_str(), "{told}");
    let nowhere = qianshao(&["verify", "--state", "/nowhere"]);
    assert_eq!(nowhere.status.code(), Some(2));
}
