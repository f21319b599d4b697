//! The kernel loads the DSP's firmware, and the DSP starts from what was loaded: not from a damaged image, and skeletons
//! only get what the image exports.

use emu_machine::vm::Vm;
use tests::guest::{HANG, board, requirements};

/// The tests' guest with this script, and more files; `None` (said on stderr) where it cannot run.
fn guest(script: &str, files: Vec<(String, Vec<u8>)>) -> Option<Vm> {
    let (mut builder, _) = board("newest", script)?;
    for (path, data) in files {
        builder = builder.file(path, 0o644, data);
    }
    Some(builder.spawn().unwrap())
}

/// The image, and its executable segments in order: where the bytes of each are, and its link address.
fn image() -> (Vec<u8>, Vec<(usize, u32)>) {
    let file = emu_assets::dsp_firmware().into_owned();
    let word = |at: usize| u32::from_le_bytes(file[at..at + 4].try_into().unwrap());
    let count = usize::from(u16::from_le_bytes([file[44], file[45]]));
    let headers = (0..count).map(|n| 52 + 32 * n);
    let executable = headers.filter(|&at| word(at + 24) & 1 != 0);
    let segments = executable
        .map(|at| (word(at + 4) as usize, word(at + 8)))
        .collect();
    (file, segments)
}

/// Everything up to a line.
fn console(vm: &mut Vm, until: &str) -> String {
    let mut text = String::new();
    loop {
        match vm.next_line(HANG) {
            Ok(Some(line)) if line.text.contains(until) => return text,
            Ok(Some(line)) => text = text + &line.text + "\n",
            end => panic!("{end:?} before {until}; the console:\n{text}"),
        }
    }
}

/// Finds the CDSP's remoteproc and defines what the scripts use.
const PRELUDE: &str = r#"
for r in /sys/class/remoteproc/*; do [ "$(cat $r/firmware)" = cdsp.mbn ] && R=$r; done
calc() { vh-calc 2>&1 | grep -E 'Sum|Max|rror'; }
try() { echo "@$1"; cp /vh/$2 /lib/firmware/cdsp.mbn; echo start > $R/state; echo "state $(cat $R/state)"; }
"#;

#[test]
fn a_damaged_image_does_not_start_and_a_good_one_does() {
    let (good, segments) = image();
    // The boot code, the DSP's own code, what processes run.
    let [(boot, _), _, (library, library_at)] = segments[..] else {
        panic!("{segments:x?}");
    };
    let mut damaged = good.clone();
    damaged[library + 0x400] ^= 0x10;
    let mut other = good.clone();
    // An ELF file, but none of ours: the header's magic.
    let header = boot + 0x100;
    other[header] = b'X';
    let script = PRELUDE.to_owned()
        + r#"
calc
echo stop > $R/state; echo "state $(cat $R/state)"
try damaged damaged.mbn
try other other.mbn
echo @missing; rm /lib/firmware/cdsp.mbn; echo start > $R/state; echo "state $(cat $R/state)"
try good good.mbn; until [ -e /dev/fastrpc-cdsp ]; do sleep 0.1; done; calc
echo @end
insmod /vh/socinfo.ko; mount -t debugfs none /sys/kernel/debug
for d in adsp cdsp; do echo "$d $(cat /sys/kernel/debug/qcom_socinfo/$d/name)"; done
dmesg | grep -F remoteproc
echo @log
"#;
    let files = [("good", good), ("damaged", damaged), ("other", other)];
    let mut files = files
        .map(|(name, data)| (format!("/vh/{name}.mbn"), data))
        .to_vec();
    let socinfo = requirements("newest")
        .ok()
        .map(|(kernel, _)| kernel.dir.join("modules/socinfo.ko"));
    let socinfo = socinfo.and_then(|path| std::fs::read(path).ok());
    files.extend(socinfo.clone().map(|data| ("/vh/socinfo.ko".to_owned(), data)));
    let Some(mut vm) = guest(&script, files) else {
        return;
    };
    let before = console(&mut vm, "@damaged");
    assert!(
        before.contains("Sum = 499500") && before.contains("state offline"),
        "{before}"
    );
    assert!(console(&mut vm, "@other").contains("state offline"));
    assert!(console(&mut vm, "@missing").contains("state offline"));
    assert!(console(&mut vm, "@good").contains("state offline"));
    let after = console(&mut vm, "@end");
    assert!(
        after.contains("state running") && after.contains("Sum = 499500"),
        "{after}"
    );
    let log = console(&mut vm, "@log");
    let segment = format!("fatal error received: segment 3 ({library_at:#x}..0x");
    for text in [
        segment.as_str(),
        "is damaged: its SHA-256 starts with",
        "fatal error received: there is no boot header at",
        "start timed out",
        "request_firmware failed: -2",
    ] {
        assert!(log.contains(text), "no {text:?} in\n{log}");
    }
    // The kernel's own table of image versions, where its module is there.
    if socinfo.is_some() {
        assert!(
            log.contains("adsp VHOST.DSP.") && log.contains("cdsp VHOST.DSP."),
            "{log}"
        );
    }
}
