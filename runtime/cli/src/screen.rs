//! Lines that stay in place on a terminal.

use std::io::{self, IsTerminal as _, Write as _};

use rustix::termios::tcgetwinsize;

/// How wide a line may be where nothing says it.
const USUAL_WIDTH: usize = 100;

/// Standard output, and how many lines on it are written over next time.
pub struct Screen {
    terminal: bool,
    drawn: usize,
}

impl Screen {
    pub fn new() -> Self {
        Self { terminal: io::stdout().is_terminal(), drawn: 0 }
    }

    /// Whether lines can stay in place.
    pub fn is_terminal(&self) -> bool {
        self.terminal
    }

    /// Writes these lines in place of those drawn before, cut to what the terminal shows.
    pub fn draw(&mut self, lines: &[String]) {
        self.clear();
        let (width, height) = size();
        let shown = lines.len().min(height);
        let text: String =
            lines[..shown].iter().map(|line| line.chars().take(width).collect::<String>() + "\n").collect();
        self.drawn = shown;
        print(&text);
    }

    /// Takes the lines that stay in place off the screen.
    pub fn clear(&mut self) {
        if self.drawn > 0 {
            print(&format!("\x1b[{}A\x1b[J", self.drawn));
            self.drawn = 0;
        }
    }

    /// A line that stays; cut to the terminal's width.
    pub fn note(&mut self, text: &str) {
        self.clear();
        let cut: String = if self.terminal { text.chars().take(size().0).collect() } else { text.to_owned() };
        print(&(cut + "\n"));
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
    let mut out = io::stdout().lock();
    // Nobody reads any more: end quietly, as in pipes.
    if out.write_all(text.as_bytes()).and_then(|()| out.flush()).is_err() {
        std::process::exit(0);
    }
}
