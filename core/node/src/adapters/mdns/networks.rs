//! The interfaces' addresses, followed without polling where the system tells (netlink and its like).

use std::collections::BTreeSet;
use std::net::IpAddr;

use futures::StreamExt as _;
use if_watch::{IfEvent, IpNet, tokio::IfWatcher};

use super::carrier::Carriers;
use crate::sightings::Reach;

/// What changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Change {
    /// An interface's addresses.
    Addresses,
    /// Whether an interface has a carrier.
    Carrier,
}

/// Which addresses our interfaces have.
pub(super) struct Networks {
    watcher: Option<IfWatcher>,
    carriers: Option<Carriers>,
    present: BTreeSet<(IpAddr, u8)>,
}

impl Networks {
    /// Starts watching; the present addresses come as changes.
    ///
    /// # Errors
    /// In words, when the system does not let us watch.
    pub(super) fn watch() -> Result<Self, String> {
        let watcher = IfWatcher::new()
            .map_err(|e| format!("the network interfaces cannot be watched: {e}"))?;
        Ok(Self {
            watcher: Some(watcher),
            carriers: Carriers::watch(),
            present: BTreeSet::new(),
        })
    }

    /// Waits for the next change; safe to cancel.
    ///
    /// # Errors
    /// When watching broke; [`Networks::rewatch`] begins again.
    pub(super) async fn changed(&mut self) -> Result<Change, String> {
        let carrier = async {
            match &mut self.carriers {
                Some(carriers) => carriers.changed().await,
                None => std::future::pending().await,
            }
        };
        let address = async {
            match &mut self.watcher {
                Some(watcher) => watcher.next().await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            change = carrier => {
                if change.is_none() {
                    self.carriers = None;
                    return Err("the system reports no carriers any more".to_owned());
                }
                Ok(Change::Carrier)
            }
            change = address => {
                match change {
                    Some(Ok(IfEvent::Up(net))) => self.present.insert(address_of(net)),
                    Some(Ok(IfEvent::Down(net))) => self.present.remove(&address_of(net)),
                    broken => {
                        self.watcher = None;
                        return Err(format!("watching the network interfaces broke: {broken:?}"));
                    }
                };
                Ok(Change::Addresses)
            }
        }
    }

    /// Begins again if watching broke.
    pub(super) fn rewatch(&mut self) {
        if self.watcher.is_none()
            && let Ok(fresh) = Self::watch()
        {
            *self = fresh;
        }
    }

    /// What is within reach of these interfaces.
    pub(super) fn reach(&self) -> Reach {
        Reach::OnLink(self.present.iter().copied().collect())
    }

    /// The addresses of all interfaces but loopback, ascending.
    pub(super) fn addresses(&self) -> Vec<IpAddr> {
        let addresses: BTreeSet<IpAddr> = self
            .present
            .iter()
            .map(|(ip, _)| *ip)
            .filter(|ip| !ip.is_loopback())
            .collect();
        addresses.into_iter().collect()
    }
}

fn address_of(net: IpNet) -> (IpAddr, u8) {
    match net {
        IpNet::V4(net) => (IpAddr::V4(net.addr()), net.prefix_len()),
        IpNet::V6(net) => (IpAddr::V6(net.addr()), net.prefix_len()),
    }
}
