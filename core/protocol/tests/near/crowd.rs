//! Must-show g: 200 phones in a crowd. Every phone runs the policy; radio and links are a small event loop.

use super::*;
use rand_core::SeedableRng;
use sovereign_protocol::{
    id::LinkId,
    link_kind::Role,
    policy::near::{Config, Effect, NearPolicy, duty::Profile},
};
use std::collections::{BTreeMap, BTreeSet};

const PHONES: usize = 200;
/// Beyond this many dBm below nothing is heard.
const SENSITIVITY: f64 = -95.0;
const SETTLED: Duration = Duration::from_secs(60);
const END: Duration = Duration::from_secs(90);

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum What {
    Hear { who: usize, whom: usize },
    Answer { dialer: usize, listener: usize },
    Hello(u64),
    Reconciled(u64),
    Down { link: u64, by: usize },
    Timer(usize),
}

struct Crowd {
    phones: Vec<NearPolicy>,
    levels: Vec<Vec<f64>>,
    connectable: Vec<bool>,
    dialling: BTreeSet<(usize, usize)>,
    links: BTreeMap<u64, (usize, usize)>,
    next_link: u64,
    todo: BTreeSet<(Duration, u64, What)>,
    count: u64,
    relation: Relation,
    /// Whether every meeting brings something.
    news: bool,
    rng: ChaCha12Rng,
    most_links: usize,
    connections: u64,
}

type Places = Vec<(f64, f64)>;

/// A square of 60 m.
fn uniform_places(rng: &mut ChaCha12Rng) -> Places {
    (0..PHONES)
        .map(|_| (60.0 * uniform(rng), 60.0 * uniform(rng)))
        .collect()
}

/// Ten groups of twenty, 2 m wide, in a square of 60 m.
fn clustered_places(rng: &mut ChaCha12Rng) -> Places {
    let centres: Places = (0..10)
        .map(|_| (60.0 * uniform(rng), 60.0 * uniform(rng)))
        .collect();
    (0..PHONES)
        .map(|phone| {
            let (x, y) = centres[phone % centres.len()];
            (x + 2.0 * normal(rng), y + 2.0 * normal(rng))
        })
        .collect()
}

/// Mean levels between all, the same both ways, with 4 dB of lasting shadow.
fn levels(places: &Places, rng: &mut ChaCha12Rng) -> Vec<Vec<f64>> {
    let mut levels = vec![vec![f64::NEG_INFINITY; PHONES]; PHONES];
    for one in 0..PHONES {
        for other in 0..one {
            let (dx, dy) = (
                places[one].0 - places[other].0,
                places[one].1 - places[other].1,
            );
            let level = path(dx.hypot(dy)) + 4.0 * normal(rng);
            levels[one][other] = level;
            levels[other][one] = level;
        }
    }
    levels
}

impl Crowd {
    fn new(levels: Vec<Vec<f64>>, budget: usize, kind: (Relation, bool), seed: u64) -> Self {
        let (relation, news) = kind;
        let config = Config {
            budget,
            profile: Profile::Balanced,
        };
        let mut crowd = Self {
            phones: (0..PHONES).map(|_| NearPolicy::new(config)).collect(),
            levels,
            connectable: vec![true; PHONES],
            dialling: BTreeSet::new(),
            links: BTreeMap::new(),
            next_link: 0,
            todo: BTreeSet::new(),
            count: 0,
            relation,
            news,
            rng: ChaCha12Rng::seed_from_u64(seed),
            most_links: 0,
            connections: 0,
        };
        for who in 0..PHONES {
            crowd.tell(who, announced(who as u64), Duration::ZERO);
            for whom in 0..PHONES {
                if crowd.levels[who][whom] > SENSITIVITY {
                    crowd.after(Duration::ZERO, 6 * S, What::Hear { who, whom });
                }
            }
        }
        crowd
    }

    /// Plans something within this time from `now`.
    fn after(&mut self, now: Duration, most: Duration, what: What) {
        let at = now + most.mul_f64(uniform(&mut self.rng));
        self.count += 1;
        self.todo.insert((at, self.count, what));
    }

    fn tell(&mut self, who: usize, event: Event, now: Duration) {
        for effect in self.phones[who].handle(event, now, &mut self.rng) {
            match effect {
                Effect::Connect { address, .. } => {
                    let listener = usize::try_from(address.0).unwrap();
                    self.dialling.insert((who, listener));
                    self.after(
                        now + S,
                        S,
                        What::Answer {
                            dialer: who,
                            listener,
                        },
                    );
                }
                Effect::Abort { address, .. } => {
                    self.dialling
                        .remove(&(who, usize::try_from(address.0).unwrap()));
                }
                Effect::Close { link, .. } => {
                    self.after(
                        now,
                        100 * MS,
                        What::Down {
                            link: link.0,
                            by: who,
                        },
                    );
                }
                Effect::Probe(link) => self.tell(who, Event::Alive(link), now),
                Effect::Advertise(how) => self.connectable[who] = how.connectable,
                _ => {}
            }
        }
        if let Some(timer) = self.phones[who].poll_timeout() {
            assert!(timer > now, "a timer in the past");
            self.count += 1;
            self.todo.insert((timer, self.count, What::Timer(who)));
        }
    }

    fn step(&mut self, now: Duration, what: What) {
        match what {
            What::Hear { who, whom } => {
                let level = self.levels[who][whom] + 4.0 * normal(&mut self.rng);
                let seen = Sighting {
                    connectable: self.connectable[whom],
                    ..sighting(whom as u64, dbm(level))
                };
                self.tell(who, Event::Sighted(seen), now);
                self.after(now + 3 * S, 3 * S, What::Hear { who, whom });
            }
            What::Answer { dialer, listener } => {
                if !self.dialling.remove(&(dialer, listener)) {
                    return;
                }
                if !self.connectable[listener] || uniform(&mut self.rng) < 0.1 {
                    let whom = discovery(listener as u64);
                    self.tell(dialer, Event::ConnectFailed(whom), now);
                    return;
                }
                let link = self.next_link;
                self.next_link += 1;
                self.connections += 1;
                self.links.insert(link, (dialer, listener));
                for (who, other, role) in [
                    (dialer, listener, Role::Dialer),
                    (listener, dialer, Role::Listener),
                ] {
                    let address = Address(other as u64);
                    let link = LinkId(link);
                    self.tell(
                        who,
                        Event::LinkUp {
                            link,
                            address,
                            role,
                        },
                        now,
                    );
                    self.most_links = self.most_links.max(self.phones[who].links());
                }
                self.after(now + S / 2, S, What::Hello(link));
            }
            What::Hello(link) => {
                let Some((dialer, listener)) = self.links.get(&link).copied() else {
                    return;
                };
                for (who, other) in [(dialer, listener), (listener, dialer)] {
                    let proven = Event::Proven {
                        link: LinkId(link),
                        peer: transport(other as u64),
                        neighbour: Some(discovery(other as u64)),
                        relation: self.relation,
                    };
                    self.tell(who, proven, now);
                }
                self.after(now + S, 4 * S, What::Reconciled(link));
            }
            What::Reconciled(link) => {
                if let Some((dialer, listener)) = self.links.get(&link).copied() {
                    for who in [dialer, listener] {
                        let (link, news) = (LinkId(link), self.news);
                        self.tell(who, Event::Reconciled { link, news }, now);
                    }
                }
            }
            What::Down { link, by } => {
                if let Some((dialer, listener)) = self.links.remove(&link) {
                    for who in [dialer, listener] {
                        let refused = who != by;
                        let link = LinkId(link);
                        self.tell(who, Event::LinkDown { link, refused }, now);
                    }
                }
            }
            What::Timer(who) => {
                if self.phones[who].poll_timeout() == Some(now) {
                    self.tell(who, Event::Timer, now);
                }
            }
        }
    }

    fn run(&mut self, until: Duration) {
        while let Some(next) = self.todo.first().copied().filter(|(at, ..)| *at <= until) {
            self.todo.remove(&next);
            self.step(next.0, next.2);
        }
    }
}

/// The share of phones in the greatest component.
fn giant<'a>(links: impl Iterator<Item = &'a (usize, usize)>) -> f64 {
    let mut of: Vec<usize> = (0..PHONES).collect();
    fn root(of: &mut [usize], mut at: usize) -> usize {
        while of[at] != at {
            of[at] = of[of[at]];
            at = of[at];
        }
        at
    }
    for (one, other) in links {
        let (one, other) = (root(&mut of, *one), root(&mut of, *other));
        of[one] = other;
    }
    let mut sizes = BTreeMap::<usize, usize>::new();
    for phone in 0..PHONES {
        *sizes.entry(root(&mut of, phone)).or_default() += 1;
    }
    *sizes.values().max().unwrap() as f64 / PHONES as f64
}

/// Every phone links to the strongest that has room, until nobody can.
fn nearest_first(levels: &[Vec<f64>], budget: usize, rng: &mut ChaCha12Rng) -> f64 {
    let mut links = BTreeSet::<(usize, usize)>::new();
    let mut degree = vec![0; PHONES];
    loop {
        let mut order: Vec<usize> = (0..PHONES)
            .filter(|phone| degree[*phone] < budget)
            .collect();
        order.sort_by_cached_key(|_| rng.next_u64());
        let before = links.len();
        for who in order {
            let strongest = (0..PHONES)
                .filter(|whom| levels[who][*whom] > SENSITIVITY && degree[*whom] < budget)
                .filter(|whom| !links.contains(&(who.min(*whom), who.max(*whom))))
                .max_by(|a, b| levels[who][*a].total_cmp(&levels[who][*b]));
            if let Some(whom) = strongest.filter(|_| degree[who] < budget) {
                links.insert((who.min(whom), who.max(whom)));
                degree[who] += 1;
                degree[whom] += 1;
            }
        }
        if links.len() == before {
            return giant(links.iter());
        }
    }
}

fn figure(
    name: &str,
    places: fn(&mut ChaCha12Rng) -> Places,
    budget: usize,
    kind: (Relation, bool),
) {
    let (mut shares, mut nearest, mut degrees, mut audible) = (Vec::new(), Vec::new(), 0.0, 0.0);
    let mut made = 0;
    for seed in 0..dose() {
        let mut rng = ChaCha12Rng::seed_from_u64(seed);
        let places = places(&mut rng);
        let levels = levels(&places, &mut rng);
        let pairs = levels
            .iter()
            .flatten()
            .filter(|level| **level > SENSITIVITY)
            .count();
        audible += pairs as f64 / PHONES as f64;
        for _ in 0..5 {
            nearest.push(nearest_first(&levels, budget, &mut rng));
        }
        let mut crowd = Crowd::new(levels, budget, kind, seed);
        let mut at = SETTLED;
        while at <= END {
            crowd.run(at);
            shares.push(giant(crowd.links.values()));
            degrees += 2.0 * crowd.links.len() as f64 / PHONES as f64;
            at += 2 * S;
        }
        assert_eq!(crowd.most_links, budget);
        made += crowd.connections;
    }
    let mean = |shares: &[f64]| shares.iter().sum::<f64>() / shares.len() as f64;
    let least = |shares: &[f64]| shares.iter().copied().fold(1.0, f64::min);
    println!(
        "| {name}, {:?} | {} | {budget} | {:.0} | {:.2} | {:.2} % | {:.1} % | {:.1} % | {:.1} % | {:.1} |",
        kind.0,
        if kind.1 { "always" } else { "never" },
        audible / dose() as f64,
        degrees / shares.len() as f64,
        mean(&shares) * 100.0,
        least(&shares) * 100.0,
        mean(&nearest) * 100.0,
        least(&nearest) * 100.0,
        made as f64 * 60.0 / (END.as_secs_f64() * PHONES as f64 * dose() as f64),
    );
    assert!(mean(&shares) >= 0.99, "{name} {budget}: {}", mean(&shares));
    assert!(
        least(&shares) >= 0.95,
        "{name} {budget}: {}",
        least(&shares)
    );
}

fn figures(budget: usize) {
    for news in [true, false] {
        let strangers = (Relation::Stranger, news);
        figure("uniform", uniform_places, budget, strangers);
        figure("clustered", clustered_places, budget, strangers);
        if dose() > 1 {
            let members = (Relation::Member, news);
            figure("clustered", clustered_places, budget, members);
        }
    }
}

#[test]
fn a_crowd_with_four_links_each_does_not_fall_apart() {
    // LOC-5.
    figures(4);
}

#[test]
fn a_crowd_with_seven_links_each_does_not_fall_apart() {
    // LOC-5.
    figures(7);
}
