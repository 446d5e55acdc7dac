//! The list of cases.

use std::{fmt, time::Duration};

use serde::{Serialize, Serializer};

/// One case: a fresh helper (or several), a situation, and what the spec says must come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Case {
    /// Header, session id, hello first, heartbeat begins.
    Hello,
    /// A host of layout version 2 is refused.
    VersionTooNew,
    /// Offsets and slot counts that do not fit are refused.
    BadRegion,
    /// Known nonces of real blocks are found, and nothing else.
    KnownVectors,
    /// Single nonces, odd counts and the ends of the nonce space.
    EdgeRanges,
    /// Thousands of hits in one unit.
    ManyHits,
    /// Many small units, several times round both rings.
    RingWrap,
    /// A host that does not read for a while.
    FullSolutionRing,
    /// A new job every few milliseconds.
    JobSwitchStorm,
    /// Pause and run again.
    PauseAndResume,
    /// Stop: idle, hashing, paused, and with a full ring.
    StopInTheMiddle,
    /// Nothing to do.
    Silence,
    /// The life line ends: idle, hashing, and with a full ring.
    HostDeath,
    /// Garbage wherever a device must not look.
    GarbageInReserved,
    /// A unit of an algorithm that nobody knows.
    UnknownAlgorithm,
    /// Units that contradict themselves or their board slot.
    InvalidUnit,
    /// Messages of unknown kinds between units.
    UnknownMessage,
    /// Units for a sleeping helper, answers for a sleeping host.
    SleepAndWake,
}

impl Case {
    /// Every case, in the order in which they are best run.
    pub const ALL: &[Self] = &[
        Self::Hello,
        Self::VersionTooNew,
        Self::BadRegion,
        Self::KnownVectors,
        Self::EdgeRanges,
        Self::ManyHits,
        Self::RingWrap,
        Self::FullSolutionRing,
        Self::JobSwitchStorm,
        Self::PauseAndResume,
        Self::StopInTheMiddle,
        Self::Silence,
        Self::HostDeath,
        Self::GarbageInReserved,
        Self::UnknownAlgorithm,
        Self::InvalidUnit,
        Self::UnknownMessage,
        Self::SleepAndWake,
    ];

    /// Its name on command lines.
    #[must_use]
    pub fn name(&self) -> &'static str {
        match self {
            Self::Hello => "hello",
            Self::VersionTooNew => "version-too-new",
            Self::BadRegion => "bad-region",
            Self::KnownVectors => "known-vectors",
            Self::EdgeRanges => "edge-ranges",
            Self::ManyHits => "many-hits",
            Self::RingWrap => "ring-wrap",
            Self::FullSolutionRing => "full-solution-ring",
            Self::JobSwitchStorm => "job-switch-storm",
            Self::PauseAndResume => "pause-and-resume",
            Self::StopInTheMiddle => "stop-in-the-middle",
            Self::Silence => "silence",
            Self::HostDeath => "host-death",
            Self::GarbageInReserved => "garbage-in-reserved",
            Self::UnknownAlgorithm => "unknown-algorithm",
            Self::InvalidUnit => "invalid-unit",
            Self::UnknownMessage => "unknown-message",
            Self::SleepAndWake => "sleep-and-wake",
        }
    }

    /// What it does and expects, in a sentence or two.
    #[must_use]
    pub fn description(&self) -> &'static str {
        match self {
            Self::Hello => {
                "The device header is whole, has the host's session id and comes before the hello, which is \
                 the first message; the heartbeat begins."
            }
            Self::VersionTooNew => {
                "The host speaks version 2: the helper says DEVICE_VERSION_MISMATCH in its header and exits \
                 with a status other than 0 within 5 s."
            }
            Self::BadRegion => {
                "Offsets or slot counts do not fit the regions, five ways: the helper says DEVICE_BAD_REGION \
                 in its header and exits with a status other than 0 within 5 s."
            }
            Self::KnownVectors => {
                "Headers of real blocks: exactly the right hits with the right digests, and a digest that \
                 equals the target is one."
            }
            Self::EdgeRanges => {
                "Every nonce is a hit in single nonces, odd counts, ranges that cross 2^32 and ranges that \
                 end with the nonce space: each is reported exactly once."
            }
            Self::ManyHits => {
                "One unit has thousands of hits, many times the solution ring; all arrive, once."
            }
            Self::RingWrap => {
                "300 units of a few nonces go round small rings: answered in order, each ended exactly once."
            }
            Self::FullSolutionRing => {
                "The host does not read for a second: the helper waits with its heartbeat going on, writes \
                 over nothing and loses nothing."
            }
            Self::JobSwitchStorm => {
                "A new generation every few milliseconds: each unit ends once, stale or complete, its hits \
                 are right, the last one completes, and a dead unit ends within 1 s."
            }
            Self::PauseAndResume => {
                "Paused, the helper hashes nothing and its heartbeat goes on; told to run, it ends its unit \
                 with every hit."
            }
            Self::StopInTheMiddle => {
                "Told to stop while idle, hashing, paused, and before a full ring: exit status 0 within 2 s, \
                 and what was reported is right."
            }
            Self::Silence => {
                "Without work for a second: no messages but log lines and errors, little processor time, \
                 a heartbeat."
            }
            Self::HostDeath => {
                "The life line ends without a word while the helper is idle, hashing, paused, and before a \
                 full ring: it exits within 3 s."
            }
            Self::GarbageInReserved => {
                "Reserved bytes, unused slots, unknown feature and flag bits and the header's nonce hold \
                 garbage: everything works as before."
            }
            Self::UnknownAlgorithm => {
                "A unit of an unknown algorithm ends with UNIT_UNKNOWN_ALGORITHM and 0 hashes; the next one \
                 works."
            }
            Self::InvalidUnit => {
                "Units that contradict themselves or their board slot end with UNIT_INVALID and 0 hashes; \
                 the next one works."
            }
            Self::UnknownMessage => "Messages of unknown kinds between units are skipped; the units work.",
            Self::SleepAndWake => {
                "Twenty units for a sleeping helper start within 250 ms each, though a heartbeat is much \
                 longer; its answers wake a sleeping host."
            }
        }
    }

    /// The clauses of docs/spec/session.md that it checks.
    #[must_use]
    pub fn clauses(&self) -> &'static [&'static str] {
        match self {
            Self::Hello => &["SES-1.2", "SES-1.3", "SES-1.4", "SES-6.1"],
            Self::VersionTooNew | Self::BadRegion => &["SES-1.2"],
            Self::KnownVectors => &["SES-4.2", "SES-5.2", "SES-5.3"],
            Self::EdgeRanges => &["SES-4.2", "SES-5.1", "SES-5.2", "SES-5.3"],
            Self::ManyHits => &["SES-3.1", "SES-3.2", "SES-5.2"],
            Self::RingWrap => &["SES-3.1", "SES-3.2", "SES-5.1", "SES-5.3"],
            Self::FullSolutionRing => &["SES-3.2", "SES-5.2", "SES-6.1"],
            Self::JobSwitchStorm => &["SES-2.2", "SES-4.1", "SES-5.2", "SES-5.3"],
            Self::PauseAndResume => &["SES-2.1", "SES-5.2", "SES-6.1"],
            Self::StopInTheMiddle => &["SES-2.1", "SES-5.3"],
            Self::Silence => &["SES-5.5", "SES-6.1"],
            Self::HostDeath => &["SES-1.5"],
            Self::GarbageInReserved => &["SES-1.2", "SES-4.2"],
            Self::UnknownAlgorithm | Self::InvalidUnit | Self::UnknownMessage => &["SES-5.4"],
            Self::SleepAndWake => &["SES-3.3", "SES-3.4"],
        }
    }

    /// After this long the case fails, whatever the helper does: one minute. Building what is to be compared
    /// and ending the helper come on top, a second or two.
    #[must_use]
    pub fn time_limit(&self) -> Duration {
        Duration::from_secs(60)
    }
}

impl fmt::Display for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

impl Serialize for Case {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// The cases whose name contains `filter`; all of them without one.
#[must_use]
pub fn select(filter: Option<&str>) -> Vec<Case> {
    Case::ALL.iter().copied().filter(|case| case.name().contains(filter.unwrap_or_default())).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn names_are_different_and_every_case_says_what_it_checks() {
        let names: HashSet<&str> = Case::ALL.iter().map(Case::name).collect();
        assert_eq!(names.len(), Case::ALL.len());
        for case in Case::ALL {
            assert!(case.name().chars().all(|c| c.is_ascii_lowercase() || c == '-'));
            assert!(case.description().ends_with('.') && !case.clauses().is_empty(), "{case}");
        }
    }

    #[test]
    fn a_filter_is_a_part_of_the_name() {
        assert_eq!(select(None), Case::ALL);
        assert_eq!(select(Some("unknown-")), [Case::UnknownAlgorithm, Case::UnknownMessage]);
        assert!(select(Some("nothing")).is_empty());
    }
}
