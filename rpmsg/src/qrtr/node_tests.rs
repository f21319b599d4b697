//! A node against an AP that behaves as the kernel, and against one that sends anything.

use super::*;
use crate::qmi::{
    Body, ErrorCode,
    servreg::messages::{Acknowledge, ListenerRegistered, RegisterListener, StateUpdated},
    ssctl::{Phase, Shutdown},
};
use proptest::{collection::vec, prelude::*};

const DSP: u32 = 5;
const SYSMON: Address = Address {
    node: 1,
    port: 0x4001,
};
const APR: Address = Address {
    node: 1,
    port: 0x4002,
};
const AUDIO: &str = "msm/adsp/audio_pd";

fn node() -> Node {
    Node::new(NodeConfig {
        ssctl: Some(0x14),
        ..NodeConfig::new(DSP, "adsp")
    })
}

fn from_ap(kind: Kind, from: Address, port: u32, confirm_rx: bool, payload: Vec<u8>) -> Vec<u8> {
    let packet = Packet {
        version: Version::V1,
        kind,
        source: from,
        destination: Address { node: DSP, port },
        confirm_rx,
        payload,
    };
    packet.encode().unwrap()
}

fn control(control: Control) -> Vec<u8> {
    let ns = Address {
        node: NODE_AP,
        port: PORT_CONTROL,
    };
    from_ap(control.kind(), ns, PORT_CONTROL, false, control.encode())
}

fn request<B: Body>(from: Address, port: u32, body: &B) -> Vec<u8> {
    from_ap(Kind::Data, from, port, false, Message::request(1, body).encode())
}

fn sent(out: &[Output]) -> Vec<Packet> {
    let packet = |o: &Output| match o {
        Output::Send(bytes) => Some(Packet::parse(bytes).unwrap()),
        Output::Event(_) => None,
    };
    out.iter().filter_map(packet).collect()
}

fn controls(out: &[Output]) -> Vec<Control> {
    let control = |p: Packet| (p.kind != Kind::Data).then(|| Control::parse(&p.payload).unwrap());
    sent(out).into_iter().filter_map(control).collect()
}

fn messages(out: &[Output]) -> Vec<(Address, Message)> {
    let message =
        |p: Packet| (p.kind == Kind::Data).then(|| (p.destination, Message::parse(&p.payload).unwrap()));
    sent(out).into_iter().filter_map(message).collect()
}

fn events(out: &[Output]) -> Vec<NodeEvent> {
    let event = |o: &Output| match o {
        Output::Event(event) => Some(event.clone()),
        Output::Send(_) => None,
    };
    out.iter().filter_map(event).collect()
}

fn greeted() -> Node {
    let mut node = node();
    node.up();
    node.message(&control(Control::Hello)).unwrap();
    node
}

#[test]
fn hello_then_servers_once() {
    let mut node = node();
    node.up();
    let out = node.greet();
    assert_eq!(controls(&out), [Control::Hello]);
    let packet = &sent(&out)[0];
    assert_eq!(
        packet.source,
        Address {
            node: DSP,
            port: PORT_CONTROL
        }
    );
    assert_eq!(packet.version, Version::V1);
    let out = node.message(&control(Control::Hello)).unwrap();
    let server = |service, instance, port| {
        let address = Address { node: DSP, port };
        Control::NewServer(Server {
            service,
            instance,
            address,
        })
    };
    assert_eq!(
        controls(&out),
        [Control::Hello, server(43, 0x1402, 1), server(66, 74 << 8 | 1, 2)]
    );
    assert_eq!(events(&out), [NodeEvent::Hello { node: 1 }]);
    assert_eq!(
        node.message(&control(Control::Hello)),
        Ok(vec![]),
        "no endless greeting"
    );
    node.up();
    assert_eq!(
        controls(&node.message(&control(Control::Hello)).unwrap()).len(),
        3
    );
}

/// A 7.3 kernel does not know the peer's number when it says HELLO.
#[test]
fn hello_to_any_node() {
    let mut node = node();
    node.up();
    let mut packet = Packet::parse(&control(Control::Hello)).unwrap();
    packet.destination.node = NODE_ANY;
    assert!(!node.message(&packet.encode().unwrap()).unwrap().is_empty());
    packet.destination = Address {
        node: NODE_ANY,
        port: 1,
    };
    packet.kind = Kind::Data;
    let refused = node.message(&packet.encode().unwrap());
    assert_eq!(refused, Err(NodeError::Misrouted(packet.destination)));
}

#[test]
fn shutdown() {
    let mut node = greeted();
    assert_eq!(node.shutdown_ready(), []);
    let out = node.message(&request(SYSMON, 1, &Shutdown)).unwrap();
    assert_eq!(events(&out), [NodeEvent::ShutdownRequested]);
    let [(to, response)] = &messages(&out)[..] else {
        panic!("{out:?}");
    };
    assert_eq!(
        (*to, response.kind, response.id),
        (SYSMON, qmi::Kind::Response, 0x21)
    );
    let ready = node.shutdown_ready();
    let [(to, indication)] = &messages(&ready)[..] else {
        panic!("{ready:?}");
    };
    assert_eq!(
        (*to, indication.kind, indication.id),
        (SYSMON, qmi::Kind::Indication, 0x21)
    );
    assert_eq!(sent(&ready)[0].source, Address { node: DSP, port: 1 });
}

#[test]
fn subsystem_events() {
    let mut node = greeted();
    let event = SubsystemEvent {
        subsystem: "cdsp".into(),
        phase: Phase::AfterPowerup,
        driven: Some(0),
    };
    let out = node.message(&request(SYSMON, 1, &event)).unwrap();
    assert_eq!(events(&out), [NodeEvent::SubsystemEvent(event)]);
    assert_eq!(messages(&out).len(), 1);
}

/// What the kernel's `pdr_interface.c` does with the audio domain over a restart and the end of its socket.
#[test]
fn protection_domain_restart() {
    let mut node = greeted();
    let register = RegisterListener {
        enable: 1,
        path: AUDIO.into(),
    };
    let out = node.message(&request(APR, 2, &register)).unwrap();
    let response = ListenerRegistered::decode(&messages(&out)[0].1.body).unwrap();
    assert_eq!(response.state, Some(State::Up));

    let out = node.restart_pd(AUDIO).unwrap();
    let update = StateUpdated::decode(&messages(&out)[0].1.body).unwrap();
    assert_eq!(update.state, State::Down);
    let ack = Acknowledge {
        path: AUDIO.into(),
        transaction: update.transaction,
    };
    let out = node.message(&request(APR, 2, &ack)).unwrap();
    let [(_, answer), (to, up)] = &messages(&out)[..] else {
        panic!("{out:?}");
    };
    assert_eq!((answer.kind, *to), (qmi::Kind::Response, APR));
    assert_eq!(StateUpdated::decode(&up.body).unwrap().state, State::Up);

    node.message(&control(Control::DelClient(APR))).unwrap();
    assert_eq!(messages(&node.set_pd(AUDIO, State::Down).unwrap()), []);
    node.up();
    assert!(node.domains().any(|d| d == (AUDIO, State::Down)));
    assert!(node.set_pd("msm/cdsp/root_pd", State::Down).is_err());
}

#[test]
fn the_aps_servers_come_and_go() {
    let mut node = greeted();
    let server = Server::qmi(
        64,
        1,
        1,
        Address {
            node: 1,
            port: 0x4003,
        },
    );
    let new = control(Control::NewServer(server));
    assert_eq!(
        events(&node.message(&new).unwrap()),
        [NodeEvent::ServerUp(server)]
    );
    assert_eq!(node.message(&new), Ok(vec![]), "announced twice");
    let other = Server {
        service: 65,
        ..server
    };
    let replaced = node.message(&control(Control::NewServer(other))).unwrap();
    assert_eq!(events(&replaced), [NodeEvent::ServerUp(other)]);
    assert_eq!(
        node.servers().collect::<Vec<_>>(),
        [&other],
        "one server a socket"
    );
    let out = node.message(&control(Control::DelServer(server))).unwrap();
    assert_eq!(events(&out), [NodeEvent::ServerDown(other)]);
    assert_eq!(node.message(&control(Control::DelServer(server))), Ok(vec![]));
    node.message(&new).unwrap();
    let out = node
        .message(&control(Control::DelClient(server.address)))
        .unwrap();
    assert_eq!(events(&out), [NodeEvent::ServerDown(server)]);
    node.message(&new).unwrap();
    let out = node.message(&control(Control::Bye { node: 0 })).unwrap();
    assert_eq!(
        events(&out),
        [NodeEvent::ServerDown(server), NodeEvent::Bye { node: 1 }]
    );
    let out = node.message(&control(Control::Hello)).unwrap();
    assert_eq!(
        events(&out),
        [NodeEvent::Hello { node: 1 }],
        "a new name service is greeted again"
    );
}

#[test]
fn bad_servers_and_clients() {
    let mut node = greeted();
    let server = |service, node, port| Server::qmi(service, 1, 1, Address { node, port });
    for bad in [server(0, 1, 1), server(1, 1, 0)] {
        let refused = node.message(&control(Control::NewServer(bad)));
        assert_eq!(refused, Err(NodeError::Server(bad)));
    }
    for port in 1..=256 {
        node.message(&control(Control::NewServer(server(1, 1, port))))
            .unwrap();
    }
    let one_more = server(1, 1, 257);
    assert_eq!(
        node.message(&control(Control::NewServer(one_more))),
        Err(NodeError::Server(one_more))
    );
    let socket = Address { node: 9, port: 1 };
    assert_eq!(
        node.message(&control(Control::DelClient(socket))),
        Err(NodeError::Spoofed { from: 1, socket })
    );
}

#[test]
fn confirmations_in_both_directions() {
    let mut node = greeted();
    let payload = Message::request(3, &Shutdown).encode();
    let asks = from_ap(Kind::Data, SYSMON, 1, true, payload);
    let out = node.message(&asks).unwrap();
    let own = Address { node: DSP, port: 1 };
    assert_eq!(controls(&out), [Control::ResumeTx(own)]);
    assert_eq!(sent(&out)[0].destination, SYSMON);

    // nine more responses may go, the fifth of all asks
    let mut asked = 0;
    for n in 2..=12 {
        let out = node.message(&request(SYSMON, 1, &Shutdown)).unwrap();
        let packets = sent(&out);
        assert_eq!(packets.len(), usize::from(n <= 10), "packet {n}");
        asked += packets.iter().filter(|p| p.confirm_rx).count();
    }
    assert_eq!(asked, 1);
    let resume = from_ap(
        Kind::ResumeTx,
        SYSMON,
        1,
        false,
        Control::ResumeTx(SYSMON).encode(),
    );
    let out = node.message(&resume).unwrap();
    assert_eq!(messages(&out).len(), 2);
    assert_eq!(node.message(&resume), Ok(vec![]));
}

#[test]
fn a_client_that_does_not_read_loses_messages() {
    let mut node = greeted();
    let mut dropped = 0;
    for _ in 0..200 {
        let out = node.message(&request(SYSMON, 1, &Shutdown)).unwrap();
        dropped += usize::from(events(&out).contains(&NodeEvent::Dropped(SYSMON)));
    }
    assert_eq!(dropped, 200 - 10 - 64);
    node.message(&control(Control::DelClient(SYSMON))).unwrap();
    let out = node.message(&request(SYSMON, 1, &Shutdown)).unwrap();
    assert_eq!(messages(&out).len(), 1, "a new socket with the old number");
}

#[test]
fn failures_are_reported_to_the_aps_locator() {
    let mut node = greeted();
    assert_eq!(node.report_failure(AUDIO, "assert"), []);
    let server = Server::qmi(
        64,
        1,
        1,
        Address {
            node: 1,
            port: 0x4003,
        },
    );
    node.message(&control(Control::NewServer(server))).unwrap();
    let out = node.report_failure(AUDIO, "assert");
    let [(to, request)] = &messages(&out)[..] else {
        panic!("{out:?}");
    };
    assert_eq!((*to, request.id), (server.address, 0x24));
    let answer = |status| {
        let payload = request.status(status).encode();
        from_ap(Kind::Data, server.address, 4, false, payload)
    };
    let failed = Status::failure(ErrorCode::NO_MEMORY);
    let out = node.message(&answer(failed)).unwrap();
    assert_eq!(events(&out), [NodeEvent::FailureReported(failed)]);
    let again = events(&node.message(&answer(Status::SUCCESS)).unwrap());
    assert!(matches!(
        again[..],
        [NodeEvent::Refused(Refusal::Unexpected { .. })]
    ));
}

#[test]
fn what_does_not_belong_here_is_refused() {
    let mut node = greeted();
    let mut expect = |bytes: &[u8], error: NodeError| assert_eq!(node.message(bytes), Err(error));
    expect(&request(SYSMON, 3, &Shutdown), NodeError::NoPort(3));
    expect(&request(SYSMON, 77, &Shutdown), NodeError::NoPort(77));
    let hello = Control::Hello.encode();
    expect(
        &from_ap(Kind::Hello, SYSMON, 1, false, hello.clone()),
        NodeError::NoPort(1),
    );
    expect(
        &from_ap(Kind::Bye, SYSMON, PORT_CONTROL, false, hello.clone()),
        NodeError::Mismatch {
            header: Kind::Bye,
            payload: Kind::Hello,
        },
    );
    expect(
        &from_ap(Kind::Data, SYSMON, PORT_CONTROL, false, hello),
        NodeError::NoPort(PORT_CONTROL),
    );
    let short = from_ap(Kind::Bye, SYSMON, PORT_CONTROL, false, vec![3, 0, 0, 0]);
    assert!(matches!(node.message(&short), Err(NodeError::Control(_))));
    assert!(matches!(node.message(&[]), Err(NodeError::Packet(_))));
    for ignored in [Control::Exit, Control::Ping] {
        assert_eq!(node.message(&control(ignored)), Ok(vec![]));
    }
}

/// The sender's flow goes on, or it would stop for good after a few of them.
#[test]
fn refused_messages_are_confirmed() {
    let mut node = greeted();
    let mut refused = |payload: Vec<u8>| {
        let out = node
            .message(&from_ap(Kind::Data, SYSMON, 1, true, payload))
            .unwrap();
        assert_eq!(controls(&out).len(), 1);
        match &events(&out)[..] {
            [NodeEvent::Refused(refusal)] => *refusal,
            other => panic!("{other:?}"),
        }
    };
    let stray = Message::indication(1, &Shutdown);
    assert_eq!(
        refused(stray.encode()),
        Refusal::Unexpected {
            kind: qmi::Kind::Indication,
            id: 0x21,
            from: SYSMON,
        }
    );
    assert!(matches!(refused(vec![0; 4]), Refusal::Message(_)));
}

#[test]
fn a_locator_in_the_aps_place() {
    let mut node = Node::new(NodeConfig {
        version: Version::V2,
        domains: None,
        locator: vec![Subsystem::of("adsp").unwrap()],
        ..NodeConfig::new(DSP, "adsp")
    });
    node.up();
    assert_eq!(sent(&node.greet())[0].version, Version::V2);
    let out = node.message(&control(Control::Hello)).unwrap();
    let server = Server::qmi(64, 1, 1, Address { node: DSP, port: 3 });
    assert_eq!(controls(&out)[1], Control::NewServer(server));
    assert!(node.set_pd(AUDIO, State::Down).is_err(), "no notifier");
    let query = servreg::messages::GetDomainList {
        service: "avs/audio".into(),
        offset: Some(0),
    };
    assert_eq!(
        messages(&node.message(&request(APR, 3, &query)).unwrap()).len(),
        1
    );
    let far = Address {
        node: 1,
        port: 0x1_0000,
    };
    let out = node.message(&request(far, 3, &query)).unwrap();
    assert_eq!(sent(&out)[0].version, Version::V1, "where version 2 has no room");
}

/// What a sensor client's first message comes to, and that the service goes and comes with its protection domain.
#[test]
fn the_sensor_core_lives_in_its_protection_domain() {
    let sensors_of = |sensors| {
        let mut node = Node::new(NodeConfig {
            sensors,
            ..NodeConfig::new(DSP, "adsp")
        });
        node.up();
        let out = node.message(&control(Control::Hello)).unwrap();
        (node, controls(&out).len())
    };
    let (mut without, announced) = sensors_of(false);
    assert_eq!(announced, 2);
    let lookup = qmi::ssc::messages::Control {
        request: Vec::new(),
        report: None,
    };
    let ask = request(APR, 5, &lookup);
    assert_eq!(without.message(&ask), Err(NodeError::NoPort(5)));

    let (mut node, announced) = sensors_of(true);
    assert_eq!(announced, 3);
    let server = Server::qmi(400, 1, 0, Address { node: DSP, port: 5 });
    assert!(node.own_servers().contains(&server));
    let out = node.message(&ask).unwrap();
    assert!(matches!(
        events(&out)[..],
        [NodeEvent::Sensors { client: APR, .. }]
    ));
    let [(APR, refusal)] = &messages(&out)[..] else {
        panic!("{out:?}");
    };
    assert_eq!(
        *refusal,
        Message::request(1, &lookup).status(Status::failure(ErrorCode::MALFORMED_MESSAGE))
    );

    let out = node.set_pd("msm/adsp/sensor_pd", State::Down).unwrap();
    assert_eq!(controls(&out), [Control::DelServer(server)]);
    assert_eq!(node.message(&ask), Err(NodeError::NoPort(5)));
    assert!(!node.own_servers().contains(&server));
    let out = node.set_pd("msm/adsp/sensor_pd", State::Up).unwrap();
    assert_eq!(controls(&out), [Control::NewServer(server)]);
    assert_eq!(node.message(&ask).unwrap().len(), 2);
    let out = node.restart_pd("msm/adsp/sensor_pd").unwrap();
    assert_eq!(
        controls(&out),
        [Control::DelServer(server), Control::NewServer(server)]
    );
    let out = node.set_pd(AUDIO, State::Down).unwrap();
    assert_eq!(controls(&out), [], "another domain");

    node.up();
    let out = node.set_pd("msm/adsp/sensor_pd", State::Down).unwrap();
    assert_eq!(controls(&out), [], "nobody to tell");
    let out = node.message(&control(Control::Hello)).unwrap();
    assert_eq!(controls(&out).len(), 2, "HELLO and the notifier");
}

/// A client that asks, never reads, and goes, leaves nothing behind; and many of them are bounded.
#[test]
fn sensor_clients_leave_nothing_behind() {
    let mut node = Node::new(NodeConfig {
        sensors: true,
        ..NodeConfig::new(DSP, "adsp")
    });
    node.up();
    node.message(&control(Control::Hello)).unwrap();
    let lookup = qmi::ssc::messages::Control {
        request: vec![0; 8],
        report: None,
    };
    for port in 0..1000 {
        let client = Address { node: 1, port };
        for _ in 0..100 {
            node.message(&request(client, 5, &lookup)).unwrap();
        }
    }
    assert_eq!(node.flows.sockets(), 256);
    for port in 0..1000 {
        let client = Address { node: 1, port };
        node.message(&control(Control::DelClient(client))).unwrap();
    }
    assert_eq!(node.flows.sockets(), 0);
}

proptest! {
    #[test]
    fn any_bytes(messages in vec(vec(any::<u8>(), 0..60), 0..10)) {
        let mut node = greeted();
        for bytes in messages {
            let _ = node.message(&bytes);
        }
    }

    /// Well-formed packets with any content: what the node sends is always a packet that the kernel takes.
    #[test]
    fn any_packets(
        steps in vec((0u32..12, 0u32..4, 0u32..7, any::<bool>(), vec(0u8..0x45, 0..30)), 0..20),
    ) {
        let mut node = Node::new(NodeConfig {
            ssctl: Some(0x14),
            sensors: true,
            ..NodeConfig::new(DSP, "adsp")
        });
        node.up();
        node.message(&control(Control::Hello)).unwrap();
        for (kind, from, port, confirm_rx, mut payload) in steps {
            let kind = Kind::of(kind).unwrap_or(Kind::Data);
            if kind == Kind::Data {
                let length = payload.len() as u16;
                let mut message = vec![0, 1, 0, 0x20 + payload.first().copied().unwrap_or(0) % 5, 0];
                message.extend(length.to_le_bytes());
                payload = [message, payload].concat();
            } else {
                let mut message = kind.number().to_le_bytes().to_vec();
                message.extend(payload);
                payload = message;
            }
            let port = if kind == Kind::Data { port } else { PORT_CONTROL };
            let from = Address { node: 1, port: from };
            let bytes = from_ap(kind, from, port, confirm_rx, payload);
            if let Ok(out) = node.message(&bytes) {
                for output in out {
                    let Output::Send(bytes) = output else { continue };
                    let packet = Packet::parse(&bytes).unwrap();
                    prop_assert_eq!(packet.source.node, DSP);
                    prop_assert!(packet.kind != Kind::Data || Message::parse(&packet.payload).is_ok());
                }
            }
            prop_assert!(node.servers().count() <= 256);
        }
    }
}
