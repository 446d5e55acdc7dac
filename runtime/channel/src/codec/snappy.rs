//! Snappy's raw format.

use snap::raw::{Decoder, Encoder, decompress_len, max_compress_len};

use super::{Codec, Compression, Corrupt};

struct Snappy(Encoder);

pub(super) fn make(_: Compression) -> Box<dyn Codec> {
    Box::new(Snappy(Encoder::new()))
}

impl Codec for Snappy {
    fn bound(&self, len: usize) -> usize {
        max_compress_len(len)
    }

    fn compress(&mut self, plain: &[u8], into: &mut [u8]) -> Option<usize> {
        self.0.compress(plain, into).ok()
    }

    fn decompress(&mut self, coded: &[u8], into: &mut [u8]) -> Result<(), Corrupt> {
        if decompress_len(coded).map_err(|_| Corrupt)? != into.len() {
            return Err(Corrupt);
        }
        match Decoder::new().decompress(coded, into) {
            Ok(len) if len == into.len() => Ok(()),
            _ => Err(Corrupt),
        }
    }
}
