//! QEMU: finding it, its device tree, and the arguments that put our DSPs behind its `virt` machine.
//!
//! They serve `run`, which starts QEMU, and `serve`, which prints them for a user who starts QEMU alone.

use crate::device::tree::IrqPath;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Oldest QEMU that works: 7.2 refuses vhost-user without KVM.
const OLDEST: (u32, u32) = (9, 0);
const DEFAULT: &str = "qemu-system-aarch64";

/// Why QEMU cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum QemuError {
    /// There is no such program.
    #[error(
        "{0} is not installed: install QEMU {major} or newer for arm64 guests (Debian: qemu-system-arm; on Debian 12 from \
         bookworm-backports), or name it with --qemu",
        major = OLDEST.0
    )]
    Missing(String),
    /// It does not start.
    #[error("{program} cannot be started: {source}")]
    Start {
        /// Which.
        program: String,
        /// Why.
        source: std::io::Error,
    },
    /// It does not say a version.
    #[error("{0} does not say which version of QEMU it is (asked with --version)")]
    NoVersion(String),
    /// Too old.
    #[error(
        "{program} is QEMU {found}, at least {major}.{minor} is needed (older ones refuse vhost-user without KVM); on Debian 12 \
         install qemu-system-arm from bookworm-backports, or name a newer one with --qemu",
        major = OLDEST.0,
        minor = OLDEST.1
    )]
    TooOld {
        /// Which.
        program: String,
        /// Its version.
        found: String,
    },
    /// `dumpdtb` failed.
    #[error("{program} did not write its device tree: {what}")]
    Tree {
        /// Which.
        program: String,
        /// What it said.
        what: String,
    },
}

/// A usable QEMU.
#[derive(Debug, Clone)]
pub struct Qemu {
    program: PathBuf,
    version: String,
}

impl Qemu {
    /// Finds QEMU (`program`, or `qemu-system-aarch64` on the path) and checks its version.
    ///
    /// # Errors
    /// Missing, not starting, or too old.
    pub fn find(program: Option<&Path>) -> Result<Self, QemuError> {
        let program = program.unwrap_or(Path::new(DEFAULT)).to_owned();
        let name = program.display().to_string();
        let output = Command::new(&program)
            .arg("--version")
            .stdin(Stdio::null())
            .output()
            .map_err(|source| {
                if source.kind() == std::io::ErrorKind::NotFound {
                    QemuError::Missing(name.clone())
                } else {
                    QemuError::Start {
                        program: name.clone(),
                        source,
                    }
                }
            })?;
        let text = String::from_utf8_lossy(&output.stdout);
        let version = parse_version(&text).ok_or_else(|| QemuError::NoVersion(name.clone()))?;
        if (version.0, version.1) < OLDEST {
            return Err(QemuError::TooOld {
                program: name,
                found: version.2,
            });
        }
        Ok(Self {
            program,
            version: version.2,
        })
    }

    /// The program to run.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Its version as it says it.
    pub fn version(&self) -> &str {
        &self.version
    }

    /// QEMU's own device tree for the machine. `scratch` is a folder in which nothing is called `qemu.dtb`.
    ///
    /// # Errors
    /// QEMU fails or writes nothing.
    pub fn device_tree(&self, machine: &Machine, scratch: &Path) -> Result<Vec<u8>, QemuError> {
        let file = scratch.join("qemu.dtb");
        let mut spec = OsString::from("virt,gic-version=3,dumpdtb=");
        spec.push(&file);
        let error = |what: String| QemuError::Tree {
            program: self.program.display().to_string(),
            what,
        };
        let output = Command::new(&self.program)
            .arg("-M")
            .arg(spec)
            .args(machine.cpu_args())
            .args(["-accel", "tcg", "-nodefaults", "-display", "none"])
            .stdin(Stdio::null())
            .output()
            .map_err(|e| error(e.to_string()))?;
        let tree = std::fs::read(&file);
        let _ = std::fs::remove_file(&file);
        match tree {
            Ok(tree) if !tree.is_empty() => Ok(tree),
            _ => Err(error(String::from_utf8_lossy(&output.stderr).trim().to_owned())),
        }
    }
}

fn parse_version(text: &str) -> Option<(u32, u32, String)> {
    let version = text
        .split("version ")
        .nth(1)?
        .split([' ', '\n', '('])
        .next()?
        .trim();
    let mut numbers = version.split('.').map(str::parse::<u32>);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?, version.to_owned()))
}

/// The machine around the DSPs.
#[derive(Debug, Clone, Copy)]
pub struct Machine {
    /// Guest RAM in bytes.
    pub ram: u64,
    /// Processors.
    pub cpus: u32,
}

impl Machine {
    fn cpu_args(&self) -> Vec<String> {
        vec![
            "-cpu".into(),
            "max,pauth-impdef=on".into(),
            "-m".into(),
            format!("{}M", self.ram >> 20),
            "-smp".into(),
            self.cpus.to_string(),
        ]
    }
}

/// The files and sockets that QEMU shares with the emulator.
#[derive(Debug, Clone)]
pub struct Files {
    /// The device tree.
    pub dtb: PathBuf,
    /// Initial contents of guest RAM: address and file of each part.
    pub images: Vec<(u64, PathBuf)>,
    /// One vhost-user socket a DSP.
    pub sockets: Vec<PathBuf>,
    /// The qtest socket; `--irq qtest` needs it.
    pub qtest: Option<PathBuf>,
}

/// All arguments that make a `virt` machine have our DSPs; kernel, console and disks are the user's.
pub fn arguments(machine: &Machine, irq: IrqPath, files: &Files) -> Vec<String> {
    let path = |p: &Path| p.display().to_string().replace(',', ",,");
    let mut args: Vec<String> = ["-M", "virt,gic-version=3,memory-backend=mem", "-accel", "tcg"]
        .map(String::from)
        .into();
    args.extend(machine.cpu_args());
    args.extend(["-nodefaults", "-nic", "none", "-display", "none"].map(String::from));
    args.extend([
        "-object".into(),
        format!("memory-backend-memfd,id=mem,size={}M,share=on", machine.ram >> 20),
    ]);
    args.extend(["-global".into(), "virtio-mmio.force-legacy=false".into()]);
    args.extend(["-dtb".into(), files.dtb.display().to_string()]);
    for (address, file) in &files.images {
        let loader = format!("loader,file={},addr={address:#x},force-raw=on", path(file));
        args.extend(["-device".into(), loader]);
    }
    for (i, socket) in files.sockets.iter().enumerate() {
        let carrier = if irq.is_gpio_slot(i) {
            "vhost-user-gpio-device"
        } else {
            "vhost-user-input"
        };
        args.extend([
            "-chardev".into(),
            format!("socket,id=dsp{i},path={}", path(socket)),
        ]);
        args.extend([
            "-device".into(),
            format!("{carrier},chardev=dsp{i},bus=virtio-mmio-bus.{i}"),
        ]);
    }
    if let Some(qtest) = &files.qtest {
        let socket = format!("unix:{},server=on,wait=off", path(qtest));
        args.extend(["-qtest".into(), socket, "-qtest-log".into(), "none".into()]);
    }
    args
}

/// An argument as a POSIX shell needs it written.
pub fn quoted(argument: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_=+,.:/@%".contains(c);
    if !argument.is_empty() && argument.chars().all(plain) {
        argument.to_owned()
    } else {
        format!("'{}'", argument.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_read_as_distributions_write_them() {
        let text = "QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2+deb13u1~bpo12+1)\nCopyright";
        assert_eq!(parse_version(text), Some((10, 0, "10.0.2".to_owned())));
        assert_eq!(
            parse_version("QEMU emulator version 9.2.0\n").map(|v| v.0),
            Some(9)
        );
        assert_eq!(parse_version("bash 5"), None);
    }

    #[test]
    fn a_missing_qemu_is_one_sentence_that_helps() {
        let error = Qemu::find(Some(Path::new("qemu-none"))).unwrap_err().to_string();
        assert!(
            error.contains("not installed") && error.contains("--qemu"),
            "{error}"
        );
        let error = Qemu::find(Some(Path::new("true"))).unwrap_err().to_string();
        assert!(error.contains("does not say which version"), "{error}");
    }

    #[test]
    fn an_old_qemu_is_refused_with_its_version() {
        let dir = tempfile::tempdir().unwrap();
        let fake = dir.path().join("qemu");
        test_needs::executable::write_script(&fake, "#!/bin/sh\necho QEMU emulator version 7.2.9\n");
        let error = Qemu::find(Some(&fake)).unwrap_err().to_string();
        assert!(error.contains("is QEMU 7.2.9, at least 9.0"), "{error}");
    }

    #[test]
    fn every_dsp_gets_its_socket_and_slot() {
        let files = Files {
            dtb: "a.dtb".into(),
            images: vec![(0x7f00_0000, "b,c".into()), (0x7f10_0000, "d".into())],
            sockets: vec!["s0".into(), "s1".into()],
            qtest: Some("q".into()),
        };
        let machine = Machine {
            ram: 1 << 30,
            cpus: 2,
        };
        let args = arguments(&machine, IrqPath::Qtest, &files).join(" ");
        assert!(
            args.contains("vhost-user-input,chardev=dsp1,bus=virtio-mmio-bus.1"),
            "{args}"
        );
        assert!(
            args.contains(
                "loader,file=b,,c,addr=0x7f000000,force-raw=on -device loader,file=d,addr=0x7f100000"
            ),
            "{args}"
        );
        assert!(args.contains("-qtest unix:q,server=on,wait=off"), "{args}");
        let files = Files { qtest: None, ..files };
        let args = arguments(&machine, IrqPath::Gpio, &files).join(" ");
        assert!(
            args.contains("vhost-user-gpio-device,chardev=dsp0") && !args.contains("qtest"),
            "{args}"
        );
    }

    #[test]
    fn arguments_are_quoted_only_where_a_shell_needs_it() {
        assert_eq!(quoted("a=b,c"), "a=b,c");
        assert_eq!(quoted("a b'c"), r"'a b'\''c'");
        assert_eq!(quoted(""), "''");
    }
}
