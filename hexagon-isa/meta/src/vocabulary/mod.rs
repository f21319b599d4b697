//! The words that the generator and the crate it generates share, each said once: these files are modules here, and
//! `hexagon-isa` includes their text, because its tables are data of these types.

/// The builtin functions.
pub mod builtins;
/// What an instruction touches besides its operands.
pub mod effects;
/// What a row of the specification says about an instruction.
pub mod info;
/// The typed form of meanings.
pub mod ir;

/// The files: module and text.
pub const FILES: [(&str, &str); 4] = [
    ("info", include_str!("info.rs")),
    ("ir", include_str!("ir.rs")),
    ("effects", include_str!("effects.rs")),
    ("builtins", include_str!("builtins.rs")),
];
