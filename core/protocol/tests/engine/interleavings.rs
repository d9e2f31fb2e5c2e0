//! MSG-6 as a property: whatever happens on the way (links up and down, partitions, crashes, reboots, full
//! disks, carriers, newcomers), once everybody has been connected everybody has the same.

use std::time::Duration;

use crate::world::{
    World, ms,
    node::{Setup, TODAY_MS},
    s,
    wire::Profile,
};
use proptest::{collection::vec, prelude::*};
use sovereign_protocol::{
    engine::{ChannelError, SendError},
    id::ChannelId,
};

#[derive(Debug, Clone)]
enum Step {
    Say { node: usize, channel: usize },
    Link { a: usize, b: usize, kind: usize },
    Cut { nth: usize },
    Split { parts: usize },
    Crash { node: usize },
    Start { node: usize, reboot: bool },
    Join { node: usize },
    Fill { node: usize },
    Empty { node: usize },
    Wait { ms: u64 },
}

fn step() -> impl Strategy<Value = Step> {
    let node = || 0..8_usize;
    prop_oneof![
        8 => (node(), 0..3_usize).prop_map(|(node, channel)| Step::Say { node, channel }),
        8 => (node(), node(), 0..3_usize).prop_map(|(a, b, kind)| Step::Link { a, b, kind }),
        3 => (0..16_usize).prop_map(|nth| Step::Cut { nth }),
        1 => (1..4_usize).prop_map(|parts| Step::Split { parts }),
        2 => node().prop_map(|node| Step::Crash { node }),
        3 => (node(), any::<bool>()).prop_map(|(node, reboot)| Step::Start { node, reboot }),
        1 => node().prop_map(|node| Step::Join { node }),
        1 => node().prop_map(|node| Step::Fill { node }),
        2 => node().prop_map(|node| Step::Empty { node }),
        8 => prop_oneof![0..5_u64, 5..200_u64, 200..5_000_u64].prop_map(|ms| Step::Wait { ms }),
    ]
}

struct Run {
    world: World,
    channels: Vec<ChannelId>,
    nodes: usize,
    texts: usize,
}

impl Run {
    /// 3 to 8 nodes; everybody but the last two is in the public channel, the first three and the first two in
    /// private ones.
    fn new(seed: u64, nodes: usize, gossip: bool) -> Self {
        let mut world = World::new(seed);
        world.checked = true;
        world.detection = ms(400);
        for n in 0..nodes {
            world.add(Setup {
                gossip,
                wall_ms: [TODAY_MS, 0, TODAY_MS + 3_600_000, 4_294_967_295_000][n % 4],
                persist: ms([0, 1, 20, 150][(seed as usize + n) % 4]),
                ..Setup::default()
            });
        }
        let square: Vec<usize> = (0..nodes.saturating_sub(2).max(2)).collect();
        let channels = vec![
            world.channel("#square", &square),
            world.channel("three", &[0, 1, 2]),
            world.channel("two", &[0, nodes - 1]),
        ];
        world.run(s(1));
        Self {
            world,
            channels,
            nodes,
            texts: 0,
        }
    }

    fn is_up(&self, node: usize) -> bool {
        node < self.nodes && self.world.nodes[node].engine.is_some()
    }

    fn step(&mut self, step: &Step) {
        match *step {
            Step::Say { node, channel } if self.is_up(node) => {
                self.texts += 1;
                let text = format!("text {}", self.texts);
                let said = self.world.try_say(node, self.channels[channel], &text);
                assert!(
                    matches!(
                        said,
                        Ok(_) | Err(SendError::Unknown | SendError::Store { .. })
                    ),
                    "{said:?}"
                );
            }
            Step::Link { a, b, kind } if a != b && self.is_up(a) && self.is_up(b) => {
                let profile = [Profile::LAN, Profile::NARROW, Profile::RADIO][kind];
                self.world.connect(a, b, profile);
            }
            Step::Cut { nth } => {
                let wire = self.world.wires.keys().nth(nth).copied();
                if let Some(wire) = wire {
                    self.world.cut(wire);
                }
            }
            Step::Split { parts } => {
                self.world.cut_all();
                for part in 0..parts {
                    let group = (part..self.nodes)
                        .step_by(parts)
                        .filter(|node| self.is_up(*node));
                    let group: Vec<usize> = group.collect();
                    self.world.chain(&group, Profile::LAN);
                }
            }
            Step::Crash { node } if self.is_up(node) => self.world.crash(node),
            Step::Start { node, reboot } if node < self.nodes && !self.is_up(node) => {
                self.world.restart(node, reboot);
            }
            Step::Join { node } if self.is_up(node) => {
                let joined = self.world.try_join(node, "#square");
                assert!(matches!(joined, Ok(()) | Err(ChannelError::Joined(_))));
            }
            Step::Fill { node } if self.is_up(node) => self.world.nodes[node].full = true,
            Step::Empty { node } if self.is_up(node) => self.world.nodes[node].full = false,
            Step::Wait { ms: wait } => self.world.run(ms(wait)),
            _ => {}
        }
    }

    /// Everybody is there and connected, one by the next: by new links, or by those that are there and what
    /// is missing.
    fn heal(&mut self, anew: bool) -> Duration {
        let world = &mut self.world;
        for node in 0..self.nodes {
            world.nodes[node].full = false;
            if world.nodes[node].engine.is_none() {
                world.restart(node, false);
            }
        }
        if anew {
            world.cut_all();
        }
        world.run(world.detection);
        for node in 1..self.nodes {
            if world.between(node - 1, node).is_none() {
                world.connect(node - 1, node, Profile::LAN);
            }
        }
        let took = world.settle(s(60));
        // Nobody has anything to say any more that changes that.
        world.run(s(20));
        world.assert_settled();
        took
    }
}

proptest! {
    #![proptest_config(ProptestConfig {
        cases: std::env::var("PROPTEST_CASES").ok().and_then(|n| n.parse().ok()).unwrap_or(256),
        max_shrink_iters: 2_000,
        ..ProptestConfig::default()
    })]

    #[test]
    fn whatever_happens_everybody_ends_with_the_same_history(
        seed: u64, nodes in 3..=8_usize, gossip: bool, anew: bool, steps in vec(step(), 1..80)
    ) {
        let mut run = Run::new(seed, nodes, gossip);
        for step in &steps {
            run.step(step);
        }
        run.heal(anew);
    }
}
