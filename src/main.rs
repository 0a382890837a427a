//! Parses the command line, sets up logging, runs one verb, maps the outcome to an exit code.

use std::io::IsTerminal;
use std::process::ExitCode;

use clap::Parser;
use qianshao::cli;
use tracing_subscriber::EnvFilter;

/// Planning a query recurses; a worker's stack must hold the deepest one that the limits allow.
const STACK_BYTES: usize = 16 << 20;

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    let filter = EnvFilter::try_from_env("QIANSHAO_LOG").unwrap_or_else(|_| EnvFilter::new(cli.log_filter()));
    let ansi = std::io::stderr().is_terminal();
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).with_ansi(ansi).init();
    #[cfg(feature = "faults")]
    if let Err(problem) = qianshao::fault::arm_from_environment() {
        tracing::error!(%problem, "no run with an unknown fault");
        return ExitCode::from(2);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().thread_stack_size(STACK_BYTES).enable_all().build();
    match runtime {
        Ok(runtime) => runtime.block_on(cli::run(cli)),
        Err(error) => {
            tracing::error!(%error, "no runtime");
            ExitCode::from(2)
        }
    }
}
