//! Which driver speaks, as its messages tell it.
//!
//! Both drivers mark the request that creates a process with a protection domain in the low bits of its context. Drivers of the
//! FastRPC kind keep that mark in every message of the file (`fl->pd`, fastrpc.c, `fastrpc_context_alloc`); QDA puts it into that
//! one request (drivers/accel/qda/qda_fastrpc.c, `fastrpc_prepare_args_init_create`) and no other. So a file that has created a
//! process and then speaks without the mark is QDA's. The opposite proves nothing, since QDA may come to keep the mark, too.

use rpmsg::fastrpc::control::method;
use rpmsg::fastrpc::{Ctx, Message};
use rpmsg::iface::handle;
use std::collections::BTreeSet;

/// Most files that are remembered.
const MAX_FILES: usize = 4096;

/// What is known of the driver of one channel.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sighting {
    qda: bool,
    /// Clients that have created a process with the mark.
    created: BTreeSet<i32>,
}

impl Sighting {
    /// Of a driver that is known to be QDA.
    #[must_use]
    pub const fn qda() -> Self {
        Self {
            qda: true,
            created: BTreeSet::new(),
        }
    }

    /// Whether it is QDA; `false` while nothing proves it.
    #[must_use]
    pub const fn is_qda(&self) -> bool {
        self.qda
    }

    /// A request came.
    pub fn request(&mut self, message: &Message) {
        if message.client_id != 0 {
            self.speaks(message.client_id, message.ctx);
        }
    }

    /// A request of the driver's own, for this client, came.
    pub fn control(&mut self, message: &Message, client: i32) {
        if message.handle != handle::PROCESS_CONTROL || message.client_id != 0 {
            return;
        }
        match message.sc.method() {
            method::CREATE | method::CREATE_ATTR => {
                if mark(message.ctx) != 0 && self.created.len() < MAX_FILES {
                    self.created.insert(client);
                }
            }
            // A number that comes back is another file's.
            method::ATTACH => {
                self.created.remove(&client);
            }
            method::RELEASE => {
                self.speaks(client, message.ctx);
                self.created.remove(&client);
            }
            _ => self.speaks(client, message.ctx),
        }
    }

    /// The channel is gone, and its files' numbers with it.
    pub fn closed(&mut self) {
        self.created.clear();
    }

    fn speaks(&mut self, client: i32, ctx: Ctx) {
        self.qda |= mark(ctx) == 0 && self.created.contains(&client);
    }
}

/// The protection domain in a context, whatever its number means.
const fn mark(ctx: Ctx) -> u64 {
    ctx.0 & 0xf
}

/// What a program asked QDA for when the driver made this request of its own (include/uapi/drm/qda_accel.h); `close` is the end of
/// the file.
#[must_use]
pub const fn qda_request(number: u8) -> Option<&'static str> {
    Some(match number {
        method::ATTACH => "INIT_ATTACH",
        method::RELEASE => "close",
        method::MMAP => "REMOTE_MAP legacy",
        method::MUNMAP => "REMOTE_MUNMAP legacy",
        method::CREATE | method::CREATE_ATTR => "REMOTE_SESSION_CREATE",
        method::MEM_MAP => "REMOTE_MAP attr",
        method::MEM_UNMAP => "REMOTE_MUNMAP attr",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use rpmsg::fastrpc::Scalars;

    fn message(client_id: i32, ctx: u64, handle: u32, method: u8) -> Message {
        Message {
            client_id,
            tid: 1,
            ctx: Ctx(ctx),
            handle,
            sc: Scalars::new(method, 1, 0),
            addr: 0,
            size: 4096,
        }
    }

    fn control(seen: &mut Sighting, ctx: u64, method: u8, client: i32) -> bool {
        seen.control(&message(0, ctx, 1, method), client);
        seen.is_qda()
    }

    fn call(seen: &mut Sighting, ctx: u64, client: i32) -> bool {
        seen.request(&message(client, ctx, 3, 4));
        seen.is_qda()
    }

    #[test]
    fn a_file_that_created_a_process_and_speaks_without_the_mark_is_qdas() {
        let mut seen = Sighting::default();
        assert!(!control(&mut seen, 0x11, method::CREATE_ATTR, 1));
        assert!(!call(&mut seen, 0x10, 2), "another file");
        assert!(call(&mut seen, 0x10, 1));
        let mut seen = Sighting::default();
        assert!(!control(&mut seen, 0x11, method::CREATE, 1));
        assert!(control(&mut seen, 0x10, method::RELEASE, 1));
    }

    #[test]
    fn fastrpcs_files_keep_their_mark() {
        let mut seen = Sighting::default();
        for sequence in 0..1000 {
            let ctx = |pd: u64| sequence << 16 | 0x100 | pd;
            assert!(!control(&mut seen, ctx(1), method::CREATE, 1));
            assert!(!call(&mut seen, ctx(1), 1));
            assert!(!control(&mut seen, ctx(1), method::MMAP, 1));
            assert!(!control(&mut seen, ctx(1), method::RELEASE, 1));
            // The number is a daemon's now, which attaches to the root process.
            assert!(!control(&mut seen, ctx(0), method::ATTACH, 1));
            assert!(!call(&mut seen, ctx(0), 1));
            assert!(!control(&mut seen, ctx(0), method::RELEASE, 1));
            // And now one of a file that asks for nothing but capabilities.
            assert!(!call(&mut seen, ctx(0), 1));
        }
    }

    #[test]
    fn numbers_of_an_earlier_channel_prove_nothing() {
        let mut seen = Sighting::default();
        assert!(!control(&mut seen, 0x11, method::CREATE, 1));
        seen.closed();
        assert!(!call(&mut seen, 0x10, 1));
    }
}
