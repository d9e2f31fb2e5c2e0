//! What people type, scan or show: names, invitations, bindings, ids (docs/protocol.md §2–§4).

use std::{fmt::Display, str::FromStr, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use prost::Message as _;
use sovereign_protocol::{
    channel::{
        CanonicalName, ChannelKeys, Invite, Label,
        invite::PREFIX,
        name::{MAX_NAME, NameError},
    },
    crypto::hash,
    id::{
        AuthorKey, ChannelId, ContentId, DeviceId, DiscoveryId, IdentityKey, MeshId, MessageId,
        TransportId,
    },
    identity::{
        Identity, Transcript,
        binding::{self, BindingError, MAX_LEN, MAX_LIFETIME, MAX_TRANSPORT_IDS},
        proof, recognise,
    },
    link_kind::Role,
    message::text::{MAX_DISPLAY_NAME, clean_name},
    wire::v1::IdentityBinding,
};

use super::input::Input;

/// Names keep their canonical form.
pub(crate) fn name(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    if let Ok(name) = CanonicalName::parse(&text) {
        assert!((1..=MAX_NAME).contains(&name.as_str().len()));
        assert_eq!(CanonicalName::parse(name.as_str()).as_ref(), Ok(&name));
        assert_eq!(
            CanonicalName::parse(&format!("#{name}")).as_ref(),
            Ok(&name)
        );
        assert!(!name.as_str().contains(char::is_whitespace));
    }
    match Label::parse(&text) {
        Ok(label) => {
            assert!((1..=MAX_NAME).contains(&label.as_str().len()));
            assert_eq!(Label::parse(label.as_str()).as_ref(), Ok(&label));
        }
        Err(NameError::Character(c)) => assert_ne!(c, 'a'),
        Err(_) => {}
    }
    if let Some(name) = clean_name(&text) {
        assert!((1..=MAX_DISPLAY_NAME).contains(&name.len()));
        assert_eq!(clean_name(&name), Some(name));
    }
}

/// First byte: bit 0 the text as it is, otherwise these bytes with a check that fits.
pub(crate) fn invite(data: &[u8]) {
    let mut input = Input::new(data);
    let text = if input.u8() & 1 == 1 {
        String::from_utf8_lossy(input.rest()).into_owned()
    } else {
        let content = input.rest();
        let check = hash(&[content]);
        let bytes = [content, &check[..4]].concat();
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    };
    let Ok(invite) = text.parse::<Invite>() else {
        return;
    };
    assert_eq!(invite.to_string(), text.trim(), "one form");
    let keys = ChannelKeys::from_invite(&invite, Duration::ZERO);
    assert_eq!(keys.newest_epoch(), invite.epoch());
    assert_eq!(
        keys.invite().map(|again| again.to_string()),
        Some(invite.to_string())
    );
    assert_eq!(ChannelKeys::from_record(&keys.to_record()), Ok(keys));
}

/// First byte: bit 0 the bytes as they are, otherwise as a body under a good signature. 8 bytes of wall
/// clock follow.
pub(crate) fn binding(data: &[u8]) {
    let mut input = Input::new(data);
    let raw = input.u8() & 1 == 1;
    let now_s = input.u64();
    let rest = input.rest();
    let bytes = if raw {
        rest.to_vec()
    } else {
        let signer = Identity::from_seed([1; 32]).signer();
        [&signer.sign("sovereign/v1/binding", rest)[..], rest].concat()
    };
    let body = bytes.get(64..).unwrap_or_default();
    // The link is one that the binding names, if it names any.
    let link = IdentityBinding::decode(body)
        .ok()
        .and_then(|said| TransportId::from_bytes_of(said.transport_ids.first()?))
        .unwrap_or(TransportId([9; 32]));
    match binding::verify(&bytes, &link, now_s) {
        Ok(binding) => {
            assert!((1..=MAX_TRANSPORT_IDS).contains(&binding.transport_ids.len()));
            assert!(binding.transport_ids.contains(&link));
            assert!(now_s < binding.expires_s);
            assert!(binding.expires_s - binding.issued_s <= MAX_LIFETIME.as_secs());
            assert!(binding::verify(&bytes, &link, binding.expires_s).is_err());
            assert!(binding::verify(&bytes, &TransportId([0xfe; 32]), now_s).is_err());
        }
        Err(BindingError::Length(len)) => {
            assert!(len == bytes.len() && !(64..=MAX_LEN).contains(&len))
        }
        Err(_) => {}
    }
    let transcript = Transcript {
        dialer: link,
        listener: TransportId([8; 32]),
        dialer_nonce: [1; 16],
        listener_nonce: [2; 16],
    };
    let key = Identity::from_seed([1; 32]).public();
    assert!(proof::verify(&key, Role::Dialer, &transcript, rest).is_err());
    assert!(!recognise::verify(
        &[5; 32],
        Role::Dialer,
        &transcript,
        rest
    ));
}

trait OfBytes: Sized {
    fn from_bytes_of(bytes: &[u8]) -> Option<Self>;
}

impl OfBytes for TransportId {
    fn from_bytes_of(bytes: &[u8]) -> Option<Self> {
        bytes.try_into().ok().map(Self)
    }
}

/// Every id's text form; the byte forms of those that have one.
pub(crate) fn ids(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    hex_id::<IdentityKey>(&text);
    hex_id::<AuthorKey>(&text);
    hex_id::<MeshId>(&text);
    hex_id::<ChannelId>(&text);
    hex_id::<ContentId>(&text);
    hex_id::<MessageId>(&text);
    hex_id::<DeviceId>(&text);
    hex_id::<DiscoveryId>(&text);
    if let Ok(id) = text.parse::<TransportId>() {
        assert_eq!(id.to_string(), text, "one form");
    }
    if let Ok(id) = TransportId::from_peer_id_bytes(data) {
        assert_eq!(id.to_peer_id_bytes()[..], *data);
        assert_eq!(id.to_string().parse(), Ok(id));
    }
    if let Ok(id) = IdentityKey::try_from(data) {
        assert_eq!(id.to_string().parse(), Ok(id));
        assert_eq!(id.mesh_id().fingerprint().len(), 49);
    }
}

fn hex_id<T: FromStr + Display>(text: &str) {
    if let Ok(id) = text.parse::<T>() {
        assert_eq!(id.to_string(), text.to_ascii_lowercase());
    }
}
