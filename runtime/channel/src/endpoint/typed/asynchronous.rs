//! Futures of typed ends, as those of [untyped](crate::endpoint) ones.

use super::{Plain, TypedReceiver, TypedSender};
use crate::endpoint::{BatchError, RecvError, SendError};

/// For futures, on any executor.
impl<T: Plain> TypedSender<T> {
    /// Sends a message, waiting for room, as a future for any executor. Dropping it before it is done sends nothing.
    ///
    /// # Errors
    /// [`SendError::Disconnected`].
    pub async fn send_async(&mut self, message: &T) -> Result<(), SendError> {
        loop {
            match self.try_send(message) {
                Err(SendError::Full) => self.sender.room(size_of::<T>()).await?,
                other => return other,
            }
        }
    }

    /// Sends messages in order, copied and published many at a time, waiting for room for each. Dropping the future
    /// leaves those sent that had room before, and nobody can tell how many they are.
    ///
    /// # Errors
    /// [`BatchError`]: how many were sent, and why the next was not.
    pub async fn send_batch_async(&mut self, messages: &[T]) -> Result<usize, BatchError> {
        let mut sent = 0;
        while sent < messages.len() {
            let result = match self.try_send_batch(&messages[sent..]) {
                Err(SendError::Full) => self.sender.room(size_of::<T>()).await.map(|()| 0),
                other => other,
            };
            sent += result.map_err(|error| BatchError { sent, error })?;
        }
        Ok(sent)
    }
}

/// For futures, on any executor.
impl<T: Plain> TypedReceiver<T> {
    /// The next message, waiting for it, as a future for any executor. Dropping it before it is done takes nothing.
    ///
    /// ```
    /// use adit_channel::Channel;
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// let channel = Channel::builder("memory://typed-asynchronous")?.capacity(256).of::<u64>("number");
    /// let (mut sender, mut receiver) = (channel.sender()?, channel.receiver()?);
    /// let producer = tokio::spawn(async move {
    ///     for number in 0..100 {
    ///         sender.send_async(&number).await?;
    ///     }
    ///     sender.send_batch_async(&[100; 100]).await?;
    ///     Ok::<(), Box<dyn std::error::Error + Send + Sync>>(())
    /// });
    /// let mut sum = receiver.recv_async().await?;
    /// let mut numbers = [0; 16];
    /// let count = receiver.recv_batch_async(&mut numbers).await?;
    /// sum += numbers[..count].iter().sum::<u64>();
    /// while let Some(number) = receiver.next().await {
    ///     sum += number?;
    /// }
    /// assert_eq!(sum, 14_950);
    /// # producer.await?.map_err(|error| error.to_string())?;
    /// # Ok(())
    /// # }
    /// ```
    ///
    /// # Errors
    /// As [`try_recv`](Self::try_recv).
    pub async fn recv_async(&mut self) -> Result<T, RecvError> {
        loop {
            if let Some(message) = self.try_recv()? {
                return Ok(message);
            }
            self.receiver.ready().await?;
        }
    }

    /// As [`recv_batch`](Self::recv_batch), waiting for one message at least; 0 only where `into` has room for none.
    ///
    /// # Errors
    /// As [`try_recv`](Self::try_recv); nothing was taken.
    pub async fn recv_batch_async(&mut self, into: &mut [T]) -> Result<usize, RecvError> {
        loop {
            let count = self.recv_batch(into)?;
            if count > 0 || into.is_empty() {
                return Ok(count);
            }
            self.receiver.ready().await?;
        }
    }

    /// The next message, waiting for it; `None` when the senders have closed: what a stream's `next` is. After `None`
    /// or an error, a later sender makes it go on.
    pub async fn next(&mut self) -> Option<Result<T, RecvError>> {
        match self.recv_async().await {
            Err(error) if error.is_closed() => None,
            other => Some(other),
        }
    }
}
