//! One complaint of the kernel: its report, and a signature by which the same defect is known again.

use super::console::frame;
use crate::scenario::Class;
use std::fmt;
use std::time::Duration;

/// Functions of a call trace that a signature names.
const FRAMES: usize = 4;

/// A report of the kernel's.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize)]
pub struct Complaint {
    /// What it is about.
    pub class: Class,
    /// When, since power-on.
    pub at: Duration,
    /// One line that says it.
    pub title: String,
    /// See [`signature`].
    pub signature: String,
    /// The report as the kernel wrote it, without time stamps.
    pub lines: Vec<String>,
}

impl Complaint {
    /// From the lines of a report; `class` is what its first lines say.
    #[must_use]
    pub fn new(class: Class, at: Duration, lines: Vec<String>) -> Self {
        let class = classify(class, &lines);
        Self {
            class,
            at,
            title: title(class, &lines),
            signature: signature(class, &lines),
            lines,
        }
    }
}

impl fmt::Display for Complaint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.class, self.title)
    }
}

/// What a block is about when all of it is known: a WARN can have many reasons.
fn classify(class: Class, lines: &[String]) -> Class {
    let says = |what: &str| lines.iter().any(|line| line.contains(what));
    match class {
        Class::Warn | Class::Bug | Class::Oops => {
            if says("refcount_t: ") {
                Class::Refcount
            } else if says("DMA-API: ") {
                Class::DmaApi
            } else if says("UBSAN: ") {
                Class::Ubsan
            } else if says("list_add corruption")
                || says("list_del corruption")
                || says("list_add double add")
            {
                Class::List
            } else if says("ODEBUG: ") {
                Class::DebugObjects
            } else if says("kernel BUG at ") {
                Class::Bug
            } else if class == Class::Warn && (says("kernel/locking/") || says("DEBUG_LOCKS_WARN_ON")) {
                Class::Lockdep
            } else {
                class
            }
        }
        class => class,
    }
}

/// The line that says what happened.
fn title(class: Class, lines: &[String]) -> String {
    let telling = |line: &&String| match class {
        Class::Refcount => line.contains("refcount_t: "),
        Class::DmaApi => line.contains("DMA-API: "),
        Class::List => line.contains("list_"),
        Class::DebugObjects => line.contains("ODEBUG: "),
        Class::Ubsan => line.contains("UBSAN: "),
        Class::Bug => line.contains("kernel BUG at ") || line.contains("BUG: "),
        Class::Warn | Class::Lockdep => line.contains("WARNING: ") || line.contains("BUG: "),
        _ => !line.bytes().all(|b| b == b'=' || b == b'-') && !line.contains("[ cut here ]"),
    };
    let line = lines.iter().find(telling).or(lines.first());
    line.map_or_else(String::new, |line| line.trim().chars().take(200).collect())
}

/// What stays the same when the same defect shows again: the class, what the kernel calls it, and the functions that led
/// there, without addresses, offsets, compiler's suffixes, modules, and the functions that only report. Two reports with
/// the same signature are taken for the same defect.
#[must_use]
pub fn signature(class: Class, lines: &[String]) -> String {
    let mut text = class.to_string();
    let subject = subject(class, lines);
    if !subject.is_empty() {
        text.push(':');
        text.push_str(&subject);
    }
    let frames = frames(class, lines);
    if !frames.is_empty() {
        text.push(':');
        text.push_str(&frames.join("<"));
    }
    text
}

/// The defect in the kernel's words, without what differs from time to time.
fn subject(class: Class, lines: &[String]) -> String {
    let behind = |what: &str| {
        let line = lines.iter().find_map(|line| line.split_once(what));
        line.map(|(_, rest)| rest)
    };
    let first_words = |text: Option<&str>| {
        let text = text.unwrap_or_default();
        text.split([':', ';', '[', '('])
            .next()
            .unwrap_or_default()
            .trim()
            .to_owned()
    };
    match class {
        // "BUG: KASAN: slab-use-after-free in fastrpc_map_put+0x54/0x120 [fastrpc]"
        Class::Kasan => before_in(behind("KASAN: ")),
        Class::Kfence => before_in(behind("KFENCE: ")),
        Class::Kcsan => before_in(behind("KCSAN: ")),
        Class::Ubsan => before_in(behind("UBSAN: ")),
        Class::Refcount => first_words(behind("refcount_t: ")),
        // "DMA-API: device 0: device driver frees DMA memory with different size [device address=…]"
        Class::DmaApi => {
            let rest = behind("DMA-API: ").unwrap_or_default();
            let rest = rest.split_once(": ").map_or(rest, |(_, rest)| rest);
            first_words(Some(rest))
        }
        Class::List => lines
            .iter()
            .find_map(|line| line.find("list_").map(|at| &line[at..]))
            .map_or_else(String::new, |text| first_words(text.split('.').next())),
        // "BUG kmalloc-64 (Not tainted): Poison overwritten"
        Class::Slub => {
            let rest = behind("BUG ").unwrap_or_default();
            let cache = rest.split(' ').next().unwrap_or_default();
            let what = rest.split_once("): ").map_or("", |(_, what)| what);
            format!("{what} {}", without_numbers(cache)).trim().to_owned()
        }
        Class::Lockdep => first_words(
            behind("WARNING: ")
                .or_else(|| behind("BUG: "))
                .filter(|t| !t.starts_with("CPU: ")),
        ),
        Class::Warn => place(behind("WARNING: ").unwrap_or_default()),
        Class::Bug => match behind("kernel BUG at ") {
            Some(rest) => rest.split(':').next().unwrap_or_default().to_owned(),
            None => first_words(behind("BUG: ").map(|text| text.split(" at ").next().unwrap_or(text))),
        },
        Class::Oops => match behind("Unable to handle kernel ") {
            Some(rest) => without_numbers(rest.split(" at ").next().unwrap_or(rest)),
            None => without_numbers(&first_words(behind("Internal error: "))),
        },
        Class::Panic => first_words(behind("not syncing: ")),
        Class::SmmuFault => {
            let global = lines.iter().any(|line| line.contains("global fault"));
            if global { "global" } else { "context" }.to_owned()
        }
        Class::AtomicSleep | Class::Lockup | Class::BadPage => {
            first_words(behind("BUG: ").map(|t| t.split(" at ").next().unwrap_or(t)))
                .split(" - ")
                .next()
                .unwrap_or_default()
                .to_owned()
        }
        Class::DebugObjects => {
            let rest = behind("ODEBUG: ").unwrap_or_default();
            rest.split(' ').take(2).collect::<Vec<_>>().join(" ")
        }
        Class::Kmemleak | Class::HungTask | Class::RcuStall | Class::Oom => String::new(),
    }
}

/// "slab-use-after-free in f+0x1/0x2" → the first part.
fn before_in(text: Option<&str>) -> String {
    let text = text.unwrap_or_default();
    text.split(" in ").next().unwrap_or_default().trim().to_owned()
}

/// The source file of a WARN, which every kernel writes a little differently:
/// "CPU: 1 PID: 99 at drivers/misc/fastrpc.c:512 f+0x…" or "drivers/misc/fastrpc.c:512 at f+0x…, CPU#1: comm/99".
fn place(text: &str) -> String {
    let file = text.split([' ', ',']).find(|word| {
        word.rsplit_once(':')
            .is_some_and(|(path, line)| path.contains('.') && line.bytes().all(|b| b.is_ascii_digit()))
    });
    let path = file.and_then(|word| word.rsplit_once(':')).map(|(path, _)| path);
    // A build outside of the source tree writes ../../ in front.
    path.map_or_else(String::new, |path| path.trim_start_matches("../").to_owned())
}

fn without_numbers(text: &str) -> String {
    let words = text.split_whitespace().filter(|word| {
        let digits = word.trim_start_matches("0x").trim_matches(['[', ']', '#', ',']);
        digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_hexdigit())
    });
    words.collect::<Vec<_>>().join(" ")
}

/// Functions that report, wait, or enter the kernel: they say nothing about the defect.
const NOISE: &[&str] = &[
    "dump_stack",
    "show_stack",
    "dump_backtrace",
    "print_report",
    "print_address_description",
    "kasan_",
    "__kasan_",
    "__asan_",
    "__hwasan_",
    "check_region_inline",
    "kfence_",
    "kcsan_",
    "__tsan_",
    "ubsan_",
    "__ubsan_",
    "handle_overflow",
    "refcount_warn_saturate",
    "__warn",
    "warn_slowpath",
    "report_bug",
    "bug_handler",
    "call_break_hook",
    "brk_handler",
    "do_debug_exception",
    "panic",
    "die",
    "__die",
    "do_mem_abort",
    "do_translation_fault",
    "do_page_fault",
    "__do_kernel_fault",
    "die_kernel_fault",
    "el0",
    "el1",
    "invoke_syscall",
    "do_el0_svc",
    "__switch_to",
    "__schedule",
    "schedule",
    "wait_for_completion",
    "__wait_for_common",
    "do_wait_for_common",
    "__mutex_lock",
    "mutex_lock",
    "lock_acquire",
    "__lock_acquire",
    "validate_chain",
    "check_",
    "print_circular_bug",
    "print_",
    "lockdep_",
    "__might_resched",
    "__might_sleep",
    "__schedule_bug",
    "kmem_cache_",
    "__kmem_cache_",
    "kmalloc",
    "__kmalloc",
    "___slab_alloc",
    "__slab_alloc",
    "slab_",
    "__slab_",
    "kmemleak_alloc",
    "create_object",
    "debug_dma_",
    "check_unmap",
    "add_dma_entry",
    "debug_object",
    "debug_print_object",
    "debug_check_no_obj",
    "__list_add_valid",
    "__list_del_entry_valid",
    "rcu_",
    "ret_from_fork",
    "kthread",
    "_raw_spin_",
    "arch_stack_walk",
    "stack_trace_save",
    "set_track",
    "__arm64_sys_",
];

/// The functions that a signature names, innermost first.
fn frames(class: Class, lines: &[String]) -> Vec<String> {
    let mut names: Vec<String> = Vec::new();
    // Where it happened, for reports that say so before the call trace.
    let place = match class {
        Class::Kasan | Class::Kfence | Class::Kcsan => lines.iter().find_map(|line| {
            line.split_once(" in ")?
                .1
                .split(['+', ' '])
                .next()
                .map(str::to_owned)
        }),
        Class::Oops | Class::Bug => lines
            .iter()
            .find_map(|line| line.strip_prefix("pc : ")?.split('+').next().map(str::to_owned)),
        _ => None,
    };
    let mut push = |name: &str| {
        let name = bare(name);
        let noise = NOISE.iter().any(|start| name.starts_with(start));
        if !noise && names.last().is_none_or(|last| *last != name) {
            names.push(name.to_owned());
        }
    };
    if let Some(place) = place {
        push(&place);
    }
    if class == Class::SmmuFault {
        return names;
    }
    let begin = match class {
        // The last stack is the one in which it was noticed; the ones before explain the other locks.
        Class::Lockdep => lines
            .iter()
            .rposition(|line| line.trim().to_ascii_lowercase().starts_with("call trace:")),
        _ => lines.iter().position(|line| {
            let line = line.trim().to_ascii_lowercase();
            line.starts_with("call trace:") || line.starts_with("backtrace")
        }),
    };
    // A damaged object: who allocated and who freed it. Where it was noticed is chance.
    if class == Class::Slub {
        for line in lines {
            for what in ["Allocated in ", "Freed in "] {
                if let Some((_, rest)) = line.split_once(what) {
                    push(rest.split(['+', ' ']).next().unwrap_or_default());
                }
            }
        }
        names.truncate(FRAMES);
        return names;
    }
    let stack = lines
        .get(begin.map_or(lines.len(), |at| at + 1)..)
        .unwrap_or_default();
    let mut seen = false;
    for line in stack {
        match frame(line) {
            // "? f+0x1/0x2" is a leftover on the stack.
            Some(_) if line.trim_start().starts_with("? ") => {}
            Some(name) => {
                seen = true;
                push(name);
            }
            None if seen => break,
            None => {}
        }
    }
    names.truncate(FRAMES);
    names
}

/// A function's name without what the compiler appends to its parts.
fn bare(name: &str) -> &str {
    name.split('.').next().unwrap_or(name)
}
