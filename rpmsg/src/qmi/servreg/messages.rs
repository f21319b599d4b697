//! The registry's messages, those of both services.
//!
//! Source: `drivers/soc/qcom/qcom_pdr_msg.c` and `pdr_internal.h`.

use super::{NAME_LENGTH, REASON_LENGTH};
use crate::{
    qmi::{Body, BodyError, Elements, Status, body},
    wire::{Reader, Truncated, Writer},
};

/// State of a domain (`enum servreg_service_state`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum State {
    /// It is gone, or crashed.
    Down,
    /// It runs.
    Up,
    /// It will go down.
    EarlyDown,
    /// It has not started yet.
    Uninitialized,
    /// A number that the kernel does not have.
    Other(i32),
}

impl State {
    /// The state with this number.
    #[must_use]
    pub const fn of(number: i32) -> Self {
        match number {
            0x0FFF_FFFF => Self::Down,
            0x1FFF_FFFF => Self::Up,
            0x2FFF_FFFF => Self::EarlyDown,
            0x7FFF_FFFF => Self::Uninitialized,
            other => Self::Other(other),
        }
    }

    /// Its number.
    #[must_use]
    pub const fn number(self) -> i32 {
        match self {
            Self::Down => 0x0FFF_FFFF,
            Self::Up => 0x1FFF_FFFF,
            Self::EarlyDown => 0x2FFF_FFFF,
            Self::Uninitialized => 0x7FFF_FFFF,
            Self::Other(other) => other,
        }
    }
}

/// To the notifier: a client wants to hear of a domain, or no longer. Answered with [`ListenerRegistered`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegisterListener {
    /// 1 to hear, 0 not to.
    pub enable: u8,
    /// Path of the domain.
    pub path: String,
}

impl Body for RegisterListener {
    const ID: u16 = 0x20;
    fn write(&self, e: &mut Elements) {
        e.put(1, |w| {
            w.u8(self.enable);
        });
        e.put_text(2, &self.path, NAME_LENGTH);
    }
    fn read(e: &Elements) -> Result<Self, BodyError> {
        Ok(Self {
            enable: e.need(1, |r| r.u8())?,
            path: e.text(2, NAME_LENGTH)?,
        })
    }
}

/// Response to [`RegisterListener`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ListenerRegistered {
    /// Result.
    pub status: Status,
    /// State of the domain. The kernel takes it from every successful response.
    pub state: Option<State>,
}

impl Body for ListenerRegistered {
    const ID: u16 = 0x20;
    fn write(&self, e: &mut Elements) {
        self.status.write(e);
        if let Some(state) = self.state {
            e.put(0x10, |w| {
                w.i32(state.number());
            });
        }
    }
    fn read(e: &Elements) -> Result<Self, BodyError> {
        Ok(Self {
            status: Status::read(e)?,
            state: e.get(0x10, |r| r.i32())?.map(State::of),
        })
    }
}

/// Indication of the notifier: a domain changed its state. The client answers with [`Acknowledge`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StateUpdated {
    /// The new state.
    pub state: State,
    /// Path of the domain.
    pub path: String,
    /// Number that the acknowledgement carries.
    pub transaction: u16,
}

impl Body for StateUpdated {
    const ID: u16 = 0x22;
    fn write(&self, e: &mut Elements) {
        e.put(1, |w| {
            w.i32(self.state.number());
        });
        e.put_text(2, &self.path, NAME_LENGTH);
        e.put(3, |w| {
            w.u16(self.transaction);
        });
    }
    fn read(e: &Elements) -> Result<Self, BodyError> {
        Ok(Self {
            state: State::of(e.need(1, |r| r.i32())?),
            path: e.text(2, NAME_LENGTH)?,
            transaction: e.need(3, |r| r.u16())?,
        })
    }
}

/// To the notifier: a client has done what the state change means to it. Answered with a [`Status`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acknowledge {
    /// Path of the domain.
    pub path: String,
    /// Number from the indication.
    pub transaction: u16,
}

impl Body for Acknowledge {
    const ID: u16 = 0x23;
    fn write(&self, e: &mut Elements) {
        e.put_text(1, &self.path, NAME_LENGTH);
        e.put(2, |w| {
            w.u16(self.transaction);
        });
    }
    fn read(e: &Elements) -> Result<Self, BodyError> {
        Ok(Self {
            path: e.text(1, NAME_LENGTH)?,
            transaction: e.need(2, |r| r.u16())?,
        })
    }
}

/// To the notifier: restart a domain. Answered with a [`Status`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restart {
    /// Path of the domain.
    pub path: String,
}

impl Body for Restart {
    const ID: u16 = 0x24;
    fn write(&self, e: &mut Elements) {
        e.put_text(1, &self.path, NAME_LENGTH);
    }
    fn read(e: &Elements) -> Result<Self, BodyError> {
        Ok(Self {
            path: e.text(1, NAME_LENGTH)?,
        })
    }
}

/// To the locator: which domains have a service. Answered with [`DomainList`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GetDomainList {
    /// Name of the service.
    pub service: String,
    /// Number of domains to skip.
    pub offset: Option<u32>,
}

impl Body for GetDomainList {
    const ID: u16 = 0x21;
    fn write(&self, e: &mut Elements) {
        e.put_text(1, &self.service, NAME_LENGTH);
        if let Some(offset) = self.offset {
            e.put(0x10, |w| {
                w.u32(offset);
            });
        }
    }
    fn read(e: &Elements) -> Result<Self, BodyError> {
        Ok(Self {
            service: e.text(1, NAME_LENGTH)?,
            offset: e.get(0x10, |r| r.u32())?,
        })
    }
}

/// A domain in a [`DomainList`] (`struct servreg_location_entry`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    /// Path of the domain.
    pub path: String,
    /// Instance of its notifier.
    pub instance: u32,
    /// Data of the service, if it has any.
    pub data: Option<u32>,
}

/// Response to [`GetDomainList`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DomainList {
    /// Result.
    pub status: Status,
    /// Domains that have the service.
    pub total: Option<u16>,
    /// Revision of the list.
    pub revision: Option<u16>,
    /// The domains from the offset on, at most [`Self::PAGE`].
    pub domains: Option<Vec<Location>>,
}

impl DomainList {
    /// Most domains in one response (`SERVREG_DOMAIN_LIST_LENGTH`).
    pub const PAGE: usize = 32;
}

fn write_location(w: &mut Writer, location: &Location) {
    let path = body::cut(&location.path, NAME_LENGTH);
    w.u8(u8::try_from(path.len()).unwrap_or(u8::MAX))
        .bytes(path.as_bytes());
    w.u32(location.instance);
    w.u8(u8::from(location.data.is_some()))
        .u32(location.data.unwrap_or(0));
}

/// Path undecoded, instance, whether there is data, data.
type RawLocation = (Vec<u8>, u32, u8, u32);

fn read_locations(r: &mut Reader<'_>) -> Result<Vec<RawLocation>, Truncated> {
    let count = r.u8()?;
    let mut list = Vec::new();
    for _ in 0..count {
        let length = r.u8()?;
        let path = r.take(usize::from(length))?.to_vec();
        list.push((path, r.u32()?, r.u8()?, r.u32()?));
    }
    Ok(list)
}

impl Body for DomainList {
    const ID: u16 = 0x21;

    fn write(&self, e: &mut Elements) {
        self.status.write(e);
        for (element, value) in [(0x10, self.total), (0x11, self.revision)] {
            if let Some(value) = value {
                e.put(element, |w| {
                    w.u16(value);
                });
            }
        }
        if let Some(domains) = &self.domains {
            let page = domains.get(..Self::PAGE).unwrap_or(domains);
            e.put(0x12, |w| {
                w.u8(u8::try_from(page.len()).unwrap_or(u8::MAX));
                for location in page {
                    write_location(w, location);
                }
            });
        }
    }

    fn read(e: &Elements) -> Result<Self, BodyError> {
        let raw = e.get(0x12, read_locations)?;
        let too_many = raw.as_ref().filter(|list| list.len() > Self::PAGE);
        if let Some(list) = too_many {
            return Err(BodyError::Length {
                element: 0x12,
                length: list.len(),
            });
        }
        let location = |(path, instance, valid, data): RawLocation| {
            Some(Location {
                path: body::text(&path, NAME_LENGTH)?,
                instance,
                data: (valid != 0).then_some(data),
            })
        };
        let domains = raw.map(|list| list.into_iter().map(location).collect::<Option<Vec<_>>>());
        let domains = match domains {
            Some(None) => return Err(BodyError::Text(0x12)),
            Some(list) => list,
            None => None,
        };
        Ok(Self {
            status: Status::read(e)?,
            total: e.get(0x10, |r| r.u16())?,
            revision: e.get(0x11, |r| r.u16())?,
            domains,
        })
    }
}

/// To the locator: a domain failed, and why. Answered with a [`Status`]; the kernel's locator prints it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FailureReason {
    /// Name of the service or path of the domain.
    pub service: String,
    /// What happened.
    pub reason: String,
}

impl Body for FailureReason {
    const ID: u16 = 0x24;
    fn write(&self, e: &mut Elements) {
        e.put_text(1, &self.service, NAME_LENGTH);
        e.put_text(2, &self.reason, REASON_LENGTH);
    }
    fn read(e: &Elements) -> Result<Self, BodyError> {
        Ok(Self {
            service: e.text(1, NAME_LENGTH)?,
            reason: e.text(2, REASON_LENGTH)?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qmi::ErrorCode;
    use proptest::{collection::vec, option, prelude::*};

    fn text(bytes: &[u8]) -> Vec<u8> {
        bytes.to_vec()
    }

    #[test]
    fn vectors_of_the_kernels_encoder() {
        let path = || "a/b".to_owned();
        let request = RegisterListener {
            enable: 1,
            path: path(),
        };
        assert_eq!(request.encode(), text(b"\x01\x01\0\x01\x02\x03\0a/b"));
        let indication = StateUpdated {
            state: State::Up,
            path: path(),
            transaction: 7,
        };
        assert_eq!(
            indication.encode(),
            text(b"\x01\x04\0\xff\xff\xff\x1f\x02\x03\0a/b\x03\x02\0\x07\0")
        );
        let ack = Acknowledge {
            path: path(),
            transaction: 7,
        };
        assert_eq!(ack.encode(), text(b"\x01\x03\0a/b\x02\x02\0\x07\0"));
        assert_eq!(Restart { path: path() }.encode(), text(b"\x01\x03\0a/b"));
        let response = ListenerRegistered {
            status: Status::SUCCESS,
            state: Some(State::Down),
        };
        assert_eq!(
            response.encode(),
            text(b"\x02\x04\0\0\0\0\0\x10\x04\0\xff\xff\xff\x0f")
        );
        let query = GetDomainList {
            service: path(),
            offset: Some(0),
        };
        assert_eq!(query.encode(), text(b"\x01\x03\0a/b\x10\x04\0\0\0\0\0"));
        let list = DomainList {
            status: Status::SUCCESS,
            total: Some(1),
            revision: Some(1),
            domains: Some(vec![Location {
                path: path(),
                instance: 74,
                data: None,
            }]),
        };
        assert_eq!(
            list.encode(),
            text(
                b"\x02\x04\0\0\0\0\0\x10\x02\0\x01\0\x11\x02\0\x01\0\x12\x0e\0\x01\x03a/b\x4a\0\0\0\0\0\0\0\0"
            )
        );
        let reason = FailureReason {
            service: path(),
            reason: "x".into(),
        };
        assert_eq!(reason.encode(), text(b"\x01\x03\0a/b\x02\x01\0x"));
    }

    #[test]
    fn malformed_bodies_are_refused() {
        assert_eq!(
            RegisterListener::decode(b"\x02\x01\0a"),
            Err(BodyError::Missing(1))
        );
        assert_eq!(
            RegisterListener::decode(b"\x01\x01\0\x01"),
            Err(BodyError::Missing(2))
        );
        let mut long = vec![1, 65, 0];
        long.extend([b'a'; 65]);
        assert_eq!(Restart::decode(&long), Err(BodyError::Text(1)));
        let status = b"\x02\x04\0\0\0\0\0";
        let list = |tail: &[u8]| DomainList::decode(&[&status[..], tail].concat());
        assert!(matches!(
            list(b"\x12\x01\0\x01"),
            Err(BodyError::Length { element: 0x12, .. })
        ));
        assert!(matches!(
            list(b"\x12\x02\0\0\0"),
            Err(BodyError::Length { element: 0x12, .. })
        ));
        assert_eq!(
            list(b"\x12\x0c\0\x01\x01\xff\0\0\0\0\0\0\0\0\0"),
            Err(BodyError::Text(0x12))
        );
        let mut many = vec![0x12, 0x4b, 1, 33];
        many.extend(std::iter::repeat_n(0, 33 * 10));
        assert_eq!(
            list(&many),
            Err(BodyError::Length {
                element: 0x12,
                length: 33
            })
        );
    }

    fn comes_back<B: Body + PartialEq + std::fmt::Debug>(body: &[u8]) -> Result<(), TestCaseError> {
        if let Ok(value) = B::decode(body) {
            prop_assert_eq!(B::decode(&value.encode()), Ok(value));
        }
        Ok(())
    }

    proptest! {
        #[test]
        fn any_body_decodes_or_fails(elements in vec((0u8..0x14, vec(any::<u8>(), 0..12)), 0..5)) {
            let mut e = Elements::default();
            for (element, value) in elements {
                e.put(element, |w| { w.bytes(&value); });
            }
            let bytes = e.encode();
            comes_back::<RegisterListener>(&bytes)?;
            comes_back::<ListenerRegistered>(&bytes)?;
            comes_back::<StateUpdated>(&bytes)?;
            comes_back::<Acknowledge>(&bytes)?;
            comes_back::<Restart>(&bytes)?;
            comes_back::<GetDomainList>(&bytes)?;
            comes_back::<DomainList>(&bytes)?;
            comes_back::<FailureReason>(&bytes)?;
        }

        #[test]
        fn messages_come_back(
            path in "[a-z/_]{0,64}",
            reason in "[a-z ]{0,256}",
            state: i32,
            transaction: u16,
            enable: u8,
            error: u16,
            numbers in any::<(Option<u16>, Option<u16>, Option<u32>)>(),
            domains in option::of(vec(("[a-z/]{0,64}", any::<u32>(), any::<Option<u32>>()), 0..=DomainList::PAGE)),
        ) {
            let state = State::of(state);
            let status = Status::failure(ErrorCode(error));
            let value = RegisterListener { enable, path: path.clone() };
            prop_assert_eq!(RegisterListener::decode(&value.encode()), Ok(value));
            let value = ListenerRegistered { status, state: Some(state) };
            prop_assert_eq!(ListenerRegistered::decode(&value.encode()), Ok(value));
            let value = StateUpdated { state, path: path.clone(), transaction };
            prop_assert_eq!(StateUpdated::decode(&value.encode()), Ok(value));
            let value = Acknowledge { path: path.clone(), transaction };
            prop_assert_eq!(Acknowledge::decode(&value.encode()), Ok(value));
            let value = Restart { path: path.clone() };
            prop_assert_eq!(Restart::decode(&value.encode()), Ok(value));
            let value = GetDomainList { service: path.clone(), offset: numbers.2 };
            prop_assert_eq!(GetDomainList::decode(&value.encode()), Ok(value));
            let value = FailureReason { service: path, reason };
            prop_assert_eq!(FailureReason::decode(&value.encode()), Ok(value));
            let location = |(path, instance, data)| Location { path, instance, data };
            let value = DomainList {
                status,
                total: numbers.0,
                revision: numbers.1,
                domains: domains.map(|list| list.into_iter().map(location).collect()),
            };
            prop_assert_eq!(DomainList::decode(&value.encode()), Ok(value));
        }
    }
}
