//! A lane whose writer is a transport's.

use std::time::Instant;

use super::ReaderLane;
use crate::{
    lane::Source,
    transport::{net::BadFrame, udp::Datagrams},
};

impl ReaderLane {
    /// The writer is a transport's.
    pub fn set_source(&mut self, source: Box<dyn Source>) {
        self.source = Some(source);
    }

    /// What is wrong with the sender, once all before it is read.
    pub fn fault(&self) -> Option<BadFrame> {
        self.source.as_ref().and_then(|source| source.fault())
    }

    pub fn datagrams(&self) -> Option<Datagrams> {
        self.source.as_ref().and_then(|source| source.datagrams())
    }

    /// The transport that brings the messages.
    pub fn source(&self) -> Option<&dyn Source> {
        self.source.as_deref()
    }

    /// As [`Source::slept_until`].
    pub fn slept_until(&mut self, woken: Instant) {
        if let Some(source) = &mut self.source {
            source.slept_until(woken);
        }
    }
}
