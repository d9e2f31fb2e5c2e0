//! What was said, and who has it: the omniscient view that records are made of.

use std::collections::BTreeMap;

use sovereign_protocol::id::{ContentId, MessageId};

/// One bit a person.
#[derive(Debug, Default)]
struct Bits(Vec<u64>);

impl Bits {
    fn has(&self, who: u32) -> bool {
        let word = self.0.get(who as usize / 64).copied().unwrap_or(0);
        word >> (who % 64) & 1 == 1
    }

    /// Sets a bit; whether it was not set.
    fn set(&mut self, who: u32) -> bool {
        let at = who as usize / 64;
        if self.0.len() <= at {
            self.0.resize(at + 1, 0);
        }
        let was = self.has(who);
        self.0[at] |= 1 << (who % 64);
        !was
    }

    fn clear(&mut self, who: u32) {
        if let Some(word) = self.0.get_mut(who as usize / 64) {
            *word &= !(1 << (who % 64));
        }
    }
}

#[derive(Debug, Default)]
struct Entry {
    held: Bits,
    read: Bits,
    acknowledged: bool,
}

/// All messages by number.
#[derive(Debug, Default)]
pub(super) struct Book {
    entries: Vec<Entry>,
    by_content: BTreeMap<ContentId, u32>,
    by_message: BTreeMap<MessageId, u32>,
    /// Deliveries so far.
    pub(super) delivered: u64,
}

impl Book {
    pub(super) fn said(&self) -> u64 {
        self.entries.len() as u64
    }

    /// A message was written.
    pub(super) fn write(&mut self, author: u32, message: MessageId, content: ContentId) -> u32 {
        let number = self.entries.len() as u32;
        let mut entry = Entry::default();
        entry.held.set(author);
        entry.read.set(author);
        self.entries.push(entry);
        self.by_content.insert(content, number);
        self.by_message.insert(message, number);
        number
    }

    /// The same message is in another bundle too.
    pub(super) fn reseal(&mut self, number: u32, content: ContentId) {
        self.by_content.insert(content, number);
    }

    /// The message in a bundle, if it is a text that somebody wrote.
    pub(super) fn of_content(&self, content: &ContentId) -> Option<u32> {
        self.by_content.get(content).copied()
    }

    pub(super) fn holds(&self, number: u32, who: u32) -> bool {
        self.entries[number as usize].held.has(who)
    }

    pub(super) fn hold(&mut self, number: u32, who: u32) {
        self.entries[number as usize].held.set(who);
    }

    /// Somebody lost what was not durable.
    pub(super) fn lose(&mut self, number: u32, who: u32) {
        self.entries[number as usize].held.clear(who);
    }

    /// Somebody reads a message: its number, for the first time.
    pub(super) fn read(&mut self, message: &MessageId, who: u32) -> Option<u32> {
        let number = self.by_message.get(message).copied()?;
        let first = self.entries[number as usize].read.set(who);
        self.delivered += u64::from(first);
        first.then_some(number)
    }

    /// The author knows that a member has it: its number, for the first time.
    pub(super) fn acknowledge(&mut self, message: &MessageId) -> Option<u32> {
        let number = self.by_message.get(message).copied()?;
        let entry = &mut self.entries[number as usize];
        let first = !core::mem::replace(&mut entry.acknowledged, true);
        first.then_some(number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_has_what_is_known() {
        let mut book = Book::default();
        let (message, content) = (MessageId([1; 32]), ContentId([2; 32]));
        assert_eq!(book.write(70, message, content), 0);
        assert_eq!(book.of_content(&content), Some(0));
        assert_eq!(book.of_content(&ContentId([3; 32])), None);
        book.reseal(0, ContentId([4; 32]));
        assert_eq!(book.of_content(&ContentId([4; 32])), Some(0));
        assert!(book.holds(0, 70) && !book.holds(0, 6) && !book.holds(0, 700));
        book.hold(0, 700);
        assert!(book.holds(0, 700) && !book.holds(0, 699));
        book.lose(0, 700);
        assert!(!book.holds(0, 700));
        assert_eq!(book.read(&message, 70), None);
        assert_eq!(book.read(&message, 3), Some(0));
        assert_eq!((book.read(&message, 3), book.delivered), (None, 1));
        assert_eq!(book.acknowledge(&message), Some(0));
        assert_eq!(book.acknowledge(&message), None);
        assert_eq!(book.said(), 1);
    }
}
