//! The epochs of a private channel's ratchet that a member can still read (§4.3).
//!
//! The chain runs forward only, so the chain key of the oldest readable epoch gives all later
//! ones. What is kept are *anchors*: epochs that were once the newest, each with the key clock of
//! its adoption. An anchor and the epochs after it, up to the next anchor, are superseded when the
//! next anchor is adopted and go 8 days later. Anchors adopted within one [`COALESCE`] are merged
//! into the older one, which delays forgetting by at most that span and never hastens it: a member
//! that advances the epoch with every message costs nobody a readable key and nobody memory.

use core::{fmt, time::Duration};

use bytes::Bytes;
use zeroize::Zeroizing;

use crate::{crypto::kdf, wire::local::EpochKey};

/// Running time after which a member may step to the next epoch by itself.
pub const EPOCH_LENGTH: Duration = Duration::from_secs(24 * 3600);
/// How long a superseded epoch stays readable: a bundle's longest life and a day.
pub const EPOCH_KEPT: Duration = Duration::from_secs(8 * 24 * 3600);
/// How many epochs ahead of its newest a member looks, and how many it keeps above its oldest.
pub const EPOCH_WINDOW: u32 = 1_024;

/// Anchors closer together than this are merged.
const COALESCE: u64 = 6 * 3600;
/// Most anchors: two for each [`COALESCE`] in [`EPOCH_KEPT`], one before, and as many again for
/// those that a key clock set back has moved together.
pub(super) const MAX_ANCHORS: usize = 128;

const RATCHET: &str = "sovereign/v1/ratchet";

/// A chain key of 32 bytes.
pub(super) type Chain = Zeroizing<[u8; 32]>;

/// The chain key after `chain`.
pub(super) fn ratchet(chain: &Chain) -> Chain {
    Zeroizing::new(kdf(&**chain, &[], RATCHET))
}

#[derive(Clone, PartialEq, Eq)]
struct Anchor {
    epoch: u32,
    chain: Chain,
    /// Key clock of the adoption, rounded up to seconds so that nothing goes early.
    adopted_s: u64,
    /// Another member was authenticated at this epoch or above, or the channel began with it.
    confirmed: bool,
}

/// Never empty; epochs ascend, and the last is at most [`EPOCH_WINDOW`] above the first.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Epochs(Vec<Anchor>);

impl Epochs {
    pub(super) fn new(epoch: u32, chain: Chain, key_clock: Duration, confirmed: bool) -> Self {
        Self(vec![Anchor {
            epoch,
            chain,
            adopted_s: seconds_up(key_clock),
            confirmed,
        }])
    }

    /// The newest epoch and its chain key.
    pub(super) fn newest(&self) -> (u32, &Chain) {
        let anchor = self.last();
        (anchor.epoch, &anchor.chain)
    }

    /// Tries every readable epoch, newest first, then those ahead of the newest, until `test`
    /// answers: at most 2 × [`EPOCH_WINDOW`] + 1 tries. Nothing changes.
    pub(super) fn find<T>(&self, mut test: impl FnMut(u32, &Chain) -> Option<T>) -> Option<T> {
        let mut next_anchor = None;
        for anchor in self.0.iter().rev() {
            // This anchor's epochs are derived forward and tried backward.
            let mut chains = vec![(anchor.epoch, anchor.chain.clone())];
            for epoch in anchor.epoch.saturating_add(1)..next_anchor.unwrap_or(0) {
                let chain = ratchet(&chains[chains.len() - 1].1);
                chains.push((epoch, chain));
            }
            for (epoch, chain) in chains.iter().rev() {
                if let Some(found) = test(*epoch, chain) {
                    return Some(found);
                }
            }
            next_anchor = Some(anchor.epoch);
        }
        let (newest, chain) = self.newest();
        let mut chain = chain.clone();
        for epoch in newest.checked_add(1)?..=newest.saturating_add(EPOCH_WINDOW) {
            chain = ratchet(&chain);
            if let Some(found) = test(epoch, &chain) {
                return Some(found);
            }
        }
        None
    }

    /// An envelope at `epoch` was opened and authenticated: the newest epoch follows it, at most
    /// to [`EPOCH_WINDOW`] above the oldest readable one. Returns whether anything changed.
    pub(super) fn authenticated(
        &mut self,
        epoch: u32,
        by_other: bool,
        key_clock: Duration,
    ) -> bool {
        let changed = self.forget(key_clock);
        let newest = self.last().epoch;
        if epoch < newest || epoch - newest > EPOCH_WINDOW {
            return changed;
        }
        let target = epoch.min(self.ceiling());
        if target > newest {
            self.adopt(target, by_other, key_clock);
            return true;
        }
        let confirms = by_other && !self.last().confirmed;
        self.last_mut().confirmed |= by_other;
        changed || confirms
    }

    /// Steps to the next epoch if [`EPOCH_LENGTH`] has passed and another member has been seen at
    /// the newest. Returns whether anything changed.
    pub(super) fn step(&mut self, key_clock: Duration) -> bool {
        let changed = self.forget(key_clock);
        let newest = self.last();
        let due = elapsed(newest.adopted_s, key_clock) >= EPOCH_LENGTH.as_secs();
        if !due || !newest.confirmed || newest.epoch >= self.ceiling() {
            return changed;
        }
        self.adopt(newest.epoch + 1, false, key_clock);
        true
    }

    /// Destroys the anchors superseded for [`EPOCH_KEPT`]. Returns whether anything changed.
    pub(super) fn forget(&mut self, key_clock: Duration) -> bool {
        let mut changed = false;
        // A key clock that was set back starts the waiting again instead of ending it never.
        let now_s = seconds_up(key_clock);
        for anchor in &mut self.0 {
            changed |= anchor.adopted_s > now_s;
            anchor.adopted_s = anchor.adopted_s.min(now_s);
        }
        while let Some(successor) = self.0.get(1) {
            if elapsed(successor.adopted_s, key_clock) < EPOCH_KEPT.as_secs() {
                break;
            }
            self.0.remove(0);
            changed = true;
        }
        changed
    }

    pub(super) fn to_records(&self) -> Vec<EpochKey> {
        let record = |anchor: &Anchor| EpochKey {
            epoch: anchor.epoch,
            chain: Bytes::copy_from_slice(&*anchor.chain),
            adopted_life_s: anchor.adopted_s,
            confirmed: anchor.confirmed,
        };
        self.0.iter().map(record).collect()
    }

    /// `None` for records that [`Self::to_records`] does not write.
    pub(super) fn from_records(records: &[EpochKey]) -> Option<Self> {
        if records.is_empty() || records.len() > MAX_ANCHORS {
            return None;
        }
        let ascending = records.windows(2).all(|pair| pair[0].epoch < pair[1].epoch);
        if !ascending || records[records.len() - 1].epoch - records[0].epoch > EPOCH_WINDOW {
            return None;
        }
        let anchor = |record: &EpochKey| {
            Some(Anchor {
                epoch: record.epoch,
                chain: Zeroizing::new(record.chain[..].try_into().ok()?),
                adopted_s: record.adopted_life_s,
                confirmed: record.confirmed,
            })
        };
        records.iter().map(anchor).collect::<Option<_>>().map(Self)
    }

    fn adopt(&mut self, epoch: u32, confirmed: bool, key_clock: Duration) {
        let newest = self.last();
        let mut chain = newest.chain.clone();
        for _ in newest.epoch..epoch {
            chain = ratchet(&chain);
        }
        let adopted_s = seconds_up(key_clock);
        if let [.., before, _] = &self.0[..]
            && (adopted_s - before.adopted_s < COALESCE || self.0.len() >= MAX_ANCHORS)
        {
            self.0.pop();
        }
        self.0.push(Anchor {
            epoch,
            chain,
            adopted_s,
            confirmed,
        });
    }

    /// The highest epoch that may become the newest: what is readable stays bounded.
    fn ceiling(&self) -> u32 {
        self.0[0].epoch.saturating_add(EPOCH_WINDOW)
    }

    fn last(&self) -> &Anchor {
        self.0.last().expect("there is always an anchor")
    }

    fn last_mut(&mut self) -> &mut Anchor {
        self.0.last_mut().expect("there is always an anchor")
    }
}

impl fmt::Debug for Epochs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Epochs({}..={})", self.0[0].epoch, self.last().epoch)
    }
}

/// Rounded up: what is compared with it is never early.
fn seconds_up(time: Duration) -> u64 {
    time.as_secs()
        .saturating_add(u64::from(time.subsec_nanos() > 0))
}

fn elapsed(since_s: u64, key_clock: Duration) -> u64 {
    key_clock.as_secs().saturating_sub(since_s)
}

#[cfg(test)]
mod tests;
