//! Bad input: `tests/bad_input.ndjson` declares the fate of each kind, and each meets it between two good messages.
//!
//! `cargo test bad_input` runs all of them; a message that is wrong names its kind.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::Int64Type;
use arrow::util::display::array_value_to_string;
use datafusion::execution::context::SessionContext;
use qianshao::clock::ManualClock;
use qianshao::consume::seal::Sealer;
use qianshao::delta::delta_log::DeltaLog;
use qianshao::delta::log::Log;
use qianshao::delta::memory_log::MemoryLog;
use qianshao::pipeline::Folders;
use qianshao::serve::tables::{Asked, session};
use qianshao::terms::hex;
use sha2::{Digest, Sha256};

mod allocations;
mod commands;
mod kinds;
mod memory;
pub mod run;
pub mod wording;

use kinds::{Fate, Kind, WORDS, kinds};
use run::{AROUND, Input, KEY, Outcome, PREFIX, Place, run};

use crate::scenarios::setting::Setting;

/// Messages in an epoch: each alone, a few that part good from bad differently, all at once.
const EPOCHS: [usize; 4] = [1, 4, 50, usize::MAX];

static SETTING: LazyLock<Arc<Setting>> = LazyLock::new(|| Setting::read(&Folders::default(), "2021-CF"));

#[test]
fn the_file_declares_every_word_of_the_specification_and_no_other() {
    let kinds = kinds();
    let declared: BTreeSet<&str> = kinds.iter().flat_map(|kind| &kind.words).map(String::as_str).collect();
    assert_eq!(declared, BTreeSet::from(WORDS));
    let names: BTreeSet<&str> = kinds.iter().map(|kind| kind.kind.as_str()).collect();
    assert_eq!(names.len(), kinds.len(), "a kind stands twice");
    let fates = |fate: Fate| kinds.iter().filter(|kind| kind.fate == fate).count();
    let pairs: BTreeSet<_> = kinds.iter().filter_map(|kind| kind.reason.as_ref().zip(kind.pointer.as_ref())).collect();
    let feeds: BTreeSet<_> = kinds.iter().map(|kind| (&kind.feed, &kind.contract)).collect();
    println!(
        "{} kinds of {} contracts: {} signals, {} flagged, {} duplicates, {} in quarantine by {} pairs of reason and pointer",
        kinds.len(),
        feeds.len(),
        fates(Fate::Signal),
        fates(Fate::Flagged),
        fates(Fate::Duplicate),
        fates(Fate::Quarantine),
        pairs.len()
    );
    assert!(kinds.len() >= 200 && pairs.len() >= 60);
    for kind in &kinds {
        let says_why = kind.reason.is_some() && kind.pointer.is_some();
        assert_eq!(says_why, kind.fate == Fate::Quarantine, "{}", kind.kind);
        assert!(kind.what.ends_with('.') && (kind.quality.is_none() || kind.fate != Fate::Quarantine), "{}", kind.kind);
    }
}

#[tokio::test]
async fn every_kind_meets_its_fate_between_two_good_messages_in_epochs_of_any_size() {
    let input = Input::read(&SETTING.feeds, false);
    let alone = alone().await;
    let mut wrong = BTreeSet::new();
    for size in EPOCHS {
        let outcome = run(&SETTING, &input.messages, Arc::new(MemoryLog::default()), size).await;
        wrong.extend(faults(&input, &outcome, &alone));
        println!("{} messages in {} epochs", input.messages.len(), outcome.epochs);
    }
    assert!(wrong.is_empty(), "{} wrong\n{}", wrong.len(), wrong.into_iter().collect::<Vec<_>>().join("\n"));
}

/// Good messages only, at the same places.
async fn alone() -> Outcome {
    let input = Input::read(&SETTING.feeds, true);
    let outcome = run(&SETTING, &input.messages, Arc::new(MemoryLog::default()), usize::MAX).await;
    assert!(outcome.refused.is_empty());
    outcome
}

fn faults(input: &Input, outcome: &Outcome, alone: &Outcome) -> Vec<String> {
    let repeated = repeated(outcome);
    let mut faults = Vec::new();
    for (at, kind) in input.kinds.iter().enumerate() {
        let bad = AROUND * at + 1;
        for neighbour in [bad - 1, bad + 1] {
            let place = input.place(neighbour);
            let shown = |outcome: &Outcome| -> Vec<String> {
                outcome.taken.get(&place).into_iter().flatten().map(|row| row.shown.clone()).collect()
            };
            if shown(alone).is_empty() || shown(outcome) != shown(alone) || outcome.refused.contains_key(&place) {
                faults.push(format!("{}: a neighbour is not as if alone", kind.kind));
            }
        }
        let payload = input.messages[bad].payload.as_deref().unwrap_or_default();
        let place = input.place(bad);
        faults.extend(fault(kind, &place, payload, outcome, &repeated).map(|fault| format!("{}: {fault}", kind.kind)));
        faults.extend(leak(payload, &place, outcome).map(|leak| format!("{}: shows {leak}", kind.kind)));
    }
    faults
}

/// Messages that repeat key, revision and content of an earlier one.
fn repeated(outcome: &Outcome) -> BTreeSet<Place> {
    let mut first: BTreeMap<&str, &Place> = BTreeMap::new();
    let mut repeated = BTreeSet::new();
    for (place, rows) in &outcome.taken {
        if **first.entry(&rows[0].statement).or_insert(place) != *place {
            repeated.insert(place.clone());
        }
    }
    repeated
}

fn fault(kind: &Kind, place: &Place, payload: &[u8], outcome: &Outcome, repeated: &BTreeSet<Place>) -> Option<String> {
    let taken = outcome.taken.get(place).map_or(&[][..], Vec::as_slice);
    let refused = outcome.refused.get(place).map_or(&[][..], Vec::as_slice);
    let is_flagged = taken.iter().any(|row| row.quality.as_deref().is_some_and(|flags| flags.contains("out_of_range")));
    let fate = match (taken, refused) {
        ([], [_]) => Fate::Quarantine,
        ([_, ..], []) if is_flagged => Fate::Flagged,
        ([_, ..], []) if repeated.contains(place) => Fate::Duplicate,
        ([_, ..], []) => Fate::Signal,
        _ => return Some(format!("{} rows and {} refusals", taken.len(), refused.len())),
    };
    if let [refused] = refused {
        let found = (Some(&refused.reason), Some(&refused.pointer));
        if fate != kind.fate || found != (kind.reason.as_ref(), kind.pointer.as_ref()) {
            return Some(format!("{fate:?} {found:?} instead of {:?} {:?} {:?}", kind.fate, kind.reason, kind.pointer));
        }
        let kind_told =
            refused.contract.as_ref().is_none_or(|told| *told == kind.contract || kind.message.contains_key("headers"));
        if !kind_told {
            return Some(format!("told to be of kind {:?}", refused.contract));
        }
        return recovered(refused, place, payload);
    }
    let quality = &taken[0].quality;
    (fate != kind.fate || *quality != kind.quality)
        .then(|| format!("{fate:?} {quality:?} instead of {:?} {:?} {:?}", kind.fate, kind.quality, kind.reason))
}

/// The raw bytes come out of quarantine as they went in, and are found by their digest.
fn recovered(refused: &run::Refused, (topic, offset): &Place, payload: &[u8]) -> Option<String> {
    let position = qianshao::terms::Position { topic: topic.as_str().into(), partition: 0, offset: *offset };
    let opened = Sealer::from_bytes(KEY).open(&position, &refused.sealed);
    let digest = hex(&Sha256::digest(payload));
    let whole = opened.is_some_and(|body| hex(&Sha256::digest(&body)) == digest) && refused.sha256 == digest;
    let in_clear = payload.len() >= 8 && refused.sealed.windows(8).any(|window| window == &payload[..8]);
    (!whole || in_clear).then(|| "its bytes were not kept as they came".to_owned())
}

/// A number or name of a person in any text that is stored about the message.
fn leak(payload: &[u8], place: &Place, outcome: &Outcome) -> Option<String> {
    static PERSON: LazyLock<regex::Regex> = LazyLock::new(|| {
        regex::Regex::new("[0-9]{17}[0-9Xx]|1[3-9][0-9]{9}|EX?[0-9]{7,8}|温知夏|顾北辰|苏禾|LIN MOXUAN").unwrap()
    });
    let payload = String::from_utf8_lossy(&payload[..payload.len().min(1 << 20)]);
    let mut kept: String = outcome.refused.get(place).into_iter().flatten().map(|row| row.texts.as_str()).collect();
    kept.extend(outcome.taken.get(place).into_iter().flatten().map(|row| row.shown.as_str()));
    PERSON.find_iter(&payload).map(|found| found.as_str()).find(|found| kept.contains(found)).map(str::to_owned)
}

#[tokio::test]
async fn the_books_balance_and_no_rule_sees_what_is_flagged() {
    let folder = tempfile::tempdir().unwrap();
    let log = Arc::new(DeltaLog::open(folder.path(), Arc::new(ManualClock::new(wording::now()))).await.unwrap());
    let input = Input::read(&SETTING.feeds, false);
    let seam: Arc<dyn Log> = log.clone();
    let outcome = run(&SETTING, &input.messages, seam.clone(), 97).await;
    let asked = Asked { as_of: None, now: wording::now(), pack: SETTING.pack.clone(), prefix: PREFIX.to_owned() };
    let people = session(&log, &asked).await.unwrap();
    let read = balance(
        &input,
        &rows(&people, "SELECT topic, consumed, accepted, duplicates, quarantined FROM accounting").await,
    );
    let rules = crate::scenarios::session::session(&seam, &SETTING.pack, i64::MAX, wording::now()).await.unwrap();
    let seen: BTreeSet<Place> = rows(&rules, "SELECT DISTINCT topic, \"offset\" FROM signals")
        .await
        .into_iter()
        .map(|(topic, of)| (topic, of[0]))
        .collect();
    let mut hidden = 0;
    for (at, kind) in input.kinds.iter().enumerate().filter(|(_, kind)| kind.fate == Fate::Flagged) {
        let bad = AROUND * at + 1;
        assert!(outcome.taken.contains_key(&input.place(bad)), "{} is stored", kind.kind);
        assert!(!seen.contains(&input.place(bad)), "a rule sees {}", kind.kind);
        assert!(seen.contains(&input.place(bad - 1)) && seen.contains(&input.place(bad + 1)), "{}", kind.kind);
        hidden += 1;
    }
    println!("{hidden} flagged messages stored and seen by no rule; books over {read} messages balance");
    assert!(hidden >= 10);
}

/// A text and numbers, row by row.
async fn rows(context: &SessionContext, sql: &str) -> Vec<(String, Vec<i64>)> {
    let batches = context.sql(sql).await.unwrap().collect().await.unwrap();
    let row = |batch: &RecordBatch, row: usize| {
        let numbers = batch.columns()[1..].iter().map(|column| column.as_primitive::<Int64Type>().value(row));
        (array_value_to_string(batch.column(0), row).unwrap(), numbers.collect())
    };
    batches.iter().flat_map(|batch| (0..batch.num_rows()).map(|at| row(batch, at)).collect::<Vec<_>>()).collect()
}

/// What the books of each topic say against what was declared; answers how many messages were read.
fn balance(input: &Input, books: &[(String, Vec<i64>)]) -> i64 {
    for (topic, numbers) in books {
        let [consumed, accepted, duplicates, quarantined] = numbers[..] else { panic!("{numbers:?}") };
        let of = |fate: Fate| input.kinds.iter().filter(|kind| topic_of(kind) == *topic && kind.fate == fate).count();
        let sent = input.messages.iter().filter(|message| &*message.position.topic == topic).count();
        assert_eq!(accepted + duplicates + quarantined, consumed, "{topic}");
        assert_eq!((consumed, duplicates), (sent as i64, of(Fate::Duplicate) as i64), "{topic}");
        assert_eq!(quarantined, of(Fate::Quarantine) as i64, "{topic}");
    }
    let read = books.iter().map(|(_, numbers)| numbers[0]).sum();
    assert_eq!(read, input.messages.len() as i64);
    read
}

fn topic_of(kind: &Kind) -> String {
    format!("{PREFIX}.feed.{}.v1", kind.feed)
}
