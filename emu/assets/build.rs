//! Puts files into the program: text as it is, what is compiled (from `firmware/`) packed.
//!
//! Compiled files are built afresh where both compilers are there, else taken from `prebuilt/` if that was made from the same
//! sources. `VH_ASSETS=build` insists on the first, `VH_ASSETS=prebuilt` on the second.

use std::error::Error;
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use firmware_builder::prebuilt::Prebuilt;
use firmware_builder::{Built, Tools, build, sources};

/// Folders and files of the repository, and where they stand among the assets: (source, extension, target).
const TEXTS: &[(&str, &str, &str)] = &[
    ("firmware/guest/init", "", "guest/init"),
    ("firmware/include", "h", "include"),
    ("firmware/include/sys", "h", "include/sys"),
    ("configs", "toml", "profiles"),
    ("configs/kernel", "config", "kernel"),
    ("docs/scenario.schema.json", "", "scenario.schema.json"),
    ("docs/wireshark", "lua", "wireshark"),
];
/// The folder whose folders are suites.
const SUITES: &str = "scenarios";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            println!("cargo::error={}", error.to_string().replace('\n', " | "));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let here = PathBuf::from(std::env::var_os("CARGO_MANIFEST_DIR").ok_or("no CARGO_MANIFEST_DIR")?);
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("no OUT_DIR")?);
    let top = here.join("../..").canonicalize()?;
    for name in [
        "firmware",
        "configs",
        SUITES,
        "docs/scenario.schema.json",
        "docs/wireshark",
    ] {
        println!("cargo::rerun-if-changed={}", top.join(name).display());
    }
    println!("cargo::rerun-if-changed={}", here.join("prebuilt").display());
    println!("cargo::rerun-if-env-changed=VH_ASSETS");
    println!("cargo::rerun-if-env-changed=VH_LLVM_BIN");
    let (origin, compiled) = compiled(&top.join("firmware"), &here.join("prebuilt"), &out)?;
    let packed = out.join("packed");
    std::fs::create_dir_all(&packed)?;
    let mut rows = Vec::new();
    for file in &compiled {
        let to = packed.join(file.path.replace('/', "-"));
        std::fs::write(&to, pack(&file.data)?)?;
        let data = format!("Data::Packed(include_bytes!({:?}))", to.display().to_string());
        rows.push((file.path.clone(), mode(&file.path), file.data.len(), data));
    }
    for (path, from) in texts(&top)? {
        let size = std::fs::metadata(&from)?.len() as usize;
        let data = format!("Data::Text(include_str!({:?}))", from.display().to_string());
        rows.push((path.clone(), mode(&path), size, data));
    }
    rows.sort();
    let mut code = format!("const ORIGIN: &str = {origin:?};\nstatic ALL: &[Asset] = &[\n");
    for (path, mode, size, data) in rows {
        writeln!(
            code,
            "Asset {{ path: {path:?}, mode: {mode:#o}, size: {size}, data: {data} }},"
        )?;
    }
    code.push_str("];\n");
    std::fs::write(out.join("assets.rs"), code)?;
    Ok(())
}

/// The compiled files, and one sentence that says where they are from.
fn compiled(firmware: &Path, kept: &Path, out: &Path) -> Result<(String, Vec<Built>), Box<dyn Error>> {
    let wish = std::env::var("VH_ASSETS").unwrap_or_default();
    let insist = match wish.as_str() {
        "" => false,
        "build" => true,
        "prebuilt" => return prebuilt(firmware, kept, "VH_ASSETS=prebuilt"),
        other => return Err(format!("VH_ASSETS is {other:?}; it can be `build` or `prebuilt`").into()),
    };
    let tools = match Tools::find() {
        Ok(tools) => tools,
        Err(missing) if insist => return Err(missing.into()),
        Err(missing) => return prebuilt(firmware, kept, &missing.to_string()),
    };
    let scratch = out.join("scratch");
    std::fs::create_dir_all(&scratch)?;
    match build(&tools, firmware, &scratch) {
        Ok(built) => Ok((format!("built with {}", tools.names()), built)),
        Err(error) if insist => Err(error.into()),
        Err(error) => {
            let (origin, files) = prebuilt(firmware, kept, &error.to_string())?;
            let error = error.to_string().replace('\n', " | ");
            println!(
                "cargo::warning=the guest's and the DSP's programs are taken from {}: {error}",
                kept.display()
            );
            Ok((origin, files))
        }
    }
}

/// The files that are kept in the repository, if they are made from these sources.
fn prebuilt(firmware: &Path, kept: &Path, why: &str) -> Result<(String, Vec<Built>), Box<dyn Error>> {
    let prebuilt = Prebuilt::load(kept)?;
    if prebuilt.sources != sources::digest(firmware)? {
        return Err(format!(
            "{} was changed, so the files in {} are of no use, and it cannot be built ({why}): `cargo xtask setup` installs \
             the compilers",
            firmware.display(),
            kept.display()
        )
        .into());
    }
    Ok(("as kept in the repository".to_owned(), prebuilt.files))
}

/// Asset path and file of everything that is text.
fn texts(top: &Path) -> Result<Vec<(String, PathBuf)>, Box<dyn Error>> {
    let mut found = Vec::new();
    let mut folder = |from: &Path, extension: &str, to: &str| -> Result<(), Box<dyn Error>> {
        for file in sources::files(from, extension)? {
            let name = file
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            found.push((format!("{to}/{name}"), file));
        }
        Ok(())
    };
    for entry in std::fs::read_dir(top.join(SUITES))? {
        let suite = entry?.path();
        if suite.is_dir() {
            let name = suite
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            folder(&suite, "toml", &format!("suites/{name}"))?;
        }
    }
    for (from, extension, to) in TEXTS {
        if !extension.is_empty() {
            folder(&top.join(from), extension, to)?;
        }
    }
    for (from, extension, to) in TEXTS {
        if extension.is_empty() {
            found.push(((*to).to_owned(), top.join(from)));
        }
    }
    Ok(found)
}

/// Permission bits of an asset.
fn mode(path: &str) -> u32 {
    if path.starts_with("guest/") { 0o755 } else { 0o644 }
}

fn pack(data: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(data)?;
    encoder.finish()
}
