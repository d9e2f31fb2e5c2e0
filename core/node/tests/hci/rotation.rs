//! A node becomes another one, and a prober that connects before and after cannot tell (must show i of the
//! Bluetooth issue).

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::{Value, json};
use sovereign_node::Node;
use sovereign_node::adapters::{clock::SystemClock, rng::OsRng};
use sovereign_node::api::Command;
use sovereign_node::contract::radio::RadioFixture as _;
use sovereign_node::ports::clock::{BootId, Clock};
use sovereign_protocol::radio::rotation::{MAX_EPOCH, SPREAD};
use sovereign_protocol::time::Now;

use crate::air::Lab;
use crate::lab::WATCHDOG;
use crate::people;
use crate::python::Python;

/// What is shorter turns up twice by chance.
const TELLING: usize = 4;

/// The machine's clocks, ahead by what a test says.
struct Ahead {
    clock: SystemClock,
    by: Mutex<Duration>,
}

impl Ahead {
    fn new() -> Arc<Self> {
        let clock = SystemClock::new(&OsRng);
        let by = Mutex::default();
        Arc::new(Self { clock, by })
    }

    fn advance(&self, time: Duration) {
        *self.by.lock().expect("nobody panics with it") += time;
    }
}

impl Clock for Ahead {
    fn now(&self) -> Now {
        let by = *self.by.lock().expect("nobody panics with it");
        self.clock.now().after(by)
    }

    fn boot_id(&self) -> BootId {
        self.clock.boot_id()
    }
}

/// A node in an air of its own.
struct Alone {
    lab: Lab<false>,
    node: Node,
    clock: Arc<Ahead>,
    _data: tempfile::TempDir,
}

impl Alone {
    async fn start(name: &str) -> Self {
        let mut lab = Lab::default();
        let clock = Ahead::new();
        let data = tempfile::tempdir().unwrap();
        let config = people::config(name, data.path());
        let by = Arc::clone(&clock) as Arc<dyn Clock>;
        let node = Node::start_by(config, lab.join().await, by).await.unwrap();
        // It has something to be recognised by: a channel, and a bundle that it carries.
        let channel = format!("#{name}");
        let target = channel.clone();
        node.call(Command::ChannelJoin { target }).await.unwrap();
        let text = format!("from {name}");
        node.call(Command::Send { channel, text }).await.unwrap();
        Self {
            lab,
            node,
            clock,
            _data: data,
        }
    }

    fn radio(&mut self) -> Value {
        let status = self.lab.ask(&json!({"do": "status"}));
        status["controllers"]["r0"].clone()
    }

    async fn becomes_another(&mut self) {
        let before = self.radio()["address"].clone();
        // Asked, the node sees that its epoch is over; asked again, that the silence is.
        for time in [MAX_EPOCH, SPREAD] {
            self.clock.advance(time);
            self.node.call(Command::Peers).await.unwrap();
        }
        let heard = async {
            while self.radio()["advertising"] != true || self.radio()["address"] == before {
                tokio::task::yield_now().await;
            }
        };
        let heard = tokio::time::timeout(WATCHDOG, heard).await;
        heard.expect("a new epoch");
    }

    /// Hears the node, reads all that can be read, and says what any stranger would say on a link, until the node
    /// has told how much it carries.
    async fn probed(&mut self) -> Probe {
        let hci = self.lab.controller("hci");
        let words = ["dial", "--channel", "#elsewhere", "--observe"];
        let arguments = std::iter::once(hci.as_os_str()).chain(words.map(AsRef::as_ref));
        let mut peer = Python::start("peer", arguments);
        let mut seen = Probe::new();
        loop {
            let said = peer.answer().await;
            match said["is"].as_str().expect("a word") {
                "observed" => {
                    let what = said["what"].as_str().expect("a word").to_owned();
                    let bytes = hex::decode(said["hex"].as_str().expect("hex")).expect("hex");
                    seen.entry(what).or_default().push(bytes);
                }
                "summary" => {
                    assert_eq!(said["count"], 1);
                    break;
                }
                "ended" => panic!("{said}"),
                _ => {}
            }
        }
        peer.tell("close");
        while peer.answer().await["is"] != "ended" {}
        seen
    }
}

/// By what it is: the byte strings that a prober got.
type Probe = BTreeMap<String, Vec<Vec<u8>>>;

fn pieces(probe: &Probe) -> BTreeSet<&[u8]> {
    let strings = probe.values().flatten();
    strings.flat_map(|string| string.windows(TELLING)).collect()
}

/// LOC-3, LOC-8: docs/protocol.md 11.6, the second column; what a set of bundles tells whoever fetches them is
/// admitted there and not looked at.
#[tokio::test]
async fn a_prober_finds_nothing_of_the_epoch_before() {
    let mut node = Alone::start("ana").await;
    let before = node.probed().await;
    let again = node.probed().await;
    node.becomes_another().await;
    let after = node.probed().await;
    // What any node says, once and twice.
    let mut another = Alone::start("ben").await;
    let (first, second) = (another.probed().await, another.probed().await);

    let mut constant = pieces(&first);
    constant.extend(pieces(&second));
    let shared = |a, b| -> BTreeSet<_> {
        let both = pieces(a).intersection(&pieces(b)).copied().collect();
        &both - &constant
    };
    for what in [
        "address",
        "advertised",
        "value",
        "noise static key",
        "noise payload",
        "transport key",
        "frame",
    ] {
        assert!(before.contains_key(what), "{what} was not probed");
        assert_ne!(before[what], after[what], "{what}");
    }
    // Within an epoch the same prober does find the address, the id and the key again.
    let known = shared(&before, &again);
    for what in ["address", "transport key"] {
        let pieces = before[what][0].windows(TELLING);
        assert!(pieces.clone().all(|piece| known.contains(piece)), "{what}");
    }
    let told: Vec<_> = shared(&before, &after)
        .into_iter()
        .map(hex::encode)
        .collect();
    assert!(told.is_empty(), "{told:?} in {before:?} and {after:?}");
    for alone in [node, another] {
        alone.node.shutdown().await;
    }
}
