//! `vhost-hexagon completions`: what a shell needs to complete our command lines.

use super::output;
use clap_complete::Shell;
use std::io::Write as _;
use std::process::ExitCode;

pub const HELP: &str = "\
Where the shell looks for them:
  vhost-hexagon completions bash > ~/.local/share/bash-completion/completions/vhost-hexagon
  vhost-hexagon completions fish > ~/.config/fish/completions/vhost-hexagon.fish
  vhost-hexagon completions zsh > _vhost-hexagon           in a folder of $fpath";

/// Arguments of `completions`.
#[derive(clap::Args)]
pub struct Args {
    /// Which shell.
    shell: Shell,
}

/// Prints them.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    output::stdout().write_all(&of(args.shell))?;
    Ok(ExitCode::SUCCESS)
}

fn of(shell: Shell) -> Vec<u8> {
    let mut command = super::command();
    let name = command.get_name().to_owned();
    let mut text = Vec::new();
    clap_complete::generate(shell, &mut command, name, &mut text);
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ValueEnum as _;

    #[test]
    fn every_command_and_option_is_completed_in_every_shell() {
        for shell in Shell::value_variants() {
            let text = String::from_utf8(of(*shell)).unwrap();
            for command in crate::command().get_subcommands() {
                let name = command.get_name();
                assert!(text.contains(name), "{shell}: {name}");
                for option in command.get_arguments().filter_map(clap::Arg::get_long) {
                    assert!(text.contains(option), "{shell}: {name} --{option}");
                }
            }
        }
    }
}
