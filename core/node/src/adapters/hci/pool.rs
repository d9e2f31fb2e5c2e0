//! Packet buffers of one radio. The host's own pool is one static for the whole process, in which one
//! radio's flood would starve another's; this one is counted by thread, and every radio has a thread.

use std::cell::Cell;

use trouble_host::{Packet, PacketPool};

/// ATT_MTU of 517, the largest there is any use for (Bluetooth Core 5.4, vol. 3, part F, 3.2.9), and
/// four bytes of L2CAP header.
const BYTES: usize = 517 + 4;
/// Buffers in use at once: 130 KiB.
const BUFFERS: usize = 256;

thread_local! {
    static IN_USE: Cell<usize> = const { Cell::new(0) };
}

/// The pool of the radio whose thread this is.
pub(super) struct Pool;

/// One buffer.
pub(super) struct Buffer(Box<[u8; BYTES]>);

impl PacketPool for Pool {
    type Packet = Buffer;
    const MTU: usize = BYTES;

    fn allocate() -> Option<Buffer> {
        let in_use = IN_USE.get();
        if in_use == BUFFERS {
            return None;
        }
        IN_USE.set(in_use + 1);
        Some(Buffer(Box::new([0; BYTES])))
    }

    fn capacity() -> usize {
        BUFFERS
    }
}

impl Packet for Buffer {}

impl AsRef<[u8]> for Buffer {
    fn as_ref(&self) -> &[u8] {
        &self.0[..]
    }
}

impl AsMut<[u8]> for Buffer {
    fn as_mut(&mut self) -> &mut [u8] {
        &mut self.0[..]
    }
}

impl Drop for Buffer {
    fn drop(&mut self) {
        IN_USE.set(IN_USE.get() - 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_radio_has_so_many_buffers_and_no_other_radio_notices() {
        let mut all: Vec<_> = std::iter::from_fn(Pool::allocate).collect();
        assert_eq!(all.len(), BUFFERS);
        let elsewhere = std::thread::spawn(|| Pool::allocate().is_some());
        assert!(elsewhere.join().unwrap());
        all.pop();
        assert!(Pool::allocate().is_some());
    }
}
