//! The contract of the [`Lan`] port (LOC-1, LOC-8).

use std::collections::BTreeSet;
use std::future::Future;
use std::time::Duration;

use futures::FutureExt as _;
use sovereign_protocol::id::{DiscoveryId, TransportId};

use crate::ports::lan::{
    Lan, LanAdvertisement, LanEvent, LanSighting, MAX_LAN_ADDRESSES, MAX_LAN_SIGHTINGS,
};

/// A hanging test ends here; nothing asserts that it takes any particular time.
const WATCHDOG: Duration = Duration::from_secs(60);

/// A fresh local network (`Default`) on which an adapter is tried.
pub trait LanFixture: Default {
    /// The adapter.
    type Port: Lan;

    /// Puts a node on this network.
    fn join(&mut self) -> impl Future<Output = Self::Port>;

    /// Lets `count` more nodes be seen, [`foreign`] 0 and up.
    fn flood(&mut self, count: u64) -> impl Future<Output = ()>;
}

/// An advertisement with every field set, told apart by `n`.
#[must_use]
pub fn advertisement(n: u8) -> LanAdvertisement {
    LanAdvertisement {
        transport: TransportId([n; 32]),
        discovery: DiscoveryId([n, 1, 2, 3, 4, 5, 6, 7]),
        tcp_port: 4000 + u16::from(n),
        quic_port: Some(5000 + u16::from(n)),
        versions: vec![1, 2, 65535],
        capabilities: 0x8000_0001,
    }
}

/// The advertisement of the `n`-th node of a flood.
#[must_use]
pub fn foreign(n: u64) -> LanAdvertisement {
    LanAdvertisement {
        transport: TransportId([9; 32]),
        discovery: DiscoveryId((n | 0xf100_0000_0000_0000).to_be_bytes()),
        tcp_port: 9,
        quic_port: None,
        versions: vec![1],
        capabilities: 0,
    }
}

async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(WATCHDOG, future).await {
        Ok(value) => value,
        Err(_) => panic!("never happened: {what}"),
    }
}

/// Reads events until one satisfies `wanted`; returns all that were read.
async fn until(
    lan: &mut impl Lan,
    what: &str,
    mut wanted: impl FnMut(&LanEvent) -> bool,
) -> Vec<LanEvent> {
    let mut read = Vec::new();
    within(what, async {
        loop {
            let event = lan.next().await;
            let done = wanted(&event);
            read.push(event);
            if done {
                return;
            }
        }
    })
    .await;
    read
}

/// Reads until this very advertisement is sighted.
async fn sighting(lan: &mut impl Lan, of: &LanAdvertisement) -> LanSighting {
    let what = format!("sighting of {:?}", of.discovery);
    let is_it = |e: &LanEvent| matches!(e, LanEvent::Sighted(s) if s.advertisement == *of);
    let mut read = until(lan, &what, is_it).await;
    match read.pop() {
        Some(LanEvent::Sighted(sighting)) => sighting,
        other => panic!("{other:?}"),
    }
}

async fn loss(lan: &mut impl Lan, of: DiscoveryId) {
    until(lan, &format!("loss of {of:?}"), |e| {
        *e == LanEvent::Lost(of)
    })
    .await;
}

/// LOC-1: whoever announces is seen with all fields, by those who are there and by those who come.
pub async fn announced_is_seen<F: LanFixture>() {
    let mut fixture = F::default();
    let (mut a, mut b) = (fixture.join().await, fixture.join().await);
    a.announce(advertisement(1)).expect("announces");
    let seen = sighting(&mut b, &advertisement(1)).await;
    assert!(!seen.addresses.is_empty() && seen.addresses.len() <= MAX_LAN_ADDRESSES);
    assert!(seen.addresses.iter().all(|a| a.port() == 4001));
    let mut late = fixture.join().await;
    sighting(&mut late, &advertisement(1)).await;
}

/// LOC-1: a second announcement replaces the first, fields and ids alike.
pub async fn announcement_is_replaced<F: LanFixture>() {
    let mut fixture = F::default();
    let (mut a, mut b) = (fixture.join().await, fixture.join().await);
    a.announce(advertisement(1)).expect("announces");
    sighting(&mut b, &advertisement(1)).await;
    let mut changed = advertisement(1);
    changed.capabilities = 2;
    changed.tcp_port = 1;
    a.announce(changed.clone()).expect("announces");
    sighting(&mut b, &changed).await;
    a.announce(advertisement(2)).expect("announces");
    let mut open = BTreeSet::from(["new", "old"]);
    until(&mut b, "the new id and the old one's loss", |event| {
        match event {
            LanEvent::Sighted(s) if s.advertisement == advertisement(2) => open.remove("new"),
            LanEvent::Lost(id) if *id == advertisement(1).discovery => open.remove("old"),
            _ => false,
        };
        open.is_empty()
    })
    .await;
}

/// LOC-1: goodbye on shutdown and on drop.
pub async fn goodbye_is_heard<F: LanFixture>() {
    let mut fixture = F::default();
    let (mut a, mut b, mut c) = (
        fixture.join().await,
        fixture.join().await,
        fixture.join().await,
    );
    a.announce(advertisement(1)).expect("announces");
    sighting(&mut c, &advertisement(1)).await;
    a.shutdown().await;
    loss(&mut c, advertisement(1).discovery).await;
    assert!(a.announce(advertisement(1)).is_err(), "shut down");
    assert_eq!(a.next().now_or_never(), None, "silent after shutdown");
    b.announce(advertisement(2)).expect("announces");
    sighting(&mut c, &advertisement(2)).await;
    drop(b);
    loss(&mut c, advertisement(2).discovery).await;
}

/// A node is not told of itself, neither of its old announcement nor of its new one.
pub async fn own_announcement_is_not_seen<F: LanFixture>() {
    let mut fixture = F::default();
    let (mut a, mut b) = (fixture.join().await, fixture.join().await);
    a.announce(advertisement(1)).expect("announces");
    sighting(&mut b, &advertisement(1)).await;
    a.announce(advertisement(2)).expect("announces");
    sighting(&mut b, &advertisement(2)).await;
    // Whatever `a` hears of itself comes before `b`'s answer to this.
    b.announce(advertisement(3)).expect("announces");
    let is_b =
        |e: &LanEvent| matches!(e, LanEvent::Sighted(s) if s.advertisement == advertisement(3));
    let read = until(&mut a, "sighting of b", is_b).await;
    let own = [advertisement(1).discovery, advertisement(2).discovery];
    for event in read {
        match event {
            LanEvent::Sighted(s) => assert!(!own.contains(&s.advertisement.discovery)),
            LanEvent::Lost(id) => assert!(!own.contains(&id)),
            LanEvent::Interfaces(_) | LanEvent::State(_) => {}
        }
    }
}

/// An advertisement out of bounds is refused, and the one before it stays.
pub async fn bad_announcement_is_refused<F: LanFixture>() {
    let mut fixture = F::default();
    let (mut a, mut b) = (fixture.join().await, fixture.join().await);
    a.announce(advertisement(1)).expect("announces");
    let mut bad = advertisement(2);
    bad.versions = (1..=9).collect();
    assert!(a.announce(bad).is_err());
    let mut bad = advertisement(2);
    bad.tcp_port = 0;
    assert!(a.announce(bad).is_err());
    sighting(&mut b, &advertisement(1)).await;
}

/// LOC-8: a reader that takes every event never holds more than [`MAX_LAN_SIGHTINGS`] nodes.
pub async fn sightings_are_bounded<F: LanFixture>() {
    let mut fixture = F::default();
    let mut a = fixture.join().await;
    let mut live = BTreeSet::new();
    let mut told = 0;
    let count = MAX_LAN_SIGHTINGS as u64 + 100;
    let last = foreign(count - 1);
    let mut flood = std::pin::pin!(fixture.flood(count).fuse());
    let mut flooding = true;
    within("the flood's last node", async {
        loop {
            let event = tokio::select! {
                () = &mut flood, if flooding => {
                    flooding = false;
                    continue;
                }
                event = a.next() => event,
            };
            match event {
                LanEvent::Sighted(s) => {
                    told += 1;
                    live.insert(s.advertisement.discovery);
                    if s.advertisement == last {
                        return;
                    }
                }
                LanEvent::Lost(id) => assert!(live.remove(&id), "lost but never sighted"),
                LanEvent::Interfaces(_) | LanEvent::State(_) => {}
            }
            assert!(live.len() <= MAX_LAN_SIGHTINGS);
        }
    })
    .await;
    assert!(told > MAX_LAN_SIGHTINGS / 2, "the flood was heard: {told}");
}

/// Two networks do not hear each other.
pub async fn networks_are_apart<F: LanFixture>() {
    let (mut here, mut there) = (F::default(), F::default());
    let (mut a, mut b) = (here.join().await, there.join().await);
    let (mut c, mut d) = (here.join().await, there.join().await);
    a.announce(advertisement(1)).expect("announces");
    b.announce(advertisement(2)).expect("announces");
    for (node, own, other) in [(&mut c, 1, 2), (&mut d, 2, 1)] {
        let own = advertisement(own);
        let is_own = |e: &LanEvent| matches!(e, LanEvent::Sighted(s) if s.advertisement == own);
        for event in until(node, "own network's node", is_own).await {
            if let LanEvent::Sighted(s) = event {
                assert_ne!(s.advertisement, advertisement(other));
            }
        }
    }
}

/// No event is lost when `next` is dropped while it waits.
pub async fn next_is_safe_to_cancel<F: LanFixture>() {
    let mut fixture = F::default();
    let (mut a, mut b) = (fixture.join().await, fixture.join().await);
    a.announce(advertisement(1)).expect("announces");
    within("sighting across cancelled calls", async {
        loop {
            match b.next().now_or_never() {
                Some(LanEvent::Sighted(s)) if s.advertisement == advertisement(1) => return,
                _ => tokio::task::yield_now().await,
            }
        }
    })
    .await;
}

/// Runs the contract of the LAN port on a [`LanFixture`](crate::contract::lan::LanFixture).
#[macro_export]
macro_rules! lan_contract {
    ($fixture:ty) => {
        $crate::lan_contract!(@ $fixture:
            announced_is_seen, announcement_is_replaced, goodbye_is_heard,
            own_announcement_is_not_seen, bad_announcement_is_refused, sightings_are_bounded,
            networks_are_apart, next_is_safe_to_cancel);
    };
    (@ $fixture:ty: $($case:ident),+) => {
        $(
            #[tokio::test]
            async fn $case() {
                $crate::contract::lan::$case::<$fixture>().await;
            }
        )+
    };
}
