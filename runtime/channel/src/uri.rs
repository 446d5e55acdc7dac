//! How channels are named: `memory://frames`, `ipc://frames`, `shm://frames`, `file:///var/lib/frames.ring`.
//!
//! ```
//! use adit_channel::uri::{Transport, Uri};
//!
//! let uri: Uri = "ipc://frames".parse()?;
//! assert_eq!((uri.transport(), uri.name()), (Transport::Ipc, "frames"));
//! assert_eq!(uri.to_string(), "ipc://frames");
//! # Ok::<(), adit_channel::uri::UriError>(())
//! ```

use std::{fmt, str::FromStr};

/// The longest name, in bytes.
pub const MAX_NAME: usize = 64;

/// The longest path of a file, in bytes.
pub const MAX_PATH: usize = 4000;

/// Schemes that mean a channel somewhere, but not in this build.
const ELSEWHERE: [&str; 3] = ["tcp", "udp", "unix"];

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
}

impl Transport {
    /// What stands before `://`.
    #[must_use]
    pub fn scheme(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Ipc => "ipc",
            Self::File => "file",
            Self::Shm => "shm",
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

    /// The name: 1 to [`MAX_NAME`] of `A-Z a-z 0-9 . _ -`. Of a file it is the path, absolute and at most
    /// [`MAX_PATH`] bytes.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    fn from_path(path: &str) -> Result<Self, UriError> {
        if path.len() > MAX_PATH || !path.starts_with('/') || path.ends_with('/') || path.contains('\0') {
            return Err(UriError::Path { path: shown(path) });
        }
        Ok(Self { transport: Transport::File, name: path.to_owned() })
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
        let transport = match scheme {
            "memory" => Transport::Memory,
            "ipc" => Transport::Ipc,
            "shm" => Transport::Shm,
            "file" => return Self::from_path(name),
            _ => match ELSEWHERE.iter().find(|known| **known == scheme) {
                Some(&scheme) => return Err(UriError::NoTransport { scheme }),
                None => return Err(UriError::UnknownScheme { scheme: shown(scheme) }),
            },
        };
        if name.is_empty() || name.len() > MAX_NAME {
            return Err(UriError::NameLength { len: name.len() });
        }
        let allowed = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        match name.chars().find(|c| !allowed(c)) {
            Some(character) => Err(UriError::NameCharacter { character }),
            None => Ok(Self { transport, name: name.to_owned() }),
        }
    }
}

fn shown(text: &str) -> String {
    text.chars().take(MAX_SHOWN).collect()
}

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
    /// The scheme means a transport that this build does not have.
    NoTransport {
        /// The scheme.
        scheme: &'static str,
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
                write!(
                    f,
                    "{text:?} is no channel: write memory://NAME, ipc://NAME, shm://NAME or file:///PATH"
                )
            }
            Self::UnknownScheme { scheme } => {
                write!(
                    f,
                    "there is no transport called {scheme:?}: write memory://NAME, ipc://NAME, shm://NAME or file:///PATH"
                )
            }
            Self::NoTransport { scheme } => write!(f, "this build has no transport for {scheme}"),
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
        for scheme in ELSEWHERE {
            let text = format!("{scheme}://somewhere:1");
            assert_eq!(error(&text), format!("this build has no transport for {scheme}"));
        }
        assert!(error("ipc://").contains("missing"));
        assert!(error(&format!("ipc://{}", "x".repeat(65))).contains("65 bytes"));
        assert!(error("ipc://a/b").contains("'/'"));
        assert!(error("ipc://a\0").contains("'\\0'"));
        assert!(error(&"x".repeat(10_000)).len() < 200);
    }

    proptest! {
        #[test]
        fn any_text_is_a_uri_that_prints_as_itself_or_an_error(text in ".{0,100}|(memory|ipc|shm|file)://.{0,70}") {
            if let Ok(uri) = text.parse::<Uri>() {
                prop_assert_eq!(uri.to_string(), text);
            }
        }
    }
}
