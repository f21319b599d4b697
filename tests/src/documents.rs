//! The repository's Markdown as its tests see it: links, anchors, blocks of code; and where sources cite a page.

use std::collections::BTreeMap;
use std::path::{Component, Path, PathBuf};

use pulldown_cmark::{CodeBlockKind, Event, Options, Parser, Tag, TagEnd};

use crate::assets::workspace;

/// Folders that are not ours to check: outputs, and what tools keep for themselves.
const LEFT_OUT: [&str; 3] = ["target", ".git", "node_modules"];

/// A block of code.
#[derive(Debug, Clone, Default)]
pub struct Block {
    /// What stands behind the opening fence: `console`, `toml`, or nothing.
    pub language: String,
    /// Its lines.
    pub text: String,
    /// Line of the page on which the first line stands, from 1.
    pub line: usize,
}

/// A page.
#[derive(Debug, Clone, Default)]
pub struct Page {
    /// Path from the top of the repository.
    pub path: PathBuf,
    /// Where its links lead, as written, with their lines.
    pub links: Vec<(usize, String)>,
    /// What `#…` may follow its name.
    pub anchors: Vec<String>,
    /// Its blocks of code.
    pub blocks: Vec<Block>,
    /// Words in backquotes outside of blocks, with their lines.
    pub code: Vec<(usize, String)>,
}

impl Page {
    /// Reads a page.
    #[must_use]
    pub fn parse(path: PathBuf, text: &str) -> Self {
        let mut page = Self {
            path,
            ..Self::default()
        };
        let mut heading: Option<String> = None;
        let mut block: Option<Block> = None;
        let mut used = BTreeMap::<String, u32>::new();
        let line = |at: usize| {
            text.get(..at)
                .map_or(1, |before| before.matches('\n').count() + 1)
        };
        for (event, range) in Parser::new_ext(text, Options::ENABLE_TABLES).into_offset_iter() {
            match event {
                Event::Start(Tag::Heading { .. }) => heading = Some(String::new()),
                Event::End(TagEnd::Heading(_)) => {
                    let slug = slug(&heading.take().unwrap_or_default());
                    let before = used.entry(slug.clone()).or_insert(0);
                    page.anchors.push(match *before {
                        0 => slug,
                        n => format!("{slug}-{n}"),
                    });
                    *before += 1;
                }
                Event::Start(Tag::Link { dest_url, .. } | Tag::Image { dest_url, .. }) => {
                    page.links.push((line(range.start), dest_url.into_string()));
                }
                Event::Start(Tag::CodeBlock(kind)) => {
                    let (language, first) = match kind {
                        CodeBlockKind::Fenced(language) => (language.into_string(), 1),
                        CodeBlockKind::Indented => (String::new(), 0),
                    };
                    block = Some(Block {
                        language,
                        text: String::new(),
                        line: line(range.start) + first,
                    });
                }
                Event::End(TagEnd::CodeBlock) => page.blocks.extend(block.take()),
                Event::Text(words) => match (&mut block, &mut heading) {
                    (Some(block), _) => block.text.push_str(&words),
                    (None, Some(heading)) => heading.push_str(&words),
                    (None, None) => {}
                },
                Event::Code(words) => {
                    if let Some(heading) = &mut heading {
                        heading.push_str(&words);
                    }
                    page.code.push((line(range.start), words.into_string()));
                }
                _ => {}
            }
        }
        page
    }

    /// Where a relative link of this page leads: a path from the top of the repository, and an anchor there. `None` for links
    /// into the web.
    ///
    /// # Errors
    /// A link that leads out of the repository.
    pub fn target(&self, link: &str) -> Result<Option<(PathBuf, Option<String>)>, String> {
        if link.contains("://") || link.starts_with("mailto:") {
            return Ok(None);
        }
        let (file, anchor) = match link.split_once('#') {
            Some((file, anchor)) => (file, Some(anchor.to_owned())),
            None => (link, None),
        };
        if file.is_empty() {
            return Ok(Some((self.path.clone(), anchor)));
        }
        let mut path = self.path.parent().unwrap_or(Path::new("")).to_owned();
        for part in Path::new(file).components() {
            match part {
                Component::Normal(name) => path.push(name),
                Component::CurDir => {}
                Component::ParentDir if path.pop() => {}
                _ => return Err(format!("{link} leads out of the repository")),
            }
        }
        Ok(Some((path, anchor)))
    }
}

/// A command that a page tells its reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommandLine {
    /// Line of the page, from 1.
    pub line: usize,
    /// As a shell takes it apart, the program first.
    pub words: Vec<String>,
    /// It stands in a block, to be typed as it is. Else it is mentioned in a sentence, and may lack what does not matter there.
    pub whole: bool,
}

impl Page {
    /// Every call of a program that the page tells. In blocks that are meant for a shell, an explanation may follow: behind `#`
    /// or three blanks.
    #[must_use]
    pub fn commands(&self, program: &str) -> Vec<CommandLine> {
        let mut found = Vec::new();
        for block in &self.blocks {
            if !matches!(&*block.language, "" | "console" | "sh") {
                continue;
            }
            let joined = block.text.replace("\\\n", "  ");
            for (n, line) in joined.lines().enumerate() {
                found.extend(words_of(line, program).map(|words| CommandLine {
                    line: block.line + n,
                    words,
                    whole: true,
                }));
            }
        }
        for (line, code) in &self.code {
            if code.starts_with(program) {
                found.extend(words_of(code, program).map(|words| CommandLine {
                    line: *line,
                    words,
                    whole: false,
                }));
            }
        }
        found
    }
}

/// The words of a program's call in a line, without what stands before and behind it.
fn words_of(line: &str, program: &str) -> Option<Vec<String>> {
    let line = line.trim_start().trim_start_matches("$ ");
    let line = line.split(" #").next().unwrap_or_default();
    let at = line.find(program)?;
    let (before, call) = line.split_at(at);
    let behind = call.get(program.len()..).unwrap_or_default();
    // Only where a command can begin: at the start, behind another one, or behind `git bisect run` and the like.
    let begins = before.is_empty() || before.ends_with(' ') && !before.ends_with("-p ");
    if !begins || !(behind.is_empty() || behind.starts_with(' ')) {
        return None;
    }
    let end = ["   ", " && ", " | ", " > ", " 2>", ";"]
        .iter()
        .filter_map(|end| call.find(end))
        .min()
        .unwrap_or(call.len());
    let plain = call[..end].trim_end_matches(['\'', ')']).replace(['[', ']'], "");
    let mut words = shlex::split(&plain)?;
    words.retain(|word| word != "…");
    Some(words)
}

/// The anchor of a heading, as code hosts and mdBook make it.
#[must_use]
pub fn slug(heading: &str) -> String {
    let lower = heading.trim().to_lowercase();
    let kept = lower
        .chars()
        .filter(|c| c.is_alphanumeric() || matches!(c, '-' | '_' | ' '));
    kept.map(|c| if c == ' ' { '-' } else { c }).collect()
}

/// All files of the repository whose name ends so, as paths from its top, in order.
///
/// # Errors
/// A folder that cannot be read.
pub fn files(endings: &[&str]) -> std::io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    let mut folders = vec![PathBuf::new()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(workspace().join(&folder))? {
            let entry = entry?;
            let name = entry.file_name();
            let path = folder.join(&name);
            let name = name.to_string_lossy();
            if entry.file_type()?.is_dir() {
                if !LEFT_OUT.contains(&&*name) {
                    folders.push(path);
                }
            } else if endings.iter().any(|ending| name.ends_with(ending)) {
                found.push(path);
            }
        }
    }
    found.sort();
    Ok(found)
}

/// All pages of the repository.
///
/// # Errors
/// What cannot be read.
pub fn pages() -> std::io::Result<Vec<Page>> {
    let read = |path: PathBuf| {
        let text = std::fs::read_to_string(workspace().join(&path))?;
        Ok(Page::parse(path, &text))
    };
    files(&[".md"])?.into_iter().map(read).collect()
}

/// Places in a text that cite a page of `docs/`, such as `docs/protocol.md#sessions`: page and anchor.
#[must_use]
pub fn citations(text: &str) -> Vec<(PathBuf, Option<String>)> {
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '/' | '.');
    let mut found = Vec::new();
    for (at, _) in text.match_indices("docs/") {
        let before = text.get(..at).and_then(|t| t.chars().next_back());
        let rest = text.get(at..).unwrap_or_default();
        let word = rest.split(|c| !is_word(c) && c != '#').next().unwrap_or_default();
        let (path, anchor) = word
            .split_once('#')
            .map_or((word, None), |(path, anchor)| (path, Some(anchor)));
        let path = path.trim_end_matches('.');
        if path.ends_with(".md") && !before.is_some_and(is_word) {
            let anchor = anchor.map(|a| a.trim_end_matches(['.', '/']).to_owned());
            found.push((PathBuf::from(path), anchor));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_has_its_links_anchors_and_blocks() {
        let text =
            "# A `b` c, d!\n\n[x](y.md#z) and ![p](q.png)\n\n## Same\n## Same\n\n```console\n$ one\n```\n";
        let page = Page::parse("docs/a.md".into(), text);
        assert_eq!(page.anchors, ["a-b-c-d", "same", "same-1"]);
        assert_eq!(page.links, [(3, "y.md#z".into()), (3, "q.png".into())]);
        assert_eq!(page.blocks.len(), 1);
        let block = &page.blocks[0];
        assert_eq!(
            (&*block.language, &*block.text, block.line),
            ("console", "$ one\n", 9)
        );
    }

    #[test]
    fn links_lead_to_paths_from_the_top() {
        let page = Page::parse("docs/ci/a.md".into(), "");
        let to = |link| page.target(link);
        assert_eq!(to("https://example.org/x"), Ok(None));
        assert_eq!(
            to("#here"),
            Ok(Some(("docs/ci/a.md".into(), Some("here".into()))))
        );
        assert_eq!(to("../b.md#c"), Ok(Some(("docs/b.md".into(), Some("c".into())))));
        assert!(to("../../../b.md").is_err());
    }

    #[test]
    fn commands_are_taken_from_blocks_and_sentences() {
        let text = "`x y --z` and `xy`\n\n```console\n$ x a \"b c\"   # why\n$ git run x d… | less\noutput of x\n```\n\n```toml\nx a\n```\n";
        let page = Page::parse("docs/a.md".into(), text);
        let found = page.commands("x");
        let words: Vec<_> = found
            .iter()
            .map(|c| (c.line, c.words.join("+"), c.whole))
            .collect();
        let expected = [
            (4, "x+a+b c", true),
            (5, "x+d…", true),
            (6, "x", true),
            (1, "x+y+--z", false),
        ];
        assert_eq!(
            words,
            expected.map(|(n, words, whole)| (n, words.to_owned(), whole))
        );
    }

    #[test]
    fn sources_cite_pages() {
        let found = citations("(docs/a.md#b_c). See docs/x/y.md. docs/z.rs, other/docs/q.md");
        let b_c = Some("b_c".to_owned());
        assert_eq!(found, [("docs/a.md".into(), b_c), ("docs/x/y.md".into(), None)]);
    }
}
