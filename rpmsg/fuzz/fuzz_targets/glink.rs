//! An AP that sends any bytes as commands: they parse or fail, and an edge answers or stops. What it sends back parses again.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rpmsg::glink::{Command, Edge, EdgeConfig, Event, Input, IntentGroup, LocalChannel};

#[derive(Debug, Arbitrary)]
enum Step {
    Bytes(Vec<u8>),
    Send(u16),
    Open,
    Close,
}

const CID: u16 = 7;

fuzz_target!(|input: (bool, Vec<Step>)| {
    let (intents, steps) = input;
    let mut edge = Edge::new(if intents {
        let mut channel = LocalChannel::fastrpc(CID);
        channel.intents = vec![IntentGroup { count: 4, size: 128 }];
        EdgeConfig::smem(vec![channel])
    } else {
        EdgeConfig::fastrpc(CID)
    });
    let mut up = false;
    for step in steps {
        let input = match step {
            Step::Bytes(bytes) => match Command::parse(&bytes) {
                Ok(command) => {
                    assert_eq!(Command::parse(&command.encode()).as_ref(), Ok(&command));
                    Input::Command(command)
                }
                Err(_) => continue,
            },
            Step::Send(len) => Input::Send(CID, vec![0; usize::from(len)]),
            Step::Open => Input::Open(CID),
            Step::Close => Input::Close(CID),
        };
        let Ok(outcome) = edge.step(input) else { return };
        for event in outcome.events {
            match event {
                Event::Up(_) => assert!(!std::mem::replace(&mut up, true)),
                Event::Down(_) => assert!(std::mem::replace(&mut up, false)),
                Event::Message(..) => assert!(up),
                _ => {}
            }
        }
        for command in outcome.commands {
            assert_eq!(Command::parse(&command.encode()), Ok(command));
        }
    }
});
