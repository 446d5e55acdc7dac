//! The list of cases.

mod texts;

use std::{fmt, time::Duration};

use serde::{Serialize, Serializer};

/// One case: a fresh helper (or several), a situation, and what the spec says must come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Case {
    /// Header, session id, hello first, heartbeat begins.
    Hello,
    /// A host of another layout version is refused.
    OtherVersion,
    /// Offsets and slot counts that do not fit are refused.
    BadRegion,
    /// Memory that no host made is left alone.
    NotAHost,
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
    /// A control state that nobody knows.
    UnknownState,
    /// Units that are dead when they come.
    StaleUnits,
    /// Board slots that change while they are read.
    TornBoard,
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
        Self::OtherVersion,
        Self::BadRegion,
        Self::NotAHost,
        Self::KnownVectors,
        Self::EdgeRanges,
        Self::ManyHits,
        Self::RingWrap,
        Self::FullSolutionRing,
        Self::JobSwitchStorm,
        Self::PauseAndResume,
        Self::StopInTheMiddle,
        Self::UnknownState,
        Self::StaleUnits,
        Self::TornBoard,
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
            Self::OtherVersion => "other-version",
            Self::BadRegion => "bad-region",
            Self::NotAHost => "not-a-host",
            Self::KnownVectors => "known-vectors",
            Self::EdgeRanges => "edge-ranges",
            Self::ManyHits => "many-hits",
            Self::RingWrap => "ring-wrap",
            Self::FullSolutionRing => "full-solution-ring",
            Self::JobSwitchStorm => "job-switch-storm",
            Self::PauseAndResume => "pause-and-resume",
            Self::StopInTheMiddle => "stop-in-the-middle",
            Self::UnknownState => "unknown-state",
            Self::StaleUnits => "stale-units",
            Self::TornBoard => "torn-board",
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
            Self::Hello => texts::HELLO,
            Self::OtherVersion => texts::OTHER_VERSION,
            Self::BadRegion => texts::BAD_REGION,
            Self::NotAHost => texts::NOT_A_HOST,
            Self::KnownVectors => texts::KNOWN_VECTORS,
            Self::EdgeRanges => texts::EDGE_RANGES,
            Self::ManyHits => texts::MANY_HITS,
            Self::RingWrap => texts::RING_WRAP,
            Self::FullSolutionRing => texts::FULL_SOLUTION_RING,
            Self::JobSwitchStorm => texts::JOB_SWITCH_STORM,
            Self::PauseAndResume => texts::PAUSE_AND_RESUME,
            Self::StopInTheMiddle => texts::STOP_IN_THE_MIDDLE,
            Self::UnknownState => texts::UNKNOWN_STATE,
            Self::StaleUnits => texts::STALE_UNITS,
            Self::TornBoard => texts::TORN_BOARD,
            Self::Silence => texts::SILENCE,
            Self::HostDeath => texts::HOST_DEATH,
            Self::GarbageInReserved => texts::GARBAGE_IN_RESERVED,
            Self::UnknownAlgorithm => texts::UNKNOWN_ALGORITHM,
            Self::InvalidUnit => texts::INVALID_UNIT,
            Self::UnknownMessage => texts::UNKNOWN_MESSAGE,
            Self::SleepAndWake => texts::SLEEP_AND_WAKE,
        }
    }

    /// The clauses of docs/spec/session.md that it checks.
    #[must_use]
    pub fn clauses(&self) -> &'static [&'static str] {
        match self {
            Self::Hello => &["SES-1.2", "SES-1.3", "SES-1.4", "SES-6.1", "SES-6.2"],
            Self::OtherVersion | Self::BadRegion | Self::NotAHost => &["SES-1.2"],
            Self::KnownVectors => &["SES-4.2", "SES-5.2", "SES-5.3"],
            Self::EdgeRanges => &["SES-4.2", "SES-5.1", "SES-5.2", "SES-5.3"],
            Self::ManyHits => &["SES-3.1", "SES-3.2", "SES-5.2"],
            Self::RingWrap => &["SES-3.1", "SES-3.2", "SES-5.1", "SES-5.3"],
            Self::FullSolutionRing => &["SES-3.2", "SES-5.2", "SES-6.1"],
            Self::JobSwitchStorm => &["SES-2.2", "SES-4.1", "SES-5.2", "SES-5.3"],
            Self::PauseAndResume => &["SES-2.1", "SES-5.2", "SES-6.1"],
            Self::StopInTheMiddle => &["SES-2.1", "SES-5.3"],
            Self::UnknownState => &["SES-2.1"],
            Self::StaleUnits => &["SES-2.2", "SES-4.1", "SES-5.4"],
            Self::TornBoard => &["SES-4.1", "SES-5.2"],
            Self::Silence => &["SES-5.5", "SES-6.1"],
            Self::HostDeath => &["SES-1.5"],
            Self::GarbageInReserved => &["SES-1.2", "SES-4.2"],
            Self::UnknownAlgorithm | Self::InvalidUnit | Self::UnknownMessage => &["SES-5.4"],
            Self::SleepAndWake => &["SES-3.2", "SES-3.3", "SES-3.4"],
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
        assert_eq!(
            select(Some("unknown-")),
            [Case::UnknownState, Case::UnknownAlgorithm, Case::UnknownMessage]
        );
        assert!(select(Some("nothing")).is_empty());
    }
}
