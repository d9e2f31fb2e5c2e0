//! A policy node: the shipped engine, unchanged, and what the world knows of its phone.

use std::collections::BTreeMap;
use std::time::Duration;

use sovereign_protocol::engine::{Engine, EngineConfig, StoreOp, Token, Who};
use sovereign_protocol::id::{DeviceId, DiscoveryId, LinkId, TransportId};
use sovereign_protocol::identity::Identity;
use sovereign_protocol::link::capability;
use sovereign_protocol::policy::near::duty::{Advertising, MEAN_ADV_DELAY, ScanMode};
use sovereign_protocol::policy::{dial, near};
use sovereign_protocol::shelf::Limits;
use sovereign_protocol::time::Now;

use super::store::Store;
use crate::radio::chance;
use crate::record::Spent;
use crate::world::Person;

/// 2026-11-21T00:00:00Z, when every scenario begins.
const BEGIN_MS: i64 = 1_795_219_200_000;
/// What the boot clock reads when a scenario begins.
const BOOT: Duration = Duration::from_secs(5_000);

/// The epoch that stands for the key used on wide links.
pub(super) const WIDE: u32 = u32::MAX;

/// What scanning goes on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Scan {
    pub(super) mode: ScanMode,
    /// Since when it has not been evaluated.
    pub(super) from: Duration,
    /// When it will be.
    pub(super) round: Duration,
    /// From that evaluation to the next.
    pub(super) gap: Duration,
}

/// A dial over the radio.
#[derive(Debug, Clone, Copy)]
pub(super) struct Dial {
    pub(super) neighbour: DiscoveryId,
    pub(super) since: Duration,
    pub(super) due: Duration,
    /// Until the other's next advertisement, if that is heard.
    pub(super) heard: Option<Duration>,
    /// It is known to come to nothing.
    pub(super) fails: bool,
}

#[derive(Debug)]
pub(super) struct Node {
    pub(super) engine: Option<Box<Engine>>,
    /// What is durable, where the phone can lose what is not.
    pub(super) store: Option<Store>,
    pub(super) in_flight: Vec<(Token, Vec<StoreOp>)>,
    pub(super) durable: Option<Duration>,
    pub(super) timer: Option<Duration>,
    pub(super) links: Vec<LinkId>,
    links_since: Duration,
    pub(super) epoch: u32,
    pub(super) turn: Option<Duration>,
    pub(super) scan: Option<Scan>,
    /// Whether it has ever scanned in this life.
    pub(super) scanned: bool,
    pub(super) advertising: Option<Advertising>,
    advertises_since: Duration,
    pub(super) dials: BTreeMap<u64, Dial>,
    /// The radio has work until then.
    pub(super) busy: Duration,
    pub(super) step: Option<Duration>,
    pub(super) walked: f64,
    pub(super) lans: Vec<u32>,
    pub(super) internet: bool,
    pub(super) joined: bool,
    pub(super) placed: bool,
    pub(super) spent: Spent,
    pub(super) billed: Duration,
    boots: u8,
    booted: Duration,
}

impl Node {
    pub(super) fn new(mortal: bool) -> Self {
        Self {
            engine: None,
            store: mortal.then(Store::default),
            in_flight: Vec::new(),
            durable: None,
            timer: None,
            links: Vec::new(),
            links_since: Duration::ZERO,
            epoch: 0,
            turn: None,
            scan: None,
            scanned: false,
            advertising: None,
            advertises_since: Duration::ZERO,
            dials: BTreeMap::new(),
            busy: Duration::ZERO,
            step: None,
            walked: 0.0,
            lans: Vec::new(),
            internet: false,
            joined: false,
            placed: false,
            spent: Spent::default(),
            billed: Duration::ZERO,
            boots: 0,
            booted: Duration::ZERO,
        }
    }

    pub(super) fn is_on(&self) -> bool {
        self.engine.is_some()
    }

    /// The phone's clocks.
    pub(super) fn at(&self, now: Duration, person: &Person) -> Now {
        let wall = BEGIN_MS + now.as_millis() as i64 + person.clock_ms;
        Now {
            boot: BOOT + (now - self.booted),
            wall_ms: u64::try_from(wall).unwrap_or(0),
        }
    }

    /// When the world comes to a time of the phone's boot clock.
    pub(super) fn world_time(&self, boot: Duration) -> Duration {
        (boot + self.booted).saturating_sub(BOOT)
    }

    /// The battery was empty: the boot clock begins anew.
    pub(super) fn reboots(&mut self, now: Duration) {
        self.boots = self.boots.wrapping_add(1);
        self.booted = now;
    }

    pub(super) fn boot_id(&self) -> [u8; 16] {
        [self.boots; 16]
    }

    /// Notes how long links have stood until now; before their number changes.
    pub(super) fn charge_links(&mut self, now: Duration) {
        let passed = now.saturating_sub(self.links_since).as_millis() as u64;
        self.spent.link_ms += passed * self.links.len() as u64;
        self.links_since = now;
    }

    /// A link is up.
    pub(super) fn gain(&mut self, link: LinkId, now: Duration) {
        self.charge_links(now);
        self.links.push(link);
        self.spent.links += 1;
    }

    /// A link is gone; whether it was there.
    pub(super) fn lose(&mut self, link: LinkId, now: Duration) -> bool {
        self.charge_links(now);
        let place = self.links.iter().position(|other| *other == link);
        place.map(|place| self.links.remove(place)).is_some()
    }

    /// A dial is over: it listened until it heard the other, or all the time.
    pub(super) fn dial_ends(&mut self, address: u64, now: Duration) {
        if let Some(dial) = self.dials.remove(&address) {
            let lasted = now.saturating_sub(dial.since);
            let listened = dial.heard.unwrap_or(lasted).min(lasted);
            self.spent.dial_ms += listened.as_millis() as u64;
        }
    }

    /// Notes what scanning has cost until now, and what goes on from now.
    pub(super) fn scan_turns(&mut self, now: Duration, to: Option<Scan>) {
        self.charge_scan(now);
        self.scan = to;
    }

    pub(super) fn charge_scan(&mut self, now: Duration) {
        if let Some(scan) = &mut self.scan {
            let passed = now.saturating_sub(scan.from).as_millis() as u64;
            let (window, interval) = (scan.mode.window(), scan.mode.interval());
            self.spent.scan_ms += passed * window.as_millis() as u64 / interval.as_millis() as u64;
            scan.from = now;
        }
    }

    pub(super) fn advertising_turns(&mut self, now: Duration, to: Option<Advertising>) {
        if let Some(advertising) = self.advertising {
            let passed = now.saturating_sub(self.advertises_since).as_micros();
            let every = (advertising.interval + MEAN_ADV_DELAY).as_micros();
            self.spent.adverts += (passed / every) as u64;
        }
        self.advertises_since = now;
        self.advertising = to;
    }
}

pub(super) fn config(person: &Person) -> EngineConfig {
    EngineConfig {
        limits: Limits::default(),
        gossip: false,
        dial: dial::Config::default(),
        near: near::Config {
            budget: near::DEFAULT_LINKS,
            profile: person.profile.into(),
        },
        capabilities: capability::CARRIES,
        paced: true,
    }
}

pub(super) fn who(number: u32, seed: u64) -> Who {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_be_bytes());
    bytes[8..12].copy_from_slice(&number.to_be_bytes());
    Who {
        identity: Identity::from_seed(bytes),
        device: DeviceId([0, 0, 0, 1]),
        name: format!("p{number}"),
    }
}

/// What a node is in an epoch on the air, or [`WIDE`]: ids without order among people.
pub(super) fn transport(number: u32, epoch: u32, seed: u64) -> TransportId {
    let mut id = [0; 32];
    let draw = chance::mix(seed ^ chance::mix(u64::from(number) << 32 | u64::from(epoch)));
    id[..8].copy_from_slice(&draw.to_be_bytes());
    id[8..12].copy_from_slice(&number.to_be_bytes());
    id[12..16].copy_from_slice(&epoch.to_be_bytes());
    TransportId(id)
}

/// Whose transport id it is.
pub(super) fn whose(id: &TransportId) -> u32 {
    let [_, _, _, _, _, _, _, _, a, b, c, d, ..] = id.0;
    u32::from_be_bytes([a, b, c, d])
}

pub(super) fn discovery(number: u32, epoch: u32, seed: u64) -> DiscoveryId {
    let whole = u64::from(number) << 32 | u64::from(epoch);
    DiscoveryId(chance::mix(!seed ^ chance::mix(whole)).to_be_bytes())
}

/// A radio address: who, and in which epoch.
pub(super) fn address(number: u32, epoch: u32) -> u64 {
    u64::from(number) << 32 | u64::from(epoch)
}

pub(super) fn of_address(address: u64) -> (u32, u32) {
    ((address >> 32) as u32, address as u32)
}
