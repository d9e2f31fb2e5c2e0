//! What waits to leave over one link: control, text and bulk, the higher first, never more than the
//! peer's credit or the adapter's queue allows (docs/protocol.md §7.3, decision 3).

use std::collections::{BTreeMap, VecDeque};

use bytes::Bytes;

use super::{
    bounds::{MAX_LIFETIME_S, MAX_PART_DATA, stream_of},
    credit::Allowance,
    event::Output,
    frame::{self, Body},
};
use crate::{
    id::ContentId,
    wire::v1::{Gone, Part},
};

/// Bytes of control frames that wait for one link at most, those of lists aside: a peer that makes this
/// node say more than it takes is let go.
pub const CONTROL_QUEUE: usize = 256 * 1_024;
/// Bytes of Summary and Symbols frames that wait for one link at most: the plain list of the greatest set
/// (262,144 ids) fits.
pub const LIST_QUEUE: usize = 2_304 * 1_024;
/// Bundles that wait for one link at most, by id.
pub const MAX_OFFERS: usize = 4_096;

/// Bytes of a Part's frame beyond its data at most.
const PART_OVERHEAD: usize = 20;

/// What became of an offered bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Offer {
    /// It will be sent.
    Queued,
    /// It was queued before.
    Known,
    /// [`MAX_OFFERS`] are queued: offer it again when [`super::Session::room`] says so.
    Full,
    /// No bundle has this size, or the link is not ready.
    Refused,
}

#[derive(Debug)]
pub(super) struct Outbox {
    control: VecDeque<(Kind, Bytes)>,
    control_bytes: usize,
    list_bytes: usize,
    streams: [Stream; 2],
    /// All bundles of both streams, with the short id to send Gone for if the body is dropped meanwhile.
    offers: BTreeMap<ContentId, Option<u64>>,
    finished: Vec<ContentId>,
    pub(super) allowance: Allowance,
    /// Bytes that the adapter has not yet reported as sent, and how many it may have.
    in_adapter: usize,
    adapter_limit: usize,
}

#[derive(Debug, Default)]
struct Stream {
    waiting: VecDeque<(ContentId, u32)>,
    current: Current,
}

#[derive(Debug, Default)]
enum Current {
    #[default]
    None,
    /// The body has been asked for.
    Asked(ContentId, u32),
    Sending {
        content: ContentId,
        body: Bytes,
        sent: usize,
        age_s: u32,
        lifetime_s: u32,
    },
}

/// Which cap a control frame counts against.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// [`CONTROL_QUEUE`].
    Ordinary,
    /// [`LIST_QUEUE`].
    List,
}

/// The control queue is full.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Overflow;

impl Outbox {
    pub(super) fn new(adapter_limit: usize) -> Self {
        Self {
            control: VecDeque::new(),
            control_bytes: 0,
            list_bytes: 0,
            streams: [Stream::default(), Stream::default()],
            offers: BTreeMap::new(),
            finished: Vec::new(),
            allowance: Allowance::default(),
            in_adapter: 0,
            adapter_limit,
        }
    }

    pub(super) fn control(&mut self, kind: Kind, frame: Bytes) -> Result<(), Overflow> {
        let (bytes, most) = self.queued_of(kind);
        if *bytes + frame.len() > most {
            return Err(Overflow);
        }
        *bytes += frame.len();
        self.control.push_back((kind, frame));
        Ok(())
    }

    /// A frame that goes before all that waits, if the adapter has room for it.
    pub(super) fn pass(&mut self, frame: Bytes) -> Option<Bytes> {
        if self.in_adapter + frame.len() > self.adapter_limit {
            return None;
        }
        self.in_adapter += frame.len();
        Some(frame)
    }

    pub(super) const fn control_room(&self) -> usize {
        CONTROL_QUEUE - self.control_bytes
    }

    const fn queued_of(&mut self, kind: Kind) -> (&mut usize, usize) {
        match kind {
            Kind::Ordinary => (&mut self.control_bytes, CONTROL_QUEUE),
            Kind::List => (&mut self.list_bytes, LIST_QUEUE),
        }
    }

    pub(super) fn offer(&mut self, content: ContentId, size: u32, wanted: Option<u64>) -> Offer {
        let Some(stream) = stream_of(size) else {
            return Offer::Refused;
        };
        if let Some(known) = self.offers.get_mut(&content) {
            *known = known.or(wanted);
            return Offer::Known;
        }
        if self.room() == 0 {
            return Offer::Full;
        }
        self.offers.insert(content, wanted);
        self.streams[stream as usize]
            .waiting
            .push_back((content, size));
        Offer::Queued
    }

    pub(super) fn control_waiting(&self) -> usize {
        self.control_bytes
    }

    pub(super) fn room(&self) -> usize {
        MAX_OFFERS.saturating_sub(self.offers.len())
    }

    pub(super) fn holds(&self, content: &ContentId) -> bool {
        self.offers.contains_key(content)
    }

    /// Takes a bundle out again; `false` when it is not queued, or its first Part has left.
    pub(super) fn cancel(&mut self, content: &ContentId) -> bool {
        if !self.offers.contains_key(content) || self.is_sending(content) {
            return false;
        }
        self.offers.remove(content);
        for stream in &mut self.streams {
            stream.waiting.retain(|(waiting, _)| waiting != content);
            if matches!(&stream.current, Current::Asked(asked, _) if asked == content) {
                stream.current = Current::None;
            }
        }
        true
    }

    fn is_sending(&self, content: &ContentId) -> bool {
        self.streams.iter().any(|stream| {
            matches!(&stream.current, Current::Sending { content: current, .. } if current == content)
        })
    }

    /// What can leave now.
    pub(super) fn poll(&mut self) -> Output {
        let room = self.adapter_limit.saturating_sub(self.in_adapter);
        if let Some((_, front)) = self.control.front() {
            if front.len() > room {
                return Output::Idle;
            }
            if let Some((kind, frame)) = self.control.pop_front() {
                *self.queued_of(kind).0 -= frame.len();
                return self.leave(frame);
            }
        }
        for stream in 0..self.streams.len() {
            let Some(next) = self.streams[stream].next_data() else {
                continue;
            };
            // A lower priority does not slip past one that waits for room or credit.
            if next + PART_OVERHEAD > room || !self.allowance.allows(len_u32(next)) {
                return Output::Idle;
            }
            if let Some((content, size)) = self.streams[stream].waiting_next() {
                self.streams[stream].current = Current::Asked(content, size);
                return Output::NeedBody(content);
            }
            if let Some(frame) = self.part(stream, next) {
                return self.leave(frame);
            }
        }
        Output::Idle
    }

    /// The body that [`Output::NeedBody`] asked for. Ids that were not asked for are ignored.
    pub(super) fn provide(
        &mut self,
        content: ContentId,
        body: Option<(Bytes, u32, u32)>,
    ) -> Result<(), Overflow> {
        let asked = self
            .streams
            .iter_mut()
            .find_map(|stream| match stream.current {
                Current::Asked(asked, size) if asked == content => Some((stream, size)),
                _ => None,
            });
        let Some((stream, size)) = asked else {
            return Ok(());
        };
        let fit = body.filter(|(bytes, age_s, lifetime_s)| {
            bytes.len() == size as usize && age_s <= lifetime_s && *lifetime_s <= MAX_LIFETIME_S
        });
        if let Some((body, age_s, lifetime_s)) = fit {
            stream.current = Current::Sending {
                content,
                body,
                sent: 0,
                age_s,
                lifetime_s,
            };
            return Ok(());
        }
        stream.current = Current::None;
        match self.offers.remove(&content).flatten() {
            Some(short) => self.control(Kind::Ordinary, gone(short)),
            None => Ok(()),
        }
    }

    /// The adapter handed bytes on to the connection.
    pub(super) const fn sent(&mut self, bytes: usize) {
        self.in_adapter = self.in_adapter.saturating_sub(bytes);
    }

    pub(super) const fn in_adapter(&self) -> usize {
        self.in_adapter
    }

    /// Whole bundles handed to the adapter since the last call.
    pub(super) fn finished(&mut self) -> Vec<ContentId> {
        core::mem::take(&mut self.finished)
    }

    /// Bundles not yet whole with the adapter, in no particular order.
    pub(super) fn unfinished(&self) -> impl Iterator<Item = ContentId> + '_ {
        self.offers.keys().copied()
    }

    /// Bytes that wait: control frames, and bundles as far as they have not left.
    pub(super) fn waiting_bytes(&self) -> usize {
        self.control_bytes
            + self.list_bytes
            + self
                .streams
                .iter()
                .map(Stream::waiting_bytes)
                .sum::<usize>()
    }

    /// Drops all that waits.
    pub(super) fn clear(&mut self) {
        self.control.clear();
        self.control_bytes = 0;
        self.list_bytes = 0;
        self.offers.clear();
        self.streams = [Stream::default(), Stream::default()];
    }

    fn leave(&mut self, frame: Bytes) -> Output {
        self.in_adapter += frame.len();
        Output::Frame(frame)
    }

    fn part(&mut self, index: usize, len: usize) -> Option<Bytes> {
        let stream = &mut self.streams[index];
        let Current::Sending {
            content,
            body,
            sent,
            age_s,
            lifetime_s,
        } = &mut stream.current
        else {
            return None;
        };
        let first = *sent == 0;
        let part = Part {
            stream: index as u32,
            total: if first { len_u32(body.len()) } else { 0 },
            age_s: if first { *age_s } else { 0 },
            lifetime_s: if first { *lifetime_s } else { 0 },
            data: body.slice(*sent..*sent + len),
        };
        *sent += len;
        if *sent == body.len() {
            let content = *content;
            stream.current = Current::None;
            self.offers.remove(&content);
            self.finished.push(content);
        }
        self.allowance.spend(len_u32(len));
        Some(
            frame::encode(Body::Part(part))
                .expect("a Part of at most 1,000 bytes of a checked body"),
        )
    }
}

impl Stream {
    /// Bytes of data in the Part that would leave next, if there is one.
    fn next_data(&self) -> Option<usize> {
        let rest = match &self.current {
            Current::None => self.waiting.front()?.1 as usize,
            Current::Asked(..) => return None,
            Current::Sending { body, sent, .. } => body.len() - sent,
        };
        Some(rest.min(MAX_PART_DATA))
    }

    /// The next bundle, when none is under way.
    fn waiting_next(&mut self) -> Option<(ContentId, u32)> {
        match self.current {
            Current::None => self.waiting.pop_front(),
            _ => None,
        }
    }

    fn waiting_bytes(&self) -> usize {
        let current = match &self.current {
            Current::None => 0,
            Current::Asked(_, size) => *size as usize,
            Current::Sending { body, sent, .. } => body.len() - sent,
        };
        current
            + self
                .waiting
                .iter()
                .map(|(_, size)| *size as usize)
                .sum::<usize>()
    }
}

fn gone(short: u64) -> Bytes {
    let body = Body::Gone(Gone {
        ids: frame::pack_ids(&[short]),
    });
    frame::encode(body).expect("one id is within bounds")
}

fn len_u32(len: usize) -> u32 {
    u32::try_from(len).expect("a bundle has at most 16,384 bytes")
}
