//! After a channel was joined: what was carried unread is tried with its keys. The channel's record says until
//! the end that the search is on, so that a crash does not end it.

use std::collections::{BTreeSet, VecDeque};

use bytes::Bytes;
use prost::Message as _;
use rand_core::CryptoRng;

use super::{
    Effect, Engine, Pending, StoreOp,
    compose::channel_record,
    link::SELF,
    receive::{Opened, Sight},
};
use crate::{
    id::{ChannelId, ContentId},
    message::bundle::Bundle,
    shelf,
    time::Now,
};

/// Bodies that are read from the store at the same time.
const AT_ONCE: usize = 16;

/// Which bundles are still to be tried.
#[derive(Debug, Default)]
pub(super) struct Search {
    waiting: VecDeque<ContentId>,
    /// Being read from the store, or opened and on their way back to it.
    under_way: BTreeSet<ContentId>,
    /// On their way to the disk for the first time: to be tried once they are there.
    arriving: BTreeSet<ContentId>,
}

impl Search {
    fn is_over(&self) -> bool {
        self.waiting.is_empty() && self.under_way.is_empty() && self.arriving.is_empty()
    }
}

/// A bundle that had been carried unread, and what it holds.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) content: ContentId,
    pub(super) opened: Opened,
    /// What it was carried as.
    kind: shelf::Kind,
}

impl Engine {
    /// Begins, or begins anew.
    pub(super) fn begin_search(&mut self) {
        let carried = self
            .shelf
            .iter()
            .filter(|(_, meta)| meta.kind.is_carried())
            .map(|(content, _)| *content);
        let (arriving, waiting): (Vec<_>, Vec<_>) =
            carried.partition(|content| self.arriving.contains_key(content));
        // What is being read is tried with the new keys too: they are there already.
        self.search.arriving = arriving.into_iter().collect();
        self.search.waiting = waiting
            .into_iter()
            .filter(|content| !self.search.under_way.contains(content))
            .collect();
        self.go_on_searching();
    }

    pub(super) fn go_on_searching(&mut self) {
        if self.store_trouble.is_some() {
            return;
        }
        while self.search.under_way.len() < AT_ONCE
            && let Some(content) = self.search.waiting.pop_front()
        {
            self.search.under_way.insert(content);
            self.effects.push_back(Effect::Load {
                link: SELF,
                content,
            });
        }
        if !self.search.is_over() {
            return;
        }
        let mut ops = Vec::new();
        for (id, channel) in &mut self.channels {
            if core::mem::take(&mut channel.searching) {
                ops.push(StoreOp::PutChannel {
                    channel: *id,
                    record: channel_record(channel),
                });
            }
        }
        if !ops.is_empty() {
            self.persist(ops, Pending::Quiet);
        }
    }

    /// A bundle that was on its way to the disk when a search began is there, or is not.
    pub(super) fn search_arrived(&mut self, content: ContentId, durable: bool) {
        if self.search.arriving.remove(&content) {
            if durable {
                self.search.waiting.push_back(content);
            }
            self.go_on_searching();
        }
    }

    /// A carried bundle was read from the store.
    pub(super) fn searched(&mut self, content: ContentId, body: Option<Bytes>) {
        if !self.try_open(content, body) {
            self.search.under_way.remove(&content);
        }
        self.go_on_searching();
    }

    /// Whether it is on its way back to the store, opened.
    fn try_open(&mut self, content: ContentId, body: Option<Bytes>) -> bool {
        let kind = self.shelf.get(&content).map(|meta| meta.kind);
        let Some(kind) = kind.filter(|kind| kind.is_carried()) else {
            return false;
        };
        let Some(bundle) = body.and_then(|body| Bundle::parse(body).ok()) else {
            return false;
        };
        let Sight::Mine(opened) = self.look(&bundle) else {
            return false;
        };
        let mut ops = Vec::new();
        self.record_opened(&opened, content, &mut ops);
        self.shelf
            .reclassify(&content, shelf::Kind::Member, Some(opened.envelope.id));
        if let Some(record) = self.shelf.to_record(&content) {
            ops.push(StoreOp::PutRecord {
                content,
                record: record.encode_to_vec(),
            });
        }
        self.opening.insert(opened.envelope.id);
        let found = Found {
            content,
            opened: *opened,
            kind,
        };
        self.persist(ops, Pending::Found(Box::new(found)));
        true
    }

    pub(super) fn found(
        &mut self,
        found: Found,
        durable: bool,
        now: Now,
        rng: &mut impl CryptoRng,
    ) {
        let Found {
            content,
            opened,
            kind,
        } = found;
        self.search.under_way.remove(&content);
        self.opening.remove(&opened.envelope.id);
        if durable {
            self.opened(opened, content, None, now, rng);
        } else {
            self.shelf.reclassify(&content, kind, None);
            self.search.waiting.push_back(content);
        }
        self.go_on_searching();
    }

    /// A channel was left: its bundles are carried on unread. The own ones keep a better place.
    pub(super) fn carry_on(&mut self, channel: ChannelId, ops: &mut Vec<StoreOp>) {
        let Some(log) = self.channels.get(&channel).map(|channel| &channel.log) else {
            return;
        };
        let its = |meta: &shelf::Meta| meta.message.is_some_and(|id| log.contains(&id));
        let bundles: Vec<(ContentId, shelf::Kind)> = self
            .shelf
            .iter()
            .filter(|(_, meta)| its(meta))
            .map(|(content, meta)| (*content, meta.kind))
            .collect();
        for (content, kind) in bundles {
            let carried = match kind {
                shelf::Kind::Own => shelf::Kind::Contact,
                _ => shelf::Kind::Stranger,
            };
            self.shelf.reclassify(&content, carried, None);
            if let Some(record) = self.shelf.to_record(&content) {
                ops.push(StoreOp::PutRecord {
                    content,
                    record: record.encode_to_vec(),
                });
            }
        }
        let changes = self.shelf.trim(self.clock.life());
        self.follow(&changes, ops);
    }
}
