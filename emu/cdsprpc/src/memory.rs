//! Shared memory: `rpcmem_*`, and what `fastrpc_mmap` maps on the DSP.

use std::ffi::{c_int, c_void};
use std::ptr::null_mut;

use emu_local_ap::PAGE;
use rpmsg::Aee;
use rpmsg::fastrpc::control::{MAP_FD, MAP_FD_DELAYED};
use vm_memory::{GuestAddress, GuestMemoryBackend as _};

use crate::buffers::Shared;
use crate::domain::Place;
use crate::machine::{Machine, code, machine, process_at};

fn allocate(machine: &Machine, size: usize) -> Option<usize> {
    let len = (size as u64).max(1).checked_next_multiple_of(PAGE)?;
    let kernel = machine.kernel();
    let physical = kernel.allocate(len).ok()?;
    let memory = kernel.ram().memory();
    let at = memory.get_host_address(GuestAddress(physical)).ok()? as usize;
    machine.buffers().add(at, physical, len);
    Some(at)
}

/// Memory that the DSP can be given; null if there is none left. Heap and flags make no difference here: memory is coherent.
#[unsafe(no_mangle)]
pub extern "C" fn rpcmem_alloc2(_heap: c_int, _flags: u32, size: usize) -> *mut c_void {
    let found = machine().ok().and_then(|machine| allocate(machine, size));
    found.map_or(null_mut(), |at| at as *mut c_void)
}

/// [`rpcmem_alloc2`] with an `int`.
#[unsafe(no_mangle)]
pub extern "C" fn rpcmem_alloc(heap: c_int, flags: u32, size: c_int) -> *mut c_void {
    usize::try_from(size).map_or(null_mut(), |size| rpcmem_alloc2(heap, flags, size))
}

/// Gives a buffer back; other addresses are ignored, as the library does.
#[unsafe(no_mangle)]
pub extern "C" fn rpcmem_free(at: *mut c_void) {
    let Ok(machine) = machine() else { return };
    let Some(shared) = machine.buffers().take(at as usize) else {
        return;
    };
    for (effective, address) in &shared.mapped {
        unmap(machine, *effective, &shared, *address).unwrap_or_else(|error| {
            tracing::warn!(
                "a buffer that is still mapped was freed, and the DSP does not unmap it: {error:?}"
            );
        });
    }
    if let Err(error) = shared.free(machine.kernel()) {
        tracing::warn!("a buffer cannot be freed: {error}");
    }
}

/// A buffer's descriptor, -1 for other addresses.
#[unsafe(no_mangle)]
pub extern "C" fn rpcmem_to_fd(at: *mut c_void) -> c_int {
    let fd = |machine: &Machine| Some(machine.buffers().at(at as usize)?.fd);
    machine().ok().and_then(fd).unwrap_or(-1)
}

/// Nothing to do: kept for programs of old.
#[unsafe(no_mangle)]
pub extern "C" fn rpcmem_init() {}

/// Nothing to do: kept for programs of old.
#[unsafe(no_mangle)]
pub extern "C" fn rpcmem_deinit() {}

fn map(domain: c_int, fd: c_int, offset: c_int, length: usize, flags: c_int) -> Result<(), Aee> {
    let flags = u32::try_from(flags)
        .ok()
        .filter(|flags| [MAP_FD, MAP_FD_DELAYED].contains(flags))
        .ok_or_else(|| {
            tracing::warn!("fastrpc_mmap with flags {flags} is not there");
            Aee::UNSUPPORTED
        })?;
    let process = process_at(domain)?;
    let mut buffers = machine()?.buffers();
    let shared = buffers.named_mut(fd).ok_or(Aee::BAD_FD)?;
    if offset != 0 || length as u64 > shared.len {
        return Err(Aee::BAD_PARM);
    }
    let effective = process.place.number();
    if shared.is_mapped(effective) {
        return Err(Aee::ITEM_BUSY);
    }
    let session = process.client.session();
    let seen = shared.seen_by(session).map_err(|error| {
        tracing::warn!("{error}");
        Aee::NO_MEMORY
    })?;
    let address = session.map(fd, seen, flags).map_err(refused)?;
    shared.mapped.insert(effective, address);
    Ok(())
}

fn unmap(machine: &Machine, effective: u32, shared: &Shared, address: u64) -> Result<(), Aee> {
    let process = machine.existing_process(effective).ok_or(Aee::NO_SUCH_MAP)?;
    let unmapped = process.client.session().unmap(shared.fd, address, shared.len);
    unmapped.map_err(refused)
}

fn refused(error: emu_local_ap::DriverError) -> Aee {
    match error {
        emu_local_ap::DriverError::Dsp(code) => code,
        other => {
            tracing::warn!("{other}");
            Aee::NO_MEMORY
        }
    }
}

/// Maps a buffer of `rpcmem_alloc` on the DSP: `FASTRPC_MAP_FD` or `FASTRPC_MAP_FD_DELAYED`.
#[unsafe(no_mangle)]
pub extern "C" fn fastrpc_mmap(
    domain: c_int,
    fd: c_int,
    _at: *mut c_void,
    offset: c_int,
    length: usize,
    flags: c_int,
) -> c_int {
    code(map(domain, fd, offset, length, flags))
}

/// The end of [`fastrpc_mmap`].
#[unsafe(no_mangle)]
pub extern "C" fn fastrpc_munmap(domain: c_int, fd: c_int, _at: *mut c_void, _length: usize) -> c_int {
    let end = || {
        let effective = Place::effective(domain.into())?.number();
        let machine = machine()?;
        let mut buffers = machine.buffers();
        let shared = buffers.named_mut(fd).ok_or(Aee::BAD_FD)?;
        let address = *shared.mapped.get(&effective).ok_or(Aee::NO_SUCH_MAP)?;
        unmap(machine, effective, shared, address)?;
        shared.mapped.remove(&effective);
        Ok(())
    };
    code(end())
}
