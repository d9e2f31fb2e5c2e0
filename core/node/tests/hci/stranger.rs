//! Another host's view of the adapter: `tests/ble/userland/prober.py` on Bumble's own stack.

use bytes::Bytes;
use serde_json::Value;
use sovereign_node::contract::radio::{RadioFixture as _, advertising};
use sovereign_node::ports::radio::{Bearer, RadioCommand, RadioEvent};
use sovereign_protocol::link_kind::Role;
use sovereign_protocol::radio::advert::SERVICE;

use crate::air::Lab;
use crate::lab::{submit, until, up};
use crate::python::Python;

/// "Read Not Permitted" (Bluetooth Core 5.4, vol. 3, part F, 3.4.1.1).
const READ_NOT_PERMITTED: u64 = 2;

fn prober(lab: &mut Lab<false>) -> Python {
    let hci = lab.controller("hci");
    Python::start("prober.py", [hci.as_os_str()])
}

#[tokio::test]
async fn who_connects_and_says_nothing_goes_with_the_epoch() {
    // docs/protocol.md 11.3, LOC-3
    let mut lab = Lab::<false>::default();
    let mut radio = lab.join().await;
    let first = advertising(1, 1);
    submit(&mut radio, RadioCommand::Advertise(Some(first.clone())));
    let mut prober = prober(&mut lab);
    let start = prober.answer().await;
    assert_eq!(start["hello"], hex::encode(&first.hello));
    assert_eq!(start["mtu"], 517);
    let services = start["services"].as_array().expect("a list");
    let ours = SERVICE.to_string();
    let found = services.iter().filter_map(Value::as_str);
    assert_eq!(
        found
            .filter(|uuid| uuid.eq_ignore_ascii_case(&ours))
            .count(),
        1,
        "{services:?}"
    );
    submit(&mut radio, RadioCommand::Advertise(Some(advertising(2, 2))));
    assert!(prober.ask("gone").await["gone"].is_u64());
}

#[tokio::test]
async fn a_hello_is_told_in_its_epoch_only_and_the_link_goes_on() {
    // docs/protocol.md 11.3, LOC-4
    let mut lab = Lab::<false>::default();
    let mut radio = lab.join().await;
    let first = advertising(1, 1);
    submit(&mut radio, RadioCommand::Advertise(Some(first.clone())));
    let mut prober = prober(&mut lab);
    prober.answer().await;
    assert_eq!(prober.ask("subscribe").await["subscribed"], true);
    let end = up(&mut radio, Role::Listener).await;
    assert_eq!((end.bearer, end.max_frame), (Bearer::Gatt, 495));
    assert_eq!(
        prober.ask("hello").await["hello"],
        hex::encode(&first.hello)
    );

    submit(&mut radio, RadioCommand::Advertise(None));
    assert_eq!(prober.ask("hello").await["refused"], READ_NOT_PERMITTED);
    submit(&mut radio, RadioCommand::Advertise(Some(first)));
    assert!(prober.ask("hello").await["hello"].is_string());
    submit(&mut radio, RadioCommand::Advertise(Some(advertising(2, 2))));
    assert_eq!(prober.ask("hello").await["refused"], READ_NOT_PERMITTED);

    assert_eq!(prober.ask("write 010203").await["written"], true);
    until(&mut radio, "a frame", |event| match event {
        RadioEvent::Frame { link, frame } => {
            assert_eq!((link, &frame[..]), (end.link, &[1, 2, 3][..]));
            Some(())
        }
        _ => None,
    })
    .await;
    let frame = Bytes::from_static(&[9; 495]);
    let link = end.link;
    submit(
        &mut radio,
        RadioCommand::Send {
            link,
            frame: frame.clone(),
        },
    );
    assert_eq!(prober.answer().await["notified"], hex::encode(&frame));
}
