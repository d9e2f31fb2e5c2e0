//! Members that lie (hardening #3, #4; decision 8): invented counters and parents, new seals, forged envelopes.
#![allow(clippy::unwrap_used)]

mod world;

use sovereign_protocol::{
    channel::{keys::ChannelKeys, name::CanonicalName},
    engine::Taken,
    id::{ChannelId, DeviceId},
    identity::Identity,
    message::{
        bundle::Bundle,
        envelope::{Draft, Kind, ParentId},
        text::TextBody,
    },
};
use world::{World, ms, s, wire::Profile};

/// A member that writes what it likes.
struct Liar {
    keys: ChannelKeys,
    identity: Identity,
}

impl Liar {
    fn of(name: &str) -> Self {
        Self {
            keys: ChannelKeys::public(&CanonicalName::parse(name).unwrap()),
            identity: Identity::from_seed([66; 32]),
        }
    }

    fn envelope(&self, lamport: u64, parents: &[[u8; 16]], text: &str) -> Vec<u8> {
        let payload = TextBody {
            body: text.to_owned(),
            name: None,
        };
        let draft = Draft {
            channel: self.keys.id(),
            epoch: 0,
            device: DeviceId([0; 4]),
            kind: Kind::Text,
            parents: parents.iter().copied().map(ParentId).collect(),
            sent_at_s: 0,
            lamport,
            payload: payload.encode().unwrap(),
        };
        draft
            .sign(&self.keys.signer(&self.identity))
            .unwrap()
            .to_vec()
    }

    fn seal(&self, world: &mut World, envelope: &[u8]) -> Bundle {
        self.keys.seal(envelope, &mut world.rng).unwrap()
    }
}

fn import(world: &mut World, node: usize, bundle: &Bundle) -> Taken {
    let at = world.nodes[node].at(world.now);
    let engine = world.nodes[node].engine.as_mut().unwrap();
    let taken = engine.import(bundle.as_bytes().clone(), 0, 604_800, at);
    world.after(node);
    world.run(ms(100));
    taken
}

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
        let envelope = liar.envelope(lamport, &parents, &format!("far away at {lamport}"));
        let bundle = liar.seal(&mut world, &envelope);
        assert!(matches!(import(&mut world, 0, &bundle), Taken::New(_)));
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
fn a_member_that_seals_again_is_heard_once() {
    // Decision 8: the second de-duplication.
    let mut world = World::new(2);
    let nodes = world.add_many(3);
    let channel = world.channel("#valley", &nodes);
    world.chain(&nodes, Profile::LAN);
    world.run(s(1));
    let liar = Liar::of("#valley");
    let envelope = liar.envelope(1, &[], "again and again");
    for _ in 0..20 {
        let bundle = liar.seal(&mut world, &envelope);
        import(&mut world, 0, &bundle);
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
    let good = liar.envelope(1, &[], "signed");
    for at in [0, 40, 100, good.len() - 1] {
        let mut forged = good.clone();
        forged[at] ^= 1;
        let bundle = liar.seal(&mut world, &forged);
        assert_eq!(import(&mut world, 0, &bundle), Taken::Declined);
        assert_eq!(import(&mut world, 0, &bundle), Taken::Known);
    }
    // Validly signed, and wrong: no parents and not the first.
    let draft = liar.envelope(1, &[], "x");
    let bundle = liar.seal(&mut world, &draft);
    import(&mut world, 0, &bundle);
    world.run(s(2));
    assert_eq!(texts(&world, 1, channel), ["x"]);
    assert_eq!(world.nodes[2].engine().shelf().stats().bundles, 1);
}
