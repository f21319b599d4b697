//! A trace for people: one line a packet. And for programs: one JSON object a packet.

use super::decode::{Line, Meaning, Value};
use super::packet::{Body, Direction, Memory, Role};
use super::reverse::Reverse;
use std::fmt::Write as _;

/// Bytes of memory that a line shows.
const SHOWN: usize = 16;

/// One line.
#[must_use]
pub fn line(line: &Line, label: &str) -> String {
    let arrow = match line.packet.direction {
        Direction::None => ' ',
        Direction::ToDsp => '>',
        Direction::ToAp => '<',
    };
    let mut out = format!(
        "{:>6}.{:06} {label:<6} {:>6} {arrow} ",
        line.time / 1_000_000_000,
        line.time / 1000 % 1_000_000,
        line.packet.sequence
    );
    what(line, &mut out);
    out
}

fn what(line: &Line, out: &mut String) {
    // Writing into a string does not fail.
    let _ = match &line.meaning {
        Meaning::Request(call) => {
            let m = &call.message;
            write!(
                out,
                "{} ctx {:#x} client {} thread {} session {}: {} in, {} out, {} handles{}",
                call.name(),
                m.ctx.0,
                m.client_id,
                m.tid,
                call.sid,
                m.sc.in_bufs(),
                m.sc.out_bufs(),
                m.sc.in_handles() + m.sc.out_handles(),
                asked(line)
            )
        }
        Meaning::Answer {
            ctx,
            retval,
            call,
            older,
        } => {
            let name = call
                .as_ref()
                .map_or_else(|| "a call that is not open".into(), super::decode::Call::name);
            let time = match line.fields.get("fastrpc.time") {
                Some(Value::Number(ns)) => format!(", {}.{:03} us", ns / 1000, ns % 1000),
                _ => String::new(),
            };
            let _ = write!(out, "{name} ctx {ctx:#x}: answer {retval:#x}{time}");
            match older {
                Some(older) => write!(
                    out,
                    ", if it is not that of {} of packet {}, which has the same context",
                    older.name(),
                    older.sequence
                ),
                None => Ok(()),
            }
        }
        Meaning::Reverse(_, reverse) => write!(out, "  calls {}", reverse_text(reverse)),
        Meaning::ReverseDone(_, reverse) => {
            let result = reverse.result.unwrap_or_default();
            write!(out, "  replies {}: {result:#x}", reverse_text(reverse))
        }
        Meaning::Closed | Meaning::Runs(_) | Meaning::Other => match &line.packet.body {
            Body::Memory(Memory {
                role,
                argument,
                iova,
                length,
                bytes,
                ..
            }) => {
                let what = match role {
                    Role::Descriptors => "descriptors".to_owned(),
                    _ => format!("{} {argument}", role.name()),
                };
                let _ = write!(out, "  {what}: {length} bytes at {iova:#x}");
                for name in ["memory.opens", "memory.process", "memory.opened"] {
                    match line.fields.get(name) {
                        Some(Value::Text(text)) => {
                            let _ = write!(out, " {text:?}");
                        }
                        Some(Value::Hex(handle)) => {
                            let _ = write!(out, " handle {handle:#x}");
                        }
                        _ => {}
                    }
                }
                if bytes.is_empty() && *length != 0 {
                    write!(out, ", not kept")
                } else {
                    write!(out, ":{}", hex(bytes))
                }
            }
            Body::Write {
                iova, length, bytes, ..
            } => write!(out, "writes {length} bytes at {iova:#x}:{}", hex(bytes)),
            _ => fields(line, out),
        },
    };
}

/// What a program asked the driver for, if that is not clear from the message's own name; a context that is not this call's alone.
fn asked(line: &Line) -> String {
    let mut out = String::new();
    if let Some(Value::Text(request)) = line.fields.get("fastrpc.qda_request") {
        let _ = write!(out, ", QDA's {request}");
    }
    if let Some(Value::Number(older)) = line.fields.get("fastrpc.older") {
        let _ = write!(out, "; packet {older} has the same context and no answer");
    }
    out
}

/// Whatever has no form of its own: its kind and its fields.
fn fields(line: &Line, out: &mut String) -> std::fmt::Result {
    write!(out, "{}", line.packet.body.name())?;
    let plain = ["kind", "seq", "related", "direction"];
    for (name, value) in line.fields.0.iter().filter(|(name, _)| !plain.contains(name)) {
        let short = name.split_once('.').map_or(*name, |(_, short)| short);
        match value {
            Value::Number(n) => write!(out, " {short} {n}")?,
            Value::Hex(n) => write!(out, " {short} {n:#x}")?,
            Value::Text(text) if text.contains(|c: char| c.is_whitespace() || c.is_control()) => {
                write!(out, " {short} {text:?}")?;
            }
            Value::Text(text) => write!(out, " {short} {text}")?,
        }
    }
    Ok(())
}

fn reverse_text(reverse: &Reverse) -> String {
    format!("the AP's {} (reverse call {})", reverse.name(), reverse.ctx)
}

fn hex(bytes: &[u8]) -> String {
    let mut out = String::new();
    for byte in bytes.iter().take(SHOWN) {
        let _ = write!(out, " {byte:02x}");
    }
    if bytes.len() > SHOWN {
        out.push_str(" ..");
    }
    out
}

/// One JSON object: number, time in nanoseconds, DSP, and the fields, nested at their dots.
#[must_use]
pub fn json(line: &Line, label: &str) -> serde_json::Value {
    let mut out = serde_json::Map::new();
    out.insert("number".into(), line.number.into());
    out.insert("time".into(), line.time.into());
    out.insert("dsp".into(), label.into());
    for (name, value) in &line.fields.0 {
        match name.split_once('.') {
            None => {
                out.insert((*name).into(), value.json());
            }
            Some((group, name)) => {
                let group = out.entry(group).or_insert_with(|| serde_json::json!({}));
                if let Some(group) = group.as_object_mut() {
                    group.insert(name.into(), value.json());
                }
            }
        }
    }
    out.into()
}
