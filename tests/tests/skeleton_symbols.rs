//! How symbols of skeletons bind (tests/programs/symbols.c), what is refused by name, and initialisers that never return.

use std::collections::BTreeMap;
use std::time::Duration;

use emu_local_ap::{Client, Driver};
use emu_os::services::{DspConfig, FarfTo};
use hexagon_isa::Arch;
use rpmsg::Aee;
use rpmsg::iface::{Cap, Kind, Method as _, Reply as _, Text, handle, remotectl};
use tests::assets;
use tests::hexagon::{build_shared, invoke, llvm, llvm_and_emulator};

const COMMON: [&str; 2] = ["-fvisibility=hidden", "-Wl,-z,max-page-size=0x1000"];

#[test]
fn symbols_bind_as_elf_says() {
    let Some(llvm) = llvm_and_emulator() else {
        return;
    };
    for hash in ["sysv", "gnu", "both"] {
        let dir = tempfile::tempdir().expect("a temporary folder");
        let folder = dir.path();
        let script = folder.join("versions");
        std::fs::write(&script, "V1 { global: *; };\n").unwrap();
        let version = format!("-Wl,--version-script={}", script.display());
        let hash = format!("-Wl,--hash-style={hash}");
        let options = [
            &COMMON[..],
            &["-Wl,-soname=libsymbols_needed.so", &version, &hash],
        ]
        .concat();
        let needed = build_shared(
            &llvm,
            "symbols_needed",
            68,
            &options,
            folder.join("libsymbols_needed.so"),
        );
        let bytes = std::fs::read(&needed).unwrap();
        let section = b".gnu.version_d";
        assert!(bytes.windows(section.len()).any(|w| w == section), "no versions");
        let options = [&COMMON[..], &[needed.to_str().unwrap(), &hash]].concat();
        let skeleton = build_shared(&llvm, "symbols", 68, &options, folder.join("libsymbols_skel.so"));
        let (answer, log, _) = invoke(&skeleton, &["--method", "2", "--out", "u32:6"]);
        assert_eq!(answer, "1 12 13 5 7 1", "{hash}: {log}");
    }
}

#[test]
fn what_no_library_may_have_is_refused_by_name() {
    let Some(llvm) = llvm_and_emulator() else {
        return;
    };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let options = [
        &COMMON[..],
        &["-Wl,-z,notext", "-Wl,--unresolved-symbols=ignore-all"],
    ]
    .concat();
    let skeleton = build_shared(&llvm, "forms", 68, &options, dir.path().join("libforms_skel.so"));
    let good = std::fs::read(&skeleton).unwrap();
    // The first entry of the table of relocations.
    let word = |at: usize| u32::from_le_bytes(good[at..at + 4].try_into().unwrap()) as usize;
    let headers: Vec<usize> = (52..).step_by(32).take(good[44].into()).collect();
    let dynamic = headers
        .iter()
        .find(|&&at| word(at) == 2)
        .map(|&at| word(at + 4))
        .unwrap();
    let rela = (dynamic..)
        .step_by(8)
        .find(|&at| word(at) == 7)
        .map(|at| word(at + 4))
        .unwrap();
    let load = headers
        .iter()
        .find(|&&at| word(at) == 1 && (word(at + 8)..word(at + 8) + word(at + 16)).contains(&rela));
    let entry = load.map(|&at| rela - word(at + 8) + word(at + 4)).unwrap();
    for (kind, why) in [
        (32, "R_HEX_COPY"),
        (44, "no thread-local storage"),
        (47, "no thread-local storage"),
        (63, "no thread-local storage"),
        (99, "relocation type not supported"),
    ] {
        let mut bytes = good.clone();
        bytes[entry + 4] = kind;
        std::fs::write(&skeleton, bytes).unwrap();
        let (_, log, _) = invoke(&skeleton, &["--method", "2", "--out", "u32"]);
        assert!(log.contains(why), "{kind}: {log}");
    }
    let skeleton = build_shared(&llvm, "ifunc", 68, &COMMON, dir.path().join("libifunc_skel.so"));
    let (_, log, _) = invoke(&skeleton, &["--method", "2"]);
    assert!(
        log.contains("STT_GNU_IFUNC") || log.contains("R_HEX_") || log.contains("relocation"),
        "{log}"
    );
}

/// The open is answered when the process is killed.
#[test]
fn a_constructor_that_never_returns_does_not_keep_the_process() {
    let Some(llvm) = llvm() else {
        return assets::skip_without_tool("there is no clang for Hexagon");
    };
    let dir = tempfile::tempdir().expect("a temporary folder");
    for options in [&["-DNEVER"][..], &["-DNEVER", "-fuse-init-array"]] {
        let options = [&COMMON[..], options].concat();
        build_shared(
            &llvm,
            "dl_plugin",
            68,
            &options,
            dir.path().join("libnever_skel.so"),
        );
        let mut config = DspConfig::new("cdsp", Arch::V68, 0x68, BTreeMap::from([(1, 0x1001)]));
        config.farf = FarfTo::Nobody;
        let driver = Driver::start(config, 128 << 20).unwrap();
        let client = Client::create(
            &driver,
            1,
            1,
            "test",
            vec![dir.path().to_owned()],
            Box::new(|_| ()),
        )
        .unwrap();
        let open = remotectl::Open {
            name: Text::from("file:///libnever_skel.so?answer"),
            error_text: Cap(255),
        };
        let session = client.session();
        let waits = session
            .start_payload(
                session.client(),
                client.new_tid(),
                handle::REMOTECTL1,
                &open.payload(Kind::Handle64),
            )
            .unwrap();
        while driver.dsp().stats().packets < 100_000 {
            std::thread::yield_now();
        }
        let waits = waits.poll().expect_err("it never returns");
        client.kill().unwrap();
        let answer = waits.wait(Duration::from_secs(120)).unwrap();
        let reply = remotectl::OpenReply::parse(&answer.outs).unwrap();
        assert_eq!(
            (answer.retval, reply.error, reply.handle),
            (Aee::SUCCESS, Aee::GONE, 0)
        );
        assert_eq!(
            (driver.dsp().open_calls(), driver.dsp().stats().processes_now),
            (0, 0)
        );
    }
}
