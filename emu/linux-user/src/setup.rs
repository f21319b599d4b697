//! With what a program is started.

use emu_core::Engine;
use hexagon_isa::Arch;

/// How a program is started.
#[derive(Debug, Clone)]
pub struct Setup {
    /// The core; else the one the file was built for, else V73.
    pub arch: Option<Arch>,
    /// The program's arguments, from its own name on.
    pub args: Vec<Vec<u8>>,
    /// Its environment, each `NAME=VALUE`.
    pub env: Vec<Vec<u8>>,
    /// It may open and change the host's files, as its user may.
    pub files: bool,
    /// Most bytes it may have mapped.
    pub memory: u64,
    /// What executes its code.
    pub engine: Engine,
}

impl Default for Setup {
    fn default() -> Self {
        Setup {
            arch: None,
            args: vec![b"program".to_vec()],
            env: Vec::new(),
            files: false,
            memory: 3 << 30,
            engine: Engine::default(),
        }
    }
}
