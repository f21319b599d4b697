//! Turns `spec/*.isa` into code.

use std::path::{Path, PathBuf};
use std::process::exit;

fn main() {
    let root = PathBuf::from(env("CARGO_MANIFEST_DIR"));
    println!("cargo::rerun-if-changed=spec");
    let spec = hexagon_isa_meta::spec::load(&root.join("spec")).unwrap_or_else(|e| fail(&e));
    let tables = hexagon_isa_meta::tables::generate(&spec).unwrap_or_else(|e| fail(&e));
    write("tables.rs", &tables);
    for (name, text) in hexagon_isa_meta::vocabulary::FILES {
        write(&format!("vocabulary_{name}.rs"), text);
    }
    let meanings = hexagon_isa_meta::meaning::generate(&spec).unwrap_or_else(|errors| {
        for e in &errors {
            println!("cargo::error={e}");
        }
        exit(1)
    });
    write("functions.rs", &meanings.functions);
    write(
        "entry_points.rs",
        &hexagon_isa_meta::meaning::entry_points::entry_points(),
    );
    write("meanings.rs", &meanings.data);
}

fn env(name: &str) -> String {
    std::env::var(name).unwrap_or_else(|e| fail(&format!("{name}: {e}")))
}

fn write(name: &str, text: &str) {
    let path = Path::new(&env("OUT_DIR")).join(name);
    if let Err(e) = std::fs::write(&path, text) {
        fail(&format!("{}: {e}", path.display()));
    }
}

/// Ends the build with one clear line.
fn fail(message: &dyn std::fmt::Display) -> ! {
    println!("cargo::error={message}");
    exit(1)
}
