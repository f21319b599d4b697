//! The task dump of a guest that hangs: what the kernel prints at sysrq-w and sysrq-t, cut down to what can matter.

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
}
