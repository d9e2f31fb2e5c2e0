//! The wires port on a virtual network.

use std::{io, net::SocketAddr};

use futures::{FutureExt as _, future::BoxFuture};
use sovereign_node::ports::wires::{Incoming, Stream, Wires};
use tokio::sync::mpsc;

use super::{
    pipe,
    topology::{HostId, Net},
};

/// Connections that wait to be accepted.
const BACKLOG: usize = 128;

/// One machine's connections.
#[derive(Debug)]
pub struct HostWires {
    net: Net,
    host: HostId,
}

impl HostWires {
    pub(super) fn new(net: Net, host: HostId) -> Self {
        Self { net, host }
    }
}

impl Wires for HostWires {
    fn listen(&self, at: SocketAddr) -> io::Result<mpsc::Receiver<Incoming>> {
        if at.ip() != self.host.address() {
            return Err(io::ErrorKind::AddrNotAvailable.into());
        }
        let (sender, receiver) = mpsc::channel(BACKLOG);
        let mut state = self.net.lock();
        let host = state.hosts.get_mut(&self.host);
        host.ok_or(io::ErrorKind::AddrNotAvailable)?
            .listening
            .insert(at.port(), sender);
        Ok(receiver)
    }

    fn dial(&self, to: SocketAddr) -> BoxFuture<'static, io::Result<Box<dyn Stream>>> {
        let (net, ours) = (self.net.clone(), self.host);
        async move {
            let reached = {
                let mut state = net.lock();
                let theirs = state.host_of(to);
                let quality = theirs.and_then(|theirs| state.between(ours, theirs));
                let port = state.hosts.get_mut(&ours).map(|host| {
                    host.next_port = host.next_port.checked_add(1).unwrap_or(40_000);
                    host.next_port
                });
                theirs.zip(quality).zip(port)
            };
            let Some(((theirs, quality), port)) = reached else {
                // Nobody answers there, not even to refuse: the dialler's own time-out ends it.
                return std::future::pending().await;
            };
            tokio::time::sleep(2 * quality.latency).await;
            let accepting = net
                .lock()
                .hosts
                .get(&theirs)
                .and_then(|host| host.listening.get(&to.port()).cloned());
            let (near, far) = pipe::wire(&net, ours, theirs, quality);
            let incoming = Incoming {
                from: SocketAddr::new(ours.address(), port),
                stream: Box::new(far),
            };
            accepting
                .and_then(|accepting| accepting.try_send(incoming).ok())
                .ok_or(io::ErrorKind::ConnectionRefused)?;
            Ok(Box::new(near) as Box<dyn Stream>)
        }
        .boxed()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use futures::{AsyncReadExt as _, AsyncWriteExt as _};
    use tokio::time::{Instant, timeout};

    use super::*;
    use crate::lan::{LanId, Quality};

    const HOME: LanId = LanId(1);
    const HOUR: Duration = Duration::from_secs(3_600);

    struct Pair {
        net: Net,
        other: HostId,
        near: Box<dyn Stream>,
        far: Box<dyn Stream>,
    }

    async fn connected(quality: Quality) -> Pair {
        let net = Net::default();
        net.describe(HOME, quality);
        let [one, other] = [net.join(), net.join()];
        for host in [one, other] {
            net.place(host, HOME, true);
        }
        let at = SocketAddr::new(other.address(), 7);
        let mut accepting = net.wires(other).listen(at).expect("it is its address");
        let near = net.wires(one).dial(at).await.expect("it listens");
        let incoming = accepting.recv().await.expect("it was dialled");
        assert_eq!(incoming.from.ip(), one.address());
        Pair {
            net,
            other,
            near,
            far: incoming.stream,
        }
    }

    async fn reads(stream: &mut Box<dyn Stream>, length: usize) -> Vec<u8> {
        let mut got = vec![0; length];
        stream.read_exact(&mut got).await.expect("it arrives");
        got
    }

    /// SIM-1: bytes take the network's latency and rate, in virtual time.
    #[tokio::test(start_paused = true)]
    async fn bytes_arrive_in_order_late_and_at_the_rate() {
        let quality = Quality {
            latency: Duration::from_millis(40),
            rate: 1_000,
            multicast: true,
        };
        let start = Instant::now();
        let mut pair = connected(quality).await;
        assert_eq!(start.elapsed(), Duration::from_millis(80), "there and back");
        let start = Instant::now();
        pair.near.write_all(&[1; 500]).await.expect("there is room");
        pair.near.write_all(&[2; 500]).await.expect("there is room");
        assert_eq!(reads(&mut pair.far, 500).await, [1; 500]);
        assert_eq!(start.elapsed(), Duration::from_millis(540));
        assert_eq!(reads(&mut pair.far, 500).await, [2; 500]);
        assert_eq!(start.elapsed(), Duration::from_millis(1_040));
        drop(pair.near);
        let mut rest = Vec::new();
        let ended = pair.far.read_to_end(&mut rest).await;
        assert_eq!(ended.ok(), Some(0), "and then the end");
        assert!(pair.far.write_all(&[3]).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn a_writer_waits_for_a_reader() {
        let mut pair = connected(Quality::default()).await;
        let large = vec![7; 65 * 1024];
        assert!(timeout(HOUR, pair.near.write_all(&large)).await.is_err());
        assert_eq!(reads(&mut pair.far, 64 * 1024).await, vec![7; 64 * 1024]);
        assert!(timeout(HOUR, pair.near.write_all(&[8])).await.is_ok());
    }

    /// A pulled cable says nothing and loses nothing.
    #[tokio::test(start_paused = true)]
    async fn a_wire_is_silent_while_its_ends_are_apart() {
        let mut pair = connected(Quality::default()).await;
        pair.net.place(pair.other, HOME, false);
        pair.near.write_all(&[9; 9]).await.expect("there is room");
        assert!(timeout(HOUR, pair.far.read(&mut [0; 9])).await.is_err());
        let (net, other) = (pair.net.clone(), pair.other);
        let back = async {
            tokio::time::sleep(HOUR).await;
            net.place(other, HOME, true);
        };
        let (got, ()) = tokio::join!(reads(&mut pair.far, 9), back);
        assert_eq!(got, [9; 9]);
    }

    #[tokio::test(start_paused = true)]
    async fn nobody_answers_from_elsewhere_and_a_closed_port_refuses() {
        let net = Net::default();
        let [one, other] = [net.join(), net.join()];
        let at = SocketAddr::new(other.address(), 7);
        assert!(net.wires(one).listen(at).is_err(), "it is another's");
        assert!(timeout(HOUR, net.wires(one).dial(at)).await.is_err());
        for host in [one, other] {
            net.place(host, HOME, true);
        }
        let refused = net.wires(one).dial(at).await.err().map(|why| why.kind());
        assert_eq!(refused, Some(io::ErrorKind::ConnectionRefused));
    }
}
