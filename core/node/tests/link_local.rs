//! Two nodes in two network namespaces on a veth pair, with nothing but IPv6 link-local addresses:
//! what a network without DHCP has. Needs root and `ip`; says so loudly when it cannot run.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test program")]

use std::{
    io::{BufRead, BufReader, Write},
    net::{Ipv6Addr, SocketAddrV6},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    time::Duration,
};

use bytes::Bytes;
use sovereign_node::{
    adapters::p2p::{Listen, P2pConfig, P2pNetwork},
    ports::network::{Endpoint, Network, NetworkCommand, NetworkEvent},
};
use sovereign_protocol::{id::TransportId, link_kind::Medium};

const ROLE: &str = "SOVEREIGN_TEST_ROLE";
const LISTENER: Ipv6Addr = Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0xb);
/// Nothing here takes this long: a test that waits so long hangs.
const HANG: Duration = Duration::from_secs(60);

fn ip(arguments: &str) -> bool {
    Command::new("ip")
        .args(arguments.split(' '))
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Two namespaces with one veth pair; gone when dropped.
struct Namespaces {
    names: [String; 2],
}

impl Namespaces {
    fn new() -> Option<Self> {
        let made = Self {
            names: ["a", "b"].map(|end| format!("sov-{end}-{}", std::process::id())),
        };
        let [a, b] = &made.names;
        let ok = ip(&format!("netns add {a}"))
            && ip(&format!("netns add {b}"))
            && ip(&format!(
                "-n {a} link add veth0 type veth peer name veth0 netns {b}"
            ));
        let ok = ok
            && made
                .names
                .iter()
                .zip(["fe80::a", "fe80::b"])
                .all(|(name, address)| {
                    // Only the address below: no time for duplicate detection, no IPv4, no router.
                    ip(&format!("-n {name} link set veth0 addrgenmode none"))
                        && ip(&format!("-n {name} link set lo up"))
                        && ip(&format!("-n {name} link set veth0 up"))
                        && ip(&format!(
                            "-n {name} addr add {address}/64 dev veth0 scope link nodad"
                        ))
                });
        ok.then_some(made)
    }

    fn run(&self, which: usize, role: &str) -> (Killed, ChildStdin, BufReader<ChildStdout>) {
        let mut child = Command::new("ip")
            .args(["netns", "exec", &self.names[which]])
            .arg(std::env::current_exe().unwrap())
            .args(["--exact", "role", "--ignored", "--nocapture"])
            .env(ROLE, role)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        (Killed(child), stdin, BufReader::new(stdout))
    }
}

/// A child that does not outlive the test, however that ends.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Drop for Namespaces {
    fn drop(&mut self) {
        for name in &self.names {
            ip(&format!("netns delete {name}"));
        }
    }
}

/// Reads lines until one starts with `key`; gives the rest of it. The test harness writes too.
fn read_value(from: &mut BufReader<ChildStdout>, key: &str) -> String {
    let mut line = String::new();
    while from.read_line(&mut line).unwrap() > 0 {
        if let Some((_, value)) = line.split_once(key) {
            return value.trim().to_owned();
        }
        line.clear();
    }
    panic!("the other process ended without saying {key:?}");
}

#[test]
fn nodes_with_only_link_local_addresses_meet() {
    let Some(namespaces) = Namespaces::new() else {
        eprintln!(
            "SKIPPED: link-local dialling was NOT tested: network namespaces need root and the `ip` tool"
        );
        return;
    };
    let (_listener, _keep, mut said) = namespaces.run(1, "listen");
    let peer = read_value(&mut said, "peer=");
    let port = read_value(&mut said, "port=");
    let (mut dialler, mut tell, mut answers) = namespaces.run(0, "dial");
    writeln!(tell, "{peer} {port}").unwrap();
    // Without a scope the kernel does not know the interface; with it, a frame goes there and back.
    assert_eq!(read_value(&mut answers, "unscoped="), "failed");
    assert_eq!(read_value(&mut answers, "scoped="), "hello back");
    assert!(dialler.0.wait().unwrap().success());
}

#[test]
#[ignore = "one end of the test above, run by it in a namespace"]
fn role() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    match std::env::var(ROLE).as_deref() {
        Ok("listen") => runtime.block_on(listen()),
        Ok("dial") => runtime.block_on(dial()),
        _ => {}
    }
}

async fn next(network: &mut P2pNetwork) -> NetworkEvent {
    tokio::time::timeout(HANG, network.next())
        .await
        .expect("an event comes")
}

/// Listens as a node does by default, and echoes.
async fn listen() {
    let mut network = P2pNetwork::start(&P2pConfig::new([2; 32], [3; 32], [0; 16])).unwrap();
    println!("peer={}", network.transport_id());
    loop {
        match network.next().await {
            NetworkEvent::Listening(Endpoint::Tcp(at)) if at.ip() == LISTENER => {
                println!("port={}", at.port())
            }
            NetworkEvent::Frame { link, frame } => {
                let frame = Bytes::from([&frame[..], b" back"].concat());
                network.submit(NetworkCommand::Send { link, frame });
            }
            _ => {}
        }
    }
}

async fn dial() {
    let mut line = String::new();
    std::io::stdin().read_line(&mut line).unwrap();
    let (peer, port) = line.trim().split_once(' ').unwrap();
    let peer: TransportId = peer.parse().unwrap();
    let port: u16 = port.parse().unwrap();
    let scope = index_of("veth0");
    let config = P2pConfig {
        listen: Listen::These(vec![]),
        ..P2pConfig::new([1; 32], [4; 32], [0; 16])
    };
    let mut network = P2pNetwork::start(&config).unwrap();
    let at = |scope| {
        vec![Endpoint::Tcp(
            SocketAddrV6::new(LISTENER, port, 0, scope).into(),
        )]
    };

    network.submit(NetworkCommand::Dial {
        peer,
        endpoints: at(0),
    });
    let NetworkEvent::DialFailed { .. } = next(&mut network).await else {
        panic!("it cannot work without a scope")
    };
    println!("unscoped=failed");

    network.submit(NetworkCommand::Dial {
        peer,
        endpoints: at(scope),
    });
    loop {
        match next(&mut network).await {
            NetworkEvent::Up {
                link,
                peer: who,
                medium,
                endpoint,
                ..
            } => {
                assert_eq!((who, medium), (peer, Medium::Lan));
                assert_eq!(
                    endpoint,
                    Some(at(scope)[0]),
                    "the scope stays with the endpoint"
                );
                network.submit(NetworkCommand::Send {
                    link,
                    frame: Bytes::from_static(b"hello"),
                });
            }
            NetworkEvent::Frame { frame, .. } => {
                println!("scoped={}", String::from_utf8_lossy(&frame));
                return network.shutdown().await;
            }
            NetworkEvent::DialFailed { why, .. } => panic!("{why}"),
            _ => {}
        }
    }
}

fn index_of(name: &str) -> u32 {
    let socket = std::net::UdpSocket::bind("[::]:0").unwrap();
    rustix::net::netdevice::name_to_index(&socket, name).unwrap()
}
