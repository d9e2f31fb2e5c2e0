//! What goes over the air before a link exists (LOC-2, docs/protocol.md §11): layout, hello and parser.
//! Everything heard is a hint until the link's handshake proves it (LOC-8).

mod hello;
mod layout;
mod parse;

pub use hello::{Hello, HelloError, MAX_HELLO};
pub use layout::{
    ADVERTISEMENT_LEN, Capabilities, FROM_NODE, HELLO, IOS_ADVERTISEMENT_LEN, NAME_LEN,
    SCAN_RESPONSE_LEN, SERVICE, SERVICE_DATA_LEN, TO_NODE, Uuid, advertisement, ios_advertisement,
    local_name, scan_response, service_data,
};
pub use parse::{
    APPLE, AdvertError, MAX_ENTRIES, MAX_EXTENDED, MAX_LEGACY, OsReport, OverflowMask, Pdu,
    Sighting, from_os, from_raw,
};
