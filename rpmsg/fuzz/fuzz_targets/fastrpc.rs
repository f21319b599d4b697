//! Any message with any invoke buffer: refused, or its arguments lie in their pages. Then any payload for any interface. And what an
//! honest AP lays out is found by the DSP.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rpmsg::fastrpc::{
    Addressing, Arg, Ctx, Message, Metadata, Response, Scalars, SidPosition, attributes,
    build::{ApArg, Plan},
    control::Control,
    parse_args,
};
use rpmsg::iface::{
    Kind, Payload, adspmsgd, adspmsgd_apps, apps_mem, apps_remotectl, apps_std, current_process,
    default_listener, dspqueue, listener, perf, remotectl,
};

#[derive(Debug, Arbitrary)]
struct Inputs {
    message: Vec<u8>,
    snapshot: Vec<u8>,
    kaanapali: bool,
    page_shift: u8,
    sc: u32,
    ins: Vec<Vec<u8>>,
    outs: Vec<u16>,
    args: Vec<(u16, Option<Vec<u8>>, u16)>,
}

fuzz_target!(|inputs: Inputs| {
    let sid_position = if inputs.kaanapali {
        SidPosition::Bit56
    } else {
        SidPosition::Bit32
    };
    let addressing = Addressing {
        sid_position,
        page_size: 4096 << (inputs.page_shift % 3 * 2),
    };
    let _ = Response::parse(&inputs.message);
    if let Ok(message) = Message::parse(&inputs.message)
        && message.check(&addressing).is_ok()
        && let Ok(args) = parse_args(&message, &inputs.snapshot, &addressing)
    {
        assert_eq!(args.len(), message.sc.args());
        for arg in args {
            if let Arg::Buffer { len, iova, page, .. } = arg {
                assert!(page.addr <= iova && iova + u64::from(len) <= page.addr + page.size);
            }
        }
    }

    let outs: Vec<u32> = inputs.outs.iter().map(|&o| o.into()).take(255).collect();
    let ins: Vec<Vec<u8>> = inputs.ins.into_iter().take(255).collect();
    let sc = Scalars::new((inputs.sc & 31) as u8, ins.len() as u8, outs.len() as u8);
    let payload = Payload { sc, ins, outs };
    let _ = Control::parse(&payload, None);
    let _ = attributes::parse(&payload);
    macro_rules! each {
        ($($module:ident)*) => { $(
            for kind in [Kind::Plain, Kind::Handle64] {
                if let Ok(request) = $module::Request::parse(&payload, kind) {
                    assert_eq!($module::Request::parse(&request.payload(kind), kind), Ok(request));
                }
            }
        )* };
    }
    each!(adspmsgd adspmsgd_apps apps_mem apps_remotectl apps_std current_process default_listener dspqueue listener perf remotectl);

    let args: Vec<ApArg<'_>> = inputs
        .args
        .iter()
        .take(20)
        .map(|(addr, data, len)| match data {
            Some(data) => ApArg::In {
                addr: u64::from(*addr),
                data,
            },
            None => ApArg::Out {
                addr: u64::from(*addr),
                len: u64::from(*len),
            },
        })
        .collect();
    let count = args.len() as u8;
    if let Ok(plan) = Plan::new(args, Metadata::WithPollWord) {
        let built = plan.fill(0x1_0000_0000, 0xffff_0000_0000_0000, &Addressing::default());
        let message = Message {
            client_id: 1,
            tid: 1,
            ctx: Ctx(0x100),
            handle: 3,
            sc: Scalars::new(2, count, 0),
            addr: 0x1_0000_0000,
            size: plan.size(&Addressing::default()),
        };
        assert_eq!(message.check(&Addressing::default()), Ok(()));
        parse_args(&message, &built.bytes, &Addressing::default()).unwrap();
    }
});
