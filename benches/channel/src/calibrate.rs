//! How many messages make a round.

use std::time::Duration;

/// The most turns that finding out may take.
const TURNS: u32 = 10;

/// Goes from few messages to as many as last for a round.
#[derive(Debug)]
pub struct Calibration {
    messages: u64,
    least: u64,
    /// Seconds.
    round: f64,
    /// The rate of a turn with as many messages that seemed long enough.
    seemed: Option<f64>,
    turns: u32,
}

impl Calibration {
    /// Begins with `first` messages; a round has `least` at least.
    #[must_use]
    pub fn new(first: u64, least: u64, round: Duration) -> Self {
        Self { messages: first, least, round: round.as_secs_f64(), seemed: None, turns: 0 }
    }

    /// For the next turn, and in the end for a round.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages
    }

    /// A turn went at so many messages a second; whether another one is to be made.
    ///
    /// One that seems to have lasted for a round is made twice, and the better counts: few messages take as long when an
    /// end had to wait for its processor, and a round of so few would measure that.
    pub fn turn(&mut self, per_second: f64) -> bool {
        self.turns += 1;
        let per_second = self.seemed.map_or(per_second, |seemed| seemed.max(per_second));
        let enough = per_second * self.round;
        let is_enough = self.messages as f64 >= enough / 4.0;
        if is_enough && self.seemed.is_none() && self.turns < TURNS {
            self.seemed = Some(per_second);
            return true;
        }
        // From a short round to a long one by steps: the first messages are the slowest.
        self.messages = enough.min(self.messages as f64 * 64.0).max(self.least as f64) as u64;
        self.seemed = None;
        !is_enough && self.turns < TURNS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The messages of a round, where each turn takes so long, and turns, by their numbers, that much longer.
    fn calibrated(seconds: impl Fn(u64) -> f64, late: impl Fn(u32) -> f64) -> (u64, u32) {
        let mut calibration = Calibration::new(256, 4, Duration::from_millis(30));
        let mut turns = 0;
        loop {
            turns += 1;
            let messages = calibration.messages();
            if !calibration.turn(messages as f64 / (seconds(messages) + late(turns))) {
                return (calibration.messages(), turns);
            }
        }
    }

    #[test]
    fn rounds_last_as_long_as_they_should() {
        for per_second in [1e4, 1e6, 1e8, 1e9] {
            let (messages, turns) = calibrated(|messages| messages as f64 / per_second, |_| 0.0);
            let round = messages as f64 / per_second;
            assert!(
                (0.029..0.031).contains(&round) && turns <= TURNS,
                "{per_second}: {round} s, {turns} turns"
            );
        }
        // Each turn has a start that is counted.
        let (messages, _) = calibrated(|messages| 0.003 + messages as f64 / 6e7, |_| 0.0);
        assert!((1_000_000..2_000_000).contains(&messages), "{messages}");
    }

    #[test]
    fn a_turn_in_which_an_end_was_late_is_not_believed() {
        for late in 1..5 {
            let (messages, _) =
                calibrated(|messages| messages as f64 / 1e8, |turn| if turn == late { 0.02 } else { 0.0 });
            assert!(messages > 1_000_000, "turn {late}: {messages}");
        }
    }

    #[test]
    fn a_round_has_a_message() {
        assert_eq!(calibrated(|messages| messages as f64, |_| 0.0).0, 4);
    }
}
