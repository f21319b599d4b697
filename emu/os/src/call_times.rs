//! What the calls of a process's skeletons cost, part by part: the keys of adsp_perf.
//!
//! The names are those that the AP's library knows (`inc/fastrpc_perf.h` and `IS_KEY_ENABLED` in `src/fastrpc_perf.c` of
//! qualcomm/fastrpc). Each is measured where this DSP does the work, by the host's clock, because that is what a caller waits for;
//! a part that nobody asked for is not measured, but for the reading: whose call it is shows only then. The sums go on for as long as the process lives: no public source says that
//! reading starts them anew.
//!
//! Not there, because there is nothing to measure: copying of arguments (`perf_get_args`, `perf_put_args`: they are used where they
//! are) and care of caches (`perf_clean_cache`, `perf_sync_*`, `perf_hdr_*`); and what only the second version has
//! (`perf_early_rsp`, `perf_job_start_time`), for which mainline drivers have no request.

use std::sync::atomic::{AtomicU32, AtomicU64, Ordering::Relaxed};
use std::time::{Duration, Instant};

/// A part of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// Not a time: calls whose method has run.
    Calls,
    /// Reading the message's descriptors.
    ReadHeader,
    /// Mapping the buffers, and telling the skeleton where they are.
    MapBuffers,
    /// Running the skeleton's method, with what other threads took meanwhile.
    Method,
    /// Taking the mappings back.
    UnmapBuffers,
    /// Answering.
    Answer,
}

/// The names of the parts, in their order.
pub const KEYS: [(Part, &str); 6] = [
    (Part::Calls, "perf_invoke_count"),
    (Part::ReadHeader, "perf_map_header"),
    (Part::MapBuffers, "perf_map_pages"),
    (Part::Method, "perf_mod_invoke"),
    (Part::UnmapBuffers, "perf_unmap_pages"),
    (Part::Answer, "perf_rsp"),
];

/// Counters of a process's calls.
#[derive(Debug, Default)]
pub struct CallTimes {
    /// Which parts are measured, by the bit of their place in [`KEYS`].
    measured: AtomicU32,
    /// Nanoseconds; of [`Part::Calls`], calls.
    sums: [AtomicU64; KEYS.len()],
}

impl CallTimes {
    /// Measures the part at this place in [`KEYS`] from now on; `false`: there is no such place.
    pub fn enable(&self, key: usize) -> bool {
        let known = key < KEYS.len();
        if known {
            self.measured.fetch_or(1 << key, Relaxed);
        }
        known
    }

    fn measures(&self, part: Part) -> bool {
        self.measured.load(Relaxed) & 1 << part as usize != 0
    }

    fn add(&self, part: Part, amount: u64) {
        // A sum that ran over would take 584 years.
        self.sums[part as usize].fetch_add(amount, Relaxed);
    }

    /// A call's method has run.
    pub fn count(&self) {
        if self.measures(Part::Calls) {
            self.add(Part::Calls, 1);
        }
    }

    /// When a part begins, if it is measured.
    pub fn begin(&self, part: Part) -> Option<Instant> {
        self.measures(part).then(Instant::now)
    }

    /// A part that began then is over.
    pub fn end(&self, part: Part, begun: Option<Instant>) {
        if let Some(begun) = begun {
            self.took(part, begun.elapsed());
        }
    }

    /// A part took so long.
    pub fn took(&self, part: Part, time: Duration) {
        if self.measures(part) {
            self.add(part, u64::try_from(time.as_nanos()).unwrap_or(u64::MAX));
        }
    }

    /// Calls, and microseconds of the parts, in the order of [`KEYS`]; what is not measured is 0.
    pub fn read(&self) -> [i64; KEYS.len()] {
        KEYS.map(|(part, _)| {
            let sum = self.sums[part as usize].load(Relaxed);
            let unit = if part == Part::Calls { 1 } else { 1000 };
            i64::try_from(sum / unit).unwrap_or(i64::MAX)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_stand_at_their_own_place() {
        for (place, (part, _)) in KEYS.into_iter().enumerate() {
            assert_eq!(part as usize, place);
        }
    }

    #[test]
    fn only_what_is_asked_for_is_measured() {
        let times = CallTimes::default();
        times.count();
        times.took(Part::Method, Duration::from_millis(3));
        assert_eq!(times.begin(Part::Answer), None);
        assert_eq!(times.read(), [0; 6]);
        assert!(times.enable(0) && times.enable(3));
        assert!(!times.enable(6) && !times.enable(usize::MAX));
        times.count();
        times.took(Part::Method, Duration::from_millis(3));
        times.took(Part::Method, Duration::from_nanos(1999));
        times.took(Part::Answer, Duration::from_millis(3));
        assert_eq!(times.read(), [1, 0, 0, 3001, 0, 0]);
    }
}
