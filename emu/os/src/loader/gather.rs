//! Gathers a library and everything it needs, before anything is placed in memory.
//!
//! Reading goes through the AP and may take long, so this runs on a short-lived host thread of its own; it touches
//! nothing of the process. The C and C++ run-time libraries are never read: the built-in module stands for them.

use std::collections::HashSet;
use std::sync::Arc;

use super::elf::{self, Image};
use super::uri;
use crate::ap::{Ap, ApError};
use crate::config::Limits;
use crate::error::OpenError;
use rpmsg::Aee;

/// A library that was read and parsed.
#[derive(Debug, Clone)]
pub struct Library {
    /// What the process knows it by ([`uri::plain`]).
    pub name: String,
    /// What is in it.
    pub image: Arc<Image>,
}

/// Names that the built-in module answers to.
pub fn is_built_in(soname: &str) -> bool {
    const STEMS: [&str; 10] = [
        "libc.so",
        "libgcc.so",
        "libm.so",
        "libc++.so",
        "libc++abi.so",
        "libunwind.so",
        "libdl.so",
        "libpthread.so",
        "libqurt.so",
        "libc_core.so",
    ];
    STEMS.iter().any(|stem| {
        soname
            .strip_prefix(stem)
            .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    })
}

/// What gathering needs to know.
pub struct Gather<'a> {
    /// Where libraries are read.
    pub ap: &'a dyn Ap,
    /// Architecture version of the core.
    pub core: u32,
    /// Bounds.
    pub limits: &'a Limits,
    /// Libraries that are loaded already.
    pub loaded: HashSet<String>,
}

impl Gather<'_> {
    /// Reads `root` (unless its `contents` are there already) and what it needs; a library comes after those that it needs.
    pub fn run(&self, root: &str, contents: Option<Arc<[u8]>>) -> Result<Vec<Library>, OpenError> {
        let mut out = Vec::new();
        self.visit(root, contents, &mut Vec::new(), &mut out)?;
        Ok(out)
    }

    fn visit(
        &self,
        asked: &str,
        contents: Option<Arc<[u8]>>,
        path: &mut Vec<String>,
        out: &mut Vec<Library>,
    ) -> Result<(), OpenError> {
        let name = &*uri::plain(asked)?;
        if self.loaded.contains(name) || out.iter().any(|l| l.name == name) {
            return Ok(());
        }
        let chain = || {
            path.iter()
                .map(String::as_str)
                .chain([name])
                .collect::<Vec<_>>()
                .join(" → ")
        };
        let fail = |code, why: String| Err(OpenError::new(code, format!("{}: {why}", chain())));
        if path.iter().any(|p| p == name) {
            return fail(
                Aee::UNABLE_TO_LOAD,
                "these libraries need each other in a circle".into(),
            );
        }
        if path.len() >= self.limits.needed_depth {
            return fail(
                Aee::UNABLE_TO_LOAD,
                format!("needs nest deeper than {}", self.limits.needed_depth),
            );
        }
        if self.loaded.len() + out.len() + path.len() >= self.limits.modules {
            return fail(
                Aee::UNABLE_TO_LOAD,
                format!("more than {} libraries", self.limits.modules),
            );
        }
        let read = match contents {
            Some(contents) => Ok(contents),
            None => self.ap.read_library(asked).map(Arc::from),
        };
        let bytes = match read {
            Ok(bytes) => bytes,
            Err(ApError::Ended) => return fail(Aee::GONE, "the process ended while it was read".into()),
            Err(error) => return fail(Aee::UNABLE_TO_LOAD, format!("cannot be read: {error}")),
        };
        if bytes.len() > self.limits.library_file {
            return fail(
                Aee::UNABLE_TO_LOAD,
                format!("the file has {} bytes, too many", bytes.len()),
            );
        }
        let image = match elf::parse(bytes, self.core, self.limits.library_memory) {
            Ok(image) => image,
            Err(error) => return fail(Aee::UNABLE_TO_LOAD, error.to_string()),
        };
        path.push(name.to_owned());
        for needed in image.needed.iter().filter(|n| !is_built_in(n)) {
            self.visit(needed, None, path, out)?;
        }
        path.pop();
        out.push(Library {
            name: name.to_owned(),
            image: Arc::new(image),
        });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::elf::tests::skeleton;
    use super::*;
    use crate::ap::LogRecord;

    /// Hands out one file under every name.
    struct Files(Vec<u8>);
    impl Ap for Files {
        fn read_library(&self, name: &str) -> Result<Vec<u8>, ApError> {
            if name.starts_with("missing") {
                Err(ApError::NotFound {
                    errno: 2,
                    searched: "here".into(),
                })
            } else {
                Ok(self.0.clone())
            }
        }
        fn grow_heap(&self, _: u32) -> Result<(), ApError> {
            Err(ApError::NoListener)
        }
        fn log(&self, _: LogRecord) {}
    }

    fn gather(bytes: Vec<u8>, root: &str) -> Result<Vec<Library>, OpenError> {
        let ap = Files(bytes);
        Gather {
            ap: &ap,
            core: 75,
            limits: &Limits::default(),
            loaded: HashSet::new(),
        }
        .run(root, None)
    }

    #[test]
    fn built_in_sonames_are_known_with_and_without_version() {
        assert!(is_built_in("libc.so") && is_built_in("libc++.so.1") && is_built_in("libc++abi.so.1"));
        assert!(!is_built_in("libcalculator.so") && !is_built_in("libc.sox"));
    }

    #[test]
    fn gather_reads_one_skeleton() {
        let Some(bytes) = skeleton("libcalculator_skel.so") else {
            return;
        };
        let libs = gather(bytes, "libcalculator_skel.so").unwrap();
        assert_eq!(libs.len(), 1);
    }

    #[test]
    fn gather_reports_circles_and_missing_files_in_one_line() {
        let Some(mut bytes) = skeleton("libcalculator_skel.so") else {
            return;
        };
        // The needed name "libc.so" becomes "libx.so", and every file is this one.
        let at = bytes.windows(8).rposition(|w| w == b"libc.so\0").unwrap();
        let all: Vec<usize> = (0..bytes.len() - 8)
            .filter(|&i| &bytes[i..i + 8] == b"libc.so\0")
            .collect();
        assert!(all.contains(&at));
        for i in all {
            bytes[i + 3] = b'x';
        }
        let error = gather(bytes, "a.so").unwrap_err();
        assert_eq!(error.aee, Aee::UNABLE_TO_LOAD);
        assert!(
            error
                .text
                .contains("a.so → libx.so → libx.so: these libraries need each other"),
            "{}",
            error.text
        );
        let error = gather(Vec::new(), "missing.so").unwrap_err();
        assert!(
            error
                .text
                .contains("missing.so: cannot be read: no such file here (errno 2)"),
            "{}",
            error.text
        );
        let error = gather(b"\x7fELF".to_vec(), "short.so").unwrap_err();
        assert!(error.text.contains("truncated"), "{}", error.text);
    }
}
