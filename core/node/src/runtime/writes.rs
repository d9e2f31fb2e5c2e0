//! The engine's changes in the store's terms.

use sovereign_protocol::engine::StoreOp;

use super::home;
use crate::ports::store::{MAX_KEY, Op, Table};

/// What changes weigh in a batch at most, in bytes.
pub(super) fn weight(ops: &[StoreOp]) -> usize {
    ops.iter().map(|op| 2 * MAX_KEY + value_len(op)).sum()
}

fn value_len(op: &StoreOp) -> usize {
    match op {
        StoreOp::PutBundle { body, record, .. } => body.len() + record.len(),
        StoreOp::PutRecord { record, .. }
        | StoreOp::PutSeen { record, .. }
        | StoreOp::PutMessage { record, .. }
        | StoreOp::PutChannel { record, .. }
        | StoreOp::PutClock(record)
        | StoreOp::PutNode(record) => record.len(),
        StoreOp::PutState { .. } => 1,
        StoreOp::DropBundle(_)
        | StoreOp::DropSeen(_)
        | StoreOp::DropMessage(_)
        | StoreOp::DropChannel(_)
        | StoreOp::Scrub => 0,
    }
}

/// One change in the store's terms.
pub(super) fn translate(op: &StoreOp) -> Vec<Op> {
    let put = |table, key: &[u8], value: &[u8]| Op::Put(table, key.to_vec(), value.to_vec());
    let delete = |table, key: &[u8]| Op::Delete(table, key.to_vec());
    match op {
        StoreOp::PutBundle {
            content,
            body,
            record,
        } => {
            vec![
                put(Table::Bundles, &content.0, body),
                put(Table::Shelf, &content.0, record),
            ]
        }
        StoreOp::PutRecord { content, record } => vec![put(Table::Shelf, &content.0, record)],
        StoreOp::DropBundle(content) => vec![
            delete(Table::Bundles, &content.0),
            delete(Table::Shelf, &content.0),
        ],
        StoreOp::PutSeen { content, record } => vec![put(Table::Seen, &content.0, record)],
        StoreOp::DropSeen(content) => vec![delete(Table::Seen, &content.0)],
        StoreOp::PutMessage { message, record } => vec![put(Table::Messages, &message.0, record)],
        StoreOp::DropMessage(message) => {
            vec![
                delete(Table::Messages, &message.0),
                delete(Table::States, &message.0),
            ]
        }
        StoreOp::PutState { message, state } => {
            vec![put(Table::States, &message.0, &[*state as u8])]
        }
        StoreOp::PutChannel { channel, record } => vec![put(Table::Channels, &channel.0, record)],
        StoreOp::DropChannel(channel) => vec![delete(Table::Channels, &channel.0)],
        // Follows the batch.
        StoreOp::Scrub => Vec::new(),
        StoreOp::PutClock(record) => vec![put(Table::Meta, home::CLOCK, record)],
        StoreOp::PutNode(record) => vec![put(Table::Meta, home::NODE, record)],
    }
}
