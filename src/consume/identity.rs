//! Personal identifiers become tokens before anything is stored.
//!
//! Promises: the same person's number, however it was typed, gives the same token within one linkage domain and key;
//! domains have their own keys, so they cannot be joined; a token names the key that made it.
//! Never: keeps, logs or repeats an identifier.

use std::path::Path;

use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};
use sm3::Sm3;

use crate::problem::codes::{self, folder};
use crate::problem::{Problem, Result};
use crate::terms::{hex, push_hex};

/// Bytes of a key file; shorter keys could be searched.
const KEY_BYTES_MIN: usize = 32;
/// Bytes of a MAC that a token shows: 128 bits never collide by chance among a nation's people.
const TOKEN_BYTES: usize = 16;

/// The hash function under the HMAC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    Sha256,
    /// GB/T 32905, where commercial cryptography of the State is required.
    Sm3,
}

/// The deployment's key. Holds no debug output on purpose.
pub struct Pseudonyms {
    id: String,
    secret: Secret,
}

enum Secret {
    Key(Algorithm, Vec<u8>),
    Off,
}

/// The key of one linkage domain, prepared once for a batch.
#[derive(Clone)]
pub struct Subkey {
    id: String,
    keyed: Keyed,
}

#[derive(Clone)]
enum Keyed {
    Sha256(Hmac<Sha256>),
    Sm3(Hmac<Sm3>),
    Off,
}

impl Pseudonyms {
    /// Reads the key from a file: hexadecimal, optionally after a key id and a colon.
    pub fn from_file(path: &Path, algorithm: Algorithm) -> Result<Self> {
        let (id, key) = read_key(path)?;
        Ok(match id {
            Some(id) => Self { id, secret: Secret::Key(algorithm, key) },
            None => Self::from_bytes(&key, algorithm),
        })
    }

    /// A key whose id is derived from it.
    pub fn from_bytes(key: &[u8], algorithm: Algorithm) -> Self {
        let id = hex(&mac(key, &[b"qianshao key id"])[..4]);
        Self { id, secret: Secret::Key(algorithm, key.to_vec()) }
    }

    /// No hashing at all: tokens show the identifier. Only for showing that a search for identifiers finds some.
    pub fn insecure_plain() -> Self {
        Self { id: "plain".to_owned(), secret: Secret::Off }
    }

    /// The key of a linkage domain.
    pub fn subkey(&self, domain: &str) -> Subkey {
        let keyed = match &self.secret {
            Secret::Key(Algorithm::Sha256, key) => {
                Keyed::Sha256(keyed(&mac(key, &[b"qianshao domain ", domain.as_bytes()])))
            }
            Secret::Key(Algorithm::Sm3, key) => {
                let mut derive: Hmac<Sm3> = keyed(key);
                derive.update(b"qianshao domain ");
                derive.update(domain.as_bytes());
                Keyed::Sm3(keyed(&derive.finalize().into_bytes()))
            }
            Secret::Off => Keyed::Off,
        };
        Subkey { id: self.id.clone(), keyed }
    }
}

impl Subkey {
    /// Appends the token of a normalized identifier to `out`.
    pub fn token(&self, normalized: &str, out: &mut String) {
        out.push_str(&self.id);
        out.push(':');
        match self.digest(normalized.as_bytes()) {
            Some(digest) => push_hex(&digest, out),
            None => out.push_str(normalized),
        }
    }

    /// The first half of the keyed hash; nothing where hashing is off.
    pub fn digest(&self, bytes: &[u8]) -> Option<[u8; TOKEN_BYTES]> {
        match &self.keyed {
            Keyed::Sha256(keyed) => Some(head(&keyed.clone().chain_update(bytes).finalize().into_bytes())),
            Keyed::Sm3(keyed) => Some(head(&keyed.clone().chain_update(bytes).finalize().into_bytes())),
            Keyed::Off => None,
        }
    }
}

/// The first 16 bytes of SHA-256 over length-prefixed parts, as hex: stable names of records and contents.
#[derive(Default)]
pub struct StableHash(Sha256);

impl StableHash {
    /// Adds a part, given in pieces.
    pub fn part(&mut self, pieces: &[&[u8]]) {
        let length: usize = pieces.iter().map(|piece| piece.len()).sum();
        self.0.update((length as u64).to_be_bytes());
        pieces.iter().for_each(|piece| self.0.update(piece));
    }

    /// 32 hexadecimal digits.
    pub fn finish(self) -> String {
        hex(&head(&self.0.finalize()))
    }
}

/// The hash of parts that are there as a whole.
pub fn stable_hash<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    let mut hash = StableHash::default();
    parts.into_iter().for_each(|part| hash.part(&[part]));
    hash.finish()
}

fn head(bytes: &[u8]) -> [u8; TOKEN_BYTES] {
    let mut head = [0; TOKEN_BYTES];
    for (to, from) in head.iter_mut().zip(bytes) {
        *to = *from;
    }
    head
}

#[expect(clippy::expect_used, reason = "HMAC takes keys of every length; the error type is the trait's")]
fn keyed<M: Mac + KeyInit>(key: &[u8]) -> M {
    <M as KeyInit>::new_from_slice(key).expect("HMAC takes a key of any length")
}

/// HMAC-SHA-256 over the joined parts.
pub fn mac(key: &[u8], parts: &[&[u8]]) -> [u8; 32] {
    let mut mac: Hmac<Sha256> = keyed(key);
    for part in parts {
        mac.update(part);
    }
    mac.finalize().into_bytes().into()
}

/// Reads a key file: `[id:]hex`, whitespace around it ignored.
pub fn read_key(path: &Path) -> Result<(Option<String>, Vec<u8>)> {
    let at = path.display().to_string();
    let bytes = std::fs::read(path).map_err(|error| Problem::new(codes::IO, &at, error.to_string()))?;
    let refuse = |found: String| Problem::new(folder::KEY_FILE, &at, found);
    let text = String::from_utf8(bytes).map_err(|_| refuse("bytes that are not text".to_owned()))?;
    let text = text.trim();
    let (id, digits) = match text.split_once(':') {
        Some((id, digits)) => (Some(id.to_owned()), digits),
        None => (None, text),
    };
    if id.as_ref().is_some_and(|id| id.is_empty() || id.len() > 16 || !id.bytes().all(|b| b.is_ascii_alphanumeric())) {
        return Err(refuse("a key id that is not 1 to 16 letters and digits".to_owned()));
    }
    let key = unhex(digits).ok_or_else(|| refuse("text that is not hexadecimal".to_owned()))?;
    if key.len() < KEY_BYTES_MIN {
        return Err(refuse(format!("{} bytes", key.len())));
    }
    Ok((id, key))
}

/// The bytes of an even number of hexadecimal digits.
pub fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.len().is_multiple_of(2) || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::consume::identifier::normalize;
    use crate::consume::plan::Scheme;
    use crate::terms::Day;

    const KEY: [u8; 32] = [7; 32];

    fn today() -> Day {
        Day::parse("2021-01-18").unwrap()
    }

    fn token(pseudonyms: &Pseudonyms, domain: &str, scheme: Scheme, text: &str) -> Option<String> {
        let (mut normal, mut token) = (String::new(), String::new());
        normalize(scheme, text, today(), &mut normal).then(|| {
            pseudonyms.subkey(domain).token(&normal, &mut token);
            token
        })
    }

    #[test]
    fn lower_case_and_full_width_give_the_same_person() {
        let key = Pseudonyms::from_bytes(&KEY, Algorithm::Sha256);
        let of = |text| token(&key, "person", Scheme::CnId, text).unwrap();
        let token = of("11010519491231002X");
        assert_eq!(of("11010519491231002x"), token);
        assert_eq!(of(" １１０１０５１９４９１２３１００２ｘ "), token);
        assert_eq!(of("110105491231002"), token, "15 digits become 18");
        assert_eq!(token.len(), 8 + 1 + 32);
    }

    #[test]
    fn a_number_that_cannot_be_right_gives_no_token() {
        let key = Pseudonyms::from_bytes(&KEY, Algorithm::Sha256);
        for bad in ["110105194912310021", "110105202112310026", "11010519490231002X", "王小明", "", "123"] {
            assert_eq!(token(&key, "person", Scheme::CnId, bad), None, "{bad}");
        }
        assert!(token(&key, "person", Scheme::CnId, "440524188001010014").is_some(), "the standard's own example");
        assert!(token(&key, "person", Scheme::Phone, "139").is_none());
    }

    #[test]
    fn domains_and_keys_and_algorithms_cannot_be_joined() {
        let one = Pseudonyms::from_bytes(&KEY, Algorithm::Sha256);
        let other = Pseudonyms::from_bytes(&[8; 32], Algorithm::Sha256);
        let sm3 = Pseudonyms::from_bytes(&KEY, Algorithm::Sm3);
        let of = |key: &Pseudonyms, domain| token(key, domain, Scheme::CnId, "11010519491231002X").unwrap();
        let mut tokens = vec![of(&one, "a"), of(&one, "b"), of(&other, "a"), of(&sm3, "a")];
        tokens.sort();
        tokens.dedup();
        assert_eq!(tokens.len(), 4);
    }

    #[test]
    fn one_telephone_has_one_token() {
        let key = Pseudonyms::from_bytes(&KEY, Algorithm::Sm3);
        let of = |text| token(&key, "person", Scheme::Phone, text);
        assert_eq!(of("+86 139-0000-0000"), of("13900000000"));
        assert_ne!(of("13900000001"), of("13900000000"));
    }

    #[test]
    fn hashing_switched_off_shows_the_identifier() {
        let plain = token(&Pseudonyms::insecure_plain(), "person", Scheme::Name, "王 小明").unwrap();
        assert_eq!(plain, "plain:name:王小明");
    }

    #[test]
    fn hmac_sha_256_agrees_with_rfc_4231() {
        let expected = "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843";
        assert_eq!(hex(&mac(b"Jefe", &[b"what do ya want ", b"for nothing?"])), expected);
    }

    #[test]
    fn a_key_file_is_hexadecimal_of_at_least_32_bytes() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("key");
        std::fs::write(&path, format!("2026:{}\n", "0f".repeat(32))).unwrap();
        assert_eq!(read_key(&path).unwrap(), (Some("2026".to_owned()), vec![15; 32]));
        std::fs::write(&path, "0f0f").unwrap();
        assert_eq!(read_key(&path).unwrap_err().code, folder::KEY_FILE);
    }
}
