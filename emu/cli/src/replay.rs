//! `vhost-hexagon replay`: a recorded run again.

use super::output::say;
use crate::output::tell;
use emu_lab::replay::{Player, Recording, dsp};
use std::path::PathBuf;
use std::process::ExitCode;

/// Exit code when the replay differs from the recording.
const DIFFERS: u8 = 4;

/// Arguments of `replay`.
#[derive(clap::Args)]
#[group(skip)]
#[command(mut_arg("kernel", |arg| arg.required(false)))]
pub struct Args {
    /// A trace that `run --trace` wrote.
    #[arg(value_name = "FILE.pcapng")]
    recording: PathBuf,
    /// Play the AP's half to this program's DSP, without a guest, and compare the answers.
    #[arg(long)]
    dsp: bool,
    /// Only this DSP of the recording [default: all that were called].
    #[arg(long, value_name = "LABEL")]
    label: Option<String>,
    #[command(flatten)]
    run: super::run::Args,
}

/// Plays it. Exit code 4 if something differs.
pub fn run(args: Args) -> anyhow::Result<ExitCode> {
    let labels = match &args.label {
        Some(label) => vec![label.clone()],
        None => Recording::labels(&args.recording)?,
    };
    let mut recordings = Vec::new();
    for label in labels {
        recordings.push((label.clone(), Recording::read(&args.recording, Some(&label))?));
    }
    anyhow::ensure!(
        !recordings.is_empty(),
        "the trace {} has no FastRPC request",
        args.recording.display()
    );
    if args.dsp {
        return to_dsp(&recordings);
    }
    anyhow::ensure!(
        args.run.kernel.is_some(),
        "a replay to a guest needs --kernel; one to this program's DSP needs --dsp"
    );
    for (label, recording) in &recordings {
        anyhow::ensure!(
            !recording.is_interrupted(),
            "the recording of {label} cannot be played to a guest: its channel was closed and opened again in between"
        );
    }
    let mut same = true;
    let code = super::run::run_with(args.run, &recordings, |players| same = report(players))?;
    Ok(if same || code != ExitCode::SUCCESS {
        code
    } else {
        ExitCode::from(DIFFERS)
    })
}

fn to_dsp(recordings: &[(String, Recording)]) -> anyhow::Result<ExitCode> {
    let mut differs = false;
    for (label, recording) in recordings {
        let report = dsp::play(recording)?;
        say!(
            "{label}: {} requests played, {} answers and {} bytes of outputs compared",
            report.requests,
            report.answers,
            report.bytes
        );
        if let Some(difference) = report.difference {
            say!("{label}: differs: {difference}");
            differs = true;
        }
    }
    Ok(if differs {
        ExitCode::from(DIFFERS)
    } else {
        ExitCode::SUCCESS
    })
}

/// Tells how it went, on standard error; true if nothing differed.
fn report(players: &[(String, Player)]) -> bool {
    let mut same = true;
    for (label, player) in players {
        let outcome = player.outcome();
        tell!(
            "replay of {label}: {} requests were asked as recorded, {} answered; {} recorded ones were not asked",
            outcome.matched,
            outcome.answered,
            outcome.left
        );
        for difference in &outcome.differences {
            tell!("replay of {label}: differs: {difference}");
        }
        if outcome.more != 0 {
            tell!("replay of {label}: and {} more differences", outcome.more);
        }
        same &= outcome.differences.is_empty();
    }
    same
}
