//! Bounds and answers of the shared queues.

use super::*;
use bt_hci::param::{AddrKind, BdAddr};
use futures::FutureExt as _;

const DUTY: ScanDuty = ScanDuty {
    window: std::time::Duration::from_millis(60),
    interval: std::time::Duration::from_millis(60),
};

fn on() -> Shared {
    let shared = Shared::new();
    shared.set_state(RadioState::On, "");
    assert_eq!(shared.plan(|plan| plan.scan = Some(DUTY)), Ok(()));
    shared
}

fn from(n: u16) -> Address {
    let [a, b] = n.to_le_bytes();
    Address::new(AddrKind::RANDOM, BdAddr::new([a, b, 0, 0, 0, 0]))
}

fn up(shared: &Shared) -> Option<LinkId> {
    shared.up(RadioAddress(1), 20, Role::Listener, Bearer::Gatt)
}

fn read(shared: &Shared) -> Vec<RadioEvent> {
    std::iter::from_fn(|| shared.next().now_or_never()).collect()
}

#[test]
fn sightings_leave_room_for_frames_and_what_is_dropped_is_told() {
    let shared = on();
    let link = up(&shared).unwrap();
    for n in 0..1_000 {
        shared.sighted(from(n), &[1], None);
    }
    for _ in 0..1_000 {
        shared.frame(link, &[1]);
    }
    let events = read(&shared);
    let count = |wanted: fn(&RadioEvent) -> bool| events.iter().filter(|e| wanted(e)).count();
    let sightings = count(|e| matches!(e, RadioEvent::Sighted { .. }));
    let frames = count(|e| matches!(e, RadioEvent::Frame { .. }));
    assert_eq!((sightings, frames), (RADIO_INBOX / 2, RADIO_INBOX / 2));
    let told = [1_000 - RADIO_INBOX / 2; 2].map(|n| RadioEvent::Overflow(n as u32));
    let overflows: Vec<_> = events.iter().filter(|e| told.contains(e)).collect();
    assert_eq!(overflows.len(), 2);
    assert_eq!(events.len(), RADIO_INBOX + 4, "and State and Up");
    shared.frame(link, &[2]);
    assert_eq!(read(&shared).len(), 1, "there is room again");
}

#[test]
fn ups_and_downs_are_never_dropped_and_never_more_than_can_be_kept() {
    // Hardening 7: a peer that connects and hangs up while the node does not read.
    let shared = on();
    let links: Vec<_> = std::iter::from_fn(|| up(&shared)).take(1_000).collect();
    for link in &links {
        shared.down(*link, String::new());
        shared.down(*link, "twice".to_owned());
    }
    assert_eq!(links.len(), WAITING_NEWS - 1, "the first was State");
    assert_eq!(read(&shared).len(), 1 + 2 * links.len());
    assert!(up(&shared).is_some());
}

#[test]
fn only_so_many_dials_wait_and_only_of_who_was_heard() {
    let shared = on();
    assert_eq!(shared.dial(RadioAddress(7)), Err(RadioError::Unknown));
    shared.sighted(from(7), &[1], Some(-50));
    for _ in 0..WAITING_DIALS {
        assert_eq!(shared.dial(RadioAddress(7)), Ok(()));
    }
    assert_eq!(shared.dial(RadioAddress(7)), Err(RadioError::Busy));
    assert_eq!(shared.next_dial().now_or_never(), Some(from(7)));
    assert_eq!(shared.dial(RadioAddress(7)), Ok(()));
}

#[test]
fn frames_that_wait_are_bounded_and_ready_follows_busy_once() {
    let shared = on();
    let link = up(&shared).unwrap();
    read(&shared);
    let send = || shared.send(link, Bytes::from_static(&[1]));
    for _ in 0..RADIO_FRAMES {
        assert_eq!(send(), Ok(()));
    }
    assert_eq!(
        (send(), send()),
        (Err(RadioError::Busy), Err(RadioError::Busy))
    );
    assert_eq!(read(&shared), []);
    for _ in 0..2 {
        assert!(shared.next_frame(link).now_or_never().flatten().is_some());
    }
    assert_eq!(read(&shared), [RadioEvent::Ready(link)]);
    assert_eq!(shared.close(link), Ok(()));
    assert_eq!(shared.next_frame(link).now_or_never(), Some(None));
}

#[test]
fn a_radio_that_goes_off_takes_everything_with_it_once() {
    let shared = on();
    let link = up(&shared).unwrap();
    shared.sighted(from(7), &[1], None);
    assert_eq!(shared.dial(RadioAddress(7)), Ok(()));
    read(&shared);
    for _ in 0..2 {
        shared.set_state(RadioState::Off("x".to_owned()), "off");
        shared.down(link, "late".to_owned());
    }
    let why = || "off".to_owned();
    let address = RadioAddress(7);
    let all = [
        RadioEvent::Down { link, why: why() },
        RadioEvent::ConnectFailed {
            address,
            why: why(),
        },
        RadioEvent::State(RadioState::Off("x".to_owned())),
    ];
    assert_eq!(read(&shared), all);
    assert_eq!(shared.dial(address), Err(RadioError::Unavailable));
    assert_eq!(*shared.watch().borrow(), Plan::default());
    shared.set_state(RadioState::On, "");
    assert_eq!(shared.dial(address), Err(RadioError::Unknown));
}
