//! The outside of a message: its bytes, its CloudEvents envelope, its kind.
//!
//! Promises: what passes is UTF-8, within its limits, and of a known kind; CloudEvents 1.0 comes in Kafka's binary or
//! structured mode, or not at all (bare JSON, known by its unique key). Never: looks at a field.

use std::borrow::Cow;
use std::fmt;

use base64::Engine;
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, IgnoredAny, MapAccess, Visitor};
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::problem::codes::{field, message as codes};
use crate::problem::describe;
use crate::terms::Day;

use super::feed::Feed;
use super::message::{Fault, Message};
use super::values::{holds_personal_number, instant_of_text};

/// Kafka's own default for a message; a report of more is an attachment that belongs elsewhere.
const PAYLOAD_BYTES_MAX: usize = 1 << 20;
/// Headers carry a dozen short attributes.
const HEADER_BYTES_MAX: usize = 64 << 10;
/// A contract has three levels, an envelope one; the rest is room for fields that we ignore.
const DEPTH_MAX: usize = 16;
/// A class-day has some dozens. Beyond this the work for one message would delay its neighbours.
const KEYS_MAX: usize = 10_000;
/// Topic names end at 249 characters in Kafka; two numbers follow.
const RETRY_CHARACTERS_MAX: usize = 300;

/// A message whose kind is known and whose body is text.
#[derive(Debug)]
pub struct Envelope<'m> {
    /// Index into the kinds of the feed.
    pub kind: usize,
    pub body: Cow<'m, str>,
    /// Where the body stands in the payload, as pointer.
    pub inside: &'static str,
    /// The CloudEvents time.
    pub time: Option<i64>,
    /// The quarantined message that this one repeats.
    pub retry_of: Option<String>,
}

/// Opens the envelope of a message.
pub fn open<'m>(feed: &Feed, message: &'m Message) -> Result<Envelope<'m>, Box<Fault>> {
    let text = payload_text(message)?;
    let retry_of = retry_of(message)?;
    let structured =
        header_text(message, "content-type").is_some_and(|kind| kind.starts_with("application/cloudevents"));
    let envelope = if structured {
        open_structured(feed, text)?
    } else if let Some(ce_type) = header_text(message, "ce_type") {
        let version = header_text(message, "ce_specversion").unwrap_or("1.0");
        let time = event_time(header_text(message, "ce_time"))?;
        json_only(header_text(message, "content-type"))?;
        let kind = kind_of_type(feed, version, ce_type)?;
        Envelope { kind, body: Cow::Borrowed(text), inside: "", time, retry_of: None }
    } else {
        match scan(feed, text)? {
            Scan::Kind(kind) => Envelope { kind, body: Cow::Borrowed(text), inside: "", time: None, retry_of: None },
            Scan::Structured => open_structured(feed, text)?,
        }
    };
    Ok(Envelope { retry_of, ..envelope })
}

fn header_text<'m>(message: &'m Message, name: &str) -> Option<&'m str> {
    std::str::from_utf8(message.header(name)?).ok()
}

fn payload_text(message: &Message) -> Result<&str, Box<Fault>> {
    let header_bytes: usize = message.headers.iter().map(|(name, value)| name.len() + value.len()).sum();
    if header_bytes > HEADER_BYTES_MAX {
        return Err(Fault::new(codes::HEADERS_TOO_LARGE, format!("{header_bytes} bytes")));
    }
    let Some(payload) = &message.payload else { return Err(Fault::new(codes::TOMBSTONE, "no value")) };
    if payload.len() > PAYLOAD_BYTES_MAX {
        return Err(Fault::new(codes::PAYLOAD_TOO_LARGE, format!("{} bytes", payload.len())));
    }
    text_of(payload)
}

/// The bytes as text within the limits.
fn text_of(payload: &[u8]) -> Result<&str, Box<Fault>> {
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
    check_shape(text)?;
    Ok(text)
}

/// Counts levels and keys without reading values, so that a hostile shape costs one pass over its bytes.
fn check_shape(text: &str) -> Result<(), Box<Fault>> {
    let (mut depth, mut keys) = (0_usize, 0_usize);
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b':' => keys += 1,
            b'"' => {
                while let Some(inner) = bytes.next() {
                    match inner {
                        b'\\' => {
                            bytes.next();
                        }
                        b'"' => break,
                        _ => {}
                    }
                }
            }
            _ => {}
        }
        if depth > DEPTH_MAX {
            return Err(Fault::new(codes::TOO_DEEP, format!("level {depth}")));
        }
    }
    if keys > KEYS_MAX {
        return Err(Fault::new(codes::TOO_MANY_KEYS, format!("{keys} keys")));
    }
    Ok(())
}

/// `qs_retry_of` is stored, so it must be coordinates and nothing else.
fn retry_of(message: &Message) -> Result<Option<String>, Box<Fault>> {
    let Some(value) = message.header("qs_retry_of") else { return Ok(None) };
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"._-/".contains(b);
    match std::str::from_utf8(value) {
        Ok(text)
            if text.len() <= RETRY_CHARACTERS_MAX
                && value.iter().all(plain)
                && !holds_personal_number(text, Day(i32::MAX)) =>
        {
            Ok(Some(text.to_owned()))
        }
        _ => {
            let found = format!("a header qs_retry_of of {} bytes", value.len());
            Err(Fault::new(codes::BAD_ENVELOPE, found).help("send qs_retry_of as topic/partition/offset"))
        }
    }
}

fn event_time(text: Option<&str>) -> Result<Option<i64>, Box<Fault>> {
    let Some(text) = text else { return Ok(None) };
    match instant_of_text(text) {
        Some(time) => Ok(Some(time)),
        None => Err(Fault::new(codes::BAD_ENVELOPE, format!("as CloudEvents time {}", describe(text)))),
    }
}

fn json_only(content_type: Option<&str>) -> Result<(), Box<Fault>> {
    let Some(text) = content_type else { return Ok(()) };
    let media = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if media == "application/json" || media == "text/json" || media.ends_with("+json") {
        return Ok(());
    }
    let found = format!("a content type that is not JSON ({})", describe(text));
    Err(Fault::new(codes::BAD_ENVELOPE, found).help("send application/json"))
}

fn kind_of_type(feed: &Feed, version: &str, ce_type: &str) -> Result<usize, Box<Fault>> {
    if version != "1.0" {
        return Err(Fault::new(codes::BAD_ENVELOPE, format!("as specversion {}", describe(version))));
    }
    feed.kinds.iter().position(|kind| kind.contract.ce_type == ce_type).ok_or_else(|| {
        let known: Vec<_> = feed.kinds.iter().map(|kind| kind.contract.ce_type.as_str()).collect();
        let help = format!("send one of these types: {}", known.join(", "));
        Fault::new(codes::UNKNOWN_KIND, format!("as type {}", describe(ce_type))).help(help)
    })
}

#[derive(Deserialize)]
struct Structured<'a> {
    #[serde(borrow)]
    specversion: Cow<'a, str>,
    #[serde(borrow, rename = "type")]
    ce_type: Cow<'a, str>,
    #[serde(borrow)]
    time: Option<Cow<'a, str>>,
    #[serde(borrow)]
    datacontenttype: Option<Cow<'a, str>>,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    data_base64: Option<Cow<'a, str>>,
}

fn open_structured<'m>(feed: &Feed, text: &'m str) -> Result<Envelope<'m>, Box<Fault>> {
    let event: Structured<'m> = serde_json::from_str(text).map_err(|error| match error.classify() {
        Category::Data => Fault::new(codes::BAD_ENVELOPE, "an envelope without its attributes, or with one twice"),
        Category::Io | Category::Syntax | Category::Eof => syntax_fault(&error),
    })?;
    let kind = kind_of_type(feed, &event.specversion, &event.ce_type)?;
    json_only(event.datacontenttype.as_deref())?;
    let time = event_time(event.time.as_deref())?;
    let (body, inside) = match (event.data, event.data_base64) {
        (Some(data), None) => (Cow::Borrowed(data.get()), "/data"),
        (None, Some(encoded)) => {
            let bytes = base64::engine::general_purpose::STANDARD
                .decode(encoded.as_bytes())
                .map_err(|_| Fault::new(codes::BAD_ENVELOPE, "data_base64 that is not base64").within("data_base64"))?;
            let text = text_of(&bytes).map_err(|fault| fault.within("data_base64"))?.to_owned();
            (Cow::Owned(text), "/data_base64")
        }
        (Some(_), Some(_)) => return Err(Fault::new(codes::BAD_ENVELOPE, "both data and data_base64")),
        (None, None) => return Err(Fault::new(codes::BAD_ENVELOPE, "neither data nor data_base64")),
    };
    Ok(Envelope { kind, body, inside, time, retry_of: None })
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

enum Scan {
    Kind(usize),
    Structured,
}

/// Finds the kind of bare JSON by its top-level keys.
fn scan(feed: &Feed, text: &str) -> Result<Scan, Box<Fault>> {
    let mut keys = TopKeys { feed, kinds: 0, kind: None, specversion: false };
    let mut json = serde_json::Deserializer::from_str(text);
    let scanned = (&mut keys).deserialize(&mut json).and_then(|()| json.end());
    match (scanned, keys.kind) {
        (Ok(()), _) => {}
        // The decoder meets the same fault and can say in which field.
        (Err(_), Some(kind)) => return Ok(Scan::Kind(kind)),
        (Err(error), None) => return Err(syntax_fault(&error)),
    }
    match (keys.kinds, keys.kind) {
        (0, _) if keys.specversion => Ok(Scan::Structured),
        (0, _) | (_, None) => {
            let known: Vec<_> = feed.kinds.iter().map(|kind| kind.contract.unique_key.as_str()).collect();
            let help = format!("send ce_type, or one of these keys: {}", known.join(", "));
            Err(Fault::new(codes::UNKNOWN_KIND, "no key that identifies a kind").help(help))
        }
        (1, Some(kind)) => Ok(Scan::Kind(kind)),
        (many, Some(_)) => Err(Fault::new(codes::AMBIGUOUS_KIND, format!("the keys of {many} kinds"))),
    }
}

struct TopKeys<'f> {
    feed: &'f Feed,
    kinds: usize,
    kind: Option<usize>,
    specversion: bool,
}

impl TopKeys<'_> {
    fn see(&mut self, key: &str) {
        self.specversion |= key == "specversion";
        for (index, kind) in self.feed.kinds.iter().enumerate() {
            let root = &kind.contract.root;
            let identifies = root.find(key, 0).is_some_and(|at| root.fields[at].name == kind.contract.unique_key);
            if identifies && self.kind != Some(index) {
                self.kind = Some(index);
                self.kinds += 1;
            }
        }
    }
}

impl<'de> DeserializeSeed<'de> for &mut TopKeys<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut TopKeys<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while map.next_key_seed(TopKey(self))?.is_some() {
            map.next_value::<IgnoredAny>()?;
        }
        Ok(())
    }
}

struct TopKey<'a, 'f>(&'a mut TopKeys<'f>);

impl<'de> DeserializeSeed<'de> for TopKey<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_str(self)
    }
}

impl Visitor<'_> for TopKey<'_, '_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> Result<(), E> {
        self.0.see(key);
        Ok(())
    }
}
