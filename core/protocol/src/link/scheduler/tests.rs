use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    link::{PROVEN_AFTER, SUSPECT_AFTER},
    link_kind::{Medium, Role},
};

const T: Duration = Duration::from_secs(500);
const S: Duration = Duration::from_secs(1);

fn info(remote: u8, role: Role, medium: Medium) -> LinkInfo {
    LinkInfo {
        local: TransportId([100; 32]),
        remote: TransportId([remote; 32]),
        role,
        medium,
    }
}

fn id(number: u8) -> ContentId {
    ContentId([number; 32])
}

/// A link to `remote`, up and ready; its session is numbered like it.
fn ready(
    scheduler: &mut Scheduler,
    link: u64,
    remote: u8,
    medium: Medium,
) -> (PeerKey, Vec<LinkId>) {
    let peer = scheduler
        .up(LinkId(link), info(remote, Role::Dialer, medium), T)
        .unwrap();
    (peer, scheduler.ready(LinkId(link), [link as u8; 32], T))
}

#[test]
fn links_that_prove_one_key_are_one_peer() {
    let mut scheduler = Scheduler::default();
    let (peer, close) = ready(&mut scheduler, 1, 7, Medium::Lan);
    assert_eq!(close, vec![]);
    assert_eq!(ready(&mut scheduler, 2, 7, Medium::Ble), (peer, vec![]));
    let (other, _) = ready(&mut scheduler, 3, 8, Medium::Lan);
    assert_ne!(peer, other);
    assert_eq!(scheduler.peer_with(&TransportId([7; 32])), Some(peer));
    assert_eq!(scheduler.peer_of(LinkId(3)), Some(other));
    assert_eq!(
        scheduler.metrics(LinkId(3)).map(Metrics::medium),
        Some(Medium::Lan)
    );
    assert_eq!(
        scheduler.links_of(peer).collect::<Vec<_>>(),
        vec![LinkId(1), LinkId(2)]
    );
    assert_eq!(scheduler.peers().collect::<Vec<_>>(), vec![peer, other]);
    assert_eq!(scheduler.standing(peer), Some(LinkId(1)));
    // A key is never used again.
    scheduler.down(LinkId(3), T);
    assert_eq!(scheduler.standing(other), None);
    assert!(ready(&mut scheduler, 4, 8, Medium::Lan).0 > other);
}

#[test]
fn links_of_a_peer_are_bounded() {
    let mut scheduler = Scheduler::default();
    for link in 0..MAX_LINKS_PER_PEER as u64 {
        assert!(
            scheduler
                .up(LinkId(link), info(7, Role::Listener, Medium::Lan), T)
                .is_some()
        );
    }
    assert_eq!(
        scheduler.up(LinkId(99), info(7, Role::Listener, Medium::Lan), T),
        None
    );
    assert_eq!(scheduler.peer_of(LinkId(99)), None);
    assert!(
        scheduler
            .up(LinkId(100), info(8, Role::Listener, Medium::Lan), T)
            .is_some()
    );
}

#[test]
fn only_ready_links_are_used_or_end_others() {
    let mut scheduler = Scheduler::default();
    let peer = scheduler
        .up(LinkId(1), info(7, Role::Dialer, Medium::Lan), T)
        .unwrap();
    assert_eq!(
        (scheduler.standing(peer), scheduler.choose(peer, 256, T)),
        (None, None)
    );
    assert_eq!(ready(&mut scheduler, 2, 7, Medium::Lan), (peer, vec![]));
    assert_eq!(scheduler.standing(peer), Some(LinkId(2)));
    assert_eq!(scheduler.ready(LinkId(1), [1; 32], T), vec![LinkId(2)]);
    assert_eq!(scheduler.standing(peer), Some(LinkId(1)));
    assert_eq!(scheduler.ready(LinkId(1), [1; 32], T), vec![], "told once");
    assert_eq!(scheduler.ready(LinkId(77), [1; 32], T), vec![]);
}

#[test]
fn of_two_links_the_one_that_the_lower_key_dialled_stays() {
    for (remote, kept) in [(101, 1), (99, 2)] {
        let mut scheduler = Scheduler::default();
        scheduler.up(LinkId(1), info(remote, Role::Dialer, Medium::Lan), T);
        scheduler.up(LinkId(2), info(remote, Role::Listener, Medium::Lan), T);
        assert_eq!(scheduler.ready(LinkId(1), [1; 32], T), vec![]);
        assert_eq!(
            scheduler.ready(LinkId(2), [2; 32], T),
            vec![LinkId(3 - kept)]
        );
    }
}

#[test]
fn links_over_other_media_stand_by() {
    let mut scheduler = Scheduler::default();
    for (link, medium) in [
        (1, Medium::Lan),
        (2, Medium::Ble),
        (3, Medium::Relay),
        (4, Medium::Direct),
    ] {
        assert_eq!(ready(&mut scheduler, link, 7, medium).1, vec![]);
    }
    assert_eq!(ready(&mut scheduler, 5, 7, Medium::Ble).1, vec![LinkId(5)]);
}

#[test]
fn contacts_with_two_keys_become_one_peer() {
    let mut scheduler = Scheduler::default();
    let (first, _) = ready(&mut scheduler, 1, 7, Medium::Lan);
    let (second, _) = ready(&mut scheduler, 2, 8, Medium::Lan);
    let (third, _) = ready(&mut scheduler, 3, 9, Medium::Ble);
    let merged = scheduler.merge(LinkId(2), LinkId(1), T).unwrap();
    assert_eq!(
        merged,
        Merged {
            peer: first,
            gone: Some(second),
            close: vec![LinkId(2)]
        }
    );
    let again = scheduler.merge(LinkId(1), LinkId(2), T).unwrap();
    assert_eq!(
        again,
        Merged {
            peer: first,
            gone: None,
            close: vec![]
        }
    );
    let merged = scheduler.merge(LinkId(3), LinkId(1), T).unwrap();
    assert_eq!(
        merged,
        Merged {
            peer: first,
            gone: Some(third),
            close: vec![]
        }
    );
    assert_eq!(scheduler.peers().collect::<Vec<_>>(), vec![first]);
    assert_eq!(scheduler.peer_of(LinkId(3)), Some(first));
    assert_eq!(scheduler.merge(LinkId(1), LinkId(9), T), None);
    scheduler.down(LinkId(1), T);
    // The one told to close is not used any more.
    assert_eq!(scheduler.standing(first), Some(LinkId(3)));
}

#[test]
fn the_standing_link_changes_only_for_a_much_better_one() {
    let mut scheduler = Scheduler::default();
    let (peer, _) = ready(&mut scheduler, 1, 7, Medium::Relay);
    ready(&mut scheduler, 2, 7, Medium::Direct);
    // 35 ms against 80: more than half as good.
    assert_eq!(scheduler.standing(peer), Some(LinkId(2)));
    ready(&mut scheduler, 3, 7, Medium::Lan);
    assert_eq!(scheduler.standing(peer), Some(LinkId(3)));
    let queue = |scheduler: &mut Scheduler, link, bytes| {
        scheduler
            .metrics_mut(LinkId(link))
            .unwrap()
            .queue_is(bytes, T);
        scheduler.choose(peer, 1_024, T)
    };
    // The LAN's delay is 2.5 ms and half a millisecond for each KiB; the direct link's 35.1 ms.
    assert_eq!(queue(&mut scheduler, 3, 130_000), Some(LinkId(3)));
    assert_eq!(queue(&mut scheduler, 3, 135_000), Some(LinkId(2)));
    // It does not go back for a little.
    assert_eq!(queue(&mut scheduler, 3, 100_000), Some(LinkId(2)));
    assert_eq!(queue(&mut scheduler, 3, 0), Some(LinkId(3)));
}

#[test]
fn the_gain_is_weighed_exactly() {
    let mut scheduler = Scheduler::default();
    let (peer, _) = ready(&mut scheduler, 1, 7, Medium::Lan);
    ready(&mut scheduler, 2, 7, Medium::Direct);
    let mut queue = |bytes, size| {
        scheduler.metrics_mut(LinkId(1)).unwrap().queue_is(bytes, T);
        scheduler.choose(peer, size, T)
    };
    // For 0 bytes the direct link promises 30 ms; half of 60 is not less than half.
    assert_eq!(queue(115_000, 0), Some(LinkId(1)));
    assert_eq!(queue(115_002, 0), Some(LinkId(2)));
    // From the direct link's 35.12 ms for 1 KiB back to 15.121, then 15.12: 20 are saved.
    assert_eq!(queue(135_000, 1_024), Some(LinkId(2)));
    assert_eq!(queue(24_218, 1_024), Some(LinkId(2)));
    assert_eq!(queue(24_216, 1_024), Some(LinkId(1)));
}

#[test]
fn small_savings_are_not_worth_a_change() {
    let mut scheduler = Scheduler::default();
    let (peer, _) = ready(&mut scheduler, 1, 7, Medium::Direct);
    ready(&mut scheduler, 2, 7, Medium::Ble);
    for _ in 0..100 {
        scheduler
            .metrics_mut(LinkId(1))
            .unwrap()
            .rtt_measured(Duration::from_millis(24), T);
        scheduler
            .metrics_mut(LinkId(2))
            .unwrap()
            .rtt_measured(Duration::ZERO, T);
    }
    // 10 KiB wait for the direct link, 68 ms; the radio would take a second.
    scheduler
        .metrics_mut(LinkId(1))
        .unwrap()
        .queue_is(10_240, T);
    assert_eq!(scheduler.choose(peer, 1_024, T), Some(LinkId(1)));
    // A byte goes over the radio at once; 12 ms against nothing saves too little.
    scheduler.metrics_mut(LinkId(1)).unwrap().queue_is(0, T);
    assert_eq!(scheduler.choose(peer, 1, T), Some(LinkId(1)));
    scheduler.metrics_mut(LinkId(1)).unwrap().queue_is(2_000, T);
    assert_eq!(scheduler.choose(peer, 1, T), Some(LinkId(2)));
    // The standing link is what a typical bundle would take.
    assert_eq!(scheduler.standing(peer), Some(LinkId(1)));
}

#[test]
fn a_silent_link_gives_way_at_once() {
    let mut scheduler = Scheduler::default();
    let (peer, _) = ready(&mut scheduler, 1, 7, Medium::Lan);
    ready(&mut scheduler, 2, 7, Medium::Ble);
    scheduler.metrics_mut(LinkId(1)).unwrap().queue_is(10, T);
    assert_eq!(
        scheduler.choose(peer, 256, T + SUSPECT_AFTER - Duration::from_millis(1)),
        Some(LinkId(1))
    );
    assert_eq!(
        scheduler.choose(peer, 256, T + SUSPECT_AFTER),
        Some(LinkId(2))
    );
    assert_eq!(scheduler.standing(peer), Some(LinkId(2)));
    // Both silent: no reason to change.
    scheduler.metrics_mut(LinkId(2)).unwrap().queue_is(10, T);
    assert_eq!(
        scheduler.choose(peer, 256, T + SUSPECT_AFTER),
        Some(LinkId(1)),
        "it is far faster"
    );
}

#[test]
fn what_a_lost_link_owed_is_handed_back() {
    let mut scheduler = Scheduler::default();
    let (peer, _) = ready(&mut scheduler, 1, 7, Medium::Lan);
    ready(&mut scheduler, 2, 7, Medium::Ble);
    for number in 1..=5 {
        assert!(scheduler.assign(LinkId(1), id(number)));
        assert!(
            !scheduler.assign(LinkId(2), id(number)),
            "one link of a peer is enough"
        );
    }
    assert!(!scheduler.assign(LinkId(9), id(1)));
    scheduler.handed(LinkId(1), id(1), T);
    scheduler.handed(LinkId(1), id(2), T + PROVEN_AFTER - S);
    scheduler.handed(LinkId(1), id(3), T + PROVEN_AFTER - S);
    scheduler.handed(LinkId(9), id(4), T);
    scheduler.settled(peer, &id(3));
    assert!(scheduler.is_pending(peer, &id(2)) && !scheduler.is_pending(peer, &id(3)));
    let lost = scheduler.down(LinkId(1), T + PROVEN_AFTER).unwrap();
    assert_eq!(
        lost,
        Lost {
            peer,
            next: Some(LinkId(2)),
            queued: vec![id(4), id(5)],
            unproven: vec![id(2)]
        }
    );
    assert!(scheduler.assign(LinkId(2), id(4)));
    let lost = scheduler.down(LinkId(2), T).unwrap();
    assert_eq!((lost.next, lost.queued), (None, vec![id(4)]));
    assert_eq!(scheduler.down(LinkId(2), T), None);
    assert_eq!(scheduler.peers().count(), 0);
}

#[test]
fn what_another_link_sends_already_is_not_handed_back() {
    let mut scheduler = Scheduler::default();
    let (one, _) = ready(&mut scheduler, 1, 7, Medium::Lan);
    ready(&mut scheduler, 2, 8, Medium::Ble);
    for link in [1, 2] {
        assert!(scheduler.assign(LinkId(link), id(1)));
        assert!(scheduler.assign(LinkId(link), id(2)));
        scheduler.handed(LinkId(link), id(2), T);
    }
    scheduler.merge(LinkId(1), LinkId(2), T);
    let lost = scheduler.down(LinkId(1), T).unwrap();
    assert_eq!(
        lost,
        Lost {
            peer: one,
            next: Some(LinkId(2)),
            queued: vec![],
            unproven: vec![]
        }
    );
}

proptest! {
    /// Two nodes with up to six links between them, over any media, dialled by either, ready in any order
    /// at each end: both close the same ones, and over each medium exactly one stays.
    #[test]
    fn both_ends_end_the_same_links_and_never_the_last(
        links in vec((any::<bool>(), 0..4_u8, any::<[u8; 32]>()), 1..6),
        low in 0..100_u8,
        orders in any::<(u64, u64)>(),
    ) {
        let keys = [TransportId([low; 32]), TransportId([200; 32])];
        let media = [Medium::Lan, Medium::Ble, Medium::Direct, Medium::Relay];
        let mut closed = Vec::new();
        for (end, order) in [(0, orders.0), (1, orders.1)] {
            let mut scheduler = Scheduler::default();
            for (number, (first_dialled, medium, _)) in links.iter().enumerate() {
                let role = if *first_dialled == (end == 0) { Role::Dialer } else { Role::Listener };
                let medium = media[usize::from(*medium)];
                let info = LinkInfo { local: keys[end], remote: keys[1 - end], role, medium };
                // Each end numbers links for itself.
                scheduler.up(LinkId(number as u64 + 10 * end as u64), info, T);
            }
            let mut turn: Vec<usize> = (0..links.len()).collect();
            turn.sort_by_key(|number| (number.wrapping_mul(0x9e37) as u64 ^ order).wrapping_mul(0x9e37_79b9_7f4a_7c15));
            let mut close: Vec<u64> = turn
                .into_iter()
                .flat_map(|number| scheduler.ready(LinkId(number as u64 + 10 * end as u64), links[number].2, T))
                .map(|link| link.0 - 10 * end as u64)
                .collect();
            close.sort_unstable();
            closed.push(close);
        }
        prop_assert_eq!(&closed[0], &closed[1]);
        let mut used: Vec<u8> = links.iter().map(|(_, medium, _)| *medium).collect();
        used.sort_unstable();
        used.dedup();
        prop_assert_eq!(links.len() - closed[0].len(), used.len());
        let mut kept: Vec<u8> = (0..links.len())
            .filter(|number| !closed[0].contains(&(*number as u64)))
            .map(|number| links[number].1)
            .collect();
        kept.sort_unstable();
        prop_assert_eq!(kept, used);
    }

    /// Whatever happens, every bundle assigned is settled, pending on exactly one link, proven by time, or
    /// handed back; and the standing link of a peer is ready whenever one is.
    #[test]
    fn no_bundle_is_lost(steps in vec((0..6_u8, 0..4_u64, 0..8_u8), 0..120)) {
        let mut scheduler = Scheduler::default();
        let media = [Medium::Lan, Medium::Ble, Medium::Direct, Medium::Relay];
        let mut owed = BTreeSet::new();
        let mut up = BTreeSet::new();
        for (step, link, bundle) in steps {
            let at = LinkId(link);
            match step {
                0 | 1 => {
                    if up.insert(link) {
                        scheduler.up(at, info(7, Role::Dialer, media[link as usize]), T);
                        prop_assert_eq!(scheduler.ready(at, [link as u8; 32], T), vec![]);
                    }
                }
                2 => {
                    if scheduler.assign(at, id(bundle)) {
                        owed.insert(bundle);
                    }
                }
                3 => scheduler.handed(at, id(bundle), T),
                4 => {
                    if let Some(peer) = scheduler.peer_of(at) {
                        scheduler.settled(peer, &id(bundle));
                        owed.remove(&bundle);
                    }
                }
                _ => {
                    up.remove(&link);
                    if let Some(lost) = scheduler.down(at, T) {
                        for content in lost.queued.iter().chain(&lost.unproven) {
                            prop_assert!(owed.contains(&content.0[0]));
                            match lost.next {
                                Some(next) => prop_assert!(scheduler.assign(next, *content)),
                                None => { owed.remove(&content.0[0]); }
                            }
                        }
                    }
                }
            }
            if let Some(peer) = scheduler.peers().next() {
                for bundle in &owed {
                    prop_assert!(scheduler.is_pending(peer, &id(*bundle)));
                }
                prop_assert!(scheduler.standing(peer).is_some_and(|link| up.contains(&link.0)));
            } else {
                prop_assert!(owed.is_empty() && up.is_empty());
            }
        }
    }
}
