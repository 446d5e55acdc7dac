//! Where a channel's memory should be, and on which pages.

use adit_memory::{Options, Pages, current_node};

/// The NUMA node that a sender's ring is taken from.
///
/// The ring is asked for there before its first byte is touched, and afterwards the kernel is asked where it is:
/// [`Sender::placement`](super::Sender::placement).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Placement {
    /// That of the processor on which the receiver was opened, so pin the receiver's thread before. Where the
    /// receiver is not there yet (`memory://`), as [`NearSender`](Self::NearSender).
    #[default]
    NearReceiver,
    /// That of the processor on which the sender is opened.
    NearSender,
    /// This one.
    Node(u32),
    /// Wherever the kernel likes.
    Anywhere,
}

/// What a sender wishes for its ring.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Wish {
    pub placement: Placement,
    pub pages: Pages,
}

impl Wish {
    /// Whether it must be known where the receiver is.
    pub fn needs_receiver(self) -> bool {
        self.placement == Placement::NearReceiver
    }

    /// What to ask the memory for.
    pub fn options(self, receiver: Option<u32>) -> Options {
        let node = match self.placement {
            Placement::NearReceiver => receiver.or_else(current_node),
            Placement::NearSender => current_node(),
            Placement::Node(node) => Some(node),
            Placement::Anywhere => None,
        };
        Options { pages: self.pages, node }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_receivers_node_is_the_default_and_any_other_can_be_had() {
        let node = |placement, receiver| Wish { placement, pages: Pages::Normal }.options(receiver).node;
        assert_eq!(Wish::default().options(Some(3)).node, Some(3));
        assert_eq!(node(Placement::NearReceiver, None), current_node());
        assert_eq!(node(Placement::NearSender, Some(3)), current_node());
        assert_eq!(node(Placement::Node(7), Some(3)), Some(7));
        assert_eq!(node(Placement::Anywhere, Some(3)), None);
    }
}
