//! What the repository's pages say can be followed: links, anchors, bytes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rpmsg::glink::Command;
use tests::assets::workspace;
use tests::documents::{Page, citations, files, pages};

fn by_path(pages: &[Page]) -> BTreeMap<&Path, &Page> {
    pages.iter().map(|page| (&*page.path, page)).collect()
}

/// Why a place in the repository is not there.
fn missing(pages: &BTreeMap<&Path, &Page>, path: &Path, anchor: Option<&str>) -> Option<String> {
    if !workspace().join(path).exists() {
        return Some(format!("{} does not exist", path.display()));
    }
    let anchor = anchor?;
    match pages.get(path) {
        Some(page) if page.anchors.iter().any(|a| a == anchor) => None,
        Some(_) => Some(format!("{} has no heading #{anchor}", path.display())),
        None => Some(format!("{} is no page, so it has no #{anchor}", path.display())),
    }
}

#[test]
fn every_link_of_every_page_leads_somewhere() {
    let pages = pages().expect("the pages");
    let known = by_path(&pages);
    let mut wrong = Vec::new();
    let mut checked = 0;
    for page in &pages {
        for (line, link) in &page.links {
            let why = match page.target(link) {
                Ok(None) => continue,
                Ok(Some((path, anchor))) => missing(&known, &path, anchor.as_deref()),
                Err(why) => Some(why),
            };
            checked += 1;
            wrong.extend(why.map(|why| format!("{}:{line}: {why}", page.path.display())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 100, "only {checked} links were found");
}

#[test]
fn every_page_that_a_source_cites_is_there() {
    let pages = pages().expect("the pages");
    let known = by_path(&pages);
    let endings = [".rs", ".toml", ".c", ".h", ".S", ".isa", ".md"];
    let mut wrong = Vec::new();
    let mut checked = 0;
    for path in files(&endings).expect("the sources") {
        if path.ends_with("tests/src/documents.rs") {
            continue;
        }
        let text = std::fs::read_to_string(workspace().join(&path)).expect("a source");
        for (page, anchor) in citations(&text) {
            checked += 1;
            let why = missing(&known, &page, anchor.as_deref());
            wrong.extend(why.map(|why| format!("{}: {why}", path.display())));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 30, "only {checked} citations were found");
}

/// docs/protocol.md quotes GLINK commands byte for byte, each with its name.
#[test]
fn the_bytes_of_the_protocol_page_are_the_commands_that_it_names() {
    let path = PathBuf::from("docs/protocol.md");
    let text = std::fs::read_to_string(workspace().join(&path)).expect("the page");
    let page = Page::parse(path, &text);
    let mut checked = 0;
    for block in page.blocks.iter().filter(|b| b.language == "glink") {
        for line in block.text.lines() {
            let (name, hex) = line.split_once(' ').expect("a name and bytes");
            let bytes: Vec<u8> = hex
                .split_whitespace()
                .map(|byte| u8::from_str_radix(byte, 16).expect("a byte"))
                .collect();
            let command = Command::parse(&bytes).expect("a command");
            let debug = format!("{command:?}");
            assert!(debug.starts_with(&format!("{name} ")), "{name}: {debug}");
            assert_eq!(command.encode(), bytes, "{name}");
            checked += 1;
        }
    }
    assert!(checked >= 7, "only {checked} commands were found");
}
