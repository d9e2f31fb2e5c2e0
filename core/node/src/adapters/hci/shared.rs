//! What the node's side and the radio's thread share. Every bound of the adapter is kept here; nothing
//! waits while it is locked.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use sovereign_protocol::{id::LinkId, link_kind::Role};
use tokio::sync::{Notify, watch};
use trouble_host::Address;

use super::heard::{Heard, to_port};
use crate::ports::radio::{
    Advertising, Bearer, RADIO_FRAMES, RADIO_INBOX, RadioAddress, RadioError, RadioEvent,
    RadioState, ScanDuty,
};

/// Sightings that wait at most, so that a flood of them leaves room for frames.
const WAITING_SIGHTINGS: usize = RADIO_INBOX / 2;
/// Ups, downs and the like that wait before no new link is taken: they are never dropped.
const WAITING_NEWS: usize = 64;
/// Addresses that wait to be dialled.
const WAITING_DIALS: usize = 8;

/// What the node wants the air to be like.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Plan {
    pub(super) scan: Option<ScanDuty>,
    pub(super) advertising: Option<Advertising>,
    /// That of the last advertisement, though nothing may be advertised now. With it an epoch begins.
    pub(super) address: Option<[u8; 6]>,
}

/// Both sides' handle.
pub(super) struct Shared {
    state: Mutex<State>,
    /// Something for the node to read.
    news: Notify,
    /// Something to dial.
    dials: Notify,
    plan: watch::Sender<Plan>,
    stop: watch::Sender<bool>,
}

struct State {
    radio: Option<RadioState>,
    inbox: VecDeque<RadioEvent>,
    frames: usize,
    sightings: usize,
    links: BTreeMap<LinkId, Outbox>,
    next_link: u64,
    dials: VecDeque<Address>,
    heard: Heard,
}

/// What waits to be sent over a link.
struct Outbox {
    address: RadioAddress,
    role: Role,
    max_frame: u16,
    frames: VecDeque<Bytes>,
    /// A frame was refused: `Ready` is owed.
    owed: bool,
    closing: bool,
    wake: Arc<Notify>,
}

impl Shared {
    pub(super) fn new() -> Self {
        Self {
            state: Mutex::new(State {
                radio: None,
                inbox: VecDeque::new(),
                frames: 0,
                sightings: 0,
                links: BTreeMap::new(),
                next_link: 1,
                dials: VecDeque::new(),
                heard: Heard::default(),
            }),
            news: Notify::new(),
            dials: Notify::new(),
            plan: watch::Sender::new(Plan::default()),
            stop: watch::Sender::new(false),
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Every critical section leaves the tables whole, so a poisoned lock is still good.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // The node's side.

    /// The next event; safe to cancel.
    pub(super) async fn next(&self) -> RadioEvent {
        loop {
            let news = self.news.notified();
            if let Some(event) = self.lock().pop() {
                return event;
            }
            news.await;
        }
    }

    pub(super) fn plan(&self, change: impl FnOnce(&mut Plan)) -> Result<(), RadioError> {
        let state = self.lock();
        state.on()?;
        self.plan.send_if_modified(|plan| {
            let before = plan.clone();
            change(plan);
            *plan != before
        });
        Ok(())
    }

    pub(super) fn dial(&self, address: RadioAddress) -> Result<(), RadioError> {
        let mut state = self.lock();
        state.on()?;
        let heard = state.heard.find(address).ok_or(RadioError::Unknown)?;
        if state.dials.len() >= WAITING_DIALS || state.is_crowded() {
            return Err(RadioError::Busy);
        }
        state.dials.push_back(heard);
        drop(state);
        self.dials.notify_one();
        Ok(())
    }

    pub(super) fn send(&self, link: LinkId, frame: Bytes) -> Result<(), RadioError> {
        let mut state = self.lock();
        state.on()?;
        let outbox = state.links.get_mut(&link).ok_or(RadioError::Unknown)?;
        if frame.is_empty() || frame.len() > usize::from(outbox.max_frame) {
            return Err(RadioError::Length);
        }
        if outbox.frames.len() >= RADIO_FRAMES {
            outbox.owed = true;
            return Err(RadioError::Busy);
        }
        outbox.frames.push_back(frame);
        outbox.wake.notify_one();
        Ok(())
    }

    pub(super) fn close(&self, link: LinkId) -> Result<(), RadioError> {
        let mut state = self.lock();
        state.on()?;
        let outbox = state.links.get_mut(&link).ok_or(RadioError::Unknown)?;
        outbox.closing = true;
        outbox.wake.notify_one();
        Ok(())
    }

    /// The node has dropped the radio.
    pub(super) fn stop(&self) {
        self.stop.send_replace(true);
        let mut state = self.lock();
        for outbox in state.links.values_mut() {
            outbox.closing = true;
            outbox.wake.notify_one();
        }
    }

    // The radio's side.

    /// Returns once the node has dropped the radio.
    pub(super) async fn stopped(&self) {
        // The sender lives as long as this does.
        let _ = self.stop.subscribe().wait_for(|stop| *stop).await;
    }

    pub(super) fn watch(&self) -> watch::Receiver<Plan> {
        self.plan.subscribe()
    }

    /// Says how the radio is, if that is news. When it is not on, links end and plans are forgotten.
    pub(super) fn set_state(&self, radio: RadioState, why: &str) {
        let mut state = self.lock();
        if radio != RadioState::On {
            for link in std::mem::take(&mut state.links).into_keys() {
                let why = why.to_owned();
                state.push(RadioEvent::Down { link, why });
            }
            for address in std::mem::take(&mut state.dials).into_iter().map(to_port) {
                let why = why.to_owned();
                state.push(RadioEvent::ConnectFailed { address, why });
            }
            state.heard = Heard::default();
            self.plan.send_replace(Plan::default());
        }
        if state.radio.as_ref() != Some(&radio) {
            state.radio = Some(radio.clone());
            if let Some(RadioEvent::State(unread)) = state.inbox.back_mut() {
                *unread = radio;
            } else {
                state.push(RadioEvent::State(radio));
            }
        }
        drop(state);
        self.news.notify_one();
    }

    /// The next address to dial; safe to cancel.
    pub(super) async fn next_dial(&self) -> Address {
        loop {
            let dials = self.dials.notified();
            if let Some(address) = self.lock().dials.pop_front() {
                return address;
            }
            dials.await;
        }
    }

    /// Whether this node has dialled an address and the link still stands.
    pub(super) fn has_dialled(&self, address: RadioAddress) -> bool {
        let dialled = |outbox: &Outbox| outbox.role == Role::Dialer && outbox.address == address;
        self.lock().links.values().any(dialled)
    }

    /// Something was heard.
    pub(super) fn sighted(&self, from: Address, heard: &[u8], rssi_dbm: Option<i8>) {
        let mut state = self.lock();
        if self.plan.borrow().scan.is_none() || state.radio != Some(RadioState::On) {
            return;
        }
        let address = to_port(from);
        state.heard.insert(address, from.kind);
        if state.sightings >= WAITING_SIGHTINGS {
            state.dropped();
        } else {
            state.push(RadioEvent::Sighted {
                address,
                heard: Bytes::copy_from_slice(heard),
                rssi_dbm,
            });
        }
        drop(state);
        self.news.notify_one();
    }

    /// A link is up; `None` if the node reads so slowly that there is no room for one.
    pub(super) fn up(
        &self,
        address: RadioAddress,
        max_frame: u16,
        role: Role,
        bearer: Bearer,
    ) -> Option<LinkId> {
        let mut state = self.lock();
        if state.is_crowded() || *self.stop.borrow() {
            return None;
        }
        let link = LinkId(state.next_link);
        state.next_link += 1;
        let outbox = Outbox {
            address,
            role,
            max_frame,
            frames: VecDeque::with_capacity(RADIO_FRAMES),
            owed: false,
            closing: false,
            wake: Arc::new(Notify::new()),
        };
        state.links.insert(link, outbox);
        state.push(RadioEvent::Up {
            link,
            address,
            max_frame,
            role,
            bearer,
        });
        drop(state);
        self.news.notify_one();
        Some(link)
    }

    /// A link is gone.
    pub(super) fn down(&self, link: LinkId, why: String) {
        let mut state = self.lock();
        // With the radio off, all links were reported at once.
        if state.links.remove(&link).is_some() {
            state.push(RadioEvent::Down { link, why });
        }
        drop(state);
        self.news.notify_one();
    }

    pub(super) fn connect_failed(&self, address: RadioAddress, why: String) {
        self.lock().push(RadioEvent::ConnectFailed { address, why });
        self.news.notify_one();
    }

    /// A frame came in.
    pub(super) fn frame(&self, link: LinkId, frame: &[u8]) {
        let mut state = self.lock();
        if frame.is_empty() || !state.links.contains_key(&link) {
            return;
        }
        if state.frames + state.sightings >= RADIO_INBOX {
            state.dropped();
        } else {
            let frame = Bytes::copy_from_slice(frame);
            state.push(RadioEvent::Frame { link, frame });
        }
        drop(state);
        self.news.notify_one();
    }

    /// The next frame to send over a link; `None` once it is to be closed. Safe to cancel.
    pub(super) async fn next_frame(&self, link: LinkId) -> Option<Bytes> {
        loop {
            let wake = {
                let mut state = self.lock();
                let outbox = state.links.get_mut(&link)?;
                if outbox.closing {
                    return None;
                }
                if let Some(frame) = outbox.frames.pop_front() {
                    if std::mem::take(&mut outbox.owed) {
                        state.push(RadioEvent::Ready(link));
                        self.news.notify_one();
                    }
                    return Some(frame);
                }
                Arc::clone(&outbox.wake)
            };
            // A permit that was given since the lock was freed is kept.
            wake.notified().await;
        }
    }
}

impl State {
    fn on(&self) -> Result<(), RadioError> {
        match self.radio {
            Some(RadioState::On) => Ok(()),
            _ => Err(RadioError::Unavailable),
        }
    }

    /// So much waits that may not be dropped that nothing is begun that would add to it.
    fn is_crowded(&self) -> bool {
        self.inbox.len() - self.frames - self.sightings + self.dials.len() >= WAITING_NEWS
    }

    fn push(&mut self, event: RadioEvent) {
        match event {
            RadioEvent::Frame { .. } => self.frames += 1,
            RadioEvent::Sighted { .. } => self.sightings += 1,
            _ => {}
        }
        self.inbox.push_back(event);
    }

    fn dropped(&mut self) {
        if let Some(RadioEvent::Overflow(count)) = self.inbox.back_mut() {
            *count = count.saturating_add(1);
        } else {
            self.inbox.push_back(RadioEvent::Overflow(1));
        }
    }

    fn pop(&mut self) -> Option<RadioEvent> {
        let event = self.inbox.pop_front()?;
        match event {
            RadioEvent::Frame { .. } => self.frames -= 1,
            RadioEvent::Sighted { .. } => self.sightings -= 1,
            _ => {}
        }
        Some(event)
    }
}

#[cfg(test)]
mod tests;
