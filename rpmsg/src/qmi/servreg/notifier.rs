//! The notifier: clients register for a domain and hear of every change of its state.
//!
//! Source: the client in `drivers/soc/qcom/pdr_interface.c`: it registers as soon as it sees the service, takes the state from the
//! response, acknowledges every indication after its users let go of the domain, and does not wait for the answer to that.

use super::{
    Domain, NOTIFIER, State, Subsystem,
    messages::{Acknowledge, ListenerRegistered, RegisterListener, Restart, StateUpdated},
};
use crate::{
    qmi::{
        Body, ErrorCode, Message, Status,
        service::{Effect, Service, refuse},
    },
    qrtr::{Address, NodeEvent},
};
use std::collections::{BTreeMap, VecDeque};

/// Most listeners of one domain.
pub const MAX_LISTENERS: usize = 64;
/// Most indications to one listener that can still be acknowledged; older ones are forgotten.
pub const MAX_UNACKNOWLEDGED: usize = 16;

#[derive(Debug, Clone)]
struct Watched {
    path: String,
    state: State,
    /// Clients, each with the indications that it did not acknowledge yet.
    listeners: BTreeMap<Address, VecDeque<u16>>,
    restarting: bool,
}

impl Watched {
    fn is_settled(&self) -> bool {
        self.listeners.values().all(VecDeque::is_empty)
    }
}

/// No domain of the subsystem has this path.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no protection domain {0:?} on this DSP")]
pub struct UnknownDomain(pub String);

/// The service.
#[derive(Debug, Clone)]
pub struct Notifier {
    instance: u32,
    domains: Vec<Watched>,
    transaction: u16,
    restartable: bool,
}

impl Notifier {
    /// The notifier of a subsystem, all of whose domains run. `restartable` is whether clients may restart them.
    #[must_use]
    pub fn new(subsystem: &Subsystem, restartable: bool) -> Self {
        let watched = |domain: &Domain| Watched {
            path: domain.path.clone(),
            state: State::Up,
            listeners: BTreeMap::new(),
            restarting: false,
        };
        Self {
            instance: subsystem.instance,
            domains: subsystem.domains.iter().map(watched).collect(),
            transaction: 0,
            restartable,
        }
    }

    /// Paths and states of all domains.
    pub fn domains(&self) -> impl Iterator<Item = (&str, State)> {
        self.domains.iter().map(|d| (d.path.as_str(), d.state))
    }

    /// A domain changed its state: what its listeners are told. Nothing if it was in that state already.
    ///
    /// # Errors
    /// [`UnknownDomain`]
    pub fn set(&mut self, path: &str, state: State) -> Result<Vec<Effect>, UnknownDomain> {
        let unknown = || UnknownDomain(path.to_owned());
        let domain = self
            .domains
            .iter_mut()
            .find(|d| d.path == path)
            .ok_or_else(unknown)?;
        domain.restarting = false;
        Ok(announce(domain, &mut self.transaction, state))
    }

    /// Restarts a domain: it goes down, and comes up when every listener has acknowledged that. A listener that never does
    /// keeps it down until [`Self::set`] or until its socket is closed.
    ///
    /// # Errors
    /// [`UnknownDomain`]
    pub fn restart(&mut self, path: &str) -> Result<Vec<Effect>, UnknownDomain> {
        let mut effects = self.set(path, State::Down)?;
        if let Some(domain) = self.domains.iter_mut().find(|d| d.path == path) {
            domain.restarting = true;
        }
        effects.extend(self.finish_restarts());
        Ok(effects)
    }

    fn finish_restarts(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        for domain in &mut self.domains {
            if domain.restarting && domain.is_settled() {
                domain.restarting = false;
                effects.extend(announce(domain, &mut self.transaction, State::Up));
            }
        }
        effects
    }

    fn register(&mut self, client: Address, request: &Message) -> Vec<Effect> {
        let Ok(wanted) = RegisterListener::decode(&request.body) else {
            return vec![refuse(client, request, ErrorCode::MALFORMED_MESSAGE)];
        };
        let Some(domain) = self.domains.iter_mut().find(|d| d.path == wanted.path) else {
            return vec![refuse(client, request, ErrorCode::INVALID_ID)];
        };
        let listens = wanted.enable != 0;
        if !listens {
            domain.listeners.remove(&client);
        } else if domain.listeners.len() < MAX_LISTENERS || domain.listeners.contains_key(&client) {
            domain.listeners.entry(client).or_default();
        } else {
            return vec![refuse(client, request, ErrorCode::CLIENT_IDS_EXHAUSTED)];
        }
        let response = ListenerRegistered {
            status: Status::SUCCESS,
            state: Some(domain.state),
        };
        let event = NodeEvent::Listener {
            path: wanted.path,
            client,
            listens,
        };
        let mut effects = vec![
            Effect::Send(client, request.response(&response)),
            Effect::Event(event),
        ];
        effects.extend(self.finish_restarts());
        effects
    }

    fn acknowledge(&mut self, client: Address, request: &Message) -> Vec<Effect> {
        let Ok(Acknowledge { path, transaction }) = Acknowledge::decode(&request.body) else {
            return vec![refuse(client, request, ErrorCode::MALFORMED_MESSAGE)];
        };
        let domain = self.domains.iter_mut().find(|d| d.path == path);
        let due = domain.and_then(|d| d.listeners.get_mut(&client));
        let at = due
            .as_ref()
            .and_then(|due| due.iter().position(|t| *t == transaction));
        let (Some(due), Some(at)) = (due, at) else {
            return vec![refuse(client, request, ErrorCode::INVALID_ID)];
        };
        due.remove(at);
        let mut effects = vec![
            Effect::Send(client, request.status(Status::SUCCESS)),
            Effect::Event(NodeEvent::PdAcknowledged {
                path,
                client,
                transaction,
            }),
        ];
        effects.extend(self.finish_restarts());
        effects
    }

    fn restart_request(&mut self, client: Address, request: &Message) -> Vec<Effect> {
        let Ok(Restart { path }) = Restart::decode(&request.body) else {
            return vec![refuse(client, request, ErrorCode::MALFORMED_MESSAGE)];
        };
        let error = match self.domains.iter().find(|d| d.path == path) {
            None => ErrorCode::INVALID_ID,
            Some(_) if !self.restartable => ErrorCode::DISABLED,
            Some(domain) if domain.state != State::Up => ErrorCode::INCOMPATIBLE_STATE,
            Some(_) => ErrorCode::NONE,
        };
        if error != ErrorCode::NONE {
            return vec![refuse(client, request, error)];
        }
        let mut effects = vec![
            Effect::Send(client, request.status(Status::SUCCESS)),
            Effect::Event(NodeEvent::PdRestartRequested { path: path.clone() }),
        ];
        effects.extend(self.restart(&path).unwrap_or_default());
        effects
    }
}

fn announce(domain: &mut Watched, transaction: &mut u16, state: State) -> Vec<Effect> {
    if domain.state == state {
        return Vec::new();
    }
    domain.state = state;
    let mut effects = vec![Effect::Event(NodeEvent::PdState {
        path: domain.path.clone(),
        state,
    })];
    for (client, due) in &mut domain.listeners {
        *transaction = transaction.wrapping_add(1);
        if due.len() >= MAX_UNACKNOWLEDGED {
            due.pop_front();
        }
        due.push_back(*transaction);
        let updated = StateUpdated {
            state,
            path: domain.path.clone(),
            transaction: *transaction,
        };
        effects.push(Effect::Send(*client, Message::indication(*transaction, &updated)));
    }
    effects
}

impl Service for Notifier {
    fn number(&self) -> u32 {
        NOTIFIER
    }

    fn version(&self) -> u8 {
        1
    }

    fn instance(&self) -> u32 {
        self.instance
    }

    fn request(&mut self, client: Address, request: &Message) -> Vec<Effect> {
        match request.id {
            RegisterListener::ID => self.register(client, request),
            Acknowledge::ID => self.acknowledge(client, request),
            Restart::ID => self.restart_request(client, request),
            _ => vec![refuse(client, request, ErrorCode::NOT_SUPPORTED)],
        }
    }

    fn forget(&mut self, gone: &dyn Fn(Address) -> bool) -> Vec<Effect> {
        for domain in &mut self.domains {
            domain.listeners.retain(|client, _| !gone(*client));
        }
        self.finish_restarts()
    }

    fn reset(&mut self) {
        for domain in &mut self.domains {
            domain.listeners.clear();
        }
        self.finish_restarts();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::{collection::vec, prelude::*};

    const PD: &str = "msm/adsp/audio_pd";

    fn client(port: u32) -> Address {
        Address { node: 1, port }
    }

    fn notifier() -> Notifier {
        Notifier::new(&Subsystem::of("adsp").unwrap(), true)
    }

    fn sent(effects: &[Effect]) -> Vec<(Address, &Message)> {
        let send = |e| match e {
            &Effect::Send(to, ref message) => Some((to, message)),
            Effect::Event(_) => None,
        };
        effects.iter().filter_map(send).collect()
    }

    fn register(n: &mut Notifier, port: u32, enable: u8, path: &str) -> ListenerRegistered {
        let path = path.to_owned();
        let request = Message::request(1, &RegisterListener { enable, path });
        let effects = n.request(client(port), &request);
        ListenerRegistered::decode(&sent(&effects)[0].1.body).unwrap()
    }

    fn ack(n: &mut Notifier, port: u32, path: &str, transaction: u16) -> Vec<Effect> {
        let path = path.to_owned();
        n.request(
            client(port),
            &Message::request(2, &Acknowledge { path, transaction }),
        )
    }

    fn updates(effects: &[Effect]) -> Vec<(u32, State, u16)> {
        let update = |(to, message): (Address, &Message)| {
            let updated = StateUpdated::decode(&message.body).ok()?;
            Some((to.port, updated.state, updated.transaction))
        };
        sent(effects).into_iter().filter_map(update).collect()
    }

    #[test]
    fn listeners_hear_and_acknowledge() {
        let mut n = notifier();
        assert_eq!((n.number(), n.version(), n.instance()), (66, 1, 74));
        assert_eq!(register(&mut n, 5, 1, PD).state, Some(State::Up));
        register(&mut n, 6, 1, "msm/adsp/sensor_pd");
        let down = n.set(PD, State::Down).unwrap();
        assert_eq!(updates(&down), [(5, State::Down, 1)]);
        assert_eq!(n.set(PD, State::Down), Ok(vec![]), "no change, no word");
        let event = NodeEvent::PdAcknowledged {
            path: PD.into(),
            client: client(5),
            transaction: 1,
        };
        assert!(ack(&mut n, 5, PD, 1).contains(&Effect::Event(event)));
        assert_eq!(register(&mut n, 7, 1, PD).state, Some(State::Down));
        let up = n.set(PD, State::Up).unwrap();
        assert_eq!(updates(&up), [(5, State::Up, 2), (7, State::Up, 3)]);
        assert!(register(&mut n, 5, 0, PD).status.is_success());
        assert_eq!(
            updates(&n.set(PD, State::EarlyDown).unwrap()),
            [(7, State::EarlyDown, 4)]
        );
        assert!(n.set("msm/adsp/none", State::Up).is_err());
    }

    #[test]
    fn acknowledgements_that_nobody_waits_for() {
        let mut n = notifier();
        register(&mut n, 5, 1, PD);
        n.set(PD, State::Down).unwrap();
        for (port, path, transaction) in [(6, PD, 1), (5, "msm/adsp/root_pd", 1), (5, PD, 2)] {
            let effects = ack(&mut n, port, path, transaction);
            let error = ListenerRegistered::decode(&sent(&effects)[0].1.body)
                .unwrap()
                .status
                .error;
            assert_eq!(error, ErrorCode::INVALID_ID);
        }
        let first = ack(&mut n, 5, PD, 1);
        assert_eq!(first.len(), 2);
        assert_eq!(ack(&mut n, 5, PD, 1).len(), 1, "only once");
    }

    #[test]
    fn a_restart_waits_for_every_listener() {
        let mut n = notifier();
        register(&mut n, 5, 1, PD);
        register(&mut n, 6, 1, PD);
        let request = Message::request(9, &Restart { path: PD.into() });
        let effects = n.request(client(8), &request);
        assert_eq!(
            effects[0],
            Effect::Send(client(8), request.status(Status::SUCCESS))
        );
        assert_eq!(updates(&effects), [(5, State::Down, 1), (6, State::Down, 2)]);
        let again = n.request(client(8), &request);
        let refused = request.status(Status::failure(ErrorCode::INCOMPATIBLE_STATE));
        assert_eq!(sent(&again), [(client(8), &refused)]);
        assert_eq!(updates(&ack(&mut n, 5, PD, 1)), []);
        assert_eq!(
            updates(&ack(&mut n, 6, PD, 2)),
            [(5, State::Up, 3), (6, State::Up, 4)]
        );
    }

    #[test]
    fn a_restart_does_not_wait_for_the_dead() {
        let mut n = notifier();
        register(&mut n, 5, 1, PD);
        register(&mut n, 6, 1, PD);
        n.restart(PD).unwrap();
        ack(&mut n, 5, PD, 1);
        assert_eq!(updates(&n.forget(&|a| a.port == 6)), [(5, State::Up, 3)]);
        let effects = n.restart("msm/adsp/root_pd").unwrap();
        let state = |state| {
            Effect::Event(NodeEvent::PdState {
                path: "msm/adsp/root_pd".into(),
                state,
            })
        };
        assert_eq!(effects, [state(State::Down), state(State::Up)], "nobody listens");
        n.restart(PD).unwrap();
        n.set("msm/adsp/sensor_pd", State::Down).unwrap();
        n.reset();
        assert_eq!(register(&mut n, 5, 1, PD).state, Some(State::Up), "restarted");
        let down = register(&mut n, 5, 1, "msm/adsp/sensor_pd").state;
        assert_eq!(down, Some(State::Down), "what is down stays so");
    }

    #[test]
    fn refusals() {
        let mut n = Notifier::new(&Subsystem::of("cdsp").unwrap(), false);
        let mut error = |request: Message| {
            let effects = n.request(client(3), &request);
            let status = ListenerRegistered::decode(&sent(&effects)[0].1.body)
                .unwrap()
                .status;
            (!status.is_success()).then_some(status.error)
        };
        let path = || "msm/cdsp/root_pd".to_owned();
        let register = |path| Message::request(0, &RegisterListener { enable: 1, path });
        assert_eq!(error(register(path())), None);
        assert_eq!(error(register(PD.to_owned())), Some(ErrorCode::INVALID_ID));
        let restart = |path| Message::request(0, &Restart { path });
        assert_eq!(error(restart(path())), Some(ErrorCode::DISABLED));
        assert_eq!(error(restart(PD.to_owned())), Some(ErrorCode::INVALID_ID));
        for id in [0x20, 0x23, 0x24] {
            let body = vec![1];
            let message = Message {
                id,
                body,
                ..restart(path())
            };
            assert_eq!(error(message), Some(ErrorCode::MALFORMED_MESSAGE));
        }
        let mut unknown = restart(path());
        unknown.id = 0x30;
        assert_eq!(error(unknown), Some(ErrorCode::NOT_SUPPORTED));
    }

    #[test]
    fn listeners_and_unacknowledged_indications_are_bounded() {
        let mut n = notifier();
        for port in 0..70 {
            let fits = register(&mut n, port, 1, PD).status.is_success();
            assert_eq!(fits, port < 64);
        }
        assert!(
            register(&mut n, 3, 1, PD).status.is_success(),
            "again is not one more"
        );
        for _ in 0..100 {
            n.set(PD, State::Down).unwrap();
            n.set(PD, State::Up).unwrap();
        }
        assert!(
            n.domains[1]
                .listeners
                .values()
                .all(|due| due.len() == MAX_UNACKNOWLEDGED)
        );
    }

    proptest! {
        /// Whatever clients send, each request has one response, and a domain is only down while somebody owes an acknowledgement.
        #[test]
        fn any_requests(steps in vec((0u8..5, 0u32..3, 0u16..12), 0..60)) {
            let mut n = notifier();
            for (step, port, transaction) in steps {
                let path = PD.to_owned();
                let request = match step {
                    0 => Message::request(0, &RegisterListener { enable: 1, path }),
                    1 => Message::request(0, &RegisterListener { enable: 0, path }),
                    2 => Message::request(0, &Acknowledge { path, transaction }),
                    3 => Message::request(0, &Restart { path }),
                    _ => {
                        n.forget(&|a| a.port == port);
                        continue;
                    }
                };
                let effects = n.request(client(port), &request);
                let responses = sent(&effects).into_iter().filter(|(_, m)| m.kind == crate::qmi::Kind::Response);
                prop_assert_eq!(responses.count(), 1);
                let pd = &n.domains[1];
                prop_assert!(pd.state == State::Up || !pd.is_settled());
            }
        }
    }
}
