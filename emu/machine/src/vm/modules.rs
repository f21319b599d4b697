//! Which kernel modules a guest needs, in load order, from a directory of modules.
//!
//! The directory may be a flat one (`*.ko` side by side), a package's `lib/modules/RELEASE` tree, or a build's
//! `modules_install` tree. Dependencies come from each module's own `.modinfo` section (`depends=`, the format of
//! Linux scripts/mod/modpost.c), so `modules.dep` need not exist. A module that is not there is taken to be built in;
//! the kernel's configuration, where known, says which that may be.

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read as _;
use std::path::{Path, PathBuf};

/// A module in load order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Module {
    /// Name with underscores, without suffix.
    pub name: String,
    /// The uncompressed object.
    pub object: Vec<u8>,
}

impl Module {
    /// Whether the module is the fastrpc driver and does not match a node with that `compatible`: then the DSP has no device in
    /// the guest. 6.12 knows `qcom,fastrpc` only.
    pub fn does_not_match(&self, compatible: &str) -> bool {
        let word = [compatible.as_bytes(), b"\0"].concat();
        self.name == "fastrpc" && !self.object.windows(word.len()).any(|bytes| bytes == word)
    }

    /// Whether the module is the fastrpc driver and has no place for a DSP of that label: then it refuses the channel
    /// (`fastrpc_rpmsg_probe`: "Invalid FastRPC Domain ID"). Up to 6.12 it compares with whole labels, later with their
    /// first four letters.
    pub fn refuses_label(&self, label: &str) -> bool {
        let has = |text: &str| {
            let word = [b"\0", text.as_bytes(), b"\0"].concat();
            self.object.windows(word.len()).any(|bytes| bytes == word)
        };
        self.name == "fastrpc" && !has("gdsp") && !has(label)
    }
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum ModulesError {
    /// The directory cannot be listed.
    #[error("cannot read the modules directory {path}: {source}")]
    Directory {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A module file cannot be read or unpacked.
    #[error("cannot read the kernel module {path}: {what}")]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        what: String,
    },
    /// Modules depend on each other in a circle.
    #[error("the kernel modules {0} depend on each other in a circle")]
    Circle(String),
}

/// The modules of one kernel, by name.
#[derive(Debug, Default)]
pub struct ModuleDir {
    files: BTreeMap<String, PathBuf>,
}

impl ModuleDir {
    /// Looks through a directory and all below it.
    ///
    /// # Errors
    /// The directory cannot be listed.
    pub fn open(path: &Path) -> Result<Self, ModulesError> {
        let mut files = BTreeMap::new();
        let mut pending = vec![path.to_owned()];
        while let Some(directory) = pending.pop() {
            let error = |source| ModulesError::Directory {
                path: directory.clone(),
                source,
            };
            for entry in std::fs::read_dir(&directory).map_err(error)? {
                let entry = entry.map_err(error)?;
                // A symlink (`build`, `source`) is not followed: it leads out of the tree.
                let kind = entry.file_type().map_err(error)?;
                if kind.is_dir() {
                    pending.push(entry.path());
                } else if let Some(name) = module_name(&entry.path()) {
                    files.insert(name, entry.path());
                }
            }
        }
        Ok(Self { files })
    }

    /// Whether the module exists as a file.
    pub fn contains(&self, name: &str) -> bool {
        self.files.contains_key(&normal(name))
    }

    /// Number of modules found.
    pub fn len(&self) -> usize {
        self.files.len()
    }

    /// Whether no module was found.
    pub fn is_empty(&self) -> bool {
        self.files.is_empty()
    }

    /// The wanted modules that exist with all they depend on, dependencies first, otherwise in the wanted order.
    ///
    /// # Errors
    /// A file that cannot be read, or a circle.
    pub fn load_order(&self, wanted: &[&str]) -> Result<Vec<Module>, ModulesError> {
        let mut out = Vec::new();
        let mut done = BTreeSet::new();
        for name in wanted {
            self.visit(&normal(name), &mut Vec::new(), &mut done, &mut out)?;
        }
        Ok(out)
    }

    fn visit(
        &self,
        name: &str,
        path: &mut Vec<String>,
        done: &mut BTreeSet<String>,
        out: &mut Vec<Module>,
    ) -> Result<(), ModulesError> {
        let Some(file) = self.files.get(name) else {
            return Ok(());
        };
        if done.contains(name) {
            return Ok(());
        }
        if path.iter().any(|n| n == name) {
            return Err(ModulesError::Circle(path.join(", ")));
        }
        let object = read_module(file)?;
        path.push(name.to_owned());
        for dependency in depends(&object) {
            self.visit(&dependency, path, done, out)?;
        }
        path.pop();
        done.insert(name.to_owned());
        out.push(Module {
            name: name.to_owned(),
            object,
        });
        Ok(())
    }
}

/// Modules are named with underscores wherever they are named, but their files may have dashes.
fn normal(name: &str) -> String {
    name.replace('-', "_")
}

fn module_name(path: &Path) -> Option<String> {
    let file = path.file_name()?.to_str()?;
    [".ko", ".ko.xz", ".ko.zst", ".ko.gz"]
        .iter()
        .find_map(|suffix| file.strip_suffix(suffix))
        .map(normal)
}

fn read_module(path: &Path) -> Result<Vec<u8>, ModulesError> {
    let error = |what: String| ModulesError::File {
        path: path.to_owned(),
        what,
    };
    let raw = std::fs::read(path).map_err(|e| error(e.to_string()))?;
    let mut out = Vec::new();
    match path.extension().and_then(|e| e.to_str()) {
        Some("xz") => {
            lzma_rs::xz_decompress(&mut raw.as_slice(), &mut out).map_err(|e| error(format!("{e:?}")))?
        }
        Some("gz") => {
            flate2::read::GzDecoder::new(raw.as_slice())
                .read_to_end(&mut out)
                .map_err(|e| error(e.to_string()))?;
        }
        Some("zst") => {
            ruzstd::decoding::StreamingDecoder::new(raw.as_slice())
                .map_err(|e| error(e.to_string()))?
                .read_to_end(&mut out)
                .map_err(|e| error(e.to_string()))?;
        }
        _ => out = raw,
    }
    Ok(out)
}

/// `depends=a,b` of the `.modinfo` section.
fn depends(object: &[u8]) -> Vec<String> {
    let Ok(elf) = goblin::elf::Elf::parse(object) else {
        return Vec::new();
    };
    let section = elf
        .section_headers
        .iter()
        .find(|s| elf.shdr_strtab.get_at(s.sh_name) == Some(".modinfo"));
    let Some(bytes) = section.and_then(|s| object.get(s.file_range()?)) else {
        return Vec::new();
    };
    bytes
        .split(|b| *b == 0)
        .filter_map(|entry| std::str::from_utf8(entry).ok()?.strip_prefix("depends="))
        .flat_map(|list| {
            list.split(',')
                .filter(|n| !n.is_empty())
                .map(normal)
                .collect::<Vec<_>>()
        })
        .collect()
}

/// What the kernel's configuration says of an option.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Setting {
    /// `=y`
    BuiltIn,
    /// `=m`
    Module,
    /// Not set.
    Off,
}

/// Looks an option (`CONFIG_…`) up in a kernel's configuration file.
pub fn config_setting(config: &str, option: &str) -> Setting {
    for line in config.lines() {
        match line.strip_prefix(option).and_then(|rest| rest.strip_prefix('=')) {
            Some("y") => return Setting::BuiltIn,
            Some("m") => return Setting::Module,
            _ => {}
        }
    }
    Setting::Off
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    #[test]
    fn labels_are_known_by_the_strings_of_the_driver() {
        let module = |name: &str, strings: &[u8]| Module {
            name: name.to_owned(),
            object: strings.to_vec(),
        };
        let old = module("fastrpc", b"\x7fELF\0adsp\0mdsp\0sdsp\0cdsp\0cdsp1\0x");
        assert!(old.refuses_label("gdsp0") && !old.refuses_label("cdsp1") && !old.refuses_label("adsp"));
        let older = module("fastrpc", b"\0adsp\0mdsp\0sdsp\0cdsp\0");
        assert!(older.refuses_label("cdsp1"));
        let new = module("fastrpc", b"\0adsp\0cdsp\0mdsp\0sdsp\0gdsp\0");
        assert!(!new.refuses_label("gdsp0") && !new.refuses_label("cdsp1"));
        assert!(!module("qda", b"").refuses_label("cdsp"));
    }

    #[test]
    fn compatibles_are_known_by_the_strings_of_the_driver() {
        let module = |strings: &[u8]| Module {
            name: "fastrpc".to_owned(),
            object: strings.to_vec(),
        };
        let old = module(b"\x7fELF\0qcom,fastrpc\0\0");
        assert!(old.does_not_match("qcom,kaanapali-fastrpc") && !old.does_not_match("qcom,fastrpc"));
        let new = module(b"qcom,kaanapali-fastrpc\0qcom,fastrpc\0");
        assert!(!new.does_not_match("qcom,kaanapali-fastrpc"));
        let other = Module {
            name: "qda".to_owned(),
            object: Vec::new(),
        };
        assert!(!other.does_not_match("qcom,fastrpc"));
    }

    /// The smallest relocatable ELF64 with a `.modinfo` section that says what `goblin` needs.
    pub(crate) fn module(depends: &str) -> Vec<u8> {
        let modinfo = format!("license=GPL\0depends={depends}\0name=x\0");
        let names = b"\0.modinfo\0.shstrtab\0";
        let (info_at, names_at) = (64, 64 + modinfo.len());
        let headers_at = (names_at + names.len()).next_multiple_of(8);
        let mut b = vec![0u8; headers_at];
        b[..20].copy_from_slice(&[
            0x7f, b'E', b'L', b'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0, 183, 0,
        ]);
        b[20] = 1;
        b[40..48].copy_from_slice(&(headers_at as u64).to_le_bytes());
        b[52..64].copy_from_slice(&[64, 0, 0, 0, 0, 0, 64, 0, 3, 0, 2, 0]);
        b[info_at..names_at].copy_from_slice(modinfo.as_bytes());
        b[names_at..names_at + names.len()].copy_from_slice(names);
        for (name, kind, at, len) in [
            (0u32, 0u32, 0, 0),
            (1, 1, info_at, modinfo.len()),
            (10, 3, names_at, names.len()),
        ] {
            let mut header = [0u8; 64];
            header[0..4].copy_from_slice(&name.to_le_bytes());
            header[4..8].copy_from_slice(&kind.to_le_bytes());
            header[24..32].copy_from_slice(&(at as u64).to_le_bytes());
            header[32..40].copy_from_slice(&(len as u64).to_le_bytes());
            b.extend_from_slice(&header);
        }
        b
    }

    fn names(modules: &[Module]) -> Vec<&str> {
        modules.iter().map(|m| m.name.as_str()).collect()
    }

    #[test]
    fn dependencies_come_first_and_missing_ones_are_built_in() {
        let dir = tempfile::tempdir().unwrap();
        let deep = dir.path().join("kernel/drivers");
        std::fs::create_dir_all(&deep).unwrap();
        std::fs::write(dir.path().join("fastrpc.ko"), module("rpmsg_core,qcom-scm")).unwrap();
        std::fs::write(deep.join("rpmsg_core.ko"), module("")).unwrap();
        std::fs::write(deep.join("qcom-apcs-ipc-mailbox.ko"), module("")).unwrap();
        std::fs::write(deep.join("notes.txt"), "").unwrap();
        let modules = ModuleDir::open(dir.path()).unwrap();
        assert_eq!(modules.len(), 3);
        let order = modules
            .load_order(&["qcom_apcs_ipc_mailbox", "fastrpc", "none", "rpmsg_core"])
            .unwrap();
        assert_eq!(names(&order), ["qcom_apcs_ipc_mailbox", "rpmsg_core", "fastrpc"]);
    }

    #[test]
    fn compressed_modules_are_unpacked() {
        let dir = tempfile::tempdir().unwrap();
        let plain = module("");
        let mut gz = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        std::io::Write::write_all(&mut gz, &plain).unwrap();
        std::fs::write(dir.path().join("a.ko.gz"), gz.finish().unwrap()).unwrap();
        let mut xz = Vec::new();
        lzma_rs::xz_compress(&mut plain.as_slice(), &mut xz).unwrap();
        std::fs::write(dir.path().join("b.ko.xz"), xz).unwrap();
        let zst = ruzstd::encoding::compress_to_vec(
            plain.as_slice(),
            ruzstd::encoding::CompressionLevel::Uncompressed,
        );
        std::fs::write(dir.path().join("c.ko.zst"), zst).unwrap();
        let modules = ModuleDir::open(dir.path())
            .unwrap()
            .load_order(&["a", "b", "c"])
            .unwrap();
        assert_eq!(names(&modules), ["a", "b", "c"]);
        assert!(modules.iter().all(|m| m.object == plain));
    }

    #[test]
    fn circles_and_broken_files_are_errors_that_name_them() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join("a.ko"), module("b")).unwrap();
        std::fs::write(dir.path().join("b.ko"), module("a")).unwrap();
        std::fs::write(dir.path().join("c.ko.xz"), "not xz").unwrap();
        let modules = ModuleDir::open(dir.path()).unwrap();
        let error = modules.load_order(&["a"]).unwrap_err().to_string();
        assert!(error.contains("circle"), "{error}");
        let error = modules.load_order(&["c"]).unwrap_err().to_string();
        assert!(error.contains("c.ko.xz"), "{error}");
        let error = ModuleDir::open(&dir.path().join("none")).unwrap_err().to_string();
        assert!(error.contains("cannot read the modules directory"), "{error}");
    }

    #[test]
    fn configuration_options_are_looked_up_whole() {
        let config = "CONFIG_GPIO_VIRTIO_X=y\n# CONFIG_A is not set\nCONFIG_GPIO_VIRTIO=m\nCONFIG_B=y\n";
        assert_eq!(config_setting(config, "CONFIG_GPIO_VIRTIO"), Setting::Module);
        assert_eq!(config_setting(config, "CONFIG_A"), Setting::Off);
        assert_eq!(config_setting(config, "CONFIG_B"), Setting::BuiltIn);
    }
}
