//! L2CAP channels, through bluer: one packet is one frame (LOC-4, docs/protocol.md §12).

use std::net::Shutdown;
use std::sync::Arc;
use std::time::Duration;

use bluer::l2cap::{SeqPacket, SeqPacketListener, Socket, SocketAddr};
use bluer::{Adapter, Device};
use bytes::Bytes;
use sovereign_protocol::link_kind::Role;
use sovereign_protocol::radio::echo::{Answerer, ECHO_LEN, Echo, Progress};
use tokio::sync::Semaphore;
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;

use super::link::{self, Carrier};
use super::shared::{End, Shared, address_of};
use super::{MAX_FRAME, MIN_FRAME};
use crate::ports::radio::Bearer;

/// Longest wait for a channel.
const CONNECT: Duration = Duration::from_secs(5);
/// How often an opening channel is looked at; the kernel reports nothing when it is open.
const LOOK: Duration = Duration::from_millis(20);
/// Pause after the channel's number could not be had.
const REFUSED: Duration = Duration::from_secs(5);
/// Channels that may be under test at once, and that may wait to be taken.
const TESTS: usize = 4;
const BACKLOG: u32 = 4;

/// An open channel.
pub(super) struct Channel {
    socket: SeqPacket,
    max_frame: usize,
}

impl Channel {
    fn new(socket: SeqPacket) -> Result<Self, String> {
        let mtu = socket.send_mtu().map_err(|e| e.to_string())?;
        if mtu < MIN_FRAME {
            return Err(format!("packets of {mtu} bytes are too short"));
        }
        let max_frame = mtu.min(MAX_FRAME);
        Ok(Self { socket, max_frame })
    }

    pub(super) const fn max_frame(&self) -> usize {
        self.max_frame
    }
}

impl Carrier for Channel {
    async fn send(&self, frame: &[u8]) -> Result<(), String> {
        match self.socket.send(frame).await {
            Ok(sent) if sent == frame.len() => Ok(()),
            Ok(sent) => Err(format!("{sent} bytes of {} were sent", frame.len())),
            Err(error) => Err(error.to_string()),
        }
    }

    async fn receive(&self) -> Result<Bytes, String> {
        // A byte more than a frame may have, so that a longer one shows.
        let mut packet = [0; MAX_FRAME + 1];
        match self.socket.recv(&mut packet).await {
            Ok(0) => Err(String::from("the other side closed the channel")),
            Ok(length) => Ok(Bytes::copy_from_slice(&packet[..length])),
            Err(error) => Err(error.to_string()),
        }
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        // Otherwise what still waits in the kernel keeps the channel up.
        drop(self.socket.shutdown(Shutdown::Both));
    }
}

/// Opens a channel over the connection there is, and tests it.
pub(super) async fn dial(adapter: &Adapter, device: &Device, psm: u16) -> Result<Channel, String> {
    let say = |error: &dyn ToString| error.to_string();
    let own = adapter.address().await.map_err(|e| say(&e))?;
    let own_type = adapter.address_type().await.map_err(|e| say(&e))?;
    let kind = device.address_type().await.map_err(|e| say(&e))?;
    let socket = Socket::new_seq_packet().map_err(|e| say(&e))?;
    socket
        .bind(SocketAddr::new(own, own_type, 0))
        .map_err(|e| say(&e))?;
    let other = SocketAddr::new(device.address(), kind, psm);
    let open = async {
        let socket = socket.connect(other).await.map_err(|e| say(&e))?;
        // It may say so before it is connected; only then is there an MTU.
        while socket.send_mtu().is_err() {
            sleep(LOOK).await;
        }
        Channel::new(socket)
    };
    let late = || String::from("the channel did not open in time");
    let channel = timeout(CONNECT, open).await.map_err(|_| late())??;
    test(&channel).await?;
    Ok(channel)
}

/// The echo test, by who opened the channel.
async fn test(channel: &Channel) -> Result<(), String> {
    let mut random = [0; ECHO_LEN];
    getrandom::fill(&mut random).map_err(|e| e.to_string())?;
    let start = Instant::now();
    let mut echo = Echo::new(&random, channel.max_frame, start.elapsed());
    while let Some(frame) = echo.poll_transmit() {
        channel.send(&frame).await?;
    }
    loop {
        let left = echo.timeout().saturating_sub(start.elapsed());
        match timeout(left, channel.receive()).await {
            Ok(frame) => match echo.on_frame(&frame?).map_err(|e| e.to_string())? {
                Progress::Passed => return Ok(()),
                Progress::UnderWay => {}
            },
            Err(_) => echo
                .on_timeout(start.elapsed())
                .map_err(|e| e.to_string())?,
        }
    }
}

/// The echo test, by who was connected to.
async fn answer(channel: &Channel) -> Result<(), String> {
    let start = Instant::now();
    let mut answerer = Answerer::new(channel.max_frame, start.elapsed());
    while answerer.progress() != Progress::Passed {
        let left = answerer.timeout().saturating_sub(start.elapsed());
        match timeout(left, channel.receive()).await {
            Ok(frame) => answerer.on_frame(&frame?).map_err(|e| e.to_string())?,
            Err(_) => answerer
                .on_timeout(start.elapsed())
                .map_err(|e| e.to_string())?,
        }
        while let Some(frame) = answerer.poll_transmit() {
            channel.send(&frame).await?;
        }
    }
    Ok(())
}

/// Takes channels, and says where, until `end`.
pub(super) async fn listen(adapter: &Adapter, shared: &Arc<Shared>, end: &CancellationToken) {
    loop {
        let why = tokio::select! {
            why = accept(adapter, shared) => why,
            () = end.cancelled() => String::new(),
        };
        shared.listens(None);
        if !why.is_empty() {
            tracing::warn!(why, "no L2CAP channels are taken");
        }
        tokio::select! {
            () = sleep(REFUSED) => {}
            () = end.cancelled() => return,
        }
    }
}

/// Takes channels until it fails.
async fn accept(adapter: &Adapter, shared: &Arc<Shared>) -> String {
    let listener = match listener(adapter).await {
        Ok((listener, psm)) => {
            shared.listens(Some(psm));
            listener
        }
        Err(why) => return why,
    };
    let tests = Arc::new(Semaphore::new(TESTS));
    loop {
        let (socket, from) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(error) => return error.to_string(),
        };
        let permit = Arc::clone(&tests).try_acquire_owned();
        let Some(permit) = permit.ok().filter(|_| shared.is_connectable()) else {
            continue;
        };
        let (shared, adapter) = (Arc::clone(shared), adapter.clone());
        tokio::spawn(async move {
            if let Err(why) = serve(&shared, &adapter, socket, from, permit).await {
                tracing::debug!(why, "an L2CAP channel came to nothing");
            }
        });
    }
}

/// A listener, and the PSM that the kernel has given it.
async fn listener(adapter: &Adapter) -> Result<(SeqPacketListener, u16), String> {
    let own = adapter.address().await.map_err(|e| e.to_string())?;
    let own_type = adapter.address_type().await.map_err(|e| e.to_string())?;
    let socket = Socket::new_seq_packet().map_err(|e| e.to_string())?;
    let here = SocketAddr::new(own, own_type, 0);
    socket.bind(here).map_err(|e| e.to_string())?;
    let psm = socket.local_addr().map_err(|e| e.to_string())?.psm;
    let listener = socket.listen(BACKLOG).map_err(|e| e.to_string())?;
    Ok((listener, psm))
}

async fn serve(
    shared: &Arc<Shared>,
    adapter: &Adapter,
    socket: SeqPacket,
    from: SocketAddr,
    permit: tokio::sync::OwnedSemaphorePermit,
) -> Result<(), String> {
    let channel = Channel::new(socket)?;
    answer(&channel).await?;
    drop(permit);
    let device = adapter.device(from.addr).map_err(|e| e.to_string())?;
    let end = End {
        address: address_of(from.addr.0),
        max_frame: u16::try_from(channel.max_frame).unwrap_or(u16::MAX),
        role: Role::Listener,
        bearer: Bearer::L2cap,
    };
    let opened = shared.open(end).ok_or("there are too many links")?;
    link::run(Arc::clone(shared), opened, channel, device).await;
    Ok(())
}
