//! Endpoints as multiaddresses, and what an address says: medium, source, slow or not.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, SocketAddrV6};

use libp2p::{Multiaddr, core::ConnectedPoint, multiaddr::Protocol};
use sha2::{Digest, Sha256};
use sovereign_protocol::link_kind::{Medium, Source};

use crate::ports::network::Endpoint;

/// Top 16 bits of a `/memory/N` address that stands for a slow link. Multiaddresses have a fixed
/// table of protocols, so that a mark of our own would not survive it.
const SLOW_TAG: u64 = 0xB1E0 << 48;
const TAG_MASK: u64 = 0xFFFF << 48;

/// Longest listen address that is read, in bytes: far above the longest valid one.
const MAX_LISTEN_TEXT: usize = 128;

/// Why a listen address was refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ListenAddressError {
    /// Not a multiaddress.
    #[error("not a multiaddress: write /ip4/0.0.0.0/tcp/4001 or /ip6/::/udp/4001/quic-v1")]
    Syntax,
    /// A multiaddress of another shape.
    #[error("this node listens on /ip4 or /ip6 with /tcp/PORT or /udp/PORT/quic-v1 only")]
    Unsupported,
    /// Link-local addresses cannot be listened on one by one.
    #[error("a link-local address needs a zone: listen on /ip6/:: instead, which includes it")]
    LinkLocal,
}

/// Reads one `--listen` argument.
///
/// # Errors
/// [`ListenAddressError`] says what to write instead.
pub fn parse_listen(text: &str) -> Result<Endpoint, ListenAddressError> {
    if text.len() > MAX_LISTEN_TEXT {
        return Err(ListenAddressError::Syntax);
    }
    let address: Multiaddr = text.parse().map_err(|_| ListenAddressError::Syntax)?;
    match endpoint_of(&address) {
        Some(Endpoint::Tcp(at) | Endpoint::Quic(at)) if is_link_local(at.ip()) => {
            Err(ListenAddressError::LinkLocal)
        }
        Some(endpoint @ (Endpoint::Tcp(_) | Endpoint::Quic(_))) => Ok(endpoint),
        Some(Endpoint::Memory(..)) | None => Err(ListenAddressError::Unsupported),
    }
}

/// Reads an address to dial by hand, without its `/p2p/` part (BOOT-5).
///
/// # Errors
/// [`ListenAddressError`] says what to write instead.
pub fn parse_dial(text: &str) -> Result<Endpoint, ListenAddressError> {
    if text.len() > MAX_LISTEN_TEXT {
        return Err(ListenAddressError::Syntax);
    }
    let address: Multiaddr = text.parse().map_err(|_| ListenAddressError::Syntax)?;
    match endpoint_of(&address) {
        Some(endpoint @ (Endpoint::Tcp(_) | Endpoint::Quic(_))) => Ok(endpoint),
        Some(Endpoint::Memory(..)) | None => Err(ListenAddressError::Unsupported),
    }
}

/// Whom a connection from this address would be charged to.
#[must_use]
pub fn source_of_address(address: SocketAddr, salt: &[u8; 16]) -> Source {
    source_of(&multiaddr_of(Endpoint::Tcp(address)), false, salt)
}

/// The multiaddress of an endpoint. A scoped link-local address becomes `/ip6zone/<index>/ip6/…`,
/// which only our own transport dials.
pub(super) fn multiaddr_of(endpoint: Endpoint) -> Multiaddr {
    let (at, quic) = match endpoint {
        Endpoint::Tcp(at) => (at, false),
        Endpoint::Quic(at) => (at, true),
        Endpoint::Memory(number, slow) => {
            let tag = if slow { SLOW_TAG } else { 0 };
            return Protocol::Memory(number & !TAG_MASK | tag).into();
        }
    };
    let mut address = Multiaddr::empty();
    if let SocketAddr::V6(v6) = at
        && v6.scope_id() != 0
        && is_link_local(at.ip())
    {
        address.push(Protocol::Ip6zone(v6.scope_id().to_string().into()));
    }
    address.push(at.ip().into());
    if quic {
        address
            .with(Protocol::Udp(at.port()))
            .with(Protocol::QuicV1)
    } else {
        address.with(Protocol::Tcp(at.port()))
    }
}

/// The endpoint that a multiaddress names, if it is one of ours. A trailing `/p2p/…` is ignored.
pub(super) fn endpoint_of(address: &Multiaddr) -> Option<Endpoint> {
    let mut parts = address
        .iter()
        .filter(|part| !matches!(part, Protocol::P2p(_)));
    let first = parts.next()?;
    if let Protocol::Memory(number) = first {
        return parts.next().is_none().then_some(Endpoint::Memory(
            number & !TAG_MASK,
            number & TAG_MASK == SLOW_TAG,
        ));
    }
    let (zone, ip) = match first {
        Protocol::Ip6zone(zone) => (Some(zone.parse::<u32>().ok()?), parts.next()?),
        other => (None, other),
    };
    let ip: IpAddr = match (zone, ip) {
        (None, Protocol::Ip4(ip)) => ip.into(),
        (_, Protocol::Ip6(ip)) => ip.into(),
        _ => return None,
    };
    let at = |port| match ip {
        IpAddr::V4(ip) => SocketAddr::new(ip.into(), port),
        IpAddr::V6(ip) => SocketAddrV6::new(ip, port, 0, zone.unwrap_or(0)).into(),
    };
    match (parts.next()?, parts.next(), parts.next()) {
        (Protocol::Tcp(port), None, None) => Some(Endpoint::Tcp(at(port))),
        (Protocol::Udp(port), Some(Protocol::QuicV1), None) => Some(Endpoint::Quic(at(port))),
        _ => None,
    }
}

/// Whether a connection with these two ends is slow (decision 4). A dialler's own end has no
/// mark, so either suffices.
pub(super) fn is_slow(local: Option<&Multiaddr>, remote: &Multiaddr) -> bool {
    local.is_some_and(is_slow_address) || is_slow_address(remote)
}

/// Whether the address is a slow link's.
pub(super) fn is_slow_address(address: &Multiaddr) -> bool {
    matches!(address.iter().next(), Some(Protocol::Memory(number)) if number & TAG_MASK == SLOW_TAG)
}

/// [`is_slow`] of an established connection.
pub(super) fn is_slow_point(point: &ConnectedPoint) -> bool {
    match point {
        ConnectedPoint::Dialer { address, .. } => is_slow(None, address),
        ConnectedPoint::Listener {
            local_addr,
            send_back_addr,
        } => is_slow(Some(local_addr), send_back_addr),
    }
}

/// The medium of a connection: private, link-local, loopback and unique local addresses are the
/// LAN's (RFC 1918, 3927, 4193, 4291).
pub(super) fn medium_of(remote: &Multiaddr, slow: bool) -> Medium {
    if slow {
        return Medium::Ble;
    }
    match endpoint_of(remote) {
        Some(Endpoint::Tcp(at) | Endpoint::Quic(at)) if is_local(at.ip().to_canonical()) => {
            Medium::Lan
        }
        Some(Endpoint::Memory(..)) => Medium::Lan,
        _ => Medium::Direct,
    }
}

/// Whom to charge: IPv4 addresses themselves, the /64 of IPv6 ones, link-local ones whole, one
/// source for all slow links of the radio. Salted, so that what is stored tells no address.
pub(super) fn source_of(remote: &Multiaddr, slow: bool, salt: &[u8; 16]) -> Source {
    let mut hash = Sha256::new_with_prefix(b"sovereign/source/1");
    hash.update(salt);
    match endpoint_of(remote) {
        _ if slow => hash.update(b"radio"),
        Some(Endpoint::Tcp(at) | Endpoint::Quic(at)) => match at.ip().to_canonical() {
            IpAddr::V4(ip) => hash.update(ip.octets()),
            IpAddr::V6(ip) if is_link_local(ip.into()) => hash.update(ip.octets()),
            IpAddr::V6(ip) => hash.update(&ip.octets()[..8]),
        },
        Some(Endpoint::Memory(..)) => hash.update(b"memory"),
        None => hash.update(b"other"),
    }
    let digest = hash.finalize();
    let mut head = [0; 8];
    head.copy_from_slice(&digest[..8]);
    Source(u64::from_be_bytes(head))
}

fn is_local(ip: IpAddr) -> bool {
    match ip {
        IpAddr::V4(ip) => ip.is_private() || ip.is_loopback() || Ipv4Addr::is_link_local(&ip),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

fn is_link_local(ip: IpAddr) -> bool {
    matches!(ip, IpAddr::V6(ip) if Ipv6Addr::is_unicast_link_local(&ip))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tcp(text: &str) -> Endpoint {
        Endpoint::Tcp(text.parse().unwrap())
    }

    #[test]
    fn endpoints_survive_the_multiaddress() {
        let scoped = Endpoint::Tcp(SocketAddrV6::new("fe80::1".parse().unwrap(), 9, 0, 7).into());
        for endpoint in [
            tcp("127.0.0.1:1"),
            tcp("[::1]:2"),
            Endpoint::Quic("10.0.0.1:3".parse().unwrap()),
            Endpoint::Quic("[2001:db8::1]:4".parse().unwrap()),
            scoped,
            Endpoint::Memory(5, false),
            Endpoint::Memory(6, true),
        ] {
            assert_eq!(endpoint_of(&multiaddr_of(endpoint)), Some(endpoint));
        }
        assert_eq!(
            multiaddr_of(scoped).to_string(),
            "/ip6zone/7/ip6/fe80::1/tcp/9"
        );
    }

    #[test]
    fn listen_addresses_are_read_or_refused_with_advice() {
        assert_eq!(
            parse_listen("/ip4/0.0.0.0/tcp/4001"),
            Ok(tcp("0.0.0.0:4001"))
        );
        assert_eq!(
            parse_listen("/ip6/::/udp/0/quic-v1"),
            Ok(Endpoint::Quic("[::]:0".parse().unwrap()))
        );
        assert_eq!(
            parse_listen("0.0.0.0:4001"),
            Err(ListenAddressError::Syntax)
        );
        assert_eq!(
            parse_listen(&"/ip4/1.1.1.1".repeat(100)),
            Err(ListenAddressError::Syntax)
        );
        assert_eq!(
            parse_listen("/ip6/fe80::1/tcp/1"),
            Err(ListenAddressError::LinkLocal)
        );
        for other in [
            "/ip4/1.2.3.4/udp/1",
            "/memory/3",
            "/dns/x/tcp/1",
            "/ip4/1.2.3.4/tcp/1/ws",
        ] {
            assert_eq!(
                parse_listen(other),
                Err(ListenAddressError::Unsupported),
                "{other}"
            );
        }
    }

    #[test]
    fn medium_follows_the_address() {
        for (endpoint, medium) in [
            (tcp("192.168.1.2:1"), Medium::Lan),
            (tcp("169.254.1.2:1"), Medium::Lan),
            (tcp("[fe80::1]:1"), Medium::Lan),
            (tcp("[fd00::1]:1"), Medium::Lan),
            (tcp("[::1]:1"), Medium::Lan),
            (tcp("[::ffff:10.0.0.1]:1"), Medium::Lan),
            (tcp("8.8.8.8:1"), Medium::Direct),
            (tcp("100.64.0.1:1"), Medium::Direct),
            (tcp("[2001:db8::1]:1"), Medium::Direct),
        ] {
            assert_eq!(
                medium_of(&multiaddr_of(endpoint), false),
                medium,
                "{endpoint:?}"
            );
        }
        let slow = multiaddr_of(Endpoint::Memory(1, true));
        assert_eq!(medium_of(&slow, is_slow_address(&slow)), Medium::Ble);
    }

    #[test]
    fn sources_group_what_is_free_to_change() {
        let of = |text: &str| source_of(&multiaddr_of(tcp(text)), false, &[1; 16]);
        assert_eq!(of("1.2.3.4:1"), of("1.2.3.4:2"), "ports are free");
        assert_ne!(of("1.2.3.4:1"), of("1.2.3.5:1"));
        assert_eq!(
            of("[2001:db8::1]:1"),
            of("[2001:db8::ffff]:1"),
            "a /64 is one source"
        );
        assert_ne!(of("[2001:db8::1]:1"), of("[2001:db8:0:1::1]:1"));
        assert_ne!(
            of("[fe80::1]:1"),
            of("[fe80::2]:1"),
            "link-local addresses are whole"
        );
        assert_eq!(
            of("[::ffff:1.2.3.4]:1"),
            of("1.2.3.4:1"),
            "mapped addresses are IPv4"
        );
        let other_salt = source_of(&multiaddr_of(tcp("1.2.3.4:1")), false, &[2; 16]);
        assert_ne!(of("1.2.3.4:1"), other_salt);
        let radio = |n| source_of(&multiaddr_of(Endpoint::Memory(n, true)), true, &[1; 16]);
        assert_eq!(
            radio(1),
            radio(2),
            "radio addresses are free: one source for the radio"
        );
    }
}
