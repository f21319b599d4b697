//! `cargo xtask demo`: `vhost-hexagon demo` with a program that is built first, and with fastrpc's own skeleton where that is.

use anyhow::Result;
use emu_setup::demo::Options;
use emu_setup::ui;

use crate::{assets, build, firmware};

/// Sets up, builds, boots, shows what came back.
pub fn demo(options: &Options) -> Result<()> {
    assets::setup(&emu_setup::Options {
        kernels: vec![options.kernel.clone()],
        mirror: options.mirror.clone(),
        ..emu_setup::Options::default()
    })?;
    let emulator = ui::step("build", build::emulator)?;
    let real = test_needs::testdata().map(|data| data.join("qualcomm-fastrpc"));
    let real = real.filter(|folder| folder.join("libcalculator_skel.so").is_file());
    let log = firmware::target_dir().join("logs/demo-console.log");
    emu_setup::demo::demo(
        &emulator,
        &Options {
            skel_dir: options.skel_dir.clone().or(real),
            force: options.force || options.console_log.is_none(),
            console_log: options.console_log.clone().or(Some(log)),
            ..options.clone()
        },
    )?;
    Ok(())
}
