//! Where the dashboard may listen: on this machine's loopback addresses, nowhere else.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

/// Why an address cannot be listened on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AddressError {
    /// Not `IP:PORT`.
    #[error("`{0}` is no address: write IP:PORT, e.g. 127.0.0.1:0 for any free port")]
    Malformed(String),
    /// Others could reach it.
    #[error(
        "{0} is not a loopback address: the dashboard is for this machine only, e.g. 127.0.0.1:0. \
         To use it from another machine, forward the port with ssh"
    )]
    NotLoopback(IpAddr),
}

/// Longest part of a malformed address that is repeated.
const SHOWN: usize = 60;

/// Reads `IP:PORT`; `localhost` stands for 127.0.0.1. Port 0 means any free one.
///
/// # Errors
/// [`AddressError`] for anything but a loopback address with a port.
pub fn parse(text: &str) -> Result<SocketAddr, AddressError> {
    let address = match text.strip_prefix("localhost:") {
        Some(port) => port
            .parse()
            .ok()
            .map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port))),
        None => text.parse().ok(),
    };
    let address: SocketAddr = address.ok_or_else(|| {
        let shown: String = text
            .chars()
            .filter(|c| !c.is_control())
            .take(SHOWN)
            .collect();
        AddressError::Malformed(shown)
    })?;
    check(address)
}

/// The address, if it is a loopback address.
///
/// # Errors
/// [`AddressError::NotLoopback`].
pub(crate) fn check(address: SocketAddr) -> Result<SocketAddr, AddressError> {
    // An IPv4 address inside an IPv6 one is not what `is_loopback` looks at, and not what anybody writes.
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err(AddressError::NotLoopback(address.ip()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_loopback_addresses_are_taken() {
        for (text, shown) in [
            ("127.0.0.1:0", "127.0.0.1:0"),
            ("127.8.9.1:80", "127.8.9.1:80"),
            ("[::1]:7", "[::1]:7"),
            ("localhost:9", "127.0.0.1:9"),
        ] {
            assert_eq!(parse(text).map(|a| a.to_string()), Ok(shown.to_owned()));
        }
        for other in [
            "0.0.0.0:0",
            "192.168.1.4:80",
            "[::]:0",
            "[::ffff:127.0.0.1]:0",
            "[fe80::1]:1",
        ] {
            assert!(
                matches!(parse(other), Err(AddressError::NotLoopback(_))),
                "{other}"
            );
        }
        for broken in [
            "",
            "127.0.0.1",
            "localhost",
            "localhost:x",
            "example.org:80",
        ] {
            assert_eq!(
                parse(broken),
                Err(AddressError::Malformed(broken.to_owned()))
            );
        }
        let long = format!("\u{1b}{}", "x".repeat(100));
        assert_eq!(
            parse(&long),
            Err(AddressError::Malformed("x".repeat(SHOWN)))
        );
    }
}
