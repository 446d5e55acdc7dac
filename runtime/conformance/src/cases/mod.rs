//! What each case does; a file for each group.

mod board;
mod control;
mod hello;
mod life;
mod rings;
mod search;
mod stop;
mod tolerance;

use adit_channel::session::Sizes;

use crate::{case::Case, fault::Checked, host::Context};

/// Plays one case.
pub(crate) fn play(case: Case, context: &mut Context<'_>) -> Checked {
    match case {
        Case::Hello => hello::hello(context),
        Case::OtherVersion => hello::other_version(context),
        Case::BadRegion => hello::bad_region(context),
        Case::NotAHost => hello::not_a_host(context),
        Case::KnownVectors => search::known_vectors(context),
        Case::EdgeRanges => search::edge_ranges(context),
        Case::ManyHits => search::many_hits(context),
        Case::RingWrap => rings::ring_wrap(context),
        Case::FullSolutionRing => rings::full_solution_ring(context),
        Case::JobSwitchStorm => control::job_switch_storm(context),
        Case::PauseAndResume => control::pause_and_resume(context),
        Case::StopInTheMiddle => stop::stop_in_the_middle(context),
        Case::UnknownState => stop::unknown_state(context),
        Case::StaleUnits => board::stale_units(context),
        Case::TornBoard => board::torn_board(context),
        Case::Silence => life::silence(context),
        Case::HostDeath => life::host_death(context),
        Case::GarbageInReserved => tolerance::garbage_in_reserved(context),
        Case::UnknownAlgorithm => tolerance::unknown_algorithm(context),
        Case::InvalidUnit => tolerance::invalid_unit(context),
        Case::UnknownMessage => tolerance::unknown_message(context),
        Case::SleepAndWake => rings::sleep_and_wake(context),
    }
}

/// The default sizes with rings of other sizes.
fn rings(work_slots: u32, solution_slots: u32) -> Sizes {
    Sizes { work_slots, solution_slots, ..Sizes::default() }
}
