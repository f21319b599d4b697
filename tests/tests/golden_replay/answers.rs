//! Our DSP's answers against the recorded ones.

use super::{BETTER, Call, Replay, Skipping, session_of, shown};
use anyhow::{Context, Result, bail, ensure};
use emu_os::action::Action;
use rpmsg::fastrpc::ArgKind;
use tests::trace::{Event, hex, number};

impl Replay<'_> {
    pub(super) fn answer(&mut self, event: &Event, call: Call) -> Result<()> {
        let recorded = event.number("retval")? as u32;
        let ctx = call.message.ctx.0;
        let beside = self.open_beside(&call);
        let (answered, batch) = self
            .inbox
            .wait_for(&[Some(ctx), beside].into_iter().flatten().collect::<Vec<_>>())?;
        if answered != ctx {
            self.inbox.answers.lock().unwrap().insert(answered, batch);
            let (session, latest) = (session_of(&call.message), event.number("ctx")?);
            self.skipping = Some(Skipping {
                session,
                open: answered,
                parked: call,
                latest,
            });
            return Ok(());
        }
        if self.skipping.as_ref().is_some_and(|skip| skip.open == ctx)
            && let Some(skip) = self.skipping.take()
        {
            // From here on the record's listener and ours wait in the same state, under different contexts.
            self.calls.insert(skip.latest, skip.parked);
        }
        let call = &call;
        let mut retval = None;
        for action in batch {
            match action {
                Action::Write { stream, iova, bytes } => self.machine.bus().write(stream, iova, &bytes)?,
                Action::Answer { retval: code, .. } => {
                    ensure!(retval.replace(code).is_none(), "answered twice");
                }
                other => bail!("unexpected {other:?}"),
            }
        }
        let retval = retval.context("no answer in the batch")?;
        self.count.answers += 1;
        let better = BETTER
            .iter()
            .find(|(name, n, ..)| *name == self.trace.name && *n == event.n);
        if let Some((_, _, right, why)) = better {
            ensure!(retval == *right, "we answer {retval:#x}, but {why}");
            return Ok(());
        }
        ensure!(
            retval == recorded,
            "we answer {retval:#x}, recorded is {recorded:#x}"
        );
        let mut expected: Vec<Vec<u8>> = call.args.iter().map(|a| a.before.clone()).collect();
        for write in event.list("writes") {
            if let Some(fds) = write["fdlist"].as_array() {
                let at = 40 * call.message.sc.args() as u64 + (call.message.addr & 0xFFFF_FFFF);
                let ours = self.machine.read(call.stream, at, 8 * fds.len())?;
                let fds: Vec<u8> = fds
                    .iter()
                    .map(|f| Ok(number(f)?.to_le_bytes()))
                    .collect::<Result<Vec<_>>>()?
                    .concat();
                ensure!(ours == fds, "fdlist {ours:x?}");
            } else if write["poll_word"].is_null() {
                let index = number(&write["arg"])? as usize;
                let data = hex(&write["data"])?;
                expected[index][..data.len()].copy_from_slice(&data);
                if number(&write["len"])? as usize > data.len() {
                    // The recorder cut it: only the beginning is known.
                    expected[index].truncate(data.len());
                }
            } else {
                let at = number(&write["off"])? + (call.message.addr & 0xFFFF_FFFF);
                let ours = self.machine.read(call.stream, at, 4)?;
                ensure!(
                    ours == rpmsg::fastrpc::POLL_RESPONSE.to_le_bytes(),
                    "poll word {ours:x?}"
                );
            }
        }
        for (index, (arg, mut expected)) in call.args.iter().zip(expected).enumerate() {
            if arg.kind != ArgKind::Out || arg.len == 0 {
                continue;
            }
            let mut ours = self.machine.read(call.stream, arg.iova, expected.len())?;
            self.mask(call, index - call.message.sc.in_bufs(), &mut ours, &mut expected)?;
            ensure!(
                ours == expected,
                "output {index}: we write\n{}\nrecorded is\n{}",
                shown(&ours),
                shown(&expected)
            );
            self.count.compared_bytes += expected.len();
        }
        Ok(())
    }
}
