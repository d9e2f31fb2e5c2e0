//! What this machine says, as far as a node cares: interfaces, disk, firewall.

use std::{net::IpAddr, path::Path};

use nix::{ifaddrs::getifaddrs, net::if_::InterfaceFlags};

/// A network interface that is up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Interface {
    /// Its name.
    pub(super) name: String,
    /// Its addresses.
    pub(super) addresses: Vec<IpAddr>,
    /// Whether it carries multicast.
    pub(super) multicast: bool,
}

/// Interfaces that are up, the loopback excepted.
///
/// # Errors
/// In words.
pub(super) fn interfaces() -> Result<Vec<Interface>, String> {
    let mut found: Vec<Interface> = Vec::new();
    for entry in getifaddrs().map_err(|errno| errno.to_string())? {
        let flags = entry.flags;
        if !flags.contains(InterfaceFlags::IFF_UP) || flags.contains(InterfaceFlags::IFF_LOOPBACK) {
            continue;
        }
        let address = entry.address.as_ref().and_then(|address| {
            let v4 = address.as_sockaddr_in().map(|a| IpAddr::V4(a.ip()));
            v4.or_else(|| address.as_sockaddr_in6().map(|a| IpAddr::V6(a.ip())))
        });
        let known = found.iter_mut().find(|i| i.name == entry.interface_name);
        match known {
            Some(interface) => interface.addresses.extend(address),
            None => found.push(Interface {
                name: entry.interface_name,
                addresses: address.into_iter().collect(),
                multicast: flags.contains(InterfaceFlags::IFF_MULTICAST),
            }),
        }
    }
    Ok(found)
}

/// Bytes free for this user on the disk of a path, or of its nearest parent that is there.
pub(super) fn free_bytes(path: &Path) -> Option<u64> {
    let there = path.ancestors().find(|path| path.exists())?;
    let stat = rustix::fs::statvfs(there).ok()?;
    Some(stat.f_bavail.saturating_mul(stat.f_frsize))
}

/// Firewalls that are switched on, as far as it can be seen without privileges.
pub(super) fn firewalls() -> Vec<(&'static str, &'static str)> {
    let mut found = Vec::new();
    let ufw = std::fs::read_to_string("/etc/ufw/ufw.conf");
    if ufw.is_ok_and(|text| text.lines().any(|line| line.trim() == "ENABLED=yes")) {
        found.push((
            "ufw",
            "sudo ufw allow mdns; sudo ufw allow from 192.168.0.0/16",
        ));
    }
    if Path::new("/run/firewalld").exists() {
        found.push((
            "firewalld",
            "sudo firewall-cmd --add-service=mdns, and allow the node's --listen ports",
        ));
    }
    found
}
