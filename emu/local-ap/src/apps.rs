//! What the AP serves to the DSP: apps_remotectl, apps_std over host directories, apps_mem, adspmsgd_apps.
//!
//! Files are opened read-only, by base name or absolute path, in the directories that the user named and nowhere else
//! (`folders.rs`).
//!
//! Not modelled: writing (EROFS), environment variables, and memory that is not heap; those methods are refused.

use std::collections::HashMap;
use std::fs::{File, ReadDir};
use std::io::{Read, Seek, SeekFrom, Write as _};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use rpmsg::Aee;
use rpmsg::iface::apps_std::{SEEK_CUR, SEEK_END, SEEK_SET};
use rpmsg::iface::{
    Kind, Payload, PayloadError, Reply, Text, adspmsgd_apps, apps_mem, apps_remotectl, apps_std, handle, name,
};

use super::driver::Session;
use super::folders::{self, EIO, ENOENT, EROFS};

/// errno of a bad file number.
const EBADF: i32 = 9;
/// errno of too many open files.
const EMFILE: i32 = 24;
const UNSUPPORTED: i32 = Aee::UNSUPPORTED.on_ap() as i32;
const BAD_PARM: i32 = Aee::BAD_PARM.on_ap() as i32;
/// There is no such module.
const NO_MODULE: i32 = Aee::BAD_HANDLE.on_ap() as i32;
/// No module is behind the handle.
const NO_SUCH_MODULE: i32 = Aee::NO_SUCH_MODULE.on_ap() as i32;
const NO_MEMORY: i32 = Aee::NO_RPC_MEMORY.on_ap() as i32;
/// First file number, as the library's.
const FIRST_FILE: i32 = 100;
/// Files and directories that are open at once.
const MAX_OPEN: usize = 1024;
/// Largest read.
const MAX_READ: u32 = 4 << 20;

const MODULES: [&str; 3] = [name::APPS_STD, name::APPS_MEM, name::ADSPMSGD_APPS];
const FIRST_HANDLE: u32 = 0x5500_0000;

/// Receives log records of the DSP.
pub type OnLog = Box<dyn FnMut(&adspmsgd_apps::LogRecord) + Send>;

/// Writes a record to the standard error output. Nobody may read that.
pub fn print_record(record: &adspmsgd_apps::LogRecord) {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (file, said) = (text(&record.file), text(&record.text));
    let _ = writeln!(
        std::io::stderr(),
        "DSP {file}:{}: {}",
        record.line,
        said.trim_end()
    );
}

/// The AP's modules, for one process.
pub struct Apps {
    directories: Vec<PathBuf>,
    session: Arc<Session>,
    files: HashMap<i32, File>,
    lists: HashMap<u64, ReadDir>,
    next_file: i32,
    on_log: OnLog,
}

type Served = Result<Vec<Vec<u8>>, i32>;

impl Apps {
    /// Serves files from `directories`.
    #[must_use]
    pub fn new(session: Arc<Session>, directories: Vec<PathBuf>, on_log: OnLog) -> Self {
        Self {
            directories,
            session,
            files: HashMap::new(),
            lists: HashMap::new(),
            next_file: FIRST_FILE,
            on_log,
        }
    }

    /// Serves one call of the DSP: its result (0, an errno, or an AEE code without offset), and output buffers of exactly the
    /// capacities that were asked for.
    pub fn serve(&mut self, handle: u32, payload: &Payload) -> (i32, Vec<Vec<u8>>) {
        let served = match handle {
            handle::APPS_REMOTECTL => self.remotectl(payload),
            h if h == FIRST_HANDLE => self.std(payload),
            h if h == FIRST_HANDLE + 1 => self.mem(payload),
            h if h == FIRST_HANDLE + 2 => self.log(payload),
            _ => Err(NO_SUCH_MODULE),
        };
        match served {
            Ok(mut outs) => {
                outs.resize(payload.outs.len(), Vec::new());
                for (out, &capacity) in outs.iter_mut().zip(&payload.outs) {
                    out.resize(capacity as usize, 0);
                }
                (0, outs)
            }
            Err(result) => (result, Vec::new()),
        }
    }

    fn remotectl(&self, payload: &Payload) -> Served {
        match apps_remotectl::Request::parse(payload, Kind::Plain).map_err(bad)? {
            apps_remotectl::Request::Open(open) => {
                let name = open.name.to_lossy();
                let found = MODULES
                    .iter()
                    .zip(FIRST_HANDLE..)
                    .find(|(module, _)| **module == name);
                let reply = match found {
                    Some((_, handle)) => apps_remotectl::OpenReply {
                        handle,
                        error: 0,
                        error_text: Text::default(),
                    },
                    None => apps_remotectl::OpenReply {
                        handle: 0,
                        error: NO_MODULE,
                        error_text: Text::from("there is no such module on this AP"),
                    },
                };
                reply.encode(&payload.outs).map_err(bad)
            }
            apps_remotectl::Request::Close(_) => {
                let reply = apps_remotectl::CloseReply {
                    error: 0,
                    error_text: Text::default(),
                };
                reply.encode(&payload.outs).map_err(bad)
            }
        }
    }

    fn std(&mut self, payload: &Payload) -> Served {
        use apps_std::Request;
        let outs = &payload.outs;
        match Request::parse(payload, Kind::Plain).map_err(bad)? {
            Request::FopenWithEnv(open) => {
                let file = self.open(&open.name.to_lossy())?;
                apps_std::FopenWithEnvReply { file }.encode(outs).map_err(bad)
            }
            Request::Fopen(open) => {
                let file = folders::open(&self.directories, &open.name.to_lossy(), &open.mode.to_lossy())?;
                let file = self.add(file)?;
                apps_std::FopenReply { file }.encode(outs).map_err(bad)
            }
            Request::Stat(request) => {
                let reply = folders::stat(&self.directories, &request.name.to_lossy())?;
                reply.encode(outs).map_err(bad)
            }
            Request::Opendir(request) => {
                let list = folders::list(&self.directories, &request.name.to_lossy())?;
                if self.lists.len() >= MAX_OPEN {
                    return Err(EMFILE);
                }
                let dir = self.lists.keys().max().map_or(1, |last| last + 1);
                self.lists.insert(dir, list);
                apps_std::OpendirReply { dir }.encode(outs).map_err(bad)
            }
            Request::Readdir(request) => {
                let list = self.lists.get_mut(&request.dir).ok_or(EBADF)?;
                let entry = folders::next(list)?;
                let eof = u32::from(entry.is_none());
                let entry = entry.unwrap_or(apps_std::DirEntry {
                    ino: 0,
                    name: Vec::new(),
                });
                apps_std::ReaddirReply { entry, eof }.encode(outs).map_err(bad)
            }
            Request::Closedir(request) => self.lists.remove(&request.dir).map(|_| Vec::new()).ok_or(EBADF),
            Request::Fremove(_)
            | Request::Frename(_)
            | Request::Mkdir(_)
            | Request::Rmdir(_)
            | Request::Fwrite(_)
            | Request::Ftrunc(_) => Err(EROFS),
            Request::Flen(request) => {
                let len = self.file(request.file)?.metadata().map_err(|_| EIO)?.len();
                apps_std::FlenReply { len }.encode(outs).map_err(bad)
            }
            Request::Fseek(request) => {
                let offset = request.offset.into();
                let to = match request.whence {
                    SEEK_SET => SeekFrom::Start(u64::try_from(offset).map_err(|_| BAD_PARM)?),
                    SEEK_CUR => SeekFrom::Current(offset),
                    SEEK_END => SeekFrom::End(offset),
                    _ => return Err(BAD_PARM),
                };
                self.file(request.file)?.seek(to).map_err(|_| EIO)?;
                Ok(Vec::new())
            }
            Request::Ftell(request) => {
                let pos = self.file(request.file)?.stream_position().map_err(|_| EIO)?;
                let pos = u32::try_from(pos).map_err(|_| EIO)?;
                apps_std::FtellReply { pos }.encode(outs).map_err(bad)
            }
            Request::Fread(request) => {
                let wanted = request.data.0;
                if wanted > MAX_READ {
                    return Err(BAD_PARM);
                }
                let mut data = Vec::new();
                self.file(request.file)?
                    .take(wanted.into())
                    .read_to_end(&mut data)
                    .map_err(|_| EIO)?;
                let bytes_read = data.len() as u32;
                let eof = u32::from(bytes_read < wanted);
                apps_std::FreadReply {
                    bytes_read,
                    eof,
                    data,
                }
                .encode(outs)
                .map_err(bad)
            }
            Request::Fclose(request) => self.files.remove(&request.file).map(|_| Vec::new()).ok_or(EBADF),
            other => {
                tracing::debug!(target: "emu::services", method = other.name(), "apps_std: not served");
                Err(UNSUPPORTED)
            }
        }
    }

    fn file(&mut self, number: i32) -> Result<&mut File, i32> {
        self.files.get_mut(&number).ok_or(EBADF)
    }

    fn open(&mut self, name: &str) -> Result<i32, i32> {
        // Below the folders, and nowhere else.
        let stays = |part| matches!(part, Component::Normal(_) | Component::CurDir);
        if name.is_empty() || !Path::new(name).components().all(stays) {
            return Err(ENOENT);
        }
        let mut opened = self
            .directories
            .iter()
            .map(|directory| File::open(directory.join(name)));
        let file = opened.find_map(Result::ok).ok_or(ENOENT)?;
        self.add(file)
    }

    /// Gives an open file a number.
    fn add(&mut self, file: File) -> Result<i32, i32> {
        if self.files.len() >= MAX_OPEN {
            return Err(EMFILE);
        }
        let number = self.next_file;
        self.next_file = self.next_file.checked_add(1).unwrap_or(FIRST_FILE);
        self.files.insert(number, file);
        Ok(number)
    }

    fn mem(&self, payload: &Payload) -> Served {
        use apps_mem::Request;
        match Request::parse(payload, Kind::Plain).map_err(bad)? {
            Request::RequestMap64(request) if request.rflags == apps_mem::ADD_PAGES => {
                let len = u64::try_from(request.len).map_err(|_| BAD_PARM)?;
                let vadsp = self.session.grow_heap(len).map_err(|_| NO_MEMORY)?;
                apps_mem::RequestMap64Reply { vapps: 0, vadsp }
                    .encode(&payload.outs)
                    .map_err(bad)
            }
            other => {
                tracing::debug!(target: "emu::services", method = other.name(), "apps_mem: not served");
                Err(UNSUPPORTED)
            }
        }
    }

    fn log(&mut self, payload: &Payload) -> Served {
        let adspmsgd_apps::Request::Log(log) =
            adspmsgd_apps::Request::parse(payload, Kind::Plain).map_err(bad)?;
        for bytes in log.records.chunks(adspmsgd_apps::LogRecord::SIZE) {
            if let Ok(record) = adspmsgd_apps::LogRecord::parse(bytes) {
                (self.on_log)(&record);
            }
        }
        Ok(Vec::new())
    }
}

fn bad(error: PayloadError) -> i32 {
    tracing::warn!(target: "emu::services", "a reverse call is malformed: {error}");
    BAD_PARM
}
