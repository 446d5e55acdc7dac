//! Zstandard's frame format.

use zstd::bulk::{Compressor, Decompressor};

use super::{Codec, Compression, Corrupt};

/// Each is made when first needed: a sender only compresses, a receiver only decompresses.
struct Zstd {
    level: i32,
    compressor: Option<Compressor<'static>>,
    decompressor: Option<Decompressor<'static>>,
}

pub(super) fn make(compression: Compression) -> Box<dyn Codec> {
    let level = if let Compression::Zstd { level } = compression { level } else { 1 };
    Box::new(Zstd { level: level.clamp(-7, 22), compressor: None, decompressor: None })
}

impl Codec for Zstd {
    fn bound(&self, len: usize) -> usize {
        zstd::zstd_safe::compress_bound(len)
    }

    fn compress(&mut self, plain: &[u8], into: &mut [u8]) -> Option<usize> {
        if self.compressor.is_none() {
            self.compressor = Compressor::new(self.level).ok();
        }
        self.compressor.as_mut()?.compress_to_buffer(plain, into).ok()
    }

    fn decompress(&mut self, coded: &[u8], into: &mut [u8]) -> Result<(), Corrupt> {
        if self.decompressor.is_none() {
            self.decompressor = Decompressor::new().ok();
        }
        match self.decompressor.as_mut().ok_or(Corrupt)?.decompress_to_buffer(coded, into) {
            Ok(len) if len == into.len() => Ok(()),
            _ => Err(Corrupt),
        }
    }
}
