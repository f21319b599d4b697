//! The books of one life of the channel: processes, what their messages gave the DSP, calls that are open.
//!
//! What the driver holds and until when (fastrpc.c): an invoke buffer and the maps of buffer arguments until the context is
//! freed, which is never before the answer; maps of DMA handles until the DSP lists the descriptor or the session's user
//! is freed; initial memory until then; MMAP's and MEM_MAP's memory until the DSP has answered the unmapping with success, or
//! until then, too. The user is freed after the answer to RELEASE.

use super::ctx::{Key, Numbers};
use super::finding::Kind;
use super::grants::{Grant, What, capital, check_live, still_mapped};
use super::look::{Addresses, Span, gaps, same, spans};
use super::note::SharedNote;
use super::request::{Request, window};
use super::{Books, Config};
use emu_core::mem::Bus;
use rpmsg::fastrpc::Arg;
use rpmsg::fastrpc::control::{Control, MMAP_REMOTE_HEAP};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

/// Grants of one process that are looked at one by one before those that are gone are thrown away.
const MANY_GRANTS: usize = 256;
/// Most grants of one process.
const MAX_GRANTS: usize = 4096;
/// Grants that are remembered after they ended, for accesses that come late.
const MAX_PAST: usize = 1024;
/// Requests after a release at which it is looked what is unmapped.
const MAX_LOOKS: u8 = 16;
/// Most processes of one life that are remembered after their release.
const MAX_PROCESSES: usize = 1024;

/// A range that the DSP was asked to map and gave an address for.
#[derive(Debug, Clone)]
struct DspMap {
    /// Of a mem map; `None` for mmap.
    fd: Option<i32>,
    vaddr: u64,
    /// Unmappings of it that are not answered.
    unmapping: usize,
    history: Vec<SharedNote>,
}

/// A process on the DSP, or a session that never made one.
#[derive(Debug)]
pub(super) struct Process {
    pub stream: u16,
    pub sid: u32,
    pub client: i32,
    pub name: Option<String>,
    pub grants: Vec<Grant>,
    /// Messages about its life.
    pub history: Vec<SharedNote>,
    /// Creations that were not refused, less releases.
    opens: i64,
    /// When the answer to its release went out.
    pub released: Option<Instant>,
    maps: Vec<DspMap>,
    /// What was unmapped: (descriptor, DSP address).
    gone: BTreeSet<(Option<i32>, u64)>,
    /// Processes before it on the same stream whose mappings were live when it came, with what was.
    pub found: Vec<(u64, Vec<Addresses>)>,
    /// Grants that were thrown away because there were too many.
    pub forgotten: u64,
    /// How often it was looked, after the release, what is unmapped by now.
    looks: u8,
}

impl Process {
    /// `client 1 ("name") on stream 0x11a1`
    pub fn title(&self) -> String {
        let name = self
            .name
            .as_ref()
            .map_or_else(String::new, |name| format!(" ({name:?})"));
        format!("client {}{name} on stream {:#x}", self.client, self.stream)
    }
}

/// A call that is not answered.
#[derive(Debug)]
pub(super) struct OpenCall {
    pub request: Request,
    pub process: Option<u64>,
    pub note: SharedNote,
}

/// Everything of one life.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub processes: BTreeMap<u64, Process>,
    /// (stream, client) → process.
    current: BTreeMap<(u16, i32), u64>,
    next: u64,
    pub calls: BTreeMap<Key, OpenCall>,
    /// Grants of calls that belong to no process (the kernel's question for attributes).
    pub unowned: Vec<Grant>,
    numbers: Numbers,
    /// Who answered a number last, for findings about it.
    answered: BTreeMap<u64, (SharedNote, SharedNote)>,
    /// Grants that ended.
    past: Vec<Grant>,
}

impl Ledger {
    /// A request arrived.
    pub fn request(&mut self, request: Request, note: &SharedNote, books: &mut Books<'_>) {
        self.look_after(books.bus);
        let key = self.numbers.request(request.message.ctx.0);
        self.context(key, &request, note, books);
        if let Some(wrong) = &request.wrong {
            books
                .find(Kind::BadPages, format!("A request makes no sense: {wrong}"))
                .about(&request)
                .history([note]);
        }
        let Some(stream) = request.stream else { return };
        let process = self.process(stream, &request, note, books);
        let mut given = vec![(What::InvokeBuffer, request.invoke, true)];
        let (ins, bufs) = (request.message.sc.in_bufs(), request.message.sc.bufs());
        for (index, arg) in request.args.iter().enumerate() {
            match *arg {
                Arg::Buffer { page, .. } => {
                    let page = Addresses {
                        iova: page.addr,
                        len: page.size,
                    };
                    given.push((What::Argument, page, (ins..bufs).contains(&index)));
                }
                Arg::Handle {
                    fd, page: Some(page), ..
                } => {
                    let page = Addresses {
                        iova: page.addr,
                        len: page.size,
                    };
                    given.push((What::Handle(fd), page, false));
                }
                _ => {}
            }
        }
        given.extend(self.memory(&request, books.config));
        for (what, window, writes) in given {
            self.give(
                stream,
                process,
                key,
                &request,
                (what, window, writes),
                note,
                books,
            );
        }
        if let Some(process) = process {
            self.unmapping(process, &request, note, books);
        }
        let call = OpenCall {
            request,
            process,
            note: note.clone(),
        };
        self.calls.insert(key, call);
    }

    /// What was seen unmapped after a release is gone for good, whatever comes to stand there later without a message.
    fn look_after(&mut self, bus: &Bus) {
        let mut ended = Vec::new();
        for process in self.processes.values_mut() {
            if process.released.is_none() || process.looks >= MAX_LOOKS {
                continue;
            }
            process.looks += 1;
            let (kept, gone) = std::mem::take(&mut process.grants)
                .into_iter()
                .partition(|g| !still_mapped(std::slice::from_ref(g), bus).is_empty());
            process.grants = kept;
            ended.extend::<Vec<Grant>>(gone);
        }
        self.remember(ended);
    }

    /// Looks at a new context's number.
    fn context(&mut self, key: Key, request: &Request, note: &SharedNote, books: &mut Books<'_>) {
        let number = self.numbers.number(key);
        let open: BTreeSet<u64> = self.calls.keys().map(|k| self.numbers.number(*k)).collect();
        if let Some(call) = self
            .calls
            .iter()
            .find(|(k, _)| self.numbers.number(**k) == number)
            .map(|(_, call)| call)
        {
            let text = format!(
                "Context number {number} was given out again although its call was not answered: the driver has freed what the DSP still uses"
            );
            books
                .find(Kind::ContextReused, text)
                .about(request)
                .history([&call.note, note]);
        }
        for kept in self.numbers.seen(key, |n| open.contains(&n)) {
            let text = format!(
                "Context number {kept} was answered but is never given out again: its context was not freed"
            );
            let finding = books.find(Kind::ContextKept, text).field("number", kept);
            match self.answered.get(&kept) {
                Some((asked, answered)) => finding.history([asked, answered, note]),
                None => finding.history([note]),
            };
        }
    }

    /// The memory that process control gives besides its arguments.
    fn memory(&self, request: &Request, config: &Config) -> Option<(What, Addresses, bool)> {
        let (what, page) = match request.control {
            Some(Control::Create { memory, .. }) => (What::InitialMemory, memory),
            // The remote heap is a physical address.
            Some(Control::Mmap { flags, page, .. }) if flags != MMAP_REMOTE_HEAP => (What::Heap, page),
            Some(Control::MemMap { fd, page, .. }) => (What::MemMap(fd), page),
            _ => return None,
        };
        let (sid, iova) = config.dsp.addressing.split(page.addr);
        let window = Addresses { iova, len: page.size };
        (sid == request.sid && page.size != 0).then_some((what, window, !matches!(what, What::MemMap(_))))
    }

    /// Books a window and looks whether it is what the message says.
    #[allow(clippy::too_many_arguments)]
    fn give(
        &mut self,
        stream: u16,
        process: Option<u64>,
        key: Key,
        request: &Request,
        (what, window, writes): (What, Addresses, bool),
        note: &SharedNote,
        books: &mut Books<'_>,
    ) {
        // Nothing is translated: there are no mappings.
        let Some(spans) = spans(books.bus, stream, window) else {
            return;
        };
        let missing = gaps(&spans, window);
        if !missing.is_empty() {
            let text = format!(
                "{} is told as {}, but {} of it {} not mapped",
                capital(what.text()),
                self::window(window),
                super::report::size(missing.iter().map(|g| g.len).sum()),
                if missing.len() == 1 { "is" } else { "are" },
            );
            books
                .find(Kind::ShortMapping, text)
                .about(request)
                .field("what", what.name())
                .ranges(missing)
                .history([note]);
        } else if writes && spans.iter().any(|span| !span.write) {
            let text = format!(
                "{} at {} is for writing, but is mapped read-only",
                capital(what.text()),
                self::window(window)
            );
            books
                .find(Kind::BadPages, text)
                .about(request)
                .field("what", what.name())
                .ranges(vec![window])
                .history([note]);
        }
        self.supersede(stream, process, (what, window), note);
        self.exclusive(stream, key, request, (what, window), &spans, note, books);
        let grant = Grant {
            stream,
            window,
            what,
            spans,
            note: note.clone(),
            key,
            live: true,
            ended: None,
        };
        let grants = match process.and_then(|id| self.processes.get_mut(&id)) {
            Some(process) => &mut process.grants,
            None => &mut self.unowned,
        };
        // The same window of a buffer that stays mapped is told with every call: the latest message is enough.
        grants.retain(|g| g.live || g.stream != stream || g.window != window || g.what != what);
        grants.push(grant);
        if grants.len() > MANY_GRANTS && grants.len().is_multiple_of(MANY_GRANTS) {
            self.tidy(process, books.bus);
        }
    }

    /// Whoever else held these addresses has given them back: the kernel gives addresses out once.
    fn supersede(
        &mut self,
        stream: u16,
        process: Option<u64>,
        (what, window): (What, Addresses),
        note: &SharedNote,
    ) {
        let mut ended = Vec::new();
        let mut drop_from = |grants: &mut Vec<Grant>, own: bool| {
            grants.retain(|g| {
                let gone = !g.live && g.stream == stream && g.window.overlaps(window);
                // A process's own map can outlive the call that made it, and is told again by the next.
                let gone = gone && (!own || g.what.is_exclusive() || what.is_exclusive());
                if gone {
                    ended.push(Grant {
                        ended: Some(g.ended.clone().unwrap_or_else(|| note.clone())),
                        ..g.clone()
                    });
                }
                !gone
            });
        };
        for (id, p) in self.processes.iter_mut().filter(|(_, p)| p.stream == stream) {
            drop_from(&mut p.grants, Some(*id) == process);
        }
        drop_from(&mut self.unowned, process.is_none());
        self.remember(ended);
    }

    fn remember(&mut self, ended: Vec<Grant>) {
        self.past.extend(ended);
        let surplus = self.past.len().saturating_sub(MAX_PAST);
        self.past.drain(..surplus);
    }

    /// No window may lie in memory that the driver made for something else, nor reach over its own buffer's end.
    #[allow(clippy::too_many_arguments)]
    fn exclusive(
        &self,
        stream: u16,
        key: Key,
        request: &Request,
        (what, window): (What, Addresses),
        spans: &[Span],
        note: &SharedNote,
        books: &mut Books<'_>,
    ) {
        let others = self
            .processes
            .values()
            .flat_map(|p| &p.grants)
            .chain(&self.unowned)
            .filter(|g| g.live && g.what.is_exclusive() && g.stream == stream && g.window.overlaps(window));
        for other in others {
            let own = other.key == key && other.what == What::InvokeBuffer;
            if own && what == What::Argument && other.window.contains(window) {
                continue;
            }
            // Other memory stands there by now: a mapping was replaced, which its owner's checks will tell.
            if same(&other.spans, spans).is_empty() {
                continue;
            }
            let text = if own && what == What::Argument {
                format!(
                    "An argument's pages {} reach over the end of its invoke buffer {}",
                    self::window(window),
                    self::window(other.window)
                )
            } else {
                format!(
                    "{} at {} lies in {} at {}",
                    capital(what.text()),
                    self::window(window),
                    other.what.text(),
                    self::window(other.window)
                )
            };
            books
                .find(Kind::BadPages, text)
                .about(request)
                .field("what", what.name())
                .ranges(vec![window])
                .history([&other.note, note]);
            return;
        }
    }

    /// The process that a request belongs to.
    fn process(
        &mut self,
        stream: u16,
        request: &Request,
        note: &SharedNote,
        books: &mut Books<'_>,
    ) -> Option<u64> {
        let creates = matches!(
            request.control,
            Some(Control::Attach { .. } | Control::Create { .. } | Control::CreateStatic { .. })
        );
        let client = match &request.control {
            Some(control) => control.client(),
            None if request.message.client_id != 0 => request.message.client_id,
            None => {
                let mut live = self
                    .processes
                    .iter()
                    .filter(|(_, p)| p.stream == stream && p.released.is_none());
                return match (live.next(), live.next()) {
                    (Some((id, _)), None) => Some(*id),
                    _ => None,
                };
            }
        };
        let known = self.current.get(&(stream, client)).copied();
        let id = match known.and_then(|id| self.processes.get_mut(&id).map(|p| (id, p))) {
            Some((id, process)) if process.released.is_none() => {
                if creates {
                    process.opens += 1;
                }
                id
            }
            // Several sessions of one client share a stream, and only one of them was released.
            Some((id, process)) if !creates && !matches!(request.control, Some(Control::Release { .. })) => {
                process.released = None;
                process.looks = 0;
                process.opens = process.opens.max(0);
                id
            }
            _ => self.new_process(stream, request.sid, client, creates, books),
        };
        if let Some(process) = self.processes.get_mut(&id) {
            if let Some(Control::Create { name, .. } | Control::CreateStatic { name, .. }) = &request.control
            {
                process.name = Some(String::from_utf8_lossy(name).into_owned());
            }
            if creates || matches!(request.control, Some(Control::Release { .. })) {
                process.history.push(note.clone());
            }
        }
        Some(id)
    }

    fn new_process(
        &mut self,
        stream: u16,
        sid: u32,
        client: i32,
        creates: bool,
        books: &mut Books<'_>,
    ) -> u64 {
        let id = self.next;
        self.next += 1;
        books.totals.processes += 1;
        let found = self
            .processes
            .iter()
            .filter(|(_, p)| p.stream == stream && books.is_settled(p.released))
            .map(|(id, p)| (*id, still_mapped(&p.grants, books.bus)))
            .filter(|(_, ranges)| !ranges.is_empty())
            .collect();
        let process = Process {
            stream,
            sid,
            client,
            name: None,
            grants: Vec::new(),
            history: Vec::new(),
            opens: i64::from(creates),
            released: None,
            maps: Vec::new(),
            gone: BTreeSet::new(),
            found,
            forgotten: 0,
            looks: 0,
        };
        self.processes.insert(id, process);
        self.current.insert((stream, client), id);
        self.forget_processes(books.bus);
        id
    }

    /// Processes that left nothing behind need not be remembered.
    fn forget_processes(&mut self, bus: &Bus) {
        if self.processes.len() <= MAX_PROCESSES {
            return;
        }
        let busy: BTreeSet<u64> = self.calls.values().filter_map(|call| call.process).collect();
        let clean: Vec<u64> = self
            .processes
            .iter()
            .filter(|(id, p)| {
                p.released.is_some() && !busy.contains(id) && still_mapped(&p.grants, bus).is_empty()
            })
            .map(|(id, _)| *id)
            .collect();
        for id in clean {
            self.processes.remove(&id);
        }
        self.current.retain(|_, id| self.processes.contains_key(id));
    }

    /// Throws away what ended and is unmapped.
    fn tidy(&mut self, process: Option<u64>, bus: &Bus) {
        let mut owner = process.and_then(|id| self.processes.get_mut(&id));
        let grants = match &mut owner {
            Some(process) => &mut process.grants,
            None => &mut self.unowned,
        };
        let (keep, mut gone): (Vec<_>, Vec<_>) = std::mem::take(grants)
            .into_iter()
            .partition(|g| g.live || !still_mapped(std::slice::from_ref(g), bus).is_empty());
        *grants = keep;
        let surplus = grants.len().saturating_sub(MAX_GRANTS);
        grants.drain(..surplus);
        if let Some(process) = owner {
            process.forgotten += surplus as u64;
        }
        for grant in &mut gone {
            grant.ended.get_or_insert_with(|| grant.note.clone());
        }
        self.remember(gone);
    }

    /// A request to unmap, or to release: what it concerns must be there.
    fn unmapping(&mut self, id: u64, request: &Request, note: &SharedNote, books: &mut Books<'_>) {
        let (fd, vaddr) = match &request.control {
            Some(Control::Munmap { vaddr, .. }) => (None, *vaddr),
            Some(Control::MemUnmap { fd, vaddr, .. }) => (Some(*fd), *vaddr),
            Some(Control::Release { .. }) => {
                let grants = self.processes.get(&id).map_or(&[][..], |p| &p.grants);
                return check_live(grants.iter(), request, note, books);
            }
            _ => return,
        };
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        let place = process
            .maps
            .iter()
            .position(|m| m.fd == fd && m.vaddr == vaddr && m.unmapping == 0)
            .or_else(|| process.maps.iter().position(|m| m.fd == fd && m.vaddr == vaddr));
        let what = match fd {
            Some(fd) => format!("mem unmap of fd {fd} at {vaddr:#x}"),
            None => format!("munmap at {vaddr:#x}"),
        };
        match place.and_then(|at| process.maps.get_mut(at)) {
            Some(map) if map.unmapping == 0 => {
                map.unmapping += 1;
                map.history.push(note.clone());
            }
            Some(map) => {
                map.unmapping += 1;
                let mut history = map.history.clone();
                history.push(note.clone());
                books
                    .find(
                        Kind::DoubleUnmap,
                        format!("{} while the DSP is unmapping it already", capital(&what)),
                    )
                    .about(request)
                    .history(&history);
            }
            None => {
                let (kind, why) = if process.gone.contains(&(fd, vaddr)) {
                    (Kind::DoubleUnmap, "was unmapped before")
                } else {
                    (Kind::UnknownUnmap, "was never mapped")
                };
                books
                    .find(kind, format!("{}: it {why}", capital(&what)))
                    .about(request)
                    .history([note]);
            }
        }
    }

    /// An answer is going out.
    pub fn answer(&mut self, ctx: u64, retval: u32, note: &SharedNote, books: &mut Books<'_>) {
        let Some(key) = self.numbers.answer(ctx) else {
            return;
        };
        let Some(call) = self.calls.remove(&key) else {
            books.totals.stray_answers += 1;
            return;
        };
        let listed = call.request.fdlist(books.bus);
        for process in self
            .processes
            .values_mut()
            .filter(|p| Some(p.stream) == call.request.stream)
        {
            for grant in process
                .grants
                .iter_mut()
                .filter(|g| matches!(g.what, What::Handle(fd) | What::MemMap(fd) if listed.contains(&fd)))
            {
                grant.live = false;
                grant.ended.get_or_insert_with(|| note.clone());
            }
        }
        let grants = self
            .processes
            .values()
            .flat_map(|p| &p.grants)
            .chain(&self.unowned);
        check_live(grants.filter(|g| g.key == key), &call.request, note, books);
        self.numbers.answered(key);
        self.answered
            .insert(self.numbers.number(key), (call.note.clone(), note.clone()));
        let failed = retval != 0;
        for grant in self
            .processes
            .values_mut()
            .flat_map(|p| &mut p.grants)
            .chain(&mut self.unowned)
            .filter(|g| g.key == key && g.live)
        {
            let over = match grant.what {
                What::InvokeBuffer | What::Argument => true,
                What::InitialMemory | What::Heap | What::MemMap(_) => failed,
                What::Handle(_) => false,
            };
            if over {
                grant.live = false;
                grant.ended = Some(note.clone());
            }
        }
        if let Some(id) = call.process {
            self.control_answered(id, &call, failed, note, books);
        }
    }

    fn control_answered(
        &mut self,
        id: u64,
        call: &OpenCall,
        failed: bool,
        note: &SharedNote,
        books: &Books<'_>,
    ) {
        let output = call.request.output(books.bus);
        let Some(process) = self.processes.get_mut(&id) else {
            return;
        };
        match &call.request.control {
            Some(Control::Attach { .. } | Control::Create { .. } | Control::CreateStatic { .. }) => {
                process.history.push(note.clone());
                if failed {
                    process.opens -= 1;
                }
            }
            Some(Control::Release { .. }) => {
                process.history.push(note.clone());
                process.opens -= 1;
                if process.opens <= 0 {
                    process.released = Some(books.now);
                    for grant in &mut process.grants {
                        grant.live = false;
                        grant.ended.get_or_insert_with(|| note.clone());
                    }
                }
            }
            Some(control @ (Control::Mmap { .. } | Control::MemMap { .. })) if !failed => {
                let fd = match control {
                    Control::MemMap { fd, .. } => Some(*fd),
                    _ => None,
                };
                if let Some(vaddr) = output {
                    process.gone.remove(&(fd, vaddr));
                    process.maps.push(DspMap {
                        fd,
                        vaddr,
                        unmapping: 0,
                        history: vec![call.note.clone(), note.clone()],
                    });
                }
            }
            Some(Control::Munmap { vaddr, .. }) => process.unmapped(None, *vaddr, failed, note),
            Some(Control::MemUnmap { fd, vaddr, .. }) => process.unmapped(Some(*fd), *vaddr, failed, note),
            _ => {}
        }
    }

    /// A grant that a device address belongs to: live ones first, then the latest of the others.
    pub fn granted(&self, stream: u16, address: u64) -> Option<&Grant> {
        let byte = Addresses {
            iova: address,
            len: 1,
        };
        let of = |g: &&Grant| g.stream == stream && g.window.contains(byte);
        let now = || {
            self.processes
                .values()
                .flat_map(|p| &p.grants)
                .chain(&self.unowned)
        };
        now()
            .filter(of)
            .find(|g| g.live)
            .or_else(|| now().rev().find(of))
            .or_else(|| self.past.iter().rev().find(of))
    }

    /// Sessions that were not released.
    pub fn live_processes(&self) -> usize {
        self.processes.values().filter(|p| p.released.is_none()).count()
    }
}

impl Process {
    fn unmapped(&mut self, fd: Option<i32>, vaddr: u64, failed: bool, note: &SharedNote) {
        let Some(at) = self.maps.iter().position(|m| m.fd == fd && m.vaddr == vaddr) else {
            return;
        };
        if failed {
            if let Some(map) = self.maps.get_mut(at) {
                map.unmapping = map.unmapping.saturating_sub(1);
                map.history.push(note.clone());
            }
            return;
        }
        let map = self.maps.remove(at);
        self.gone.insert((fd, vaddr));
        // Whichever grant it was: the message that mapped it is the first of its history.
        let asked = map.history.first().map(|n| n.number);
        for grant in self
            .grants
            .iter_mut()
            .filter(|g| Some(g.note.number) == asked && matches!(g.what, What::Heap | What::MemMap(_)))
        {
            grant.live = false;
            grant.ended = Some(note.clone());
        }
    }
}
