//! The transports: TCP and QUIC, scoped link-local TCP, the radio, wires, and the memory transport of tests.

mod bounded_yamux;
mod counted;
mod expected;
mod link_local;
mod memory;
mod radio;
mod slow_stream;
mod solo;
mod wired;

use std::{io, sync::Arc, time::Duration};

use libp2p::{
    PeerId, Transport,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, timeout::TransportTimeout},
        upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, Version},
    },
    identity::Keypair,
    noise, quic, tcp,
};

pub(super) use counted::{Counted, Crossed};
pub(super) use radio::LISTEN as RADIO;
pub use slow_stream::SlowStats;

use super::{Carriers, P2pError, SlowKey};
use bounded_yamux::BoundedYamux;
use expected::Expected;
use memory::MemoryHalf;
use radio::RadioTransport;
use slow_stream::SlowStream;
use solo::SoloMuxer;
use wired::WiredTransport;

/// What a connection attempt gives.
type Output = (PeerId, StreamMuxerBox);

/// Time for the handshakes of an IP connection.
const WIDE_SETUP: Duration = Duration::from_secs(10);
/// The same for a slow link: some 400 bytes each way over a radio.
const SLOW_SETUP: Duration = Duration::from_secs(20);
/// Substreams of one connection. In use by an honest peer, both directions together: the link,
/// two each of identify and gossip, two of gossip that were refused and are still closing.
/// Each may hold 256 KiB unread.
const MAX_STREAMS: usize = 12;
/// Bytes that may arrive unread on one QUIC stream, and on all of a connection: enough for 10 MB/s
/// at 25 ms, little enough for 256 connections.
const QUIC_STREAM_WINDOW: u32 = 256 * 1024;
const QUIC_CONNECTION_WINDOW: u32 = 512 * 1024;
/// QUIC keeps NAT bindings open (30 s is common); a dead connection is found by the link's own Ping.
const QUIC_KEEP_ALIVE: Duration = Duration::from_secs(25);
const QUIC_IDLE_MS: u32 = 60_000;
/// Bound into the slow links' handshake in place of a negotiation: other versions fail in Noise.
const SLOW_PROLOGUE: &[u8] = b"sovereign/slow/1/noise/link/1";

/// All transports of a node.
pub(super) fn build(
    keypair: &Keypair,
    slow_key: &SlowKey,
    carriers: &Carriers,
    stats: &SlowStats,
) -> Result<Boxed<Output>, P2pError> {
    let setup = |what| {
        move |why: noise::Error| P2pError::Setup {
            what,
            why: why.to_string(),
        }
    };
    if let Carriers::Radio(air) = carriers {
        return Ok(slow(RadioTransport::new(air.clone()), slow_key.clone()));
    }
    let noise = noise::Config::new(keypair).map_err(setup("Noise"))?;
    let yamux = BoundedYamux {
        streams: MAX_STREAMS,
    };
    if let Carriers::Wires(wires) = carriers {
        let wired = WiredTransport::new(Arc::clone(wires))
            .upgrade(Version::V1Lazy)
            .authenticate(noise)
            .multiplex(yamux)
            .timeout(WIDE_SETUP)
            .boxed();
        return Ok(Expected(wired).boxed());
    }

    let tcp = tcp::tokio::Transport::new(tcp::Config::new().nodelay(true))
        .upgrade(Version::V1Lazy)
        .authenticate(noise.clone())
        .multiplex(yamux)
        .timeout(WIDE_SETUP)
        .boxed();
    let link_local = link_local::LinkLocalTcp
        .upgrade(Version::V1Lazy)
        .authenticate(noise.clone())
        .multiplex(yamux)
        .timeout(WIDE_SETUP)
        .boxed();
    let quic = quic::tokio::Transport::new(quic_config(keypair))
        .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)))
        .boxed();
    // First of all: libp2p's TCP takes such an address too, and drops the scope.
    let ip = either(link_local, either(quic, tcp));
    if !matches!(carriers, Carriers::IpAndMemory) {
        return Ok(Expected(ip).boxed());
    }
    let wide = MemoryHalf::new(false)
        .upgrade(Version::V1Lazy)
        .authenticate(noise)
        .multiplex(yamux)
        .timeout(WIDE_SETUP)
        .boxed();
    let stats = stats.clone();
    let slow = slow(
        MemoryHalf::new(true).map(move |channel, _| SlowStream::new(channel, stats)),
        slow_key.clone(),
    );
    Ok(Expected(either(ip, either(wide, slow))).boxed())
}

/// Secures a slow byte stream with the epoch's key, without any negotiation: the first byte on the
/// link is Noise's.
fn slow<T, S>(transport: T, key: SlowKey) -> Boxed<Output>
where
    T: Transport<Output = S> + Send + Unpin + 'static,
    S: futures::AsyncRead + futures::AsyncWrite + Send + Unpin + 'static,
    T::Error: Send + Sync,
    T::Dial: Send,
    T::ListenerUpgrade: Send,
{
    let secured = transport
        .and_then(move |stream, point| async move {
            // A new handshake key for each connection, authenticated by the key of this moment.
            let noise = noise::Config::new(&key.keypair()).map_err(io::Error::other)?;
            let noise = noise.with_prologue(SLOW_PROLOGUE.to_vec());
            let side = point.to_endpoint();
            let (peer, stream) = if side.is_dialer() {
                noise.upgrade_outbound(stream, "/noise").await
            } else {
                noise.upgrade_inbound(stream, "/noise").await
            }
            .map_err(io::Error::other)?;
            Ok::<_, io::Error>((peer, StreamMuxerBox::new(SoloMuxer::new(stream, side))))
        })
        .boxed();
    TransportTimeout::new(secured, SLOW_SETUP).boxed()
}

fn either(first: Boxed<Output>, second: Boxed<Output>) -> Boxed<Output> {
    first
        .or_transport(second)
        .map(|output, _| output.into_inner())
        .boxed()
}

fn quic_config(keypair: &Keypair) -> quic::Config {
    let mut config = quic::Config::new(keypair);
    config.max_concurrent_stream_limit = MAX_STREAMS as u32;
    config.max_stream_data = QUIC_STREAM_WINDOW;
    config.max_connection_data = QUIC_CONNECTION_WINDOW;
    config.keep_alive_interval = QUIC_KEEP_ALIVE;
    config.max_idle_timeout = QUIC_IDLE_MS;
    config
}
