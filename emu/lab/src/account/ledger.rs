//! The books of one life of the channel: processes, what their messages gave the DSP, calls that are open.
//!
//! What the driver holds and until when (fastrpc.c): an invoke buffer and the maps of buffer arguments until the context is
//! freed, which is never before the answer; maps of DMA handles until the DSP lists the descriptor or the session's user
//! is freed; initial memory until then; MMAP's and MEM_MAP's memory until the DSP has answered the unmapping with success, or
//! until then, too. The user is freed after the answer to RELEASE.
//!
//! QDA (drivers/accel/qda of the postings of 2026, as `driver` tells it from the messages) differs:
//!
//! | what | where |
//! |---|---|
//! | a context number is free again when nobody waits, also after a signal | qda_ioctl.c, `fastrpc_invoke` |
//! | memory of MMAP, MEM_MAP and arguments is a program's buffer, which its file or its DMA-BUF holds: it may be told for several things, and outlive the session | qda_fastrpc.c, `get_gem_obj_from_dmabuf_fd`; qda_prime.c |
//! | a file's handles are closed before its RELEASE is sent | drm_file.c, `drm_file_free`; qda_drv.c, `qda_postclose` |
//! | invoke buffer and 4 MiB of initial memory are the driver's, and over with the session | qda_ioctl.c, `fastrpc_invoke` |
//! | files of one process have one context bank | qda_memory_manager.c, `qda_memory_manager_assign_device` |
//! | unmappings, and calls of handle 1, are passed on as a program makes them | qda_ioctl.c, `qda_ioctl_munmap`, `qda_ioctl_invoke` |

use super::books::{Books, Config};
use super::ctx::{Key, Numbers};
use super::finding::Kind;
use super::grant_table::{GrantId, GrantTable, MAX_GRANTS};
use super::grants::{Grant, What, capital, check_live, still_mapped};
use super::look::{Addresses, Span, gaps, same, spans};
use super::note::{History, SharedNote};
use super::open_calls::{OpenCall, OpenCalls};
use super::processes::{DspMap, MAX_PROCESSES, Process, Processes};
use super::request::{Request, window};
use crate::driver::Sighting;
use emu_core::mem::Bus;
use rpmsg::fastrpc::Arg;
use rpmsg::fastrpc::control::{Control, MMAP_REMOTE_HEAP};
use std::collections::BTreeMap;

/// Most calls without an answer. A driver has 255 contexts; QDA's numbers are not bounded.
const MAX_CALLS: usize = 4096;
/// Most mappings that the DSP gave an address for.
const MAX_MAPS: usize = 65_536;
/// Most that calls and grants may weigh: arguments and physically contiguous pieces of memory, and some for each.
const MAX_WEIGHT: usize = 1 << 20;

/// Everything of one life.
#[derive(Debug, Default)]
pub(super) struct Ledger {
    pub processes: Processes,
    pub calls: OpenCalls,
    pub grants: GrantTable,
    driver: Sighting,
    numbers: Numbers,
    /// Who answered a number last, for findings about it.
    answered: BTreeMap<u64, (SharedNote, SharedNote)>,
    /// More came than is kept: this life is not judged.
    stopped: bool,
}

impl Ledger {
    /// The books of the life after this one.
    pub fn after(before: &Self) -> Self {
        let mut next = Self::default();
        if before.is_qda() {
            next.driver = Sighting::qda();
            next.numbers.are_qdas();
        }
        next
    }

    /// Whether the driver is known to be QDA.
    pub fn is_qda(&self) -> bool {
        self.driver.is_qda()
    }

    /// Learns which driver it is.
    fn learn_driver(&mut self, request: &Request, books: &mut Books<'_>) {
        if self.is_qda() {
            return;
        }
        match &request.control {
            Some(control) => self.driver.control(&request.message, control.client()),
            None => self.driver.request(&request.message),
        }
        if self.is_qda() {
            books.qda = true;
            self.numbers.are_qdas();
        }
    }

    /// A request arrived.
    pub fn request(&mut self, request: Request, note: &SharedNote, books: &mut Books<'_>) {
        if self.stopped {
            return;
        }
        self.look_after(books.bus);
        self.learn_driver(&request, books);
        let key = self.numbers.request(request.message.ctx.0);
        self.context(key, &request, note, books);
        if self.is_qda() && request.wrong_control {
            books.totals.passed_on += 1;
        } else if let Some(wrong) = &request.wrong {
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
        let mut grants = Vec::new();
        for (what, window, writes) in given {
            grants.extend(self.give(
                stream,
                process,
                key,
                &request,
                (what, window, writes),
                note,
                books,
            ));
        }
        if let Some(process) = process {
            self.unmapping(process, &request, note, books);
        }
        let call = OpenCall {
            request,
            process,
            note: note.clone(),
            grants,
        };
        self.calls.insert(key, self.numbers.number(key), call);
        if let Some(what) = self.surplus() {
            self.stop(what, note, books);
        }
    }

    /// What there is more of than is kept.
    fn surplus(&self) -> Option<String> {
        let weight = self.calls.weight() + self.grants.weight();
        let bounds = [
            (self.calls.len(), MAX_CALLS, "calls are open"),
            (
                self.processes.len(),
                MAX_PROCESSES,
                "sessions are open or left something behind",
            ),
            (self.processes.maps(), MAX_MAPS, "mappings were made"),
            (weight, MAX_WEIGHT, "arguments and pieces of memory are in use"),
        ];
        let (_, most, what) = bounds.into_iter().find(|(count, most, _)| count > most)?;
        Some(format!("more than {most} {what}"))
    }

    /// Judges what can be judged now, and counts no more in this life.
    fn stop(&mut self, why: String, note: &SharedNote, books: &mut Books<'_>) {
        let text = format!("The account of this life of the channel ends here: {why}");
        books.find(Kind::StoppedCounting, text).history([note]);
        self.judge(note, false, books);
        *self = Self {
            stopped: true,
            ..Self::after(self)
        };
    }

    /// Whether this life is judged.
    pub fn is_counting(&self) -> bool {
        !self.stopped
    }

    /// What was seen unmapped after a release is gone for good, whatever comes to stand there later without a message.
    fn look_after(&mut self, bus: &Bus) {
        for id in self.processes.due_for_a_look() {
            let gone = |g: &Grant| still_mapped([g], bus).is_empty();
            let gone: Vec<_> = self.grants.of(Some(id)).filter(|(_, g)| gone(g)).collect();
            let gone: Vec<GrantId> = gone.into_iter().map(|(id, _)| id).collect();
            gone.into_iter().for_each(|id| self.grants.retire(id, None));
        }
    }

    /// Looks at a new context's number.
    fn context(&mut self, key: Key, request: &Request, note: &SharedNote, books: &mut Books<'_>) {
        let number = self.numbers.number(key);
        if let Some(call) = self.calls.with_number(number) {
            let so = if self.is_qda() {
                "the answer to that call will be taken for the new one's"
            } else {
                "the driver has freed what the DSP still uses"
            };
            let text = format!(
                "Context number {number} was given out again although its call was not answered: {so}"
            );
            books
                .find(Kind::ContextReused, text)
                .about(request)
                .history([&call.note, note]);
        }
        self.answered.remove(&number);
        for kept in self.numbers.seen(key, |n| self.calls.has_number(n)) {
            let text = format!(
                "Context number {kept} was answered but is never given out again: its context was not freed"
            );
            let finding = books.find(Kind::ContextKept, text).field("number", kept);
            match self.answered.remove(&kept) {
                Some((asked, answered)) => finding.history([&asked, &answered, note]),
                None => finding.history([note]),
            };
        }
    }

    /// The memory that process control gives besides its arguments.
    fn memory(&self, request: &Request, config: &Config) -> Option<(What, Addresses, bool)> {
        let (what, page) = match request.control {
            Some(Control::Create { memory, .. }) => (What::InitialMemory, memory),
            // The remote heap is a physical address.
            Some(Control::Mmap { page, .. }) if self.is_qda() => (What::MappedBuffer, page),
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
    ) -> Option<GrantId> {
        // Nothing is translated: there are no mappings.
        let spans = spans(books.bus, stream, window)?;
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
        // A buffer that stays mapped is told with every call: the latest message about a window is enough.
        let ended = self.grants.ended_at(stream, window);
        let told = ended.filter(|(_, g)| g.owner == process && g.window == window && g.what == what);
        let told: Vec<GrantId> = told.map(|(id, _)| id).collect();
        told.into_iter().for_each(|id| drop(self.grants.remove(id)));
        let id = self.grants.add(Grant {
            stream,
            owner: process,
            window,
            what,
            spans,
            note: note.clone(),
            key,
            live: true,
            ended: None,
        });
        if self.grants.is_untidy(process) {
            self.tidy(process, books.bus);
        }
        Some(id)
    }

    /// Whoever else held these addresses has given them back: the kernel gives addresses out once.
    fn supersede(
        &mut self,
        stream: u16,
        process: Option<u64>,
        (what, window): (What, Addresses),
        note: &SharedNote,
    ) {
        // A process's own map can outlive the call that made it, and is told again by the next.
        let gone = |g: &Grant| g.owner != process || g.what.is_exclusive() || what.is_exclusive();
        let ended = self.grants.ended_at(stream, window);
        let gone: Vec<GrantId> = ended.filter(|(_, g)| gone(g)).map(|(id, _)| id).collect();
        gone.into_iter().for_each(|id| self.grants.retire(id, Some(note)));
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
        for (_, other) in self.grants.live_at(stream, window) {
            if !other.what.is_exclusive() {
                continue;
            }
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
            None => return self.processes.only_open_one(stream),
        };
        let releases = matches!(request.control, Some(Control::Release { .. }));
        let id = match self.processes.current(stream, client) {
            Some((id, process)) if process.released.is_none() => {
                if creates {
                    process.opens += 1;
                }
                id
            }
            // Several sessions of one client share a stream, and only one of them was released.
            Some((id, process)) if !creates && !releases => {
                process.opens = process.opens.max(0);
                self.processes.revive(id);
                id
            }
            _ => self.new_process(stream, request.sid, client, creates, books),
        };
        if let Some(process) = self.processes.get_mut(id) {
            if let Some(Control::Create { name, .. } | Control::CreateStatic { name, .. }) = &request.control
            {
                process.name = Some(String::from_utf8_lossy(name).into_owned());
            }
            if creates || releases {
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
        books.totals.processes += 1;
        let id = self.processes.add(Process::new(stream, sid, client, creates));
        for earlier in self
            .processes
            .settled(stream, |released| books.is_settled(Some(released)))
        {
            let grants = self.grants.of(Some(earlier)).map(|(_, grant)| grant);
            let qda = self.is_qda();
            let mapped = still_mapped(grants.filter(|g| !qda || g.what.is_qdas_own()), books.bus);
            if !mapped.is_empty() {
                self.processes.found(earlier, id, mapped);
            }
        }
        if self.processes.len() > MAX_PROCESSES {
            let busy = self.calls.iter().filter_map(|call| call.process);
            let (grants, bus) = (&self.grants, books.bus);
            let clean = |id| still_mapped(grants.of(Some(id)).map(|(_, grant)| grant), bus).is_empty();
            for id in self.processes.forget(busy.collect(), clean) {
                let left: Vec<GrantId> = self.grants.of(Some(id)).map(|(id, _)| id).collect();
                left.into_iter().for_each(|id| drop(self.grants.remove(id)));
            }
        }
        id
    }

    /// Throws away what ended and is unmapped.
    fn tidy(&mut self, owner: Option<u64>, bus: &Bus) {
        let gone = |g: &Grant| !g.live && still_mapped([g], bus).is_empty();
        let gone: Vec<_> = self.grants.of(owner).filter(|(_, g)| gone(g)).collect();
        let gone: Vec<GrantId> = gone.into_iter().map(|(id, _)| id).collect();
        gone.into_iter().for_each(|id| self.grants.retire(id, None));
        let surplus = self.grants.count(owner).saturating_sub(MAX_GRANTS);
        let oldest: Vec<GrantId> = self.grants.of(owner).take(surplus).map(|(id, _)| id).collect();
        oldest.into_iter().for_each(|id| drop(self.grants.remove(id)));
        self.grants.tidied(owner);
        if let Some(process) = owner.and_then(|id| self.processes.get_mut(id)) {
            process.forgotten += surplus as u64;
        }
    }

    /// A request to unmap, or to release: what it concerns must be there.
    fn unmapping(&mut self, id: u64, request: &Request, note: &SharedNote, books: &mut Books<'_>) {
        let (fd, vaddr) = match &request.control {
            Some(Control::Munmap { vaddr, .. }) => (None, *vaddr),
            Some(Control::MemUnmap { fd, vaddr, .. }) => (Some(*fd), *vaddr),
            Some(Control::Release { .. }) => {
                // Once: what is missing then is missing for the next one, too.
                if self.processes.begin_release(id) {
                    let grants = self.grants.of(Some(id)).map(|(_, grant)| grant);
                    check_live(grants, request, note, books);
                }
                return;
            }
            _ => return,
        };
        let qda = self.is_qda();
        let Some(process) = self.processes.get_mut(id) else {
            return;
        };
        let what = match fd {
            Some(fd) => format!("mem unmap of fd {fd} at {vaddr:#x}"),
            None => format!("munmap at {vaddr:#x}"),
        };
        match process.map(fd, vaddr) {
            Some(map) if map.unmapping == 0 => {
                map.unmapping += 1;
                map.history.push(note.clone());
            }
            Some(map) if qda => {
                map.unmapping += 1;
                books.totals.passed_on += 1;
            }
            None if qda => books.totals.passed_on += 1,
            Some(map) => {
                map.unmapping += 1;
                let history: Vec<_> = map.history.iter().chain([note]).cloned().collect();
                books
                    .find(
                        Kind::DoubleUnmap,
                        format!("{} while the DSP is unmapping it already", capital(&what)),
                    )
                    .about(request)
                    .history(&history);
            }
            None => {
                let (kind, why) = match process.was_unmapped(fd, vaddr) {
                    Some(true) => (Kind::DoubleUnmap, "was unmapped before"),
                    Some(false) => (Kind::UnknownUnmap, "was never mapped"),
                    None => (Kind::UnknownUnmap, "was unmapped long ago, or never mapped"),
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
        if self.stopped {
            return;
        }
        let Some(key) = self.numbers.answer(ctx, |key| self.calls.has(key)) else {
            return;
        };
        let number = self.numbers.number(key);
        let Some(call) = self.calls.remove(key, number) else {
            books.totals.stray_answers += 1;
            return;
        };
        if let Some(stream) = call.request.stream {
            for fd in call.request.fdlist(books.bus) {
                self.grants.end_listed(stream, fd, note);
            }
        }
        let grants = call.grants.iter().filter_map(|id| self.grants.get(*id));
        check_live(grants, &call.request, note, books);
        if self.numbers.answered(key) {
            self.answered.insert(number, (call.note.clone(), note.clone()));
        }
        let failed = retval != 0;
        for &id in &call.grants {
            let over = match self.grants.get(id).map(|grant| grant.what) {
                Some(What::InvokeBuffer | What::Argument) => true,
                Some(What::InitialMemory | What::Heap | What::MappedBuffer | What::MemMap(_)) => failed,
                Some(What::Handle(_)) | None => false,
            };
            if over {
                self.grants.end(id, note);
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
        let Some(process) = self.processes.get_mut(id) else {
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
                let over = process.opens <= 0;
                self.processes.end_release(id, over.then_some(books.now));
                if over {
                    let live: Vec<GrantId> = self.grants.of(Some(id)).map(|(id, _)| id).collect();
                    live.into_iter().for_each(|id| self.grants.end(id, note));
                }
            }
            Some(control @ (Control::Mmap { .. } | Control::MemMap { .. })) if !failed => {
                let fd = match control {
                    Control::MemMap { fd, .. } => Some(*fd),
                    _ => None,
                };
                if let Some(vaddr) = output {
                    let given = call.grants.iter().copied();
                    let map = DspMap {
                        unmapping: 0,
                        history: [&call.note, note].into_iter().cloned().collect::<History>(),
                        grants: given
                            .filter(|id| self.grants.get(*id).is_some_and(Grant::is_mapping))
                            .collect(),
                    };
                    self.processes.mapped(id, fd, vaddr, map);
                }
            }
            Some(Control::Munmap { vaddr, .. }) => self.unmapped(id, None, *vaddr, failed, note),
            Some(Control::MemUnmap { fd, vaddr, .. }) => {
                self.unmapped(id, Some(*fd), *vaddr, failed, note);
            }
            _ => {}
        }
    }

    /// The DSP has answered an unmapping.
    fn unmapped(&mut self, id: u64, fd: Option<i32>, vaddr: u64, failed: bool, note: &SharedNote) {
        if failed {
            let process = self.processes.get_mut(id);
            if let Some(map) = process.and_then(|process| process.oldest_map(fd, vaddr)) {
                map.unmapping = map.unmapping.saturating_sub(1);
                map.history.push(note.clone());
            }
            return;
        }
        let gone = self.processes.unmapped(id, fd, vaddr);
        for id in gone.into_iter().flat_map(|map| map.grants) {
            self.grants.end(id, note);
        }
    }

    /// A grant that a device address belongs to: live ones first, then the latest of the others.
    pub fn granted(&self, stream: u16, address: u64) -> Option<&Grant> {
        self.grants.granted(stream, address)
    }
}
