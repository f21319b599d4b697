//! An AP that plays with receive buffers on the three channels of a board: announced, asked for, granted, denied, used twice, given
//! back early. The edge answers or stops; it fills only buffers that are there, free and large enough.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rpmsg::glink::{Command, Edge, EdgeConfig, Event, Input, Intent, Limits, LocalChannel};
use std::collections::BTreeMap;

#[derive(Debug, Arbitrary)]
enum Step {
    Version(u8),
    VersionAck(u8),
    Open {
        cid: u8,
        name: u8,
    },
    OpenAck(u8),
    Close(u8),
    CloseAck(u8),
    Announce {
        cid: u8,
        intents: Vec<(u16, u8)>,
    },
    Done {
        cid: u8,
        intent: u8,
        reuse: bool,
    },
    Request {
        cid: u8,
        size: u32,
    },
    Answer {
        cid: u8,
        granted: bool,
    },
    Data {
        cid: u8,
        intent: u16,
        len: u16,
        left: u16,
        more: bool,
    },
    Signals(u8),
    Send {
        cid: u8,
        len: u16,
    },
    DspOpen(u8),
    DspClose(u8),
}

const NAMES: [&str; 4] = ["fastrpcglink-apps-dsp", "IPCRTR", "glink_ssr", "other"];

/// The AP's own IDs.
fn ap(cid: u8) -> u16 {
    u16::from(cid % 6)
}

/// The DSP's.
fn dsp(cid: u8) -> u16 {
    7 + u16::from(cid % 4)
}

/// The AP's buffers as it knows them: by the AP's channel and number, size and whether it is filled.
type Buffers = BTreeMap<(u16, u32), (u32, bool)>;

fn step_input(step: Step, buffers: &mut Buffers) -> Input {
    Input::Command(match step {
        Step::Version(features) => Command::Version {
            version: 1,
            features: features.into(),
        },
        Step::VersionAck(features) => Command::VersionAck {
            version: 1,
            features: (features % 2).into(),
        },
        Step::Open { cid, name } => Command::Open {
            cid: ap(cid),
            priority: 0,
            name: NAMES[usize::from(name % 4)].into(),
        },
        Step::OpenAck(cid) => Command::OpenAck { cid: dsp(cid) },
        Step::Close(cid) => Command::Close { cid: ap(cid) },
        Step::CloseAck(cid) => Command::CloseAck { cid: dsp(cid) },
        Step::Announce { cid, intents } => {
            let intents: Vec<Intent> = intents
                .into_iter()
                .take(300)
                .map(|(size, id)| Intent {
                    size: size.into(),
                    id: id.into(),
                })
                .collect();
            for intent in &intents {
                buffers.insert((ap(cid), intent.id), (intent.size, false));
            }
            Command::Intents {
                cid: ap(cid),
                intents,
            }
        }
        Step::Done { cid, intent, reuse } => {
            let key = (ap(cid), u32::from(intent));
            if reuse {
                if let Some((_, filled)) = buffers.get_mut(&key) {
                    *filled = false;
                }
                Command::RxDoneReuse {
                    cid: ap(cid),
                    intent: intent.into(),
                }
            } else {
                buffers.remove(&key);
                Command::RxDone {
                    cid: ap(cid),
                    intent: intent.into(),
                }
            }
        }
        Step::Request { cid, size } => Command::RxIntentReq { cid: ap(cid), size },
        Step::Answer { cid, granted } => Command::RxIntentReqAck {
            cid: ap(cid),
            granted,
        },
        Step::Data {
            cid,
            intent,
            len,
            left,
            more,
        } => {
            let (cid, intent, left) = (ap(cid), intent.into(), left.into());
            let data = vec![0; len.into()];
            match more {
                false => Command::TxData {
                    cid,
                    intent,
                    left,
                    data,
                },
                true => Command::TxDataCont {
                    cid,
                    intent,
                    left,
                    data,
                },
            }
        }
        Step::Signals(cid) => Command::Signals {
            cid: ap(cid),
            signals: u32::MAX,
        },
        Step::Send { cid, len } => return Input::Send(dsp(cid), vec![0; len.into()]),
        Step::DspOpen(cid) => return Input::Open(dsp(cid)),
        Step::DspClose(cid) => return Input::Close(dsp(cid)),
    })
}

fuzz_target!(|input: (bool, Vec<Step>)| {
    let (ready, steps) = input;
    let limits = Limits {
        queue: 8,
        ..Limits::default()
    };
    let channels = vec![
        LocalChannel::fastrpc(7),
        LocalChannel::ipc_router(8),
        LocalChannel::glink_ssr(9),
    ];
    let mut edge = Edge::new(EdgeConfig {
        limits,
        ..EdgeConfig::smem(channels)
    });
    let mut up = [false; 3];
    // The AP's ID of each channel of the DSP.
    let mut ids = [None; 3];
    let mut buffers = Buffers::new();
    let hello = [Step::Version(1), Step::VersionAck(1)];
    let opens = (0..3).flat_map(|n| [Step::OpenAck(n), Step::Open { cid: n + 1, name: n }]);
    let first: Vec<Step> = if ready {
        hello.into_iter().chain(opens).collect()
    } else {
        Vec::new()
    };
    for step in first.into_iter().chain(steps.into_iter().take(300)) {
        let input = step_input(step, &mut buffers);
        if let Input::Command(Command::Open { cid, name, .. }) = &input
            && let Some(n) = NAMES.iter().take(3).position(|known| known.as_bytes() == name)
        {
            ids[n] = Some(*cid);
            // What the DSP knew of this ID before is gone.
            buffers.retain(|(id, _), _| id != cid);
        }
        let Ok(outcome) = edge.step(input) else {
            assert!(edge.is_stopped());
            return;
        };
        for command in outcome.commands {
            assert_eq!(Command::parse(&command.encode()).as_ref(), Ok(&command));
            if let Command::TxData {
                cid,
                intent,
                left,
                data,
            } = command
            {
                let id = ids[usize::from(cid - 7)].expect("data before the AP opened");
                let (size, filled) = buffers.get_mut(&(id, intent)).expect("a buffer that never was");
                assert!(!std::mem::replace(filled, true), "filled twice");
                assert!(data.len() as u64 + u64::from(left) <= u64::from(*size));
            }
        }
        for event in outcome.events {
            match event {
                Event::Up(cid) => assert!(!std::mem::replace(&mut up[usize::from(cid - 7)], true)),
                Event::Down(cid) => assert!(std::mem::replace(&mut up[usize::from(cid - 7)], false)),
                Event::Message(cid, data) => {
                    assert!(up[usize::from(cid - 7)]);
                    assert!(data.len() <= 64 * 1024);
                }
                _ => {}
            }
        }
    }
});
