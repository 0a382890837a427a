//! Whether a partition may be read from where the log stands: a decision, without Kafka.
//!
//! Promises: what cannot be read without a gap is held and said in words; nothing starts again at 0 by itself.

use crate::consume::source::Start;
use crate::problem::{Problem, codes};

/// What the broker says about a partition: its first offset and its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Watermarks {
    pub low: i64,
    pub high: i64,
}

/// What to do with a partition that was given to us.
#[derive(Debug, PartialEq, Eq)]
pub enum Verdict {
    Read {
        from: i64,
    },
    /// Read it, and tell a person.
    ReadAndSay {
        from: i64,
        problem: Box<Problem>,
    },
    /// It waits for a person.
    Hold(Box<Problem>),
}

/// `start` is what the log holds for the partition, `topic_known` whether it holds anything for the topic.
pub fn judge(topic: &str, partition: i32, start: Option<Start>, topic_known: bool, marks: Watermarks) -> Verdict {
    let at = format!("topic {topic}, partition {partition}");
    let Some(Start { next, .. }) = start else {
        return match (marks.low, topic_known) {
            (0, false) => Verdict::Read { from: 0 },
            (0, true) => Verdict::ReadAndSay {
                from: 0,
                problem: Problem::new(codes::kafka::PARTITION_ADDED, at, format!("{} messages in it", marks.high)),
            },
            (low, _) => Verdict::Hold(Problem::new(
                codes::kafka::RETENTION_GAP,
                at,
                format!("it was never read, and its first message is {low}: offsets 0 to {} are gone", low - 1),
            )),
        };
    };
    if marks.high < next {
        let found = format!("it ends at offset {}, and we have read up to {next}", marks.high);
        return Verdict::Hold(Problem::new(codes::kafka::TOPIC_RECREATED, at, found));
    }
    if marks.low > next {
        let found = format!("offsets {next} to {} are gone: its first message is {}", marks.low - 1, marks.low);
        return Verdict::Hold(Problem::new(codes::kafka::RETENTION_GAP, at, found));
    }
    Verdict::Read { from: next }
}

/// The message before our offset is not the one that we read there: it is another topic of the same name.
pub fn recreated(topic: &str, partition: i32, offset: i64) -> Box<Problem> {
    let at = format!("topic {topic}, partition {partition}, offset {offset}");
    Problem::new(codes::kafka::TOPIC_RECREATED, at, "the message there is not the one that was read")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(verdict: &Verdict) -> &'static str {
        match verdict {
            Verdict::Read { .. } => "read",
            Verdict::ReadAndSay { problem, .. } | Verdict::Hold(problem) => problem.code.reason,
        }
    }

    #[test]
    fn nothing_starts_at_the_beginning_without_a_reason() {
        let judge =
            |start: Option<i64>, known, low, high| judge("t", 0, start.map(Start::at), known, Watermarks { low, high });
        assert_eq!(judge(Some(7), true, 0, 9), Verdict::Read { from: 7 });
        assert_eq!(judge(Some(7), true, 7, 7), Verdict::Read { from: 7 });
        assert_eq!(judge(None, false, 0, 9), Verdict::Read { from: 0 });
        assert_eq!(code(&judge(None, true, 0, 9)), "partition_added");
        assert_eq!(code(&judge(None, false, 3, 9)), "retention_gap");
        assert_eq!(code(&judge(Some(7), true, 8, 9)), "retention_gap");
        assert_eq!(code(&judge(Some(7), true, 0, 6)), "topic_recreated");
    }

    #[test]
    fn a_gap_is_named_by_its_offsets() {
        let Verdict::Hold(problem) = judge("t", 2, Some(Start::at(7)), true, Watermarks { low: 10, high: 12 }) else {
            panic!("it must wait");
        };
        assert_eq!(problem.at, "topic t, partition 2");
        assert_eq!(problem.found, "offsets 7 to 9 are gone: its first message is 10");
    }
}
