//! Parses the command line, sets up logging, runs one verb, maps the outcome to an exit code.

use std::process::ExitCode;
use std::time::Duration;

use clap::Parser;
use qianshao::cli;

/// Planning a query recurses; a worker's stack must hold the deepest one that the limits allow.
const STACK_BYTES: usize = 16 << 20;
/// A thread that still waits for Kafka or a disk does not keep an ended process alive: what it was at is not committed.
const THREADS_WAIT: Duration = Duration::from_secs(1);

fn main() -> ExitCode {
    let cli = cli::Cli::parse();
    cli::logging::start(cli.log_filter(), cli.log_format());
    #[cfg(feature = "faults")]
    if let Err(problem) = qianshao::fault::arm_from_environment() {
        tracing::error!(%problem, "no run with an unknown fault");
        return ExitCode::from(2);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().thread_stack_size(STACK_BYTES).enable_all().build();
    match runtime {
        Ok(runtime) => {
            let code = runtime.block_on(cli::run(cli));
            runtime.shutdown_timeout(THREADS_WAIT);
            code
        }
        Err(error) => {
            tracing::error!(%error, "no runtime");
            ExitCode::from(2)
        }
    }
}
