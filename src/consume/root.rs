//! The top level of a contract: what a message is, which record it speaks of, which signals come of it.
//!
//! Promises: a path leads to a field of the type that its keyword needs. Never: looks inside a property.

use crate::problem::codes::folder;
use crate::terms::Operation;

use super::compile::Compiler;
use super::contract::{ADDED_COLUMNS, Contract, Count, FieldPath, SignalMeaning};
use super::document::{Keywords, Node};
use super::plan::Shape;

const ROOT_KEYWORDS: &[&str] = &[
    "$schema",
    "$id",
    "title",
    "description",
    "type",
    "properties",
    "required",
    "additionalProperties",
    "examples",
    "default",
    "x-zh",
    "x-ce-type",
    "x-unique-key",
    "x-record-key",
    "x-revision",
    "x-reported-at",
    "x-event-time",
    "x-operation",
    "x-zero-report",
    "x-facility",
    "x-area",
    "x-authoritative-default",
    "x-signals",
];

const SIGNAL_KEYWORDS: &[&str] = &["en", "zh", "syndrome", "channel", "weight_tenths", "count"];

impl Compiler {
    /// The contract of a file; what is wrong with it is noted.
    pub fn contract(&mut self, root: Node<'_>) -> Option<Contract> {
        let words = &self.keywords(root, ROOT_KEYWORDS)?;
        if self.value(words, "type", Node::text).as_deref() != Some("object") {
            let help = "write \"type\": \"object\" at the top";
            self.note(words.node, folder::KEYWORD_MISSING, "a contract that is no object", help);
        }
        let root = self.object(words, 1, false);
        let unique_key = self.needed(words, "x-unique-key");
        let mut contract = Contract {
            title: self.needed(words, "title"),
            description: self.needed(words, "description"),
            zh: self.needed(words, "x-zh"),
            ce_type: self.needed(words, "x-ce-type"),
            unique_field: root.fields.iter().position(|field| field.name == unique_key),
            unique_key,
            record_key: Vec::new(),
            revision: None,
            reported_at: None,
            event_time: None,
            operation: None,
            zero_report: None,
            facility: None,
            area: None,
            authoritative_default: self.value(words, "x-authoritative-default", Node::boolean).unwrap_or(false),
            signals: self.signals(words),
            domains: std::mem::take(&mut self.domains),
            root,
        };
        self.check_names(words, &contract);
        contract.record_key = self.record_key(words, &contract);
        let is_text = |shape: &Shape| matches!(shape, Shape::Text(rule) if !rule.drop);
        let is_time = |shape: &Shape| matches!(shape, Shape::Instant | Shape::Day);
        contract.revision = self.path(words, "x-revision", &contract, |shape| matches!(shape, Shape::Integer(_)));
        contract.reported_at = self.path(words, "x-reported-at", &contract, |shape| matches!(shape, Shape::Instant));
        contract.event_time = self.path(words, "x-event-time", &contract, is_time);
        contract.operation = self.path(words, "x-operation", &contract, is_operation);
        contract.zero_report = self.path(words, "x-zero-report", &contract, |shape| matches!(shape, Shape::Boolean));
        contract.facility = self.path(words, "x-facility", &contract, is_text);
        contract.area = self.path(words, "x-area", &contract, is_text);
        Some(contract)
    }

    fn check_names(&mut self, words: &Keywords<'_>, contract: &Contract) {
        for field in &contract.root.fields {
            if ADDED_COLUMNS.contains(&field.name.as_str()) {
                let help = "choose another name: message and qs_… are columns that the decoder adds";
                self.note(words.node, folder::NAME_TAKEN, field.name.clone(), help);
            }
        }
        let key = &contract.unique_key;
        let required = contract.root.fields.iter().any(|field| field.name == *key && field.required);
        if let (false, Some(node)) = (required, words.get("x-unique-key")) {
            self.note(node, folder::PATH, key.clone(), "name a required property of the message");
        }
    }

    fn record_key(&mut self, words: &Keywords<'_>, contract: &Contract) -> Vec<FieldPath> {
        let Some(node) = words.get("x-record-key") else {
            self.note(words.node, folder::KEYWORD_MISSING, "no x-record-key", "list the fields that identify a record");
            return Vec::new();
        };
        let items = self.take(node.items()).unwrap_or_default();
        if items.is_empty() {
            self.note(node, folder::KEYWORD_VALUE, "no field", "list the fields that identify a record");
        }
        let mut paths = Vec::new();
        for item in items {
            paths.extend(self.path_at(item, contract, keys_a_record));
        }
        paths
    }

    fn path(
        &mut self,
        words: &Keywords<'_>,
        name: &str,
        contract: &Contract,
        fits: impl Fn(&Shape) -> bool,
    ) -> Option<FieldPath> {
        let node = words.get(name)?;
        self.path_at(node, contract, fits)
    }

    fn path_at(&mut self, node: Node<'_>, contract: &Contract, fits: impl Fn(&Shape) -> bool) -> Option<FieldPath> {
        let text = self.take(node.text())?;
        match contract.resolve(&text) {
            Some((path, shape)) if fits(shape) => Some(path),
            Some((_, shape)) => {
                let found = format!("{text} is {}", shape.word());
                self.note(node, folder::PATH, found, "name a field of the type that this keyword needs");
                None
            }
            None => {
                self.note(node, folder::PATH, text, folder::PATH.help);
                None
            }
        }
    }

    fn signals(&mut self, words: &Keywords<'_>) -> Vec<SignalMeaning> {
        let Some(node) = words.get("x-signals") else {
            let help = "describe every signal that normalize.sql can emit";
            self.note(words.node, folder::KEYWORD_MISSING, "no x-signals", help);
            return Vec::new();
        };
        let mut signals = Vec::new();
        for (signal, node) in self.take(node.entries()).unwrap_or_default() {
            let Some(words) = self.keywords(node, SIGNAL_KEYWORDS) else { continue };
            let count = self.needed(&words, "count");
            let Some(count) = Count::parse(&count) else {
                self.note(node, folder::KEYWORD_VALUE, count, "use sum, distinct_persons or greatest_slot");
                continue;
            };
            signals.push(SignalMeaning {
                en: self.needed(&words, "en"),
                zh: self.needed(&words, "zh"),
                syndrome: self.needed(&words, "syndrome"),
                channel: self.needed(&words, "channel"),
                weight_tenths: self.value(&words, "weight_tenths", Node::integer).unwrap_or(0),
                signal,
                count,
            });
        }
        signals
    }
}

/// A field that identifies a record must compare exactly and be there after the batch.
fn keys_a_record(shape: &Shape) -> bool {
    match shape {
        Shape::Text(rule) => !rule.drop,
        Shape::Identifier(_) | Shape::Integer(_) | Shape::Day | Shape::Instant => true,
        Shape::Number(_) | Shape::Boolean | Shape::List { .. } | Shape::Object(_) | Shape::Map(_) => false,
    }
}

fn is_operation(shape: &Shape) -> bool {
    let Shape::Text(rule) = shape else { return false };
    !rule.choices.is_empty() && rule.choices.iter().all(|choice| Operation::parse(choice).is_some())
}
