//! Canaries: invented names, numbers, passports and telephones are sent everywhere, and must be found nowhere.
//!
//! `.ci/run canaries` runs it. The pipeline runs twice in processes of its own, over the embedded broker: as it is, where
//! nothing may be found, and with hashing off, where something must, or the search would prove nothing. Hashing can be
//! switched off here alone: no option, key or variable of the program does it.
//!
//! Promises: tables, statistics, tags, topics, dead letters, logs at debug level and everything that is said to whoever
//! asks the program or its SQL port are files below one folder, and that folder is what is searched.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]
#![expect(clippy::print_stdout, reason = "counts are printed for whoever reads the log")]

mod asking;
mod messages;
mod people;
mod pipeline;

use std::collections::BTreeMap;
use std::fs::{File, read_dir};
use std::io::Read;
use std::path::Path;
use std::process::Command;

use qianshao::simulate::Outgoing;
use qianshao::simulate::oracle::canaries::{Search, leaks};

use people::Canary;

/// Planning a query recurses, as in the program itself.
const STACK_BYTES: usize = 16 << 20;
/// Leaks that are printed; the first say enough.
const SHOWN_MAX: usize = 20;

fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        [_, "pipeline", folder, hashing, seed] => {
            pipeline_of(Path::new(folder), hashing == "hashed", seed.parse().unwrap())
        }
        _ => judge(),
    }
}

fn sent(canaries: &[Canary]) -> Vec<Outgoing> {
    messages::written(&Path::new(env!("CARGO_MANIFEST_DIR")).join("schemas/feeds"), canaries)
}

/// The process whose output is a log.
fn pipeline_of(folder: &Path, hashed: bool, seed: u64) {
    tracing_subscriber::fmt().with_env_filter("debug").with_writer(std::io::stderr).init();
    let runtime = tokio::runtime::Builder::new_multi_thread().thread_stack_size(STACK_BYTES).enable_all().build();
    runtime.unwrap().block_on(pipeline::run(folder, sent(&people::drawn(seed)), hashed));
}

fn judge() {
    let seed = std::env::var("QIANSHAO_SEED").map_or_else(|_| drawn_seed(), |seed| seed.parse().unwrap());
    let canaries = people::drawn(seed);
    let messages = sent(&canaries);
    println!("seed {seed}: {} canaries in {} messages", canaries.len(), messages.len());
    assert_eq!(canaries.len(), 200);
    let work = tempfile::tempdir().unwrap();
    let folder = |name: &str| work.path().join(name);
    for hashing in ["hashed", "plain"] {
        run(&folder(hashing), hashing, seed);
    }
    asking::everything(&folder("hashed"), &messages, &folder("given"));
    let patterns: Vec<Vec<u8>> = canaries.iter().flat_map(people::written).collect();
    let search = |name: &str| leaks(&[&folder(name)], &patterns).unwrap();
    let (hashed, plain) = (search("hashed"), search("plain"));
    report("as it is", &hashed);
    report("with hashing off", &plain);
    for leak in hashed.leaks.iter().take(SHOWN_MAX) {
        let text = String::from_utf8_lossy(&patterns[leak.canary]).into_owned();
        println!("LEAK {text} as {} in {}", leak.form, leak.place);
    }
    assert!(hashed.decoded >= 4, "{} Parquet files were looked into", hashed.decoded);
    assert!(!plain.leaks.is_empty(), "nothing was found with hashing off: the search proves nothing");
    assert!(plain.leaks.iter().any(|leak| leak.place.contains(" column ")), "no compressed page was looked into");
    assert!(hashed.leaks.is_empty(), "{} leaks", hashed.leaks.len());
    println!("test result: ok. 2 passed; 0 failed; 0 ignored;");
}

fn drawn_seed() -> u64 {
    let mut bytes = [0; 4];
    File::open("/dev/urandom").unwrap().read_exact(&mut bytes).unwrap();
    u64::from(u32::from_ne_bytes(bytes))
}

/// One run in a process of its own.
fn run(folder: &Path, hashing: &str, seed: u64) {
    std::fs::create_dir_all(folder.join("logs")).unwrap();
    let log = |name: &str| File::create(folder.join("logs").join(name)).unwrap();
    let status = Command::new(std::env::current_exe().unwrap())
        .args(["pipeline", folder.to_str().unwrap(), hashing, &seed.to_string()])
        .stdout(log("pipeline.out"))
        .stderr(log("pipeline.err"))
        .status()
        .unwrap();
    if !status.success() {
        let log = std::fs::read_to_string(folder.join("logs/pipeline.err")).unwrap_or_default();
        panic!("the pipeline ended with {status}: {}", &log[log.len().saturating_sub(2_000)..]);
    }
    let written = |name: &str| std::fs::metadata(folder.join(name)).map_or(0, |file| file.len());
    // What was never written cannot hold a name, and proves nothing.
    for file in ["logs/pipeline.err", "topics/qianshao.alert.changed.v1.ndjson"] {
        assert!(written(file) > 1_000, "{file} has {} bytes", written(file));
    }
    let letters = read_dir(folder.join("topics")).unwrap().map(|entry| entry.unwrap().path());
    let letters = letters.filter(|path| path.to_string_lossy().contains(".deadletter."));
    let letters: usize = letters.map(|path| std::fs::read_to_string(path).unwrap().lines().count()).sum();
    assert!(letters > 1_000, "{letters} dead letters");
}

fn report(how: &str, search: &Search) {
    let mut places: BTreeMap<(&str, &str), usize> = BTreeMap::new();
    for leak in &search.leaks {
        let area = ["/logs/", "/topics/", "/quarantine", "/signals", "/alert_history", "/reference"];
        let area = area.into_iter().find(|area| leak.place.contains(area)).unwrap_or("elsewhere");
        *places.entry((area, leak.form)).or_default() += 1;
    }
    println!(
        "{how}: {} found in {} files ({} Parquet files decoded, {} MB) {places:?}",
        search.leaks.len(),
        search.files,
        search.decoded,
        search.bytes >> 20
    );
}
