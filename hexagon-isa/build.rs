//! Turns `spec/*.isa` into code.
fn main() {}
