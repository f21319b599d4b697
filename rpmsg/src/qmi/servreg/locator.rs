//! The locator: which domains have a service, and which notifier knows them.
//!
//! Source: `drivers/soc/qcom/qcom_pd_mapper.c`, whose answers these are. It lives on the AP; a DSP offers it only where the AP has
//! none (no pd-mapper driver, or a machine that the driver does not know).

use super::{
    LOCATOR, Subsystem,
    domains::REGISTRY,
    messages::{DomainList, FailureReason, GetDomainList, Location},
};
use crate::{
    qmi::{
        Body, ErrorCode, Message, Status,
        service::{Effect, Service, refuse},
    },
    qrtr::{Address, NodeEvent},
};

/// The service.
#[derive(Debug, Clone)]
pub struct Locator {
    subsystems: Vec<Subsystem>,
}

impl Locator {
    /// A locator of the domains of these subsystems.
    #[must_use]
    pub const fn new(subsystems: Vec<Subsystem>) -> Self {
        Self { subsystems }
    }

    fn find(&self, service: &str) -> Vec<Location> {
        let mut found = Vec::new();
        for subsystem in &self.subsystems {
            for domain in &subsystem.domains {
                if service == REGISTRY || domain.services.iter().any(|s| s == service) {
                    found.push(Location {
                        path: domain.path.clone(),
                        instance: subsystem.instance,
                        data: None,
                    });
                }
            }
        }
        found
    }

    fn list(&self, query: &GetDomainList) -> DomainList {
        let found = self.find(&query.service);
        let offset = usize::try_from(query.offset.unwrap_or(0)).unwrap_or(usize::MAX);
        let total = u16::try_from(found.len()).unwrap_or(u16::MAX);
        let page: Vec<_> = found.into_iter().skip(offset).take(DomainList::PAGE).collect();
        DomainList {
            status: Status::SUCCESS,
            total: Some(total),
            revision: Some(1),
            // no list at all for a service that nobody has, as the kernel's locator answers
            domains: (total > 0).then_some(page),
        }
    }
}

impl Service for Locator {
    fn number(&self) -> u32 {
        LOCATOR
    }

    fn version(&self) -> u8 {
        1
    }

    fn instance(&self) -> u32 {
        1
    }

    fn request(&mut self, client: Address, request: &Message) -> Vec<Effect> {
        let malformed = || vec![refuse(client, request, ErrorCode::MALFORMED_MESSAGE)];
        match request.id {
            GetDomainList::ID => match GetDomainList::decode(&request.body) {
                Ok(query) => vec![Effect::Send(client, request.response(&self.list(&query)))],
                Err(_) => malformed(),
            },
            FailureReason::ID => match FailureReason::decode(&request.body) {
                Ok(FailureReason { service, reason }) => vec![
                    Effect::Send(client, request.status(Status::SUCCESS)),
                    Effect::Event(NodeEvent::FailureReason { service, reason }),
                ],
                Err(_) => malformed(),
            },
            _ => vec![refuse(client, request, ErrorCode::NOT_SUPPORTED)],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::qmi::servreg::Domain;

    const CLIENT: Address = Address { node: 1, port: 9 };

    fn ask(locator: &mut Locator, service: &str, offset: Option<u32>) -> DomainList {
        let service = service.to_owned();
        let request = Message::request(0, &GetDomainList { service, offset });
        let effects = locator.request(CLIENT, &request);
        let [Effect::Send(CLIENT, response)] = &effects[..] else {
            panic!("{effects:?}");
        };
        DomainList::decode(&response.body).unwrap()
    }

    #[test]
    fn domains_by_service() {
        let both = ["adsp", "cdsp"].map(|l| Subsystem::of(l).unwrap());
        let mut locator = Locator::new(both.to_vec());
        assert_eq!(
            (locator.number(), locator.version(), locator.instance()),
            (64, 1, 1)
        );
        let audio = ask(&mut locator, "avs/audio", Some(0));
        assert_eq!(
            audio.domains.unwrap(),
            [Location {
                path: "msm/adsp/audio_pd".into(),
                instance: 74,
                data: None
            }]
        );
        assert_eq!(ask(&mut locator, REGISTRY, None).total, Some(5));
        let nothing = ask(&mut locator, "x", None);
        assert_eq!((nothing.total, nothing.domains), (Some(0), None));
        assert!(nothing.status.is_success());
    }

    #[test]
    fn pages() {
        let domain = |n| Domain {
            path: format!("d{n}"),
            services: Vec::new(),
        };
        let domains = (0..70).map(domain).collect();
        let mut locator = Locator::new(vec![Subsystem { instance: 1, domains }]);
        let mut page = |offset| ask(&mut locator, REGISTRY, Some(offset)).domains.unwrap();
        let sizes = [0, 32, 64, 70, u32::MAX].map(|offset| page(offset).len());
        assert_eq!(sizes, [32, 32, 6, 0, 0]);
        assert_eq!(page(64)[0].path, "d64");
    }

    #[test]
    fn failure_reasons() {
        let mut locator = Locator::new(Vec::new());
        let (service, reason) = ("avs/audio".to_owned(), "assert".to_owned());
        let body = FailureReason {
            service: service.clone(),
            reason: reason.clone(),
        };
        let effects = locator.request(CLIENT, &Message::request(0, &body));
        assert_eq!(
            effects[1],
            Effect::Event(NodeEvent::FailureReason { service, reason })
        );
        for (id, body) in [(0x21, vec![0]), (0x24, vec![]), (0x22, vec![])] {
            let message = Message {
                id,
                body,
                ..Message::request(0, &body_of("x"))
            };
            assert_eq!(locator.request(CLIENT, &message).len(), 1);
        }
    }

    fn body_of(service: &str) -> GetDomainList {
        GetDomainList {
            service: service.into(),
            offset: None,
        }
    }
}
