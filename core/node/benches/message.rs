//! What a message costs: from a cold start to the first authenticated message, against raw
//! rust-libp2p, and the CPU of one delivered and stored message, against one signature check.
//! Prints ratios of the same run: these machines are noisy, single times say little.
//!
//! Raw rust-libp2p stores nothing and, as a rule, speaks TCP only. What a message costs at least that is durable at
//! both ends, over a node that offers TCP and QUIC, is printed beside it: that swarm's first ping and two flushes
//! of an appended file, of which the first runs beside the dialling.

#![allow(clippy::print_stdout, reason = "a bench prints")]

use std::{
    fs::File,
    io::Write,
    path::Path,
    time::{Duration, Instant},
};

use ed25519_dalek::{Signer, SigningKey};
use futures::StreamExt;
use libp2p::{Swarm, SwarmBuilder, noise, ping, swarm::SwarmEvent, tcp, yamux};
use sovereign_node::{
    EventStream, Node,
    api::{Command, ErrorKind, EventKind, Reply},
    config::NodeConfig,
};
use tempfile::TempDir;

const ROUNDS: usize = 9;
const MESSAGES: usize = 1_000;
const LOOPBACK: &str = "/ip4/127.0.0.1/tcp/0";

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let (mut first, mut cold, mut raw) = (Vec::new(), Vec::new(), Vec::new());
        let (mut both, mut flushes) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            let dirs = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
            first.push(first_message(&dirs).await);
            cold.push(first_message(&dirs).await);
            raw.push(first_ping(false).await);
            both.push(first_ping(true).await);
            flushes.push(flush(dirs[0].path()));
        }
        let raw = median(raw);
        let (both, flush) = (median(both), median(flushes));
        let least = both.max(flush) + flush;
        for (what, times) in [("cold start", cold), ("first start of all", first)] {
            let ours = median(times);
            println!(
                "{what} to first authenticated, durable message: {:.1} ms; raw rust-libp2p to first ping: {:.1} ms, ratio {:.2}; \
                 with QUIC {:.1} ms, and a flush of {:.1} ms at each end: {:.1} ms, ratio {:.2}",
                ms(ours),
                ms(raw),
                ours.as_secs_f64() / raw.as_secs_f64(),
                ms(both),
                ms(flush),
                ms(least),
                ours.as_secs_f64() / least.as_secs_f64()
            );
        }
        let (mut verify, mut written, mut delivered) = (Vec::new(), Vec::new(), Vec::new());
        for _ in 0..5 {
            verify.push(verify_cost());
            let cost = message_cost().await;
            written.push(cost.0);
            delivered.push(cost.1);
        }
        let (verify, written, delivered) = (median(verify), median(written), median(delivered));
        println!(
            "CPU a message: written {:.0} µs, delivered and stored (both ends) {:.0} µs; one verify {:.0} µs; ratio {:.2}",
            us(written),
            us(delivered),
            us(verify),
            delivered.as_secs_f64() / verify.as_secs_f64()
        );
    });
}

async fn start(data: &Path, name: &str) -> Node {
    let config = NodeConfig {
        name: Some(name.to_owned()),
        listen: vec![LOOPBACK.to_owned()],
        mdns: false,
        ..NodeConfig::new(data.to_owned())
    };
    Node::start(config).await.expect("a node starts")
}

async fn join(node: &Node) {
    let target = "#bench".to_owned();
    match node.call(Command::ChannelJoin { target }).await {
        Ok(_) => {}
        Err(error) => assert_eq!(error.kind, ErrorKind::Exists, "joins once"),
    }
}

async fn address(node: &Node, events: &mut EventStream) -> String {
    loop {
        let Ok(Reply::Status(status)) = node.call(Command::Status).await else {
            panic!("a status")
        };
        if let Some(address) = status.listen.first() {
            return address.clone();
        }
        until(events, |kind| {
            matches!(kind, EventKind::ListenChanged { .. })
        })
        .await;
    }
}

async fn until(events: &mut EventStream, fits: impl Fn(&EventKind) -> bool) {
    while !fits(&events.next().await.expect("the node runs").kind) {}
}

async fn send(node: &Node, text: &str) {
    let command = Command::Send {
        channel: "#bench".to_owned(),
        text: text.to_owned(),
    };
    node.call(command).await.expect("sends");
}

/// Two nodes started, linked, one message durable on the other. In empty directories they make their
/// identities and stores and join a channel first.
async fn first_message(dirs: &[TempDir; 2]) -> Duration {
    let begin = Instant::now();
    let (ana, ben) = tokio::join!(start(dirs[0].path(), "Ana"), start(dirs[1].path(), "Ben"));
    let (mut ana_events, mut ben_events) = (ana.subscribe(), ben.subscribe());
    tokio::join!(join(&ana), join(&ben));
    let dial = async {
        let address = address(&ana, &mut ana_events).await;
        ben.call(Command::Dial { address }).await.expect("dials");
    };
    tokio::join!(dial, send(&ana, "first"));
    until(&mut ben_events, |kind| {
        matches!(kind, EventKind::Message { .. })
    })
    .await;
    let took = begin.elapsed();
    tokio::join!(ana.shutdown(), ben.shutdown());
    took
}

fn swarm(quic: bool) -> Swarm<ping::Behaviour> {
    let tcp = SwarmBuilder::with_new_identity()
        .with_tokio()
        .with_tcp(
            tcp::Config::default(),
            noise::Config::new,
            yamux::Config::default,
        )
        .expect("TCP");
    let behaviour = |_: &libp2p::identity::Keypair| ping::Behaviour::default();
    if quic {
        let built = tcp.with_quic().with_behaviour(behaviour);
        built.expect("ping").build()
    } else {
        tcp.with_behaviour(behaviour).expect("ping").build()
    }
}

/// What it takes to append a message and have it on the disk.
fn flush(dir: &Path) -> Duration {
    let mut file = File::create(dir.join("appended")).expect("a file");
    let mut append = || {
        let begin = Instant::now();
        file.write_all(&[1; 700]).expect("appends");
        file.sync_data().expect("flushes");
        begin.elapsed()
    };
    // The first one makes the file itself durable.
    append();
    median((0..5).map(|_| append()).collect())
}

/// The same way with nothing on it: two swarms, TCP, Noise, Yamux, one ping answered.
async fn first_ping(quic: bool) -> Duration {
    let begin = Instant::now();
    let (mut one, mut two) = (swarm(quic), swarm(quic));
    one.listen_on(LOOPBACK.parse().expect("an address"))
        .expect("listens");
    loop {
        if let SwarmEvent::NewListenAddr { address, .. } = one.select_next_some().await {
            two.dial(address).expect("dials");
            break;
        }
    }
    loop {
        tokio::select! {
            _ = one.select_next_some() => {}
            event = two.select_next_some() => {
                if let SwarmEvent::Behaviour(ping::Event { result: Ok(_), .. }) = event {
                    return begin.elapsed();
                }
            }
        }
    }
}

/// CPU of writing one message, and of bringing it to a second node that catches up.
async fn message_cost() -> (Duration, Duration) {
    let dirs = (
        tempfile::tempdir().expect("a directory"),
        tempfile::tempdir().expect("a directory"),
    );
    let (ana, ben) = (
        start(dirs.0.path(), "Ana").await,
        start(dirs.1.path(), "Ben").await,
    );
    let (mut ana_events, mut ben_events) = (ana.subscribe(), ben.subscribe());
    join(&ana).await;
    join(&ben).await;
    let address = address(&ana, &mut ana_events).await;
    let begin = cpu();
    for number in 0..MESSAGES {
        send(&ana, &format!("message {number}")).await;
    }
    let written = cpu() - begin;
    let begin = cpu();
    ben.call(Command::Dial { address }).await.expect("dials");
    for _ in 0..MESSAGES {
        until(&mut ben_events, |kind| {
            assert!(!matches!(kind, EventKind::Missed { .. }), "all are seen");
            matches!(kind, EventKind::Message { .. })
        })
        .await;
    }
    let delivered = cpu() - begin;
    ana.shutdown().await;
    ben.shutdown().await;
    let each = u32::try_from(MESSAGES).expect("a small number");
    (written / each, delivered / each)
}

fn verify_cost() -> Duration {
    let key = SigningKey::from_bytes(&[7; 32]);
    let message = [1; 200];
    let signature = key.sign(&message);
    let verifying = key.verifying_key();
    let begin = cpu();
    for _ in 0..MESSAGES {
        verifying
            .verify_strict(&message, &signature)
            .expect("valid");
    }
    (cpu() - begin) / u32::try_from(MESSAGES).expect("a small number")
}

/// CPU time of this process, all threads.
fn cpu() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ProcessCPUTime);
    Duration::new(
        time.tv_sec.unsigned_abs(),
        u32::try_from(time.tv_nsec).expect("below a second"),
    )
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() / 2]
}

fn ms(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn us(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
