//! The course of one session (docs/protocol.md §8.2).

use std::sync::Arc;

use super::{
    ReconcileError,
    estimate::Estimate,
    key::{SessionKey, ShortId},
    list::{self, ListDiff},
    riblt::{self, Decoder, Encoder, MAX_SYMBOLS, Outcome, Recovered},
    set::SessionSet,
};
use crate::{
    id::ContentId,
    link_kind::Role,
    wire::v1::{More, Summary, Symbols, frame::Body},
};

/// Ids up to which a Summary carries them all: half a kilobyte.
pub const LIST_MAX: u32 = 64;

/// Symbols of the first batch, at most: they tell about 1,400 ids apart.
pub const FIRST_SYMBOLS_MAX: usize = 2_048;

/// Symbols that a `More` asks for, at least: a batch below it does not pay for its round trip.
pub const MORE_MIN: usize = 32;

/// Symbols up to which the decoder does not think of a list, however small the other set is.
pub const SYMBOLS_BEFORE_LIST: usize = 512;

/// Bytes of a packed symbol, about: what a choice between symbols and a list goes by.
const SYMBOL_COST: u64 = 14;

/// What a reconciliation wants done, in order.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Send this frame, with control priority.
    Send(Body),
    /// The difference, on the side that found it out; exactly once there. Want what is lacked,
    /// send (of what is offered and still held) the rest, then Done. The other side learns of it
    /// by these frames.
    Difference {
        /// They have, we lack: ascending.
        lack: Vec<ShortId>,
        /// We have, they lack: by ascending short id. Ids of bundles seen but no longer held are
        /// among them.
        offer: Vec<ContentId>,
    },
    /// No further frame of the reconciliation will come or go.
    Finished,
}

/// One reconciliation, from Summary to the difference. The set is the one at its start; what
/// arrives later is exchanged live.
pub struct Reconciliation {
    role: Role,
    set: Arc<SessionSet>,
    state: State,
}

enum State {
    /// Dialer: nothing has come yet.
    AwaitSummary,
    /// Listener: the Summary is out, without ids.
    Opened,
    /// Dialer: the other side decodes.
    Coding {
        encoder: Encoder,
        sent: usize,
    },
    /// Listener: `asked` symbols in all are due.
    Decoding {
        decoder: Box<Decoder>,
        asked: usize,
        first: bool,
    },
    /// A plain list was asked for.
    AwaitList,
    /// A plain list is under way.
    Listing(ListDiff),
    /// The other side has what it needs to find the difference.
    Waiting,
    Finished,
}

/// How the dialer goes on when neither set is small.
#[derive(Debug, PartialEq, Eq)]
enum Plan {
    Symbols(usize),
    OwnList,
    TheirList,
}

impl Reconciliation {
    /// A session over a set of content ids: held, and seen ones that need not come again.
    pub fn new(role: Role, key: SessionKey, set: impl IntoIterator<Item = ContentId>) -> Self {
        Self::over(role, SessionSet::new(key, set))
    }

    /// A session over a snapshot that is used elsewhere too.
    #[must_use]
    pub const fn over(role: Role, set: Arc<SessionSet>) -> Self {
        let state = match role {
            Role::Dialer => State::AwaitSummary,
            Role::Listener => State::Opened,
        };
        Self { role, set, state }
    }

    /// The snapshot.
    #[must_use]
    pub const fn set(&self) -> &Arc<SessionSet> {
        &self.set
    }

    /// Whether [`Step::Finished`] has been returned.
    #[must_use]
    pub const fn is_finished(&self) -> bool {
        matches!(self.state, State::Finished)
    }

    /// Opens the session; once, right after Hello. The listener's Summary, nothing for the dialer.
    pub fn start(&mut self) -> Vec<Step> {
        if self.role == Role::Dialer {
            return Vec::new();
        }
        if self.set.count() <= LIST_MAX {
            return self.send_list();
        }
        vec![Step::Send(Body::Summary(Summary {
            count: self.set.count(),
            fingerprint: self.set.fingerprint().to_le_bytes().to_vec().into(),
            ids: bytes::Bytes::new(),
            more: false,
            estimate: self.set.estimate().to_bytes(),
        }))]
    }

    /// Takes a Summary, Symbols, More or Done.
    ///
    /// # Errors
    /// [`ReconcileError`] for what an honest peer never sends; the state stays as it was.
    pub fn on_frame(&mut self, body: &Body) -> Result<Vec<Step>, ReconcileError> {
        match body {
            Body::Summary(summary) => self.on_summary(summary),
            Body::Symbols(symbols) => self.on_symbols(symbols),
            Body::More(more) => self.on_more(more.count),
            Body::Done(_) => self.on_done(),
            _ => Err(ReconcileError::Unexpected),
        }
    }

    fn on_summary(&mut self, summary: &Summary) -> Result<Vec<Step>, ReconcileError> {
        match &mut self.state {
            State::AwaitSummary => self.on_first_summary(summary),
            State::Opened | State::AwaitList => {
                list::head(summary)?;
                list::no_estimate(summary)?;
                let mut diff = ListDiff::open(&self.set, summary.count);
                let step = diff.take(&summary.ids, summary.more)?;
                self.state = State::Listing(diff);
                Ok(self.decided(step))
            }
            State::Listing(diff) => {
                list::continuation(summary)?;
                let step = diff.take(&summary.ids, summary.more)?;
                Ok(self.decided(step))
            }
            _ => Err(ReconcileError::Unexpected),
        }
    }

    fn on_first_summary(&mut self, summary: &Summary) -> Result<Vec<Step>, ReconcileError> {
        let fingerprint = list::head(summary)?;
        if summary.more {
            return Err(ReconcileError::Unexpected);
        }
        let small = summary.count <= LIST_MAX;
        let mut diff = ListDiff::open(&self.set, summary.count);
        let (step, estimated) = if small {
            list::no_estimate(summary)?;
            (diff.take(&summary.ids, false)?, 0)
        } else {
            if !summary.ids.is_empty() {
                return Err(ReconcileError::Length {
                    got: summary.ids.len(),
                });
            }
            let theirs = Estimate::from_bytes(&summary.estimate).ok_or(ReconcileError::Estimate)?;
            (None, self.set.estimate().difference(&theirs))
        };
        if summary.count == self.set.count() && fingerprint == self.set.fingerprint() {
            return Ok(self.decided(Some(Step::Difference {
                lack: Vec::new(),
                offer: Vec::new(),
            })));
        }
        if small {
            return Ok(self.decided(step));
        }
        if self.set.count() <= LIST_MAX {
            return Ok(self.send_list());
        }
        Ok(match plan(self.set.count(), summary.count, estimated) {
            Plan::OwnList => self.send_list(),
            Plan::TheirList => {
                self.state = State::AwaitList;
                vec![Step::Send(Body::More(More { count: 0 }))]
            }
            Plan::Symbols(count) => {
                let mut encoder = Encoder::new(self.set.key(), self.set.shorts());
                let steps = code(&mut encoder, 0, count);
                self.state = State::Coding {
                    encoder,
                    sent: count,
                };
                steps
            }
        })
    }

    fn on_symbols(&mut self, symbols: &Symbols) -> Result<Vec<Step>, ReconcileError> {
        if matches!(self.state, State::Opened) {
            let mut decoder = Box::new(Decoder::new(*self.set.key(), self.set.shorts()));
            take_symbols(&mut decoder, FIRST_SYMBOLS_MAX, symbols)?;
            self.state = State::Decoding {
                decoder,
                asked: FIRST_SYMBOLS_MAX,
                first: true,
            };
        } else if let State::Decoding {
            decoder,
            asked,
            first,
        } = &mut self.state
        {
            let (asked, exact) = (*asked, !*first);
            if exact {
                let frame = riblt::unpack(&symbols.packed)?.len();
                let complete = decoder.received() + frame == asked;
                if complete == symbols.more {
                    return Err(ReconcileError::Symbols);
                }
            }
            take_symbols(decoder, asked, symbols)?;
        } else {
            return Err(ReconcileError::Unexpected);
        }
        if symbols.more {
            return Ok(Vec::new());
        }
        Ok(self.decode())
    }

    /// Decodes at the end of a batch.
    fn decode(&mut self) -> Vec<Step> {
        let State::Decoding {
            mut decoder,
            asked: _,
            first: _,
        } = core::mem::replace(&mut self.state, State::AwaitList)
        else {
            unreachable!("only called while decoding")
        };
        let ask = match decoder.decode() {
            Outcome::Complete => {
                if let Some(difference) = self.difference(&decoder.recovered()) {
                    return self.decided(Some(difference));
                }
                0
            }
            Outcome::NeedMore => next_batch(decoder.received(), decoder.remote_count()),
            Outcome::Inconsistent => 0,
        };
        if ask > 0 {
            self.state = State::Decoding {
                asked: decoder.received() + ask,
                decoder,
                first: false,
            };
        }
        vec![Step::Send(Body::More(More {
            count: u32::try_from(ask).expect("at most MAX_SYMBOLS"),
        }))]
    }

    /// `None` if the symbols told of own ids that are not there: they were not those of a set.
    fn difference(&self, recovered: &Recovered) -> Option<Step> {
        if recovered
            .theirs
            .iter()
            .any(|id| self.set.position(*id).is_some())
        {
            return None;
        }
        let offer = recovered
            .ours
            .iter()
            .map(|id| self.set.resolve(*id))
            .collect::<Option<Vec<_>>>()?;
        Some(Step::Difference {
            lack: recovered.theirs.clone(),
            offer,
        })
    }

    fn on_more(&mut self, count: u32) -> Result<Vec<Step>, ReconcileError> {
        match &mut self.state {
            State::Opened | State::Coding { .. } if count == 0 => Ok(self.send_list()),
            State::Coding { encoder, sent } => {
                let asked = count as usize;
                if asked < MORE_MIN || asked > MAX_SYMBOLS - *sent {
                    return Err(ReconcileError::More(count));
                }
                let steps = code(encoder, *sent, asked);
                *sent += asked;
                Ok(steps)
            }
            State::Opened => Err(ReconcileError::More(count)),
            _ => Err(ReconcileError::Unexpected),
        }
    }

    fn on_done(&mut self) -> Result<Vec<Step>, ReconcileError> {
        match self.state {
            State::AwaitSummary => Err(ReconcileError::Unexpected),
            State::Finished => Ok(Vec::new()),
            _ => {
                self.state = State::Finished;
                Ok(vec![Step::Finished])
            }
        }
    }

    fn send_list(&mut self) -> Vec<Step> {
        self.state = State::Waiting;
        list::frames_of(&self.set)
            .into_iter()
            .map(|summary| Step::Send(Body::Summary(summary)))
            .collect()
    }

    /// Ends the session once there is a difference.
    fn decided(&mut self, difference: Option<Step>) -> Vec<Step> {
        let Some(difference) = difference else {
            return Vec::new();
        };
        self.state = State::Finished;
        vec![difference, Step::Finished]
    }
}

impl core::fmt::Debug for Reconciliation {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.debug_struct("Reconciliation")
            .field("role", &self.role)
            .field("set", &self.set)
            .finish_non_exhaustive()
    }
}

/// Symbols for a small difference, otherwise the shorter of the two lists.
fn plan(own: u32, other: u32, estimated: u64) -> Plan {
    let difference = estimated.max(u64::from(own.abs_diff(other)));
    let expected = difference * 3 / 2 + 16;
    let list = 8 * u64::from(own.min(other));
    if expected > MAX_SYMBOLS as u64 || expected * SYMBOL_COST > list {
        return if own <= other {
            Plan::OwnList
        } else {
            Plan::TheirList
        };
    }
    let first = usize::try_from(difference * 9 / 5 + 16).unwrap_or(usize::MAX);
    Plan::Symbols(first.clamp(MORE_MIN, FIRST_SYMBOLS_MAX))
}

/// Half of what has been received, until a list of the other side's set would cost less; then 0.
fn next_batch(received: usize, remote_count: i64) -> usize {
    let limit = usize::try_from(remote_count)
        .unwrap_or(0)
        .clamp(SYMBOLS_BEFORE_LIST, MAX_SYMBOLS);
    let left = limit.saturating_sub(received);
    if left < MORE_MIN {
        return 0;
    }
    (received / 2).clamp(MORE_MIN, left)
}

/// Symbols of a range as frames.
fn code(encoder: &mut Encoder, from: usize, count: usize) -> Vec<Step> {
    let mut rest = encoder.symbols(from..from + count);
    let mut start = from;
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let (packed, after) = riblt::pack(rest);
        steps.push(Step::Send(Body::Symbols(Symbols {
            start: u32::try_from(start).expect("at most MAX_SYMBOLS"),
            packed,
            more: !after.is_empty(),
        })));
        start += rest.len() - after.len();
        rest = after;
    }
    steps
}

fn take_symbols(
    decoder: &mut Decoder,
    asked: usize,
    frame: &Symbols,
) -> Result<(), ReconcileError> {
    let expected = u32::try_from(decoder.received()).expect("at most MAX_SYMBOLS");
    if frame.start != expected {
        return Err(ReconcileError::Sequence {
            start: frame.start,
            expected,
        });
    }
    let symbols = riblt::unpack(&frame.packed)?;
    if decoder.received() + symbols.len() > asked || !decoder.push(&symbols) {
        return Err(ReconcileError::Symbols);
    }
    Ok(())
}

#[cfg(test)]
mod tests;
