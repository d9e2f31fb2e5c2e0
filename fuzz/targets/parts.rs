//! Credit and reassembly against a model (docs/protocol.md §7.3).

use std::time::Duration;

use sovereign_protocol::{
    link::{
        CloseReason, Incoming, MAX_CREDIT, Output,
        frame::{self, Body},
    },
    link_kind::Role,
    message::SizeClass,
    wire::v1::{Credit, Part},
};

use super::{
    input::Input,
    link::{START, fresh, hello},
};

/// Steps of a header byte and numbers: Parts that mostly fit together, with the odd one that does not. The
/// model knows what was granted and what came, and nothing beyond the grant is taken.
pub(crate) fn parts(data: &[u8]) {
    let mut input = Input::new(data);
    let mut session = fresh(Role::Listener, input.u8() & 1 == 1);
    session
        .receive(&hello(4, MAX_CREDIT), START)
        .expect("a Hello that fits");
    let mut now = START;
    // Bytes that the peer may still send, and those that came on each stream.
    let mut granted = u64::from(session.config().credit);
    let mut streams: [Vec<u8>; 2] = [Vec::new(), Vec::new()];
    let mut ended = None;
    while !input.is_empty() {
        let head = input.u8();
        if head & 0x80 != 0 {
            now = now.after(Duration::from_secs((head & 0x7f).into()));
            ended = ended.or(session.handle_timeout(now).err());
        }
        let part = next_part(head, &mut input);
        let len = part.data.len() as u64;
        let stream = usize::from(part.stream == 1);
        let bytes = part.data.clone();
        let Ok(encoded) = frame::encode(Body::Part(part)) else {
            continue;
        };
        match session.receive(&encoded, now) {
            Ok(incoming) => {
                assert_eq!(ended, None);
                assert!(len <= granted, "taken beyond the credit");
                granted -= len;
                streams[stream].extend_from_slice(&bytes);
                if let Some(Incoming::Bundle { bytes, .. }) = incoming {
                    assert!(SizeClass::of_size(bytes.len()).is_some());
                    assert!(streams[stream].ends_with(&bytes), "bytes that were sent");
                    session.consumed(bytes.len() as u32);
                }
            }
            Err(reason) => {
                if ended.is_none() {
                    assert_eq!(reason, CloseReason::Misbehaviour);
                }
                ended = ended.or(Some(reason));
            }
        }
        while let Output::Frame(frame) = session.poll(now) {
            session.sent(frame.len(), now);
            if let Ok(Body::Credit(Credit { bytes })) = frame::decode(&frame) {
                granted += u64::from(bytes);
            }
        }
        assert!(granted <= u64::from(MAX_CREDIT), "the window is bounded");
    }
}

/// Bit 0: stream. Bits 1–3: class of a first piece, 5 to 7 a later one. Bits 4–5: whose length. Bit 6: odd age
/// and lifetime.
fn next_part(head: u8, input: &mut Input<'_>) -> Part {
    let class = SizeClass::ALL.get(usize::from(head >> 1 & 7)).copied();
    let total = class.map_or(0, |class| class.size() as u32);
    let len = match head >> 4 & 3 {
        0 => 1_000,
        1 => 256,
        2 => usize::from(input.u8()),
        _ => usize::from(input.u16() % 1_024),
    };
    let (age_s, lifetime_s) = match (head & 0x40 != 0, class) {
        (true, _) => (input.u32(), input.u32()),
        (false, Some(_)) => (1, 60),
        (false, None) => (0, 0),
    };
    Part {
        stream: (head & 1).into(),
        total,
        age_s,
        lifetime_s,
        data: vec![input.u8(); len].into(),
    }
}
