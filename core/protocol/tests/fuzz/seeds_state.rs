//! The corpus of the targets that have a state: records, stores and engines.

use bytes::Bytes;
use prost::Message as _;
use sovereign_protocol::{
    message::{Envelope, text::TextBody},
    wire::{
        local::{ChannelRecord, ClockRecord, EpochKey, MessageRecord, ShelfRecord},
        v1::EnvelopeBody,
    },
};

use crate::{
    seeds,
    targets::{
        input::piece,
        message::{keys, signed},
    },
};

fn shelf() -> ShelfRecord {
    ShelfRecord {
        size: 256,
        age_s: 10,
        lifetime_s: 604_800,
        received_life_s: 77,
        source: 5,
        kind: 3,
        message: vec![1; 32].into(),
        declined: false,
    }
}

fn seen() -> ShelfRecord {
    ShelfRecord {
        received_life_s: 77,
        declined: true,
        ..ShelfRecord::default()
    }
}

fn clock() -> ClockRecord {
    ClockRecord {
        life_s: 100,
        key_s: 90,
        boot_id: vec![1; 16].into(),
        boot_ms: 4_900_000,
        wall_ms: 1_795_219_100_000,
    }
}

fn public() -> ChannelRecord {
    ChannelRecord {
        joined_life_s: 5,
        searching: true,
        ..keys(false).to_record()
    }
}

fn private() -> ChannelRecord {
    let anchor = |epoch: u32| EpochKey {
        epoch,
        chain: vec![epoch as u8; 32].into(),
        adopted_life_s: 10 * u64::from(epoch),
        confirmed: epoch.is_multiple_of(2),
    };
    ChannelRecord {
        epochs: vec![anchor(2), anchor(4), anchor(5)],
        read_lamport: 3,
        read_message: vec![2; 32].into(),
        read_author: vec![3; 32].into(),
        ..keys(true).to_record()
    }
}

fn message(id: u8, lamport: u64, parents: &[u8]) -> MessageRecord {
    MessageRecord {
        channel: Bytes::copy_from_slice(&keys(false).id().0),
        author: vec![id % 3; 32].into(),
        device: 1,
        r#type: 1 + i32::from(id % 4 == 3),
        parents: parents.iter().map(|id| vec![*id; 16].into()).collect(),
        sent_at_s: 1_795_219_100,
        lamport,
        body: "hello".to_owned(),
        name: "Anna".to_owned(),
        content_id: vec![id; 32].into(),
        received_life_s: 80,
    }
}

pub(crate) fn records() -> Vec<Vec<u8>> {
    let of = |kind: u8, record: Vec<u8>| [vec![kind], record].concat();
    let channel = |record: ChannelRecord| [vec![2, 0, 2, 0, 0], record.encode_to_vec()].concat();
    vec![
        of(0, shelf().encode_to_vec()),
        of(0, seen().encode_to_vec()),
        of(1, clock().encode_to_vec()),
        channel(public()),
        channel(private()),
    ]
}

/// A row of a table.
fn row(table: u8, id: u8, record: &[u8]) -> Vec<u8> {
    [vec![table, id], piece(record)].concat()
}

pub(crate) fn restores() -> Vec<Vec<u8>> {
    let mut whole = row(0, 0, &clock().encode_to_vec());
    whole.extend(row(1, 0, &public().encode_to_vec()));
    whole.extend(row(1, 0, &private().encode_to_vec()));
    for id in 1..6 {
        whole.extend(row(2, id, &shelf().encode_to_vec()));
        whole.extend(row(5, 0x40 | id, &[]));
    }
    whole.extend(row(3, 9, &seen().encode_to_vec()));
    for (id, lamport, parents) in [(1, 1, &[][..]), (2, 2, &[1]), (3, 3, &[1, 2]), (4, 9, &[7])] {
        whole.extend(row(4, id, &message(id, lamport, parents).encode_to_vec()));
    }
    let mut late = row(1, 0, &public().encode_to_vec());
    late.extend(row(4, 1, &message(1, u64::MAX, &[]).encode_to_vec()));
    late.extend(row(4, 2, &message(2, 1 << 53, &[1]).encode_to_vec()));
    let far = ChannelRecord {
        joined_life_s: u64::MAX,
        ..private()
    };
    vec![
        whole,
        late,
        row(1, 0, &far.encode_to_vec()),
        row(0, 0, &clock().encode_to_vec()),
        Vec::new(),
    ]
}

/// What a member says: a first message, or one after it.
fn said(private: bool, lamport: u64) -> Vec<u8> {
    let channel = keys(private).id();
    let parents = match lamport {
        1 => Vec::new(),
        _ => {
            let first = Envelope::verify(&signed(&said(private, 1)), channel, 0);
            let id = first.expect("a good envelope").id;
            vec![Bytes::copy_from_slice(&id.0[..16])]
        }
    };
    let text = TextBody {
        body: format!("message {lamport}"),
        name: Some("Anna".to_owned()),
    };
    EnvelopeBody {
        channel: Bytes::copy_from_slice(&channel.0),
        epoch: 0,
        device: 1,
        r#type: 1,
        parents,
        sent_at_s: 1_795_219_200,
        lamport,
        payload: text.encode().expect("a text"),
    }
    .encode_to_vec()
}

pub(crate) fn engines() -> Vec<Vec<u8>> {
    let mut inputs = Vec::new();
    for private in [false, true] {
        let mut out = vec![u8::from(private)];
        // Own words, a member's over a link and by gossip, a broken envelope; then the disk answers.
        out.push(17);
        out.extend(piece(b"hello"));
        for (lamport, what) in [(1, 6), (1, 9), (2, 6)] {
            out.push(what);
            out.extend([1u32.to_be_bytes(), 3_600u32.to_be_bytes()].concat());
            out.extend(piece(&said(private, lamport)));
        }
        out.push(7);
        out.extend(piece(b"no envelope"));
        out.extend([10, 3, 12, 1, 0, 11, 0, 12, 100, 0, 10, 255]);
        out.extend([13, 0, 14, 16, 0, 12, 255, 255]);
        inputs.push(out);
    }
    let mut frames = vec![0];
    for (index, frame) in seeds::peer_frames().iter().enumerate() {
        // Each on a link of its own, so that one that ends its link keeps no other out.
        let peer = (index as u8 % 2) << 7;
        frames.extend([peer | 15, peer]);
        frames.extend(piece(frame));
    }
    frames.extend([10, 255]);
    inputs.push(frames);
    // Sightings, links that go and come, another channel, clocks at both ends.
    let mut moves = vec![
        0,
        16,
        5,
        3,
        16,
        7,
        3,
        16,
        9,
        2,
        16,
        5,
        0,
        14,
        15,
        0x80 | 15,
        16,
        3,
        1,
    ];
    moves.push(19);
    moves.extend(piece(b"#other"));
    moves.extend([18, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 9, 12, 255, 255]);
    moves.extend([
        18, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 12, 0, 9, 10, 9,
    ]);
    inputs.push(moves);
    inputs
}
