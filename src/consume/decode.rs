//! The one decoder: messages of a feed become Arrow batches and statements, or rejections.
//!
//! Promises: every message ends in exactly one of the two; a message that fails in the middle leaves no trace in the
//! batch; the same messages give the same batches. Never: builds a JSON tree, knows a feed.

use std::borrow::Borrow;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::error::ArrowError;
use arrow::row::{RowConverter, SortField};
use serde::de::DeserializeSeed;

use crate::terms::{Day, hex};

use super::admit::Reading;
use super::columns::{Column, Scalar, columns_of};
use super::containers::Root;
use super::envelope::{Envelope, open};
use super::feed::{Feed, Kind};
use super::identity::{Pseudonyms, Subkey, stable_hash};
use super::kinds::scan;
use super::message::{Fault, Message, Rejected};
use super::payload::syntax_fault;
use super::statement::{Clocks, Flags, Row};

pub use super::statement::Stated;

/// Payload bytes in one batch. Arrow's text offsets end at 2 GiB, and a short text may become a token of 50 bytes.
const BATCH_BYTES_MAX: usize = 64 << 20;

/// What decoding needs from outside.
pub struct Context<'a> {
    pub pseudonyms: &'a Pseudonyms,
    pub known_area: &'a dyn Fn(&str) -> bool,
    /// Microseconds UTC.
    pub now: i64,
}

/// The messages of one kind, as table `raw` and as statements; row i belongs to statement i.
#[derive(Clone, Debug)]
pub struct Decoded {
    pub kind: Arc<Kind>,
    pub raw: RecordBatch,
    pub stated: Vec<Stated>,
    /// Fields that the contract does not name, ignored.
    pub unknown_fields: usize,
}

/// Decodes messages of one feed.
pub fn decode<M: Borrow<Message>>(feed: &Feed, messages: &[M], context: &Context<'_>) -> (Vec<Decoded>, Vec<Rejected>) {
    let mut batches: Vec<Batch> = feed.kinds.iter().map(|kind| Batch::new(kind, messages.len(), context)).collect();
    let (mut decoded, mut rejected) = (Vec::new(), Vec::new());
    for (index, message) in messages.iter().map(Borrow::borrow).enumerate() {
        let envelope = match open(feed, message) {
            Ok(envelope) => envelope,
            Err(fault) => {
                rejected.push(fault.rejects(index, None));
                continue;
            }
        };
        let batch = &mut batches[envelope.kind];
        if let Err(mut fault) = batch.add(index, message, &envelope, context) {
            fault.pointer.insert_str(0, envelope.inside);
            rejected.push(match envelope.by_keys.then(|| scan(feed, &envelope.body)) {
                Some(Err(earlier)) => earlier.rejects(index, None),
                Some(Ok(_)) | None => fault.rejects(index, Some(&batch.kind.name)),
            });
        }
        if batch.bytes > BATCH_BYTES_MAX {
            decoded.push(batch.finish());
        }
    }
    decoded.extend(batches.iter_mut().filter(|batch| !batch.stated.is_empty()).map(Batch::finish));
    assert_eq!(
        decoded.iter().map(|part| part.stated.len()).sum::<usize>() + rejected.len(),
        messages.len(),
        "every message is decoded or rejected"
    );
    (decoded, rejected)
}

/// The growing batch of one kind.
struct Batch {
    kind: Arc<Kind>,
    subkeys: Vec<Subkey>,
    /// A free text in a plain hash could be guessed from it; such kinds are hashed with a key.
    hash_key: Option<Subkey>,
    columns: Vec<Column>,
    reported: Column,
    operations: Column,
    qualities: Column,
    stated: Vec<Stated>,
    bytes: usize,
    unknown_fields: usize,
}

impl Batch {
    /// With room for `rows` messages: memory that nobody touches costs nothing, and what grows is copied.
    fn new(kind: &Arc<Kind>, rows: usize, context: &Context<'_>) -> Self {
        let contract = &kind.contract;
        let mut columns = columns_of(&contract.root);
        columns.iter_mut().for_each(|column| column.reserve(rows));
        let drops = contract.root.fields.iter().any(|field| field.shape.drops());
        Self {
            kind: Arc::clone(kind),
            subkeys: contract.domains.iter().map(|domain| context.pseudonyms.subkey(domain)).collect(),
            hash_key: drops.then(|| context.pseudonyms.subkey("content hash")),
            columns,
            reported: Column::instants(),
            operations: Column::texts(),
            qualities: Column::texts(),
            stated: Vec::with_capacity(rows),
            bytes: 0,
            unknown_fields: 0,
        }
    }

    /// Adds a message, or takes back all that it left and says why.
    fn add(
        &mut self,
        index: usize,
        message: &Message,
        envelope: &Envelope<'_>,
        context: &Context<'_>,
    ) -> Result<(), Box<Fault>> {
        let row = self.stated.len();
        let clocks = Clocks { envelope: envelope.time.or(message.timestamp), now: context.now };
        let stated = self
            .read(row, &envelope.body, context)
            .and_then(|flags| Row { kind: &self.kind, columns: &self.columns, row }.state(index, clocks, flags));
        match stated {
            Ok(mut stated) => {
                stated.retry_of.clone_from(&envelope.retry_of);
                self.keep(stated);
                self.bytes += envelope.body.len();
                Ok(())
            }
            Err(fault) => {
                self.columns.iter_mut().for_each(|column| column.truncate(row));
                Err(fault)
            }
        }
    }

    fn read(&mut self, row: usize, body: &str, context: &Context<'_>) -> Result<Flags, Box<Fault>> {
        let mut reading = Reading::new(&self.subkeys, context.known_area, Day::of_micros(context.now));
        let mut json = serde_json::Deserializer::from_str(body);
        let object = &self.kind.contract.root;
        let root = Root { object, columns: &mut self.columns, row, reading: &mut reading };
        let read = root.deserialize(&mut json).and_then(|()| json.end());
        match read {
            Ok(()) => {
                self.unknown_fields += reading.unknown_fields;
                Ok(Flags { out_of_range: reading.out_of_range, bad_id: reading.bad_id })
            }
            Err(error) => {
                let fault = reading.fault.take().unwrap_or_else(|| syntax_fault(&error));
                Err(reading.path.iter().fold(fault, |fault, name| fault.within(name)))
            }
        }
    }

    fn keep(&mut self, stated: Stated) {
        self.reported.push(Scalar::Instant(stated.reported_at));
        self.operations.push(Scalar::Text(stated.operation.word()));
        match &stated.quality {
            Some(quality) => {
                self.qualities.push(Scalar::Text(quality));
            }
            None => self.qualities.push_null(),
        }
        self.stated.push(stated);
    }

    #[expect(clippy::expect_used, reason = "columns and schema come from one contract")]
    fn finish(&mut self) -> Decoded {
        self.try_finish().expect("columns agree with their schema")
    }

    fn try_finish(&mut self) -> Result<Decoded, ArrowError> {
        let mut arrays: Vec<ArrayRef> = self.columns.iter_mut().map(Column::finish).collect::<Result<_, _>>()?;
        let mut stated = std::mem::take(&mut self.stated);
        self.hash(&arrays, &mut stated)?;
        let mut rows = Column::integers();
        (0..stated.len()).for_each(|row| {
            rows.push(Scalar::Integer(row as i64));
        });
        for column in [&mut rows, &mut self.reported, &mut self.operations, &mut self.qualities] {
            arrays.push(column.finish()?);
        }
        self.bytes = 0;
        let raw = RecordBatch::try_new(self.kind.contract.raw_schema(), arrays)?;
        let unknown_fields = std::mem::take(&mut self.unknown_fields);
        Ok(Decoded { kind: Arc::clone(&self.kind), raw, stated, unknown_fields })
    }

    /// Hashes the contract's columns row by row.
    fn hash(&self, arrays: &[ArrayRef], stated: &mut [Stated]) -> Result<(), ArrowError> {
        let fields = arrays.iter().map(|array| SortField::new(array.data_type().clone())).collect();
        let rows = RowConverter::new(fields)?.convert_columns(arrays)?;
        for (row, stated) in rows.iter().zip(stated) {
            let keyed = self.hash_key.as_ref().and_then(|key| key.digest(row.as_ref()));
            stated.content_hash = keyed.map_or_else(|| stable_hash([row.as_ref()]), |digest| hex(&digest));
        }
        Ok(())
    }
}
