//! Rows of `quarantine`: what could not be used, why, and the sealed body for a retry.
//!
//! Never: shows a person's data. The body is encrypted; its shape and what was found are descriptions.

use std::sync::Arc;

use arrow::array::{ArrayRef, BinaryBuilder, Int32Builder, Int64Builder, RecordBatch, StringBuilder};
use sha2::{Digest, Sha256};

use super::epoch_rows::unbuilt;
use super::feed::Feed;
use super::message::{Message, Rejected};
use super::redact;
use super::seal::Sealer;
use crate::delta::tables::Table;
use crate::problem::Result;
use crate::terms::hex;

/// Bytes of a body's shape that are kept; more helps nobody.
const SHAPE_BYTES_MAX: usize = 2_048;

/// Text columns in the order of `texts`.
const TEXTS: [&str; 11] =
    ["topic", "feed", "kind", "code", "reason", "pointer", "found", "help", "body_sha256", "body_shape", "retry_of"];

#[derive(Default)]
pub struct QuarantineRows {
    texts: [StringBuilder; TEXTS.len()],
    partition: Int32Builder,
    offset: Int64Builder,
    body: BinaryBuilder,
}

impl QuarantineRows {
    pub fn push(
        &mut self,
        feed: &Feed,
        message: &Message,
        rejected: &Rejected,
        retry_of: Option<&str>,
        sealer: &Sealer,
    ) {
        let payload = message.payload.as_deref().unwrap_or_default();
        let sha256 = hex(&Sha256::digest(payload));
        let shape = redact::body_shape(payload, &|key| feed.knows_key(key), SHAPE_BYTES_MAX);
        let texts = [
            Some(&*message.position.topic),
            Some(feed.name.as_str()),
            rejected.kind.as_deref(),
            Some(rejected.code.id),
            Some(rejected.code.reason),
            Some(rejected.pointer.as_str()),
            Some(rejected.found.as_str()),
            Some(rejected.help.as_str()),
            Some(sha256.as_str()),
            Some(shape.as_str()),
            retry_of,
        ];
        self.texts.iter_mut().zip(texts).for_each(|(builder, text)| builder.append_option(text));
        self.partition.append_value(message.position.partition);
        self.offset.append_value(message.position.offset);
        self.body.append_value(sealer.seal(&message.position, payload));
    }

    pub fn finish(mut self) -> Result<RecordBatch> {
        let schema = Table::Quarantine.schema_unstamped();
        let columns = schema.fields().iter().map(|field| -> ArrayRef {
            match field.name().as_str() {
                "partition" => Arc::new(self.partition.finish()),
                "offset" => Arc::new(self.offset.finish()),
                "body" => Arc::new(self.body.finish()),
                name => {
                    let at = TEXTS.iter().position(|text| *text == name).unwrap_or_default();
                    Arc::new(self.texts[at].finish())
                }
            }
        });
        let columns: Vec<ArrayRef> = columns.collect();
        RecordBatch::try_new(schema, columns).map_err(unbuilt)
    }
}
