//! Where two traces differ first.

use super::decode::{Decoder, Line};
use super::packet::Packet;
use super::read::{ReadError, Reader, Record};
use super::text;
use std::collections::BTreeMap;
use std::path::Path;

/// Lines before a difference that are shown.
const BEFORE: usize = 3;

/// The first difference of one DSP.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Label of the DSP.
    pub dsp: String,
    /// Packets that are the same before it.
    pub same: usize,
    /// The line in the first trace, if it has one more.
    pub first: Option<String>,
    /// The line in the second.
    pub second: Option<String>,
    /// Lines before it.
    pub before: Vec<String>,
}

impl std::fmt::Display for Difference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        writeln!(f, "{}: the same for {} packets, then", self.dsp, self.same)?;
        for line in &self.before {
            writeln!(f, "          {line}")?;
        }
        let or_end = |line: &Option<String>| line.clone().unwrap_or_else(|| "(the trace ends)".into());
        writeln!(f, "  first   {}", or_end(&self.first))?;
        write!(f, "  second  {}", or_end(&self.second))
    }
}

type Lines = BTreeMap<String, Vec<(Line, Packet)>>;

fn read(path: &Path) -> Result<Lines, ReadError> {
    let (mut reader, mut decoder) = (Reader::open(path)?, Decoder::default());
    let mut lines = Lines::new();
    while let Some(record) = reader.next_record()? {
        let packet = record.packet.clone();
        // Times are told apart by whoever wants to; what happened is compared.
        let line = decoder.next_line(Record { time: 0, ..record });
        lines
            .entry(reader.label(packet.dsp).to_owned())
            .or_default()
            .push((line, packet));
    }
    Ok(lines)
}

/// The first difference of each DSP, times apart; empty if there is none.
///
/// # Errors
/// One of the files cannot be read.
pub fn differences(first: &Path, second: &Path) -> Result<Vec<Difference>, ReadError> {
    let (first, mut second) = (read(first)?, read(second)?);
    let mut found = Vec::new();
    let mut compare = |dsp: &str, a: &[(Line, Packet)], b: &[(Line, Packet)]| {
        let same = a.iter().zip(b).take_while(|((_, a), (_, b))| a == b).count();
        if same == a.len() && same == b.len() {
            return;
        }
        let shown = |side: &[(Line, Packet)], at: usize| {
            side.get(at).map(|(line, packet)| {
                let mut shown = text::line(line, dsp);
                if let (Some((_, x)), Some((_, y))) = (a.get(at), b.get(at))
                    && let Some(place) = x.encode().iter().zip(&y.encode()).position(|(x, y)| x != y)
                {
                    let bytes = packet.encode();
                    let some: Vec<String> = bytes
                        .iter()
                        .skip(place)
                        .take(16)
                        .map(|b| format!("{b:02x}"))
                        .collect();
                    shown = format!("{shown}   [byte {place}: {}]", some.join(" "));
                }
                shown
            })
        };
        found.push(Difference {
            dsp: dsp.to_owned(),
            same,
            first: shown(a, same),
            second: shown(b, same),
            before: (same.saturating_sub(BEFORE)..same)
                .filter_map(|at| a.get(at).map(|(line, _)| text::line(line, dsp)))
                .collect(),
        });
    };
    for (dsp, a) in &first {
        let b = second.remove(dsp).unwrap_or_default();
        compare(dsp, a, &b);
    }
    for (dsp, b) in &second {
        compare(dsp, &[], b);
    }
    Ok(found)
}
