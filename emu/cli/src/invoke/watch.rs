//! What happens to `invoke` from outside: its time is over, somebody wants to know where the DSP's threads are, or it is to end.

use crate::output::tell;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use crate::assets::Skeletons;
use crate::signals::Waiting;
use emu_local_ap::Driver;

/// Exit code of a command whose time is over.
const TIMED_OUT: i32 = 4;

/// The folder of our skeletons. It goes with this value, or before by whoever ends the program.
#[derive(Clone)]
struct Folder(Arc<Mutex<Option<Skeletons>>>);

impl Folder {
    fn remove(&self) {
        drop(self.0.lock().unwrap_or_else(PoisonError::into_inner).take());
    }
}

/// As long as it is there, the command is watched.
pub struct Watch(Folder);

impl Drop for Watch {
    fn drop(&mut self) {
        self.0.remove();
    }
}

/// Watches for the end of the time and for signals until the command is done.
///
/// # Errors
/// No thread can be started.
pub fn start(
    signals: Waiting,
    driver: &Arc<Driver>,
    skeletons: Skeletons,
    limit: Option<Duration>,
) -> std::io::Result<Watch> {
    let driver = Arc::clone(driver);
    let watch = Watch(Folder(Arc::new(Mutex::new(Some(skeletons)))));
    let folder = watch.0.clone();
    let end = limit.and_then(|limit| Instant::now().checked_add(limit));
    std::thread::Builder::new().name("watch".into()).spawn(move || {
        loop {
            match signals.wait(end) {
                Some(libc::SIGQUIT) => print_threads(&driver),
                Some(signal) => {
                    folder.remove();
                    signals.end_by(signal);
                }
                None => {
                    let limit = limit.unwrap_or_default();
                    tell!("error: not done after {limit:?}; this is where the DSP's threads are");
                    print_threads(&driver);
                    folder.remove();
                    std::process::exit(TIMED_OUT);
                }
            }
        }
    })?;
    Ok(watch)
}

fn print_threads(driver: &Driver) {
    let (processes, threads) = driver.dsp().autopsy();
    if threads.is_empty() {
        tell!("no DSP thread answers");
    }
    for process in processes {
        tell!(
            "DSP process {}: {}, {} packets",
            process.name,
            process.state,
            process.packets
        );
    }
    for thread in threads {
        thread.whereabouts().iter().for_each(|line| tell!("{line}"));
    }
}
