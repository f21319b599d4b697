//! `cargo xtask dsp-image`: a DSP firmware of one's own, from a copy of `firmware/dsp`.

use std::path::PathBuf;

use anyhow::{Context, Result};
use firmware_builder::image;
use firmware_builder::tools::llvm;
use host_files::output::{self, Existing};

use crate::firmware;

/// What to build, and where to.
#[derive(clap::Args)]
pub struct Args {
    /// A folder like firmware/dsp.
    folder: PathBuf,
    /// The image to write.
    file: PathBuf,
    /// Overwrite the image if it is there already and another.
    #[arg(long)]
    force: bool,
}

/// Builds an image from any folder of sources.
pub fn build_other(args: &Args) -> Result<()> {
    let llvm = llvm().context("no clang with Hexagon found; `cargo xtask setup` installs one")?;
    let scratch = firmware::target_dir().join("firmware/.scratch");
    std::fs::create_dir_all(&scratch)?;
    let sources = firmware::workspace().join("firmware");
    let image = image::build(&llvm, &sources, &args.folder, &scratch)?;
    Ok(output::write(&args.file, &image, Existing::forced(args.force))?)
}
