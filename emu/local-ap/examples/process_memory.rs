//! What a DSP process costs the host: memory of this program's own (not of the machine's RAM) with more and more sessions, each with
//! a skeleton open and called once. `cargo run --release -p emu-local-ap --example process_memory -- LIBRARY METHOD [PROCESSES]`

use std::collections::BTreeMap;
use std::path::PathBuf;

use emu_local_ap::{Arg, Client, Driver};
use emu_os::services::DspConfig;
use hexagon_isa::Arch;
use rpmsg::fastrpc::Scalars;

/// Memory of this program that is no file's, in KiB; a DSP process's own pages are mapped twice, and count twice where both are used.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let number = |begin: &str| -> u64 {
        let line = status.lines().find_map(|line| line.strip_prefix(begin));
        let number = line.and_then(|line| line.split_whitespace().next());
        number.and_then(|number| number.parse().ok()).unwrap_or(0)
    };
    number("RssAnon:") + number("RssShmem:")
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut args = std::env::args().skip(1);
    let usage =
        "give a library lib<NAME>_skel.so, a method of one word in and one out, and how many processes";
    let library = PathBuf::from(args.next().ok_or(usage)?);
    let method: u8 = args.next().ok_or(usage)?.parse()?;
    let processes: i32 = args.next().unwrap_or_else(|| "32".into()).parse()?;
    let file = library.file_name().and_then(|name| name.to_str()).ok_or(usage)?;
    let name = file
        .strip_prefix("lib")
        .and_then(|name| name.strip_suffix("_skel.so"));
    let uri = format!(
        "file:///{file}?{}_skel_handle_invoke&_modver=1.0",
        name.ok_or(usage)?
    );
    let folder = library.parent().ok_or(usage)?.to_path_buf();

    let config = DspConfig::new("cdsp", Arch::V68, 0x68, BTreeMap::from([(1, 1)]));
    let driver = Driver::start(config, 1 << 30)?;
    let mut clients = Vec::new();
    let empty = resident();
    let mut first = 0;
    for id in 1..=processes {
        let client = Client::create(&driver, 1, id, "memory", vec![folder.clone()], Box::new(|_| ()))?;
        let handle = client.open(&uri)?;
        let word = 1000u32.to_le_bytes();
        let answer = client.invoke(handle, Scalars::new(method, 1, 1), &[Arg::In(&word), Arg::Out(4)])?;
        if !answer.retval.is_ok() {
            return Err(format!("method {method} returned {}", answer.retval).into());
        }
        clients.push(client);
        if id == 1 {
            first = resident().saturating_sub(empty);
        }
    }
    let all = resident().saturating_sub(empty);
    let next = all.saturating_sub(first) / u64::from((processes - 1).max(1).unsigned_abs());
    println!("{first} {next}");
    for client in clients {
        client.exit()?;
    }
    Ok(())
}
