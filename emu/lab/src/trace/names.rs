//! Names of what messages call by number.

use rpmsg::fastrpc::control;
use rpmsg::glink::Command;
use rpmsg::iface::{
    adspmsgd, adspmsgd_apps, apps_mem, apps_remotectl, apps_std, current_process, default_listener, handle,
    listener, name, perf, remotectl,
};

/// Methods of one interface, by number.
pub type Methods = &'static [(u32, &'static str)];

/// Attributes: the kernel's question for the DSP's capabilities.
const ATTRIBUTES: Methods = &[(0, "get")];
/// Methods of every interface with handles of 64 bits, before its own.
const HANDLE64: u32 = 2;

/// An interface behind a fixed handle.
#[derive(Debug, Clone, Copy)]
pub struct Interface {
    /// The handle.
    pub handle: u32,
    /// Its name.
    pub name: &'static str,
    /// Its methods.
    pub methods: Methods,
    /// Whether methods are counted from 2, because open and close come first.
    pub handle64: bool,
}

const fn plain(handle: u32, name: &'static str, methods: Methods) -> Interface {
    Interface {
        handle,
        name,
        methods,
        handle64: false,
    }
}

const fn handle64(handle: u32, name: &'static str, methods: Methods) -> Interface {
    Interface {
        handle,
        name,
        methods,
        handle64: true,
    }
}

/// What the DSP offers behind fixed handles.
pub const ON_DSP: [Interface; 10] = [
    plain(handle::REMOTECTL, "remotectl", remotectl::METHODS),
    plain(handle::PROCESS_CONTROL, "process_control", control::METHODS),
    plain(handle::ATTRIBUTES, "attributes", ATTRIBUTES),
    plain(handle::LISTENER, "adsp_listener", listener::METHODS),
    handle64(
        handle::CURRENT_PROCESS1,
        name::CURRENT_PROCESS1,
        current_process::METHODS,
    ),
    handle64(handle::ADSPMSGD1, name::ADSPMSGD1, adspmsgd::METHODS),
    plain(handle::PERF, "adsp_perf", perf::METHODS),
    handle64(handle::LISTENER1, "adsp_listener1", listener::METHODS),
    handle64(handle::REMOTECTL1, "remotectl1", remotectl::METHODS),
    handle64(handle::PERF1, "adsp_perf1", perf::METHODS),
];

/// What modules are that are opened by name, on either side.
pub const BY_NAME: [(&str, Methods, bool); 9] = [
    (name::APPS_REMOTECTL, apps_remotectl::METHODS, false),
    (name::APPS_STD, apps_std::METHODS, false),
    (name::APPS_MEM, apps_mem::METHODS, false),
    (name::ADSPMSGD_APPS, adspmsgd_apps::METHODS, false),
    (name::DEFAULT_LISTENER, default_listener::METHODS, false),
    (name::DEFAULT_LISTENER1, default_listener::METHODS, true),
    (name::CURRENT_PROCESS, current_process::METHODS, false),
    (name::CURRENT_PROCESS1, current_process::METHODS, true),
    (name::ADSPMSGD1, adspmsgd::METHODS, true),
];

/// The name of a method of the interface with these methods.
fn method_of(methods: Methods, handle64: bool, number: u32) -> Option<&'static str> {
    let number = match (handle64, number) {
        (false, _) => number,
        (true, 0) => return Some("open"),
        (true, 1) => return Some("close"),
        (true, _) => number - HANDLE64,
    };
    methods.iter().find(|(n, _)| *n == number).map(|(_, name)| *name)
}

/// What is behind a fixed handle of the DSP.
#[must_use]
pub fn interface(handle: u32) -> Option<&'static str> {
    ON_DSP.iter().find(|i| i.handle == handle).map(|i| i.name)
}

/// A method by the handle, or else by the name of what was opened.
#[must_use]
pub fn method(handle: Option<u32>, name: &str, number: u32) -> Option<&'static str> {
    if let Some(i) = ON_DSP.iter().find(|i| Some(i.handle) == handle) {
        return method_of(i.methods, i.handle64, number);
    }
    let (_, methods, handle64) = BY_NAME.iter().find(|(n, ..)| *n == name)?;
    method_of(methods, *handle64, number)
}

/// The short name of a module by what it was opened as: `file:///libcalculator_skel.so?…` is `calculator`.
#[must_use]
pub fn module(uri: &[u8]) -> String {
    let uri: String = uri
        .iter()
        .take_while(|b| **b != 0)
        .map(|b| if b.is_ascii() { *b as char } else { '?' })
        .collect();
    let path = uri.split('?').next().unwrap_or_default();
    let base = path.rsplit('/').next().unwrap_or_default();
    let base = base.strip_suffix(".so").unwrap_or(base);
    let base = base.strip_suffix("_skel").unwrap_or(base);
    text(base.strip_prefix("lib").unwrap_or(base).as_bytes())
}

/// A name in the guest's memory, for people: up to its NUL, at most 48 bytes, and in ASCII, so that every reader cuts it at
/// the same place.
#[must_use]
pub fn text(bytes: &[u8]) -> String {
    bytes
        .iter()
        .take_while(|b| **b != 0)
        .take(48)
        .map(|b| if b.is_ascii_graphic() { *b as char } else { '?' })
        .collect()
}

/// The name of a GLINK command.
#[must_use]
pub const fn command(command: &Command) -> &'static str {
    match command {
        Command::Version { .. } => "version",
        Command::VersionAck { .. } => "version-ack",
        Command::Open { .. } => "open",
        Command::Close { .. } => "close",
        Command::OpenAck { .. } => "open-ack",
        Command::Intents { .. } => "intents",
        Command::RxDone { .. } => "rx-done",
        Command::RxIntentReq { .. } => "rx-intent-req",
        Command::RxIntentReqAck { .. } => "rx-intent-req-ack",
        Command::TxData { .. } => "tx-data",
        Command::CloseAck { .. } => "close-ack",
        Command::TxDataCont { .. } => "tx-data-cont",
        Command::ReadNotif => "read-notif",
        Command::RxDoneReuse { .. } => "rx-done-reuse",
        Command::Signals { .. } => "signals",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn methods_by_handle_and_by_name() {
        assert_eq!(method(Some(7), "", 6), Some("next2"));
        assert_eq!(method(Some(3), "", 4), Some("next2"));
        assert_eq!(method(Some(8), "", 0), Some("open"));
        assert_eq!(method(Some(1), "", 6), Some("create"));
        assert_eq!(method(Some(1), "", 2), None);
        assert_eq!(method(Some(0x35f0_8490), "calculator", 2), None);
        assert_eq!(method(None, "apps_std", 0), Some("fopen"));
        assert_eq!(method(None, "adsp_default_listener1", 2), Some("register"));
        assert_eq!(interface(8), Some("remotectl1"));
        assert_eq!(interface(0x35f0_8490), None);
    }

    #[test]
    fn modules_have_short_names() {
        assert_eq!(
            module(b"file:///libcalculator_skel.so?calculator_skel_handle_invoke&_dom=cdsp\0x"),
            "calculator"
        );
        assert_eq!(module(b"adsp_default_listener\0"), "adsp_default_listener");
        assert_eq!(module(b"a/b\xffc d"), "b");
        assert_eq!(module(b""), "");
    }
}
