//! Links that die without a word, as by a pulled cable (docs/protocol.md §7.9, MSG-4).

use crate::world::{World, ms, s, wire::Profile};
use sovereign_protocol::{
    engine::{Input, PeerState},
    id::DiscoveryId,
    link::{
        ANSWER_WITHIN, DIALER_ASKS_AFTER, LISTENER_ASKS_AFTER, SUSPECT_ANSWER_WITHIN,
        UNANSWERED_AFTER,
    },
};

fn connected(world: &World, node: usize) -> bool {
    let peer = world.nodes[1 - node].transport();
    let now = world.nodes[node].at(world.now);
    world.nodes[node].engine().peer(&peer, now).state == PeerState::Connected
}

/// Two members of a channel, both quiet since just now.
fn pair() -> (World, u64, sovereign_protocol::id::ChannelId) {
    let mut world = World::new(8);
    let nodes = world.add_many(2);
    let channel = world.channel("#valley", &nodes);
    let wire = world.connect(0, 1, Profile::LAN);
    world.say(0, channel, "before");
    world.run_until(s(10), World::is_settled).unwrap();
    world.run(s(1));
    (world, wire, channel)
}

#[test]
fn both_ends_notice_a_pulled_cable_though_nobody_says_anything() {
    let (mut world, wire, _) = pair();
    world.pull(wire);
    let dialer = world
        .run_until(s(60), |world| !connected(world, 0))
        .unwrap();
    assert!(dialer <= DIALER_ASKS_AFTER + ANSWER_WITHIN, "{dialer:?}");
    let listener = dialer
        + world
            .run_until(s(60), |world| !connected(world, 1))
            .unwrap();
    assert!(
        listener <= LISTENER_ASKS_AFTER + ANSWER_WITHIN,
        "{listener:?}"
    );
}

#[test]
fn who_speaks_notices_sooner_and_loses_nothing() {
    let (mut world, wire, channel) = pair();
    world.pull(wire);
    world.say(1, channel, "into the void");
    let took = world
        .run_until(s(60), |world| !connected(world, 1))
        .unwrap();
    assert!(
        took <= UNANSWERED_AFTER + ANSWER_WITHIN + ms(100),
        "{took:?}"
    );
    world.connect(1, 0, Profile::LAN);
    world
        .run_until(s(2), World::is_settled)
        .expect("it arrives by the next link");
}

#[test]
fn who_learns_of_another_network_notices_at_once() {
    let (mut world, wire, _) = pair();
    let announced = Input::Announced {
        transport: world.nodes[0].transport(),
        discovery: DiscoveryId([0; 8]),
    };
    // The link lives: nothing happens.
    world.tell(0, announced.clone());
    world.run(s(10));
    assert!(connected(&world, 0) && connected(&world, 1));
    world.pull(wire);
    world.tell(0, announced);
    let took = world
        .run_until(s(60), |world| !connected(world, 0))
        .unwrap();
    assert_eq!(took, SUSPECT_ANSWER_WITHIN);
}

#[test]
fn a_link_that_lives_is_kept_for_days() {
    let (mut world, _, channel) = pair();
    world.run(s(2 * 24 * 3_600));
    assert!(connected(&world, 0) && connected(&world, 1));
    world.say(0, channel, "still there");
    world.run_until(s(2), World::is_settled).unwrap();
}

#[test]
fn a_narrow_link_full_of_data_is_no_dead_one() {
    let mut world = World::new(9);
    let nodes = world.add_many(2);
    let channel = world.channel("#valley", &nodes);
    for number in 0..40 {
        let text = format!("{number} {}", "long ".repeat(2_000));
        world.say(0, channel, &text);
    }
    world.run(s(1));
    let wire = world.connect(0, 1, Profile::NARROW);
    let took = world.run_until(s(120), World::is_settled).unwrap();
    // 40 bundles of 16 KiB at 20 kB/s.
    assert!(took > s(30), "{took:?}");
    assert!(world.wires.contains_key(&wire), "it was never given up");
}
