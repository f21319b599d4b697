//! Modules and their methods, and requests to the library itself: `remote_*`.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::ffi::{CStr, c_char, c_int, c_void};
use std::sync::Arc;
use std::time::Duration;

use emu_local_ap::{Arg, ClientError};
use rpmsg::Aee;
use rpmsg::fastrpc::Scalars;

use crate::domain::Place;
use crate::machine::{Process, code, machine};

/// An argument on the host's side: a buffer, or a handle, or a piece of shared memory.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct RemoteArg {
    pointer: usize,
    length: usize,
}

/// A module's handle for the program: which process has it, and its handle there.
fn handle_of(place: Place, there: u32) -> u64 {
    u64::from(place.number() + 1) << 32 | u64::from(there)
}

/// Both parts of a handle.
fn parts_of(handle: u64) -> Result<(Arc<Process>, u32), Aee> {
    let effective = u32::try_from(handle >> 32).unwrap_or_default().checked_sub(1);
    let process = effective.and_then(|number| machine().ok()?.existing_process(number));
    Ok((process.ok_or(Aee::BAD_HANDLE)?, handle as u32))
}

/// Opens a module by its URI.
///
/// # Safety
/// A C string, and room for the handle.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn remote_handle64_open(name: *const c_char, handle: *mut u64) -> c_int {
    let open = || {
        if name.is_null() || handle.is_null() {
            return Err(Aee::BAD_PARM);
        }
        // SAFETY: the caller's promise
        let name = unsafe { CStr::from_ptr(name) }
            .to_str()
            .map_err(|_| Aee::BAD_PARM)?;
        let process = machine()?.process(Place::of_uri(name)?)?;
        let opened = process.client.open(name).map_err(|error| {
            tracing::warn!("cannot open {name}: {error}");
            match error {
                ClientError::Open { code, .. } | ClientError::Dsp { code, .. } => code,
                _ => Aee::FAILED,
            }
        })?;
        // SAFETY: the caller's promise
        unsafe { *handle = handle_of(process.place, opened) };
        Ok(())
    };
    code(open())
}

/// Closes a module.
#[unsafe(no_mangle)]
pub extern "C" fn remote_handle64_close(handle: u64) -> c_int {
    let close = || {
        let (process, handle) = parts_of(handle)?;
        process.client.close(handle).map_err(|error| match error {
            ClientError::Open { code, .. } | ClientError::Dsp { code, .. } => code,
            _ => Aee::FAILED,
        })
    };
    code(close())
}

thread_local! {
    /// The thread's number for each process, by effective domain: calls of different threads run side by side on a DSP.
    static THREADS: RefCell<BTreeMap<u32, i32>> = const { RefCell::new(BTreeMap::new()) };
}

/// # Safety
/// As [`remote_handle64_invoke`].
unsafe fn invoke(handle: u64, sc: Scalars, args: &[RemoteArg]) -> Result<(), Aee> {
    let (process, handle) = parts_of(handle)?;
    let session = process.client.session();
    let seen = |error| {
        tracing::warn!("{error}");
        Aee::NO_MEMORY
    };
    let ins = sc.in_bufs();
    let buffers = ins + sc.out_bufs();
    let list = {
        let mut shared = machine()?.buffers();
        let each = args.iter().enumerate().map(|(index, arg)| {
            if index >= buffers {
                let (fd, offset) = (arg.pointer as u32, (arg.pointer as u64 >> 32) as u32);
                let found = shared.named_mut(fd.cast_signed()).ok_or(Aee::BAD_FD)?;
                let len = u32::try_from(found.len).unwrap_or(u32::MAX);
                let buffer = found.seen_by(session).map_err(seen)?;
                return Ok(Arg::Handle(fd.cast_signed(), buffer, offset, len));
            }
            let len = arg.length as u64;
            if arg.pointer == 0 && len != 0 {
                return Err(Aee::BAD_PARM);
            }
            if len != 0
                && let Some((found, offset)) = shared.holding(arg.pointer, len)
            {
                return Ok(Arg::Mapped(found.seen_by(session).map_err(seen)?, offset, len));
            }
            if index >= ins {
                return Ok(Arg::Out(len));
            }
            if len == 0 {
                return Ok(Arg::In(&[]));
            }
            // SAFETY: the caller's promise
            Ok(Arg::In(unsafe {
                std::slice::from_raw_parts(arg.pointer as *const u8, arg.length)
            }))
        });
        each.collect::<Result<Vec<_>, Aee>>()?
    };
    let tid = THREADS.with_borrow_mut(|tids| {
        *tids
            .entry(process.place.number())
            .or_insert_with(|| process.client.new_tid())
    });
    let call = session.start_raw(session.client(), tid, handle, sc, &list);
    let answer = call.and_then(|call| call.wait(Duration::MAX)).map_err(|error| {
        tracing::warn!("the call cannot be made: {error}");
        Aee::RPC
    })?;
    if !answer.retval.is_ok() {
        return Err(answer.retval);
    }
    for (arg, out) in args.iter().skip(ins).zip(&answer.outs) {
        // Those in shared memory are there already and empty here.
        let len = out.len().min(arg.length);
        // SAFETY: the caller's promise: the buffer has this length, and nobody else has it now
        unsafe { std::ptr::copy_nonoverlapping(out.as_ptr(), arg.pointer as *mut u8, len) };
    }
    Ok(())
}

/// Calls a method.
///
/// # Safety
/// `args` are as many arguments as `sc` says, and their buffers as long as they say.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn remote_handle64_invoke(handle: u64, sc: u32, args: *const RemoteArg) -> c_int {
    let sc = Scalars(sc);
    if args.is_null() && sc.args() != 0 {
        return code(Err(Aee::BAD_PARM));
    }
    let args = match sc.args() {
        0 => &[],
        // SAFETY: the caller's promise
        count => unsafe { std::slice::from_raw_parts(args, count) },
    };
    // SAFETY: the caller's promise
    code(unsafe { invoke(handle, sc, args) })
}

/// Requests of `remote_handle_control`.
mod handle_request {
    /// `DSPRPC_CONTROL_LATENCY`
    pub const LATENCY: u32 = 1;
    /// `DSPRPC_GET_DSP_INFO`
    pub const DSP_INFO: u32 = 2;
    /// `DSPRPC_CONTROL_WAKELOCK`
    pub const WAKELOCK: u32 = 3;
    /// `DSPRPC_GET_DOMAIN`
    pub const DOMAIN: u32 = 4;
}

/// Requests of `remote_session_control`.
mod session_request {
    /// `DSPRPC_CONTROL_UNSIGNED_MODULE`
    pub const UNSIGNED_MODULE: u32 = 2;
    /// `FASTRPC_RESERVE_NEW_SESSION`
    pub const NEW_SESSION: u32 = 13;
    /// `FASTRPC_GET_EFFECTIVE_DOMAIN_ID`
    pub const EFFECTIVE_DOMAIN: u32 = 14;
    /// `FASTRPC_GET_URI`
    pub const URI: u32 = 15;
}

/// `struct remote_dsp_capability`.
#[repr(C)]
struct Capability {
    domain: u32,
    attribute: u32,
    value: u32,
}

/// `struct remote_rpc_control_unsigned_module`.
#[repr(C)]
struct UnsignedModule {
    domain: i32,
    enable: i32,
}

/// `struct remote_rpc_reserve_new_session`.
#[repr(C)]
struct NewSession {
    name: *const u8,
    name_length: u32,
    session_name: *const u8,
    session_name_length: u32,
    effective: u32,
    session: u32,
}

/// `struct remote_rpc_effective_domain_id`.
#[repr(C)]
struct EffectiveDomain {
    name: *const u8,
    name_length: u32,
    session: u32,
    effective: u32,
}

/// `struct remote_rpc_get_uri`.
#[repr(C)]
struct GetUri {
    name: *const u8,
    name_length: u32,
    session: u32,
    module: *const u8,
    module_length: u32,
    uri: *mut u8,
    uri_length: u32,
}

/// The request's data, of this type.
///
/// # Safety
/// `data` points to `length` bytes that nobody else uses.
unsafe fn data_as<'a, T>(data: *mut c_void, length: u32) -> Result<&'a mut T, Aee> {
    let data = data.cast::<T>();
    if data.is_null() || length as usize != size_of::<T>() || !data.is_aligned() {
        return Err(Aee::BAD_PARM);
    }
    // SAFETY: the caller's promise, and the length fits
    Ok(unsafe { &mut *data })
}

/// Text of a request.
///
/// # Safety
/// `at` points to `length` bytes.
unsafe fn text<'a>(at: *const u8, length: u32) -> Result<&'a [u8], Aee> {
    if at.is_null() {
        return Err(Aee::BAD_PARM);
    }
    // SAFETY: the caller's promise
    Ok(unsafe { std::slice::from_raw_parts(at, length as usize) })
}

/// A session that there can be here, by a DSP's name.
fn place_of(name: &[u8], session: u32) -> Result<Place, Aee> {
    let name = std::str::from_utf8(name).map_err(|_| Aee::BAD_PARM)?;
    let place = Place::named(name.trim_end_matches('\0'), session)?;
    machine()?.check(place)?;
    Ok(place)
}

fn unknown(function: &str, request: u32) -> Aee {
    tracing::warn!("{function} does not know request {request}");
    Aee::UNSUPPORTED
}

/// Requests about a DSP.
///
/// # Safety
/// `data` points to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn remote_handle_control(request: u32, data: *mut c_void, length: u32) -> c_int {
    let answer = || match request {
        handle_request::DSP_INFO => {
            // SAFETY: the caller's promise
            let asked = unsafe { data_as::<Capability>(data, length) }?;
            let place = Place::effective(asked.domain.into())?;
            let machine = machine()?;
            machine.check(place)?;
            // DOMAIN_SUPPORT is the library's own.
            asked.value = match asked.attribute {
                0 => 1,
                number => machine.attribute(place, number)?,
            };
            Ok(())
        }
        handle_request::LATENCY | handle_request::WAKELOCK => {
            // How fast the host's cores wake up is not the DSP's matter.
            tracing::debug!("remote_handle_control: request {request} has nothing to change here");
            Ok(())
        }
        other => Err(unknown("remote_handle_control", other)),
    };
    code(answer())
}

/// Requests about an open module.
///
/// # Safety
/// `data` points to `length` bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn remote_handle64_control(
    handle: u64,
    request: u32,
    data: *mut c_void,
    length: u32,
) -> c_int {
    if request == handle_request::DOMAIN {
        // SAFETY: the caller's promise
        let asked = unsafe { data_as::<u32>(data, length) };
        let answer = asked.and_then(|domain| {
            *domain = parts_of(handle)?.0.place.number();
            Ok(())
        });
        return code(answer);
    }
    // SAFETY: the caller's promise
    unsafe { remote_handle_control(request, data, length) }
}

/// # Safety
/// As [`remote_session_control`].
unsafe fn get_uri(data: *mut c_void, length: u32) -> Result<(), Aee> {
    // SAFETY: the caller's promise
    let asked = unsafe { data_as::<GetUri>(data, length) }?;
    // SAFETY: the caller's promise
    let (name, module) = unsafe {
        (
            text(asked.name, asked.name_length)?,
            text(asked.module, asked.module_length)?,
        )
    };
    let place = place_of(name, asked.session)?;
    let mut uri = module.to_vec();
    uri.extend_from_slice(format!("&_dom={}&_session={}\0", place.name(), place.session).as_bytes());
    if asked.uri.is_null() {
        return Err(Aee::BAD_PARM);
    }
    if uri.len() > asked.uri_length as usize {
        return Err(Aee::BAD_SIZE);
    }
    // SAFETY: the caller's promise, and it fits
    unsafe { std::ptr::copy_nonoverlapping(uri.as_ptr(), asked.uri, uri.len()) };
    Ok(())
}

/// Requests about the program's session.
///
/// # Safety
/// `data` points to what the request's structure says.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn remote_session_control(request: u32, data: *mut c_void, length: u32) -> c_int {
    let answer = || match request {
        // The process is an unsigned one always.
        session_request::UNSIGNED_MODULE => {
            // SAFETY: the caller's promise
            let asked = unsafe { data_as::<UnsignedModule>(data, length) }?;
            match asked {
                UnsignedModule { enable: 0, .. } => {
                    tracing::warn!("a signed process is not there");
                    Err(Aee::UNSUPPORTED)
                }
                UnsignedModule { domain: -1, .. } => Ok(()),
                UnsignedModule { domain, .. } => machine()?.check(Place::effective((*domain).into())?),
            }
        }
        session_request::NEW_SESSION => {
            // SAFETY: the caller's promise
            let asked = unsafe { data_as::<NewSession>(data, length) }?;
            // SAFETY: the caller's promise
            let domain = place_of(unsafe { text(asked.name, asked.name_length) }?, 0)?.domain;
            let place = machine()?.new_process(domain)?.place;
            (asked.effective, asked.session) = (place.number(), place.session);
            Ok(())
        }
        session_request::EFFECTIVE_DOMAIN => {
            // SAFETY: the caller's promise
            let asked = unsafe { data_as::<EffectiveDomain>(data, length) }?;
            // SAFETY: the caller's promise
            let place = place_of(unsafe { text(asked.name, asked.name_length) }?, asked.session)?;
            asked.effective = place.number();
            Ok(())
        }
        // SAFETY: the caller's promise
        session_request::URI => unsafe { get_uri(data, length) },
        other => Err(unknown("remote_session_control", other)),
    };
    code(answer())
}
