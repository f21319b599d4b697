//! Files of the AP, as `<stdio.h>` and `<unistd.h>` have them here: opened, read ahead, written behind, positioned and closed.
//!
//! Every question is one call of the AP's `apps_std`; the DSP thread that asks is parked meanwhile, and other threads may use the
//! same file: what each read adds is in the order of the AP's answers. Up to a page is read ahead and written behind. Absolute paths
//! are the AP's; others, when they are opened to be read, are looked for along the search path of the AP's library, as the DSP's own
//! loader does it.

use super::errno::{EBADF, EINVAL, EIO, EMFILE, ENOENT, EOVERFLOW, ESPIPE, fail};
use super::log_text::emit;
use super::memory_file;
use crate::ap::ApError;
use crate::kernel::asking::{Answer, Question};
use crate::kernel::call::{Call, Done, Outcome, Stop};
use crate::library_state::files::{Behind, Buffering, Closed, File, Memory};
use rpmsg::iface::apps_std::{self, Request, SEEK_CUR};
use rpmsg::iface::{Cap, Method, Reply as _, Text};

/// Bytes that are read ahead and written behind.
pub(super) const PAGE: usize = 4096;
/// Most bytes that one question reads or writes.
const MOST: usize = 256 << 10;
/// The variable with the AP's search path, and what separates its elements.
const SEARCH_PATH: (&str, &str) = ("ADSP_LIBRARY_PATH", ";");

/// What goes on when something has been done; gets an error number if it failed.
pub(super) type Then<T> = Box<dyn FnOnce(&mut Call<'_>, Result<T, u32>) -> Done + Send>;

/// The error number of a failed question.
fn number(error: &ApError) -> u32 {
    match *error {
        // Results are errno numbers, or AEE codes, which are larger or have no errno.
        ApError::NotFound { errno: code, .. } | ApError::Failed(code) if (1..4096).contains(&code) => code,
        _ => EIO,
    }
}

/// Asks the AP; the answer is parsed as that reply.
pub(super) fn ask<M>(method: M, then: Then<M::Reply>) -> Done
where
    M: Method + Into<Request>,
    M::Reply: 'static,
{
    question::<M>(Question::Plain(method.into()), then)
}

/// Asks the AP for something at another place of an open file, whose position stays what it is.
pub(super) fn ask_elsewhere<M>(file: i32, offset: i32, method: M, then: Then<M::Reply>) -> Done
where
    M: Method + Into<Request>,
    M::Reply: 'static,
{
    let request = method.into();
    question::<M>(
        Question::Elsewhere {
            file,
            offset,
            request,
        },
        then,
    )
}

fn question<M>(question: Question, then: Then<M::Reply>) -> Done
where
    M: Method + Into<Request>,
    M::Reply: 'static,
{
    let answered = move |c: &mut Call<'_>, answer: Answer| {
        let reply = match answer {
            Ok(outs) => M::Reply::parse(&outs).map_err(|_| EIO),
            Err(error) => Err(number(&error)),
        };
        then(c, reply)
    };
    Ok(Outcome::Ask(Box::new(question), Box::new(answered)))
}

/// Tells the log once of a path that could not be opened.
fn tell(c: &mut Call<'_>, path: &str, error: u32) {
    if c.os.lib.files.tell(path) {
        let (process, why) = (&c.os.shared.config.name, super::errno::text(error).unwrap_or("?"));
        tracing::warn!(target: "emu::os", process, path, errno = error, "a file of the AP cannot be opened: {why}");
    }
}

/// A C mode: may it be read and written, and the mode as the AP gets it.
fn mode(text: &[u8]) -> Option<(bool, bool)> {
    let (&kind, rest) = text.split_first()?;
    let both = rest.contains(&b'+');
    match kind {
        b'r' => Some((true, both)),
        b'w' | b'a' => Some((both, true)),
        _ => None,
    }
}

/// Opens a file by a C mode; gives its descriptor.
pub(super) fn open(c: &mut Call<'_>, path: Vec<u8>, mode_text: Vec<u8>, then: Then<i32>) -> Done {
    let Some((read, write)) = mode(&mode_text) else {
        return then(c, Err(EINVAL));
    };
    if path.is_empty() {
        return then(c, Err(ENOENT));
    }
    if !c.os.lib.files.has_room() {
        return then(c, Err(EMFILE));
    }
    let path = String::from_utf8_lossy(&path).into_owned();
    let mode_text = String::from_utf8_lossy(&mode_text).into_owned();
    let (name, mode) = (Text::from(path.as_str()), Text::from(mode_text.as_str()));
    let append = mode_text.starts_with('a');
    let opened = move |c: &mut Call<'_>, file: Result<i32, u32>| match file {
        Ok(number) => {
            let file = File {
                behind: Behind::Ap(number),
                read,
                write,
                append,
                ..File::default()
            };
            match c.os.lib.files.add(file) {
                Ok(fd) => then(c, Ok(fd)),
                // Another thread has opened the last one meanwhile.
                Err(_) => ask(
                    apps_std::Fclose { file: number },
                    Box::new(move |c, _| then(c, Err(EMFILE))),
                ),
            }
        }
        Err(error) => {
            tell(c, &path, error);
            then(c, Err(error))
        }
    };
    if write || matches!(name.0.first(), Some(b'/')) {
        let open = apps_std::Fopen { name, mode };
        return ask(open, Box::new(|c, r| opened(c, r.map(|r| r.file))));
    }
    let open = apps_std::FopenWithEnv {
        env: Text::from(SEARCH_PATH.0),
        delim: Text::from(SEARCH_PATH.1),
        name,
        mode,
    };
    ask(open, Box::new(|c, r| opened(c, r.map(|r| r.file))))
}

/// A file, if it may be used like this; otherwise that is its error.
fn file_for<'a>(c: &'a mut Call<'_>, fd: i32, may: impl Fn(&File) -> bool) -> Option<&'a mut File> {
    let file = c.os.lib.files.get(fd)?;
    if may(file) {
        return Some(file);
    }
    file.error = true;
    None
}

/// The descriptor that argument `n` is, or -1, which no file has: numbers below stand for streams of memory.
pub(super) fn descriptor(c: &Call<'_>, n: usize) -> Result<i32, Stop> {
    Ok((c.arg(n)? as i32).max(-1))
}

/// Closes a descriptor, after what was written reached the AP; with a file's last one the file is closed.
pub(super) fn close(c: &mut Call<'_>, fd: i32, then: Then<()>) -> Done {
    flush(
        c,
        fd,
        Box::new(move |c, flushed| {
            let behind = match c.os.lib.files.remove(fd) {
                Some(Closed::Last(file)) => file.behind,
                Some(Closed::Shared) => return then(c, flushed),
                None => return then(c, Err(EBADF)),
            };
            match behind {
                Behind::Ap(file) => {
                    let close = apps_std::Fclose { file };
                    ask(close, Box::new(move |c, closed| then(c, flushed.and(closed))))
                }
                Behind::Memory(memory) => {
                    memory_file::close(c, memory);
                    then(c, flushed)
                }
                Behind::Nothing | Behind::Log => then(c, flushed),
            }
        }),
    )
}

/// Reads about `want` more bytes into the file's buffer. Nothing more: its end was met.
pub(super) fn fill(c: &mut Call<'_>, fd: i32, want: usize, then: Then<()>) -> Done {
    let Some(file) = file_for(c, fd, |file| file.read) else {
        return then(c, Err(EBADF));
    };
    if !file.unwritten.is_empty() {
        let again = move |c: &mut Call<'_>, flushed: Result<(), u32>| match flushed {
            Ok(()) => fill(c, fd, want, then),
            Err(error) => then(c, Err(error)),
        };
        return flush(c, fd, Box::new(again));
    }
    let number = match file.behind {
        Behind::Ap(number) => number,
        Behind::Memory(memory) => {
            let bytes = memory_file::next(c, &memory, want.clamp(1, MOST))?;
            let came = memory_file::came(c, fd, &bytes);
            return then(c, came);
        }
        Behind::Nothing | Behind::Log => {
            file.end = true;
            return then(c, Ok(()));
        }
    };
    let read = apps_std::Fread {
        file: number,
        data: Cap(want.clamp(1, MOST) as u32),
    };
    ask(
        read,
        Box::new(move |c, reply| {
            let Some(file) = c.os.lib.files.get(fd) else {
                return then(c, Err(EBADF));
            };
            let result = match reply {
                Ok(reply) => {
                    let count = (reply.bytes_read as usize).min(reply.data.len());
                    file.unread.extend(&reply.data[..count]);
                    file.end |= reply.eof != 0 || count == 0;
                    Ok(())
                }
                Err(error) => {
                    file.error = true;
                    Err(error)
                }
            };
            then(c, result)
        }),
    )
}

/// Takes up to `most` bytes that have been read already.
pub(super) fn take(c: &mut Call<'_>, fd: i32, most: usize) -> Vec<u8> {
    let Some(file) = c.os.lib.files.get(fd) else {
        return Vec::new();
    };
    let count = most.min(file.unread.len());
    file.unread.drain(..count).collect()
}

/// Was the end of the file met?
pub(super) fn at_end(c: &mut Call<'_>, fd: i32) -> bool {
    c.os.lib.files.get(fd).is_some_and(|file| file.end)
}

/// Does text that is written there go to the log?
pub(super) fn is_log(c: &mut Call<'_>, fd: i32) -> bool {
    let file = c.os.lib.files.get(fd);
    file.is_some_and(|file| file.behind == Behind::Log)
}

/// Writes bytes and returns `value`, or -1.
pub(super) fn put_for(c: &mut Call<'_>, fd: i32, bytes: Vec<u8>, value: u32) -> Done {
    let written = move |c: &mut Call<'_>, written: Result<(), u32>| match written {
        Ok(()) => c.ret(value),
        Err(error) => fail(c, error),
    };
    put(c, fd, bytes, Box::new(written))
}

/// Is it memory of wide characters?
pub(super) fn is_wide_memory(c: &mut Call<'_>, fd: i32) -> bool {
    c.os.lib.files.get(fd).is_some_and(|file| file.is_wide())
}

/// Does it take no bytes? To write some is its error then.
fn refuses_bytes(c: &mut Call<'_>, fd: i32) -> bool {
    let file = c.os.lib.files.get(fd).filter(|file| file.is_wide());
    file.is_some_and(|file| {
        file.error = true;
        true
    })
}

/// Writes wide characters to memory of such and returns `value`, or -1.
pub(super) fn put_wide_for(c: &mut Call<'_>, fd: i32, text: &[u32], value: u32) -> Done {
    let written = move |c: &mut Call<'_>, written: Result<(), u32>| match written {
        Ok(()) => c.ret(value),
        Err(error) => fail(c, error),
    };
    let bytes = text.iter().flat_map(|wide| wide.to_le_bytes()).collect();
    put_raw(c, fd, bytes, Box::new(written))
}

/// Writes bytes: to the log, or behind.
pub(super) fn put(c: &mut Call<'_>, fd: i32, bytes: Vec<u8>, then: Then<()>) -> Done {
    match refuses_bytes(c, fd) {
        true => then(c, Err(EINVAL)),
        false => put_raw(c, fd, bytes, then),
    }
}

/// Writes bytes as they stand behind the file.
fn put_raw(c: &mut Call<'_>, fd: i32, bytes: Vec<u8>, then: Then<()>) -> Done {
    let Some(file) = file_for(c, fd, |file| file.write) else {
        return then(c, Err(EBADF));
    };
    if file.behind == Behind::Log {
        emit(c, &bytes);
        return then(c, Ok(()));
    }
    if !file.unread.is_empty() {
        let again = move |c: &mut Call<'_>, moved: Result<(), u32>| match moved {
            Ok(()) => put_raw(c, fd, bytes, then),
            Err(error) => then(c, Err(error)),
        };
        return forget_unread(c, fd, Box::new(again));
    }
    file.end = false;
    let at_once = match file.buffering {
        Buffering::Full => false,
        Buffering::Lines => bytes.contains(&b'\n'),
        Buffering::Nothing => true,
    };
    file.unwritten.extend(bytes);
    if file.unwritten.len() < PAGE && !at_once {
        return then(c, Ok(()));
    }
    flush(c, fd, then)
}

/// Gives up what was read ahead: the position of what is behind the file becomes the program's.
pub(super) fn forget_unread(c: &mut Call<'_>, fd: i32, then: Then<()>) -> Done {
    let Some(file) = c.os.lib.files.get(fd) else {
        return then(c, Err(EBADF));
    };
    let ahead = file.unread.len();
    file.unread.clear();
    if ahead == 0 {
        return then(c, Ok(()));
    }
    file.end = false;
    match &mut file.behind {
        Behind::Ap(number) => {
            let seek = apps_std::Fseek {
                file: *number,
                offset: i32::try_from(ahead).map_or(0, |n| -n),
                whence: SEEK_CUR,
            };
            ask(seek, then)
        }
        Behind::Memory(memory) => {
            memory.position = memory.position.saturating_sub(ahead as u32);
            then(c, Ok(()))
        }
        Behind::Nothing | Behind::Log => then(c, Ok(())),
    }
}

/// Hands everything that was written to the AP.
pub(super) fn flush(c: &mut Call<'_>, fd: i32, then: Then<()>) -> Done {
    let Some(file) = c.os.lib.files.get(fd) else {
        return then(c, Err(EBADF));
    };
    let number = match file.behind {
        Behind::Ap(number) => number,
        Behind::Memory(_) => {
            let data = std::mem::take(&mut file.unwritten);
            return memory_file::write(c, fd, data, then);
        }
        Behind::Nothing | Behind::Log => return then(c, Ok(())),
    };
    if file.unwritten.is_empty() {
        return then(c, Ok(()));
    }
    let count = file.unwritten.len().min(MOST);
    let data: Vec<u8> = file.unwritten.drain(..count).collect();
    let write = apps_std::Fwrite { file: number, data };
    ask(
        write,
        Box::new(move |c, reply| {
            let written = match reply {
                Ok(reply) if reply.bytes_written as usize >= count => Ok(()),
                Ok(_) => Err(EIO),
                Err(error) => Err(error),
            };
            match written {
                Ok(()) => flush(c, fd, then),
                Err(error) => {
                    if let Some(file) = c.os.lib.files.get(fd) {
                        file.error = true;
                        file.unwritten.clear();
                    }
                    then(c, Err(error))
                }
            }
        }),
    )
}

/// Moves a file's position.
pub(super) fn seek(c: &mut Call<'_>, fd: i32, offset: i64, whence: u32, then: Then<()>) -> Done {
    if whence > 2 {
        return then(c, Err(EINVAL));
    }
    flush(
        c,
        fd,
        Box::new(move |c, flushed| {
            let Some(file) = c.os.lib.files.get(fd) else {
                return then(c, Err(EBADF));
            };
            if let Err(error) = flushed {
                return then(c, Err(error));
            }
            // The AP's position is ahead by what was read and not taken.
            let ahead = file.unread.len() as i64;
            let offset = if whence == SEEK_CUR {
                offset.checked_sub(ahead)
            } else {
                Some(offset)
            };
            let number = match &mut file.behind {
                Behind::Ap(number) => *number,
                Behind::Memory(memory) => {
                    let moved = memory_file::seek(memory, offset, whence);
                    if moved.is_ok() {
                        file.unread.clear();
                        file.end = false;
                    }
                    return then(c, moved);
                }
                Behind::Nothing | Behind::Log => return then(c, Err(ESPIPE)),
            };
            let Some(offset) = offset.and_then(|offset| i32::try_from(offset).ok()) else {
                return then(c, Err(EOVERFLOW));
            };
            file.unread.clear();
            file.end = false;
            let seek = apps_std::Fseek {
                file: number,
                offset,
                whence,
            };
            ask(seek, then)
        }),
    )
}

/// A file's position.
pub(super) fn tell_position(c: &mut Call<'_>, fd: i32, then: Then<u32>) -> Done {
    flush(
        c,
        fd,
        Box::new(move |c, flushed| {
            let Some(file) = c.os.lib.files.get(fd) else {
                return then(c, Err(EBADF));
            };
            if let Err(error) = flushed {
                return then(c, Err(error));
            }
            let number = match file.behind {
                Behind::Ap(number) => number,
                Behind::Memory(memory) => {
                    let at = memory.position.saturating_sub(file.unread.len() as u32);
                    return then(c, Ok(at / memory.unit()));
                }
                Behind::Nothing | Behind::Log => return then(c, Err(ESPIPE)),
            };
            let tell = apps_std::Ftell { file: number };
            ask(
                tell,
                Box::new(move |c, reply| {
                    let ahead = c.os.lib.files.get(fd).map_or(0, |file| file.unread.len() as u32);
                    then(c, reply.map(|reply| reply.pos.saturating_sub(ahead)))
                }),
            )
        }),
    )
}

/// Writes a range of the program's memory, piece by piece; gives how many bytes went.
pub(super) fn put_range(c: &mut Call<'_>, fd: i32, at: u32, left: u32, done: u32, then: Then<u32>) -> Done {
    if refuses_bytes(c, fd) {
        return then(c, Err(EINVAL));
    }
    if left > 0
        && c.os
            .lib
            .files
            .get(fd)
            .is_some_and(|file| file.write && file.memory().is_some())
    {
        let emptied = move |c: &mut Call<'_>, emptied: Result<(), u32>| match emptied {
            Ok(()) => memory_file::write_range(c, fd, (at, left), then),
            Err(error) => then(c, Err(error)),
        };
        let flushed = move |c: &mut Call<'_>, flushed: Result<(), u32>| match flushed {
            Ok(()) => forget_unread(c, fd, Box::new(emptied)),
            Err(error) => emptied(c, Err(error)),
        };
        return flush(c, fd, Box::new(flushed));
    }
    if is_log(c, fd) {
        // Nothing is waited for: going on by `then` after each piece would use the host's stack up.
        for offset in (0..left).step_by(MOST) {
            let piece = (left - offset).min(MOST as u32);
            let bytes = c.load(at.wrapping_add(offset), piece)?;
            emit(c, &bytes);
        }
        return then(c, Ok(done + left));
    }
    let piece = left.min(MOST as u32);
    if piece == 0 {
        return then(c, Ok(done));
    }
    let bytes = c.load(at, piece)?;
    let next = move |c: &mut Call<'_>, put: Result<(), u32>| match put {
        Ok(()) => put_range(c, fd, at.wrapping_add(piece), left - piece, done + piece, then),
        Err(error) if done == 0 => then(c, Err(error)),
        Err(_) => then(c, Ok(done)),
    };
    put(c, fd, bytes, Box::new(next))
}

/// Reads into the program's memory until there is `left`, or the end; gives how many bytes came. `ahead`: read a page if less is
/// wanted.
pub(super) fn take_range(c: &mut Call<'_>, fd: i32, at: u32, left: u32, done: u32, then: Then<u32>) -> Done {
    let bytes = take(c, fd, left as usize);
    c.store(at, &bytes)?;
    let (at, left, done) = (
        at.wrapping_add(bytes.len() as u32),
        left - bytes.len() as u32,
        done + bytes.len() as u32,
    );
    if left == 0 {
        return then(c, Ok(done));
    }
    // Nothing is waited for, so all of it comes at once.
    if let Some(memory) = memory_to_read(c, fd) {
        let came = memory_file::read_range(c, fd, &memory, (at, left))?;
        return then(c, Ok(done + came));
    }
    let next = move |c: &mut Call<'_>, filled: Result<(), u32>| match filled {
        Ok(()) if has_unread(c, fd) => take_range(c, fd, at, left, done, then),
        Ok(()) => then(c, Ok(done)),
        Err(error) if done == 0 => then(c, Err(error)),
        Err(_) => then(c, Ok(done)),
    };
    fill(c, fd, (left as usize).max(PAGE), Box::new(next))
}

/// The memory behind a stream that may be read and has nothing to be written first.
fn memory_to_read(c: &mut Call<'_>, fd: i32) -> Option<Memory> {
    let file = c.os.lib.files.get(fd)?;
    let ready = file.read && file.unwritten.is_empty();
    file.memory().map(|memory| *memory).filter(|_| ready)
}

fn has_unread(c: &mut Call<'_>, fd: i32) -> bool {
    c.os.lib.files.get(fd).is_some_and(|file| !file.unread.is_empty())
}

/// A path of the program's.
pub(super) fn path(c: &Call<'_>, at: u32) -> Result<Text, Stop> {
    let path = c.cstr_max(at, 4096)?;
    Ok(Text::from(String::from_utf8_lossy(&path).as_ref()))
}
