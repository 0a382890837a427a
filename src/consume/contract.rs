//! The contract of one kind of message: a stated subset of JSON Schema 2020-12, compiled.
//!
//! Promises: a contract that parses can be decoded into its Arrow schema; what is wrong with one is told with line
//! and column, all of it at once. Never: guesses what an unknown keyword means.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field as ArrowField, Schema, SchemaRef};

use crate::problem::{Problem, Result};

use super::compile::Compiler;
use super::document::Node;
use super::plan::{ObjectRule, Shape, instant_type};

/// Columns that stand beside the contract's own in table `raw`.
pub const ADDED_COLUMNS: [&str; 4] = ["message", "qs_reported_at", "qs_operation", "qs_quality"];

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
    /// The field of that key.
    pub unique_field: Option<usize>,
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
        let contract = compiler.contract(root);
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

    /// Whether bare JSON with this key is of this kind.
    pub fn is_unique(&self, key: &str) -> bool {
        let field = self.unique_field.and_then(|at| self.root.fields.get(at));
        field.is_some_and(|field| field.name == key || field.aliases.iter().any(|alias| alias == key))
    }

    /// The shape at the end of a path.
    pub fn shape(&self, path: &FieldPath) -> Option<&Shape> {
        self.resolve(&path.text).map(|(_, shape)| shape)
    }

    /// The field of a path, with the indices that lead to it.
    pub fn resolve(&self, text: &str) -> Option<(FieldPath, &Shape)> {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::problem::codes::folder;

    const SMALL: &str = r#"{
  "title": "Small", "description": "One small message", "x-zh": "小消息", "type": "object",
  "x-ce-type": "t.small.v1", "x-unique-key": "no", "x-record-key": ["place", "who.id"],
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
