//! The golden traces: recorded sessions of unmodified kernels and libraries with a stand-in DSP, one JSON event a line.
//!
//! They live beside the repository, in `shared/testdata/traces` ([`test_needs::testdata`]); their README describes the fields.

use anyhow::{Context, Result, bail};
use rpmsg::fastrpc::{Ctx, Message, Scalars};
use serde_json::Value;
use std::path::Path;

/// One event.
#[derive(Debug, Clone)]
pub struct Event {
    /// Its number in the file.
    pub n: u64,
    /// `glink`, `fastrpc`, `reverse`, `note`, `console` or `header`.
    pub layer: String,
    /// `ap>dsp`, `dsp>ap`, or empty.
    pub dir: String,
    /// All fields.
    pub fields: Value,
}

impl Event {
    /// Whether this is an event of `layer` that goes `dir`.
    #[must_use]
    pub fn is(&self, layer: &str, dir: &str) -> bool {
        self.layer == layer && self.dir == dir
    }

    /// A field that is a hex string.
    ///
    /// # Errors
    /// If it is not.
    pub fn hex(&self, field: &str) -> Result<Vec<u8>> {
        hex(&self.fields[field]).with_context(|| format!("event {}: {field}", self.n))
    }

    /// A field that is a number, or a string with one.
    ///
    /// # Errors
    /// If it is neither.
    pub fn number(&self, field: &str) -> Result<u64> {
        number(&self.fields[field]).with_context(|| format!("event {}: {field}", self.n))
    }

    /// The FastRPC request that the event is.
    ///
    /// # Errors
    /// If it is none.
    pub fn message(&self) -> Result<Message> {
        Ok(Message {
            client_id: self.number("client")? as i32,
            tid: self.number("tid")? as i32,
            ctx: Ctx(self.number("ctx")?),
            handle: self.number("handle")? as u32,
            sc: Scalars(self.number("sc")? as u32),
            addr: self.number("addr")?,
            size: self.number("size")?,
        })
    }

    /// A field that is text; empty if it is not there.
    #[must_use]
    pub fn text(&self, field: &str) -> &str {
        self.fields[field].as_str().unwrap_or_default()
    }

    /// A field that is a list; empty if it is not there.
    #[must_use]
    pub fn list(&self, field: &str) -> &[Value] {
        self.fields[field].as_array().map_or(&[], Vec::as_slice)
    }
}

/// Bytes from a hex string.
///
/// # Errors
/// If it is not one.
pub fn hex(value: &Value) -> Result<Vec<u8>> {
    let text = value.as_str().context("not a string")?;
    if text.len() % 2 != 0 {
        bail!("odd number of hex digits");
    }
    (0..text.len() / 2)
        .map(|i| Ok(u8::from_str_radix(&text[2 * i..2 * i + 2], 16)?))
        .collect()
}

/// A number, or a string of one in decimal or 0x form. Negative numbers become their 64-bit two's complement.
///
/// # Errors
/// If it is neither.
pub fn number(value: &Value) -> Result<u64> {
    if let Some(n) = value.as_u64() {
        return Ok(n);
    }
    if let Some(n) = value.as_i64() {
        return Ok(n.cast_unsigned());
    }
    let text = value.as_str().context("not a number")?;
    Ok(match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16)?,
        None => text.parse()?,
    })
}

/// A recorded session.
#[derive(Debug, Clone)]
pub struct Trace {
    /// File name without folder and extension; variants as `variants/name`.
    pub name: String,
    /// Its events in order.
    pub events: Vec<Event>,
}

impl Trace {
    /// The stand-in's options, from the header.
    #[must_use]
    pub fn options(&self) -> Vec<&str> {
        self.events
            .first()
            .map(|e| e.text("opt").split(',').collect())
            .unwrap_or_default()
    }

    /// Reads one.
    ///
    /// # Errors
    /// If the file cannot be read or a line is no event.
    pub fn read(path: &Path, name: String) -> Result<Self> {
        let mut events = Vec::new();
        for line in std::fs::read_to_string(path)
            .with_context(|| path.display().to_string())?
            .lines()
        {
            let fields: Value = serde_json::from_str(line)?;
            events.push(Event {
                n: number(&fields["n"])?,
                layer: fields["layer"].as_str().unwrap_or_default().to_owned(),
                dir: fields["dir"].as_str().unwrap_or_default().to_owned(),
                fields,
            });
        }
        Ok(Self { name, events })
    }
}

/// All traces, variants included, in order of their names; a test is skipped if they are not there.
///
/// # Errors
/// If one of them is damaged.
///
/// # Panics
/// See [`test_needs::skip`].
#[track_caller]
pub fn all_or_skip() -> Result<Option<Vec<Trace>>> {
    let Some(folder) = test_needs::testdata_or_skip() else {
        return Ok(None);
    };
    let mut traces = Vec::new();
    for (sub, prefix) in [("traces", ""), ("traces/variants", "variants/")] {
        for entry in std::fs::read_dir(folder.join(sub))? {
            let path = entry?.path();
            if path.extension().is_some_and(|e| e == "jsonl") {
                let stem = path.file_stem().unwrap_or_default().to_string_lossy();
                traces.push(Trace::read(&path, format!("{prefix}{stem}"))?);
            }
        }
    }
    traces.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(Some(traces))
}
