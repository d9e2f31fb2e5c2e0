//! A member of a public channel that writes what it likes, past any node.

use sovereign_protocol::{
    channel::{keys::ChannelKeys, name::CanonicalName},
    engine::Taken,
    id::{DeviceId, MessageId},
    identity::Identity,
    link::frame::Body,
    link_kind::Role,
    message::{
        bundle::Bundle,
        envelope::{Draft, Envelope, Kind, ParentId},
        text::TextBody,
    },
    wire::v1::{Done, Membership},
};

use super::{World, ms};

/// The member.
pub struct Liar {
    pub keys: ChannelKeys,
    pub identity: Identity,
}

impl Liar {
    pub fn of(name: &str) -> Self {
        Self {
            keys: ChannelKeys::public(&CanonicalName::parse(name).expect("a good name")),
            identity: Identity::from_seed([66; 32]),
        }
    }

    pub fn text(&self, lamport: u64, parents: &[[u8; 16]], text: &str) -> Vec<u8> {
        let payload = TextBody {
            body: text.to_owned(),
            name: Some("liar".to_owned()),
        };
        let payload = payload.encode().expect("a short text");
        self.sign(Kind::Text, lamport, parents, payload)
    }

    pub fn receipt(&self, lamport: u64, parents: &[[u8; 16]]) -> Vec<u8> {
        self.sign(Kind::Receipt, lamport, parents, bytes::Bytes::new())
    }

    pub fn seal(&self, world: &mut World, envelope: &[u8]) -> Bundle {
        self.keys.seal(envelope, &mut world.rng).expect("it fits")
    }

    /// The id of what it has written.
    pub fn id(&self, envelope: &[u8]) -> MessageId {
        let envelope = Envelope::verify(envelope, self.keys.id(), 0);
        envelope.expect("validly signed").id
    }

    fn sign(
        &self,
        kind: Kind,
        lamport: u64,
        parents: &[[u8; 16]],
        payload: bytes::Bytes,
    ) -> Vec<u8> {
        let draft = Draft {
            channel: self.keys.id(),
            epoch: 0,
            device: DeviceId([0; 4]),
            kind,
            parents: parents.iter().copied().map(ParentId).collect(),
            sent_at_s: 0,
            lamport,
            payload,
        };
        let signed = draft.sign(&self.keys.signer(&self.identity));
        signed.expect("within bounds").to_vec()
    }
}

impl World {
    /// A puppet proves to be in a channel, among three tags of chance.
    pub fn puppet_proves(&mut self, puppet: usize, keys: &ChannelKeys) {
        let session = self.puppets[puppet].id.expect("its Hello is done");
        let mut tags = vec![3; 24];
        tags.extend(keys.member_tag(Role::Dialer, &session));
        let tags = Membership { tags: tags.into() };
        self.puppet_says(puppet, Body::Membership(tags));
        self.run(ms(100));
    }

    /// A puppet says that it has all it lacked.
    pub fn puppet_is_done(&mut self, puppet: usize) {
        self.puppet_says(puppet, Body::Done(Done {}));
        self.run(ms(100));
    }

    /// Hands a bundle to a node as a file, and lets it become durable.
    pub fn import(&mut self, node: usize, bundle: &Bundle) -> Taken {
        let taken = self.import_only(node, bundle);
        self.run(ms(100));
        taken
    }

    pub fn import_only(&mut self, node: usize, bundle: &Bundle) -> Taken {
        let at = self.nodes[node].at(self.now);
        let engine = self.nodes[node].engine.as_mut().expect("running");
        let taken = engine.import(bundle.as_bytes().clone(), 0, 604_800, at);
        self.after(node);
        taken
    }
}
