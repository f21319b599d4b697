//! The guest's console, read for what the kernel complains about.
//!
//! The kernel's lines begin with its time stamp (`printk.time=1`), and with it what the case's program printed, because the
//! guest's wrapper sends that through /dev/kmsg with a mark in front: so every line is whole, and in the order in which it
//! happened. What has no time stamp is chatter of the guest's init.
//!
//! A complaint is a report of many lines. Most kinds say where they begin and end (lib/bug.c, kernel/panic.c: "cut here" to
//! "end trace"; mm/kasan/report.c: between two lines of `=`); the others end with their call trace. Two processors that
//! complain at once are not told apart unless the kernel says the caller of each line (CONFIG_PRINTK_CALLER).

use super::complaint::Complaint;
use crate::scenario::Class;
use std::time::Duration;

/// What the wrapper puts in front of every line of the case's program.
pub const OUTPUT: &str = "vh| ";
/// In front of the wrapper's own words.
pub const WRAPPER: &str = "vh: ";

/// Most lines of one report.
const MAX_LINES: usize = 160;
/// Most reports that are kept whole; of the others only the first line.
const MAX_COMPLAINTS: usize = 200;
/// Most lines of anything else that is kept.
const MAX_KEPT: usize = 20_000;
/// Lines that a report without an end mark may have before its call trace.
const MAX_HEAD: usize = 24;
/// A report that does not go on for so long is over.
const PAUSE: Duration = Duration::from_secs(3);

/// Where a line of the console comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Line<'a> {
    /// The kernel: who said it (`T123`, `C1`), if it says so, and the text without its time stamp.
    Kernel(Option<&'a str>, &'a str),
    /// The case's program.
    Output(&'a str),
    /// The wrapper around it.
    Wrapper(&'a str),
    /// Anything else.
    Other(&'a str),
}

/// Tells where a line comes from.
#[must_use]
pub fn origin(line: &str) -> Line<'_> {
    let Some((caller, text)) = stamped(line) else {
        return Line::Other(line);
    };
    // Only what begins with the stamp can be from /dev/kmsg: a line that a program prints may contain anything.
    if line.starts_with('[') {
        if let Some(text) = text.strip_prefix(OUTPUT) {
            return Line::Output(text);
        }
        if let Some(text) = text.strip_prefix(WRAPPER) {
            return Line::Wrapper(text);
        }
    }
    Line::Kernel(caller, text)
}

/// What stands behind the first time stamp, `[   12.345678] ` or `[   12.345678][  T123] `.
fn stamped(line: &str) -> Option<(Option<&str>, &str)> {
    let mut from = 0;
    while let Some(open) = line.get(from..)?.find('[') {
        let rest = line.get(from + open + 1..)?;
        from += open + 1;
        let (inside, behind) = rest.split_once(']')?;
        if !is_time(inside) {
            continue;
        }
        let (caller, behind) = match behind.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            Some((caller, rest)) if is_caller(caller.trim()) => (Some(caller.trim()), rest),
            _ => (None, behind),
        };
        return Some((caller, behind.strip_prefix(' ').unwrap_or(behind)));
    }
    None
}

fn is_time(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    text.trim_start()
        .split_once('.')
        .is_some_and(|(seconds, micros)| digits(seconds) && micros.len() == 6 && digits(micros))
}

fn is_caller(text: &str) -> bool {
    let digits = text.strip_prefix(['T', 'C']);
    digits.is_some_and(|digits| !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()))
}

/// How a report ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// With "---[ end trace".
    Trace,
    /// With a line of `=`.
    Rule,
    /// With a line that begins so.
    Prefix(&'static str),
    /// With its call trace, or the first line that cannot belong to it.
    Stack,
    /// At once.
    Now,
}

/// What a line begins, if it begins a complaint.
fn begins(text: &str) -> Option<(Class, End)> {
    let bug = |text: &str| {
        if text.starts_with("KASAN: ") {
            (Class::Kasan, End::Rule)
        } else if text.starts_with("KFENCE: ") {
            (Class::Kfence, End::Rule)
        } else if text.starts_with("KCSAN: ") {
            (Class::Kcsan, End::Rule)
        } else if text.starts_with("sleeping function called") || text.starts_with("scheduling while atomic")
        {
            (Class::AtomicSleep, End::Stack)
        } else if text.starts_with("soft lockup") || text.starts_with("workqueue lockup") {
            (Class::Lockup, End::Stack)
        } else if text.starts_with("Bad page") || text.starts_with("Bad rss-counter") {
            (Class::BadPage, End::Stack)
        } else if text.starts_with("Invalid wait context") {
            (Class::Lockdep, End::Stack)
        } else {
            (Class::Bug, End::Stack)
        }
    };
    if text.starts_with("------------[ cut here ]") {
        return Some((Class::Warn, End::Trace));
    }
    if let Some(rest) = text.strip_prefix("BUG: ") {
        return Some(bug(rest));
    }
    if let Some(rest) = text.strip_prefix("watchdog: BUG: ") {
        return Some(bug(rest));
    }
    // mm/slub.c, slab_bug(): "BUG kmalloc-64 (Not tainted): Poison overwritten"
    if let Some(rest) = text.strip_prefix("BUG ")
        && rest.contains("): ")
    {
        return Some((Class::Slub, End::Prefix("FIX ")));
    }
    if text.starts_with("UBSAN: ") {
        return Some((Class::Ubsan, End::Rule));
    }
    const LOCKDEP: [&str; 9] = [
        "WARNING: possible circular locking dependency",
        "WARNING: possible recursive locking",
        "WARNING: possible irq lock inversion",
        "WARNING: inconsistent lock state",
        "WARNING: suspicious RCU usage",
        "WARNING: bad unlock balance",
        "WARNING: held lock freed",
        "WARNING: lock held when returning to user space",
        "WARNING: Nested lock was not taken",
    ];
    if LOCKDEP.iter().any(|start| text.starts_with(start))
        || (text.starts_with("WARNING: ") && text.contains("unsafe lock order"))
    {
        return Some((Class::Lockdep, End::Stack));
    }
    if text.starts_with("WARNING: ") {
        return Some((Class::Warn, End::Trace));
    }
    if text.starts_with("Unable to handle kernel ") || text.starts_with("Internal error: ") {
        return Some((Class::Oops, End::Trace));
    }
    if text.starts_with("kernel BUG at ") {
        return Some((Class::Bug, End::Trace));
    }
    if text.starts_with("Kernel panic - not syncing") {
        return Some((Class::Panic, End::Prefix("---[ end Kernel panic")));
    }
    if text.starts_with("INFO: task ") && text.contains(" blocked ") {
        return Some((Class::HungTask, End::Stack));
    }
    if text.starts_with("rcu: INFO: ") && text.contains("stall") {
        return Some((Class::RcuStall, End::Stack));
    }
    if text.starts_with("unreferenced object 0x") {
        return Some((Class::Kmemleak, End::Stack));
    }
    if text.contains("invoked oom-killer: ") {
        return Some((Class::Oom, End::Prefix("Out of memory: ")));
    }
    if text.contains("smmu") && (text.contains("context fault") || text.contains("global fault")) {
        return Some((Class::SmmuFault, End::Now));
    }
    // A DMA-API message without a stack (err_printk() when the errors are throttled).
    if text.starts_with("DMA-API: ") && text.contains("device driver") {
        return Some((Class::DmaApi, End::Now));
    }
    None
}

/// A report that has not ended yet.
#[derive(Debug)]
struct Open {
    caller: Option<String>,
    class: Class,
    end: End,
    at: Duration,
    last: Duration,
    lines: Vec<String>,
    in_stack: bool,
}

/// Collects what the console says.
#[derive(Debug, Default)]
pub struct Scanner {
    open: Option<Open>,
    /// A line of `=` or `-` that the next line may make the beginning of a report.
    rule: Option<String>,
    complaints: Vec<Complaint>,
    not_kept: usize,
    output: Vec<String>,
    output_not_kept: usize,
    tail: std::collections::VecDeque<String>,
}

impl Scanner {
    /// A scanner that has read nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes a line of the console that came at that time; returns where it comes from.
    pub fn line<'a>(&mut self, at: Duration, line: &'a str) -> Line<'a> {
        if self.tail.len() >= 60 {
            self.tail.pop_front();
        }
        self.tail.push_back(line.to_owned());
        let origin = origin(line);
        match origin {
            Line::Kernel(caller, text) => self.kernel(at, caller, text),
            Line::Output(text) if self.output.len() < MAX_KEPT => self.output.push(text.to_owned()),
            Line::Output(_) => self.output_not_kept += 1,
            Line::Wrapper(_) | Line::Other(_) => {}
        }
        origin
    }

    fn kernel(&mut self, at: Duration, caller: Option<&str>, text: &str) {
        if let Some(open) = &self.open
            && (at.saturating_sub(open.last) > PAUSE || open.lines.len() >= MAX_LINES)
        {
            self.finish();
        }
        let begins = begins(text);
        if let Some(open) = &mut self.open {
            if open.caller.is_some() && open.caller.as_deref() != caller {
                // Another processor's or task's: not of this report.
                return;
            }
            let inner = begins.is_some_and(|(class, _)| !part_of(open, class, text));
            if !inner {
                open.last = at;
                if open.belongs(text) {
                    open.lines.push(text.to_owned());
                    if open.ends(text) {
                        self.finish();
                    }
                    return;
                }
            }
            self.finish();
        }
        match begins {
            Some((class, end)) => {
                let mut lines: Vec<String> = self.rule.take().into_iter().collect();
                lines.push(text.to_owned());
                self.open = Some(Open {
                    caller: caller.map(str::to_owned),
                    class,
                    end,
                    at,
                    last: at,
                    lines,
                    in_stack: false,
                });
                if end == End::Now {
                    self.finish();
                }
            }
            None => self.rule = is_rule(text).then(|| text.to_owned()),
        }
    }

    /// The report that is open, if any, is over.
    pub fn finish(&mut self) {
        let Some(open) = self.open.take() else { return };
        if self.complaints.len() >= MAX_COMPLAINTS {
            self.not_kept += 1;
            return;
        }
        self.complaints
            .push(Complaint::new(open.class, open.at, open.lines));
    }

    /// The kernel's complaints so far, one that is not over yet left out.
    #[must_use]
    pub fn complaints(&self) -> &[Complaint] {
        &self.complaints
    }

    /// How many complaints were too many to be kept.
    #[must_use]
    pub const fn not_kept(&self) -> usize {
        self.not_kept
    }

    /// Whether a report is open.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// What the case's program printed.
    #[must_use]
    pub fn output(&self) -> &[String] {
        &self.output
    }

    /// How many of its lines were too many to be kept.
    #[must_use]
    pub const fn output_not_kept(&self) -> usize {
        self.output_not_kept
    }

    /// The newest lines of the console as they came.
    pub fn tail(&self) -> impl DoubleEndedIterator<Item = &str> {
        self.tail.iter().map(String::as_str)
    }
}

/// Whether what begins with this line is only another part of the open report: the block between "cut here" and "end trace"
/// holds the line that says what it is.
fn part_of(open: &Open, begun: Class, text: &str) -> bool {
    let block = open.end == End::Trace && !text.starts_with("------------[ cut here ]");
    match begun {
        Class::Warn | Class::Ubsan | Class::DmaApi | Class::Bug => block && open.class == Class::Warn,
        Class::Oops => block && text.starts_with("Internal error: "),
        _ => false,
    }
}

/// A line that only draws a line.
fn is_rule(text: &str) -> bool {
    text.len() >= 10 && (text.bytes().all(|b| b == b'=') || text.bytes().all(|b| b == b'-'))
}

/// A frame of a call trace: ` name+0x10/0x20 [module]`, perhaps with an address or a question mark in front.
pub(super) fn frame(text: &str) -> Option<&str> {
    let text = text.trim_start();
    let text = text.strip_prefix("? ").unwrap_or(text);
    let text = match text.strip_prefix("[<").and_then(|rest| rest.split_once(">]")) {
        Some((_, rest)) => rest.trim_start(),
        None => text,
    };
    let (name, rest) = text.split_once('+')?;
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.' || c == '$';
    let good = !name.is_empty() && name.chars().all(plain) && rest.starts_with("0x") && rest.contains('/');
    good.then_some(name)
}

/// What a call trace begins with, in any of the ways the kernel writes it.
fn is_trace_head(text: &str) -> bool {
    text.trim_start().to_ascii_lowercase().starts_with("call trace:")
}

impl Open {
    fn belongs(&mut self, text: &str) -> bool {
        match self.end {
            End::Stack => {
                let is_frame = frame(text).is_some();
                if self.class == Class::Kmemleak {
                    return text.starts_with(' ');
                }
                if is_trace_head(text) || (is_frame && text.starts_with(' ')) {
                    self.in_stack = true;
                    return true;
                }
                if self.in_stack {
                    // Lockdep's dependency chains have stacks in their middle.
                    let more = self.class == Class::Lockdep || text.trim().is_empty();
                    return more || matches!(text.trim(), "<TASK>" | "</TASK>" | "<IRQ>" | "</IRQ>");
                }
                self.class == Class::Lockdep || self.lines.len() < MAX_HEAD
            }
            _ => true,
        }
    }

    fn ends(&self, text: &str) -> bool {
        match self.end {
            End::Trace => text.starts_with("---[ end trace"),
            // UBSAN of newer kernels stands between "cut here" and "end trace" without rules.
            End::Rule => (is_rule(text) && text.starts_with('=')) || text.starts_with("---[ end trace"),
            End::Prefix(start) => text.starts_with(start),
            End::Stack => self.class == Class::Lockdep && self.lockdep_is_over(text),
            End::Now => true,
        }
    }

    /// Lockdep's last part is the call trace behind the words "stack backtrace:"; its last frame enters the kernel.
    fn lockdep_is_over(&self, text: &str) -> bool {
        let backtrace = self.lines.iter().any(|line| line.trim() == "stack backtrace:");
        let entry = |name: &str| {
            name.starts_with("ret_from_fork") || name.starts_with("el0t_") || name.starts_with("kthread")
        };
        backtrace && frame(text).is_some_and(|name| entry(name) && !name.starts_with("kthread"))
    }
}

#[cfg(test)]
#[path = "console_tests.rs"]
mod tests;
