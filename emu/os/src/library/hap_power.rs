//! HAP power: votes are accepted and mean nothing; questions get plausible constants.

use crate::kernel::call::{Call, Done};
use crate::kernel::import::{Import, import};

/// This family's table.
pub const IMPORTS: &[Import] = &[
    import("HAP_power_set", accept),
    import("HAP_power_get", get),
    import("HAP_power_destroy_client", accept),
    import("HAP_power_set_priority", accept),
    import("HAP_user_etm_enable", accept),
    import("HAP_user_etm_disable", accept),
];

/// `int HAP_power_set(void *client, request *)` and others that change nothing here.
fn accept(c: &mut Call<'_>) -> Done {
    c.ret(0)
}

/// `int HAP_power_get(void *client, response *)`: the kind of question is the first byte, the answer lies at 8. Kinds: 1
/// most MIPS, 2 most bus bandwidth (64 bit), 3 client class, 4 core clock in Hz, 6 whether DCVS is on.
fn get(c: &mut Call<'_>) -> Done {
    let at = c.arg(1)?;
    let answer = at.wrapping_add(8);
    match c.load8(at)? {
        1 => c.store32(answer, 6000)?,
        2 => c.store64(answer, 4_000_000_000)?,
        3 => c.store32(answer, 0)?,
        4 => c.store32(answer, 1_000_000_000)?,
        6 => c.store32(answer, 1)?,
        _ => return c.ret(-3i32 as u32),
    }
    c.ret(0)
}

#[cfg(test)]
mod tests {
    use crate::kernel::testing::Guest;

    #[test]
    fn questions_are_answered_and_unknown_ones_refused() {
        let mut g = Guest::new();
        let at = g.bytes(&[4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(g.call("HAP_power_get", &[0, at]), 0);
        assert_eq!(g.word(at + 8), 1_000_000_000);
        g.write(at, &[99]);
        assert_eq!(g.call("HAP_power_get", &[0, at]) as i32, -3);
    }
}
