//! How long files and functions may be.

use proc_macro2::Span;
use syn::{
    Attribute, Block, ImplItemFn, ItemFn, ItemMod, TraitItemFn,
    spanned::Spanned,
    visit::{self, Visit},
};

use super::{Finding, tokens::RustFile};

const MAX_FILE: usize = 500;
const MAX_BODY: usize = 80;
/// Tests tell a story from top to bottom.
const MAX_TEST_BODY: usize = 120;

/// Files that may be longer: path and reason.
const LONGER_FILES: &[(&str, &str)] = &[];
/// Functions that may be longer: path, name and reason.
const LONGER_FUNCTIONS: &[(&str, &str, &str)] = &[];

/// Checks one file.
pub fn check(file: &RustFile) -> Vec<Finding> {
    let path = &file.source.path;
    let mut findings = Vec::new();
    let lines = file.source.text.lines().count();
    if lines > MAX_FILE && !LONGER_FILES.iter().any(|(excepted, _)| excepted == path) {
        findings.push(Finding::new(
            path,
            MAX_FILE + 1,
            format!("the file has {lines} lines, at most {MAX_FILE} are allowed"),
            "split it by concern",
        ));
    }
    // Integration tests, and modules that their parents compile for tests only.
    let in_tests = path.starts_with("tests/") || path.contains("/tests/") || path.ends_with("/tests.rs");
    let mut bodies = Bodies { path, in_tests, findings };
    bodies.visit_file(&file.tree);
    bodies.findings
}

struct Bodies<'a> {
    path: &'a str,
    in_tests: bool,
    findings: Vec<Finding>,
}

impl Bodies<'_> {
    fn measure(&mut self, name: &syn::Ident, attributes: &[Attribute], body: &Block) {
        let open: Span = body.brace_token.span.open();
        let lines = body.span().end().line.saturating_sub(open.start().line + 1);
        let most = if self.in_tests || is_test(attributes) { MAX_TEST_BODY } else { MAX_BODY };
        let excepted =
            LONGER_FUNCTIONS.iter().any(|(path, function, _)| *path == self.path && name == function);
        if lines > most && !excepted {
            self.findings.push(Finding::new(
                self.path,
                name.span().start().line,
                format!("the body of `{name}` has {lines} lines, at most {most} are allowed"),
                "give its parts names of their own",
            ));
        }
    }
}

impl<'ast> Visit<'ast> for Bodies<'_> {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        let outside = self.in_tests;
        self.in_tests |= is_test(&module.attrs);
        visit::visit_item_mod(self, module);
        self.in_tests = outside;
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        self.measure(&function.sig.ident, &function.attrs, &function.block);
        visit::visit_item_fn(self, function);
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        self.measure(&function.sig.ident, &function.attrs, &function.block);
        visit::visit_impl_item_fn(self, function);
    }

    fn visit_trait_item_fn(&mut self, function: &'ast TraitItemFn) {
        if let Some(body) = &function.default {
            self.measure(&function.sig.ident, &function.attrs, body);
        }
        visit::visit_trait_item_fn(self, function);
    }
}

/// Whether these attributes say `#[test]` or `#[cfg(test)]`, or a cfg that `test` takes part in.
fn is_test(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && attribute.meta.require_list().is_ok_and(|list| {
                    let text = list.tokens.to_string().replace(' ', "").replace("not(test)", "");
                    text.split(|c: char| !c.is_alphanumeric()).any(|word| word == "test")
                })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tidy::tests::source;

    fn found(path: &str, text: String) -> Vec<String> {
        let source = source(path, text);
        check(&RustFile::parse(&source).unwrap()).iter().map(Finding::to_string).collect()
    }

    fn function(before: &str, lines: usize) -> String {
        format!("{before}\nfn long() {{\n{}}}\n", "    step();\n".repeat(lines))
    }

    #[test]
    fn bodies_are_measured_between_their_braces() {
        assert!(found("a.rs", function("", MAX_BODY)).is_empty());
        let findings = found("a.rs", function("", MAX_BODY + 1));
        assert_eq!(findings.len(), 1);
        assert!(findings[0].starts_with("a.rs:2: the body of `long` has 81 lines"), "{findings:?}");
        let method = format!("impl X {{ {} }}", function("", MAX_BODY + 1));
        assert_eq!(found("a.rs", method).len(), 1);
    }

    #[test]
    fn tests_may_be_longer() {
        assert!(found("a.rs", function("#[test]", MAX_TEST_BODY)).is_empty());
        for path in ["a/tests/b.rs", "a/src/b/tests.rs"] {
            assert!(found(path, function("", MAX_TEST_BODY)).is_empty());
        }
        assert_eq!(found("a.rs", function("#[cfg(not(test))]", MAX_TEST_BODY)).len(), 1);
        let module = |cfg: &str| format!("{cfg}\nmod tests {{ {} }}", function("", MAX_TEST_BODY));
        assert!(found("a.rs", module("#[cfg(test)]")).is_empty());
        assert!(found("a.rs", module("#[cfg(all(test, not(loom)))]")).is_empty());
        assert_eq!(found("a.rs", module("")).len(), 1);
        assert_eq!(found("a.rs", function("#[test]", MAX_TEST_BODY + 1)).len(), 1);
    }

    #[test]
    fn files_have_an_end() {
        assert!(found("a.rs", "//\n".repeat(MAX_FILE)).is_empty());
        assert_eq!(found("a.rs", "//\n".repeat(MAX_FILE + 1)).len(), 1);
    }
}
