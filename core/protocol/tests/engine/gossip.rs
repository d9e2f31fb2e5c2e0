//! Membership and the fast path among members (decision 10, §7.4, §7.5): who is admitted, who is told what, which
//! gossip is refused.

use crate::world::{World, liar::Liar, ms, node::Setup, s, wire::Profile};
use sovereign_protocol::{
    engine::{Effect, Input, Judgement, OwnState},
    link::frame::Body,
    link_kind::Role,
};

fn world(seed: u64, gossip: bool) -> World {
    let mut world = World::new(seed);
    world.add(Setup {
        gossip,
        ..Setup::default()
    });
    world
}

#[test]
fn only_members_on_wide_links_are_admitted() {
    for (gossip, profile) in [
        (true, Profile::LAN),
        (true, Profile::RADIO),
        (false, Profile::LAN),
    ] {
        let mut world = world(1, gossip);
        world.channel("#valley", &[0]);
        let puppet = world.puppet(0, 1, 50, profile);
        world.run(s(1));
        // A member of another channel is a stranger.
        world.puppet_proves(puppet, &Liar::of("#hills").keys);
        assert!(world.nodes[0].admitted.is_empty());
        for _ in 0..2 {
            world.puppet_proves(puppet, &Liar::of("#valley").keys);
        }
        let expected = usize::from(gossip && !profile.medium.is_slow());
        assert_eq!(world.nodes[0].admitted.len(), expected, "{gossip}");
    }
}

#[test]
fn gossip_is_published_where_an_admitted_member_hears_it() {
    let published = |profile, proves: &str| {
        let mut world = world(8, true);
        let channel = world.channel("#valley", &[0]);
        world.channel("#hills", &[0]);
        let puppet = world.puppet(0, 1, 50, profile);
        world.run(s(1));
        world.puppet_proves(puppet, &Liar::of(proves).keys);
        world.say(0, channel, "hello");
        world.run(s(1));
        world.nodes[0].published
    };
    assert_eq!(published(Profile::LAN, "#valley"), 1);
    assert_eq!(published(Profile::LAN, "#hills"), 0);
    assert_eq!(published(Profile::LAN, "#lakes"), 0);
    assert_eq!(published(Profile::RADIO, "#valley"), 0);
}

/// Numbers of tags that a puppet was sent, frame by frame.
fn tags(world: &World, puppet: usize) -> Vec<usize> {
    let frames = world.puppets[puppet].frames.iter();
    let counts = frames.filter_map(|frame| match frame {
        Body::Membership(frame) => {
            // In no order that would tell channels' from those of chance.
            let tags: Vec<&[u8]> = frame.tags.chunks(8).collect();
            assert!(tags.is_sorted());
            Some(tags.len())
        }
        _ => None,
    });
    counts.collect()
}

#[test]
fn how_many_channels_a_node_is_in_shows_only_so_far() {
    for (channels, count) in [(0, 4), (4, 4), (5, 8), (9, 16), (64, 64)] {
        let mut world = world(2, false);
        for n in 0..channels {
            world.try_join(0, &format!("#channel-{n}")).unwrap();
        }
        world.run(s(1));
        let puppet = world.puppet(0, 1, 50, Profile::LAN);
        world.run(s(1));
        assert_eq!(tags(&world, puppet), [count], "{channels}");
    }
}

#[test]
fn a_channel_that_was_left_is_no_longer_proved_nor_listened_to() {
    let mut world = world(9, true);
    let channel = world.channel("#valley", &[0]);
    let puppet = world.puppet(0, 1, 50, Profile::LAN);
    world.run(s(1));
    world.puppet_proves(puppet, &Liar::of("#valley").keys);
    assert_eq!(world.nodes[0].topics.len(), 2);
    let text = world.say(0, channel, "hello");
    world.run(s(1));
    let engine = world.nodes[0].engine.as_mut().unwrap();
    engine.leave_channel(channel).unwrap();
    world.after(0);
    assert_eq!(world.state(0, &text), None);
    world.run(s(1));
    assert!(world.nodes[0].topics.is_empty());
    let session = world.puppets[puppet].id.unwrap();
    let tag = Liar::of("#valley")
        .keys
        .member_tag(Role::Listener, &session);
    let frames = world.puppets[puppet].frames.iter();
    let proved = frames.filter_map(|frame| match frame {
        Body::Membership(frame) => Some(frame.tags.chunks(8).any(|one| one == tag)),
        _ => None,
    });
    assert_eq!(proved.collect::<Vec<_>>(), [true, false]);
}

#[test]
fn on_a_slow_link_membership_waits_until_both_hold_the_same() {
    let mut world = world(3, false);
    world.channel("#valley", &[0]);
    let puppet = world.puppet(0, 1, 50, Profile::RADIO);
    world.run(s(5));
    assert!(world.puppets[puppet].id.is_some());
    assert!(tags(&world, puppet).is_empty());
    world.puppet_is_done(puppet);
    world.run(s(1));
    assert_eq!(tags(&world, puppet), [4]);
}

#[test]
fn a_channel_joined_on_a_link_that_is_up_is_told_to_its_other_end() {
    let mut world = World::new(4);
    world.add_many(2);
    world.connect(0, 1, Profile::LAN);
    world.run(s(1));
    let channel = world.channel("#valley", &[0, 1]);
    world.run(s(1));
    let text = world.say(0, channel, "hello");
    world.run(s(1));
    assert_eq!(world.state(0, &text), Some(OwnState::Delivered));
    world.run(s(60));
    let bundles = world.nodes[0].engine().shelf().stats().bundles;
    assert_eq!(bundles, 1, "a member at the other end: no receipt");
}

/// What becomes of gossip with these ages around a member's bundle; and of the bundle.
fn judged(age: u32, lifetime: u32, cut: Option<usize>) -> (Option<Judgement>, u64) {
    let mut world = world(5, true);
    world.channel("#valley", &[0]);
    world.run(s(1));
    let liar = Liar::of("#valley");
    let envelope = liar.text(1, &[], "hello");
    let mut data = [age.to_be_bytes(), lifetime.to_be_bytes()].concat();
    data.extend_from_slice(liar.seal(&mut world, &envelope).as_bytes());
    data.truncate(cut.unwrap_or(usize::MAX));
    let at = world.nodes[0].at(world.now);
    let node = &mut world.nodes[0];
    let engine = node.engine.as_mut().unwrap();
    let data = data.into();
    engine.handle(Input::Gossip { token: 7, data }, at, &mut node.rng);
    let mut verdict = None;
    while let Some(effect) = engine.poll_effect() {
        match effect {
            Effect::Judge { token, judgement } => {
                assert_eq!((token, verdict), (7, None), "judged once");
                verdict = Some(judgement);
            }
            Effect::Persist { token, .. } => {
                let outcomes = vec![(token, sovereign_protocol::engine::PersistOutcome::Durable)];
                engine.handle(Input::Persisted(outcomes), at, &mut node.rng);
            }
            _ => {}
        }
    }
    (verdict, engine.shelf().stats().bundles)
}

#[test]
fn gossip_that_no_member_sends_is_rejected() {
    const WEEK: u32 = 604_800;
    assert_eq!(judged(0, WEEK, None), (Some(Judgement::Accept), 1));
    assert_eq!(judged(60, 60, None), (Some(Judgement::Accept), 1));
    let rejected = (Some(Judgement::Reject), 0);
    assert_eq!(judged(61, 60, None), rejected);
    assert_eq!(judged(0, WEEK + 1, None), rejected);
    assert_eq!(judged(0, WEEK, Some(7)), rejected);
    assert_eq!(judged(0, WEEK, Some(200)), rejected);
}

#[test]
fn topics_are_those_of_today_and_of_the_nearer_day() {
    const HALF: u64 = 43_200;
    let began = |seed, gossip| {
        let mut world = World::new(seed);
        world.add(Setup {
            gossip,
            // A minute past midnight: nothing else is due when the topics change.
            wall_ms: crate::world::node::TODAY_MS + 60_000,
            ..Setup::default()
        });
        world.channel("#valley", &[0]);
        world
    };
    let mut world = began(6, true);
    let keys = Liar::of("#valley").keys;
    let today = u32::try_from(crate::world::node::TODAY_MS / 86_400_000).unwrap();
    let subscribed = |world: &World, days: [u32; 2]| {
        let mut expected = days.map(|day| keys.topic(day)).to_vec();
        expected.sort_unstable();
        assert_eq!(world.nodes[0].topics, expected, "{days:?}");
    };
    world.run(ms(10));
    subscribed(&world, [today - 1, today]);
    world.run(s(HALF - 60) - ms(20));
    subscribed(&world, [today - 1, today]);
    world.run(ms(20));
    subscribed(&world, [today, today + 1]);
    world.run(s(HALF));
    subscribed(&world, [today, today + 1]);
    world.run(s(HALF));
    subscribed(&world, [today + 1, today + 2]);
    // Without gossip there are none.
    let mut quiet = began(7, false);
    quiet.run(s(HALF));
    assert!(quiet.nodes[0].topics.is_empty());
}
