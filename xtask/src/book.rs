//! `docs/` as an mdBook: its pages link to sources and to pages beside `docs/`, which the book does not have. In the repository
//! those links are good (and checked by a test); in the book only their words stay.
//!
//! mdBook runs `cargo xtask book-links supports RENDERER`, which is answered by the exit code, and then `cargo xtask book-links`
//! with `[context, book]` as JSON on standard input and takes the book back from standard output.

use std::io::{Read as _, Write as _};
use std::path::{Component, Path};

use anyhow::{Context, Result};
use serde_json::Value;

/// What mdBook asks.
#[derive(clap::Args, Clone)]
pub struct Args {
    /// `supports` and the name of a renderer.
    question: Vec<String>,
}

/// Answers mdBook.
pub fn links(args: &Args) -> Result<()> {
    if args.question.first().is_some_and(|word| word == "supports") {
        // Any renderer: what is written is Markdown as before.
        return Ok(());
    }
    let mut input = String::new();
    std::io::stdin().read_to_string(&mut input)?;
    let both: Value =
        serde_json::from_str(&input).context("this is called by mdBook, with a book in JSON")?;
    let mut book = both.get(1).cloned().context("mdBook gave no book")?;
    rewrite(&mut book);
    serde_json::to_writer(std::io::stdout().lock(), &book)?;
    Ok(std::io::stdout().flush()?)
}

/// Every chapter of a book, whatever the objects around it are called in this version of mdBook.
fn rewrite(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            let page = fields.get("path").and_then(Value::as_str).map(str::to_owned);
            if let (Some(page), Some(Value::String(content))) = (page, fields.get_mut("content")) {
                *content = within_the_book(Path::new(&page), content);
            }
            fields.values_mut().for_each(rewrite);
        }
        Value::Array(entries) => entries.iter_mut().for_each(rewrite),
        _ => {}
    }
}

/// A page without the links that lead out of the book: `[words](../x)` becomes `words`. Pages called README.md are a folder's
/// `index` in the book, so links to them are to that.
fn within_the_book(page: &Path, text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(middle) = rest.find("](") {
        let (before, after) = (&rest[..middle], &rest[middle + 2..]);
        let target = after.split(')').next().unwrap_or_default();
        rest = after.get(target.len()..).unwrap_or_default();
        match before.rfind('[') {
            Some(start) if is_outside(page, target) => {
                out.push_str(&before[..start]);
                out.push_str(&before[start + 1..]);
                rest = rest.get(1..).unwrap_or_default();
            }
            _ if is_web(target) => out.extend([before, "](", target]),
            _ => out.extend([before, "](", &target.replace("README.md", "index.md")]),
        }
    }
    out.push_str(rest);
    out
}

fn is_web(target: &str) -> bool {
    target.contains("://")
}

/// Whether a relative link of a page climbs above the book's folder.
fn is_outside(page: &Path, target: &str) -> bool {
    if is_web(target) {
        return false;
    }
    let mut depth = page.components().count().saturating_sub(1);
    for part in Path::new(target).components() {
        match part {
            Component::ParentDir if depth == 0 => return true,
            Component::ParentDir => depth -= 1,
            Component::Normal(_) => depth += 1,
            _ => {}
        }
    }
    false
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn links_lead_to_pages_of_the_book_or_are_taken_out() {
        let page = Path::new("a/b.md");
        let same = "see [c](c.md), [d](../d.md#x), [web](https://example.org/../..) and `a[1](2)`";
        assert_eq!(within_the_book(page, same), same);
        let out = "[`code`](../../rpmsg/src/x.rs) and [two](../../README.md) of [e](e.md)";
        assert_eq!(within_the_book(page, out), "`code` and two of [e](e.md)");
        assert_eq!(within_the_book(Path::new("b.md"), "[r](../README.md"), "r");
        assert_eq!(within_the_book(page, "[i](../README.md#x)"), "[i](../index.md#x)");
    }

    #[test]
    fn chapters_are_found_wherever_they_are() {
        let mut book: Value = serde_json::json!({ "items": [
            { "Chapter": { "content": "[x](../y)", "path": "p.md", "sub_items": [
                { "Chapter": { "content": "[x](../../y)", "path": "q/p.md", "sub_items": [] } } ] } },
            "Separator" ] });
        rewrite(&mut book);
        let chapter = &book["items"][0]["Chapter"];
        assert_eq!(chapter["content"], "x");
        assert_eq!(chapter["sub_items"][0]["Chapter"]["content"], "x");
    }
}
