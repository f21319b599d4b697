//! Hooks are put in together and in order, or not at all.

#[allow(dead_code, reason = "device.rs uses the rest")]
#[path = "../../machine/tests/qemu/mod.rs"]
mod qemu;

use emu_lab::hooks::{HookError, Hooks};
use emu_lab::replay::Recording;
use emu_lab::scenario::Scenario;
use emu_lab::trace::About;
use emu_machine::device::layout::PlatformKind;
use emu_machine::device::tree::IrqPath;
use qemu::Host;

fn recording(host: &Host, platform: &str) -> Recording {
    Recording {
        about: Some(About::new(host.devices[0].subsystem().config(), platform)),
        ..Recording::default()
    }
}

#[test]
fn each_dsp_gets_the_hooks_that_were_asked_for() {
    let host = Host::start(IrqPath::Qtest);
    let scenario = Scenario::parse(
        "[[rule]]\non = \"start\"\ndsp = \"cdsp\"\ndo = [{ drop = true }]",
        "t.toml",
    );
    let scenario = scenario.unwrap();
    let hooks = Hooks {
        scenario: Some((&scenario, Some(7))),
        account: true,
        ..Hooks::default()
    };
    let attached = hooks.attach(&host.devices, PlatformKind::Rpm).unwrap();
    assert_eq!(attached.accounts.len(), host.devices.len());
    assert!(attached.trace.is_none() && attached.players.is_empty());
    let played: Vec<_> = attached
        .watches
        .iter()
        .map(|watch| watch.label().to_owned())
        .collect();
    assert!(played.contains(&"cdsp".to_owned()), "{played:?}");
}

#[test]
fn hooks_that_exclude_each_other_are_refused() {
    let host = Host::start(IrqPath::Qtest);
    let attach = |label: &str, platform: &str, scenario: Option<&Scenario>| {
        let recordings = [(label.to_owned(), recording(&host, platform))];
        let hooks = Hooks {
            scenario: scenario.map(|scenario| (scenario, None)),
            recordings: &recordings,
            ..Hooks::default()
        };
        hooks
            .attach(&host.devices, PlatformKind::Rpm)
            .map(|attached| attached.players.len())
    };
    let scenario = Scenario::parse("", "t.toml").unwrap();
    assert!(matches!(
        attach("cdsp", "rpm", Some(&scenario)),
        Err(HookError::ScenarioInReplay)
    ));
    assert!(matches!(
        attach("gdsp0", "rpm", None),
        Err(HookError::NoSuchDsp(_))
    ));
    assert!(matches!(
        attach("cdsp", "board", None),
        Err(HookError::OtherPlatform { .. })
    ));
    assert_eq!(attach("cdsp", "rpm", None).unwrap(), 1);
}
