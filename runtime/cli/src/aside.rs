//! Standard output in the hands of a thread of its own, for a command that has something to do besides: who reads its
//! output slowly, or not at all, must not hold that up.

use std::{
    collections::VecDeque,
    fmt, io,
    sync::{Condvar, Mutex, MutexGuard, OnceLock, PoisonError},
    thread,
    time::{Duration, Instant},
};

use serde_json::json;

use crate::output;

/// The most texts that wait to be written, and bytes of them; what comes then is left out, and said to be.
const MOST_TEXTS: usize = 4096;
const MOST_BYTES: usize = 4 << 20;

static ASIDE: OnceLock<Aside> = OnceLock::new();

/// From now on [`put`] takes texts.
///
/// # Errors
/// There is no thread to be had.
pub fn begin(json: bool) -> io::Result<()> {
    let aside = ASIDE.get_or_init(|| Aside { json, ..Aside::default() });
    thread::Builder::new().name("output".into()).spawn(|| aside.run()).map(drop)
}

/// Leaves a text to the thread, if it has [begun](begin); whether it has.
pub fn put(text: fmt::Arguments<'_>) -> bool {
    ASIDE.get().is_some_and(|aside| {
        aside.put(&text.to_string());
        true
    })
}

/// What is put from now on is little and the last: there is room for it.
pub fn last() {
    if let Some(aside) = ASIDE.get() {
        aside.state().is_ending = true;
    }
}

/// Waits until everything is written, at most so long; how many texts are not.
pub fn wait(within: Duration) -> u64 {
    ASIDE.get().map_or(0, |aside| aside.wait(within))
}

#[derive(Debug, Default)]
struct Aside {
    /// How what was left out is said.
    json: bool,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    texts: VecDeque<String>,
    bytes: usize,
    /// Left out since that was last said.
    left_out: u64,
    /// Taken and not written yet.
    writing: u64,
    /// Nothing is left out any more.
    is_ending: bool,
}

impl Aside {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, text: &str) {
        let mut state = self.state();
        let is_full = state.texts.len() >= MOST_TEXTS || state.bytes + text.len() > MOST_BYTES;
        if is_full && !state.is_ending {
            state.left_out += 1;
            return;
        }
        if state.left_out > 0 {
            let count = std::mem::take(&mut state.left_out);
            state.add(self.left_out_text(count));
        }
        state.add(text.to_owned());
        drop(state);
        self.changed.notify_all();
    }

    fn left_out_text(&self, count: u64) -> String {
        match self.json {
            true => format!("{}\n", json!({ "event": "left_out", "lines": count })),
            false => format!("({count} lines left out that nobody read in time)\n"),
        }
    }

    /// The next text; waits for it.
    fn take(&self) -> String {
        let mut state = self.state();
        loop {
            if let Some(text) = state.texts.pop_front() {
                state.bytes -= text.len();
                state.writing = 1;
                return text;
            }
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
    }

    fn run(&self) {
        loop {
            output::write(format_args!("{}", self.take()));
            self.state().writing = 0;
            self.changed.notify_all();
        }
    }

    fn wait(&self, within: Duration) -> u64 {
        let until = Instant::now() + within;
        let mut state = self.state();
        loop {
            let left = until.saturating_duration_since(Instant::now());
            let waiting = state.texts.len() as u64 + state.writing;
            if waiting == 0 && state.left_out == 0 || left.is_zero() {
                return waiting + state.left_out;
            }
            if waiting == 0 {
                // Nobody else comes to say it.
                let count = std::mem::take(&mut state.left_out);
                state.add(self.left_out_text(count));
                self.changed.notify_all();
            }
            (state, _) = self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

impl State {
    fn add(&mut self, text: String) {
        self.bytes += text.len();
        self.texts.push_back(text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_reads_is_left_out_and_said_to_be() {
        let aside = Aside { json: true, ..Aside::default() };
        for number in 0..MOST_TEXTS + 3 {
            aside.put(&format!("{number}\n"));
        }
        assert_eq!(aside.wait(Duration::ZERO), MOST_TEXTS as u64 + 3);
        assert_eq!(aside.take(), "0\n");
        aside.put("goes on\n");
        let taken: Vec<String> = (0..MOST_TEXTS).map(|_| aside.take()).collect();
        assert_eq!(taken[MOST_TEXTS - 2], "4095\n");
        assert_eq!(taken[MOST_TEXTS - 1], "{\"event\":\"left_out\",\"lines\":3}\n");
        assert_eq!(aside.take(), "goes on\n");
        let long = "x".repeat(MOST_BYTES);
        aside.put(&long);
        aside.put("no room");
        // The one that was taken last is not written yet.
        assert_eq!(aside.wait(Duration::ZERO), 3);
        aside.state().is_ending = true;
        aside.put("done");
        let lengths: Vec<usize> = aside.state().texts.iter().map(String::len).collect();
        assert_eq!(lengths, [MOST_BYTES, "{\"event\":\"left_out\",\"lines\":1}\n".len(), 4]);
    }
}
