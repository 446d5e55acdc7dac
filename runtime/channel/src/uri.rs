//! How channels are named: `memory://frames`, `ipc://frames`, `shm://frames`, `file:///var/lib/frames.ring`,
//! `tcp://host:7000`, `unix:///run/frames.sock`, `udp://239.0.0.1:7000`.
//!
//! ```
//! use adit_channel::uri::{Transport, Uri};
//!
//! let uri: Uri = "ipc://frames".parse()?;
//! assert_eq!((uri.transport(), uri.name()), (Transport::Ipc, "frames"));
//! assert_eq!(uri.to_string(), "ipc://frames");
//! let uri: Uri = "tcp://localhost:7000".parse()?;
//! assert_eq!((uri.transport(), uri.name()), (Transport::Tcp, "localhost:7000"));
//! # Ok::<(), adit_channel::uri::UriError>(())
//! ```

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
    str::FromStr,
};

/// The longest name, in bytes.
pub const MAX_NAME: usize = 64;

/// The longest path of a file, in bytes.
pub const MAX_PATH: usize = 4000;

/// The longest path of a Unix socket, in bytes.
const MAX_SOCKET_PATH: usize = 107;

/// The longest host name, in bytes.
const MAX_HOST: usize = 253;

/// Schemes that would mean encryption, which these channels do not have.
const ENCRYPTED: [&str; 4] = ["tls", "tcps", "ssl", "quic"];

/// No more of a wrong URI is repeated in an error.
const MAX_SHOWN: usize = 80;

/// What carries a channel's messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Transport {
    /// Memory of this process: both ends are threads.
    Memory,
    /// Memory shared between processes of this user on this machine.
    Ipc,
    /// A file, which survives the processes of both ends.
    File,
    /// A named segment of the system's shared memory, which survives the processes of both ends, but not the
    /// machine's restart.
    Shm,
    /// A TCP connection; not encrypted.
    Tcp,
    /// A connection through a Unix socket.
    Unix,
    /// UDP datagrams to a multicast group; not encrypted, and some are lost.
    Udp,
}

/// All of them.
const TRANSPORTS: [Transport; 7] = [
    Transport::Memory,
    Transport::Ipc,
    Transport::File,
    Transport::Shm,
    Transport::Tcp,
    Transport::Unix,
    Transport::Udp,
];

impl Transport {
    /// What stands before `://`.
    #[must_use]
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Ipc => "ipc",
            Self::File => "file",
            Self::Shm => "shm",
            Self::Tcp => "tcp",
            Self::Unix => "unix",
            Self::Udp => "udp",
        }
    }
}

/// A channel's transport and name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Uri {
    transport: Transport,
    name: String,
}

impl Uri {
    /// What carries the messages.
    #[must_use]
    pub fn transport(&self) -> Transport {
        self.transport
    }

    /// What stands after `://`: for `memory`, `ipc` and `shm` a name, 1 to [`MAX_NAME`] of `A-Z a-z 0-9 . _ -`;
    /// for `file` a path, absolute and at most [`MAX_PATH`] bytes; for `tcp` a host (a name, an IPv4 address, or
    /// an IPv6 address in brackets), a colon and a port; for `unix` an absolute path; for `udp` the address of a
    /// multicast group, a colon and a port.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Uri {
    /// Whether a connection goes from a sender to a receiver.
    pub(crate) fn is_connected(&self) -> bool {
        matches!(self.transport, Transport::Tcp | Transport::Unix)
    }
}

impl fmt::Display for Uri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", self.transport.scheme(), self.name)
    }
}

impl FromStr for Uri {
    type Err = UriError;

    fn from_str(text: &str) -> Result<Self, UriError> {
        let Some((scheme, name)) = text.split_once("://") else {
            return Err(UriError::NoScheme { text: shown(text) });
        };
        let Some(transport) = TRANSPORTS.into_iter().find(|transport| transport.scheme() == scheme) else {
            return Err(match ENCRYPTED.iter().find(|known| **known == scheme) {
                Some(&scheme) => UriError::NotEncrypted { scheme },
                None => UriError::UnknownScheme { scheme: shown(scheme) },
            });
        };
        match transport {
            Transport::Memory | Transport::Ipc | Transport::Shm => check_name(name)?,
            Transport::File => check_file(name)?,
            Transport::Tcp => check_host(name)?,
            Transport::Unix => check_socket(name)?,
            Transport::Udp => check_group(name)?,
        }
        Ok(Self { transport, name: name.to_owned() })
    }
}

fn check_name(name: &str) -> Result<(), UriError> {
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(UriError::NameLength { len: name.len() });
    }
    let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    match name.chars().find(|c| !allowed(c)) {
        Some(character) => Err(UriError::NameCharacter { character }),
        None => Ok(()),
    }
}

/// A host and a port. The port may be 0 for a receiver: the system chooses one.
fn check_host(text: &str) -> Result<(), UriError> {
    let wrong = |what| UriError::Address { text: shown(text), what };
    let (host, port) = text.rsplit_once(':').ok_or_else(|| wrong("a port is missing: write HOST:PORT"))?;
    port_of(port).ok_or_else(|| wrong("the port must be a number from 0 to 65535"))?;
    if let Some(inner) = host.strip_prefix('[') {
        let address = inner.strip_suffix(']').and_then(|inner| inner.parse::<Ipv6Addr>().ok());
        return address.map(drop).ok_or_else(|| wrong("no IPv6 address stands in the brackets"));
    }
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    if host.is_empty() || host.len() > MAX_HOST || !host.chars().all(allowed) {
        return Err(wrong("the host must be a name or an address; an IPv6 address stands in brackets"));
    }
    Ok(())
}

/// Digits alone, so that a URI prints as it was written.
fn port_of(text: &str) -> Option<u16> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok()).flatten()
}

fn check_file(path: &str) -> Result<(), UriError> {
    if path.len() > MAX_PATH || !path.starts_with('/') || path.ends_with('/') || path.contains('\0') {
        return Err(UriError::Path { path: shown(path) });
    }
    Ok(())
}

fn check_socket(path: &str) -> Result<(), UriError> {
    let wrong = |what| UriError::Address { text: shown(path), what };
    if !path.starts_with('/') || path.ends_with('/') {
        return Err(wrong("a socket's path must be absolute and name a file: write unix:///run/NAME"));
    }
    if path.len() > MAX_SOCKET_PATH || path.contains('\0') {
        return Err(wrong("a socket's path has at most 107 bytes and none of them is zero"));
    }
    Ok(())
}

fn check_group(text: &str) -> Result<(), UriError> {
    let wrong = |what| UriError::Address { text: shown(text), what };
    let (group, port) = text.rsplit_once(':').ok_or_else(|| wrong("a port is missing: write GROUP:PORT"))?;
    if port_of(port).is_none_or(|port| port == 0) {
        return Err(wrong("the port must be a number from 1 to 65535"));
    }
    match group.parse::<Ipv4Addr>() {
        Ok(group) if group.is_multicast() => Ok(()),
        _ => Err(wrong("the group must be an IPv4 multicast address, 224.0.0.0 to 239.255.255.255")),
    }
}

fn shown(text: &str) -> String {
    text.chars().take(MAX_SHOWN).collect()
}

/// How channels on this machine are written.
const HERE: &str = "memory://NAME, ipc://NAME, shm://NAME, file:///PATH";

/// How channels on networks are written.
const NETWORK: &str = "tcp://HOST:PORT, unix:///PATH or udp://GROUP:PORT";

/// A text is no channel's URI, or not one that this build can open.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum UriError {
    /// There is no `://`.
    NoScheme {
        /// The text, or its beginning.
        text: String,
    },
    /// The scheme means nothing.
    UnknownScheme {
        /// The scheme, or its beginning.
        scheme: String,
    },
    /// The scheme asks for encryption, which no channel has.
    NotEncrypted {
        /// The scheme.
        scheme: &'static str,
    },
    /// It is no address of that transport.
    Address {
        /// What stands after `://`, or its beginning.
        text: String,
        /// What is wrong, and what to write.
        what: &'static str,
    },
    /// The name is empty or too long.
    NameLength {
        /// Its length in bytes.
        len: usize,
    },
    /// The path is not one of a file, from the root on.
    Path {
        /// The path, or its beginning.
        path: String,
    },
    /// The name has a character that no name has.
    NameCharacter {
        /// The first such character.
        character: char,
    },
}

impl fmt::Display for UriError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoScheme { text } => {
                write!(f, "{text:?} is no channel: write {HERE}, {NETWORK}")
            }
            Self::UnknownScheme { scheme } => {
                write!(f, "there is no transport called {scheme:?}: write {HERE}, {NETWORK}")
            }
            Self::NotEncrypted { scheme } => write!(
                f,
                "channels are not encrypted, so there is no {scheme}://: use tcp:// through a tunnel (ssh, \
                 WireGuard, stunnel)"
            ),
            Self::Address { text, what } => write!(f, "{text:?} is no address: {what}"),
            Self::NameLength { len: 0 } => f.write_str("the channel's name is missing after ://"),
            Self::NameLength { len } => {
                write!(f, "the channel's name has {len} bytes; {MAX_NAME} are the most")
            }
            Self::Path { path } => write!(
                f,
                "{path:?} is no file's path: write file:///path/from/the/root, of at most {MAX_PATH} bytes"
            ),
            Self::NameCharacter { character } => write!(
                f,
                "a channel's name is made of letters, digits, '.', '_' and '-', and has no {character:?}"
            ),
        }
    }
}

impl std::error::Error for UriError {}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn error(text: &str) -> String {
        text.parse::<Uri>().unwrap_err().to_string()
    }

    #[test]
    fn names_of_both_transports_are_taken() {
        let longest = "x".repeat(MAX_NAME);
        for name in ["a", "Frames-2.raw_x", "..", &longest] {
            for transport in [Transport::Memory, Transport::Ipc, Transport::Shm] {
                let uri: Uri = format!("{}://{name}", transport.scheme()).parse().unwrap();
                assert_eq!((uri.transport(), uri.name()), (transport, name));
            }
        }
    }

    #[test]
    fn what_is_wrong_is_said() {
        assert!(error("frames").contains("write memory://NAME"));
        assert!(error("smh://frames").contains("\"smh\""));
        for path in ["", "relative", "/directory/", "/zero\0", &format!("/{}", "x".repeat(MAX_PATH))] {
            assert!(error(&format!("file://{path}")).contains("file:///path"), "{path:?}");
        }
        for scheme in ENCRYPTED {
            assert!(error(&format!("{scheme}://somewhere:1")).contains("not encrypted"));
        }
        assert!(error("ipc://").contains("missing"));
        assert!(error(&format!("ipc://{}", "x".repeat(65))).contains("65 bytes"));
        assert!(error("ipc://a/b").contains("'/'"));
        assert!(error("ipc://a\0").contains("'\\0'"));
        assert!(error(&"x".repeat(10_000)).len() < 300);
    }

    #[test]
    fn addresses_are_taken_or_refused_with_a_reason() {
        for text in [
            "tcp://127.0.0.1:0",
            "tcp://host-1.example.org:65535",
            "tcp://[::1]:7000",
            "unix:///run/adit/frames.sock",
            "udp://239.0.0.1:7000",
        ] {
            assert_eq!(text.parse::<Uri>().map(|uri| uri.to_string()).as_deref(), Ok(text));
        }
        for (text, what) in [
            ("tcp://host", "HOST:PORT"),
            ("tcp://host:65536", "65535"),
            ("tcp://host:+1", "65535"),
            ("tcp://:1", "host must be"),
            ("tcp://::1:7000", "in brackets"),
            ("tcp://[::1:7000", "brackets"),
            ("unix://relative", "absolute"),
            ("unix:///", "absolute"),
            ("unix://\0hidden", "absolute"),
            ("udp://127.0.0.1:7000", "multicast"),
            ("udp://239.0.0.1:0", "1 to 65535"),
            ("udp://group:7000", "multicast"),
        ] {
            assert!(error(text).contains(what), "{text}: {}", error(text));
        }
        assert!(error(&format!("unix:///{}", "x".repeat(200))).contains("107"));
    }

    proptest! {
        #[test]
        fn any_text_is_a_uri_that_prints_as_itself_or_an_error(
            text in ".{0,100}|(memory|ipc|shm|file|tcp|udp)://.{0,70}|tcp://[a-z.:0-9]{0,20}:[0-9]{1,6}",
        ) {
            if let Ok(uri) = text.parse::<Uri>() {
                prop_assert_eq!(uri.to_string(), text);
            }
        }
    }
}
