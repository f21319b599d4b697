//! An AP that writes anything into its SMP2P item: the endpoint keeps its own item whole, and what it saw twice is no news.
#![no_main]

use arbitrary::Arbitrary;
use libfuzzer_sys::fuzz_target;
use rpmsg::smp2p::{Endpoint, EndpointConfig, ITEM_SIZE, Item, MAGIC, Outcome};
use rpmsg::words::Image;

#[derive(Debug, Arbitrary)]
enum Step {
    Bytes(Vec<u8>),
    Header {
        version: u8,
        features: u8,
        total: u8,
        valid: u8,
        flags: u8,
    },
    Entry {
        index: u8,
        name: [u8; 4],
        value: u32,
    },
    Start,
    Rang,
    Raise(u32),
    Lower(u32),
}

fuzz_target!(|input: (u8, bool, Vec<Step>)| {
    let (version, ssr_ack, steps) = input;
    let mut dsp = Endpoint::new(EndpointConfig {
        version,
        ssr_ack,
        ..EndpointConfig::new(2)
    });
    let own = Image::new(vec![0; ITEM_SIZE as usize]);
    let apply = |dsp: &Endpoint, out: &Outcome| {
        assert!(out.ring || out.writes.is_empty());
        out.apply(&own).unwrap();
        if dsp.item().version != 0 {
            assert_eq!(own.bytes(), dsp.item().encode());
        }
    };
    let mut peer = vec![0; ITEM_SIZE as usize];
    for step in steps.into_iter().take(200) {
        let parsed = Item::parse(&peer);
        if let Ok(Some(item)) = &parsed {
            let again = item.encode();
            assert_eq!(
                Item::parse(&again).unwrap().unwrap().entries.len(),
                item.entries.len()
            );
        }
        let item = parsed.unwrap_or(None);
        match step {
            Step::Bytes(bytes) => {
                for (to, from) in peer.iter_mut().zip(bytes) {
                    *to = from;
                }
            }
            Step::Header {
                version,
                features,
                total,
                valid,
                flags,
            } => {
                peer[..4].copy_from_slice(&MAGIC.to_le_bytes());
                peer[4..8].copy_from_slice(&[version % 4, features, 0, 0]);
                peer[12..16].copy_from_slice(&[total % 18, 0, valid % 18, 0]);
                peer[16] = flags;
            }
            Step::Entry { index, name, value } => {
                let at = 20 + usize::from(index % 16) * 20;
                peer[at..at + 4].copy_from_slice(&name);
                peer[at + 16..at + 20].copy_from_slice(&value.to_le_bytes());
            }
            Step::Start => {
                let out = dsp.start(item.as_ref());
                apply(&dsp, &out);
            }
            Step::Rang => {
                let out = dsp.rang(item.as_ref());
                apply(&dsp, &out);
                assert_eq!(dsp.rang(item.as_ref()), Outcome::default());
            }
            Step::Raise(bits) => {
                let out = dsp.raise(bits);
                apply(&dsp, &out);
            }
            Step::Lower(bits) => {
                let out = dsp.lower(bits);
                apply(&dsp, &out);
            }
        }
    }
});
