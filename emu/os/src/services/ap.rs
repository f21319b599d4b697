//! What a DSP process asks of the AP, over the reverse tunnel: files (apps_std), heap (apps_mem), log lines (adspmsgd_apps).
//!
//! The AP's modules are opened by name once per process. Libraries are read the way the firmware does it: `fopen_with_env` along
//! the AP's search path, `flen`, `fread` in chunks, `fclose`. hexagonrpcd, which has no `flen` and ends when it is asked for one, is
//! not asked: it is read until end of file, as is an AP that refuses.

use std::sync::Arc;

use rpmsg::iface::{Cap, Kind, Text, apps_mem, apps_std};

use super::ap_module::ApModule;
use super::config::{FarfTo, LibraryRead};
use super::farf::{GuestLog, to_host};
use super::stats::{Counters, add, count};
use super::tunnel::{ReverseError, Tunnel};
use crate::ap::{Ap, ApError, LogRecord};

/// The environment variable with the AP's search path; the library replaces it by DSP_LIBRARY_PATH when that is set.
const SEARCH_PATH: &str = "ADSP_LIBRARY_PATH";
/// Separator in it.
const SEPARATOR: &str = ";";
/// The AP's own allocator is not used for the driver's pages.
const NO_HEAP: i32 = -1;

/// The AP as one process sees it.
pub(super) struct TunnelAp {
    pub tunnel: Arc<Tunnel>,
    pub log: Arc<GuestLog>,
    pub counters: Arc<Counters>,
    pub read: LibraryRead,
    /// Largest library in bytes.
    pub max_library: usize,
    pub farf: FarfTo,
    /// For logs.
    pub owner: String,
    pub apps_std: ApModule,
    pub apps_mem: ApModule,
}

impl From<ReverseError> for ApError {
    fn from(error: ReverseError) -> Self {
        match error {
            ReverseError::Result(code) => Self::Failed(code),
            ReverseError::NoListener => Self::NoListener,
            ReverseError::Ended => Self::Ended,
            ReverseError::Malformed(what) => Self::Malformed(what),
        }
    }
}

/// An open file on the AP, closed when dropped.
struct File<'a> {
    ap: &'a TunnelAp,
    apps_std: u32,
    id: i32,
}

impl Drop for File<'_> {
    fn drop(&mut self) {
        // Whether closing works changes nothing for us.
        let _ = self
            .ap
            .tunnel
            .call(self.apps_std, &apps_std::Fclose { file: self.id });
    }
}

impl File<'_> {
    /// The file's size, if the AP can tell.
    fn size(&self) -> Result<Option<u64>, ApError> {
        if !self.ap.tunnel.survives_unknown_methods() {
            return Ok(None);
        }
        let size = match self
            .ap
            .tunnel
            .call(self.apps_std, &apps_std::Flen { file: self.id })
        {
            Ok(reply) => reply.len,
            Err(ReverseError::Result(_)) => return Ok(None),
            Err(other) => return Err(other.into()),
        };
        if self.ap.read.seek_for_size {
            let seek = |whence| apps_std::Fseek {
                file: self.id,
                offset: 0,
                whence,
            };
            self.ap.tunnel.call(self.apps_std, &seek(apps_std::SEEK_END))?;
            let end = self
                .ap
                .tunnel
                .call(self.apps_std, &apps_std::Ftell { file: self.id })?
                .pos;
            self.ap.tunnel.call(self.apps_std, &seek(apps_std::SEEK_SET))?;
            if u64::from(end) != size {
                return Err(ApError::Malformed("flen and ftell do not agree"));
            }
        }
        Ok(Some(size))
    }

    /// The next chunk and whether it is the last.
    fn read(&self) -> Result<(Vec<u8>, bool), ApError> {
        let chunk = self.ap.read.chunk.clamp(1, 1 << 20);
        let mut reply = self.ap.tunnel.call(
            self.apps_std,
            &apps_std::Fread {
                file: self.id,
                data: Cap(chunk),
            },
        )?;
        let count = usize::try_from(reply.bytes_read).unwrap_or(usize::MAX);
        if count > reply.data.len() {
            return Err(ApError::Malformed("more bytes were read than asked for"));
        }
        reply.data.truncate(count);
        Ok((reply.data, reply.eof != 0))
    }
}

impl TunnelAp {
    fn open(&self, name: &str) -> Result<File<'_>, ApError> {
        let apps_std = self.apps_std.handle(&self.tunnel)?;
        let open = apps_std::FopenWithEnv {
            env: Text::from(SEARCH_PATH),
            delim: Text::from(SEPARATOR),
            name: Text::from(name),
            mode: Text::from("rb"),
        };
        match self.tunnel.call(apps_std, &open) {
            Ok(reply) => Ok(File {
                ap: self,
                apps_std,
                id: reply.file,
            }),
            Err(ReverseError::Result(errno)) => Err(ApError::NotFound {
                errno,
                searched: match self.tunnel.survives_unknown_methods() {
                    true => self.read.searched.clone(),
                    false => "in the folder that hexagonrpcd serves (dsp/NAME below its -R)".to_owned(),
                },
            }),
            Err(other) => Err(other.into()),
        }
    }
}

impl Ap for TunnelAp {
    fn read_library(&self, name: &str) -> Result<Vec<u8>, ApError> {
        let file = self.open(name)?;
        let size = file.size()?;
        if size.is_some_and(|size| size > self.max_library as u64) {
            return Err(ApError::Malformed("the library is larger than this DSP loads"));
        }
        let mut bytes = Vec::new();
        loop {
            let (chunk, last) = file.read()?;
            let empty = chunk.is_empty();
            bytes.extend_from_slice(&chunk);
            if bytes.len() > self.max_library {
                return Err(ApError::Malformed("the library is larger than this DSP loads"));
            }
            if last || empty || size == Some(bytes.len() as u64) {
                break;
            }
        }
        if size.is_some_and(|size| size != bytes.len() as u64) {
            return Err(ApError::Malformed("the file changed while it was read"));
        }
        add(&self.counters.bytes_read, bytes.len() as u64);
        tracing::debug!(target: "emu::services", process = %self.owner, name, bytes = bytes.len(), "library read");
        Ok(bytes)
    }

    fn files(&self, request: &apps_std::Request) -> Result<Vec<Vec<u8>>, ApError> {
        let apps_std = self.apps_std.handle(&self.tunnel)?;
        let payload = request.payload(Kind::Plain);
        Ok(self.tunnel.call_payload(request.name(), apps_std, &payload)?)
    }

    fn grow_heap(&self, bytes: u32) -> Result<(), ApError> {
        let apps_mem = self.apps_mem.handle(&self.tunnel)?;
        let request = apps_mem::RequestMap64 {
            heap_id: NO_HEAP,
            lflags: 0,
            rflags: apps_mem::ADD_PAGES,
            vin: 0,
            len: i64::from(bytes),
        };
        // The driver's own call on handle 1 (method 4) arrives, and is answered, before this returns.
        let reply = self.tunnel.call(apps_mem, &request)?;
        if reply.vadsp == 0 {
            return Err(ApError::Malformed("the AP grew the heap at address 0"));
        }
        Ok(())
    }

    fn log(&self, record: LogRecord) {
        count(&self.counters.farf);
        if self.farf.host() {
            to_host(&self.owner, &record);
        }
        if self.farf.guest() {
            self.log.push(record);
        }
    }
}
