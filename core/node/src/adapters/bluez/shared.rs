//! What the handle of the radio and its tasks share: links, who was heard, and what the node wants.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use btleplug::platform::PeripheralId;
use bytes::Bytes;
use sovereign_protocol::{id::LinkId, link_kind::Role, radio::advert::Hello};
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::heard::Heard;
use super::inbox::Inbox;
use crate::ports::radio::{
    Advertising, Bearer, MAX_ADVERTISEMENT, MAX_HELLO, RADIO_FRAMES, RadioAddress, RadioCommand,
    RadioError, RadioEvent, RadioState, ScanDuty,
};

/// Links at most, in both directions; the node's own budget is smaller.
const MAX_LINKS: usize = 16;
/// Dials that may wait; they are made one after the other.
const MAX_DIALS: usize = 4;
/// Readers of the hello that are kept in mind until the epoch ends.
const MAX_READERS: usize = 64;

pub(super) struct Shared {
    pub(super) inbox: Inbox,
    pub(super) scan: watch::Sender<Option<ScanDuty>>,
    pub(super) advertising: watch::Sender<Option<Advertising>>,
    dials: mpsc::Sender<RadioAddress>,
    state: Mutex<State>,
    /// A link has ended.
    gone: Notify,
}

struct State {
    told: Option<RadioState>,
    links: BTreeMap<LinkId, Entry>,
    last_link: u64,
    dialling: BTreeSet<RadioAddress>,
    heard: Heard<PeripheralId>,
    /// Who has read the hello of this epoch.
    readers: BTreeSet<[u8; 6]>,
    /// Counts epochs, which begin with the address that the node wants to have.
    epoch: u64,
    wanted_address: Option<[u8; 6]>,
    /// Where L2CAP channels are taken.
    psm: Option<u16>,
}

struct Entry {
    end: End,
    epoch: u64,
    frames: mpsc::Sender<Bytes>,
    /// A frame was refused since the last `Ready`.
    refused: bool,
    close: CancellationToken,
}

/// What a link is, apart from its number.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    pub(super) address: RadioAddress,
    pub(super) max_frame: u16,
    pub(super) role: Role,
    pub(super) bearer: Bearer,
}

/// A new link, for the task that will carry it.
pub(super) struct Opened {
    pub(super) link: LinkId,
    pub(super) end: End,
    pub(super) frames: mpsc::Receiver<Bytes>,
    pub(super) close: CancellationToken,
}

impl Shared {
    pub(super) fn new() -> (Arc<Self>, mpsc::Receiver<RadioAddress>) {
        let (dials, dialled) = mpsc::channel(MAX_DIALS);
        let shared = Self {
            inbox: Inbox::default(),
            scan: watch::Sender::new(None),
            advertising: watch::Sender::new(None),
            dials,
            state: Mutex::new(State {
                told: None,
                links: BTreeMap::new(),
                last_link: 0,
                dialling: BTreeSet::new(),
                heard: Heard::new(),
                readers: BTreeSet::new(),
                epoch: 0,
                wanted_address: None,
                psm: None,
            }),
            gone: Notify::new(),
        };
        (Arc::new(shared), dialled)
    }

    pub(super) fn submit(&self, command: RadioCommand) -> Result<(), RadioError> {
        let mut state = self.state();
        if state.told != Some(RadioState::On) {
            return Err(RadioError::Unavailable);
        }
        match command {
            RadioCommand::Scan(duty) => {
                self.scan.send_replace(duty);
                Ok(())
            }
            RadioCommand::Advertise(advertising) => {
                check(advertising.as_ref())?;
                self.advertising.send_replace(advertising);
                Ok(())
            }
            RadioCommand::Connect(address) => {
                state.heard.id(address).ok_or(RadioError::Unknown)?;
                if self.inbox.is_full() || state.dialling.contains(&address) {
                    return Err(RadioError::Busy);
                }
                self.dials.try_send(address).map_err(|_| RadioError::Busy)?;
                state.dialling.insert(address);
                Ok(())
            }
            RadioCommand::Send { link, frame } => {
                let entry = state.links.get_mut(&link).ok_or(RadioError::Unknown)?;
                if frame.is_empty() || frame.len() > usize::from(entry.end.max_frame) {
                    return Err(RadioError::Length);
                }
                entry.frames.try_send(frame).map_err(|_| {
                    entry.refused = true;
                    RadioError::Busy
                })
            }
            RadioCommand::Close(link) => {
                let entry = state.links.get(&link).ok_or(RadioError::Unknown)?;
                entry.close.cancel();
                Ok(())
            }
        }
    }

    /// How the radio is now. What was wanted of it is forgotten when it goes: by the time that it
    /// comes back, an epoch may have ended.
    pub(super) fn tell(&self, now: RadioState) {
        let mut state = self.state();
        if state.told.as_ref() == Some(&now) {
            return;
        }
        if now != RadioState::On {
            self.scan.send_replace(None);
            self.advertising.send_replace(None);
            state.heard.clear();
            state.readers.clear();
        }
        state.told = Some(now.clone());
        self.inbox.push(RadioEvent::State(now));
    }

    /// A new link, told of as `Up`; `None` if there are as many as may be, or the node does not keep up.
    pub(super) fn open(&self, end: End) -> Option<Opened> {
        let mut state = self.state();
        if state.told != Some(RadioState::On)
            || state.links.len() >= MAX_LINKS
            || self.inbox.is_full()
        {
            return None;
        }
        state.last_link += 1;
        let link = LinkId(state.last_link);
        let (sender, frames) = mpsc::channel(RADIO_FRAMES);
        let close = CancellationToken::new();
        let entry = Entry {
            end,
            epoch: state.epoch,
            frames: sender,
            refused: false,
            close: close.clone(),
        };
        state.links.insert(link, entry);
        self.inbox.push(RadioEvent::Up {
            link,
            address: end.address,
            max_frame: end.max_frame,
            role: end.role,
            bearer: end.bearer,
        });
        Some(Opened {
            link,
            end,
            frames,
            close,
        })
    }

    /// A frame has left the queue of a link.
    pub(super) fn taken(&self, link: LinkId) {
        let mut state = self.state();
        if let Some(entry) = state.links.get_mut(&link)
            && std::mem::take(&mut entry.refused)
        {
            self.inbox.push(RadioEvent::Ready(link));
        }
    }

    /// The link is gone.
    pub(super) fn closed(&self, link: LinkId, why: String) {
        if self.state().links.remove(&link).is_some() {
            self.inbox.push(RadioEvent::Down { link, why });
            self.gone.notify_one();
        }
    }

    /// Closes every link, each by its own task.
    pub(super) fn close_all(&self) {
        for entry in self.state().links.values() {
            entry.close.cancel();
        }
    }

    /// Waits until no link is left.
    pub(super) async fn all_closed(&self) {
        while !self.state().links.is_empty() {
            self.gone.notified().await;
        }
    }

    /// Takes down what is left, whose tasks wait for a service that does not answer.
    pub(super) fn forget_links(&self) {
        let left: Vec<_> = self.state().links.keys().copied().collect();
        for link in left {
            self.closed(link, String::from("Bluetooth went away"));
        }
    }

    pub(super) fn is_open(&self, link: LinkId) -> bool {
        self.state().links.contains_key(&link)
    }

    /// Whether another link than this one runs over the same connection.
    pub(super) fn shares(&self, link: LinkId, address: RadioAddress) -> bool {
        let state = self.state();
        let mut others = state.links.iter().filter(|(id, _)| **id != link);
        others.any(|(_, entry)| entry.end.address == address)
    }

    /// The task of a dial is done with this address.
    pub(super) fn dialled(&self, address: RadioAddress) {
        self.state().dialling.remove(&address);
    }

    /// Notes who was heard; tells whether they had not said the same before.
    pub(super) fn hear(&self, address: RadioAddress, id: PeripheralId, said: Bytes) -> bool {
        self.state().heard.hear(address, id, said)
    }

    pub(super) fn device(&self, address: RadioAddress) -> Option<PeripheralId> {
        self.state().heard.id(address)
    }

    pub(super) fn knows(&self, id: &PeripheralId) -> bool {
        self.state().heard.knows(id)
    }

    /// Where L2CAP channels are taken, if they are.
    pub(super) fn listens(&self, psm: Option<u16>) {
        self.state().psm = psm;
    }

    /// Whether others may connect.
    pub(super) fn is_connectable(&self) -> bool {
        let advertising = self.advertising.borrow();
        advertising.as_ref().is_some_and(|a| a.connectable)
    }

    /// The hello for this reader, with our PSM; `None` while there is none, and for who is connected since an
    /// earlier epoch, whom it would tell which ids belong together (docs/protocol.md §11.3).
    pub(super) fn hello(&self, reader: [u8; 6]) -> Option<Bytes> {
        let mut state = self.state();
        let advertising = self.advertising.borrow();
        let hello = &advertising.as_ref()?.hello;
        let stale = state
            .links
            .values()
            .any(|entry| bytes_of(entry.end.address) == reader && entry.epoch != state.epoch);
        if stale {
            return None;
        }
        if state.readers.len() < MAX_READERS {
            state.readers.insert(reader);
        } else if !state.readers.contains(&reader) {
            return None;
        }
        Some(match Hello::decode(hello) {
            Ok(said) => Bytes::copy_from_slice(
                &Hello {
                    psm: state.psm,
                    ..said
                }
                .encode(),
            ),
            Err(_) => hello.clone(),
        })
    }

    /// Something is advertised under this address. If that begins an epoch, returns who has read the hello of the last one and has no link.
    pub(super) fn enter(&self, address: [u8; 6]) -> Vec<[u8; 6]> {
        let mut state = self.state();
        if state.wanted_address.replace(address) == Some(address) {
            return Vec::new();
        }
        state.epoch += 1;
        let readers = std::mem::take(&mut state.readers);
        let mut left = readers.into_iter().collect::<Vec<_>>();
        left.retain(|reader| {
            let mut links = state.links.values();
            !links.any(|entry| bytes_of(entry.end.address) == *reader)
        });
        left
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing panics while it holds the lock.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// An address as the port has it.
pub(super) fn address_of(bytes: [u8; 6]) -> RadioAddress {
    let [a, b, c, d, e, f] = bytes;
    RadioAddress(u64::from_be_bytes([0, 0, a, b, c, d, e, f]))
}

/// The address itself, most significant byte first.
pub(super) fn bytes_of(address: RadioAddress) -> [u8; 6] {
    let [_, _, bytes @ ..] = address.0.to_be_bytes();
    bytes
}

fn check(advertising: Option<&Advertising>) -> Result<(), RadioError> {
    let fits = advertising.is_none_or(|a| {
        a.data.len() <= MAX_ADVERTISEMENT
            && a.scan_response.len() <= MAX_ADVERTISEMENT
            && a.hello.len() <= MAX_HELLO
    });
    fits.then_some(()).ok_or(RadioError::Length)
}

#[cfg(test)]
mod tests;
