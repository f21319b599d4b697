//! Handle 1: the kernel's own calls. Processes are made and released here, and memory is mapped into them.
//!
//! The message's client is 0 (the kernel); the session that a call concerns is named inside. RELEASE comes for every close of a
//! device node, also for sessions that never had a process, and is answered 0 in any case: `close` hangs until it is. After the
//! answers to RELEASE, MUNMAP and MEM_UNMAP the kernel reuses the memory, so they are answered when nothing touches it any more.
//!
//! Not modelled: the remote heap (CREATE_STATIC's heap and MMAP with flags 8). Its memory is accepted and left alone, because
//! nothing on this DSP allocates from it; the log says so, as it does of attributes and fields without effect. The shell that comes with CREATE is looked at, but not executed: the DSP's operating
//! system is part of the emulator.

use std::sync::Arc;

use rpmsg::Aee;
use rpmsg::fastrpc::{Page, control};

use super::call::ApCall;
use super::pd::{Mapping, MappingKind, Origin, Pd, PdKey};
use super::sessions::Sessions;
use super::static_process;
use super::stats::add;

/// Addresses told for remote heap: above everything that a process can have.
const REMOTE_HEAP_BASE: u64 = 1 << 40;
/// `EM_HEXAGON`.
const ELF_MACHINE: u16 = 164;

/// Serves one call.
pub(super) fn serve(dsp: &Arc<Sessions>, call: ApCall) {
    if call.message().client_id != 0 {
        return call.refuse(Aee::BAD_PERMISSIONS, "only the kernel may call process control");
    }
    let creates = control::has_shell(call.message().sc.method());
    let shell_len = creates.then(|| call.args().get(control::SHELL_BUFFER).map_or(0, |arg| arg.len()));
    let Some((call, payload)) = call.with_payload_except(creates.then_some(control::SHELL_BUFFER)) else {
        return;
    };
    let request = match control::Control::parse(&payload, shell_len) {
        Ok(request) => request,
        Err(e) => return call.refuse_payload(&e),
    };
    tracing::debug!(target: "emu::services", sid = call.sid(), ?request, "process control");
    let key = PdKey {
        sid: call.sid(),
        client: request.client(),
    };
    match request {
        control::Control::Attach { .. } => attach(dsp, call, key),
        control::Control::Release { .. } => release(dsp, call, key),
        control::Control::Create {
            name, attrs, memory, ..
        } => create(dsp, call, key, &name, attrs, memory),
        control::Control::CreateStatic { name, heap, .. } => create_static(dsp, call, key, &name, heap),
        control::Control::Mmap {
            flags, vaddr, page, ..
        } => with_pd(dsp, call, key, |pd, call| {
            if vaddr != 0 {
                without_effect(pd, "the wanted address of MMAP");
            }
            answer_address(call, map_heap(dsp, pd, flags, page));
        }),
        control::Control::Munmap { vaddr, size, .. } => with_pd(dsp, call, key, |pd, call| {
            answer(call, unmap_heap(pd, vaddr, size));
        }),
        control::Control::MemMap {
            fd,
            offset,
            flags,
            vaddrin,
            page,
            ..
        } => with_pd(dsp, call, key, |pd, call| {
            if offset != 0 {
                without_effect(pd, "the offset of MEM_MAP");
            }
            if !KNOWN_FLAGS.contains(&flags) {
                without_effect(pd, "a flag of MEM_MAP");
            }
            answer_address(call, map_buffer(dsp, pd, fd, flags, vaddrin, page));
        }),
        control::Control::MemUnmap { fd, vaddr, len, .. } => with_pd(dsp, call, key, |pd, call| {
            answer(call, unmap_buffer(pd, fd, vaddr, len));
        }),
    }
}

/// Flags of MEM_MAP that mean something here: a static mapping, and those of descriptors.
const KNOWN_FLAGS: [u32; 4] = [0, control::MAP_FD, control::MAP_FD_DELAYED, control::MAP_FD_NOMAP];

fn with_pd(dsp: &Sessions, call: ApCall, key: PdKey, serve: impl FnOnce(&Pd, ApCall)) {
    match dsp.pd(key) {
        Some(pd) => serve(&pd, call),
        None => call.refuse(Aee::NO_SUCH_PROCESS, "the session has no process"),
    }
}

fn answer(call: ApCall, result: Result<(), Aee>) {
    match result {
        Ok(()) => call.done(),
        Err(code) => call.refuse(code, "process control"),
    }
}

fn answer_address(call: ApCall, result: Result<u64, Aee>) {
    match result {
        Ok(address) => call.reply(vec![control::encode_vaddr(address)]),
        Err(code) => call.refuse(code, "process control"),
    }
}

// ---- processes ----------------------------------------------------------------------------------------------------

fn attach(dsp: &Arc<Sessions>, call: ApCall, key: PdKey) {
    match static_process::attached(&dsp.config, call.message().ctx.pd()) {
        Ok(name) => {
            let result = dsp.create(key, call.stream(), name.into(), Origin::Attached, None);
            answer(call, result);
        }
        Err(why) => no_process(dsp, call, &why),
    }
}

fn no_process(dsp: &Sessions, call: ApCall, why: &static_process::NoProcess) {
    let label = &dsp.config.label;
    tracing::warn!(target: "emu::services", dsp = label, sid = call.sid(), "a session is refused: {why}");
    call.refuse(Aee::NO_SUCH_PROCESS, "static process");
}

fn create(dsp: &Arc<Sessions>, call: ApCall, key: PdKey, name: &[u8], attrs: u32, memory: Page) {
    look_at_shell(&call);
    let origin = Origin::Created {
        unsigned: attrs & control::ATTR_UNSIGNED != 0,
    };
    let name = printable(name);
    let result = own_memory(dsp, key.sid, memory)
        .and_then(|initial| dsp.create(key, call.stream(), name, origin, Some(initial)));
    if result.is_ok() {
        add(&dsp.counters.bytes_mapped, memory.size);
        let idle = control::attribute_names(attrs);
        if !idle.is_empty() {
            tracing::info!(target: "emu::services", process = %key, "attributes without effect on this DSP: {idle}");
        }
    }
    answer(call, result);
}

fn create_static(dsp: &Arc<Sessions>, call: ApCall, key: PdKey, name: &[u8], heap: Option<Page>) {
    let name = match static_process::named(&dsp.config, &printable(name)) {
        Ok(name) => name,
        Err(why) => return no_process(dsp, call, &why),
    };
    if heap.is_some_and(|heap| !static_process::is_heap(heap)) {
        return call.refuse(Aee::BAD_PARM, "a remote heap that cannot be");
    }
    let result = dsp.create(key, call.stream(), name.to_owned(), Origin::Static, None);
    if let (Ok(()), Some(heap)) = (result, heap) {
        tracing::info!(target: "emu::services", process = %key, address = format_args!("{:#x}", heap.addr), size = heap.size, "remote heap accepted; nothing on this DSP allocates from it");
    }
    answer(call, result);
}

/// Says once a session that something it asked for has no effect.
fn without_effect(pd: &Pd, what: &'static str) {
    if pd.state().accepted.insert(what) {
        tracing::warn!(target: "emu::services", process = %pd.key, "{what} has no effect on this DSP");
    }
}

fn release(dsp: &Arc<Sessions>, call: ApCall, key: PdKey) {
    match dsp.remove(key) {
        // Killing waits for the process's threads; the device thread must not.
        Some(pd) => dsp.release_in_background(pd, move || call.done()),
        None => call.done(),
    }
}

/// The shell is a Hexagon program, if it is given at all. Ours or a vendor's: it is not run.
fn look_at_shell(call: &ApCall) {
    let Ok(head) = call.peek(control::SHELL_BUFFER, 20) else {
        return;
    };
    if head.is_empty() {
        return;
    }
    let machine = head
        .get(18..20)
        .and_then(|b| b.try_into().ok())
        .map(u16::from_le_bytes);
    let hexagon = head.starts_with(b"\x7fELF\x01\x01") && machine == Some(ELF_MACHINE);
    tracing::debug!(target: "emu::services", hexagon, "a shell file came along; it is not needed and not run");
}

fn printable(name: &[u8]) -> String {
    let name = String::from_utf8_lossy(name);
    name.chars()
        .map(|c| if c.is_control() { '?' } else { c })
        .collect()
}

// ---- memory -------------------------------------------------------------------------------------------------------

/// Checks that a page is the session's and fits a 32-bit DSP: (I/O virtual address, size).
fn own_memory(dsp: &Sessions, sid: u32, page: Page) -> Result<(u64, u32), Aee> {
    let addressing = &dsp.config.addressing;
    let (page_sid, iova) = addressing.split(page.addr);
    let len = u32::try_from(page.size).map_err(|_| Aee::BAD_SIZE)?;
    if len == 0 || len > 1 << 31 {
        return Err(Aee::BAD_SIZE);
    }
    if page_sid != sid || !addressing.fits(iova, page.size) {
        return Err(Aee::BAD_PARM);
    }
    Ok((iova, len))
}

fn map_heap(dsp: &Sessions, pd: &Pd, flags: u32, page: Page) -> Result<u64, Aee> {
    match flags {
        control::MMAP_ADD_PAGES => {
            let (iova, len) = own_memory(dsp, pd.key.sid, page)?;
            let va = pd.process.add_memory(iova, len).map_err(|e| e.aee())?;
            let mapping = Mapping {
                kind: MappingKind::Heap,
                len: page.size,
            };
            if !pd.add_mapping(va.into(), mapping) {
                let _ = pd.process.remove_memory(va, len);
                return Err(Aee::NO_MEMORY);
            }
            add(&dsp.counters.bytes_mapped, page.size);
            Ok(va.into())
        }
        control::MMAP_REMOTE_HEAP => {
            let address = REMOTE_HEAP_BASE.checked_add(page.addr).ok_or(Aee::BAD_PARM)?;
            let mapping = Mapping {
                kind: MappingKind::RemoteHeap,
                len: page.size,
            };
            if !static_process::is_heap(page) || !pd.add_mapping(address, mapping) {
                return Err(Aee::BAD_PARM);
            }
            without_effect(pd, "remote heap");
            Ok(address)
        }
        _ => Err(Aee::UNSUPPORTED),
    }
}

fn unmap_heap(pd: &Pd, address: u64, size: u64) -> Result<(), Aee> {
    let (kind, dead) = {
        let state = pd.state();
        let mapping = state.mappings.get(&address).ok_or(Aee::NO_SUCH_MAP)?;
        if matches!(mapping.kind, MappingKind::Buffer(_)) || mapping.len != size {
            return Err(Aee::NO_SUCH_MAP);
        }
        (mapping.kind, state.exiting)
    };
    if kind == MappingKind::Heap && !dead {
        let (va, len) = narrow(address, size)?;
        pd.process.remove_memory(va, len).map_err(|e| e.aee())?;
    }
    pd.state().mappings.remove(&address);
    Ok(())
}

fn map_buffer(dsp: &Sessions, pd: &Pd, fd: i32, flags: u32, vaddrin: u64, page: Page) -> Result<u64, Aee> {
    let (iova, len) = own_memory(dsp, pd.key.sid, page)?;
    let va = pd
        .process
        .map_fd(fd, iova, len, vaddrin, flags)
        .map_err(|e| e.aee())?;
    if !pd.add_mapping(
        va.into(),
        Mapping {
            kind: MappingKind::Buffer(fd),
            len: page.size,
        },
    ) {
        let _ = pd.process.unmap_fd(fd, va, page.size);
        return Err(Aee::NO_MEMORY);
    }
    add(&dsp.counters.bytes_mapped, page.size);
    Ok(va.into())
}

fn unmap_buffer(pd: &Pd, fd: i32, address: u64, len: u64) -> Result<(), Aee> {
    let (mapped_fd, dead) = {
        let state = pd.state();
        match state.mappings.get(&address).map(|m| m.kind) {
            // The kernel looks a mapping up by address alone when it is given no descriptor.
            Some(MappingKind::Buffer(mapped)) if fd < 0 || mapped == fd => (mapped, state.exiting),
            _ => return Err(Aee::NO_SUCH_MAP),
        }
    };
    if !dead {
        let (va, _) = narrow(address, 0)?;
        pd.process.unmap_fd(mapped_fd, va, len).map_err(|e| e.aee())?;
    }
    pd.state().mappings.remove(&address);
    Ok(())
}

fn narrow(address: u64, size: u64) -> Result<(u32, u32), Aee> {
    match (u32::try_from(address), u32::try_from(size)) {
        (Ok(address), Ok(size)) => Ok((address, size)),
        _ => Err(Aee::NO_SUCH_MAP),
    }
}
