//! The shape of a message without its content, for quarantine and dead letters.
//!
//! Promises: shows structure, types and lengths, and the keys that contracts know; nothing else.
//! Never: shows a value or an unknown key, which may be a name.

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

/// The skeleton of a JSON text in at most about `limit` bytes: texts as `text(3)`, unknown keys as `key(3)`.
pub fn body_shape(payload: &[u8], knows_key: &dyn Fn(&str) -> bool, limit: usize) -> String {
    let Ok(text) = std::str::from_utf8(payload) else { return format!("not UTF-8, {} bytes", payload.len()) };
    let mut shape = Shape { out: String::new(), knows_key, limit };
    let mut json = serde_json::Deserializer::from_str(text);
    let whole = Part(&mut shape).deserialize(&mut json).and_then(|()| json.end());
    match whole {
        Ok(()) => shape.out,
        Err(_) if shape.out.is_empty() => format!("not JSON, {} bytes", payload.len()),
        // Broken off: by the limit or by the JSON itself.
        Err(_) => shape.out + " …",
    }
}

struct Shape<'k> {
    out: String,
    knows_key: &'k dyn Fn(&str) -> bool,
    limit: usize,
}

impl Shape<'_> {
    fn write<E: Error>(&mut self, text: &str) -> Result<(), E> {
        if self.out.len() + text.len() > self.limit {
            return Err(E::custom("limit"));
        }
        self.out.push_str(text);
        Ok(())
    }
}

struct Part<'s, 'k>(&'s mut Shape<'k>);

impl<'de> DeserializeSeed<'de> for Part<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Part<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("any JSON")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        self.0.write(&format!("\"text({})\"", text.chars().count()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<(), E> {
        self.0.write(&format!("\"integer({})\"", number.unsigned_abs().to_string().len()))
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        self.0.write(&format!("\"integer({})\"", number.to_string().len()))
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        self.0.write("\"number\"")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        self.0.write("\"boolean\"")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        self.0.write("null")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<(), A::Error> {
        self.0.write("[")?;
        let start = self.0.out.len();
        loop {
            let before = self.0.out.len();
            if before > start {
                self.0.write(",")?;
            }
            if items.next_element_seed(Part(&mut *self.0))?.is_none() {
                self.0.out.truncate(before);
                return self.0.write("]");
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut entries: A) -> Result<(), A::Error> {
        self.0.write("{")?;
        let start = self.0.out.len();
        loop {
            let before = self.0.out.len();
            if before > start {
                self.0.write(",")?;
            }
            if entries.next_key_seed(Key(&mut *self.0))?.is_none() {
                self.0.out.truncate(before);
                return self.0.write("}");
            }
            entries.next_value_seed(Part(&mut *self.0))?;
        }
    }
}

struct Key<'s, 'k>(&'s mut Shape<'k>);

impl<'de> DeserializeSeed<'de> for Key<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for Key<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E: Error>(self, key: &str) -> Result<(), E> {
        let known = (self.0.knows_key)(key);
        let word = if known { format!("{key:?}:") } else { format!("\"key({})\":", key.chars().count()) };
        self.0.write(&word)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(text: &str) -> String {
        body_shape(text.as_bytes(), &|key| key == "buyer" || key == "qty", 120)
    }

    #[test]
    fn values_and_unknown_keys_are_hidden() {
        let text = r#"{"buyer":{"王小明":"13900000000","qty":[1,2.5,true,null]},"qty":13900000000}"#;
        assert_eq!(
            shape(text),
            r#"{"buyer":{"key(3)":"text(11)","qty":["integer(1)","number","boolean",null]},"qty":"integer(11)"}"#
        );
    }

    #[test]
    fn broken_and_long_bodies_are_cut() {
        assert_eq!(shape(r#"{"buyer":"王"#), r#"{"buyer": …"#);
        assert_eq!(shape("nonsense"), "not JSON, 8 bytes");
        assert_eq!(body_shape(&[0xC4, 0xE3], &|_| true, 9), "not UTF-8, 2 bytes");
        assert!(shape(&format!("[{}1]", "1,".repeat(1000))).len() < 130);
        assert_eq!(shape(&"[".repeat(100_000)), shape(&"[".repeat(200_000)), "depth is limited by the parser");
    }
}
