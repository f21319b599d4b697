//! The guest reboots on the same device: the DSP is reset, and serves the second boot like the first.

use tests::assets;
use tests::guest::{Boot, Guest, requirements};

#[test]
fn a_guest_that_reboots_finds_the_dsp_again() {
    let Some((kernel, firmware)) = assets::or_skip(requirements("newest")) else {
        return;
    };
    // A call is under way when the guest goes down, so that the reset has something to clear.
    let script = "vh-calc; vh-invoke bench 4 --word 0xffffffff --out 4 & sleep 0.5; echo @reboot; reboot -f";
    let boot = Boot {
        name: "reboot",
        kernel: &kernel,
        script,
        arguments: &[],
    };
    let mut guest = Guest::start(&boot, &firmware);
    let mut reboots = 0;
    let twice = guest.read_until(|_, line| {
        reboots += usize::from(line == "@reboot");
        reboots == 2
    });
    assert!(twice, "no second boot; its console:\n{}", guest.console);
    assert_eq!(
        guest.console.matches("Sum = 499500").count(),
        2,
        "{}",
        guest.console
    );
    assert_eq!(
        guest.console.matches("Max value = 999").count(),
        2,
        "{}",
        guest.console
    );
}
