//! Why a case ends early.

use std::fmt::Display;

/// What a step of a case returns.
pub(crate) type Checked<T = ()> = Result<T, Stop>;

/// Why a case ends before its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Stop {
    /// The helper broke the spec, or could not be played with at all.
    Fault(String),
    /// The case has no meaning for this helper.
    Skip(String),
    /// The helper knows no algorithm that can be checked, and the case hashes.
    Unknown(String),
}

/// A breach of `clause`, such as `SES-5.2`: what was expected and what was seen.
pub(crate) fn fault(clause: &str, what: impl Display) -> Stop {
    Stop::Fault(format!("{what} [{clause}]"))
}

/// A failure that is no single clause's, such as a helper that cannot be started.
pub(crate) fn failure(what: impl Display) -> Stop {
    Stop::Fault(what.to_string())
}

/// The case does not apply.
pub(crate) fn skip(why: impl Display) -> Stop {
    Stop::Skip(why.to_string())
}
