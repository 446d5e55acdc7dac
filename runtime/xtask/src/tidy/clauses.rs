//! Every clause of `docs/spec` is cited where it is met or tested, and every citation names a clause.
//!
//! A clause stands in a file of `docs/spec` as `**[SES-3.2]**` before its text; `(informative)` on the same
//! line means that there is nothing to meet. A comment in code cites clauses after the word `spec` and a colon,
//! separated by commas.

use std::collections::{BTreeMap, BTreeSet};

use super::{Finding, Source};

/// Files that may cite.
const CODE: &[&str] = &["rs", "c", "h", "cu", "cl", "wgsl", "py"];
/// The word before a citation.
const WORD: &str = "spec: ";

/// A clause's place.
struct Clause<'a> {
    path: &'a str,
    line: usize,
    informative: bool,
}

/// Checks all files together.
pub fn check(sources: &[Source]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut clauses: BTreeMap<&str, Clause> = BTreeMap::new();
    for source in sources.iter().filter(|source| source.path.starts_with("docs/spec/") && source.is(&["md"]))
    {
        for (index, text) in source.text.lines().enumerate() {
            collect(source, index + 1, text, &mut clauses, &mut findings);
        }
    }

    let mut cited = BTreeSet::new();
    for source in sources.iter().filter(|source| source.is(CODE)) {
        for (index, text) in source.text.lines().enumerate() {
            for id in citations(text, source.is(&["py"])) {
                cited.insert(id);
                if !clauses.contains_key(id) {
                    findings.push(Finding::new(
                        &source.path,
                        index + 1,
                        format!("cites {id}, which docs/spec does not have"),
                        "correct the number, or write the clause",
                    ));
                }
            }
        }
    }
    for (id, clause) in clauses.iter().filter(|(id, clause)| !clause.informative && !cited.contains(*id)) {
        findings.push(Finding::new(
            clause.path,
            clause.line,
            format!("nothing cites clause {id}"),
            format!("write `{WORD}{id}` in a comment where it is met or tested, or mark it (informative)"),
        ));
    }
    findings
}

fn collect<'a>(
    source: &'a Source,
    line: usize,
    text: &'a str,
    clauses: &mut BTreeMap<&'a str, Clause<'a>>,
    findings: &mut Vec<Finding>,
) {
    for part in text.split("**[").skip(1) {
        let Some((id, _)) = part.split_once("]**") else { continue };
        if id_at_start(id) != Some(id) {
            findings.push(Finding::new(
                &source.path,
                line,
                format!("`{id}` is not a clause number"),
                "write it as SES-3 or SES-3.2",
            ));
            continue;
        }
        let clause = Clause { path: &source.path, line, informative: text.contains("(informative)") };
        if let Some(first) = clauses.insert(id, clause) {
            findings.push(Finding::new(
                &source.path,
                line,
                format!("clause {id} is also at {}:{}", first.path, first.line),
                "give one of them a new number",
            ));
        }
    }
}

/// The clauses that a line of code cites. `anywhere` is for languages whose documentation is strings.
fn citations(text: &str, anywhere: bool) -> Vec<&str> {
    let mut found = Vec::new();
    for (position, _) in text.match_indices(WORD) {
        let before = &text[..position];
        let in_comment =
            before.contains("//") || before.contains("/*") || before.trim_start().starts_with('*');
        if !(anywhere || in_comment) {
            continue;
        }
        let mut rest = &text[position + WORD.len()..];
        while let Some(id) = id_at_start(rest) {
            found.push(id);
            let Some(next) = rest[id.len()..].strip_prefix(',') else { break };
            rest = next.trim_start();
        }
    }
    found
}

/// The clause number that `text` begins with: letters, a hyphen, a number and perhaps a second one.
fn id_at_start(text: &str) -> Option<&str> {
    let run =
        |from: usize, fits: fn(&u8) -> bool| text.as_bytes()[from..].iter().take_while(|b| fits(b)).count();
    let letters = run(0, u8::is_ascii_uppercase);
    if letters == 0 || text.as_bytes().get(letters) != Some(&b'-') {
        return None;
    }
    let first = run(letters + 1, u8::is_ascii_digit);
    if first == 0 {
        return None;
    }
    let mut end = letters + 1 + first;
    if text.as_bytes().get(end) == Some(&b'.') {
        let second = run(end + 1, u8::is_ascii_digit);
        end += if second == 0 { 0 } else { 1 + second };
    }
    Some(&text[..end])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tests::source;

    /// A comment that cites; put together here, so that this file cites nothing.
    fn cite(comment: &str, ids: &str) -> String {
        format!("{comment} why {WORD}{ids}\n")
    }

    #[test]
    fn numbers_are_letters_a_hyphen_and_one_or_two_numbers() {
        for (text, id) in [
            ("SES-3.2, RING-1", Some("SES-3.2")),
            ("SES-12.", Some("SES-12")),
            ("SES-1.2.3", Some("SES-1.2")),
            ("SES-", None),
            ("ses-1", None),
            ("-1", None),
            ("", None),
        ] {
            assert_eq!(id_at_start(text), id, "{text}");
        }
    }

    #[test]
    fn clauses_and_citations_meet() {
        let spec = "# Session\n- **[SES-1]** One.\n**[SES-1.1]** Two.\n**[SES-2]** (informative) Three.\n";
        let sources = [
            source("docs/spec/session.md", spec),
            source("a.rs", cite("//!", "SES-1, SES-1.1.")),
            source("README.md", "**[SES-9]**"),
        ];
        assert_eq!(check(&sources), []);
    }

    #[test]
    fn what_does_not_meet_is_told() {
        let sources = [
            source("docs/spec/a.md", "**[SES-1]** One.\n**[SES-1]** Again.\n**[SES3]** Three.\n"),
            source("a.c", cite(" *", "SES-7")),
            source("b.rs", cite("let text =", "SES-1")),
            source("c.py", cite("\"\"\"", "SES-8")),
        ];
        let findings: Vec<String> = check(&sources).iter().map(Finding::to_string).collect();
        for part in [
            "docs/spec/a.md:2: clause SES-1 is also at docs/spec/a.md:1",
            "docs/spec/a.md:3: `SES3` is not",
            "a.c:1: cites SES-7",
            "c.py:1: cites SES-8",
            "docs/spec/a.md:2: nothing cites clause SES-1;",
        ] {
            assert!(findings.iter().any(|finding| finding.starts_with(part)), "{part}: {findings:#?}");
        }
        assert_eq!(findings.len(), 5);
    }
}
