//! Behaviour of the edge: the recorded handshakes, every malformed command, and random command sequences.

use super::*;
use crate::glink::command::Intent;
use proptest::{collection::vec, prelude::*};

const CID: u16 = 7;

fn version(features: u32) -> Input {
    Input::Command(Command::Version { version: 1, features })
}

fn version_ack(features: u32) -> Input {
    Input::Command(Command::VersionAck { version: 1, features })
}

fn open(cid: u16) -> Command {
    Command::Open {
        cid,
        priority: 0,
        name: crate::glink::FASTRPC_CHANNEL.as_bytes().to_vec(),
    }
}

fn received(edge: &mut Edge, command: Command) -> Outcome {
    edge.step(Input::Command(command)).unwrap()
}

fn up() -> Edge {
    up_with(EdgeConfig::fastrpc(CID), 0)
}

fn up_with(config: EdgeConfig, features: u32) -> Edge {
    let mut edge = Edge::new(config);
    edge.step(version(features)).unwrap();
    edge.step(version_ack(features)).unwrap();
    received(&mut edge, Command::OpenAck { cid: CID });
    received(&mut edge, open(1));
    assert!(edge.is_up(CID));
    edge
}

fn intent_config(count: u32, size: u32) -> EdgeConfig {
    let mut channel = LocalChannel::fastrpc(CID);
    channel.intents = vec![IntentGroup { count, size }];
    EdgeConfig::smem(vec![channel])
}

fn with_intents() -> Edge {
    up_with(intent_config(2, 64), 1)
}

fn data(data: &[u8], left: u32) -> Command {
    Command::TxData {
        cid: 1,
        intent: 0,
        left,
        data: data.to_vec(),
    }
}

fn cont(data: &[u8], left: u32) -> Command {
    Command::TxDataCont {
        cid: 1,
        intent: 0,
        left,
        data: data.to_vec(),
    }
}

/// calculator-7.3.4, events 3 to 10.
#[test]
fn handshake_as_recorded() {
    let mut edge = Edge::new(EdgeConfig::fastrpc(CID));
    let out = edge.step(version(0)).unwrap();
    let version_1 = Command::Version {
        version: 1,
        features: 0,
    };
    assert_eq!(
        out.commands,
        [
            Command::VersionAck {
                version: 1,
                features: 0
            },
            version_1
        ]
    );
    let out = edge.step(version_ack(0)).unwrap();
    assert_eq!(out.commands, [open(CID)]);
    assert_eq!(out.events, [Event::Negotiated { features: 0 }]);
    assert_eq!(
        received(&mut edge, Command::OpenAck { cid: CID }),
        Outcome::default()
    );
    let out = received(&mut edge, open(1));
    assert_eq!(out.commands, [Command::OpenAck { cid: 1 }]);
    assert_eq!(out.events, [Event::Up(CID)]);
}

/// ssr-7.3.4: the DSP closes and opens again; the AP comes back with a new ID.
#[test]
fn close_by_the_dsp_as_recorded() {
    let mut edge = up();
    let out = edge.step(Input::Close(CID)).unwrap();
    assert_eq!(
        (out.commands, out.events),
        (vec![Command::Close { cid: CID }], vec![Event::Down(CID)])
    );
    assert_eq!(edge.step(Input::Open(CID)).unwrap(), Outcome::default());
    // The AP sent this before it knew.
    assert_eq!(
        received(&mut edge, data(b"late", 0)).events,
        [Event::Dropped(CID)]
    );
    assert_eq!(
        received(&mut edge, Command::Close { cid: 1 }).commands,
        [Command::CloseAck { cid: 1 }]
    );
    assert_eq!(
        received(&mut edge, Command::CloseAck { cid: CID }).commands,
        [open(CID)]
    );
    received(&mut edge, Command::OpenAck { cid: CID });
    assert_eq!(received(&mut edge, open(2)).events, [Event::Up(CID)]);
}

#[test]
fn a_closed_channel_stays_closed_until_it_is_wanted() {
    let mut edge = up();
    edge.step(Input::Close(CID)).unwrap();
    received(&mut edge, Command::Close { cid: 1 });
    assert_eq!(
        received(&mut edge, Command::CloseAck { cid: CID }),
        Outcome::default()
    );
    assert_eq!(
        edge.step(Input::Send(CID, vec![1])).unwrap().events,
        [Event::Dropped(CID)]
    );
    assert_eq!(edge.step(Input::Open(CID)).unwrap().commands, [open(CID)]);
}

#[test]
fn a_module_that_is_unloaded_can_come_back() {
    let mut edge = up();
    let out = received(&mut edge, Command::Close { cid: 1 });
    assert_eq!(
        out.commands,
        [Command::CloseAck { cid: 1 }, Command::Close { cid: CID }]
    );
    assert_eq!(out.events, [Event::Down(CID)]);
    let out = received(&mut edge, Command::CloseAck { cid: CID });
    assert_eq!(out.commands, [open(CID)]);
    received(&mut edge, Command::OpenAck { cid: CID });
    assert_eq!(received(&mut edge, open(2)).events, [Event::Up(CID)]);
}

/// The AP opens the channel that the DSP has opened, and closes it at once.
fn reject(edge: &mut Edge, id: u16) -> Outcome {
    received(edge, Command::OpenAck { cid: CID });
    received(edge, open(id));
    let out = received(edge, Command::Close { cid: id });
    let next = received(edge, Command::CloseAck { cid: CID });
    Outcome {
        commands: next.commands,
        events: out.events,
    }
}

#[test]
fn a_driver_that_refuses_the_channel_again_and_again_is_left_alone_until_another_comes() {
    let mut edge = up();
    received(&mut edge, Command::Close { cid: 1 });
    received(&mut edge, Command::CloseAck { cid: CID });
    let mut rounds = 0;
    loop {
        let out = reject(&mut edge, 2 + rounds);
        rounds += 1;
        if out.commands.is_empty() {
            assert_eq!(out.events, [Event::Down(CID), Event::Rejected(CID)]);
            break;
        }
        assert_eq!(out.commands, [open(CID)]);
        assert!(rounds < 100, "the DSP never gives up");
    }
    assert!(
        rounds > 8,
        "a driver may be loaded a few times without being used"
    );
    let mut fresh = Vec::new();
    fresh.extend(edge.step(version(0)).unwrap().commands);
    fresh.extend(edge.step(version_ack(0)).unwrap().commands);
    assert!(fresh.contains(&open(CID)), "{fresh:?}");
}

#[test]
fn a_driver_that_starts_anew_finds_a_fresh_edge() {
    let mut edge = up();
    received(&mut edge, data(b"half", 4));
    let out = edge.step(version(0)).unwrap();
    assert_eq!(out.events, [Event::Down(CID), Event::PeerRestarted]);
    assert_eq!(out.commands.len(), 2);
    assert_eq!(edge.step(version_ack(0)).unwrap().commands, [open(CID)]);
    received(&mut edge, Command::OpenAck { cid: CID });
    assert_eq!(received(&mut edge, open(1)).events, [Event::Up(CID)]);
    assert_eq!(
        received(&mut edge, data(b"x", 0)).events,
        [Event::Message(CID, b"x".to_vec())]
    );
}

/// Linux offers again what was acknowledged, when that is less than it offered first.
#[test]
fn fewer_features_are_negotiated_without_a_restart() {
    let mut edge = Edge::new(EdgeConfig::fastrpc(CID));
    let out = edge.step(version(5)).unwrap();
    assert_eq!(
        out.commands[0],
        Command::VersionAck {
            version: 1,
            features: 0
        }
    );
    edge.step(version_ack(0)).unwrap();
    let out = edge.step(version(0)).unwrap();
    assert_eq!(
        out.commands,
        [Command::VersionAck {
            version: 1,
            features: 0
        }]
    );
    assert_eq!(out.events, []);
    received(&mut edge, Command::OpenAck { cid: CID });
    assert_eq!(received(&mut edge, open(1)).events, [Event::Up(CID)]);
}

#[test]
fn the_ap_may_take_fewer_features() {
    let mut edge = Edge::new(intent_config(1, 64));
    edge.step(version(1)).unwrap();
    let out = edge.step(version_ack(0)).unwrap();
    assert_eq!(
        out.commands,
        [Command::Version {
            version: 1,
            features: 0
        }]
    );
    assert_eq!(
        edge.step(version_ack(0)).unwrap().events,
        [Event::Negotiated { features: 0 }]
    );
}

#[test]
fn messages_in_parts_are_put_together() {
    let mut edge = up();
    assert_eq!(received(&mut edge, data(b"ab", 3)), Outcome::default());
    assert_eq!(received(&mut edge, cont(b"c", 2)), Outcome::default());
    assert_eq!(
        received(&mut edge, cont(b"de", 0)).events,
        [Event::Message(CID, b"abcde".to_vec())]
    );
    assert_eq!(
        received(&mut edge, data(b"", 0)).events,
        [Event::Message(CID, vec![])]
    );
}

#[test]
fn long_messages_leave_in_parts() {
    let mut edge = up();
    let message: Vec<u8> = (0..20000u32).map(|i| i as u8).collect();
    let out = edge.step(Input::Send(CID, message.clone())).unwrap();
    let mut whole: Vec<u8> = Vec::new();
    for (i, command) in out.commands.iter().enumerate() {
        match command {
            Command::TxData {
                cid: CID, left, data, ..
            } if i == 0 => {
                whole.extend(data);
                assert_eq!(*left as usize, 20000 - whole.len());
            }
            Command::TxDataCont {
                cid: CID, left, data, ..
            } if i > 0 => {
                whole.extend(data);
                assert_eq!(*left as usize, 20000 - whole.len());
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(whole, message);
}

#[test]
fn an_answer_has_the_recorded_bytes() {
    let mut edge = up();
    let response = crate::fastrpc::Response {
        ctx: crate::fastrpc::Ctx(0x10100),
        retval: 0,
    };
    let out = edge.step(Input::Send(CID, response.encode())).unwrap();
    let hex: String = out.commands[0]
        .encode()
        .iter()
        .map(|b| format!("{b:02x}"))
        .collect();
    assert_eq!(
        hex,
        "0900070000000000100000000000000000010100000000000000000000000000"
    );
}

#[test]
fn unknown_services_of_the_ap_are_left_alone() {
    let mut edge = up();
    let other = Command::Open {
        cid: 9,
        priority: 0,
        name: b"glink_ssr".to_vec(),
    };
    assert_eq!(
        received(&mut edge, other.clone()).events,
        [Event::Refused("glink_ssr".into())]
    );
    // Linux gives up after 5 s without a word, and may use the ID again.
    assert_eq!(
        received(&mut edge, other).events,
        [Event::Refused("glink_ssr".into())]
    );
    assert_eq!(
        received(&mut edge, Command::Close { cid: 9 }).commands,
        [Command::CloseAck { cid: 9 }]
    );
}

#[test]
fn read_notif_and_signals_are_harmless() {
    let mut edge = up();
    assert_eq!(received(&mut edge, Command::ReadNotif).events, [Event::ReadNotif]);
    assert_eq!(
        received(
            &mut edge,
            Command::Signals {
                cid: 1,
                signals: u32::MAX
            }
        ),
        Outcome::default()
    );
}

#[test]
fn malformed_commands_stop_the_edge() {
    let error = |edge: Edge, command: Command| {
        let mut edge = edge;
        let error = edge.step(Input::Command(command)).unwrap_err();
        assert!(edge.is_stopped());
        assert_eq!(edge.step(version(0)), Err(EdgeError::Stopped));
        error
    };
    let half = || {
        let mut edge = up();
        received(&mut edge, data(b"ab", 3));
        edge
    };
    let other = |cid| Command::TxData {
        cid,
        intent: 0,
        left: 0,
        data: vec![],
    };
    let many: Vec<u8> = vec![0; 60000];
    assert!(matches!(
        error(up(), other(2)),
        EdgeError::UnknownChannel {
            command: "TX_DATA",
            cid: 2
        }
    ));
    assert!(matches!(error(up(), cont(b"x", 0)), EdgeError::BrokenMessage(1)));
    assert!(matches!(
        error(half(), data(b"x", 0)),
        EdgeError::BrokenMessage(1)
    ));
    assert!(matches!(
        error(half(), cont(b"x", 0)),
        EdgeError::BrokenMessage(1)
    ));
    assert!(matches!(
        error(half(), cont(b"xxxx", 0)),
        EdgeError::BrokenMessage(1)
    ));
    assert!(matches!(error(half(), cont(b"", 3)), EdgeError::BrokenMessage(1)));
    assert!(matches!(error(up(), data(b"", 3)), EdgeError::BrokenMessage(1)));
    assert!(matches!(
        error(up(), data(b"x", u32::MAX)),
        EdgeError::MessageTooLarge { .. }
    ));
    assert!(matches!(
        error(up(), data(&many, 6000)),
        EdgeError::MessageTooLarge { .. }
    ));
    assert!(matches!(error(up(), open(1)), EdgeError::Duplicate { .. }));
    let mut closed = up();
    closed.step(Input::Close(CID)).unwrap();
    received(&mut closed, Command::CloseAck { cid: CID });
    assert!(matches!(
        error(closed, Command::OpenAck { cid: CID }),
        EdgeError::Unexpected { .. }
    ));
    assert!(matches!(
        error(up(), Command::OpenAck { cid: 8 }),
        EdgeError::UnknownChannel { .. }
    ));
    assert!(matches!(
        error(up(), Command::Close { cid: 2 }),
        EdgeError::UnknownChannel { .. }
    ));
    assert!(matches!(
        error(up(), Command::CloseAck { cid: CID }),
        EdgeError::Unexpected { .. }
    ));
    assert!(matches!(
        error(up(), Command::RxDone { cid: 1, intent: 1 }),
        EdgeError::Intentless(_)
    ));
    assert!(matches!(
        error(up(), Command::RxIntentReq { cid: 1, size: 1 }),
        EdgeError::Intentless(_)
    ));
    assert!(matches!(
        error(
            up(),
            Command::Intents {
                cid: 1,
                intents: vec![]
            }
        ),
        EdgeError::Intentless(_)
    ));
    assert!(matches!(
        error(
            up(),
            Command::VersionAck {
                version: 1,
                features: 1
            }
        ),
        EdgeError::Negotiation { .. }
    ));
    assert!(matches!(
        error(
            Edge::new(EdgeConfig::fastrpc(CID)),
            Command::VersionAck {
                version: 1,
                features: 0
            }
        ),
        EdgeError::Negotiation { .. }
    ));
}

#[test]
fn intents_are_announced_consumed_and_reused() {
    let mut edge = Edge::new(intent_config(2, 64));
    edge.step(version(1)).unwrap();
    edge.step(version_ack(1)).unwrap();
    received(&mut edge, Command::OpenAck { cid: CID });
    let out = received(&mut edge, open(1));
    let announce = Command::Intents {
        cid: CID,
        intents: vec![Intent { size: 64, id: 1 }, Intent { size: 64, id: 2 }],
    };
    assert_eq!(out.commands, [Command::OpenAck { cid: 1 }, announce]);
    let message = Command::TxData {
        cid: 1,
        intent: 2,
        left: 0,
        data: vec![5],
    };
    let out = received(&mut edge, message.clone());
    assert_eq!(out.commands, [Command::RxDoneReuse { cid: CID, intent: 2 }]);
    assert_eq!(out.events, [Event::Message(CID, vec![5])]);
    received(&mut edge, message);
    let out = received(&mut edge, Command::RxIntentReq { cid: 1, size: 4096 });
    assert_eq!(
        out.commands,
        [
            Command::Intents {
                cid: CID,
                intents: vec![Intent { size: 4096, id: 3 }]
            },
            Command::RxIntentReqAck {
                cid: CID,
                granted: true
            },
        ]
    );
    let out = received(
        &mut edge,
        Command::RxIntentReq {
            cid: 1,
            size: u32::MAX,
        },
    );
    assert_eq!(
        out.commands,
        [Command::RxIntentReqAck {
            cid: CID,
            granted: false
        }]
    );
}

#[test]
fn messages_use_the_smallest_intent_that_fits_or_wait_for_one() {
    let mut edge = with_intents();
    let intents = vec![Intent { size: 100, id: 1 }, Intent { size: 20, id: 2 }];
    received(&mut edge, Command::Intents { cid: 1, intents });
    let sent = |out: Outcome| match &out.commands[..] {
        [Command::TxData { intent, .. }] => *intent,
        other => panic!("{other:?}"),
    };
    assert_eq!(sent(edge.step(Input::Send(CID, vec![0; 16])).unwrap()), 2);
    assert_eq!(sent(edge.step(Input::Send(CID, vec![0; 16])).unwrap()), 1);
    let out = edge.step(Input::Send(CID, vec![1; 16])).unwrap();
    assert_eq!(out.commands, [Command::RxIntentReq { cid: CID, size: 16 }]);
    assert_eq!(
        edge.step(Input::Send(CID, vec![2; 16])).unwrap(),
        Outcome::default()
    );
    assert_eq!(
        sent(received(&mut edge, Command::RxDoneReuse { cid: 1, intent: 2 })),
        2
    );
    let intents = vec![Intent { size: 16, id: 3 }];
    assert_eq!(sent(received(&mut edge, Command::Intents { cid: 1, intents })), 3);
    assert_eq!(
        received(
            &mut edge,
            Command::RxIntentReqAck {
                cid: 1,
                granted: true
            }
        ),
        Outcome::default()
    );
}

#[test]
fn a_denied_intent_drops_the_message() {
    let mut edge = with_intents();
    edge.step(Input::Send(CID, vec![1])).unwrap();
    let out = received(
        &mut edge,
        Command::RxIntentReqAck {
            cid: 1,
            granted: false,
        },
    );
    assert_eq!(out.events, [Event::Dropped(CID)]);
}

#[test]
fn misused_intents_stop_the_edge() {
    let error = |command: Command| {
        let mut edge = with_intents();
        received(
            &mut edge,
            Command::TxData {
                cid: 1,
                intent: 1,
                left: 5,
                data: vec![1],
            },
        );
        edge.step(Input::Command(command)).unwrap_err()
    };
    let data = |intent, len| Command::TxData {
        cid: 1,
        intent,
        left: 0,
        data: vec![0; len],
    };
    assert!(matches!(
        error(data(9, 1)),
        EdgeError::BadIntent { intent: 9, .. }
    ));
    assert!(matches!(
        error(data(2, 65)),
        EdgeError::BadIntent { intent: 2, .. }
    ));
    assert!(matches!(error(data(1, 1)), EdgeError::BrokenMessage(1)));
    assert!(matches!(
        error(Command::RxDone { cid: 1, intent: 1 }),
        EdgeError::BadIntent { .. }
    ));
    let twice = vec![Intent { size: 1, id: 1 }; 2];
    assert!(matches!(
        error(Command::Intents {
            cid: 1,
            intents: twice
        }),
        EdgeError::DuplicateIntent { .. }
    ));
    let many = (0..300).map(|id| Intent { size: 1, id }).collect();
    assert!(matches!(
        error(Command::Intents {
            cid: 1,
            intents: many
        }),
        EdgeError::TooManyIntents(1)
    ));
    assert!(matches!(
        error(Command::RxIntentReqAck {
            cid: 1,
            granted: true
        }),
        EdgeError::Unexpected { .. }
    ));
}

fn commands() -> impl Strategy<Value = Command> {
    let cid = prop_oneof![Just(1u16), Just(CID), 0u16..4];
    let small = prop_oneof![0u32..4, any::<u32>()];
    (cid, small.clone(), small, 0usize..80, 0u8..15).prop_map(|(cid, a, b, len, which)| match which {
        0 => Command::Version {
            version: cid,
            features: a,
        },
        1 => Command::VersionAck {
            version: 1,
            features: a & 1,
        },
        2 | 3 => open(cid),
        4 => Command::Close { cid },
        5 | 6 => Command::OpenAck { cid },
        7 => Command::Intents {
            cid,
            intents: vec![Intent { size: a, id: b }],
        },
        8 => Command::RxDone { cid, intent: a },
        9 => Command::RxIntentReq { cid, size: a },
        10 => Command::RxIntentReqAck {
            cid,
            granted: a & 1 != 0,
        },
        11 => Command::TxData {
            cid,
            intent: a,
            left: b,
            data: vec![0; len],
        },
        12 => Command::TxDataCont {
            cid,
            intent: a,
            left: b,
            data: vec![0; len],
        },
        13 => Command::CloseAck { cid },
        _ => Command::RxDoneReuse { cid, intent: a },
    })
}

proptest! {
    /// Whatever comes, the edge answers or stops; a channel goes up and down in turn; messages come only while it is up.
    #[test]
    fn any_sequence_keeps_the_rules(commands in vec(commands(), 0..60), intents in any::<bool>(), sends in any::<u64>()) {
        let mut edge = Edge::new(if intents { intent_config(2, 64) } else { EdgeConfig::fastrpc(CID) });
        let mut is_up = false;
        for (i, command) in commands.into_iter().enumerate() {
            let input = match sends >> (i % 64) & 7 {
                5 => Input::Send(CID, vec![0; 30]),
                6 => Input::Close(CID),
                7 => Input::Open(CID),
                _ => Input::Command(command),
            };
            let Ok(out) = edge.step(input) else { break };
            for event in out.events {
                match event {
                    Event::Up(_) => { prop_assert!(!is_up); is_up = true; }
                    Event::Down(_) => { prop_assert!(is_up); is_up = false; }
                    Event::Message(..) => prop_assert!(is_up),
                    _ => {}
                }
            }
            prop_assert_eq!(edge.is_up(CID), is_up);
            for command in out.commands {
                prop_assert_eq!(Command::parse(&command.encode()), Ok(command));
            }
        }
    }
}
