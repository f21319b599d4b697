//! An AP that sends any bytes on IPCRTR and glink_ssr: packets parse or fail, a node answers or refuses, and whatever it sends is
//! a packet by the kernel's rules with a message that decodes again.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rpmsg::{
    glink_ssr::{CleanupDone, DoCleanup},
    qmi::{Body, Elements, Message, servreg::State, ssc},
    qrtr::{Address, Control, Kind, Node, NodeConfig, Output, Packet, Version},
};

#[derive(Debug, Arbitrary)]
enum Step {
    Bytes(Vec<u8>),
    Control {
        command: u8,
        rest: Vec<u8>,
    },
    Data {
        from: u16,
        port: u8,
        confirm_rx: bool,
        id: u8,
        body: Vec<u8>,
    },
    Sensors {
        from: u16,
        request: Vec<u8>,
        report: Option<u8>,
    },
    SetPd {
        pd: u8,
        state: u8,
    },
    RestartPd(u8),
    ShutdownReady,
    ReportFailure,
    Up,
}

const DSP: u32 = 5;
const PDS: [&str; 4] = [
    "msm/adsp/root_pd",
    "msm/adsp/audio_pd",
    "msm/adsp/none",
    "msm/adsp/sensor_pd",
];
const STATES: [State; 4] = [State::Up, State::Down, State::EarlyDown, State::Uninitialized];

fn packet(kind: Kind, from: u32, port: u32, confirm_rx: bool, payload: Vec<u8>) -> Vec<u8> {
    let packet = Packet {
        version: Version::V1,
        kind,
        source: Address { node: 1, port: from },
        destination: Address { node: DSP, port },
        confirm_rx,
        payload,
    };
    packet.encode().unwrap_or_default()
}

fn step(node: &mut Node, step: Step) -> Option<Vec<Output>> {
    let pd = |n: u8| PDS[usize::from(n) % PDS.len()];
    let bytes = match step {
        Step::Bytes(bytes) => bytes,
        Step::Control { command, rest } => {
            let kind = Kind::of(u32::from(command % 12))?;
            let payload = [&kind.number().to_le_bytes()[..], &rest].concat();
            packet(kind, 0xFFFF_FFFE, 0xFFFF_FFFE, false, payload)
        }
        Step::Data {
            from,
            port,
            confirm_rx,
            id,
            body,
        } => {
            let message = Message {
                kind: rpmsg::qmi::Kind::Request,
                transaction: 1,
                id: 0x20 + u16::from(id % 6),
                body,
            };
            packet(
                Kind::Data,
                u32::from(from % 8),
                u32::from(port % 6),
                confirm_rx,
                message.encode(),
            )
        }
        Step::Sensors {
            from,
            request,
            report,
        } => {
            let message = Message::request(1, &ssc::messages::Control { request, report });
            packet(Kind::Data, u32::from(from % 8), 5, false, message.encode())
        }
        Step::SetPd { pd: n, state } => return node.set_pd(pd(n), STATES[usize::from(state) % 4]).ok(),
        Step::RestartPd(n) => return node.restart_pd(pd(n)).ok(),
        Step::ShutdownReady => return Some(node.shutdown_ready()),
        Step::ReportFailure => return Some(node.report_failure(PDS[1], "reason")),
        Step::Up => {
            node.up();
            return Some(node.greet());
        }
    };
    if let Ok(message) = DoCleanup::parse(&bytes) {
        assert_eq!(DoCleanup::parse(&message.encode()), Ok(message));
    }
    let _ = ssc::messages::LargeReport::decode(&bytes);
    let _ = ssc::messages::ClientEvent::decode(&bytes);
    let _ = CleanupDone::parse(&bytes);
    node.message(&bytes).ok()
}

fuzz_target!(|input: (bool, Vec<Step>)| {
    let (v2, steps) = input;
    let base = NodeConfig::new(DSP, "adsp");
    let mut node = Node::new(NodeConfig {
        version: if v2 { Version::V2 } else { Version::V1 },
        ssctl: Some(0x14),
        sensors: true,
        locator: base.domains.iter().cloned().collect(),
        ..base
    });
    node.up();
    for input in steps {
        for output in step(&mut node, input).unwrap_or_default() {
            let Output::Send(bytes) = output else { continue };
            assert_eq!(bytes.len() % 4, 0);
            let packet = Packet::parse(&bytes).expect("the kernel takes it");
            assert_eq!(packet.source.node, DSP);
            if packet.kind == Kind::Data {
                let message = Message::parse(&packet.payload).expect("the kernel decodes it");
                Elements::parse(&message.body).expect("whole elements");
            } else {
                let control = Control::parse(&packet.payload).expect("whole control message");
                assert_eq!(control.kind(), packet.kind);
            }
        }
        assert!(node.servers().count() <= 256);
    }
});
