//! A DSP's node: its name service, its servers, and what it knows of the AP's.
//!
//! Source: the AP's side in `net/qrtr/ns.c` and `af_qrtr.c`. There is no clock. [`Node::up`] starts anew whenever the channel
//! opens: only the states of the protection domains, which live on the DSP, outlast it.
//!
//! A 6.12 kernel never says HELLO first, it answers ours; a 7.3 kernel begins, and cannot send anything else before it has. So the DSP lets the AP begin, and [`Node::greet`] begins when it did not for a while. Its
//! servers are announced on the AP's HELLO. A HELLO of ours that went first is said again then: the newer kernel may have
//! taken it when it could not announce its own servers yet.

use super::{
    NODE_ANY, NODE_AP, PORT_CONTROL,
    control::{Control, ControlError, Server},
    flow::{Admission, Flows},
    packet::{Address, Kind, Packet, PacketError, Version},
};
use crate::qmi::{
    self, Message, MessageError, Status,
    service::{Effect, Service},
    servreg::{self, Locator, Notifier, State, Subsystem, messages::FailureReason, notifier::UnknownDomain},
    ssc::{SensorCore, SensorRequest},
    ssctl::{Ssctl, SubsystemEvent},
};
use std::collections::BTreeMap;

/// Bounds on what the AP can make a node remember.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeLimits {
    /// Servers of the AP.
    pub servers: usize,
    /// Sockets of the AP whose flow is controlled.
    pub sockets: usize,
    /// Packets that wait for one socket.
    pub queue: usize,
}

impl Default for NodeLimits {
    fn default() -> Self {
        Self {
            servers: 256,
            sockets: 256,
            queue: 64,
        }
    }
}

/// What a node is made of.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeConfig {
    /// Its number; not 1, which is the AP's.
    pub node: u32,
    /// Header of the packets it sends.
    pub version: Version,
    /// Instance of its SSCTL service, as the remoteproc driver expects it. Without one the kernel waits in vain for it at a stop.
    pub ssctl: Option<u32>,
    /// Its protection domains: it has a notifier for them.
    pub domains: Option<Subsystem>,
    /// Whether the AP may restart them.
    pub restartable: bool,
    /// Whether it has the sensor core. That lives in the protection domain `…/sensor_pd`, if there is one: it goes and comes
    /// with it.
    pub sensors: bool,
    /// Domains that it offers a locator for, in the place of an AP that has none; empty for no locator.
    pub locator: Vec<Subsystem>,
    /// Bounds.
    pub limits: NodeLimits,
}

impl NodeConfig {
    /// A node with the protection domains of the DSP that FastRPC calls `label`, and no SSCTL service.
    #[must_use]
    pub fn new(node: u32, label: &str) -> Self {
        Self {
            node,
            version: Version::V1,
            ssctl: None,
            domains: Subsystem::of(label),
            restartable: true,
            sensors: false,
            locator: Vec::new(),
            limits: NodeLimits::default(),
        }
    }
}

/// What a node wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Output {
    /// A message on the channel.
    Send(Vec<u8>),
    /// Something to know.
    Event(NodeEvent),
}

/// What happened on a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NodeEvent {
    /// The AP's name service is there.
    Hello {
        /// Its node number.
        node: u32,
    },
    /// It is gone, with all its servers and clients.
    Bye {
        /// Its node number.
        node: u32,
    },
    /// The AP has a server.
    ServerUp(Server),
    /// It is gone.
    ServerDown(Server),
    /// The AP asks the DSP to shut down: come to rest, then [`Node::shutdown_ready`].
    ShutdownRequested,
    /// The AP tells about another subsystem.
    SubsystemEvent(SubsystemEvent),
    /// A client begins or ceases to listen to a protection domain.
    Listener {
        /// Path of the domain.
        path: String,
        /// The client's socket.
        client: Address,
        /// Begins.
        listens: bool,
    },
    /// A protection domain changed its state.
    PdState {
        /// Path of the domain.
        path: String,
        /// The new state.
        state: State,
    },
    /// A listener acknowledged a change of state.
    PdAcknowledged {
        /// Path of the domain.
        path: String,
        /// The client's socket.
        client: Address,
        /// Which indication.
        transaction: u16,
    },
    /// The AP asks for the restart of a protection domain; the node does it.
    PdRestartRequested {
        /// Path of the domain.
        path: String,
    },
    /// Somebody told our locator why a domain failed.
    FailureReason {
        /// Name of the service or path of the domain.
        service: String,
        /// What happened.
        reason: String,
    },
    /// The AP's locator answered [`Node::report_failure`].
    FailureReported(Status),
    /// The sensor core was asked for something that there is not.
    Sensors {
        /// The client's socket.
        client: Address,
        /// What.
        request: SensorRequest,
    },
    /// A packet for this socket is lost: it has not read its earlier ones.
    Dropped(Address),
    /// A packet reached its port, where it made no sense.
    Refused(Refusal),
}

/// Why a port refuses a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No QMI message.
    #[error(transparent)]
    Message(#[from] MessageError),
    /// A QMI response that nobody waits for, an indication, or a response that cannot be decoded.
    #[error("unexpected QMI {kind:?} {id:#x} from {from}")]
    Unexpected {
        /// What it is.
        kind: qmi::Kind,
        /// Which message.
        id: u16,
        /// Who sent it.
        from: Address,
    },
}

/// Why a packet is dropped. It changed nothing.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NodeError {
    /// No packet.
    #[error(transparent)]
    Packet(#[from] PacketError),
    /// A packet to the name service that holds no control message.
    #[error(transparent)]
    Control(#[from] ControlError),
    /// The packet's type is not that of the control message in it.
    #[error("QRTR packet of type {header:?} with a control message of type {payload:?}")]
    Mismatch {
        /// Type in the header.
        header: Kind,
        /// Type in the payload.
        payload: Kind,
    },
    /// For another node.
    #[error("QRTR packet for {0}, which is not here")]
    Misrouted(Address),
    /// No server has this port.
    #[error("QRTR packet for port {0:#x}, which nobody has")]
    NoPort(u32),
    /// A name service speaks for somebody else's socket.
    #[error("QRTR node {from} takes back the socket {socket}")]
    Spoofed {
        /// The sender's node.
        from: u32,
        /// The socket it names.
        socket: Address,
    },
    /// A server without service or port number, or more than are remembered.
    #[error("QRTR server of service {} at {} is not accepted", .0.service, .0.address)]
    Server(Server),
}

/// Ports of the DSP.
mod port {
    pub(super) const SSCTL: u32 = 1;
    pub(super) const NOTIFIER: u32 = 2;
    pub(super) const LOCATOR: u32 = 3;
    pub(super) const CLIENT: u32 = 4;
    pub(super) const SENSORS: u32 = 5;
}

/// Whether sensors live in the protection domain with this path.
fn is_sensor_pd(path: &str) -> bool {
    path.ends_with("/sensor_pd")
}

#[derive(Debug, Clone)]
struct Outgoing {
    port: u32,
    payload: Vec<u8>,
}

/// A DSP's node.
#[derive(Debug, Clone)]
pub struct Node {
    config: NodeConfig,
    ssctl: Option<Ssctl>,
    notifier: Option<Notifier>,
    locator: Option<Locator>,
    sensors: Option<SensorCore>,
    /// The AP's servers by address: a socket has one.
    servers: BTreeMap<Address, Server>,
    flows: Flows<Outgoing>,
    greeted: bool,
    transaction: u16,
    /// Transaction of the failure report that is not answered yet, and to whom it went.
    reporting: Option<(Address, u16)>,
}

impl Node {
    /// A node whose channel is not open yet.
    #[must_use]
    pub fn new(config: NodeConfig) -> Self {
        let restartable = config.restartable;
        let subsystem = config.domains.as_ref();
        let locator = (!config.locator.is_empty()).then(|| Locator::new(config.locator.clone()));
        Self {
            ssctl: config.ssctl.map(Ssctl::new),
            notifier: subsystem.map(|s| Notifier::new(s, restartable)),
            locator,
            sensors: config.sensors.then(SensorCore::new),
            servers: BTreeMap::new(),
            flows: Flows::new(config.limits.sockets, config.limits.queue),
            greeted: false,
            transaction: 0,
            reporting: None,
            config,
        }
    }

    /// What it is made of.
    #[must_use]
    pub const fn config(&self) -> &NodeConfig {
        &self.config
    }

    /// The servers that it announces.
    #[must_use]
    pub fn own_servers(&self) -> Vec<Server> {
        let server = |service: &dyn Service, port| {
            let address = self.address(port);
            Server::qmi(service.number(), service.version(), service.instance(), address)
        };
        let ssctl = self.ssctl.as_ref().map(|s| server(s, port::SSCTL));
        let notifier = self.notifier.as_ref().map(|s| server(s, port::NOTIFIER));
        let locator = self.locator.as_ref().map(|s| server(s, port::LOCATOR));
        let sensors = self.sensors.as_ref().filter(|_| self.sensors_run());
        let sensors = sensors.map(|s| server(s, port::SENSORS));
        [ssctl, notifier, locator, sensors]
            .into_iter()
            .flatten()
            .collect()
    }

    /// Whether the sensor core's protection domain is up.
    fn sensors_run(&self) -> bool {
        self.domains()
            .all(|(path, state)| !is_sensor_pd(path) || state != State::Down)
    }

    /// What time it is on the DSP, in ticks of 19.2 MHz: what sensors report from now on carries it.
    pub const fn set_ticks(&mut self, ticks: u64) {
        if let Some(sensors) = &mut self.sensors {
            sensors.set_ticks(ticks);
        }
    }

    /// The AP's servers that it knows.
    pub fn servers(&self) -> impl Iterator<Item = &Server> {
        self.servers.values()
    }

    /// Paths and states of its protection domains.
    pub fn domains(&self) -> impl Iterator<Item = (&str, State)> {
        self.notifier.iter().flat_map(Notifier::domains)
    }

    /// The channel is open, for the first time or again: forgets everything about the AP, and waits for its HELLO.
    pub fn up(&mut self) {
        let notifier = self.notifier.take();
        *self = Self::new(self.config.clone());
        self.notifier = notifier;
        if let Some(notifier) = &mut self.notifier {
            notifier.reset();
        }
    }

    /// The AP has not said HELLO for a while: begins. Nothing if it did.
    pub fn greet(&mut self) -> Vec<Output> {
        if self.greeted {
            return Vec::new();
        }
        self.control(NODE_AP, Control::Hello).into_iter().collect()
    }

    /// A protection domain changed its state: tells whoever listens.
    ///
    /// # Errors
    /// [`UnknownDomain`]
    pub fn set_pd(&mut self, path: &str, state: State) -> Result<Vec<Output>, UnknownDomain> {
        let unknown = || UnknownDomain(path.to_owned());
        let effects = self.notifier.as_mut().ok_or_else(unknown)?.set(path, state)?;
        Ok(self.perform(port::NOTIFIER, effects))
    }

    /// A protection domain goes down, and comes up again when all listeners have acknowledged that.
    ///
    /// # Errors
    /// [`UnknownDomain`]
    pub fn restart_pd(&mut self, path: &str) -> Result<Vec<Output>, UnknownDomain> {
        let unknown = || UnknownDomain(path.to_owned());
        let effects = self.notifier.as_mut().ok_or_else(unknown)?.restart(path)?;
        Ok(self.perform(port::NOTIFIER, effects))
    }

    /// The DSP has come to rest after [`NodeEvent::ShutdownRequested`]: tells the AP that it may switch it off.
    pub fn shutdown_ready(&mut self) -> Vec<Output> {
        let ready = self.ssctl.as_mut().and_then(Ssctl::ready);
        self.perform(port::SSCTL, ready.into_iter().collect())
    }

    /// Tells the AP's locator why a protection domain failed; the kernel's prints it. Nothing if the AP has none.
    pub fn report_failure(&mut self, service: &str, reason: &str) -> Vec<Output> {
        let locator = Server::qmi(servreg::LOCATOR, 1, 1, Address { node: 0, port: 0 });
        let is_locator = |s: &&Server| (s.service, s.instance) == (locator.service, locator.instance);
        let Some(to) = self.servers().find(is_locator).map(|s| s.address) else {
            return Vec::new();
        };
        self.transaction = self.transaction.wrapping_add(1);
        self.reporting = Some((to, self.transaction));
        let body = FailureReason {
            service: service.to_owned(),
            reason: reason.to_owned(),
        };
        let request = Message::request(self.transaction, &body);
        self.perform(port::CLIENT, vec![Effect::Send(to, request)])
    }

    /// The channel delivered a message.
    ///
    /// # Errors
    /// [`NodeError`]: the packet is dropped, as the kernel drops what it cannot route, and nothing changed.
    pub fn message(&mut self, bytes: &[u8]) -> Result<Vec<Output>, NodeError> {
        let packet = Packet::parse(bytes)?;
        let to = packet.destination;
        let is_control = to.port == PORT_CONTROL;
        if to.node != self.config.node && !(is_control && to.node == NODE_ANY) {
            return Err(NodeError::Misrouted(to));
        }
        if packet.kind == Kind::ResumeTx || (is_control && packet.kind != Kind::Data) {
            let control = Control::parse(&packet.payload)?;
            if control.kind() != packet.kind {
                return Err(NodeError::Mismatch {
                    header: packet.kind,
                    payload: control.kind(),
                });
            }
            return self.receive_control(packet.source.node, control);
        }
        if packet.kind != Kind::Data {
            return Err(NodeError::NoPort(to.port));
        }
        let mut out = Vec::new();
        let effects = match self.receive_data(&packet)? {
            Ok(effects) => effects,
            Err(refusal) => vec![Effect::Event(NodeEvent::Refused(refusal))],
        };
        if packet.confirm_rx {
            out.extend(self.packet(
                Kind::ResumeTx,
                to.port,
                packet.source,
                false,
                Control::ResumeTx(to).encode(),
            ));
        }
        out.extend(self.perform(to.port, effects));
        Ok(out)
    }

    fn receive_data(&mut self, packet: &Packet) -> Result<Result<Vec<Effect>, Refusal>, NodeError> {
        let port = packet.destination.port;
        let from = packet.source;
        let sensors_run = self.sensors_run();
        let service: Option<&mut dyn Service> = match port {
            port::SSCTL => self.ssctl.as_mut().map(|s| s as _),
            port::NOTIFIER => self.notifier.as_mut().map(|s| s as _),
            port::LOCATOR => self.locator.as_mut().map(|s| s as _),
            port::SENSORS if sensors_run => self.sensors.as_mut().map(|s| s as _),
            _ => None,
        };
        if service.is_none() && port != port::CLIENT {
            return Err(NodeError::NoPort(port));
        }
        let message = match Message::parse(&packet.payload) {
            Ok(message) => message,
            Err(error) => return Ok(Err(error.into())),
        };
        let unexpected = Refusal::Unexpected {
            kind: message.kind,
            id: message.id,
            from,
        };
        Ok(match (service, message.kind) {
            (Some(service), qmi::Kind::Request) => Ok(service.request(from, &message)),
            (None, qmi::Kind::Response) if self.reporting == Some((from, message.transaction)) => {
                let elements = qmi::Elements::parse(&message.body);
                match elements.and_then(|e| Status::read(&e)) {
                    Ok(status) => {
                        self.reporting = None;
                        Ok(vec![Effect::Event(NodeEvent::FailureReported(status))])
                    }
                    Err(_) => Err(unexpected),
                }
            }
            _ => Err(unexpected),
        })
    }

    fn receive_control(&mut self, from: u32, control: Control) -> Result<Vec<Output>, NodeError> {
        match control {
            Control::Hello => Ok(self.receive_hello(from)),
            Control::Bye { .. } => {
                self.greeted = false;
                let mut out = self.forget(&|a| a.node == from);
                out.push(Output::Event(NodeEvent::Bye { node: from }));
                Ok(out)
            }
            Control::NewServer(server) => {
                let known = self.servers.contains_key(&server.address);
                let fits = known || self.servers.len() < self.config.limits.servers;
                if server.service == 0 || server.address.port == 0 || !fits {
                    return Err(NodeError::Server(server));
                }
                if self.servers.insert(server.address, server) == Some(server) {
                    return Ok(Vec::new());
                }
                Ok(vec![Output::Event(NodeEvent::ServerUp(server))])
            }
            Control::DelServer(server) => Ok(self.remove_server(server.address).into_iter().collect()),
            Control::DelClient(socket) => {
                if socket.node != from {
                    return Err(NodeError::Spoofed { from, socket });
                }
                Ok(self.forget(&|a| a == socket))
            }
            Control::ResumeTx(socket) => {
                let waiting = self.flows.resume(socket);
                let send = |(o, confirm): (Outgoing, bool)| {
                    self.packet(Kind::Data, o.port, socket, confirm, o.payload)
                };
                Ok(waiting.into_iter().filter_map(send).collect())
            }
            // lookups are for local sockets only, and neither end of a name service nor ping is ever sent by the kernel
            Control::Exit | Control::Ping | Control::NewLookup { .. } | Control::DelLookup { .. } => {
                Ok(Vec::new())
            }
        }
    }

    fn receive_hello(&mut self, from: u32) -> Vec<Output> {
        if std::mem::replace(&mut self.greeted, true) {
            return Vec::new();
        }
        let mut out = vec![Output::Event(NodeEvent::Hello { node: from })];
        out.extend(self.control(from, Control::Hello));
        for server in self.own_servers() {
            out.extend(self.control(from, Control::NewServer(server)));
        }
        out
    }

    fn remove_server(&mut self, address: Address) -> Option<Output> {
        let server = self.servers.remove(&address)?;
        Some(Output::Event(NodeEvent::ServerDown(server)))
    }

    /// These sockets are closed.
    fn forget(&mut self, gone: &dyn Fn(Address) -> bool) -> Vec<Output> {
        let servers: Vec<_> = self.servers.keys().copied().filter(|a| gone(*a)).collect();
        let mut out: Vec<_> = servers
            .into_iter()
            .filter_map(|a| self.remove_server(a))
            .collect();
        self.flows.forget(gone);
        self.reporting = self.reporting.filter(|(to, _)| !gone(*to));
        let mut effects = Vec::new();
        if let Some(ssctl) = &mut self.ssctl {
            effects.push((port::SSCTL, ssctl.forget(gone)));
        }
        if let Some(notifier) = &mut self.notifier {
            effects.push((port::NOTIFIER, notifier.forget(gone)));
        }
        for (port, effects) in effects {
            out.extend(self.perform(port, effects));
        }
        out
    }

    fn perform(&mut self, port: u32, effects: Vec<Effect>) -> Vec<Output> {
        let mut out = Vec::new();
        for effect in effects {
            match effect {
                Effect::Event(event) => {
                    let sensors = self.sensors_moved(&event);
                    out.push(Output::Event(event));
                    out.extend(sensors);
                }
                Effect::Send(to, message) => {
                    let payload = message.encode();
                    match self.flows.admit(to, Outgoing { port, payload }) {
                        Admission::Send(o, confirm) => {
                            out.extend(self.packet(Kind::Data, o.port, to, confirm, o.payload));
                        }
                        Admission::Queued => {}
                        Admission::Full => out.push(Output::Event(NodeEvent::Dropped(to))),
                    }
                }
            }
        }
        out
    }

    /// Announces the sensor core, or takes it back, when its protection domain changes.
    fn sensors_moved(&self, event: &NodeEvent) -> Option<Output> {
        let (NodeEvent::PdState { path, state }, Some(sensors)) = (event, &self.sensors) else {
            return None;
        };
        if !self.greeted || !is_sensor_pd(path) {
            return None;
        }
        let address = self.address(port::SENSORS);
        let server = Server::qmi(sensors.number(), sensors.version(), sensors.instance(), address);
        match state {
            State::Up => self.control(NODE_AP, Control::NewServer(server)),
            State::Down => self.control(NODE_AP, Control::DelServer(server)),
            _ => None,
        }
    }

    fn control(&self, node: u32, control: Control) -> Option<Output> {
        let to = Address {
            node,
            port: PORT_CONTROL,
        };
        self.packet(control.kind(), PORT_CONTROL, to, false, control.encode())
    }

    const fn address(&self, port: u32) -> Address {
        Address {
            node: self.config.node,
            port,
        }
    }

    /// A packet in the configured version, or in version 1 where an address does not fit.
    fn packet(
        &self,
        kind: Kind,
        port: u32,
        to: Address,
        confirm_rx: bool,
        payload: Vec<u8>,
    ) -> Option<Output> {
        let mut packet = Packet {
            version: self.config.version,
            kind,
            source: self.address(port),
            destination: to,
            confirm_rx,
            payload,
        };
        let bytes = packet.encode().or_else(|_| {
            packet.version = Version::V1;
            packet.encode()
        });
        bytes.ok().map(Output::Send)
    }
}

#[cfg(test)]
#[path = "node_tests.rs"]
mod tests;
