//! The words between an instruction's encoding and its meaning.

use super::{Ext, Feature, Flags, Implicit};

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
    /// `branch`, `call`, `ret`, `late`, `fp`, `ovf`, `solo`, `solo_ax`, `slot1_alu`, `no_slot1_store`; and what the syntax and
    /// the section say: HVX, `.cur`, `.tmp`, the hints of branches.
    pub flags: Flags,
    /// `def(…)`: registers written that are not operands, beside the program counter of branches.
    pub defs: Vec<Implicit>,
    /// `use(…)`: registers read that are not operands.
    pub uses: Vec<Implicit>,
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
            ("branch", None) => a.flags |= Flags::BRANCH,
            ("call", None) => a.flags |= Flags::CALL,
            ("ret", None) => a.flags |= Flags::RETURN,
            ("late", None) => a.flags |= Flags::LATE,
            ("fp", None) => a.flags |= Flags::FLOAT,
            ("ovf", None) => a.flags |= Flags::OVERFLOW,
            ("solo", None) => a.flags |= Flags::SOLO,
            ("solo_ax", None) => a.flags |= Flags::SOLO_AX,
            ("slot1_alu", None) => a.flags |= Flags::SLOT1_ALU,
            ("no_slot1_store", None) => a.flags |= Flags::NO_SLOT1_STORE,
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

/// The flags that the name, the class and the text show.
pub(super) fn shown(name: &str, class: &str, text: &str) -> Flags {
    let mut flags = Flags::default();
    for (on, flag) in [
        (class.starts_with("CVI_") || name.starts_with("V6_"), Flags::HVX),
        (text.contains(".cur"), Flags::CUR),
        (text.contains(".tmp"), Flags::TMP),
        (text.contains(":nt") || text.contains(":t "), Flags::HINTED),
        (text.contains(":t "), Flags::HINT_TAKEN),
    ] {
        if on {
            flags |= flag;
        }
    }
    flags
}

fn registers(list: &str) -> Result<Vec<Implicit>, String> {
    let known = |name: &str| {
        let register = Implicit::ALL.iter().find(|i| format!("{i:?}") == name).copied();
        register.ok_or_else(|| format!("`{name}` is no register that def(…) or use(…) knows"))
    };
    list.split(',').map(known).collect()
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
