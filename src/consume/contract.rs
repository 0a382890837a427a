//! The contract of one kind of message: a stated subset of JSON Schema 2020-12, compiled.
//!
//! Promises: a contract that parses can be decoded into its Arrow schema; what is wrong with one is told with line
//! and column, all of it at once. Never: guesses what an unknown keyword means.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field as ArrowField, Schema, SchemaRef};

use crate::problem::codes::folder;
use crate::problem::{Problem, Result};
use crate::terms::Operation;

use super::compile::{Compiler, Keywords};
use super::document::Node;
use super::plan::{ObjectRule, Shape, instant_type};

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

/// Columns that stand beside the contract's own in table `raw`.
const ADDED_COLUMNS: [&str; 4] = ["message", "qs_reported_at", "qs_operation", "qs_quality"];

/// One kind of message, as its contract.json states it.
#[derive(Clone, Debug)]
pub struct Contract {
    pub title: String,
    pub description: String,
    pub zh: String,
    /// The CloudEvents type.
    pub ce_type: String,
    /// The required key by which bare JSON of this kind is known.
    pub unique_key: String,
    pub record_key: Vec<FieldPath>,
    pub revision: Option<FieldPath>,
    pub reported_at: Option<FieldPath>,
    pub event_time: Option<FieldPath>,
    pub operation: Option<FieldPath>,
    pub zero_report: Option<FieldPath>,
    pub facility: Option<FieldPath>,
    pub area: Option<FieldPath>,
    /// Counts where the register says nothing about feeds with overlapping kinds.
    pub authoritative_default: bool,
    pub signals: Vec<SignalMeaning>,
    /// Linkage domains of the identifiers.
    pub domains: Vec<String>,
    pub root: ObjectRule,
}

/// A property, or a property of an object: `person.id`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldPath {
    pub text: String,
    /// The index of the field at each level.
    pub steps: Vec<usize>,
}

/// A signal that normalize.sql of this kind can emit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SignalMeaning {
    pub signal: String,
    pub en: String,
    pub zh: String,
    pub syndrome: String,
    pub channel: String,
    pub weight_tenths: i64,
    pub count: Count,
}

/// How the rows of one unit and day become a count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Count {
    Sum,
    DistinctPersons,
    GreatestSlot,
}

impl Count {
    pub const ALL: [Self; 3] = [Self::Sum, Self::DistinctPersons, Self::GreatestSlot];

    pub const fn word(self) -> &'static str {
        match self {
            Self::Sum => "sum",
            Self::DistinctPersons => "distinct_persons",
            Self::GreatestSlot => "greatest_slot",
        }
    }

    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|count| count.word() == text)
    }
}

impl Contract {
    /// Reads `text`, the content of `file`.
    pub fn parse(file: &str, text: &str) -> Result<Self, Vec<Problem>> {
        let root = Node::of_file(file, text).map_err(|problem| vec![*problem])?;
        let mut compiler = Compiler::default();
        let contract = compiler.keywords(root, ROOT_KEYWORDS).map(|words| compiler.contract(&words));
        match contract {
            Some(contract) if compiler.problems.is_empty() => Ok(contract),
            _ => Err(compiler.problems),
        }
    }

    /// The schema of table `raw`: the contract's fields, then those that the decoder adds.
    pub fn raw_schema(&self) -> SchemaRef {
        let mut fields: Vec<Arc<ArrowField>> = self.root.arrow().iter().cloned().collect();
        let types = [DataType::Int64, instant_type(), DataType::Utf8, DataType::Utf8];
        for (name, data_type) in ADDED_COLUMNS.into_iter().zip(types) {
            fields.push(Arc::new(ArrowField::new(name, data_type, true)));
        }
        Arc::new(Schema::new(fields))
    }

    /// The shape at the end of a path.
    pub fn shape(&self, path: &FieldPath) -> Option<&Shape> {
        self.resolve(&path.text).map(|(_, shape)| shape)
    }

    fn resolve(&self, text: &str) -> Option<(FieldPath, &Shape)> {
        let mut object = &self.root;
        let mut steps = Vec::new();
        let mut names = text.split('.').peekable();
        while let Some(name) = names.next() {
            let index = object.fields.iter().position(|field| field.name == name)?;
            steps.push(index);
            match (&object.fields[index].shape, names.peek()) {
                (Shape::Object(inner), Some(_)) => object = inner,
                (shape, None) => return Some((FieldPath { text: text.to_owned(), steps }, shape)),
                (_, Some(_)) => return None,
            }
        }
        None
    }
}

impl Compiler {
    fn contract(&mut self, words: &Keywords<'_>) -> Contract {
        if self.value(words, "type", Node::text).as_deref() != Some("object") {
            let help = "write \"type\": \"object\" at the top";
            self.note(words.node, folder::KEYWORD_MISSING, "a contract that is no object", help);
        }
        let root = self.object(words, 1, false);
        let mut contract = Contract {
            title: self.needed(words, "title"),
            description: self.needed(words, "description"),
            zh: self.needed(words, "x-zh"),
            ce_type: self.needed(words, "x-ce-type"),
            unique_key: self.needed(words, "x-unique-key"),
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
        contract
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

#[cfg(test)]
mod tests {
    use super::*;

    const SMALL: &str = r#"{
  "title": "Visit", "description": "One visit", "x-zh": "就诊", "type": "object",
  "x-ce-type": "t.visit.v1", "x-unique-key": "no", "x-record-key": ["place", "who.id"],
  "x-signals": {"seen": {"en": "seen", "zh": "就诊", "syndrome": "any", "channel": "c", "weight_tenths": 10, "count": "sum"}},
  "required": ["no", "place"],
  "properties": {
    "no": {"type": "string", "pattern": "^[0-9]+$", "description": "Number", "x-zh": "号"},
    "place": {"type": "string", "pattern": "^[A-Z0-9]+$", "description": "Place", "x-zh": "地点"},
    "who": {"type": "object", "description": "Person", "x-zh": "人", "properties": {
      "id": {"type": "string", "x-identifier": {"domain": "person", "scheme": "cn-id"}, "description": "Id", "x-zh": "证件"}
    }}
  }
}"#;

    fn problems(change: (&str, &str)) -> Vec<Problem> {
        assert!(SMALL.contains(change.0));
        Contract::parse("contract.json", &SMALL.replace(change.0, change.1)).unwrap_err()
    }

    #[test]
    fn a_contract_keeps_its_order_and_finds_nested_paths() {
        let contract = Contract::parse("contract.json", SMALL).unwrap();
        let names: Vec<_> = contract.raw_schema().fields().iter().map(|field| field.name().clone()).collect();
        assert_eq!(names, ["no", "place", "who", "message", "qs_reported_at", "qs_operation", "qs_quality"]);
        assert_eq!(contract.record_key[1].steps, [2, 0]);
        assert_eq!(contract.domains, ["person"]);
    }

    #[test]
    fn a_keyword_outside_the_subset_is_refused_with_line_and_column() {
        let found = problems(("\"pattern\": \"^[0-9]+$\"", "\"patern\": \"^[0-9]+$\", \"oneOf\": []"));
        assert_eq!(found[0].code, folder::KEYWORD);
        assert_eq!(found[0].at, "contract.json:7:40");
        assert_eq!(found[0].help, "did you mean pattern?");
        assert!(found.iter().any(|problem| problem.found == "oneOf"));
        assert!(found.iter().any(|problem| problem.code == folder::UNGUARDED_TEXT));
    }

    #[test]
    fn a_path_that_leads_nowhere_is_refused() {
        assert_eq!(problems(("\"who.id\"", "\"who.name\""))[0].code, folder::PATH);
        assert_eq!(problems(("\"x-unique-key\": \"no\"", "\"x-unique-key\": \"who\""))[0].code, folder::PATH);
    }

    #[test]
    fn an_alias_that_is_also_a_name_is_refused() {
        let found = problems(("\"x-zh\": \"号\"", "\"x-zh\": \"号\", \"x-aliases\": [\"place\"]"));
        assert!(found.iter().any(|problem| problem.code == folder::NAME_TAKEN));
    }
}
