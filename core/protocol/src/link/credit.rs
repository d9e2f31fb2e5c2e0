//! Credit, both ways (docs/protocol.md §7.3).

use super::bounds::MAX_CREDIT;

/// What the peer may send here. A byte returns to the peer as soon as it is part of a bundle still
/// under way, or when its whole bundle has been stored or declined: so a bundle larger than the window
/// flows, and what waits for the disk holds the peer back.
///
/// `remaining + waiting ≤ size` after each grant; the memory a peer can pin is therefore `size` and
/// one bundle for each stream.
#[derive(Debug)]
pub(super) struct Window {
    size: u32,
    /// What the peer may still send.
    remaining: u32,
    /// Bytes of whole bundles that wait to be stored or declined.
    waiting: u32,
}

impl Window {
    pub(super) const fn new(size: u32) -> Self {
        Self {
            size,
            remaining: size,
            waiting: 0,
        }
    }

    /// Data came in; `false` when it is more than the peer was granted.
    pub(super) const fn receive(&mut self, bytes: u32) -> bool {
        match self.remaining.checked_sub(bytes) {
            Some(rest) => {
                self.remaining = rest;
                true
            }
            None => false,
        }
    }

    /// A bundle is whole and waits to be stored.
    pub(super) const fn wait(&mut self, bytes: u32) {
        self.waiting = self.waiting.saturating_add(bytes);
    }

    /// A bundle was stored or declined.
    pub(super) const fn consumed(&mut self, bytes: u32) {
        self.waiting = self.waiting.saturating_sub(bytes);
    }

    /// What to grant now: all that is owed, once that is half the window.
    pub(super) fn grant(&mut self) -> Option<u32> {
        let owed = self
            .size
            .saturating_sub(self.remaining.saturating_add(self.waiting));
        if owed < self.size.div_ceil(2) {
            return None;
        }
        self.remaining += owed;
        Some(owed)
    }
}

/// What this node may send.
#[derive(Debug, Default)]
pub(super) struct Allowance {
    bytes: u32,
}

impl Allowance {
    /// More was granted; `false` when the sum is above the cap.
    pub(super) fn add(&mut self, bytes: u32) -> bool {
        let sum = self.bytes.saturating_add(bytes);
        if sum > MAX_CREDIT {
            return false;
        }
        self.bytes = sum;
        true
    }

    pub(super) const fn allows(&self, bytes: u32) -> bool {
        bytes <= self.bytes
    }

    pub(super) const fn spend(&mut self, bytes: u32) {
        self.bytes = self.bytes.saturating_sub(bytes);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_window_takes_exactly_what_it_granted() {
        let mut window = Window::new(4_096);
        assert!(window.receive(4_096));
        assert!(!window.receive(1));
        assert_eq!(window.grant(), Some(4_096));
        assert!(window.receive(1));
    }

    #[test]
    fn half_a_window_is_granted_but_no_less() {
        let mut window = Window::new(4_095);
        assert!(window.receive(2_047));
        assert_eq!(window.grant(), None);
        assert!(window.receive(1));
        assert_eq!(window.grant(), Some(2_048));
        assert_eq!(window.grant(), None);
    }

    #[test]
    fn what_waits_for_the_disk_is_not_granted() {
        let mut window = Window::new(4_096);
        assert!(window.receive(4_096));
        window.wait(4_096);
        assert_eq!(window.grant(), None);
        window.consumed(2_047);
        assert_eq!(window.grant(), None);
        window.consumed(1);
        assert_eq!(window.grant(), Some(2_048));
        // More than the window may wait, when a bundle larger than it came in.
        window.wait(16_384);
        assert_eq!(window.grant(), None);
        window.consumed(16_384);
        window.consumed(4_096);
        assert_eq!(window.grant(), Some(2_048));
    }

    #[test]
    fn an_allowance_stops_at_the_cap_and_at_what_is_left() {
        let mut allowance = Allowance::default();
        assert!(allowance.add(MAX_CREDIT));
        assert!(!allowance.add(1));
        allowance.spend(MAX_CREDIT - 10);
        assert!(allowance.allows(10));
        assert!(!allowance.allows(11));
        assert!(allowance.add(MAX_CREDIT - 10));
    }
}
