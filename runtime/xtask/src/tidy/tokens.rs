//! Rust files as tokens, so that comments and strings never look like code.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::Source;

/// A parsed source file.
pub struct RustFile<'a> {
    /// Where it comes from.
    pub source: &'a Source,
    /// Its syntax.
    pub tree: syn::File,
    /// Its tokens, those of macro calls included.
    pub tokens: Vec<Token>,
}

/// A token, or one side of a group's delimiters.
pub struct Token {
    /// As written; literals are left out, since no rule is about them.
    pub text: String,
    /// Counted from 1.
    pub line: usize,
}

impl<'a> RustFile<'a> {
    /// Parses a source.
    pub fn parse(source: &'a Source) -> syn::Result<Self> {
        let stream: TokenStream = source.text.parse()?;
        let mut tokens = Vec::new();
        flatten(stream.clone(), &mut tokens);
        Ok(Self { source, tree: syn::parse2(stream)?, tokens })
    }

    /// The lines at which these tokens stand next to each other.
    pub fn lines_with<'b>(&'b self, pattern: &'b [&str]) -> impl Iterator<Item = usize> + 'b {
        self.tokens
            .windows(pattern.len())
            .filter(move |window| window.iter().zip(pattern).all(|(token, text)| token.text == *text))
            .map(|window| window[0].line)
    }
}

fn flatten(stream: TokenStream, out: &mut Vec<Token>) {
    for tree in stream {
        let line = tree.span().start().line;
        let text = match &tree {
            TokenTree::Ident(ident) => ident.to_string(),
            TokenTree::Punct(punct) => punct.as_char().to_string(),
            TokenTree::Literal(_) => String::new(),
            TokenTree::Group(group) => {
                let (open, close) = match group.delimiter() {
                    Delimiter::Parenthesis => ("(", ")"),
                    Delimiter::Bracket => ("[", "]"),
                    Delimiter::Brace => ("{", "}"),
                    Delimiter::None => ("", ""),
                };
                out.push(Token { text: open.to_owned(), line });
                flatten(group.stream(), out);
                out.push(Token { text: close.to_owned(), line: group.span_close().end().line });
                continue;
            }
        };
        out.push(Token { text, line });
    }
}
