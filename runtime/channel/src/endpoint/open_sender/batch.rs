//! Messages that are sent together.

use std::time::Duration;

use super::{BatchError, SendError, Sender, SenderKind};

impl Sender {
    /// Sends messages in order, published together as far as there is room, waiting at most `timeout` for room
    /// for each.
    ///
    /// # Errors
    /// [`BatchError`]: how many were sent, and why the next was not.
    pub fn send_batch<M: AsRef<[u8]>>(
        &mut self,
        messages: impl IntoIterator<Item = M>,
        timeout: Duration,
    ) -> Result<usize, BatchError> {
        let batch = Batch::begin(self);
        let (mut sent, mut result) = (0, Ok(()));
        for message in messages {
            let message = message.as_ref();
            result = match batch.0.send_quietly(message) {
                Err(SendError::Full) => {
                    batch.0.wait_and(message.len(), timeout, |this| this.send_quietly(message))
                }
                other => other,
            };
            if result.is_err() {
                break;
            }
            sent += 1;
        }
        drop(batch);
        result.map(|()| sent).map_err(|error| BatchError { sent, error })
    }
}

/// While messages are sent together; what was sent is published when it ends, also where the messages panic.
struct Batch<'a>(&'a mut Sender);

impl<'a> Batch<'a> {
    fn begin(sender: &'a mut Sender) -> Self {
        each!(&mut sender.kind, end => end.begin_batch());
        Self(sender)
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        each!(&mut self.0.kind, end => end.end_batch());
    }
}
