//! Bundles, envelopes, texts and files of bundles (docs/protocol.md §5, §6, §10).

use bytes::Bytes;
use prost::Message as _;
use rand_chacha::{ChaCha8Rng, rand_core::SeedableRng as _};
use sovereign_protocol::{
    channel::{CanonicalName, ChannelKeys, Label},
    id::ChannelId,
    identity::Identity,
    message::{
        Bundle, Envelope, SizeClass,
        archive::{self, ArchiveError, Reader, Record, Writer},
        bundle::MAX_ENVELOPE,
        envelope::{EnvelopeError, MAX_LAMPORT, MAX_PARENTS},
        text::{MAX_BODY, MAX_DISPLAY_NAME, TextBody},
    },
    wire::v1::EnvelopeBody,
};

use super::input::Input;

const DOMAIN: &str = "sovereign/v1/envelope";

/// Keys of a public channel, or of a private one.
pub(crate) fn keys(private: bool) -> ChannelKeys {
    if private {
        let label = Label::parse("Family").expect("a label");
        ChannelKeys::private(
            &label,
            &mut ChaCha8Rng::from_seed([7; 32]),
            Default::default(),
        )
    } else {
        ChannelKeys::public(&CanonicalName::parse("#fuzz").expect("a name"))
    }
}

/// First byte: 0 the bytes as they are, 1 with a header that fits, 2 sealed as an envelope, 3 sealed and
/// then changed somewhere.
pub(crate) fn bundle(data: &[u8]) {
    let mut input = Input::new(data);
    let mode = input.u8();
    let keys = keys(mode & 4 != 0);
    let mut rng = ChaCha8Rng::from_seed([1; 32]);
    match mode & 3 {
        0 => {
            let bytes = Bytes::copy_from_slice(input.rest());
            if let Ok(bundle) = Bundle::parse(bytes.clone()) {
                assert_eq!(bundle.as_bytes(), &bytes);
                assert_eq!(bundle.size(), bytes.len());
                let _ = keys.open(&bundle);
            }
        }
        1 => {
            let class = SizeClass::ALL[usize::from(input.u8() % 5)];
            let mut bytes = input.take(class.size()).to_vec();
            bytes.resize(class.size(), 0);
            bytes[..2].copy_from_slice(&[1, class.byte()]);
            let bundle = Bundle::parse(bytes.into()).expect("a header that fits");
            assert!(!keys.owns(&bundle) && keys.open(&bundle).is_err());
        }
        2 => {
            let envelope = input.rest();
            match keys.seal(envelope, &mut rng) {
                Ok(bundle) => {
                    assert_eq!(Bundle::parse(bundle.as_bytes().clone()), Ok(bundle.clone()));
                    let opened = keys.open(&bundle).expect("what was sealed opens");
                    assert_eq!(&opened.envelope[..], envelope);
                    assert_eq!(opened.epoch, keys.newest_epoch());
                }
                Err(_) => assert!(envelope.len() > MAX_ENVELOPE),
            }
        }
        _ => {
            let (at, flip) = (usize::from(input.u16()), input.u8().max(1));
            let Ok(bundle) = keys.seal(input.rest(), &mut rng) else {
                return;
            };
            let mut bytes = bundle.as_bytes().to_vec();
            let at = at % bytes.len();
            bytes[at] ^= flip;
            if let Ok(changed) = Bundle::parse(bytes.into()) {
                assert!(keys.open(&changed).is_err(), "changed at {at}");
            }
        }
    }
}

/// What holds of every verified envelope.
fn holds(envelope: &Envelope) {
    assert!(envelope.parents.len() <= MAX_PARENTS);
    assert!(envelope.parents.is_sorted_by(|a, b| a < b));
    assert!((1..=MAX_LAMPORT).contains(&envelope.lamport));
    assert_eq!(envelope.lamport == 1, envelope.parents.is_empty());
    let _ = TextBody::decode(&envelope.payload);
}

/// Bytes that claim to be an envelope. 16 bytes of channel and 4 of epoch come first.
pub(crate) fn envelope(data: &[u8]) {
    let mut input = Input::new(data);
    let channel = ChannelId(input.array());
    let epoch = input.u32();
    let bytes = input.rest();
    if let Ok(envelope) = Envelope::verify(bytes, channel, epoch) {
        holds(&envelope);
        // A signature holds for these bytes and no others.
        let mut changed = bytes.to_vec();
        changed[bytes.len() / 2] ^= 1;
        assert!(Envelope::verify(&changed, channel, epoch).is_err());
    }
}

/// An envelope around these bytes, validly signed.
pub(crate) fn signed(body: &[u8]) -> Vec<u8> {
    let signer = Identity::from_seed([1; 32]).signer();
    let author = signer.author();
    let signature = signer.sign(DOMAIN, &[&author.0[..], body].concat());
    [&author.0[..], &signature, body].concat()
}

/// Any body under a good signature: what a member can do.
pub(crate) fn envelope_signed(data: &[u8]) {
    // What the body itself says of channel and epoch, so that checks further on are reached.
    let said = EnvelopeBody::decode(data).unwrap_or_default();
    let channel = ChannelId::try_from(&said.channel[..]).unwrap_or(ChannelId([0; 16]));
    let bytes = signed(data);
    match Envelope::verify(&bytes, channel, said.epoch) {
        Ok(envelope) => {
            holds(&envelope);
            assert_eq!((envelope.channel, envelope.epoch), (channel, said.epoch));
            let elsewhere = Envelope::verify(&bytes, ChannelId([0xff; 16]), said.epoch);
            assert!(channel == ChannelId([0xff; 16]) || elsewhere == Err(EnvelopeError::Channel));
        }
        Err(EnvelopeError::Signature(_)) => panic!("the signature is good"),
        Err(EnvelopeError::Length(len)) => {
            assert!(len == bytes.len() && (data.is_empty() || len > MAX_ENVELOPE));
        }
        Err(_) => {}
    }
}

/// A payload: what is shown can be sent again and stays as it is.
pub(crate) fn text(data: &[u8]) {
    let Ok(text) = TextBody::decode(data) else {
        return;
    };
    assert!((1..=MAX_BODY).contains(&text.body.len()));
    assert!(
        text.body
            .chars()
            .all(|c| !c.is_control() || "\n\t".contains(c))
    );
    if let Some(name) = &text.name {
        assert!((1..=MAX_DISPLAY_NAME).contains(&name.len()));
    }
    let again = text.encode().expect("what was decoded can be sent");
    assert_eq!(TextBody::decode(&again), Ok(text));
}

/// A file of bundles, whole and in pieces. First byte: bit 0 as it is, otherwise with its hash put right;
/// the rest of it: the size of the pieces.
pub(crate) fn archive(data: &[u8]) {
    let mut input = Input::new(data);
    let mode = input.u8();
    let mut file = input.rest().to_vec();
    if mode & 1 == 0 && file.len() >= 32 {
        let end = file.len() - 32;
        let hash = sovereign_protocol::crypto::hash(&[&file[..end]]);
        file[end..].copy_from_slice(&hash);
    }
    let whole = read(&file, file.len().max(1));
    let pieces = read(&file, usize::from(mode >> 1) + 1);
    assert_eq!(whole, pieces, "pieces make no difference");
    let (records, end) = whole;
    assert!(file.len() >= records.iter().map(|record| record.bundle.size()).sum());
    match end {
        Ok(count) => {
            assert_eq!(count, records.len() as u64);
            let mut again = Vec::new();
            let mut writer = Writer::start(&mut again);
            for record in &records {
                writer.record(record, &mut again).expect("it was read");
            }
            writer.finish(&mut again);
            assert_eq!(again, file, "one form");
        }
        Err(error) => assert_eq!(archive::records(&file).last(), Some(Err(error))),
    }
}

fn read(file: &[u8], piece: usize) -> (Vec<Record>, Result<u64, ArchiveError>) {
    let mut reader = Reader::new();
    let mut records = Vec::new();
    for mut input in file.chunks(piece) {
        loop {
            match reader.read(&mut input) {
                Ok(Some(record)) => records.push(record),
                Ok(None) => break,
                Err(error) => return (records, Err(error)),
            }
        }
    }
    (records, reader.finish())
}
