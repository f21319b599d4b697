//! The names that `remotectl_open` takes, and what they ask for.
//!
//! Two shapes exist: the URI `file:///lib.so?symbol&key=value…`, and the plain name `foo`, which means
//! `libfoo_skel.so` and `foo_skel_invoke`. The grammar is what the open library's own module table parses
//! (`mod_table.c`). Only `_modver` means something here; the skeleton checks `_idlver` itself, and other keys belong to
//! the AP's library. A library may lie in a folder below those of the AP's search path (`sub/lib.so`, `./lib.so`): the AP is asked
//! for the name as it was given, and what is left of it without `.` is what the process knows the library by. Absolute names and
//! `..` are refused.

use crate::error::OpenError;
use rpmsg::Aee;

/// Longest name in bytes.
pub const MAX_NAME: usize = 4096;

/// What a module name asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ModuleName {
    /// The name as it was given.
    pub text: String,
    /// The library file, as the AP is asked for it.
    pub library: String,
    /// Symbol of the invoke function.
    pub symbol: String,
    /// The function takes a handle (`_modver=1.0`): `f(h64, sc, pra)`, with methods 0 and 1 for open and close.
    /// Without: `f(sc, pra)` and neither open nor close.
    pub takes_handle: bool,
}

/// Parses a module name.
pub fn parse(name: &str) -> Result<ModuleName, OpenError> {
    let bad = |why: String| OpenError::new(Aee::BAD_PARM, why);
    if name.is_empty() || name.len() > MAX_NAME {
        return Err(bad(format!(
            "a module name has 1 to {MAX_NAME} bytes, this one {}",
            name.len()
        )));
    }
    if name.bytes().any(|b| b.is_ascii_control()) {
        return Err(bad(format!(
            "the module name contains control characters: {name:?}"
        )));
    }
    let Some(rest) = name.strip_prefix("file://") else {
        if name.contains("://") {
            return Err(bad(format!("unknown scheme in {name:?}; only file: is known")));
        }
        if name.contains('/') {
            return Err(bad(format!("{name:?} is not the name of an interface")));
        }
        plain(name)?;
        return Ok(ModuleName {
            text: name.to_owned(),
            library: rpmsg::iface::name::library(name),
            symbol: format!("{name}_skel_invoke"),
            takes_handle: false,
        });
    };
    let rest = rest.strip_prefix('/').unwrap_or(rest);
    let (library, query) = rest
        .split_once('?')
        .ok_or_else(|| bad(format!("no ?symbol in module name {name:?}")))?;
    plain(library)?;
    let mut parts = query.split('&');
    let symbol = parts.next().unwrap_or_default();
    if symbol.is_empty() {
        return Err(bad(format!("empty symbol in module name {name:?}")));
    }
    let mut takes_handle = false;
    for part in parts {
        if let Some(version) = part.strip_prefix("_modver=") {
            if version != "1.0" {
                return Err(OpenError::new(
                    Aee::UNSUPPORTED,
                    format!("_modver={version} is not known; only 1.0 is"),
                ));
            }
            takes_handle = true;
        }
    }
    Ok(ModuleName {
        text: name.to_owned(),
        library: library.to_owned(),
        symbol: symbol.to_owned(),
        takes_handle,
    })
}

/// What a process knows a library by: its name without `.` and doubled `/`. Absolute names and `..` are refused.
pub fn plain(name: &str) -> Result<String, OpenError> {
    let refuse = |why| Err(OpenError::new(Aee::BAD_PARM, format!("{name:?}: {why}")));
    if name.is_empty() || name.len() > MAX_NAME {
        return refuse("a library's name has 1 to 4096 bytes");
    }
    if name.contains('\\') || name.bytes().any(|b| b.is_ascii_control()) {
        return refuse("a library's name has neither \\ nor control characters");
    }
    if name.starts_with('/') {
        return refuse("libraries are looked for below the AP's search path, not at absolute names");
    }
    let parts: Vec<&str> = name
        .split('/')
        .filter(|part| !matches!(*part, "" | "."))
        .collect();
    if parts.contains(&"..") {
        return refuse("libraries are looked for below the AP's search path, not above it (..)");
    }
    if parts.is_empty() || name.ends_with('/') || name.ends_with("/.") {
        return refuse("that is a folder, not a library");
    }
    Ok(parts.join("/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parse_uri_with_handle_takes_file_and_symbol() {
        let text =
            "file:///libcalculator_skel.so?calculator_skel_handle_invoke&_modver=1.0&_idlver=1.2.3&_dom=cdsp";
        assert_eq!(
            parse(text).unwrap(),
            ModuleName {
                text: text.into(),
                library: "libcalculator_skel.so".into(),
                symbol: "calculator_skel_handle_invoke".into(),
                takes_handle: true
            }
        );
    }

    #[test]
    fn parse_uri_without_modver_is_a_plain_invoke() {
        let m = parse("file://libx.so?x_skel_invoke").unwrap();
        assert_eq!((m.library.as_str(), m.takes_handle), ("libx.so", false));
    }

    #[test]
    fn parse_plain_name_makes_the_conventional_names() {
        let m = parse("halide_hexagon_remote").unwrap();
        assert_eq!(m.library, "libhalide_hexagon_remote_skel.so");
        assert_eq!(m.symbol, "halide_hexagon_remote_skel_invoke");
    }

    #[test]
    fn a_library_may_lie_in_a_folder_of_the_search_path() {
        for (uri, asked, known) in [
            ("file:///./lib.so?x", "./lib.so", "lib.so"),
            ("file:///sub/lib.so?x", "sub/lib.so", "sub/lib.so"),
            ("file://a/.//b/lib.so?x", "a/.//b/lib.so", "a/b/lib.so"),
        ] {
            let library = parse(uri).unwrap().library;
            assert_eq!(
                (library.as_str(), plain(&library).unwrap().as_str()),
                (asked, known)
            );
        }
        for name in ["", ".", "./", "a/", "a/.", "..", "a/../b", "/a", "a\\b", "a\nb"] {
            assert!(plain(name).is_err(), "{name:?}");
        }
        assert!(plain("..lib.so").is_ok() && plain("a..b/c").is_ok());
    }

    #[test]
    fn parse_refuses_paths_and_nonsense() {
        for name in [
            "",
            "file:///",
            "file:///lib.so",
            "file:///lib.so?",
            "file:////etc/passwd?x",
            "file:///../lib.so?x",
            "file:///..?x",
            "file:///a/../../b?x",
            "file:///a/?x",
            "../x",
            "http://x/y?z",
            "file:///l.so?x&_modver=2.0",
            "file:///l\n.so?x",
        ] {
            assert!(parse(name).is_err(), "{name:?}");
        }
        assert!(parse(&"x".repeat(MAX_NAME + 1)).is_err());
    }
}
