//! What the invented city sends, as messages from a broker.

use qianshao::consume::message::Message;
use qianshao::simulate::{Options, Outgoing, Simulation};
use qianshao::terms::{Day, Position};

/// The messages of a city of the usual size up to an instant, microseconds UTC, with planted outbreaks or without.
pub fn messages(start: Day, days: u32, planted: bool, until: i64) -> Vec<Message> {
    let options = Options { seed: 1, days, start, scale: 1.0, prefix: "qianshao".to_owned(), partitions: 8, planted };
    let message = |one: Outgoing| Message {
        position: Position { topic: one.topic.into(), partition: one.partition, offset: one.offset },
        timestamp: Some(one.at),
        key: Some(one.key),
        headers: one.headers,
        payload: one.payload,
    };
    Simulation::new(options).until(until).messages.into_iter().map(message).collect()
}
