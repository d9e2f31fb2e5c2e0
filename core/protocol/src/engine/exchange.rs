//! What two nodes tell each other about the bundles they hold: reconciliation when they meet, live
//! announcements afterwards (decision 9).

use core::time::Duration;
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use super::near::NearDue;
use super::{Engine, Tell, Token, link::Link, paced::Waiting};
use crate::{
    id::{ChannelId, ContentId, LinkId},
    link::PROVEN_AFTER,
    link_kind::Role,
    policy::{eager::Candidate, strikes::Strike},
    reconcile::{Reconciliation, SessionKey, SessionSet, ShortId, Step, frames},
    shelf::Shelf,
    time::Now,
    wire::v1::{Done, Gone, Have, Want, frame::Body},
};

/// Up to so many bundles are sent unasked after a reconciliation on a wide link; more are
/// announced, because other links may bring the same ones. A slow link saves the round trip.
const UNASKED: usize = 4;

/// Long lists of announcements wait while so many bytes of control frames do: wants and credit go first.
const ANNOUNCE_BELOW: usize = 4_096;
/// What passes in a reconciliation and is younger may be on its way along links that stay.
pub(super) const NEWS_AGE: Duration = Duration::from_secs(120);
/// A quiet link's index of short ids is given back after so long.
const INDEX_KEPT: Duration = Duration::from_secs(30);

impl Engine {
    /// A link is ready: the listener opens the reconciliation, on one link of each peer.
    pub(super) fn open_exchange(&mut self, id: LinkId) {
        self.membership_due.insert(id);
        let Some(peer) = self.links.get(&id).map(|link| link.peer_key) else {
            return;
        };
        let standby = self
            .links
            .iter()
            .any(|(other, link)| *other != id && link.peer_key == peer && link.reconciling());
        if !standby {
            self.start_reconciliation(id);
        }
    }

    /// A stand-by link takes over from a lost one.
    pub(super) fn take_over(&mut self, id: LinkId, lost: &Link) {
        let life = self.clock.life();
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let Some(key) = link.key() else { return };
        for content in lost.session.unfinished_bundles() {
            link.owed.push(content, None);
        }
        for content in lost.owed.iter() {
            link.owed.push(content, None);
        }
        if link.reconciling() {
            // It will not be compared again: what the lost link was told while it was dead is announced.
            let waited = lost.announce.iter();
            let waited = waited.filter_map(|short| lost.index.as_ref()?.resolve(*short));
            let recent = self.shelf.iter().filter_map(|(content, meta)| {
                (meta.received + PROVEN_AFTER >= life).then_some(*content)
            });
            let news: BTreeSet<ContentId> = waited.chain(recent).collect();
            for content in news {
                let short = key.short(&content);
                let durable = !self.arriving.contains_key(&content);
                let told = !self.waiting.contains(&content);
                if durable && told && !link.has(&short) && !link.owes(&content) {
                    link.announce.push_back(short);
                }
            }
        }
        // A stand-by link that never reconciled does it now: nothing that was lost on the way stays lost.
        self.start_reconciliation(id);
    }

    fn start_reconciliation(&mut self, id: LinkId) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        if link.ends.role != Role::Listener || link.reconciling() {
            return;
        }
        let Some(key) = link.key() else { return };
        let mut reconciliation = Reconciliation::over(
            Role::Listener,
            snapshot(&self.shelf, &self.arriving, &self.waiting, key),
        );
        let steps = reconciliation.start();
        link.index_over(&reconciliation);
        link.reconciliation = Some(reconciliation);
        self.take_steps(id, steps);
    }

    pub(super) fn reconcile(&mut self, id: LinkId, body: &Body, now: Now) {
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let Some(key) = link.key() else { return };
        let role = link.ends.role;
        if link.synced {
            self.strike(id, Strike::BadReconciliation, now);
            return;
        }
        if link.reconciliation.is_none() {
            let set = snapshot(&self.shelf, &self.arriving, &self.waiting, key);
            let reconciliation = Reconciliation::over(role, set);
            link.index_over(&reconciliation);
            link.reconciliation = Some(reconciliation);
        }
        let Some(reconciliation) = &mut link.reconciliation else {
            return;
        };
        match reconciliation.on_frame(body) {
            Ok(steps) => self.take_steps(id, steps),
            Err(_) => self.strike(id, Strike::BadReconciliation, now),
        }
    }

    fn take_steps(&mut self, id: LinkId, steps: Vec<Step>) {
        for step in steps {
            match step {
                Step::Send(body) => self.send(id, body),
                Step::Difference { lack, offer } => self.difference(id, lack, offer),
                Step::Finished => {}
            }
        }
    }

    fn difference(&mut self, id: LinkId, lack: Vec<ShortId>, offer: Vec<ContentId>) {
        let life = self.clock.life();
        let mut offer = self.shelf.order_offers(offer, life);
        let old = |content: &ContentId| {
            let meta = self.shelf.get(content);
            meta.is_some_and(|meta| meta.received + NEWS_AGE <= life)
        };
        let news = offer.iter().any(old);
        // Meanwhile some of it has come, or gone out, as new.
        let lacked = self.lacked(id, &lack);
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let Some(key) = link.key() else { return };
        link.decided = true;
        link.news |= news;
        for short in &lack {
            link.theirs.note(*short);
        }
        offer.retain(|content| !link.has(&key.short(content)) && !link.owes(content));
        self.fetch.heard(id, lacked);
        if link.ends.medium.is_slow() || offer.len() <= UNASKED {
            for content in offer {
                link.owed.push(content, None);
            }
        } else {
            link.announce
                .extend(offer.iter().map(|content| key.short(content)));
        }
    }

    pub(super) fn done(&mut self, id: LinkId) {
        if let Some(link) = self.links.get_mut(&id) {
            if let Some(reconciliation) = &mut link.reconciliation {
                // A Done that comes early says nothing that would have to be taken back.
                let _ = reconciliation.on_frame(&Body::Done(Done {}));
            }
            link.done_received = true;
        }
    }

    /// Says Done when everything that this side lacked is here, and tells people when both did.
    fn conclude(&mut self, id: LinkId) {
        let met = self.fetch.is_met(id);
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let may = link.decided || link.done_received;
        if may && met && link.announce.is_empty() && !link.done_sent {
            link.done_sent = true;
            self.send(id, Body::Done(Done {}));
        }
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        if link.done_sent && link.done_received && !link.synced {
            link.synced = true;
            // The snapshot has served; its memory goes back.
            link.reconciliation = None;
            let peer = link.ends.peer;
            let news = link.news;
            self.near_due
                .push_back(NearDue::Reconciled { link: id, news });
            self.tell(Tell::Synced(peer));
            self.acknowledge_backlog(id);
        }
    }

    /// The other end asks for bundles.
    pub(super) fn wanted(&mut self, id: LinkId, shorts: &[ShortId]) {
        let found: Vec<Option<ContentId>> = shorts
            .iter()
            .map(|short| self.resolve(id, *short))
            .collect();
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        let mut gone = Vec::new();
        for (short, content) in shorts.iter().zip(found) {
            match content.filter(|content| self.shelf.held(content)) {
                Some(content) => link.owed.push(content, Some(*short)),
                None => gone.push(*short),
            }
        }
        self.regret(id, &gone);
    }

    /// Tells the other end that what it wants is not here any more.
    pub(super) fn regret(&mut self, id: LinkId, gone: &[ShortId]) {
        for ids in frames::pack_all(gone) {
            self.send(id, Body::Gone(Gone { ids }));
        }
    }

    pub(super) fn gone(&mut self, id: LinkId, shorts: &[ShortId]) {
        self.fetch.gone(id, shorts);
    }

    /// The other end announces bundles.
    pub(super) fn announced(&mut self, id: LinkId, shorts: &[ShortId]) {
        let lacked = self.lacked(id, shorts);
        let Some(link) = self.links.get_mut(&id) else {
            return;
        };
        for short in shorts {
            link.theirs.note(*short);
        }
        self.fetch.heard(id, lacked);
    }

    fn lacked(&mut self, id: LinkId, shorts: &[ShortId]) -> Vec<ShortId> {
        let shorts = shorts.iter().copied();
        shorts
            .filter(|short| {
                let content = self.resolve(id, *short);
                !content.is_some_and(|content| self.knows(&content))
            })
            .collect()
    }

    /// Whether a bundle is here, was, or is on its way to the disk. The indexes of links remember longer.
    pub(super) fn knows(&self, content: &ContentId) -> bool {
        self.shelf.held(content) || self.shelf.seen(content) || self.arriving.contains_key(content)
    }

    /// A bundle came and could not be stored: whoever is known to have it is asked again.
    pub(super) fn hear_again(&mut self, content: &ContentId) {
        for (id, link) in &self.links {
            let Some(key) = link.key() else { continue };
            let short = key.short(content);
            if link.has(&short) {
                self.fetch.heard(*id, [short]);
            }
        }
    }

    /// The content id behind a short id of a link: of a bundle held, seen, or on its way to the disk.
    pub(super) fn resolve(&mut self, id: LinkId, short: ShortId) -> Option<ContentId> {
        let link = self.links.get_mut(&id)?;
        let key = link.key()?;
        let shelf = &self.shelf;
        let index = link.index.get_or_insert_with(|| shelf.short_index(key));
        index.resolve(short).or_else(|| {
            self.arriving
                .keys()
                .find(|content| key.short(content) == short)
                .copied()
        })
    }

    /// Gives back the indexes of links that have been quiet.
    pub(super) fn drop_quiet_indexes(&mut self, now: Now) {
        for link in self.links.values_mut() {
            // While the snapshot lives the index costs next to nothing.
            if link.reconciliation.is_none() && link.heard + INDEX_KEPT <= now.boot {
                link.index = None;
            }
        }
    }

    /// A bundle has come, or was refused for good: nobody need be asked for it any more.
    pub(super) fn strike_from_lists(
        &mut self,
        content: &ContentId,
        from: Option<LinkId>,
        now: Now,
    ) {
        for (id, link) in &mut self.links {
            let Some(key) = link.key() else { continue };
            let short = key.short(content);
            if from == Some(*id) {
                link.theirs.note(short);
                self.fetch.brought(*id, short, now.boot);
                self.have.settled(*id, content);
            } else {
                self.fetch.got(*id, short);
            }
        }
    }

    /// A bundle is durable: two links get it at once, the others hear of it.
    pub(super) fn offer(
        &mut self,
        content: ContentId,
        from: Option<LinkId>,
        channel: Option<ChannelId>,
        now: Now,
    ) {
        let Some(size) = self.shelf.get(&content).map(|meta| meta.size) else {
            return;
        };
        let giver = from
            .and_then(|from| self.links.get(&from))
            .map(|link| link.peer_key);
        let mut candidates = Vec::new();
        for (id, link) in &mut self.links {
            let Some(key) = link.key() else { continue };
            if let Some(index) = &mut link.index {
                index.insert(content, &self.shelf);
            }
            let standing = self.scheduler.standing(link.peer_key) == Some(*id);
            if standing && !link.has(&key.short(&content)) {
                candidates.push(Candidate {
                    link: *id,
                    peer: link.peer_key,
                    member: channel.is_some_and(|channel| link.member_of.contains(&channel)),
                    slow: link.ends.medium.is_slow(),
                });
            }
        }
        let spread = self.eager.spread(&candidates, giver, size);
        for id in spread.eager {
            if let Some(link) = self.links.get_mut(&id) {
                link.owed.push_first(content, None);
            }
        }
        for id in spread.announce {
            self.have.add(id, content, now.boot);
        }
    }

    /// Announces what is due, asks for what is lacked, says Done.
    pub(super) fn pump_exchange(&mut self, now: Now) {
        for (id, contents) in self.have.take_due(now.boot) {
            let Some(link) = self.links.get_mut(&id) else {
                continue;
            };
            let Some(key) = link.key() else { continue };
            let shorts = contents.iter().map(|content| key.short(content));
            let news: Vec<ShortId> = shorts.filter(|short| !link.has(short)).collect();
            link.announce.extend(news);
        }
        for link in self.links.values_mut() {
            while !link.announce.is_empty() && link.session.control_waiting() < ANNOUNCE_BELOW {
                let count = link.announce.len().min(frames::MAX_IDS_PER_FRAME);
                let batch: Vec<ShortId> = link.announce.drain(..count).collect();
                if link
                    .session
                    .send(Body::Have(Have {
                        ids: frames::pack(&batch),
                    }))
                    .is_err()
                {
                    break;
                }
            }
        }
        // What cannot be stored is not asked for.
        while self.store_trouble.is_none()
            && let Some((link, ids)) = self.fetch.poll(now.boot)
        {
            for ids in frames::pack_all(&ids) {
                self.send(link, Body::Want(Want { ids }));
            }
        }
        let ids: Vec<LinkId> = self.links.keys().copied().collect();
        for id in ids {
            self.conclude(id);
        }
    }

    /// Queues a control frame; a session that takes none is about to be closed by its time-out.
    pub(super) fn send(&mut self, id: LinkId, body: Body) {
        if let Some(link) = self.links.get_mut(&id)
            && link.session.send(body).is_err()
        {
            self.counters.count("control_refused");
        }
    }
}

/// What this node can vouch for, and tells: a bundle that is not on the disk yet may still be refused there, an own
/// one that waits for its turn is told when that comes.
fn snapshot(
    shelf: &Shelf,
    arriving: &BTreeMap<ContentId, Token>,
    waiting: &Waiting,
    key: SessionKey,
) -> Arc<SessionSet> {
    let durable = shelf
        .ids()
        .filter(|content| !arriving.contains_key(content) && !waiting.contains(content));
    SessionSet::new(key, durable)
}

#[cfg(test)]
mod tests {
    use rand_chacha::ChaCha8Rng;
    use rand_core::SeedableRng as _;

    use super::*;
    use crate::{
        engine::{EngineConfig, Input, Stored, Who},
        id::{DeviceId, TransportId},
        identity::Identity,
        link_kind::{Medium, Source},
        policy::{dial, near},
        shelf::Limits,
    };

    const LINK: LinkId = LinkId(1);

    fn at(boot: Duration) -> Now {
        Now { boot, wall_ms: 0 }
    }

    /// An engine with one link, over which nothing was said since the clock began.
    fn linked() -> Engine {
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        let config = EngineConfig {
            limits: Limits::default(),
            gossip: false,
            dial: dial::Config::default(),
            near: near::Config::default(),
            capabilities: 0,
            paced: true,
        };
        let who = Who {
            identity: Identity::from_seed([1; 32]),
            device: DeviceId([0; 4]),
            name: String::new(),
        };
        let now = at(Duration::ZERO);
        let engine = Engine::restore(config, who, Stored::default(), [1; 16], now, &mut rng);
        let mut engine = engine.expect("nothing is stored");
        let up = Input::LinkUp {
            link: LINK,
            local: TransportId([1; 32]),
            peer: TransportId([2; 32]),
            role: Role::Listener,
            medium: Medium::Lan,
            source: Source(1),
        };
        engine.handle(up, now, &mut rng);
        engine
    }

    #[test]
    fn a_quiet_link_gives_its_index_back_unless_it_is_being_compared() {
        let key = SessionKey::new(&[0; 32]);
        let kept = |quiet: Duration, compared: bool| {
            let mut engine = linked();
            let index = engine.shelf.short_index(key);
            let link = engine.links.get_mut(&LINK).expect("linked");
            link.index = Some(index);
            link.reconciliation = compared.then(|| Reconciliation::new(Role::Listener, key, []));
            engine.drop_quiet_indexes(at(quiet));
            engine.links[&LINK].index.is_some()
        };
        let moment = Duration::from_millis(1);
        assert!(kept(INDEX_KEPT - moment, false));
        assert!(!kept(INDEX_KEPT, false));
        assert!(!kept(INDEX_KEPT + moment, false));
        assert!(kept(INDEX_KEPT + moment, true));
    }
}
