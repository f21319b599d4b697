//! `vhost-hexagon man`: manual pages, one a command, from the same definitions as `--help`.

use super::force::Force;
use super::output;
use anyhow::Context as _;
use clap::Command;
use clap_mangen::Man;
use std::io::Write as _;
use std::path::PathBuf;
use std::process::ExitCode;

pub const HELP: &str = "\
Examples:
  vhost-hexagon man run | man -l -                             reads one
  vhost-hexagon man --out ~/.local/share/man/man1              puts all where `man vhost-hexagon-run` finds them";

/// Arguments of `man`.
#[derive(clap::Args)]
pub struct Args {
    /// Command whose page is printed [default: the page of the program, which names all].
    #[arg(value_name = "COMMAND", conflicts_with = "out")]
    command: Option<String>,
    /// Write the pages of all commands into this folder instead.
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
    #[command(flatten)]
    force: Force,
}

/// Prints or writes.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let mut pages = pages()?;
    if let Some(dir) = &args.out {
        std::fs::create_dir_all(dir).with_context(|| format!("cannot make the folder {}", dir.display()))?;
        for page in &pages {
            host_files::output::write(&dir.join(&page.file), &page.text, args.force.existing())?;
        }
        output::say!("{} pages written into {}", pages.len(), dir.display());
        return Ok(ExitCode::SUCCESS);
    }
    let name = args.command.as_deref().unwrap_or_default();
    let at = pages.iter().position(|page| page.command == name);
    let at = at.with_context(|| format!("there is no command {name:?}; `vhost-hexagon --help` lists all"))?;
    output::stdout().write_all(&pages.swap_remove(at).text)?;
    Ok(ExitCode::SUCCESS)
}

/// One manual page.
struct Page {
    /// The command it is about; empty: the program.
    command: String,
    /// Name of its file.
    file: String,
    /// In roff.
    text: Vec<u8>,
}

/// All, the program's first.
fn pages() -> anyhow::Result<Vec<Page>> {
    let mut program = super::command().disable_help_subcommand(true);
    // Names of commands with that of the program before them, and options that all have.
    program.build();
    let mut pages = vec![page(String::new(), program.clone())?];
    for command in program.get_subcommands().filter(|command| !command.is_hide_set()) {
        pages.push(page(command.get_name().to_owned(), command.clone())?);
    }
    Ok(pages)
}

fn page(command: String, definition: Command) -> anyhow::Result<Page> {
    let man = Man::new(definition);
    let mut text = Vec::new();
    man.render(&mut text)?;
    let file = man.get_filename();
    Ok(Page { command, file, text })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_page_with_its_options_and_the_program_s_names_it() {
        let pages = pages().unwrap();
        let text = |page: &Page| String::from_utf8(page.text.clone()).unwrap().replace('\\', "");
        let program = text(&pages[0]);
        assert_eq!(pages[0].file, "vhost-hexagon.1");
        for command in crate::command().get_subcommands() {
            let name = command.get_name();
            let page = pages.iter().find(|page| page.command == name).unwrap();
            assert_eq!(page.file, format!("vhost-hexagon-{name}.1"));
            assert!(program.contains(&format!("vhost-hexagon-{name}(1)")), "{name}");
            for option in command.get_arguments().filter_map(clap::Arg::get_long) {
                assert!(text(page).contains(&format!("--{option}")), "{name} --{option}");
            }
        }
    }
}
