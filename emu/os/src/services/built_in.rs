//! The modules that every DSP image brings along, by the names of their libraries.

use rpmsg::iface::{Kind, name};

/// A module of the DSP image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BuiltIn {
    DefaultListener(Kind),
    CurrentProcess(Kind),
    Adspmsgd(Kind),
    Dspqueue,
}

/// What a library's name stands for on this DSP.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Library {
    BuiltIn(BuiltIn),
    /// A file of the AP.
    File,
}

/// Looks a library up by its base name.
pub(super) fn library(file: &str) -> Library {
    let built_in = match name::of_library(file) {
        Some(name::DEFAULT_LISTENER) => BuiltIn::DefaultListener(Kind::Plain),
        Some(name::DEFAULT_LISTENER1) => BuiltIn::DefaultListener(Kind::Handle64),
        Some(name::CURRENT_PROCESS) => BuiltIn::CurrentProcess(Kind::Plain),
        Some(name::CURRENT_PROCESS1) => BuiltIn::CurrentProcess(Kind::Handle64),
        Some(name::ADSPMSGD) => BuiltIn::Adspmsgd(Kind::Plain),
        Some(name::ADSPMSGD1) => BuiltIn::Adspmsgd(Kind::Handle64),
        Some(name::DSPQUEUE) => BuiltIn::Dspqueue,
        _ => return Library::File,
    };
    Library::BuiltIn(built_in)
}
