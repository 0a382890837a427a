//! What was published, judged by a validator that we did not write against the schemas in `schemas/alerts`.

use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};

use arrow::array::{ArrayRef, BooleanArray, Int64Array, RecordBatch, StringArray};
use jsonschema::Validator;
use qianshao::publish::message::OutMessage;
use serde_json::Value;

use super::script::root;

static SCHEMAS: LazyLock<BTreeMap<String, Validator>> = LazyLock::new(|| {
    let read = |name: &str| {
        let text = std::fs::read_to_string(root().join(format!("schemas/alerts/{name}.schema.json"))).unwrap();
        let schema: Value = serde_json::from_str(&text).unwrap();
        let validator = jsonschema::options().should_validate_formats(true).build(&schema).unwrap();
        (format!("urn:qianshao:schema:{name}:v1"), validator)
    };
    ["alert.changed", "alert.restricted", "deadletter"].map(read).into()
});

/// What a message violates; empty where it is as its schema says.
pub fn violations(message: &OutMessage) -> Vec<String> {
    let said = message.header("ce_dataschema").unwrap_or_default();
    let Some(schema) = SCHEMAS.get(said) else { return vec![format!("a message of the schema {said:?}")] };
    match serde_json::from_slice::<Value>(&message.body) {
        Ok(body) => schema.iter_errors(&body).map(|error| format!("{}: {error}", error.instance_path())).collect(),
        Err(error) => vec![error.to_string()],
    }
}

/// Table `messages`: one row a message, in the order in which they became visible.
pub fn table(visible: &[OutMessage]) -> RecordBatch {
    let bodies: Vec<Value> =
        visible.iter().map(|message| serde_json::from_slice(&message.body).unwrap_or_default()).collect();
    let text =
        |of: fn(&OutMessage) -> String| -> ArrayRef { Arc::new(StringArray::from_iter_values(visible.iter().map(of))) };
    let said = |key: &str| -> ArrayRef {
        Arc::new(bodies.iter().map(|body| body[key].as_str().map(str::to_owned)).collect::<StringArray>())
    };
    let columns: Vec<(&str, ArrayRef)> = vec![
        ("topic", text(|message| message.topic.clone())),
        ("key", text(|message| message.key.clone())),
        ("ce_type", text(|message| message.header("ce_type").unwrap_or_default().to_owned())),
        ("rule", said("rule")),
        ("state", said("state")),
        ("unit_id", said("unit_id")),
        ("revision", Arc::new(bodies.iter().map(|body| body["revision"].as_i64()).collect::<Int64Array>())),
        ("is_valid", Arc::new(visible.iter().map(|one| Some(violations(one).is_empty())).collect::<BooleanArray>())),
    ];
    RecordBatch::try_from_iter_with_nullable(columns.into_iter().map(|(name, column)| (name, column, true))).unwrap()
}
