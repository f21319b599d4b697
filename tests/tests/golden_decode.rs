//! Every recorded byte of GLINK and FastRPC decodes, means what the recorder says it means, and encodes to the same bytes again.

use anyhow::{Context, Result, ensure};
use rpmsg::{
    fastrpc::{
        Addressing, Arg, ArgKind, Message, Metadata, Page, Response, Scalars,
        args::{Descriptors, ListEntry, RawArg},
        attributes,
        build::{ApArg, Plan},
        control::{self, Control},
        layout::encode_fdlist,
        parse_args,
    },
    fifo::{Consumer, Producer, RingMemory},
    glink::Command,
    iface::{
        self, Kind, Method, Payload, Reply, adspmsgd, adspmsgd_apps, apps_mem, apps_remotectl, apps_std,
        current_process, default_listener, dspqueue, listener, remotectl, tunnel,
    },
};
use serde_json::Value;
use std::cell::Cell;
use std::collections::BTreeMap;
use tests::trace::{self, Event, Trace, hex, number};

/// The recorder cuts data here.
const CUT: usize = 4096;

/// What was decoded, for the summary line and so that a test cannot pass by decoding nothing.
#[derive(Debug, Default)]
struct Coverage {
    glink: usize,
    requests: usize,
    responses: usize,
    rebuilt: usize,
    payloads: usize,
    replies: usize,
    reverse_requests: usize,
    reverse_replies: usize,
}

#[test]
fn every_recorded_byte_decodes_and_encodes_again() -> Result<()> {
    let Some(traces) = trace::all_or_skip()? else {
        return Ok(());
    };
    let mut coverage = Coverage::default();
    for trace in &traces {
        decode(trace, &mut coverage).with_context(|| trace.name.clone())?;
    }
    println!("{} traces: {coverage:?}", traces.len());
    let recorded = |layer, dir| {
        traces
            .iter()
            .flat_map(|t| &t.events)
            .filter(|e| e.is(layer, dir))
            .count()
    };
    assert_eq!(
        coverage.glink,
        recorded("glink", "ap>dsp") + recorded("glink", "dsp>ap")
    );
    assert_eq!(coverage.requests, recorded("fastrpc", "ap>dsp"));
    assert_eq!(coverage.responses, recorded("fastrpc", "dsp>ap"));
    // The rest had buffers that the recorder cut, or failed calls that carry nothing.
    assert!(coverage.rebuilt * 100 >= coverage.requests * 99);
    assert!(coverage.reverse_requests * 100 >= recorded("reverse", "dsp>ap") * 99);
    Ok(())
}

/// A ring in plain memory, to pass the recorded commands through.
struct Ring {
    words: Vec<Cell<u32>>,
    tail: Cell<u32>,
    head: Cell<u32>,
}

impl RingMemory for Ring {
    fn capacity(&self) -> u32 {
        self.words.len() as u32 * 4
    }
    fn tail(&self) -> u32 {
        self.tail.get()
    }
    fn head(&self) -> u32 {
        self.head.get()
    }
    fn publish_tail(&self, tail: u32) {
        self.tail.set(tail);
    }
    fn publish_head(&self, head: u32) {
        self.head.set(head);
    }
    fn read_word(&self, offset: u32) -> u32 {
        self.words[offset as usize / 4].get()
    }
    fn write_word(&self, offset: u32, word: u32) {
        self.words[offset as usize / 4].set(word);
    }
}

/// A request that is not answered yet, as far as the decoding of its answer needs it.
struct Open {
    message: Message,
    payload: Option<Payload>,
}

/// The reverse call that is under way, per client.
struct Reverse {
    payload: Payload,
    module: Module,
    pack: Vec<u8>,
    /// Whether the recorder kept all of its bytes.
    complete: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Module {
    Remotectl,
    Std,
    Mem,
    Msg,
    /// Calls that the recorder made wrong on purpose.
    None,
}

fn decode(trace: &Trace, coverage: &mut Coverage) -> Result<()> {
    // A small ring, so that the recorded commands wrap in many places.
    let ring = Ring {
        words: (0..34).map(|_| Cell::new(0)).collect(),
        tail: Cell::new(0),
        head: Cell::new(0),
    };
    let mut producer = Producer::new(ring.capacity())?;
    let mut consumer = Consumer::new(ring.capacity())?;
    let mut open: BTreeMap<u64, Open> = BTreeMap::new();
    let mut reverse: BTreeMap<u64, Reverse> = BTreeMap::new();
    let mut next2: Option<(u64, listener::Next2)> = None;
    let mut data = None;
    for event in &trace.events {
        let at = || format!("event {}", event.n);
        match (event.layer.as_str(), event.dir.as_str()) {
            ("glink", dir) => {
                let bytes = event.hex("bytes")?;
                producer.push(&ring, &bytes).with_context(at)?;
                let received = consumer.next(&ring).with_context(at)?.with_context(at)?;
                ensure!(received.bytes == bytes, "{}: changed by the FIFO", at());
                ensure!(
                    received.command.encode() == bytes,
                    "{}: changed by decoding",
                    at()
                );
                coverage.glink += 1;
                if let Command::TxData {
                    data: message,
                    left: 0,
                    ..
                } = received.command
                {
                    if dir == "ap>dsp" {
                        ensure!(Message::parse(&message)?.encode() == message, "{}", at());
                    } else {
                        ensure!(Response::parse(&message)?.encode() == message, "{}", at());
                        if let Some((ctx, retval)) = data.take() {
                            let response = Response::parse(&message)?;
                            ensure!((response.ctx.0, response.retval) == (ctx, retval), "{}", at());
                            coverage.responses += 1;
                        }
                    }
                }
            }
            ("fastrpc", "ap>dsp") => {
                let call = request(&trace.name, event, coverage).with_context(at)?;
                if let Some(listener::Request::Next2(request)) =
                    call.payload.as_ref().and_then(as_listener(&call.message))
                {
                    next2 = Some((call.message.client_id as u64, request));
                }
                open.insert(event.number("ctx")?, call);
            }
            ("fastrpc", "dsp>ap") => {
                let ctx = event.number("ctx")?;
                data = Some((ctx, event.number("retval")? as u32));
                let call = open
                    .remove(&ctx)
                    .with_context(|| format!("{}: nobody asked", at()))?;
                answer(event, &call, &reverse, coverage).with_context(at)?;
            }
            ("reverse", "dsp>ap") => {
                let call = reverse_request(event, coverage).with_context(at)?;
                reverse.insert(event.number("client")?, call);
            }
            ("reverse", "ap>dsp") => {
                let client = event.number("client")?;
                let call = reverse.get(&client).with_context(at)?;
                let (_, next2) = next2.as_ref().filter(|(c, _)| *c == client).with_context(at)?;
                reverse_reply(event, call, next2, coverage).with_context(at)?;
            }
            _ => {}
        }
    }
    Ok(())
}

fn as_listener(message: &Message) -> impl Fn(&Payload) -> Option<listener::Request> {
    let kind = match message.handle {
        iface::handle::LISTENER => Some(Kind::Plain),
        iface::handle::LISTENER1 => Some(Kind::Handle64),
        _ => None,
    };
    move |payload| listener::Request::parse(payload, kind?).ok()
}

/// Message, invoke buffer, arguments and payload of one request.
fn request(session: &str, event: &Event, coverage: &mut Coverage) -> Result<Open> {
    let message = event.message()?;
    let a = Addressing::default();
    message.check(&a)?;
    let sc = message.sc;
    ensure!(u64::from(sc.method()) == event.number("method")?);
    ensure!(sc.in_bufs() as u64 == event.number("nin")? && sc.out_bufs() as u64 == event.number("nout")?);
    ensure!(sc.in_handles() as u64 == event.number("hin")?);
    ensure!(sc.out_handles() as u64 == event.number("hout")?);
    ensure!(a.split(message.addr).0 as u64 == event.number("sid")?);
    ensure!(message.ctx.pd().is_some() && message.ctx.0 & 0xF == event.number("pd")?);

    let bytes = event.hex("invoke_buffer")?;
    let descriptors = Descriptors::parse(sc, &bytes)?;
    let encoded = descriptors.encode();
    let mut expected = bytes[..encoded.len()].to_vec();
    for (index, (raw, _)) in descriptors.entries.iter().enumerate() {
        if matches!(raw, RawArg::Handle { .. }) {
            // Padding, which a kernel does not always clear.
            expected[16 * index + 12..16 * index + 16].fill(0);
        }
    }
    ensure!(encoded == expected, "descriptors changed by decoding");
    let args = parse_args(&message, &bytes, &a)?;
    let recorded = event.list("args");
    ensure!(recorded.len() == args.len());
    for (index, (arg, fields)) in args.iter().zip(recorded).enumerate() {
        same_arg(&message, index, arg, fields).with_context(|| format!("argument {index}"))?;
    }
    rebuild(event, &message, &descriptors, &bytes, coverage)?;
    let payload = payload(&message, &args, recorded)?;
    if let Some(payload) = &payload {
        known_request(session, event, &message, payload, coverage)?;
    }
    coverage.requests += 1;
    Ok(Open { message, payload })
}

fn same_arg(message: &Message, index: usize, arg: &Arg, fields: &Value) -> Result<()> {
    let kind = match message.sc.kind(index).context("too many")? {
        ArgKind::In => "in",
        ArgKind::Out => "out",
        ArgKind::InHandle => "in_handle",
        ArgKind::OutHandle => "out_handle",
    };
    ensure!(fields["kind"] == kind);
    ensure!(u64::from(arg.len()) == number(&fields["len"])?);
    let a = Addressing::default();
    let (sid, _) = a.split(message.addr);
    let page = match arg {
        Arg::Empty => None,
        Arg::Buffer { pv, page, iova, .. } => {
            ensure!(*pv == number(&fields["pv"])?);
            let (_, base) = a.split(message.addr);
            let place = match fields["where"].as_str().context("where")?.strip_prefix("inline@") {
                Some(offset) => base + number(&offset.into())?,
                None => page.addr + pv % 4096,
            };
            ensure!(*iova == place);
            Some(*page)
        }
        Arg::Handle { fd, offset, page, .. } => {
            ensure!(*fd == number(&fields["fd"])? as i32);
            ensure!(u64::from(*offset) == number(&fields["offset"])?);
            *page
        }
    };
    let page = page.map_or(Page::default(), |p| Page {
        addr: a.join(sid, p.addr),
        ..p
    });
    ensure!((page.addr, page.size) == (number(&fields["page_addr"])?, number(&fields["page_size"])?));
    Ok(())
}

/// Lays the call out as the kernel does, and compares with the kernel's own bytes.
fn rebuild(
    event: &Event,
    message: &Message,
    descriptors: &Descriptors,
    bytes: &[u8],
    coverage: &mut Coverage,
) -> Result<()> {
    let used = event.number("used")? as usize;
    let poll_word = trace_has_poll_word(event, message, descriptors)?;
    if used > CUT {
        return Ok(());
    }
    let inline: Vec<Option<u64>> = event
        .list("args")
        .iter()
        .map(|f| {
            f["where"]
                .as_str()
                .and_then(|w| w.strip_prefix("inline@"))
                .map(|o| number(&o.into()))
        })
        .map(Option::transpose)
        .collect::<Result<_>>()?;
    let mut kernel = 0;
    let mut args = Vec::new();
    for ((raw, list), (offset, page)) in descriptors
        .entries
        .iter()
        .zip(inline.iter().zip(&descriptors.pages))
    {
        args.push(match (*raw, offset) {
            (RawArg::Handle { fd, offset, len }, _) => ApArg::Handle {
                fd,
                offset,
                len,
                page: *page,
            },
            // User addresses are not recorded; offsets stand in for them, which keeps order, distances and overlaps.
            (RawArg::Buffer { pv, len }, Some(offset)) => {
                kernel = pv - offset;
                let range = *offset as usize..(offset + len) as usize;
                match message.sc.kind(args.len()) {
                    Some(ArgKind::In) => ApArg::In {
                        addr: *offset,
                        data: &bytes[range],
                    },
                    _ => ApArg::Out { addr: *offset, len },
                }
            }
            (RawArg::Buffer { pv, len }, None) if len != 0 => ApArg::Mapped {
                addr: pv,
                len,
                base: pv & !4095,
                dma: page.addr,
            },
            (RawArg::Buffer { .. }, None) => {
                ensure!(
                    *list
                        == ListEntry {
                            num: 0,
                            pgidx: list.pgidx
                        }
                        && *page == Page::default()
                );
                ApArg::Out { addr: 0, len: 0 }
            }
        });
    }
    let metadata = if poll_word {
        Metadata::WithPollWord
    } else {
        Metadata::WithoutPollWord
    };
    let a = Addressing::default();
    let plan = Plan::new(args, metadata)?;
    ensure!(plan.size(&a) == message.size, "size {:#x}", plan.size(&a));
    let mut built = plan.fill(message.addr, kernel, &a).bytes;
    built.resize(used.max(built.len()), 0);
    let mut expected = bytes.to_vec();
    for (index, (raw, _)) in descriptors.entries.iter().enumerate() {
        if matches!(raw, RawArg::Handle { .. }) {
            expected[16 * index + 12..16 * index + 16].fill(0);
        }
    }
    expected.resize(built.len(), 0);
    ensure!(built == expected, "the AP's side lays this call out differently");
    coverage.rebuilt += 1;
    Ok(())
}

/// Whether the recording kernel has the poll word: seen from where its inline arguments start.
fn trace_has_poll_word(event: &Event, message: &Message, descriptors: &Descriptors) -> Result<bool> {
    let n = descriptors.entries.len() as u64;
    let first = event
        .list("args")
        .iter()
        .filter_map(|f| {
            f["where"]
                .as_str()?
                .strip_prefix("inline@")
                .map(|o| number(&o.into()))
        })
        .collect::<Result<Vec<_>>>()?
        .into_iter()
        .min();
    let layout = rpmsg::fastrpc::InvokeLayout::new(message.sc.args());
    let start = |kind| layout.metadata(kind).next_multiple_of(128);
    Ok(match first {
        Some(first) => {
            ensure!(
                first == start(Metadata::WithPollWord) || first == start(Metadata::WithoutPollWord),
                "{n} arguments, first at {first:#x}"
            );
            first == start(Metadata::WithPollWord)
        }
        None => true,
    })
}

/// The call's payload, if all of its bytes were recorded.
fn payload(message: &Message, args: &[Arg], recorded: &[Value]) -> Result<Option<Payload>> {
    let mut payload = Payload {
        sc: message.sc,
        ..Payload::default()
    };
    for (index, (arg, fields)) in args.iter().zip(recorded).enumerate() {
        match message.sc.kind(index) {
            Some(ArgKind::In) => {
                let data = if arg.is_empty() {
                    Vec::new()
                } else {
                    hex(&fields["data"])?
                };
                if data.len() != arg.len() as usize {
                    return Ok(None);
                }
                payload.ins.push(data);
            }
            Some(ArgKind::Out) => payload.outs.push(arg.len()),
            _ => {}
        }
    }
    Ok(Some(payload))
}

/// A request of an interface that we know: parses, has the recorded name, encodes to the same payload.
fn known_request(
    session: &str,
    event: &Event,
    message: &Message,
    payload: &Payload,
    coverage: &mut Coverage,
) -> Result<()> {
    macro_rules! check {
        ($module:ident, $kind:expr) => {{
            let request = $module::Request::parse(payload, $kind)?;
            ensure!(
                request.payload($kind) == *payload,
                "{request:?} changed by decoding"
            );
            request.name().to_owned()
        }};
    }
    use iface::handle::*;
    let name = match message.handle {
        PROCESS_CONTROL => {
            let request = Control::parse(payload, None)?;
            let shell = payload
                .ins
                .get(control::SHELL_BUFFER)
                .cloned()
                .unwrap_or_default();
            let mut again = request.payload(shell);
            // Padding, which a kernel does not always clear.
            if let (Some(mine), Some(theirs)) = (again.ins.first_mut(), payload.ins.first()) {
                match request {
                    Control::Mmap { .. } => mine[20..].copy_from_slice(&theirs[20..]),
                    Control::Munmap { .. } => mine[4..8].copy_from_slice(&theirs[4..8]),
                    _ => {}
                }
            }
            ensure!(again == *payload, "{request:?} changed by decoding");
            coverage.payloads += 1;
            return Ok(());
        }
        ATTRIBUTES => {
            ensure!(attributes::parse(payload)? == 255);
            coverage.payloads += 1;
            return Ok(());
        }
        REMOTECTL => check!(remotectl, Kind::Plain),
        REMOTECTL1 => check!(remotectl, Kind::Handle64),
        LISTENER => check!(listener, Kind::Plain),
        LISTENER1 => check!(listener, Kind::Handle64),
        CURRENT_PROCESS1 => check!(current_process, Kind::Handle64),
        ADSPMSGD1 => check!(adspmsgd, Kind::Handle64),
        _ if event.text("iface") == "dynamic" => return dynamic_request(session, payload, coverage),
        other => anyhow::bail!("no codec for handle {other}"),
    };
    let recorded = event.text("mname");
    ensure!(
        recorded.trim_end_matches('1') == name.trim_end_matches('1'),
        "{name} is recorded as {recorded}"
    );
    coverage.payloads += 1;
    Ok(())
}

/// Modules that are opened by name: in these sessions there is one such module each.
fn dynamic_request(session: &str, payload: &Payload, coverage: &mut Coverage) -> Result<()> {
    if session.contains("dspqueue") {
        let request = dspqueue::Request::parse(payload, Kind::Handle64)?;
        ensure!(
            request.payload(Kind::Handle64) == *payload,
            "{request:?} changed by decoding"
        );
    } else if session.contains("cdsprpcd") {
        let kind = if session.contains("rootpd") {
            Kind::Handle64
        } else {
            Kind::Plain
        };
        let request = default_listener::Request::parse(payload, kind)?;
        ensure!(
            request.payload(kind) == *payload,
            "{request:?} changed by decoding"
        );
    } else {
        return Ok(());
    }
    coverage.payloads += 1;
    Ok(())
}

/// The writes before an answer: replies decode and encode to the same bytes.
fn answer(
    event: &Event,
    call: &Open,
    reverse: &BTreeMap<u64, Reverse>,
    coverage: &mut Coverage,
) -> Result<()> {
    let mut outs: Vec<Vec<u8>> = Vec::new();
    for write in event.list("writes") {
        if let Some(fds) = write["fdlist"].as_array() {
            let fds = fds
                .iter()
                .map(|f| Ok(number(f)? as i32))
                .collect::<Result<Vec<_>>>()?;
            let (bytes, later) = encode_fdlist(&fds);
            let terminated = if fds.is_empty() { 0 } else { fds.len() + 1 };
            ensure!(later.is_empty() && bytes.len() == 8 * terminated);
        } else if write["poll_word"].is_null() {
            ensure!(number(&write["off"])? == 0);
            let index = number(&write["arg"])? as usize - call.message.sc.in_bufs();
            outs.resize(outs.len().max(index + 1), Vec::new());
            outs[index] = hex(&write["data"])?;
            if outs[index].len() as u64 != number(&write["len"])? {
                return Ok(());
            }
        } else {
            ensure!(number(&write["poll_word"])? == u64::from(rpmsg::fastrpc::POLL_RESPONSE));
            let layout = rpmsg::fastrpc::InvokeLayout::new(call.message.sc.args());
            ensure!(number(&write["off"])? == layout.poll_word());
        }
    }
    let Some(payload) = &call.payload else {
        return Ok(());
    };
    if outs.is_empty() || event.number("retval")? != 0 {
        return Ok(());
    }
    outs.resize(payload.outs.len().max(outs.len()), Vec::new());
    use iface::handle::*;
    let again = match (call.message.handle, payload.method()) {
        (PROCESS_CONTROL, _) => {
            let vaddr = u64::from_le_bytes(outs[0][..].try_into()?);
            vec![control::encode_vaddr(vaddr)]
        }
        (ATTRIBUTES, _) => {
            let value = |n: u32| {
                let at = 4 * (n as usize - 1);
                u32::from_le_bytes(outs[0][at..at + 4].try_into().unwrap())
            };
            vec![attributes::encode(attributes::parse(payload)?, value)]
        }
        (REMOTECTL, 0) | (REMOTECTL1, 2) => remotectl::OpenReply::parse(&outs)?.encode(&payload.outs)?,
        (REMOTECTL, 1) | (REMOTECTL1, 3) => {
            // The stand-in leaves the error text alone.
            let reply = remotectl::CloseReply::parse(&outs)?;
            let mut again = reply.encode(&payload.outs)?;
            ensure!(again[1].iter().all(|&b| b == 0));
            again[1].clear();
            again
        }
        (LISTENER, 4) | (LISTENER1, 6) => {
            let reply = listener::Next2Reply::parse(&outs)?;
            let call = reverse
                .get(&(call.message.client_id as u64))
                .context("no reverse call")?;
            ensure!(reply.sc == call.payload.sc.0 && reply.bufs_len_req as usize == call.pack.len());
            let count = call.pack.len().min(payload.outs[1] as usize);
            ensure!(reply.bufs.len() == count);
            ensure!(!call.complete || reply.bufs[..] == call.pack[..count]);
            reply.encode(&payload.outs)?
        }
        (LISTENER, 5) | (LISTENER1, 7) => {
            let reply = listener::GetInBufs2Reply::parse(&outs)?;
            let call = reverse
                .get(&(call.message.client_id as u64))
                .context("no reverse call")?;
            ensure!(reply.bufs_len_req as usize == call.pack.len());
            ensure!(!call.complete || call.pack.ends_with(&reply.bufs));
            reply.encode(&payload.outs)?
        }
        _ => return Ok(()),
    };
    ensure!(again == outs, "reply changed by decoding");
    coverage.replies += 1;
    Ok(())
}

/// A reverse call of the stand-in: the codec makes the same buffers.
fn reverse_request(event: &Event, coverage: &mut Coverage) -> Result<Reverse> {
    let ins = event.list("ins").iter().map(hex).collect::<Result<Vec<_>>>()?;
    let outs = event
        .list("out_caps")
        .iter()
        .map(|c| Ok(number(c)? as u32))
        .collect::<Result<Vec<_>>>()?;
    let payload = Payload {
        sc: Scalars(event.number("sc")? as u32),
        ins,
        outs,
    };
    let name = event.text("name");
    let module = match name.split(['.', '(']).next().unwrap_or_default() {
        _ if name.contains("bad sc") || name.contains("unknown") => Module::None,
        "apps_remotectl" => Module::Remotectl,
        "apps_std" => Module::Std,
        "apps_mem" => Module::Mem,
        "adspmsgd_apps" => Module::Msg,
        _ => Module::None,
    };
    let pack_len = event.number("pack_len")? as usize;
    let mut pack = tunnel::pack_in(&payload.ins, &payload.outs);
    let complete = pack.len() == pack_len;
    if complete {
        ensure!(
            tunnel::unpack_in(&pack, payload.ins.len(), payload.outs.len())?
                == (payload.ins.clone(), payload.outs.clone())
        );
        macro_rules! check {
            ($module:ident) => {{
                let request = $module::Request::parse(&payload, Kind::Plain)?;
                ensure!(
                    request.payload(Kind::Plain) == payload,
                    "{request:?} changed by decoding"
                );
                let method = name.split(['.', '(']).nth(1).unwrap_or_default();
                ensure!(
                    request.name() == method,
                    "{} is recorded as {method}",
                    request.name()
                );
            }};
        }
        match module {
            Module::Remotectl => check!(apps_remotectl),
            Module::Std => check!(apps_std),
            Module::Mem => check!(apps_mem),
            Module::Msg => check!(adspmsgd_apps),
            Module::None => {}
        }
        coverage.reverse_requests += 1;
    } else {
        // An input was cut by the recorder; only the length is known.
        ensure!(payload.ins.iter().any(|i| i.len() == CUT));
        pack.resize(pack_len, 0);
    }
    Ok(Reverse {
        payload,
        module,
        pack,
        complete,
    })
}

/// A reply of the library: the out-pack and the outputs in it.
fn reverse_reply(
    event: &Event,
    call: &Reverse,
    next2: &listener::Next2,
    coverage: &mut Coverage,
) -> Result<()> {
    let result = event.number("result")? as i32;
    ensure!(next2.prev_result == result);
    if result != 0 {
        ensure!(next2.prev_bufs.is_empty());
        return Ok(());
    }
    if next2.prev_bufs.len() as u64 != event.number("prevbufsLen")? {
        return Ok(());
    }
    let (outs, used) = tunnel::unpack_out(&next2.prev_bufs, &call.payload.outs)?;
    ensure!(used as u64 == event.number("pack_used")?);
    // The library does not clear the padding between its outputs.
    let mut again = next2.prev_bufs[..used].to_vec();
    let mine = tunnel::pack_out(&outs);
    ensure!(mine.len() == used);
    for hole in padding(&call.payload.outs) {
        again[hole].fill(0);
    }
    ensure!(mine == again, "out-pack changed by decoding");
    let recorded = event.list("outs").iter().map(hex).collect::<Result<Vec<_>>>()?;
    ensure!(outs == recorded);
    macro_rules! check {
        ($($method:ty),*) => {{
            let (index, mut known) = (call.payload.method(), false);
            $(
                if <$method as Method>::INDEX == index {
                    known = true;
                    let reply = <<$method as Method>::Reply as Reply>::parse(&outs)?;
                    let again = reply.encode(&call.payload.outs)?;
                    ensure!(again.iter().zip(&outs).all(|(a, o)| o.starts_with(a.as_slice())
                        || text_only(a, o)), "reply changed by decoding");
                }
            )*
            ensure!(known || outs.is_empty(), "reply of method {index} not decoded");
        }};
    }
    match call.module {
        Module::Remotectl => check!(apps_remotectl::Open, apps_remotectl::Close),
        Module::Std => check!(
            apps_std::Fopen,
            apps_std::Fread,
            apps_std::Fwrite,
            apps_std::Ftell,
            apps_std::Flen,
            apps_std::Feof,
            apps_std::Getenv,
            apps_std::FopenWithEnv,
            apps_std::GetSearchPathsWithEnv,
            apps_std::FileExists,
            apps_std::Opendir,
            apps_std::Readdir,
            apps_std::Stat,
            apps_std::FopenWithEnvFd
        ),
        Module::Mem => check!(apps_mem::RequestMap64),
        Module::Msg => check!(adspmsgd_apps::Log),
        Module::None => {}
    }
    coverage.reverse_replies += 1;
    Ok(())
}

/// Text buffers hold stale bytes behind their NUL (docs/protocol.md#apps_std); only the text must be the same.
fn text_only(again: &[u8], recorded: &[u8]) -> bool {
    let text = |b: &[u8]| b.split(|&c| c == 0).next().map(<[u8]>::to_vec);
    again.len() == recorded.len() && text(again) == text(recorded)
}

/// The bytes of an out-pack that carry nothing.
fn padding(capacities: &[u32]) -> Vec<std::ops::Range<usize>> {
    let mut holes = Vec::new();
    let mut at = 0;
    for &capacity in capacities {
        at += 4;
        if capacity != 0 {
            let data = usize::next_multiple_of(at, 8);
            holes.push(at..data);
            at = data + capacity as usize;
        }
    }
    holes
}
