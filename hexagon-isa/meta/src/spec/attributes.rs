//! The words between an instruction's encoding and its meaning.

/// Which decode table the encoding belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Namespace {
    /// 32-bit words.
    Word,
    /// 13-bit halves of duplexes, group A.
    A,
    /// Group L1.
    L1,
    /// Group L2.
    L2,
    /// Group S1.
    S1,
    /// Group S2.
    S2,
}

/// The architecture extension an instruction belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Feature {
    /// Audio extension (`audio`), V67T and V71T only.
    Audio,
    /// Arithmetic decoder (`cabac`).
    Cabac,
    /// The HVX Z register (`zreg`).
    ZReg,
    /// HVX qfloat (`qfloat`).
    QFloat,
    /// HVX IEEE floating point (`ieee_fp`).
    IeeeFp,
    /// HVX floating point available with either (`hvx_fp`).
    HvxFp,
    /// Matrix unit (`hmx`).
    Hmx,
}

/// What a constant extender in front does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ext {
    /// Index of the operand that it extends.
    pub operand: usize,
    /// The encoding is not legal without the extender.
    pub must: bool,
}

/// Facts about an instruction that neither its syntax nor its encoding shows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes {
    /// `vNN`: the first architecture that has it; 5 if not given.
    pub arch: u8,
    /// `audio`, `cabac`, `zreg`, `qfloat`, `ieee_fp`, `hvx_fp`, `hmx`.
    pub feature: Option<Feature>,
    /// `ext(i)`, `must_ext(i)`, `ext(I)`, `must_ext(I)`: the immediate that a constant extender widens to 32 bits.
    pub ext: Option<Ext>,
    /// `ld=n`, `ld`: reads memory, n bytes (0: not a plain access).
    pub load: Option<u8>,
    /// `st=n`, `st`: writes memory, n bytes (0: not a plain access).
    pub store: Option<u8>,
    /// `branch`: may change the program counter (jump).
    pub branch: bool,
    /// `call`: branch that writes R31.
    pub call: bool,
    /// `ret`: branch to R31 or to a loaded return address.
    pub ret: bool,
    /// `late`: the predicate is written too late to be used as `.new` in the packet.
    pub late: bool,
    /// `fp`: scalar floating point; reads the rounding mode and sets the sticky flags in USR.
    pub fp: bool,
    /// `ovf`: may set USR.OVF.
    pub overflow: bool,
    /// `solo`: must be alone in its packet.
    pub solo: bool,
    /// `solo_ax`: may share its packet only with ALU32 and non-floating-point XTYPE instructions.
    pub solo_ax: bool,
    /// `slot1_alu`: slot 1 may only hold an ALU32 instruction beside it.
    pub slot1_alu: bool,
    /// `no_slot1_store`: slot 1 must not hold a store beside it.
    pub no_slot1_store: bool,
    /// `def(…)`: registers written that are not operands, beside the program counter of branches.
    pub defs: Vec<String>,
    /// `use(…)`: registers read that are not operands.
    pub uses: Vec<String>,
    /// `extended=NAME`: with a constant extender in front, the word is that instruction instead.
    pub extended: Option<String>,
}

/// Reads the attribute words of one line. `ext(…)` is returned as (letter, must) because operands are not known here.
pub(super) fn read(words: &str) -> Result<(Attributes, Option<(char, bool)>), String> {
    let mut a = Attributes {
        arch: 5,
        ..Attributes::default()
    };
    let mut ext = None;
    for word in words.split_whitespace() {
        let (key, arg) = split(word)?;
        match (key, arg) {
            ("audio", None) => a.feature = Some(Feature::Audio),
            ("cabac", None) => a.feature = Some(Feature::Cabac),
            ("zreg", None) => a.feature = Some(Feature::ZReg),
            ("qfloat", None) => a.feature = Some(Feature::QFloat),
            ("ieee_fp", None) => a.feature = Some(Feature::IeeeFp),
            ("hvx_fp", None) => a.feature = Some(Feature::HvxFp),
            ("hmx", None) => a.feature = Some(Feature::Hmx),
            ("ext" | "must_ext", Some("i")) => ext = Some(('i', key == "must_ext")),
            ("ext" | "must_ext", Some("I")) => ext = Some(('I', key == "must_ext")),
            ("ld", arg) => a.load = Some(size(word, arg)?),
            ("st", arg) => a.store = Some(size(word, arg)?),
            ("branch", None) => a.branch = true,
            ("call", None) => a.call = true,
            ("ret", None) => a.ret = true,
            ("late", None) => a.late = true,
            ("fp", None) => a.fp = true,
            ("ovf", None) => a.overflow = true,
            ("solo", None) => a.solo = true,
            ("solo_ax", None) => a.solo_ax = true,
            ("slot1_alu", None) => a.slot1_alu = true,
            ("no_slot1_store", None) => a.no_slot1_store = true,
            ("def", Some(list)) => a.defs = registers(list)?,
            ("use", Some(list)) => a.uses = registers(list)?,
            ("extended", Some(name)) => a.extended = Some(name.to_owned()),
            (key, None) if key.starts_with('v') => {
                a.arch = key
                    .get(1..)
                    .and_then(|n| n.parse().ok())
                    .ok_or_else(|| format!("`{word}` is no architecture"))?;
            }
            _ => return Err(format!("`{word}` is no attribute")),
        }
    }
    Ok((a, ext))
}

/// Registers that `def(…)` and `use(…)` may name.
const IMPLICIT: [&str; 22] = [
    "P0",
    "P1",
    "P3",
    "R29",
    "R30",
    "R31",
    "PC",
    "LC0",
    "SA0",
    "LC1",
    "SA1",
    "USR",
    "GP",
    "CS",
    "FRAMEKEY",
    "FRAMELIMIT",
    "VTMP",
    "CCR",
    "GOSP",
    "ELR",
    "SGP0",
    "SGP1",
];

fn registers(list: &str) -> Result<Vec<String>, String> {
    let all: Vec<String> = list.split(',').map(str::to_owned).collect();
    match all.iter().find(|r| !IMPLICIT.contains(&r.as_str())) {
        Some(bad) => Err(format!("`{bad}` is no register that def(…) or use(…) knows")),
        None => Ok(all),
    }
}

fn size(word: &str, arg: Option<&str>) -> Result<u8, String> {
    match arg {
        None => Ok(0),
        Some(n) => n
            .parse()
            .map_err(|_| format!("`{word}`: the access size is a number of bytes")),
    }
}

/// `key`, `key=arg` or `key(arg)`.
fn split(word: &str) -> Result<(&str, Option<&str>), String> {
    if let Some((key, arg)) = word.split_once('=') {
        return Ok((key, Some(arg)));
    }
    match word.split_once('(') {
        None => Ok((word, None)),
        Some((key, arg)) => {
            let arg = arg
                .strip_suffix(')')
                .ok_or_else(|| format!("`{word}`: the closing parenthesis is missing"))?;
            Ok((key, Some(arg)))
        }
    }
}
