//! One history everywhere (MSG-6; hardening #4 and #10): a host cut off, partitions by the hundred, wrong
//! clocks.

use std::time::Instant;

use crate::world::{
    World, ms,
    node::{Setup, TODAY_MS},
    s,
    wire::Profile,
};

/// 2106-02-07T06:28:15Z, where a clock of 32 bits ends.
const YEAR_2106_MS: i64 = 4_294_967_295_000;
const HOUR_MS: i64 = 3_600_000;

#[test]
fn two_nodes_that_meet_have_one_history() {
    let mut world = World::new(1);
    world.checked = true;
    let nodes = world.add_many(2);
    let channel = world.channel("#valley", &nodes);
    for n in 0..10 {
        world.say(n % 2, channel, &format!("before {n}"));
        world.run(ms(10));
    }
    world.connect(0, 1, Profile::LAN);
    world.run(s(1));
    world.assert_settled();
    world.say(0, channel, "live");
    world.run(ms(50));
    world.assert_settled();
    assert_eq!(world.nodes[1].history(channel).len(), 11);
}

#[test]
fn a_lost_link_that_one_end_still_believes_in_does_not_keep_the_peer_out() {
    for seed in 0..16 {
        let mut world = World::new(50 + seed);
        let nodes = world.add_many(2);
        let channel = world.channel("#valley", &nodes);
        let (old, new) = [
            ((0, 1), (0, 1)),
            ((1, 0), (0, 1)),
            ((0, 1), (1, 0)),
            ((1, 0), (1, 0)),
        ][seed as usize % 4];
        let first = world.connect(old.0, old.1, Profile::LAN);
        world.run(s(10));
        // Whoever dials anew knows.
        world.cut_unseen(first, new.1);
        world.run(ms(10));
        world.say(0, channel, "meanwhile");
        world.connect(new.0, new.1, Profile::LAN);
        let took = world.run_until(s(2), World::is_settled);
        assert!(took.is_some(), "seed {seed}");
        world.say(1, channel, "afterwards");
        assert!(world.run_until(s(2), World::is_settled).is_some());
        assert_eq!(world.wires.len(), 1);
    }
}

/// Nodes 0 to 4 talk; node 4 is cut off for 500 messages, its own among them, then linked again.
fn cut_off(profile: Profile) -> (World, std::time::Duration) {
    let mut world = World::new(2);
    let nodes = world.add_many(5);
    let channel = world.channel("#valley", &nodes);
    world.ring(&nodes, 2, Profile::LAN);
    for n in 0..20 {
        world.say(n % 5, channel, &format!("together {n}"));
        world.run(ms(100));
    }
    world.settle(s(5));
    let mine: Vec<u64> = world.nodes[4].links.values().copied().collect();
    for wire in mine {
        world.cut(wire);
    }
    for n in 0..500 {
        let author = if n % 25 == 24 { 4 } else { n % 4 };
        world.say(author, channel, &format!("apart {n}"));
        world.run(ms(50));
    }
    let link = world.connect(0, 4, profile);
    let took = world
        .run_until(s(120), World::is_settled)
        .expect("everybody has everything");
    world.run(s(5));
    world.assert_settled();
    assert_eq!(world.ledger.count(channel), 520);
    assert_eq!(world.nodes[4].history(channel).len(), 520);
    let traffic = world.wires[&link].traffic();
    // Each message's bundle crossed the link once.
    assert_eq!(traffic.bodies, 500 + receipts(&world), "{traffic:?}");
    println!(
        "cut off for 500 messages, {} B/s and {:?}: caught up {took:?} after link-up; {} bodies, {} bytes in {} frames",
        profile.bytes_per_s, profile.latency, traffic.bodies, traffic.bytes, traffic.frames
    );
    (world, took)
}

/// Bundles beyond the 520 texts.
fn receipts(world: &World) -> u64 {
    world.nodes[0].tables.messages.len() as u64 - 520
}

#[test]
fn a_host_cut_off_for_500_messages_has_them_within_two_seconds() {
    let (_, took) = cut_off(Profile::LAN);
    assert!(took <= s(2), "{took:?}");
}

#[test]
fn a_host_cut_off_for_500_messages_catches_up_over_a_narrow_link() {
    let (_, took) = cut_off(Profile::NARROW);
    // 520 texts of 512 bytes at 20 kB/s are 13.3 s.
    assert!(took <= s(20), "{took:?}");
}

/// `SOVEREIGN_PARTITIONS` sets the number of rounds.
fn rounds() -> usize {
    std::env::var("SOVEREIGN_PARTITIONS")
        .ok()
        .and_then(|rounds| rounds.parse().ok())
        .unwrap_or(50)
}

#[test]
fn twenty_nodes_with_wrong_clocks_agree_after_each_of_many_partitions() {
    let began = Instant::now();
    let mut world = World::new(3);
    world.checked = true;
    world.detection = ms(300);
    let walls = [
        TODAY_MS,
        TODAY_MS - HOUR_MS,
        TODAY_MS + HOUR_MS,
        0,
        YEAR_2106_MS,
    ];
    for n in 0..20_usize {
        world.add(Setup {
            wall_ms: walls[n % walls.len()],
            boot: s(100 + 977 * n as u64),
            persist: ms(1 + n as u64 % 5),
            ..Setup::default()
        });
    }
    let all: Vec<usize> = (0..20).collect();
    let square = world.channel("#square", &all);
    let friends = world.channel("friends", &[0, 3, 5, 9, 11, 14, 19]);
    let channels = [square, friends];
    let rounds = rounds();
    let mut longest = s(0);
    for round in 0..rounds {
        let parts = 2 + world.draw(3) as usize;
        let mut groups = vec![Vec::new(); parts];
        for node in &all {
            let group = world.draw(parts as u64) as usize;
            groups[group].push(*node);
        }
        world.cut_all();
        world.run(ms(300));
        for group in &groups {
            world.ring(group, group.len() / 3, Profile::LAN);
        }
        for n in 0..8 {
            let channel = channels[usize::from(n % 4 == 3)];
            let members: Vec<usize> = world.ledger.members[&channel].iter().copied().collect();
            let author = members[world.draw(members.len() as u64) as usize];
            world.say(author, channel, &format!("round {round}, text {n}"));
            let pause = world.draw(400);
            world.run(ms(pause));
        }
        world.cut_all();
        world.run(ms(300));
        world.ring(&all, 8, Profile::LAN);
        let took = world
            .run_until(s(60), |world| {
                channels.iter().all(|channel| world.complete(*channel))
            })
            .unwrap_or_else(|| {
                world.assert_settled();
                unreachable!("not complete")
            });
        world.run(s(1));
        world.assert_settled();
        longest = longest.max(took);
    }
    let texts: usize = channels.iter().map(|c| world.ledger.count(*c)).sum();
    assert_eq!(texts, rounds * 8);
    let doubled = all.iter().map(|node| doubled(&world, *node)).sum::<usize>();
    assert_eq!(doubled, 0);
    println!(
        "{rounds} partitions of 20 nodes: {texts} texts once on every member, one hash for each channel, {doubled} doubled; healed in {longest:?} at most; {} events in {:?} of real time",
        world.events,
        began.elapsed()
    );
}

/// Texts that a node's store holds twice.
fn doubled(world: &World, node: usize) -> usize {
    let tables = &world.nodes[node].tables;
    let mut texts: Vec<String> = tables.messages.keys().map(|id| tables.text(id)).collect();
    texts.retain(|text| !text.is_empty());
    texts.sort_unstable();
    texts.windows(2).filter(|pair| pair[0] == pair[1]).count()
}
