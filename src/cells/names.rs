//! Texts that repeat, stored once: units, signals, facilities; and tokens of persons, made small.
//!
//! Promises: what was put in comes out to the letter. Numbers of texts follow the order in which texts came.

use std::borrow::Cow;
use std::hash::BuildHasher;

use hashbrown::{DefaultHashBuilder, HashTable};

use super::distinct::push;

/// A text's number.
pub type Name = u32;

/// A person's token: an id of the key, a colon, 32 hexadecimal digits in lower case; or any other text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Person {
    key: Name,
    // Bytes, because a u128 would be laid out with room for another half.
    digest: [u8; 16],
}

impl Person {
    /// In place of a key's number where `digest` is the number of the whole token, which is not of the usual form.
    const AS_TEXT: Name = Name::MAX - 1;
    /// In place of a key's number where there is no person.
    const NOBODY: Name = Name::MAX;

    /// A key's number and a digest for everyone, nobody too: where every entry has one size.
    pub(super) fn packed(person: Option<Self>) -> (Name, [u8; 16]) {
        person.map_or((Self::NOBODY, [0; 16]), |Self { key, digest }| (key, digest))
    }

    pub(super) fn unpacked((key, digest): (Name, [u8; 16])) -> Option<Self> {
        (key != Self::NOBODY).then_some(Self { key, digest })
    }
}

#[derive(Clone, Debug, Default)]
pub struct Names {
    /// Every text, one behind the other.
    texts: String,
    ends: Vec<usize>,
    numbers: HashTable<Name>,
    hasher: DefaultHashBuilder,
}

impl Names {
    /// The number of a text, a new one if it has none.
    pub fn number(&mut self, text: &str) -> Name {
        let Self { texts, ends, numbers, hasher, .. } = self;
        let hash = hasher.hash_one(text);
        if let Some(number) = numbers.find(hash, |number| slice(texts, ends, *number) == text) {
            return *number;
        }
        let number = ends.len() as Name;
        texts.push_str(text);
        push(ends, texts.len());
        numbers.insert_unique(hash, number, |number| hasher.hash_one(slice(texts, ends, *number)));
        number
    }

    /// The number of a text that was seen.
    pub fn find(&self, text: &str) -> Option<Name> {
        let hash = self.hasher.hash_one(text);
        self.numbers.find(hash, |number| slice(&self.texts, &self.ends, *number) == text).copied()
    }

    /// The text of a number that was given out here.
    pub fn text(&self, number: Name) -> &str {
        slice(&self.texts, &self.ends, number)
    }

    /// How many texts there are.
    pub(super) const fn len(&self) -> usize {
        self.ends.len()
    }

    /// The person of a token.
    pub fn person(&mut self, text: &str) -> Person {
        let usual = text.rsplit_once(':').and_then(|(key, digits)| Some((key, lower_hex(digits)?)));
        match usual {
            Some((key, digest)) => Person { key: self.number(key), digest: digest.to_be_bytes() },
            None => Person { key: Person::AS_TEXT, digest: u128::from(self.number(text)).to_be_bytes() },
        }
    }

    /// The token of a person that was seen.
    pub fn token(&self, person: Person) -> Cow<'_, str> {
        let digest = u128::from_be_bytes(person.digest);
        match person.key {
            Person::AS_TEXT => self.text(digest as Name).into(),
            key => format!("{}:{digest:032x}", self.text(key)).into(),
        }
    }
}

fn slice<'a>(texts: &'a str, ends: &[usize], number: Name) -> &'a str {
    let at = number as usize;
    let Some(end) = ends.get(at) else { return "" };
    &texts[at.checked_sub(1).map_or(0, |before| ends[before])..*end]
}

/// 32 hexadecimal digits in lower case as a number, so that writing it gives them back.
fn lower_hex(digits: &str) -> Option<u128> {
    let is_lower = |digit: u8| digit.is_ascii_digit() || (b'a'..=b'f').contains(&digit);
    (digits.len() == 32 && digits.bytes().all(is_lower)).then(|| hex_128(digits)).flatten()
}

/// Up to 32 hexadecimal digits as a number, eight at a time: a record's key is read for every message.
pub fn hex_128(digits: &str) -> Option<u128> {
    let bytes = digits.as_bytes();
    if bytes.is_empty() || bytes.len() > 32 {
        return None;
    }
    let mut halves = [0_u64; 2];
    for (at, byte) in bytes.iter().enumerate() {
        let digit = char::from(*byte).to_digit(16)?;
        let half = &mut halves[usize::from(at + 16 >= bytes.len())];
        *half = *half << 4 | u64::from(digit);
    }
    Some(u128::from(halves[0]) << 64 | u128::from(halves[1]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_out_as_it_went_in_whatever_its_form() {
        let digits = "00ff0123456789abcdef0123456789ab";
        let tokens = [
            format!("01020304:{digits}"),
            format!("key:2:{digits}"),
            format!("01020304:{}", digits.to_uppercase()),
            format!(":{digits}"),
            format!("01020304:{}", &digits[1..]),
            format!("01020304:+{}", &digits[1..]),
            digits.to_owned(),
            "plain:110101199003070000".to_owned(),
            String::new(),
        ];
        let mut names = Names::default();
        let persons: Vec<Person> = tokens.iter().map(|token| names.person(token)).collect();
        for (token, person) in tokens.iter().zip(&persons) {
            assert_eq!(names.token(*person), *token);
            assert_eq!(names.person(token), *person, "{token}");
            assert_eq!(Person::unpacked(Person::packed(Some(*person))), Some(*person));
        }
        assert_eq!(persons.iter().collect::<std::collections::BTreeSet<_>>().len(), tokens.len());
        assert_eq!(Person::unpacked(Person::packed(None)), None);
    }

    #[test]
    fn a_text_has_one_number_and_comes_out_as_it_went_in() {
        let mut names = Names::default();
        let numbers: Vec<Name> = ["a", "", "三年级二班", "ab", "a", ""].map(|text| names.number(text)).to_vec();
        assert_eq!(numbers, [0, 1, 2, 3, 0, 1]);
        assert_eq!((names.text(1), names.text(2), names.text(3), names.text(4)), ("", "三年级二班", "ab", ""));
        assert_eq!((names.find("ab"), names.find("b")), (Some(3), None));
        assert_eq!(names.clone().number("ab"), 3);
    }

    #[test]
    fn hexadecimal_digits_are_read_as_the_standard_library_reads_them() {
        for digits in ["0", "f", "00ff", "0123456789abcdef0", "0123456789ABCDEF0123456789abcdef"] {
            assert_eq!(hex_128(digits), u128::from_str_radix(digits, 16).ok(), "{digits}");
        }
        for digits in ["", "g", "0123456789abcdef0123456789abcdef0", "-1", "1 "] {
            assert_eq!((hex_128(digits), lower_hex(digits)), (None, None), "{digits}");
        }
    }
}
