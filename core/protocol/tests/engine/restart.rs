//! What a node knows after a restart is what it knew before, and a damaged store is refused by name.

use crate::world::{World, liar::Liar, ms, s, wire::Profile};
use sovereign_protocol::{
    engine::{
        ChannelError, Effect, Engine, EngineConfig, MAX_CHANNELS, OwnState, RestoreError, Stored,
        Who,
    },
    id::{ChannelId, ContentId, DeviceId, MessageId},
    identity::Identity,
    policy::{dial, near},
    shelf::Limits,
    wire::local,
};

fn restarted(world: &mut World) {
    world.run(s(1));
    world.crash(0);
    world.restart(0, true);
}

#[test]
fn names_and_what_was_read_outlive_a_restart() {
    let mut world = World::new(1);
    world.add_many(1);
    let channel = world.channel("#valley", &[0]);
    let liar = Liar::of("#valley");
    let envelope = liar.text(1, &[], "hello");
    let bundle = liar.seal(&mut world, &envelope);
    world.import(0, &bundle);
    // The second one carries no name: the first did.
    let mut named = |text| {
        let message = world.say(0, channel, text);
        world.run(ms(10));
        let record = &world.nodes[0].tables.messages[&message];
        let record: local::MessageRecord = prost::Message::decode(record.as_slice()).unwrap();
        record.name
    };
    assert_eq!(["one", "two"].map(&mut named), ["node 0", ""]);
    let check = |world: &World, unread| {
        let channel = world.nodes[0].engine().channel(&channel).unwrap();
        let author = liar.keys.signer(&liar.identity).author();
        assert_eq!(channel.names().get(&author), Some("liar"));
        assert_eq!(channel.names().get(&channel.log().own()), Some("node 0"));
        assert_eq!(channel.unread(), unread);
    };
    check(&world, 1);
    restarted(&mut world);
    check(&world, 1);
    let engine = world.nodes[0].engine.as_mut().unwrap();
    engine.mark_read(channel).unwrap();
    world.after(0);
    restarted(&mut world);
    check(&world, 0);
}

#[test]
fn a_message_written_before_a_restart_is_delivered_after_it() {
    // MSG-7.
    let mut world = World::new(2);
    world.add_many(2);
    let channel = world.channel("#valley", &[0, 1]);
    let text = world.say(0, channel, "hello");
    restarted(&mut world);
    assert_eq!(world.state(0, &text), Some(OwnState::Stored));
    world.connect(0, 1, Profile::LAN);
    world.run(s(1));
    assert_eq!(world.state(0, &text), Some(OwnState::Delivered));
    assert_eq!(world.nodes[0].tables.messages.len(), 1, "without a receipt");
}

#[test]
fn states_are_read_as_they_are_written() {
    let states = [OwnState::Stored, OwnState::Sent, OwnState::Delivered];
    for state in states {
        assert_eq!(OwnState::from_byte(state as u8), Some(state));
    }
    let read = (0..=u8::MAX).filter_map(OwnState::from_byte);
    assert_eq!(read.collect::<Vec<_>>(), states);
}

#[test]
fn the_clock_is_written_down_at_the_first_start_and_nothing_is_read() {
    let mut world = World::new(3);
    world.add_many(1);
    world.run(ms(10));
    assert!(world.nodes[0].tables.clock.is_some());
    let bodies = world.sealed(3);
    world.stock(0, &bodies);
    world.channel("#valley", &[0]);
    world.run(s(1));
    world.crash(0);
    world.nodes[0].start(world.now);
    let engine = world.nodes[0].engine.as_mut().unwrap();
    while let Some(effect) = engine.poll_effect() {
        assert!(!matches!(effect, Effect::Load { .. }), "no search is on");
    }
}

#[test]
fn a_message_is_not_durable_without_the_keys_that_read_it() {
    // §4.3: the ratchet's step is written with the first message of the new epoch.
    let mut world = World::new(5);
    world.add_many(2);
    let channel = world.channel("family", &[0, 1]);
    world.connect(0, 1, Profile::LAN);
    world.say(1, channel, "good morning");
    world.run(s(100_000));
    world.say(0, channel, "good evening");
    world.run(ms(1));
    let record = &world.nodes[0].tables.channels[&channel];
    let record: local::ChannelRecord = prost::Message::decode(record.as_slice()).unwrap();
    assert_eq!(record.epochs.last().unwrap().epoch, 1);
}

#[test]
fn an_own_message_that_comes_back_is_no_other_members() {
    // An old copy of the store: what was written since comes back from whoever carried it. It proves nothing of
    // others, so that the ratchet waits for them (§4.3), and needs no receipt.
    let mut world = World::new(7);
    world.add_many(3);
    let channel = world.channel("family", &[0, 1]);
    world.connect(0, 1, Profile::LAN);
    world.say(1, channel, "good morning");
    world.run(s(10));
    world.cut_all();
    world.run(s(100_000));
    let old = world.nodes[0].tables.clone();
    world.say(0, channel, "good evening");
    world.run(s(1));
    world.connect(0, 2, Profile::LAN);
    world.run(s(1));
    world.crash(0);
    world.nodes[0].tables = old;
    world.restart(0, false);
    let epoch = |world: &World| {
        let channel = world.nodes[0].engine().channel(&channel).unwrap();
        channel.keys().newest_epoch()
    };
    assert_eq!(epoch(&world), 0);
    world.connect(0, 2, Profile::LAN);
    world.run(s(60));
    assert_eq!(world.nodes[0].history(channel).len(), 2);
    assert_eq!(epoch(&world), 1);
    let own = world.nodes[0]
        .engine()
        .channel(&channel)
        .unwrap()
        .log()
        .own();
    let messages = world.nodes[0].tables.messages.len();
    assert_eq!(messages, 2, "no receipt by {own:?}");
    world.run(s(100_000));
    world.say(0, channel, "still nobody else");
    assert_eq!(epoch(&world), 1);
}

#[test]
fn what_a_full_disk_refused_is_written_when_there_is_room() {
    // Hardening #8: what was read, who has what, and channels that were left.
    let mut world = World::new(8);
    world.add_many(2);
    let channel = world.channel("#valley", &[0, 1]);
    let hills = world.channel("#hills", &[0]);
    let mine = world.say(0, channel, "one");
    let theirs = world.say(1, channel, "two");
    let left = world.say(0, hills, "in a channel that is left");
    world.run(s(1));
    world.nodes[0].full = true;
    world.connect(0, 1, Profile::LAN);
    world.run(s(1));
    let engine = world.nodes[0].engine.as_mut().unwrap();
    engine.leave_channel(hills).unwrap();
    world.after(0);
    world.run(s(10));
    assert_eq!(world.state(0, &mine), Some(OwnState::Delivered));
    assert_eq!(world.nodes[0].tables.states[&mine], OwnState::Stored);
    world.nodes[0].full = false;
    world.run(s(20));
    assert!(!world.nodes[0].tables.messages.contains_key(&left));
    let engine = world.nodes[0].engine.as_mut().unwrap();
    engine.mark_read(channel).unwrap();
    world.after(0);
    restarted(&mut world);
    assert_eq!(world.state(0, &mine), Some(OwnState::Delivered));
    assert!(world.nodes[0].engine().channel(&hills).is_none());
    let kept = world.nodes[0].engine().channel(&channel).unwrap();
    assert!(kept.log().contains(&theirs));
    assert_eq!(kept.unread(), 0);
}

#[test]
fn a_node_is_in_no_more_than_its_channels() {
    let mut world = World::new(6);
    world.add_many(1);
    for n in 0..MAX_CHANNELS {
        world.try_join(0, &format!("#channel-{n}")).unwrap();
    }
    assert_eq!(world.try_join(0, "#beyond"), Err(ChannelError::Full));
    let first = world.nodes[0].engine().channels().next().unwrap().id();
    let engine = world.nodes[0].engine.as_mut().unwrap();
    engine.leave_channel(first).unwrap();
    world.after(0);
    world.try_join(0, "#beyond").unwrap();
}

fn restore(world: &World, stored: Stored) -> Option<RestoreError> {
    let config = EngineConfig {
        near: near::Config::default(),
        limits: Limits::default(),
        gossip: false,
        dial: dial::Config::default(),
        capabilities: 0,
        paced: true,
    };
    let who = Who {
        identity: Identity::from_seed([1; 32]),
        device: DeviceId([0; 4]),
        name: String::new(),
    };
    let at = world.nodes[0].at(world.now);
    let mut rng = world.rng.clone();
    Engine::restore(config, who, stored, [1; 16], at, &mut rng).err()
}

#[test]
fn a_damaged_record_is_named() {
    let mut world = World::new(4);
    world.add_many(1);
    let channel = world.channel("#valley", &[0]);
    let message = world.say(0, channel, "hello");
    world.run(s(1));
    let stored = || world.nodes[0].tables.stored();
    let broken = || vec![0xff; 3];
    assert_eq!(restore(&world, stored()), None);
    let (content, _) = stored().shelf[0];
    let none = (ChannelId([9; 16]), ContentId([9; 32]), MessageId([9; 32]));
    type Damage<'a> = &'a dyn Fn(&mut Stored);
    let damages: [(RestoreError, Damage<'_>); 6] = [
        (RestoreError::Clock, &|s| s.clock = Some(broken())),
        (RestoreError::Channel(channel), &|s| {
            s.channels[0].1 = broken();
        }),
        // Intact, and of another channel.
        (RestoreError::Channel(none.0), &|s| s.channels[0].0 = none.0),
        (RestoreError::Bundle(content), &|s| s.shelf[0].1 = broken()),
        (RestoreError::Bundle(none.1), &|s| {
            s.seen.push((none.1, broken()));
        }),
        (RestoreError::Message(message), &|s| {
            s.messages[0].1 = broken();
        }),
    ];
    for (error, damage) in damages {
        let mut stored = stored();
        damage(&mut stored);
        assert_eq!(restore(&world, stored), Some(error));
    }
}
