//! `qianshao quarantine list|show|retry`: what could not be used, why, and how to send it again.
//!
//! Never: prints a body unless asked for with the key that sealed it.

use std::io::Write;
use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::datatypes::{Int32Type, Int64Type};
use clap::{Args, Subcommand};

use super::{config_of, say};
use crate::clock::WallClock;
use crate::consume::seal::Sealer;
use crate::delta::delta_log::DeltaLog;
use crate::delta::log::Log;
use crate::delta::tables::Table;
use crate::kafka::resend::send_again;
use crate::problem::{Problem, Result, codes};
use crate::terms::Position;

#[derive(Args)]
pub struct Quarantine {
    #[command(subcommand)]
    what: What,
}

#[derive(Subcommand)]
enum What {
    /// One line a message. 列出隔离消息
    List {
        #[arg(long)]
        state: PathBuf,
    },
    /// Everything about one message. 查看一条隔离消息
    Show {
        /// TOPIC/PARTITION/OFFSET, or the SHA-256 of the message. 位置，或原文的 SHA-256
        place: String,
        #[arg(long)]
        state: PathBuf,
        /// Shows the body too; the key that sealed it. 密钥文件（显示原文）
        #[arg(long)]
        key_file: Option<PathBuf>,
        /// The body's bytes and nothing else. 仅输出原始字节
        #[arg(long, requires = "key_file")]
        raw: bool,
    },
    /// Send a message again, after its feed folder or register was mended. 重新发送
    Retry {
        /// TOPIC/PARTITION/OFFSET
        place: String,
        /// The configuration of `qianshao serve`. 配置文件
        #[arg(short, long)]
        config: PathBuf,
    },
}

pub async fn run(wanted: &Quarantine) -> Result<bool> {
    match &wanted.what {
        What::List { state } => {
            for row in rows(state).await? {
                say(&format!("{}  {}  {}  {}  {}", row.place(), row.code, row.reason, row.pointer, row.found));
            }
        }
        What::Show { place, state, key_file, raw } => {
            let row = find(rows(state).await?, place)?;
            if let Some(key_file) = key_file.as_ref().filter(|_| *raw) {
                let body = body(&row, &Sealer::from_file(key_file)?)?;
                return std::io::stdout()
                    .lock()
                    .write_all(&body)
                    .map(|()| true)
                    .map_err(|error| Problem::new(codes::IO, "standard output", error.to_string()));
            }
            say(&format!(
                "{}\n  code:  {}  {}\n  at:    {}\n  found: {}\n  help:  {}\n  sha256 {}\n  {}",
                row.place(),
                row.code,
                row.reason,
                row.pointer,
                row.found,
                row.help,
                row.sha256,
                row.shape
            ));
            if let Some(key_file) = key_file {
                say(&String::from_utf8_lossy(&body(&row, &Sealer::from_file(key_file)?)?));
            }
        }
        What::Retry { place, config } => retry(place, config).await?,
    }
    Ok(true)
}

async fn retry(place: &str, config: &std::path::Path) -> Result<()> {
    let config = config_of(config)?;
    let Some(key_file) = &config.identity.key_file else {
        return Err(Problem::new(codes::config::CONFIG_MISSING, "identity.key_file", "nothing"));
    };
    let row = find(rows(&config.state.folder).await?, place)?;
    let payload = body(&row, &Sealer::from_file(key_file)?)?;
    // A retry that was refused again is one more attempt at the first message.
    let first = if row.retry_of.is_empty() { place } else { &row.retry_of };
    send_again(&config.kafka, &row.topic, row.partition, ("qs_retry_of", first), &payload)?;
    say(&format!("sent again: {place} / 已重新发送"));
    Ok(())
}

/// A row of the table, as far as people see it, and its sealed body.
struct Row {
    topic: String,
    partition: i32,
    offset: i64,
    code: String,
    reason: String,
    pointer: String,
    found: String,
    help: String,
    sha256: String,
    shape: String,
    /// The message that this one retried, or nothing.
    retry_of: String,
    sealed: Vec<u8>,
}

impl Row {
    fn place(&self) -> String {
        format!("{}/{}/{}", self.topic, self.partition, self.offset)
    }
}

fn body(row: &Row, sealer: &Sealer) -> Result<Vec<u8>> {
    let position = Position { topic: Arc::from(row.topic.as_str()), partition: row.partition, offset: row.offset };
    sealer.open(&position, &row.sealed).ok_or_else(|| {
        Problem::new(codes::config::SECRET_FILE, row.place(), "this key does not open the body")
            .help("name the key file that was in use when the message came")
    })
}

fn find(rows: Vec<Row>, place: &str) -> Result<Row> {
    rows.into_iter().find(|row| row.place() == place || row.sha256 == place).ok_or_else(|| {
        Problem::new(codes::ARGUMENT, place, "no such message in quarantine")
            .help("`qianshao quarantine list` shows TOPIC/PARTITION/OFFSET")
    })
}

async fn rows(state: &std::path::Path) -> Result<Vec<Row>> {
    let log = DeltaLog::open(state, Arc::new(WallClock)).await?;
    let mut rows = Vec::new();
    for batch in log.read(Table::Quarantine, i64::MIN, i64::MAX).await? {
        rows.extend((0..batch.num_rows()).map(|row| read(&batch, row)));
    }
    Ok(rows)
}

fn read(batch: &RecordBatch, row: usize) -> Row {
    let text = |name: &str| {
        let column = batch.column_by_name(name).and_then(|column| column.as_string_opt::<i32>());
        column.filter(|column| column.is_valid(row)).map_or("", |column| column.value(row)).to_owned()
    };
    let partition = batch.column_by_name("partition").and_then(|column| column.as_primitive_opt::<Int32Type>());
    let offset = batch.column_by_name("offset").and_then(|column| column.as_primitive_opt::<Int64Type>());
    let body = batch.column_by_name("body").and_then(|column| column.as_binary_opt::<i32>());
    Row {
        topic: text("topic"),
        partition: partition.map_or(0, |column| column.value(row)),
        offset: offset.map_or(0, |column| column.value(row)),
        code: text("code"),
        reason: text("reason"),
        pointer: text("pointer"),
        found: text("found"),
        help: text("help"),
        sha256: text("body_sha256"),
        shape: text("body_shape"),
        retry_of: text("retry_of"),
        sealed: body.map_or_else(Vec::new, |column| column.value(row).to_vec()),
    }
}
