//! §4: names, keys, the ratchet, membership, topics and invitations.

use std::time::Duration;

use hex::encode;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng};
use serde_json::{Value, json};
use sovereign_protocol::{
    channel::{CanonicalName, ChannelKeys, Invite, Label},
    crypto::{kdf, mac, mac8},
    id::ChannelId,
    link_kind::Role,
    message::bundle,
};

/// The private channel of all vectors.
pub(super) fn private() -> ChannelKeys {
    let label = Label::parse("Family").expect("a label");
    ChannelKeys::private(&label, &mut ChaCha8Rng::seed_from_u64(4), Duration::ZERO)
}

fn derived<const N: usize>(secret: &[u8], info: &str) -> [u8; N] {
    kdf(secret, &[], &format!("sovereign/v1/{info}"))
}

#[test]
fn channels() {
    let names = [
        "#straße",
        "ＨＡＬＬＥ",
        "e\u{301}tage",
        "\u{130}zmir",
        "ΟΔΟΣ",
        "日本",
    ]
    .map(|typed| {
        let name = CanonicalName::parse(typed).expect("a name");
        json!({"typed": typed, "canonical": name.as_str()})
    });
    let refused = [
        "",
        "#",
        "##a",
        "a b",
        "a\u{200b}b",
        "a\u{202e}b",
        "a\u{fe0f}",
        "\u{301}a",
        "a\u{e000}",
        "a\u{378}",
    ];
    for typed in refused {
        assert!(CanonicalName::parse(typed).is_err(), "{typed:?}");
    }
    let public = ["halle", "日本"].map(|name| {
        let keys = ChannelKeys::public(&CanonicalName::parse(name).expect("a name"));
        let fixed: [u8; 32] = derived(name.as_bytes(), "public-channel");
        let chain: [u8; 32] = derived(&fixed, "public-chain");
        json!({
            "name": name, "channel": fixed_part(&keys, &fixed),
            "chain": encode(chain), "message_key": encode(message_key(&keys, &chain)),
        })
    });
    super::check(
        "channel.json",
        &json!({
            "names": names, "refused_names": refused, "public": public,
            "private": ratchet(), "invite": invites(),
        }),
    );
}

/// What follows from a fixed secret, spelled out in primitives and compared with the code.
fn fixed_part(keys: &ChannelKeys, fixed: &[u8]) -> Value {
    let mut id: [u8; 16] = derived(fixed, "channel-id");
    id[6] = (id[6] & 0x0f) | 0x80;
    id[8] = (id[8] & 0x3f) | 0x80;
    assert_eq!(keys.id(), ChannelId(id));
    let member_key: [u8; 32] = derived(fixed, "member-key");
    let session = [0x5e; 32];
    let member = |role: Role, byte: u8| {
        let tag = mac8(&member_key, &[b"sovereign/v1/member", &[0, byte], &session]);
        assert_eq!(keys.member_tag(role, &session), tag);
        encode(tag)
    };
    let topic_key: [u8; 32] = derived(fixed, "topic-key");
    let day = 20_000u32;
    let topic = mac(
        &topic_key,
        &[b"sovereign/v1/topic", &[0], &day.to_be_bytes()],
    );
    assert_eq!(keys.topic(day), topic);
    json!({
        "fixed_secret": encode(fixed), "id": keys.id().to_string(),
        "tag_key": encode(derived::<32>(fixed, "tag-key")),
        "topic_key": encode(topic_key), "day": day, "topic": encode(topic),
        "member_key": encode(member_key), "session": encode(session),
        "member_tag_dialer": member(Role::Dialer, 0),
        "member_tag_listener": member(Role::Listener, 1),
    })
}

/// The message key of the newest epoch, whose chain key is `chain`: the one that the code uses.
fn message_key(keys: &ChannelKeys, chain: &[u8; 32]) -> [u8; 32] {
    let key = derived(chain, "message-key");
    let sealed = keys
        .seal(b"x", &mut ChaCha8Rng::seed_from_u64(5))
        .expect("short");
    assert_eq!(bundle::open(&sealed, &key).expect("opens")[..], *b"x");
    key
}

fn ratchet() -> Value {
    let mut keys = private();
    let record = keys.to_record();
    let mut chain: [u8; 32] = record.epochs[0].chain[..].try_into().expect("32 bytes");
    let mut epochs = Vec::new();
    for epoch in 0..4 {
        assert!(epoch == 0 || keys.authenticated(epoch, true, Duration::ZERO));
        let key = message_key(&keys, &chain);
        epochs.push(json!({
            "epoch": epoch, "chain": encode(chain), "message_key": encode(key),
        }));
        chain = derived(&chain, "ratchet");
    }
    json!({"channel": fixed_part(&keys, &record.fixed_secret), "epochs": epochs})
}

fn invites() -> Value {
    let mut keys = private();
    assert!(keys.authenticated(3, true, Duration::ZERO));
    let invite = keys.invite().expect("private");
    let text = invite.to_string();
    assert_eq!(text.parse::<Invite>(), Ok(invite.clone()));
    let joined = ChannelKeys::from_invite(&invite, Duration::ZERO);
    assert_eq!((joined.id(), joined.newest_epoch()), (keys.id(), 3));

    let other = if text.ends_with('A') { "B" } else { "A" };
    let refused = [
        text.to_uppercase(),
        format!("{}{other}", &text[..text.len() - 1]),
        text[..text.len() - 1].to_owned(),
        format!("{text}="),
    ];
    for text in &refused {
        assert!(text.parse::<Invite>().is_err(), "{text}");
    }
    let record = keys.to_record();
    let newest = record.epochs.last().expect("an epoch");
    json!({
        "fixed_secret": encode(&record.fixed_secret), "epoch": newest.epoch,
        "chain": encode(&newest.chain), "name": record.name,
        "text": text, "refused": refused,
    })
}
