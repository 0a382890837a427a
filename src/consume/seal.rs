//! Quarantined bytes are kept sealed: AES-256-GCM-SIV under a key of the deployment.
//!
//! Promises: the same message seals to the same bytes, so a replayed quarantine is identical; a sealed body opens only
//! at the position that it was sealed for. Never: writes a body that can be read without the key.

use std::path::Path;

use aes_gcm_siv::aead::{Aead, KeyInit, Payload};
use aes_gcm_siv::{Aes256GcmSiv, Key, Nonce};

use crate::problem::Result;
use crate::terms::Position;

use super::identity::{mac, read_key};

const NONCE_BYTES: usize = 12;

/// Seals and opens message bodies.
pub struct Sealer {
    cipher: Aes256GcmSiv,
    nonces: [u8; 32],
}

impl Sealer {
    /// Reads the key from a file: hexadecimal, optionally after a key id and a colon.
    pub fn from_file(path: &Path) -> Result<Self> {
        let (_, key) = read_key(path)?;
        Ok(Self::from_bytes(&key))
    }

    /// Ciphering and nonces get keys of their own.
    pub fn from_bytes(key: &[u8]) -> Self {
        let cipher = mac(key, &[b"qianshao seal"]);
        Self {
            cipher: Aes256GcmSiv::new(Key::<Aes256GcmSiv>::from_slice(&cipher)),
            nonces: mac(key, &[b"qianshao seal nonce"]),
        }
    }

    /// Nonce and ciphertext. No clock and no chance: the nonce is a keyed hash of position and payload.
    pub fn seal(&self, position: &Position, payload: &[u8]) -> Vec<u8> {
        let place = position.to_string();
        let length = (place.len() as u64).to_be_bytes();
        let nonce = mac(&self.nonces, &[&length, place.as_bytes(), payload]);
        let nonce = &nonce[..NONCE_BYTES];
        let sealed = self.cipher.encrypt(Nonce::from_slice(nonce), Payload { msg: payload, aad: place.as_bytes() });
        // Fails only beyond 2^36 bytes; payloads end at Kafka's limit. An empty body then says nothing to anyone.
        [nonce, &sealed.unwrap_or_default()].concat()
    }

    /// The body, or nothing where the bytes, the position or the key are not those that were sealed.
    pub fn open(&self, position: &Position, sealed: &[u8]) -> Option<Vec<u8>> {
        let (nonce, sealed) = sealed.split_at_checked(NONCE_BYTES)?;
        let place = position.to_string();
        self.cipher.decrypt(Nonce::from_slice(nonce), Payload { msg: sealed, aad: place.as_bytes() }).ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(offset: i64) -> Position {
        Position { topic: "t".into(), partition: 0, offset }
    }

    #[test]
    fn a_sealed_body_opens_at_its_position_only() {
        let sealer = Sealer::from_bytes(&[1; 32]);
        let body = "王小明".as_bytes();
        let sealed = sealer.seal(&at(1), body);
        assert_eq!(sealer.open(&at(1), &sealed).as_deref(), Some(body));
        assert_eq!(sealer.open(&at(2), &sealed), None);
        assert_eq!(Sealer::from_bytes(&[2; 32]).open(&at(1), &sealed), None);
        assert!(!sealed.windows(3).any(|window| body.windows(3).any(|part| part == window)));
    }

    #[test]
    fn sealing_twice_gives_the_same_bytes_and_an_edit_is_seen() {
        let sealer = Sealer::from_bytes(&[1; 32]);
        let mut sealed = sealer.seal(&at(1), b"body");
        assert_eq!(sealed, sealer.seal(&at(1), b"body"));
        assert_ne!(sealed[..12], sealer.seal(&at(2), b"body")[..12]);
        sealed[14] ^= 1;
        assert_eq!(sealer.open(&at(1), &sealed), None);
        assert_eq!(sealer.open(&at(1), b"short"), None);
    }
}
