use super::*;

/// Feeds lines as the console shows them, a millisecond apart.
fn scan(text: &str) -> Scanner {
    let mut scanner = Scanner::new();
    for (n, line) in (0..).zip(text.lines().filter(|line| !line.is_empty())) {
        let stamped = line.starts_with('[') || line.starts_with("VH-");
        let at = Duration::from_millis(n);
        if stamped {
            scanner.line(at, line);
        } else {
            scanner.line(at, &format!("[   12.{:06}] {line}", n * 1000));
        }
    }
    scanner.finish();
    scanner
}

fn only(text: &str) -> Complaint {
    let scanner = scan(text);
    let [complaint] = scanner.complaints() else {
        panic!("{:#?}", scanner.complaints());
    };
    complaint.clone()
}

const WARN: &str = "\
------------[ cut here ]------------
WARNING: CPU: 1 PID: 212 at drivers/misc/fastrpc.c:431 fastrpc_context_put+0x44/0x98 [fastrpc]
Modules linked in: fastrpc qcom_glink_rpm
CPU: 1 UID: 0 PID: 212 Comm: vh-calc Tainted: G        W          6.12.1 #1
Hardware name: linux,dummy-virt (DT)
pc : fastrpc_context_put+0x44/0x98 [fastrpc]
Call trace:
 fastrpc_context_put+0x44/0x98 [fastrpc] (P)
 fastrpc_internal_invoke.isra.0+0x2a8/0x9c8 [fastrpc]
 fastrpc_device_ioctl+0x1b4/0xf28 [fastrpc]
 __arm64_sys_ioctl+0xb0/0xf8
 invoke_syscall+0x50/0x120
 el0t_64_sync+0x190/0x198
---[ end trace 0000000000000000 ]---
";

#[test]
fn a_warning_is_collected_whole_and_its_signature_has_no_addresses() {
    let complaint = only(WARN);
    assert_eq!(complaint.class, Class::Warn);
    assert_eq!(complaint.lines.len(), 14);
    assert_eq!(
        complaint.signature,
        "warn:drivers/misc/fastrpc.c:fastrpc_context_put<fastrpc_internal_invoke<fastrpc_device_ioctl"
    );
    assert!(
        complaint.title.starts_with("WARNING: CPU: 1"),
        "{}",
        complaint.title
    );
}

#[test]
fn the_same_warning_elsewhere_has_the_same_signature() {
    let other = WARN
        .replace(
            "CPU: 1 PID: 212 at drivers/misc/fastrpc.c:431 fastrpc_context_put+0x44/0x98 [fastrpc]",
            "drivers/misc/fastrpc.c:440 at fastrpc_context_put+0x50/0xa0 [fastrpc], CPU#0: vh-calc/99",
        )
        .replace("0x2a8/0x9c8", "0x1/0x2");
    assert_eq!(only(&other).signature, only(WARN).signature);
    let different = WARN.replace("fastrpc_internal_invoke", "fastrpc_req_mmap");
    assert_ne!(only(&different).signature, only(WARN).signature);
}

#[test]
fn what_a_warning_is_about_decides_its_class() {
    let refcount = WARN.replace(
        "------------[ cut here ]------------\n",
        "------------[ cut here ]------------\nrefcount_t: underflow; use-after-free.\n",
    );
    let complaint = only(&refcount);
    assert_eq!(complaint.class, Class::Refcount);
    assert!(
        complaint
            .signature
            .starts_with("refcount:underflow:fastrpc_context_put"),
        "{}",
        complaint.signature
    );
    assert_eq!(complaint.title, "refcount_t: underflow; use-after-free.");

    let dma = "\
------------[ cut here ]------------
DMA-API: fastrpc-cb 8000000.dsp:compute-cb@1: device driver frees DMA memory with different size [device address=0x00000000ffdff000] [map size=4096 bytes] [unmap size=8192 bytes]
WARNING: CPU: 0 PID: 9 at kernel/dma/debug.c:1028 check_unmap+0x5d0/0x8c0
Call trace:
 check_unmap+0x5d0/0x8c0 (P)
 debug_dma_free_coherent+0xb4/0xd8
 dma_free_attrs+0xa8/0x120
 __fastrpc_buf_free+0x58/0x90 [fastrpc]
---[ end trace 0000000000000000 ]---
";
    let complaint = only(dma);
    assert_eq!(complaint.class, Class::DmaApi);
    assert_eq!(
        complaint.signature,
        "dma-api:device driver frees DMA memory with different size:dma_free_attrs<__fastrpc_buf_free"
    );

    let list = "\
------------[ cut here ]------------
list_del corruption. next->prev should be ffff00000d1c2a10, but was dead000000000122. (next=ffff00000d1c3b10)
kernel BUG at lib/list_debug.c:65!
Internal error: Oops - BUG: 00000000f2000800 [#1]  SMP
pc : __list_del_entry_valid_or_report+0xd8/0xf8
Call trace:
 __list_del_entry_valid_or_report+0xd8/0xf8 (P)
 fastrpc_req_munmap_impl+0x6c/0x1a0 [fastrpc]
 fastrpc_device_ioctl+0x1b4/0xf28 [fastrpc]
Code: 912c0000 97e4f6b1 d4210000
---[ end trace 0000000000000000 ]---
";
    let complaint = only(list);
    assert_eq!(complaint.class, Class::List);
    assert_eq!(
        complaint.signature,
        "list:list_del corruption:fastrpc_req_munmap_impl<fastrpc_device_ioctl"
    );

    let ubsan = "\
------------[ cut here ]------------
UBSAN: array-index-out-of-bounds in drivers/misc/fastrpc.c:1100:20
index 9 is out of range for type 'struct fastrpc_phy_page [4]'
CPU: 0 UID: 0 PID: 77 Comm: x
Call trace:
 show_stack+0x20/0x38 (C)
 dump_stack_lvl+0x78/0x90
 ubsan_epilogue+0x10/0x50
 __ubsan_handle_out_of_bounds+0xa8/0xe8
 fastrpc_get_args+0x500/0x700 [fastrpc]
---[ end trace ]---
";
    let complaint = only(ubsan);
    assert_eq!(
        complaint.signature,
        "ubsan:array-index-out-of-bounds:fastrpc_get_args"
    );
}

#[test]
fn kasan_reports_stand_between_two_rules_and_name_the_place() {
    let complaint = only(
        "\
==================================================================
BUG: KASAN: slab-use-after-free in fastrpc_map_put+0x3c/0xd0 [fastrpc]
Write of size 4 at addr ffff00000c1f8a80 by task kworker/1:2/55

CPU: 1 UID: 0 PID: 55 Comm: kworker/1:2 Not tainted 7.0.0
Workqueue: events fastrpc_context_put_wq [fastrpc]
Call trace:
 show_stack+0x20/0x38 (C)
 dump_stack_lvl+0x78/0x90
 print_report+0x118/0x5e0
 kasan_report+0xb4/0x100
 kasan_check_range+0xe4/0x190
 __kasan_check_write+0x20/0x30
 fastrpc_map_put+0x3c/0xd0 [fastrpc]
 fastrpc_context_free+0x80/0x1c0 [fastrpc]
 process_one_work+0x2d0/0x680
 ret_from_fork+0x10/0x20

Allocated by task 201:
 kasan_save_stack+0x2c/0x58
Freed by task 201:
 kasan_save_stack+0x2c/0x58
==================================================================
fastrpc says something afterwards
",
    );
    assert_eq!(complaint.class, Class::Kasan);
    assert_eq!(
        complaint.signature,
        "kasan:slab-use-after-free:fastrpc_map_put<fastrpc_context_free<process_one_work"
    );
    assert!(complaint.lines.last().unwrap().starts_with("==="));
    assert!(complaint.lines.iter().any(|line| line.starts_with("Freed by")));
    assert!(complaint.title.starts_with("BUG: KASAN"), "{}", complaint.title);
}

#[test]
fn an_oops_begins_with_the_address_and_ends_with_its_trace() {
    let complaint = only(
        "\
Unable to handle kernel NULL pointer dereference at virtual address 0000000000000010
Mem abort info:
  ESR = 0x0000000096000004
Internal error: Oops: 0000000096000004 [#1]  SMP
Modules linked in: fastrpc
CPU: 0 UID: 0 PID: 60 Comm: irq/22-glink Not tainted 6.12.1
pc : fastrpc_rpmsg_callback+0x60/0x150 [fastrpc]
lr : qcom_glink_native_rx+0x410/0x720 [qcom_glink]
Call trace:
 fastrpc_rpmsg_callback+0x60/0x150 [fastrpc] (P)
 qcom_glink_native_rx+0x410/0x720 [qcom_glink]
 irq_thread_fn+0x34/0xb8
Code: f9400013 b4000553 91008276 aa1603e0
---[ end trace 0000000000000000 ]---
note: irq/22-glink[60] exited with irqs disabled
",
    );
    assert_eq!(complaint.class, Class::Oops);
    assert_eq!(
        complaint.signature,
        "oops:NULL pointer dereference:fastrpc_rpmsg_callback<qcom_glink_native_rx<irq_thread_fn"
    );
    assert_eq!(complaint.lines.len(), 14);
}

#[test]
fn reports_without_an_end_mark_end_with_their_call_trace() {
    let scanner = scan(
        "\
INFO: task kworker/0:3:61 blocked for more than 10 seconds.
      Not tainted 6.12.1 #1
\"echo 0 > /proc/sys/kernel/hung_task_timeout_secs\" disables this message.
task:kworker/0:3     state:D stack:0     pid:61    tgid:61    ppid:2      flags:0x00000008
Workqueue: events rproc_crash_handler_work
Call trace:
 __switch_to+0xf0/0x150 (T)
 __schedule+0x2f0/0xd00
 schedule+0x34/0x140
 rproc_stop+0x40/0x1a0
 rproc_trigger_recovery+0x90/0x1a0
remoteproc remoteproc0: something else
INFO: task vh-calc:99 blocked for more than 10 seconds.
task:vh-calc     state:D
Call trace:
 __schedule+0x2f0/0xd00
 fastrpc_device_release+0x90/0x1a0 [fastrpc]
",
    );
    let signatures: Vec<_> = scanner
        .complaints()
        .iter()
        .map(|c| c.signature.as_str())
        .collect();
    assert_eq!(
        signatures,
        [
            "hung-task:rproc_stop<rproc_trigger_recovery",
            "hung-task:fastrpc_device_release"
        ]
    );
    assert_eq!(scanner.complaints()[0].lines.len(), 11);
}

#[test]
fn lockdep_is_followed_to_its_last_stack() {
    let complaint = only(
        "\
======================================================
WARNING: possible circular locking dependency detected
6.12.1 #1 Not tainted
------------------------------------------------------
vh-drive/90 is trying to acquire lock:
ffff00000c1f8a80 (&fl->mutex){+.+.}-{3:3}, at: fastrpc_map_put+0x3c/0xd0 [fastrpc]

but task is already holding lock:
ffff00000c1f8b80 (&fl->lock){+.+.}-{2:2}, at: fastrpc_free_map+0x20/0xd0 [fastrpc]

the existing dependency chain (in reverse order) is:
-> #1 (&fl->lock){+.+.}-{2:2}:
       _raw_spin_lock+0x50/0x70
       fastrpc_map_create+0x3c/0xd0 [fastrpc]
-> #0 (&fl->mutex){+.+.}-{3:3}:
       __mutex_lock+0x90/0x8a0

stack backtrace:
CPU: 0 UID: 0 PID: 90 Comm: vh-drive
Call trace:
 dump_stack_lvl+0x78/0x90
 print_circular_bug+0x290/0x370
 check_noncircular+0x160/0x178
 fastrpc_map_put+0x3c/0xd0 [fastrpc]
 fastrpc_req_mem_unmap_impl+0x100/0x1a0 [fastrpc]
 el0t_64_sync+0x190/0x198
fastrpc goes on
",
    );
    assert_eq!(complaint.class, Class::Lockdep);
    assert_eq!(
        complaint.signature,
        "lockdep:possible circular locking dependency detected:fastrpc_map_put<fastrpc_req_mem_unmap_impl"
    );
    assert!(complaint.lines.last().unwrap().contains("el0t_64_sync"));
}

#[test]
fn slub_names_who_had_the_object() {
    let complaint = only(
        "\
=============================================================================
BUG kmalloc-256 (Not tainted): Poison overwritten
-----------------------------------------------------------------------------

0xffff00000c1f8a90-0xffff00000c1f8a93 @offset=2704. First byte 0x6a instead of 0x6b
Allocated in fastrpc_context_alloc+0x60/0x3a0 [fastrpc] age=12 cpu=0 pid=90
 fastrpc_context_alloc+0x60/0x3a0 [fastrpc]
Freed in fastrpc_context_free+0x160/0x1c0 [fastrpc] age=3 cpu=1 pid=55
 fastrpc_context_free+0x160/0x1c0 [fastrpc]
Slab 0xfffffdffc0307e00 objects=16 used=9 fp=0xffff00000c1f8b00
CPU: 0 UID: 0 PID: 101 Comm: sh
Call trace:
 dump_stack_lvl+0x78/0x90
FIX kmalloc-256: Restoring Poison 0xffff00000c1f8a90-0xffff00000c1f8a93=0x6b
",
    );
    assert_eq!(
        (complaint.class, complaint.signature.as_str()),
        (
            Class::Slub,
            "slub:Poison overwritten kmalloc-256:fastrpc_context_alloc<fastrpc_context_free"
        )
    );
}

#[test]
fn leaks_stalls_faults_and_panics_have_their_classes() {
    let scanner = scan(
        "\
arm-smmu 9000000.iommu: Unhandled context fault: fsr=0x402, iova=0xffe01000, fsynr=0x10011, cbfrsynra=0x1001, cb=1
unreferenced object 0xffff00000c1f8a80 (size 128):
  comm \"vh-calc\", pid 90, jiffies 4294938872
  hex dump (first 32 bytes):
    00 00 00 00 00 00 00 00 00 00 00 00 00 00 00 00  ................
  backtrace (crc 5c1a3b7e):
    kmemleak_alloc+0x3c/0x50
    __kmalloc_cache_noprof+0x290/0x3a0
    fastrpc_map_attach+0x40/0x2e0 [fastrpc]
    fastrpc_internal_invoke+0x140/0x9c8 [fastrpc]
unreferenced object 0xffff00000c1f8b80 (size 64):
  comm \"vh-calc\", pid 90, jiffies 4294938872
  backtrace (crc 5c1a3b7e):
    [<00000000a1b2c3d4>] fastrpc_buf_alloc+0x40/0x2e0 [fastrpc]
rcu: INFO: rcu_preempt self-detected stall on CPU
rcu: \t0-....: (5249 ticks this GP) idle=1d1c/1/0x4000000000000002
Call trace:
 qcom_glink_native_rx+0x410/0x720 [qcom_glink]
 irq_thread_fn+0x34/0xb8
watchdog: BUG: soft lockup - CPU#1 stuck for 22s! [vh-calc:90]
Call trace:
 fastrpc_wait_for_completion+0x1/0x2 [fastrpc]
BUG: sleeping function called from invalid context at kernel/locking/mutex.c:580
in_atomic(): 1, irqs_disabled(): 128
Call trace:
 __might_resched+0x160/0x1f8
 fastrpc_rpmsg_callback+0x60/0x150 [fastrpc]
vh-calc invoked oom-killer: gfp_mask=0xcc0(GFP_KERNEL), order=0
Mem-Info:
Out of memory: Killed process 90 (vh-calc)
Kernel panic - not syncing: Oops - BUG: Fatal exception in interrupt
CPU: 0
---[ end Kernel panic - not syncing: Oops - BUG: Fatal exception in interrupt ]---
",
    );
    let signatures: Vec<_> = scanner
        .complaints()
        .iter()
        .map(|c| c.signature.as_str())
        .collect();
    assert_eq!(
        signatures,
        [
            "smmu-fault:context",
            "kmemleak:fastrpc_map_attach<fastrpc_internal_invoke",
            "kmemleak:fastrpc_buf_alloc",
            "rcu-stall:qcom_glink_native_rx<irq_thread_fn",
            "lockup:soft lockup:fastrpc_wait_for_completion",
            "atomic-sleep:sleeping function called from invalid context:fastrpc_rpmsg_callback",
            "oom",
            "panic:Oops - BUG",
        ]
    );
}

#[test]
fn a_program_can_print_anything_without_being_the_kernel() {
    let mut scanner = Scanner::new();
    let at = Duration::ZERO;
    let printed = "[   12.000001] vh| [    3.000000] BUG: KASAN: slab-out-of-bounds in f+0x1/0x2";
    assert!(matches!(scanner.line(at, printed), Line::Output(text) if text.starts_with("[    3.0")));
    assert_eq!(
        scanner.line(at, "[   12.000002] vh: exit 0"),
        Line::Wrapper("exit 0")
    );
    assert_eq!(
        scanner.line(at, "VH-INIT hello BUG: no"),
        Line::Other("VH-INIT hello BUG: no")
    );
    assert_eq!(
        scanner.line(at, "VH-REA[   12.000003][  T12] Kernel panic - not syncing: x"),
        Line::Kernel(Some("T12"), "Kernel panic - not syncing: x")
    );
    scanner.finish();
    assert_eq!(scanner.output().len(), 1);
    assert_eq!(scanner.complaints().len(), 1);
}

#[test]
fn lines_of_another_caller_do_not_get_into_a_report() {
    let mut text = String::new();
    for (n, line) in WARN.lines().enumerate() {
        text.push_str(&format!(
            "[   12.{n:06}][  T212] {line}\n[   12.{n:06}][    C0] noise {n}\n"
        ));
    }
    let complaint = only(&text);
    assert_eq!(complaint.lines.len(), 14);
    assert_eq!(complaint.signature, only(WARN).signature);
}

#[test]
fn a_report_that_stops_in_its_middle_is_kept_and_the_next_one_is_its_own() {
    let mut scanner = Scanner::new();
    scanner.line(
        Duration::ZERO,
        "[    1.000000] ------------[ cut here ]------------",
    );
    scanner.line(
        Duration::ZERO,
        "[    1.000001] WARNING: CPU: 1 PID: 2 at a/b.c:3 f+0x1/0x2",
    );
    scanner.line(Duration::from_secs(9), "[   10.000000] something else");
    assert_eq!(scanner.complaints().len(), 1);
    scanner.line(
        Duration::from_secs(9),
        "[   10.000001] ------------[ cut here ]------------",
    );
    scanner.line(
        Duration::from_secs(9),
        "[   10.000002] ------------[ cut here ]------------",
    );
    scanner.finish();
    assert_eq!(scanner.complaints().len(), 3);
}

#[test]
fn endless_complaints_are_bounded() {
    let mut scanner = Scanner::new();
    for n in 0..1000 {
        let at = Duration::from_millis(n);
        scanner.line(
            at,
            "[    1.000000] arm-smmu 1.iommu: Unhandled context fault: fsr=0x402",
        );
        scanner.line(at, "[    1.000000] vh| a");
    }
    assert_eq!(scanner.complaints().len(), MAX_COMPLAINTS);
    assert_eq!(scanner.not_kept(), 1000 - MAX_COMPLAINTS);
}

proptest::proptest! {
    #[test]
    fn nothing_that_a_console_shows_is_too_much(lines in proptest::collection::vec("\\PC{0,80}", 0..40), kind in 0usize..6) {
        let mut scanner = Scanner::new();
        let heads = ["", "[    1.000000] ", "[    1.000000] BUG: ", "[    1.000000] WARNING: ", "[    1.000000] Call trace:", "[    1.000000] BUG "];
        for line in &lines {
            scanner.line(Duration::ZERO, &format!("{}{line}", heads[kind]));
        }
        scanner.finish();
        for complaint in scanner.complaints() {
            proptest::prop_assert!(!complaint.signature.is_empty());
        }
    }
}
