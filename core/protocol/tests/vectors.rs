//! The vectors of `docs/protocol.md` §§1–6 and 10, so that others can implement the wire.
//!
//! Each test builds its file anew from fixed inputs and compares it with the committed one. After
//! an intended change of the protocol:
//! `UPDATE_VECTORS=1 cargo test -p sovereign-protocol --test vectors`.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test")]

#[path = "vectors/channel.rs"]
mod channel;
#[path = "vectors/identity.rs"]
mod identity;
#[path = "vectors/message.rs"]
mod message;

use std::path::Path;

use hex::encode;
use serde_json::{Value, json};
use sovereign_protocol::{
    crypto::{kdf, mac, mac8},
    identity::Identity,
};

/// Compares with the committed file, or writes it.
fn check(file: &str, made: &Value) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/vectors")
        .join(file);
    if std::env::var_os("UPDATE_VECTORS").is_some() {
        let text = serde_json::to_string_pretty(made).expect("JSON") + "\n";
        std::fs::write(&path, text).expect("the vectors can be written");
    }
    let text = std::fs::read_to_string(&path).expect("the vectors are committed");
    let committed: Value = serde_json::from_str(&text).expect("JSON");
    assert_eq!(&committed, made, "{file} does not fit the code");
}

#[test]
fn primitives() {
    let kdf_case = |ikm: &[u8], salt: &[u8], info: &str| {
        json!({
            "ikm": encode(ikm), "salt": encode(salt), "info": info,
            "okm": encode(kdf::<64>(ikm, salt, info)),
        })
    };
    let mac_case = |key: &[u8], message: &[u8]| {
        json!({
            "key": encode(key), "message": encode(message),
            "mac": encode(mac(key, &[message])), "mac8": encode(mac8(key, &[message])),
        })
    };
    let signer = Identity::from_seed([1; 32]).signer();
    let domain = "sovereign/v1/example";
    check(
        "primitives.json",
        &json!({
            "kdf": [
                kdf_case(&[0x0b; 22], &[], ""),
                kdf_case(&[1; 32], &[], "sovereign/v1/ratchet"),
                kdf_case(&[1; 32], &[2; 16], "sovereign/v1/bundle"),
            ],
            "mac": [
                mac_case(b"Jefe", b"what do ya want for nothing?"),
                mac_case(&[1; 32], b""),
            ],
            "sign": {
                "seed": encode([1; 32]), "key": signer.author().to_string(),
                "domain": domain, "message": encode(b"hello"),
                "signature": encode(signer.sign(domain, b"hello")),
            },
        }),
    );
}
