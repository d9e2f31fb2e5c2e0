//! The engine: one node's decisions. Inputs with the time and a random generator go in, effects
//! come out; it performs no I/O. The runtime, the simulator and the tests drive the same code.

mod by_hand;
mod channel;
mod compose;
mod exchange;
mod gossip;
mod io;
mod link;
mod near;
mod owed;
mod own;
mod paced;
mod peers;
mod persisted;
mod receipts;
mod receive;
mod restore;
mod search;
mod theirs;
mod unwritten;
mod upkeep;

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use core::time::Duration;

use bytes::Bytes;
use rand_core::CryptoRng;

pub use channel::Channel;
pub use compose::{ChannelError, Composed, SendError};
pub use io::{Effect, Input, Judgement, OwnState, PersistOutcome, Said, StoreOp, Tell, Token};
pub use near::Neighbour;
pub use peers::{PeerState, PeerView, UNKNOWN_SOURCE};
pub use receive::{Origin, Taken};
pub use restore::{RestoreError, Stored, Who};
pub use upkeep::Counters;

use crate::{
    id::{ChannelId, ContentId, DeviceId, DiscoveryId, LinkId, MessageId, TransportId},
    identity::Identity,
    link::Scheduler,
    link_kind::Source,
    policy::{
        dial::{self, DialPolicy},
        eager::{Eager, HaveBatcher},
        fetch::Fetch,
        near::{self as near_policy, NearPolicy},
        pace::Pace,
        strikes::{Strikes, Verdict},
    },
    shelf::{Limits, Shelf, life::LifeClock},
    time::Now,
};

/// Channels a node may be in.
pub const MAX_CHANNELS: usize = 64;
/// Lifetime that own messages are given.
pub const OWN_LIFETIME: Duration = Duration::from_secs(604_800);

/// What a node decides by.
#[derive(Debug, Clone)]
pub struct EngineConfig {
    /// Quotas of the shelf.
    pub limits: Limits,
    /// Whether members gossip on wide links.
    pub gossip: bool,
    /// Whom to dial and how many links to hold.
    pub dial: dial::Config,
    /// How many links to hold over Bluetooth LE, and what to spend.
    pub near: near_policy::Config,
    /// Capability bits of `docs/protocol.md` §7.2.
    pub capabilities: u32,
    /// Whether own texts are offered over a slow medium no faster than an island takes them in.
    pub paced: bool,
}

/// A batch of writes on its way to the disk.
#[derive(Debug)]
struct Batch {
    pending: Pending,
    /// What of it has to be written again if the store refuses it.
    lasting: Vec<StoreOp>,
}

/// What to do when a batch of writes is on the disk.
#[derive(Debug)]
enum Pending {
    /// A bundle that came from elsewhere.
    Received(Box<receive::Arrival>),
    /// An own message.
    Composed {
        channel: ChannelId,
        message: MessageId,
        content: ContentId,
        body: Bytes,
    },
    /// A bundle that had been carried unread.
    Found(Box<search::Found>),
    /// Nothing waits for it.
    Quiet,
}

/// One node's decisions.
#[derive(Debug)]
pub struct Engine {
    config: EngineConfig,
    identity: Identity,
    device: DeviceId,
    name: String,
    clock: LifeClock,
    channels: BTreeMap<ChannelId, Channel>,
    shelf: Shelf,
    /// Own messages that are not delivered yet, by the bundle that carries them.
    own: own::Own,
    states: BTreeMap<MessageId, OwnState>,
    /// States that rose and are still to be written.
    risen: Vec<(MessageId, OwnState)>,
    links: BTreeMap<LinkId, link::Link>,
    scheduler: Scheduler,
    eager: Eager,
    have: HaveBatcher,
    fetch: Fetch,
    pace: Pace,
    waiting: paced::Waiting,
    strikes: Strikes<TransportId>,
    /// Verdicts on peers that are to be carried out, and where these are.
    let_go: Vec<(TransportId, Source, Verdict)>,
    dial: DialPolicy,
    near: NearPolicy,
    /// What this node advertises over the radio.
    radio_discovery: Option<DiscoveryId>,
    near_due: VecDeque<near::NearDue>,
    sightings: peers::Sightings,
    /// Links that are to be told which channels this node is in.
    membership_due: BTreeSet<LinkId>,
    /// When the clock was last written down, on the boot clock.
    clock_saved: Duration,
    pending: BTreeMap<Token, Batch>,
    /// Bundles on their way to the disk, and the messages in them.
    arriving: BTreeMap<ContentId, Token>,
    opening: BTreeSet<MessageId>,
    next_token: u64,
    store_trouble: Option<bool>,
    /// When the store is asked whether it takes writes again, on the boot clock.
    probe: Option<Duration>,
    unwritten: unwritten::Unwritten,
    search: search::Search,
    topics_due: bool,
    topics: Vec<[u8; 32]>,
    counters: Counters,
    effects: VecDeque<Effect>,
}

impl Engine {
    /// Tells the engine what happened.
    pub fn handle(&mut self, input: Input, now: Now, rng: &mut impl CryptoRng) {
        self.clock.advance(now);
        match input {
            Input::LinkUp {
                link,
                local,
                peer,
                role,
                medium,
                source,
            } => {
                self.link_up(
                    link,
                    link::Ends {
                        local,
                        peer,
                        role,
                        medium,
                        source,
                    },
                    now,
                    rng,
                );
            }
            Input::LinkDown { link } => self.link_down(link, now, rng),
            Input::Frame { link, frame } => self.frame(link, &frame, now, rng),
            Input::Sent { link, bytes } => self.sent(link, bytes, now),
            Input::Loaded {
                link,
                content,
                body,
            } => self.loaded(link, content, body),
            Input::Persisted(outcomes) => {
                for (token, outcome) in outcomes {
                    self.persisted(token, outcome, now, rng);
                }
            }
            Input::Gossip { token, data } => self.gossiped(token, &data, now),
            Input::Announced {
                transport,
                discovery,
            } => self.announced_self(transport, discovery, now, rng),
            Input::Sighted { sighting, medium } => self.sighted(sighting, medium, now, rng),
            Input::SightingLost { discovery } => self.sighting_lost(discovery, now, rng),
            Input::DialFailed { peer } => self.dial_failed(peer, now, rng),
            Input::Near(event) => {
                // A radio in a crowd tells little else than who is heard again: no link is touched by that.
                if !self.near_event(event, now, rng) {
                    return;
                }
            }
            Input::Timeout => self.timeout(now, rng),
        }
        self.settle_links(now, rng);
    }

    /// Brings every link to rest: what can be asked, announced or sent is.
    fn settle_links(&mut self, now: Now, rng: &mut impl CryptoRng) {
        self.punish(now, rng);
        self.tell_near(now, rng);
        self.pump_membership(rng);
        self.pump_acknowledgements();
        self.offer_paced(now);
        self.pump_exchange(now);
        self.tell_near(now, rng);
        self.pump_links(now);
        self.write_risen();
    }

    /// The next thing to do, if there is one.
    pub fn poll_effect(&mut self) -> Option<Effect> {
        self.effects.pop_front()
    }

    fn tell(&mut self, tell: Tell) {
        self.effects.push_back(Effect::Tell(tell));
    }

    /// The channels this node is in.
    pub fn channels(&self) -> impl Iterator<Item = &Channel> {
        self.channels.values()
    }

    /// One channel.
    #[must_use]
    pub fn channel(&self, id: &ChannelId) -> Option<&Channel> {
        self.channels.get(id)
    }

    /// The shelf: what is carried.
    #[must_use]
    pub fn shelf(&self) -> &Shelf {
        &self.shelf
    }

    /// The identity.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// The display name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Capability bits that this node announces.
    #[must_use]
    pub const fn capabilities(&self) -> u32 {
        self.config.capabilities
    }

    /// Changes the display name: the next message in each channel carries it.
    pub fn set_name(&mut self, name: String) {
        self.name = name;
    }

    /// Writes the node's own record, a `wire::local::NodeRecord` as encoded.
    pub fn persist_node(&mut self, record: Vec<u8>) -> Token {
        self.persist(vec![StoreOp::PutNode(record)], Pending::Quiet)
    }

    /// A new network has no topics yet: the next time-out sets them again.
    pub fn set_topics_again(&mut self) {
        self.topics.clear();
        self.topics_due = true;
    }

    /// State of an own message.
    #[must_use]
    pub fn state(&self, message: &MessageId) -> Option<OwnState> {
        self.states.get(message).copied()
    }

    /// Time lived, for ages.
    #[must_use]
    pub fn life(&self) -> Duration {
        self.clock.life()
    }

    /// What happened so far, by kind.
    #[must_use]
    pub fn counters(&self) -> &Counters {
        &self.counters
    }
}
