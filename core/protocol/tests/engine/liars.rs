//! Members that lie (hardening #3, #4; decision 8): invented counters and parents, new seals, forged envelopes.

use crate::world::{World, liar::Liar, ms, node::Setup, s, wire::Profile};
use sovereign_protocol::{
    engine::{Input, Taken, Tell},
    id::ChannelId,
    link::WIDE_CREDIT,
    message::bundle::{Bundle, MAX_BUNDLE},
    shelf::Limits,
};

fn texts(world: &World, node: usize, channel: ChannelId) -> Vec<String> {
    let history = world.nodes[node].history(channel);
    history.into_iter().map(|(_, text)| text).collect()
}

#[test]
fn invented_counters_and_parents_move_nobody() {
    // Hardening #4.
    let mut world = World::new(1);
    let nodes = world.add_many(3);
    let channel = world.channel("#valley", &nodes);
    world.mesh(&nodes, Profile::LAN);
    world.say(0, channel, "one");
    world.settle(s(2));
    let liar = Liar::of("#valley");
    for (lamport, parents) in [
        (1 << 53, vec![[9; 16]]),
        (1 << 40, vec![[1; 16], [2; 16], [3; 16], [4; 16]]),
        ((1 << 24) + 2, vec![[7; 16]]),
    ] {
        let envelope = liar.text(lamport, &parents, &format!("far away at {lamport}"));
        let bundle = liar.seal(&mut world, &envelope);
        assert!(matches!(world.import(0, &bundle), Taken::New(_)));
    }
    world.run(s(2));
    let places: Vec<u64> = (0..3)
        .map(|node| {
            let log = world.nodes[node].engine().channel(&channel).unwrap().log();
            log.next_place().lamport
        })
        .collect();
    assert_eq!(places, [2, 2, 2]);
    world.say(1, channel, "two");
    world.settle(s(2));
    world.crash(2);
    world.restart(2, true);
    world.assert_settled();
    let shown = texts(&world, 2, channel);
    assert_eq!(shown[..2], ["one", "two"]);
    assert_eq!(shown.len(), 5);
}

#[test]
fn who_was_belied_by_a_liar_counts_when_the_lie_is_found_out() {
    let mut world = World::new(9);
    world.add_many(1);
    world.channel("#valley", &[0]);
    let liar = Liar::of("#valley");
    let parent = |envelope: &[u8]| liar.id(envelope).0[..16].try_into().unwrap();
    let root = liar.text(1, &[], "the root");
    let lie = liar.text(3, &[parent(&root)], "three, after one");
    let honest = liar.text(2, &[parent(&lie)], "two: it does not know");
    let receipt = liar.receipt(2, &[parent(&lie)]);
    let mut import = |envelope: &[u8]| {
        world.nodes[0].tells.clear();
        let bundle = liar.seal(&mut world, envelope);
        world.import(0, &bundle);
        let tells = world.nodes[0].tells.iter();
        let messages = tells.filter_map(|tell| match tell {
            Tell::Message { message, .. } => Some((true, *message)),
            Tell::Retracted { message, .. } => Some((false, *message)),
            _ => None,
        });
        messages.collect::<Vec<_>>()
    };
    assert_eq!(import(&lie), [(true, liar.id(&lie))]);
    assert_eq!(import(&honest), []);
    assert_eq!(import(&receipt), []);
    // A text is shown again, a receipt never was.
    let [gone, back, new] = import(&root)[..] else {
        panic!("the lie, what it belied, and the root")
    };
    let mut changes = [gone, back, new];
    changes.sort_unstable();
    let mut expected = [
        (false, liar.id(&lie)),
        (true, liar.id(&honest)),
        (true, liar.id(&root)),
    ];
    expected.sort_unstable();
    assert_eq!(changes, expected);
}

#[test]
fn a_member_that_seals_again_is_heard_once() {
    // Decision 8: the second de-duplication.
    let mut world = World::new(2);
    let nodes = world.add_many(3);
    let channel = world.channel("#valley", &nodes);
    world.chain(&nodes, Profile::LAN);
    world.run(s(1));
    let liar = Liar::of("#valley");
    let envelope = liar.text(1, &[], "again and again");
    for n in 0..20 {
        let bundle = liar.seal(&mut world, &envelope);
        let taken = world.import(0, &bundle);
        assert_eq!(taken == Taken::Known, n > 0, "{n}");
    }
    world.run(s(2));
    for node in nodes {
        assert_eq!(texts(&world, node, channel), ["again and again"]);
        assert_eq!(world.nodes[node].engine().shelf().stats().bundles, 1);
    }
    // The other seals are known and need not come again.
    assert_eq!(world.nodes[0].engine().shelf().stats().seen, 19);
    assert_eq!(
        world.nodes[0].engine().counters().get("bundle_resealed"),
        19
    );
}

#[test]
fn forged_envelopes_are_neither_shown_nor_carried_by_members() {
    let mut world = World::new(3);
    let nodes = world.add_many(3);
    let channel = world.channel("#valley", &nodes[..2]);
    world.chain(&nodes, Profile::LAN);
    world.run(s(1));
    let liar = Liar::of("#valley");
    let good = liar.text(1, &[], "signed");
    for at in [0, 40, 100, good.len() - 1] {
        let mut forged = good.clone();
        forged[at] ^= 1;
        let bundle = liar.seal(&mut world, &forged);
        assert_eq!(world.import(0, &bundle), Taken::Declined);
        assert_eq!(world.import(0, &bundle), Taken::Known);
    }
    // They need not come again after a restart either.
    let mut forged = good;
    forged[0] ^= 1;
    let bundle = liar.seal(&mut world, &forged);
    assert_eq!(world.import(0, &bundle), Taken::Declined);
    world.crash(0);
    world.restart(0, false);
    assert_eq!(world.import(0, &bundle), Taken::Known);
    world.connect(0, 1, Profile::LAN);
    // Validly signed, and wrong: no parents and not the first.
    let draft = liar.text(1, &[], "x");
    let bundle = liar.seal(&mut world, &draft);
    world.import(0, &bundle);
    world.run(s(2));
    assert_eq!(texts(&world, 1, channel), ["x"]);
    assert_eq!(world.nodes[2].engine().shelf().stats().bundles, 1);
}

#[test]
fn a_second_seal_is_known_while_the_first_is_on_its_way_to_the_disk() {
    // Decision 8.
    let mut world = World::new(4);
    world.add(Setup {
        persist: s(1),
        ..Setup::default()
    });
    world.channel("#valley", &[0]);
    world.run(s(2));
    let liar = Liar::of("#valley");
    let envelope = liar.text(1, &[], "twice at once");
    let seals = [0, 1].map(|_| liar.seal(&mut world, &envelope));
    assert!(matches!(world.import_only(0, &seals[0]), Taken::New(_)));
    assert_eq!(world.import_only(0, &seals[1]), Taken::Known);
    world.run(s(3));
    assert_eq!(world.nodes[0].engine().shelf().stats().bundles, 1);
}

#[test]
fn gossip_carries_members_bundles_only() {
    // Decision 10: a stranger's bundle comes over links, where its source is charged.
    let mut world = World::new(5);
    world.add_many(1);
    world.channel("#valley", &[0]);
    let mut gossip = |bundle: &[u8]| {
        let mut data = [0; 8].to_vec();
        data[4..].copy_from_slice(&604_800_u32.to_be_bytes());
        data.extend_from_slice(bundle);
        let token = 1;
        let data = data.into();
        world.tell(0, Input::Gossip { token, data });
        world.run(ms(100));
        let engine = world.nodes[0].engine();
        let foreign = engine.counters().get("gossip_foreign");
        (engine.shelf().stats().bundles, foreign)
    };
    let seal = |name| {
        let liar = Liar::of(name);
        let envelope = liar.text(1, &[], "hello");
        liar.seal(&mut World::new(6), &envelope)
    };
    assert_eq!(gossip(seal("#hills").as_bytes()), (0, 1));
    assert_eq!(gossip(seal("#valley").as_bytes()), (1, 1));
}

#[test]
fn what_nobody_here_can_read_is_declined_when_there_is_no_room() {
    // MSG-5: own messages never give way to a stranger's.
    let mut world = World::new(7);
    world.add(Setup {
        limits: Limits {
            max_bundles: 4,
            total_bytes: 4 * 256,
            ..Limits::default()
        },
        ..Setup::default()
    });
    let channel = world.channel("#valley", &[0]);
    for n in 0..4 {
        world.say(0, channel, &n.to_string());
    }
    world.run(s(1));
    let bundle = Bundle::parse(world.sealed(1).remove(0)).unwrap();
    assert_eq!(world.import(0, &bundle), Taken::Declined);
    let counters = world.nodes[0].engine().counters();
    assert_eq!(counters.get("declined_no_room"), 1);
}

#[test]
fn what_waits_for_the_disk_holds_its_sender_back() {
    // §7.3: credit comes back for what is durable, not before.
    let mut world = World::new(8);
    world.add(Setup {
        persist: s(10),
        limits: Limits {
            stranger_bytes_per_hour: 64 << 20,
            ..Limits::default()
        },
        ..Setup::default()
    });
    world.run(s(11));
    let puppet = world.puppet(0, 1, 50, Profile::LAN);
    world.run(s(1));
    for n in 0..20 {
        let mut body = vec![n; MAX_BUNDLE];
        (body[0], body[1]) = (1, 4);
        let bundle = Bundle::parse(body.into()).unwrap();
        let body = bundle.as_bytes().clone();
        world.puppet_offers(puppet, bundle.content_id(), body, 0);
    }
    world.run(s(9));
    let held = |world: &World| world.nodes[0].engine().shelf().stats().bytes;
    let most = u64::from(WIDE_CREDIT);
    assert!(
        (most / 2..=most).contains(&held(&world)),
        "{}",
        held(&world)
    );
    world.run(s(100));
    assert_eq!(held(&world), 20 * MAX_BUNDLE as u64);
}

#[test]
fn what_comes_again_costs_its_sender_no_credit() {
    // §7.3: what is declined is done with.
    let mut world = World::new(10);
    world.add_many(1);
    let puppet = world.puppet(0, 1, 50, Profile::LAN);
    world.run(s(1));
    let offer = |world: &mut World, n: u8, size: u8, len: usize| {
        let mut body = vec![n; len];
        (body[0], body[1]) = (1, size);
        let bundle = Bundle::parse(body.into()).unwrap();
        let body = bundle.as_bytes().clone();
        world.puppet_offers(puppet, bundle.content_id(), body, 0);
        world.run(s(1));
    };
    for _ in 0..10 {
        offer(&mut world, 7, 4, MAX_BUNDLE);
    }
    offer(&mut world, 8, 0, 256);
    assert_eq!(world.nodes[0].engine().shelf().stats().bundles, 2);
    let counters = world.nodes[0].engine().counters();
    assert_eq!(counters.get("bundle_known"), 9);
}
