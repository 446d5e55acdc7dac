//! What the programs are told: `[--json] [--rounds N]`, and words of their own.

use std::process::exit;

/// What was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Arguments {
    /// One JSON object a line instead of a table.
    pub json: bool,
    /// How often everything is measured.
    pub rounds: usize,
    /// Words that stand alone, of those that the program knows.
    pub words: Vec<String>,
}

impl Arguments {
    /// Reads this process' arguments; those that make no sense end it with status 2 and say why.
    #[must_use]
    pub fn parse(rounds: usize, known: &[&str]) -> Self {
        Self::from_words(std::env::args().skip(1), rounds, known).unwrap_or_else(|what| {
            let words: String = known.iter().map(|word| format!(" [{word}]")).collect();
            eprintln!("{what}; this program takes [--json] [--rounds N]{words}");
            exit(2);
        })
    }

    /// Whether `word` was given.
    #[must_use]
    pub fn has(&self, word: &str) -> bool {
        self.words.iter().any(|given| given == word)
    }

    fn from_words(
        mut given: impl Iterator<Item = String>,
        rounds: usize,
        known: &[&str],
    ) -> Result<Self, String> {
        let mut arguments = Self { json: false, rounds, words: Vec::new() };
        while let Some(word) = given.next() {
            match word.as_str() {
                "--json" => arguments.json = true,
                "--rounds" => {
                    let number = given.next().unwrap_or_default();
                    arguments.rounds = match number.parse() {
                        Ok(rounds) if rounds > 0 => rounds,
                        _ => return Err(format!("--rounds {number}: give a number from 1 on")),
                    };
                }
                other if known.contains(&other) => arguments.words.push(word),
                other => return Err(format!("{other:?} is unknown")),
            }
        }
        Ok(arguments)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Result<Arguments, String> {
        Arguments::from_words(text.split_whitespace().map(str::to_owned), 7, &["--idle"])
    }

    #[test]
    fn known_words_are_taken_and_others_named() {
        let expected = Arguments { json: true, rounds: 3, words: vec!["--idle".into()] };
        assert_eq!(parse("--rounds 3 --idle --json"), Ok(expected));
        assert_eq!(parse("").unwrap().rounds, 7);
        for (text, named) in [("--rounds 0", "--rounds 0"), ("--rounds", "--rounds"), ("--fast", "--fast")] {
            assert!(parse(text).unwrap_err().contains(named), "{text}");
        }
    }
}
