//! Checks a plugin's table, as far as numbers and null pointers go.

use std::ffi::c_char;

use adit_abi::{MAX_HEADER, MAX_NAME, MAX_VARIANTS, Plugin};
use adit_plugin::Layout;

use super::{
    PluginFault,
    foreign::{self, Functions},
};

/// What a table says, checked.
pub(super) struct Facts {
    pub name: &'static str,
    pub version: String,
    pub id: u32,
    pub layout: Layout,
    pub variant_count: u32,
    pub functions: Functions,
}

/// Refuses what makes no sense. spec: PLG-1.3
pub(super) fn check(table: &Plugin) -> Result<Facts, PluginFault> {
    let functions = functions(table)?;
    let name = name(table.name, "its name")?;
    let version = foreign::text(table.version, 64)
        .map_err(|what| PluginFault::Value(format!("its version {what} [PLG-1.3]")))?
        .unwrap_or_default();
    let id = table.id.to_le_bytes();
    if !id.iter().all(u8::is_ascii_alphanumeric) {
        let what = format!("its id is {:#010x}; four ASCII letters or digits are wanted [PLG-1.3]", table.id);
        return Err(PluginFault::Value(what));
    }
    Ok(Facts {
        name,
        version,
        id: table.id,
        layout: layout(table)?,
        variant_count: table.variant_count,
        functions,
    })
}

fn layout(table: &Plugin) -> Result<Layout, PluginFault> {
    let Plugin { header_len, nonce_offset, nonce_width, variant_count, .. } = *table;
    let wrong = |what: String| Err(PluginFault::Value(format!("{what} [PLG-1.3]")));
    if !(1..=MAX_HEADER).contains(&header_len) {
        return wrong(format!("header_len is {header_len}, not 1 to {MAX_HEADER}"));
    }
    if nonce_width != 4 && nonce_width != 8 {
        return wrong(format!("nonce_width is {nonce_width}, not 4 or 8"));
    }
    if nonce_offset.checked_add(nonce_width).is_none_or(|end| end > header_len) {
        let nonce = format!("{nonce_width} bytes at {nonce_offset}");
        return wrong(format!("its nonce, {nonce}, ends behind the header of {header_len} bytes"));
    }
    if variant_count > MAX_VARIANTS {
        return wrong(format!("variant_count is {variant_count}, at most {MAX_VARIANTS} are allowed"));
    }
    Ok(Layout {
        header_len: header_len as usize,
        nonce_offset: nonce_offset as usize,
        nonce_width: nonce_width as usize,
    })
}

fn functions(table: &Plugin) -> Result<Functions, PluginFault> {
    let null = PluginFault::NullFunction;
    if table.variant_count > 0 && table.variant.is_none() {
        return Err(null("variant"));
    }
    Ok(Functions {
        digest: table.digest.ok_or(null("digest"))?,
        variant: table.variant,
        dev_header: table.dev_header.ok_or(null("dev_header"))?,
        searcher_new: table.searcher_new.ok_or(null("searcher_new"))?,
        searcher_free: table.searcher_free.ok_or(null("searcher_free"))?,
        set_job: table.set_job.ok_or(null("set_job"))?,
        search: table.search.ok_or(null("search"))?,
        describe: table.describe.ok_or(null("describe"))?,
        get_extension: table.get_extension.ok_or(null("get_extension"))?,
    })
}

/// A name of an algorithm or a variant, kept for the process's life, as the plugin is.
pub(super) fn name(pointer: *const c_char, what: &str) -> Result<&'static str, PluginFault> {
    let wrong = |why: &str| PluginFault::Value(format!("{what} {why} [PLG-1.3]"));
    let text = foreign::text(pointer, MAX_NAME as usize).map_err(|why| wrong(&why))?;
    let text = text.ok_or_else(|| wrong("is null"))?;
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if text.is_empty() || !text.chars().all(plain) {
        return Err(wrong(&format!("is {text:?}; lower case letters, digits and dashes are wanted")));
    }
    Ok(String::leak(text))
}
