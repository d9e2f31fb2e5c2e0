//! Whom to link (LOC-5, decision 11): shares of the budget, and whom to meet next.
//!
//! Half of the budget is for contacts and members; what they do not use is lent to strangers, who then make
//! the backbone on which a crowd's messages travel, and is taken back when a contact comes in sight. The
//! backbone's first link goes to the strongest, the next to one of the weaker half, chosen by a hash of
//! both ids: links to the nearest alone make cliques. What is left meets one stranger after another, those
//! never met first and those whose signal is weak last, but that some meetings are for these: two crowds at the
//! edge of each other's reach have nobody else who could join them. A share is kept free for those who dial.

use core::{cmp::Reverse, time::Duration};

use sha2::{Digest, Sha256};

use super::{
    event::Relation,
    links::{Kind, Link},
    neighbour::{Neighbour, Standing},
    table::Table,
};
use crate::id::{DiscoveryId, LinkId};
use std::collections::BTreeMap;

/// Weaker neighbours, in dBm, are dialled only when there is nobody else, or at one of [`FAR_EVERY`] meetings.
///
/// [`FAR_EVERY`]: super::FAR_EVERY
pub const WEAK: i8 = -90;
/// A contact not heard for so long has no claim on a link.
pub const CLAIM: Duration = Duration::from_secs(60);

/// How the budget is divided.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shares {
    /// Links at most.
    pub(super) budget: usize,
    /// For contacts and members, lent to strangers where these need them not.
    pub(super) sticky: usize,
    /// Not dialled for strangers: free for those who dial.
    pub(super) inbound: usize,
}

impl Shares {
    /// Of four: two, one and one to meet others with; of seven: three, two and two.
    pub(super) const fn of(budget: usize) -> Self {
        let third = budget / 3;
        Self {
            budget,
            sticky: budget / 2,
            inbound: if third == 0 { 1 } else { third },
        }
    }
}

/// Contacts and members in sight that have no link, up to what their share still holds.
pub(super) fn claims(
    shares: Shares,
    table: &Table,
    links: &BTreeMap<LinkId, Link>,
    now: Duration,
) -> usize {
    let sticky = links.values().filter(|link| link.kind == Kind::Sticky);
    let free = shares.sticky.saturating_sub(sticky.count());
    let waiting = table.iter().filter(|(_, known)| claims_link(known, now));
    waiting.take(free).count()
}

/// Whether this neighbour should have a link that strangers yield to.
pub(super) fn claims_link(known: &Neighbour, now: Duration) -> bool {
    known.relation > Relation::Stranger
        && known.standing > Standing::Doubtful
        && !known.linked
        && now < known.seen + CLAIM
}

/// Sorts the proven links anew: contacts and members into their share, oldest first; then strangers, those
/// in the backbone before others, into what of it is neither used nor claimed; the rest are encounters.
pub(super) fn classify(shares: Shares, claims: usize, links: &mut BTreeMap<LinkId, Link>) {
    let mut proven: Vec<(bool, bool, Duration, LinkId)> = links
        .iter()
        .filter(|(_, link)| link.is_established())
        .map(|(id, link)| {
            let stranger = link.relation == Relation::Stranger;
            (stranger, link.kind != Kind::Backbone, link.since, *id)
        })
        .collect();
    proven.sort_unstable();
    let mut free = shares.sticky;
    let mut reserved = claims;
    for (stranger, _, _, id) in proven {
        let Some(link) = links.get_mut(&id) else {
            continue;
        };
        if stranger {
            free = free.saturating_sub(core::mem::take(&mut reserved));
        }
        link.kind = match (free, stranger) {
            (0, _) => Kind::Encounter,
            (_, false) => Kind::Sticky,
            (_, true) => Kind::Backbone,
        };
        free = free.saturating_sub(1);
    }
}

/// Whether a stranger more would be in the backbone.
pub(super) fn backbone_has_room(
    shares: Shares,
    claims: usize,
    links: &BTreeMap<LinkId, Link>,
) -> bool {
    let held = links
        .values()
        .filter(|link| matches!(link.kind, Kind::Sticky | Kind::Backbone));
    held.count() + claims < shares.sticky
}

/// Whether it is heard at the edge of reach.
pub(super) fn is_weak(known: &Neighbour) -> bool {
    known.dbm().is_some_and(|dbm| dbm < WEAK)
}

/// What for a stranger is dialled.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    /// There is a place in the backbone.
    pub(super) backbone: bool,
    /// Whom else to meet: rather one at the edge of reach.
    pub(super) far: bool,
}

/// Whom to dial next among those who may be.
pub(super) fn choose(
    table: &Table,
    wanted: Wanted,
    may: impl Fn(&DiscoveryId, &Neighbour) -> bool,
) -> Option<DiscoveryId> {
    let strong = |(_, known): &(&DiscoveryId, &Neighbour)| !is_weak(known);
    let open = |(id, known): &(&DiscoveryId, &Neighbour)| may(id, known);
    if wanted.backbone {
        let believed: Vec<(&DiscoveryId, &Neighbour)> = table
            .ranked()
            .filter(|(_, known)| known.standing > Standing::Doubtful)
            .collect();
        let middle = believed.len().div_ceil(2);
        let (near, far) = believed.split_at(middle);
        let chosen = if near.iter().any(|(_, known)| known.linked) {
            let far = far.iter().copied().filter(open).filter(strong);
            far.max_by_key(|(_, known)| known.lots.pair)
        } else {
            near.iter().copied().find(open)
        };
        if let Some((id, _)) = chosen {
            return Some(*id);
        }
    }
    table
        .iter()
        .filter(open)
        .min_by_key(|one| {
            let (_, known) = one;
            (
                Reverse(known.standing.min(Standing::Established)),
                strong(one) == wanted.far,
                known.tries.met,
                known.lots.own,
            )
        })
        .map(|(id, _)| *id)
}

/// The same number at both ends; a function of the ids alone, so it changes when they do.
pub(super) fn pair_lot(one: &DiscoveryId, other: &DiscoveryId) -> u64 {
    let digest: [u8; 32] = Sha256::new()
        .chain_update(one.min(other).as_bytes())
        .chain_update(one.max(other).as_bytes())
        .finalize()
        .into();
    let (first, _) = digest.as_chunks::<8>();
    u64::from_be_bytes(first[0])
}
