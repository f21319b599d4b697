//! dma-bufs of the AP that a process knows by file descriptor: who keeps each of them mapped.
//!
//! A descriptor is known because the driver announced it (FASTRPC_MAP) or because a call under way carries it. Skeletons
//! keep it mapped in two ways that are counted apart: `HAP_mmap` gives addresses that `HAP_munmap` takes back,
//! `HAP_mmap_get` and `HAP_mmap_put` count users of what is mapped. qualcomm/QcNode's FadasIface relies on that: it puts
//! until that fails, and unmaps afterwards.
//!
//! Nothing here touches the address space.

use std::collections::{BTreeMap, HashMap};

use crate::error::OsError;
use emu_core::mem::PAGE;

/// One dma-buf that has a file descriptor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Descriptor {
    /// Unlike the file descriptor, never given again.
    pub id: u64,
    /// Device address.
    pub iova: u64,
    /// Length in bytes.
    pub len: u32,
    /// Where its first byte lies, or will lie (`mapped`).
    pub va: Option<u32>,
    /// It can be accessed there.
    pub mapped: bool,
    /// The driver announced it: it is known until the driver takes it back.
    pub announced: bool,
    /// The driver leaves the mapping to skeletons (FASTRPC_MAP_FD_DELAYED).
    pub delayed: bool,
    /// Calls under way that carry it as a DMA handle.
    calls: u32,
    /// `HAP_mmap` without `HAP_munmap`.
    maps: u32,
    /// `HAP_mmap_get` without `HAP_mmap_put`.
    users: u32,
}

impl Descriptor {
    fn new(iova: u64, len: u32) -> Self {
        Self {
            id: 0,
            iova,
            len,
            va: None,
            mapped: false,
            announced: false,
            delayed: false,
            calls: 0,
            maps: 0,
            users: 0,
        }
    }

    /// One that the driver announced and that lies at `va`.
    pub fn announced(iova: u64, len: u32, va: u32, delayed: bool) -> Self {
        Self {
            va: Some(va),
            mapped: !delayed,
            announced: true,
            delayed,
            ..Self::new(iova, len)
        }
    }

    /// Is there an address for `HAP_mmap_get`? A call's DMA handle gets one when it is asked for.
    pub fn has_address(&self) -> bool {
        self.mapped || self.calls > 0
    }

    /// Nobody needs the mapping any more.
    fn idle(&self) -> bool {
        (self.delayed || !self.announced) && self.calls == 0 && self.maps == 0 && self.users == 0
    }

    fn covers(&self, va: u32) -> bool {
        self.va
            .and_then(|base| va.checked_sub(base))
            .is_some_and(|offset| u64::from(offset) < self.whole_pages())
    }

    /// Bytes from the first one to the end of its last page: what a mapping makes accessible.
    pub fn whole_pages(&self) -> u64 {
        let before = self.iova % PAGE;
        (before + u64::from(self.len)).next_multiple_of(PAGE) - before
    }
}

/// What is to be done to the address space when a reference was given back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unmap {
    /// The mapping and its address range go.
    Gone(u32),
    /// The mapping goes; the range stays the driver's name for the descriptor.
    Delayed(u32),
}

/// An address that `HAP_mmap` gave, and the pages from there to the end of the length that was asked for.
type Window = (u32, u64);

fn window(va: u32, len: u32) -> Window {
    let end = u64::from(va) + u64::from(len);
    (va, end.div_ceil(PAGE))
}

/// All descriptors of a process.
#[derive(Debug, Default)]
pub struct Descriptors {
    /// By file descriptor, oldest first: the AP reuses numbers, and the newest counts.
    by_fd: HashMap<i32, Vec<Descriptor>>,
    /// How often `HAP_mmap` gave each window.
    windows: BTreeMap<Window, u32>,
    last_id: u64,
}

impl Descriptors {
    /// Descriptors and windows that are known.
    pub fn count(&self) -> usize {
        self.by_fd.values().map(Vec::len).sum::<usize>() + self.windows.len()
    }

    /// The newest descriptor of that number.
    pub fn newest(&self, fd: i32) -> Result<&Descriptor, OsError> {
        let newest = self.by_fd.get(&fd).and_then(|list| list.last());
        newest.ok_or(OsError::NoSuchMap(fd as u64))
    }

    /// One of that number.
    pub fn get(&self, fd: i32, id: u64) -> Option<&Descriptor> {
        self.by_fd.get(&fd)?.iter().find(|d| d.id == id)
    }

    fn newest_mut(&mut self, fd: i32) -> Result<&mut Descriptor, OsError> {
        let newest = self.by_fd.get_mut(&fd).and_then(|list| list.last_mut());
        newest.ok_or(OsError::NoSuchMap(fd as u64))
    }

    fn find_mut(&mut self, fd: i32, matches: impl Fn(&Descriptor) -> bool) -> Option<&mut Descriptor> {
        self.by_fd.get_mut(&fd)?.iter_mut().rev().find(|d| matches(d))
    }

    /// Another one, the newest of its number.
    pub fn add(&mut self, fd: i32, mut descriptor: Descriptor) -> u64 {
        self.last_id += 1;
        descriptor.id = self.last_id;
        self.by_fd.entry(fd).or_default().push(descriptor);
        self.last_id
    }

    /// The newest descriptor of that number now lies at `va`.
    pub fn mapped_at(&mut self, fd: i32, va: u32) {
        if let Ok(descriptor) = self.newest_mut(fd) {
            (descriptor.va, descriptor.mapped) = (Some(va), true);
        }
    }

    /// The driver takes back what it announced at `va`; a negative `fd` means: whichever lies there.
    pub fn withdraw(&mut self, fd: i32, va: u32) -> Result<Descriptor, OsError> {
        let found = self.by_fd.iter().find_map(|(&key, list)| {
            let at = list.iter().position(|d| d.announced && d.va == Some(va))?;
            (fd < 0 || key == fd).then_some((key, at))
        });
        let (key, at) = found.ok_or(OsError::NoSuchMap(u64::from(va)))?;
        let list = self.by_fd.get_mut(&key);
        let gone = list.map(|list| list.remove(at));
        self.drop_empty(key);
        let gone = gone.ok_or(OsError::NoSuchMap(u64::from(va)))?;
        self.windows.retain(|&(at, _), _| !gone.covers(at));
        Ok(gone)
    }

    /// A call carries a DMA handle; returns what [`Self::end_call`] takes. The newest announcement of a descriptor
    /// counts; an unannounced one may have moved since another call carried it.
    pub fn begin_call(&mut self, fd: i32, iova: u64, len: u32) -> u64 {
        let known = self.find_mut(fd, |d| d.announced || (d.iova, d.len) == (iova, len));
        if let Some(descriptor) = known {
            descriptor.calls += 1;
            return descriptor.id;
        }
        let carried = Descriptor {
            calls: 1,
            ..Descriptor::new(iova, len)
        };
        self.add(fd, carried)
    }

    /// The call is over.
    pub fn end_call(&mut self, fd: i32, id: u64) -> Option<Unmap> {
        let descriptor = self.find_mut(fd, |d| d.id == id)?;
        descriptor.calls = descriptor.calls.saturating_sub(1);
        self.unmap_idle(fd, id)
    }

    /// `HAP_mmap` of the newest descriptor of that number, which is mapped: the address at `offset`.
    pub fn add_window(&mut self, fd: i32, offset: u32, len: u32) -> Result<u32, OsError> {
        const TOO_MANY: OsError = OsError::Limit("HAP_mmap of one address");
        let descriptor = self.newest_mut(fd)?;
        let base = descriptor.va.filter(|_| descriptor.mapped);
        let va = base.ok_or(OsError::NoSuchMap(fd as u64))?.wrapping_add(offset);
        let maps = descriptor.maps.checked_add(1).ok_or(TOO_MANY)?;
        descriptor.maps = maps;
        // No window is given more often than its descriptor is mapped.
        *self.windows.entry(window(va, len)).or_default() += 1;
        Ok(va)
    }

    /// `HAP_munmap`: exactly what `HAP_mmap` gave, lengths counted in whole pages.
    pub fn remove_window(&mut self, va: u32, len: u32) -> Result<Option<Unmap>, OsError> {
        let unknown = OsError::NoSuchMap(u64::from(va));
        let window = window(va, len);
        let count = self.windows.get_mut(&window).ok_or(unknown.clone())?;
        *count -= 1;
        if *count == 0 {
            self.windows.remove(&window);
        }
        let here = |d: &&mut Descriptor| d.covers(va);
        let found = self
            .by_fd
            .iter_mut()
            .find_map(|(&fd, list)| list.iter_mut().find(here).map(|d| (fd, d)));
        let (fd, descriptor) = found.ok_or(unknown)?;
        descriptor.maps = descriptor.maps.saturating_sub(1);
        let id = descriptor.id;
        Ok(self.unmap_idle(fd, id))
    }

    /// The newest descriptor that has all these device addresses, and its number.
    pub fn holding(&self, iova: u64, len: u64) -> Result<(i32, &Descriptor), OsError> {
        let all = self
            .by_fd
            .iter()
            .flat_map(|(&fd, list)| list.iter().map(move |d| (fd, d)));
        let here = |&(_, d): &(i32, &Descriptor)| {
            let offset = iova.checked_sub(d.iova);
            let end = offset.and_then(|offset| offset.checked_add(len));
            end.is_some_and(|end| end <= d.whole_pages())
        };
        let found = all.filter(here).max_by_key(|(_, d)| d.id);
        found.ok_or(OsError::NoSuchMap(iova))
    }

    /// Something maps a descriptor elsewhere, until [`Self::remove_map`].
    pub fn add_map(&mut self, fd: i32, id: u64) -> Result<(), OsError> {
        let found = self.find_mut(fd, |d| d.id == id);
        let descriptor = found.ok_or(OsError::NoSuchMap(fd as u64))?;
        let maps = descriptor.maps.checked_add(1);
        descriptor.maps = maps.ok_or(OsError::Limit("mappings of one descriptor"))?;
        Ok(())
    }

    /// What [`Self::add_map`] counted is gone.
    pub fn remove_map(&mut self, fd: i32, id: u64) -> Option<Unmap> {
        let descriptor = self.find_mut(fd, |d| d.id == id)?;
        descriptor.maps = descriptor.maps.saturating_sub(1);
        self.unmap_idle(fd, id)
    }

    /// `HAP_mmap_get`: another user of the newest descriptor of that number, which is mapped.
    pub fn add_user(&mut self, fd: i32) -> Result<(), OsError> {
        let descriptor = self.newest_mut(fd)?;
        let users = descriptor.users.checked_add(1);
        descriptor.users = users.ok_or(OsError::Limit("HAP_mmap_get of one descriptor"))?;
        Ok(())
    }

    /// `HAP_mmap_put`: one user less.
    pub fn remove_user(&mut self, fd: i32) -> Result<Option<Unmap>, OsError> {
        self.newest(fd)?;
        let descriptor = self.find_mut(fd, |d| d.users > 0);
        let descriptor = descriptor.ok_or(OsError::NoUser(fd))?;
        descriptor.users -= 1;
        let id = descriptor.id;
        Ok(self.unmap_idle(fd, id))
    }

    /// Forgets a mapping that nobody needs, and a descriptor that nobody announced, carries or uses.
    fn unmap_idle(&mut self, fd: i32, id: u64) -> Option<Unmap> {
        let descriptor = self.find_mut(fd, |d| d.id == id).filter(|d| d.idle())?;
        let (va, announced) = (descriptor.va.filter(|_| descriptor.mapped), descriptor.announced);
        descriptor.mapped = false;
        if announced {
            return va.map(Unmap::Delayed);
        }
        if let Some(list) = self.by_fd.get_mut(&fd) {
            list.retain(|d| d.id != id);
        }
        self.drop_empty(fd);
        va.map(Unmap::Gone)
    }

    fn drop_empty(&mut self, fd: i32) {
        if self.by_fd.get(&fd).is_some_and(Vec::is_empty) {
            self.by_fd.remove(&fd);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const VA: u32 = 0x1000_0000;

    fn announced(delayed: bool) -> Descriptors {
        let mut all = Descriptors::default();
        all.add(7, Descriptor::announced(0x10_0000, 0x2800, VA, delayed));
        all
    }

    #[test]
    fn a_window_is_given_back_whole_and_as_often_as_it_was_given() {
        let mut all = announced(false);
        let va = all.add_window(7, 0x1000, 0x1234).unwrap();
        assert_eq!((va, all.add_window(7, 0x1000, 0x1235)), (VA + 0x1000, Ok(va)));
        let unknown = |va: u32| Err(OsError::NoSuchMap(va.into()));
        // The first page only, the page after, a page more, nothing.
        assert_eq!(all.remove_window(va, 0x1000), unknown(va));
        assert_eq!(all.remove_window(va + 0x1000, 0x1000), unknown(va + 0x1000));
        assert_eq!(all.remove_window(va, 0x2001), unknown(va));
        assert_eq!(all.remove_window(va, 0), unknown(va));
        // The last page counts whole.
        assert_eq!(all.remove_window(va, 0x2000), Ok(None));
        assert_eq!(all.remove_window(va, 0x1001), Ok(None));
        assert_eq!(all.remove_window(va, 0x1234), unknown(va));
        assert_eq!(all.count(), 1);
    }

    #[test]
    fn a_delayed_mapping_lives_as_long_as_its_windows_and_users() {
        let mut all = announced(true);
        assert!(!all.newest(7).unwrap().has_address());
        all.mapped_at(7, VA);
        all.add_window(7, 0, 0x2800).unwrap();
        all.add_user(7).unwrap();
        assert_eq!(all.remove_user(7), Ok(None));
        assert_eq!(all.remove_user(7), Err(OsError::NoUser(7)));
        assert_eq!(all.remove_window(VA, 0x2800), Ok(Some(Unmap::Delayed(VA))));
        assert!(!all.newest(7).unwrap().mapped);
        assert_eq!(all.remove_user(8), Err(OsError::NoSuchMap(8)));
    }

    #[test]
    fn calls_that_carry_one_number_for_two_buffers_end_their_own() {
        let mut all = Descriptors::default();
        let first = all.begin_call(9, 0x1000, 0x1000);
        let second = all.begin_call(9, 0x8000, 0x1000);
        assert_eq!(all.begin_call(9, 0x1000, 0x1000), first);
        all.mapped_at(9, VA);
        assert_eq!((all.end_call(9, first), all.count()), (None, 2));
        assert_eq!((all.end_call(9, first), all.count()), (None, 1));
        assert_eq!(all.newest(9).unwrap().iova, 0x8000);
        assert_eq!(all.end_call(9, second), Some(Unmap::Gone(VA)));
        assert_eq!(all.count(), 0);
    }

    #[test]
    fn what_the_driver_takes_back_takes_its_windows_along() {
        let mut all = announced(false);
        let va = all.add_window(7, 0x2fff, 1).unwrap();
        assert_eq!(all.count(), 2);
        assert!(all.withdraw(8, VA).is_err());
        all.withdraw(-1, VA).unwrap();
        assert_eq!(all.count(), 0);
        assert_eq!(all.remove_window(va, 1), Err(OsError::NoSuchMap(va.into())));
    }
}
