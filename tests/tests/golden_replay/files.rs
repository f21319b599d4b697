//! Files that the library reads for the DSP, of which the recorder kept only the beginning.

use super::{CUT, Replay};
use anyhow::{Context, Result, ensure};
use rpmsg::fastrpc::Message;
use rpmsg::iface::tunnel;
use tests::trace::{Event, hex, number};

impl Replay<'_> {
    /// The reverse call that this reply belongs to.
    fn request_of(&self, index: usize, reply: &Event) -> Result<&Event> {
        let same = |e: &&Event| {
            e.is("reverse", "dsp>ap")
                && e.fields["rctx"] == reply.fields["rctx"]
                && e.fields["client"] == reply.fields["client"]
        };
        self.trace.events[..index]
            .iter()
            .rev()
            .find(same)
            .context("a reply without a call")
    }

    /// Keeps track of which file is read, and where.
    pub(super) fn follow_file(&mut self, message: &Message, index: usize, reply: &Event) -> Result<()> {
        let name = reply.text("name").to_owned();
        let outs = reply.list("outs").iter().map(hex).collect::<Result<Vec<_>>>()?;
        if let Some(file) = name.strip_prefix("apps_std.fopen_with_env(") {
            let path = test_needs::testdata()
                .context("test data")?
                .join("qualcomm-fastrpc")
                .join(file.trim_end_matches(')'));
            let content = std::fs::read(path).unwrap_or_default();
            self.session(message).file = Some((content, 0));
        } else if name.starts_with("apps_std.fread") {
            let read = u32::from_le_bytes(outs[0][..4].try_into()?) as usize;
            if let Some((_, at)) = &mut self.session(message).file {
                *at += read;
            }
        }
        let _ = index;
        Ok(())
    }

    /// A reply of which the recorder kept only the beginning, put together again.
    pub(super) fn whole_reply(
        &mut self,
        message: &Message,
        index: usize,
        reply: &Event,
        len: usize,
    ) -> Result<Vec<u8>> {
        let request = self.request_of(index, reply)?;
        let capacities: Vec<usize> = request
            .list("out_caps")
            .iter()
            .map(|c| Ok(number(c)? as usize))
            .collect::<Result<_>>()?;
        let mut outs = reply.list("outs").iter().map(hex).collect::<Result<Vec<_>>>()?;
        if reply.text("name").starts_with("apps_std.fread")
            && let Some((content, at)) = &self.session(message).file
        {
            let read = u32::from_le_bytes(outs[0][..4].try_into()?) as usize;
            let data = content
                .get(*at..at + read)
                .context("the file is shorter than recorded")?;
            ensure!(
                data.starts_with(&outs[1][..read.min(CUT)]),
                "the file is not the recorded one"
            );
            outs[1] = data.to_vec();
        }
        for (out, capacity) in outs.iter_mut().zip(capacities) {
            out.resize(capacity, 0);
        }
        self.follow_file(message, index, reply)?;
        let mut pack = tunnel::pack_out(&outs);
        ensure!(pack.len() <= len);
        pack.resize(len, 0);
        Ok(pack)
    }
}
