//! Good, corrupt and random libraries.

use proptest::prelude::*;

use super::file::word;
use super::headers::PT_LOAD;
use super::*;

/// A real skeleton; the test is skipped without.
#[track_caller]
pub(crate) fn skeleton(name: &str) -> Option<Vec<u8>> {
    let path = test_needs::real_skeletons()?.join(name);
    Some(std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display())))
}

fn load(bytes: Vec<u8>) -> Result<Image, ElfError> {
    parse(bytes.into(), 68, 64 << 20)
}

#[test]
fn parse_calculator_finds_what_readelf_shows() {
    let Some(bytes) = skeleton("libcalculator_skel.so") else {
        return;
    };
    let image = load(bytes).unwrap();
    assert_eq!(image.needed, ["libc.so", "libgcc.so"]);
    assert_eq!((image.init, image.fini), (Some(0x800), Some(0x2260)));
    assert_eq!(image.segments.len(), 2);
    assert_eq!(image.span, 0..0x4000);
    let relative = image
        .relocations
        .iter()
        .filter(|r| r.kind == RelocationKind::Relative)
        .count();
    assert_eq!((relative, image.relocations.len()), (25, 44));
    let sum = image
        .symbols
        .iter()
        .find(|s| image.name(s) == b"calculator_sum")
        .unwrap();
    assert_eq!(
        (sum.value, sum.defined, sum.binding),
        (0x1f48, true, Binding::Strong)
    );
    let weak = image
        .symbols
        .iter()
        .find(|s| image.name(s) == b"HAP_debug_v2")
        .unwrap();
    assert_eq!((weak.defined, weak.binding), (false, Binding::Weak));
}

#[test]
fn parse_refuses_newer_architecture() {
    let Some(bytes) = skeleton("libcalculator_skel.so") else {
        return;
    };
    let error = parse(bytes.into(), 66, 64 << 20).unwrap_err();
    assert_eq!(
        error,
        ElfError::Newer {
            library: 68,
            core: 66
        }
    );
}

#[test]
fn parse_refuses_each_corrupt_header_field() {
    let Some(good) = skeleton("libcalculator_skel.so") else {
        return;
    };
    for (at, value) in [
        (0, 0),
        (4, 2),
        (5, 2),
        (6, 9),
        (16, 2),
        (18, 40),
        (42, 33),
        (44, 0),
        (44, 200),
    ] {
        let mut bytes = good.clone();
        bytes[at] = value;
        assert!(
            matches!(load(bytes), Err(ElfError::Field { .. })),
            "byte {at} = {value}"
        );
    }
    for len in [0, 3, 51, 60, 0x3000, 0x5000, good.len() - 1] {
        let error = load(good[..len.min(good.len())].to_vec());
        if len < 0x5000 {
            assert!(
                matches!(error, Err(ElfError::Truncated { .. })),
                "{len}: {error:?}"
            );
        }
    }
}

/// Index of the n-th PT_LOAD in the file, as an offset.
fn load_header(bytes: &[u8], n: usize) -> usize {
    (0..6)
        .map(|i| 52 + 32 * i)
        .filter(|&at| word(&bytes[at..], 0) == PT_LOAD)
        .nth(n)
        .unwrap()
}

#[test]
fn parse_refuses_impossible_segments() {
    let Some(good) = skeleton("libmultithreading_skel.so") else {
        return;
    };
    let patch = |n: usize, field: usize, value: u32| {
        let mut bytes = good.clone();
        let at = load_header(&bytes, n) + field * 4;
        bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
        load(bytes)
    };
    // 4 GiB of bss, beyond the address space, overlap, far away, file part larger than memory.
    for (n, field, value) in [
        (1, 5, 0xffff_f000),
        (1, 2, 0xffff_ff00),
        (1, 2, 0x1000),
        (1, 2, 0xf000_0000),
        (0, 5, 0x10),
    ] {
        let result = patch(n, field, value);
        assert!(
            matches!(result, Err(ElfError::Segment { .. })),
            "{n} {field} {value:#x}: {result:?}"
        );
    }
    assert!(matches!(
        patch(0, 1, 0xffff_0000),
        Err(ElfError::Truncated { .. })
    ));
    assert!(matches!(patch(0, 7, 3), Err(ElfError::Segment { .. })));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]
    #[test]
    fn parse_any_bytes_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..4096)) {
        let _ = load(bytes);
    }

    #[test]
    fn parse_mutated_skeleton_never_panics_and_stays_bounded(
        which in 0usize..3,
        edits in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>(), any::<bool>()), 1..24),
    ) {
        let name = ["libcalculator_skel.so", "libhap_example_skel.so", "libmultithreading_skel.so"][which];
        let Some(mut bytes) = skeleton(name) else { return Ok(()) };
        let len = bytes.len();
        for (index, value, near_tables) in edits {
            // Half of the edits go to the headers and the dynamic tables, where they matter most.
            let at = if near_tables { index.index(0x2000.min(len)) } else { index.index(len) };
            let at = if near_tables && at > 0x200 { (0x3000 + at).min(len - 1) } else { at };
            bytes[at] = value;
        }
        if let Ok(image) = parse(bytes.into(), 68, 64 << 20) {
            prop_assert!(image.span.end - image.span.start <= 64 << 20);
            prop_assert!(image.symbols.len() * 16 <= len);
            prop_assert!(image.relocations.len() * 12 <= 2 * len);
            for r in &image.relocations {
                prop_assert!(image.segments.iter().any(|s| s.holds(r.offset, 4)));
                if let RelocationKind::Symbol(s) = r.kind {
                    prop_assert!((s as usize) < image.symbols.len());
                }
            }
        }
    }
}
