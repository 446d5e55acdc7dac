//! LZ4's block format.

use super::{Codec, Compression, Corrupt};

struct Lz4;

pub(super) fn make(_: Compression) -> Box<dyn Codec> {
    Box::new(Lz4)
}

impl Codec for Lz4 {
    fn bound(&self, len: usize) -> usize {
        lz4_flex::block::get_maximum_output_size(len)
    }

    fn compress(&mut self, plain: &[u8], into: &mut [u8]) -> Option<usize> {
        lz4_flex::block::compress_into(plain, into).ok()
    }

    fn decompress(&mut self, coded: &[u8], into: &mut [u8]) -> Result<(), Corrupt> {
        match lz4_flex::block::decompress_into(coded, into) {
            Ok(len) if len == into.len() => Ok(()),
            _ => Err(Corrupt),
        }
    }
}
