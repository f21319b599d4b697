//! The descriptions for syzkaller lay the driver's structures out as the kernel does, and the manager's example is one.

use std::collections::BTreeMap;

/// Requests of `drivers/misc/fastrpc.c` with the size of their argument, as the number encodes it
/// (include/uapi/misc/fastrpc.h, Linux 7.3).
const REQUESTS: [(&str, u64); 10] = [
    ("FASTRPC_IOCTL_ALLOC_DMA_BUFF", 16),
    ("FASTRPC_IOCTL_INVOKE", 16),
    ("FASTRPC_IOCTL_INIT_CREATE", 24),
    ("FASTRPC_IOCTL_INIT_CREATE_STATIC", 16),
    ("FASTRPC_IOCTL_MMAP", 32),
    ("FASTRPC_IOCTL_MUNMAP", 16),
    ("FASTRPC_IOCTL_MEM_MAP", 64),
    ("FASTRPC_IOCTL_MEM_UNMAP", 48),
    ("FASTRPC_IOCTL_SET_OPTION", 32),
    ("FASTRPC_IOCTL_GET_DSP_INFO", 28),
];
/// Requests without argument.
const PLAIN: [&str; 2] = ["FASTRPC_IOCTL_INIT_ATTACH", "FASTRPC_IOCTL_INIT_ATTACH_SNS"];
/// `struct fastrpc_invoke_args`.
const ARGUMENT: u64 = 24;

struct Block {
    /// Any of the fields, not one after the other.
    union: bool,
    /// Name and type.
    fields: Vec<(String, String)>,
}

/// What the file defines, by name.
#[derive(Default)]
struct File {
    blocks: BTreeMap<String, Block>,
    /// Resources and what they are in memory.
    resources: BTreeMap<String, String>,
    /// Calls: name and arguments.
    calls: BTreeMap<String, String>,
}

fn read(text: &str) -> File {
    let mut file = File::default();
    let mut block: Option<(String, Block)> = None;
    for line in text.lines() {
        let line = line.split('#').next().unwrap_or_default().trim_end();
        if let Some((name, mut open)) = block.take() {
            if line == "}" || line == "]" {
                assert!(file.blocks.insert(name, open).is_none(), "{line}");
                continue;
            }
            let mut words = line.trim().split('\t').filter(|word| !word.is_empty());
            let (field, kind) = (words.next(), words.next());
            let (Some(field), Some(kind)) = (field, kind) else {
                panic!("a field without type in {name}: {line:?}")
            };
            open.fields.push((field.to_owned(), kind.to_owned()));
            block = Some((name, open));
        } else if let Some(rest) = line.strip_prefix("resource ") {
            let (name, kind) = rest.split_once('[').expect("a resource's type");
            let kind = kind.split(']').next().expect("a resource's type");
            file.resources.insert(name.to_owned(), kind.to_owned());
        } else if let Some(name) = line.strip_suffix(" {").or_else(|| line.strip_suffix(" [")) {
            let union = line.ends_with('[');
            let name = name.strip_prefix("type ").unwrap_or(name);
            let name = name.split('[').next().expect("a name");
            let fields = Vec::new();
            block = Some((name.to_owned(), Block { union, fields }));
        } else if let Some((call, arguments)) = line.split_once('(') {
            file.calls.insert(call.to_owned(), arguments.to_owned());
        }
    }
    file
}

impl File {
    /// Size and alignment in bytes.
    fn layout(&self, kind: &str) -> (u64, u64) {
        let (name, arguments) = kind.split_once('[').map_or((kind, ""), |(name, rest)| {
            (name, rest.strip_suffix(']').expect("a closed bracket"))
        });
        let last = || arguments.rsplit(", ").next().unwrap_or_default();
        match name {
            "int8" => (1, 1),
            "int32" | "fd" => (4, 4),
            "int64" | "ptr64" | "vma64" => (8, 8),
            "const" | "flags" | "len" | "bytesize" => self.layout(last().split(':').next().unwrap()),
            "array" => {
                let (element, count) = arguments.rsplit_once(", ").expect("a fixed length");
                let (size, align) = self.layout(element);
                (size * count.parse::<u64>().expect("a fixed length"), align)
            }
            _ => match (self.resources.get(name), self.blocks.get(name)) {
                (Some(kind), _) => self.layout(kind),
                (None, Some(block)) => self.block(block),
                (None, None) => panic!("{name} is not defined"),
            },
        }
    }

    fn block(&self, block: &Block) -> (u64, u64) {
        let (mut size, mut most) = (0_u64, 1);
        // Bits of the unit that is being filled with bit fields.
        let mut bits = 0;
        for (_, kind) in &block.fields {
            let (bytes, align) = self.layout(&kind.replace(width(kind).0, ""));
            most = most.max(align);
            if block.union {
                size = size.max(bytes);
                continue;
            }
            match width(kind).1 {
                Some(width) if bits > 0 && bits + width <= bytes * 8 => bits += width,
                width => {
                    size = size.next_multiple_of(align) + bytes;
                    bits = width.unwrap_or(0);
                }
            }
        }
        (size.next_multiple_of(most), most)
    }
}

/// The width of a bit field, as written and as a number.
fn width(kind: &str) -> (&str, Option<u64>) {
    let Some(at) = kind.find("int32:") else {
        return ("\0", None);
    };
    let digits = &kind[at + 5..];
    let end = digits[1..]
        .find(|c: char| !c.is_ascii_digit())
        .map_or(digits.len(), |n| n + 1);
    (&digits[..end], digits[1..end].parse().ok())
}

fn description() -> File {
    read(include_str!("../../docs/syzkaller/dev_fastrpc.txt"))
}

#[test]
fn every_request_has_the_kernels_size() {
    let file = description();
    for (request, size) in REQUESTS {
        let arguments = &file.calls[&format!("ioctl${request}")];
        let kind = arguments.split("ptr[").nth(1).expect("a pointer");
        let kind = kind.split(", ").nth(1).expect("what it points to");
        let kind = kind.split(']').next().expect("what it points to");
        assert_eq!(file.layout(kind).0, size, "{request}: {kind}");
        let argument = format!("cmd const[{request}]");
        assert!(arguments.contains(&argument), "{arguments}");
    }
    for request in PLAIN {
        assert!(file.calls[&format!("ioctl${request}")].contains("arg const[0]"));
    }
    // No request of the driver's without a description here, nor the other way round.
    let described = file
        .calls
        .keys()
        .filter(|call| call.starts_with("ioctl$FASTRPC_IOCTL_"));
    assert_eq!(described.count(), REQUESTS.len() + PLAIN.len());
}

#[test]
fn arguments_and_scalars_have_the_kernels_layout() {
    let file = description();
    for kind in [
        "fastrpc_buffer[in]",
        "fastrpc_odd",
        "fastrpc_dma",
        "fastrpc_in",
        "fastrpc_out",
    ] {
        assert_eq!(file.layout(kind), (ARGUMENT, 8), "{kind}");
    }
    assert_eq!(file.layout("fastrpc_sc[1, 1, 0, 0]"), (4, 4));
    for (name, arguments) in [("1_1", 2), ("2_2", 4), ("1_1_1_1", 4)] {
        assert_eq!(
            file.layout(&format!("fastrpc_args_{name}")).0,
            arguments * ARGUMENT
        );
    }
}

#[test]
fn every_form_of_a_call_says_as_many_arguments_as_it_has() {
    let file = description();
    for (name, block) in file
        .blocks
        .iter()
        .filter(|(name, _)| name.starts_with("fastrpc_call_"))
    {
        let (_, scalars) = block
            .fields
            .iter()
            .find(|(field, _)| field == "sc")
            .expect("scalars");
        let Some(scalars) = scalars.strip_prefix("fastrpc_sc[") else {
            assert_eq!(name, "fastrpc_call_odd");
            continue;
        };
        let numbers = scalars.trim_end_matches(']').split(", ");
        let count: u64 = numbers.map(|n| n.parse::<u64>().expect("a number")).sum();
        let (_, arguments) = block
            .fields
            .iter()
            .find(|(field, _)| field == "args")
            .expect("arguments");
        let pointed = arguments
            .strip_prefix("ptr64[in, ")
            .and_then(|kind| kind.strip_suffix(']'));
        let size = pointed.map_or(0, |kind| file.layout(kind).0);
        assert_eq!(size, count * ARGUMENT, "{name}");
    }
}

#[test]
fn the_managers_example_is_json_and_names_what_is_there() {
    let text = include_str!("../../docs/syzkaller/manager.cfg");
    let config: serde_json::Value = serde_json::from_str(text).expect("JSON");
    assert_eq!(config["target"], "linux/arm64");
    let file = description();
    for call in config["enable_syscalls"].as_array().expect("calls") {
        let call = call.as_str().expect("a call");
        if let (true, Some(prefix)) = (
            call.contains("astrpc") || call.contains("FASTRPC"),
            call.split('*').next(),
        ) {
            assert!(file.calls.keys().any(|known| known.starts_with(prefix)), "{call}");
        }
    }
    let qemu = config["vm"]["qemu"].as_str().expect("a program");
    let wrapper = std::path::Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../docs/syzkaller")
        .join(qemu);
    assert!(wrapper.is_file(), "{}", wrapper.display());
}
