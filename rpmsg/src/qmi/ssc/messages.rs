//! The sensor core's messages: those of QMI, which carry bytes, and those of Protocol Buffers in these bytes.
//!
//! Sources: `data/qmi-service-ssc.json` and `qmi-enums-ssc.h` of libqmi; the schemas (`data/*.proto`) and the decoded messages
//! (`docs/`) of libssc; names and limits from the vendor's public API reference (80-P9361-100, "Standard", Client API).

use crate::{
    protobuf::{self, Builder, ProtobufError, Value},
    qmi::{Body, BodyError, Elements, Status},
};

/// Most bytes of a request.
pub const MAX_REQUEST: usize = 1000;
/// Most bytes of a report that is not a large one.
pub const MAX_REPORT: usize = 1000;

/// Most bytes of a counted element: its length field has 16 bits, too.
const LONGEST: usize = 0xffff - 2;

/// Bytes with their count of 16 bits in front.
fn put_counted(e: &mut Elements, element: u8, bytes: &[u8]) {
    // what is too long for the element's own length field is cut, as `Elements` cuts it
    let bytes = bytes.get(..LONGEST).unwrap_or(bytes);
    e.put(element, |w| {
        w.u16(u16::try_from(bytes.len()).unwrap_or(u16::MAX)).bytes(bytes);
    });
}

fn counted(e: &Elements, element: u8) -> Result<Vec<u8>, BodyError> {
    e.need(element, |r| {
        let count = r.u16()?;
        r.take(usize::from(count)).map(<[u8]>::to_vec)
    })
}

/// A request to a sensor ("Control" in libqmi).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Control {
    /// A [`ClientRequest`].
    pub request: Vec<u8>,
    /// Which indication the reports come in: 0 or nothing [`SmallReport`], else [`LargeReport`].
    pub report: Option<u8>,
}

impl Body for Control {
    const ID: u16 = 0x20;
    fn write(&self, e: &mut Elements) {
        put_counted(e, 1, &self.request);
        if let Some(report) = self.report {
            e.put(0x10, |w| {
                w.u8(report);
            });
        }
    }
    fn read(e: &Elements) -> Result<Self, BodyError> {
        Ok(Self {
            request: counted(e, 1)?,
            report: e.get(0x10, |r| r.u8())?,
        })
    }
}

/// The response to [`Control`]: the request is received. What comes of it are reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ControlAnswer {
    /// Whether it was taken.
    pub status: Status,
    /// Number of the client, which its reports carry.
    pub client: Option<u64>,
    /// What the sensor framework says to it (`sns_std_error`): 0 for no error.
    pub result: Option<u32>,
}

impl Body for ControlAnswer {
    const ID: u16 = 0x20;
    fn write(&self, e: &mut Elements) {
        self.status.write(e);
        if let Some(client) = self.client {
            e.put(0x10, |w| {
                w.u64(client);
            });
        }
        if let Some(result) = self.result {
            e.put(0x11, |w| {
                w.u32(result);
            });
        }
    }
    fn read(e: &Elements) -> Result<Self, BodyError> {
        Ok(Self {
            status: Status::read(e)?,
            client: e.get(0x10, |r| r.u64())?,
            result: e.get(0x11, |r| r.u32())?,
        })
    }
}

/// What a sensor tells a client.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report<const ID: u16> {
    /// Number of the client.
    pub client: u64,
    /// A [`ClientEvent`].
    pub event: Vec<u8>,
}

/// A report of at most [`MAX_REPORT`] bytes.
pub type SmallReport = Report<0x21>;
/// A report to a client that takes large ones, small or large.
pub type LargeReport = Report<0x22>;

impl<const NUMBER: u16> Body for Report<NUMBER> {
    const ID: u16 = NUMBER;
    fn write(&self, e: &mut Elements) {
        e.put(1, |w| {
            w.u64(self.client);
        });
        put_counted(e, 2, &self.event);
    }
    fn read(e: &Elements) -> Result<Self, BodyError> {
        Ok(Self {
            client: e.need(1, |r| r.u64())?,
            event: counted(e, 2)?,
        })
    }
}

/// Identity of a sensor (`sns_std_suid`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Suid {
    /// Low half.
    pub low: u64,
    /// High half.
    pub high: u64,
}

impl Suid {
    /// The one that is known before any other: the sensor that looks up the identities of all.
    pub const LOOKUP: Self = Self {
        low: 0xabab_abab_abab_abab,
        high: 0xabab_abab_abab_abab,
    };

    fn encode(self) -> Vec<u8> {
        let mut b = Builder::new();
        b.field(1, Value::Fixed64(self.low))
            .field(2, Value::Fixed64(self.high));
        b.finish()
    }

    fn decode(bytes: &[u8]) -> Result<Self, ProtobufError> {
        let m = protobuf::Message::parse(bytes)?;
        Ok(Self {
            low: m.fixed64(1)?.ok_or(ProtobufError::Missing(1))?,
            high: m.fixed64(2)?.ok_or(ProtobufError::Missing(2))?,
        })
    }
}

impl std::fmt::Display for Suid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:016x}{:016x}", self.high, self.low)
    }
}

/// Numbers of the messages to and from sensors.
pub mod id {
    /// Which attributes a sensor has.
    pub const ATTRIBUTES: u32 = 1;
    /// The client does not want a sensor's reports any more.
    pub const DISABLE: u32 = 10;
    /// [`SuidRequest`](super::SuidRequest), to the lookup; to other sensors other things.
    pub const SUID_REQUEST: u32 = 512;
    /// [`SuidEvent`](super::SuidEvent), from the lookup.
    pub const SUID_EVENT: u32 = 768;
}

/// A client's request to a sensor (`sns_client_request_msg`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientRequest {
    /// The sensor.
    pub suid: Suid,
    /// What the payload is: a number of [`id`].
    pub message: u32,
    /// For which processor reports are (`client_proc_type`); 1 the application processor.
    pub processor: u64,
    /// Whether they wake it (`delivery_type`); 0 they do.
    pub delivery: u64,
    /// The message; a request without any has none. Batching and other wishes beside it are not read: nothing here reports
    /// so often that it could be batched.
    pub payload: Option<Vec<u8>>,
}

impl ClientRequest {
    /// The message's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut config = Builder::new();
        config
            .field(1, Value::Varint(self.processor))
            .field(2, Value::Varint(self.delivery));
        let mut request = Builder::new();
        if let Some(payload) = &self.payload {
            request.field(2, Value::Bytes(payload));
        }
        let mut b = Builder::new();
        b.field(1, Value::Bytes(&self.suid.encode()))
            .field(2, Value::Fixed32(self.message))
            .field(3, Value::Bytes(&config.finish()))
            .field(4, Value::Bytes(&request.finish()));
        b.finish()
    }

    /// Parses a request.
    ///
    /// # Errors
    /// [`ProtobufError`], also for a missing field: all but the payload are required.
    pub fn decode(bytes: &[u8]) -> Result<Self, ProtobufError> {
        let m = protobuf::Message::parse(bytes)?;
        let embedded = |number| m.join(number)?.ok_or(ProtobufError::Missing(number));
        let config = embedded(3)?;
        let config = protobuf::Message::parse(&config)?;
        let request = embedded(4)?;
        let request = protobuf::Message::parse(&request)?;
        Ok(Self {
            suid: Suid::decode(&embedded(1)?)?,
            message: m.fixed32(2)?.ok_or(ProtobufError::Missing(2))?,
            processor: config.varint(1)?.ok_or(ProtobufError::Missing(1))?,
            delivery: config.varint(2)?.ok_or(ProtobufError::Missing(2))?,
            payload: request.bytes(2)?.map(<[u8]>::to_vec),
        })
    }
}

/// Asks the lookup for the sensors of a data type (`sns_suid_req`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuidRequest {
    /// "accel", "registry", …; empty for all sensors.
    pub data_type: String,
    /// Another report whenever the list changes.
    pub register_updates: bool,
    /// Only the first one, which clients should take.
    pub default_only: bool,
}

impl SuidRequest {
    /// The message's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut b = Builder::new();
        b.field(1, Value::Bytes(self.data_type.as_bytes()))
            .field(2, Value::Varint(self.register_updates.into()))
            .field(3, Value::Varint(self.default_only.into()));
        b.finish()
    }

    /// Parses a request.
    ///
    /// # Errors
    /// [`ProtobufError`]
    pub fn decode(bytes: &[u8]) -> Result<Self, ProtobufError> {
        let m = protobuf::Message::parse(bytes)?;
        let flag = |number| Ok::<_, ProtobufError>(m.varint(number)?.is_some_and(|flag| flag != 0));
        Ok(Self {
            data_type: protobuf::text(1, m.bytes(1)?.ok_or(ProtobufError::Missing(1))?)?,
            register_updates: flag(2)?,
            default_only: flag(3)?,
        })
    }
}

/// The lookup's answer (`sns_suid_event`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SuidEvent {
    /// What was asked for.
    pub data_type: String,
    /// The sensors.
    pub suids: Vec<Suid>,
}

impl SuidEvent {
    /// The message's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut b = Builder::new();
        b.field(1, Value::Bytes(self.data_type.as_bytes()));
        for suid in &self.suids {
            b.field(2, Value::Bytes(&suid.encode()));
        }
        b.finish()
    }

    /// Parses an answer.
    ///
    /// # Errors
    /// [`ProtobufError`]
    pub fn decode(bytes: &[u8]) -> Result<Self, ProtobufError> {
        let m = protobuf::Message::parse(bytes)?;
        let suids: Result<_, _> = m.repeated(2)?.into_iter().map(Suid::decode).collect();
        Ok(Self {
            data_type: protobuf::text(1, m.bytes(1)?.ok_or(ProtobufError::Missing(1))?)?,
            suids: suids?,
        })
    }
}

/// One event of a sensor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Event {
    /// What the payload is: a number of [`id`].
    pub message: u32,
    /// When, in ticks of 19.2 MHz.
    pub timestamp: u64,
    /// The message.
    pub payload: Vec<u8>,
}

/// What a sensor tells a client (`sns_client_event_msg`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientEvent {
    /// The sensor.
    pub suid: Suid,
    /// What happened, oldest first.
    pub events: Vec<Event>,
}

impl ClientEvent {
    /// The message's bytes.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut b = Builder::new();
        b.field(1, Value::Bytes(&self.suid.encode()));
        for event in &self.events {
            let mut inner = Builder::new();
            inner
                .field(1, Value::Fixed32(event.message))
                .field(2, Value::Fixed64(event.timestamp))
                .field(3, Value::Bytes(&event.payload));
            b.field(2, Value::Bytes(&inner.finish()));
        }
        b.finish()
    }

    /// Parses a report.
    ///
    /// # Errors
    /// [`ProtobufError`]
    pub fn decode(bytes: &[u8]) -> Result<Self, ProtobufError> {
        let m = protobuf::Message::parse(bytes)?;
        let event = |bytes| {
            let m = protobuf::Message::parse(bytes)?;
            Ok::<_, ProtobufError>(Event {
                message: m.fixed32(1)?.ok_or(ProtobufError::Missing(1))?,
                timestamp: m.fixed64(2)?.ok_or(ProtobufError::Missing(2))?,
                payload: m.bytes(3)?.ok_or(ProtobufError::Missing(3))?.to_vec(),
            })
        };
        let events: Result<_, _> = m.repeated(2)?.into_iter().map(event).collect();
        Ok(Self {
            suid: Suid::decode(&m.join(1)?.ok_or(ProtobufError::Missing(1))?)?,
            events: events?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qmi::Message;
    use proptest::{collection::vec, prelude::*};

    /// A report of a phone's sensor core, from libssc's documentation: which sensors give "gravity".
    const GRAVITY: [u8; 90] = [
        4, 5, 0, 0x22, 0, 0x53, 0, 1, 8, 0, 0xa9, 0x19, 0, 0, 0, 0, 0, 0, 2, 0x45, 0, 0x43, 0, 0x0a, 0x12, 9,
        0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0x11, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab, 0xab,
        0x12, 0x2d, 0x0d, 0, 3, 0, 0, 0x11, 0x8a, 0xa3, 0x6a, 0x89, 0x3c, 0x35, 0, 0, 0x1a, 0x1d, 0x0a, 7,
        b'g', b'r', b'a', b'v', b'i', b't', b'y', 0x12, 0x12, 9, 0x2e, 0xf5, 0x5b, 0xf6, 0xc0, 0x98, 0x43,
        0xa7, 0x11, 0xa5, 0xa6, 0x50, 0x68, 0x2d, 0x5a, 0xd4, 0xc5,
    ];

    #[test]
    fn a_phone_s_report_is_read_and_written_the_same() {
        let message = Message::parse(&GRAVITY).unwrap();
        let report = LargeReport::decode(&message.body).unwrap();
        assert_eq!(report.client, 0x19a9);
        let event = ClientEvent::decode(&report.event).unwrap();
        assert_eq!(event.suid, Suid::LOOKUP);
        let [inner] = &event.events[..] else {
            panic!("{event:?}")
        };
        assert_eq!(
            (inner.message, inner.timestamp),
            (id::SUID_EVENT, 0x353c_896a_a38a)
        );
        let found = SuidEvent::decode(&inner.payload).unwrap();
        assert_eq!(found.data_type, "gravity");
        assert_eq!(found.suids[0].to_string(), "c5d45a2d6850a6a5a74398c0f65bf52e");
        assert_eq!(found.encode(), inner.payload);
        assert_eq!(event.encode(), report.event);
        assert_eq!(Message::indication(5, &report).encode(), GRAVITY);
    }

    #[test]
    fn a_request_without_a_required_field_is_refused() {
        let request = ClientRequest {
            suid: Suid::LOOKUP,
            message: id::SUID_REQUEST,
            processor: 1,
            delivery: 0,
            payload: None,
        };
        let bytes = request.encode();
        let fields = protobuf::Message::parse(&bytes).unwrap();
        for left_out in 1..=4 {
            let mut b = Builder::new();
            for (number, value) in fields.fields().iter().filter(|(n, _)| *n != left_out) {
                b.field(*number, *value);
            }
            let error = ClientRequest::decode(&b.finish()).unwrap_err();
            assert_eq!(error, ProtobufError::Missing(left_out));
        }
        assert_eq!(SuidRequest::decode(&[]), Err(ProtobufError::Missing(1)));
    }

    proptest! {
        #[test]
        fn any_bytes_parse_or_fail(bytes in vec(any::<u8>(), 0..80)) {
            let _ = Control::decode(&bytes);
            let _ = LargeReport::decode(&bytes);
            if let Ok(request) = ClientRequest::decode(&bytes) {
                prop_assert_eq!(ClientRequest::decode(&request.encode()), Ok(request));
            }
            if let Ok(request) = SuidRequest::decode(&bytes) {
                prop_assert_eq!(SuidRequest::decode(&request.encode()), Ok(request));
            }
            if let Ok(event) = ClientEvent::decode(&bytes) {
                prop_assert_eq!(ClientEvent::decode(&event.encode()), Ok(event));
            }
            if let Ok(event) = SuidEvent::decode(&bytes) {
                prop_assert_eq!(SuidEvent::decode(&event.encode()), Ok(event));
            }
        }

        #[test]
        fn messages_come_back(
            (low, high, message, timestamp) in any::<(u64, u64, u32, u64)>(),
            (processor, delivery, register_updates, default_only) in any::<(u64, u64, bool, bool)>(),
            data_type in "[a-z_]{0,20}",
            payload in proptest::option::of(vec(any::<u8>(), 0..40)),
            (client, report) in any::<(u64, Option<u8>)>(),
        ) {
            let suid = Suid { low, high };
            let event = SuidEvent { data_type: data_type.clone(), suids: vec![suid; 2] };
            prop_assert_eq!(SuidEvent::decode(&event.encode()), Ok(event.clone()));
            let inner = Event { message, timestamp, payload: event.encode() };
            let event = ClientEvent { suid, events: vec![inner; 2] };
            prop_assert_eq!(ClientEvent::decode(&event.encode()), Ok(event.clone()));
            let told = SmallReport { client, event: event.encode() };
            prop_assert_eq!(SmallReport::decode(&told.encode()), Ok(told));
            let asked = SuidRequest { data_type, register_updates, default_only };
            prop_assert_eq!(SuidRequest::decode(&asked.encode()), Ok(asked));
            let request = ClientRequest { suid, message, processor, delivery, payload };
            prop_assert_eq!(ClientRequest::decode(&request.encode()), Ok(request.clone()));
            let control = Control { request: request.encode(), report };
            prop_assert_eq!(Control::decode(&control.encode()), Ok(control));
        }
    }
}
