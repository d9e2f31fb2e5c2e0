//! Puts a node on the local network and prints what it sees, one line an event:
//! milliseconds since the Unix epoch, event, id, addresses. For `tests/netns/lab.sh`.
//!
//! `lan_probe SECONDS [ID-HEX]`; says goodbye at the end and on Ctrl-C.

#![allow(clippy::print_stdout)]

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sovereign_node::adapters::mdns::{Config, MdnsLan};
use sovereign_node::adapters::rng::OsRng;
use sovereign_node::ports::lan::{Lan, LanAdvertisement, LanEvent};
use sovereign_node::ports::rng::Rng;
use sovereign_protocol::id::{DiscoveryId, TransportId};

fn line(what: &str) {
    let ms = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .map_or(0, |t| t.as_millis());
    println!("{ms} {what}");
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), String> {
    let mut arguments = std::env::args().skip(1);
    let seconds = arguments.next().and_then(|s| s.parse().ok()).unwrap_or(60);
    let mut discovery = [0; 8];
    OsRng.fill(&mut discovery);
    let discovery = match arguments.next() {
        Some(text) => text.parse().map_err(|e| format!("{text}: {e}"))?,
        None => DiscoveryId(discovery),
    };
    let mut transport = [0; 32];
    OsRng.fill(&mut transport);
    line(&format!("start {discovery}"));
    let mut lan = MdnsLan::start(Config::default())?;
    lan.announce(LanAdvertisement {
        transport: TransportId(transport),
        discovery,
        tcp_port: 4000,
        quic_port: Some(4001),
        versions: vec![1],
        capabilities: 3,
    })?;
    line(&format!("announced {discovery}"));
    let mut end = std::pin::pin!(tokio::time::sleep(Duration::from_secs(seconds)));
    loop {
        let event = tokio::select! {
            event = lan.next() => event,
            () = &mut end => break,
            _ = tokio::signal::ctrl_c() => break,
        };
        match event {
            LanEvent::Sighted(s) => line(&format!(
                "sighted {} {:?}",
                s.advertisement.discovery, s.addresses
            )),
            LanEvent::Lost(id) => line(&format!("lost {id}")),
            LanEvent::Interfaces(addresses) => line(&format!("interfaces {addresses:?}")),
            LanEvent::State(state) => line(&format!("state {state:?}")),
        }
    }
    lan.shutdown().await;
    line("end");
    Ok(())
}
