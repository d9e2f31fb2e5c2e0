//! What the node crate decodes, as far as it is public: the TXT record of the local network, addresses,
//! commands of the control socket, and what a backup takes out of a store. Run by `core/node/tests/fuzz.rs`.

use sovereign_node::{
    adapters::{
        mdns::txt::{self, MAX_TXT_BYTES, TxtError},
        p2p::{parse_dial, parse_listen},
        store::MemoryStore,
    },
    api::Command,
    backup::{Backup, MAX_CHANNELS},
    ports::{
        network::Endpoint,
        store::{Batch, Op, Store as _, Table},
    },
};

/// A TXT record off the wire, its port first. What is read has one canonical form.
pub(crate) fn mdns_txt(data: &[u8]) {
    let (port, wire) = data.split_at(data.len().min(2));
    let port = port
        .iter()
        .fold(0, |port, byte| port << 8 | u16::from(*byte));
    match txt::from_wire(wire, port) {
        Ok(advertisement) => {
            let again = txt::to_wire(&advertisement).expect("what was read is within bounds");
            assert!(again.len() <= MAX_TXT_BYTES);
            assert_eq!(txt::from_wire(&again, port), Ok(advertisement));
        }
        Err(TxtError::TooLong { got }) => assert!(got == wire.len() && got > MAX_TXT_BYTES),
        Err(_) => {}
    }
}

/// What a person gives as an address.
pub(crate) fn address(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    let listen = parse_listen(&text);
    let dial = parse_dial(&text);
    for endpoint in [&listen, &dial].into_iter().flatten() {
        assert!(!matches!(endpoint, Endpoint::Memory(..)));
    }
    if listen.is_ok() {
        assert_eq!(listen, dial, "what can be listened on can be dialled");
    }
}

/// A line of the control socket.
pub(crate) fn control(data: &[u8]) {
    let Ok(command) = serde_json::from_slice::<Command>(data) else {
        return;
    };
    let line = serde_json::to_vec(&command).expect("commands are plain data");
    let again: Command = serde_json::from_slice(&line).expect("what was written can be read");
    assert!(again == command);
}

/// Any records in the tables that a backup is made from: the node's first, then channels with 16 bytes of id,
/// each with two bytes of length.
pub(crate) fn backup(data: &[u8]) {
    let store = MemoryStore::default();
    let mut rest = data;
    let mut first = true;
    while let Some((len, tail)) = rest.split_first_chunk::<2>() {
        let (row, tail) = tail.split_at(tail.len().min(u16::from_be_bytes(*len).into()));
        rest = tail;
        let (table, key, value) = if first {
            (Table::Meta, b"node".to_vec(), row)
        } else {
            let (key, value) = row.split_at(row.len().min(16));
            (Table::Channels, key.to_vec(), value)
        };
        first = false;
        let value = value.to_vec();
        let ops = vec![Op::Put(table, key, value)];
        let _ = store.commit(Batch { ops });
    }
    if let Ok(backup) = Backup::collect(&store) {
        assert!(backup.channels.len() <= MAX_CHANNELS);
        for (_, record) in &backup.channels {
            assert_eq!(record.epochs.len(), 1, "the newest epoch only");
        }
    }
}
