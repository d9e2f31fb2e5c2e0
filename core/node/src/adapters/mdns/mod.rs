//! The LAN port on mDNS/DNS-SD, through the mdns-sd crate (LOC-1, LOC-8).
//!
//! Everything runs inside [`Lan::next`]: there is no task and no queue of our own. The mdns-sd
//! daemon has a thread with the sockets.

mod carrier;
mod daemon;
mod health;
mod networks;
mod records;
pub mod txt;

#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, VecDeque};
use std::net::IpAddr;
use std::time::Duration;

use mdns_sd::{DaemonStatus, Receiver, ResolvedService, ServiceEvent};
use sovereign_protocol::id::DiscoveryId;
use tokio::time::{Instant, sleep_until};

use self::daemon::{Daemon, News};
use self::health::Health;
use self::networks::{Change, Networks};
use self::records::ServiceType;
use crate::ports::lan::{Lan, LanAdvertisement, LanEvent};
use crate::sightings::Sightings;

/// How often the announcement is repeated (LOC-1). Host records live for twice as long, so that
/// nobody has to ask for them while a node is there.
const REANNOUNCE: Duration = Duration::from_secs(60);

/// When to act after an address changed: at first what the change is, then, because the daemon looks
/// every second and new IPv6 addresses are not usable before duplicate detection (about 1–2 s),
/// the announcement again.
const SETTLE: [Duration; 3] = [
    Duration::from_millis(150),
    Duration::from_millis(1500),
    Duration::from_millis(3500),
];

/// Pause before the daemon is started again.
const RESTART_AFTER: Duration = Duration::from_secs(1);

/// How long a node stays in sight after a restart without being seen again.
const RESEEN_WITHIN: Duration = Duration::from_secs(5);

/// Longest wait for our own goodbye.
const GOODBYE_WITHIN: Duration = Duration::from_secs(1);

/// Own ids that are kept in mind; one a day, and old ones expire from caches in minutes.
const OWN_IDS: usize = 4;

/// Events of the search taken in before anything is told.
const BATCH: usize = 64;

/// The settings of [`MdnsLan`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The DNS-SD service, without its domain: `_sovereign._tcp`.
    pub service: String,
    /// UDP port: 5353 (RFC 6762). Another one makes a network of its own, for tests.
    pub port: u16,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            service: "_sovereign._tcp".to_owned(),
            port: mdns_sd::MDNS_PORT,
        }
    }
}

/// The LAN by multicast DNS. Dropping it says goodbye.
pub struct MdnsLan {
    port: u16,
    service: ServiceType,
    daemon: State,
    announced: Option<LanAdvertisement>,
    reannounce_at: Option<Instant>,
    /// Our ids, newest last.
    own: VecDeque<DiscoveryId>,
    sightings: Sightings,
    /// Nodes of before a restart that were not seen since, and until when they may be.
    unseen: BTreeSet<DiscoveryId>,
    unseen_until: Option<Instant>,
    networks: Networks,
    /// When addresses last changed, and which step of [`SETTLE`] comes next.
    settling: Option<(Instant, usize)>,
    interfaces: Option<Vec<IpAddr>>,
    untold_interfaces: bool,
    carrier_changed: bool,
    health: Health,
}

enum State {
    Running(Daemon),
    /// To be started again at this time, once the one before has ended.
    Restarting(Instant, Option<Receiver<DaemonStatus>>),
    /// For good.
    Stopped,
}

impl MdnsLan {
    /// Starts searching. Must be called in a tokio runtime with I/O and time.
    ///
    /// # Errors
    /// In words, when the operating system refuses a thread, a poller or the interfaces' list.
    /// What comes later, such as no network, is a [`LanEvent::State`].
    pub fn start(config: Config) -> Result<Self, String> {
        let service = ServiceType::new(&config.service);
        Ok(Self {
            port: config.port,
            networks: Networks::watch()?,
            daemon: State::Running(Daemon::start(config.port, service.clone())?),
            service,
            announced: None,
            reannounce_at: None,
            own: VecDeque::with_capacity(OWN_IDS),
            sightings: Sightings::default(),
            unseen: BTreeSet::new(),
            unseen_until: None,
            settling: Some((Instant::now(), 0)),
            interfaces: None,
            untold_interfaces: false,
            carrier_changed: false,
            health: Health::new(),
        })
    }

    fn pending_event(&mut self) -> Option<LanEvent> {
        if self.untold_interfaces {
            self.untold_interfaces = false;
            let addresses = self.interfaces.clone().unwrap_or_default();
            return Some(LanEvent::Interfaces(addresses));
        }
        if let Some(state) = self.health.verdict(Instant::now()) {
            return Some(LanEvent::State(state));
        }
        self.sightings.next_event()
    }

    fn take(&mut self, event: ServiceEvent) {
        match event {
            ServiceEvent::ServiceResolved(service) => self.resolved(&service),
            ServiceEvent::ServiceRemoved(_, name) => {
                let Some(id) = records::id_of(&self.service, &name) else {
                    return;
                };
                if self.own.back() == Some(&id) {
                    self.health.set_heard(false, Instant::now());
                }
                self.sightings.lost(id);
            }
            // Found without records yet, or about the search itself.
            _ => {}
        }
    }

    fn resolved(&mut self, service: &ResolvedService) {
        let Some(id) = records::id_of(&self.service, service.get_fullname()) else {
            tracing::debug!("skipped a service of our type whose name is no discovery id");
            return;
        };
        if self.own.contains(&id) {
            if self.own.back() == Some(&id) {
                let heard = records::addresses_of(service).any(|a| !a.ip().is_loopback());
                self.health.set_heard(heard, Instant::now());
            }
            return;
        }
        match records::advertisement_of(service) {
            Ok(advertisement) if advertisement.discovery == id => {
                self.unseen.remove(&id);
                self.sightings
                    .saw(advertisement, records::addresses_of(service));
            }
            Ok(_) => tracing::debug!("skipped a service whose TXT record has another id"),
            // The TXT record may also be still to come; then the service is resolved once more.
            Err(error) => tracing::debug!(%error, "skipped a service of our type"),
        }
    }

    /// Replaces a daemon that grew too large or closed the search.
    fn restart(&mut self, why: &str) {
        tracing::warn!(why, "the mDNS daemon is started again");
        let again = Instant::now() + RESTART_AFTER;
        let old = std::mem::replace(&mut self.daemon, State::Restarting(again, None));
        if let State::Running(daemon) = old {
            self.daemon = State::Restarting(again, daemon.leave());
        }
        self.unseen = self.sightings.ids().collect();
        self.unseen_until = Some(again + RESEEN_WITHIN);
    }

    fn start_again(&mut self, now: Instant) {
        match Daemon::start(self.port, self.service.clone()) {
            Ok(daemon) => {
                self.daemon = State::Running(daemon);
                self.unseen_until = Some(now + RESEEN_WITHIN);
                self.reannounce_at = self.announced.is_some().then_some(now);
            }
            Err(error) => {
                tracing::warn!(%error, "the mDNS daemon does not start");
                self.daemon = State::Restarting(now + RESTART_AFTER, None);
            }
        }
    }

    fn network_changed(&mut self, change: Change, now: Instant) {
        // What is on the other side of a carrier may be another network with the same addresses.
        self.carrier_changed |= change == Change::Carrier;
        self.sightings.set_reach(self.networks.reach());
        if let State::Running(daemon) = &self.daemon {
            daemon.look_closely(true);
        }
        self.settling = Some((now, 0));
    }

    fn settle(&mut self, step: usize, now: Instant) {
        if step == 0 {
            let addresses = self.networks.addresses();
            self.health.set_usable(!addresses.is_empty());
            // Taken whatever the addresses say: one event tells of both.
            let carrier_changed = std::mem::take(&mut self.carrier_changed);
            if carrier_changed || self.interfaces.as_ref() != Some(&addresses) {
                self.interfaces = Some(addresses);
                self.untold_interfaces = true;
            }
            return;
        }
        self.reannounce(now);
        if step + 1 == SETTLE.len()
            && let State::Running(daemon) = &self.daemon
        {
            daemon.look_closely(false);
        }
    }

    fn reannounce(&mut self, now: Instant) {
        let (Some(advertisement), State::Running(daemon)) = (&self.announced, &self.daemon) else {
            return;
        };
        if let Err(error) = daemon.announce(advertisement) {
            tracing::debug!(error, "the announcement was not repeated");
        }
        self.reannounce_at = Some(now + REANNOUNCE);
    }

    /// When something is to be done although nothing happened.
    fn deadline(&self) -> Option<Instant> {
        let settle = self.settling.map(|(since, step)| since + SETTLE[step]);
        let running = matches!(self.daemon, State::Running(_));
        [
            settle,
            self.reannounce_at.filter(|_| running),
            self.unseen_until.filter(|_| running),
            self.health.deadline(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn on_time(&mut self, now: Instant) {
        if let Some((since, step)) = self.settling
            && now >= since + SETTLE[step]
        {
            self.settling = (step + 1 < SETTLE.len()).then_some((since, step + 1));
            self.settle(step, now);
        }
        if self.reannounce_at.is_some_and(|at| now >= at) {
            self.networks.rewatch();
            self.reannounce(now);
            if let State::Running(daemon) = &mut self.daemon {
                daemon.weigh();
            }
        }
        if self.unseen_until.is_some_and(|until| now >= until) {
            self.unseen_until = None;
            for id in std::mem::take(&mut self.unseen) {
                self.sightings.lost(id);
            }
        }
    }
}

impl Lan for MdnsLan {
    fn announce(&mut self, advertisement: LanAdvertisement) -> Result<(), String> {
        let now = Instant::now();
        match &self.daemon {
            State::Running(daemon) => daemon.announce(&advertisement)?,
            // It is announced when the daemon is back.
            State::Restarting(..) => {
                records::service_info(&self.service, &advertisement)?;
            }
            State::Stopped => return Err(String::from("the LAN layer was shut down")),
        }
        let id = advertisement.discovery;
        self.sightings.lost(id);
        if self.own.back() != Some(&id) {
            self.own.retain(|own| *own != id);
            if self.own.len() == OWN_IDS {
                self.own.pop_front();
            }
            self.own.push_back(id);
            self.health.expect_echo(now);
        }
        self.reannounce_at = Some(now + REANNOUNCE);
        let old = self.announced.replace(advertisement);
        if let Some(old) = old.filter(|old| old.discovery != id)
            && let State::Running(daemon) = &self.daemon
        {
            // The daemon works through its commands in order: the new one is out by then.
            daemon.withdraw(old.discovery);
        }
        Ok(())
    }

    async fn next(&mut self) -> LanEvent {
        loop {
            if matches!(self.daemon, State::Stopped) {
                return std::future::pending().await;
            }
            if let Some(event) = self.pending_event() {
                return event;
            }
            let deadline = self.deadline();
            tokio::select! {
                news = self.daemon.news() => match news {
                    Some(News::Found(event)) => {
                        self.take(event);
                        for _ in 0..BATCH {
                            let State::Running(daemon) = &self.daemon else { break };
                            let Some(event) = daemon.found_now() else { break };
                            self.take(event);
                        }
                    }
                    Some(News::Closed) => self.restart("it closed the search"),
                    Some(News::Bloated) => self.restart("it keeps too many records in mind"),
                    Some(News::Sound) => {}
                    None => self.start_again(Instant::now()),
                },
                changed = self.networks.changed() => match changed {
                    Ok(change) => self.network_changed(change, Instant::now()),
                    Err(error) => tracing::warn!(error),
                },
                () = sleep_until(deadline.unwrap_or_else(Instant::now)), if deadline.is_some() => {
                    self.on_time(Instant::now());
                }
            }
        }
    }

    async fn shutdown(&mut self) {
        let old = std::mem::replace(&mut self.daemon, State::Stopped);
        self.sightings.clear();
        let ended = match old {
            State::Running(daemon) => daemon.leave(),
            State::Restarting(_, ended) => ended,
            State::Stopped => None,
        };
        if let Some(ended) = ended {
            // Late or not, there is nothing more to do about it.
            drop(tokio::time::timeout(GOODBYE_WITHIN, ended.recv_async()).await);
        }
    }
}

impl State {
    /// What the daemon says next; `None` when it is time to start it again. Safe to cancel.
    async fn news(&mut self) -> Option<News> {
        match self {
            Self::Running(daemon) => Some(daemon.news().await),
            Self::Restarting(at, leaving) => {
                if let Some(ended) = leaving {
                    // An error means as well that the thread is gone.
                    drop(ended.recv_async().await);
                    *leaving = None;
                }
                sleep_until(*at).await;
                None
            }
            Self::Stopped => std::future::pending().await,
        }
    }
}
