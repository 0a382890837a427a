//! Columns that can take back what they were given: Arrow's own buffers, with a way to cut them to a length.
//!
//! Promises: after `truncate(n)` a column holds exactly its first n rows, to the bit, as if nothing else had come.
//! Never: checks a value against its contract.

use arrow::array::BooleanBufferBuilder;
use arrow::datatypes::Fields;

use super::plan::{ObjectRule, Shape, entry_fields};

/// Bytes that are reserved for a text: codes are shorter, tokens longer.
const TEXT_BYTES: usize = 16;

/// One column, growing.
pub struct Column {
    pub(super) valid: BooleanBufferBuilder,
    pub(super) values: Values,
}

/// The values of a column, by type.
pub(super) enum Values {
    Text {
        ends: Vec<i32>,
        bytes: Vec<u8>,
    },
    Integer(Vec<i64>),
    Number(Vec<f64>),
    Boolean(BooleanBufferBuilder),
    Day(Vec<i32>),
    Instant(Vec<i64>),
    List {
        ends: Vec<i32>,
        item: Box<Column>,
    },
    Object {
        fields: Fields,
        columns: Vec<Column>,
    },
    /// `order` says in which order the entries are read: by key within a row.
    Map {
        ends: Vec<i32>,
        fields: Fields,
        key: Box<Column>,
        value: Box<Column>,
        order: Vec<u32>,
    },
}

/// A value that fills one row of a scalar column.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Scalar<'a> {
    Text(&'a str),
    Integer(i64),
    Number(f64),
    Boolean(bool),
    Day(i32),
    Instant(i64),
}

impl Column {
    /// An empty column for values of a shape.
    pub fn of(shape: &Shape) -> Self {
        let values = match shape {
            Shape::Text(_) | Shape::Identifier(_) => Values::Text { ends: vec![0], bytes: Vec::new() },
            Shape::Integer(_) => Values::Integer(Vec::new()),
            Shape::Number(_) => Values::Number(Vec::new()),
            Shape::Boolean => Values::Boolean(BooleanBufferBuilder::new(0)),
            Shape::Day => Values::Day(Vec::new()),
            Shape::Instant => Values::Instant(Vec::new()),
            Shape::List { item, .. } => Values::List { ends: vec![0], item: Box::new(Self::of(item)) },
            Shape::Object(object) => Values::Object { fields: object.arrow(), columns: columns_of(object) },
            Shape::Map(value) => Values::Map {
                ends: vec![0],
                fields: entry_fields(value),
                key: Box::new(Self::texts()),
                value: Box::new(Self::of(value)),
                order: Vec::new(),
            },
        };
        Self::with(values)
    }

    fn with(values: Values) -> Self {
        Self { valid: BooleanBufferBuilder::new(0), values }
    }

    /// An empty column of texts.
    pub fn texts() -> Self {
        Self::with(Values::Text { ends: vec![0], bytes: Vec::new() })
    }

    /// An empty column of whole numbers.
    pub fn integers() -> Self {
        Self::with(Values::Integer(Vec::new()))
    }

    /// An empty column of instants.
    pub fn instants() -> Self {
        Self::with(Values::Instant(Vec::new()))
    }

    /// Makes room for `rows` more rows; the items of lists and free keys grow as they come.
    pub fn reserve(&mut self, rows: usize) {
        self.valid.reserve(rows);
        match &mut self.values {
            Values::Text { ends, bytes } => {
                ends.reserve(rows);
                bytes.reserve(rows * TEXT_BYTES);
            }
            Values::Integer(values) | Values::Instant(values) => values.reserve(rows),
            Values::Number(values) => values.reserve(rows),
            Values::Boolean(values) => values.reserve(rows),
            Values::Day(values) => values.reserve(rows),
            Values::List { ends, .. } | Values::Map { ends, .. } => ends.reserve(rows),
            Values::Object { columns, .. } => columns.iter_mut().for_each(|column| column.reserve(rows)),
        }
    }

    pub fn len(&self) -> usize {
        self.valid.len()
    }

    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Appends a value; false where the column holds another type, and then it is unchanged.
    pub fn push(&mut self, scalar: Scalar<'_>) -> bool {
        match (&mut self.values, scalar) {
            (Values::Text { ends, bytes }, Scalar::Text(text)) => {
                bytes.extend_from_slice(text.as_bytes());
                ends.push(end(bytes.len()));
            }
            (Values::Integer(values), Scalar::Integer(value)) | (Values::Instant(values), Scalar::Instant(value)) => {
                values.push(value);
            }
            (Values::Number(values), Scalar::Number(value)) => values.push(value),
            (Values::Boolean(values), Scalar::Boolean(value)) => values.append(value),
            (Values::Day(values), Scalar::Day(value)) => values.push(value),
            _ => return false,
        }
        self.valid.append(true);
        true
    }

    /// Appends a null.
    pub fn push_null(&mut self) {
        match &mut self.values {
            Values::Text { ends, bytes } => ends.push(end(bytes.len())),
            Values::Integer(values) | Values::Instant(values) => values.push(0),
            Values::Number(values) => values.push(0.0),
            Values::Boolean(values) => values.append(false),
            Values::Day(values) => values.push(0),
            Values::List { ends, item } => ends.push(end(item.len())),
            Values::Object { columns, .. } => columns.iter_mut().for_each(Self::push_null),
            Values::Map { ends, key, .. } => ends.push(end(key.len())),
        }
        self.valid.append(false);
    }

    /// The column of a list's items.
    pub fn item(&mut self) -> Option<&mut Self> {
        match &mut self.values {
            Values::List { item, .. } => Some(item),
            _ => None,
        }
    }

    /// The columns of an object's fields.
    pub fn fields(&mut self) -> Option<&mut [Self]> {
        match &mut self.values {
            Values::Object { columns, .. } => Some(columns),
            _ => None,
        }
    }

    /// The key and value columns of a free-key object.
    pub fn entries(&mut self) -> Option<(&mut Self, &mut Self)> {
        match &mut self.values {
            Values::Map { key, value, .. } => Some((key, value)),
            _ => None,
        }
    }

    /// Closes one row of a container whose parts have been filled; false where a key stands twice.
    pub fn close(&mut self) -> bool {
        let mut distinct = true;
        match &mut self.values {
            Values::List { ends, item } => ends.push(end(item.len())),
            Values::Map { ends, key, order, .. } => {
                let start = order.len();
                order.extend((start..key.len()).map(|entry| entry as u32));
                let added = &mut order[start..];
                added.sort_unstable_by(|a, b| key.text(*a as usize).cmp(&key.text(*b as usize)));
                distinct = added.windows(2).all(|pair| key.text(pair[0] as usize) != key.text(pair[1] as usize));
                ends.push(end(key.len()));
            }
            Values::Text { .. }
            | Values::Integer(_)
            | Values::Number(_)
            | Values::Boolean(_)
            | Values::Day(_)
            | Values::Instant(_)
            | Values::Object { .. } => {}
        }
        self.valid.append(true);
        distinct
    }

    /// Forgets everything after the first `rows` rows.
    pub fn truncate(&mut self, rows: usize) {
        match &mut self.values {
            Values::Text { ends, bytes } => bytes.truncate(cut(ends, rows)),
            Values::Integer(values) | Values::Instant(values) => values.truncate(rows),
            Values::Number(values) => values.truncate(rows),
            Values::Boolean(values) => values.truncate(rows),
            Values::Day(values) => values.truncate(rows),
            Values::List { ends, item } => item.truncate(cut(ends, rows)),
            Values::Object { columns, .. } => columns.iter_mut().for_each(|column| column.truncate(rows)),
            Values::Map { ends, key, value, order, .. } => {
                let entries = cut(ends, rows);
                key.truncate(entries);
                value.truncate(entries);
                order.truncate(entries);
            }
        }
        self.valid.truncate(rows);
    }
}

/// One empty column for each field of an object.
pub fn columns_of(object: &ObjectRule) -> Vec<Column> {
    object.fields.iter().map(|field| Column::of(&field.shape)).collect()
}

// The decoder cuts its batches at 64 MiB of payload, and a value grows at most twelvefold (a short text to its token),
// so an offset stays far below 2 GiB.
fn end(length: usize) -> i32 {
    i32::try_from(length).unwrap_or(i32::MAX)
}

/// Cuts offsets to `rows` and says where the values end now.
fn cut(ends: &mut Vec<i32>, rows: usize) -> usize {
    ends.truncate(rows + 1);
    ends.last().map_or(0, |last| *last as usize)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consume::plan::{Field, IntegerRule, TextRule};
    use arrow::array::Array;

    fn map_shape() -> Shape {
        Shape::Map(Box::new(Shape::Integer(IntegerRule { least: 0, most: 9, choices: Vec::new(), flag: false })))
    }

    fn fill(column: &mut Column, entries: &[(&str, i64)]) -> bool {
        for (key, value) in entries {
            let (keys, values) = column.entries().unwrap();
            assert!(keys.push(Scalar::Text(key)) && values.push(Scalar::Integer(*value)));
        }
        column.close()
    }

    #[test]
    fn a_truncated_column_equals_one_that_never_saw_the_rest() {
        let object = || {
            let text = Shape::Text(TextRule::default());
            let fields = vec![("a", text), ("b", map_shape())].into_iter().map(|(name, shape)| Field {
                name: name.to_owned(),
                aliases: Vec::new(),
                required: false,
                shape,
                en: String::new(),
                zh: String::new(),
            });
            Column::of(&Shape::List {
                item: Box::new(Shape::Object(ObjectRule::new(fields.collect(), false).unwrap())),
                least: 0,
                most: 9,
            })
        };
        let row = |column: &mut Column, text: &str| {
            let item = column.item().unwrap();
            assert!(item.fields().unwrap()[0].push(Scalar::Text(text)));
            assert!(fill(&mut item.fields().unwrap()[1], &[("y", 1), ("x", 2)]));
            item.close();
        };
        let (mut one, mut other) = (object(), object());
        for column in [&mut one, &mut other] {
            row(column, "first");
            column.close();
            column.push_null();
        }
        row(&mut one, "second");
        row(&mut one, "third");
        one.close();
        one.truncate(2);
        assert_eq!(&one.finish().unwrap().to_data(), &other.finish().unwrap().to_data());
    }

    #[test]
    fn free_keys_are_sorted_within_their_row() {
        let mut column = Column::of(&map_shape());
        assert!(fill(&mut column, &[("b", 1), ("a", 2)]));
        assert!(fill(&mut column, &[]));
        assert!(fill(&mut column, &[("c", 3), ("a", 4)]));
        let mut other = Column::of(&map_shape());
        fill(&mut other, &[("a", 2), ("b", 1)]);
        fill(&mut other, &[]);
        fill(&mut other, &[("a", 4), ("c", 3)]);
        assert_eq!(&column.finish().unwrap(), &other.finish().unwrap());
        assert!(!fill(&mut column, &[("a", 1), ("b", 1), ("a", 2)]), "a key that stands twice is told");
    }
}
