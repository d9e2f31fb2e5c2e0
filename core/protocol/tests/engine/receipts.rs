//! Acknowledgements (MSG-7): whom they are told to, how often, and when a receipt is written.

use crate::world::{World, liar::Liar, ms, s, wire::Profile};
use sovereign_protocol::{
    engine::Tell,
    id::{ChannelId, ContentId},
    identity::Identity,
    link::frame::Body,
    message::bundle::Bundle,
    reconcile::{SessionKey, ShortId, frames},
    shelf::Kind,
};

/// Links a puppet to node 0.
fn visitor(world: &mut World) -> usize {
    let puppet = world.puppet(0, 1, 50, Profile::LAN);
    world.run(ms(50));
    puppet
}

fn offer(world: &mut World, puppet: usize, bundle: &Bundle) {
    let body = bundle.as_bytes().clone();
    world.puppet_offers(puppet, bundle.content_id(), body, 0);
    world.run(ms(50));
}

/// What a puppet was told to be delivered, frame by frame.
fn delivered(world: &World, puppet: usize) -> Vec<Vec<ShortId>> {
    let frames = world.puppets[puppet].frames.iter();
    let ids = frames.filter_map(|frame| match frame {
        Body::Delivered(frame) => Some(frames::unpack(&frame.ids).unwrap()),
        _ => None,
    });
    ids.collect()
}

fn short(world: &World, puppet: usize, content: &ContentId) -> ShortId {
    let session = world.puppets[puppet].id.unwrap();
    SessionKey::new(&session).short(content)
}

/// A text of another author, sealed.
fn text(world: &mut World, liar: &Liar, text: &str) -> Bundle {
    let envelope = liar.text(1, &[], text);
    liar.seal(world, &envelope)
}

/// A node that is the only one in a public channel, and a member who is none of ours.
fn valley(seed: u64) -> (World, ChannelId, Liar) {
    let mut world = World::new(seed);
    world.add_many(1);
    let channel = world.channel("#valley", &[0]);
    (world, channel, Liar::of("#valley"))
}

/// A node that has an own text, a member's, and the receipt of another member for that.
fn acknowledged(seed: u64) -> (World, Liar) {
    let (mut world, channel, liar) = valley(seed);
    world.say(0, channel, "an own one");
    let envelope = liar.text(1, &[], "hello");
    let parent = liar.id(&envelope).0[..16].try_into().unwrap();
    let other = Liar {
        identity: Identity::from_seed([67; 32]),
        ..Liar::of("#valley")
    };
    for envelope in [envelope, other.receipt(2, &[parent])] {
        let bundle = liar.seal(&mut world, &envelope);
        world.import(0, &bundle);
    }
    (world, liar)
}

#[test]
fn a_member_hears_of_the_backlog_in_one_frame_once_both_hold_the_same() {
    let (mut world, channel, liar) = valley(1);
    let mut contents = Vec::new();
    let mut parents = Vec::new();
    for n in 1..=130 {
        let envelope = liar.text(n, &parents, &format!("text {n}"));
        parents = vec![liar.id(&envelope).0[..16].try_into().unwrap()];
        let bundle = liar.seal(&mut world, &envelope);
        world.import_only(0, &bundle);
        contents.push(bundle.content_id());
    }
    world.say(0, channel, "an own one");
    world.run(ms(100));
    let own = world.nodes[0].engine().shelf().iter();
    let own = own.filter(|(_, meta)| meta.kind == Kind::Own);
    let own: Vec<ContentId> = own.map(|(content, _)| *content).collect();
    let puppet = visitor(&mut world);
    world.puppet_proves(puppet, &liar.keys);
    assert!(delivered(&world, puppet).is_empty(), "not in step yet");
    world.puppet_is_done(puppet);
    let told = delivered(&world, puppet);
    assert_eq!(told.iter().map(Vec::len).collect::<Vec<_>>(), [120]);
    assert!(!told[0].contains(&short(&world, puppet, &own[0])));
    let is_told = |content: &ContentId| told[0].contains(&short(&world, puppet, content));
    assert!(contents[10..].iter().all(is_told), "the latest");
    world.puppet_is_done(puppet);
    world.puppet_proves(puppet, &liar.keys);
    assert_eq!(delivered(&world, puppet).len(), 1, "once");
}

#[test]
fn what_a_member_was_told_at_once_is_not_in_the_backlog() {
    let (mut world, _, liar) = valley(2);
    let puppet = visitor(&mut world);
    world.puppet_proves(puppet, &liar.keys);
    let bundle = text(&mut world, &liar, "hello");
    offer(&mut world, puppet, &bundle);
    let once = [[short(&world, puppet, &bundle.content_id())]];
    assert_eq!(delivered(&world, puppet), once);
    world.puppet_is_done(puppet);
    assert_eq!(delivered(&world, puppet), once);
}

#[test]
fn a_stranger_does_not_learn_what_can_be_read_here() {
    // §7.4: an acknowledgement shows membership.
    let (mut world, _, liar) = valley(3);
    let bundle = text(&mut world, &liar, "hello");
    world.import(0, &bundle);
    let puppet = visitor(&mut world);
    offer(&mut world, puppet, &bundle);
    world.puppet_is_done(puppet);
    assert!(delivered(&world, puppet).is_empty());
    world.puppet_proves(puppet, &liar.keys);
    assert_eq!(delivered(&world, puppet).len(), 1, "the backlog");
    offer(&mut world, puppet, &bundle);
    assert_eq!(delivered(&world, puppet).len(), 2, "it came again");
}

fn own_bundles(world: &World) -> usize {
    let shelf = world.nodes[0].engine().shelf().iter();
    shelf.filter(|(_, meta)| meta.kind == Kind::Own).count()
}

#[test]
fn a_receipt_is_not_put_off_by_what_comes_meanwhile() {
    let (mut world, _, liar) = valley(4);
    for n in 0..13 {
        let bundle = text(&mut world, &liar, &format!("text {n}"));
        world.import(0, &bundle);
        world.run(ms(900));
    }
    assert_eq!(own_bundles(&world), 1);
}

#[test]
fn a_receipt_that_was_due_while_the_machine_slept_is_written() {
    let (mut world, _, liar) = valley(5);
    let bundle = text(&mut world, &liar, "hello");
    world.import(0, &bundle);
    world.nodes[0].setup.boot += s(3_600);
    world.run(s(12));
    assert_eq!(own_bundles(&world), 1);
}

#[test]
fn own_messages_need_no_own_receipt() {
    // Whoever hears another member acknowledge first keeps silent, though its own text waits.
    let (mut world, _) = acknowledged(6);
    world.run(s(60));
    assert_eq!(own_bundles(&world), 1);
}

#[test]
fn whoever_writes_has_acknowledged_by_it() {
    let (mut world, channel, liar) = valley(7);
    let bundle = text(&mut world, &liar, "hello");
    world.import(0, &bundle);
    world.say(0, channel, "hello to you");
    world.run(s(60));
    assert_eq!(own_bundles(&world), 1, "and no receipt");
}

#[test]
fn own_texts_are_told_and_receipts_are_not() {
    let (mut world, channel, liar) = valley(8);
    let mine = world.say(0, channel, "an own one");
    let envelope = liar.text(1, &[], "hello");
    let bundle = liar.seal(&mut world, &envelope);
    world.import(0, &bundle);
    world.run(s(60));
    assert_eq!(own_bundles(&world), 2, "a text and a receipt");
    // Somebody's receipt, and a text whose counter its parent belies.
    let parent = liar.id(&envelope).0[..16].try_into().unwrap();
    for envelope in [liar.receipt(2, &[parent]), liar.text(9, &[parent], "a lie")] {
        let bundle = liar.seal(&mut world, &envelope);
        world.import(0, &bundle);
    }
    let node = &world.nodes[0];
    let told = node.tells.iter().filter_map(|tell| match tell {
        Tell::Message { message, .. } => Some(*message),
        _ => None,
    });
    assert_eq!(told.collect::<Vec<_>>(), [mine, liar.id(&envelope)]);
    assert_eq!(node.tables.states.keys().collect::<Vec<_>>(), [&mine]);
}

#[test]
fn a_receipt_is_not_acknowledged() {
    let (mut world, _, liar) = valley(9);
    let puppet = visitor(&mut world);
    world.puppet_proves(puppet, &liar.keys);
    let envelope = liar.receipt(2, &[[9; 16]]);
    let bundle = liar.seal(&mut world, &envelope);
    offer(&mut world, puppet, &bundle);
    world.puppet_is_done(puppet);
    assert_eq!(world.nodes[0].engine().shelf().stats().bundles, 1);
    assert!(delivered(&world, puppet).is_empty());
}

#[test]
fn a_state_is_told_once() {
    let mut world = World::new(10);
    world.add_many(4);
    let channel = world.channel("#valley", &[0, 3]);
    for carrier in 1..4 {
        world.connect(0, carrier, Profile::LAN);
        world.run(s(1));
    }
    let mine = world.say(0, channel, "hello");
    world.run(s(60));
    let tells = world.nodes[0].tells.iter();
    let states = tells.filter_map(|tell| match tell {
        Tell::State { message, state, .. } if *message == mine => Some(*state),
        _ => None,
    });
    use sovereign_protocol::engine::OwnState::{Delivered, Sent};
    assert_eq!(states.collect::<Vec<_>>(), [Sent, Delivered]);
}

#[test]
fn what_another_link_brought_still_gets_its_receipt() {
    let (mut world, _, liar) = valley(11);
    let bundle = text(&mut world, &liar, "from elsewhere");
    world.import(0, &bundle);
    let puppet = visitor(&mut world);
    world.puppet_proves(puppet, &liar.keys);
    world.puppet_is_done(puppet);
    assert_eq!(delivered(&world, puppet).len(), 1);
    world.run(s(12));
    assert_eq!(own_bundles(&world), 1);
}

#[test]
fn what_somebody_acknowledged_is_not_in_the_backlog() {
    // Nor is what was written here.
    let (mut world, liar) = acknowledged(12);
    let puppet = visitor(&mut world);
    world.puppet_proves(puppet, &liar.keys);
    world.puppet_is_done(puppet);
    assert!(delivered(&world, puppet).is_empty());
}

#[test]
fn what_others_acknowledged_meanwhile_needs_no_receipt_whatever_has_come_since() {
    let (mut world, _, liar) = valley(13);
    let envelope = liar.text(1, &[], "from elsewhere");
    let parent = liar.id(&envelope).0[..16].try_into().unwrap();
    let bundle = liar.seal(&mut world, &envelope);
    world.import(0, &bundle);
    // An answer to it comes from a member, who is told at once: a head that nobody has acknowledged.
    let other = Liar {
        identity: Identity::from_seed([67; 32]),
        ..Liar::of("#valley")
    };
    let puppet = visitor(&mut world);
    world.puppet_proves(puppet, &liar.keys);
    let answer = liar.seal(&mut world, &other.text(2, &[parent], "an answer"));
    offer(&mut world, puppet, &answer);
    assert_eq!(delivered(&world, puppet).len(), 1);
    world.run(s(30));
    assert_eq!(own_bundles(&world), 0);
}
