//! adspmsgd_apps: prints log records of the DSP on the AP.
//!
//! Source: `src/adspmsgd_apps_skel.c`, `src/adspmsgd_printf.c` of qualcomm/fastrpc.

use crate::wire::{Reader, Truncated, Writer};

interface! {
    /// Prints records, [`LogRecord::SIZE`] bytes each.
    0 "log" Log {
        /// The records.
        records: Vec<u8>,
    }
}

/// One record: {u32 level, u16 line, u16 thread ID, char text\[218\], char file\[30\]}.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// FARF level.
    pub level: u32,
    /// Source line.
    pub line: u16,
    /// DSP thread ID.
    pub thread: u16,
    /// Text, at most 217 bytes; longer text is cut.
    pub text: Vec<u8>,
    /// Source file, at most 29 bytes; longer names are cut.
    pub file: Vec<u8>,
}

impl LogRecord {
    /// Bytes on the wire.
    pub const SIZE: usize = 256;
    const TEXT: usize = 218;
    const FILE: usize = 30;

    /// The 256 bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let field = |bytes: &[u8], size: usize| {
            let mut field: Vec<u8> = bytes.iter().copied().take(size.saturating_sub(1)).collect();
            field.resize(size, 0);
            field
        };
        let mut w = Writer::new();
        w.u32(self.level).u16(self.line).u16(self.thread);
        w.bytes(&field(&self.text, Self::TEXT))
            .bytes(&field(&self.file, Self::FILE));
        w.finish()
    }

    /// Parses one record.
    ///
    /// # Errors
    /// [`Truncated`] below 256 bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, Truncated> {
        let mut r = Reader::new(bytes);
        let cut = |field: &[u8]| field.split(|&b| b == 0).next().unwrap_or(&[]).to_vec();
        Ok(Self {
            level: r.u32()?,
            line: r.u16()?,
            thread: r.u16()?,
            text: cut(r.take(Self::TEXT)?),
            file: cut(r.take(Self::FILE)?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fastrpc::Scalars;
    use crate::iface::Kind;

    #[test]
    fn records_are_256_bytes() {
        let record = LogRecord {
            level: 4,
            line: 77,
            thread: 1,
            text: b"hello".to_vec(),
            file: b"fake.c".to_vec(),
        };
        let bytes = record.encode();
        assert_eq!(bytes.len(), LogRecord::SIZE);
        assert_eq!(&bytes[..13], b"\x04\0\0\0\x4d\0\x01\0hello");
        assert_eq!(&bytes[226..232], b"fake.c");
        assert_eq!(LogRecord::parse(&bytes), Ok(record));
        assert!(LogRecord::parse(&bytes[..255]).is_err());
        let payload = Request::Log(Log { records: bytes }).payload(Kind::Plain);
        assert_eq!(
            (payload.sc, &payload.ins[0][..]),
            (Scalars(0x0002_0000), &[0, 1, 0, 0][..])
        );
    }

    #[test]
    fn long_text_is_cut() {
        let record = LogRecord {
            level: 0,
            line: 0,
            thread: 0,
            text: vec![b'x'; 500],
            file: vec![b'y'; 50],
        };
        let back = LogRecord::parse(&record.encode()).unwrap();
        assert_eq!((back.text.len(), back.file.len()), (217, 29));
    }
}
