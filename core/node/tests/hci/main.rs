//! The HCI adapter on virtual controllers: the contract of the port, over GATT and over L2CAP, and what a
//! radio meets besides. Run by `tests/ble/userland/run`, which makes the air.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on ends")]

mod air;
mod lab;
mod nodes;
mod peer;
#[path = "../../../sim/tests/nodes/people.rs"]
mod people;
mod python;
mod rotation;
mod stranger;

use sovereign_node::{Node, ports::radio::Radio};

/// A node on its radio alone, with a store of its own.
async fn start(name: &str, radio: impl Radio) -> people::Person {
    let data = tempfile::tempdir().unwrap();
    let node = Node::start_on(people::config(name, data.path()), radio).await;
    people::Person::with(node.unwrap(), Some(data)).await
}

mod over_gatt {
    sovereign_node::radio_contract!(crate::air::Lab<false>);
}

mod over_l2cap {
    sovereign_node::radio_contract!(crate::air::Lab<true>);
}
