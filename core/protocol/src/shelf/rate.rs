//! How much carried bundles may cost in transfer: token buckets on the life clock.

use core::time::Duration;
use std::collections::BTreeMap;

use super::{
    bundle::{DeclineReason, Kind},
    limits::{CONTACT_RATE_FACTOR, Limits, MAX_RATED_SOURCES, SOURCE_RATE_PART},
};
use crate::link_kind::Source;

const HOUR_MS: u128 = 3_600_000;

/// A bucket that holds what one hour allows.
#[derive(Debug, Clone, Copy)]
struct Bucket {
    /// Bytes that may be used in an hour, and at once.
    per_hour: u64,
    /// Byte-milliseconds of an hour left: bytes × 3,600,000, so that nothing is rounded away.
    left: u128,
    filled: Duration,
}

impl Bucket {
    fn full(per_hour: u64, life: Duration) -> Self {
        Self {
            per_hour,
            left: u128::from(per_hour) * HOUR_MS,
            filled: life,
        }
    }

    /// As it stands at a later time.
    fn at(mut self, life: Duration) -> Self {
        let passed = life.saturating_sub(self.filled).as_millis();
        let full = u128::from(self.per_hour) * HOUR_MS;
        self.left = passed
            .saturating_mul(u128::from(self.per_hour))
            .saturating_add(self.left)
            .min(full);
        // What is less than a millisecond counts next time.
        self.filled += Duration::from_millis(u64::try_from(passed).unwrap_or(u64::MAX));
        self
    }

    fn bytes(&self) -> u64 {
        u64::try_from(self.left / HOUR_MS).unwrap_or(u64::MAX)
    }

    fn is_full(&self) -> bool {
        self.left == u128::from(self.per_hour) * HOUR_MS
    }

    fn take(&mut self, bytes: u32) {
        self.left = self.left.saturating_sub(u128::from(bytes) * HOUR_MS);
    }
}

/// The buckets of one kind of peers: one for all, one for each source.
#[derive(Debug)]
struct Meter {
    total: Bucket,
    per_source: u64,
    sources: BTreeMap<Source, Bucket>,
}

impl Meter {
    fn new(per_hour: u64) -> Self {
        Self {
            total: Bucket::full(per_hour, Duration::ZERO),
            per_source: per_hour / SOURCE_RATE_PART,
            sources: BTreeMap::new(),
        }
    }

    fn source(&self, source: Source, life: Duration) -> Bucket {
        self.sources
            .get(&source)
            .map_or_else(|| Bucket::full(self.per_source, life), |b| b.at(life))
    }

    fn check(&self, source: Source, bytes: u32, life: Duration) -> Result<(), DeclineReason> {
        if self.source(source, life).bytes() < u64::from(bytes) {
            return Err(DeclineReason::RateSource);
        }
        if self.total.at(life).bytes() < u64::from(bytes) {
            return Err(DeclineReason::RateTotal);
        }
        Ok(())
    }

    fn charge(&mut self, source: Source, bytes: u32, life: Duration) {
        self.total = self.total.at(life);
        self.total.take(bytes);
        let mut bucket = self.source(source, life);
        bucket.take(bytes);
        if self.sources.len() >= MAX_RATED_SOURCES {
            // A full bucket says nothing that a new one would not.
            self.sources.retain(|_, bucket| !bucket.at(life).is_full());
        }
        if self.sources.len() < MAX_RATED_SOURCES || self.sources.contains_key(&source) {
            self.sources.insert(source, bucket);
        }
    }
}

/// Rates of strangers and contacts. Own and members' bundles are not charged.
#[derive(Debug)]
pub(super) struct Rates {
    strangers: Meter,
    contacts: Meter,
}

impl Rates {
    pub(super) fn new(limits: &Limits) -> Self {
        let per_hour = limits.stranger_bytes_per_hour;
        Self {
            strangers: Meter::new(per_hour),
            contacts: Meter::new(per_hour.saturating_mul(CONTACT_RATE_FACTOR)),
        }
    }

    /// Whether a bundle of this size may come.
    pub(super) fn check(
        &self,
        kind: Kind,
        source: Source,
        bytes: u32,
        life: Duration,
    ) -> Result<(), DeclineReason> {
        self.meter(kind)
            .map_or(Ok(()), |meter| meter.check(source, bytes, life))
    }

    /// Takes what a bundle of this size costs.
    pub(super) fn charge(&mut self, kind: Kind, source: Source, bytes: u32, life: Duration) {
        let meter = match kind {
            Kind::Own | Kind::Member => return,
            Kind::Contact => &mut self.contacts,
            Kind::Stranger => &mut self.strangers,
        };
        meter.charge(source, bytes, life);
    }

    /// Bytes that the source may bring now; `u64::MAX` for what is not charged.
    pub(super) fn allowance(&self, kind: Kind, source: Source, life: Duration) -> u64 {
        self.meter(kind).map_or(u64::MAX, |meter| {
            let source = meter.source(source, life).bytes();
            source.min(meter.total.at(life).bytes())
        })
    }

    fn meter(&self, kind: Kind) -> Option<&Meter> {
        match kind {
            Kind::Own | Kind::Member => None,
            Kind::Contact => Some(&self.contacts),
            Kind::Stranger => Some(&self.strangers),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KIB: u32 = 1_024;
    const NOW: Duration = Duration::from_secs(1_000);

    fn rates() -> Rates {
        Rates::new(&Limits::default())
    }

    /// Takes bundles of a kibibyte until one is refused; returns their number and why it ended.
    fn flood(
        rates: &mut Rates,
        kind: Kind,
        source: Source,
        life: Duration,
    ) -> (u32, DeclineReason) {
        for taken in 0..10_000 {
            if let Err(reason) = rates.check(kind, source, KIB, life) {
                return (taken, reason);
            }
            rates.charge(kind, source, KIB, life);
        }
        panic!("nothing limits this flood");
    }

    #[test]
    fn a_source_may_bring_a_fourth_and_all_together_a_mebibyte() {
        let mut rates = rates();
        for source in 0..4 {
            let (taken, why) = flood(&mut rates, Kind::Stranger, Source(source), NOW);
            assert_eq!((taken, why), (256, DeclineReason::RateSource));
        }
        let (taken, why) = flood(&mut rates, Kind::Stranger, Source(9), NOW);
        assert_eq!((taken, why), (0, DeclineReason::RateTotal));
        // Contacts have their own, ten times that.
        let (taken, why) = flood(&mut rates, Kind::Contact, Source(0), NOW);
        assert_eq!((taken, why), (2_560, DeclineReason::RateSource));
        assert_eq!(
            rates.allowance(Kind::Contact, Source(1), NOW),
            2_560 * 1_024
        );
    }

    #[test]
    fn buckets_fill_with_the_life_clock_and_no_further_than_an_hour() {
        let mut rates = rates();
        flood(&mut rates, Kind::Stranger, Source(1), NOW);
        assert_eq!(rates.allowance(Kind::Stranger, Source(1), NOW), 0);
        // 256 KiB an hour are a kibibyte in 14.0625 s.
        let almost = NOW + Duration::from_millis(14_062);
        let enough = NOW + Duration::from_millis(14_063);
        assert!(rates.check(Kind::Stranger, Source(1), KIB, almost).is_err());
        assert!(rates.check(Kind::Stranger, Source(1), KIB, enough).is_ok());
        let day = NOW + Duration::from_secs(86_400);
        assert_eq!(rates.allowance(Kind::Stranger, Source(1), day), 262_144);
        let (taken, _) = flood(&mut rates, Kind::Stranger, Source(1), day);
        assert_eq!(taken, 256);
        // A clock that went back fills nothing.
        assert_eq!(rates.allowance(Kind::Stranger, Source(1), NOW), 0);
    }

    #[test]
    fn the_whole_allowance_may_be_one_bundle() {
        let mut rates = Rates::new(&Limits {
            stranger_bytes_per_hour: 4_096,
            ..Limits::default()
        });
        assert!(rates.check(Kind::Stranger, Source(1), 1_024, NOW).is_ok());
        assert_eq!(
            rates.check(Kind::Stranger, Source(1), 1_025, NOW),
            Err(DeclineReason::RateSource)
        );
        for source in 1..=4 {
            rates.charge(Kind::Stranger, Source(source), 1_024, NOW);
        }
        assert_eq!(
            rates.check(Kind::Stranger, Source(5), 1, NOW),
            Err(DeclineReason::RateTotal)
        );
    }

    #[test]
    fn own_and_members_bundles_are_not_charged() {
        let mut rates = rates();
        flood(&mut rates, Kind::Stranger, Source(1), NOW);
        for kind in [Kind::Own, Kind::Member] {
            rates.charge(kind, Source(2), u32::MAX, NOW);
            assert_eq!(rates.check(kind, Source(1), u32::MAX, NOW), Ok(()));
            assert_eq!(rates.allowance(kind, Source(1), NOW), u64::MAX);
        }
        assert_eq!(rates.allowance(Kind::Stranger, Source(2), NOW), 262_144);
    }

    #[test]
    fn frequent_readings_lose_nothing() {
        let mut rates = rates();
        flood(&mut rates, Kind::Stranger, Source(1), NOW);
        let mut life = NOW;
        for _ in 0..10_000 {
            life += Duration::from_micros(1_500);
            rates.charge(Kind::Stranger, Source(1), 0, life);
        }
        // 15 s at 72.8 bytes a second.
        assert_eq!(rates.allowance(Kind::Stranger, Source(1), life), 1_092);
    }

    #[test]
    fn sources_are_remembered_only_while_they_matter() {
        let mut rates = rates();
        for source in 0..MAX_RATED_SOURCES as u64 {
            rates.charge(Kind::Stranger, Source(source), 1, NOW);
        }
        // All still matter: the next one is served, but not remembered.
        rates.charge(Kind::Stranger, Source(u64::MAX), 1, NOW);
        assert_eq!(rates.strangers.sources.len(), MAX_RATED_SOURCES);
        assert_eq!(
            rates.allowance(Kind::Stranger, Source(u64::MAX), NOW),
            262_144
        );
        rates.charge(Kind::Stranger, Source(0), 1, NOW);
        assert_eq!(rates.allowance(Kind::Stranger, Source(0), NOW), 262_142);
        // Later none does.
        let later = NOW + Duration::from_secs(1);
        rates.charge(Kind::Stranger, Source(u64::MAX), 1, later);
        assert_eq!(rates.strangers.sources.len(), 1);
    }
}
