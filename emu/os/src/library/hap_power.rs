//! HAP power: votes are accepted and mean nothing; questions get plausible constants.

use crate::kernel::call::{Call, Done};
use crate::kernel::import::{Import, import};

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("HAP_power_set", accept, "`int HAP_power_set(void *client, request *)`: a vote for clocks and power").without_effect("0"),
    import("HAP_power_get", get, "`int HAP_power_get(void *client, response *)`: clocks and power, as constants"),
    import("HAP_power_destroy_client", accept, "`int HAP_power_destroy_client(void *client)`: takes the client's votes back").without_effect("0"),
    import("HAP_power_set_priority", accept, "`int HAP_power_set_priority(void *client, int priority)`: how much the client's votes count").without_effect("0"),
    import("HAP_user_etm_enable", accept, "`int HAP_user_etm_enable(void)`: traces into the trace unit").without_effect("0"),
    import("HAP_user_etm_disable", accept, "`int HAP_user_etm_disable(void)`: traces no more").without_effect("0"),
];

fn accept(c: &mut Call<'_>) -> Done {
    c.ret(0)
}

/// The kind of question is the first byte, the answer lies at 8. Kinds: 1 most MIPS, 2 most bus bandwidth (64 bit),
/// 3 client class, 4 core clock in Hz, 6 whether DCVS is on.
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
