//! Carriers, receipts, channels joined late and left, stores that fill up (MSG-5, MSG-7, MSG-12; hardening #8
//! and #9).

use crate::world::{World, ms, node::Setup, s, wire::Profile};
use sovereign_protocol::{
    engine::{OwnState, SendError, Taken, Tell},
    shelf::{Kind, Limits},
};

#[test]
fn strangers_carry_what_they_cannot_read() {
    // 0 and 4 are members, 1 to 3 are not; they meet one after the other.
    for profile in [Profile::LAN, Profile::RADIO] {
        let mut world = World::new(1);
        world.checked = true;
        world.add_many(5);
        let channel = world.channel("field trip", &[0, 4]);
        for n in 0..20 {
            world.say(0, channel, &format!("a secret place, number {n}"));
        }
        world.run(s(1));
        for hop in 0..4 {
            let link = world.connect(hop, hop + 1, profile);
            world.run(s(20));
            if hop < 3 {
                world.assert_carried_blindly(hop + 1, channel);
            }
            world.cut(link);
            world.run(s(3_600));
        }
        world.assert_settled();
        let age = |node: usize| {
            let (_, meta) = world.nodes[node].engine().shelf().iter().next().unwrap();
            meta.age.as_secs()
        };
        // Each carrier adds the time it held them.
        assert!((3 * 3_600..3 * 3_600 + 120).contains(&age(4)), "{}", age(4));
    }
}

#[test]
fn a_member_at_the_other_end_delivers_at_once() {
    // MSG-7, without a receipt.
    let mut world = World::new(2);
    let nodes = world.add_many(2);
    let channel = world.channel("#valley", &nodes);
    world.connect(0, 1, Profile::LAN);
    world.run(s(1));
    let text = world.say(0, channel, "hello");
    assert_eq!(world.state(0, &text), Some(OwnState::Stored));
    let took = world.until_delivered(0, &text, s(1)).unwrap();
    assert!(took <= ms(5), "{took:?}");
    world.run(s(60));
    let held = world.nodes[0].engine().shelf().stats().bundles;
    assert_eq!(held, 1, "no receipt");
    // The state outlives a restart.
    world.crash(0);
    world.restart(0, true);
    assert_eq!(world.state(0, &text), Some(OwnState::Delivered));
}

#[test]
fn members_that_meet_over_a_slow_link_need_no_receipts() {
    // Membership is proved when both hold the same; then everything is acknowledged at once.
    let mut world = World::new(21);
    let nodes = world.add_many(2);
    let channel = world.channel("#valley", &nodes);
    let texts: Vec<_> = (0..10)
        .map(|n| world.say(n % 2, channel, &format!("text {n}")))
        .collect();
    world.run(s(1));
    world.connect(0, 1, Profile::RADIO);
    let last = *texts.last().unwrap();
    let took = world.until_delivered(1, &last, s(5)).unwrap();
    assert!(took <= s(1), "{took:?}");
    world.run(s(1));
    for (n, text) in texts.iter().enumerate() {
        assert_eq!(world.state(n % 2, text), Some(OwnState::Delivered));
    }
    world.run(s(60));
    assert_eq!(world.nodes[0].engine().shelf().stats().bundles, 10);
}

#[test]
fn an_acknowledgement_lost_with_its_link_comes_over_the_next_one() {
    let mut world = World::new(22);
    let nodes = world.add_many(2);
    let channel = world.channel("#valley", &nodes);
    let first = world.connect(0, 1, Profile::NARROW);
    world.run(s(1));
    let text = world.say(0, channel, "hello");
    let here = |world: &World| world.nodes[1].tables.messages.contains_key(&text);
    world.run_until(s(1), here).unwrap();
    // It is on node 1's disk, and its acknowledgement on the way.
    world.cut(first);
    world.run(s(30));
    assert_eq!(world.state(0, &text), Some(OwnState::Sent));
    let second = world.connect(0, 1, Profile::NARROW);
    world.run(s(1));
    assert_eq!(world.state(0, &text), Some(OwnState::Delivered));
    assert_eq!(world.wires[&second].traffic().bodies, 0);
    world.run(s(60));
    assert_eq!(world.nodes[0].engine().shelf().stats().bundles, 1);
}

#[test]
fn what_gossip_brought_first_is_acknowledged_to_its_author_all_the_same() {
    let mut world = World::new(23);
    let setup = Setup {
        gossip: true,
        ..Setup::default()
    };
    let nodes: Vec<usize> = (0..6).map(|_| world.add(setup.clone())).collect();
    let channel = world.channel("#valley", &nodes);
    world.mesh(
        &nodes,
        Profile {
            latency: ms(20),
            ..Profile::LAN
        },
    );
    world.run(s(1));
    let text = world.say(0, channel, "hello");
    let took = world.until_delivered(0, &text, s(2)).unwrap();
    assert!(took <= ms(100), "{took:?}");
    assert!(world.is_settled());
    // One of those that do not know who was told may write a receipt; those who hear it keep silent.
    world.run(s(60));
    let bundles = world.nodes[0].engine().shelf().stats().bundles;
    println!("a text by gossip to 5 members: {} receipts", bundles - 1);
    assert!(bundles <= 3, "{bundles}");
}

#[test]
fn what_a_carrier_took_is_sent_and_what_it_brought_is_delivered() {
    let mut world = World::new(3);
    world.add_many(3);
    let channel = world.channel("#valley", &[0, 2]);
    let text = world.say(0, channel, "hello");
    world.run(s(1));
    let first = world.connect(0, 1, Profile::LAN);
    world.run(s(1));
    assert_eq!(world.state(0, &text), Some(OwnState::Sent));
    world.cut(first);
    let second = world.connect(1, 2, Profile::LAN);
    world.run(s(20));
    assert_eq!(world.nodes[2].history(channel).len(), 1);
    // The receipt is a bundle like any other.
    assert_eq!(world.nodes[1].engine().shelf().stats().bundles, 2);
    world.cut(second);
    world.connect(0, 1, Profile::LAN);
    world.run(s(1));
    assert_eq!(world.state(0, &text), Some(OwnState::Delivered));
    // A receipt is not acknowledged, not shown, not counted.
    world.run(s(60));
    assert_eq!(world.nodes[0].engine().shelf().stats().bundles, 2);
    let author = world.nodes[0].engine().channel(&channel).unwrap();
    assert_eq!((author.history(9, None).len(), author.unread()), (1, 0));
    assert_eq!(
        world.nodes[2].engine().channel(&channel).unwrap().unread(),
        1
    );
}

#[test]
fn of_twenty_members_few_write_receipts() {
    // The author meets a carrier; the carrier meets a crowd of members, each linked to it and to its neighbours.
    let mut most = 0;
    for seed in 0..5 {
        let mut world = World::new(40 + seed);
        let all = world.add_many(22);
        let members: Vec<usize> = all.iter().copied().filter(|node| *node != 1).collect();
        let channel = world.channel("#valley", &members);
        let texts: Vec<_> = (0..10)
            .map(|n| world.say(0, channel, &format!("text {n}")))
            .collect();
        world.run(s(1));
        let first = world.connect(0, 1, Profile::LAN);
        world.run(s(1));
        world.cut(first);
        for member in 2..22 {
            world.connect(1, member, Profile::LAN);
        }
        world.run(s(60));
        let messages = world.nodes[2].tables.messages.len();
        let receipts = messages - texts.len();
        assert!(receipts >= 1);
        most = most.max(receipts);
        world.connect(0, 1, Profile::LAN);
        world.run(s(5));
        for text in &texts {
            assert_eq!(world.state(0, text), Some(OwnState::Delivered));
        }
        // Everybody has been heard: nobody writes another.
        world.run(s(60));
        assert_eq!(world.nodes[2].tables.messages.len(), messages);
    }
    println!("10 texts over a carrier to 20 members: {most} receipts at most");
    assert!(most <= 4, "{most}");
}

#[test]
fn a_channel_joined_late_is_read_from_what_was_carried_whatever_crashes() {
    // 40 bundles and a crash after each of many delays: whatever was read and whatever was not.
    for wait in (0..40).step_by(3) {
        let (mut world, channel) = World::with_texts(5, 40);
        world.nodes[1].setup.persist = ms(2);
        let link = world.connect(0, 1, Profile::LAN);
        world.run(s(5));
        world.cut(link);
        world.assert_carried_blindly(1, channel);
        world.join(1, 0, channel);
        // The join itself is durable, whatever else is.
        world.run(ms(2 + wait));
        world.crash(1);
        world.restart(1, false);
        world.run(s(1));
        world.assert_settled();
        let kinds = world.nodes[1].engine().shelf().stats().bytes_by_kind;
        assert_eq!(kinds[Kind::Stranger as usize], 0);
        // The search is over: a further start reads nothing.
        let record = &world.nodes[1].tables.channels[&channel];
        let record: sovereign_protocol::wire::local::ChannelRecord =
            prost::Message::decode(record.as_slice()).unwrap();
        assert!(!record.searching);
    }
}

#[test]
fn what_is_on_its_way_to_the_disk_when_a_channel_is_joined_is_read_too() {
    let (mut world, channel) = World::with_texts(6, 10);
    world.nodes[1].setup.persist = ms(500);
    world.connect(0, 1, Profile::LAN);
    // The bundles are there, and not durable.
    world.run(ms(100));
    assert_eq!(world.nodes[1].engine().shelf().stats().carried_bundles, 10);
    assert!(world.nodes[1].tables.bodies.is_empty());
    world.join(1, 0, channel);
    world.run(s(5));
    world.assert_settled();
    assert_eq!(world.nodes[1].history(channel).len(), 10);
}

#[test]
fn a_channel_that_was_left_is_carried_on_and_can_be_joined_again() {
    let mut world = World::new(7);
    world.checked = true;
    let nodes = world.add_many(3);
    let channel = world.channel("#valley", &nodes[..2]);
    world.connect(0, 1, Profile::LAN);
    for n in 0..6 {
        world.say(n % 2, channel, &format!("text {n}"));
        world.run(ms(100));
    }
    world.settle(s(5));
    let link = world.nodes[1].engine().channel_link(channel).unwrap();
    let engine = world.nodes[1].engine.as_mut().unwrap();
    engine.leave_channel(channel).unwrap();
    world.after(1);
    world.ledger.members.get_mut(&channel).unwrap().remove(&1);
    world.run(s(1));
    let node = &world.nodes[1];
    assert!(node.tables.messages.is_empty() && node.tables.states.is_empty());
    assert!(node.tables.channels.is_empty(), "its keys are gone");
    assert!(
        node.engine()
            .shelf()
            .iter()
            .all(|(_, meta)| meta.message.is_none())
    );
    assert_eq!(node.engine().shelf().stats().carried_bundles, 6);
    // Carried on: node 2 gets all six from node 1.
    world.ledger.members.get_mut(&channel).unwrap().insert(2);
    let joined = world.try_join(2, &link);
    joined.unwrap();
    world.connect(1, 2, Profile::LAN);
    world.settle(s(5));
    world.try_join(1, &link).unwrap();
    world.run(s(2));
    world.assert_settled();
    assert_eq!(world.nodes[1].history(channel).len(), 6);
}

#[test]
fn a_leaving_cut_short_is_swept_at_the_next_start() {
    let mut world = World::new(8);
    world.add_many(1);
    let channel = world.channel("#valley", &[0]);
    for n in 0..6 {
        world.say(0, channel, &format!("text {n}"));
    }
    world.run(s(1));
    // As if only the first batch of the leaving had come to the disk.
    world.crash(0);
    world.nodes[0].tables.channels.clear();
    world.restart(0, false);
    world.run(s(1));
    assert!(world.nodes[0].tables.messages.is_empty());
}

#[test]
fn a_full_disk_is_said_and_read_from_and_nothing_is_lost_when_there_is_room() {
    // Hardening #8.
    let mut world = World::new(9);
    let nodes = world.add_many(4);
    let channel = world.channel("#valley", &nodes[..3]);
    world.mesh(&nodes, Profile::LAN);
    world.say(1, channel, "before");
    world.settle(s(2));
    world.nodes[0].full = true;
    // The first write that fails is not acknowledged, and taken back.
    let bundles = world.nodes[0].engine().shelf().stats().bundles;
    let lost = world.say(0, channel, "lost, and known to be");
    world.run(s(1));
    let shelf = world.nodes[0].engine().shelf();
    assert_eq!(shelf.stats().bundles, bundles);
    assert_eq!(world.state(0, &lost), None);
    assert!(
        world.nodes[0]
            .tells
            .contains(&Tell::StoreTrouble { full: true })
    );
    assert_eq!(
        world.try_say(0, channel, "refused"),
        Err(SendError::Store { full: true })
    );
    assert_eq!(world.nodes[0].history(channel).len(), 1, "readable");
    for n in 0..30 {
        world.say(1 + n % 2, channel, &format!("meanwhile {n}"));
        world.run(ms(200));
    }
    // Joined and told nothing: the join is not durable yet.
    let joined = world.try_join(0, "#hills");
    joined.unwrap();
    world.run(s(30));
    assert_eq!(world.nodes[0].history(channel).len(), 1);
    let writes = world.nodes[0].outcomes_full;
    world.run(s(60));
    let writes = world.nodes[0].outcomes_full - writes;
    assert!(writes <= 20, "{writes} writes in vain in an idle minute");
    world.nodes[0].full = false;
    // The store is asked every 5 s; then everything comes over the links that are there.
    world.settle(s(10));
    assert!(world.nodes[0].tells.contains(&Tell::StoreWorks));
    assert_eq!(world.nodes[0].history(channel).len(), 31);
    world.say(0, channel, "after");
    world.settle(s(2));
    let hills = world.nodes[0]
        .engine()
        .channels()
        .find(|c| c.id() != channel);
    let hills = hills.unwrap().id();
    world.say(0, hills, "in the channel that was joined in between");
    world.run(s(1));
    world.crash(0);
    world.restart(0, true);
    assert_eq!(world.nodes[0].history(hills).len(), 1);
}

#[test]
fn members_read_what_their_shelf_has_no_room_for() {
    // A shelf of 40 bundles, 100 messages, the older ones coming last: all are read, 40 are carried.
    let mut world = World::new(10);
    world.checked = true;
    world.add_many(1);
    let limits = Limits {
        total_bytes: 40 * 512,
        max_bundles: 40,
        ..Limits::default()
    };
    world.add(Setup {
        limits,
        ..Setup::default()
    });
    let channel = world.channel("#valley", &[0, 1]);
    for n in 0..100 {
        world.say(0, channel, &format!("text {n}"));
        world.run(s(60));
    }
    let link = world.connect(0, 1, Profile::LAN);
    world.settle(s(10));
    let shelf = world.nodes[1].engine().shelf();
    assert!((30..=40).contains(&shelf.stats().bundles));
    // What was dropped is off the disk.
    let bodies = world.nodes[1].tables.bodies.len() as u64;
    assert_eq!(bodies, shelf.stats().bundles);
    // Nothing is asked for again.
    let bodies = world.wires[&link].traffic().bodies;
    world.cut(link);
    let link = world.connect(0, 1, Profile::LAN);
    world.run(s(10));
    assert_eq!((bodies, world.wires[&link].traffic().bodies), (100, 0));
    world.crash(1);
    world.restart(1, false);
    world.assert_settled();
}

#[test]
fn a_file_brings_what_a_meeting_would() {
    // MSG-12.
    let mut world = World::new(11);
    let nodes = world.add_many(2);
    let channel = world.channel("#valley", &nodes);
    for n in 0..5 {
        world.say(0, channel, &format!("text {n}"));
    }
    world.run(s(1));
    let bodies: Vec<_> = world.nodes[0].tables.bodies.values().cloned().collect();
    let at = world.nodes[1].at(world.now);
    for body in bodies.iter().chain(&bodies) {
        let engine = world.nodes[1].engine.as_mut().unwrap();
        engine.import(body.clone(), 10, 604_800, at);
    }
    let engine = world.nodes[1].engine.as_mut().unwrap();
    let known = engine.import(bodies[0].clone(), 10, 604_800, at);
    assert_eq!(known, Taken::Known);
    let broken = engine.import(bodies[0].slice(1..), 0, 1, at);
    assert_eq!(broken, Taken::Declined);
    world.after(1);
    world.settle(s(1));
}
