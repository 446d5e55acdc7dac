//! The public names of the abi crate: what they are called in C, and those that cbindgen cannot write.

use std::{collections::BTreeMap, fs, path::Path};

use anyhow::{Context, Result, bail};
use syn::{Attribute, Expr, Item, Lit, Type, Visibility};

/// Everything public that C must see.
#[derive(Default)]
pub struct Names {
    /// By name in Rust.
    all: BTreeMap<String, Name>,
    /// Constants that cbindgen leaves out or writes less well: name in Rust, then documentation and `#define`.
    extra: Vec<(String, String)>,
}

struct Name {
    c: String,
    /// A type that is not laid out as C lays it out.
    unsuitable: bool,
}

impl Names {
    /// Reads every source file in `folder`, in the order of their paths.
    pub fn collect(folder: &Path) -> Result<Self> {
        let mut names = Self::default();
        names.folder(folder)?;
        if names.all.is_empty() {
            bail!("no public struct or constant in {}", folder.display());
        }
        Ok(names)
    }

    /// Each name in Rust with its name in C.
    pub fn renames(&self) -> impl Iterator<Item = (&str, &str)> {
        self.all.iter().map(|(rust, name)| (rust.as_str(), name.c.as_str()))
    }

    /// The constants that are not left to cbindgen, by their names in Rust.
    pub fn extra_names(&self) -> impl Iterator<Item = &str> {
        self.extra.iter().map(|(rust, _)| rust.as_str())
    }

    /// The constants that are not left to cbindgen, as C.
    pub fn extra_defines(&self) -> String {
        self.extra.iter().map(|(_, define)| format!("\n{define}")).collect::<Vec<_>>().join("\n")
    }

    /// Names that the generated `text` does not define, or that it cannot define rightly.
    pub fn missing_in(&self, text: &str) -> Vec<&str> {
        let defined = |c: &str| {
            text.lines().any(|line| {
                line.strip_prefix("#define ")
                    .and_then(|rest| rest.strip_prefix(c))
                    .is_some_and(|rest| rest.starts_with(' '))
                    || line.strip_prefix("} ").and_then(|rest| rest.strip_suffix(';')) == Some(c)
                    || line.strip_prefix("typedef ").is_some_and(|rest| rest.ends_with(&format!(" {c};")))
            })
        };
        let missing = self.all.iter().filter(|(_, name)| name.unsuitable || !defined(&name.c));
        missing.map(|(rust, _)| rust.as_str()).collect()
    }

    /// Documentation links such as ``[`HostHeader::magic`]`` in C's spelling: `` `AditHostHeader.magic` ``.
    pub fn link_in_c(&self, text: &str) -> String {
        let mut out = String::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once("[`") {
            let Some((link, tail)) = after.split_once("`]") else { break };
            let (item, field) = link.split_once("::").unwrap_or((link, ""));
            let item = self.all.get(item).map_or(item, |name| &name.c);
            // Behind the prefix, what followed "a" follows "an".
            let before = match before.strip_suffix(" a ") {
                Some(before) if item.starts_with("Adit") => format!("{before} an "),
                _ => before.to_owned(),
            };
            let dot = if field.is_empty() { "" } else { "." };
            out += &format!("{before}`{item}{dot}{field}`");
            rest = tail;
        }
        out + rest
    }

    fn folder(&mut self, folder: &Path) -> Result<()> {
        let entries = fs::read_dir(folder).with_context(|| format!("cannot list {}", folder.display()))?;
        let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<Result<Vec<_>>>()?;
        paths.sort();
        for path in paths {
            if path.is_dir() {
                self.folder(&path)?;
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = fs::read_to_string(&path)?;
                let file =
                    syn::parse_file(&text).with_context(|| format!("cannot parse {}", path.display()))?;
                self.items(&file.items)?;
            }
        }
        Ok(())
    }

    fn items(&mut self, items: &[Item]) -> Result<()> {
        for item in items {
            match item {
                Item::Const(item) if seen(&item.vis, &item.attrs) => {
                    let name = item.ident.to_string();
                    let c = format!("ADIT_{}", name.strip_prefix("ADIT_").unwrap_or(&name));
                    if let Some(value) = value_in_c(&item.ty, &item.expr) {
                        let define = format!("{}#define {c} {value}", comment(&item.attrs));
                        self.extra.push((name.clone(), define));
                    }
                    self.add(name, c, false)?;
                }
                Item::Struct(item) if seen(&item.vis, &item.attrs) => {
                    self.add_type(item.ident.to_string(), !has_layout(&item.attrs))?;
                }
                Item::Union(item) if seen(&item.vis, &item.attrs) => {
                    self.add_type(item.ident.to_string(), !has_layout(&item.attrs))?;
                }
                Item::Enum(item) if seen(&item.vis, &item.attrs) => {
                    self.add_type(item.ident.to_string(), !has_layout(&item.attrs))?;
                }
                Item::Type(item) if seen(&item.vis, &item.attrs) => {
                    self.add_type(item.ident.to_string(), false)?;
                }
                Item::Mod(item) if seen(&item.vis, &item.attrs) => {
                    self.items(item.content.as_ref().map_or(&[], |(_, items)| items.as_slice()))?;
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn add_type(&mut self, name: String, unsuitable: bool) -> Result<()> {
        let c = format!("Adit{}", name.strip_prefix("Adit").unwrap_or(&name));
        self.add(name, c, unsuitable)
    }

    fn add(&mut self, name: String, c: String, unsuitable: bool) -> Result<()> {
        if self.all.insert(name.clone(), Name { c, unsuitable }).is_some() {
            bail!("two public items of runtime/abi are called {name}: C has one namespace, rename one");
        }
        Ok(())
    }
}

/// Whether an item is part of the layout: public, not hidden, not only for tests.
fn seen(visibility: &Visibility, attributes: &[Attribute]) -> bool {
    let hidden = attributes.iter().any(|attribute| {
        attribute.path().is_ident("doc")
            && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string() == "hidden")
    });
    let for_tests = attributes.iter().any(|attribute| {
        attribute.path().is_ident("cfg")
            && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string() == "test")
    });
    matches!(visibility, Visibility::Public(_)) && !hidden && !for_tests
}

fn has_layout(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| attribute.path().is_ident("repr"))
}

/// The value of a constant that is not left to cbindgen, which drops string literals and the little-endian
/// numbers that some letters are (`u64::from_le_bytes(*b"ADITHOST")`), and writes hexadecimal as decimal.
fn value_in_c(ty: &Type, expression: &Expr) -> Option<String> {
    match expression {
        Expr::Lit(literal) => match &literal.lit {
            Lit::Str(text) => {
                let text = text.value();
                let plain = text.chars().all(|c| matches!(c, ' '..='~') && c != '"' && c != '\\');
                plain.then(|| format!("\"{text}\""))
            }
            Lit::Int(number) => {
                let text = number.to_string();
                let digits = text.strip_suffix(number.suffix())?.strip_prefix("0x")?.replace('_', "");
                Some(format!("0x{digits}{}", unsigned_type(ty)?.1))
            }
            _ => None,
        },
        Expr::Call(call) => {
            let Expr::Path(function) = &*call.func else { return None };
            if function.path.segments.last()?.ident != "from_le_bytes" {
                return None;
            }
            let letters = letters(call.args.first()?)?;
            let (bits, suffix) = unsigned_type(ty)?;
            let digits: String = letters.iter().rev().map(|byte| format!("{byte:02x}")).collect();
            (letters.len() * 8 == bits).then(|| format!("0x{digits}{suffix}"))
        }
        _ => None,
    }
}

/// Width of an unsigned type in bits, and the suffix of its numbers in C.
fn unsigned_type(ty: &Type) -> Option<(usize, &'static str)> {
    let Type::Path(ty) = ty else { return None };
    match ty.path.get_ident()?.to_string().as_str() {
        "u8" => Some((8, "u")),
        "u16" => Some((16, "u")),
        "u32" => Some((32, "u")),
        "u64" => Some((64, "ull")),
        _ => None,
    }
}

/// The bytes of `*b"..."`.
fn letters(expression: &Expr) -> Option<Vec<u8>> {
    let Expr::Unary(syn::ExprUnary { op: syn::UnOp::Deref(_), expr, .. }) = expression else { return None };
    let Expr::Lit(syn::ExprLit { lit: Lit::ByteStr(bytes), .. }) = &**expr else { return None };
    Some(bytes.value())
}

/// An item's documentation as a C comment, or nothing.
fn comment(attributes: &[Attribute]) -> String {
    let lines: Vec<String> = attributes
        .iter()
        .filter(|attribute| attribute.path().is_ident("doc"))
        .filter_map(|attribute| match &attribute.meta.require_name_value().ok()?.value {
            Expr::Lit(syn::ExprLit { lit: Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        })
        .map(|line| format!(" *{}\n", line.trim_end()))
        .collect();
    if lines.is_empty() { String::new() } else { format!("/**\n{} */\n", lines.concat()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(ty: &str, source: &str) -> Option<String> {
        value_in_c(&syn::parse_str(ty).unwrap(), &syn::parse_str(source).unwrap())
    }

    #[test]
    fn letters_become_little_endian_numbers() {
        assert_eq!(value("u32", r#"u32::from_le_bytes(*b"ABCD")"#).as_deref(), Some("0x44434241u"));
        let magic = value("u64", r#"u64::from_le_bytes(*b"ADITDEV\0")"#);
        assert_eq!(magic.as_deref(), Some("0x0056454454494441ull"));
        assert_eq!(value("u64", r#"u64::from_le_bytes(*b"short")"#), None);
        assert_eq!(value("u64", r#"u64::from_be_bytes(*b"ADITDEV\0")"#), None);
    }

    #[test]
    fn hexadecimal_stays_and_decimal_is_left_to_cbindgen() {
        assert_eq!(value("u64", "0x0056_4544_5449_4441").as_deref(), Some("0x0056454454494441ull"));
        assert_eq!(value("u32", "0xFFu32").as_deref(), Some("0xFFu"));
        assert_eq!(value("u32", "512"), None);
        assert_eq!(value("i32", "0x10"), None);
    }

    #[test]
    fn strings_are_written_when_c_reads_them_alike() {
        assert_eq!(value("&str", r#""ADIT_FD""#).as_deref(), Some("\"ADIT_FD\""));
        assert_eq!(value("&str", r#""a\"b""#), None);
    }

    #[test]
    fn one_name_is_one_item() {
        let mut names = Names::default();
        let file = syn::parse_file("pub const A: u32 = 1; pub mod inner { pub const A: u32 = 2; }").unwrap();
        assert!(names.items(&file.items).unwrap_err().to_string().contains("called A"));
    }
}
