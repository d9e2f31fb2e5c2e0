//! A node and a peer that somebody else wrote: `tests/ble/userland/peer`, on Bumble's own host, from
//! docs/protocol.md alone (must show c of the Bluetooth issue).

use std::collections::BTreeSet;

use serde_json::{Value, json};
use sovereign_node::api::{LinkWord, PeerState};
use sovereign_node::contract::radio::{RadioFixture as _, advertising};
use sovereign_node::ports::radio::{Advertising, RadioCommand};
use sovereign_protocol::id::DiscoveryId;
use sovereign_protocol::radio::advert::{self, Capabilities};
use sovereign_protocol::radio::discovery::{ResolvingKey, SeenId};

use crate::air::Lab;
use crate::lab::submit;
use crate::python::Python;

/// The next time that the peer says this word; it may say others before.
pub(crate) async fn until_says(peer: &mut Python, word: &str) -> Value {
    loop {
        let said = peer.answer().await;
        if said["is"] == word {
            return said;
        }
        for end in ["ended", "refused"] {
            assert_ne!(said["is"], end, "{said}");
        }
    }
}

fn start<const L2CAP: bool>(lab: &mut Lab<L2CAP>, role: &str) -> Python {
    let hci = lab.controller("hci");
    let words = [role, "--name", "Python", "--holds", "from Python 0"];
    let words = words.into_iter().chain(L2CAP.then_some("--l2cap"));
    let arguments = std::iter::once(hci.as_os_str()).chain(words.map(AsRef::as_ref));
    Python::start("peer", arguments)
}

/// LOC-2, LOC-4, MSG-6, MSG-7: each knows the other by the key that it has proved and by the id that the air
/// carries; what each said before there was a link, and after, arrives exactly once and is acknowledged.
async fn both_are_heard<const L2CAP: bool>(role: &str) {
    let mut lab = Lab::<L2CAP>::default();
    let mut node = crate::start("Node", lab.join().await).await;
    node.say("from Node 0").await;
    let mut peer = start(&mut lab, role);

    let met = until_says(
        &mut peer,
        if role == "dial" {
            "heard"
        } else {
            "advertising"
        },
    )
    .await;
    let up = until_says(&mut peer, "up").await;
    assert_eq!(up["bearer"], if L2CAP { "l2cap" } else { "gatt" });
    assert_eq!(up["max_frame"], 495);
    let secure = until_says(&mut peer, "secure").await;
    let linked = until_says(&mut peer, "linked").await;
    // Who listens is recognised by what it advertises, who dials by what it says.
    assert_eq!(role == "dial", linked["id"] == met["id"], "{linked}");
    assert!(linked["id"].is_string());
    let text = until_says(&mut peer, "text").await;
    assert_eq!(
        (&text["text"], &text["name"]),
        (&json!("from Node 0"), &json!("Node"))
    );
    let listed = node.peers().await;
    let own = secure["own"].as_str().expect("a PeerId");
    let found = listed.iter().filter(|peer| peer.transport_id == own);
    let found: Vec<_> = found.map(|peer| (peer.link, peer.state)).collect();
    assert_eq!(found, [(LinkWord::Ble, PeerState::Connected)], "{listed:?}");

    until_says(&mut peer, "member").await;
    node.say("from Node 1").await;
    let text = until_says(&mut peer, "text").await;
    assert_eq!(text["text"], "from Node 1");
    peer.tell("say from Python 1");
    while until_says(&mut peer, "delivered").await["texts"] != json!(["from Python 1"]) {}
    node.hears("from Python", 2).await;
    peer.tell("close");
    let mut said = Value::Null;
    while said["is"] != "ended" {
        said = peer.answer().await;
        assert_ne!(said["is"], "text", "{said}");
    }
    node.stop().await;
}

#[tokio::test]
async fn a_peer_from_the_text_dials_a_node() {
    both_are_heard::<false>("dial").await;
}

#[tokio::test]
async fn a_node_dials_a_peer_from_the_text() {
    both_are_heard::<false>("serve").await;
}

#[tokio::test]
async fn a_peer_from_the_text_opens_a_channel_to_a_node() {
    both_are_heard::<true>("dial").await;
}

#[tokio::test]
async fn a_node_opens_a_channel_to_a_peer_from_the_text() {
    both_are_heard::<true>("serve").await;
}

/// LOC-2, docs/protocol.md 11.4: who has been given the key of a node resolves its id, nobody else does.
#[tokio::test]
async fn an_id_is_resolved_with_its_key_only() {
    let (contact, stranger) = ([7; 32], [8; 32]);
    let resolves = |key, id| ResolvingKey::from_bytes(key).resolves(&SeenId::Full(DiscoveryId(id)));
    let mut lab = Lab::<false>::default();
    let mut radio = lab.join().await;
    let id = ResolvingKey::from_bytes(contact).id([1, 2, 3]);
    let response = advert::scan_response(&id, Capabilities::default());
    let advertising = Advertising {
        scan_response: response.to_vec().into(),
        ..advertising(1, 1)
    };
    submit(&mut radio, RadioCommand::Advertise(Some(advertising)));
    for key in [contact, stranger] {
        let hci = lab.controller("hci");
        let hex = hex::encode(key);
        let arguments = [hci.as_os_str(), "dial".as_ref(), "--contact".as_ref()];
        let arguments = arguments.into_iter().chain([hex.as_ref()]);
        let mut peer = Python::start("peer", arguments);
        let heard = until_says(&mut peer, "heard").await;
        assert_eq!(heard["id"], hex::encode(id.0));
        assert_eq!(heard["contact"], key == contact);
    }
    let mut peer = start(&mut lab, "serve");
    let says = until_says(&mut peer, "advertising").await;
    let bytes = |what: &str| hex::decode(says[what].as_str().expect("hex")).expect("hex");
    let id = bytes("id").try_into().expect("8 bytes");
    assert!(resolves(bytes("key").try_into().expect("32 bytes"), id));
    assert!(!resolves(stranger, id));
}

/// LOC-4: two implementations of the radio stream repair what neither was written for alone: a tenth of all frames
/// lost, notifications out of order, an MTU of 185. The texts cross in several Parts, as bulk.
#[tokio::test]
async fn two_implementations_of_the_stream_repair_a_bad_link() {
    let mut lab = Lab::<false>::default();
    lab.ask(&json!({
        "do": "pair", "a": "*", "b": "*",
        "att_mtu": 185, "reorder": 0.3, "lose": 0.1, "latency_ms": 20, "bytes_per_s": 20_000,
    }));
    let mut node = crate::start("Node", lab.join().await).await;
    let mut peer = start(&mut lab, "dial");
    until_says(&mut peer, "member").await;
    let (from_node, from_python) = ("from Node ".repeat(900), "from Python ".repeat(900));
    for count in 0..3 {
        node.say(&format!("{from_node}{count}")).await;
        peer.tell(&format!("say {from_python}{count}"));
    }
    // Large ones are asked for, the newest first.
    let mut left: BTreeSet<_> = (0..3).map(|count| format!("{from_node}{count}")).collect();
    while !left.is_empty() {
        let text = until_says(&mut peer, "text").await;
        let text = text["text"].as_str().expect("a text");
        assert!(left.remove(text), "{text}");
    }
    node.hears(from_python.trim_end(), 3).await;
    node.stop().await;
}
