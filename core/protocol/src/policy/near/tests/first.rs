//! Which of two dials first.

use super::*;

#[test]
fn the_lower_id_dials_at_once_the_other_after_six_seconds() {
    // Decision 11.
    let mut node = Node::new();
    assert_eq!(node.see(seen(1_001), S), vec![connect(1_001)]);
    let mut waits = Vec::new();
    for seed in 0..16 {
        let mut node = Node::new();
        node.rng = ChaCha12Rng::seed_from_u64(seed);
        assert!(node.see(seen(999), S).is_empty());
        let done = node.run(S, 60 * S);
        assert_eq!(done[0].1, connect(999));
        waits.push(done[0].0 - S);
    }
    let (least, most) = (waits.iter().min().unwrap(), waits.iter().max().unwrap());
    assert!(
        *least >= PATIENCE && *most <= PATIENCE + PATIENCE_JITTER,
        "{waits:?}"
    );
    assert!(*most - *least > S);
}

#[test]
fn who_cannot_dial_is_dialled_at_once_whatever_the_ids() {
    // docs/protocol.md §11.2, bit 3.
    let waits = Sighting {
        waits: true,
        ..seen(999)
    };
    let failed = Event::ConnectFailed(id(999));
    let mut node = Node::new();
    assert_eq!(node.see(waits, S), vec![connect(999)]);
    node.tell(failed, S);
    node.see(waits, 2 * S);
    let again = node.run(2 * S, S + PATIENCE);
    assert_eq!(again[0].1, connect(999));
    // What it says last counts.
    let at = again[0].0;
    node.tell(failed, at);
    node.see(seen(999), at + MS);
    assert!(node.run(at + MS, 60 * S)[0].0 >= at + PATIENCE);
    let mut node = Node::new();
    node.see(seen(999), S);
    node.see(waits, S);
    assert_eq!(node.run(S, 10 * S)[0].1, connect(999));
    node.tell(Event::ConnectFailed(id(999)), 10 * S);
    node.see(waits, 11 * S);
    let again = node.run(11 * S, 10 * S + PATIENCE);
    assert_eq!(again[0].1, connect(999));
}

#[test]
fn ids_that_differ_only_in_what_ios_cannot_show_both_wait() {
    let mut node = Node::new();
    let mut twin = seen(OWN);
    twin.neighbour.0[7] = 1;
    assert!(node.see(twin, S).is_empty());
    assert!(node.run(S, 60 * S)[0].0 >= S + PATIENCE);
}
