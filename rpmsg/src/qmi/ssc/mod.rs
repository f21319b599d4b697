//! SSC, the service of the sensor core: clients look up sensors by data type and ask them for reports.
//!
//! It behaves as on a board whose sensor core got none of its registry's files: the service is there, the lookup answers, and
//! finds no sensor of any type, so that clients come no further (reports of such boards: "'registry' sensor unavailable" is
//! what libssc says). A request to any sensor but the lookup is refused, for there is none.
//!
//! Sources: see [`messages`]. Service 400, version 1, instance 0, on node 9 (SLPI) or 5 (ADSP), is what `qrtr-lookup` prints on
//! boards. Nothing is remembered of a client: its number is made of its socket, and as the list of sensors never changes, one
//! that registers for updates of it is never owed any.

pub mod messages;

use super::{
    Body, ErrorCode, Message, Status,
    service::{Effect, Service, refuse},
};
use crate::qrtr::{Address, NodeEvent};
use messages::{
    ClientEvent, ClientRequest, Control, ControlAnswer, Event, LargeReport, MAX_REQUEST, SmallReport, Suid,
    SuidEvent, SuidRequest, id,
};

/// Number of the service (`QMI_SERVICE_SSC` of libqmi).
pub const SERVICE: u32 = 400;
/// Longest name of a data type in bytes that is looked up. So every report is a small one; no sensor's comes near it.
pub const MAX_DATA_TYPE: usize = 255;

/// What came of a request, for the log.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SensorRequest {
    /// A lookup, which found nothing.
    #[error("no sensor gives {0:?}")]
    NotFound(String),
    /// A message that the lookup does not have.
    #[error("message {0} to the lookup of sensors")]
    Unsupported(u32),
    /// A sensor that does not exist.
    #[error("message {message} to the sensor {suid}, which does not exist")]
    NoSensor {
        /// The sensor.
        suid: Suid,
        /// The message.
        message: u32,
    },
    /// A request that is none, for this reason.
    #[error("a request that makes no sense: {0}")]
    Malformed(String),
}

/// The service.
#[derive(Debug, Clone, Copy, Default)]
pub struct SensorCore {
    ticks: u64,
    transaction: u16,
}

impl SensorCore {
    /// A sensor core without sensors.
    #[must_use]
    pub const fn new() -> Self {
        Self {
            ticks: 0,
            transaction: 0,
        }
    }

    /// What time it is, in ticks of 19.2 MHz since the DSP's start. Reports carry it.
    pub const fn set_ticks(&mut self, ticks: u64) {
        self.ticks = ticks;
    }

    fn control(&mut self, client: Address, request: &Message) -> Result<Vec<Effect>, Refused> {
        let control = Control::decode(&request.body).map_err(|error| Refused::malformed(&error))?;
        if control.request.len() > MAX_REQUEST {
            return Err(Refused::too_long("request", control.request.len()));
        }
        let asked = ClientRequest::decode(&control.request).map_err(|error| Refused::malformed(&error))?;
        if asked.suid != Suid::LOOKUP {
            let (suid, message) = (asked.suid, asked.message);
            return Err(Refused(
                ErrorCode::INVALID_ID,
                SensorRequest::NoSensor { suid, message },
            ));
        }
        let number = u64::from(client.node) << 32 | u64::from(client.port);
        let answer = request.response(&ControlAnswer {
            status: Status::SUCCESS,
            client: Some(number),
            result: Some(0),
        });
        match asked.message {
            id::SUID_REQUEST => {
                let payload = asked.payload.unwrap_or_default();
                let wanted = SuidRequest::decode(&payload).map_err(|error| Refused::malformed(&error))?;
                if wanted.data_type.len() > MAX_DATA_TYPE {
                    return Err(Refused::too_long("data type", wanted.data_type.len()));
                }
                let report = self.report(number, control.report, &wanted.data_type);
                let event = NodeEvent::Sensors {
                    client,
                    request: SensorRequest::NotFound(wanted.data_type),
                };
                Ok(vec![
                    Effect::Send(client, answer),
                    Effect::Send(client, report),
                    Effect::Event(event),
                ])
            }
            // the end of a registration, which is nothing
            id::DISABLE => Ok(vec![Effect::Send(client, answer)]),
            other => Err(Refused(
                ErrorCode::NOT_SUPPORTED,
                SensorRequest::Unsupported(other),
            )),
        }
    }

    /// The lookup's report that there is no sensor.
    fn report(&mut self, client: u64, form: Option<u8>, data_type: &str) -> Message {
        self.transaction = self.transaction.wrapping_add(1);
        let found = SuidEvent {
            data_type: data_type.to_owned(),
            suids: Vec::new(),
        };
        let event = ClientEvent {
            suid: Suid::LOOKUP,
            events: vec![Event {
                message: id::SUID_EVENT,
                timestamp: self.ticks,
                payload: found.encode(),
            }],
        }
        .encode();
        match form {
            None | Some(0) => Message::indication(self.transaction, &SmallReport { client, event }),
            Some(_) => Message::indication(self.transaction, &LargeReport { client, event }),
        }
    }
}

/// Why a request is refused: to the client, and for the log.
struct Refused(ErrorCode, SensorRequest);

impl Refused {
    fn malformed(error: &dyn std::error::Error) -> Self {
        let reason = SensorRequest::Malformed(error.to_string());
        Self(ErrorCode::MALFORMED_MESSAGE, reason)
    }

    fn too_long(what: &str, length: usize) -> Self {
        let reason = SensorRequest::Malformed(format!("a {what} of {length} bytes"));
        Self(ErrorCode::ARGUMENT_TOO_LONG, reason)
    }
}

impl Service for SensorCore {
    fn number(&self) -> u32 {
        SERVICE
    }

    fn version(&self) -> u8 {
        1
    }

    fn instance(&self) -> u32 {
        0
    }

    fn request(&mut self, client: Address, request: &Message) -> Vec<Effect> {
        let refused = match request.id {
            Control::ID => match self.control(client, request) {
                Ok(effects) => return effects,
                Err(refused) => refused,
            },
            other => {
                let reason = SensorRequest::Malformed(format!("QMI message {other:#x}"));
                Refused(ErrorCode::NOT_SUPPORTED, reason)
            }
        };
        let Refused(error, reason) = refused;
        vec![
            refuse(client, request, error),
            Effect::Event(NodeEvent::Sensors {
                client,
                request: reason,
            }),
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qmi::Kind;
    use messages::MAX_REPORT;
    use proptest::{collection::vec, prelude::*};

    const CLIENT: Address = Address {
        node: 1,
        port: 0x4005,
    };

    fn ask(suid: Suid, message: u32, payload: Option<Vec<u8>>) -> Message {
        let request = ClientRequest {
            suid,
            message,
            processor: 1,
            delivery: 0,
            payload,
        }
        .encode();
        Message::request(
            7,
            &Control {
                request,
                report: None,
            },
        )
    }

    fn lookup(data_type: &str) -> Vec<u8> {
        SuidRequest {
            data_type: data_type.into(),
            register_updates: true,
            default_only: true,
        }
        .encode()
    }

    fn sent(effects: &[Effect]) -> Vec<&Message> {
        let send = |effect| match effect {
            &Effect::Send(CLIENT, ref message) => Some(message),
            _ => None,
        };
        effects.iter().filter_map(send).collect()
    }

    fn error(core: &mut SensorCore, request: &Message) -> ErrorCode {
        let effects = core.request(CLIENT, request);
        assert!(matches!(effects[..], [Effect::Send(..), Effect::Event(_)]));
        let answer = ControlAnswer::decode(&sent(&effects)[0].body).unwrap();
        assert_eq!((answer.status.result, answer.client), (1, None));
        answer.status.error
    }

    /// What iio-sensor-proxy's and libssc's first question gives: yes, and no sensor.
    #[test]
    fn a_lookup_is_answered_and_finds_nothing() {
        let mut core = SensorCore::new();
        assert_eq!((core.number(), core.version(), core.instance()), (400, 1, 0));
        core.set_ticks(19_200_000);
        let mut request = ask(Suid::LOOKUP, id::SUID_REQUEST, Some(lookup("accel")));
        for (form, number) in [(None, 0x21), (Some(0), 0x21), (Some(1), 0x22)] {
            let mut control = Control::decode(&request.body).unwrap();
            control.report = form;
            request.body = control.encode();
            let effects = core.request(CLIENT, &request);
            let [answer, report] = &sent(&effects)[..] else {
                panic!("{effects:?}")
            };
            assert_eq!(
                (answer.kind, answer.id, answer.transaction),
                (Kind::Response, 0x20, 7)
            );
            let answer = ControlAnswer::decode(&answer.body).unwrap();
            assert_eq!((answer.status, answer.result), (Status::SUCCESS, Some(0)));
            assert_eq!((report.kind, report.id), (Kind::Indication, number));
            let report = LargeReport::decode(&report.body).unwrap();
            assert_eq!(Some(report.client), answer.client);
            let event = ClientEvent::decode(&report.event).unwrap();
            assert_eq!(event.suid, Suid::LOOKUP);
            let [event] = &event.events[..] else {
                panic!("{event:?}")
            };
            assert_eq!((event.message, event.timestamp), (id::SUID_EVENT, 19_200_000));
            let found = SuidEvent::decode(&event.payload).unwrap();
            assert_eq!((found.data_type.as_str(), found.suids), ("accel", vec![]));
        }
    }

    #[test]
    fn the_end_of_a_registration_is_nothing_and_answered() {
        let effects = SensorCore::new().request(CLIENT, &ask(Suid::LOOKUP, id::DISABLE, None));
        let [answer] = &sent(&effects)[..] else {
            panic!("{effects:?}")
        };
        let answer = ControlAnswer::decode(&answer.body).unwrap();
        assert_eq!(answer.status, Status::SUCCESS);
        assert_eq!(effects.len(), 1);
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_reason() {
        let mut core = SensorCore::new();
        let accel = Suid { low: 1, high: 2 };
        for message in [id::ATTRIBUTES, id::DISABLE, id::SUID_REQUEST, 513, 514] {
            assert_eq!(
                error(&mut core, &ask(accel, message, None)),
                ErrorCode::INVALID_ID
            );
        }
        let other = ask(Suid::LOOKUP, id::ATTRIBUTES, None);
        assert_eq!(error(&mut core, &other), ErrorCode::NOT_SUPPORTED);
        let mut unknown = other.clone();
        unknown.id = 0x23;
        assert_eq!(error(&mut core, &unknown), ErrorCode::NOT_SUPPORTED);

        let malformed = ErrorCode::MALFORMED_MESSAGE;
        let lookup_of = |payload| ask(Suid::LOOKUP, id::SUID_REQUEST, payload);
        assert_eq!(error(&mut core, &lookup_of(None)), malformed, "no data type");
        assert_eq!(
            error(&mut core, &lookup_of(Some(vec![0x0a, 1, 0]))),
            malformed,
            "a NUL"
        );
        assert_eq!(
            error(&mut core, &lookup_of(Some(vec![8, 1]))),
            malformed,
            "a number"
        );
        let raw = |body: &[u8]| Message {
            body: body.to_vec(),
            ..other.clone()
        };
        // no element, a count past its element, no protobuf, an element that nobody knows
        for body in [
            &[][..],
            &[1, 2, 0, 9, 0],
            &[1, 3, 0, 1, 0, 0],
            &[1, 2, 0, 0, 0, 3, 0, 0],
        ] {
            assert_eq!(error(&mut core, &raw(body)), malformed, "{body:?}");
        }
    }

    #[test]
    fn what_is_too_long_is_refused_so() {
        let mut core = SensorCore::new();
        let ask_for = |name: &str| ask(Suid::LOOKUP, id::SUID_REQUEST, Some(lookup(name)));
        let longest = ask_for(&"x".repeat(MAX_DATA_TYPE));
        let effects = core.request(CLIENT, &longest);
        let report = SmallReport::decode(&sent(&effects)[1].body).unwrap();
        assert!(report.event.len() <= MAX_REPORT);
        for length in [MAX_DATA_TYPE + 1, MAX_REQUEST, 60_000] {
            let request = ask_for(&"x".repeat(length));
            assert_eq!(
                error(&mut core, &request),
                ErrorCode::ARGUMENT_TOO_LONG,
                "{length}"
            );
        }
    }

    proptest! {
        #[test]
        fn any_request_has_one_response(id in 0x1fu16..0x24, body in vec(any::<u8>(), 0..60)) {
            let mut core = SensorCore::new();
            let request = Message { kind: Kind::Request, transaction: 7, id, body };
            let effects = core.request(CLIENT, &request);
            let responses = sent(&effects).into_iter().filter(|m| m.kind == Kind::Response);
            prop_assert_eq!(responses.count(), 1);
        }

        #[test]
        fn any_protobuf_has_one_response(request in vec(any::<u8>(), 0..60), report: Option<u8>) {
            let mut core = SensorCore::new();
            let effects = core.request(CLIENT, &Message::request(1, &Control { request, report }));
            let responses = sent(&effects).into_iter().filter(|m| m.kind == Kind::Response);
            prop_assert_eq!(responses.count(), 1);
        }
    }
}
