//! Real skeletons through the whole stack: calls, crashes, kills, several processes at once.

use emu_local_ap::{Arg, Client};
use emu_os::services::{DspConfig, FarfTo};
use rpmsg::Aee;
use rpmsg::fastrpc::control::MAP_FD;
use rpmsg::fastrpc::{POLL_RESPONSE, Scalars};
use rpmsg::iface::perf::{Enable, GetKeys, GetUsecs};
use rpmsg::iface::{Cap, Kind, Method as _, Reply as _, current_process, handle, perf};

use crate::support::*;

const SUM: Scalars = Scalars::new(2, 2, 1);
const MAX: Scalars = Scalars::new(3, 2, 1);

/// The real calculator, as upstream's test opens it.
const CALCULATOR: &str =
    "file:///libcalculator_skel.so?calculator_skel_handle_invoke&_modver=1.0&_idlver=1.2.3&_dom=cdsp";

fn ints(values: std::ops::Range<i32>) -> Vec<u8> {
    values.flat_map(i32::to_le_bytes).collect()
}

fn with_log() -> DspConfig {
    let mut config = config();
    config.farf = FarfTo::Guest;
    config
}

/// Calls a method of `misbehave`: one word in, one out.
fn sin(client: &Client, handle: u32, method: u8, x: u32) -> (Aee, u32) {
    let x = x.to_le_bytes();
    let answer = client
        .invoke(handle, Scalars::new(method, 1, 1), &[Arg::In(&x), Arg::Out(4)])
        .unwrap();
    (
        answer.retval,
        u32::from_le_bytes(answer.outs[0][..].try_into().unwrap()),
    )
}

#[test]
fn the_calculator_computes() {
    let Some(dir) = skeletons() else { return };
    let driver = machine(with_log());
    let (client, log) = client(&driver, 2, 2, &[dir]);
    let first = client.open(CALCULATOR).unwrap();
    let second = client.open(CALCULATOR).unwrap();
    assert_ne!(first, second);
    let (count, values) = (1000u32.to_le_bytes(), ints(0..1000));
    let args = |out| [Arg::In(&count), Arg::In(&values), Arg::Out(out)];
    let sum = client.invoke(first, SUM, &args(8)).unwrap();
    assert_eq!(
        (sum.retval, &sum.outs[0][..]),
        (Aee::SUCCESS, &499_500i64.to_le_bytes()[..])
    );
    let max = client.invoke(second, MAX, &args(4)).unwrap();
    assert_eq!(
        (max.retval, &max.outs[0][..]),
        (Aee::SUCCESS, &999i32.to_le_bytes()[..])
    );
    // The skeleton's own answers to calls that are not its methods'.
    let wrong = client.invoke(first, Scalars::new(9, 2, 1), &args(8)).unwrap();
    assert_eq!(wrong.retval, Aee::UNSUPPORTED);
    let wrong = client.invoke(first, Scalars::new(2, 2, 1), &args(4)).unwrap();
    assert_eq!(wrong.retval, Aee::BAD_PARM);
    client.close(first).unwrap();
    assert_eq!(
        client.invoke(first, SUM, &args(8)).unwrap().retval,
        Aee::NO_SUCH_MODULE
    );
    client.exit().unwrap();
    let stats = driver.dsp().stats();
    assert!(stats.packets > 1000, "{stats:?}");
    assert_eq!(
        (stats.processes, stats.processes_now, stats.crashes, stats.dropped),
        (1, 0, 0, 0)
    );
    assert_eq!(stats.messages_in, stats.messages_out);
    assert_eq!(driver.stray_answers(), 0);
    let log = log.lock().unwrap();
    assert!(log.iter().any(|line| line.contains("499500")), "{log:?}");
}

#[test]
fn what_calls_cost_is_told_of_the_parts_that_were_asked_for() {
    let driver = machine(config());
    let (client, _) = client(&driver, 1, 1, &[own_skeleton("misbehave")]);
    let session = client.session();
    let keys = reply(session, handle::PERF1, &GetKeys { keys: Cap(2048) });
    let names = String::from_utf8(keys.keys.clone()).unwrap();
    let names: Vec<&str> = names.trim_end_matches('\0').split('\0').take(6).collect();
    let all = [
        "perf_invoke_count",
        "perf_map_header",
        "perf_map_pages",
        "perf_mod_invoke",
        "perf_unmap_pages",
        "perf_rsp",
    ];
    assert_eq!((&names[..], keys.count, keys.max_len), (&all[..], 6, 91));
    let times = |room| {
        let mut stamps = reply(session, handle::PERF1, &GetUsecs { stamps: Cap(room) }).stamps;
        stamps.truncate(6);
        stamps
    };
    let misbehave = client.open(&uri("misbehave")).unwrap();
    // Sleeps so many milliseconds.
    let sleep = || assert_eq!(sin(&client, misbehave, 15, 2).0, Aee::SUCCESS);
    sleep();
    assert_eq!(times(64), [0; 6], "nobody asked for anything");
    for index in [0, 3] {
        let enable = Enable { index };
        assert_eq!(call(session, handle::PERF1, &enable).retval, Aee::SUCCESS);
    }
    (0..3).for_each(|_| sleep());
    let [calls, header, maps, method, unmaps, answers] = times(64)[..] else {
        panic!()
    };
    assert_eq!([calls, header, maps, unmaps, answers], [3, 0, 0, 0, 0]);
    assert!(method >= 6000, "{method} us");
    assert_eq!(times(1), [3], "room for one");

    // What is wrong is refused, and the plain handle has the same counters.
    for index in [-1, 6, i32::MAX] {
        let enable = Enable { index };
        assert_eq!(call(session, handle::PERF1, &enable).retval, Aee::BAD_PARM);
    }
    let keys = GetKeys { keys: Cap(90) };
    assert_eq!(call(session, handle::PERF1, &keys).retval, Aee::BUFFER_TOO_SMALL);
    let plain = GetUsecs { stamps: Cap(6) }.payload(Kind::Plain);
    let answer = raw(session, handle::PERF, &plain);
    let stamps = perf::GetUsecsReply::parse(&answer.outs).unwrap().stamps;
    assert_eq!((answer.retval, stamps[0]), (Aee::SUCCESS, 3));
    assert!(stamps[3] >= method);
    client.exit().unwrap();
}

#[test]
fn mapped_buffers_are_used_in_place() {
    let Some(dir) = skeletons() else { return };
    let driver = machine(config());
    let (client, _) = client(&driver, 1, 1, &[dir]);
    let calculator = client.open(CALCULATOR).unwrap();
    let input = client.session().alloc(0x2000).unwrap();
    let output = client.session().alloc(0x1000).unwrap();
    driver
        .kernel()
        .ram()
        .write(input.physical + 0x804, &ints(0..1000))
        .unwrap();
    let count = 1000u32.to_le_bytes();
    let args = [
        Arg::In(&count),
        Arg::Mapped(input, 0x804, 4000),
        Arg::Mapped(output, 0x108, 8),
    ];
    let answer = client.invoke(calculator, SUM, &args).unwrap();
    assert_eq!(answer.retval, Aee::SUCCESS);
    let mut sum = [0; 8];
    driver
        .kernel()
        .ram()
        .read(output.physical + 0x108, &mut sum)
        .unwrap();
    assert_eq!(i64::from_le_bytes(sum), 499_500);
    client.exit().unwrap();
}

#[test]
fn polled_calls_get_their_poll_word_when_they_succeed() {
    let Some(dir) = skeletons() else { return };
    let driver = machine(config());
    let (client, _) = client(&driver, 1, 1, &[dir]);
    let calculator = client.open(CALCULATOR).unwrap();
    let (count, values) = (10u32.to_le_bytes(), ints(0..10));
    let call = |out| {
        let args = [Arg::In(&count), Arg::In(&values), Arg::Out(out)];
        client.invoke(calculator, SUM, &args).unwrap().poll_word
    };
    assert_eq!(call(8), 0, "not asked for");
    let mode = |enable| current_process::PollMode {
        enable,
        timeout_us: 10_000,
    };
    let session = client.session();
    assert!(
        super::support::call(session, handle::CURRENT_PROCESS1, &mode(1))
            .retval
            .is_ok()
    );
    assert_eq!(
        (call(8), call(4)),
        (POLL_RESPONSE, 0),
        "only successes are polled"
    );
    assert!(
        super::support::call(session, handle::CURRENT_PROCESS1, &mode(0))
            .retval
            .is_ok()
    );
    assert_eq!(call(8), 0);
    client.exit().unwrap();
}

#[test]
fn a_missing_library_is_named() {
    let driver = machine(config());
    let (client, _) = client(&driver, 1, 1, &[]);
    let error = client.open(CALCULATOR).unwrap_err().to_string();
    assert!(
        error.contains("libcalculator_skel.so") && error.contains("0x80000406"),
        "{error}"
    );
    client.exit().unwrap();
}

#[test]
fn a_crash_ends_its_process_and_no_other() {
    let dir = own_skeleton("misbehave");
    let driver = machine(with_log());
    let (healthy, _) = client(&driver, 1, 1, std::slice::from_ref(&dir));
    let well = healthy.open(&uri("misbehave")).unwrap();
    for method in [2, 3, 5, 6, 7, 11, 13, 20] {
        let (client, log) = client(&driver, 2, 2, std::slice::from_ref(&dir));
        let handle = client.open(&uri("misbehave")).unwrap();
        assert_eq!(sin(&client, handle, method, 1).0, Aee::GONE, "method {method}");
        assert_eq!(sin(&client, handle, 17, 0).0, Aee::GONE, "the process stays dead");
        assert!(driver.dsp().last_crash().is_some());
        client.exit().unwrap();
        let log = log.lock().unwrap();
        assert!(
            log.iter().any(|line| line.contains("crashed")),
            "method {method}: {log:?}"
        );
        assert_eq!(sin(&healthy, well, 17, 0x8000_0405).0, Aee(0x8000_0405));
    }
    healthy.exit().unwrap();
    let stats = driver.dsp().stats();
    assert_eq!((stats.crashes, stats.processes, stats.processes_now), (8, 9, 0));
    assert_eq!(driver.stray_answers(), 0);
}

#[test]
fn return_values_that_a_kernel_would_misread_are_replaced() {
    let dir = own_skeleton("misbehave");
    let driver = machine(config());
    let (client, _) = client(&driver, 1, 1, &[dir]);
    let handle = client.open(&uri("misbehave")).unwrap();
    for (value, seen) in [
        (0, 0),
        (46, 46),
        (0x8000_040E, 0x8000_040E),
        (-512i32 as u32, 0x8000_0401),
        (u32::MAX, 0x8000_0401),
    ] {
        assert_eq!(sin(&client, handle, 17, value).0, Aee(seen), "{value:#x}");
    }
    client.exit().unwrap();
}

#[test]
fn a_process_killed_in_the_middle_of_a_call_is_gone_with_its_memory() {
    let dir = own_skeleton("misbehave");
    let driver = machine(config());
    // 12 times one and the same session; nothing may pile up.
    for round in 0..12 {
        let (client, _) = client(&driver, 3, 3, std::slice::from_ref(&dir));
        let handle = client.open(&uri("misbehave")).unwrap();
        let x = 60_000u32.to_le_bytes();
        // An endless loop, or a sleep of a minute.
        let method = if round % 2 == 0 { 10 } else { 15 };
        let args = [Arg::In(&x), Arg::Out(4)];
        let tid = client.new_tid();
        let before = driver.dsp().stats().packets;
        let stuck = client
            .session()
            .start_raw(3, tid, handle, Scalars::new(method, 1, 1), &args)
            .unwrap();
        wait_for("the skeleton runs", || driver.dsp().stats().packets > before);
        let stuck = stuck.poll().expect_err("it never returns");
        client.kill().unwrap();
        // Answered before the release was, so that the kernel's context is free.
        assert_eq!(stuck.poll().ok().unwrap().retval, Aee::GONE);
    }
    assert_eq!(
        (driver.dsp().open_calls(), driver.dsp().stats().processes_now),
        (0, 0)
    );
    assert_eq!(driver.stray_answers(), 0);
}

#[test]
fn three_processes_compute_at_once() {
    let Some(dir) = skeletons() else { return };
    let driver = machine(config());
    std::thread::scope(|scope| {
        for id in 1..=3 {
            let (driver, dir) = (&driver, &dir);
            scope.spawn(move || {
                let (client, _) = client(driver, id as u32, id, std::slice::from_ref(dir));
                let handle = client.open(CALCULATOR).unwrap();
                for n in 1..=30 {
                    let (count, values) = ((100 * n as u32).to_le_bytes(), ints(0..100 * n));
                    let args = [Arg::In(&count), Arg::In(&values), Arg::Out(8)];
                    let answer = client.invoke(handle, SUM, &args).unwrap();
                    let sum = i64::from(100 * n) * i64::from(100 * n - 1) / 2;
                    assert_eq!(answer.outs[0], sum.to_le_bytes());
                }
                client.exit().unwrap();
            });
        }
    });
    assert_eq!(driver.dsp().stats().processes, 3);
}

#[test]
fn heap_grows_by_asking_the_ap() {
    let dir = own_skeleton("misbehave");
    let mut config = config();
    config.limits.memory = 12 << 20;
    let driver = machine(config);
    let (client, _) = client(&driver, 1, 1, &[dir]);
    let handle = client.open(&uri("misbehave")).unwrap();
    let before = driver.dsp().stats().bytes_mapped;
    // Takes 64 KiB blocks until there are none: more than the 2 MiB of initial memory hold.
    let (retval, blocks) = sin(&client, handle, 14, 0);
    assert_eq!(retval, Aee::SUCCESS);
    assert!(blocks > 64, "{blocks} blocks");
    assert!(driver.dsp().stats().bytes_mapped > before + (1 << 20));
    client.exit().unwrap();
}

#[test]
fn a_flood_of_log_lines_neither_blocks_nor_grows() {
    let dir = own_skeleton("misbehave");
    let driver = machine(with_log());
    let (client, log) = client(&driver, 1, 1, &[dir]);
    let handle = client.open(&uri("misbehave")).unwrap();
    assert_eq!(sin(&client, handle, 16, 20_000).0, Aee::SUCCESS);
    client.exit().unwrap();
    let stats = driver.dsp().stats();
    assert!(stats.farf >= 20_000);
    let seen = log.lock().unwrap().len() as u64;
    assert!(seen > 0 && seen <= stats.farf + 100);
}

#[test]
fn dma_handles_are_handed_back() {
    let dir = own_skeleton("misbehave");
    let driver = machine(config());
    let (client, _) = client(&driver, 1, 1, &[dir]);
    let handle = client.open(&uri("misbehave")).unwrap();
    let session = client.session();
    let (a, b) = (session.alloc(0x3000).unwrap(), session.alloc(0x1000).unwrap());
    session.map(21, b, MAP_FD).unwrap();
    // The skeleton refuses the call, but the kernel has mapped the buffers all the same. One that is mapped by MEM_MAP is not
    // named: the kernel would take the mapping for the handle's.
    let sc = Scalars::with_handles(17, 0, 0, 2, 0);
    let args = [Arg::Handle(20, a, 0, 0x3000), Arg::Handle(21, b, 0, 0x1000)];
    let answer = client.invoke(handle, sc, &args).unwrap();
    assert_eq!((answer.retval, &answer.fdlist[..]), (Aee::BAD_PARM, &[20][..]));
    client.exit().unwrap();
}

/// The length beside the offset counts from the buffer's start when the library registered it, and is the part's when a
/// program fills the descriptor itself: what can be mapped is the whole buffer either way, and no byte beyond.
#[test]
fn a_dma_handle_with_an_offset_means_a_part_of_the_whole_buffer() {
    let dir = own_skeleton("bench");
    let driver = machine(config());
    let (client, _) = client(&driver, 1, 1, &[dir]);
    let handle = client.open(&uri("bench")).unwrap();
    let buffer = client.session().alloc(0x2000).unwrap();
    let bytes: Vec<u8> = (0..0x2000u32).map(|i| (i * 7 / 5) as u8).collect();
    driver.kernel().ram().write(buffer.physical, &bytes).unwrap();
    let sum = |offset: u32, registered: u32, length: u32| {
        let sc = Scalars::with_handles(10, 1, 1, 1, 0);
        let length = length.to_le_bytes();
        let args = [
            Arg::In(&length),
            Arg::Out(4),
            Arg::Handle(20, buffer, offset, registered),
        ];
        let answer = client.invoke(handle, sc, &args).unwrap();
        (
            answer.retval,
            u32::from_le_bytes(*answer.outs[0].first_chunk().unwrap()),
        )
    };
    let expected = |from: u32, length: u32| {
        let part = &bytes[from as usize..(from + length) as usize];
        (Aee::SUCCESS, part.iter().copied().map(u32::from).sum::<u32>())
    };
    for (offset, registered, length) in [
        (0, 0x2000, 0x2000),
        (0, 0x2000, 100),
        (0x1000, 0x2000, 0x1000),
        (0x1000, 0x1000, 0x1000),
        (0x1000, 0x2000, 1),
    ] {
        assert_eq!(
            sum(offset, registered, length),
            expected(offset, length),
            "{offset:#x} {registered:#x} {length:#x}"
        );
    }
    // Beyond the end, and never registered.
    for (offset, registered, length) in [
        (0x1000, 0x2000, 0x1001),
        (0, 0x2000, 0x2001),
        (0, 0, 4),
        (0x1000, 0, 4),
    ] {
        assert_eq!(
            sum(offset, registered, length).0,
            Aee::BAD_PARM,
            "{offset:#x} {registered:#x}"
        );
    }
    client.exit().unwrap();
}

/// Words of a method of `threads`.
fn threads(host_threads: usize, method: u8, words: &[u32], out: u64) -> Vec<u32> {
    let dir = own_skeleton("threads");
    let mut config = config();
    config.dsp_threads = std::num::NonZeroUsize::new(host_threads);
    let driver = machine(config);
    let (client, _) = client(&driver, 1, 1, std::slice::from_ref(&dir));
    let handle = client.open(&uri("threads")).unwrap();
    let input: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    let args = [Arg::In(&input), Arg::Out(4 * out)];
    let answer = client.invoke(handle, Scalars::new(method, 1, 1), &args).unwrap();
    assert_eq!(answer.retval, Aee::SUCCESS);
    client.exit().unwrap();
    let (words, _) = answer.outs[0].as_chunks();
    words.iter().map(|word| u32::from_le_bytes(*word)).collect()
}

#[test]
fn threads_on_several_host_threads_do_what_they_do_on_one() {
    let n = 64u32;
    let product = |i: u32, j: u32| {
        let term = |k: u32| (i * 3 + k).wrapping_mul(k_of(j, k));
        (0..n).map(term).fold(0, u32::wrapping_add)
    };
    // The second matrix is kept by columns.
    fn k_of(j: u32, k: u32) -> u32 {
        j ^ (k * 5)
    }
    let sum = (0..n)
        .flat_map(|i| (0..n).map(move |j| (i, j)))
        .map(|(i, j)| product(i, j))
        .fold(0, u32::wrapping_add);
    for host_threads in [1, 2, 4] {
        assert_eq!(threads(host_threads, 4, &[n, 4], 2)[0], sum);
        // Locked loads and stores lose nothing, futexes no wake.
        assert_eq!(threads(host_threads, 5, &[8, 20_000], 1), [160_000]);
        assert_eq!(threads(host_threads, 3, &[2_000], 1).len(), 1);
        assert_eq!(threads(host_threads, 2, &[200], 1).len(), 1);
    }
}
