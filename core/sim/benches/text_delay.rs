//! How long a text waits while a megabyte crosses the same 20 kB/s link, and what share of the raw rate the
//! megabyte gets (must show e of the Bluetooth issue): two whole nodes on the virtual radio, with frames lost.
//! The world runs in real time: on a busy machine delays are too long.

#![allow(clippy::print_stdout, reason = "a bench prints")]

use std::time::{Duration, Instant};

use sovereign_node::{
    EventStream, Node,
    api::{Command, EventKind},
    config::{NodeConfig, Profile},
};
use sovereign_sim::radio::{Air, Hardware, Physics, Position, Span, VirtualRadio, World};

const CHANNEL: &str = "#bench";
/// A text that fills the largest bundle.
const LARGE: usize = 12_000;
const BUNDLE: usize = 16_384;
const RATE: f64 = 20_000.0;
/// What the radio's stream carries for a byte of a bundle: 1,000 are 1,010 of link/1 and 1,028 of Noise.
const FRAMED: f64 = 1.028;

fn main() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    for loss in [0.0, 0.1] {
        runtime.block_on(run(loss));
    }
}

async fn run(frame_loss: f64) {
    // The byte rate alone sets the pace.
    let at_once = Span {
        min: Duration::ZERO,
        max: Duration::ZERO,
    };
    let physics = Physics {
        frame_loss,
        operation: at_once,
        ..Physics::phones()
    };
    let air = Air::new(World::new(physics, 1), 1);
    let dirs = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
    let join = |x| air.join(Position { x, y: 0.0 }, Hardware::small_mtu());
    let (ana, _ana_events) = start(dirs[0].path(), join(0.0)).await;
    let (ben, mut events) = start(dirs[1].path(), join(3.0)).await;
    // The link is up and both are known as members before anything is measured.
    send(&ana, "hello").await;
    while next_text(&mut events).await != "hello" {}
    let large = 1_000_000usize.div_ceil(BUNDLE);
    let begin = Instant::now();
    for number in 0..large {
        send(&ana, &format!("{number:0>LARGE$}")).await;
    }
    let mut delays = Vec::new();
    let (mut arrived, mut said) = (0, None);
    let mut tick = tokio::time::interval(Duration::from_millis(1_500));
    while arrived < large {
        tokio::select! {
            _ = tick.tick(), if said.is_none() => {
                send(&ana, "short").await;
                said = Some(Instant::now());
            }
            text = next_text(&mut events) => {
                if text == "short" {
                    delays.extend(said.take().map(|at| at.elapsed()));
                } else {
                    arrived += 1;
                }
            }
        }
    }
    let took = begin.elapsed().as_secs_f64();
    delays.sort_unstable();
    let at = |share: usize| delays[(delays.len() - 1) * share / 100].as_millis();
    let rate = (large * BUNDLE) as f64 / took;
    println!(
        "frame loss {:.0} %: {} texts, delay p50 {} ms, p95 {} ms; file {:.1} kB/s, {:.0} % of raw, with its framing {:.0} %",
        frame_loss * 100.0,
        delays.len(),
        at(50),
        at(95),
        rate / 1e3,
        rate / RATE * 100.0,
        rate * FRAMED / RATE * 100.0
    );
    ana.shutdown().await;
    ben.shutdown().await;
}

async fn start(data: &std::path::Path, radio: VirtualRadio) -> (Node, EventStream) {
    let config = NodeConfig {
        listen: vec!["/ip4/127.0.0.1/tcp/0".to_owned()],
        mdns: false,
        ble_profile: Profile::Performance,
        ..NodeConfig::new(data.to_owned())
    };
    let node = Node::start_on(config, radio).await.expect("a node starts");
    let events = node.subscribe();
    let target = CHANNEL.to_owned();
    node.call(Command::ChannelJoin { target })
        .await
        .expect("joins");
    (node, events)
}

async fn send(node: &Node, text: &str) {
    let command = Command::Send {
        channel: CHANNEL.to_owned(),
        text: text.to_owned(),
    };
    node.call(command).await.expect("sends");
}

async fn next_text(events: &mut EventStream) -> String {
    loop {
        if let EventKind::Message { message, .. } = events.next().await.expect("it runs").kind {
            return message.text;
        }
    }
}
