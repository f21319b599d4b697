//! Random packets on our core and on `qemu-hexagon`; `cargo xtask difftest` starts it. See `tests::difftest`.

use std::io::IsTerminal;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use clap::Parser;
use indicatif::{ProgressBar, ProgressStyle};
use tests::coverage::{self, Counts, MODEL, Totals};
use tests::difftest::campaign::{self, Campaign, Options, Outcome};
use tests::difftest::run::Peer;
use tests::model::compare::compare;

/// Compares the core with qemu-hexagon on random packets.
#[derive(Parser)]
struct Args {
    /// How many packets.
    #[arg(long, default_value_t = 100_000)]
    packets: usize,
    /// Where the random numbers begin (default: the clock).
    #[arg(long)]
    seed: Option<u64>,
    /// Only packets around instructions whose name contains this; "=NAME" is exactly this one.
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// The qemu-hexagon to compare with (repeatable; default: the installed one and the newer one of `setup`).
    #[arg(long, value_name = "PATH")]
    qemu: Vec<PathBuf>,
    /// Threads (default: one for each processor).
    #[arg(long)]
    jobs: Option<usize>,
    /// Only this batch of the campaign.
    #[arg(long)]
    batch: Option<usize>,
    /// Only this packet of the batch.
    #[arg(long, requires = "batch")]
    packet: Option<usize>,
    /// Go on where an earlier run with the same seed ended: at this batch.
    #[arg(long, default_value_t = 0, value_name = "BATCH")]
    from: usize,
    /// Write the counts of this run, and the pages made from them, into docs/instructions.
    #[arg(long, conflicts_with_all = ["only", "batch", "from"])]
    write: bool,
    /// Leave the peers out and keep their counts; with --write: only the second models' counts are new.
    #[arg(long)]
    models: bool,
    /// Only make the pages of docs/instructions again.
    #[arg(long)]
    pages: bool,
}

fn main() -> ExitCode {
    match run(&Args::parse()) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("difftest: {error:#}");
            ExitCode::from(2)
        }
    }
}

fn run(args: &Args) -> Result<bool> {
    if args.pages {
        let counts = Counts::committed()?;
        coverage::write(&counts)?;
        println!("written: {}", Totals::of(&counts).sentence());
        return Ok(true);
    }
    let clock = || {
        std::time::SystemTime::now()
            .duration_since(std::time::UNIX_EPOCH)
            .map_or(1, |d| d.as_secs())
    };
    let seed = args.seed.unwrap_or_else(clock);
    let jobs = args
        .jobs
        .unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let peers = if args.models {
        Vec::new()
    } else if args.qemu.is_empty() {
        let all = Peer::find_both();
        for (what, _) in ["installed", "newer"]
            .iter()
            .zip(&all)
            .filter(|(_, p)| p.is_none())
        {
            println!("there is no {what} qemu-hexagon: not compared with it (`cargo xtask setup` has both)");
        }
        all.into_iter().flatten().collect()
    } else {
        let named = args
            .qemu
            .iter()
            .map(|p| Peer::at(p).with_context(|| format!("{} is no qemu-hexagon", p.display())));
        named.collect::<Result<_>>()?
    };
    anyhow::ensure!(
        args.models || !peers.is_empty(),
        "no qemu-hexagon to compare with"
    );
    let campaign = Campaign::new(seed, args.packets, args.only.as_deref());
    let mut good = true;
    let mut counts = Counts::committed().unwrap_or_default();
    for peer in &peers {
        let outcome = compare_with_peer(args, &campaign, seed, jobs, peer)?;
        good &= outcome.findings.is_empty();
        let run = format!(
            "{}: {} packets, {} cases, seed {seed}, {} differences{}",
            peer.version,
            outcome.packets,
            outcome.cases,
            outcome.findings.len(),
            unanswered(outcome.unanswered)
        );
        counts.replace(&peer.name(), &run, &outcome.reached);
    }
    if args.write || args.models {
        let compared = compare(seed, 1000, &|_| true)?;
        for (op, what) in &compared.differ {
            println!("{op}: {what}");
        }
        good &= compared.differ.is_empty();
        let cases: u64 = compared.cases.values().sum();
        let run = format!(
            "{cases} cases, seed {seed}, {} differences",
            compared.differ.len()
        );
        println!("{MODEL}: {run}");
        counts.replace(MODEL, &run, &compared.cases);
    }
    if args.write {
        coverage::write(&counts)?;
        println!("written: {}", Totals::of(&counts).sentence());
    }
    Ok(good)
}

fn compare_with_peer(
    args: &Args,
    campaign: &Campaign,
    seed: u64,
    jobs: usize,
    peer: &Peer,
) -> Result<Outcome> {
    let batches = campaign.batches();
    println!(
        "{} ({}): {} packets, seed {seed}, {batches} batches",
        peer.name(),
        peer.version,
        args.packets
    );
    let bar = std::io::stdout()
        .is_terminal()
        .then(|| ProgressBar::new(batches as u64));
    if let Some(bar) = &bar
        && let Ok(style) = ProgressStyle::with_template("   {bar:30} {pos}/{len} batches {eta} {msg}")
    {
        bar.set_style(style);
    }
    let said = std::sync::Mutex::new(Instant::now());
    let progress = |done: usize, so_far: &Outcome| {
        let line = format!(
            "{} packets, {} cases, {} differ",
            so_far.packets,
            so_far.cases,
            so_far.findings.len()
        );
        match &bar {
            Some(bar) => {
                bar.set_position((args.from + done) as u64);
                bar.set_message(line);
            }
            None => {
                if let Ok(mut said) = said.lock()
                    && said.elapsed() > Duration::from_secs(20)
                {
                    *said = Instant::now();
                    println!(
                        "   {}/{batches} batches: {line} (go on with --from {})",
                        args.from + done,
                        (args.from + done).saturating_sub(jobs)
                    );
                }
            }
        }
    };
    let start = Instant::now();
    let outcome = campaign::run(
        campaign,
        &Options {
            packets: args.packets,
            peer,
            jobs,
            just: (args.batch, args.packet),
            from: args.from,
            progress: &progress,
        },
    )?;
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    for finding in &outcome.findings {
        println!("\n{}", finding.text);
    }
    let seldom: Vec<String> = campaign
        .instructions()
        .map(|op| (op, outcome.reached.get(&op).copied().unwrap_or(0)))
        .filter(|(_, n)| *n < 1000)
        .map(|(op, n)| format!("{op} {n}"))
        .collect();
    println!(
        "{}: {} packets, {} cases in {:.0} s, {} instructions reached, {} differ{}",
        peer.name(),
        outcome.packets,
        outcome.cases,
        start.elapsed().as_secs_f64(),
        outcome.reached.len(),
        outcome.findings.len(),
        unanswered(outcome.unanswered)
    );
    if args.batch.is_none() && !seldom.is_empty() {
        println!(
            "reached less than 1000 times: {} of {}: {}{}",
            seldom.len(),
            campaign.instructions().count(),
            seldom[..seldom.len().min(12)].join(", "),
            if seldom.len() > 12 { ", …" } else { "" }
        );
    }
    Ok(outcome)
}

/// What is said of programs that the peer could not translate.
fn unanswered(n: u64) -> String {
    if n == 0 {
        return String::new();
    }
    format!(", {n} programs that QEMU cannot translate")
}
