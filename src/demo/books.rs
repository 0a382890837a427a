//! The run as files: the ledger beside the state, the alert topic read back, so that the oracle can judge.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rdkafka::Message as _;
use rdkafka::message::Headers;

use crate::delta::delta_log::DeltaLog;
use crate::engine;
use crate::kafka::KafkaSettings;
use crate::problem::{Problem, Result, codes};
use crate::publish::visible::Visible;
use crate::serve::output::{Format, render};
use crate::serve::tables::{Asked, session};
use crate::simulate::ledger::{LedgerLine, write_lines};

/// What the counted tables show at the end, in columns that need no knowledge of a time's format.
const COUNTED: [(&str, &str); 2] = [
    ("cells", "SELECT unit_kind, unit_id, signal, event_date, count, expected, reported, zero, missing FROM cells"),
    (
        "expected_reports",
        "SELECT facility_id, feed, report_date, state, CAST(received_at AS BIGINT) AS received_at, is_zero,
           missing_run, missing_since
         FROM expected_reports",
    ),
];

/// Where a run keeps its books.
pub struct Books {
    folder: PathBuf,
    ledger: BufWriter<File>,
}

impl Books {
    /// `<state>/books/ledger.ndjson` and `<state>/registers/*.csv`.
    pub fn open(state: &Path, registers: &[(&'static str, String)], header: &[LedgerLine]) -> Result<Self> {
        let folder = state.join("books");
        let at = |error: std::io::Error| Problem::new(codes::IO, folder.display().to_string(), error.to_string());
        std::fs::create_dir_all(&folder).map_err(at)?;
        std::fs::create_dir_all(state.join("registers")).map_err(at)?;
        for (name, text) in registers {
            std::fs::write(state.join("registers").join(name), text).map_err(at)?;
        }
        let mut ledger = BufWriter::new(File::create(folder.join("ledger.ndjson")).map_err(at)?);
        write_lines(&mut ledger, header).map_err(at)?;
        Ok(Self { folder, ledger })
    }

    /// Before it is sent.
    pub fn write(&mut self, lines: &[LedgerLine]) -> Result<()> {
        write_lines(&mut self.ledger, lines).and_then(|()| self.ledger.flush()).map_err(|error| self.lost(error))
    }

    pub fn ledger(&self) -> PathBuf {
        self.folder.join("ledger.ndjson")
    }

    pub fn topic(&self) -> PathBuf {
        self.folder.join("alert_topic.ndjson")
    }

    /// Reads the alert topic as any consumer would and writes it down, one message a line.
    pub fn read_topic(&self, settings: &KafkaSettings) -> Result<usize> {
        let mut out = BufWriter::new(File::create(self.topic()).map_err(|error| self.lost(error))?);
        let mut messages = 0;
        Visible::open(settings)?.read_all(&settings.topics().changed(), &mut |message| {
            let headers: serde_json::Map<String, serde_json::Value> = message
                .headers()
                .into_iter()
                .flat_map(|headers| headers.iter())
                .map(|header| (header.key.to_owned(), text(header.value).into()))
                .collect();
            let line = serde_json::json!({
                "partition": message.partition(),
                "offset": message.offset(),
                "key": text(message.key()),
                "headers": headers,
                "value": text(message.payload()),
            });
            messages += 1;
            writeln!(out, "{line}").map_err(|error| self.lost(error))
        })?;
        out.flush().map_err(|error| self.lost(error))?;
        Ok(messages)
    }

    /// `<state>/cells.csv` and `<state>/expected_reports.csv`: what people read of them as of the last tick.
    pub async fn write_counted(state: &Path, log: &Arc<DeltaLog>, pack: &str, tick: i64) -> Result<()> {
        let asked = Asked { as_of: Some(tick), now: tick, pack: pack.to_owned(), prefix: String::new() };
        let context = session(log, &asked).await?;
        for (name, sql) in COUNTED {
            let frame = engine::plan(&context, name, sql).await?;
            let schema = Arc::new(frame.schema().as_arrow().clone());
            let rows = frame.collect().await.map_err(|error| engine::not_run(name, &error))?;
            let file = state.join(format!("{name}.csv"));
            let at = |error: std::io::Error| Problem::new(codes::IO, file.display().to_string(), error.to_string());
            std::fs::write(&file, render(&rows, &schema, Format::Csv)?).map_err(at)?;
        }
        Ok(())
    }

    fn lost(&self, error: std::io::Error) -> Box<Problem> {
        Problem::new(codes::IO, self.folder.display().to_string(), error.to_string())
    }
}

fn text(bytes: Option<&[u8]>) -> String {
    let bytes = bytes.unwrap_or_default();
    std::str::from_utf8(bytes).map_or_else(|_| STANDARD.encode(bytes), str::to_owned)
}
