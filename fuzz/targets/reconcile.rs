//! Reconciliation (docs/protocol.md §8): one side against anything, and two sides with a meddler between.

use std::collections::{BTreeSet, VecDeque};

use sovereign_protocol::{
    id::ContentId,
    link::frame::{self, Body},
    link_kind::Role,
    reconcile::{
        Estimate, MAX_LACK, Reconciliation, SessionKey, SessionSet, Step,
        riblt::{self, Decoder},
    },
    wire::v1::{Done, More, Summary, Symbols},
};

use super::input::Input;

const SESSION: [u8; 32] = [0x40; 32];

fn content(number: u32) -> ContentId {
    let mut id = [0; 32];
    id[..4].copy_from_slice(&number.to_be_bytes());
    ContentId(id)
}

fn key() -> SessionKey {
    SessionKey::new(&SESSION)
}

/// One side, and what must hold of it.
struct Side {
    course: Reconciliation,
    differences: Vec<Step>,
    finished: bool,
}

impl Side {
    fn new(role: Role, ids: impl Iterator<Item = u32>) -> Self {
        Self {
            course: Reconciliation::new(role, key(), ids.map(content)),
            differences: Vec::new(),
            finished: false,
        }
    }

    /// The frames that steps send.
    fn take(&mut self, steps: Vec<Step>) -> Vec<Body> {
        let mut out = Vec::new();
        for step in steps {
            assert!(!self.finished, "nothing after the end");
            match step {
                Step::Send(body) => {
                    frame::encode(body.clone()).expect("what is sent is within bounds");
                    out.push(body);
                }
                Step::Difference {
                    ref lack,
                    ref offer,
                } => {
                    assert!(lack.len() <= MAX_LACK && lack.is_sorted());
                    let set = self.course.set();
                    assert!(lack.iter().all(|id| set.resolve(*id).is_none()));
                    let held: BTreeSet<ContentId> = set.contents().collect();
                    assert!(offer.iter().all(|id| held.contains(id)));
                    assert!(self.differences.is_empty(), "one difference");
                    self.differences.push(step);
                }
                Step::Finished => self.finished = true,
            }
        }
        assert_eq!(self.finished, self.course.is_finished());
        out
    }

    fn frame(&mut self, body: &Body) -> Vec<Body> {
        match self.course.on_frame(body) {
            Ok(steps) => self.take(steps),
            Err(_) => Vec::new(),
        }
    }
}

/// First bytes: role, size of the set. Then frames: encoded ones, or built from numbers.
pub(crate) fn reconcile(data: &[u8]) {
    let mut input = Input::new(data);
    let role = [Role::Dialer, Role::Listener][usize::from(input.u8() & 1)];
    let mut side = Side::new(role, 0..u32::from(input.u16() % 400));
    let steps = side.course.start();
    side.take(steps);
    // Each frame can cost a batch of symbols: a few dozen reach every state.
    for _ in 0..48 {
        if input.is_empty() {
            return;
        }
        let body = match input.u8() % 8 {
            0..=3 => match frame::decode(input.piece()) {
                Ok(body) => body,
                Err(_) => continue,
            },
            4 => Body::More(More {
                count: u32::from(input.u16() % 2_048),
            }),
            5 => summary(&side, &mut input),
            6 => Body::Symbols(Symbols {
                start: u32::from(input.u8()),
                more: input.u8() & 1 == 1,
                packed: input.piece().to_vec().into(),
            }),
            _ => Body::Done(Done {}),
        };
        side.frame(&body);
    }
}

/// A Summary that is right but for what the data change in it.
fn summary(side: &Side, input: &mut Input<'_>) -> Body {
    let shift = input.u8();
    let ids = u32::from(input.u16() % 400);
    let set = SessionSet::new(
        key(),
        (0..ids).map(|number| content(number + u32::from(shift))),
    );
    let plain = set.count() <= 120;
    let count = match input.u8() {
        0..=199 => set.count(),
        200..=229 => side.course.set().count(),
        _ => input.u32(),
    };
    let shorts: Vec<_> = set.shorts().take(120).collect();
    Body::Summary(Summary {
        count,
        fingerprint: set.fingerprint().to_le_bytes().to_vec().into(),
        ids: match plain {
            true => sovereign_protocol::reconcile::frames::pack(&shorts),
            false => bytes::Bytes::new(),
        },
        more: input.u8() & 7 == 7,
        estimate: match plain {
            true => bytes::Bytes::new(),
            false => set.estimate().to_bytes(),
        },
    })
}

/// Two sides whose sets the first bytes tell, and for each frame a byte that says whether it is tampered
/// with, lost or repeated. Left alone, both find the exact difference.
pub(crate) fn reconcile_pair(data: &[u8]) {
    let mut input = Input::new(data);
    let (shared, only_a, only_b) = (
        u32::from(input.u16() % 400),
        u32::from(input.u8()),
        u32::from(input.u8()),
    );
    let ids_a = (0..shared).chain(10_000..10_000 + only_a);
    let ids_b = (0..shared).chain(20_000..20_000 + only_b);
    let mut sides = [
        Side::new(Role::Dialer, ids_a),
        Side::new(Role::Listener, ids_b),
    ];
    let mut honest = true;
    let mut way: VecDeque<(usize, Body)> = VecDeque::new();
    for from in [0, 1] {
        let steps = sides[from].course.start();
        way.extend(
            sides[from]
                .take(steps)
                .into_iter()
                .map(|body| (1 - from, body)),
        );
    }
    for _ in 0..400 {
        let Some((to, body)) = way.pop_front() else {
            break;
        };
        let mut arrives = vec![body.clone()];
        match input.u8() {
            byte @ 224..=255 => {
                let mut bytes = frame::encode(body)
                    .expect("checked when it was sent")
                    .to_vec();
                let at = usize::from(input.u16()) % bytes.len();
                bytes[at] ^= (byte & 0x1f).max(1);
                honest = false;
                arrives = frame::decode(&bytes).into_iter().collect();
            }
            216..=223 => {
                honest = false;
                arrives.clear();
            }
            208..=215 => {
                honest = false;
                arrives.push(body);
            }
            _ => {}
        }
        for body in arrives {
            let answers = sides[to].frame(&body);
            way.extend(answers.into_iter().map(|body| (1 - to, body)));
        }
    }
    if honest {
        assert!(way.is_empty(), "they come to rest");
        let found = [&sides[0], &sides[1]].map(|side| side.differences.first());
        let (finder, step) = match found {
            [Some(step), None] => (0, step),
            [None, Some(step)] => (1, step),
            _ => panic!("exactly one side finds the difference"),
        };
        let Step::Difference { lack, offer } = step else {
            unreachable!("only differences are kept")
        };
        let (own, theirs) = if finder == 0 {
            (only_a, only_b)
        } else {
            (only_b, only_a)
        };
        assert_eq!((offer.len() as u32, lack.len() as u32), (own, theirs));
    }
}

/// Packed symbols: what unpacks packs to the same bytes, and a decoder takes any of them.
pub(crate) fn riblt(data: &[u8]) {
    let mut input = Input::new(data);
    let own = u32::from(input.u8());
    let mut decoder = Decoder::new(key(), (0..own).map(|number| key().short(&content(number))));
    while !input.is_empty() {
        let packed = input.piece();
        let Ok(symbols) = riblt::unpack(packed) else {
            continue;
        };
        let (again, rest) = riblt::pack(&symbols);
        assert!(rest.is_empty() && again == packed, "one form");
        if !decoder.push(&symbols) {
            return;
        }
        decoder.decode();
        let found = decoder.recovered();
        assert!(found.ours.len() + found.theirs.len() <= decoder.received());
    }
}

/// An estimate has one form.
pub(crate) fn estimate(data: &[u8]) {
    if let Some(estimate) = Estimate::from_bytes(data) {
        assert_eq!(estimate.to_bytes(), data);
        assert_eq!(estimate.difference(&estimate), 0);
        let _ = estimate.difference(&Estimate::default());
    }
}
