//! The types of the generated tables. The generator uses the same ones, so their text stands there (`meta/src/vocabulary`).

pub(crate) mod info {
    include!(concat!(env!("OUT_DIR"), "/vocabulary_info.rs"));
}
pub(crate) mod ir {
    include!(concat!(env!("OUT_DIR"), "/vocabulary_ir.rs"));
}
pub(crate) mod effects {
    include!(concat!(env!("OUT_DIR"), "/vocabulary_effects.rs"));
}
pub(crate) mod builtins {
    include!(concat!(env!("OUT_DIR"), "/vocabulary_builtins.rs"));
}
