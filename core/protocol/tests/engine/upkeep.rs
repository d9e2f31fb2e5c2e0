//! What is done from time to time, and how often (§4.3, §7.1, hardening #8).

use crate::world::{World, liar::Liar, ms, s, wire::Profile};
use sovereign_protocol::{
    engine::{Effect, Input, StoreOp},
    id::ChannelId,
    link::HELLO_TIMEOUT,
    shelf::Limits,
    wire::{local, v1::CloseReason},
};

const DAY: u64 = 86_400;

#[test]
fn a_link_without_a_hello_is_closed() {
    let mut world = World::new(1);
    world.add_many(1);
    world.stranger_dials(0);
    let closed = |world: &World| {
        let counters = world.nodes[0].engine().counters();
        counters.get("closed_timeout")
    };
    world.run(HELLO_TIMEOUT - ms(1));
    assert_eq!(closed(&world), 0);
    world.run(ms(1));
    assert_eq!(closed(&world), 1);
}

fn epochs(world: &World, channel: ChannelId) -> Vec<u32> {
    let record = &world.nodes[0].tables.channels[&channel];
    let record: local::ChannelRecord = prost::Message::decode(record.as_slice()).unwrap();
    record.epochs.iter().map(|key| key.epoch).collect()
}

#[test]
fn old_keys_are_destroyed_though_nothing_is_said() {
    // §4.3: eight days after the next epoch began.
    let mut world = World::new(2);
    world.add_many(2);
    let channel = world.channel("family", &[0, 1]);
    world.connect(0, 1, Profile::LAN);
    world.say(1, channel, "good morning");
    world.run(s(DAY + 60));
    world.say(0, channel, "good evening");
    world.run(s(60));
    assert_eq!(epochs(&world, channel), [0, 1]);
    assert_eq!(world.nodes[0].tables.scrubs, 0);
    world.run(s(8 * DAY - 120));
    assert_eq!(epochs(&world, channel), [0, 1]);
    world.run(s(900));
    assert_eq!(epochs(&world, channel), [1]);
    world.run(s(DAY));
    assert_eq!(world.nodes[0].tables.scrubs, 1);
}

#[test]
fn the_clock_is_written_every_ten_minutes_and_a_full_disk_asked_every_five_seconds() {
    let mut world = World::new(3);
    world.add_many(1);
    world.run(s(1));
    let mut count = |time, read: fn(&World) -> u64| {
        let before = read(&world);
        for _ in 0..100 {
            world.run(time / 100);
            world.tell(0, Input::Timeout);
        }
        world.run(ms(1));
        read(&world) - before
    };
    let clocks = |world: &World| world.nodes[0].tables.clocks;
    assert_eq!(count(s(590), clocks), 0);
    assert_eq!(count(s(3_600), clocks), 6);
    let mut world = World::new(4);
    world.add_many(1);
    world.nodes[0].full = true;
    let channel = world.try_join(0, "#valley");
    channel.unwrap();
    world.run(ms(100));
    let before = world.nodes[0].outcomes_full;
    for _ in 0..100 {
        world.run(ms(590));
        world.tell(0, Input::Timeout);
    }
    let asked = world.nodes[0].outcomes_full - before;
    assert!((10..=12).contains(&asked), "{asked} in a minute");
}

#[test]
fn a_shutdown_closes_the_links_and_writes_the_clock() {
    let mut world = World::new(5);
    world.add_many(3);
    world.connect(0, 1, Profile::LAN);
    world.connect(0, 2, Profile::LAN);
    world.run(s(1));
    let at = world.nodes[0].at(world.now);
    let node = &mut world.nodes[0];
    let engine = node.engine.as_mut().unwrap();
    engine.shutdown(at, &mut node.rng);
    let effects: Vec<Effect> = core::iter::from_fn(|| engine.poll_effect()).collect();
    let reason = CloseReason::Shutdown;
    let closed = effects
        .iter()
        .filter(|effect| matches!(effect, Effect::Close { reason: given, .. } if *given == reason));
    assert_eq!(closed.count(), 2);
    let Some(Effect::Persist { ops, .. }) = effects.last() else {
        panic!("the clock")
    };
    assert!(matches!(ops[..], [StoreOp::PutClock(_)]));
}

#[test]
fn what_a_full_disk_refused_is_written_in_batches_that_a_store_takes() {
    let mut world = World::new(6);
    world.add_many(1);
    let channel = world.channel("#valley", &[0]);
    for n in 0..2_001 {
        world.say(0, channel, &n.to_string());
    }
    world.run(s(5));
    world.nodes[0].largest_batch = 0;
    world.nodes[0].full = true;
    let engine = world.nodes[0].engine.as_mut().unwrap();
    engine.leave_channel(channel).unwrap();
    world.after(0);
    world.run(s(1));
    assert_eq!(world.nodes[0].tables.messages.len(), 2_001);
    world.nodes[0].full = false;
    world.run(s(10));
    assert!(world.nodes[0].tables.messages.is_empty());
    assert!(world.nodes[0].tables.channels.is_empty());
    let largest = world.nodes[0].largest_batch;
    assert!(
        largest <= 1_001,
        "a thousand, and what asked whether there is room: {largest}"
    );
}

#[test]
fn ids_that_need_not_come_again_are_forgotten_after_eight_days() {
    let mut world = World::new(7);
    world.add_many(1);
    world.channel("#valley", &[0]);
    let liar = Liar::of("#valley");
    let mut forged = liar.text(1, &[], "hello");
    forged[0] ^= 1;
    let bundle = liar.seal(&mut world, &forged);
    world.import(0, &bundle);
    world.run(s(8 * DAY - 60));
    assert_eq!(world.nodes[0].tables.seen.len(), 1);
    world.run(s(1_200));
    assert!(world.nodes[0].tables.seen.is_empty());
}

#[test]
fn a_smaller_cap_holds_from_the_next_start_on() {
    // MSG-13.
    let mut world = World::new(8);
    world.add_many(1);
    let bodies = world.sealed(20);
    world.stock(0, &bodies);
    world.nodes[0].setup.limits = Limits {
        max_bundles: 8,
        total_bytes: 8 * 256,
        stranger_share_percent: 100,
        ..Limits::default()
    };
    world.crash(0);
    world.restart(0, false);
    world.check_invariants(0);
    assert_eq!(world.nodes[0].engine().shelf().stats().bundles, 8);
    world.run(s(1));
    assert_eq!(world.nodes[0].tables.bodies.len(), 8);
}

#[test]
fn what_gives_way_on_the_shelf_leaves_the_disk() {
    // MSG-5: own messages before strangers'.
    let mut world = World::new(9);
    world.add_many(1);
    world.nodes[0].setup.limits = Limits {
        max_bundles: 8,
        total_bytes: 8 * 256,
        stranger_share_percent: 100,
        ..Limits::default()
    };
    let bodies = world.sealed(8);
    world.stock(0, &bodies);
    let channel = world.channel("#valley", &[0]);
    for n in 0..4 {
        world.say(0, channel, &n.to_string());
    }
    world.run(s(1));
    assert_eq!(world.nodes[0].engine().shelf().stats().carried_bundles, 4);
    assert_eq!(world.nodes[0].tables.bodies.len(), 8);
}
