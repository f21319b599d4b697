//! What the repository's pages say can be followed: links, anchors, functions that they name, commands, bytes.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use rpmsg::glink::Command;
use tests::assets::workspace;
use tests::documents::{CommandLine, Page, citations, files, pages};

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

/// Whether a source has an item of that name: a function, a type, a macro; or, where it is a specification of instructions, a
/// row.
fn has_item(source: &str, name: &str) -> bool {
    const BEFORE: [&str; 7] = ["fn", "struct", "enum", "trait", "const", "type", "macro_rules!"];
    let mut words = source.split(|c: char| !(c.is_alphanumeric() || matches!(c, '_' | '!')));
    let mut before = "";
    words.any(|word| {
        let found = word == name && BEFORE.contains(&before);
        if !word.is_empty() {
            before = word;
        }
        found
    })
}

/// `path/of/file.rs::name` in backquotes, from the top of the repository, names an item that is there.
#[test]
fn every_function_that_a_page_names_is_there() {
    let mut wrong = Vec::new();
    let mut checked = 0;
    for page in pages().expect("the pages") {
        for (line, code) in &page.code {
            let Some((path, name)) = code.split_once(".rs::") else {
                continue;
            };
            checked += 1;
            let path = format!("{path}.rs");
            let why = match std::fs::read_to_string(workspace().join(&path)) {
                Err(_) => format!("{path} does not exist"),
                Ok(source) if has_item(&source, name) => continue,
                Ok(_) => format!("{path} has no {name}"),
            };
            wrong.push(format!("{}:{line}: {why}", page.path.display()));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert!(checked > 50, "only {checked} functions are named");
}

#[test]
fn the_book_has_every_page_of_its_folder() {
    let pages = pages().expect("the pages");
    let summary = Path::new("docs/SUMMARY.md");
    let known = by_path(&pages);
    let listed: Vec<PathBuf> = known[summary]
        .links
        .iter()
        .map(|(_, link)| known[summary].target(link).expect("a page").expect("a page").0)
        .collect();
    for page in pages
        .iter()
        .filter(|p| p.path.starts_with("docs") && p.path != summary)
    {
        let times = listed.iter().filter(|path| **path == page.path).count();
        assert_eq!(times, 1, "{} in docs/SUMMARY.md", page.path.display());
    }
}

/// The two walks of ARCHITECTURE.md go through each file once in a table; a row that comes to one again says so.
#[test]
fn the_walks_turn_back_only_where_they_say_so() {
    let text = std::fs::read_to_string(workspace().join("ARCHITECTURE.md")).expect("the page");
    let mut visited: Vec<&str> = Vec::new();
    let mut stops = 0;
    for line in text.lines() {
        if !line.starts_with('|') {
            visited.clear();
            continue;
        }
        let stop = line.split('|').nth(2).unwrap_or_default();
        let Some((file, _)) = stop.split('`').nth(1).and_then(|code| code.split_once("::")) else {
            continue;
        };
        let again = visited.contains(&file);
        assert_eq!(again, line.contains("*again*"), "{line}");
        visited.push(file);
        stops += 1;
    }
    assert!(stops > 30, "only {stops} stops were found");
}

/// Floors of ARCHITECTURE.md: crate to number.
fn floors() -> BTreeMap<String, u32> {
    let text = std::fs::read_to_string(workspace().join("ARCHITECTURE.md")).expect("the page");
    let row = |line: &str| {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let floor = cells.next()?.parse().ok()?;
        let name = cells.next()?.strip_prefix("[`")?.split('`').next()?;
        Some((name.to_owned(), floor))
    };
    // The walks further down have numbered rows, too.
    let floors = text
        .split("## Floors")
        .nth(1)
        .and_then(|rest| rest.split("\n## ").next());
    floors
        .expect("a chapter on floors")
        .lines()
        .filter_map(row)
        .collect()
}

/// Members of the workspace: name, and what each uses outside of its tests.
fn members() -> Vec<(String, Vec<String>)> {
    let read = |path: &Path| -> toml::Table {
        let text = std::fs::read_to_string(workspace().join(path).join("Cargo.toml")).expect("a manifest");
        text.parse().expect("TOML")
    };
    let top = read(Path::new(""));
    let list = top["workspace"]["members"].as_array().expect("members");
    let member = |path: &toml::Value| {
        let manifest = read(Path::new(path.as_str().expect("a path")));
        let name = manifest["package"]["name"].as_str().expect("a name").to_owned();
        let tables = ["dependencies", "build-dependencies"];
        let tables = tables.iter().filter_map(|table| manifest.get(*table)?.as_table());
        (name, tables.flat_map(toml::Table::keys).cloned().collect())
    };
    list.iter().map(member).collect()
}

#[test]
fn no_crate_looks_up() {
    let (floors, members) = (floors(), members());
    for (name, uses) in &members {
        let floor = floors.get(name);
        let floor = floor.unwrap_or_else(|| panic!("{name} has no floor in ARCHITECTURE.md"));
        for used in uses {
            let below = floors.get(used).is_none_or(|other| other < floor);
            assert!(below, "{name} uses {used}, which is not below it");
        }
    }
    for name in floors.keys() {
        let is_member = members.iter().any(|(member, _)| member == name);
        assert!(is_member, "{name} of ARCHITECTURE.md is no crate");
    }
}

/// What is wrong with a command, as the program itself would say it. In a sentence a command may lack arguments, and a word in
/// capitals stands for a value.
fn refusal(program: &clap::Command, command: &CommandLine, name: &str) -> Option<String> {
    use clap::error::ErrorKind;
    let words = command.words.iter().skip(name.split(' ').count() - 1);
    let error = program.clone().try_get_matches_from(words).err()?;
    let stands_for = |word: &String| word.chars().all(|c| c.is_ascii_uppercase());
    let fine = match error.kind() {
        ErrorKind::DisplayHelp | ErrorKind::DisplayVersion => true,
        ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        | ErrorKind::MissingRequiredArgument
        | ErrorKind::MissingSubcommand => !command.whole,
        ErrorKind::InvalidValue => !command.whole && error.to_string().contains("a value is required"),
        ErrorKind::ValueValidation => !command.whole && command.words.iter().any(stands_for),
        _ => false,
    };
    (!fine).then(|| error.to_string())
}

#[test]
fn every_command_that_a_page_tells_is_one_that_the_program_takes() {
    let programs = [
        ("vhost-hexagon", vhost_hexagon::command(), 60),
        ("cargo xtask", xtask::command(), 25),
    ];
    let pages = pages().expect("the pages");
    let mut wrong = Vec::new();
    for (name, program, least) in programs {
        let mut checked = 0;
        for page in &pages {
            for command in page.commands(name) {
                checked += 1;
                let why = refusal(&program, &command, name);
                let words = command.words.join(" ");
                wrong.extend(
                    why.map(|why| format!("{}:{}: {words}\n{why}", page.path.display(), command.line)),
                );
            }
        }
        println!("{checked} commands of {name}");
        assert!(checked >= least, "only {checked} commands of {name} were found");
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// Filters such as `emu::os=debug` in a text: what stands before the level.
fn filters(text: &str) -> Vec<String> {
    let levels = ["=error", "=warn", "=info", "=debug", "=trace"];
    let places = levels.iter().flat_map(|level| text.match_indices(level));
    let name = |(at, _): (usize, &str)| {
        let before = text.get(..at)?;
        let is_name = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | ':');
        let name = before.rsplit(|c| !is_name(c)).next()?;
        name.contains("::").then(|| name.to_owned())
    };
    places.filter_map(name).collect()
}

#[test]
fn every_log_filter_that_is_told_lets_something_through() {
    let read = |path: PathBuf| std::fs::read_to_string(workspace().join(path)).expect("a file");
    let sources: Vec<String> = files(&[".rs"])
        .expect("the sources")
        .into_iter()
        .map(read)
        .collect();
    let targets: Vec<&str> = sources
        .iter()
        .flat_map(|source| source.split("target: \"").skip(1))
        .filter_map(|rest| rest.split('"').next())
        .collect();
    let help = vhost_hexagon::command().render_long_help().to_string();
    let pages = files(&[".md"]).expect("the pages").into_iter().map(read);
    let told: Vec<String> = pages.chain([help]).flat_map(|text| filters(&text)).collect();
    assert!(told.len() >= 2, "{told:?}");
    for filter in told {
        let found = targets.iter().any(|target| {
            target
                .strip_prefix(filter.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
        });
        assert!(found, "no event has the target {filter}");
    }
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

#[test]
fn mdbook_makes_a_book_of_the_pages() {
    let folder = tempfile::tempdir().expect("a folder");
    let mut build = std::process::Command::new("mdbook");
    build
        .arg("build")
        .arg(workspace())
        .arg("--dest-dir")
        .arg(folder.path());
    let output = match build.output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            test_needs::skip(test_needs::Need::MdBook, "mdbook is not installed");
            return;
        }
        other => other.expect("mdbook starts"),
    };
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    for page in ["index.html", "install.html", "instructions/index.html"] {
        assert!(folder.path().join(page).is_file(), "{page} is not in the book");
    }
}
