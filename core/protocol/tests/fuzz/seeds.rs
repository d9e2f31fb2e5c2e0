//! The generator of the committed corpus: the wire vectors, and valid encodings that reach far.

use std::path::Path;

use bytes::Bytes;
use hex::decode as unhex;
use prost::Message as _;
use serde_json::Value;
use sovereign_protocol::{
    id::{ContentId, TransportId},
    identity::{Identity, binding},
    link::frame::{self, Body},
    link_kind::Role,
    message::text::TextBody,
    reconcile::{Reconciliation, SessionKey, SessionSet, Step, riblt},
    wire::v1::{EnvelopeBody, Part},
};

use crate::targets::{input::piece, link::hello};

/// An input and the name of its file.
pub(crate) type Seed = (String, Vec<u8>);

/// The inputs of one target.
pub(crate) fn of(target: &str) -> Vec<Seed> {
    let inputs = match target {
        "frame" => frames(),
        "session" => vec![session(0), session(2), session(5)],
        "parts" => parts(),
        "reconcile" => reconcile(),
        "reconcile_pair" => pairs(),
        "riblt" => symbols(),
        "estimate" => estimates(),
        "bundle" => bundles(),
        "envelope" => envelopes(),
        "envelope_signed" => bodies(),
        "text" => texts(),
        "archive" => archives(),
        "name" => names(),
        "invite" => invites(),
        "binding" => bindings(),
        "ids" => ids(),
        "advert" => adverts(),
        "records" => crate::seeds_state::records(),
        "restore" => crate::seeds_state::restores(),
        "engine" => crate::seeds_state::engines(),
        other => panic!("no generator for {other}"),
    };
    let named = |(index, bytes): (usize, Vec<u8>)| (format!("{index:03}"), bytes);
    inputs.into_iter().enumerate().map(named).collect()
}

fn vectors(file: &str) -> Value {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../tests/vectors")
        .join(file);
    let text = std::fs::read_to_string(path).expect("the vectors are committed");
    serde_json::from_str(&text).expect("JSON")
}

fn bytes(value: &Value) -> Vec<u8> {
    unhex(value.as_str().expect("hex")).expect("hex")
}

fn all<'a>(value: &'a Value, key: &str) -> impl Iterator<Item = &'a Value> {
    value[key].as_array().expect("a list").iter()
}

/// Every frame of the vectors without its length, those that are refused too.
pub(crate) fn frames() -> Vec<Vec<u8>> {
    let link = vectors("link.json");
    let good = all(&link, "frames").chain(all(&link, "exchange"));
    let mut frames: Vec<Vec<u8>> = good.map(|f| bytes(&f["wire"])[2..].to_vec()).collect();
    frames.extend(all(&link, "refused").map(|f| bytes(&f["frame"])));
    frames.sort();
    frames.dedup();
    frames
}

/// Every frame of the vectors in one session, and between them time, offers and sends.
fn session(flags: u8) -> Vec<u8> {
    let mut out = vec![flags];
    for (index, frame) in frames().iter().enumerate() {
        // Close would end it, and so would much else: only what decodes, and no Hello twice.
        let closes = match frame::decode(frame) {
            Ok(Body::Close(_) | Body::Hello(_)) | Err(_) => continue,
            Ok(Body::Extension(extension)) if extension.critical => continue,
            Ok(Body::Credit(_)) => continue,
            Ok(_) => false,
        };
        assert!(!closes);
        out.push(0);
        out.extend(piece(frame));
        match index % 4 {
            0 => out.extend([10, 0, 200]),
            1 => out.extend([11, (index % 5) as u8, 7, index as u8]),
            2 => out.extend([12, 0x40, 0]),
            _ => {
                out.push(13);
                out.extend(piece(frame));
            }
        }
    }
    out
}

fn parts() -> Vec<Vec<u8>> {
    // Whole bundles of each class: a first piece and later ones of 256 or 1,000 bytes.
    let class = |class: u8, stream: u8| {
        let first = stream | class << 1 | 0x10;
        let later = stream | 7 << 1 | 0x10;
        let count = [256, 512, 1_024, 4_096, 16_384][usize::from(class)] / 256 - 1;
        let mut out = vec![0, first, 1];
        for n in 0..count {
            out.extend([later, n as u8]);
        }
        out
    };
    let mut inputs: Vec<Vec<u8>> = (0..5).map(|c| class(c, u8::from(c > 2))).collect();
    // Both streams at once, time between, an odd age.
    inputs.push(vec![
        1, 0x12, 1, 0x17, 2, 0x1e, 3, 0x1f, 4, 0x9e, 5, 0x1f, 6,
    ]);
    inputs.push(vec![0, 0x50, 0, 0, 0, 9, 0, 0, 0, 1, 7, 0x10, 8]);
    inputs
}

fn content(number: u32) -> ContentId {
    let mut id = [0; 32];
    id[..4].copy_from_slice(&number.to_be_bytes());
    ContentId(id)
}

/// What an honest peer sends to a side of 300 ids, in each role.
fn reconcile() -> Vec<Vec<u8>> {
    let key = SessionKey::new(&[0x40; 32]);
    let mut inputs = Vec::new();
    for (role, peer, first, count) in [
        (0u8, Role::Listener, 20u32, 300u32),
        (1, Role::Dialer, 30, 310),
        (0, Role::Listener, 290, 20),
        (1, Role::Dialer, 0, 5),
    ] {
        let own_role = [Role::Dialer, Role::Listener][usize::from(role)];
        let mut own = Reconciliation::new(own_role, key, (0..300).map(content));
        let set = SessionSet::new(key, (first..first + count).map(content));
        let mut other = Reconciliation::over(peer, set);
        let mut out = [&[role][..], &300u16.to_be_bytes()].concat();
        let mut to_own = sent(other.start());
        let mut to_other = sent(own.start());
        while !(to_own.is_empty() && to_other.is_empty()) {
            for body in std::mem::take(&mut to_own) {
                out.push(0);
                out.extend(piece(&frame::encode(body.clone()).expect("bounded")));
                to_other.extend(sent(own.on_frame(&body).unwrap_or_default()));
            }
            for body in std::mem::take(&mut to_other) {
                to_own.extend(sent(other.on_frame(&body).unwrap_or_default()));
            }
        }
        inputs.push(out);
    }
    inputs.push(
        [
            &[0][..],
            &300u16.to_be_bytes(),
            &[5, 20, 1, 44, 0, 0, 4, 0, 64, 7],
        ]
        .concat(),
    );
    inputs
}

fn sent(steps: Vec<Step>) -> Vec<Body> {
    let send = |step| match step {
        Step::Send(body) => Some(body),
        _ => None,
    };
    steps.into_iter().filter_map(send).collect()
}

fn pairs() -> Vec<Vec<u8>> {
    let head = |shared: u16, a: u8, b: u8| [&shared.to_be_bytes()[..], &[a, b]].concat();
    vec![
        head(0, 0, 0),
        head(40, 3, 2),
        head(300, 20, 9),
        head(399, 200, 255),
        [head(300, 20, 9), vec![0, 230, 0, 40]].concat(),
        [head(200, 0, 1), vec![210, 0, 217, 0, 0, 240, 1, 1]].concat(),
    ]
}

fn symbols() -> Vec<Vec<u8>> {
    let key = SessionKey::new(&[0x40; 32]);
    let mut inputs = Vec::new();
    for (own, theirs) in [(4u8, 9u32), (200, 180), (0, 40)] {
        let shorts: Vec<_> = (0..theirs).map(|n| key.short(&content(n))).collect();
        let mut encoder = riblt::Encoder::new(&key, shorts);
        let mut rest = encoder.symbols(0..160);
        let mut out = vec![own];
        while !rest.is_empty() {
            let (packed, after) = riblt::pack(rest);
            out.extend(piece(&packed));
            rest = after;
        }
        inputs.push(out);
    }
    inputs
}

fn estimates() -> Vec<Vec<u8>> {
    let vectors = vectors("reconcile.json");
    let mut inputs: Vec<_> = all(&vectors, "sets")
        .map(|set| bytes(&set["estimate"]))
        .collect();
    inputs.sort();
    inputs.dedup();
    inputs
}

fn bundles() -> Vec<Vec<u8>> {
    let vectors = vectors("bundle.json");
    let both = all(&vectors, "bundles").chain(all(&vectors, "refused"));
    // The large ones say no more than the small ones do.
    let raw = both
        .map(|bundle| bytes(&bundle["bundle"]))
        .filter(|bundle| bundle.len() <= 1_024);
    let mut inputs: Vec<Vec<u8>> = raw.map(|bundle| [&[0][..], &bundle].concat()).collect();
    inputs.extend([
        vec![1, 0],
        vec![5, 3, 1, 2, 3],
        [&[2][..], b"an envelope"].concat(),
        [&[6][..], b"an envelope"].concat(),
        [&[3, 0, 40, 1][..], b"changed"].concat(),
        [&[7, 0, 1, 1][..], b"changed"].concat(),
        [&[2][..], &[7; 900]].concat(),
    ]);
    inputs
}

fn envelopes() -> Vec<Vec<u8>> {
    let vectors = vectors("envelope.json");
    let both = all(&vectors, "envelopes").chain(all(&vectors, "refused"));
    both.map(|case| {
        let epoch = case["epoch"].as_u64().expect("a number") as u32;
        let head = [bytes(&case["channel"]), epoch.to_be_bytes().to_vec()].concat();
        [head, bytes(&case["envelope"])].concat()
    })
    .filter(|input| input.len() <= 2_048)
    .collect()
}

/// Bodies of envelopes: those of the vectors, and one with four parents.
pub(crate) fn bodies() -> Vec<Vec<u8>> {
    let vectors = vectors("envelope.json");
    let good = all(&vectors, "envelopes").map(|case| bytes(&case["envelope"])[96..].to_vec());
    let mut inputs: Vec<Vec<u8>> = good.filter(|body| body.len() <= 2_048).collect();
    let body = EnvelopeBody {
        channel: vec![9; 16].into(),
        epoch: 7,
        device: 1,
        r#type: 1,
        parents: (1..=4).map(|n| Bytes::from(vec![n; 16])).collect(),
        sent_at_s: 1_795_219_200,
        lamport: 1 << 53,
        payload: texts()[0].clone().into(),
    };
    inputs.push(body.encode_to_vec());
    inputs
}

fn texts() -> Vec<Vec<u8>> {
    let text = |body: &str, name: Option<&str>| {
        let name = name.map(str::to_owned);
        let body = body.to_owned();
        TextBody { body, name }.encode().expect("a text").to_vec()
    };
    vec![
        text("hello", Some("Åsa 👨\u{200D}👩")),
        text("two\nlines\tand a tab", None),
        text(&"x".repeat(600), Some(&"y".repeat(64))),
        b"\x0a\x05a\x1b[2J\x12\x06\xe2\x80\xaea\xcc\x81".to_vec(),
    ]
}

fn archives() -> Vec<Vec<u8>> {
    let file = bytes(&vectors("archive.json")["file"]);
    // The magic, the first record, the end: the rest is more of the same.
    let one = [&file[..20 + 12 + 256], &[0; 4], &[0; 32]].concat();
    vec![
        [&[1][..], &file[..(20 + 12 + 256).min(file.len())]].concat(),
        [&[0][..], &one].concat(),
        [&[200][..], &one].concat(),
        [&[0][..], &file[..20], &[0; 36]].concat(),
    ]
}

fn names() -> Vec<Vec<u8>> {
    let vectors = vectors("channel.json");
    let typed = all(&vectors, "names").map(|name| name["typed"].as_str().expect("text"));
    let mut inputs: Vec<Vec<u8>> = typed.map(|name| name.as_bytes().to_vec()).collect();
    for name in [
        "Family \u{1F468}\u{200D}\u{1F469}",
        "a\u{202E}b",
        "e\u{301}\u{323}",
        "ﷺ",
        "가각",
    ] {
        inputs.push(name.as_bytes().to_vec());
    }
    inputs
}

fn invites() -> Vec<Vec<u8>> {
    let vectors = vectors("channel.json");
    let invite = &vectors["invite"];
    let text = invite["text"].as_str().expect("text");
    let refused = all(invite, "refused").map(|text| text.as_str().expect("text"));
    let mut inputs: Vec<Vec<u8>> = std::iter::once(text)
        .chain(refused)
        .map(|text| [&[1], text.as_bytes()].concat())
        .collect();
    let content =
        |name: &[u8]| [&[0, 1][..], &[0xd5; 32], &[0, 0, 0, 3], &[0xd6; 32], name].concat();
    inputs.extend([
        content(b"Family"),
        content("Åsa".as_bytes()),
        content(b" x"),
    ]);
    inputs
}

fn bindings() -> Vec<Vec<u8>> {
    let identity = Identity::from_seed([1; 32]);
    let now = 1_795_219_200u64;
    let mut inputs = Vec::new();
    for count in [1usize, 4] {
        let ids = vec![TransportId([9; 32]); count];
        let lifetime = binding::MAX_LIFETIME;
        let bytes = binding::issue(&identity, &ids, now, lifetime).expect("issued");
        let head = |raw: u8| [&[raw][..], &now.to_be_bytes()].concat();
        inputs.push([&head(1)[..], &bytes].concat());
        inputs.push([&head(0)[..], &bytes[64..]].concat());
    }
    inputs
}

fn ids() -> Vec<Vec<u8>> {
    let peer = TransportId([7; 32]);
    let mut inputs = vec![
        peer.to_string().into_bytes(),
        peer.to_peer_id_bytes().to_vec(),
        vec![7; 32],
        b"Qm".repeat(23),
    ];
    for len in [4, 8, 16, 20, 32] {
        inputs.push(hex::encode(vec![0xab; len]).into_bytes());
    }
    inputs
}

/// What the vectors have heard, refused and read.
fn adverts() -> Vec<Vec<u8>> {
    let vectors = vectors("advert.json");
    let heard = all(&vectors, "heard").chain(all(&vectors, "refused"));
    let mut inputs: Vec<Vec<u8>> = heard
        .filter_map(|case| {
            let adv = bytes(&case["advertisement"]);
            let extended = u8::from(case["pdu"] == "extended");
            let len = u8::try_from(adv.len()).ok()?;
            Some([&[extended, len][..], &adv, &bytes(&case["scan_response"])].concat())
        })
        .collect();
    inputs.extend(all(&vectors, "hello_read").map(|case| bytes(&case["value"])));
    inputs
}

/// Frames that a peer sends right after its Hello, for an engine: all that decode, and a bundle in Parts.
pub(crate) fn peer_frames() -> Vec<Vec<u8>> {
    let mut frames = frames();
    frames.retain(|frame| {
        !matches!(
            frame::decode(frame),
            Err(_) | Ok(Body::Hello(_) | Body::Close(_) | Body::Credit(_))
        )
    });
    frames.push(hello(9, 4_096).to_vec());
    let part = Part {
        stream: 0,
        total: 256,
        age_s: 1,
        lifetime_s: 3_600,
        data: [&[1, 0][..], &[5; 254]].concat().into(),
    };
    frames.push(frame::encode(Body::Part(part)).expect("bounded").to_vec());
    frames
}
