//! Every public decoder of this crate under a committed corpus and mutations of it (hardening 5 and 6), as
//! `core/protocol/tests/fuzz` does it for the protocol crate; how to run for longer stands there.

#[path = "../../../fuzz/node_targets.rs"]
mod node_targets;
#[path = "../../../fuzz/runner.rs"]
mod runner;

use prost::Message as _;
use runner::Runner;
use sovereign_protocol::{
    channel::{CanonicalName, ChannelKeys},
    wire::local::NodeRecord,
};

type Seeds = Vec<(String, Vec<u8>)>;

fn run(name: &'static str, target: fn(&[u8]), runs: u32, seeds: Vec<Vec<u8>>) {
    let named = |(index, bytes): (usize, Vec<u8>)| (format!("{index:03}"), bytes);
    let seeds: Seeds = seeds.into_iter().enumerate().map(named).collect();
    runner::check_corpus(name, &seeds);
    Runner { name, target, runs }.run();
}

#[test]
fn mdns_txt() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/vectors/mdns.json");
    let text = std::fs::read_to_string(path).expect("the vectors are committed");
    let vectors: serde_json::Value = serde_json::from_str(&text).expect("JSON");
    let cases = ["valid", "invalid"].map(|key| vectors[key].as_array().expect("a list").clone());
    let seeds = cases.concat().iter().map(record).collect();
    run("mdns_txt", node_targets::mdns_txt, 40_000, seeds);
}

/// A record of the vectors behind a port: strings, or bytes in hex.
fn record(case: &serde_json::Value) -> Vec<u8> {
    let mut out = vec![0x0f, 0xa0];
    if let Some(hex) = case["hex"].as_str() {
        out.extend(hex::decode(hex).expect("hex"));
        return out;
    }
    for string in case["strings"].as_array().expect("a list") {
        let string = string.as_str().expect("text");
        out.push(u8::try_from(string.len()).expect("at most 255 bytes"));
        out.extend(string.as_bytes());
    }
    out
}

#[test]
fn address() {
    let texts = [
        "/ip4/0.0.0.0/tcp/4001",
        "/ip6/::/udp/4001/quic-v1",
        "/ip6zone/eth0/ip6/fe80::1/tcp/1",
        "/ip4/192.168.1.2/udp/65535/quic-v1/p2p/12D3KooWA",
        "/dns4/example.org/tcp/443/wss",
        "/memory/12705",
        "/ip6/::ffff:10.0.0.1/tcp/0",
    ];
    let seeds = texts.map(|text| text.as_bytes().to_vec()).into();
    run("address", node_targets::address, 40_000, seeds);
}

#[test]
fn control() {
    let lines = [
        r#"{"command":"status"}"#,
        r##"{"command":"channel_join","target":"#halle"}"##,
        r#"{"command":"send","channel":"00","text":"caf\u00e9 \ud83d\ude00"}"#,
        r#"{"command":"history","channel":"00","limit":10,"since":null}"#,
        r#"{"command":"status","extra":[[[[[{}]]]]]}"#,
    ];
    let seeds = lines.map(|line| line.as_bytes().to_vec()).into();
    run("control", node_targets::control, 40_000, seeds);
}

#[test]
fn backup() {
    let row = |bytes: Vec<u8>| {
        let len = u16::try_from(bytes.len()).expect("short");
        [len.to_be_bytes().to_vec(), bytes].concat()
    };
    let node = NodeRecord {
        identity_seed: vec![1; 32].into(),
        name: "Anna".to_owned(),
        device: 7,
        transport_seed: vec![2; 32].into(),
        transport_made_life_s: 9,
    };
    let keys = ChannelKeys::public(&CanonicalName::parse("#fuzz").expect("a name"));
    let channel = [keys.id().0.to_vec(), keys.to_record().encode_to_vec()].concat();
    let seeds = vec![
        row(node.encode_to_vec()),
        [row(node.encode_to_vec()), row(channel)].concat(),
    ];
    run("backup", node_targets::backup, 10_000, seeds);
}
