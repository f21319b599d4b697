//! apps_std: the AP's files, environment and directories, for the DSP.
//!
//! Source: `src/apps_std_skel.c`, `src/apps_std_imp.c` of qualcomm/fastrpc. `FILE` values are numbers of the AP's choice.
//! Results are plain errno numbers or AEE codes without offset ([`Aee::from_ap`](crate::Aee::from_ap)); -1 for an unset
//! variable. Reply buffers are not cleared behind what was read.

use super::{Cap, Text, TextCaps, Texts, qaic::Scalar};
use crate::wire::{Reader, Truncated, Writer};

interface! {
    /// Opens a file by path.
    0 "fopen" Fopen {
        /// Path.
        name: Text,
        /// As in C.
        mode: Text,
    } => FopenReply {
        /// The file.
        file: i32,
    }
    /// Opens another file under the same number.
    1 "freopen" Freopen {
        /// The file.
        file: i32,
        /// Path.
        name: Text,
        /// As in C.
        mode: Text,
    } => FreopenReply {
        /// The file.
        file: i32,
    }
    /// Writes buffered data out.
    2 "fflush" Fflush {
        /// The file.
        file: i32,
    }
    /// Closes a file.
    3 "fclose" Fclose {
        /// The file.
        file: i32,
    }
    /// Reads. Clears the end-of-file state first.
    4 "fread" Fread {
        /// The file.
        file: i32,
        /// Bytes wanted.
        data: Cap<1>,
    } => FreadReply {
        /// Bytes read, never more than wanted from an honest AP.
        bytes_read: u32,
        /// Whether the end was met.
        eof: u32,
        /// The bytes; those beyond `bytes_read` are stale.
        data: Vec<u8>,
    }
    /// Writes.
    5 "fwrite" Fwrite {
        /// The file.
        file: i32,
        /// The bytes.
        data: Vec<u8>,
    } => FwriteReply {
        /// Bytes written.
        bytes_written: u32,
        /// Whether the end was met.
        eof: u32,
    }
    /// Position as an opaque value.
    6 "fgetpos" Fgetpos {
        /// The file.
        file: i32,
        /// Capacity.
        pos: Cap<1>,
    } => FgetposReply {
        /// Size of the value.
        pos_len_req: u32,
        /// The value.
        pos: Vec<u8>,
    }
    /// Returns to such a position.
    7 "fsetpos" Fsetpos {
        /// The file.
        file: i32,
        /// The value.
        pos: Vec<u8>,
    }
    /// Position.
    8 "ftell" Ftell {
        /// The file.
        file: i32,
    } => FtellReply {
        /// Bytes from the start.
        pos: u32,
    }
    /// Moves the position.
    9 "fseek" Fseek {
        /// The file.
        file: i32,
        /// Bytes.
        offset: i32,
        /// [`SEEK_SET`], [`SEEK_CUR`] or [`SEEK_END`].
        whence: u32,
    }
    /// Length of a file.
    10 "flen" Flen {
        /// The file.
        file: i32,
    } => FlenReply {
        /// Bytes.
        len: u64,
    }
    /// To the start.
    11 "rewind" Rewind {
        /// The file.
        file: i32,
    }
    /// End-of-file state.
    12 "feof" Feof {
        /// The file.
        file: i32,
    } => FeofReply {
        /// Whether the end was met.
        eof: u32,
    }
    /// Error state.
    13 "ferror" Ferror {
        /// The file.
        file: i32,
    } => FerrorReply {
        /// Whether there was an error.
        error: u32,
    }
    /// Clears both states.
    14 "clearerr" Clearerr {
        /// The file.
        file: i32,
    }
    /// Prints on the AP's standard output.
    15 "print_string" PrintString {
        /// Text.
        text: Text,
    }
    /// Reads an environment variable.
    16 "getenv" Getenv {
        /// Name.
        name: Text,
        /// Capacity.
        value: Cap<1>,
    } => GetenvReply {
        /// Length of the value with its NUL.
        value_len_req: u32,
        /// The value; only the first `value_len_req` bytes are valid.
        value: Vec<u8>,
    }
    /// Sets an environment variable. (Its lengths and flag keep their order: name, value, override.)
    17 "setenv" Setenv {
        /// Name.
        name: Text,
        /// Value.
        value: Text,
        /// Whether to replace an existing one.
        replace: u32,
    }
    /// Removes an environment variable.
    18 "unsetenv" Unsetenv {
        /// Name.
        name: Text,
    }
    /// Opens a file along a search path.
    19 "fopen_with_env" FopenWithEnv {
        /// Variable with the path; `ADSP_LIBRARY_PATH` stands for the library's search path.
        env: Text,
        /// What separates its elements.
        delim: Text,
        /// Base name.
        name: Text,
        /// As in C.
        mode: Text,
    } => FopenWithEnvReply {
        /// The file.
        file: i32,
    }
    /// Reads a line.
    20 "fgets" Fgets {
        /// The file.
        file: i32,
        /// Capacity.
        line: Cap<1>,
    } => FgetsReply {
        /// Whether the end was met.
        eof: u32,
        /// The line.
        line: Vec<u8>,
    }
    /// The elements of a search path.
    21 "get_search_paths_with_env" GetSearchPathsWithEnv {
        /// Variable.
        env: Text,
        /// What separates its elements.
        delim: Text,
        /// Capacities.
        paths: TextCaps,
    } => GetSearchPathsWithEnvReply {
        /// Number of elements.
        count: u32,
        /// Length of the longest.
        max_len: u16,
        /// The elements.
        paths: Texts,
    }
    /// Whether a file exists.
    22 "fileExists" FileExists {
        /// Path.
        name: Text,
    } => FileExistsReply {
        /// 1 if it does.
        exists: u8,
    }
    /// Writes a file to the disk.
    23 "fsync" Fsync {
        /// The file.
        file: i32,
    }
    /// Removes a file.
    24 "fremove" Fremove {
        /// Path.
        name: Text,
    }
    /// Decrypting view of a file.
    25 "fdopen_decrypt" FdopenDecrypt {
        /// The file.
        file: i32,
    } => FdopenDecryptReply {
        /// The view.
        file: i32,
    }
    /// Opens a directory.
    26 "opendir" Opendir {
        /// Path.
        name: Text,
    } => OpendirReply {
        /// The directory.
        dir: u64,
    }
    /// Closes a directory.
    27 "closedir" Closedir {
        /// The directory.
        dir: u64,
    }
    /// Next entry of a directory.
    28 "readdir" Readdir {
        /// The directory.
        dir: u64,
    } => ReaddirReply {
        /// The entry.
        entry: DirEntry,
        /// Whether there was none left.
        eof: u32,
    }
    /// Makes a directory.
    29 "mkdir" Mkdir {
        /// Path.
        name: Text,
        /// Mode bits.
        mode: u32,
    }
    /// Removes a directory.
    30 "rmdir" Rmdir {
        /// Path.
        name: Text,
    }
    /// Facts about a file.
    31 "stat" Stat {
        /// Path.
        name: Text,
    } => StatReply {
        /// Size that the caller expects the record to have.
        tsz: u64,
        /// Device.
        dev: u64,
        /// Inode.
        ino: u64,
        /// Mode bits.
        mode: u32,
        /// Links.
        nlink: u32,
        /// Device number of a device file.
        rdev: u64,
        /// Bytes.
        size: u64,
        /// Last access, seconds.
        atime: i64,
        /// and nanoseconds.
        atime_ns: i64,
        /// Last change of the content, seconds.
        mtime: i64,
        /// and nanoseconds.
        mtime_ns: i64,
        /// Last change of the inode, seconds.
        ctime: i64,
        /// and nanoseconds.
        ctime_ns: i64,
    }
    /// Cuts a file.
    32 "ftrunc" Ftrunc {
        /// The file.
        file: i32,
        /// New length.
        offset: i32,
    }
    /// Renames a file.
    33 "frename" Frename {
        /// Old path.
        old: Text,
        /// New path.
        new: Text,
    }
    /// Reads a whole file into a buffer that gets mapped by fd (handle 1, method 10, arrives nested).
    34 "fopen_fd" FopenFd {
        /// Path.
        name: Text,
        /// As in C.
        mode: Text,
    } => FopenFdReply {
        /// Key of the mapping.
        fd: i32,
        /// Length of the file.
        len: i32,
    }
    /// Unmaps such a buffer.
    35 "fclose_fd" FcloseFd {
        /// Key of the mapping.
        fd: i32,
    }
    /// `fopen_fd` along a search path.
    36 "fopen_with_env_fd" FopenWithEnvFd {
        /// Variable with the path.
        env: Text,
        /// What separates its elements.
        delim: Text,
        /// Base name.
        name: Text,
        /// As in C.
        mode: Text,
    } => FopenWithEnvFdReply {
        /// Key of the mapping.
        fd: i32,
        /// Length of the file.
        len: i32,
    }
}

/// [`Fseek::whence`]: from the start.
pub const SEEK_SET: u32 = 0;
/// [`Fseek::whence`]: from the position.
pub const SEEK_CUR: u32 = 1;
/// [`Fseek::whence`]: from the end.
pub const SEEK_END: u32 = 2;

/// An entry of a directory: {s32 ino, char name\[255\]}.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DirEntry {
    /// Inode.
    pub ino: i32,
    /// Name with everything behind its NUL, 255 bytes; longer ones are cut.
    pub name: Vec<u8>,
}

impl DirEntry {
    const NAME: usize = 255;
}

impl Scalar for DirEntry {
    const SIZE: usize = 4 + Self::NAME;
    const ALIGN: usize = 4;
    fn write(&self, w: &mut Writer) {
        let mut name = self.name.clone();
        name.resize(Self::NAME, 0);
        w.i32(self.ino).bytes(&name);
    }
    fn read(r: &mut Reader<'_>) -> Result<Self, Truncated> {
        Ok(Self {
            ino: r.i32()?,
            name: r.take(Self::NAME)?.to_vec(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fastrpc::Scalars;
    use crate::iface::{Kind, Method, Payload, Reply};
    use proptest::prelude::*;

    fn sc(request: impl Into<Request>) -> u32 {
        let request = request.into();
        let payload = request.payload(Kind::Plain);
        assert_eq!(Request::parse(&payload, Kind::Plain).as_ref(), Ok(&request));
        payload.sc.0
    }

    /// The words that the AP's `apps_std_skel.c` takes.
    #[test]
    fn scalars_of_every_method() {
        let t = || Text::from("x");
        assert_eq!(sc(Fopen { name: t(), mode: t() }), 0x0003_0100);
        assert_eq!(
            sc(Freopen {
                file: 1,
                name: t(),
                mode: t()
            }),
            0x0103_0100
        );
        assert_eq!(sc(Fflush { file: 1 }), 0x0201_0000);
        assert_eq!(sc(Fclose { file: 1 }), 0x0301_0000);
        assert_eq!(
            sc(Fread {
                file: 1,
                data: Cap(9)
            }),
            0x0401_0200
        );
        assert_eq!(
            sc(Fwrite {
                file: 1,
                data: vec![1]
            }),
            0x0502_0100
        );
        assert_eq!(sc(Fgetpos { file: 1, pos: Cap(9) }), 0x0601_0200);
        assert_eq!(
            sc(Fsetpos {
                file: 1,
                pos: vec![1]
            }),
            0x0702_0000
        );
        assert_eq!(sc(Ftell { file: 1 }), 0x0801_0100);
        assert_eq!(
            sc(Fseek {
                file: 1,
                offset: -1,
                whence: SEEK_CUR
            }),
            0x0901_0000
        );
        assert_eq!(sc(Flen { file: 1 }), 0x0A01_0100);
        assert_eq!(sc(Rewind { file: 1 }), 0x0B01_0000);
        assert_eq!(sc(Feof { file: 1 }), 0x0C01_0100);
        assert_eq!(sc(Ferror { file: 1 }), 0x0D01_0100);
        assert_eq!(sc(Clearerr { file: 1 }), 0x0E01_0000);
        assert_eq!(sc(PrintString { text: t() }), 0x0F02_0000);
        assert_eq!(
            sc(Getenv {
                name: t(),
                value: Cap(64)
            }),
            0x1002_0200
        );
        assert_eq!(
            sc(Setenv {
                name: t(),
                value: t(),
                replace: 1
            }),
            0x1103_0000
        );
        assert_eq!(sc(Unsetenv { name: t() }), 0x1202_0000);
        assert_eq!(
            sc(FopenWithEnv {
                env: t(),
                delim: t(),
                name: t(),
                mode: t()
            }),
            0x1305_0100
        );
        assert_eq!(
            sc(Fgets {
                file: 1,
                line: Cap(9)
            }),
            0x1401_0200
        );
        let paths = TextCaps(vec![64, 64, 64]);
        assert_eq!(
            sc(GetSearchPathsWithEnv {
                env: t(),
                delim: t(),
                paths
            }),
            0x1504_0400
        );
        assert_eq!(sc(FileExists { name: t() }), 0x1602_0100);
        assert_eq!(sc(Fsync { file: 1 }), 0x1701_0000);
        assert_eq!(sc(Fremove { name: t() }), 0x1802_0000);
        assert_eq!(sc(FdopenDecrypt { file: 1 }), 0x1901_0100);
        assert_eq!(sc(Opendir { name: t() }), 0x1A02_0100);
        assert_eq!(sc(Closedir { dir: 1 }), 0x1B01_0000);
        assert_eq!(sc(Readdir { dir: 1 }), 0x1C01_0100);
        assert_eq!(
            sc(Mkdir {
                name: t(),
                mode: 0o755
            }),
            0x1D02_0000
        );
        assert_eq!(sc(Rmdir { name: t() }), 0x1E02_0000);
        assert_eq!(sc(Stat { name: t() }), 0x1F02_0100);
        assert_eq!(sc(Ftrunc { file: 1, offset: 0 }), 0x1F01_0000);
        assert_eq!(sc(Frename { old: t(), new: t() }), 0x1F03_0000);
        assert_eq!(sc(FopenFd { name: t(), mode: t() }), 0x1F03_0100);
        assert_eq!(sc(FcloseFd { fd: 1 }), 0x1F01_0000);
        assert_eq!(
            sc(FopenWithEnvFd {
                env: t(),
                delim: t(),
                name: t(),
                mode: t()
            }),
            0x1F05_0100
        );
    }

    #[test]
    fn reply_blocks_have_the_sizes_of_the_spec() {
        assert_eq!(ReaddirReply::block_size(), 264);
        assert_eq!(StatReply::block_size(), 96);
        assert_eq!(GetSearchPathsWithEnvReply::block_size(), 6);
        assert_eq!(FileExistsReply::block_size(), 1);
        assert_eq!(FreadReply::block_size(), 8);
    }

    #[test]
    fn extended_methods_carry_their_number() {
        let payload = Stat { name: "ab".into() }.payload(Kind::Plain);
        assert_eq!(payload.ins, [vec![31, 0, 0, 0, 3, 0, 0, 0], b"ab\0".to_vec()]);
        let unknown = Payload {
            sc: Scalars(0x1F01_0000),
            ins: vec![vec![99, 0, 0, 0]],
            outs: vec![],
        };
        assert!(Request::parse(&unknown, Kind::Plain).is_err());
    }

    fn payloads() -> impl Strategy<Value = Payload> {
        let ins = proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..40), 0..6);
        (any::<u32>(), ins, proptest::collection::vec(0u32..300, 0..5)).prop_map(|(sc, ins, outs)| {
            let sc = Scalars::new((sc >> 24) as u8 & 31, ins.len() as u8, outs.len() as u8);
            Payload { sc, ins, outs }
        })
    }

    proptest! {
        #[test]
        fn any_payload_parses_or_fails(payload in payloads()) {
            for kind in [Kind::Plain, Kind::Handle64] {
                if let Ok(request) = Request::parse(&payload, kind) {
                    // What was understood means the same when it is sent again.
                    prop_assert_eq!(Request::parse(&request.payload(kind), kind), Ok(request));
                }
                let _ = super::super::current_process::Request::parse(&payload, kind);
                let _ = super::super::listener::Request::parse(&payload, kind);
                let _ = super::super::remotectl::Request::parse(&payload, kind);
                let _ = super::super::apps_mem::Request::parse(&payload, kind);
            }
            let _ = StatReply::parse(&payload.ins);
            let _ = ReaddirReply::parse(&payload.ins);
            let _ = GetSearchPathsWithEnvReply::parse(&payload.ins);
        }
    }
}
