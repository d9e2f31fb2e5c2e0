//! Who is near: what people are told of peers, what is dialled, which of two links stays, and what a Hello says
//! (LOC-8, COORD-3).

use std::time::Duration;

use crate::world::{World, ms, s, wire::Profile};
use sovereign_protocol::{
    engine::{Input, PeerState, Tell},
    id::{DiscoveryId, LinkId, TransportId},
    link::{Incoming, SLOW_CREDIT, WIDE_CREDIT, frame::Body},
    link_kind::{Medium, Role, Source},
    policy::{
        dial::{MAX_SIGHTINGS, Sighting, YOUNG_GRACE},
        near,
    },
    wire::v1::{CloseReason, Hello},
};

/// The transport key of a puppet with this number.
fn key(number: u64) -> TransportId {
    let mut key = [0xaa; 32];
    key[..8].copy_from_slice(&number.to_be_bytes());
    TransportId(key)
}

fn discovery(number: u64) -> DiscoveryId {
    DiscoveryId(number.to_be_bytes())
}

fn sight(world: &mut World, number: u64) {
    let sighting = Sighting {
        transport: key(number),
        discovery: discovery(number),
        source: Source(number),
        endpoints: 1,
    };
    let medium = Medium::Lan;
    world.tell(0, Input::Sighted { sighting, medium });
}

fn lose(world: &mut World, number: u64) {
    let discovery = discovery(number);
    world.tell(0, Input::SightingLost { discovery });
}

/// A node whose own discovery id is 1,000.
fn announced(seed: u64) -> World {
    let mut world = World::new(seed);
    world.add_many(1);
    let transport = world.nodes[0].transport();
    let discovery = discovery(1_000);
    world.tell(
        0,
        Input::Announced {
            transport,
            discovery,
        },
    );
    world
}

fn state(world: &World, number: u64) -> PeerState {
    let at = world.nodes[0].at(world.now);
    world.nodes[0].engine().peer(&key(number), at).state
}

fn dialled(world: &World) -> u64 {
    world.nodes[0].engine().counters().get("dialled")
}

/// What was told since this was asked last.
/// Answered Pings apart: links ask by themselves.
fn told(world: &mut World) -> Vec<Tell> {
    let mut tells = core::mem::take(&mut world.nodes[0].tells);
    tells.retain(|tell| !matches!(tell, Tell::RoundTrip { .. }));
    tells
}

#[test]
fn sightings_for_people_are_bounded_and_the_oldest_goes() {
    let mut world = announced(1);
    let most = MAX_SIGHTINGS as u64;
    for number in 1..=most {
        sight(&mut world, number);
        world.run(ms(1));
    }
    let count = |world: &World| {
        let at = world.nodes[0].at(world.now);
        world.nodes[0].engine().peers(at).len()
    };
    assert_eq!(count(&world), MAX_SIGHTINGS);
    told(&mut world);
    sight(&mut world, most + 1);
    assert_eq!(count(&world), MAX_SIGHTINGS);
    assert!(told(&mut world).contains(&Tell::PeerLost(key(1))));
}

#[test]
fn a_peer_is_discovered_once_and_lost_when_nothing_is_left_of_it() {
    let mut world = announced(2);
    sight(&mut world, 7);
    assert_eq!(told(&mut world), [Tell::PeerDiscovered(key(7))]);
    assert_eq!(state(&world, 8), PeerState::Lost);
    sight(&mut world, 7);
    assert_eq!(told(&mut world), []);
    lose(&mut world, 8);
    assert_eq!(told(&mut world), []);
    lose(&mut world, 7);
    assert_eq!(told(&mut world), [Tell::PeerLost(key(7))]);
    // Linked, it is neither discovered by a sighting nor lost with it.
    let puppet = world.puppet(0, 7, 7, Profile::LAN);
    let linked = |world: &World| world.nodes[0].engine().linked_peers();
    assert_eq!(state(&world, 7), PeerState::Connecting);
    assert_eq!(linked(&world), 0);
    world.run(s(1));
    assert_eq!(state(&world, 7), PeerState::Connected);
    assert_eq!(linked(&world), 1);
    let [Tell::PeerDiscovered(_), Tell::LinkUp { .. }] = told(&mut world)[..] else {
        panic!("discovered by its link")
    };
    sight(&mut world, 7);
    lose(&mut world, 7);
    assert_eq!(told(&mut world), []);
    // Others are others.
    sight(&mut world, 10);
    lose(&mut world, 10);
    let news = [Tell::PeerDiscovered(key(10)), Tell::PeerLost(key(10))];
    assert_eq!(told(&mut world), news);
    sight(&mut world, 8);
    world.puppet(0, 8, 8, Profile::LAN);
    world.run(s(1));
    let up = Tell::LinkUp {
        peer: key(8),
        medium: Medium::Lan,
    };
    let news = [
        Tell::PeerDiscovered(key(8)),
        Tell::PeerUpdated(key(8)),
        up.clone(),
    ];
    assert_eq!(told(&mut world), news);
    let direct = Profile {
        medium: Medium::Direct,
        ..Profile::LAN
    };
    world.puppet(0, 8, 8, direct);
    world.run(s(1));
    let news = told(&mut world);
    assert!(!news.contains(&Tell::PeerUpdated(key(8))), "{news:?}");
    sight(&mut world, 7);
    world.cut(world.puppets[puppet].wire);
    world.run(s(1));
    let [
        Tell::LinkDown { peer, .. },
        Tell::PeerUpdated(still_sighted),
    ] = told(&mut world)[..]
    else {
        panic!("its link is gone, it is not")
    };
    assert_eq!([peer, still_sighted], [key(7), key(7)]);
    lose(&mut world, 7);
    assert_eq!(told(&mut world), [Tell::PeerLost(key(7))]);
    // One whose Hello never came was no link to people.
    sight(&mut world, 9);
    let puppet = world.puppet(0, 9, 9, Profile::RADIO);
    world.cut(world.puppets[puppet].wire);
    world.run(s(1));
    assert_eq!(told(&mut world), [Tell::PeerDiscovered(key(9))]);
}

#[test]
fn dials_wait_their_time_and_failed_ones_are_tried_again() {
    let mut world = announced(3);
    // Of the lower id: it has the first try.
    sight(&mut world, 7);
    assert_eq!(dialled(&world), 0);
    assert_eq!(state(&world, 7), PeerState::Seen);
    world.run(YOUNG_GRACE - ms(1));
    assert_eq!(dialled(&world), 0);
    world.run(YOUNG_GRACE);
    assert_eq!(dialled(&world), 1);
    assert_eq!(state(&world, 7), PeerState::Connecting);
    world.tell(0, Input::DialFailed { peer: key(7) });
    assert_eq!(state(&world, 7), PeerState::Seen);
    world.run(s(3));
    assert_eq!(dialled(&world), 2);
    lose(&mut world, 7);
    world.tell(0, Input::DialFailed { peer: key(7) });
    world.run(s(60));
    assert_eq!(dialled(&world), 2, "nobody is there");
    // Of the higher id, and a link that comes back.
    sight(&mut world, 2_000);
    assert_eq!(dialled(&world), 3);
    let puppet = world.puppet(0, 2_000, 9, Profile::LAN);
    world.run(s(1));
    world.cut(world.puppets[puppet].wire);
    world.run(s(3));
    assert_eq!(dialled(&world), 4, "its link was lost");
}

/// Whether of two links between the same nodes the first stays, the second opened so much later.
fn first_stays(later: Duration) -> bool {
    let mut world = World::new(6);
    world.add_many(2);
    let first = world.connect(0, 1, Profile::LAN);
    world.run(later);
    let second = world.connect(1, 0, Profile::LAN);
    world.run(s(5));
    let stays = [first, second].map(|wire| world.wires.contains_key(&wire));
    assert_ne!(stays[0], stays[1], "one of them");
    stays[0]
}

#[test]
fn of_two_links_both_ends_choose_one_unless_the_first_has_stood_for_long() {
    assert!(first_stays(ms(0)));
    assert!(first_stays(s(9)));
    // Nobody dials a peer it has a link to: the old one is lost at the other end.
    assert!(!first_stays(s(11)));
}

#[test]
fn links_over_different_media_stay_side_by_side() {
    let mut world = World::new(7);
    world.add_many(2);
    let direct = Profile {
        medium: Medium::Direct,
        ..Profile::LAN
    };
    for profile in [Profile::LAN, direct] {
        world.connect(0, 1, profile);
        world.run(s(11));
    }
    assert_eq!(world.wires.len(), 2);
}

/// The Hello that a puppet was sent.
fn hello(world: &World, puppet: usize) -> Hello {
    let mut frames = world.puppets[puppet].frames.iter();
    let hello = frames.find_map(|frame| match frame {
        Body::Hello(hello) => Some(hello.clone()),
        _ => None,
    });
    hello.unwrap()
}

#[test]
fn what_is_advertised_over_the_radio_is_said_over_the_radio_only() {
    let mut world = announced(4);
    let transport = world.nodes[0].transport();
    let event = near::Event::Announced {
        transport,
        discovery: discovery(77),
    };
    world.tell(0, Input::Near(event));
    for (number, profile, credit, extensions) in [
        (1, Profile::LAN, WIDE_CREDIT, 0),
        (2, Profile::RADIO, SLOW_CREDIT, 1),
    ] {
        let puppet = world.puppet(0, number, number, profile);
        world.run(s(1));
        let hello = hello(&world, puppet);
        assert_eq!((hello.credit, hello.extensions.len()), (credit, extensions));
    }
}

#[test]
fn who_is_not_let_in_hears_why() {
    let mut world = World::new(5);
    world.add(crate::world::node::Setup {
        max_links_of_source: 1,
        ..crate::world::node::Setup::default()
    });
    world.puppet(0, 1, 50, Profile::LAN);
    let second = world.puppet(0, 2, 50, Profile::LAN);
    world.run(s(1));
    let closed = Incoming::Closed(CloseReason::Full);
    assert_eq!(world.puppets[second].heard, [closed]);
    assert!(world.puppets[second].gone);
}

#[test]
fn the_radio_s_policy_hears_of_links_and_of_what_they_prove() {
    let mut world = announced(9);
    let other = world.add_many(1)[0];
    let [transport, peer] = [0, other].map(|node| world.nodes[node].transport());
    let tell = |world: &mut World, event| world.tell(0, Input::Near(event));
    for (node, transport, number) in [(0, transport, 1_000), (other, peer, 7)] {
        let announced = near::Event::Announced {
            transport,
            discovery: discovery(number),
        };
        world.tell(node, Input::Near(announced));
    }
    let sighted = near::Event::Sighted(near::Sighting {
        neighbour: discovery(7),
        address: near::Address(7),
        rssi: Some(-60),
        connectable: true,
        waits: false,
        relation: near::Relation::Stranger,
    });
    tell(&mut world, sighted);
    let is_news = |tell: &Tell| matches!(tell, Tell::NeighbourDiscovered(news) if news.discovery == discovery(7));
    assert!(told(&mut world).iter().any(is_news));
    world.connect(other, 0, Profile::RADIO);
    let link = *world.nodes[0].links.keys().last().unwrap();
    let up = |link, address| near::Event::LinkUp {
        link,
        address: near::Address(address),
        role: Role::Listener,
    };
    tell(&mut world, up(link, 7));
    world.run(s(1));
    let at = world.nodes[0].at(world.now);
    let engine = world.nodes[0].engine();
    assert_eq!(engine.neighbours(at)[0].peer, Some(peer));
    assert_eq!(engine.peer(&peer, at).dbm, Some(-60));
    assert_eq!(engine.peer(&key(8), at).dbm, None);
    world.run(s(20));
    assert_eq!(world.nodes[0].links.len(), 1);
    // One that proves nothing is closed by the policy's own clock.
    let silent = LinkId(1_000_000);
    let input = Input::LinkUp {
        link: silent,
        local: transport,
        peer: key(9),
        role: Role::Listener,
        medium: Medium::Ble,
        source: Source(9),
    };
    world.tell(0, input);
    tell(&mut world, up(silent, 9));
    world.run(near::HANDSHAKE_TIMEOUT - ms(1));
    assert_eq!(state(&world, 9), PeerState::Connecting);
    world.run(ms(1));
    assert_eq!(state(&world, 9), PeerState::Lost);
}
