//! A run as files: the ledger, the registers, one NDJSON a topic.
//!
//! Promises: header lines come before message lines; a payload that is not UTF-8 is written as base64.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{BufWriter, Result, Write};
use std::path::Path;

use serde_json::{Map, Value, json};

use super::ledger::write_lines;
use super::{Options, Outgoing, Simulation};
use crate::terms::MICROS_PER_DAY;

/// Writes `ledger.ndjson`, `registers/*.csv` and `<topic>.ndjson`; gives the number of messages.
pub fn write_folder(options: Options, dir: &Path) -> Result<u64> {
    let mut simulation = Simulation::new(options.clone());
    fs::create_dir_all(dir.join("registers"))?;
    for (name, text) in simulation.registers() {
        fs::write(dir.join("registers").join(name), text)?;
    }
    let mut ledger = BufWriter::new(File::create(dir.join("ledger.ndjson"))?);
    write_lines(&mut ledger, &simulation.header_lines())?;
    let mut topics: BTreeMap<String, BufWriter<File>> = BTreeMap::new();
    let mut written = 0;
    for day in 1..=options.days {
        let step = simulation.until(options.start.start_micros() + i64::from(day) * MICROS_PER_DAY);
        write_lines(&mut ledger, &step.ledger)?;
        for message in &step.messages {
            if !topics.contains_key(&message.topic) {
                let file = File::create(dir.join(format!("{}.ndjson", message.topic)))?;
                topics.insert(message.topic.clone(), BufWriter::new(file));
            }
            if let Some(out) = topics.get_mut(&message.topic) {
                serde_json::to_writer(&mut *out, &as_json(message))?;
                out.write_all(b"\n")?;
                written += 1;
            }
        }
    }
    ledger.flush()?;
    topics.values_mut().try_for_each(Write::flush)?;
    Ok(written)
}

fn as_json(message: &Outgoing) -> Value {
    let headers: Map<String, Value> = (message.headers.iter())
        .map(|(name, value)| (name.clone(), Value::String(String::from_utf8_lossy(value).into_owned())))
        .collect();
    let mut line = json!({
        "partition": message.partition,
        "offset": message.offset,
        "timestamp": message.at,
        "key": String::from_utf8_lossy(&message.key),
        "headers": headers,
    });
    if let Some(object) = line.as_object_mut() {
        match message.payload.as_deref().map(|payload| (payload, std::str::from_utf8(payload))) {
            None => object.insert("payload".to_owned(), Value::Null),
            Some((_, Ok(text))) => object.insert("payload".to_owned(), text.into()),
            Some((payload, Err(_))) => object.insert("payload_base64".to_owned(), base64(payload).into()),
        };
    }
    line
}

/// RFC 4648, with padding.
fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let group = chunk.iter().fold(0_u32, |group, byte| group << 8 | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for place in 0..4 {
            let digit = DIGITS[(group >> (18 - 6 * place) & 63) as usize];
            text.push(if place <= chunk.len() { char::from(digit) } else { '=' });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        assert_eq!(
            ["", "f", "fo", "foo", "foob"].map(|text| base64(text.as_bytes())),
            ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="]
        );
    }
}
