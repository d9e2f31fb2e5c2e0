//! Links: their sessions, what their frames mean, what waits to be sent over them.

use core::time::Duration;
use std::{
    collections::{BTreeSet, VecDeque},
    sync::Arc,
};

use bytes::Bytes;
use rand_core::CryptoRng;

use super::near::NearDue;
use super::{
    Effect, Engine, OwnState, Taken, Tell, exchange::NEWS_AGE, owed::Owed, receipts::Told,
    theirs::Theirs,
};
use crate::{
    id::{ChannelId, ContentId, DiscoveryId, LinkId, TransportId},
    link::{
        Incoming, LinkInfo, Offer, Output, PeerKey, SLOW_CREDIT, Session, SessionConfig,
        WIDE_CREDIT,
    },
    link_kind::{Medium, Role, Source},
    policy::strikes::Strike,
    reconcile::{Reconciliation, SessionKey, ShortId},
    shelf::ShortIndex,
    time::Now,
    wire::v1::CloseReason,
};

/// The pseudo-link of the node itself: bodies are loaded for it when a channel was joined.
pub(super) const SELF: LinkId = LinkId(0);

/// Links of one peer and medium that became ready so far apart are no simultaneous dials: the later one stays.
const OUTLIVED: Duration = Duration::from_secs(10);

/// Who is at the ends of a link.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ends {
    pub(super) local: TransportId,
    pub(super) peer: TransportId,
    pub(super) role: Role,
    pub(super) medium: Medium,
    pub(super) source: Source,
}

/// A link.
#[derive(Debug)]
pub(super) struct Link {
    pub(super) ends: Ends,
    pub(super) peer_key: PeerKey,
    pub(super) session: Session,
    /// Set when both Hello are there.
    pub(super) ready: Option<Ready>,
    pub(super) reconciliation: Option<Reconciliation>,
    /// Channels that the other end proved to be a member of.
    pub(super) member_of: BTreeSet<ChannelId>,
    /// All tags that the other end sent.
    pub(super) tags: BTreeSet<[u8; 8]>,
    pub(super) gossip: bool,
    /// Bundles that wait for a place in the session's queue.
    pub(super) owed: Owed,
    /// Ids that wait to be announced.
    pub(super) announce: VecDeque<ShortId>,
    /// Content ids behind short ids, while the link is busy.
    pub(super) index: Option<ShortIndex>,
    /// This side has found out the difference.
    pub(super) decided: bool,
    /// What the other end has, as far as it said so or was sent it.
    pub(super) theirs: Theirs,
    pub(super) done_sent: bool,
    pub(super) done_received: bool,
    pub(super) synced: bool,
    /// Before that, something passed that was not new.
    pub(super) news: bool,
    /// Until the other end was told which messages had come before, if it is a member: what it heard of already.
    pub(super) told: Option<Told>,
    /// To be told now.
    pub(super) acknowledge: Vec<ShortId>,
    pub(super) rtt_ms: Option<u32>,
    /// What its other end says it advertises over the radio.
    pub(super) neighbour: Option<DiscoveryId>,
    pub(super) heard: Duration,
}

/// What the handshake of a link agreed on.
#[derive(Debug, Clone, Copy)]
pub(super) struct Ready {
    pub(super) session: [u8; 32],
    pub(super) key: SessionKey,
    /// Since when, on the boot clock.
    pub(super) since: Duration,
}

impl Link {
    pub(super) fn key(&self) -> Option<SessionKey> {
        self.ready.map(|ready| ready.key)
    }

    /// Whether this link carries the peer's reconciliation, or has.
    pub(super) fn reconciling(&self) -> bool {
        self.reconciliation.is_some() || self.synced
    }

    /// On a slow link membership waits until both ends hold the same.
    pub(super) fn may_tell_membership(&self) -> bool {
        self.ready.is_some() && (self.synced || !self.ends.medium.is_slow())
    }

    /// From the snapshot on, the index follows what arrives; made later from the snapshot it would lack what
    /// came in between.
    pub(super) fn index_over(&mut self, reconciliation: &Reconciliation) {
        let set = || ShortIndex::new(Arc::clone(reconciliation.set()));
        self.index.get_or_insert_with(set);
    }

    pub(super) fn has(&self, short: &ShortId) -> bool {
        self.theirs.contains(short)
    }

    /// Whether a bundle waits to be sent here, or is being sent.
    pub(super) fn owes(&self, content: &ContentId) -> bool {
        self.owed.contains(content) || self.session.is_queued(content)
    }
}

impl Engine {
    pub(super) fn link_up(&mut self, id: LinkId, ends: Ends, now: Now, rng: &mut impl CryptoRng) {
        let info = LinkInfo {
            local: ends.local,
            remote: ends.peer,
            role: ends.role,
            medium: ends.medium,
        };
        let admitted = self.may_link(&ends, now);
        let peer_key = admitted.and_then(|()| {
            self.scheduler
                .up(id, info, now.boot)
                .ok_or(CloseReason::Full)
        });
        let peer_key = match peer_key {
            Ok(peer_key) => peer_key,
            Err(reason) => {
                self.counters.count("link_refused");
                self.refuse_link(id, &ends, reason, now);
                return;
            }
        };
        if ends.medium != Medium::Ble {
            self.dial_up(&ends, now, rng);
        }
        let mut nonce = [0; 16];
        rng.fill_bytes(&mut nonce);
        let slow = ends.medium.is_slow();
        let config = SessionConfig {
            role: ends.role,
            local: ends.local,
            remote: ends.peer,
            nonce,
            capabilities: self.config.capabilities,
            slow,
            discovery: slow.then_some(self.radio_discovery).flatten(),
            credit: if slow { SLOW_CREDIT } else { WIDE_CREDIT },
        };
        let mut session = Session::new(config, now);
        session.start();
        let link = Link {
            ends,
            peer_key,
            session,
            ready: None,
            reconciliation: None,
            member_of: BTreeSet::new(),
            tags: BTreeSet::new(),
            gossip: false,
            owed: Owed::default(),
            announce: VecDeque::new(),
            index: None,
            decided: false,
            theirs: Theirs::default(),
            done_sent: false,
            done_received: false,
            synced: false,
            news: false,
            told: Some(Told::default()),
            acknowledge: Vec::new(),
            rtt_ms: None,
            neighbour: None,
            heard: now.boot,
        };
        self.links.insert(id, link);
        self.counters.count("link_opened");
    }

    /// Closes a link that was not let in, and says why.
    fn refuse_link(&mut self, id: LinkId, ends: &Ends, reason: CloseReason, now: Now) {
        let config = SessionConfig {
            role: ends.role,
            local: ends.local,
            remote: ends.peer,
            nonce: [0; 16],
            capabilities: 0,
            slow: ends.medium.is_slow(),
            discovery: None,
            credit: SLOW_CREDIT,
        };
        let mut session = Session::new(config, now);
        session.close(reason);
        while let Output::Frame(frame) = session.poll(now) {
            self.effects.push_back(Effect::Send { link: id, frame });
        }
        self.effects.push_back(Effect::Close { link: id, reason });
    }

    pub(super) fn link_down(&mut self, id: LinkId, now: Now, rng: &mut impl CryptoRng) {
        self.end_link(id, CloseReason::Unspecified, false, now, rng);
    }

    /// Forgets a link; what it owed another link of the same peer takes over, and what it had
    /// announced is asked for elsewhere.
    fn end_link(
        &mut self,
        id: LinkId,
        reason: CloseReason,
        refused: bool,
        now: Now,
        rng: &mut impl CryptoRng,
    ) {
        let Some(link) = self.links.remove(&id) else {
            return;
        };
        let next = self.scheduler.down(id, now.boot).and_then(|lost| lost.next);
        self.eager.link_down(id);
        self.have.link_down(id);
        self.fetch.link_down(id);
        self.membership_due.remove(&id);
        self.counters.count("link_closed");
        if link.ends.medium == Medium::Ble {
            self.near_due.push_back(NearDue::Down(id, refused));
        } else {
            self.dial_down(&link, refused, now, rng);
        }
        if link.ready.is_none() {
            return;
        }
        self.tell(Tell::LinkDown {
            peer: link.ends.peer,
            medium: link.ends.medium,
            reason,
        });
        if let Some(next) = next {
            self.take_over(next, &link);
        }
        self.peer_changed(link.ends.peer);
    }

    /// Closes a link and says why.
    pub(super) fn close(
        &mut self,
        id: LinkId,
        reason: CloseReason,
        now: Now,
        rng: &mut impl CryptoRng,
    ) {
        if let Some(link) = self.links.get_mut(&id) {
            link.session.close(reason);
            self.drain(id, now);
            self.effects.push_back(Effect::Close { link: id, reason });
            self.counters.count_close(reason);
            self.end_link(id, reason, false, now, rng);
        }
    }

    pub(super) fn frame(&mut self, id: LinkId, frame: &Bytes, now: Now, rng: &mut impl CryptoRng) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        link.heard = now.boot;
        if let Some(metrics) = self.scheduler.metrics_mut(id) {
            metrics.heard(now.boot);
        }
        match link.session.receive(frame, now) {
            Ok(Some(incoming)) => self.incoming(id, incoming, now, rng),
            Ok(None) => {}
            Err(reason) => {
                if reason == CloseReason::Misbehaviour {
                    self.strike(id, Strike::BrokenLink, now);
                }
                self.close(id, reason, now, rng);
            }
        }
    }

    fn incoming(&mut self, id: LinkId, incoming: Incoming, now: Now, rng: &mut impl CryptoRng) {
        match incoming {
            Incoming::Ready {
                session, discovery, ..
            } => self.link_ready(id, session, discovery, now, rng),
            Incoming::Reconcile(body) => self.reconcile(id, &body, now),
            Incoming::Done => self.done(id),
            Incoming::Want(ids) => self.wanted(id, &shorts(&ids)),
            Incoming::Gone(ids) => self.gone(id, &shorts(&ids)),
            Incoming::Have(ids) => self.announced(id, &shorts(&ids)),
            Incoming::Bundle {
                bytes,
                age_s,
                lifetime_s,
            } => {
                let taken = self.take(bytes, age_s, lifetime_s, super::Origin::Link(id), now);
                let old = u64::from(age_s) >= NEWS_AGE.as_secs();
                if let Some(link) = self.links.get_mut(&id) {
                    link.news |= old && matches!(taken, Taken::New(_));
                }
            }
            Incoming::RoundTrip(time) => self.rtt(id, time, now),
            Incoming::Membership(tags) => self.membership(id, tags),
            Incoming::Delivered(ids) => self.delivered(id, &shorts(&ids)),
            Incoming::Closed(reason) => {
                self.effects.push_back(Effect::Close { link: id, reason });
                let parted = matches!(
                    reason,
                    CloseReason::Duplicate | CloseReason::Shutdown | CloseReason::Timeout
                );
                self.end_link(id, reason, !parted, now, rng);
            }
        }
    }

    fn link_ready(
        &mut self,
        id: LinkId,
        session: [u8; 32],
        discovery: Option<DiscoveryId>,
        now: Now,
        rng: &mut impl CryptoRng,
    ) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let ends = link.ends;
        link.neighbour = discovery;
        link.ready = Some(Ready {
            session,
            key: SessionKey::new(&session),
            since: now.boot,
        });
        self.peer_ready(&ends);
        self.near_due.push_back(NearDue::Proven(id));
        if ends.medium == Medium::Ble {
            // Which of two links to a peer stays is found out by a probe (`policy::near`).
            self.scheduler.ready(id, session, now.boot);
            self.open_exchange(id);
            return;
        }
        for outlived in self.outlived_by(id, now) {
            self.close(outlived, CloseReason::Duplicate, now, rng);
        }
        for duplicate in self.scheduler.ready(id, session, now.boot) {
            self.close(duplicate, CloseReason::Duplicate, now, rng);
        }
        if self.links.contains_key(&id) {
            self.open_exchange(id);
        }
    }

    /// Nobody dials a peer it has a link to: one that has stood for long is lost at the other end, and may not
    /// outrank the new one here until that is found out.
    fn outlived_by(&self, id: LinkId, now: Now) -> Vec<LinkId> {
        let Some(new) = self.links.get(&id) else {
            return Vec::new();
        };
        let stood = |link: &Link| {
            link.ready
                .is_some_and(|ready| ready.since + OUTLIVED <= now.boot)
        };
        let rivals = self.links.iter().filter(|(other, link)| {
            **other != id
                && link.peer_key == new.peer_key
                && link.ends.medium == new.ends.medium
                && stood(link)
        });
        rivals.map(|(other, _)| *other).collect()
    }

    pub(super) fn sent(&mut self, id: LinkId, bytes: usize, now: Now) {
        if let Some(link) = self.links.get_mut(&id) {
            link.session.sent(bytes, now);
        }
        if let Some(metrics) = self.scheduler.metrics_mut(id) {
            metrics.sent(bytes as u64, now.boot);
        }
    }

    fn rtt(&mut self, id: LinkId, time: Duration, now: Now) {
        if let Some(link) = self.links.get_mut(&id) {
            link.rtt_ms = Some(u32::try_from(time.as_millis()).unwrap_or(u32::MAX));
            let peer = link.ends.peer;
            self.tell(Tell::RoundTrip { peer, time });
        }
        if let Some(metrics) = self.scheduler.metrics_mut(id) {
            metrics.rtt_measured(time, now.boot);
        }
    }

    pub(super) fn loaded(&mut self, id: LinkId, content: ContentId, body: Option<Bytes>) {
        if id == SELF {
            self.searched(content, body);
            return;
        }
        let life = self.clock.life();
        let ages = self
            .shelf
            .get(&content)
            .map(|meta| (meta.age_now(life), meta.lifetime));
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let body = body.zip(ages).map(|(body, (age, lifetime))| {
            let seconds =
                |duration: Duration| u32::try_from(duration.as_secs()).unwrap_or(u32::MAX);
            (body, seconds(age), seconds(lifetime))
        });
        link.session.provide(content, body);
    }

    /// Moves what can be moved over all links.
    pub(super) fn pump_links(&mut self, now: Now) {
        let ids: Vec<LinkId> = self.links.keys().copied().collect();
        for id in ids {
            self.refill(id);
            self.drain(id, now);
            if let Some(link) = self.links.get(&id)
                && let Some(metrics) = self.scheduler.metrics_mut(id)
            {
                metrics.queue_is(link.session.queued_bytes() as u64, now.boot);
            }
        }
    }

    fn refill(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let mut gone = Vec::new();
        while link.session.room() > 0 {
            let Some((content, wanted)) = link.owed.pop() else {
                break;
            };
            let Some(meta) = self.shelf.get(&content) else {
                // Dropped meanwhile.
                gone.extend(wanted);
                continue;
            };
            let short = wanted.map(|short| short.0);
            if link.session.offer_bundle(content, meta.size, short) == Offer::Refused {
                link.owed.push_first(content, wanted);
                break;
            }
        }
        self.regret(id, &gone);
    }

    fn drain(&mut self, id: LinkId, now: Now) {
        let mut handed = Vec::new();
        if let Some(link) = self.links.get_mut(&id) {
            loop {
                match link.session.poll(now) {
                    Output::Frame(frame) => {
                        self.effects.push_back(Effect::Send { link: id, frame })
                    }
                    Output::NeedBody(content) => {
                        self.effects.push_back(Effect::Load { link: id, content })
                    }
                    Output::Idle => break,
                }
            }
            handed = link.session.finished_bundles();
            if let Some(key) = link.key() {
                for content in &handed {
                    link.theirs.note(key.short(content));
                }
            }
        }
        for content in handed {
            if let Some((channel, message)) = self.own.get(&content) {
                self.raise_state(channel, message, OwnState::Sent);
            }
        }
    }
}

fn shorts(ids: &[u64]) -> Vec<ShortId> {
    ids.iter().copied().map(ShortId).collect()
}
