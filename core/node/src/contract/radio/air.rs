//! What is heard, and what is not.

use super::{ALWAYS, RadioFixture, advertising, steps::*};
use crate::ports::radio::{
    Advertising, MAX_HEARD, Radio, RadioAddress, RadioCommand, RadioEvent, RadioState,
};

/// How the radio is, is its first event.
pub async fn state_comes_first<F: RadioFixture>() {
    let mut fixture = F::default();
    let mut radio = fixture.join().await;
    let first = within("a first event", radio.next()).await;
    assert_eq!(first, RadioEvent::State(RadioState::On));
}

/// Who scans hears what is advertised, byte for byte, again and again, at a strength that can be.
pub async fn advertised_is_sighted<F: RadioFixture>() {
    let mut fixture = F::default();
    let (mut a, mut b) = (fixture.join().await, fixture.join().await);
    let says = advertising(1, 1);
    command(&mut b, RadioCommand::Advertise(Some(says.clone())));
    command(&mut a, RadioCommand::Scan(Some(ALWAYS)));
    let address = sighting(&mut a, &says).await;
    for event in marker(&mut a, address).await {
        let RadioEvent::Sighted {
            address: from,
            heard,
            rssi_dbm,
        } = event
        else {
            continue;
        };
        if from == address {
            assert!(!heard.is_empty() && heard.len() <= MAX_HEARD);
            assert!(structures(&heard).is_subset(&sent(&says)), "{heard:?}");
            // Bluetooth Core 5.4, vol. 4, part E, 7.7.65.2: -127 to +20 dBm, 127 is "unknown".
            let possible = rssi_dbm.is_none_or(|dbm| (-127..=20).contains(&dbm));
            assert!(possible, "{rssi_dbm:?}");
        }
    }
    let mut late = fixture.join().await;
    command(&mut late, RadioCommand::Scan(Some(ALWAYS)));
    sighting(&mut late, &says).await;
}

/// A second advertisement of an epoch takes the place of the first, at the same address.
pub async fn advertisement_is_replaced<F: RadioFixture>() {
    let mut fixture = F::default();
    let (mut a, mut b) = (fixture.join().await, fixture.join().await);
    command(&mut a, RadioCommand::Scan(Some(ALWAYS)));
    command(&mut b, RadioCommand::Advertise(Some(advertising(1, 1))));
    let first = sighting(&mut a, &advertising(1, 1)).await;
    let other = Advertising {
        address: advertising(1, 1).address,
        ..advertising(2, 1)
    };
    command(&mut b, RadioCommand::Advertise(Some(other)));
    let second = sighting(&mut a, &advertising(2, 1)).await;
    assert_eq!(first, second, "the epoch is the same");
    for event in marker(&mut a, second).await {
        if let RadioEvent::Sighted { address, heard, .. } = event
            && address == second
        {
            assert!(structures(&heard).is_subset(&sent(&advertising(2, 1))));
        }
    }
}

/// Who does not scan hears nothing, neither before nor after.
pub async fn silence_without_scanning<F: RadioFixture>() {
    let mut fixture = F::default();
    let (mut a, mut b, mut c) = (
        fixture.join().await,
        fixture.join().await,
        fixture.join().await,
    );
    command(&mut b, RadioCommand::Advertise(Some(advertising(1, 1))));
    command(&mut c, RadioCommand::Scan(Some(ALWAYS)));
    let address = sighting(&mut c, &advertising(1, 1)).await;
    marker(&mut c, address).await;
    assert!(!drain(&mut a).iter().any(|event| is_heard(event, address)));
    command(&mut a, RadioCommand::Scan(Some(ALWAYS)));
    sighting(&mut a, &advertising(1, 1)).await;
    command(&mut a, RadioCommand::Scan(None));
    marker(&mut c, address).await;
    drain(&mut a);
    marker(&mut c, address).await;
    assert!(!drain(&mut a).iter().any(|event| is_heard(event, address)));
}

/// Who stopped advertising is not heard any more.
pub async fn silence_after_advertising<F: RadioFixture>() {
    let mut fixture = F::default();
    let (mut a, mut b, mut c) = (
        fixture.join().await,
        fixture.join().await,
        fixture.join().await,
    );
    command(&mut a, RadioCommand::Scan(Some(ALWAYS)));
    command(&mut b, RadioCommand::Advertise(Some(advertising(1, 1))));
    let stops = sighting(&mut a, &advertising(1, 1)).await;
    command(&mut b, RadioCommand::Advertise(None));
    command(&mut c, RadioCommand::Advertise(Some(advertising(2, 1))));
    let stays = sighting(&mut a, &advertising(2, 1)).await;
    marker(&mut a, stays).await;
    let after = marker(&mut a, stays).await;
    assert!(!after.iter().any(|event| is_heard(event, stops)));
}

/// Who cannot be connected to, stopped or left is answered for with `ConnectFailed`.
pub async fn connect_fails_where_nobody_answers<F: RadioFixture>() {
    let mut fixture = F::default();
    let (mut a, mut b) = (fixture.join().await, fixture.join().await);
    command(&mut a, RadioCommand::Scan(Some(ALWAYS)));
    let deaf = Advertising {
        connectable: false,
        ..advertising(1, 1)
    };
    command(&mut b, RadioCommand::Advertise(Some(deaf.clone())));
    let address = sighting(&mut a, &deaf).await;
    fails(&mut a, address).await;
    command(&mut b, RadioCommand::Advertise(Some(advertising(2, 1))));
    let address = sighting(&mut a, &advertising(2, 1)).await;
    command(&mut b, RadioCommand::Advertise(None));
    fails(&mut a, address).await;
    drop(b);
    fails(&mut a, address).await;
}

async fn fails(radio: &mut impl Radio, address: RadioAddress) {
    command(radio, RadioCommand::Connect(address));
    let failed = |event: &RadioEvent| {
        assert_eq!(is_up(event).map(|end| end.link), None);
        matches!(event, RadioEvent::ConnectFailed { address: of, .. } if *of == address)
            .then_some(())
    };
    until(radio, "ConnectFailed", failed).await;
}

/// With the epoch the address changes, and the old one leads nowhere.
pub async fn epoch_changes_the_address<F: RadioFixture>() {
    let mut fixture = F::default();
    let (mut a, mut b) = (fixture.join().await, fixture.join().await);
    command(&mut a, RadioCommand::Scan(Some(ALWAYS)));
    command(&mut b, RadioCommand::Advertise(Some(advertising(1, 1))));
    let old = sighting(&mut a, &advertising(1, 1)).await;
    command(&mut b, RadioCommand::Advertise(Some(advertising(2, 2))));
    let new = sighting(&mut a, &advertising(2, 2)).await;
    assert_ne!(old, new);
    let after = marker(&mut a, new).await;
    assert!(!after.iter().any(|event| is_heard(event, old)));
    fails(&mut a, old).await;
    assert_eq!(dial(&mut a, &advertising(2, 2)).await.address, new);
}
