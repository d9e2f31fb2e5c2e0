//! The LAN port on a virtual network. Announcements are heard at once; records of one who left without goodbye
//! stay with those who heard them, as mDNS's do until they expire.

use std::sync::Arc;

use sovereign_node::ports::lan::{Lan, LanAdvertisement, LanEvent};

use super::topology::{HostId, Net, State};

/// One machine's announcements. After [`Net::die`] dropping it says no goodbye.
#[derive(Debug)]
pub struct VirtualLan {
    net: Net,
    host: HostId,
    works: bool,
    ended: bool,
}

impl VirtualLan {
    pub(super) fn new(net: Net, host: HostId) -> Self {
        if let Some(host) = net.lock().hosts.get_mut(&host) {
            host.moved = true;
            host.dead = false;
        }
        Self {
            net,
            host,
            works: false,
            ended: false,
        }
    }

    /// Says goodbye, unless nothing is announced, or no more.
    fn leave(&self) {
        let mut state = self.net.lock();
        let Some(host) = state.hosts.get_mut(&self.host) else {
            return;
        };
        host.sightings.clear();
        if let Some(gone) = host.announced.take() {
            withdraw(&mut state, self.host, &gone);
        }
    }

    fn take_event(&mut self) -> Option<LanEvent> {
        if self.ended {
            return None;
        }
        if !self.works {
            self.works = true;
            return Some(LanEvent::State(Ok(())));
        }
        let mut state = self.net.lock();
        let host = state.hosts.get_mut(&self.host)?;
        if std::mem::take(&mut host.moved) {
            let inside = !host.at.is_empty();
            let addresses = inside.then(|| self.host.address());
            return Some(LanEvent::Interfaces(addresses.into_iter().collect()));
        }
        host.sightings.next_event()
    }
}

/// Those who hear its announcements hear that this one has gone.
fn withdraw(state: &mut State, host: HostId, gone: &LanAdvertisement) {
    let others: Vec<HostId> = state.hosts.keys().copied().collect();
    for other in others {
        let heard = state.hears(host, other);
        if let Some(other) = state.hosts.get_mut(&other).filter(|_| heard) {
            other.sightings.lost(gone.discovery);
            other.wake.notify_one();
        }
    }
}

impl Lan for VirtualLan {
    fn announce(&mut self, advertisement: LanAdvertisement) -> Result<(), String> {
        advertisement.check().map_err(|error| error.to_string())?;
        if self.ended {
            return Err("the LAN layer was shut down".to_owned());
        }
        let mut state = self.net.lock();
        let host = state.hosts.get_mut(&self.host).ok_or("no such machine")?;
        let discovery = advertisement.discovery;
        let old = host.announced.replace(advertisement);
        if let Some(old) = old.filter(|old| old.discovery != discovery) {
            withdraw(&mut state, self.host, &old);
        }
        state.meet(self.host);
        Ok(())
    }

    async fn next(&mut self) -> LanEvent {
        loop {
            if let Some(event) = self.take_event() {
                return event;
            }
            let wake = self
                .net
                .lock()
                .hosts
                .get(&self.host)
                .map(|host| Arc::clone(&host.wake));
            match wake {
                Some(wake) => wake.notified().await,
                None => std::future::pending().await,
            }
        }
    }

    async fn shutdown(&mut self) {
        self.ended = true;
        self.leave();
    }
}

impl Drop for VirtualLan {
    fn drop(&mut self) {
        // A later one for the same machine may be at work already.
        if !self.ended {
            self.leave();
        }
    }
}

#[cfg(test)]
mod tests {
    use sovereign_node::contract::lan::{self, LanFixture};

    use super::*;
    use crate::lan::{LanId, Quality};

    const HOME: LanId = LanId(1);

    #[derive(Default)]
    struct Fixture(Net, Vec<VirtualLan>);

    impl LanFixture for Fixture {
        type Port = VirtualLan;

        async fn join(&mut self) -> VirtualLan {
            let host = self.0.join();
            self.0.place(host, HOME, true);
            self.0.lan(host)
        }

        async fn flood(&mut self, count: u64) {
            for n in 0..count {
                let mut node = self.join().await;
                node.announce(lan::foreign(n)).expect("it is in order");
                self.1.push(node);
            }
        }
    }

    sovereign_node::lan_contract!(Fixture);

    #[test]
    fn the_dead_say_no_goodbye() {
        let net = Net::default();
        let hosts = [net.join(), net.join()];
        for host in hosts {
            net.place(host, HOME, true);
        }
        let [mut one, mut other] = hosts.map(|host| net.lan(host));
        one.announce(lan::foreign(1)).expect("it is in order");
        assert!(sees(&told(&mut other)));
        net.die(hosts[0]);
        drop(one);
        assert_eq!(told(&mut other), []);
    }

    /// What is told without waiting.
    fn told(lan: &mut VirtualLan) -> Vec<LanEvent> {
        std::iter::from_fn(|| lan.take_event()).collect()
    }

    fn sees(events: &[LanEvent]) -> bool {
        events
            .iter()
            .any(|event| matches!(event, LanEvent::Sighted(_)))
    }

    #[test]
    fn only_those_in_one_network_with_multicast_see_each_other() {
        let net = Net::default();
        let quiet = LanId(2);
        net.describe(
            quiet,
            Quality {
                multicast: false,
                ..Quality::default()
            },
        );
        let hosts = [net.join(), net.join()];
        let [mut one, mut other] = hosts.map(|host| net.lan(host));
        one.announce(lan::foreign(1)).expect("it is in order");
        assert!(!sees(&told(&mut other)), "they are nowhere");
        for host in hosts {
            net.place(host, quiet, true);
        }
        assert!(net.between(hosts[0], hosts[1]).is_some());
        assert!(!sees(&told(&mut other)), "nothing is heard there");
        for host in hosts {
            net.place(host, HOME, true);
        }
        assert!(sees(&told(&mut other)));
        net.place(hosts[0], HOME, false);
        assert!(!sees(&told(&mut other)), "one who walks away says nothing");
        net.place(hosts[1], HOME, false);
        let lost = |event: &LanEvent| matches!(event, LanEvent::Lost(_));
        assert!(
            told(&mut other).iter().any(lost),
            "nothing is near any more"
        );
    }
}
