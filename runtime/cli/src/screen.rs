//! Lines that stay in place on a terminal.

use std::io::{self, IsTerminal as _};

use rustix::termios::tcgetwinsize;

use crate::output;

/// How wide a line may be where nothing says it.
const USUAL_WIDTH: usize = 100;

/// Standard output, and the lines on it that are written over next time.
pub struct Screen {
    terminal: bool,
    drawn: Vec<String>,
}

impl Screen {
    pub fn new() -> Self {
        Self { terminal: io::stdout().is_terminal(), drawn: Vec::new() }
    }

    /// Whether lines can stay in place.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Writes these lines in place of those drawn before, cut to what the terminal shows.
    pub fn draw(&mut self, lines: &[String]) {
        self.clear();
        let (width, height) = size();
        let cut = |line: &String| line.chars().take(width).collect::<String>() + "\n";
        self.drawn = lines.iter().take(height).map(cut).collect();
        print(&self.drawn.concat());
    }

    /// Takes the lines that stay in place off the screen.
    pub fn clear(&mut self) {
        if !self.drawn.is_empty() {
            print(&format!("\x1b[{}A\x1b[J", self.drawn.len()));
            self.drawn.clear();
        }
    }

    /// A line that stays, whole, above those that stay in place.
    pub fn note(&mut self, text: &str) {
        let drawn = self.drawn.clone();
        self.clear();
        print(&format!("{text}\n{}", drawn.concat()));
        self.drawn = drawn;
    }
}

/// Columns and lines that can be written without wrapping or scrolling.
fn size() -> (usize, usize) {
    let size = tcgetwinsize(io::stdout()).ok().filter(|size| size.ws_col > 0 && size.ws_row > 1);
    size.map_or((USUAL_WIDTH, usize::MAX), |size| {
        (usize::from(size.ws_col) - 1, usize::from(size.ws_row) - 1)
    })
}

/// Writes to standard output.
pub fn print(text: &str) {
    output::print(format_args!("{text}"));
}
