//! Where a node listens by default: one free port for TCP and one for QUIC, the same number for
//! IPv4 and IPv6.

use std::{
    io,
    net::{Ipv4Addr, Ipv6Addr, SocketAddr},
};

use libp2p::{Swarm, core::transport::ListenerId, swarm::NetworkBehaviour};
use socket2::{Domain, Protocol, Socket, Type};

use super::{P2pError, address::multiaddr_of, config::Listen, transport::RADIO};
use crate::ports::network::Endpoint;

/// Attempts to find one number that is free in both families.
const ATTEMPTS: u32 = 16;

/// Starts listening.
pub(super) fn listen<B: NetworkBehaviour>(
    swarm: &mut Swarm<B>,
    listen: &Listen,
) -> Result<Vec<ListenerId>, P2pError> {
    let endpoints = match listen {
        Listen::These(endpoints) => endpoints.clone(),
        Listen::Radio => vec![RADIO],
        Listen::Everywhere => [wildcards(Kind::Tcp)?, wildcards(Kind::Quic)?].concat(),
    };
    endpoints
        .into_iter()
        .map(|endpoint| listen_on(swarm, endpoint))
        .collect()
}

fn wildcards(kind: Kind) -> Result<Vec<Endpoint>, P2pError> {
    let address = format!("all interfaces ({kind:?})");
    common_port(kind).map_err(|why| P2pError::Listen {
        address,
        why: why.to_string(),
    })
}

fn listen_on<B: NetworkBehaviour>(
    swarm: &mut Swarm<B>,
    endpoint: Endpoint,
) -> Result<ListenerId, P2pError> {
    let address = multiaddr_of(endpoint);
    swarm
        .listen_on(address.clone())
        .map_err(|why| P2pError::Listen {
            address: address.to_string(),
            why: why.to_string(),
        })
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Tcp,
    Quic,
}

/// The wildcard endpoints with a port that is free in every family the machine has. The ports are
/// found with sockets that share with nobody, and freed for the transport to take, which would
/// share a TCP port with another node of the same user.
fn common_port(kind: Kind) -> io::Result<Vec<Endpoint>> {
    let endpoint = |ip, port| match kind {
        Kind::Tcp => Endpoint::Tcp(SocketAddr::new(ip, port)),
        Kind::Quic => Endpoint::Quic(SocketAddr::new(ip, port)),
    };
    let (v4, v6) = (Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into());
    let mut last = io::Error::from(io::ErrorKind::AddrInUse);
    for _ in 0..ATTEMPTS {
        let first = match bind(kind, SocketAddr::new(v4, 0)) {
            Ok(first) => first,
            Err(why) if is_absent(&why) => {
                let only = bind(kind, SocketAddr::new(v6, 0))?;
                return Ok(vec![endpoint(v6, port_of(&only)?)]);
            }
            Err(why) => return Err(why),
        };
        let port = port_of(&first)?;
        match bind(kind, SocketAddr::new(v6, port)) {
            Ok(_) => return Ok(vec![endpoint(v4, port), endpoint(v6, port)]),
            Err(why) if is_absent(&why) => return Ok(vec![endpoint(v4, port)]),
            Err(why) => last = why,
        }
    }
    Err(last)
}

fn bind(kind: Kind, at: SocketAddr) -> io::Result<Socket> {
    let (shape, protocol) = match kind {
        Kind::Tcp => (Type::STREAM, Protocol::TCP),
        Kind::Quic => (Type::DGRAM, Protocol::UDP),
    };
    let socket = Socket::new(Domain::for_address(at), shape, Some(protocol))?;
    if at.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.bind(&at.into())?;
    Ok(socket)
}

fn port_of(socket: &Socket) -> io::Result<u16> {
    Ok(socket.local_addr()?.as_socket().map_or(0, |at| at.port()))
}

/// Whether the machine does not have the address family.
fn is_absent(why: &io::Error) -> bool {
    use rustix::io::Errno;
    matches!(
        why.kind(),
        io::ErrorKind::AddrNotAvailable | io::ErrorKind::Unsupported
    ) || why.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_families_share_one_free_number() {
        for kind in [Kind::Tcp, Kind::Quic] {
            let endpoints = common_port(kind).unwrap();
            let ports: std::collections::BTreeSet<u16> = endpoints
                .iter()
                .map(|endpoint| match endpoint {
                    Endpoint::Tcp(at) | Endpoint::Quic(at) => at.port(),
                    Endpoint::Memory(..) => 0,
                })
                .collect();
            assert_eq!(ports.len(), 1);
            assert!(!ports.contains(&0));
        }
    }
}
