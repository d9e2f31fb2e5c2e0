//! What two ends say of the bundles they hold, and when (§8.2 to §8.4): an end that says what is not so, or says
//! it again, gains nothing.

use crate::world::{World, ms, s, wire::Profile};
use bytes::Bytes;
use sovereign_protocol::{
    engine::{Input, Tell},
    link::{
        Incoming,
        frame::{self, Body},
    },
    message::bundle::Bundle,
    policy::fetch::STALL,
    reconcile::{SessionKey, ShortId, frames},
    wire::v1::{Close, CloseReason, Gone, Have, Hello, Summary, Want},
};

/// A node with so many bundles, and a puppet linked to it.
fn visited(seed: u64, bundles: usize) -> (World, usize) {
    let mut world = World::new(seed);
    world.add_many(1);
    let bodies = world.sealed(bundles);
    world.stock(0, &bodies);
    let puppet = world.puppet(0, 1, 50, Profile::LAN);
    world.run(s(1));
    (world, puppet)
}

fn says(world: &mut World, puppet: usize, body: Body) {
    world.puppet_says(puppet, body);
    world.run(ms(100));
}

fn summary(ids: &[u8]) -> Body {
    Body::Summary(Summary {
        count: u32::try_from(ids.len() / 8).unwrap(),
        fingerprint: vec![0; 16].into(),
        ids: ids.to_vec().into(),
        more: false,
        estimate: Bytes::new(),
    })
}

fn heard(world: &World, puppet: usize, of_kind: impl Fn(&Body) -> bool) -> usize {
    let frames = world.puppets[puppet].frames.iter();
    frames.filter(|body| of_kind(body)).count()
}

fn synced(world: &World) -> bool {
    let mut tells = world.nodes[0].tells.iter();
    tells.any(|tell| matches!(tell, Tell::Synced(_)))
}

#[test]
fn done_waits_for_what_was_announced_or_is_gone() {
    let (mut world, puppet) = visited(1, 0);
    let is_done = |body: &Body| matches!(body, Body::Done(_));
    let ids = Bytes::from_static(&[7; 8]);
    let have = Have { ids: ids.clone() };
    says(&mut world, puppet, Body::Have(have));
    assert_eq!(heard(&world, puppet, |b| matches!(b, Body::Want(_))), 1);
    world.puppet_is_done(puppet);
    assert_eq!(heard(&world, puppet, is_done), 0);
    assert!(!synced(&world));
    says(&mut world, puppet, Body::Gone(Gone { ids }));
    assert_eq!(heard(&world, puppet, is_done), 1);
    assert!(synced(&world));
}

#[test]
fn both_ends_have_to_say_that_they_are_done() {
    let (mut world, puppet) = visited(2, 70);
    says(&mut world, puppet, summary(&[]));
    let is_have = |body: &Body| matches!(body, Body::Have(_));
    let is_done = |body: &Body| matches!(body, Body::Done(_));
    assert_eq!(heard(&world, puppet, is_have), 1, "70 are announced");
    assert_eq!(heard(&world, puppet, is_done), 1, "nothing is lacked");
    assert!(!synced(&world), "the other end has not said so");
    world.puppet_is_done(puppet);
    assert!(synced(&world));
}

#[test]
fn a_link_that_brings_nothing_loses_its_turn_though_nothing_else_happens() {
    // Hardening #15.
    let (mut world, first) = visited(11, 0);
    let second = world.puppet(0, 2, 51, Profile::LAN);
    world.run(s(1));
    for (puppet, id) in [(first, 7), (second, 9)] {
        let ids = frames::pack(&[ShortId(id)]);
        says(&mut world, puppet, Body::Have(Have { ids }));
    }
    let wants = |world: &World, puppet| heard(world, puppet, |b| matches!(b, Body::Want(_)));
    assert_eq!((wants(&world, first), wants(&world, second)), (1, 0));
    world.run(STALL);
    assert_eq!((wants(&world, first), wants(&world, second)), (1, 1));
}

#[test]
fn a_link_that_ends_gives_its_turn_at_once() {
    let (mut world, first) = visited(12, 0);
    let second = world.puppet(0, 2, 51, Profile::LAN);
    world.run(s(1));
    for (puppet, id) in [(first, 7), (second, 9)] {
        let ids = frames::pack(&[ShortId(id)]);
        says(&mut world, puppet, Body::Have(Have { ids }));
    }
    let reason = CloseReason::Shutdown as i32;
    says(&mut world, first, Body::Close(Close { reason }));
    assert!(world.puppets[first].gone);
    let engine = world.nodes[0].engine();
    assert_eq!(engine.counters().get("link_closed"), 1);
    assert_eq!(heard(&world, second, |b| matches!(b, Body::Want(_))), 1);
}

#[test]
fn a_few_bundles_are_sent_unasked_and_more_are_announced() {
    for (profile, lacks, announced) in [
        (Profile::LAN, 3, false),
        (Profile::LAN, 4, false),
        (Profile::LAN, 5, true),
        (Profile::RADIO, 5, false),
    ] {
        let mut world = World::new(7);
        world.add_many(1);
        let bodies = world.sealed(70);
        world.stock(0, &bodies);
        let puppet = world.puppet(0, 1, 50, profile);
        world.run(s(1));
        let session = world.puppets[puppet].id.unwrap();
        let key = SessionKey::new(&session);
        let shelf = world.nodes[0].engine().shelf().iter();
        let mut ids: Vec<ShortId> = shelf.map(|(content, _)| key.short(content)).collect();
        ids.sort_unstable();
        ids.truncate(70 - lacks);
        says(&mut world, puppet, summary(&frames::pack(&ids)));
        world.run(s(5));
        let sent = world.puppets[puppet].heard.iter();
        let sent = sent.filter(|heard| matches!(heard, Incoming::Bundle { .. }));
        let haves = heard(&world, puppet, |body| matches!(body, Body::Have(_)));
        let expected = if announced { (0, 1) } else { (lacks, 0) };
        assert_eq!((sent.count(), haves), expected);
    }
}

#[test]
fn done_is_said_after_the_last_announcement() {
    // 1,000 take nine frames, more than are queued at once.
    let (mut world, puppet) = visited(8, 1_000);
    says(&mut world, puppet, summary(&[]));
    world.run(s(1));
    let frames = world.puppets[puppet].frames.iter();
    let said: Vec<bool> = frames
        .filter_map(|body| match body {
            Body::Have(_) => Some(false),
            Body::Done(_) => Some(true),
            _ => None,
        })
        .collect();
    let mut expected = vec![false; 9];
    expected.push(true);
    assert_eq!(said, expected);
}

#[test]
fn what_is_on_its_way_to_the_disk_is_not_taken_for_something_else() {
    let mut world = World::new(9);
    world.add(crate::world::node::Setup {
        persist: s(10),
        ..crate::world::node::Setup::default()
    });
    world.run(s(20));
    let puppet = world.puppet(0, 1, 50, Profile::LAN);
    world.run(s(1));
    let body = world.sealed(1).remove(0);
    let content = Bundle::parse(body.clone()).unwrap().content_id();
    world.puppet_offers(puppet, content, body, 0);
    world.run(s(1));
    let session = world.puppets[puppet].id.unwrap();
    let known = SessionKey::new(&session).short(&content);
    let ids = frames::pack(&[known, ShortId(7)]);
    says(&mut world, puppet, Body::Have(Have { ids }));
    let wanted = Want {
        ids: frames::pack(&[ShortId(7)]),
    };
    let is_want = |body: &Body| *body == Body::Want(wanted.clone());
    assert_eq!(heard(&world, puppet, is_want), 1, "the other one only");
}

#[test]
fn what_is_wanted_and_not_here_is_gone() {
    let (mut world, puppet) = visited(3, 0);
    let want = Want {
        ids: Bytes::from_static(&[7; 16]),
    };
    says(&mut world, puppet, Body::Want(want));
    let gone = Gone {
        ids: Bytes::from_static(&[7; 16]),
    };
    let is_gone = |body: &Body| *body == Body::Gone(gone.clone());
    assert_eq!(heard(&world, puppet, is_gone), 1);
}

#[test]
fn a_link_is_compared_once() {
    // Hardening #5: each comparison takes a snapshot of the shelf.
    let (mut world, puppet) = visited(4, 70);
    says(&mut world, puppet, summary(&[]));
    world.puppet_is_done(puppet);
    assert!(synced(&world));
    let strikes = |world: &World| {
        let counters = world.nodes[0].engine().counters();
        counters.get("bad-reconciliation")
    };
    let before = strikes(&world);
    for n in 1..=3 {
        assert!(!world.puppets[puppet].gone);
        says(&mut world, puppet, summary(&[]));
        assert_eq!(strikes(&world), before + n);
    }
    assert!(world.puppets[puppet].gone);
}

#[test]
fn members_are_sent_a_new_text_before_strangers() {
    let mut world = World::new(10);
    world.add_many(5);
    let channel = world.channel("#valley", &[0, 4]);
    let links = [1, 2, 3, 4].map(|other| world.connect(0, other, Profile::LAN));
    world.run(s(1));
    world.say(0, channel, "hello");
    world.run(ms(100));
    // Two get it at once, the others hear of it a little later.
    let sent = links.map(|wire| world.wires[&wire].traffic().bodies);
    assert_eq!(sent, [1, 0, 0, 1]);
}

#[test]
fn a_second_link_to_the_same_peer_stands_by() {
    let mut world = World::new(6);
    world.add_many(3);
    let compared = |world: &World, wire: &u64| {
        let traffic = world.wires[wire].traffic();
        traffic.kinds.contains_key("summary")
    };
    let profiles = [Profile::LAN, Profile::RADIO];
    let links = profiles.map(|profile| world.connect(0, 1, profile));
    let other = world.connect(0, 2, Profile::LAN);
    world.run(s(5));
    assert_eq!(links.map(|wire| compared(&world, &wire)), [true, false]);
    assert!(compared(&world, &other), "another peer");
    // Nor is anything new said twice.
    let channel = world.channel("#valley", &[0]);
    for n in 0..5 {
        world.say(0, channel, &n.to_string());
    }
    world.run(s(2));
    let kinds = world.wires[&links[1]].traffic().kinds;
    assert!(!kinds.contains_key("part") && !kinds.contains_key("have"));
    assert_eq!(world.nodes[1].engine().shelf().stats().bundles, 5);
    // One of the two lost, the other is compared if it was not.
    let strikes = |world: &World| {
        let nodes = world.nodes.iter();
        let counts = nodes.map(|node| node.engine().counters().get("bad-reconciliation"));
        counts.sum::<u64>()
    };
    world.cut(links[0]);
    world.run(s(5));
    assert!(compared(&world, &links[1]));
    let again = world.connect(0, 1, Profile::LAN);
    world.run(s(5));
    assert!(!compared(&world, &again));
    world.cut(again);
    world.run(s(5));
    assert_eq!(strikes(&world), 0, "nothing was compared twice");
}

#[test]
fn another_version_is_no_misbehaviour() {
    let mut world = World::new(5);
    world.add_many(1);
    let link = world.stranger_dials(0);
    let hello = Hello {
        min_version: 99,
        max_version: 99,
        nonce: vec![1; 16].into(),
        credit: 65_536,
        ..Hello::default()
    };
    let frame = frame::encode(Body::Hello(hello)).unwrap();
    world.tell(0, Input::Frame { link, frame });
    let counters = world.nodes[0].engine().counters();
    assert_eq!(counters.get("closed_version"), 1);
    assert_eq!(counters.get("broken-link") + counters.get("banned"), 0);
}
