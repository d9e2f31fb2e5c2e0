//! Channels joined late and left: what is carried is looked through, and carried on (MSG-5).

use crate::world::{World, ms, s, wire::Profile};
use sovereign_protocol::{engine::Effect, shelf::Kind};

#[test]
fn what_was_on_its_way_to_the_disk_is_looked_for_after_a_crash() {
    for wait in [450, 600, 1_100] {
        let (mut world, channel) = World::with_texts(60, 10);
        world.nodes[1].setup.persist = ms(500);
        let link = world.connect(0, 1, Profile::LAN);
        world.run(ms(100));
        world.join(1, 0, channel);
        world.cut(link);
        world.run(ms(wait));
        world.crash(1);
        world.restart(1, false);
        world.run(s(5));
        let read = world.nodes[1].history(channel).len();
        assert_eq!(read, world.nodes[1].tables.bodies.len(), "after {wait} ms");
    }
}

#[test]
fn what_a_search_finds_is_shown_once_it_is_durable_and_read_a_few_at_a_time() {
    let (mut world, channel) = World::with_texts(61, 40);
    world.connect(0, 1, Profile::LAN);
    world.run(s(5));
    world.nodes[1].full = true;
    let link = world.nodes[0].engine().channel_link(channel).unwrap();
    let at = world.nodes[1].at(world.now);
    let engine = world.nodes[1].engine.as_mut().unwrap();
    engine.join_channel(&link, at).unwrap();
    let effects: Vec<Effect> = core::iter::from_fn(|| engine.poll_effect()).collect();
    let loads = effects.iter().filter(|e| matches!(e, Effect::Load { .. }));
    assert_eq!(loads.count(), 16);
    for effect in effects {
        world.carry_out(1, effect);
    }
    world.run(s(1));
    assert!(world.nodes[1].history(channel).is_empty());
    world.nodes[1].full = false;
    world.run(s(20));
    assert_eq!(world.nodes[1].history(channel).len(), 40);
}

#[test]
fn leaving_a_channel_touches_no_other_and_own_bundles_keep_a_better_place() {
    let mut world = World::new(62);
    world.add_many(2);
    let valley = world.channel("#valley", &[0, 1]);
    let hills = world.channel("#hills", &[0, 1]);
    world.connect(0, 1, Profile::LAN);
    world.run(s(1));
    for (node, channel) in [(0, valley), (0, hills), (1, hills)] {
        world.say(node, channel, "hello");
        world.run(s(1));
    }
    let kinds = |world: &World| {
        let shelf = world.nodes[0].engine().shelf().iter();
        let mut kinds: Vec<Kind> = shelf.map(|(_, meta)| meta.kind).collect();
        kinds.sort_unstable_by_key(|kind| *kind as u32);
        kinds
    };
    assert_eq!(kinds(&world), [Kind::Own, Kind::Own, Kind::Member]);
    let engine = world.nodes[0].engine.as_mut().unwrap();
    engine.leave_channel(hills).unwrap();
    world.after(0);
    world.run(s(1));
    let mut left = [Kind::Own, Kind::Contact, Kind::Stranger];
    left.sort_unstable_by_key(|kind| *kind as u32);
    assert_eq!(kinds(&world), left);
    world.crash(0);
    world.restart(0, false);
    assert_eq!(kinds(&world), left);
}
