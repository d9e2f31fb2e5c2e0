//! Wrong clocks over weeks (hardening #4; §4.3, §6): a private channel's ratchet locks nobody out and forgets no key
//! early, bundles expire by the time they were carried, whatever the wall clocks say.

use crate::world::{
    World, ms,
    node::{Setup, TODAY_MS},
    s,
    wire::Profile,
};
use sovereign_protocol::id::ChannelId;

const DAY: u64 = 86_400;
const YEAR_2106_MS: i64 = 4_294_967_295_000;

fn epoch(world: &World, node: usize, channel: ChannelId) -> u32 {
    let channel = world.nodes[node].engine().channel(&channel).unwrap();
    channel.keys().newest_epoch()
}

#[test]
fn a_months_ratchet_is_readable_by_all_under_wrong_clocks() {
    let mut world = World::new(1);
    let walls = [TODAY_MS, 0, YEAR_2106_MS, TODAY_MS + 3_600_000, TODAY_MS];
    for (n, wall_ms) in (0..).zip(walls) {
        world.add(Setup {
            wall_ms,
            boot: s(1_000 * n),
            ..Setup::default()
        });
    }
    let members = [0, 1, 2, 3, 4];
    let channel = world.channel("family", &members);
    world.mesh(&members, Profile::LAN);
    let mut away = false;
    for day in 0..30_u64 {
        for n in 0..4 {
            let author = (day + n) as usize % 4;
            world.say(author, channel, &format!("day {day}, text {n}"));
            world.run(s(DAY / 8));
        }
        // 4 is away for six days of seven and writes meanwhile under the epoch that it knows.
        if away {
            world.say(4, channel, &format!("day {day}, far away"));
        }
        world.run(s(DAY / 4));
        match (day % 7, away) {
            (0, false) => {
                let links: Vec<u64> = world.nodes[4].links.values().copied().collect();
                for wire in links {
                    world.cut(wire);
                }
                away = true;
            }
            (6, true) => {
                for node in 0..4 {
                    world.connect(4, node, Profile::LAN);
                }
                away = false;
                world.settle(s(5));
            }
            _ => {}
        }
        // Every day somebody's battery is empty; one wall clock of two is back at 1970 then.
        let node = (day % 5) as usize;
        world.crash(node);
        world.run(s(60));
        world.nodes[node].setup.wall_ms = [0, walls[node]][day as usize % 2];
        world.nodes[node].setup.boot = s(DAY);
        world.restart(node, true);
        for other in (0..5).filter(|other| *other != node) {
            if !(away && (node == 4 || other == 4)) {
                world.connect(node, other, Profile::LAN);
            }
        }
        world.run(s(DAY / 4));
    }
    for node in 0..4 {
        if world.between(4, node).is_none() {
            world.connect(4, node, Profile::LAN);
        }
    }
    world.settle(s(5));
    world.say(2, channel, "the last one");
    world.settle(s(5));
    let epochs: Vec<u32> = members.map(|node| epoch(&world, node, channel)).to_vec();
    println!(
        "30 days, {} texts: epochs {epochs:?}",
        world.ledger.count(channel)
    );
    // About one a day, and never more than one a day and restart.
    assert!(epochs.iter().all(|epoch| (20..=60).contains(epoch)));
    assert!(epochs.iter().max().unwrap() - epochs.iter().min().unwrap() <= 1);
}

#[test]
fn bundles_expire_by_the_time_they_were_carried() {
    // §6: seven days in all, over three carriers, two of them with mad wall clocks.
    let mut world = World::new(2);
    for wall_ms in [TODAY_MS, 0, YEAR_2106_MS, TODAY_MS, TODAY_MS] {
        world.add(Setup {
            wall_ms,
            ..Setup::default()
        });
    }
    let channel = world.channel("#valley", &[0, 3, 4]);
    let before = world.now;
    world.say(0, channel, "a week");
    world.run(s(1));
    for hop in 0..2 {
        let link = world.connect(hop, hop + 1, Profile::LAN);
        world.run(s(5));
        world.cut(link);
        world.run(s(3 * DAY));
    }
    let end = before + s(7 * DAY);
    // A few seconds before the end it is still handed on; after it nobody has it.
    let rest = end - world.now - s(20);
    world.run(rest);
    world.connect(2, 3, Profile::LAN);
    world.run(s(5));
    assert_eq!(world.nodes[3].history(channel).len(), 1);
    // A receipt is there too, and lives on.
    let shelves = |world: &World| -> Vec<u64> {
        let stats = world.nodes.iter().map(|node| node.engine().shelf().stats());
        stats.map(|stats| stats.bundles).collect()
    };
    world.run(s(60));
    assert_eq!(shelves(&world)[..3], [0, 0, 1]);
    assert!(world.nodes[0].tables.bodies.is_empty());
    // The text stays readable.
    assert_eq!(world.nodes[0].history(channel).len(), 1);
    assert_eq!(world.nodes[3].history(channel).len(), 1);
    world.connect(3, 4, Profile::LAN);
    world.run(s(5));
    assert_eq!(world.nodes[4].history(channel).len(), 0);
    // Whoever has dropped it does not take it again.
    assert_eq!(shelves(&world)[3], 1);
}

#[test]
fn a_member_invited_late_carries_what_it_cannot_read() {
    // Epochs of before its invitation: other members can read them.
    let mut world = World::new(3);
    world.add_many(4);
    let channel = world.channel("family", &[0, 1]);
    world.connect(0, 1, Profile::LAN);
    for n in 0..4 {
        world.say(n % 2, channel, &format!("text {n}"));
        world.run(s(DAY));
    }
    assert!(epoch(&world, 0, channel) >= 2);
    // 3 is an old member that was away: it has the first epoch's key only.
    world.join(2, 0, channel);
    world.cut_all();
    world.run(ms(1));
    let early = world.say(1, channel, "of today");
    world.run(s(1));
    // 2 meets 1 and gets everything; what it can read is what was written in the epoch of its invitation.
    let link = world.connect(1, 2, Profile::LAN);
    world.run(s(5));
    let read = world.nodes[2].history(channel);
    assert_eq!(read.len(), 2);
    assert_eq!(read[1].0, early);
    let stats = world.nodes[2].engine().shelf().stats();
    assert_eq!(
        stats.bundles,
        world.nodes[1].engine().shelf().stats().bundles,
        "carried all the same"
    );
    assert!(stats.carried_bundles >= 3);
    world.cut(link);
    world.connect(2, 3, Profile::LAN);
    world.run(s(5));
    assert_eq!(
        world.nodes[3].engine().shelf().stats().bundles,
        stats.bundles
    );
}
