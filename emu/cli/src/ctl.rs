//! `vhost-hexagon ctl`: acts on a running `run` or `serve`.

use emu_machine::control::{PdState, Request, ask};
use std::path::PathBuf;
use std::process::ExitCode;

/// Arguments of `ctl`.
#[derive(clap::Args)]
#[command(after_help = "\
Examples:
  vhost-hexagon run --platform board --kernel 7.3 --control dsp.ctl
  vhost-hexagon ctl dsp.ctl status
  vhost-hexagon ctl dsp.ctl crash cdsp \"something went wrong\"
  vhost-hexagon ctl dsp.ctl pd adsp msm/adsp/audio_pd down")]
pub struct Args {
    /// The control socket (`--control` of run and serve).
    #[arg(value_name = "SOCKET")]
    socket: PathBuf,
    #[command(subcommand)]
    what: What,
}

#[derive(clap::Subcommand)]
enum What {
    /// Prints how the DSPs are, one line each.
    Status,
    /// The DSP has a fatal error, as a crash of its firmware would be.
    Crash {
        /// Domain label (cdsp, adsp, …).
        dsp: String,
        /// What the kernel's driver is told.
        #[arg(default_value = "crash by request")]
        reason: String,
    },
    /// The DSP hangs and its watchdog bites (board platform).
    Watchdog {
        /// Domain label.
        dsp: String,
    },
    /// A protection domain of the DSP's own goes up or down (board platform).
    Pd {
        /// Domain label.
        dsp: String,
        /// Its name, such as msm/adsp/audio_pd.
        name: String,
        /// What becomes of it.
        state: PdState,
    },
}

/// Asks, and prints what there is to print.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let request = match args.what {
        What::Status => Request::Status,
        What::Crash { dsp, reason } => Request::Crash { dsp, reason },
        What::Watchdog { dsp } => Request::Watchdog { dsp },
        What::Pd { dsp, name, state } => Request::Pd { dsp, name, state },
    };
    let answer = ask(&args.socket, &request)?;
    for dsp in answer
        .get("dsps")
        .and_then(|d| d.as_array())
        .into_iter()
        .flatten()
    {
        let text = |key| dsp.get(key).and_then(|v| v.as_str()).unwrap_or("?");
        let number = |key| dsp.get(key).and_then(serde_json::Value::as_u64).unwrap_or(0);
        super::output::say!(
            "{:<6} {:<8} {} process(es), {} messages in, {} out",
            text("label"),
            text("state"),
            number("processes"),
            number("messages_in"),
            number("messages_out"),
        );
    }
    Ok(ExitCode::SUCCESS)
}
