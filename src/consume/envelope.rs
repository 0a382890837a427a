//! The outside of a message: its bytes, its CloudEvents envelope, its kind.
//!
//! Promises: what passes is UTF-8, within its limits, and of a known kind; CloudEvents 1.0 comes in Kafka's binary or
//! structured mode, or not at all (bare JSON, known by its unique key). Never: looks at a field.

use std::borrow::Cow;

use base64::Engine;
use serde::Deserialize;
use serde_json::error::Category;
use serde_json::value::RawValue;

use crate::problem::codes::message as codes;
use crate::problem::describe;
use crate::terms::Day;

use super::feed::Feed;
use super::kinds::{Scan, TopKeys, scan};
use super::message::{Fault, Message};
use super::payload::{payload_text, syntax_fault, text_of};
use super::values::{holds_personal_number, instant_of_text};

/// Topic names end at 249 characters in Kafka; two numbers follow.
const RETRY_CHARACTERS_MAX: usize = 300;

/// A message whose kind is known and whose body is text.
#[derive(Debug)]
pub struct Envelope<'m> {
    /// Index into the kinds of the feed.
    pub kind: usize,
    /// The kind was told by keys alone: if the body fails, `scan` may have met an earlier fault.
    pub by_keys: bool,
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
    let mut keys = TopKeys::of(feed);
    let text = payload_text(message, &mut |key| keys.see(key))?;
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
        bare(kind, text, time)
    } else if let Some(kind) = keys.plain_kind() {
        Envelope { by_keys: true, ..bare(kind, text, None) }
    } else {
        match scan(feed, text)? {
            Scan::Kind(kind) => bare(kind, text, None),
            Scan::Structured => open_structured(feed, text)?,
        }
    };
    Ok(Envelope { retry_of, ..envelope })
}

/// The whole payload is the body.
const fn bare(kind: usize, text: &str, time: Option<i64>) -> Envelope<'_> {
    Envelope { kind, by_keys: false, body: Cow::Borrowed(text), inside: "", time, retry_of: None }
}

fn header_text<'m>(message: &'m Message, name: &str) -> Option<&'m str> {
    std::str::from_utf8(message.header(name)?).ok()
}

/// topic/partition/offset.
fn is_place(text: &str) -> bool {
    let mut parts = text.rsplitn(3, '/');
    let offset = parts.next().is_some_and(|offset| offset.parse::<i64>().is_ok());
    let partition = parts.next().is_some_and(|partition| partition.parse::<i32>().is_ok());
    offset && partition && parts.next().is_some_and(|topic| !topic.is_empty())
}

/// `qs_retry_of` is stored, so it must be coordinates and nothing else.
pub(super) fn retry_of(message: &Message) -> Result<Option<String>, Box<Fault>> {
    let Some(value) = message.header("qs_retry_of") else { return Ok(None) };
    let plain = |b: &u8| b.is_ascii_alphanumeric() || b"._-/".contains(b);
    match std::str::from_utf8(value) {
        Ok(text)
            if text.len() <= RETRY_CHARACTERS_MAX
                && value.iter().all(plain)
                && is_place(text)
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
            let text = text_of(&bytes, &mut |_| {}).map_err(|fault| fault.within("data_base64"))?.to_owned();
            (Cow::Owned(text), "/data_base64")
        }
        (Some(_), Some(_)) => return Err(Fault::new(codes::BAD_ENVELOPE, "both data and data_base64")),
        (None, None) => return Err(Fault::new(codes::BAD_ENVELOPE, "neither data nor data_base64")),
    };
    Ok(Envelope { kind, by_keys: false, body, inside, time, retry_of: None })
}
