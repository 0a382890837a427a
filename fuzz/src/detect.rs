//! Rules and their headers, without what runs them.

#[path = "../../src/detect/header.rs"]
pub mod header;
#[path = "../../src/detect/rule.rs"]
pub mod rule;
