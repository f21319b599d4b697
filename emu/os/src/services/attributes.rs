//! Handle 2: what this DSP can do, asked by the kernel once per channel (or each time, when it is refused).
//!
//! Word k of the answer is attribute k + 1. The question may come with any domain bits and from sessions without a process
//! (docs/protocol.md#attributes).

use rpmsg::fastrpc::attributes;

use super::call::ApCall;
use super::config::DspConfig;

/// Serves one call.
pub(super) fn serve(config: &DspConfig, call: ApCall) {
    let Some((call, payload)) = call.with_payload() else {
        return;
    };
    match attributes::parse(&payload) {
        Ok(words) => {
            let value = |number| config.attributes.get(&number).copied().unwrap_or(0);
            call.reply(vec![attributes::encode(words, value)]);
        }
        Err(e) => call.refuse_payload(&e),
    }
}
