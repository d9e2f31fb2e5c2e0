//! The interfaces' addresses, followed without polling where the system tells (netlink and its like).

use std::collections::BTreeSet;
use std::net::IpAddr;

use futures::StreamExt as _;
use if_watch::{IfEvent, IpNet, tokio::IfWatcher};

use crate::sightings::Reach;

/// Which addresses our interfaces have.
pub(super) struct Networks {
    watcher: Option<IfWatcher>,
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
            present: BTreeSet::new(),
        })
    }

    /// Waits for the next change; safe to cancel.
    ///
    /// # Errors
    /// When watching broke; [`Networks::rewatch`] begins again.
    pub(super) async fn changed(&mut self) -> Result<(), String> {
        let Some(watcher) = &mut self.watcher else {
            return std::future::pending().await;
        };
        match watcher.next().await {
            Some(Ok(IfEvent::Up(net))) => self.present.insert(address(net)),
            Some(Ok(IfEvent::Down(net))) => self.present.remove(&address(net)),
            broken => {
                self.watcher = None;
                return Err(format!("watching the network interfaces broke: {broken:?}"));
            }
        };
        Ok(())
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

fn address(net: IpNet) -> (IpAddr, u8) {
    match net {
        IpNet::V4(net) => (IpAddr::V4(net.addr()), net.prefix_len()),
        IpNet::V6(net) => (IpAddr::V6(net.addr()), net.prefix_len()),
    }
}
