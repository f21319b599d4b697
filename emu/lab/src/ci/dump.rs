//! The task dump of a guest that hangs: what the kernel prints at sysrq-w and sysrq-t, cut down to what can matter; or why
//! there is none.

use emu_machine::vm::modules::{Setting, config_setting};

/// Options of the kernel's without which it does not take SysRq from its console.
const NEEDED: &[&str] = &["CONFIG_MAGIC_SYSRQ", "CONFIG_MAGIC_SYSRQ_SERIAL"];

/// Words in a task's stack that make it worth reading.
const OURS: &[&str] = &[
    "fastrpc",
    "qda_",
    "[qda]",
    "glink",
    "rpmsg",
    "rproc",
    "remoteproc",
    "q6v5",
    "smp2p",
    "qmi_",
    "sysmon",
];
/// Most lines that are shown.
const MAX_SHOWN: usize = 240;

/// The tasks that wait without being interruptible, and those with one of the drivers on their stack.
#[must_use]
pub fn interesting(dump: &[String]) -> Vec<String> {
    let mut out: Vec<String> = Vec::new();
    let mut seen: Vec<&[String]> = Vec::new();
    let starts: Vec<usize> = dump
        .iter()
        .enumerate()
        .filter(|(_, line)| line.starts_with("task:"))
        .map(|(at, _)| at)
        .collect();
    for (n, &start) in starts.iter().enumerate() {
        let end = starts.get(n + 1).copied().unwrap_or(dump.len());
        let task = &dump[start..end];
        let end = task
            .iter()
            .position(|line| line.starts_with("sysrq: ") || line.starts_with("Sched Debug"));
        let task = &task[..end.unwrap_or(task.len())];
        let blocked = task[0].contains("state:D");
        let ours = task
            .iter()
            .any(|line| OURS.iter().any(|word| line.contains(word)));
        // A blocked task is in both dumps.
        let known = seen
            .iter()
            .any(|other| other[0].split_whitespace().eq(task[0].split_whitespace()));
        if (blocked || ours) && !known {
            seen.push(task);
            out.extend(task.iter().cloned());
        }
    }
    if out.len() > MAX_SHOWN {
        let more = out.len() - MAX_SHOWN;
        out.truncate(MAX_SHOWN);
        out.push(format!(
            "… {more} lines more (--logs DIR keeps the whole console)"
        ));
    }
    out
}

/// Why there is no dump: from the kernel's configuration if that is known, else from whether the guest has
/// `/proc/sysrq-trigger` (`trigger`), if it said so.
#[must_use]
pub fn why_none(config: Option<&str>, trigger: Option<bool>) -> String {
    let lacking: Vec<&str> = match config {
        Some(config) => {
            let off = |option: &&&str| config_setting(config, option) == Setting::Off;
            NEEDED.iter().filter(off).copied().collect()
        }
        None if trigger == Some(false) => NEEDED[..1].to_vec(),
        None => Vec::new(),
    };
    match (&lacking[..], config) {
        ([], None) => format!(
            "the kernel did not answer to SysRq: it may lack {}, or answer to nothing any more",
            NEEDED[1]
        ),
        ([], Some(_)) => "the kernel did not answer to SysRq".to_owned(),
        (lacking, _) => format!("the kernel lacks {}", lacking.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    #[test]
    fn blocked_tasks_and_those_in_the_drivers_are_shown_once() {
        let dump = lines(
            "\
sysrq: Show Blocked State
task:kworker/0:1     state:D stack:0     pid:10
Call trace:
 rproc_stop+0x1/0x2
sysrq: Show State
task:init            state:S stack:0     pid:1
Call trace:
 do_wait+0x1/0x2
task:vh-invoke       state:S stack:0     pid:90
Call trace:
 fastrpc_internal_invoke+0x1/0x2 [fastrpc]
task:kworker/0:1     state:D stack:0     pid:10
Call trace:
 rproc_stop+0x1/0x2
Sched Debug Version: v0.11
fastrpc",
        );
        let shown = interesting(&dump);
        assert_eq!(shown.len(), 6, "{shown:#?}");
        assert!(shown[0].starts_with("task:kworker") && shown[3].starts_with("task:vh-invoke"));
        assert!(interesting(&[]).is_empty());
    }

    #[test]
    fn why_there_is_no_dump_is_said_by_name() {
        let full = "CONFIG_MAGIC_SYSRQ=y\nCONFIG_MAGIC_SYSRQ_SERIAL=y\n";
        let half = "CONFIG_MAGIC_SYSRQ=y\n# CONFIG_MAGIC_SYSRQ_SERIAL is not set\n";
        for (config, trigger, told) in [
            (Some(full), Some(true), "the kernel did not answer to SysRq"),
            (Some(half), None, "the kernel lacks CONFIG_MAGIC_SYSRQ_SERIAL"),
            (
                Some(""),
                None,
                "the kernel lacks CONFIG_MAGIC_SYSRQ, CONFIG_MAGIC_SYSRQ_SERIAL",
            ),
            (None, Some(false), "the kernel lacks CONFIG_MAGIC_SYSRQ"),
        ] {
            assert_eq!(why_none(config, trigger), told);
        }
        assert!(why_none(None, Some(true)).contains("may lack CONFIG_MAGIC_SYSRQ_SERIAL"));
    }
}
