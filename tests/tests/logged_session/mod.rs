//! A session of our AP with a skeleton, whose messages are kept: for tests of several files.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use emu_local_ap::{Client, Driver};
use emu_os::services::{DspConfig, FarfTo};
use hexagon_isa::Arch;

/// The session.
pub struct Logged {
    pub client: Client,
    /// The skeleton's.
    pub handle: u32,
    /// What it logged.
    pub lines: Arc<Mutex<Vec<String>>>,
}

/// Opens the skeleton of `uri` in a folder, on a DSP of its own, which comes back, too.
///
/// # Panics
/// If it does not open.
pub fn open(dir: &Path, uri: &str, finish_wait: Duration) -> (Arc<Driver>, Logged) {
    let mut config = DspConfig::new("cdsp", Arch::V68, 0x68, BTreeMap::from([(1, 0x1001)]));
    config.farf = FarfTo::Guest;
    config.finish_wait = finish_wait;
    let driver = Driver::start(config, 128 << 20).unwrap();
    let lines = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&lines);
    let on_log = Box::new(move |record: &rpmsg::iface::adspmsgd_apps::LogRecord| {
        let text = String::from_utf8_lossy(&record.text).into_owned();
        sink.lock().unwrap().push(text);
    });
    let client = Client::create(&driver, 1, 1, "test", vec![dir.to_owned()], on_log).unwrap();
    let handle = client.open(uri).unwrap();
    let logged = Logged {
        client,
        handle,
        lines,
    };
    (driver, logged)
}
