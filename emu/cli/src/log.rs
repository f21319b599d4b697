//! The log: what is told on standard error besides results.

mod limit;

use limit::{Limiter, Verdict};
use std::fmt;
use std::io::{IsTerminal as _, Write as _};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Instant;
use tracing::callsite::Identifier;
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::{FormatEvent, FormatFields, Writer};
use tracing_subscriber::fmt::{FmtContext, format};
use tracing_subscriber::registry::LookupSpan;

/// What a DSP's own programs log. It is output like a console's, and bounded where it comes in.
const FARF: &str = "emu::farf";

/// A place in the program that logs, and what it says it is about.
type Place = (Identifier, &'static str);

/// The log of this process. When it is dropped, what was left out is told.
pub struct Log(Arc<Mutex<Limiter<Place>>>);

/// Begins to log what the filter (a tracing filter) lets through; with the name of the place that it comes from, if wanted.
pub fn begin(filter: EnvFilter, with_target: bool) -> Log {
    let limiter = Arc::new(Mutex::new(Limiter::default()));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        // Nobody may read what is written; telling that would panic.
        .log_internal_errors(false)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .event_format(Limited {
            format: format().with_target(with_target).without_time(),
            limiter: limiter.clone(),
            start: Instant::now(),
        })
        .init();
    Log(limiter)
}

impl Drop for Log {
    fn drop(&mut self) {
        for ((_, target), count) in lock(&self.0).finish() {
            let _ = writeln!(std::io::stderr(), "{}", left_out(count, target));
        }
    }
}

fn lock(limiter: &Mutex<Limiter<Place>>) -> MutexGuard<'_, Limiter<Place>> {
    limiter.lock().unwrap_or_else(PoisonError::into_inner)
}

fn left_out(count: u64, target: &str) -> String {
    format!(
        "({count} {} left out of the log, as there were too many from {target} at once)",
        if count == 1 { "line was" } else { "lines were" },
    )
}

/// Warnings and errors, not too many of a kind at once.
struct Limited<F> {
    format: F,
    limiter: Arc<Mutex<Limiter<Place>>>,
    start: Instant,
}

impl<S, N, F> FormatEvent<S, N> for Limited<F>
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
    F: FormatEvent<S, N>,
{
    fn format_event(
        &self,
        context: &FmtContext<'_, S, N>,
        mut writer: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let place = event.metadata();
        // More talkative levels are asked for by name.
        if *place.level() <= Level::WARN && place.target() != FARF {
            let target = place.target();
            let verdict = lock(&self.limiter).admit((place.callsite(), target), self.start.elapsed());
            match verdict {
                Verdict::Print { left_out: 0 } => {}
                Verdict::Print { left_out: count } => writeln!(writer, "{}", left_out(count, target))?,
                Verdict::LeaveOut { is_first: true } => {
                    return writeln!(
                        writer,
                        "(more like that from {target} are counted, not printed, for some seconds)"
                    );
                }
                Verdict::LeaveOut { is_first: false } => return Ok(()),
            }
        }
        self.format.format_event(context, writer, event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write;
    use tracing_subscriber::fmt::MakeWriter;

    #[derive(Clone, Default)]
    struct Lines(Arc<Mutex<Vec<u8>>>);

    impl Write for Lines {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    impl<'a> MakeWriter<'a> for Lines {
        type Writer = Self;
        fn make_writer(&'a self) -> Self {
            self.clone()
        }
    }

    #[test]
    fn a_flood_is_a_few_lines_and_a_count_and_drowns_nothing_else() {
        let (lines, limiter) = (Lines::default(), Arc::new(Mutex::new(Limiter::default())));
        let subscriber = tracing_subscriber::fmt()
            .with_writer(lines.clone())
            .with_ansi(false)
            .event_format(Limited {
                format: format().with_target(false).without_time(),
                limiter: limiter.clone(),
                start: Instant::now(),
            })
            .finish();
        tracing::subscriber::with_default(subscriber, || {
            for n in 0..25_000 {
                tracing::warn!(target: "emu::device", "flood {n}");
                if n % 5000 == 0 {
                    tracing::error!(target: "emu::device", "another {n}");
                }
                tracing::info!(target: "emu::device", "asked for");
                tracing::warn!(target: FARF, "a program's");
            }
        });
        let text = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
        let count = |what: &str| text.lines().filter(|line| line.contains(what)).count();
        let printed = count("WARN flood");
        assert!(printed > 0 && printed < 1000, "{printed}");
        assert!(
            text.contains("more like that from emu::device are counted"),
            "{text}"
        );
        assert_eq!(count("ERROR another"), 5);
        assert_eq!((count("asked for"), count("a program's")), (25_000, 25_000));
        let rest: Vec<_> = lock(&limiter).finish().map(|(_, count)| count).collect();
        // All are told of: printed, in a count among the lines if the test took long, or in the one at the end.
        let told: u64 = text
            .lines()
            .filter_map(|line| line.strip_prefix('(')?.split(' ').next()?.parse::<u64>().ok())
            .sum();
        assert_eq!(printed as u64 + told + rest.iter().sum::<u64>(), 25_000);
    }
}
