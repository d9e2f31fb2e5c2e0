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
