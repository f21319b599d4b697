//! `vhost-hexagon assets`: the files that the program carries. (And how other commands take skeletons from among them.)

use super::output::say;
use anyhow::Context as _;
use emu_assets::{Asset, ExtractError};
use host_files::output::Existing;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

/// Folder of the skeletons.
const SKELETONS: &str = "skel";

/// Arguments of `assets`.
#[derive(clap::Args)]
pub struct Args {
    /// List them: size, and path below the folder that --extract writes [default].
    #[arg(long, conflicts_with = "extract")]
    list: bool,
    /// Write them below this folder.
    #[arg(long, value_name = "DIR")]
    extract: Option<PathBuf>,
    /// Replace files that are there and have other contents.
    #[arg(long, requires = "extract")]
    force: bool,
    /// Only these files, or what is in these folders (skel, guest/bin, profiles/sm8650.toml).
    #[arg(value_name = "PATH")]
    paths: Vec<String>,
}

/// Lists or writes.
pub fn run(args: &Args) -> anyhow::Result<ExitCode> {
    let chosen = choose(&args.paths)?;
    let Some(dir) = &args.extract else {
        for asset in &chosen {
            say!("{:>8}  {}", asset.size, asset.path);
        }
        let sum = |size: fn(&Asset) -> usize| chosen.iter().map(|asset| size(asset)).sum::<usize>();
        let (bytes, packed) = (sum(|asset| asset.size), sum(Asset::packed_size));
        say!(
            "{bytes:>8}  in {} files, {packed} bytes in the program",
            chosen.len()
        );
        say!("Programs and skeletons: {}.", emu_assets::origin());
        return Ok(ExitCode::SUCCESS);
    };
    let existing = Existing::forced(args.force);
    let written = emu_assets::extract(chosen.iter().copied(), dir, existing).map_err(|error| {
        let hint = matches!(error, ExtractError::Exists(_));
        let error = anyhow::Error::from(error);
        if hint {
            error.context("nothing was written; --force replaces what is there")
        } else {
            error
        }
    })?;
    let same = match chosen.len() - written.len() {
        0 => String::new(),
        n => format!(" ({n} were there already)"),
    };
    say!("{} files written below {}{same}", written.len(), dir.display());
    Ok(ExitCode::SUCCESS)
}

/// All assets, or those that the paths name.
fn choose(paths: &[String]) -> anyhow::Result<Vec<&'static Asset>> {
    let all = emu_assets::assets();
    let names = |path: &str, asset: &Asset| {
        let rest = asset.path.strip_prefix(path.trim_end_matches('/'));
        rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    };
    for path in paths {
        anyhow::ensure!(
            all.iter().any(|asset| names(path, asset)),
            "there is no asset {path:?}; `vhost-hexagon assets --list` shows all"
        );
    }
    let chosen = |asset: &&Asset| paths.is_empty() || paths.iter().any(|path| names(path, asset));
    Ok(all.iter().filter(chosen).collect())
}

/// Reads a file; a bare name of which there is no file can also be one of the program's skeletons.
pub fn read_or_skeleton(path: &Path) -> anyhow::Result<Vec<u8>> {
    let ours = || {
        let name = path.to_str().filter(|name| !name.contains('/'))?;
        emu_assets::find(&format!("{SKELETONS}/{name}"))
    };
    match std::fs::read(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => match ours() {
            Some(asset) => Ok(asset.bytes().into_owned()),
            None => Err(error.into()),
        },
        other => Ok(other?),
    }
}

/// The program's skeletons as files, for a while.
pub struct Skeletons(tempfile::TempDir);

impl Skeletons {
    /// Writes them into a folder that goes with this value.
    pub fn write() -> anyhow::Result<Self> {
        let dir = tempfile::tempdir().context("cannot make a folder for skeletons")?;
        let all = emu_assets::folder(SKELETONS).map(|(_, asset)| asset);
        emu_assets::extract(all, dir.path(), Existing::Keep)?;
        Ok(Self(dir))
    }

    /// The folder.
    pub fn path(&self) -> PathBuf {
        self.0.path().join(SKELETONS)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(paths: &[&str]) -> Vec<&'static str> {
        let paths: Vec<String> = paths.iter().map(|path| (*path).to_owned()).collect();
        choose(&paths)
            .unwrap()
            .into_iter()
            .map(|asset| asset.path)
            .collect()
    }

    #[test]
    fn a_path_is_a_file_or_a_folder_and_no_part_of_a_name() {
        assert_eq!(chosen(&[]).len(), emu_assets::assets().len());
        assert_eq!(chosen(&["dsp", "guest/init"]), ["dsp/dsp.mbn", "guest/init"]);
        assert_eq!(chosen(&["dsp/"]), ["dsp/dsp.mbn"]);
        let error = choose(&["gue".to_owned()]).unwrap_err().to_string();
        assert!(error.contains("no asset \"gue\""), "{error}");
    }

    #[test]
    fn a_bare_name_is_a_file_first_and_a_skeleton_of_ours_then() {
        let ours = read_or_skeleton(Path::new("libcalculator_skel.so")).unwrap();
        assert!(ours.starts_with(b"\x7fELF"));
        assert!(read_or_skeleton(Path::new("./libcalculator_skel.so")).is_err());
        assert!(read_or_skeleton(Path::new("libnone_skel.so")).is_err());
        let dir = tempfile::tempdir().unwrap();
        let theirs = dir.path().join("libcalculator_skel.so");
        std::fs::write(&theirs, "theirs").unwrap();
        assert_eq!(read_or_skeleton(&theirs).unwrap(), b"theirs");
    }
}
