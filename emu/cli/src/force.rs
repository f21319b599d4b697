//! `--force` of the commands that write files.

use host_files::output::Existing;

/// The option.
#[derive(clap::Args, Debug, Clone, Copy)]
#[group(skip)]
pub struct Force {
    /// Overwrite the files to write if they are there already. Without it that is an error, unless they are empty or would stay as they
    /// are; pipes and devices are written to in any case.
    #[arg(long)]
    force: bool,
}

impl Force {
    /// What becomes of files that are there already.
    pub fn existing(self) -> Existing {
        Existing::forced(self.force)
    }
}
