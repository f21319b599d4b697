// What an instruction touches besides its operands. Compiled here and, as text, in hexagon-isa.

/// What an instruction, or a builtin that it calls, touches besides its operands; packets are scheduled by it. Masks are by
/// register number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Effects {
    /// Named general registers that are read.
    pub reads_gpr: u32,
    /// Named general registers that are written.
    pub writes_gpr: u32,
    /// Named control registers that are read.
    pub reads_ctl: u32,
    /// Named control registers that are written.
    pub writes_ctl: u32,
    /// Named predicates that are read as before the packet.
    pub reads_pred: u8,
    /// Named predicates that are read as the packet's writers have left them.
    pub reads_new_pred: u8,
    /// Named predicates that are written.
    pub writes_pred: u8,
    /// Sticky flags of USR may be set.
    pub sticky: bool,
    /// USR's rounding mode is read.
    pub status: bool,
    /// Memory is read.
    pub load: bool,
    /// Memory is written, or something else that cannot be undone.
    pub store: bool,
    /// May fault (also without an access).
    pub fault: bool,
    /// May jump.
    pub jump: bool,
    /// May stop the thread's run: traps, pause, DMA commands, failed store-conditional, privileged.
    pub event: bool,
    /// User code may not use it: it raises the exception and does nothing else.
    pub privileged: bool,
    /// Every vector register is read and written (histograms).
    pub vectors: bool,
    /// The Z register is read.
    pub reads_z: bool,
    /// Half of the Z register is written.
    pub writes_z: bool,
}

impl Effects {
    /// None.
    pub const NONE: Effects = Effects {
        reads_gpr: 0,
        writes_gpr: 0,
        reads_ctl: 0,
        writes_ctl: 0,
        reads_pred: 0,
        reads_new_pred: 0,
        writes_pred: 0,
        sticky: false,
        status: false,
        load: false,
        store: false,
        fault: false,
        jump: false,
        event: false,
        privileged: false,
        vectors: false,
        reads_z: false,
        writes_z: false,
    };
}

impl std::ops::BitOrAssign for Effects {
    fn bitor_assign(&mut self, o: Effects) {
        self.reads_gpr |= o.reads_gpr;
        self.writes_gpr |= o.writes_gpr;
        self.reads_ctl |= o.reads_ctl;
        self.writes_ctl |= o.writes_ctl;
        self.reads_pred |= o.reads_pred;
        self.reads_new_pred |= o.reads_new_pred;
        self.writes_pred |= o.writes_pred;
        self.sticky |= o.sticky;
        self.status |= o.status;
        self.load |= o.load;
        self.store |= o.store;
        self.fault |= o.fault;
        self.jump |= o.jump;
        self.event |= o.event;
        self.privileged |= o.privileged;
        self.vectors |= o.vectors;
        self.reads_z |= o.reads_z;
        self.writes_z |= o.writes_z;
    }
}
