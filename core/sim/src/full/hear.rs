//! What the nodes tell, as records.

use sovereign_node::api::{EventKind, LinkWord, MessageState, Reply};

use super::{
    Held,
    run::{Abort, Heard, Run},
};
use crate::record::What;

impl Run<'_> {
    pub(super) fn hear(&mut self, heard: Heard) -> Result<(), Abort> {
        match heard {
            Heard::Sent {
                who,
                channel,
                bytes,
                sent,
            } => match sent {
                Ok(Reply::Sent(sent)) => {
                    let message = u32::try_from(self.messages.len()).unwrap_or(u32::MAX);
                    self.messages.insert(sent.id, message);
                    self.record(
                        who,
                        What::Said {
                            message,
                            channel,
                            bytes,
                        },
                    )
                }
                _ => self.record(who, What::Refused { channel }),
            },
            Heard::Told(who, event) => self.told(who, event.kind),
            Heard::Held(who, Held::Message { content, message }) => {
                self.contents
                    .entry(content.clone())
                    .or_insert_with(|| message.iter().map(|byte| format!("{byte:02x}")).collect());
                self.held(who, content)
            }
            Heard::Held(who, Held::Bundle(content)) => self.held(who, content),
        }
    }

    /// A copy has come to somebody; whoever wrote it has had it all along.
    fn held(&mut self, who: u32, content: Vec<u8>) -> Result<(), Abort> {
        let message = self.contents.get(&content);
        let Some(&message) = message.and_then(|id| self.messages.get(id)) else {
            return Ok(());
        };
        if !self.held.insert((who, content)) {
            return Ok(());
        }
        let (from, again) = (who, false);
        self.record(
            who,
            What::Copy {
                message,
                from,
                again,
            },
        )
    }

    fn told(&mut self, who: u32, kind: EventKind) -> Result<(), Abort> {
        match kind {
            EventKind::Started { transport_id, .. } => self.links.knows(transport_id, who),
            EventKind::LinkUp {
                transport_id,
                link: LinkWord::Lan,
            } => {
                let change = self.links.told(who, &transport_id, true);
                self.record_all(change.into_iter().collect())?;
            }
            EventKind::LinkDown {
                transport_id,
                link: LinkWord::Lan,
                ..
            } => {
                let change = self.links.told(who, &transport_id, false);
                self.record_all(change.into_iter().collect())?;
            }
            EventKind::Message { message, .. } if !message.own => {
                if let Some(&message) = self.messages.get(&message.id) {
                    self.record(who, What::Delivered { message })?;
                }
            }
            EventKind::MessageState {
                id,
                state: MessageState::Delivered | MessageState::Read,
                ..
            } => {
                if let Some(&message) = self.messages.get(&id)
                    && self.acknowledged.insert(message)
                {
                    self.record(who, What::Acknowledged { message })?;
                }
            }
            EventKind::Missed { count } => return Err(Abort::Missed { count }),
            _ => {}
        }
        Ok(())
    }
}
