//! `libcdsprpc.so` for the host: what a program calls of the library on a phone, with the emulated DSP behind it in the same
//! process. No guest, no kernel, no QEMU; the DSP is the real one ([`emu_local_ap`] plays driver and library).
//!
//! Names, values and layouts: `inc/remote.h`, `inc/rpcmem.h` and `inc/dspqueue.h` of qualcomm/fastrpc. Exported are
//! `rpcmem_*`, `fastrpc_mmap` and `fastrpc_munmap`, `remote_handle64_*`, `remote_handle_control`, `remote_session_control` and
//! `dspqueue_*`; what is not there a program does not find, and requests that are not known are refused with
//! `AEE_EUNSUPPORTED` and logged.
//!
//! Settings are environment variables: `VHOST_HEXAGON_SOC` (a profile's name or file), `VHOST_HEXAGON_DSP_THREADS`, `VHOST_HEXAGON_ENGINE`, `VHOST_HEXAGON_LOG` (a tracing filter), and
//! the library's own `ADSP_LIBRARY_PATH` or `DSP_LIBRARY_PATH` (folders with skeletons, `;` between them).
//!
//! All DSPs that the profile has are there, each started when it is first wanted, with four sessions of the program, each a process of its own
//! there. Buffers are seen by all of them.
//!
//! Not modelled: callbacks of queues, asynchronous calls, notifications.

mod buffers;
mod domain;
mod machine;
mod memory;
mod queue;
mod remote;
