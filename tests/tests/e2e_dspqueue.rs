//! Packet queues between the unmodified library in a guest and a skeleton (`firmware/guest/vh_queue.c`,
//! `firmware/skel/packets.c`): packets of all sizes, with and without buffers, answered from the queue's callback and by a
//! thread that waits.

use tests::assets;
use tests::run::{Run, assert_has};

const SCRIPT: &str = "
echo '@@ callback'; vh-queue --packets 5000 --import 2; echo \"exit $?\"
echo '@@ thread'; vh-queue --packets 5000 --import 4; echo \"exit $?\"
echo '@@ kernel'; dmesg | grep -E 'BUG|WARNING|Oops|UBSAN|Unable to handle|Call trace'
echo '@@ end'
";

fn packets(series: &str) {
    let Some(run) = assets::or_skip(Run::boot("dspqueue", series, SCRIPT, &[])) else {
        return;
    };
    run.section("end");
    for how in ["callback", "thread"] {
        let text = run.section(how);
        for line in [
            "create = 0x0",
            "export = 0x0",
            "import = 0x0",
            "queue packets 5000 wrong 0",
            "buffers right",
            "skeleton sent 5000 wrong 0",
            "close = 0x0",
            "end = 0x0",
            "exit 0",
        ] {
            assert_has(text, line);
        }
        println!("{series}, {how}: {}", run.number(how, "per_second "));
    }
    let kernel = run.section("kernel");
    assert!(kernel.trim().is_empty(), "{kernel}");
}

#[test]
fn packets_of_the_unmodified_library_on_6_12() {
    packets("6.12");
}

#[test]
fn packets_of_the_unmodified_library_on_the_newest() {
    packets("newest");
}
