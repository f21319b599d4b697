//! `cargo xtask container`: the image of packaging/container, and the demo in it. Where there is no container engine, the image's own
//! steps (install.sh) are run in a fresh Debian root instead, which needs root.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result};
use emu_setup::command::{run, succeeds};
use emu_setup::ui;

use crate::debian_root::DebianRoot;
use crate::firmware::{target_dir, workspace};
use crate::package;

/// Name of the image.
const IMAGE: &str = "vhost-hexagon";
/// What the image is made from, beside the package.
const RECIPE: &str = "Containerfile";

/// Options of `container`.
#[derive(clap::Args)]
pub struct Args {
    /// Address of the Debian archive, where there is no container engine [default: the one this machine uses].
    #[arg(long, value_name = "URL")]
    mirror: Option<String>,
}

/// Builds the package, the image, and runs the demo.
pub fn container(args: &Args) -> Result<()> {
    let deb = package::package()?;
    let source = workspace().join("packaging/container");
    let context = target_dir().join("container");
    std::fs::create_dir_all(&context)?;
    let script = "install.sh";
    for file in [RECIPE, script] {
        std::fs::copy(source.join(file), context.join(file)).context(file)?;
    }
    std::fs::copy(deb, context.join("vhost-hexagon.deb"))?;
    match engine() {
        Some(engine) => in_a_container(engine, &context),
        None => {
            ui::say(
                "no container engine works here (podman, docker): the image's steps are run in a Debian root of their own",
            );
            in_a_root(&context, &[script, "vhost-hexagon.deb"], args.mirror.as_deref())
        }
    }
}

/// One that not only is installed, but works.
fn engine() -> Option<&'static str> {
    ["podman", "docker"]
        .into_iter()
        .find(|engine| succeeds(Command::new(engine).arg("info")))
}

fn in_a_container(engine: &str, context: &Path) -> Result<()> {
    ui::step("image", || {
        let recipe = context.join(RECIPE);
        let mut build = Command::new(engine);
        build.args(["build", "-t", IMAGE, "-f"]).arg(recipe).arg(context);
        run(&mut build)
    })?;
    Ok(ui::step("demo", || {
        run(Command::new(engine).args(["run", "--rm", IMAGE, "demo"]))
    })?)
}

/// What the recipe does: its base, its files, its step, its command.
fn in_a_root(context: &Path, files: &[&str], mirror: Option<&str>) -> Result<()> {
    let recipe = std::fs::read_to_string(context.join(RECIPE))?;
    let release = base(&recipe).context("the recipe's base is no Debian release")?;
    let root = ui::step("fresh root", || DebianRoot::make("container", release, mirror))?;
    let inside = root.path("/srv/vhost-hexagon");
    std::fs::create_dir_all(&inside)?;
    for file in files {
        std::fs::copy(context.join(file), inside.join(file))?;
    }
    ui::step("image's steps", || {
        root.run(&["HOME=/root", "sh", "/srv/vhost-hexagon/install.sh"])
    })?;
    let size = root.size()?;
    ui::step("demo", || root.run(&["HOME=/root", "vhost-hexagon", "demo"]))?;
    ui::say(format!("the image's files: {}", ui::bytes(size)));
    root.remove()
}

/// The release in `FROM debian:RELEASE-slim`.
fn base(recipe: &str) -> Option<&str> {
    let line = recipe
        .lines()
        .find_map(|line| line.strip_prefix("FROM debian:"))?;
    Some(line.trim().trim_end_matches("-slim"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_recipe_has_a_base_and_only_the_steps_that_are_run_without_an_engine_too() {
        let recipe = std::fs::read_to_string(workspace().join("packaging/container").join(RECIPE)).unwrap();
        assert!(base(&recipe).is_some_and(|release| release.chars().all(|c| c.is_ascii_lowercase())));
        let steps: Vec<&str> = recipe.lines().filter(|line| line.starts_with("RUN ")).collect();
        assert!(
            matches!(steps[..], [step] if step.contains("install.sh")),
            "{steps:?}"
        );
        assert!(recipe.contains("\nENTRYPOINT [\"vhost-hexagon\"]\nCMD [\"demo\"]\n"));
    }
}
