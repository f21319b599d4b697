//! Libraries at run time: thread-local storage.

use crate::kernel::call::{Call, Done, Outcome, Stop};
use crate::kernel::import::{Import, import};
use crate::loader::thread_storage::NoStorage;
use crate::memory::NoMemory;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("__tls_get_addr", tls_get_addr, "`void *__tls_get_addr(const struct { unsigned long library, offset; } *)`: where the calling thread has a thread-local variable; no memory: the process crashes"),
];

fn tls_get_addr(c: &mut Call<'_>) -> Done {
    let index = c.arg(0)?;
    let (library, offset) = (c.load32(index)?, c.load32(index.wrapping_add(4))?);
    match c
        .os
        .modules
        .thread_block(c.thread.id, library, &c.os.shared.memory)
    {
        Ok(Some(block)) => c.ret(block.wrapping_add(offset)),
        Ok(None) => Err(Stop::because(format!(
            "no library with number {library} has thread-local storage"
        ))),
        Err(NoStorage::NoMemory(NoMemory::Dry(bytes))) => {
            let again = move |c: &mut Call<'_>, given: bool| match given {
                true => tls_get_addr(c),
                false => Err(no_storage(&NoStorage::NoMemory(NoMemory::Dry(bytes)))),
            };
            Ok(Outcome::Grow(bytes, Box::new(again)))
        }
        Err(NoStorage::Fault(fault)) => Err(fault.into()),
        Err(why) => Err(no_storage(&why)),
    }
}

fn no_storage(why: &NoStorage) -> Stop {
    Stop::because(format!("thread-local storage: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kernel::testing::Guest;

    #[test]
    fn thread_local_variables_of_no_library_end_the_process() {
        let mut g = Guest::new();
        for (library, offset) in [(0u32, 0u32), (1, 0), (u32::MAX, 4)] {
            let index = g.bytes(&[library.to_le_bytes(), offset.to_le_bytes()].concat());
            let Err(stop) = g.try_call("__tls_get_addr", &[index]) else {
                panic!("{library} is no library")
            };
            assert!(stop.to_string().contains("no library with number"), "{stop}");
        }
        assert!(matches!(g.try_call("__tls_get_addr", &[6]), Err(Stop::Fault(_))));
    }
}
