//! The "newc" cpio archive that the kernel unpacks as its initramfs.
//!
//! Source: Linux Documentation/driver-api/early-userspace/buffer-format.rst. An entry is a 110-byte header of ASCII hex
//! numbers, the name with its NUL, padding to 4, the data, padding to 4. Not modelled: hard links, device numbers on
//! entries other than device nodes, checksums (`070702`).

use std::collections::BTreeSet;

const FILE: u32 = 0o100_000;
const DIRECTORY: u32 = 0o040_000;
const SYMLINK: u32 = 0o120_000;
const CHARACTER: u32 = 0o020_000;

/// An archive under construction. Paths are relative, without a leading `/`; missing parent directories are made.
#[derive(Debug, Default)]
pub struct Archive {
    bytes: Vec<u8>,
    inode: u32,
    present: BTreeSet<String>,
}

impl Archive {
    /// An empty archive.
    pub fn new() -> Self {
        Self::default()
    }

    /// Whether an entry of that path exists.
    pub fn contains(&self, path: &str) -> bool {
        self.present.contains(path.trim_matches('/'))
    }

    /// Adds a directory (and its parents); adding one twice is fine.
    pub fn directory(&mut self, path: &str) {
        let path = path.trim_matches('/');
        if !path.is_empty() && !self.present.contains(path) {
            self.parents(path);
            self.entry(path, DIRECTORY | 0o755, (0, 0), &[]);
        }
    }

    /// Adds a file with permission bits `mode`. A path that exists already is left as it is: first come, first served.
    pub fn file(&mut self, path: &str, mode: u32, data: &[u8]) {
        self.once(path, FILE | (mode & 0o7777), (0, 0), data);
    }

    /// Adds a symbolic link.
    pub fn symlink(&mut self, path: &str, target: &str) {
        self.once(path, SYMLINK | 0o777, (0, 0), target.as_bytes());
    }

    /// Adds a character device.
    pub fn device(&mut self, path: &str, mode: u32, major: u32, minor: u32) {
        self.once(path, CHARACTER | (mode & 0o7777), (major, minor), &[]);
    }

    /// Ends the archive.
    pub fn finish(mut self) -> Vec<u8> {
        self.entry("TRAILER!!!", 0, (0, 0), &[]);
        self.bytes
    }

    fn once(&mut self, path: &str, mode: u32, device: (u32, u32), data: &[u8]) {
        let path = path.trim_matches('/');
        if !self.present.contains(path) {
            self.parents(path);
            self.entry(path, mode, device, data);
        }
    }

    fn parents(&mut self, path: &str) {
        if let Some((parent, _)) = path.rsplit_once('/') {
            self.directory(parent);
        }
    }

    fn entry(&mut self, path: &str, mode: u32, device: (u32, u32), data: &[u8]) {
        self.inode += 1;
        self.present.insert(path.to_owned());
        let links = if mode & DIRECTORY != 0 { 2 } else { 1 };
        let fields = [
            self.inode,
            mode,
            0,
            0,
            links,
            0,
            data.len() as u32,
            0,
            0,
            device.0,
            device.1,
            path.len() as u32 + 1,
            0,
        ];
        self.bytes.extend_from_slice(b"070701");
        for field in fields {
            self.bytes.extend_from_slice(format!("{field:08X}").as_bytes());
        }
        self.bytes.extend_from_slice(path.as_bytes());
        self.bytes.push(0);
        self.pad();
        self.bytes.extend_from_slice(data);
        self.pad();
    }

    fn pad(&mut self) {
        self.bytes.resize(self.bytes.len().next_multiple_of(4), 0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Reads an archive back: (path, mode, data).
    fn read(mut bytes: &[u8]) -> Vec<(String, u32, Vec<u8>)> {
        let mut out = Vec::new();
        loop {
            assert_eq!(&bytes[..6], b"070701");
            let field = |i: usize| {
                u32::from_str_radix(std::str::from_utf8(&bytes[6 + 8 * i..14 + 8 * i]).unwrap(), 16).unwrap()
            };
            let (mode, size, name) = (field(1), field(6) as usize, field(11) as usize);
            let path = String::from_utf8(bytes[110..110 + name - 1].to_vec()).unwrap();
            let data = (110 + name).next_multiple_of(4);
            if path == "TRAILER!!!" {
                return out;
            }
            out.push((path, mode, bytes[data..data + size].to_vec()));
            bytes = &bytes[(data + size).next_multiple_of(4)..];
        }
    }

    #[test]
    fn entries_read_back_in_order_with_their_parents_first() {
        let mut archive = Archive::new();
        archive.file("usr/bin/a", 0o755, b"hello");
        archive.symlink("/bin", "usr/bin");
        archive.device("dev/console", 0o600, 5, 1);
        archive.directory("usr");
        let bytes = archive.finish();
        assert_eq!(bytes.len() % 4, 0);
        let entries = read(&bytes);
        let names: Vec<_> = entries.iter().map(|e| e.0.as_str()).collect();
        assert_eq!(
            names,
            ["usr", "usr/bin", "usr/bin/a", "bin", "dev", "dev/console"]
        );
        assert_eq!(entries[2], ("usr/bin/a".to_owned(), 0o100755, b"hello".to_vec()));
        assert_eq!(entries[3].1, 0o120777);
        assert_eq!(entries[5].1, 0o020600);
    }

    #[test]
    fn the_first_file_of_a_name_stays() {
        let mut archive = Archive::new();
        archive.file("a", 0o644, b"1");
        archive.file("a", 0o644, b"2");
        assert!(archive.contains("/a"));
        assert_eq!(read(&archive.finish())[0].2, b"1");
    }

    #[test]
    fn gnu_cpio_reads_it() {
        let Ok(mut child) = std::process::Command::new("cpio")
            .args(["-it", "--quiet"])
            .stdin(std::process::Stdio::piped())
            .stdout(std::process::Stdio::piped())
            .spawn()
        else {
            return test_needs::skip(test_needs::Need::Tools, "cpio is not installed");
        };
        let mut archive = Archive::new();
        archive.file("x/y", 0o644, b"12345");
        std::io::Write::write_all(&mut child.stdin.take().unwrap(), &archive.finish()).unwrap();
        let output = child.wait_with_output().unwrap();
        assert!(output.status.success());
        assert_eq!(String::from_utf8(output.stdout).unwrap(), "x\nx/y\n");
    }
}
