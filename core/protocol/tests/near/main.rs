//! Neighbours over Bluetooth LE in virtual time: the figures of `docs/radio.md` (LOC-5, LOC-6, LOC-8, COORD-3).
//!
//! `SOVEREIGN_NEAR_DOSE=10 cargo test -p sovereign-protocol --test near -- --nocapture` runs ten times the
//! seeds and prints the tables.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

mod air;
mod crowd;
mod discovery;
mod hostile;
mod shadowing;
mod starvation;

use std::time::Duration;

use rand_chacha::ChaCha12Rng;
use rand_core::Rng;
use sha2::{Digest, Sha256};
use sovereign_protocol::{
    id::{DiscoveryId, TransportId},
    policy::near::{Address, Event, Relation, Sighting},
};

const S: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);

/// How many times the seeds of a short run.
fn dose() -> u64 {
    std::env::var("SOVEREIGN_NEAR_DOSE").map_or(1, |dose| dose.parse().expect("a number"))
}

fn transport(number: u64) -> TransportId {
    TransportId(Sha256::digest(number.to_be_bytes()).into())
}

/// Of which the order does not follow from the number.
fn discovery(number: u64) -> DiscoveryId {
    let hash = Sha256::digest(transport(number).0);
    DiscoveryId(hash[..8].try_into().expect("8 of 32 bytes"))
}

/// The node under test, where there is one.
const OWN: u64 = u64::MAX;

fn announced(number: u64) -> Event {
    Event::Announced {
        transport: transport(number),
        discovery: discovery(number),
    }
}

fn sighting(number: u64, dbm: i8) -> Sighting {
    Sighting {
        neighbour: discovery(number),
        address: Address(number),
        rssi: Some(dbm),
        connectable: true,
        waits: false,
        relation: Relation::Stranger,
    }
}

/// Uniform in 0..1.
fn uniform(rng: &mut ChaCha12Rng) -> f64 {
    f64::from(rng.next_u32()) / (f64::from(u32::MAX) + 1.0)
}

/// Standard normal (Box and Muller).
fn normal(rng: &mut ChaCha12Rng) -> f64 {
    let radius = (-2.0 * (1.0 - uniform(rng)).ln()).sqrt();
    radius * (core::f64::consts::TAU * uniform(rng)).cos()
}

/// As a controller reports it.
fn dbm(level: f64) -> i8 {
    level.round().clamp(-127.0, 20.0) as i8
}

/// Mean level over a distance in metres: −59 dBm at one, exponent 2.5.
fn path(metres: f64) -> f64 {
    -59.0 - 25.0 * metres.max(0.3).log10()
}
