//! What a kernel can complain about, by the name that case files and reports use.

use std::fmt;

/// A class of kernel complaints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// An access that KASAN (CONFIG_KASAN) refuses.
    Kasan,
    /// An access that KFENCE (CONFIG_KFENCE) caught.
    Kfence,
    /// A data race that KCSAN (CONFIG_KCSAN) saw.
    Kcsan,
    /// Undefined behaviour (CONFIG_UBSAN).
    Ubsan,
    /// A lock that is taken wrongly (CONFIG_PROVE_LOCKING), RCU used wrongly.
    Lockdep,
    /// Sleeping where that is forbidden (CONFIG_DEBUG_ATOMIC_SLEEP).
    AtomicSleep,
    /// A reference counter that is used wrongly.
    Refcount,
    /// A list whose links do not fit (CONFIG_DEBUG_LIST).
    List,
    /// An object in a wrong state (CONFIG_DEBUG_OBJECTS).
    DebugObjects,
    /// Memory that nothing points to any more (CONFIG_DEBUG_KMEMLEAK).
    Kmemleak,
    /// The DMA API used wrongly (CONFIG_DMA_API_DEBUG).
    DmaApi,
    /// The slab allocator found its memory damaged (slub_debug).
    Slub,
    /// A page in a state that cannot be.
    BadPage,
    /// WARN_ON and the like.
    Warn,
    /// BUG_ON and other complaints that begin with BUG.
    Bug,
    /// An exception in the kernel.
    Oops,
    /// The kernel stopped for good.
    Panic,
    /// A task that waits for too long without being interruptible.
    HungTask,
    /// RCU's grace periods do not end.
    RcuStall,
    /// A processor that does not schedule.
    Lockup,
    /// The kernel ran out of memory.
    Oom,
    /// The SMMU refused a device an access.
    SmmuFault,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 22] = [
        Self::Kasan,
        Self::Kfence,
        Self::Kcsan,
        Self::Ubsan,
        Self::Lockdep,
        Self::AtomicSleep,
        Self::Refcount,
        Self::List,
        Self::DebugObjects,
        Self::Kmemleak,
        Self::DmaApi,
        Self::Slub,
        Self::BadPage,
        Self::Warn,
        Self::Bug,
        Self::Oops,
        Self::Panic,
        Self::HungTask,
        Self::RcuStall,
        Self::Lockup,
        Self::Oom,
        Self::SmmuFault,
    ];

    /// Its name in files.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Kasan => "kasan",
            Self::Kfence => "kfence",
            Self::Kcsan => "kcsan",
            Self::Ubsan => "ubsan",
            Self::Lockdep => "lockdep",
            Self::AtomicSleep => "atomic-sleep",
            Self::Refcount => "refcount",
            Self::List => "list",
            Self::DebugObjects => "debug-objects",
            Self::Kmemleak => "kmemleak",
            Self::DmaApi => "dma-api",
            Self::Slub => "slub",
            Self::BadPage => "bad-page",
            Self::Warn => "warn",
            Self::Bug => "bug",
            Self::Oops => "oops",
            Self::Panic => "panic",
            Self::HungTask => "hung-task",
            Self::RcuStall => "rcu-stall",
            Self::Lockup => "lockup",
            Self::Oom => "oom",
            Self::SmmuFault => "smmu-fault",
        }
    }

    /// The class of that name.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.name() == name)
    }

    /// Whether a kernel that said this can hardly be trusted to go on.
    #[must_use]
    pub const fn is_fatal(self) -> bool {
        matches!(self, Self::Oops | Self::Panic)
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_those_of_the_files() {
        for class in Class::ALL {
            let json = serde_json::to_value(class).unwrap();
            assert_eq!(json, serde_json::json!(class.name()));
            assert_eq!(Class::of(class.name()), Some(class));
        }
        assert_eq!(Class::of("nothing"), None);
    }
}
