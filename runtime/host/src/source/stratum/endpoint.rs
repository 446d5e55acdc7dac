//! Where a pool is: `stratum+tcp://host[:port]`.

use std::{borrow::Cow, fmt, str::FromStr};

const SCHEME: &str = "stratum+tcp";
const DEFAULT_PORT: u16 = 3333;

/// A pool's address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// A name or an address; an IPv6 address without its brackets.
    pub host: String,
    /// The TCP port.
    pub port: u16,
}

impl Endpoint {
    /// Whether `host`, as a pool wrote it, is this host.
    #[must_use]
    pub fn is_host(&self, host: &str) -> bool {
        unbracketed(host).eq_ignore_ascii_case(&self.host)
    }
}

/// An address as it may be shown: without the name and password that people write into it, though they do not belong there.
///
/// ```
/// use adit_host::source::stratum::without_user;
///
/// assert_eq!(without_user("stratum+tcp://me:secret@pool:3333"), "stratum+tcp://***@pool:3333");
/// assert_eq!(without_user("me:secret@pool:3333"), "***@pool:3333");
/// assert_eq!(without_user("stratum+tcp://pool:3333"), "stratum+tcp://pool:3333");
/// ```
#[must_use]
pub fn without_user(url: &str) -> Cow<'_, str> {
    let Some((before, host)) = url.rsplit_once('@') else { return Cow::Borrowed(url) };
    let scheme = before.find("://").map_or("", |at| &before[..at + 3]);
    Cow::Owned(format!("{scheme}***@{host}"))
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.host.contains(':') {
            write!(f, "{SCHEME}://[{}]:{}", self.host, self.port)
        } else {
            write!(f, "{SCHEME}://{}:{}", self.host, self.port)
        }
    }
}

impl FromStr for Endpoint {
    type Err = EndpointError;

    fn from_str(url: &str) -> Result<Self, EndpointError> {
        let (scheme, rest) = url.split_once("://").ok_or(EndpointError::NoScheme)?;
        if !scheme.eq_ignore_ascii_case(SCHEME) {
            return Err(EndpointError::Scheme(scheme.into()));
        }
        let rest = rest.strip_suffix('/').unwrap_or(rest);
        if rest.contains('@') {
            return Err(EndpointError::User);
        }
        if rest.contains(['/', '?', '#']) {
            return Err(EndpointError::Path);
        }
        let (host, port) = split_port(rest)?;
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || c.is_control()) {
            return Err(EndpointError::Host(host.into()));
        }
        let port = match port {
            None => DEFAULT_PORT,
            Some(text) => parse_port(text).ok_or_else(|| EndpointError::Port(text.into()))?,
        };
        Ok(Self { host: host.into(), port })
    }
}

/// `host[:port]` or `[v6][:port]`.
fn split_port(text: &str) -> Result<(&str, Option<&str>), EndpointError> {
    if let Some(inner) = text.strip_prefix('[') {
        let (host, after) = inner.split_once(']').ok_or_else(|| EndpointError::Host(text.into()))?;
        return match after.strip_prefix(':') {
            Some(port) => Ok((host, Some(port))),
            None if after.is_empty() => Ok((host, None)),
            None => Err(EndpointError::Host(text.into())),
        };
    }
    match text.split_once(':') {
        Some((_, port)) if port.contains(':') => Err(EndpointError::Brackets),
        Some((host, port)) => Ok((host, Some(port))),
        None => Ok((text, None)),
    }
}

/// A port of decimal digits alone, not 0.
fn parse_port(text: &str) -> Option<u16> {
    text.bytes().all(|c| c.is_ascii_digit()).then(|| text.parse().ok())?.filter(|&port| port != 0)
}

fn unbracketed(host: &str) -> &str {
    host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host)
}

/// Why a text is no pool address.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum EndpointError {
    /// No `://`.
    NoScheme,
    /// Another scheme.
    Scheme(String),
    /// `user@`: the user is an option of its own.
    User,
    /// A path, a query or a fragment.
    Path,
    /// No host, or one that cannot be.
    Host(String),
    /// Several colons without brackets.
    Brackets,
    /// No number of 1 to 65535.
    Port(String),
}

impl fmt::Display for EndpointError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoScheme => write!(f, "no scheme; a pool is written {SCHEME}://host:port"),
            Self::Scheme(scheme) if ["stratum+ssl", "stratum+tls"].contains(&scheme.as_str()) => {
                write!(f, "{scheme}:// (encrypted) is not supported, only {SCHEME}://")
            }
            Self::Scheme(scheme) => write!(f, "unknown scheme {scheme:?}; only {SCHEME}:// is supported"),
            Self::User => write!(f, "a user name stands in the address; it is an option of its own"),
            Self::Path => write!(f, "something follows the port; a pool is written {SCHEME}://host:port"),
            Self::Host(host) => write!(f, "{host:?} is no host name"),
            Self::Brackets => write!(f, "an IPv6 address needs brackets: {SCHEME}://[::1]:{DEFAULT_PORT}"),
            Self::Port(port) => write!(f, "{port:?} is no port; 1 to 65535 are"),
        }
    }
}

impl std::error::Error for EndpointError {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_addresses() {
        for (url, host, port) in [
            ("stratum+tcp://pool.example", "pool.example", 3333),
            ("stratum+tcp://pool.example:1/", "pool.example", 1),
            ("STRATUM+TCP://10.0.0.1:65535", "10.0.0.1", 65535),
            ("stratum+tcp://[::1]:4444", "::1", 4444),
            ("stratum+tcp://[::1]", "::1", 3333),
        ] {
            let endpoint: Endpoint = url.parse().unwrap();
            assert_eq!(endpoint, Endpoint { host: host.into(), port });
            assert_eq!(endpoint.to_string().parse(), Ok(endpoint));
        }
    }

    #[test]
    fn bad_addresses_say_what_is_wrong() {
        for (url, words) in [
            ("pool.example:3333", "no scheme"),
            ("http://pool.example", "unknown scheme"),
            ("stratum+ssl://pool.example", "encrypted"),
            ("stratum+tcp://", "no host name"),
            ("stratum+tcp://:3333", "no host name"),
            ("stratum+tcp://a b:3333", "no host name"),
            ("stratum+tcp://me@pool.example", "user name"),
            ("stratum+tcp://pool.example/path", "follows the port"),
            ("stratum+tcp://::1", "brackets"),
            ("stratum+tcp://[::1", "no host name"),
            ("stratum+tcp://[::1]x", "no host name"),
            ("stratum+tcp://pool.example:", "no port"),
            ("stratum+tcp://pool.example:0", "no port"),
            ("stratum+tcp://pool.example:+80", "no port"),
            ("stratum+tcp://pool.example:65536", "no port"),
        ] {
            let error = url.parse::<Endpoint>().unwrap_err().to_string();
            assert!(error.contains(words), "{url}: {error}");
        }
    }

    #[test]
    fn the_same_host_in_other_letters() {
        let endpoint: Endpoint = "stratum+tcp://Pool.example".parse().unwrap();
        assert!(endpoint.is_host("pool.EXAMPLE"));
        assert!(!endpoint.is_host("pool.example.org"));
        assert!("stratum+tcp://[::1]".parse::<Endpoint>().unwrap().is_host("[::1]"));
    }
}
