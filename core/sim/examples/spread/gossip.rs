//! Default gossipsub on the same graph: one real libp2p swarm a person, each connected to all it hears, on virtual
//! wires in virtual time. Every connection stays (libp2p would close those outside of the mesh after ten idle
//! seconds, and gossipsub then announces to fewer).

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    pin::Pin,
    sync::{Arc, atomic::Ordering},
    task::{Context, Poll},
    time::Duration,
};

use futures::{
    StreamExt as _,
    future::{BoxFuture, Ready, ready},
};
use libp2p::{
    Multiaddr, Swarm, Transport,
    core::{
        muxing::StreamMuxerBox,
        transport::{DialOpts, ListenerId, TransportError, TransportEvent, upgrade::Version},
    },
    gossipsub,
    identity::Keypair,
    multiaddr::Protocol,
    noise,
    swarm::{self, SwarmEvent},
    yamux,
};
use sovereign_node::ports::wires::{Incoming, Stream, Wires};
use sovereign_sim::lan::{HostWires, LanId, Net, Quality};
use tokio::{sync::mpsc, time::Instant};

use super::{
    graph::Graph,
    tap::{Counts, Tapped},
};

const PORT: u16 = 4_001;
const TOPIC: &str = "spread";
/// What a hop of a radio link takes, and what it carries in a second.
const HOP: Duration = Duration::from_millis(40);
const RATE: u32 = 20_000;
/// Until the mesh has found its shape: default gossipsub balances it once a second.
const BEFORE: Duration = Duration::from_secs(60);
/// From one message to the next.
const BETWEEN: Duration = Duration::from_secs(30);
/// Its heartbeat, by default: it does not wake an idle swarm (the timer that has fired is reset without being
/// polled again), so here something else does, as pings and identify do among people.
const HEARTBEAT: Duration = Duration::from_secs(1);

/// What its messages took.
#[derive(Debug, Clone, Default)]
pub(crate) struct Gossip {
    pub(crate) said: u64,
    pub(crate) bodies: u64,
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
    /// Ids.
    pub(crate) ihave: u64,
    pub(crate) iwant: u64,
    pub(crate) idontwant: u64,
    pub(crate) coverage: f64,
    pub(crate) worst: f64,
    pub ms_to_99: Option<f64>,
    pub(crate) took_s: f64,
}

/// Runs it: messages of so many bytes, one after the other.
pub(crate) async fn run(graph: &Graph, messages: u32, bytes: usize) -> Gossip {
    let begin = std::time::Instant::now();
    let net = Net::default();
    let quality = Quality {
        latency: HOP,
        rate: RATE,
        multicast: false,
    };
    net.describe(LanId(0), quality);
    let counts = Arc::new(Counts::default());
    let (told, mut heard) = mpsc::unbounded_channel::<(u32, u32, Instant)>();
    let hosts: Vec<_> = graph.neighbours.iter().map(|_| net.join()).collect();
    for host in &hosts {
        net.place(*host, LanId(0), true);
    }
    let mut say = Vec::new();
    for (who, near) in (0..).zip(&graph.neighbours) {
        let mut swarm = swarm(net.wires(hosts[who as usize]), Arc::clone(&counts));
        let at = SocketAddr::new(hosts[who as usize].address(), PORT);
        swarm.listen_on(address(at)).expect("it is its own address");
        let later = near.iter().filter(|other| **other > who);
        let dials: Vec<SocketAddr> = later
            .map(|other| SocketAddr::new(hosts[*other as usize].address(), PORT))
            .collect();
        let (sender, receiver) = mpsc::unbounded_channel();
        say.push(sender);
        tokio::spawn(person(who, swarm, dials, receiver, told.clone()));
    }
    tokio::time::sleep(BEFORE).await;
    counts.clear();
    let mut gossip = Gossip {
        worst: 1.0,
        ..Gossip::default()
    };
    let mut times = Vec::new();
    let mut came = vec![BTreeMap::new(); messages as usize];
    let mut said = Vec::new();
    for message in 0..messages {
        let author = author(graph, message, messages);
        let mut body = vec![0; bytes];
        body[..4].copy_from_slice(&message.to_be_bytes());
        said.push(Instant::now());
        say[author as usize].send(body).expect("it listens");
        tokio::time::sleep(BETWEEN).await;
        while let Ok((who, number, at)) = heard.try_recv() {
            let came: &mut BTreeMap<u32, Instant> = &mut came[number as usize];
            came.entry(who).or_insert(at);
        }
    }
    for (message, came) in (0..).zip(&mut came) {
        let mut came: Vec<Instant> = came.values().copied().collect();
        came.sort_unstable();
        let can = graph.reachable(author(graph, message, messages));
        let can = can.iter().filter(|can| **can).count() - 1;
        let share = came.len() as f64 / can.max(1) as f64;
        gossip.coverage += share / f64::from(messages);
        gossip.worst = gossip.worst.min(share);
        let place = (can as f64 * 0.99).ceil() as usize;
        let at = came.get(place.max(1) - 1).copied();
        times.extend(at.map(|at| (at - said[message as usize]).as_millis() as f64));
    }
    gossip.said = messages.into();
    gossip.ms_to_99 = (!times.is_empty()).then(|| times.iter().sum::<f64>() / times.len() as f64);
    let get = |count: &std::sync::atomic::AtomicU64| count.load(Ordering::Relaxed);
    gossip.bodies = get(&counts.bodies);
    gossip.frames = get(&counts.frames);
    gossip.bytes = get(&counts.bytes);
    gossip.ihave = get(&counts.ihave);
    gossip.iwant = get(&counts.iwant);
    gossip.idontwant = get(&counts.idontwant);
    gossip.took_s = begin.elapsed().as_secs_f64();
    gossip
}

/// Who writes which message: spread over all.
pub(crate) fn author(graph: &Graph, message: u32, messages: u32) -> u32 {
    (u64::from(message) * graph.people() as u64 / u64::from(messages.max(1))) as u32
}

/// One person.
async fn person(
    who: u32,
    mut swarm: Swarm<gossipsub::Behaviour>,
    dials: Vec<SocketAddr>,
    mut say: mpsc::UnboundedReceiver<Vec<u8>>,
    told: mpsc::UnboundedSender<(u32, u32, Instant)>,
) {
    let topic = gossipsub::IdentTopic::new(TOPIC);
    swarm
        .behaviour_mut()
        .subscribe(&topic)
        .expect("nothing forbids it");
    // Not everybody in the same instant: heartbeats are spread as among people.
    tokio::time::sleep(Duration::from_millis(u64::from(who) * 7 % 1_000)).await;
    for to in dials {
        swarm.dial(address(to)).expect("the address is in order");
    }
    let mut beat = tokio::time::interval(HEARTBEAT);
    loop {
        tokio::select! {
            _ = beat.tick() => {}
            body = say.recv() => {
                let Some(body) = body else { return };
                swarm.behaviour_mut().publish(topic.clone(), body).expect("it has peers");
            }
            event = swarm.select_next_some() => {
                if let SwarmEvent::Behaviour(gossipsub::Event::Message { message, .. }) = event
                    && let Some(number) = message.data.first_chunk()
                {
                    let number = u32::from_be_bytes(*number);
                    if told.send((who, number, Instant::now())).is_err() {
                        return;
                    }
                }
            }
        }
    }
}

fn address(at: SocketAddr) -> Multiaddr {
    Multiaddr::from(at.ip()).with(Protocol::Tcp(at.port()))
}

fn swarm(wires: HostWires, counts: Arc<Counts>) -> Swarm<gossipsub::Behaviour> {
    let keypair = Keypair::generate_ed25519();
    let transport = Wired::new(wires)
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(&keypair).expect("the key is in order"))
        .multiplex(yamux::Config::default())
        .map(move |(peer, inner), _| {
            let counts = Arc::clone(&counts);
            (peer, StreamMuxerBox::new(Tapped { inner, counts }))
        })
        .boxed();
    let behaviour = gossipsub::Behaviour::new(
        gossipsub::MessageAuthenticity::Signed(keypair.clone()),
        gossipsub::Config::default(),
    )
    .expect("the defaults are in order");
    let config = swarm::Config::with_tokio_executor()
        .with_idle_connection_timeout(Duration::from_secs(86_400));
    Swarm::new(transport, behaviour, keypair.public().to_peer_id(), config)
}

/// The simulator's wires as a transport.
struct Wired {
    wires: HostWires,
    listening: Option<(ListenerId, Multiaddr, mpsc::Receiver<Incoming>, bool)>,
}

impl Wired {
    fn new(wires: HostWires) -> Self {
        Self {
            wires,
            listening: None,
        }
    }
}

fn socket(address: &Multiaddr) -> Result<SocketAddr, TransportError<io::Error>> {
    let mut parts = address.iter();
    match (parts.next(), parts.next()) {
        (Some(Protocol::Ip4(ip)), Some(Protocol::Tcp(port))) => {
            Ok(SocketAddr::new(ip.into(), port))
        }
        _ => Err(TransportError::MultiaddrNotSupported(address.clone())),
    }
}

impl Transport for Wired {
    type Output = Box<dyn Stream>;
    type Error = io::Error;
    type ListenerUpgrade = Ready<io::Result<Self::Output>>;
    type Dial = BoxFuture<'static, io::Result<Self::Output>>;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        let at = socket(&address)?;
        let connections = self.wires.listen(at).map_err(TransportError::Other)?;
        self.listening = Some((id, address, connections, false));
        Ok(())
    }

    fn remove_listener(&mut self, _: ListenerId) -> bool {
        self.listening.take().is_some()
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        _: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        Ok(self.wires.dial(socket(&address)?))
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        let Some((listener_id, at, connections, announced)) = &mut self.listening else {
            return Poll::Pending;
        };
        let listener_id = *listener_id;
        if !std::mem::replace(announced, true) {
            return Poll::Ready(TransportEvent::NewAddress {
                listener_id,
                listen_addr: at.clone(),
            });
        }
        match connections.poll_recv(cx) {
            Poll::Ready(Some(Incoming { from, stream })) => Poll::Ready(TransportEvent::Incoming {
                listener_id,
                local_addr: at.clone(),
                send_back_addr: address(from),
                upgrade: ready(Ok(stream)),
            }),
            _ => Poll::Pending,
        }
    }
}
