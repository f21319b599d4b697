use super::super::dsp::{FATAL, HANDOVER, READY, STOP_ACK};
use super::super::item::ITEM_SIZE;
use super::*;
use crate::words::{Image, read_bytes};
use proptest::{collection::vec, prelude::*};

/// The AP's driver, after `qcom_smp2p_intr` and what it calls.
struct Kernel {
    /// 7.3 goes down to version 1 itself, and looks at all set bits again when restarts are acknowledged.
    new: bool,
    out: Item,
    done: bool,
    ssr_enabled: bool,
    ssr_ack: bool,
    last: Option<u32>,
    /// Bits that became 1, as the remoteproc driver sees them.
    fired: Vec<u32>,
}

impl Kernel {
    fn probe(new: bool, theirs: Option<&Item>) -> Self {
        let version = match (new, theirs) {
            (false, _) => 1,
            (true, Some(item)) => item.version,
            (true, None) => 2,
        };
        let out = Item {
            version,
            features: 1,
            local_pid: 0,
            remote_pid: 2,
            flags: 0,
            entries: vec![Entry {
                name: AP_ENTRY.into(),
                value: 0,
            }],
        };
        let last = theirs.filter(|_| new).map(|item| item.entries[0].value);
        Self {
            new,
            out,
            done: false,
            ssr_enabled: false,
            ssr_ack: false,
            last,
            fired: Vec::new(),
        }
    }

    /// The interrupt; tells whether the AP rings back.
    fn interrupt(&mut self, item: &Item) -> bool {
        let mut kick = false;
        if !self.done {
            if item.version == self.out.version {
                self.out.features &= item.features;
                self.ssr_enabled |= self.out.features & 1 != 0;
                self.done = true;
            } else if self.new && item.version < self.out.version {
                self.out.version = item.version;
                kick = true;
            }
        }
        if self.done {
            let restart = self.ssr_enabled && (item.flags & 1 != 0) != self.ssr_ack;
            if self.ssr_enabled && self.new && self.last.is_some() {
                self.last = Some(0);
            }
            let value = item.entries[0].value;
            let rising = value & !self.last.replace(value).unwrap_or(0);
            if rising != 0 {
                self.fired.push(rising);
            }
            if restart {
                self.ssr_ack = !self.ssr_ack;
                self.out.flags = self.out.flags & !2 | u32::from(self.ssr_ack) << 1;
                kick = true;
            }
        }
        kick
    }
}

struct Pair {
    dsp: Endpoint,
    memory: Image,
    ap: Option<Kernel>,
    events: Vec<Event>,
}

impl Pair {
    fn new(config: EndpointConfig) -> Self {
        Self {
            dsp: Endpoint::new(config),
            memory: Image::new(vec![0; ITEM_SIZE as usize]),
            ap: None,
            events: Vec::new(),
        }
    }

    fn item(&self) -> Option<Item> {
        Item::parse(&read_bytes(&self.memory, 0, ITEM_SIZE).unwrap()).unwrap()
    }

    fn step(&mut self, f: impl FnOnce(&mut Endpoint, Option<&Item>) -> Outcome) {
        let peer = self.ap.as_ref().map(|ap| ap.out.clone());
        let mut out = f(&mut self.dsp, peer.as_ref());
        for round in 0.. {
            assert!(round < 10, "both sides ring for ever");
            out.apply(&self.memory).unwrap();
            self.events.append(&mut out.events);
            let Some(ap) = &mut self.ap else { return };
            let item = Item::parse(&read_bytes(&self.memory, 0, ITEM_SIZE).unwrap()).unwrap();
            if !out.ring || !ap.interrupt(&item.unwrap()) {
                return;
            }
            out = self.dsp.rang(Some(&ap.out));
        }
    }

    fn start(&mut self) {
        self.step(Endpoint::start);
    }

    fn raise(&mut self, bits: u32) {
        self.step(|dsp, _| dsp.raise(bits));
    }

    fn probe(&mut self, new: bool) {
        self.ap = Some(Kernel::probe(new, self.item().as_ref()));
        self.step(Endpoint::rang);
    }

    fn fired(&mut self) -> Vec<u32> {
        std::mem::take(&mut self.ap.as_mut().unwrap().fired)
    }
}

fn configs() -> Vec<(EndpointConfig, bool)> {
    let mut all = Vec::new();
    for version in [1, 2] {
        for ssr_ack in [false, true] {
            for new in [false, true] {
                let config = EndpointConfig {
                    version,
                    ssr_ack,
                    ..EndpointConfig::new(2)
                };
                all.push((config, new));
            }
        }
    }
    all
}

/// The AP's driver is there before the DSP starts, as with remoteproc.
#[test]
fn every_pair_of_versions_starts_and_restarts() {
    for (config, new) in configs() {
        let mut pair = Pair::new(config.clone());
        pair.probe(new);
        pair.start();
        let version = config.version.min(if new { 2 } else { 1 });
        let features = u32::from(config.ssr_ack);
        let negotiated = Event::Negotiated { version, features };
        // Whoever has to come down does so first.
        let entry = Event::Entry(AP_ENTRY.into());
        assert_eq!(pair.events.len(), 2, "{config:?} {new}");
        assert!(pair.events.contains(&negotiated) && pair.events.contains(&entry));
        let ap = pair.ap.as_ref().unwrap();
        assert_eq!(
            (ap.done, ap.out.version, ap.ssr_enabled),
            (true, version, config.ssr_ack)
        );
        for _ in 0..4 {
            pair.events.clear();
            pair.raise(READY | HANDOVER);
            assert_eq!(pair.fired().concat_bits(), READY | HANDOVER);
            pair.raise(FATAL);
            assert_eq!(pair.fired().concat_bits() & FATAL, FATAL);
            pair.start();
            assert_eq!(pair.fired(), [] as [u32; 0]);
            assert_eq!(pair.dsp.value(DSP_ENTRY), 0);
            assert_eq!(pair.events.contains(&Event::RestartAcknowledged), config.ssr_ack);
            assert!(!pair.dsp.is_restart_pending());
            assert_eq!(pair.ap.as_ref().unwrap().last, Some(0));
        }
    }
}

trait ConcatBits {
    fn concat_bits(&self) -> u32;
}

impl ConcatBits for Vec<u32> {
    fn concat_bits(&self) -> u32 {
        self.iter().fold(0, |all, bits| all | bits)
    }
}

/// The DSP runs before the AP's driver is loaded, and stays up over a reload.
#[test]
fn a_driver_that_comes_late_or_again() {
    for (config, new) in configs() {
        let mut pair = Pair::new(config);
        pair.start();
        pair.raise(READY);
        for time in 0..3 {
            pair.probe(new);
            assert!(pair.dsp.is_negotiated());
            // Loaded again with the same item: at the latest the next change settles it.
            assert!(pair.ap.as_ref().unwrap().done || time > 0);
            assert!(pair.ap.as_ref().unwrap().out.version <= pair.dsp.item().version);
            pair.raise(HANDOVER);
            assert!(pair.ap.as_ref().unwrap().done);
            pair.step(|dsp, _| dsp.lower(HANDOVER));
        }
    }
}

#[test]
fn a_stop_is_a_rising_bit() {
    let mut pair = Pair::new(EndpointConfig::new(2));
    pair.probe(true);
    pair.start();
    pair.raise(READY | HANDOVER);
    pair.events.clear();
    for value in [1, 3, 0, 1] {
        pair.ap.as_mut().unwrap().out.entries[0].value = value;
        pair.step(Endpoint::rang);
    }
    let stops: Vec<bool> = pair.events.iter().map(Event::is_stop).collect();
    assert_eq!(stops, [true, false, false, true]);
    pair.fired();
    pair.raise(STOP_ACK);
    assert_eq!(pair.fired().concat_bits() & STOP_ACK, STOP_ACK);
}

#[test]
fn one_word_is_written_for_one_change() {
    let mut dsp = Endpoint::new(EndpointConfig::new(2));
    assert_eq!(dsp.rang(None), Outcome::default());
    let start = dsp.start(None);
    assert_eq!(start.writes.len(), 85);
    assert_eq!(
        start.writes.last(),
        Some(&Write {
            offset: 4,
            word: 0x102
        })
    );
    assert!(start.ring);
    let ready = dsp.raise(READY);
    assert_eq!(
        (ready.writes, ready.ring),
        (vec![Write { offset: 36, word: 2 }], true)
    );
    assert_eq!(dsp.raise(READY), Outcome::default());
    assert_eq!(dsp.set("nobody", 0, 1), Outcome::default());
    assert_eq!(dsp.lower(READY).writes, [Write { offset: 36, word: 0 }]);
}

#[test]
fn the_peers_restart_is_acknowledged() {
    let mut pair = Pair::new(EndpointConfig::new(2));
    pair.probe(true);
    pair.start();
    pair.events.clear();
    for flags in [FLAG_RESTART_DONE, 0] {
        pair.ap.as_mut().unwrap().out.flags = flags;
        pair.step(Endpoint::rang);
        assert_eq!(pair.events, [Event::PeerRestarted]);
        assert_eq!(pair.item().unwrap().flags & FLAG_RESTART_ACK != 0, flags != 0);
        pair.events.clear();
        pair.step(Endpoint::rang);
        assert_eq!(pair.events, []);
    }
}

#[test]
fn an_item_that_goes_away_and_comes_back() {
    let mut pair = Pair::new(EndpointConfig::new(2));
    pair.probe(true);
    pair.start();
    pair.events.clear();
    assert_eq!(pair.dsp.rang(None).events, [Event::PeerReset]);
    assert_eq!(pair.dsp.rang(None).events, []);
    pair.step(Endpoint::rang);
    assert!(matches!(
        pair.events[..],
        [Event::Negotiated { .. }, Event::Entry(_)]
    ));
    pair.ap.as_mut().unwrap().out.entries.clear();
    pair.events.clear();
    pair.step(Endpoint::rang);
    assert_eq!(pair.events[0], Event::PeerReset);
}

fn any_item() -> impl Strategy<Value = Item> {
    (
        1u8..=2,
        0u32..4,
        0u32..4,
        vec(("(master-kernel|x|)", any::<u32>()), 0..=16),
    )
        .prop_map(|(version, features, flags, entries)| Item {
            version,
            features,
            local_pid: 0,
            remote_pid: 2,
            flags,
            entries: entries
                .into_iter()
                .map(|(name, value)| Entry { name, value })
                .collect(),
        })
}

proptest! {
    /// Whatever the AP's item says: the memory has what the endpoint believes, and saying it again is no news.
    #[test]
    fn any_peer_is_survived(items in vec((proptest::option::of(any_item()), 0u8..4, any::<u32>()), 1..20)) {
        let mut dsp = Endpoint::new(EndpointConfig::new(2));
        let memory = Image::new(vec![0; ITEM_SIZE as usize]);
        let apply = |out: &Outcome| {
            out.apply(&memory).unwrap();
            assert!(out.ring || out.writes.is_empty());
        };
        apply(&dsp.start(None));
        for (item, what, bits) in items {
            apply(&match what {
                0 => dsp.start(item.as_ref()),
                1 => dsp.raise(bits),
                _ => dsp.rang(item.as_ref()),
            });
            if what > 1 {
                let again = dsp.rang(item.as_ref());
                prop_assert_eq!(again, Outcome::default());
            }
            prop_assert_eq!(memory.bytes(), dsp.item().encode());
        }
    }
}
