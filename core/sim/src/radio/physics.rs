//! What the world is like: constants with their sources, and presets.

use std::num::NonZeroU32;
use std::time::Duration;

/// ATT header of a write command or a notification (Bluetooth Core 5.4, vol. 3, part F, 3.4.5.3, 3.4.7.1).
pub(super) const ATT_HEADER: u16 = 3;
/// Longest value that is put into one operation: BlueZ 5.66 takes at most 510 bytes whatever the MTU, and
/// 511 to 512 vanish silently (measured in our lab).
pub(super) const MAX_VALUE: u16 = 495;
/// Smallest ATT MTU (Bluetooth Core 5.4, vol. 3, part F, 3.2.8).
pub(super) const MIN_MTU: u16 = 23;
/// Shortest advertising interval (Bluetooth Core 5.4, vol. 6, part B, 4.4.2.2).
pub(super) const MIN_ADVERTISING_INTERVAL: Duration = Duration::from_millis(20);
/// Longest legacy advertising interval (vol. 4, part E, 7.8.5).
pub(super) const MAX_ADVERTISING_INTERVAL: Duration = Duration::from_millis(10_240);
/// Shortest scan interval (vol. 4, part E, 7.8.10).
pub(super) const MIN_SCAN_INTERVAL: Duration = Duration::from_micros(2_500);
/// Between a packet and its answer (vol. 6, part B, 4.1.1).
pub(super) const INTER_FRAME: Duration = Duration::from_micros(150);
/// SCAN_REQ: preamble 1, access address 4, header 2, two addresses 12, CRC 3 bytes at 1 Mbit/s.
pub(super) const SCAN_REQUEST: Duration = airtime(12);
/// Primary advertising channels (vol. 6, part B, 1.4.1).
pub(super) const CHANNELS: usize = 3;

/// Time on the air of an advertising-channel packet with so many bytes after its header: LE 1M, 8 µs a
/// byte, 10 bytes around it (vol. 6, part B, 2.1).
pub(super) const fn airtime(payload: usize) -> Duration {
    Duration::from_micros(8 * (10 + payload as u64))
}

/// From the shortest to the longest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Shortest.
    pub min: Duration,
    /// Longest, at least the shortest.
    pub max: Duration,
}

impl Span {
    /// Always the same.
    #[must_use]
    pub const fn of(always: Duration) -> Self {
        Self {
            min: always,
            max: always,
        }
    }
}

/// Shadowing: log-normal, one value for each pair of radios and the same both ways. It starts at a value
/// that the scene's seed gives to the pair, whatever else happens, and then follows a first-order
/// process (Gudmundson 1991): after moving d metres and t seconds the correlation is exp(-d/D - t/T).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Shadowing {
    /// Standard deviation in dB; 0 for none.
    pub sigma_db: f64,
    /// D: metres walked by the two together until the correlation has fallen to 1/e.
    pub distance_m: f64,
    /// T: time until then when all stand still; `None` when nothing else moves.
    pub time: Option<Duration>,
}

/// Notifications that overtake each other: with EATT they travel over several bearers, and 97 to 160
/// of 300 came out of order in our lab.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Reordering {
    /// Probability that a notification is held back.
    pub chance: f64,
    /// For how long at most (uniform).
    pub window: Duration,
}

/// What has to happen before a link is up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialling {
    /// Nothing: it is answered at once.
    Instant,
    /// The dialler hears an advertisement, and the set-up (connection, MTU, discovery of the service,
    /// subscription) takes its time.
    Heard {
        /// `ConnectFailed` when nothing is heard for so long.
        give_up: Duration,
        /// From the advertisement to Up.
        set_up: Span,
    },
}

/// The world's constants. Every imperfection can be switched off by itself.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Physics {
    /// n of the log-distance model: strength falls by 10·n dB for each tenfold distance beyond 1 m.
    pub path_loss_exponent: f64,
    /// Nothing is heard or disturbs beyond so many metres, whatever its strength: bounds the work.
    pub horizon_m: f64,
    /// Walls and bodies.
    pub shadowing: Shadowing,
    /// Small-scale fading: standard deviation in dB, drawn for every packet.
    pub fading_sigma_db: f64,
    /// Probability that an advertisement (or the request or response of a scan, each) is lost although
    /// it is strong enough and alone.
    pub advertisement_loss: f64,
    /// Probability that a frame of a link never comes out.
    pub frame_loss: f64,
    /// Whether advertisements that overlap on a channel destroy each other, and who sends is deaf.
    pub collisions: bool,
    /// By how many dB a packet must be stronger than another to survive it.
    pub capture_db: f64,
    /// Whether a scanner hears only within its windows, on one channel in each interval.
    pub duty: bool,
    /// Whether of all who hear an advertisement on a channel only one gets the scan response: all ask at
    /// once, and back off until one at a time does (vol. 6, part B, 4.4.3.2; here an ideal back-off).
    pub contention: bool,
    /// Random delay after each advertising interval, at most.
    pub advertising_delay: Duration,
    /// How links come up.
    pub dialling: Dialling,
    /// From one GATT operation of a link's end to the next. Drawn once for each link, as its
    /// connection interval is.
    pub operation: Span,
    /// What a radio moves, sent and received over all its links; `None` for any.
    pub bytes_per_second: Option<NonZeroU32>,
    /// Overtaking, from the listener to the dialler; writes stay in order.
    pub reordering: Option<Reordering>,
    /// A link whose ends do not hear each other for so long is down.
    pub supervision: Duration,
}

impl Physics {
    /// Everybody hears everything, at once and whole.
    #[must_use]
    pub const fn ideal() -> Self {
        Self {
            path_loss_exponent: 2.0,
            horizon_m: f64::INFINITY,
            shadowing: Shadowing {
                sigma_db: 0.0,
                distance_m: 1.0,
                time: None,
            },
            fading_sigma_db: 0.0,
            advertisement_loss: 0.0,
            frame_loss: 0.0,
            collisions: false,
            capture_db: 0.0,
            duty: false,
            contention: false,
            advertising_delay: Duration::ZERO,
            dialling: Dialling::Instant,
            operation: Span::of(Duration::ZERO),
            bytes_per_second: None,
            reordering: None,
            supervision: Duration::from_secs(5),
        }
    }

    /// Phones among people. Every figure has its source:
    /// exponent, and strength at 1 m in [`Hardware::phone`]: fitted to -65.5, -78.4, -84.1, -90.8 dBm at
    /// 1, 5, 10, 16 m, with 3.5 to 5.9 dB around them (Strzoda, Grochla, Połys, MSWiM 2022);
    /// shadowing: σ 6 dB, the figure we rank under; metres and seconds are assumptions: a body's width of
    /// walking, a crowd's shuffling; fading: an assumption, what the three channels differ by;
    /// horizon: 3 σ above the mean reach the sensitivity at 183 m;
    /// loss: 10 %, the figure we measure discovery with; co-channel rejection: 21 dB (vol. 6, part A, 4.2);
    /// advDelay: up to 10 ms (vol. 6, part B, 4.4.2.2.1); give-up 8 s, set-up 2.5 to 5 s, an
    /// operation every 30 to 50 ms, 20 kB/s: field notes; supervision: 5 s, Android's.
    #[must_use]
    pub const fn phones() -> Self {
        Self {
            path_loss_exponent: 2.1,
            horizon_m: 200.0,
            shadowing: Shadowing {
                sigma_db: 6.0,
                distance_m: 2.0,
                time: Some(Duration::from_secs(30)),
            },
            fading_sigma_db: 2.0,
            advertisement_loss: 0.1,
            frame_loss: 0.0,
            collisions: true,
            capture_db: 21.0,
            duty: true,
            contention: true,
            advertising_delay: Duration::from_millis(10),
            dialling: Dialling::Heard {
                give_up: Duration::from_secs(8),
                set_up: Span {
                    min: Duration::from_millis(2_500),
                    max: Duration::from_millis(5_000),
                },
            },
            operation: Span {
                min: Duration::from_millis(30),
                max: Duration::from_millis(50),
            },
            bytes_per_second: NonZeroU32::new(20_000),
            reordering: None,
            supervision: Duration::from_secs(5),
        }
    }

    /// [`Physics::phones`] at their worst: one frame in ten vanishes and half of the notifications are
    /// held back.
    #[must_use]
    pub const fn lossy() -> Self {
        Self {
            frame_loss: 0.1,
            reordering: Some(Reordering {
                chance: 0.5,
                window: Duration::from_millis(150),
            }),
            ..Self::phones()
        }
    }
}

/// What a radio can do.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Hardware {
    /// Strength in dBm at which another hears it at 1 m: power and both antennas.
    pub at_1m_dbm: f64,
    /// Weakest signal it hears, in dBm.
    pub sensitivity_dbm: f64,
    /// ATT MTU it asks for, at least 23; a link has the smaller of the two.
    pub mtu: u16,
    /// Links at once, of either role.
    pub max_links: usize,
    /// Whether the controller measures strength; otherwise it is always unknown.
    pub measures_rssi: bool,
}

impl Hardware {
    /// A radio that hears everything and has any number of links; strength still falls with distance.
    #[must_use]
    pub const fn ideal() -> Self {
        Self {
            at_1m_dbm: -40.0,
            sensitivity_dbm: f64::NEG_INFINITY,
            mtu: 517,
            max_links: usize::MAX,
            measures_rssi: true,
        }
    }

    /// A phone: -65.5 dBm at 1 m ([`Physics::phones`]); -95 dBm, what controllers of phones state (the
    /// specification asks for -70, vol. 6, part A, 4.1); MTU 517 as Android asks for; seven links.
    #[must_use]
    pub const fn phone() -> Self {
        Self {
            at_1m_dbm: -65.5,
            sensitivity_dbm: -95.0,
            mtu: 517,
            max_links: 7,
            measures_rssi: true,
        }
    }

    /// A phone with the MTU of an older iPhone.
    #[must_use]
    pub const fn small_mtu() -> Self {
        Self {
            mtu: 185,
            ..Self::phone()
        }
    }

    /// Largest frame of a link between two.
    pub(super) fn max_frame(&self, other: &Self) -> u16 {
        let mtu = self.mtu.min(other.mtu).max(MIN_MTU);
        (mtu - ATT_HEADER).min(MAX_VALUE)
    }
}
