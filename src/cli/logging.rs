//! How a process speaks: lines for people, or one JSON object a line, on both of its outputs.
//!
//! Promises: where JSON was asked for, nothing else is written: not a problem, not even a panic.

use std::io::IsTerminal;
use std::sync::OnceLock;

use tracing::{error, info};
use tracing_subscriber::EnvFilter;

use super::{say, say_error};
use crate::config::LogFormat;
use crate::problem::Problem;

/// Set once, before anything is said.
static FORMAT: OnceLock<LogFormat> = OnceLock::new();

fn is_json() -> bool {
    FORMAT.get() == Some(&LogFormat::Json)
}

/// Starts the log; the environment comes before `filter` and `format`.
pub fn start(filter: &str, format: LogFormat) {
    let filter = EnvFilter::try_from_env("QIANSHAO_LOG").unwrap_or_else(|_| EnvFilter::new(filter));
    let told = std::env::var("QIANSHAO_LOG_FORMAT").ok().and_then(|word| LogFormat::parse(&word));
    let format = FORMAT.get_or_init(|| told.unwrap_or(format));
    let lines = tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr);
    match format {
        LogFormat::Text => lines.with_ansi(std::io::stderr().is_terminal()).init(),
        LogFormat::Json => {
            lines.json().flatten_event(true).init();
            std::panic::set_hook(Box::new(|panic| error!("{}", panic.to_string().replace('\n', " "))));
        }
    }
}

/// Something that stands for itself: to people on standard output, to machines as a line of the log.
pub(super) fn announce(text: &str) {
    if is_json() { info!("{text}") } else { say(text) }
}

/// A problem that ends what was asked for.
pub(super) fn tell(problem: &Problem) {
    if !is_json() {
        return say_error(&problem.to_string());
    }
    let Problem { code, at, found, help } = problem;
    error!(code = code.id, at, found, help, zh = code.zh, "{}", code.en);
}
