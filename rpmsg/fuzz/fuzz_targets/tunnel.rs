//! Any bytes as packs of the reverse tunnel, and replies of the AP's interfaces in them.
#![no_main]

use libfuzzer_sys::fuzz_target;
use rpmsg::iface::{Reply, apps_mem, apps_remotectl, apps_std, tunnel};

fuzz_target!(|input: (Vec<u8>, Vec<u16>, u8)| {
    let (pack, capacities, ins) = input;
    let capacities: Vec<u32> = capacities.iter().map(|&c| c.into()).collect();
    if let Ok((data, caps)) = tunnel::unpack_in(&pack, ins.into(), capacities.len()) {
        let again = tunnel::pack_in(&data, &caps);
        assert_eq!(
            tunnel::unpack_in(&again, ins.into(), caps.len()),
            Ok((data, caps))
        );
    }
    let Ok((outs, used)) = tunnel::unpack_out(&pack, &capacities) else {
        return;
    };
    assert_eq!(tunnel::pack_out(&outs).len(), used);
    let _ = apps_remotectl::OpenReply::parse(&outs);
    let _ = apps_std::FreadReply::parse(&outs);
    let _ = apps_std::StatReply::parse(&outs);
    let _ = apps_std::ReaddirReply::parse(&outs);
    let _ = apps_std::GetenvReply::parse(&outs);
    let _ = apps_std::GetSearchPathsWithEnvReply::parse(&outs);
    let _ = apps_mem::RequestMap64Reply::parse(&outs);
});
