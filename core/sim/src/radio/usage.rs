//! What a radio did, for the energy it takes (SIM-5).

use std::time::Duration;

/// What one radio did since it came into the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Usage {
    /// It was on.
    pub on: Duration,
    /// It listened for advertisements: the windows, not the intervals.
    pub scan: Duration,
    /// It waited for an advertisement of somebody it dialled.
    pub dial: Duration,
    /// Its links were up, one after the other.
    pub link: Duration,
    /// Advertising events.
    pub adverts: u64,
    /// Links that came up.
    pub links: u64,
    /// Tries to set one up.
    pub dials: u64,
    /// Frames sent.
    pub sent: u64,
    /// Bytes in them.
    pub sent_bytes: u64,
    /// Bytes in the frames that reached it.
    pub received_bytes: u64,
}

impl Usage {
    /// Time passed in this state.
    pub(super) fn pass(
        &mut self,
        time: Duration,
        on: bool,
        scan: Option<f64>,
        dials: bool,
        links: usize,
    ) {
        if on {
            self.on += time;
        }
        if dials {
            self.dial += time;
        }
        self.scan += time.mul_f64(scan.unwrap_or(0.0));
        self.link += time * u32::try_from(links).unwrap_or(u32::MAX);
    }
}
