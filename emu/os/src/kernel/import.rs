//! An entry in a table of imported functions.

use super::call::{Call, Done};

/// Carries out an imported function.
pub type Handler = fn(&mut Call<'_>) -> Done;

/// A function that skeletons can import.
#[derive(Clone, Copy)]
pub struct Import {
    /// Its symbol.
    pub name: &'static str,
    /// What it does.
    pub handler: Handler,
}

/// Shorthand for the tables in `library`.
pub const fn import(name: &'static str, handler: Handler) -> Import {
    Import { name, handler }
}
