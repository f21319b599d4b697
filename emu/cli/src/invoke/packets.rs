//! Packets to and from a skeleton over a queue (dspqueue).

use crate::output::tell;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use emu_local_ap::queue::{Buffer, buffer_flag};
use emu_local_ap::{Arg, Client, PacketQueue, PacketQueues};
use rpmsg::Aee;
use rpmsg::fastrpc::Scalars;

/// Bytes of a queue's rings: room for several of the longest packets.
const RING: u32 = 256 << 10;
/// The buffer that packets name.
const BUFFER: u32 = 64 << 10;
/// A skeleton that sends nothing for so long sends nothing more.
const PATIENCE: Duration = Duration::from_secs(60);

/// A queue that a skeleton holds.
pub struct Exchanged {
    queues: PacketQueues,
    queue: PacketQueue,
}

impl Exchanged {
    /// The skeleton has closed it: it goes.
    pub fn close(self, client: &Client) -> anyhow::Result<()> {
        self.queue
            .close()
            .context("the queue cannot be closed after the method of --method")?;
        Ok(self.queues.close(client)?)
    }
}

/// Sizes of the messages: every short one, now and then a page, rarely up to the longest.
fn message_len(n: u32) -> usize {
    match n {
        _ if n % 1009 == 1008 => (n / 1009 * 7919 % 65_537) as usize,
        _ if n % 101 == 100 => (n % 4097) as usize,
        _ => (n % 257) as usize,
    }
}

/// Makes a queue, has a method import it, and sends packets: the queue, or what the method returned.
///
/// # Errors
/// Packets that do not come back, and what cannot be set up.
pub fn exchange(
    client: &Client,
    handle: u32,
    method: u8,
    packets: u32,
) -> anyhow::Result<Result<Exchanged, Aee>> {
    let queues = PacketQueues::open(client).context("no packet queues")?;
    let (fd, _) = queues.memory(BUFFER)?;
    let queue = queues.create(RING, RING)?;
    let id = queue.id().to_le_bytes();
    let imported = client.invoke(handle, Scalars::new(method, 1, 0), &[Arg::In(&id)])?;
    if !imported.retval.is_ok() {
        return Ok(Err(imported.retval));
    }
    let message = vec![0; 65_536];
    let (mut sent, mut back, mut bytes) = (0, 0, 0);
    let started = Instant::now();
    while back < packets {
        let buffer = Buffer {
            fd,
            size: 16 + sent % 512,
            offset: sent % 1024 * 16,
            flags: buffer_flag::REF,
            address: 0,
        };
        let buffers = vec![
            buffer;
            if sent % 8 == 7 {
                1 + (sent / 8 % 4) as usize
            } else {
                0
            }
        ];
        let text = &message[..message_len(sent)];
        if sent < packets && queue.try_write(0, &buffers, text)? {
            sent += 1;
            bytes += text.len();
        } else {
            let Some(_) = queue.read(PATIENCE)? else {
                bail!("{sent} packets were sent, {back} came back, and nothing more comes");
            };
            back += 1;
        }
    }
    let took = started.elapsed();
    tell!(
        "{packets} packets with {bytes} bytes of messages there and back in {took:.2?}: {:.0} packets/s",
        f64::from(packets) / took.as_secs_f64().max(f64::EPSILON)
    );
    Ok(Ok(Exchanged { queues, queue }))
}
