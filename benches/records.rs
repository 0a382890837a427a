//! What the counted state costs: bytes a record that it keeps, and how fast rows become it.
//!
//!   cargo bench --profile dev --bench records
//!
//! Promises: thirty days of the invented city, read from the log as `detect` reads them. Bytes are those that the
//! allocator gave and did not get back, so what grows into spare room counts in full.

#![expect(clippy::unwrap_used, reason = "a bench may stop")]
#![expect(clippy::print_stdout, reason = "figures are what it is for")]

mod city;
mod taken_in;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use arrow::array::RecordBatch;
use qianshao::cells::meanings::Count;
use qianshao::cells::moment::Moment;
use qianshao::cells::pages::Room;
use qianshao::cells::records::Records;
use qianshao::clock::{Clock, ManualClock, WallClock};
use qianshao::delta::log::Log;
use qianshao::delta::memory_log::MemoryLog;
use qianshao::delta::reference::put_in_force;
use qianshao::delta::tables::Table;
use qianshao::pipeline::{Folders, InForce};
use qianshao::terms::{Day, MICROS_PER_DAY};

const DAYS: u32 = 30;
/// Messages of an epoch: what `serve` takes at most.
const EPOCH: usize = 20_000;
/// Of records and of rows, where old ones go into a file.
const ROOM_BYTES: usize = 2 << 20;
/// Feeding is repeated, and the quickest counts: whatever else the machine does only adds.
const REPEATS: usize = 3;

/// Bytes that are allocated now.
static HELD: AtomicUsize = AtomicUsize::new(0);

struct Counted;

#[expect(unsafe_code, reason = "an allocator is what it asks; every call is the system's own")]
unsafe impl GlobalAlloc for Counted {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        HELD.fetch_add(layout.size(), Relaxed);
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, at: *mut u8, layout: Layout) {
        HELD.fetch_sub(layout.size(), Relaxed);
        unsafe { System.dealloc(at, layout) }
    }

    unsafe fn realloc(&self, at: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        HELD.fetch_add(size, Relaxed);
        HELD.fetch_sub(layout.size(), Relaxed);
        unsafe { System.realloc(at, layout, size) }
    }
}

#[global_allocator]
static ALLOCATOR: Counted = Counted;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(measured());
}

async fn measured() {
    let log = taken_in().await;
    let moment = Moment::as_of(&log, i64::MAX).await.unwrap();
    let (records, rows) = (moment.records.len(), moment.records.rows.count);
    let groups = moment.records.groups(Day(i32::MIN), Day(i32::MAX), |_, _| true).len();
    println!("{records} records that stand, {rows} rows in {groups} groups");
    let mut micros = Vec::new();
    let batches = log.read(Table::Signals, i64::MIN, i64::MAX).await.unwrap();
    let fed: usize = batches.iter().map(|batch| batch.num_rows()).sum();
    for _ in 0..REPEATS {
        let mut records = Records::default();
        let began = WallClock.now();
        for batch in &batches {
            records.feed(batch).unwrap();
        }
        micros.push(WallClock.now() - began);
        assert_eq!(records.len(), moment.records.len());
    }
    let seconds = *micros.iter().min().unwrap() as f64 / 1e6;
    println!("fed {fed} rows in {seconds:.2} s: {:.2} million rows a second", fed as f64 / seconds / 1e6);
    with_old_ones_in_a_file(&batches);
    drop((log, batches));
    // Texts in force are not what grows with the records.
    let texts = (moment.edition.clone(), moment.registers.clone(), moment.meanings.clone());
    let before = HELD.load(Relaxed);
    drop(moment);
    let held = before - HELD.load(Relaxed);
    drop(texts);
    println!(
        "held {:.1} MB: {:.0} bytes a record, {:.0} a row",
        held as f64 / 1e6,
        held as f64 / records as f64,
        held as f64 / rows as f64
    );
}

/// What a record costs that is too old for memory.
fn with_old_ones_in_a_file(batches: &[RecordBatch]) {
    let folder = tempfile::tempdir().unwrap();
    let (before, began) = (HELD.load(Relaxed), WallClock.now());
    let mut records = Records::within(&Room { folder: Some(folder.path().into()), bytes: ROOM_BYTES });
    for batch in batches {
        records.feed(batch).unwrap();
        records.count(|_| Count::Sum).unwrap();
    }
    let seconds = (WallClock.now() - began) as f64 / 1e6;
    let held = (HELD.load(Relaxed) - before) as f64 - 2.0 * ROOM_BYTES as f64;
    let (megabytes, bytes) = (ROOM_BYTES >> 20, held / records.len() as f64);
    println!("{megabytes} MB of each in memory, {bytes:.0} bytes a record besides; fed and counted in {seconds:.2} s");
}

async fn taken_in() -> MemoryLog {
    let start = Day::parse("2021-01-04").unwrap();
    let clock = ManualClock::new(start.start_micros() - MICROS_PER_DAY);
    let (log, in_force) = (MemoryLog::default(), InForce::read(&Folders::default()).unwrap());
    put_in_force(&log, &clock, &InForce::CLASSES, &in_force.texts).await.unwrap();
    let messages = city::messages(start, DAYS, true, start.start_micros() + i64::from(DAYS) * MICROS_PER_DAY);
    println!("{} messages of {DAYS} days", messages.len());
    let mut taking_in = taken_in::TakingIn::of(&log, in_force.feeds, messages).await;
    while taking_in.epoch(&log, &clock, EPOCH).await > 0 {}
    log
}
