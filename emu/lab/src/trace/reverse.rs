//! Reverse calls as a trace shows them: inside of the memory of a listener's `next2` calls.
//!
//! The answer's third argument is {context, handle, scalars, length of the pack}, its fourth the pack; the next request's first is
//! {context that is replied to, result, …}, its second the reply's pack (`rpmsg::iface::listener`).

use super::decode::Fields;
use super::{names, words};
use rpmsg::fastrpc::Scalars;
use rpmsg::iface::{name, tunnel};
use std::collections::HashMap;

/// Most handles of the AP that are remembered of a process.
const MAX_HANDLES: usize = 1024;

/// A call from the DSP to the AP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Reverse {
    /// Its number in the process.
    pub ctx: u32,
    /// Handle on the AP.
    pub handle: u32,
    /// Scalars.
    pub sc: Scalars,
    /// Name of what is behind the handle.
    pub interface: Option<String>,
    /// Name of the method.
    pub method: Option<&'static str>,
    /// The reply's result, once it is known.
    pub result: Option<i32>,
}

impl Reverse {
    /// `apps_std.fopen_with_env`
    #[must_use]
    pub fn name(&self) -> String {
        let handle = match &self.interface {
            Some(name) => name.clone(),
            None => format!("{:#x}", self.handle),
        };
        match self.method {
            Some(method) => format!("{handle}.{method}"),
            None => format!("{handle}.{}", self.sc.method()),
        }
    }
}

/// The reverse calls of one process.
#[derive(Debug, Default)]
pub(super) struct Listener {
    /// What the AP is working on.
    current: Option<Reverse>,
    /// The name that it opens.
    opens: Option<String>,
    /// The AP fetches its pack from the beginning.
    fetches: bool,
    /// It was replied to successfully, so its pack says the handle.
    replied: bool,
    handles: HashMap<u32, String>,
}

impl Listener {
    /// An answer to `next2`: the head.
    pub fn call(&mut self, bytes: &[u8], f: &mut Fields) -> Option<Reverse> {
        let &[ctx, handle, sc, length] = words(bytes).first_chunk()?;
        let sc = Scalars(sc);
        let interface = match handle {
            0 => Some(name::APPS_REMOTECTL.to_owned()),
            _ => self.handles.get(&handle).cloned(),
        };
        let method = names::method(
            None,
            interface.as_deref().unwrap_or_default(),
            u32::from(sc.method()),
        );
        let reverse = Reverse {
            ctx,
            handle,
            sc,
            interface,
            method,
            result: None,
        };
        f.number("reverse.ctx", ctx).hex("reverse.handle", handle);
        if let Some(name) = &reverse.interface {
            f.text("reverse.interface", name.as_str());
        }
        f.number("reverse.method", sc.method());
        if let Some(name) = method {
            f.text("reverse.method_name", name);
        }
        f.number("reverse.length", length);
        self.current = Some(reverse.clone());
        (self.opens, self.replied) = (None, false);
        Some(reverse)
    }

    /// Its pack.
    pub fn call_pack(&mut self, bytes: &[u8]) {
        let Some(current) = &self.current else { return };
        if (current.handle, current.sc.method()) == (0, 0)
            && let Ok((ins, _)) = tunnel::unpack_in(bytes, 2, 0)
        {
            self.opens = ins.get(1).map(|name| names::module(name));
        }
    }

    /// A `get_in_bufs2` request: {context, offset, capacity}.
    pub fn fetches(&mut self, bytes: &[u8]) {
        self.fetches = words(bytes).get(1) == Some(&0);
    }

    /// Its answer: the pack, or as much as fits.
    pub fn fetched(&mut self, bytes: &[u8]) {
        if std::mem::take(&mut self.fetches) {
            self.call_pack(bytes);
        }
    }

    /// A `next2` request: the head.
    pub fn reply(&mut self, bytes: &[u8], f: &mut Fields) -> Option<Reverse> {
        let &[ctx, result] = words(bytes).first_chunk()?;
        if ctx == 0 {
            return None;
        }
        f.number("reverse.ctx", ctx).hex("reverse.result", result);
        self.replied = result == 0;
        let mut reverse = self.current.clone().filter(|r| r.ctx == ctx)?;
        reverse.result = Some(result.cast_signed());
        Some(reverse)
    }

    /// Its pack.
    pub fn reply_pack(&mut self, bytes: &[u8]) {
        let Some(name) = self.opens.take().filter(|_| self.replied) else {
            return;
        };
        // {u32 length, padding to 8, handle, error}
        if let Some(&[length, _, handle, 0]) = words(bytes).first_chunk()
            && length >= 8
            && self.handles.len() < MAX_HANDLES
        {
            self.handles.insert(handle, name);
        }
    }
}
