//! Who is on which network, and therefore reaches whom.

use std::{
    collections::{BTreeMap, BTreeSet},
    net::{IpAddr, Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::Waker,
    time::Duration,
};

use sovereign_node::{
    ports::{lan::LanAdvertisement, wires::Incoming},
    sightings::Sightings,
};
use tokio::sync::{Notify, mpsc};

use super::{discovery::VirtualLan, wires::HostWires};

/// One local network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LanId(pub u32);

/// One machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct HostId(pub u32);

impl HostId {
    /// Its address: 10.0.0.0/8, numbered from 10.0.0.1.
    ///
    /// # Panics
    /// Above 2^24 - 2.
    #[must_use]
    pub fn address(self) -> IpAddr {
        assert!(self.0 < (1 << 24) - 2, "10.0.0.0/8 has room");
        let [_, b, c, d] = (self.0 + 1).to_be_bytes();
        Ipv4Addr::new(10, b, c, d).into()
    }
}

/// How a network carries.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Quality {
    /// One way.
    pub latency: Duration,
    /// Of one connection in one direction, bytes a second.
    pub rate: u32,
    /// Whether hosts see each other's announcements.
    pub multicast: bool,
}

impl Default for Quality {
    /// A usual wireless network at home.
    fn default() -> Self {
        Self {
            latency: Duration::from_millis(3),
            rate: 2_500_000,
            multicast: true,
        }
    }
}

/// All networks of one world. Clones are the same.
#[derive(Debug, Clone, Default)]
pub struct Net(Arc<Mutex<State>>);

#[derive(Debug, Default)]
pub(super) struct State {
    pub(super) hosts: BTreeMap<HostId, Host>,
    lans: BTreeMap<LanId, Quality>,
    /// Who reads from a wire on which nothing can arrive now.
    stalled: Vec<Waker>,
}

#[derive(Debug)]
pub(super) struct Host {
    pub(super) at: BTreeSet<LanId>,
    pub(super) listening: BTreeMap<u16, mpsc::Sender<Incoming>>,
    pub(super) announced: Option<LanAdvertisement>,
    pub(super) sightings: Sightings,
    /// Its own networks changed, and it has not been told.
    pub(super) moved: bool,
    pub(super) wake: Arc<Notify>,
    pub(super) next_port: u16,
    /// Its wires end by silence.
    pub(super) dead: bool,
}

impl Net {
    /// A new machine, in no network.
    #[must_use]
    pub fn join(&self) -> HostId {
        let mut state = self.lock();
        let id = HostId(u32::try_from(state.hosts.len()).expect("far fewer"));
        state.hosts.insert(
            id,
            Host {
                at: BTreeSet::new(),
                listening: BTreeMap::new(),
                announced: None,
                sightings: Sightings::default(),
                moved: true,
                wake: Arc::default(),
                next_port: 40_000,
                dead: false,
            },
        );
        id
    }

    /// What a network is like. One that was not described is like the default.
    pub fn describe(&self, lan: LanId, quality: Quality) {
        self.lock().lans.insert(lan, quality);
    }

    /// A machine comes into a network or leaves it. Wires that lead nowhere fall silent, and go on when the two
    /// reach each other again.
    pub fn place(&self, host: HostId, lan: LanId, inside: bool) {
        let mut state = self.lock();
        let Some(moved) = state.hosts.get_mut(&host) else {
            return;
        };
        let changed = if inside {
            moved.at.insert(lan)
        } else {
            moved.at.remove(&lan)
        };
        if !changed {
            return;
        }
        moved.moved = true;
        if !inside {
            moved.sightings.clear();
        }
        moved.wake.notify_one();
        state.meet(host);
        for waker in state.stalled.drain(..) {
            waker.wake();
        }
    }

    /// A machine's battery is empty: until it starts again it says nothing to anybody.
    pub fn die(&self, host: HostId) {
        if let Some(host) = self.lock().hosts.get_mut(&host) {
            host.dead = true;
            host.announced = None;
            host.sightings.clear();
            host.listening.clear();
        }
    }

    /// The port of a machine's announcements.
    #[must_use]
    pub fn lan(&self, host: HostId) -> VirtualLan {
        VirtualLan::new(self.clone(), host)
    }

    /// The port of a machine's connections.
    #[must_use]
    pub fn wires(&self, host: HostId) -> HostWires {
        HostWires::new(self.clone(), host)
    }

    /// How two machines reach each other now.
    #[must_use]
    pub fn between(&self, one: HostId, other: HostId) -> Option<Quality> {
        self.lock().between(one, other)
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        // A model that panicked half-way is not asked to be right; whoever reads on only drains it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Over the network with the lowest number that both are in.
    pub(super) fn between(&self, one: HostId, other: HostId) -> Option<Quality> {
        let at = |host| self.hosts.get(&host).map(|host| &host.at);
        let shared = (one != other).then(|| at(one)?.intersection(at(other)?).next());
        shared.flatten().map(|lan| self.quality(*lan))
    }

    /// Whether one hears what the other announces.
    pub(super) fn hears(&self, one: HostId, other: HostId) -> bool {
        let at = |host| self.hosts.get(&host).map(|host| &host.at);
        let (Some(ours), Some(theirs)) = (at(one), at(other)) else {
            return false;
        };
        let heard = |lan: &LanId| self.quality(*lan).multicast;
        one != other && ours.intersection(theirs).any(heard)
    }

    fn quality(&self, lan: LanId) -> Quality {
        self.lans.get(&lan).copied().unwrap_or_default()
    }

    pub(super) fn stall(&mut self, waker: &Waker) {
        self.stalled.push(waker.clone());
    }

    /// The machine with this address.
    pub(super) fn host_of(&self, address: SocketAddr) -> Option<HostId> {
        let IpAddr::V4(ip) = address.ip() else {
            return None;
        };
        let id = HostId((u32::from(ip) & 0x00FF_FFFF).checked_sub(1)?);
        (id.address() == address.ip() && self.hosts.contains_key(&id)).then_some(id)
    }

    /// Lets a machine and all it now shares a network with see each other's announcements.
    pub(super) fn meet(&mut self, host: HostId) {
        let others: Vec<HostId> = self
            .hosts
            .keys()
            .copied()
            .filter(|other| self.hears(host, *other))
            .collect();
        for other in others {
            self.show(host, other);
            self.show(other, host);
        }
    }

    fn show(&mut self, shown: HostId, to: HostId) {
        let Some(advertisement) = self.hosts[&shown].announced.clone() else {
            return;
        };
        let address = SocketAddr::new(shown.address(), advertisement.tcp_port);
        if let Some(viewer) = self.hosts.get_mut(&to) {
            viewer.sightings.saw(advertisement, [address]);
            viewer.wake.notify_one();
        }
    }
}
