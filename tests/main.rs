//! What we promise, as one test binary. `cargo test` runs it; `cargo test NAME` runs one promise.
//!
//! Real parts (Apache Kafka, kcat) have a binary of their own: `tests/live`, run by `.ci/run live`.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test may stop")]
#![expect(clippy::print_stdout, reason = "counts are printed for whoever reads the log")]

#[cfg(not(debug_assertions))]
compile_error!(
    "the tests end runs at named moments, which only debug assertions build (src/fault.rs): CARGO_PROFILE_RELEASE_DEBUG_ASSERTIONS=true"
);

/// The house rules: who imports whom, sizes, words, and that every document says what the code does.
mod tidy;

/// What an epidemiologist can read: scenarios, under every schedule.
mod scenarios;

/// Bad input, kind by kind, each with its declared fate.
mod bad_input;

/// Damaged files of a state folder, each named.
mod verify;

/// What holds for any bytes: messages, times, areas, identifiers, headers, envelopes.
mod properties;

/// Detectors against the numbers of their references.
mod detectors;

/// What a rule finds of planted outbreaks.
mod power;

/// The same roles in a world where one seed decides what goes wrong.
mod simulation;
