//! The GATT database: the service of docs/protocol.md, section 11.1, and what every server must have.

use embassy_sync::blocking_mutex::raw::NoopRawMutex;
use sovereign_protocol::radio::advert::{FROM_NODE, HELLO, SERVICE, TO_NODE};
use trouble_host::attribute::{AttributeTable, Characteristic, CharacteristicProp, Service, Uuid};
use trouble_host::prelude::AttributeServer;

use super::MAX_LINKS;
use super::pool::Pool;
use crate::ports::radio::MAX_HELLO;

const ATTRIBUTES: usize = 16;
const GAP: u16 = 0x1800;
const GATT: u16 = 0x1801;
const DEVICE_NAME: u16 = 0x2a00;
/// Longest value of any characteristic (Bluetooth Core 5.4, vol. 3, part F, 3.2.9).
const MAX_VALUE: usize = 512;

/// Any value.
type Value = heapless::Vec<u8, MAX_VALUE>;
/// The hello's value.
type HelloValue = heapless::Vec<u8, MAX_HELLO>;
/// The server; a connection more than links, to be refused in order.
pub(super) type Server<'v> = AttributeServer<'v, NoopRawMutex, Pool, ATTRIBUTES, { MAX_LINKS + 1 }>;

/// Where values are kept.
#[derive(Default)]
pub(super) struct Values {
    hello: [u8; MAX_HELLO],
}

/// The server and the characteristics of ours.
pub(super) struct Database<'v> {
    pub(super) server: Server<'v>,
    pub(super) to_node: Characteristic<Value>,
    pub(super) from_node: Characteristic<Value>,
    pub(super) hello: Characteristic<HelloValue>,
}

impl<'v> Database<'v> {
    pub(super) fn new(values: &'v mut Values) -> Self {
        let mut table = AttributeTable::new();
        let mut gap = table.add_service(Service::new(GAP));
        // A name of one's own could be tracked.
        gap.add_characteristic_ro::<str, _>(DEVICE_NAME, "").build();
        gap.build();
        table.add_service(Service::new(GATT)).build();
        let mut ours = table.add_service(Service::new(uuid(SERVICE)));
        // Values are not kept: what is written is handed on.
        let to_node = ours
            .add_characteristic(
                uuid(TO_NODE),
                [
                    CharacteristicProp::Write,
                    CharacteristicProp::WriteWithoutResponse,
                ],
                Value::new(),
                &mut [],
            )
            .build();
        let from_node = ours
            .add_characteristic(
                uuid(FROM_NODE),
                [CharacteristicProp::Notify],
                Value::new(),
                &mut [],
            )
            .build();
        let hello = ours
            .add_characteristic(
                uuid(HELLO),
                [CharacteristicProp::Read],
                HelloValue::new(),
                &mut values.hello,
            )
            .build();
        ours.build();
        Self {
            server: AttributeServer::new(table),
            to_node,
            from_node,
            hello,
        }
    }

    /// What the hello says from now on.
    pub(super) fn set_hello(&self, hello: &[u8]) {
        let hello = HelloValue::from_slice(hello).expect("its length was checked on submission");
        self.hello
            .set(&self.server, &hello)
            .expect("the attribute exists and has room for it");
    }
}

/// The host's form of a UUID.
pub(super) fn uuid(uuid: sovereign_protocol::radio::advert::Uuid) -> Uuid {
    Uuid::new_long(uuid.to_air())
}
