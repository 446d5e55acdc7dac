//! Turns: messages that are taken without a look at the writer's tail.

use super::Consumer;
use crate::{Misbehaved, fetch, stream::StreamMemory};

/// So few messages in a quarter of a ring are told one by one.
const FEW: u64 = 8;

impl<M: StreamMemory> Consumer<M> {
    /// Begins a turn: up to the message that begins before `most` bytes are read, as far as messages are
    /// published. Returns whether there is one; looks at the writer's tail only if none is known of.
    ///
    /// # Errors
    /// [`Misbehaved::Tail`]: as [`is_ready`](Self::is_ready).
    #[inline]
    pub fn begin_turn(&mut self, most: u64) -> Result<bool, Misbehaved> {
        let ready = self.is_ready()?;
        self.ended = false;
        self.turn = self.cached_tail.min(self.head.saturating_add(most));
        self.run = self.begin_run(most);
        self.begin_asking();
        Ok(ready)
    }

    /// Where a run ends, in which messages are stepped past: the writer hears of them at the next look, and must not
    /// hear of more than it may miss. It has none where the writer is to hear of each message, and in a ring of few,
    /// whose writer may wait for each.
    #[inline]
    fn begin_run(&mut self, most: u64) -> u64 {
        if self.has_few() {
            return 0;
        }
        let stride = self.grid.stride;
        // The last message may end a stride and a gap beyond it.
        let most = most.min(self.batch - 2 * stride);
        if self.head + most + 2 * stride > self.published + self.batch {
            self.publish_head();
        }
        self.turn.min(self.head + most)
    }

    /// Whether the writer is to hear of each message, or of one of few.
    #[inline(always)]
    pub(super) fn has_few(&self) -> bool {
        self.batch < FEW * self.grid.stride
    }

    /// Whether the next message is there and belongs to the turn that was [begun](Self::begin_turn).
    #[inline(always)]
    #[must_use]
    pub fn is_in_turn(&self) -> bool {
        self.head < self.turn
    }

    /// Whether something is known of that was not read, and so little that nothing is asked for behind it: what a turn leaves
    /// when it [ends where that ends](Self::begin_turn), and not when somebody [ended](Self::end_turn) it.
    #[inline(always)]
    #[must_use]
    pub fn has_rest(&self) -> bool {
        !self.ended && (1..=fetch::AHEAD).contains(&(self.cached_tail - self.head))
    }

    /// Ends the turn.
    pub fn end_turn(&mut self) {
        (self.turn, self.run, self.ended) = (self.head, 0, true);
    }

    /// Ends the run where what is asked for ahead is no longer known to be published, if that is behind the next message;
    /// another run begins there, which asks for nothing.
    #[inline(always)]
    fn begin_asking(&mut self) {
        let asked = self.cached_tail.saturating_sub(fetch::AHEAD);
        let may_ask = self.head + self.grid.stride <= asked;
        self.ahead = if may_ask { fetch::AHEAD } else { 0 };
        if may_ask && self.run != 0 {
            self.run = self.run.min(asked);
            self.turn = self.turn.min(self.run);
        }
    }
}
