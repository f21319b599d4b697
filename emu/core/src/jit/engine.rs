//! Which engine executes code.

use std::str::FromStr;
use std::sync::LazyLock;

/// How a process's code is executed. Results, faults and counts are the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Engine {
    /// Decoded blocks, one instruction after the other.
    Interpreter,
    /// Host code, made when a place is first reached, before it is executed.
    Translator,
    /// The interpreter, and host code in the background for what is executed often.
    Auto,
}

/// The environment variable that says which engine is used where nothing else does.
pub const ENGINE_VARIABLE: &str = "VHOST_HEXAGON_ENGINE";

impl Engine {
    /// All, by their names.
    pub const ALL: [(&str, Engine); 3] = [
        ("interp", Engine::Interpreter),
        ("jit", Engine::Translator),
        ("auto", Engine::Auto),
    ];
}

/// There is no such engine.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is no engine: interp, jit or auto")]
pub struct NoSuchEngine(String);

impl FromStr for Engine {
    type Err = NoSuchEngine;

    fn from_str(name: &str) -> Result<Self, NoSuchEngine> {
        let found = Engine::ALL.iter().find(|(known, _)| *known == name);
        found.map_or_else(|| Err(NoSuchEngine(name.to_owned())), |(_, engine)| Ok(*engine))
    }
}

/// What [`ENGINE_VARIABLE`] says, read once; else [`Engine::Auto`].
impl Default for Engine {
    fn default() -> Self {
        static SAID: LazyLock<Engine> = LazyLock::new(|| match std::env::var(ENGINE_VARIABLE) {
            Ok(name) if !name.is_empty() => name.parse().unwrap_or_else(|error| {
                tracing::warn!(target: "emu::core", "{ENGINE_VARIABLE}: {error}");
                Engine::Auto
            }),
            _ => Engine::Auto,
        });
        *SAID
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn engines_have_names() {
        assert_eq!("jit".parse(), Ok(Engine::Translator));
        let error = "fast".parse::<Engine>().unwrap_err();
        assert_eq!(error.to_string(), "\"fast\" is no engine: interp, jit or auto");
    }
}
