//! Whole nodes over the virtual radio: no IP between them (LOC-7), everything else as it ships.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod chain;
mod figures;
mod people;

use people::Person;
use sovereign_sim::radio::{Air, Hardware, Physics, Position, World};

/// Metres along a line.
const fn place(x: f64) -> Position {
    Position { x, y: 0.0 }
}

/// LOC-4, LOC-7: two who meet find each other, link, and talk both ways, in order, nothing lost.
#[tokio::test]
async fn two_in_a_field_talk() {
    let air = Air::new(World::ideal(), 1);
    let mut ana = Person::start("Ana", air.join(place(0.0), Hardware::ideal())).await;
    let mut ben = Person::start("Ben", air.join(place(5.0), Hardware::ideal())).await;
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
#[tokio::test]
async fn a_third_hears_it_through_the_one_between() {
    let air = Air::new(World::new(Physics::phones(), 1), 2);
    // Those at the ends do not hear each other.
    let mut ana = Person::start("Ana", air.join(place(0.0), Hardware::small_mtu())).await;
    let ben = Person::start("Ben", air.join(place(15.0), Hardware::small_mtu())).await;
    let mut cleo = Person::start("Cleo", air.join(place(30.0), Hardware::small_mtu())).await;
    ana.say("from Ana 0").await;
    cleo.say("from Cleo 0").await;
    cleo.hears("from Ana", 1).await;
    ana.hears("from Cleo", 1).await;
    for person in [ana, ben, cleo] {
        person.stop().await;
    }
}
