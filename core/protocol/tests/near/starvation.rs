//! A stranger's re-connections cannot starve contacts.

use super::*;
use rand_core::SeedableRng;
use sovereign_protocol::{
    id::LinkId,
    link_kind::Role,
    policy::near::{Config, Effect, NearPolicy, duty::Profile},
    wire::v1::CloseReason,
};
use std::collections::BTreeMap;

const END: Duration = Duration::from_secs(300);
/// When the contact comes in sight.
const COMES: Duration = Duration::from_secs(60);
const CONTACT: u64 = 7;

/// One node; strangers open ten links a second, each from the address given, and hold what they get; they
/// prove keys at once. The contact is in sight from [`COMES`] on and takes a link a second after a dial.
struct Siege {
    policy: NearPolicy,
    rng: ChaCha12Rng,
    strangers: BTreeMap<LinkId, u64>,
    next: u64,
    taken: usize,
    contact: Option<(LinkId, Duration)>,
    dialled: Option<Duration>,
    contact_lost: usize,
}

impl Siege {
    fn new(own: u64) -> Self {
        let profile = Profile::Balanced;
        let mut siege = Self {
            policy: NearPolicy::new(Config { budget: 4, profile }),
            rng: ChaCha12Rng::seed_from_u64(3),
            strangers: BTreeMap::new(),
            next: 100,
            taken: 0,
            contact: None,
            dialled: None,
            contact_lost: 0,
        };
        siege.tell(announced(own), Duration::ZERO);
        siege
    }

    fn tell(&mut self, event: Event, now: Duration) -> bool {
        let mut taken = true;
        for effect in self.policy.handle(event, now, &mut self.rng) {
            match effect {
                Effect::Close { link, .. } => {
                    if matches!(event, Event::LinkUp { link: new, .. } if new == link) {
                        taken = false;
                        continue;
                    }
                    self.contact_lost +=
                        usize::from(self.contact.is_some_and(|(of, _)| of == link));
                    if self.strangers.remove(&link).is_some() {
                        self.tell(
                            Event::LinkDown {
                                link,
                                refused: false,
                            },
                            now,
                        );
                    }
                }
                Effect::Connect { neighbour, .. } if neighbour == discovery(CONTACT) => {
                    self.dialled.get_or_insert(now);
                }
                _ => {}
            }
        }
        taken
    }

    fn up(
        &mut self,
        address: u64,
        role: Role,
        relation: Relation,
        now: Duration,
    ) -> Option<LinkId> {
        let link = LinkId(self.next);
        self.next += 1;
        let up = Event::LinkUp {
            link,
            address: Address(address),
            role,
        };
        if !self.tell(up, now) {
            return None;
        }
        let proven = Event::Proven {
            link,
            peer: transport(address),
            neighbour: Some(discovery(address)),
            relation,
        };
        if relation == Relation::Stranger {
            self.strangers.insert(link, address);
            self.taken += 1;
        }
        self.tell(proven, now);
        Some(link)
    }

    /// `address` of the strangers' attempts, by number; whether the contact dials this node by itself.
    fn run(&mut self, address: impl Fn(u64) -> u64, contact_dials: bool) {
        for tenth in 0..u64::from(u32::try_from(END.as_millis()).unwrap()) / 100 {
            let now = Duration::from_millis(tenth * 100);
            self.tell(Event::Timer, now);
            self.up(address(tenth), Role::Listener, Relation::Stranger, now);
            if now >= COMES && tenth % 10 == 0 {
                let seen = Sighting {
                    relation: Relation::Contact,
                    connectable: !contact_dials,
                    ..sighting(CONTACT, -75)
                };
                self.tell(Event::Sighted(seen), now);
                let due = contact_dials || self.dialled.is_some_and(|at| now >= at + S);
                if self.contact.is_none() && due {
                    let role = if contact_dials {
                        Role::Listener
                    } else {
                        Role::Dialer
                    };
                    let link = self.up(CONTACT, role, Relation::Contact, now);
                    self.contact = link.map(|link| (link, now));
                }
            }
            assert!(self.policy.links() <= 4);
        }
    }
}

#[test]
fn contacts_get_through_a_siege_and_stay() {
    let fresh = |number: u64| 1_000 + number;
    let same = |_: u64| 1_000;
    let few = |number: u64| 1_000 + number % 16;
    for (name, address) in [
        ("a fresh address each", fresh as fn(u64) -> u64),
        ("one address", same),
        ("sixteen addresses", few),
    ] {
        for contact_dials in [false, true] {
            // Of either order of the ids.
            for own in [discovery_below(CONTACT), discovery_above(CONTACT)] {
                let mut siege = Siege::new(own);
                siege.run(address, contact_dials);
                let (_, at) = siege.contact.unwrap();
                let waited = at - COMES;
                assert!(waited <= 12 * S, "{name}, {contact_dials}: {waited:?}");
                assert_eq!(siege.contact_lost, 0);
                // Four at once, then one every two seconds, whatever the address.
                assert!(siege.taken <= 4 + 150, "{name}: {}", siege.taken);
                println!(
                    "| {name} | the contact dials: {contact_dials} | contact linked after {:.1} s | {} of 3,000 strangers' links taken |",
                    waited.as_secs_f64(),
                    siege.taken
                );
            }
        }
    }
}

#[test]
fn one_stranger_does_not_hold_a_place_by_coming_back() {
    let mut siege = Siege::new(OWN);
    siege.run(|_| 1_000, true);
    // One link each 10 s at most from one address.
    assert!(siege.taken <= 31, "{}", siege.taken);
}

#[test]
fn a_link_without_a_handshake_is_freed() {
    let mut policy = NearPolicy::new(Config::default());
    let mut rng = ChaCha12Rng::seed_from_u64(3);
    policy.handle(announced(OWN), Duration::ZERO, &mut rng);
    for number in 0..4 {
        let up = Event::LinkUp {
            link: LinkId(number),
            address: Address(number),
            role: Role::Listener,
        };
        policy.handle(up, S, &mut rng);
    }
    assert_eq!(policy.links(), 4);
    let early = policy.handle(Event::Timer, 9 * S - MS, &mut rng);
    assert!(
        !early
            .iter()
            .any(|effect| matches!(effect, Effect::Close { .. }))
    );
    assert_eq!(policy.poll_timeout(), Some(9 * S));
    let closed = policy.handle(Event::Timer, 9 * S, &mut rng);
    let expected: Vec<Effect> = (0..4)
        .map(|number| Effect::Close {
            link: LinkId(number),
            why: CloseReason::Timeout,
        })
        .collect();
    assert_eq!(closed, expected);
    // A radio that never tells of the end does not keep the places.
    policy.handle(Event::Timer, 14 * S - MS, &mut rng);
    assert_eq!(policy.links(), 4);
    policy.handle(Event::Timer, 14 * S, &mut rng);
    assert_eq!(policy.links(), 0);
}

fn discovery_below(number: u64) -> u64 {
    (1_u64 << 40..)
        .find(|own| discovery(*own) < discovery(number))
        .unwrap()
}

fn discovery_above(number: u64) -> u64 {
    (1_u64 << 40..)
        .find(|own| discovery(*own) > discovery(number))
        .unwrap()
}
