//! HAP power: votes are recorded by client and kind and told in the log; clocks are not modelled, so questions get constants.

use crate::library_state::votes::KINDS;

use crate::kernel::call::{Call, Done};
use crate::kernel::import::{Import, import};
use rpmsg::Aee;

/// This family's table.
#[rustfmt::skip]
pub const IMPORTS: &[Import] = &[
    import("HAP_power_set", set, "`int HAP_power_set(void *client, request *)`: records a vote for clocks and power, which do not change; -3 for kinds that there are not"),
    import("HAP_power_get", get, "`int HAP_power_get(void *client, response *)`: clocks and power, as constants"),
    import("HAP_power_destroy_client", destroy, "`int HAP_power_destroy_client(void *client)`: forgets the client's votes"),
    import("HAP_power_set_priority", accept, "`int HAP_power_set_priority(void *client, int priority)`: how much the client's votes count").without_effect("0"),
    import("sysmon_set_dcvs_v3_protected_bus_corners", addition, "`int sysmon_set_dcvs_v3_protected_bus_corners(request *, unsigned on)`: corners of the bus count as they are").without_effect("0"),
    import("sysmon_set_dcvs_v3_duty_cycle_params", addition, "`int sysmon_set_dcvs_v3_duty_cycle_params(request *, uint32 active, uint32 period)`: how long the DSP is busy at a time").without_effect("0"),
    import("HAP_user_etm_enable", accept, "`int HAP_user_etm_enable(void)`: traces into the trace unit").without_effect("0"),
    import("HAP_user_etm_disable", accept, "`int HAP_user_etm_disable(void)`: traces no more").without_effect("0"),
];

/// `HAP_power_request_t`: the kind is the first byte; 120 bytes in all.
const REQUEST: u32 = 0x78;

fn set(c: &mut Call<'_>) -> Done {
    let (client, at) = (c.arg(0)?, c.arg(1)?);
    let request = c.load(at, REQUEST)?;
    let kind = request.first().copied().unwrap_or(0);
    if !KINDS.contains(&kind) {
        tracing::warn!(target: "emu::os", kind, "HAP_power_set of an unknown kind is refused");
        return c.ret(-3i32 as u32);
    }
    if c.os.lib.votes.set(client, kind, request) {
        let process = &c.os.shared.config.name;
        tracing::info!(target: "emu::os", process, client, kind, "a vote for clocks and power is recorded; clocks are not modelled");
    }
    c.ret(0)
}

fn destroy(c: &mut Call<'_>) -> Done {
    let client = c.arg(0)?;
    c.os.lib.votes.forget(client);
    c.ret(0)
}

/// An addition to a request that `HAP_power_set` gets later. Where a request holds it is not public, and clocks are not modelled.
fn addition(c: &mut Call<'_>) -> Done {
    let at = c.arg(0)?;
    if at == 0 {
        return c.ret_code(Aee::BAD_PARM);
    }
    c.check_readable(at, REQUEST)?;
    c.ret(0)
}

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
    fn votes_are_recorded_by_client_and_kind() {
        let mut g = Guest::new();
        let at = g.bytes(&[0; 0x78]);
        g.write(at, &[12, 0, 0, 0, 0, 0, 0, 0, 1]);
        assert_eq!(g.call("HAP_power_set", &[0x1000, at]), 0);
        assert_eq!(g.os.lib.votes.get(0x1000, 12).map(|vote| vote[8]), Some(1));
        g.write(at, &[200]);
        assert_eq!(g.call("HAP_power_set", &[0x1000, at]), -3i32 as u32);
        assert_eq!(g.call("HAP_power_destroy_client", &[0x1000]), 0);
        assert_eq!(g.os.lib.votes.get(0x1000, 12), None);
        assert!(g.try_call("HAP_power_set", &[0, 3]).is_err());
    }

    #[test]
    fn additions_to_a_request_need_one() {
        let mut g = Guest::new();
        let at = g.bytes(&[12; 0x78]);
        for name in ["protected_bus_corners", "duty_cycle_params"].map(|n| format!("sysmon_set_dcvs_v3_{n}"))
        {
            assert_eq!(g.call(&name, &[at, 1, 2]), 0);
            assert_eq!(g.call(&name, &[0, 1, 2]), rpmsg::Aee::BAD_PARM.0);
            assert!(g.try_call(&name, &[3, 1, 2]).is_err());
        }
        // What is asked for stays as it was.
        assert_eq!(g.read(at, 0x78), [12; 0x78]);
    }

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
