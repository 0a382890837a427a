//! Parses the command line, runs one verb, maps the outcome to an exit code.

fn main() {}
