//! What can be set for an end on a network.

use std::{net::Ipv4Addr, time::Duration};

use crate::codec::Compression;

/// How an end on a network works: each end's own, except where it says otherwise.
///
/// ```
/// use std::time::Duration;
/// use adit_channel::{Channel, Compression, NetworkOptions};
///
/// let mut options = NetworkOptions::default();
/// options.compression = Compression::Lz4;
/// options.keepalive = Some(Duration::from_secs(10));
/// let channel = Channel::builder("tcp://127.0.0.1:7000")?.network(options);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NetworkOptions {
    /// How this sender compresses; not at all if not set. Receivers read every kind.
    pub compression: Compression,
    /// Frames of fewer bytes are sent plain; 256 if not set.
    pub compress_from: usize,
    /// Through what the kernel is asked to send and receive what it cannot at once.
    pub driver: Driver,
    /// TCP: sends at once instead of waiting for company (`TCP_NODELAY`); on if not set.
    pub no_delay: bool,
    /// Bytes of the kernel's buffer for what is sent (`SO_SNDBUF`), less than 2 GiB; the system's choice if not set. The kernel
    /// doubles it and has a limit of its own (`net.core.wmem_max`).
    pub send_buffer: Option<usize>,
    /// Bytes of the kernel's buffer for what arrives (`SO_RCVBUF`), less than 2 GiB; the system's choice if not set.
    pub receive_buffer: Option<usize>,
    /// TCP: how the rate is found, such as "bbr"; the system's choice if not set, and where the system does
    /// not have it, which the [report](super::NetworkReport) then says.
    pub congestion: Option<String>,
    /// How long the kernel looks at the network card itself before it sleeps (`SO_BUSY_POLL`), rounded to
    /// microseconds; not at all if not set.
    pub busy_poll: Option<Duration>,
    /// TCP: data may travel with the first packet (`TCP_FASTOPEN`); off if not set.
    pub fast_open: bool,
    /// TCP: asks after so much silence whether the peer is there, three times a third of it apart, and gives
    /// up on data that is not acknowledged for twice as long, or for which a receiver that lives makes no room; 3 to 32,767 s, 30 s if not set, `None`: the system's choice.
    pub keepalive: Option<Duration>,
    /// A sender's: how long to wait for a connection; 5 s if not set.
    pub connect_timeout: Duration,
    /// How long the other side may take to say what it wants; 5 s if not set.
    pub handshake_timeout: Duration,
    /// A receiver's: how long a frame may take from its first byte to its last; 30 s if not set.
    pub frame_timeout: Duration,
    /// A sender's: what it does when its connection breaks; it gives up if not set.
    pub reconnect: Option<Reconnect>,
    /// TCP: from so many bytes on, a frame is sent without the kernel copying it, where io_uring can be had; never if not set.
    pub zero_copy_from: Option<usize>,
    /// Unix: who may connect: the mode of the socket file; 0600 if not set.
    pub unix_mode: u32,
    /// UDP: the longest datagram's payload in bytes, 576 to 65,507; 1,472 if not set, which is what Ethernet
    /// takes whole.
    pub datagram: usize,
    /// UDP: how many routers a datagram may pass; 1 if not set: none.
    pub multicast_ttl: u8,
    /// UDP: the address of the interface that sends and receives; the system's choice if not set.
    pub interface: Option<Ipv4Addr>,
}

impl Default for NetworkOptions {
    fn default() -> Self {
        Self {
            compression: Compression::None,
            compress_from: 256,
            driver: Driver::Auto,
            no_delay: true,
            send_buffer: None,
            receive_buffer: None,
            congestion: None,
            busy_poll: None,
            fast_open: false,
            keepalive: Some(Duration::from_secs(30)),
            connect_timeout: Duration::from_secs(5),
            handshake_timeout: Duration::from_secs(5),
            frame_timeout: Duration::from_secs(30),
            reconnect: None,
            zero_copy_from: None,
            unix_mode: 0o600,
            datagram: 1472,
            multicast_ttl: 1,
            interface: None,
        }
    }
}

impl NetworkOptions {
    /// From how many bytes on a connection sends without a copy. Unix sockets cannot (`EOPNOTSUPP`).
    pub(super) fn uncopied_from(&self, is_tcp: bool) -> usize {
        self.zero_copy_from.filter(|_| is_tcp).unwrap_or(usize::MAX).max(1)
    }
}

/// Through what the kernel is asked to send and receive what it cannot at once.
///
/// What can be sent or received at once is, by a plain call, whatever the driver. io_uring sends long messages when there is room,
/// and what is to go without a copy; and it receives from those of many connections that have been silent for some time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Driver {
    /// io_uring where the system lets it, plain sockets elsewhere; the [report](super::NetworkReport) says
    /// which, and why.
    #[default]
    Auto,
    /// io_uring, or an error where the system does not let it, and for udp://, which has none; a connection for which it cannot be had when it is needed,
    /// for want of descriptors or memory, goes on by plain calls.
    IoUring,
    /// Plain sockets.
    Sockets,
}

/// How a sender comes back.
///
/// What the kernel had taken over and the peer had not received is lost: nothing is sent twice. What had not
/// left the ring goes out on the new connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Reconnect {
    /// How often it tries before it gives up, and how many connections one frame may take; 10 if not set. From the second on, a connection
    /// that ends within a second counts as an attempt that failed.
    pub attempts: u32,
    /// How long it waits before the second attempt; doubled each time; 50 ms if not set.
    pub first: Duration,
    /// The longest wait; 5 s if not set.
    pub longest: Duration,
}

impl Default for Reconnect {
    fn default() -> Self {
        Self { attempts: 10, first: Duration::from_millis(50), longest: Duration::from_secs(5) }
    }
}
