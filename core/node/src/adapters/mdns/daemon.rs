//! One run of the mdns-sd daemon: its thread, our registration and our search.

use mdns_sd::{DaemonStatus, Metrics, Receiver, ServiceDaemon, ServiceEvent};
use sovereign_protocol::id::DiscoveryId;

use super::records::{ServiceType, full_name, service_info};
use crate::ports::lan::LanAdvertisement;

/// How often the daemon looks for interface changes by itself, seconds. Changes of addresses are
/// told to us; this is for the rest, such as a cable that comes back without a change of address.
const IDLE_IP_CHECK_S: u32 = 60;

/// And right after a change that we were told of.
const BUSY_IP_CHECK_S: u32 = 1;

/// Most records and timers in the daemon before it is replaced. 512 nodes of ten records each,
/// heard on two interfaces, with a timer or two a record.
const MAX_RECORDS: i64 = 16_384;
const MAX_TIMERS: i64 = 65_536;

/// What a daemon says.
pub(super) enum News {
    /// An event of the search.
    Found(ServiceEvent),
    /// The search was closed: the reader fell 1,000 events behind, or the thread ended.
    Closed,
    /// The answer to [`Daemon::weigh`]: all is well.
    Sound,
    /// The answer to [`Daemon::weigh`]: it keeps too much in mind.
    Bloated,
}

/// A running daemon.
pub(super) struct Daemon {
    handle: ServiceDaemon,
    service: ServiceType,
    found: Receiver<ServiceEvent>,
    /// The daemon's answer to [`Daemon::weigh`].
    weight: Option<Receiver<Metrics>>,
}

impl Daemon {
    /// Starts the thread and the search.
    pub(super) fn start(port: u16, service: ServiceType) -> Result<Self, String> {
        let handle = ServiceDaemon::new_with_port(port).map_err(|e| e.to_string())?;
        let daemon = handle
            .set_ip_check_interval(IDLE_IP_CHECK_S)
            .and_then(|()| handle.browse(service.as_str()));
        match daemon {
            Ok(found) => Ok(Self {
                handle,
                service,
                found,
                weight: None,
            }),
            Err(error) => {
                // Its thread does not end by being dropped.
                drop(handle.shutdown());
                Err(error.to_string())
            }
        }
    }

    /// What the daemon says next. Safe to cancel.
    pub(super) async fn news(&mut self) -> News {
        tokio::select! {
            found = self.found.recv_async() => found.map_or(News::Closed, News::Found),
            bloated = Self::is_bloated(&mut self.weight) => match bloated {
                true => News::Bloated,
                false => News::Sound,
            },
        }
    }

    /// An event of the search that is already there.
    pub(super) fn found_now(&self) -> Option<ServiceEvent> {
        self.found.try_recv().ok()
    }

    /// Announces, again or anew: twice, 1.1 s apart.
    pub(super) fn announce(&self, advertisement: &LanAdvertisement) -> Result<(), String> {
        let info = service_info(&self.service, advertisement)?;
        self.handle.register(info).map_err(|e| e.to_string())
    }

    /// Says goodbye to one announcement.
    pub(super) fn withdraw(&self, id: DiscoveryId) {
        // Full queue or stopped thread: then the records expire by themselves, in two minutes.
        drop(self.handle.unregister(&full_name(&self.service, id)));
    }

    /// Looks for interface changes every second, or every minute again.
    pub(super) fn look_closely(&self, closely: bool) {
        let interval = if closely {
            BUSY_IP_CHECK_S
        } else {
            IDLE_IP_CHECK_S
        };
        // A full queue means that the daemon is busy; the idle check comes anyway.
        drop(self.handle.set_ip_check_interval(interval));
    }

    /// Asks how much the daemon keeps in mind.
    pub(super) fn weigh(&mut self) {
        self.weight = self.handle.get_metrics().ok();
    }

    /// Waits for the answer: whether it is more than any honest network makes it. The daemon has no
    /// bound of its own (0.21.7), and records that belong to no service are never dropped. Safe to
    /// cancel.
    pub(super) async fn is_bloated(weight: &mut Option<Receiver<Metrics>>) -> bool {
        let Some(answer) = weight else {
            return std::future::pending().await;
        };
        let metrics = answer.recv_async().await;
        *weight = None;
        let Ok(metrics) = metrics else {
            return false;
        };
        let records: i64 = metrics
            .iter()
            .filter(|(name, _)| name.starts_with("cached-"))
            .map(|(_, count)| count)
            .sum();
        records > MAX_RECORDS || metrics.get("timer").is_some_and(|t| *t > MAX_TIMERS)
    }

    /// Says goodbye and ends the thread, which answers when it has; `None` when it had ended.
    pub(super) fn leave(self) -> Option<Receiver<DaemonStatus>> {
        self.handle.shutdown().ok()
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Ends the thread, which says goodbye first; an error means that it has ended already.
        drop(self.handle.shutdown());
    }
}
