//! What no compiler finds in plain text but hosts have instructions for, on whole vectors: one module for each kind of host, in each
//! of which the same functions have the same names.

pub(crate) mod dot;
pub(crate) mod lookup;
