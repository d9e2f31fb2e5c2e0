//! Own texts in a crowd (MSG-5, LOC-6, ADR 28): stored and shown at once, told with pace, never lost.

use crate::world::{World, s, wire::Profile};
use sovereign_protocol::{
    engine::OwnState,
    id::{AuthorKey, ChannelId, MessageId},
    policy::pace::{CROWD, HEARD_FOR, Pace},
};

const TEXTS: usize = 30;

/// One phone linked to another over the radio, and behind that one a room full of people who each said something.
fn crowd(seed: u64, others: usize) -> (World, ChannelId) {
    let mut world = World::new(seed);
    let nodes = world.add_many(others + 1);
    let channel = world.channel("#square", &nodes);
    world.connect(0, 1, Profile::RADIO);
    for other in 2..=others {
        world.connect(1, other, Profile::LAN);
    }
    world.run(s(5));
    for other in 1..=others {
        world.say(other, channel, &format!("hello from {other}"));
    }
    world.run(s(20));
    assert_eq!(texts(&world, 0, channel), others);
    (world, channel)
}

fn texts(world: &World, node: usize, channel: ChannelId) -> usize {
    let engine = world.nodes[node].engine();
    let channel = engine.channel(&channel).unwrap();
    channel.history(1_000, None).len()
}

/// How many of these texts of node 0 go at once among so many authors.
fn burst(world: &World, authors: usize, texts: &[MessageId]) -> usize {
    let (mut pace, now) = (Pace::default(), s(10_000));
    for number in 1..authors {
        pace.heard(AuthorKey([number as u8; 32]), now);
    }
    let engine = world.nodes[0].engine();
    let mut goes = |text: &&MessageId| {
        let mut shelf = engine.shelf().iter();
        let (_, meta) = shelf.find(|(_, it)| it.message == Some(**text)).unwrap();
        pace.take(meta.size, now)
    };
    texts.iter().take_while(|text| goes(text)).count()
}

#[test]
fn in_a_crowd_a_burst_goes_at_once_and_the_rest_in_turn() {
    let (mut world, channel) = crowd(1, CROWD - 1);
    let before = texts(&world, 1, channel);
    let said: Vec<_> = (0..TEXTS)
        .map(|n| world.say(0, channel, &format!("and {n:03}")))
        .collect();
    world.run(s(1));
    // Shown here, and safe.
    assert_eq!(texts(&world, 0, channel), before + TEXTS);
    assert_eq!(world.state(0, &said[TEXTS - 1]), Some(OwnState::Stored));
    let at_once = burst(&world, CROWD, &said);
    assert!((10..TEXTS).contains(&at_once), "{at_once}");
    assert_eq!(texts(&world, 1, channel), before + at_once);
    // Who comes and compares is not told either.
    world.add_many(1);
    world.connect(0, CROWD, Profile::RADIO);
    world.run(s(1));
    let carried = world.nodes[CROWD].engine().shelf().stats().bundles;
    let told = world.nodes[1].engine().shelf().stats().bundles;
    assert!(carried <= told, "{carried} of {told}");
    // In their order, and all of them.
    world.run(HEARD_FOR);
    assert_eq!(texts(&world, 1, channel), before + TEXTS);
    world.assert_settled();
}

#[test]
fn among_a_few_nothing_waits() {
    let (mut world, channel) = crowd(2, CROWD - 2);
    let before = texts(&world, 1, channel);
    for n in 0..TEXTS {
        world.say(0, channel, &format!("and {n:03}"));
    }
    world.run(s(5));
    assert_eq!(texts(&world, 1, channel), before + TEXTS);
}

#[test]
fn where_no_radio_carries_nothing_waits() {
    let (mut world, channel) = crowd(3, CROWD - 1);
    for n in 0..TEXTS {
        world.say(0, channel, &format!("and {n:03}"));
    }
    world.run(s(1));
    let waiting = texts(&world, 0, channel) - texts(&world, 1, channel);
    assert!(waiting > 0);
    // The radio is gone: what waited is told over the network.
    world.cut_all();
    world.connect(0, 1, Profile::LAN);
    world.run(s(2));
    assert_eq!(texts(&world, 1, channel), texts(&world, 0, channel));
}

#[test]
fn what_waited_outlives_a_crash() {
    let (mut world, channel) = crowd(4, CROWD - 1);
    for n in 0..TEXTS {
        world.say(0, channel, &format!("and {n:03}"));
    }
    world.run(s(1));
    assert!(texts(&world, 1, channel) < texts(&world, 0, channel));
    world.crash(0);
    world.restart(0, true);
    world.connect(0, 1, Profile::RADIO);
    world.run(s(30));
    assert_eq!(texts(&world, 1, channel), texts(&world, 0, channel));
}
