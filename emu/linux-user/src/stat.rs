//! What the program is told of the host: of files `struct stat64` and `struct statx` of Linux's generic 32-bit table, and the
//! wall clock.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Since 1970.
pub(super) fn realtime() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// What is known of a file; for a console that is not the host's, a character device.
pub(super) struct About {
    dev: u64,
    rdev: u64,
    ino: u64,
    mode: u32,
    links: u32,
    uid: u32,
    gid: u32,
    size: u64,
    block: u32,
    blocks: u64,
    /// Access, modification, change: seconds and nanoseconds.
    times: [(i64, u32); 3],
}

impl About {
    /// Of the host's file, or of a console.
    pub(super) fn new(known: Option<&Metadata>) -> About {
        match known {
            None => About {
                dev: 0,
                rdev: 0x8800,
                ino: 3,
                mode: libc::S_IFCHR | 0o620,
                links: 1,
                uid: super::stack::ID,
                gid: super::stack::ID,
                size: 0,
                block: 1024,
                blocks: 0,
                times: [(0, 0); 3],
            },
            Some(m) => About {
                dev: m.dev(),
                rdev: m.rdev(),
                ino: m.ino(),
                mode: m.mode(),
                links: m.nlink() as u32,
                uid: m.uid(),
                gid: m.gid(),
                size: m.size(),
                block: m.blksize() as u32,
                blocks: m.blocks(),
                times: [
                    (m.atime(), m.atime_nsec() as u32),
                    (m.mtime(), m.mtime_nsec() as u32),
                    (m.ctime(), m.ctime_nsec() as u32),
                ],
            },
        }
    }

    /// As `struct stat64`.
    pub(super) fn stat64(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(104);
        let mut wide = |v: &[u64]| out.extend(v.iter().flat_map(|v| v.to_le_bytes()));
        wide(&[self.dev, self.ino]);
        wide(&[u64::from(self.links) << 32 | u64::from(self.mode)]);
        wide(&[u64::from(self.gid) << 32 | u64::from(self.uid)]);
        wide(&[self.rdev, 0, self.size, u64::from(self.block), self.blocks]);
        for (s, ns) in self.times {
            wide(&[u64::from(ns) << 32 | u64::from(s as u32)]);
        }
        wide(&[0]);
        out
    }

    /// As `struct statx`, with the basic fields.
    pub(super) fn statx(&self) -> Vec<u8> {
        const BASIC: u32 = 0x7ff;
        let mut out = Vec::with_capacity(256);
        let mut words = |v: &[u32]| out.extend(v.iter().flat_map(|v| v.to_le_bytes()));
        let low = |v: u64| v as u32;
        let high = |v: u64| (v >> 32) as u32;
        words(&[
            BASIC,
            self.block,
            0,
            0,
            self.links,
            self.uid,
            self.gid,
            self.mode & 0xffff,
        ]);
        for v in [self.ino, self.size, self.blocks, 0] {
            words(&[low(v), high(v)]);
        }
        let [access, modify, change] = self.times;
        for (s, ns) in [access, (0, 0), change, modify] {
            words(&[s as u32, (s >> 32) as u32, ns, 0]);
        }
        // The kernel's way to take device numbers apart.
        let major = |d: u64| (d >> 8 & 0xfff | d >> 32 & !0xfff) as u32;
        let minor = |d: u64| (d & 0xff | d >> 12 & !0xff) as u32;
        words(&[
            major(self.rdev),
            minor(self.rdev),
            major(self.dev),
            minor(self.dev),
        ]);
        out.resize(256, 0);
        out
    }

    /// As semihosting's structure.
    pub(super) fn angel(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(56);
        for v in [
            self.dev,
            self.ino,
            u64::from(self.links) << 32 | u64::from(self.mode),
            self.rdev,
            u64::from(self.size as u32),
        ] {
            out.extend(v.to_le_bytes());
        }
        for (s, _) in self.times {
            out.extend((s as u32).to_le_bytes());
        }
        out.resize(56, 0);
        out
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn structures_have_the_sizes_and_places_of_the_kernel() {
        let mut file = tempfile::NamedTempFile::new().unwrap();
        std::io::Write::write_all(&mut file, &[0; 1234]).unwrap();
        let about = About::new(Some(&file.as_file().metadata().unwrap()));
        let (stat, statx, angel) = (about.stat64(), about.statx(), about.angel());
        assert_eq!((stat.len(), statx.len(), angel.len()), (104, 256, 56));
        let at = |b: &[u8], n: usize| u32::from_le_bytes(b[n..n + 4].try_into().unwrap());
        assert_eq!(at(&stat, 16) & libc::S_IFMT, libc::S_IFREG);
        assert_eq!(at(&stat, 48), 1234);
        assert_eq!(at(&statx, 28) & libc::S_IFMT, libc::S_IFREG);
        assert_eq!(at(&statx, 40), 1234);
        assert_eq!(at(&angel, 32), 1234);
        let console = About::new(None).stat64();
        assert_eq!(at(&console, 16) & libc::S_IFMT, libc::S_IFCHR);
    }
}
