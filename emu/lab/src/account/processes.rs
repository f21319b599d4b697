//! Sessions of one life of the channel: which are open, which were released when, what the DSP mapped for them.

use super::grant_table::GrantId;
use super::look::Addresses;
use super::note::History;
use std::cell::Cell;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Instant;

/// Most processes of one life: those that are open, that left something behind, or that were released lately.
pub(super) const MAX_PROCESSES: usize = 1024;
/// Requests after a release at which it is looked what is unmapped.
const MAX_LOOKS: u8 = 16;
/// Unmapped addresses of one process that are remembered.
const MAX_GONE: usize = 256;

/// A range that the DSP was asked to map and gave an address for.
#[derive(Debug, Clone)]
pub(super) struct DspMap {
    /// Unmappings of it that are not answered.
    pub unmapping: usize,
    pub history: History,
    /// What its message gave.
    pub grants: Vec<GrantId>,
}

/// Descriptor (of a mem map; `None` for mmap) and DSP address.
type Place = (Option<i32>, u64);

/// The session that was the first to get a context bank with mappings of an earlier one.
#[derive(Debug)]
pub(super) struct Finder {
    pub process: u64,
    /// What was mapped then.
    pub then: Vec<Addresses>,
    /// Sessions of the stream before it.
    before: u64,
}

/// A process on the DSP, or a session that never made one.
#[derive(Debug)]
pub(super) struct Process {
    pub stream: u16,
    pub sid: u32,
    pub client: i32,
    pub name: Option<String>,
    /// Messages about its life.
    pub history: History,
    /// Creations that were not refused, less releases.
    pub opens: i64,
    /// When the answer to its release went out.
    pub released: Option<Instant>,
    /// Releases that are not answered.
    releasing: usize,
    /// Mappings by place, the oldest first.
    maps: HashMap<Place, VecDeque<DspMap>>,
    /// What was unmapped, and in which order.
    gone: BTreeSet<Place>,
    gone_order: VecDeque<Place>,
    gone_forgotten: bool,
    /// Who got its mappings.
    pub finder: Option<Finder>,
    /// Grants that were thrown away because there were too many.
    pub forgotten: u64,
    /// How often it was looked, after the release, what is unmapped by now.
    looks: u8,
}

impl Process {
    /// A session that has just spoken.
    pub fn new(stream: u16, sid: u32, client: i32, creates: bool) -> Self {
        Self {
            stream,
            sid,
            client,
            name: None,
            history: History::default(),
            opens: i64::from(creates),
            released: None,
            releasing: 0,
            maps: HashMap::new(),
            gone: BTreeSet::new(),
            gone_order: VecDeque::new(),
            gone_forgotten: false,
            finder: None,
            forgotten: 0,
            looks: 0,
        }
    }

    /// `client 1 ("name") on stream 0x11a1`
    pub fn title(&self) -> String {
        let name = self
            .name
            .as_ref()
            .map_or_else(String::new, |name| format!(" ({name:?})"));
        format!("client {}{name} on stream {:#x}", self.client, self.stream)
    }

    /// What findings about it say of it.
    pub fn fields(&self) -> Vec<(&'static str, String)> {
        let mut fields = Vec::new();
        if let Some(name) = &self.name {
            fields.push(("process", name.clone()));
        }
        if self.forgotten != 0 {
            fields.push(("not-looked-at", self.forgotten.to_string()));
        }
        fields.extend([
            ("stream", format!("{:#x}", self.stream)),
            ("session", self.sid.to_string()),
            ("client", self.client.to_string()),
        ]);
        fields
    }

    /// The mapping that an unmapping means: one that is not being unmapped, if there is one.
    pub fn map(&mut self, fd: Option<i32>, vaddr: u64) -> Option<&mut DspMap> {
        let maps = self.maps.get_mut(&(fd, vaddr))?;
        let at = maps.iter().position(|map| map.unmapping == 0).unwrap_or(0);
        maps.get_mut(at)
    }

    /// The mapping that an answer means.
    pub fn oldest_map(&mut self, fd: Option<i32>, vaddr: u64) -> Option<&mut DspMap> {
        self.maps.get_mut(&(fd, vaddr))?.front_mut()
    }

    /// Whether that was mapped and unmapped; `None` if it is not known any more.
    pub fn was_unmapped(&self, fd: Option<i32>, vaddr: u64) -> Option<bool> {
        let known = self.gone.contains(&(fd, vaddr));
        (known || !self.gone_forgotten).then_some(known)
    }

    fn is_gone(&mut self, place: Place) {
        if !self.gone.insert(place) {
            return;
        }
        self.gone_order.push_back(place);
        if self.gone_order.len() > MAX_GONE
            && let Some(oldest) = self.gone_order.pop_front()
        {
            self.gone_forgotten |= self.gone.remove(&oldest);
        }
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(super) struct Processes {
    all: BTreeMap<u64, Process>,
    next: u64,
    /// The newest of each stream and client.
    current: HashMap<(u16, i32), u64>,
    /// Those that are not released, by stream.
    open: BTreeMap<u16, BTreeSet<u64>>,
    /// Those that were released and are to be looked at with the next request.
    looking: BTreeSet<u64>,
    /// Those that were released when, by stream: no later session has looked what they left.
    released: HashMap<u16, VecDeque<(u64, Instant)>>,
    /// Sessions that a stream has had.
    sessions: HashMap<u16, u64>,
    maps: usize,
    visits: Cell<u64>,
}

impl Processes {
    /// How many are remembered.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Mappings of all of them.
    pub fn maps(&self) -> usize {
        self.maps
    }

    /// How many are not released.
    pub fn open(&self) -> usize {
        self.open.values().map(BTreeSet::len).sum()
    }

    /// One of them.
    pub fn get(&self, id: u64) -> Option<&Process> {
        self.all.get(&id)
    }

    /// One of them.
    pub fn get_mut(&mut self, id: u64) -> Option<&mut Process> {
        self.all.get_mut(&id)
    }

    /// All, in order of their first message.
    pub fn iter(&self) -> impl Iterator<Item = (u64, &Process)> {
        self.all.iter().map(|(&id, process)| {
            self.visits.set(self.visits.get() + 1);
            (id, process)
        })
    }

    /// How many were looked at so far, one after the other.
    pub fn visits(&self) -> u64 {
        self.visits.get()
    }

    /// The newest of a stream and client.
    pub fn current(&mut self, stream: u16, client: i32) -> Option<(u64, &mut Process)> {
        let id = *self.current.get(&(stream, client))?;
        self.all.get_mut(&id).map(|process| (id, process))
    }

    /// The process that has the stream for itself.
    pub fn only_open_one(&self, stream: u16) -> Option<u64> {
        let mut open = self.open.get(&stream)?.iter();
        match (open.next(), open.next()) {
            (Some(id), None) => Some(*id),
            _ => None,
        }
    }

    /// Another one.
    pub fn add(&mut self, process: Process) -> u64 {
        let id = self.next;
        self.next += 1;
        *self.sessions.entry(process.stream).or_default() += 1;
        self.current.insert((process.stream, process.client), id);
        self.open.entry(process.stream).or_default().insert(id);
        self.all.insert(id, process);
        id
    }

    /// It is open again.
    pub fn revive(&mut self, id: u64) {
        if let Some(process) = self.all.get_mut(&id) {
            process.released = None;
            process.looks = 0;
            self.looking.remove(&id);
            self.open.entry(process.stream).or_default().insert(id);
        }
    }

    /// Its release is asked for; false if it is already.
    pub fn begin_release(&mut self, id: u64) -> bool {
        let Some(process) = self.all.get_mut(&id) else {
            return false;
        };
        process.releasing += 1;
        process.releasing == 1
    }

    /// A release was answered, `over` if it was the last one's.
    pub fn end_release(&mut self, id: u64, over: Option<Instant>) {
        let Some(process) = self.all.get_mut(&id) else {
            return;
        };
        process.releasing = process.releasing.saturating_sub(1);
        let Some(now) = over else { return };
        process.released = Some(now);
        if process.looks < MAX_LOOKS {
            self.looking.insert(id);
        }
        if let Some(open) = self.open.get_mut(&process.stream) {
            open.remove(&id);
        }
        let released = self.released.entry(process.stream).or_default();
        released.push_back((id, now));
    }

    /// Those that are looked at now: each a few times after its release.
    pub fn due_for_a_look(&mut self) -> Vec<u64> {
        let due: Vec<u64> = self.looking.iter().copied().collect();
        for id in &due {
            if let Some(process) = self.all.get_mut(id) {
                process.looks += 1;
                if process.looks < MAX_LOOKS {
                    continue;
                }
            }
            self.looking.remove(id);
        }
        due
    }

    /// Those of a stream whose release is settled and that were not returned before.
    pub fn settled(&mut self, stream: u16, is_settled: impl Fn(Instant) -> bool) -> Vec<u64> {
        let mut settled = Vec::new();
        let Some(queue) = self.released.get_mut(&stream) else {
            return settled;
        };
        while let Some(&(id, at)) = queue.front() {
            let process = self.all.get(&id);
            // A later release of the same one stands further behind.
            let counts = process.is_some_and(|p| p.released == Some(at) && p.finder.is_none());
            if counts && !is_settled(at) {
                break;
            }
            queue.pop_front();
            if counts {
                settled.push(id);
            }
        }
        settled
    }

    /// The session `finder` is the first that got the context bank with these mappings of an earlier one.
    pub fn found(&mut self, earlier: u64, finder: u64, then: Vec<Addresses>) {
        let stream = self.all.get(&finder).map(|process| process.stream);
        let sessions = stream.and_then(|stream| self.sessions.get(&stream));
        let before = sessions.map_or(0, |count| count - 1);
        if let Some(process) = self.all.get_mut(&earlier) {
            process.finder = Some(Finder {
                process: finder,
                then,
                before,
            });
        }
    }

    /// How many sessions got what a finder was the first to get.
    pub fn finders(&self, stream: u16, finder: &Finder) -> u64 {
        let sessions = self.sessions.get(&stream);
        sessions.map_or(0, |count| count - finder.before)
    }

    /// Forgets those that are released, not in `busy`, and `clean`; returns them.
    pub fn forget(&mut self, mut busy: BTreeSet<u64>, clean: impl Fn(u64) -> bool) -> Vec<u64> {
        busy.extend(self.iter().filter_map(|(_, p)| Some(p.finder.as_ref()?.process)));
        let released = self.iter().filter(|(_, process)| process.released.is_some());
        let ids = released.map(|(id, _)| id).filter(|id| !busy.contains(id));
        let gone: Vec<u64> = ids.filter(|id| clean(*id)).collect();
        for id in &gone {
            self.looking.remove(id);
            if let Some(process) = self.all.remove(id) {
                self.maps -= process.maps.values().map(VecDeque::len).sum::<usize>();
                let key = (process.stream, process.client);
                if self.current.get(&key) == Some(id) {
                    self.current.remove(&key);
                }
            }
        }
        gone
    }

    /// The DSP has mapped something.
    pub fn mapped(&mut self, id: u64, fd: Option<i32>, vaddr: u64, map: DspMap) {
        let Some(process) = self.all.get_mut(&id) else {
            return;
        };
        let place = (fd, vaddr);
        if process.gone.remove(&place) {
            process.gone_order.retain(|gone| *gone != place);
        }
        process.maps.entry(place).or_default().push_back(map);
        self.maps += 1;
    }

    /// The DSP has unmapped the oldest mapping of a place.
    pub fn unmapped(&mut self, id: u64, fd: Option<i32>, vaddr: u64) -> Option<DspMap> {
        let process = self.all.get_mut(&id)?;
        let place = (fd, vaddr);
        let maps = process.maps.get_mut(&place)?;
        let map = maps.pop_front()?;
        if maps.is_empty() {
            process.maps.remove(&place);
        }
        process.is_gone(place);
        self.maps -= 1;
        Some(map)
    }
}
