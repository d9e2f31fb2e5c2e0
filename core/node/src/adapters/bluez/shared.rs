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
mod tests {
    use futures::FutureExt as _;

    use super::*;

    const HERE: End = End {
        address: RadioAddress(0x0203_0405_0607),
        max_frame: 20,
        role: Role::Dialer,
        bearer: Bearer::Gatt,
    };

    fn on() -> Arc<Shared> {
        let (shared, _dials) = Shared::new();
        shared.tell(RadioState::On);
        shared
    }

    fn events(shared: &Shared) -> Vec<RadioEvent> {
        std::iter::from_fn(|| shared.inbox.next().now_or_never()).collect()
    }

    fn send(link: LinkId, length: usize) -> RadioCommand {
        RadioCommand::Send {
            link,
            frame: Bytes::from(vec![1; length]),
        }
    }

    fn advertising(n: u8) -> Advertising {
        Advertising {
            data: Bytes::from_static(&[2, 1, 6]),
            scan_response: Bytes::new(),
            hello: Bytes::from_static(b"hello"),
            interval: std::time::Duration::from_millis(250),
            connectable: true,
            address: [n; 6],
        }
    }

    #[test]
    fn nothing_is_taken_before_the_radio_is_on_or_after_it_went() {
        let (shared, _dials) = Shared::new();
        let stop = || RadioCommand::Scan(None);
        assert_eq!(shared.submit(stop()), Err(RadioError::Unavailable));
        assert!(shared.open(HERE).is_none());
        shared.tell(RadioState::On);
        let advertise = RadioCommand::Advertise(Some(advertising(1)));
        assert_eq!(shared.submit(advertise), Ok(()));
        let off = RadioState::Off("switched off".to_owned());
        shared.tell(off.clone());
        shared.tell(off);
        assert_eq!(shared.submit(stop()), Err(RadioError::Unavailable));
        shared.tell(RadioState::On);
        assert_eq!(*shared.advertising.borrow(), None, "wants end with it");
        assert_eq!(events(&shared), [RadioEvent::State(RadioState::On)]);
    }

    #[test]
    fn a_full_queue_is_busy_until_ready_once() {
        let shared = on();
        let mut opened = shared.open(HERE).expect("opens");
        let link = opened.link;
        for _ in 0..RADIO_FRAMES {
            assert_eq!(shared.submit(send(link, 20)), Ok(()));
        }
        shared.taken(link);
        assert_eq!(shared.submit(send(link, 20)), Err(RadioError::Busy));
        assert_eq!(shared.submit(send(link, 20)), Err(RadioError::Busy));
        events(&shared);
        assert!(opened.frames.recv().now_or_never().flatten().is_some());
        shared.taken(link);
        shared.taken(link);
        assert_eq!(events(&shared), [RadioEvent::Ready(link)]);
        assert_eq!(shared.submit(send(link, 1)), Ok(()));
    }

    #[test]
    fn lengths_and_links_are_checked() {
        let shared = on();
        let link = shared.open(HERE).expect("opens").link;
        for length in [0, 21] {
            assert_eq!(shared.submit(send(link, length)), Err(RadioError::Length));
        }
        let none = LinkId(link.0 + 1);
        assert_eq!(shared.submit(send(none, 1)), Err(RadioError::Unknown));
        let unheard = RadioCommand::Connect(HERE.address);
        assert_eq!(shared.submit(unheard), Err(RadioError::Unknown));
        shared.closed(link, "test".to_owned());
        shared.closed(link, "again".to_owned());
        let close = RadioCommand::Close(link);
        assert_eq!(shared.submit(close), Err(RadioError::Unknown));
        let downs = events(&shared);
        assert_eq!(downs.len(), 3, "{downs:?}");
        let again = shared.open(HERE).expect("opens").link;
        assert_ne!(again, link, "a number is used once");
        for (data, hello, result) in [
            (31, 32, Ok(())),
            (32, 0, Err(RadioError::Length)),
            (0, 33, Err(RadioError::Length)),
        ] {
            let long = Advertising {
                data: Bytes::from(vec![0; data]),
                hello: Bytes::from(vec![0; hello]),
                ..advertising(1)
            };
            assert_eq!(shared.submit(RadioCommand::Advertise(Some(long))), result);
        }
    }

    #[test]
    fn links_have_a_bound() {
        let shared = on();
        let opened = (0..MAX_LINKS + 1).map(|_| shared.open(HERE).is_some());
        assert_eq!(opened.filter(|open| *open).count(), MAX_LINKS);
    }

    #[test]
    fn a_hello_is_not_shown_across_epochs() {
        // LOC-3: it would join the old id to the new one.
        let shared = on();
        assert_eq!(shared.hello([9; 6]), None, "nothing is advertised");
        shared.advertising.send_replace(Some(advertising(1)));
        assert_eq!(shared.enter([1; 6]), Vec::<[u8; 6]>::new());
        let linked = bytes_of(HERE.address);
        shared.open(HERE).expect("opens");
        assert!(shared.hello(linked).is_some() && shared.hello([9; 6]).is_some());
        assert_eq!(shared.enter([1; 6]), Vec::<[u8; 6]>::new());
        assert_eq!(
            shared.enter([2; 6]),
            [[9; 6]],
            "who has no link is sent away"
        );
        assert_eq!(shared.hello(linked), None);
        assert!(shared.hello([9; 6]).is_some());
        for n in 0..200 {
            shared.hello([n, 1, 1, 1, 1, 1]);
        }
        assert_eq!(shared.hello([7; 6]), None, "readers have a bound");
    }

    #[test]
    fn addresses_have_48_bits() {
        let address = address_of([1, 2, 3, 4, 5, 6]);
        assert_eq!(address, RadioAddress(0x0102_0304_0506));
        assert_eq!(bytes_of(address), [1, 2, 3, 4, 5, 6]);
    }

    #[test]
    fn the_psm_is_put_into_hellos_that_have_room_for_it() {
        let shared = on();
        shared.listens(Some(0x80));
        shared.advertising.send_replace(Some(advertising(1)));
        let other = shared.hello([9; 6]).expect("advertised");
        assert_eq!(other[..], *b"hello", "of a version that we do not know");
        let said = Hello {
            id: sovereign_protocol::id::DiscoveryId([1; 8]),
            capabilities: Default::default(),
            psm: None,
        };
        let hello = Bytes::copy_from_slice(&said.encode());
        shared.advertising.send_replace(Some(Advertising {
            hello,
            ..advertising(1)
        }));
        let hello = shared.hello([9; 6]).expect("advertised");
        let psm = Some(0x80);
        assert_eq!(Hello::decode(&hello), Ok(Hello { psm, ..said }));
    }
}
