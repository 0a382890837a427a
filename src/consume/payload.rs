//! The bytes of a message, before anything is made of them.
//!
//! Promises: what passes is UTF-8 text within its limits; a hostile shape costs one pass over its bytes.
//! Never: shows content; what was found is told in counts and in the parser's fixed words.

use serde_json::error::Category;

use crate::problem::codes::{field, message as codes};

use super::message::{Fault, Message};

/// Kafka's own default for a message; a report of more is an attachment that belongs elsewhere.
const PAYLOAD_BYTES_MAX: usize = 1 << 20;
/// Headers carry a dozen short attributes.
const HEADER_BYTES_MAX: usize = 64 << 10;
/// A contract has three levels, an envelope one; the rest is room for fields that we ignore.
const DEPTH_MAX: usize = 16;
/// A class-day has some dozens. Beyond this the work for one message would delay its neighbours.
const KEYS_MAX: usize = 10_000;

/// The payload of a message as text; `see` is told its top-level keys as they stand, if it is JSON at all.
pub fn payload_text<'m>(message: &'m Message, see: &mut dyn FnMut(&str)) -> Result<&'m str, Box<Fault>> {
    let header_bytes: usize = message.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if header_bytes > HEADER_BYTES_MAX {
        return Err(Fault::new(codes::HEADERS_TOO_LARGE, format!("{header_bytes} bytes")));
    }
    let Some(payload) = &message.payload else { return Err(Fault::new(codes::TOMBSTONE, "no value")) };
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(Fault::new(codes::PAYLOAD_TOO_LARGE, format!("{} bytes", payload.len())));
    }
    text_of(payload, see)
}

/// The bytes as text within the limits.
pub fn text_of<'m>(payload: &'m [u8], see: &mut dyn FnMut(&str)) -> Result<&'m str, Box<Fault>> {
    const COMPRESSED: [(&[u8], &str); 2] = [(&[0x1F, 0x8B], "gzip"), (&[0x28, 0xB5, 0x2F, 0xFD], "zstd")];
    if let Some((_, name)) = COMPRESSED.iter().find(|(magic, _)| payload.starts_with(magic)) {
        return Err(Fault::new(codes::COMPRESSED_BODY, format!("{name} data")));
    }
    let text = std::str::from_utf8(payload).map_err(|error| {
        Fault::new(codes::NOT_UTF8, format!("a byte that is not UTF-8 at byte {}", error.valid_up_to()))
    })?;
    if text.starts_with('\u{FEFF}') {
        return Err(Fault::new(codes::BYTE_ORDER_MARK, "the bytes EF BB BF"));
    }
    if text.trim().is_empty() {
        return Err(Fault::new(codes::EMPTY_PAYLOAD, format!("{} bytes of nothing", text.len())));
    }
    check_shape(text, see)?;
    Ok(text)
}

/// Counts levels and keys without reading values, so that a hostile shape costs one pass over its bytes.
fn check_shape(text: &str, see: &mut dyn FnMut(&str)) -> Result<(), Box<Fault>> {
    let bytes = text.as_bytes();
    let (mut depth, mut keys, mut at) = (0_usize, 0_usize, 0_usize);
    let mut string = 0..0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                if depth > DEPTH_MAX {
                    return Err(Fault::new(codes::TOO_DEEP, format!("level {depth}")));
                }
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b':' => {
                keys += 1;
                if depth == 1 {
                    see(text.get(string.clone()).unwrap_or_default());
                }
            }
            b'"' => {
                string = at + 1..end_of_string(bytes, at + 1);
                at = string.end;
            }
            _ => {}
        }
        at += 1;
    }
    if keys > KEYS_MAX {
        return Err(Fault::new(codes::TOO_MANY_KEYS, format!("{keys} keys")));
    }
    Ok(())
}

/// Where the string that begins at `from` has its closing quote.
fn end_of_string(bytes: &[u8], mut from: usize) -> usize {
    while let Some(byte) = bytes.get(from) {
        match byte {
            b'"' => return from,
            b'\\' => from += 2,
            _ => from += 1,
        }
    }
    from
}

/// A fault of JSON itself; serde_json's words for these are fixed texts without content.
pub fn syntax_fault(error: &serde_json::Error) -> Box<Fault> {
    let words = error.to_string();
    let has = |part: &str| words.contains(part);
    let code = match error.classify() {
        Category::Eof => codes::CUT_OFF,
        Category::Data => return Fault::new(codes::NOT_AN_OBJECT, "JSON of another form"),
        Category::Io | Category::Syntax if has("trailing characters") => codes::TRAILING_BYTES,
        Category::Io | Category::Syntax if has("surrogate") || has("end of hex escape") => codes::LONE_SURROGATE,
        Category::Io | Category::Syntax if has("number out of range") => field::NUMBER_NOT_FINITE,
        Category::Io | Category::Syntax if has("control character") => field::CONTROL_CHARACTER,
        Category::Io | Category::Syntax => codes::NOT_JSON,
    };
    Fault::new(code, words)
}
