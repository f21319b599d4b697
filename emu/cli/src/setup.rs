//! `vhost-hexagon setup`: what guests need, fetched once.

use std::process::ExitCode;

pub const HELP: &str = "\
On Debian and its derivatives everything comes from the archive that this machine's apt uses, verified with Debian's keys. Kernels and
user space are unpacked into the cache ($VHOST_HEXAGON_CACHE, else ~/.cache/vhost-hexagon) and need no root; QEMU is installed if
this runs as root, else the command that does it is printed. Nothing else of the system is changed, and a second time nothing is
fetched. On other systems you are told what to install; a kernel and a user space of your own do as well.

Examples:
  vhost-hexagon setup                        stock kernels 6.12 and 7.3, user space, QEMU
  vhost-hexagon setup --check                only says what is missing
  vhost-hexagon setup --kernel 7.3           one kernel is enough
  vhost-hexagon setup --named-kernel 6.1     one more, for `run --kernel 6.1`
  vhost-hexagon demo                         shows that all of it works

Exit code: 0 if all is there, 1 if something is missing or cannot be had.";

/// Checks, fetches, installs.
pub fn run(options: &emu_setup::Options) -> anyhow::Result<ExitCode> {
    emu_setup::setup(options)?;
    Ok(ExitCode::SUCCESS)
}
