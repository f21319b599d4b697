//! The commands of the README and of the page on installing, word for word, by a user who has the program and nothing else: copied out
//! of the build tree, with fetched kernels and user space in the cache, and with the files that the commands name (Image, DIR, mytest, …)
//! in the working folder.
//!
//! Every line of a `console` block is either run here, or stands in [`NOT_RUN`] with the reason.

use std::collections::BTreeSet;
use std::path::Path;
use std::time::{Duration, Instant};

use test_needs::executable::write_script;
use tests::assets;
use tests::documents::pages;
use tests::elf::program;
use tests::user::{Session, User};

/// Pages whose commands are run.
const PAGES: [&str; 2] = ["README.md", "docs/install.md"];
/// Commands that are not run here, and why.
const NOT_RUN: &[(&str, &str)] = &[
    (
        "cargo install --path emu/cli",
        "it builds the program anew in another profile; `cargo xtask fresh-root --with cargo-install` runs it, and what it makes",
    ),
    (
        "vhost-hexagon qemu -- -m 2G -kernel Image …",
        "the dots are the user's; the test e2e_qemu plays it",
    ),
];
/// The longest time for a guest on a busy machine.
const PATIENCE: Duration = Duration::from_secs(400);

/// What a `console` block shows.
struct Shown {
    /// The command, without the remark behind it.
    command: String,
    /// Lines of output below it.
    output: Vec<String>,
}

fn shown() -> Vec<Shown> {
    let mut all: Vec<Shown> = Vec::new();
    for page in pages().expect("the pages") {
        if !PAGES.iter().any(|name| page.path == Path::new(name)) {
            continue;
        }
        for block in page.blocks.iter().filter(|block| block.language == "console") {
            for line in block.text.lines() {
                if let Some(command) = line.strip_prefix("$ ") {
                    let end = command.find("  #").unwrap_or(command.len());
                    all.push(Shown {
                        command: command[..end].trim_end().to_owned(),
                        output: Vec::new(),
                    });
                } else if let Some(last) = all.last_mut() {
                    last.output.push(line.to_owned());
                }
            }
        }
    }
    all
}

/// The user, or `None` where guests cannot run.
fn user() -> Option<User> {
    let found = match std::env::var_os("VH_SKIP_E2E") {
        Some(_) => Err("VH_SKIP_E2E is set".to_owned()),
        None => User::new(),
    };
    let user = found.map_err(|reason| assets::skip(&reason)).ok()?;
    let work = user.work();
    let kernel = assets::kernel("7.3").expect("a kernel, as there is a cache");
    let link = |from: &Path, to: &str| {
        let to = work.join(to);
        std::fs::create_dir_all(to.parent().expect("a folder")).expect("a folder");
        std::os::unix::fs::symlink(from, to).expect("a link");
    };
    // A kernel of the user's own, as a build leaves it, and its modules.
    for image in ["Image", "arch/arm64/boot/Image"] {
        link(&kernel.dir.join("Image"), image);
    }
    link(&kernel.dir.join("config"), ".config");
    for modules in ["DIR", "mods", "arch/arm64/boot/modules"] {
        link(&kernel.dir.join("modules"), modules);
    }
    write_script(
        &work.join("mytest"),
        "#!/bin/sh\nls /dev/fastrpc-cdsp && echo mine\n",
    );
    std::fs::write(work.join("program"), program(&[], 0x68)).expect("a program");
    let executable = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(work.join("program"), executable).expect("its mode");
    std::fs::write(
        work.join("my-case.toml"),
        "description = \"a program that succeeds\"\n[workload]\nrun = \"vh-calc\"\n",
    )
    .expect("a case");
    // Where shells look for completions.
    for folder in [
        ".local/share/bash-completion/completions",
        ".config/fish/completions",
    ] {
        std::fs::create_dir_all(user.path(folder)).expect("a folder");
    }
    Some(user)
}

/// Runs a shown command to its end, which must be good.
#[track_caller]
fn ends_well(user: &User, command: &str) -> String {
    let mut session = Session::start(user, command);
    let status = session.end(PATIENCE);
    let is_good = status.is_some_and(|status| status.success());
    assert!(is_good, "{command}: {status:?}\n{}", session.text);
    session.text.clone()
}

#[track_caller]
fn has(text: &str, wanted: &[&str]) {
    for line in wanted {
        assert!(text.contains(line), "{line:?} is not in\n{text}");
    }
}

/// Runs a shown command until it says something, then ends it as Ctrl-C does.
#[track_caller]
fn begins_well(user: &User, command: &str, wanted: &[&str]) {
    let mut session = Session::start(user, command);
    for text in wanted {
        assert!(
            session.until(text, PATIENCE),
            "{command}: {text:?} is not in\n{}",
            session.text
        );
    }
    session.interrupt();
    let status = session.end(PATIENCE);
    assert!(status.is_some(), "{command} does not end\n{}", session.text);
}

/// A line of the demo as far as it is the same on every machine: what it is about, and, unless it is a time, what it says of that, numbers
/// and folders left out.
fn shape(line: &str) -> Option<String> {
    let words = line.split_whitespace();
    if line.ends_with(" s") {
        // The label is what stands before the column of values.
        return line.get(..24).map(|label| label.trim().to_owned());
    }
    let plain = |word: &str| {
        let name = word.rsplit('/').next().unwrap_or(word);
        let mut out = String::new();
        for letter in name.chars() {
            match letter {
                '0'..='9' | '.' if out.ends_with('N') => {}
                '0'..='9' => out.push('N'),
                other => out.push(other),
            }
        }
        out
    };
    let text = words.map(plain).collect::<Vec<_>>().join(" ");
    (!text.is_empty() && text != "…").then_some(text)
}

macro_rules! commands {
    ($($name:ident: $command:literal => $play:expr;)*) => {
        /// What is run here.
        const RUN: &[&str] = &[$($command),*];

        $(#[test]
        fn $name() {
            let Some(user) = user() else { return };
            let play: fn(&User, &str) = $play;
            play(&user, $command);
        })*
    };
}

commands! {
    the_demo: "vhost-hexagon setup && vhost-hexagon demo" => |user, command| {
        let said = ends_well(user, command);
        let shown = shown();
        let shown = shown.iter().find(|shown| shown.command == command && !shown.output.is_empty());
        let output = &shown.expect("the README shows what comes").output;
        has(&output.join("\n"), &["\nSum = 499500\n", "\nMax value = 999\n"]);
        has(&said, &["\nSum = 499500\n", "\nMax value = 999\n"]);
        let said_shapes: BTreeSet<String> = said.lines().filter_map(shape).collect();
        for line in output {
            let Some(shape) = shape(line) else { continue };
            assert!(said_shapes.contains(&shape), "{line:?} ({shape:?}) is shown, and not in\n{said}");
        }
    };
    a_shell_in_a_guest: "vhost-hexagon run --kernel 7.3" => |user, command| {
        let mut session = Session::start(user, command);
        assert!(session.until("VH-READY", PATIENCE), "{}", session.text);
        session.send("vh-calc && exit");
        let status = session.end(PATIENCE);
        assert!(status.is_some_and(|status| status.success()), "{status:?}\n{}", session.text);
        has(&session.text, &["Sum = 499500\n"]);
    };
    a_kernel_and_a_program_of_one_s_own: "vhost-hexagon run --kernel Image --modules DIR --share . -- /share/mytest" => |user, command| {
        has(&ends_well(user, command), &["/dev/fastrpc-cdsp\nmine\n"]);
    };
    a_board_of_which_a_dsp_crashes: "vhost-hexagon run --platform board --kernel 7.3 --control dsp.ctl" => |user, command| {
        let mut session = Session::start(user, command);
        assert!(session.until("VH-READY", PATIENCE), "{}", session.text);
        ends_well(user, CRASH);
        assert!(session.until("something went wrong", PATIENCE), "{}", session.text);
        session.send("exit");
        let status = session.end(PATIENCE);
        assert!(status.is_some_and(|status| status.success()), "{status:?}\n{}", session.text);
    };
    a_suite: "vhost-hexagon ci --kernel Image --modules DIR" => |user, command| {
        begins_well(user, command, &["PASS"]);
    };
    a_trace: "vhost-hexagon run --kernel 7.3 --trace run.pcapng -- vh-calc" => |user, command| {
        has(&ends_well(user, command), &["Sum = 499500\n", "Max value = 999\n"]);
        assert!(user.has("run.pcapng"));
    };
    the_device_alone: "vhost-hexagon serve --socket dsp.sock" => |user, command| {
        begins_well(user, command, &["qemu-system-aarch64", "Guest after guest is served"]);
    };
    no_qemu_at_all: "vhost-hexagon invoke --skel libcalculator_skel.so --method 2 --in seq:i32:0..1000 --out i64" => |user, command| {
        has(&ends_well(user, command), &["499500\n"]);
    };
    the_code_of_a_skeleton: "vhost-hexagon disasm libcalculator_skel.so" => |user, command| {
        has(&ends_well(user, command), &["libcalculator_skel.so:\tfile format elf32-hexagon", "<calculator_skel_handle_invoke>:"]);
    };
    what_a_skeleton_imports: "vhost-hexagon names libcalculator_skel.so" => |user, command| {
        has(&ends_well(user, command), &["implemented     memcpy ", " 0 missing\n"]);
    };
    a_linux_program: "vhost-hexagon exec --count ./program args" => |user, command| {
        has(&ends_well(user, command), &[" packets, "]);
    };
    the_socs: "vhost-hexagon profiles" => |user, command| {
        has(&ends_well(user, command), &["qcs6490", "sm8650"]);
    };
    suites_and_their_result: "vhost-hexagon ci --kernel arch/arm64/boot/Image --modules mods --suite smoke --suite matrix --junit result.xml" => |user, command| {
        begins_well(user, command, &["PASS"]);
        assert!(user.has("result.xml"));
    };
    a_step_of_a_bisection: "git bisect run vhost-hexagon ci --bisect-run --kernel arch/arm64/boot/Image --modules mods --suite my-case.toml" => |user, command| {
        // git runs what stands behind that, and goes by its exit code.
        let step = command.strip_prefix("git bisect run ").expect("a step");
        has(&ends_well(user, step), &["PASS"]);
    };
    a_case_made_short: "vhost-hexagon minimize my-case.toml --kernel arch/arm64/boot/Image" => |user, command| {
        let case = "description = \"fails\"\n[workload]\nrun = \"\"\"\necho one\nexit 3\n\"\"\"\n";
        std::fs::write(user.work().join("my-case.toml"), case).expect("a case");
        has(&ends_well(user, command), &["my-case.min.toml after "]);
        let short = std::fs::read_to_string(user.work().join("my-case.min.toml")).expect("the result");
        assert!(short.contains("\nexit ") && !short.contains("echo one"), "{short}");
    };
    random_cases: "vhost-hexagon fuzz --kernel arch/arm64/boot/Image --runs 500" => |user, command| {
        let mut session = Session::start(user, command);
        // A guest's working folder.
        let end = Instant::now() + PATIENCE;
        let runs = || std::fs::read_dir(user.path("tmp")).expect("the folder").next().is_some();
        while !runs() && Instant::now() < end {
            std::thread::sleep(Duration::from_millis(100));
        }
        session.interrupt();
        assert!(session.end(PATIENCE).is_some(), "it does not end\n{}", session.text);
        has(&session.text, &[" guests (seed ", " protocol states"]);
    };
    all_manual_pages: "vhost-hexagon man --out ~/.local/share/man/man1" => |user, command| {
        has(&ends_well(user, command), &[" pages written into "]);
        for page in ["vhost-hexagon.1", "vhost-hexagon-run.1"] {
            assert!(user.path(".local/share/man/man1").join(page).is_file(), "{page}");
        }
    };
    one_manual_page: "vhost-hexagon man run" => |user, command| {
        has(&ends_well(user, command), &[".TH", "\\-\\-kernel"]);
    };
    completions_for_bash: "vhost-hexagon completions bash > ~/.local/share/bash-completion/completions/vhost-hexagon" => |user, command| {
        ends_well(user, command);
        // bash reads them, and has something to call for the program's words.
        has(&ends_well(user, BASH), &["-F _vhost__hexagon vhost-hexagon"]);
    };
    completions_for_zsh: "vhost-hexagon completions zsh > _vhost-hexagon" => |user, command| {
        ends_well(user, command);
        has(&std::fs::read_to_string(user.work().join("_vhost-hexagon")).expect("a file"), &["#compdef vhost-hexagon"]);
    };
    completions_for_fish: "vhost-hexagon completions fish > ~/.config/fish/completions/vhost-hexagon.fish" => |user, command| {
        ends_well(user, command);
        let file = user.path(".config/fish/completions/vhost-hexagon.fish");
        has(&std::fs::read_to_string(file).expect("a file"), &["complete -c vhost-hexagon"]);
    };
}

/// Played with [`a_board_of_which_a_dsp_crashes`].
const CRASH: &str = "vhost-hexagon ctl dsp.ctl crash cdsp \"something went wrong\"";
/// What bash does with its file.
const BASH: &str =
    "bash -c '. ~/.local/share/bash-completion/completions/vhost-hexagon && complete -p vhost-hexagon'";

#[test]
fn every_command_is_run_or_says_why_not() {
    let known: BTreeSet<String> = RUN
        .iter()
        .copied()
        .chain([CRASH])
        .chain(NOT_RUN.iter().map(|(command, _)| *command))
        .map(str::to_owned)
        .collect();
    let shown: BTreeSet<String> = shown().into_iter().map(|shown| shown.command).collect();
    let new: Vec<_> = shown.difference(&known).collect();
    let gone: Vec<_> = known.difference(&shown).collect();
    assert!(
        new.is_empty(),
        "pages show commands that are not run here: {new:#?}"
    );
    assert!(gone.is_empty(), "pages show these no more: {gone:#?}");
}
