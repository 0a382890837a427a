//! What holds at any moment, and what holds when everything has come to rest.
//!
//! Promises: reads files and topics as anybody could; nothing that a role remembers counts.

use std::collections::{BTreeMap, BTreeSet};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type, TimestampMicrosecondType};
use futures::FutureExt;
use qianshao::alert::{Alert, Mode, State};
use qianshao::cells::count::Wanted;
use qianshao::cells::moment::Moment;
use qianshao::cells::tables::Shown;
use qianshao::delta::log::Log;
use qianshao::delta::repair;
use qianshao::delta::tables::Table;
use qianshao::detect::alert_rows::{alerts_of, rows_of};
use qianshao::detect::backtest::backtest_by;
use qianshao::kafka::Topics;
use qianshao::terms::Day;
use sha2::{Digest, Sha256};

use super::fault::Kind;
use super::letters::Letter;
use super::model;
use super::plan::Plan;
use super::rules::{PACK, predicates};
use super::world::{TOPIC, World};
use crate::scenarios::PREFIX;

/// A schedule with less in it shows little.
const MESSAGES_MIN: usize = 50;

/// The next offset of each partition, by the log.
pub fn offsets(world: &World) -> BTreeMap<(String, i32), i64> {
    let head = world.log.head(Table::Signals).now_or_never().unwrap().unwrap();
    repair::offsets(&head)
}

/// What changes when something happens that is not just time.
pub fn stand(world: &World) -> (BTreeMap<(String, i32), i64>, usize, usize, usize) {
    let commits = |table| world.log.commits(table);
    (offsets(world), commits(Table::AlertHistory), commits(Table::Quarantine), world.topics.count())
}

/// Whether everything that may be read was read.
pub fn is_drained(world: &World) -> bool {
    world.state().recreated || world.feeds.ends() == offsets(world)
}

/// Digest of every turn, file and message.
pub fn bytes(world: &World) -> [u8; 32] {
    let mut digest = Sha256::new();
    digest.update(world.state().digest());
    for table in Table::ALL {
        world.log.files(table).iter().for_each(|file| digest.update(file));
        let head = world.log.head(table).now_or_never().unwrap().unwrap();
        digest.update(format!("{head:?}"));
    }
    for message in world.topics.visible() {
        digest.update(format!("{message:?}"));
    }
    digest.finalize().into()
}

async fn rows(world: &World, table: Table) -> Vec<RecordBatch> {
    world.log.read(table, i64::MIN, i64::MAX).await.unwrap()
}

/// Partition and offset of every row, in commit order.
async fn places(world: &World, table: Table) -> Vec<(i32, i64)> {
    let mut places = Vec::new();
    for batch in rows(world, table).await {
        let partitions = batch.column_by_name("partition").unwrap().as_primitive::<Int32Type>().values().to_vec();
        let offsets = batch.column_by_name("offset").unwrap().as_primitive::<Int64Type>().values().to_vec();
        places.extend(partitions.into_iter().zip(offsets));
    }
    places
}

/// At any moment: nothing lost below an offset, nothing twice, and readers of the topics see a beginning of the table.
pub async fn while_rough(world: &World) -> Result<(), String> {
    taken_in(world).await?;
    histories(world).await?;
    let (table, topic) = (history_keys(world).await, topic_keys(world));
    if !table.starts_with(&topic) {
        return Err(format!("the topic is no beginning of the table: {topic:?} against {table:?}"));
    }
    Ok(())
}

/// What the log has taken in, compared with what was sent.
async fn taken_in(world: &World) -> Result<BTreeMap<(i32, i64), Letter>, String> {
    let (signals, quarantine) = (places(world, Table::Signals).await, places(world, Table::Quarantine).await);
    let ends = offsets(world);
    let end = |partition: i32| ends.get(&(TOPIC.to_owned(), partition)).copied().unwrap_or(0);
    let ledger = world.state().ledger.clone();
    let (mut good, mut bad) = (BTreeSet::new(), BTreeSet::new());
    for place in &signals {
        if !good.insert(*place) {
            return Err(format!("partition {}, offset {} is in signals twice", place.0, place.1));
        }
    }
    for place in &quarantine {
        if !bad.insert(*place) {
            return Err(format!("partition {}, offset {} is in quarantine twice", place.0, place.1));
        }
    }
    for (place, letter) in ledger.iter().filter(|((partition, offset), _)| *offset < end(*partition)) {
        let expected = (letter.said.is_some(), letter.said.is_none());
        if (good.contains(place), bad.contains(place)) != expected {
            return Err(format!("partition {}, offset {} is not where it belongs: {letter:?}", place.0, place.1));
        }
    }
    // Quarantine comes first, so it may be ahead; signals never are.
    let beyond = good.iter().find(|place| place.1 >= end(place.0) || !ledger.contains_key(place));
    if let Some((partition, offset)) = beyond {
        return Err(format!("partition {partition}, offset {offset} is in signals, and was not sent or not counted"));
    }
    Ok(ledger.into_iter().filter(|((partition, offset), _)| *offset < end(*partition)).collect())
}

/// Revisions follow each other, states go where they may, ticks only forward.
async fn histories(world: &World) -> Result<(), String> {
    let mut newest = BTreeMap::new();
    for alert in rows(world, Table::AlertHistory).await.iter().flat_map(|batch| alerts_of(batch).unwrap()) {
        let before: Option<(i64, State)> = newest.insert(alert.id.clone(), (alert.revision, alert.state));
        let (revision, state) = before.map_or((0, State::Open), |before| before);
        let follows = alert.revision == revision + 1 && (state == alert.state || state.may_become(alert.state));
        if !follows {
            return Err(format!(
                "alert {}: revision {} {:?} after {revision} {state:?}",
                alert.id, alert.revision, alert.state
            ));
        }
    }
    let ticks = ticks(world).await;
    if !ticks.is_sorted_by(|one, other| one < other) {
        return Err(format!("ticks do not go forward: {ticks:?}"));
    }
    Ok(())
}

async fn ticks(world: &World) -> Vec<i64> {
    let of = |batch: &RecordBatch| {
        batch.column_by_name("tick").unwrap().as_primitive::<TimestampMicrosecondType>().values().to_vec()
    };
    rows(world, Table::Ticks).await.iter().flat_map(of).collect()
}

async fn history_keys(world: &World) -> Vec<(String, i64)> {
    let mut keys = Vec::new();
    for batch in rows(world, Table::AlertHistory).await {
        let known = batch.column_by_name("known_at").unwrap().as_primitive::<TimestampMicrosecondType>().clone();
        let alerts = alerts_of(&batch).unwrap();
        keys.extend(
            alerts.into_iter().enumerate().map(|(row, alert)| (known.value(row), alert.id.to_string(), alert.revision)),
        );
    }
    keys.sort();
    keys.into_iter().map(|(_, id, revision)| (id, revision)).collect()
}

fn topic_keys(world: &World) -> Vec<(String, i64)> {
    let topic = Topics { prefix: PREFIX.to_owned() }.changed();
    let of = |body: &[u8]| serde_json::from_slice::<serde_json::Value>(body).unwrap()["revision"].as_i64().unwrap();
    let visible = world.topics.visible();
    visible
        .iter()
        .filter(|message| message.topic == topic)
        .map(|message| (message.key.clone(), of(&message.body)))
        .collect()
}

/// Everything was taken in, counted, judged and published, once.
pub async fn at_rest(world: &World, plan: &Plan) -> Result<(), String> {
    while_rough(world).await?;
    let taken = taken_in(world).await?;
    if history_keys(world).await != topic_keys(world) {
        return Err("the topic is not alert_history".to_owned());
    }
    let letters = world.topics.visible().iter().filter(|message| message.topic.contains(".deadletter.")).count();
    let bad = places(world, Table::Quarantine).await;
    if letters != bad.len() {
        return Err(format!("{letters} dead letters of {} in quarantine", bad.len()));
    }
    let ends = offsets(world);
    let ahead = bad
        .iter()
        .find(|(partition, offset)| ends.get(&(TOPIC.to_owned(), *partition)).is_none_or(|end| offset >= end));
    if let Some(place) = ahead.filter(|_| !world.state().recreated) {
        return Err(format!("quarantine is ahead at {place:?}"));
    }
    counted(world, &taken).await?;
    judged(world, &taken, plan).await?;
    again(world, plan).await?;
    came_about(world, &taken, plan).await
}

/// Cells are what a brute-force count gives.
async fn counted(world: &World, taken: &BTreeMap<(i32, i64), Letter>) -> Result<(), String> {
    let moment = std::sync::Arc::new(Moment::as_of(&world.log, i64::MAX).await.unwrap());
    stand_as_said(&moment, taken)?;
    let (from, until) = (Day::parse("2021-01-01").unwrap(), Day::parse("2021-02-28").unwrap());
    let wanted = Wanted { unit_kinds: Some(BTreeSet::from(["class".to_owned()])), ..Wanted::default() };
    let shown = Shown::new(moment, from, until, until.start_micros());
    let cells = shown.cells(&wanted);
    let found: BTreeMap<(String, String, Day), i64> = cells
        .into_iter()
        .filter_map(|(key, cell)| Some(((key.unit_id, key.signal, key.day), cell.count.filter(|count| *count > 0)?)))
        .collect();
    let expected: BTreeMap<(String, String, Day), i64> = model::counts(taken)
        .into_iter()
        .map(|((unit, signal, day), count)| ((unit, signal.to_owned(), day), count))
        .collect();
    if found == expected {
        return Ok(());
    }
    let wrong: Vec<_> =
        expected.keys().chain(found.keys()).filter(|key| found.get(*key) != expected.get(*key)).collect();
    Err(format!("cells are not what was said: {wrong:?}"))
}

/// Of each record the message stands that is greatest by revision, report time and place.
fn stand_as_said(moment: &Moment, taken: &BTreeMap<(i32, i64), Letter>) -> Result<(), String> {
    for (event, (said, partition, offset)) in model::standing(taken) {
        // Where the shipped contract names records by its own hash there is nothing to ask for.
        let key = u128::from_str_radix(&super::rows::record_key(&format!("E{event}")), 16).unwrap();
        let Some(found) = moment.records.standing(key).unwrap() else { continue };
        if (found.topic, found.partition, found.offset, found.revision) != (TOPIC, partition, offset, said.revision) {
            return Err(format!(
                "of record E{event} {found:?} stands, not revision {} at {partition}/{offset}",
                said.revision
            ));
        }
    }
    Ok(())
}

/// One standing alert for each run of firing windows, with its days and its number, and none besides.
async fn judged(world: &World, taken: &BTreeMap<(i32, i64), Letter>, plan: &Plan) -> Result<(), String> {
    let mut newest = BTreeMap::new();
    for alert in rows(world, Table::AlertHistory).await.iter().flat_map(|batch| alerts_of(batch).unwrap()) {
        newest.insert(alert.id.clone(), alert);
    }
    if newest.is_empty() && plan.messages == usize::MAX {
        return Err("no alert: this schedule shows nothing".to_owned());
    }
    let today = Day::of_micros(ticks(world).await.last().copied().unwrap_or(0));
    let mut expected = BTreeSet::new();
    for ((rule, unit, signal), runs) in model::runs(&model::counts(taken), today) {
        let gap = if rule == super::rules::ONE_DAY.0 { super::rules::ONE_DAY.3 } else { super::rules::THREE_DAYS.3 };
        for (onset, end, observed) in runs {
            let state = if today.0 - end.0 <= gap { "open" } else { "ended" };
            expected.insert((rule.to_owned(), unit.clone(), signal.to_owned(), onset, end, observed, state));
        }
    }
    let standing = newest.into_values().filter(|alert| alert.state != State::Withdrawn);
    let mut found = BTreeSet::new();
    for alert in standing {
        let (unit, signal, observed) = (alert.series.unit_id, alert.series.signal, alert.observed as i64);
        let row = (alert.rule, unit, signal, alert.onset, alert.window_end, observed, alert.state.word());
        if !found.insert(row.clone()) {
            return Err(format!("two alerts stand for {row:?}"));
        }
    }
    if found == expected {
        return Ok(());
    }
    let (missing, more): (Vec<_>, Vec<_>) =
        (expected.difference(&found).collect(), found.difference(&expected).collect());
    Err(format!("alerts missing: {missing:?}; not expected: {more:?}"))
}

/// The recorded ticks over the final log give the same history, to the bit.
async fn again(world: &World, plan: &Plan) -> Result<(), String> {
    let again =
        backtest_by(&world.log, PACK, Mode::Test, predicates(plan.rules)).await.map_err(|why| why.to_string())?;
    let live: Vec<_> =
        rows(world, Table::AlertHistory).await.iter().flat_map(|batch| alerts_of(batch).unwrap()).collect();
    if rows_of(&again).unwrap() == rows_of(&live).unwrap() {
        return Ok(());
    }
    let is_same =
        |(one, other): &(&Alert, &Alert)| rows_of(&[(*one).clone()]).unwrap() == rows_of(&[(*other).clone()]).unwrap();
    let first = live.iter().zip(&again).find(|pair| !is_same(pair));
    Err(format!("{} revisions live, {} in the backtest; the first that differ: {first:?}", live.len(), again.len()))
}

/// A whole schedule has messages, corrections and alerts enough; what repeats and overtakes is tallied.
async fn came_about(world: &World, taken: &BTreeMap<(i32, i64), Letter>, plan: &Plan) -> Result<(), String> {
    let (overtaken, repeated) = model::overtaken_and_repeated(&places(world, Table::Signals).await, taken);
    let mut state = world.state();
    for (kind, times) in [(Kind::Reorder, overtaken), (Kind::Duplicate, repeated)] {
        let fired = state.tally.fired.get(&kind).copied().unwrap_or(0);
        *state.tally.forced.entry(kind).or_default() += times.min(fired);
    }
    let corrected = taken.values().filter_map(|letter| letter.said.as_ref()).any(|said| said.revision > 0);
    if plan.messages == usize::MAX && (taken.len() < MESSAGES_MIN || !corrected) {
        return Err(format!(
            "{} messages were taken in, corrections: {corrected}: this schedule shows nothing",
            taken.len()
        ));
    }
    Ok(())
}
