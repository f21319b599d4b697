//! SSCTL, the service that a subsystem is asked to shut down through, and told about the others' starts and stops.
//!
//! Source: `drivers/remoteproc/qcom_sysmon.c`, the client. It finds the service by number, version 2 and the instance that its
//! remoteproc driver gives for the subsystem (`ssctl_new_server`); without it a stop waits half a second and the kernel
//! says so. Messages are at most 40 bytes, and the client's receive buffer holds 20.

use super::{
    Body, BodyError, Elements, ErrorCode, Message, Status, body,
    service::{Effect, Service, refuse},
};
use crate::qrtr::{Address, NodeEvent};

/// Number of the service (`QMI_SERVICE_ID_SSCTL`).
pub const SERVICE: u32 = 43;
/// The version with events about other subsystems.
pub const VERSION: u8 = 2;
/// Longest name of a subsystem in bytes (`SSCTL_SUBSYS_NAME_LENGTH`).
pub const NAME_LENGTH: usize = 15;

/// Asks for a shutdown (`SSCTL_SHUTDOWN_REQ`). Answered with a [`Status`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Shutdown;

impl Body for Shutdown {
    const ID: u16 = 0x21;
    fn write(&self, _: &mut Elements) {}
    fn read(_: &Elements) -> Result<Self, BodyError> {
        Ok(Self)
    }
}

/// The indication that the subsystem may be switched off now (`SSCTL_SHUTDOWN_READY_IND`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ShutdownReady;

impl Body for ShutdownReady {
    const ID: u16 = 0x21;
    fn write(&self, _: &mut Elements) {}
    fn read(_: &Elements) -> Result<Self, BodyError> {
        Ok(Self)
    }
}

/// What another subsystem goes through (`SSCTL_SSR_EVENT_*`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// It will start.
    BeforePowerup,
    /// It runs.
    AfterPowerup,
    /// It will stop, or crashed.
    BeforeShutdown,
    /// It is off.
    AfterShutdown,
    /// A number that the kernel does not have.
    Other(i32),
}

impl Phase {
    /// The phase with this number.
    #[must_use]
    pub const fn of(number: i32) -> Self {
        match number {
            0 => Self::BeforePowerup,
            1 => Self::AfterPowerup,
            2 => Self::BeforeShutdown,
            3 => Self::AfterShutdown,
            other => Self::Other(other),
        }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::BeforePowerup => 0,
            Self::AfterPowerup => 1,
            Self::BeforeShutdown => 2,
            Self::AfterShutdown => 3,
            Self::Other(other) => other,
        }
    }
}

/// Tells about another subsystem (`SSCTL_SUBSYS_EVENT_REQ`). Answered with a [`Status`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubsystemEvent {
    /// Its name as the remoteproc drivers have it: "lpass", "cdsp", "modem", …
    pub subsystem: String,
    /// What it goes through.
    pub phase: Phase,
    /// 0 forced, 1 graceful; the kernel always says forced.
    pub driven: Option<i32>,
}

impl Body for SubsystemEvent {
    const ID: u16 = 0x23;

    fn write(&self, e: &mut Elements) {
        let name = body::cut(&self.subsystem, NAME_LENGTH);
        e.put(1, |w| {
            w.u8(u8::try_from(name.len()).unwrap_or(u8::MAX))
                .bytes(name.as_bytes());
        });
        e.put(2, |w| {
            w.i32(self.phase.number());
        });
        if let Some(driven) = self.driven {
            e.put(0x10, |w| {
                w.i32(driven);
            });
        }
    }

    fn read(e: &Elements) -> Result<Self, BodyError> {
        let name = e.need(1, |r| {
            let length = r.u8()?;
            r.take(usize::from(length)).map(<[u8]>::to_vec)
        })?;
        Ok(Self {
            subsystem: body::text(&name, NAME_LENGTH).ok_or(BodyError::Text(1))?,
            phase: Phase::of(e.need(2, |r| r.i32())?),
            driven: e.get(0x10, |r| r.i32())?,
        })
    }
}

/// The service. It says yes to every shutdown; [`Self::ready`] is the DSP's word that it may be switched off.
#[derive(Debug, Clone)]
pub struct Ssctl {
    instance: u32,
    asked: Option<Address>,
    transaction: u16,
}

impl Ssctl {
    /// The service of the subsystem that the kernel knows as `instance`.
    #[must_use]
    pub const fn new(instance: u32) -> Self {
        Self {
            instance,
            asked: None,
            transaction: 0,
        }
    }

    /// The DSP has come to rest: tells whoever asked for the shutdown. Nothing if nobody did.
    pub fn ready(&mut self) -> Option<Effect> {
        let client = self.asked.take()?;
        self.transaction = self.transaction.wrapping_add(1);
        let indication = Message::indication(self.transaction, &ShutdownReady);
        Some(Effect::Send(client, indication))
    }
}

impl Service for Ssctl {
    fn number(&self) -> u32 {
        SERVICE
    }

    fn version(&self) -> u8 {
        VERSION
    }

    fn instance(&self) -> u32 {
        self.instance
    }

    fn request(&mut self, client: Address, request: &Message) -> Vec<Effect> {
        let success = Effect::Send(client, request.status(Status::SUCCESS));
        match request.id {
            Shutdown::ID => match Shutdown::decode(&request.body) {
                Ok(Shutdown) => {
                    self.asked = Some(client);
                    vec![success, Effect::Event(NodeEvent::ShutdownRequested)]
                }
                Err(_) => vec![refuse(client, request, ErrorCode::MALFORMED_MESSAGE)],
            },
            SubsystemEvent::ID => match SubsystemEvent::decode(&request.body) {
                Ok(event) => vec![success, Effect::Event(NodeEvent::SubsystemEvent(event))],
                Err(_) => vec![refuse(client, request, ErrorCode::MALFORMED_MESSAGE)],
            },
            _ => vec![refuse(client, request, ErrorCode::NOT_SUPPORTED)],
        }
    }

    fn forget(&mut self, gone: &dyn Fn(Address) -> bool) -> Vec<Effect> {
        self.asked = self.asked.filter(|client| !gone(*client));
        Vec::new()
    }

    fn reset(&mut self) {
        self.asked = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qmi::Kind;
    use proptest::{collection::vec, prelude::*};

    const CLIENT: Address = Address {
        node: 1,
        port: 0x4005,
    };

    /// What `ssctl_send_event` encodes for {"modem", before_shutdown, forced}.
    const EVENT: [u8; 30] = [
        0, 1, 0, 0x23, 0, 23, 0, 1, 6, 0, 5, b'm', b'o', b'd', b'e', b'm', 2, 4, 0, 2, 0, 0, 0, 0x10, 4, 0,
        0, 0, 0, 0,
    ];

    #[test]
    fn shutdown_is_answered_then_reported() {
        let mut ssctl = Ssctl::new(0x14);
        assert_eq!((ssctl.number(), ssctl.version(), ssctl.instance()), (43, 2, 0x14));
        assert_eq!(ssctl.ready(), None);
        let request = Message::parse(&[0, 9, 0, 0x21, 0, 0, 0]).unwrap();
        let effects = ssctl.request(CLIENT, &request);
        let [
            Effect::Send(to, response),
            Effect::Event(NodeEvent::ShutdownRequested),
        ] = &effects[..]
        else {
            panic!("{effects:?}");
        };
        assert_eq!(*to, CLIENT);
        assert_eq!(response.encode(), [2, 9, 0, 0x21, 0, 7, 0, 2, 4, 0, 0, 0, 0, 0]);
        let Some(Effect::Send(to, ready)) = ssctl.ready() else {
            panic!()
        };
        assert_eq!(to, CLIENT);
        assert_eq!(ready.encode(), [4, 1, 0, 0x21, 0, 0, 0]);
        assert_eq!(ssctl.ready(), None, "said once");
    }

    #[test]
    fn a_client_that_is_gone_hears_nothing() {
        let mut ssctl = Ssctl::new(1);
        let request = Message::request(0, &Shutdown);
        ssctl.request(CLIENT, &request);
        ssctl.forget(&|a| a.port == 1);
        ssctl.forget(&|a| a == CLIENT);
        assert_eq!(ssctl.ready(), None);
        ssctl.request(CLIENT, &request);
        ssctl.reset();
        assert_eq!(ssctl.ready(), None);
    }

    #[test]
    fn subsystem_events() {
        let mut ssctl = Ssctl::new(0x17);
        let request = Message::parse(&EVENT).unwrap();
        let event = SubsystemEvent {
            subsystem: "modem".into(),
            phase: Phase::BeforeShutdown,
            driven: Some(0),
        };
        assert_eq!(SubsystemEvent::decode(&request.body), Ok(event.clone()));
        assert_eq!(Message::request(1, &event), request);
        let effects = ssctl.request(CLIENT, &request);
        assert_eq!(effects[1], Effect::Event(NodeEvent::SubsystemEvent(event)));
        assert_eq!(effects[0], Effect::Send(CLIENT, request.status(Status::SUCCESS)));
    }

    #[test]
    fn what_is_wrong_is_refused_with_its_reason() {
        let mut ssctl = Ssctl::new(0x17);
        let mut answer = |id: u16, body: &[u8]| {
            let request = Message {
                kind: Kind::Request,
                transaction: 4,
                id,
                body: body.to_vec(),
            };
            let effects = ssctl.request(CLIENT, &request);
            let [Effect::Send(_, response)] = &effects[..] else {
                panic!("{effects:?}");
            };
            response.body[5..].to_vec()
        };
        let [malformed, unsupported] = [[1, 0], [94, 0]];
        assert_eq!(answer(0x22, &[]), unsupported);
        assert_eq!(answer(0x21, &[1]), malformed);
        assert_eq!(answer(0x21, &[1, 0, 0]), malformed);
        assert_eq!(answer(0x23, &[]), malformed);
        assert_eq!(
            answer(0x23, &[1, 2, 0, 5, b'm', 2, 4, 0, 0, 0, 0, 0]),
            malformed,
            "length of the name past its element"
        );
    }

    proptest! {
        #[test]
        fn any_body_is_answered_once(id in 0x20u16..0x25, body in vec(any::<u8>(), 0..40)) {
            let mut ssctl = Ssctl::new(1);
            let request = Message { kind: Kind::Request, transaction: 7, id, body };
            let sent = ssctl.request(CLIENT, &request);
            prop_assert_eq!(sent.iter().filter(|e| matches!(e, Effect::Send(..))).count(), 1);
        }

        #[test]
        fn events_come_back(subsystem in "[a-z0-9_]{0,15}", phase: i32, driven: Option<i32>) {
            let event = SubsystemEvent { subsystem, phase: Phase::of(phase), driven };
            prop_assert_eq!(SubsystemEvent::decode(&event.encode()), Ok(event));
        }
    }
}
