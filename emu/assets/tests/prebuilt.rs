//! The build that is kept in the repository is one of today's sources, and a fresh build gives the same.
//!
//! Compilers of other versions give other bytes. Where the installed ones are not those that made the kept build, the files'
//! interfaces are compared instead (what they are, need, export), and a line says so; `VH_REQUIRE_PREBUILT=1` makes that a failure.

use std::collections::BTreeSet;
use std::path::PathBuf;

use firmware_builder::prebuilt::Prebuilt;
use firmware_builder::{Built, Tools, build, sources};
use goblin::elf::Elf;

fn repository() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
}

fn kept() -> Prebuilt {
    Prebuilt::load(&repository().join("emu/assets/prebuilt")).unwrap()
}

const UPDATE: &str = "`cargo xtask firmware --update-prebuilt` makes it anew";

#[test]
fn the_kept_build_is_one_of_these_sources() {
    let now = sources::digest(&repository().join("firmware")).unwrap();
    assert_eq!(
        kept().sources,
        now,
        "the sources in firmware/ are newer: {UPDATE}"
    );
}

#[test]
fn a_fresh_build_gives_the_kept_one() {
    let tools = match Tools::find() {
        Ok(tools) => tools,
        Err(missing) => {
            assert!(
                std::env::var_os("VH_REQUIRE_PREBUILT").is_none(),
                "this test must run, but {missing}"
            );
            eprintln!("SKIPPED: {missing}");
            return;
        }
    };
    let kept = kept();
    let scratch = tempfile::tempdir().unwrap();
    // Elsewhere than the other two: where it is built must not matter.
    let elsewhere = scratch.path().join("another/place");
    copy(&repository().join("firmware"), &elsewhere);
    let fresh = build(&tools, &elsewhere, scratch.path()).unwrap();
    let paths = |files: &[Built]| files.iter().map(|file| file.path.clone()).collect::<Vec<_>>();
    assert_eq!(paths(&fresh), paths(&kept.files), "{UPDATE}");
    let same_tools = tools.versions() == kept.tools;
    if !same_tools {
        let other = format!("made with {:#?}, here are {:#?}", kept.tools, tools.versions());
        assert!(std::env::var_os("VH_REQUIRE_PREBUILT").is_none(), "{other}");
        eprintln!("SKIPPED: the comparison byte by byte, because the kept build was {other}");
    }
    let built_here = emu_assets::origin() == format!("built with {}", tools.names());
    for (fresh, kept) in fresh.iter().zip(&kept.files) {
        let carried = emu_assets::find(&fresh.path).unwrap().bytes();
        assert!(
            !built_here || fresh.data == *carried,
            "{} depends on where it is built",
            fresh.path
        );
        assert_eq!(
            Interface::of(&fresh.data),
            Interface::of(&kept.data),
            "{}",
            fresh.path
        );
        assert!(
            !same_tools || fresh.data == kept.data,
            "{} differs: {UPDATE}",
            fresh.path
        );
    }
}

#[test]
fn every_file_is_whole_and_has_its_place() {
    for asset in emu_assets::assets() {
        assert_eq!(asset.bytes().len(), asset.size, "{}", asset.path);
        assert!(asset.size > 0, "{}", asset.path);
    }
    for path in [
        "guest/bin/vh-calc",
        "guest/bin/vh-drive",
        "skel/libcalculator_skel.so",
        "shell/fastrpc_shell_3",
    ] {
        assert!(
            emu_assets::find(path).is_some_and(|asset| asset.bytes().starts_with(b"\x7fELF")),
            "{path}"
        );
    }
    for path in [
        "profiles/qcs6490.toml",
        "wireshark/vhost-hexagon.lua",
        "scenario.schema.json",
        "include/HAP.h",
    ] {
        assert!(
            emu_assets::find(path).is_some_and(|asset| asset.text().is_some()),
            "{path}"
        );
    }
    assert!(emu_assets::guest_init().starts_with(b"#!"));
    assert!(emu_assets::dsp_firmware().starts_with(b"\x7fELF"));
    assert!(emu_assets::folder("suites/smoke").count() > 10);
    assert_eq!(emu_assets::folder("suites").count(), 0, "folders are not files");
}

/// What others see of an ELF file.
#[derive(Debug, PartialEq)]
struct Interface {
    header: (u16, u16, u32),
    soname: Option<String>,
    needs: BTreeSet<String>,
    exports: BTreeSet<String>,
    imports: BTreeSet<String>,
}

impl Interface {
    fn of(bytes: &[u8]) -> Self {
        let elf = Elf::parse(bytes).unwrap();
        let names = |imports: bool| {
            let symbols = elf.dynsyms.iter().filter(|symbol| symbol.is_import() == imports);
            let names = symbols.filter_map(|symbol| elf.dynstrtab.get_at(symbol.st_name));
            names.map(str::to_owned).collect()
        };
        Self {
            header: (elf.header.e_machine, elf.header.e_type, elf.header.e_flags),
            soname: elf.soname.map(str::to_owned),
            needs: elf.libraries.iter().map(|name| (*name).to_owned()).collect(),
            exports: names(false),
            imports: names(true),
        }
    }
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}
