//! What the cases do again and again.

use std::collections::{BTreeMap, BTreeSet};
use std::future::Future;
use std::time::Duration;

use bytes::Bytes;
use futures::FutureExt as _;
use sovereign_protocol::{id::LinkId, link_kind::Role};

use super::{ALWAYS, RadioFixture, advertising};
use crate::ports::radio::{Advertising, Radio, RadioAddress, RadioCommand, RadioError, RadioEvent};

/// A hanging test ends here; nothing asserts that it takes any particular time.
const WATCHDOG: Duration = Duration::from_secs(120);
/// Sightings of one radio that stand for "it would have been heard by now".
const MARKER: usize = 5;

pub(super) async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(WATCHDOG, future).await {
        Ok(value) => value,
        Err(_) => panic!("never happened: {what}"),
    }
}

/// Reads events until one gives a value; returns it and all that was read.
pub(super) async fn until<T>(
    radio: &mut impl Radio,
    what: &str,
    mut wanted: impl FnMut(&RadioEvent) -> Option<T>,
) -> (T, Vec<RadioEvent>) {
    let mut read = Vec::new();
    let value = within(what, async {
        loop {
            let event = radio.next().await;
            let found = wanted(&event);
            read.push(event);
            if let Some(value) = found {
                return value;
            }
        }
    })
    .await;
    (value, read)
}

/// Whatever is there by now.
pub(super) fn drain(radio: &mut impl Radio) -> Vec<RadioEvent> {
    std::iter::from_fn(|| radio.next().now_or_never()).collect()
}

/// Without the flags (type 1), which operating systems keep to themselves.
pub(super) fn structures(heard: &[u8]) -> BTreeSet<Vec<u8>> {
    let mut rest = heard;
    let mut found = BTreeSet::new();
    while let [length, tail @ ..] = rest {
        let (one, after) = tail
            .split_at_checked(usize::from(*length))
            .expect("structures arrive whole");
        if !one.is_empty() && one[0] != 1 {
            found.insert(one.to_vec());
        }
        rest = after;
    }
    found
}

pub(super) fn sent(of: &Advertising) -> BTreeSet<Vec<u8>> {
    structures(&[&of.data[..], &of.scan_response[..]].concat())
}

/// Reads until every structure of this advertisement was heard from one address.
pub(super) async fn sighting(radio: &mut impl Radio, of: &Advertising) -> RadioAddress {
    sighting_and_before(radio, of).await.0
}

async fn sighting_and_before(
    radio: &mut impl Radio,
    of: &Advertising,
) -> (RadioAddress, Vec<RadioEvent>) {
    let wanted = sent(of);
    let mut heard_from = BTreeMap::<_, BTreeSet<_>>::new();
    let whole = |event: &RadioEvent| match event {
        RadioEvent::Sighted { address, heard, .. } => {
            let all = heard_from.entry(*address).or_default();
            all.append(&mut structures(heard));
            wanted.is_subset(all).then_some(*address)
        }
        _ => None,
    };
    until(radio, "the sighting of an advertiser", whole).await
}

/// Reads until an address was heard [`MARKER`] times; returns all that was read.
pub(super) async fn marker(radio: &mut impl Radio, of: RadioAddress) -> Vec<RadioEvent> {
    let mut times = 0;
    let enough = |event: &RadioEvent| {
        times += usize::from(is_heard(event, of));
        (times == MARKER).then_some(())
    };
    until(radio, "a radio is heard again and again", enough)
        .await
        .1
}

pub(super) fn is_heard(event: &RadioEvent, from: RadioAddress) -> bool {
    matches!(event, RadioEvent::Sighted { address, .. } if *address == from)
}

/// One end of a link.
#[derive(Debug, Clone, Copy)]
pub(super) struct End {
    pub(super) link: LinkId,
    pub(super) address: RadioAddress,
    pub(super) max_frame: u16,
    pub(super) role: Role,
}

pub(super) fn is_up(event: &RadioEvent) -> Option<End> {
    match *event {
        RadioEvent::Up {
            link,
            address,
            max_frame,
            role,
            ..
        } => Some(End {
            link,
            address,
            max_frame,
            role,
        }),
        _ => None,
    }
}

pub(super) fn down_of(link: LinkId) -> impl FnMut(&RadioEvent) -> Option<()> {
    move |event| matches!(event, RadioEvent::Down { link: of, .. } if *of == link).then_some(())
}

/// Connects to who is sighted with this; an attempt may fail, and is then made again.
pub(super) async fn dial(dialer: &mut impl Radio, of: &Advertising) -> End {
    dial_reading(dialer, of).await.0
}

/// [`dial`], and every event that was read meanwhile.
pub(super) async fn dial_reading(
    dialer: &mut impl Radio,
    of: &Advertising,
) -> (End, Vec<RadioEvent>) {
    let (address, mut read) = sighting_and_before(dialer, of).await;
    within("a connection", async {
        loop {
            command(dialer, RadioCommand::Connect(address));
            let answer = |event: &RadioEvent| match event {
                RadioEvent::ConnectFailed { address: of, .. } if *of == address => Some(None),
                event => is_up(event).filter(|end| end.address == address).map(Some),
            };
            let (answer, mut before) = until(dialer, "an answer to Connect", answer).await;
            read.append(&mut before);
            if let Some(end) = answer {
                return (end, read);
            }
        }
    })
    .await
}

/// Two fresh radios and the ends of a link that the first dialled. The first does not scan any more.
pub(super) async fn linked<F: RadioFixture>(fixture: &mut F) -> (F::Port, End, F::Port, End) {
    let (mut dialer, mut listener) = (fixture.join().await, fixture.join().await);
    command(
        &mut listener,
        RadioCommand::Advertise(Some(advertising(1, 1))),
    );
    command(&mut dialer, RadioCommand::Scan(Some(ALWAYS)));
    let here = dial(&mut dialer, &advertising(1, 1)).await;
    let (there, _) = until(&mut listener, "Up at the listener", is_up).await;
    command(&mut dialer, RadioCommand::Scan(None));
    (dialer, here, listener, there)
}

pub(super) fn command(radio: &mut impl Radio, command: RadioCommand) {
    if let Err(error) = radio.submit(command.clone()) {
        panic!("{command:?}: {error}");
    }
}

pub(super) fn frame(link: LinkId, frame: impl Into<Bytes>) -> RadioCommand {
    RadioCommand::Send {
        link,
        frame: frame.into(),
    }
}

/// Sends one frame, after `Ready` if need be.
pub(super) async fn send(radio: &mut impl Radio, link: LinkId, bytes: Bytes) {
    while let Err(error) = radio.submit(frame(link, bytes.clone())) {
        assert_eq!(error, RadioError::Busy);
        ready(radio, link).await;
    }
}

pub(super) async fn ready(radio: &mut impl Radio, link: LinkId) {
    let is_ready = |event: &RadioEvent| (*event == RadioEvent::Ready(link)).then_some(());
    until(radio, "Ready after Busy", is_ready).await;
}

/// Reads until so many frames came over a link.
pub(super) async fn frames(radio: &mut impl Radio, link: LinkId, count: usize) -> Vec<Bytes> {
    let mut came = Vec::new();
    let all = |event: &RadioEvent| {
        if let RadioEvent::Frame { link: over, frame } = event {
            assert_eq!(*over, link);
            came.push(frame.clone());
        }
        (came.len() == count).then_some(())
    };
    until(radio, "all frames", all).await;
    came
}
