//! What a DSP does on the channels that a board has beside FastRPC: the router (QRTR, with the QMI services in it), the
//! restarts of other subsystems, and on an ADSP the audio services, of which there are none. The sensor core is there on the
//! DSP that the profile says, and has no sensors.

use super::domain::Domain;
use emu_core::UTIMER_HZ;
use emu_os::action::{Action, Channel};
use rpmsg::apr;
use rpmsg::glink::{EdgeConfig, LocalChannel};
use rpmsg::glink_ssr::DoCleanup;
use rpmsg::qmi::{servreg::State, ssc::SensorRequest};
use rpmsg::qrtr::{Node, NodeConfig, NodeEvent, Output};
use std::time::{Duration, Instant};

/// The protection domain that the audio services live in.
const AUDIO_PD: &str = "msm/adsp/audio_pd";

/// How long the DSP waits for the AP's HELLO before it begins itself: a newer kernel always begins, as soon as its driver
/// has the channel.
const GREETING: Duration = Duration::from_millis(150);

/// The services of one session.
pub struct BoardChannels {
    domain: &'static Domain,
    node: Node,
    /// When the DSP says HELLO, if the AP has not by then.
    greeting: Option<Instant>,
    /// The beginning of the time that sensors tell.
    started: Instant,
    /// Whether it was said that no sensor will be found.
    said_no_sensors: bool,
}

impl BoardChannels {
    /// Those of a DSP. `ssctl` is the instance of its SSCTL service ([`ssctl_instance`](super::domain::ssctl_instance)):
    /// without one the AP does not ask it to shut down. `sensors` is whether the sensor core is on it.
    pub fn new(domain: &'static Domain, ssctl: Option<u8>, sensors: bool) -> Self {
        let node = Node::new(NodeConfig {
            ssctl: ssctl.map(u32::from),
            sensors,
            ..NodeConfig::new(domain.qrtr_node, domain.label)
        });
        Self {
            domain,
            node,
            greeting: None,
            started: Instant::now(),
            said_no_sensors: false,
        }
    }

    fn offered(&self) -> impl Iterator<Item = Channel> {
        let has_audio = self.node.domains().any(|(path, _)| path == AUDIO_PD);
        let offered = move |channel: &Channel| *channel != Channel::Audio || has_audio;
        Channel::ALL.into_iter().filter(offered)
    }

    /// The edge with the channels that the DSP offers.
    pub fn edge(&self) -> EdgeConfig {
        let channel = |channel: Channel| match channel {
            Channel::FastRpc => LocalChannel::fastrpc(channel.cid()),
            Channel::Router => LocalChannel::ipc_router(channel.cid()),
            Channel::Restart => LocalChannel::glink_ssr(channel.cid()),
            Channel::Audio => LocalChannel::apr(channel.cid()),
        };
        EdgeConfig::smem(self.offered().map(channel).collect())
    }

    /// A channel is open.
    pub fn up(&mut self, channel: Channel) -> Vec<Action> {
        match channel {
            Channel::Router => {
                self.node.up();
                self.greeting = Some(Instant::now() + GREETING);
                Vec::new()
            }
            Channel::FastRpc | Channel::Restart | Channel::Audio => Vec::new(),
        }
    }

    /// What is to be done because its time has come; asked for every now and then.
    pub fn due(&mut self, now: Instant) -> Vec<Action> {
        if self.greeting.take_if(|at| *at <= now).is_none() {
            return Vec::new();
        }
        let outputs = self.node.greet();
        self.actions(outputs)
    }

    /// A message came. One that makes no sense is said once and has no effect.
    pub fn message(&mut self, channel: Channel, bytes: &[u8]) -> Vec<Action> {
        match channel {
            Channel::Router => {
                self.node.set_ticks(ticks(self.started.elapsed()));
                match self.node.message(bytes) {
                    Ok(outputs) => self.actions(outputs),
                    Err(error) => self.dropped(&error),
                }
            }
            Channel::Restart => match DoCleanup::parse(bytes) {
                Ok(message) => {
                    tracing::info!(target: "emu::board", dsp = self.domain.label, subsystem = message.subsystem, "another subsystem stopped");
                    vec![Action::Send(channel, message.done().encode())]
                }
                Err(error) => self.dropped(&error),
            },
            Channel::Audio => match apr::Packet::parse(bytes) {
                Ok(packet) if packet.is_command() => {
                    tracing::info!(target: "emu::board", dsp = self.domain.label, opcode = format_args!("{:#x}", packet.opcode), "there is no audio");
                    vec![Action::Send(channel, packet.unsupported().encode())]
                }
                Ok(_) => Vec::new(),
                Err(error) => self.dropped(&error),
            },
            Channel::FastRpc => Vec::new(),
        }
    }

    fn dropped(&self, error: &dyn std::error::Error) -> Vec<Action> {
        tracing::warn!(target: "emu::board", dsp = self.domain.label, "a message is dropped: {error}");
        Vec::new()
    }

    /// A channel is closed. Who listened on it is forgotten when it opens again; what goes out until then is lost.
    pub fn down(&mut self, channel: Channel) {
        if channel == Channel::Router {
            self.greeting = None;
        }
    }

    /// A protection domain changes; `None` if there is no such domain.
    pub fn set_pd(&mut self, name: &str, up: bool) -> Option<Vec<Action>> {
        let state = if up { State::Up } else { State::Down };
        let outputs = self.node.set_pd(name, state).ok()?;
        Some(self.actions(outputs))
    }

    fn actions(&mut self, outputs: Vec<Output>) -> Vec<Action> {
        let mut actions = Vec::new();
        for output in outputs {
            match output {
                Output::Send(bytes) => actions.push(Action::Send(Channel::Router, bytes)),
                Output::Event(event) => actions.extend(self.event(&event)),
            }
        }
        actions
    }

    fn event(&mut self, event: &NodeEvent) -> Vec<Action> {
        let dsp = self.domain.label;
        match event {
            NodeEvent::ShutdownRequested => {
                tracing::info!(target: "emu::board", dsp, "the AP asks the DSP to shut down");
                // calls that run go on until the AP closes the FastRPC channel, which it does next
                let outputs = self.node.shutdown_ready();
                return self.actions(outputs);
            }
            NodeEvent::SubsystemEvent(event) => {
                let (subsystem, phase) = (&event.subsystem, event.phase);
                tracing::info!(target: "emu::board", dsp, subsystem, ?phase, "another subsystem");
            }
            NodeEvent::PdState { path, state } => {
                tracing::info!(target: "emu::board", dsp, path, ?state, "a protection domain changed");
            }
            NodeEvent::PdRestartRequested { path } => {
                tracing::info!(target: "emu::board", dsp, path, "the AP restarts a protection domain");
            }
            NodeEvent::Refused(refusal) => {
                tracing::warn!(target: "emu::board", dsp, "a QMI message is dropped: {refusal}");
            }
            NodeEvent::Sensors {
                client,
                request: SensorRequest::NotFound(data_type),
            } if self.said_no_sensors => {
                tracing::debug!(target: "emu::board", dsp, %client, data_type, "there are no sensors");
            }
            NodeEvent::Sensors {
                client,
                request: SensorRequest::NotFound(data_type),
            } => {
                self.said_no_sensors = true;
                tracing::warn!(target: "emu::board", dsp, %client, data_type, "the sensor core has no registry and no sensors: it answers every lookup with an empty list (said once)");
            }
            NodeEvent::Sensors { client, request } => {
                tracing::warn!(target: "emu::board", dsp, %client, "the sensor core refuses {request}");
            }
            NodeEvent::Dropped(socket) => {
                tracing::warn!(target: "emu::board", dsp, %socket, "a socket of the AP does not read: a message to it is lost");
            }
            other => tracing::debug!(target: "emu::board", dsp, event = ?other, "QRTR"),
        }
        Vec::new()
    }
}

/// A time as the DSP's timer counts it.
fn ticks(since: Duration) -> u64 {
    let ticks = since.as_nanos() * u128::from(UTIMER_HZ) / 1_000_000_000;
    u64::try_from(ticks).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rpmsg::qmi::{self, Body as _, Message, servreg::messages::RegisterListener, ssctl::Shutdown};
    use rpmsg::qrtr::{Address, Control, Kind, PORT_CONTROL, Packet, Version};

    const AP: Address = Address {
        node: 1,
        port: 0x4000,
    };

    fn adsp() -> BoardChannels {
        BoardChannels::new(Domain::by_label("adsp").unwrap(), Some(0x14), false)
    }

    fn packet(kind: Kind, port: u32, payload: Vec<u8>) -> Vec<u8> {
        let destination = Address { node: 5, port };
        let packet = Packet {
            version: Version::V1,
            kind,
            source: AP,
            destination,
            confirm_rx: false,
            payload,
        };
        packet.encode().unwrap()
    }

    fn sent(actions: &[Action]) -> Vec<Packet> {
        let packet = |action: &Action| match action {
            Action::Send(Channel::Router, bytes) => Packet::parse(bytes).unwrap(),
            other => panic!("{other:?}"),
        };
        actions.iter().map(packet).collect()
    }

    #[test]
    fn an_adsp_offers_four_channels_and_greets_on_one() {
        let mut channels = adsp();
        let edge = channels.edge();
        let names: Vec<_> = edge.channels.iter().map(|c| c.name.as_str()).collect();
        let common = ["fastrpcglink-apps-dsp", "IPCRTR", "glink_ssr"];
        assert_eq!((&names[..3], names[3]), (&common[..], "apr_audio_svc"));
        let cdsp = BoardChannels::new(Domain::by_label("cdsp").unwrap(), None, false).edge();
        assert_eq!(cdsp.channels.len(), 3);
        assert_eq!(channels.up(Channel::FastRpc), []);
        assert_eq!(channels.up(Channel::Restart), []);
        assert_eq!(channels.up(Channel::Router), [], "the AP may begin");
        let later = Instant::now() + GREETING;
        assert_eq!(sent(&channels.due(later))[0].kind, Kind::Hello);
        assert_eq!(channels.due(later), [], "once");
        let hello = packet(Kind::Hello, PORT_CONTROL, Control::Hello.encode());
        let out = channels.message(Channel::Router, &hello);
        let announced = sent(&out).iter().filter(|p| p.kind == Kind::NewServer).count();
        assert_eq!(announced, 2, "SSCTL and the notifier");
        channels.up(Channel::Router);
        channels.message(Channel::Router, &hello);
        assert_eq!(channels.due(later + GREETING), [], "the AP began");
        channels.up(Channel::Router);
        channels.down(Channel::Router);
        assert_eq!(channels.due(later + GREETING), []);
    }

    #[test]
    fn a_shutdown_is_answered_and_then_ready() {
        let mut channels = adsp();
        channels.up(Channel::Router);
        let request = Message::request(1, &Shutdown).encode();
        let out = sent(&channels.message(Channel::Router, &packet(Kind::Data, 1, request)));
        let kinds: Vec<_> = out
            .iter()
            .map(|p| Message::parse(&p.payload).unwrap().kind)
            .collect();
        assert_eq!(kinds, [qmi::Kind::Response, qmi::Kind::Indication]);
    }

    #[test]
    fn protection_domains_have_listeners() {
        let mut channels = adsp();
        channels.up(Channel::Router);
        let path = "msm/adsp/audio_pd";
        assert_eq!(channels.set_pd(path, false), Some(vec![]));
        let register = RegisterListener {
            enable: 1,
            path: path.to_owned(),
        };
        let request = Message::request(1, &register).encode();
        channels.message(Channel::Router, &packet(Kind::Data, 2, request));
        let up = sent(&channels.set_pd(path, true).unwrap());
        assert_eq!(up[0].destination, AP);
        let message = Message::parse(&up[0].payload).unwrap();
        let updated = qmi::servreg::messages::StateUpdated::decode(&message.body).unwrap();
        assert_eq!((updated.state, updated.path.as_str()), (State::Up, path));
        assert_eq!(channels.set_pd("msm/cdsp/root_pd", true), None);
    }

    /// What case after case of sensor clients begins with: the DSP that has the sensors announces their core, which answers.
    #[test]
    fn the_sensor_core_is_announced_where_it_is_and_answers() {
        let hello = packet(Kind::Hello, PORT_CONTROL, Control::Hello.encode());
        let mut channels = BoardChannels::new(Domain::by_label("adsp").unwrap(), None, true);
        channels.up(Channel::Router);
        let out = sent(&channels.message(Channel::Router, &hello));
        let announced = out.iter().filter_map(|p| match Control::parse(&p.payload) {
            Ok(Control::NewServer(server)) => Some((server.service, server.address.port)),
            _ => None,
        });
        assert!(announced.into_iter().any(|server| server == (400, 5)));
        let ask = |report| {
            let asked = qmi::ssc::messages::SuidRequest {
                data_type: "accel".into(),
                register_updates: false,
                default_only: true,
            };
            let request = qmi::ssc::messages::ClientRequest {
                suid: qmi::ssc::messages::Suid::LOOKUP,
                message: qmi::ssc::messages::id::SUID_REQUEST,
                processor: 1,
                delivery: 0,
                payload: Some(asked.encode()),
            }
            .encode();
            let control = qmi::ssc::messages::Control { request, report };
            packet(Kind::Data, 5, Message::request(1, &control).encode())
        };
        for report in [None, Some(1)] {
            let out = sent(&channels.message(Channel::Router, &ask(report)));
            assert_eq!(out.len(), 2);
            assert!(out.iter().all(|p| p.destination == AP));
        }
        assert!(channels.said_no_sensors);
        let mut without = adsp();
        without.up(Channel::Router);
        assert_eq!(without.message(Channel::Router, &ask(None)), [], "no such port");
    }

    #[test]
    fn the_timer_counts_19_2_million_a_second() {
        assert_eq!(ticks(Duration::from_millis(1500)), 28_800_000);
        assert_eq!(ticks(Duration::MAX), u64::MAX);
    }

    #[test]
    fn cleanups_are_done_and_nonsense_is_nothing() {
        let mut channels = adsp();
        let message = DoCleanup {
            sequence: 3,
            subsystem: "cdsp".into(),
        };
        assert_eq!(
            channels.message(Channel::Restart, &message.encode()),
            [Action::Send(Channel::Restart, message.done().encode())]
        );
        for channel in [Channel::Restart, Channel::Router, Channel::Audio] {
            assert_eq!(channels.message(channel, &[1, 2, 3]), []);
        }
    }

    #[test]
    fn audio_commands_are_refused() {
        let mut channels = adsp();
        let at = |domain| apr::Address {
            service: 3,
            domain,
            port: 0,
        };
        let command = apr::Packet {
            version: 0,
            kind: apr::Kind::Command,
            source: at(5),
            destination: at(4),
            token: 5,
            opcode: 0x12905,
            payload: Vec::new(),
        };
        let answer = command.unsupported();
        assert_eq!(
            channels.message(Channel::Audio, &command.encode()),
            [Action::Send(Channel::Audio, answer.encode())]
        );
        assert_eq!(channels.message(Channel::Audio, &answer.encode()), []);
    }
}
