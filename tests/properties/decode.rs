//! Any bytes, and any damage to a good message: one outcome, and the neighbours are as if alone.

use std::sync::LazyLock;

use qianshao::consume::decode::{Decoded, Stated};
use qianshao::consume::feed::Feed;
use qianshao::consume::message::{Message, Rejected};
use qianshao::consume::redact::body_shape;
use qianshao::consume::seal::Sealer;

use super::examples::{Choices, FEEDS, decoded, good, message};

/// Pieces that have broken decoders before.
const TOKENS: &[&str] = &[
    "1e400",
    "-1e400",
    "-0",
    "-0.0",
    "9223372036854775807",
    "9223372036854775808",
    "18446744073709551616",
    "0.1e-400",
    "NaN",
    "Infinity",
    "null",
    "true",
    "[]",
    "{}",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    "\"",
    "\\",
    "\"\"",
    "\"\\ud800\"",
    "\"\\ud83d\\ude00\"",
    "\"\\u0000\"",
    "\"\u{202E}\"",
    "\"\u{FEFF}\"",
    "\u{FEFF}",
    "\"１２\"",
    "\"2021-02-30\"",
    "\"0000-01-01\"",
    "\"9999-12-31T23:59:60Z\"",
    "\"20210118\"",
    "\"2021-01-18 24:00:00\"",
    "\"=1+1\"",
    "\"'; DROP TABLE signals; --\"",
    "\"<script>\"",
    "\"13900990001\"",
    "13900990001",
    "\"990101198506150012\"",
    "\"990199\"",
    "\"341822\"",
    "\"operation\":\"retract\"",
    "\"specversion\":\"1.0\"",
    "\"data\":",
    "\"revision\":1000001",
];

/// Characters of a body's shape that quarantine keeps.
const SHAPE_MAX: usize = 512;

static SEALER: LazyLock<Sealer> = LazyLock::new(|| Sealer::from_bytes(&[9; 32]));

/// Damaged messages in one run, each between two good ones.
pub const DAMAGED: usize = 4;

/// A feed's first good example decoded alone, by feed.
static ALONE: LazyLock<Vec<Stated>> = LazyLock::new(|| {
    let alone = |feed: &Feed| {
        let (taken, refused) = decoded(feed, &[message(good(feed)[0].as_bytes())]);
        assert!(refused.is_empty(), "a feed's own example is refused");
        taken[0].stated[0].clone()
    };
    FEEDS.feeds.iter().map(alone).collect()
});

/// The first bytes choose feed and manner, the others are a payload or say what is done to a good example.
pub fn holds(data: &[u8]) {
    let mut choices = Choices(data);
    let at = choices.below(FEEDS.feeds.len());
    let feed = &FEEDS.feeds[at];
    let lines = good(feed);
    let neighbour = message(lines[0].as_bytes());
    let mut messages = vec![neighbour.clone()];
    for _ in 0..DAMAGED {
        let payload = match choices.byte() % 8 {
            0 => choices.0.to_vec(),
            _ => damaged(choices.of(&lines).as_bytes(), &mut choices),
        };
        messages.extend([message(&payload), neighbour.clone()]);
    }
    let (taken, rejected) = decoded(feed, &messages);
    one_outcome(&taken, &rejected, &ALONE[at]);
    for one in &rejected {
        says_where_and_nothing_else(one);
        keeps_the_bytes(feed, &messages[one.message]);
    }
}

/// The example after a few cuts, doublings, replacements and insertions.
pub fn damaged(example: &[u8], choices: &mut Choices<'_>) -> Vec<u8> {
    let mut bytes = example.to_vec();
    for _ in 0..8 {
        if choices.is_over() {
            break;
        }
        let (what, at) = (choices.byte(), choices.below(bytes.len() + 1));
        let length = usize::from(choices.byte()) % 24;
        let end = (at + length).min(bytes.len());
        match what % 6 {
            0 => drop(bytes.drain(at..end)),
            1 => {
                let again = bytes[at..end].to_vec();
                bytes.splice(at..at, again);
            }
            2 => drop(bytes.splice(at..end, choices.take(length).iter().copied())),
            3 => drop(bytes.splice(value_at(&bytes, at), choices.of(TOKENS).bytes())),
            4 => drop(bytes.splice(at..at, choices.of(TOKENS).bytes())),
            _ => bytes.truncate(at),
        }
    }
    bytes
}

/// The value after the next colon: what stands up to the comma or brace behind it.
fn value_at(bytes: &[u8], at: usize) -> std::ops::Range<usize> {
    let from = bytes[at..].iter().position(|b| *b == b':').map_or(bytes.len(), |colon| at + colon + 1);
    let length = bytes[from..].iter().position(|b| matches!(b, b',' | b'}')).unwrap_or(0);
    from..from + length
}

/// Every message is taken or refused; what a neighbour states, its content's hash too, is what it states alone.
fn one_outcome(taken: &[Decoded], rejected: &[Rejected], alone: &Stated) {
    let mut outcomes = [0; 2 * DAMAGED + 1];
    for stated in taken.iter().flat_map(|part| &part.stated) {
        outcomes[stated.message] += 1;
        let is_neighbour = stated.message % 2 == 0;
        assert!(!is_neighbour || Stated { message: 0, ..stated.clone() } == *alone, "a neighbour is as if alone");
    }
    for one in rejected {
        outcomes[one.message] += 1;
        assert!(one.message % 2 == 1, "a neighbour is refused: {}", one.code.id);
    }
    assert_eq!(outcomes, [1; 2 * DAMAGED + 1]);
}

fn says_where_and_nothing_else(rejected: &Rejected) {
    let Rejected { pointer, found, help, .. } = rejected;
    assert!(pointer.is_empty() || pointer.starts_with('/'), "{pointer}");
    assert!(!found.is_empty() && !help.is_empty(), "{}", rejected.code.id);
    // A description is ours and in English; what a person wrote is neither.
    assert!(found.is_ascii() && longest_run(found) < 10, "{found}");
}

fn longest_run(text: &str) -> usize {
    text.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or(0)
}

fn keeps_the_bytes(feed: &Feed, bad: &Message) {
    let payload = bad.payload.as_deref().unwrap_or_default();
    let shape = body_shape(payload, &|key| feed.knows_key(key), SHAPE_MAX);
    assert!(shape.len() <= SHAPE_MAX + " …".len() && longest_run(&shape) < 10, "{shape}");
    let sealed = SEALER.seal(&bad.position, payload);
    assert_eq!(SEALER.open(&bad.position, &sealed).as_deref(), Some(payload));
}
