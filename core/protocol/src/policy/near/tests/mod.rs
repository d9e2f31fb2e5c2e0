//! What the policy does as a whole, one rule a test.

mod duplicates;
mod edge;
mod encounters;
mod first;
mod sharing;

use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;

use super::neighbour::tests::sighting;
use super::*;

const S: Duration = Duration::from_secs(1);
const MS: Duration = Duration::from_millis(1);
const OWN: u64 = 1_000;

fn id(number: u64) -> DiscoveryId {
    DiscoveryId((number << 16).to_be_bytes())
}

fn key(number: u64) -> TransportId {
    let mut key = [0; 32];
    key[..8].copy_from_slice(&number.to_be_bytes());
    TransportId(key)
}

fn seen(number: u64) -> Sighting {
    Sighting {
        neighbour: id(number),
        address: Address(number),
        ..sighting(number, -70)
    }
}

fn contact(number: u64) -> Sighting {
    Sighting {
        relation: Relation::Contact,
        ..seen(number)
    }
}

struct Node {
    policy: NearPolicy,
    rng: ChaCha12Rng,
}

impl Node {
    /// Number 1,000, with four links.
    fn new() -> Self {
        Self::with(DEFAULT_LINKS)
    }

    fn with(budget: usize) -> Self {
        let config = Config {
            budget,
            ..Config::default()
        };
        let mut node = Self {
            policy: NearPolicy::new(config),
            rng: ChaCha12Rng::seed_from_u64(1),
        };
        node.tell(
            Event::Announced {
                transport: key(OWN),
                discovery: id(OWN),
            },
            Duration::ZERO,
        );
        node
    }

    fn tell(&mut self, event: Event, now: Duration) -> Vec<Effect> {
        let mut effects = self.policy.handle(event, now, &mut self.rng);
        effects.retain(|effect| {
            matches!(
                effect,
                Effect::Connect { .. }
                    | Effect::Abort { .. }
                    | Effect::Close { .. }
                    | Effect::Probe(_)
            )
        });
        effects
    }

    fn see(&mut self, sighting: Sighting, now: Duration) -> Vec<Effect> {
        self.tell(Event::Sighted(sighting), now)
    }

    fn up(&mut self, number: u64, role: Role, now: Duration) -> Vec<Effect> {
        let (link, address) = (LinkId(number), Address(number));
        self.tell(
            Event::LinkUp {
                link,
                address,
                role,
            },
            now,
        )
    }

    /// A link of that number to the peer of the same number.
    fn prove(&mut self, number: u64, relation: Relation, now: Duration) -> Vec<Effect> {
        let proven = Event::Proven {
            link: LinkId(number),
            peer: key(number),
            neighbour: Some(id(number)),
            relation,
        };
        self.tell(proven, now)
    }

    fn down(&mut self, number: u64, refused: bool, now: Duration) -> Vec<Effect> {
        let link = LinkId(number);
        self.tell(Event::LinkDown { link, refused }, now)
    }

    /// Runs the timers from `from` on; returns what is done and when, up to and at `to`.
    fn run(&mut self, from: Duration, to: Duration) -> Vec<(Duration, Effect)> {
        let mut done: Vec<(Duration, Effect)> = Vec::new();
        let mut now = from;
        loop {
            done.extend(
                self.tell(Event::Timer, now)
                    .into_iter()
                    .map(|effect| (now, effect)),
            );
            match self.policy.poll_timeout() {
                Some(next) if next <= to => {
                    assert!(next > now);
                    now = next;
                }
                _ => return done,
            }
        }
    }

    fn kind(&self, number: u64) -> Kind {
        self.policy.links[&LinkId(number)].kind
    }
}

fn connect(number: u64) -> Effect {
    Effect::Connect {
        neighbour: id(number),
        address: Address(number),
    }
}

fn abort(number: u64) -> Effect {
    Effect::Abort {
        neighbour: id(number),
        address: Address(number),
    }
}

fn close(number: u64, why: CloseReason) -> Effect {
    Effect::Close {
        link: LinkId(number),
        why,
    }
}

#[test]
fn nothing_is_done_before_the_node_has_ids() {
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    let mut policy = NearPolicy::new(Config::default());
    assert!(
        policy
            .handle(Event::Sighted(seen(1_001)), S, &mut rng)
            .is_empty()
    );
    assert_eq!((policy.known(), policy.poll_timeout()), (0, None));
    let mut node = Node::new();
    assert!(node.see(seen(OWN), S).is_empty());
    assert_eq!(node.policy.known(), 0);
}

#[test]
fn an_attempt_is_given_up_after_eight_seconds_and_repeated_ever_later() {
    // COORD-3.
    let mut node = Node::new();
    node.see(contact(1_001), S);
    let done = node.run(S, 9 * S - MS);
    assert!(done.is_empty(), "{done:?}");
    assert_eq!(node.run(9 * S - MS, 9 * S), vec![(9 * S, abort(1_001))]);
    let again = node.run(9 * S, 10 * S);
    assert_eq!(again[0].1, connect(1_001));
    assert!(again[0].0 >= 9 * S + 3 * S / 4, "{again:?}");
    // A late answer to what was given up is nobody's failure.
    node.tell(Event::ConnectFailed(id(1_001)), 11 * S);
    let done = node.tell(Event::ConnectFailed(id(1_001)), 11 * S);
    assert!(done.is_empty());
    let third = node.run(11 * S, 14 * S);
    assert_eq!(third[0].1, connect(1_001));
    assert!(
        third[0].0 >= 12 * S + S / 2 && third[0].0 <= 13 * S,
        "{third:?}"
    );
}

#[test]
fn two_failures_make_a_neighbour_doubtful_unless_it_was_proven() {
    let standing = |node: &Node| node.policy.ranked().next().map(|(_, standing, _)| standing);
    let mut node = Node::new();
    node.see(seen(1_001), S);
    node.see(seen(1_001), 3 * S);
    node.tell(Event::ConnectFailed(id(1_001)), 3 * S);
    assert_eq!(standing(&node), Some(Standing::Established));
    node.see(seen(1_001), 4 * S);
    let done = node.run(4 * S, 5 * S);
    assert_eq!(done.len(), 1);
    node.tell(Event::ConnectFailed(id(1_001)), 5 * S);
    assert_eq!(standing(&node), Some(Standing::Doubtful));
}

#[test]
fn attempts_are_half_a_second_apart_and_one_at_a_time() {
    let mut node = Node::with(MOST_LINKS);
    node.see(seen(1_001), S);
    for number in 1_002..1_005 {
        assert!(node.see(seen(number), S).is_empty());
    }
    assert!(node.up(1_001, Role::Dialer, S + 100 * MS).is_empty());
    assert_eq!(node.policy.poll_timeout(), Some(S + CONNECT_EVERY));
    assert!(node.tell(Event::Timer, S + CONNECT_EVERY - MS).is_empty());
    assert_eq!(node.tell(Event::Timer, S + CONNECT_EVERY).len(), 1);
    // One stranger at a time, and a contact besides.
    assert!(node.tell(Event::Timer, 3 * S).is_empty());
    assert_eq!(node.see(contact(1_009), 3 * S), vec![connect(1_009)]);
    assert!(node.see(contact(1_010), 4 * S).is_empty());
}

#[test]
fn who_takes_no_links_is_not_dialled_and_has_its_turn_first_when_it_does() {
    let mut node = Node::new();
    let full = |number| Sighting {
        connectable: false,
        ..seen(number)
    };
    assert!(node.see(full(1_001), S).is_empty());
    assert_eq!(node.see(seen(1_001), 2 * S), vec![connect(1_001)]);
    let mut node = Node::new();
    node.see(full(999), S);
    assert!(node.see(seen(999), 30 * S).is_empty());
    assert!(node.run(30 * S, 36 * S - MS).is_empty());
    assert_eq!(node.run(36 * S, 40 * S).len(), 1);
}

#[test]
fn a_lost_link_is_dialled_again_a_refused_one_rests() {
    // COORD-3.
    let linked = || {
        let mut node = Node::new();
        node.see(seen(1_001), S);
        node.up(1_001, Role::Dialer, 2 * S);
        node.prove(1_001, Relation::Stranger, 3 * S);
        assert_eq!(node.kind(1_001), Kind::Backbone);
        node
    };
    let mut node = linked();
    assert!(node.down(1_001, false, 10 * S).is_empty());
    let done = node.run(10 * S, 20 * S);
    assert!(
        done[0].0 <= 11 * S && done[0].1 == connect(1_001),
        "{done:?}"
    );
    let mut node = linked();
    node.down(1_001, true, 10 * S);
    assert!(node.run(10 * S, 10 * S + REST - MS).is_empty());
    let mut node = linked();
    node.down(1_001, true, 10 * S);
    node.see(seen(1_001), 69 * S);
    let done = node.run(69 * S, 10 * S + REST + REST / 4);
    assert_eq!(done[0].1, connect(1_001));
}

#[test]
fn a_link_that_never_proved_anything_counts_as_a_failure() {
    let mut node = Node::new();
    node.see(seen(1_001), S);
    node.up(1_001, Role::Dialer, 2 * S);
    assert_eq!(node.kind(1_001), Kind::HalfOpen);
    assert_eq!(
        node.run(2 * S, 10 * S),
        vec![(10 * S, close(1_001, CloseReason::Timeout))]
    );
    node.down(1_001, false, 10 * S);
    let failures = |node: &Node| {
        node.policy
            .table
            .get(&id(1_001))
            .map(|known| known.tries.backoff.failures())
    };
    assert_eq!(failures(&node), Some(1));
    node.see(seen(1_001), 11 * S);
    let done = node.run(11 * S, 12 * S);
    assert_eq!(done.len(), 1);
    node.up(1_001, Role::Dialer, 12 * S);
    node.down(1_001, true, 13 * S);
    assert_eq!(failures(&node), Some(2));
}

#[test]
fn a_proof_that_comes_too_late_revives_nothing() {
    let mut node = Node::new();
    node.up(1, Role::Listener, S);
    node.run(S, S + HANDSHAKE_TIMEOUT);
    node.up(2, Role::Listener, 10 * S);
    node.tell(
        Event::Proven {
            link: LinkId(2),
            peer: key(1),
            neighbour: None,
            relation: Relation::Stranger,
        },
        10 * S,
    );
    assert!(node.prove(1, Relation::Stranger, 10 * S).is_empty());
    assert_eq!(node.kind(1), Kind::HalfOpen);
}

#[test]
fn a_dial_that_is_answered_when_all_places_are_taken_is_closed() {
    let mut node = Node::new();
    node.see(seen(1_001), S);
    for number in 1..=4 {
        node.up(number, Role::Listener, S);
    }
    let done = node.up(1_001, Role::Dialer, 2 * S);
    assert_eq!(done, vec![close(1_001, CloseReason::Full)]);
    // A number that is taken stays whose it is.
    assert!(node.up(1, Role::Dialer, 2 * S).is_empty());
    assert_eq!(node.policy.links(), 4);
}

#[test]
fn a_link_that_lived_makes_failures_void() {
    // COORD-3.
    let wait = |lived: Duration| {
        let mut node = Node::new();
        node.see(contact(1_001), S);
        for second in [2, 4, 8] {
            node.tell(Event::ConnectFailed(id(1_001)), second * S);
            node.run(second * S, 2 * second * S - MS);
        }
        node.tell(Event::ConnectFailed(id(1_001)), 17 * S);
        node.see(contact(1_001), 30 * S);
        node.up(1_001, Role::Dialer, 30 * S);
        node.prove(1_001, Relation::Contact, 30 * S);
        let down = 30 * S + lived;
        node.down(1_001, false, down);
        let known = node.policy.table.get(&id(1_001)).unwrap();
        known.tries.at - down
    };
    assert!(wait(SETTLED) <= S);
    assert!(wait(SETTLED - MS) > 5 * S);
}

#[test]
fn an_id_that_is_not_its_owners_is_held_against_the_id() {
    // LOC-8.
    let mut node = Node::new();
    node.see(seen(1_001), S);
    node.up(1_001, Role::Dialer, 2 * S);
    let other = Event::Proven {
        link: LinkId(1_001),
        peer: key(5),
        neighbour: Some(id(1_500)),
        relation: Relation::Stranger,
    };
    node.tell(other, 3 * S);
    let known = node.policy.table.get(&id(1_001)).unwrap();
    assert!(!known.linked && known.tries.backoff.failures() == 1 && known.tries.met.is_none());
}

#[test]
fn a_peer_that_rotates_keeps_its_link_and_is_not_dialled() {
    // LOC-3.
    let mut node = Node::new();
    node.see(seen(1_001), S);
    node.up(1_001, Role::Dialer, 2 * S);
    node.prove(1_001, Relation::Contact, 3 * S);
    let next = Event::Proven {
        link: LinkId(1_001),
        peer: key(1_001),
        neighbour: Some(id(1_777)),
        relation: Relation::Contact,
    };
    node.tell(next, 100 * S);
    assert!(node.policy.table.get(&id(1_001)).is_none());
    assert!(node.see(contact(1_777), 101 * S).is_empty());
    assert!(node.run(101 * S, 130 * S).is_empty());
    assert_eq!(node.kind(1_001), Kind::Sticky);
}

#[test]
fn it_takes_links_while_it_has_room_and_says_so() {
    let mut node = Node::new();
    let mut connectable = Vec::new();
    for number in 1..=5 {
        let link = LinkId(number);
        let (address, role) = (Address(number), Role::Listener);
        let event = Event::LinkUp {
            link,
            address,
            role,
        };
        let effects = node.policy.handle(event, S, &mut node.rng);
        connectable.push(effects.iter().find_map(|effect| match effect {
            Effect::Advertise(how) => Some(how.connectable),
            _ => None,
        }));
        let refused = effects.contains(&close(number, CloseReason::Full));
        assert_eq!(refused, number == 5);
    }
    assert_eq!(connectable, vec![None, None, None, Some(false), None]);
    assert_eq!(node.policy.links(), 4);
    let down = Event::LinkDown {
        link: LinkId(1),
        refused: true,
    };
    let effects = node.policy.handle(down, 2 * S, &mut node.rng);
    let how = effects
        .iter()
        .find(|effect| matches!(effect, Effect::Advertise(how) if how.connectable));
    assert!(how.is_some());
}

#[test]
fn reports_follow_a_neighbour() {
    // LOC-6.
    let mut node = Node::new();
    let mut reports = Vec::new();
    let mut tell = |node: &mut Node, event, now| {
        let effects = node.policy.handle(event, now, &mut node.rng);
        reports.extend(effects.into_iter().filter(|effect| {
            matches!(
                effect,
                Effect::Discovered(_) | Effect::Updated(_) | Effect::Lost(_)
            )
        }));
    };
    let quiet = |dbm| Sighting {
        rssi: Some(dbm),
        connectable: false,
        ..seen(1_001)
    };
    tell(&mut node, Event::Sighted(quiet(-70)), S);
    for second in 2..=20 {
        let dbm = if second < 10 { -70 } else { -50 };
        tell(&mut node, Event::Sighted(quiet(dbm)), second * S);
    }
    tell(&mut node, Event::Timer, 110 * S - MS);
    tell(&mut node, Event::Timer, 110 * S);
    let of = |effect: &Effect| match effect {
        Effect::Discovered(report) => ("discovered", report.dbm, report.rank, report.age),
        Effect::Updated(report) => ("updated", report.dbm, report.rank, report.age),
        Effect::Lost(report) => ("lost", report.dbm, report.rank, report.age),
        _ => unreachable!(),
    };
    let words: Vec<_> = reports.iter().map(of).collect();
    assert_eq!(words[0], ("discovered", Some(-70), 0, Duration::ZERO));
    assert!(
        words.len() >= 3
            && words[1..words.len() - 1]
                .iter()
                .all(|word| word.0 == "updated")
    );
    let last = words[words.len() - 1];
    assert_eq!((last.0, last.3), ("lost", 90 * S));
    assert!(last.1 >= Some(-56));
}
