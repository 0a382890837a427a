//! The names of our topics.
//!
//! Promises: the part behind the prefix is a public contract; a name never holds what a message said.

/// The names of our topics: the prefix is the deployment's, the rest is a public contract.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Topics {
    pub prefix: String,
}

impl Topics {
    /// Where a feed's reports arrive.
    pub fn feed(&self, feed: &str) -> String {
        format!("{}.feed.{feed}.v1", self.prefix)
    }

    /// Every revision of every alert, county grain.
    pub fn changed(&self) -> String {
        format!("{}.alert.changed.v1", self.prefix)
    }

    /// The newest revision of every alert, county grain; compacted.
    pub fn current(&self) -> String {
        format!("{}.alert.current.v1", self.prefix)
    }

    /// Every revision, whole, for the people of one prefecture: the first four digits of the area.
    pub fn restricted(&self, area_code: &str) -> String {
        // Without a usable area nobody but the administrator may see it: no prefecture is 0000.
        let prefecture = area_code.get(..4).filter(|four| four.bytes().all(|b| b.is_ascii_digit())).unwrap_or("0000");
        format!("{}.alert.restricted.{prefecture}.v1", self.prefix)
    }

    /// What every restricted topic's name begins with.
    pub fn restricted_stem(&self) -> String {
        format!("{}.alert.restricted.", self.prefix)
    }

    /// Messages of a feed that cannot be used: why and where, never what they said.
    pub fn dead_letter(&self, feed: &str) -> String {
        format!("{}.deadletter.{feed}.v1", self.prefix)
    }

    /// What every dead-letter topic's name begins with.
    pub fn dead_letter_stem(&self) -> String {
        format!("{}.deadletter.", self.prefix)
    }

    /// Whose partition 0 is held publishes; no messages, one partition.
    pub fn control(&self) -> String {
        format!("{}.control.v1", self.prefix)
    }

    /// How far the publisher has come; compacted, one partition.
    pub fn progress(&self) -> String {
        format!("{}.progress.v1", self.prefix)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_restricted_topic_is_named_by_the_prefecture_and_never_by_something_else() {
        let topics = Topics { prefix: "qianshao".to_owned() };
        assert_eq!(topics.restricted("990103"), "qianshao.alert.restricted.9901.v1");
        assert_eq!(topics.restricted("99010"), "qianshao.alert.restricted.9901.v1");
        assert_eq!(topics.restricted("北京"), "qianshao.alert.restricted.0000.v1");
        assert_eq!(topics.restricted("x/../y"), "qianshao.alert.restricted.0000.v1");
    }
}
