//! What this program costs the host.

/// Memory of this program that is no file's, in KiB; a DSP process's own pages are mapped twice, and count twice where both are used.
pub fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let number = |begin: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(begin)).unwrap();
        line.split_whitespace().next().unwrap().parse().unwrap()
    };
    number("RssAnon:") + number("RssShmem:")
}
