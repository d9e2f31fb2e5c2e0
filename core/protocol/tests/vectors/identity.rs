//! §§2–3: keys, ids, bindings, proofs and recognition.

use std::time::Duration;

use hex::encode;
use serde_json::{Value, json};
use sovereign_protocol::{
    id::{ChannelId, TransportId},
    identity::{Identity, Transcript, TransportKey, binding, proof, recognise},
    link_kind::Role,
};

fn transport_key(seed: u8) -> TransportKey {
    TransportKey::from_seed([seed; 32], Duration::ZERO)
}

#[test]
fn identities() {
    let people = [0x00, 0x01, 0xff].map(|seed| {
        let person = Identity::from_seed([seed; 32]);
        let mesh = person.public().mesh_id();
        let channel = ChannelId([0x5a; 16]);
        json!({
            "seed": encode(person.seed()),
            "identity": person.public().to_string(),
            "mesh_id": mesh.to_string(),
            "fingerprint": mesh.fingerprint(),
            "channel": channel.to_string(),
            "pseudonym": person.pseudonym(&channel).author().to_string(),
        })
    });
    let transport = [2, 3].map(|seed| {
        let key = transport_key(seed);
        json!({
            "seed": encode(*key.seed),
            "key": encode(key.id().0),
            "peer_id": key.id().to_string(),
            "lan_discovery_id": key.lan_discovery_id().to_string(),
        })
    });
    super::check(
        "identity.json",
        &json!({
            "people": people, "transport": transport,
            "binding": bindings(), "proof": proofs(),
        }),
    );
}

fn bindings() -> Value {
    let alice = Identity::from_seed([1; 32]);
    let (link, other) = (transport_key(2).id(), transport_key(3).id());
    let issued = 1_800_000_000;
    let bytes = binding::issue(&alice, &[other, link], issued, binding::MAX_LIFETIME)
        .expect("two ids, seven days");
    let read = binding::verify(&bytes, &link, issued).expect("verified");
    assert_eq!(read.identity, alice.public());

    let mut flipped = bytes.clone();
    flipped[70] ^= 1;
    let refused = [
        ("expired", &bytes, link, issued + 604_800),
        ("another link", &bytes, TransportId([9; 32]), issued),
        ("a changed bit", &flipped, link, issued),
    ]
    .map(|(why, bytes, link, now)| {
        assert!(binding::verify(bytes, &link, now).is_err(), "{why}");
        json!({"why": why, "binding": encode(bytes), "link": encode(link.0), "now_s": now})
    });
    json!({
        "identity_seed": encode(alice.seed()),
        "transport_ids": [encode(other.0), encode(link.0)],
        "issued_s": issued, "expires_s": read.expires_s,
        "link": encode(link.0), "now_s": issued,
        "binding": encode(&bytes), "refused": refused,
    })
}

fn proofs() -> Value {
    let alice = Identity::from_seed([1; 32]);
    let pair_secret = [0x77; 32];
    let transcript = Transcript {
        dialer: transport_key(2).id(),
        listener: transport_key(3).id(),
        dialer_nonce: [0xd1; 16],
        listener_nonce: [0x15; 16],
    };
    let by = |role| {
        let proof = proof::sign(&alice, role, &transcript);
        let verified = proof::verify(&alice.public(), role, &transcript, &proof);
        assert_eq!(verified, Ok(()));
        let tag = recognise::tag(&pair_secret, role, &transcript);
        assert!(recognise::verify(&pair_secret, role, &transcript, &tag));
        json!({"proof": encode(proof), "recognition_tag": encode(tag)})
    };
    json!({
        "identity_seed": encode(alice.seed()), "pair_secret": encode(pair_secret),
        "dialer_id": encode(transcript.dialer.0), "listener_id": encode(transcript.listener.0),
        "dialer_nonce": encode(transcript.dialer_nonce),
        "listener_nonce": encode(transcript.listener_nonce),
        "by_dialer": by(Role::Dialer), "by_listener": by(Role::Listener),
    })
}
