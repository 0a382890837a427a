//! Text files as they were published: gzip or not, with a byte-order mark or without.

use std::borrow::Cow;
use std::io::Read;

use flate2::read::MultiGzDecoder;

/// The first two bytes of a gzip file.
const GZIP_MAGIC: [u8; 2] = [0x1f, 0x8b];
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

/// Bytes of an unpacked file at most: a small file must not fill the memory.
const BYTES_MAX: u64 = 4 << 30;

/// The text that `bytes` hold; fails in words where it is no whole gzip file or too much.
pub fn unpacked(bytes: &[u8]) -> Result<Cow<'_, [u8]>, String> {
    if !bytes.starts_with(&GZIP_MAGIC) {
        return Ok(Cow::Borrowed(bytes.strip_prefix(BYTE_ORDER_MARK).unwrap_or(bytes)));
    }
    let mut text = Vec::new();
    let read = MultiGzDecoder::new(bytes).take(BYTES_MAX + 1).read_to_end(&mut text);
    read.map_err(|error| format!("gzip: {error}"))?;
    if text.len() as u64 > BYTES_MAX {
        return Err(format!("more than {BYTES_MAX} bytes when unpacked"));
    }
    if text.starts_with(BYTE_ORDER_MARK) {
        text.drain(..BYTE_ORDER_MARK.len());
    }
    Ok(Cow::Owned(text))
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    fn packed(text: &[u8]) -> Vec<u8> {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(text).unwrap();
        packed.finish().unwrap()
    }

    #[test]
    fn a_text_is_the_same_packed_or_not_marked_or_not() {
        for bytes in [b"t,observed".to_vec(), b"\xef\xbb\xbft,observed".to_vec(), packed(b"\xef\xbb\xbft,observed")] {
            assert_eq!(&*unpacked(&bytes).unwrap(), b"t,observed");
        }
        let parts = [packed(b"t,"), packed(b"observed")].concat();
        assert_eq!(&*unpacked(&parts).unwrap(), b"t,observed");
        assert!(unpacked(&packed(b"t,observed")[..15]).is_err_and(|told| told.starts_with("gzip")));
    }
}
