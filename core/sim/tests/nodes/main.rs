//! Whole nodes over the virtual radio: no IP between them (LOC-7), everything else as it ships.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod chain;
mod figures;
mod people;

use std::{path::Path, sync::Arc, time::Duration};

use people::Person;
use sovereign_node::{Node, adapters::store::MemoryStore, simulation::Surroundings};
use sovereign_sim::{
    full::PhoneClock,
    lan::VirtualLan,
    radio::{Air, Hardware, Physics, Position, VirtualRadio, World},
};

/// A node on its radio alone, in virtual time.
async fn start(name: &str, radio: VirtualRadio) -> Person {
    let surroundings = Surroundings {
        radio: Some(radio),
        lan: None::<VirtualLan>,
        wires: None,
        clock: PhoneClock::boot([1; 16], 1_795_219_200_000),
        store: Arc::new(MemoryStore::new()),
        flush: Duration::from_millis(5),
    };
    let config = people::config(name, Path::new("nowhere"));
    let (node, _) = Node::start_in(config, surroundings).unwrap();
    Person::with(node, None).await
}

/// Metres along a line.
const fn place(x: f64) -> Position {
    Position { x, y: 0.0 }
}

/// LOC-4, LOC-7: two who meet find each other, link, and talk both ways, in order, nothing lost.
#[tokio::test(start_paused = true)]
async fn two_in_a_field_talk() {
    let air = Air::new(World::ideal(), 1);
    let mut ana = start("Ana", air.join(place(0.0), Hardware::ideal())).await;
    let mut ben = start("Ben", air.join(place(5.0), Hardware::ideal())).await;
    let number = 50;
    for count in 0..number {
        ana.say(&format!("from Ana {count}")).await;
        ben.say(&format!("from Ben {count}")).await;
    }
    ana.hears("from Ben", number).await;
    ben.hears("from Ana", number).await;
    for person in [&ana, &ben] {
        let peers = person.peers().await;
        assert_eq!(peers.len(), 1, "{peers:?}");
        assert_eq!(peers[0].link, sovereign_node::api::LinkWord::Ble);
        assert!(peers[0].rssi_dbm.is_some());
    }
    ana.stop().await;
    ben.stop().await;
}

/// MSG-6 over the radio: who meets only the carrier reads what was said before.
#[tokio::test(start_paused = true)]
async fn a_third_hears_it_through_the_one_between() {
    let air = Air::new(World::new(Physics::phones(), 1), 2);
    // Those at the ends do not hear each other.
    let mut ana = start("Ana", air.join(place(0.0), Hardware::small_mtu())).await;
    let ben = start("Ben", air.join(place(15.0), Hardware::small_mtu())).await;
    let mut cleo = start("Cleo", air.join(place(30.0), Hardware::small_mtu())).await;
    ana.say("from Ana 0").await;
    cleo.say("from Cleo 0").await;
    cleo.hears("from Ana", 1).await;
    ana.hears("from Cleo", 1).await;
    for person in [ana, ben, cleo] {
        person.stop().await;
    }
}
