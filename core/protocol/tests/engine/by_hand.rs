//! What a person does to a peer by hand (APP-5).

use std::time::Duration;

use crate::world::{World, ms, s, wire::Profile};
use sovereign_protocol::{
    engine::{Input, PeerState, Tell},
    id::TransportId,
};

/// Two nodes that are linked and have nothing to say.
fn pair(profile: Profile) -> (World, TransportId) {
    let mut world = World::new(3);
    let nodes = world.add_many(2);
    world.channel("#valley", &nodes);
    world.connect(0, 1, profile);
    world.run(s(30));
    let peer = world.nodes[1].transport();
    (world, peer)
}

fn ping(world: &mut World, peer: &TransportId) -> bool {
    let at = world.nodes[0].at(world.now);
    let asked = world.nodes[0].engine.as_mut().unwrap().ping(peer, at);
    world.tell(0, Input::Timeout);
    asked
}

/// Round trips told since the last look.
fn round_trips(world: &mut World, of: TransportId) -> Vec<Duration> {
    let tells = std::mem::take(&mut world.nodes[0].tells).into_iter();
    tells
        .filter_map(|tell| match tell {
            Tell::RoundTrip { peer, time } if peer == of => Some(time),
            _ => None,
        })
        .collect()
}

#[test]
fn a_peer_is_asked_and_its_answer_told() {
    let (mut world, peer) = pair(Profile::LAN);
    round_trips(&mut world, peer);
    assert!(ping(&mut world, &peer));
    world.run(s(1));
    let told = round_trips(&mut world, peer);
    assert_eq!(told.len(), 1);
    assert!(told[0] > Duration::ZERO && told[0] < ms(500), "{told:?}");
    let now = world.nodes[0].at(world.now);
    let rtt_ms = world.nodes[0].engine().peer(&peer, now).rtt_ms;
    assert_eq!(rtt_ms.map(u128::from), Some(told[0].as_millis()));
}

#[test]
fn nobody_is_asked_over_a_radio_or_without_a_link() {
    let (mut world, peer) = pair(Profile::RADIO);
    assert!(!ping(&mut world, &peer));
    world.run(s(5));
    assert_eq!(round_trips(&mut world, peer), []);
    let (mut world, _) = pair(Profile::LAN);
    let own = world.nodes[0].transport();
    assert!(!ping(&mut world, &own));
}

#[test]
fn a_link_without_a_hello_is_not_asked() {
    let mut world = World::new(5);
    let nodes = world.add_many(2);
    world.connect(0, 1, Profile::LAN);
    let peer = world.nodes[1].transport();
    let asked = |world: &mut World| ping(world, &peer);
    assert!(!asked(&mut world), "it is coming up");
    world
        .run_until(s(5), |world| {
            let now = world.nodes[0].at(world.now);
            world.nodes[0].engine().peer(&peer, now).state == PeerState::Connected
        })
        .unwrap();
    assert!(asked(&mut world));
    assert_eq!(nodes.len(), 2);
}

#[test]
fn all_links_to_a_peer_and_no_others_are_closed() {
    let mut world = World::new(4);
    let nodes = world.add_many(3);
    world.channel("#valley", &nodes);
    world.connect(0, 1, Profile::LAN);
    world.connect(0, 2, Profile::LAN);
    world.run(s(5));
    let (peer, other) = (world.nodes[1].transport(), world.nodes[2].transport());
    let at = world.nodes[0].at(world.now);
    let node = &mut world.nodes[0];
    let engine = node.engine.as_mut().unwrap();
    assert_eq!(engine.hang_up(&peer, at, &mut node.rng), 1);
    assert_eq!(engine.hang_up(&peer, at, &mut node.rng), 0);
    assert_eq!(engine.peer(&other, at).state, PeerState::Connected);
    assert_ne!(engine.peer(&peer, at).state, PeerState::Connected);
    world.tell(0, Input::Timeout);
    let linked = |world: &World| {
        let (own, now) = (world.nodes[0].transport(), world.nodes[1].at(world.now));
        world.nodes[1].engine().peer(&own, now).state == PeerState::Connected
    };
    world.run_until(s(5), |world| !linked(world)).unwrap();
    // Neither holds it against the other: the next link is taken.
    world.connect(0, 1, Profile::LAN);
    world.run_until(s(10), linked).unwrap();
}
