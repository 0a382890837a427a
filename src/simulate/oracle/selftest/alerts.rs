//! Faults planted in ticks, alerts and topics.

use std::fs;

use serde_json::Value;

use super::super::rows::AlertRow;
use super::Scene;
use super::edit::{FileRows, with_int, with_text, without};
use super::plants::{change_rows, nowhere};

pub(super) fn tick_removed(scene: &Scene<'_>) -> Result<String, String> {
    let alert = nowhere(scene.run.alerts.first(), "alert")?;
    change_rows(scene, "ticks", (&[], &[("tick", alert.tick)]), |file, rows| {
        file.batch = without(&file.batch, rows)?;
        Ok(())
    })?;
    Ok(format!("tick {}", alert.tick))
}

/// An alert with at least so many revisions.
fn history<'a>(scene: &'a Scene<'_>, revisions: i64) -> Result<&'a AlertRow, String> {
    let found = scene.run.alerts.iter().find(|alert| alert.revision == revisions);
    nowhere(found, "alert with enough revisions")
}

fn change_alert(
    scene: &Scene<'_>,
    alert: &AlertRow,
    revision: Option<i64>,
    change: impl Fn(&mut FileRows, &[usize]) -> Result<(), String>,
) -> Result<String, String> {
    let number = revision.map(|revision| ("revision", revision));
    let id = [("alert_id", &*alert.alert_id)];
    change_rows(scene, "alert_history", (&id, number.as_slice()), change)?;
    Ok(alert.alert_id.clone())
}

pub(super) fn alert_dropped(scene: &Scene<'_>) -> Result<String, String> {
    let alert = history(scene, 1)?;
    change_alert(scene, alert, None, |file, rows| {
        file.batch = without(&file.batch, rows)?;
        Ok(())
    })?;
    Ok(format!("{} {} {}", alert.rule, alert.unit_kind, alert.unit_id))
}

pub(super) fn state_changed(scene: &Scene<'_>) -> Result<String, String> {
    let alert = history(scene, 1)?;
    change_alert(scene, alert, Some(1), |file, rows| {
        file.batch = with_text(&file.batch, "state", rows, "ended")?;
        Ok(())
    })
}

pub(super) fn severity_altered(scene: &Scene<'_>) -> Result<String, String> {
    let alert = history(scene, 1)?;
    let other = if alert.severity == "red" { "blue" } else { "red" };
    change_alert(scene, alert, Some(1), |file, rows| {
        file.batch = with_text(&file.batch, "severity", rows, other)?;
        Ok(())
    })
}

pub(super) fn revision_skipped(scene: &Scene<'_>) -> Result<String, String> {
    let alert = history(scene, 2)?;
    change_alert(scene, alert, Some(2), |file, rows| {
        file.batch = with_int(&file.batch, "revision", rows, |old| old + 100)?;
        Ok(())
    })
}

/// The topic's lines, and the places of those of one alert.
fn topic_lines(scene: &Scene<'_>, id: &str) -> Result<(Vec<String>, Vec<usize>), String> {
    let text = fs::read_to_string(&scene.topic).map_err(|e| format!("{}: {e}", scene.topic.display()))?;
    let lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let counts = |line: &String| {
        let topic = serde_json::from_str::<Value>(line).ok().and_then(|v| v.get("topic")?.as_str().map(str::to_owned));
        line.contains(id) && topic.is_none_or(|topic| topic.contains(".alert.changed"))
    };
    let mine = (0..lines.len()).filter(|place| counts(&lines[*place])).collect();
    Ok((lines, mine))
}

fn write_lines(scene: &Scene<'_>, lines: &[String]) -> Result<(), String> {
    fs::write(&scene.topic, lines.join("\n") + "\n").map_err(|e| format!("{}: {e}", scene.topic.display()))
}

pub(super) fn published_twice(scene: &Scene<'_>) -> Result<String, String> {
    let alert = history(scene, 1)?;
    let (mut lines, mine) = topic_lines(scene, &alert.alert_id)?;
    let place = nowhere(mine.first().copied(), "message of the alert")?;
    let again = lines[place].clone();
    lines.push(again);
    write_lines(scene, &lines)?;
    Ok(alert.alert_id.clone())
}

pub(super) fn not_published(scene: &Scene<'_>) -> Result<String, String> {
    let alert = history(scene, 1)?;
    let (mut lines, mine) = topic_lines(scene, &alert.alert_id)?;
    lines.remove(nowhere(mine.first().copied(), "message of the alert")?);
    write_lines(scene, &lines)?;
    Ok(alert.alert_id.clone())
}

pub(super) fn order_swapped(scene: &Scene<'_>) -> Result<String, String> {
    let alert = history(scene, 2)?;
    let (mut lines, mine) = topic_lines(scene, &alert.alert_id)?;
    let (one, two) = (nowhere(mine.first().copied(), "message")?, nowhere(mine.get(1).copied(), "second message")?);
    // The values change places; the coordinates stay.
    let mut values: Vec<Value> = Vec::new();
    for place in [one, two] {
        values.push(serde_json::from_str(&lines[place]).map_err(|e| e.to_string())?);
    }
    let value = |at: usize| values[at].get("value").cloned().unwrap_or_default();
    let (first, second) = (value(0), value(1));
    values[0]["value"] = second;
    values[1]["value"] = first;
    lines[one] = values[0].to_string();
    lines[two] = values[1].to_string();
    write_lines(scene, &lines)?;
    Ok(alert.alert_id.clone())
}
