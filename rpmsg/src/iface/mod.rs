//! The IDL interfaces that travel over FastRPC, one file each, in both directions.
//!
//! A call's content is a [`Payload`]: the scalars word, the bytes of each input buffer and the capacity of each output
//! buffer. An interface module parses it into its `Request` enum and encodes the method's reply into the contents of the
//! output buffers; for the AP's interfaces (`apps_*`) it does the reverse. What is sent where:
//!
//! | handle | interface | module |
//! |---|---|---|
//! | 0 / 8 | remotectl / remotectl1 | [`remotectl`] |
//! | 1 | process control | [`control`](crate::fastrpc::control) |
//! | 2 | DSP attributes | [`attributes`](crate::fastrpc::attributes) |
//! | 3 / 7 | adsp_listener / adsp_listener1 | [`listener`], with the packs of [`tunnel`] |
//! | 4 | adsp_current_process1 | [`current_process`] |
//! | 5 | adspmsgd_adsp1 | [`adspmsgd`] |
//! | 6 / 9 | adsp_perf / adsp_perf1 | [`perf`] |
//! | dynamic | adsp_default_listener(1), dspqueue_rpc | [`default_listener`], [`dspqueue`] |
//! | 0 on the AP | apps_remotectl | [`apps_remotectl`] |
//! | dynamic on the AP | apps_std, apps_mem, adspmsgd_apps | [`apps_std`], [`apps_mem`], [`adspmsgd_apps`] |

#[macro_use]
pub mod qaic;
pub mod tunnel;

pub mod adspmsgd;
pub mod adspmsgd_apps;
pub mod apps_mem;
pub mod apps_remotectl;
pub mod apps_std;
pub mod current_process;
pub mod default_listener;
pub mod dspqueue;
pub mod listener;
pub mod perf;
pub mod remotectl;

pub use qaic::{Cap, Kind, Method, Payload, PayloadError, Reply, Text, TextCaps, Texts};

/// Handles that the DSP serves without being opened (`*_handle` constants of the library's headers).
pub mod handle {
    /// remotectl, plain.
    pub const REMOTECTL: u32 = 0;
    /// Process control, kernel only.
    pub const PROCESS_CONTROL: u32 = 1;
    /// DSP attributes, kernel only.
    pub const ATTRIBUTES: u32 = 2;
    /// adsp_listener, plain.
    pub const LISTENER: u32 = 3;
    /// adsp_current_process1.
    pub const CURRENT_PROCESS1: u32 = 4;
    /// adspmsgd_adsp1.
    pub const ADSPMSGD1: u32 = 5;
    /// adsp_perf, plain.
    pub const PERF: u32 = 6;
    /// adsp_listener1.
    pub const LISTENER1: u32 = 7;
    /// remotectl1.
    pub const REMOTECTL1: u32 = 8;
    /// adsp_perf1.
    pub const PERF1: u32 = 9;
    /// Handles that the DSP gives out must be above this: the library takes values below for constant or static-process ones.
    pub const LAST_RESERVED: u32 = 0x200;
    /// apps_remotectl, on the AP's side of the reverse tunnel.
    pub const APPS_REMOTECTL: u32 = 0;
}

/// Names under which modules are opened, on either side. With a 1 at the end, calls carry a 64-bit handle.
pub mod name {
    /// adsp_default_listener, plain.
    pub const DEFAULT_LISTENER: &str = "adsp_default_listener";
    /// adsp_default_listener, with handles.
    pub const DEFAULT_LISTENER1: &str = "adsp_default_listener1";
    /// adsp_current_process, plain.
    pub const CURRENT_PROCESS: &str = "adsp_current_process";
    /// adsp_current_process, with handles.
    pub const CURRENT_PROCESS1: &str = "adsp_current_process1";
    /// adspmsgd_adsp, plain.
    pub const ADSPMSGD: &str = "adspmsgd_adsp";
    /// adspmsgd_adsp, with handles.
    pub const ADSPMSGD1: &str = "adspmsgd_adsp1";
    /// dspqueue_rpc, with handles.
    pub const DSPQUEUE: &str = "dspqueue_rpc";
    /// apps_remotectl, on the AP.
    pub const APPS_REMOTECTL: &str = "apps_remotectl";
    /// apps_std, on the AP.
    pub const APPS_STD: &str = "apps_std";
    /// apps_mem, on the AP.
    pub const APPS_MEM: &str = "apps_mem";
    /// adspmsgd_apps, on the AP.
    pub const ADSPMSGD_APPS: &str = "adspmsgd_apps";

    /// The library that a plain name means (`mod_table.c` of qualcomm/fastrpc): `libNAME_skel.so`.
    #[must_use]
    pub fn library(name: &str) -> String {
        format!("lib{name}_skel.so")
    }

    /// The name that means this library, if one does.
    #[must_use]
    pub fn of_library(file: &str) -> Option<&str> {
        file.strip_prefix("lib")?.strip_suffix("_skel.so")
    }
}
