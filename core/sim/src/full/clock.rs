//! A phone's clocks in virtual time.

use std::{sync::Arc, time::Duration};

use sovereign_node::ports::clock::{BootId, Clock};
use sovereign_protocol::time::Now;
use tokio::time::Instant;

/// What each of a phone's boots has.
#[derive(Debug, Clone)]
pub struct PhoneClock {
    booted: Instant,
    boot: BootId,
    /// What its wall clock showed at boot, milliseconds since 1970, right or wrong.
    wall_ms: u64,
}

impl PhoneClock {
    /// One that boots now, under this id.
    #[must_use]
    pub fn boot(boot: [u8; 16], wall_ms: u64) -> Arc<Self> {
        Arc::new(Self {
            booted: Instant::now(),
            boot: BootId(boot),
            wall_ms,
        })
    }
}

impl Clock for PhoneClock {
    fn now(&self) -> Now {
        let boot = self.booted.elapsed();
        Now {
            boot,
            wall_ms: self.wall_ms + as_ms(boot),
        }
    }

    fn boot_id(&self) -> BootId {
        self.boot
    }
}

fn as_ms(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
