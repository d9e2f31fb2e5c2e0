use rand_chacha::ChaCha12Rng;
use rand_core::SeedableRng;

use super::*;

mod limits;

const T: Duration = Duration::from_secs(1_000);
const MS: Duration = Duration::from_millis(1);
const S: Duration = Duration::from_secs(1);
/// Nobody is dialled.
const NONE: Vec<u16> = Vec::new();

fn transport(number: u16) -> TransportId {
    let mut id = [0; 32];
    id[..2].copy_from_slice(&number.to_be_bytes());
    TransportId(id)
}

fn discovery(number: u16) -> DiscoveryId {
    let mut id = [0; 8];
    id[..2].copy_from_slice(&number.to_be_bytes());
    DiscoveryId(id)
}

fn sighting(number: u16) -> Sighting {
    Sighting {
        transport: transport(number),
        discovery: discovery(number),
        source: Source(u64::from(number)),
        endpoints: 1,
    }
}

struct Node {
    policy: DialPolicy,
    rng: ChaCha12Rng,
}

impl Node {
    /// Number 100, announced at `T`.
    fn new() -> Self {
        Self::with(Config::default())
    }

    fn with(config: Config) -> Self {
        let mut rng = ChaCha12Rng::seed_from_u64(1);
        let policy = DialPolicy::new(config, &mut rng);
        let mut node = Self { policy, rng };
        let announced = Event::Announced {
            transport: transport(100),
            discovery: discovery(100),
        };
        assert_eq!(node.at(T, announced), NONE);
        node
    }

    /// The numbers dialled.
    fn at(&mut self, now: Duration, event: Event) -> Vec<u16> {
        let effects = self.policy.handle(event, now, &mut self.rng);
        let number = |Effect::Dial(peer): Effect| u16::from_be_bytes([peer.0[0], peer.0[1]]);
        effects.into_iter().map(number).collect()
    }

    fn sight(&mut self, now: Duration, number: u16) -> Vec<u16> {
        self.at(now, Event::Sighted(sighting(number)))
    }

    fn up(&mut self, now: Duration, number: u16) -> Vec<u16> {
        let source = Source(u64::from(number));
        self.at(
            now,
            Event::LinkUp {
                peer: transport(number),
                source,
            },
        )
    }

    fn down(&mut self, now: Duration, number: u16, refused: bool) -> Vec<u16> {
        self.at(
            now,
            Event::LinkDown {
                peer: transport(number),
                refused,
            },
        )
    }

    fn fail(&mut self, now: Duration, number: u16) -> Vec<u16> {
        self.at(now, Event::DialFailed(transport(number)))
    }

    /// Runs to the next timer: when, and the numbers dialled.
    fn next(&mut self) -> (Duration, Vec<u16>) {
        let at = self.policy.poll_timeout().expect("a timer");
        (at, self.at(at, Event::Timer))
    }
}

#[test]
fn the_lower_id_dials_at_once() {
    let mut node = Node::new();
    assert_eq!(node.sight(T + 60 * S, 101), vec![101]);
    assert_eq!(node.sight(T + 60 * S, 101), NONE);
}

#[test]
fn a_dial_to_where_a_peer_was_does_not_delay_its_return() {
    // LOC-1, COORD-3: it left while it was dialled, and comes back at new ports.
    let mut node = Node::new();
    assert_eq!(node.sight(T + 60 * S, 101), vec![101]);
    assert_eq!(node.sight(T + 60 * S, 102), vec![102]);
    assert_eq!(node.at(T + 61 * S, Event::Lost(discovery(101))), NONE);
    assert_eq!(node.sight(T + 62 * S, 101), vec![101]);
    // The other one's dial is still waited for.
    assert_eq!(node.sight(T + 62 * S, 102), NONE);
}

#[test]
fn the_higher_id_waits_for_a_second_and_jitter() {
    let mut node = Node::new();
    let seen = T + 60 * S;
    assert_eq!(node.sight(seen, 99), NONE);
    let (at, dialled) = node.next();
    assert_eq!(dialled, vec![99]);
    assert!(at >= seen + GRACE && at <= seen + GRACE * 3 / 2);
}

#[test]
fn a_link_that_comes_meanwhile_ends_the_wait() {
    let mut node = Node::new();
    node.sight(T + 60 * S, 99);
    assert_eq!(node.up(T + 60 * S + 500 * MS, 99), NONE);
    assert_eq!(node.policy.poll_timeout(), None);
    assert_eq!(node.at(T + 70 * S, Event::Timer), NONE);
}

#[test]
fn a_newcomer_waits_but_a_moment() {
    // Must-show b: those who were there may not have heard of it yet.
    for (age, grace) in [
        (Duration::ZERO, YOUNG_GRACE),
        (YOUNG - MS, YOUNG_GRACE),
        (YOUNG, GRACE),
    ] {
        let mut node = Node::new();
        assert_eq!(node.sight(T + age, 99), NONE);
        let (at, dialled) = node.next();
        assert_eq!(dialled, vec![99]);
        assert!(at >= T + age + grace && at <= T + age + grace * 3 / 2);
        let mut node = Node::new();
        assert_eq!(node.sight(T + age, 101), vec![101]);
    }
    // A new announcement makes it new again.
    let mut node = Node::new();
    let announced = Event::Announced {
        transport: transport(100),
        discovery: discovery(100),
    };
    node.at(T + 60 * S, announced);
    node.sight(T + 60 * S, 99);
    assert!(node.next().0 <= T + 60 * S + YOUNG_GRACE * 3 / 2);
}

#[test]
fn it_never_dials_itself_nor_before_it_is_announced() {
    let mut rng = ChaCha12Rng::seed_from_u64(1);
    let policy = DialPolicy::new(Config::default(), &mut rng);
    let mut node = Node { policy, rng };
    assert_eq!(node.sight(T, 101), NONE);
    node.at(
        T,
        Event::Announced {
            transport: transport(100),
            discovery: discovery(100),
        },
    );
    assert_eq!(node.sight(T, 100), NONE);
    node.at(
        T + S,
        Event::Announced {
            transport: transport(200),
            discovery: discovery(200),
        },
    );
    node.at(
        T + S,
        Event::Announced {
            transport: transport(200),
            discovery: discovery(201),
        },
    );
    for (key, id) in [(200, 7), (100, 7), (7, 201)] {
        let own = Sighting {
            transport: transport(key),
            discovery: discovery(id),
            ..sighting(7)
        };
        assert_eq!(node.at(T + S, Event::Sighted(own)), NONE, "{key} {id}");
    }
    // What it saw of itself before it knew its new key is forgotten.
    assert_eq!(node.sight(T + S, 300), vec![300]);
    node.fail(T + S, 300);
    node.at(
        T + S,
        Event::Announced {
            transport: transport(300),
            discovery: discovery(301),
        },
    );
    assert_eq!(node.policy.poll_timeout(), None);
}

#[test]
fn without_endpoints_there_is_nothing_to_dial() {
    let mut node = Node::new();
    assert_eq!(
        node.at(
            T,
            Event::Sighted(Sighting {
                endpoints: 0,
                ..sighting(101)
            })
        ),
        NONE
    );
    assert_eq!(node.sight(T + S, 101), vec![101]);
}

#[test]
fn failures_back_off_and_end_in_oblivion() {
    // COORD-3.
    let mut node = Node::new();
    assert_eq!(node.sight(T + 10 * S, 101), vec![101]);
    let (mut now, mut tries) = (T + 10 * S, 0);
    loop {
        assert_eq!(node.fail(now, 101), NONE);
        if node.policy.poll_timeout().is_none() {
            break;
        }
        let (at, dialled) = node.next();
        assert_eq!(dialled, vec![101]);
        assert!(at >= now + S * 3 / 4);
        now = at;
        tries += 1;
    }
    assert!((8..=11).contains(&tries));
    assert_eq!(node.sight(now, 101), vec![101]);
}

#[test]
fn a_dial_without_an_answer_counts_as_failed() {
    let mut node = Node::new();
    node.sight(T, 101);
    // Other events do not move the end of its time.
    node.at(T + S, Event::Timer);
    let (at, dialled) = node.next();
    assert_eq!((at, dialled), (T + DIAL_TIMEOUT, NONE));
    let (again, dialled) = node.next();
    assert!(again > at && again <= at + S);
    assert_eq!(dialled, vec![101]);
    // A node that slept meanwhile comes late.
    let woken = again + 2 * DIAL_TIMEOUT;
    assert_eq!(node.at(woken, Event::Timer), NONE);
    assert!(node.policy.dialling.is_empty());
}

#[test]
fn a_lost_link_is_dialled_again_but_not_in_a_circle() {
    let mut node = Node::new();
    node.sight(T, 101);
    node.up(T, 101);
    node.up(T, 101);
    assert_eq!(node.down(T + S, 101, false), NONE);
    assert_eq!(node.policy.poll_timeout(), None);
    node.down(T + S, 101, false);
    let (first, _) = node.next();
    assert!(first > T + S && first <= T + 2 * S);
    node.up(first, 101);
    node.down(first + SETTLED - MS, 101, false);
    let (second, _) = node.next();
    assert!(second - (first + SETTLED - MS) > S);
    node.up(second, 101);
    node.down(second + SETTLED, 101, false);
    let (third, _) = node.next();
    assert!(third - (second + SETTLED) <= S);
    node.up(third, 101);
    node.down(third + 2 * SETTLED, 101, false);
    let (fourth, _) = node.next();
    assert!(fourth - (third + 2 * SETTLED) <= S);
    node.down(fourth, 55, false);
}

#[test]
fn a_peer_that_refused_is_left_alone() {
    let mut node = Node::new();
    node.sight(T, 101);
    node.up(T, 101);
    node.down(T + S, 101, true);
    assert_eq!(node.next(), (T + S + REFUSED_REST, vec![101]));
}

#[test]
fn an_inbound_link_makes_a_failed_dial_void() {
    let mut node = Node::new();
    node.sight(T, 101);
    node.up(T, 101);
    for _ in 0..20 {
        assert_eq!(node.fail(T, 101), NONE);
    }
    assert_eq!(node.policy.poll_timeout(), None);
    // The link lost, it is dialled as after one failure.
    node.down(T + S, 101, false);
    assert!(node.next().0 <= T + 2 * S);
}

#[test]
fn what_is_lost_is_not_dialled() {
    let mut node = Node::new();
    node.sight(T + 60 * S, 99);
    node.at(T + 60 * S, Event::Lost(discovery(98)));
    assert!(node.policy.poll_timeout().is_some());
    node.at(T + 60 * S, Event::Lost(discovery(99)));
    assert_eq!(node.policy.poll_timeout(), None);
}

/// The node's network may be another one.
fn again() -> Event {
    Event::Announced {
        transport: transport(100),
        discovery: discovery(100),
    }
}

#[test]
fn another_network_is_a_new_beginning() {
    // COORD-3: what was waited for on the network before need not be waited for on this one.
    let mut node = Node::new();
    assert_eq!(node.sight(T, 50), NONE);
    let (mut now, mut dialled) = node.next();
    for _ in 0..5 {
        assert_eq!(dialled, vec![50]);
        assert_eq!(node.fail(now, 50), NONE);
        let before = now;
        (now, dialled) = node.next();
        assert!(now > before);
    }
    assert_eq!(node.fail(now, 50), NONE);
    assert!(node.policy.poll_timeout() > Some(now + 10 * S));
    assert_eq!(node.at(now, again()), NONE);
    // Its id is the lower one: it is waited for as by a newcomer, and then the first failure is the first.
    let (soon, dialled) = node.next();
    assert!(soon <= now + YOUNG_GRACE * 3 / 2);
    assert_eq!(dialled, vec![50]);
    node.fail(soon, 50);
    assert!(node.policy.poll_timeout() <= Some(soon + S));
}

#[test]
fn another_network_does_not_make_up_for_a_refusal() {
    let mut node = Node::new();
    assert_eq!(node.sight(T, 101), vec![101]);
    node.up(T + S, 101);
    node.down(T + 2 * S, 101, true);
    assert_eq!(node.at(T + 3 * S, again()), NONE);
    assert_eq!(node.policy.poll_timeout(), Some(T + 2 * S + REFUSED_REST));
    // A later failure ends the rest like any other.
    assert_eq!(node.next().1, vec![101]);
    node.fail(T + 2 * S + REFUSED_REST, 101);
    assert_eq!(node.at(T + 2 * S + REFUSED_REST, again()), vec![101]);
}

#[test]
fn another_network_forgets_dials_that_led_into_the_one_before() {
    let mut node = Node::new();
    assert_eq!(node.sight(T, 101), vec![101]);
    // One that has just begun is not doubled: at a start the interfaces come one by one.
    assert_eq!(node.at(T + YOUNG - MS, again()), NONE);
    assert_eq!(node.at(T + YOUNG, again()), vec![101]);
}

#[test]
fn another_network_puts_nothing_off() {
    let mut node = Node::new();
    assert_eq!(node.sight(T, 50), NONE);
    let at = node.policy.poll_timeout();
    assert_eq!(node.at(T + MS, again()), NONE);
    assert!(node.policy.poll_timeout() <= at);
}
