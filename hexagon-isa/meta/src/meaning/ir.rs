//! The typed form that the checker produces and every generator reads, and what only the generator does with it.
//!
//! It is small on purpose: subfields have become extract and insert, `for` is unrolled, compound assignment is spelled out,
//! literals have types. [`data`](super::data) prints it as static data of the same types. The generator runs once and ends, so
//! the trees that it makes are never freed.

pub use crate::vocabulary::builtins::{Builtin, Needs, Signature};
pub use crate::vocabulary::effects::Effects;
pub use crate::vocabulary::ir::{Binary, Compare, Expr, Fixed, Kind, Meaning, Stmt, Type, Unary};

/// A node that lives as long as the program.
pub fn keep<T>(value: T) -> &'static T {
    Box::leak(Box::new(value))
}

/// A list that lives as long as the program.
pub fn keep_all<T>(values: Vec<T>) -> &'static [T] {
    values.leak()
}

/// The builtin called `name`.
pub fn builtin(name: &str) -> Option<Builtin> {
    Builtin::ALL.iter().copied().find(|b| b.signature().name == name)
}

impl Type {
    /// Type named as in the language (`u8` … `i128`, `f32`, `f64`, `bool`).
    pub fn named(name: &str) -> Option<Type> {
        Some(match name {
            "bool" => Type::Bool,
            "u8" => Type::Int(false, 8),
            "i8" => Type::Int(true, 8),
            "u16" => Type::Int(false, 16),
            "i16" => Type::Int(true, 16),
            "u32" => Type::U32,
            "i32" => Type::I32,
            "u64" => Type::U64,
            "i64" => Type::I64,
            "u128" => Type::Int(false, 128),
            "i128" => Type::Int(true, 128),
            "f32" => Type::Float(32),
            "f64" => Type::Float(64),
            _ => return None,
        })
    }

    /// Element type of a lane or subfield suffix (`b ub h uh w uw d ud sf df qf16 qf32`).
    pub fn element(suffix: &str) -> Option<Type> {
        Some(match suffix {
            "b" => Type::Int(true, 8),
            "ub" => Type::Int(false, 8),
            "h" => Type::Int(true, 16),
            "uh" => Type::Int(false, 16),
            "w" => Type::Int(true, 32),
            "uw" => Type::Int(false, 32),
            "d" => Type::Int(true, 64),
            "ud" => Type::Int(false, 64),
            "sf" => Type::Float(32),
            "df" => Type::Float(64),
            "qf16" => Type::Qf(16),
            "qf32" => Type::Qf(32),
            _ => return None,
        })
    }

    /// The language's name of the type, which is also Rust's (but for qfloat).
    pub fn name(self) -> String {
        match self {
            Type::Bool => "bool".into(),
            Type::Int(s, n) => format!("{}{n}", if s { 'i' } else { 'u' }),
            Type::Float(n) => format!("f{n}"),
            Type::Qf(n) => format!("qf{n}"),
            Type::Vec => "vector".into(),
            Type::VecPair => "vector pair".into(),
        }
    }
}

impl Meaning {
    /// Whether an expression calls a builtin that needs this.
    pub fn calls(&self, needs: Needs) -> bool {
        let mut found = false;
        self.visit(&mut |e| found |= matches!(e.kind, Kind::Call(b, _) if b.signature().needs == needs));
        found
    }
}
