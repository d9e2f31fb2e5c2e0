//! The in-memory twin of the LAN: nodes that join the same [`Air`] see each other.

use std::collections::BTreeMap;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use crate::ports::lan::{Lan, LanAdvertisement, LanEvent};
use crate::sightings::Sightings;

/// One local network inside this process. Clones are the same network.
#[derive(Debug, Clone, Default)]
pub struct Air(Arc<Mutex<Members>>);

#[derive(Debug, Default)]
struct Members {
    next: u64,
    by_number: BTreeMap<u64, Member>,
}

#[derive(Debug)]
struct Member {
    addresses: Vec<IpAddr>,
    announced: Option<LanAdvertisement>,
    sightings: Sightings,
    /// Interfaces and state as the reader does not know them yet.
    untold: Vec<LanEvent>,
    wake: Arc<Notify>,
}

impl Air {
    /// Puts a node on the network; it answers at these addresses.
    #[must_use]
    pub fn join(&self, addresses: Vec<IpAddr>) -> MemoryLan {
        let wake = Arc::new(Notify::new());
        let mut members = self.lock();
        let mut sightings = Sightings::default();
        for other in members.by_number.values() {
            if let Some(advertisement) = &other.announced {
                sightings.saw(advertisement.clone(), other.answers_at(advertisement));
            }
        }
        let number = members.next;
        members.next += 1;
        let member = Member {
            untold: vec![
                LanEvent::Interfaces(addresses.clone()),
                LanEvent::State(Ok(())),
            ],
            addresses,
            announced: None,
            sightings,
            wake: Arc::clone(&wake),
        };
        members.by_number.insert(number, member);
        drop(members);
        MemoryLan {
            air: self.clone(),
            number,
            wake,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        // Every critical section below leaves the table whole, so a poisoned one is still good.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Member {
    fn answers_at(&self, advertisement: &LanAdvertisement) -> Vec<SocketAddr> {
        self.addresses
            .iter()
            .map(|ip| SocketAddr::new(*ip, advertisement.tcp_port))
            .collect()
    }
}

impl Members {
    fn others(&mut self, number: u64) -> impl Iterator<Item = &mut Member> {
        self.by_number
            .iter_mut()
            .filter(move |(other, _)| **other != number)
            .map(|(_, member)| member)
    }

    fn withdraw(&mut self, number: u64, advertisement: &LanAdvertisement) {
        for other in self.others(number) {
            other.sightings.lost(advertisement.discovery);
            other.wake.notify_one();
        }
    }
}

/// One node's place on an [`Air`]. Dropping it says goodbye.
#[derive(Debug)]
pub struct MemoryLan {
    air: Air,
    number: u64,
    wake: Arc<Notify>,
}

impl MemoryLan {
    fn leave(&self) {
        let mut members = self.air.lock();
        if let Some(member) = members.by_number.remove(&self.number)
            && let Some(advertisement) = member.announced
        {
            members.withdraw(self.number, &advertisement);
        }
    }

    fn take_event(&self) -> Option<LanEvent> {
        let mut members = self.air.lock();
        let member = members.by_number.get_mut(&self.number)?;
        if member.untold.is_empty() {
            member.sightings.next_event()
        } else {
            Some(member.untold.remove(0))
        }
    }
}

impl Lan for MemoryLan {
    fn announce(&mut self, advertisement: LanAdvertisement) -> Result<(), String> {
        advertisement.check().map_err(|error| error.to_string())?;
        let mut members = self.air.lock();
        let Some(member) = members.by_number.get_mut(&self.number) else {
            return Err(String::from("the LAN layer was shut down"));
        };
        let addresses = member.answers_at(&advertisement);
        let old = member.announced.replace(advertisement.clone());
        for other in members.others(self.number) {
            other
                .sightings
                .saw(advertisement.clone(), addresses.iter().copied());
            other.wake.notify_one();
        }
        if let Some(old) = old.filter(|old| old.discovery != advertisement.discovery) {
            members.withdraw(self.number, &old);
        }
        Ok(())
    }

    async fn next(&mut self) -> LanEvent {
        loop {
            if let Some(event) = self.take_event() {
                return event;
            }
            self.wake.notified().await;
        }
    }

    async fn shutdown(&mut self) {
        self.leave();
    }
}

impl Drop for MemoryLan {
    fn drop(&mut self) {
        self.leave();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::lan::{self, LanFixture};

    #[derive(Default)]
    struct Fixture(Air, Vec<MemoryLan>);

    impl LanFixture for Fixture {
        type Port = MemoryLan;

        async fn join(&mut self) -> MemoryLan {
            let host = u8::try_from(self.0.lock().next % 200).unwrap();
            self.0.join(vec![IpAddr::from([10, 0, 0, host])])
        }

        async fn flood(&mut self, count: u64) {
            for n in 0..count {
                let mut node = self.join().await;
                node.announce(lan::foreign(n)).unwrap();
                self.1.push(node);
            }
        }
    }

    crate::lan_contract!(Fixture);
}
