//! A peer under the test's own control: an honest session on the link, and above it whatever the test makes
//! it say; or raw frames.

use std::collections::BTreeMap;

use bytes::Bytes;
use sovereign_protocol::{
    engine::Input,
    id::{ContentId, LinkId, TransportId},
    link::{
        Incoming, Output, SLOW_CREDIT, Session, SessionConfig, WIDE_CREDIT, capability,
        frame::{self, Body},
    },
    link_kind::{Medium, Role, Source},
    time::Now,
};

use super::{
    Event, World,
    wire::{End, Profile, Wire},
};

/// What a puppet takes part in.
pub struct Puppet {
    pub session: Session,
    pub wire: u64,
    pub heard: Vec<Incoming>,
    /// Frames as they came.
    pub frames: Vec<Body>,
    pub bodies: BTreeMap<ContentId, (Bytes, u32, u32)>,
    pub id: Option<[u8; 32]>,
    /// The link has ended.
    pub gone: bool,
}

impl World {
    /// A peer dials a node over the LAN, and has said nothing yet.
    pub fn stranger_dials(&mut self, node: usize) -> LinkId {
        let link = LinkId(1_000_000);
        let input = Input::LinkUp {
            link,
            local: self.nodes[node].transport(),
            peer: TransportId([5; 32]),
            role: Role::Listener,
            medium: Medium::Lan,
            source: Source(50),
        };
        self.tell(node, input);
        link
    }

    /// Links a puppet with this transport id and source to a node; it has dialled.
    pub fn puppet(&mut self, node: usize, id: u64, source: u64, profile: Profile) -> usize {
        let puppet = self.puppets.len();
        let mut transport = [0xaa; 32];
        transport[..8].copy_from_slice(&id.to_be_bytes());
        let transport = TransportId(transport);
        let wire = self.next_serial();
        let link = LinkId(self.next_serial() + 1);
        let ends = [End::Puppet(puppet), End::Node(node, link)];
        self.wires.insert(wire, Wire::new(ends, profile));
        let slow = profile.medium.is_slow();
        let mut nonce = [7; 16];
        nonce[..8].copy_from_slice(&wire.to_be_bytes());
        let config = SessionConfig {
            discovery: None,
            role: Role::Dialer,
            local: transport,
            remote: self.nodes[node].transport(),
            nonce,
            capabilities: capability::CARRIES,
            slow,
            credit: if slow { SLOW_CREDIT } else { WIDE_CREDIT },
        };
        let mut session = Session::new(config, self.puppet_now());
        session.start();
        self.puppets.push(Puppet {
            session,
            wire,
            heard: Vec::new(),
            frames: Vec::new(),
            bodies: BTreeMap::new(),
            id: None,
            gone: false,
        });
        self.nodes[node].links.insert(link, wire);
        let input = Input::LinkUp {
            link,
            local: self.nodes[node].transport(),
            peer: transport,
            role: Role::Listener,
            medium: profile.medium,
            source: Source(source),
        };
        self.tell(node, input);
        self.pump_puppet(puppet);
        puppet
    }

    /// Sends bytes as a frame, whatever they are.
    pub fn puppet_raw(&mut self, puppet: usize, bytes: Bytes) {
        let wire = self.puppets[puppet].wire;
        self.push(wire, End::Puppet(puppet), bytes);
    }

    /// Sends a frame past the puppet's own session.
    pub fn puppet_says(&mut self, puppet: usize, body: Body) {
        let bytes = frame::encode(body).expect("within bounds");
        self.puppet_raw(puppet, bytes);
    }

    /// Offers a bundle by the rules: credit is kept.
    pub fn puppet_offers(&mut self, puppet: usize, content: ContentId, body: Bytes, age_s: u32) {
        let size = u32::try_from(body.len()).expect("a bundle");
        let target = &mut self.puppets[puppet];
        target.bodies.insert(content, (body, age_s, 604_800));
        let _ = target.session.offer_bundle(content, size, None);
        self.pump_puppet(puppet);
    }

    pub fn puppet_sent(&mut self, puppet: usize, bytes: usize) {
        let now = self.puppet_now();
        self.puppets[puppet].session.sent(bytes, now);
        self.pump_puppet(puppet);
    }

    pub fn puppet_heard(&mut self, puppet: usize, bytes: Bytes) {
        let now = self.puppet_now();
        let target = &mut self.puppets[puppet];
        if let Ok(body) = frame::decode(&bytes) {
            target.frames.push(body);
        }
        if let Ok(Some(incoming)) = target.session.receive(&bytes, now) {
            match &incoming {
                Incoming::Ready { session, .. } => target.id = Some(*session),
                Incoming::Bundle { bytes, .. } => {
                    target.session.consumed(bytes.len() as u32);
                }
                _ => {}
            }
            target.heard.push(incoming);
        }
        // A turn of its own, after what the node says in the same breath.
        self.schedule(core::time::Duration::ZERO, Event::PuppetTurn { puppet });
    }

    pub fn pump_puppet(&mut self, puppet: usize) {
        let now = self.puppet_now();
        loop {
            let target = &mut self.puppets[puppet];
            let wire = target.wire;
            match target.session.poll(now) {
                Output::Frame(frame) => self.push(wire, End::Puppet(puppet), frame),
                Output::NeedBody(content) => {
                    let body = target.bodies.get(&content).cloned();
                    target.session.provide(content, body);
                }
                Output::Idle => return,
            }
        }
    }

    fn puppet_now(&self) -> Now {
        Now {
            boot: self.now,
            wall_ms: 0,
        }
    }
}
