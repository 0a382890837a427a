//! The program is the library's command line.
//!
//! Never: awaits. Asynchronous code is compiled again in every crate that runs it, here for as long as the whole library.

use std::process::ExitCode;

/// Arrow's buffers and a million small texts come and go on every thread: the system's allocator was a quarter of all work.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    qianshao::cli::main()
}
