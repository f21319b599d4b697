//! Skeletons (tests/programs/library.c, wide.c, vtcm.c, standard.c, complex.c, tools.c) that use what the DSP's C library has beyond the functions of every program, run by
//! `vhost-hexagon invoke`.

use std::path::Path;

use tests::hexagon::{answer, build_shared, llvm_and_emulator};

/// Runs what is there with the skeleton; nothing if it cannot be compiled here.
fn with_skeleton(run: impl FnOnce(&Path)) {
    with("library", run);
}

/// The same with the skeleton of another program.
fn with(name: &str, run: impl FnOnce(&Path)) {
    let Some(llvm) = llvm_and_emulator() else {
        return;
    };
    let dir = tempfile::tempdir().expect("a temporary folder");
    let file = dir.path().join(format!("lib{name}_skel.so"));
    run(&build_shared(&llvm, name, 68, &[], file));
}

#[test]
fn posix_threads_work_together() {
    with_skeleton(|skeleton| {
        // Results 3, 2, 101 and 0; destructors of 3 + 2 + 1; four turns, one once, one last; ESRCH; ETIMEDOUT; 0.
        let found = answer(skeleton, &["--method", "2", "--out", "u32:6"]);
        assert_eq!(found, format!("{} 6 411 3 110 0", 3_002_101_000_u32));
    });
}

#[test]
fn files_of_the_ap_are_read_by_name_and_by_path() {
    with_skeleton(|skeleton| {
        let folder = skeleton.parent().expect("a folder");
        let file = folder.join("numbers.txt");
        std::fs::write(&file, "42 abcdef\n").expect("a file");
        let path = format!("str:{}", file.display());
        let found = answer(skeleton, &["--method", "3", "--in", &path, "--out", "u32:9"]);
        // Scanned 2, 42, 'c', at 8, read 3, '2', ENOENT, EROFS, found once.
        assert_eq!(found, "2 42 99 8 3 50 2 30 1");
    });
}

#[test]
fn wide_characters_are_read_formatted_and_searched() {
    with("wide", |skeleton| {
        let file = skeleton.parent().expect("a folder").join("words.txt");
        std::fs::write(&file, b"7 gr\xfcn\nnext\n").expect("a file");
        let path = format!("str:{}", file.display());
        let found = answer(skeleton, &["--method", "2", "--in", &path, "--out", "u32:10"]);
        // Scanned 2; 7 and the byte of the ü; a line; wide; 12 characters, the last a euro, which has no byte (-1 + 1 + 4); the place
        // of "|€"; "grün" and one number; 1 and a class.
        assert_eq!(found, "2 7252 1 1 12 8364 4 10 401 11");
    });
}

#[test]
fn vtcm_is_had_by_its_address() {
    with("vtcm", |skeleton| {
        // The profile's 2 MiB; queries that succeed; 42; aligned; less is left; twice refused; given back.
        let found = answer(skeleton, &["--method", "2", "--out", "u32:8"]);
        assert_eq!(found, "2048 0 42 1 1 0 1 0");
    });
}

#[test]
fn other_functions_of_c_and_posix_do_what_they_say() {
    with("standard", |skeleton| {
        let file = skeleton.parent().expect("a folder").join("lines.txt");
        std::fs::write(&file, "first\nsecond line\n").expect("a file");
        let path = format!("str:{}", file.display());
        let found = answer(skeleton, &["--method", "2", "--in", &path, "--out", "u32:12"]);
        assert_eq!(found, "6 12 1 3 7 5 24 2 1 1 1 1");
    });
}

/// Functions of tests/programs/complex.c, and how many numbers each is asked for along an axis.
const COMPLEX: [&str; 21] = [
    "cacos",
    "casin",
    "catan",
    "ccos",
    "csin",
    "ctan",
    "cacosh",
    "casinh",
    "catanh",
    "ccosh",
    "csinh",
    "ctanh",
    "cexp",
    "clog",
    "csqrt",
    "conj",
    "cproj",
    "cpow",
    "cabs, carg",
    "cimag, creal",
    "product, quotient",
];
const POINTS: usize = 22;

/// Numbers printed as their bits.
fn numbers(text: &str) -> Vec<f64> {
    text.split_whitespace()
        .map(|bits| f64::from_bits(bits.parse().expect("a number")))
        .collect()
}

/// How far apart two complex numbers are, in units of the larger part's last place (or of the smallest number that has all its bits);
/// infinite if they differ in the sign of a zero, or in where they have infinities or no number. Signs are nobody's to say (C11 annex
/// G) beside a part that is no number, and where the function was asked of what is no number, whose sign differs by machine.
fn apart(a: &[f64], b: &[f64], of_nan: bool, (unit, smallest): (f64, f64)) -> f64 {
    let same = |n: usize| {
        let unsigned = of_nan || a[1 - n].is_nan() && b[1 - n].is_nan();
        a[n].to_bits() == b[n].to_bits()
            || a[n].is_nan() && b[n].is_nan()
            || unsigned && a[n].abs() == b[n].abs()
    };
    let parts = a
        .iter()
        .chain(b)
        .map(|part| part.abs())
        .filter(|part| part.is_finite());
    let size = parts.fold(smallest, f64::max) * unit;
    let units = (0..2)
        .filter(|&n| !same(n))
        .map(|n| match (a[n] - b[n]).abs() / size {
            units if units > 0.0 => units,
            _ => f64::INFINITY,
        });
    units.fold(0.0, f64::max)
}

/// What a program prints that is built for the host; nothing where it cannot be.
fn on_the_host(name: &str, skeleton: &Path) -> Option<Vec<f64>> {
    let source = tests::assets::workspace().join(format!("tests/programs/{name}.c"));
    let program = skeleton.with_extension("host");
    let built = std::process::Command::new("gcc")
        .args(["-std=gnu11", "-O1", "-fno-builtin", "-DHOST"])
        .arg(source)
        .arg("-o")
        .arg(&program)
        .arg("-lm")
        .output();
    let Ok(built) = built else {
        tests::assets::skip_without_tool("there is no gcc");
        return None;
    };
    let said = String::from_utf8_lossy(&built.stderr);
    assert!(built.status.success(), "{said}");
    let host = std::process::Command::new(&program).output().expect("it runs");
    Some(numbers(&String::from_utf8(host.stdout).expect("text")))
}

#[test]
fn functions_of_complex_numbers_are_near_the_hosts() {
    with("complex", |skeleton| {
        let Some(host) = on_the_host("complex", skeleton) else {
            return;
        };
        let count = 4 * COMPLEX.len() * POINTS * POINTS;
        let ours = numbers(&answer(
            skeleton,
            &["--method", "2", "--out", &format!("u64:{count}")],
        ));
        assert_eq!((ours.len(), host.len()), (count, count));
        const DOUBLE: (f64, f64) = (f64::EPSILON, f64::MIN_POSITIVE);
        const FLOAT: (f64, f64) = (f32::EPSILON as f64, f32::MIN_POSITIVE as f64);
        let all = 4 * POINTS * POINTS;
        let far = COMPLEX.iter().enumerate().filter_map(|(n, name)| {
            let numbers = ours[n * all..][..all]
                .chunks(4)
                .zip(host[n * all..][..all].chunks(4));
            let most = numbers.enumerate().fold((0f64, 0f64), |most, (at, (a, b))| {
                // The last one of an axis.
                let of_nan = at / POINTS == POINTS - 1 || at % POINTS == POINTS - 1;
                let double = apart(&a[..2], &b[..2], of_nan, DOUBLE);
                let float = apart(&a[2..], &b[2..], of_nan, FLOAT);
                (most.0.max(double), most.1.max(float))
            });
            // glibc's cpowf computes with floats, this one with doubles.
            let floats = if *name == "cpow" { 64.0 } else { 4.0 };
            (most.0 > 4.0 || most.1 > floats).then(|| format!("{name} {most:?}"))
        });
        let far: Vec<String> = far.collect();
        assert!(far.is_empty(), "{far:#?}");
    });
}

/// Functions of tests/programs/real.c.
const REAL: [&str; 42] = [
    "acos",
    "asin",
    "atan",
    "cos",
    "sin",
    "tan",
    "acosh",
    "asinh",
    "atanh",
    "cosh",
    "sinh",
    "tanh",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "logb",
    "cbrt",
    "sqrt",
    "fabs",
    "ceil",
    "floor",
    "trunc",
    "round",
    "rint",
    "nearbyint",
    "erf",
    "erfc",
    "lgamma",
    "tgamma",
    "pow",
    "atan2",
    "hypot",
    "fmod",
    "remainder",
    "fdim",
    "fmax",
    "fmin",
    "nextafter",
];
const REAL_POINTS: usize = 512;
/// Functions of which more than one number may lie between ours and the host's, of doubles and of floats, because the host's are off.
/// Beside exact values, in units of the last place: `cbrt` ours 0.5, glibc 2.3; `erfc` 0.5 and 2.2, of floats 2.0; `lgamma` 0.96 (0.66
/// below 1e298) and 3.1, of floats 2.7; `tgamma` 0.88 and 3.9, of floats 3.9; of floats all ours 0.5.
const REAL_FARTHER: [(&str, [u64; 2]); 4] = [
    ("cbrt", [3, 1]),
    ("erfc", [2, 2]),
    ("lgamma", [2, 2]),
    ("tgamma", [2, 3]),
];

/// How many numbers of a kind lie between two; none that is no number is between.
fn between(a: f64, b: f64, float: bool) -> u64 {
    if a.is_nan() || b.is_nan() {
        return if a.is_nan() && b.is_nan() { 0 } else { u64::MAX };
    }
    // Numbers in their order, zeros of both signs beside each other.
    let place = |v: f64| -> i64 {
        let (bits, negative) = if float {
            (i64::from((v as f32).abs().to_bits()), v.is_sign_negative())
        } else {
            (v.abs().to_bits() as i64, v.is_sign_negative())
        };
        if negative { -bits - 1 } else { bits }
    };
    place(a).abs_diff(place(b))
}

#[test]
fn functions_of_real_numbers_are_the_hosts_to_the_last_place() {
    with("real", |skeleton| {
        let Some(host) = on_the_host("real", skeleton) else {
            return;
        };
        let count = 2 * REAL.len() * REAL_POINTS;
        let ours = numbers(&answer(
            skeleton,
            &["--method", "2", "--out", &format!("u64:{count}")],
        ));
        assert_eq!((ours.len(), host.len()), (count, count));
        let far = REAL.iter().enumerate().filter_map(|(n, name)| {
            let all = n * 2 * REAL_POINTS..(n + 1) * 2 * REAL_POINTS;
            let pairs = ours[all.clone()].iter().zip(&host[all]);
            let mut most = [0; 2];
            for (at, (a, b)) in pairs.enumerate() {
                let kind = at % 2;
                most[kind] = most[kind].max(between(*a, *b, kind == 1));
            }
            let allowed = REAL_FARTHER.iter().find(|(farther, _)| farther == name);
            let allowed = allowed.map_or([1; 2], |(_, places)| *places);
            let far = most.iter().zip(allowed).any(|(most, allowed)| *most > allowed);
            far.then(|| format!("{name} {most:?}"))
        });
        let far: Vec<String> = far.collect();
        assert!(far.is_empty(), "{far:#?}");
    });
}
