//! When a node on Bluetooth LE becomes another one: id, radio address and transport key change together
//! (LOC-3, decision 7, docs/protocol.md §11.5).
//!
//! A change that only one node makes shows by its time: one id falls silent, one appears. So nodes change
//! at the same times of the wall clock, fall silent at random times within ten seconds, and come back at
//! random times within the next ten. The wall clock decides nothing else: with a wrong one a node changes as
//! often, but alone.

use core::{fmt, time::Duration};

use rand_core::CryptoRng;
use zeroize::Zeroizing;

use super::discovery::{NONCE_LEN, ResolvingKey};
use crate::{crypto::kdf, id::DiscoveryId, identity::TransportKey, policy::jitter, time::Now};

/// From the start of an epoch to the start of the next at most (LOC-3).
pub const MAX_EPOCH: Duration = Duration::from_secs(900);
/// Epochs end when the wall clock is a multiple of this.
pub const SLOT: Duration = Duration::from_secs(600);
/// Within this from the end of its slot a node falls silent; within as much again it comes back.
pub const SPREAD: Duration = Duration::from_secs(10);
/// An epoch that would be shorter than this lasts for one slot more: then it ends, with both spreads, just
/// within [`MAX_EPOCH`].
pub const SHORTEST: Duration = Duration::from_secs(280);

const NONCE: &str = "sovereign/v1/ble-nonce";
const ADDRESS: &str = "sovereign/v1/ble-address";
const TRANSPORT: &str = "sovereign/v1/ble-transport";

/// A Bluetooth device address, most significant byte first as it is written.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct RadioAddress(pub [u8; 6]);

impl RadioAddress {
    /// The address of these random bytes. It has the form of a resolvable private address (Bluetooth Core,
    /// Vol 6, Part B, 1.3.2.2), as those of phones have, but nobody holds the key that would resolve it.
    #[must_use]
    pub const fn from_random(mut bytes: [u8; 6]) -> Self {
        bytes[0] = bytes[0] & 0x3f | 0x40;
        // The random part must not be all zeros or all ones.
        if matches!(bytes, [0x40, 0, 0, ..] | [0x7f, 0xff, 0xff, ..]) {
            bytes[2] ^= 1;
        }
        Self(bytes)
    }
}

impl fmt::Display for RadioAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02X}:{b:02X}:{c:02X}:{d:02X}:{e:02X}:{g:02X}")
    }
}

impl fmt::Debug for RadioAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RadioAddress({self})")
    }
}

/// All that a node is on the air until it becomes another. It is never stored: a restart begins a new one.
#[derive(Debug, Clone)]
pub struct Epoch {
    /// What it advertises.
    pub id: DiscoveryId,
    /// Its address, where the platform lets us choose it; elsewhere the platform's must change with the id.
    pub address: RadioAddress,
    /// The key that it proves in the Noise handshake; wiped on drop.
    pub transport: TransportKey,
}

impl Epoch {
    /// The epoch of a random secret, begun at `boot`. The three parts say nothing of each other.
    #[must_use]
    pub fn of_secret(key: &ResolvingKey, secret: &[u8; 32], boot: Duration) -> Self {
        let nonce: [u8; NONCE_LEN] = kdf(secret, &[], NONCE);
        Self {
            id: key.id(nonce),
            address: RadioAddress::from_random(kdf(secret, &[], ADDRESS)),
            transport: TransportKey::from_seed(kdf(secret, &[], TRANSPORT), boot),
        }
    }

    /// A new epoch, begun at `boot`.
    #[must_use]
    pub fn draw(key: &ResolvingKey, boot: Duration, rng: &mut impl CryptoRng) -> Self {
        let mut secret = Zeroizing::new([0; 32]);
        rng.fill_bytes(&mut *secret);
        Self::of_secret(key, &secret, boot)
    }
}

/// When an epoch that begins now ends. Boot time: what the wall clock does afterwards changes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// From here on nothing is sent.
    pub silent: Duration,
    /// Here the next epoch begins.
    pub next: Duration,
}

impl Schedule {
    /// Draws the end of an epoch that begins now: the next epoch begins at most [`MAX_EPOCH`] later.
    #[must_use]
    pub fn draw(now: Now, rng: &mut impl CryptoRng) -> Self {
        let slot = SLOT.as_millis() as u64;
        let mut wait = Duration::from_millis(slot - now.wall_ms % slot);
        if wait < SHORTEST {
            wait += SLOT;
        }
        let end = now.boot + wait;
        Self {
            silent: end + jitter(rng, SPREAD),
            next: end + SPREAD + jitter(rng, SPREAD),
        }
    }
}

/// What [`Rotation::poll`] asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Turn {
    /// Stop: advertise nothing, request no scan response, dial nobody, answer no read of the hello.
    Silence,
    /// Start as the new [`Rotation::epoch`].
    Fresh,
}

/// The epochs of one radio, one after the other, with silence between.
#[derive(Debug)]
pub struct Rotation {
    key: ResolvingKey,
    epoch: Option<(Epoch, Schedule)>,
    /// When the next epoch begins, once the last one has ended.
    next: Duration,
}

impl Rotation {
    /// A radio that has not been on the air yet: the first [`Rotation::poll`] begins an epoch.
    #[must_use]
    pub const fn new(key: ResolvingKey) -> Self {
        Self {
            key,
            epoch: None,
            next: Duration::ZERO,
        }
    }

    /// Who the node is now; `None` while it is silent.
    #[must_use]
    pub fn epoch(&self) -> Option<&Epoch> {
        self.epoch.as_ref().map(|(epoch, _)| epoch)
    }

    /// When to poll next, in boot time.
    #[must_use]
    pub fn deadline(&self) -> Duration {
        self.epoch
            .as_ref()
            .map_or(self.next, |(_, schedule)| schedule.silent)
    }

    /// What is to be done now, if anything. Who comes late, out of a suspend through which a controller may
    /// have gone on advertising, is silent for a time first too.
    pub fn poll(&mut self, now: Now, rng: &mut impl CryptoRng) -> Option<Turn> {
        if now.boot < self.deadline() {
            return None;
        }
        if let Some((_, schedule)) = self.epoch.take() {
            self.next = if now.boot < schedule.next {
                schedule.next
            } else {
                now.boot + jitter(rng, SPREAD)
            };
            return Some(Turn::Silence);
        }
        let epoch = Epoch::draw(&self.key, now.boot, rng);
        self.epoch = Some((epoch, Schedule::draw(now, rng)));
        Some(Turn::Fresh)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::radio::advert::{self, Capabilities};
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    use rand_chacha::{
        ChaCha8Rng,
        rand_core::{Rng as _, SeedableRng as _},
    };

    const S: Duration = Duration::from_secs(1);

    fn at(boot_s: u64, wall_s: u64) -> Now {
        Now {
            boot: S * u32::try_from(boot_s).unwrap(),
            wall_ms: wall_s * 1_000,
        }
    }

    fn rotation() -> Rotation {
        Rotation::new(ResolvingKey::from_bytes([7; 32]))
    }

    #[test]
    fn an_epoch_ends_with_a_slot_of_the_wall_clock_and_within_15_minutes() {
        // LOC-3. Wherever in a slot it begins, whatever the clock says.
        let mut rng = ChaCha8Rng::seed_from_u64(1);
        for offset in 0..1_200 {
            for base in [0, 1_795_219_200, 4_291_747_200] {
                let now = at(77, base + offset);
                let schedule = Schedule::draw(now, &mut rng);
                assert!(schedule.next <= now.boot + MAX_EPOCH);
                assert!(schedule.silent >= now.boot + SHORTEST);
                // 600 − offset is left of the slot, or of the next one.
                let left = 600 - offset % 600;
                let end = now.boot + S * (if left < 280 { left + 600 } else { left }) as u32;
                assert!((end..=end + SPREAD).contains(&schedule.silent), "{offset}");
                assert!((end + SPREAD..=end + SPREAD * 2).contains(&schedule.next));
            }
        }
        let extreme = Now {
            boot: Duration::ZERO,
            wall_ms: u64::MAX,
        };
        assert!(Schedule::draw(extreme, &mut rng).next <= MAX_EPOCH);
    }

    #[test]
    fn the_bounds_of_an_epoch_add_up() {
        assert_eq!(SHORTEST + SLOT + SPREAD * 2, MAX_EPOCH);
        // The next epoch begins early enough in its slot to end with it.
        assert!(SLOT - SPREAD * 2 >= SHORTEST);
    }

    #[test]
    fn silence_lies_between_two_epochs() {
        let mut rng = ChaCha8Rng::seed_from_u64(2);
        let mut rotation = rotation();
        assert!(rotation.epoch().is_none());
        let start = at(1_000, 1_795_219_200);
        assert_eq!(rotation.poll(start, &mut rng), Some(Turn::Fresh));
        let first = rotation.epoch().unwrap().clone();
        assert_eq!(first.transport.made, start.boot);
        let silent = rotation.deadline();
        let just_before = start.after(silent - start.boot - Duration::from_micros(1));
        let short = |now: Now| Now {
            boot: now.boot - Duration::from_micros(1),
            ..now
        };
        assert_eq!(rotation.poll(short(just_before), &mut rng), None);
        let now = start.after(silent - start.boot);
        assert_eq!(rotation.poll(short(now), &mut rng), None);
        assert_eq!(rotation.poll(now, &mut rng), Some(Turn::Silence));
        assert!(rotation.epoch().is_none(), "nobody while silent");
        let next = rotation.deadline();
        assert!(next > silent && next <= start.boot + MAX_EPOCH);
        let now = start.after(next - start.boot);
        assert_eq!(rotation.poll(short(now), &mut rng), None);
        assert_eq!(rotation.poll(now, &mut rng), Some(Turn::Fresh));
        let second = rotation.epoch().unwrap();
        assert_ne!(second.id, first.id);
        assert_ne!(second.address, first.address);
        assert_ne!(second.transport.id(), first.transport.id());
    }

    #[test]
    fn who_comes_late_is_silent_first() {
        let mut rng = ChaCha8Rng::seed_from_u64(3);
        let mut longest = Duration::ZERO;
        for _ in 0..100 {
            let mut rotation = rotation();
            let start = at(0, 0);
            rotation.poll(start, &mut rng);
            let (_, schedule) = rotation.epoch.clone().unwrap();
            // Exactly on time for the next epoch is too late to begin it at once.
            let late = start.after(schedule.next);
            assert_eq!(rotation.poll(late, &mut rng), Some(Turn::Silence));
            assert!(rotation.deadline() >= schedule.next);
            longest = longest.max(rotation.deadline() - schedule.next);
        }
        assert!(longest > SPREAD / 2 && longest <= SPREAD);
    }

    #[test]
    fn the_time_of_a_change_does_not_tell_two_nodes_apart() {
        // LOC-3, hardening 14. Two nodes whose clocks differ by up to two seconds; an observer who hears
        // everything says that the first to fall silent is the first to come back.
        let mut rng = ChaCha8Rng::seed_from_u64(4);
        let mut right = 0;
        for _ in 0..10_000 {
            let mut draw = || {
                let wrong_ms = rng.next_u64() % 2_000;
                let wall_ms = 1_795_219_200_000 + wrong_ms;
                let boot = Duration::ZERO;
                Schedule::draw(Now { boot, wall_ms }, &mut rng)
            };
            let (a, b) = (draw(), draw());
            right += u32::from((a.silent < b.silent) == (a.next < b.next));
        }
        // An advantage of 5 % over guessing is 5,250.
        assert!((4_750..=5_250).contains(&right), "{right}");
    }

    #[test]
    fn no_byte_survives_a_change_but_uuid_and_capabilities() {
        // LOC-3, hardening 14: every bit of what is sent, over 64 epochs, is the same in all, and then
        // belongs to the constant part, or it takes both values.
        let key = ResolvingKey::from_bytes([7; 32]);
        let mut rng = ChaCha8Rng::seed_from_u64(5);
        let epochs: Vec<Epoch> = (0..64)
            .map(|_| Epoch::draw(&key, Duration::ZERO, &mut rng))
            .collect();
        let caps = Capabilities::L2CAP.with(Capabilities::WANTS_DIAL);
        let check = |what: &str, constant: &dyn Fn(usize) -> bool, sent: Vec<Vec<u8>>| {
            for byte in 0..sent[0].len() {
                for bit in 0..8 {
                    let ones = sent.iter().filter(|s| s[byte] >> bit & 1 == 1).count();
                    let same = ones == 0 || ones == sent.len();
                    if constant(byte) {
                        assert!(same, "{what}: byte {byte} differs");
                    } else {
                        assert!(!same, "{what}: bit {bit} of byte {byte} is stable");
                    }
                }
            }
        };
        let each = |of: &dyn Fn(&Epoch) -> Vec<u8>| epochs.iter().map(of).collect::<Vec<_>>();
        let sent = each(&|_| advert::advertisement().to_vec());
        check("advertisement", &|_| true, sent);
        let sent = each(&|e| advert::scan_response(&e.id, caps).to_vec());
        check("scan response", &|byte| !(18..26).contains(&byte), sent);
        let sent = each(&|e| advert::ios_advertisement(&e.id).to_vec());
        assert!(sent.iter().all(|s| s[..23] == sent[0][..23]));
        // Characters have stable bits, and so it is the 48 bits that they stand for which count.
        let name = |s: &Vec<u8>| URL_SAFE_NO_PAD.decode(&s[23..]).unwrap();
        check("local name", &|_| false, sent.iter().map(name).collect());
        let hello = |e: &Epoch| {
            let (id, capabilities) = (e.id, caps);
            let psm = None;
            advert::Hello {
                id,
                capabilities,
                psm,
            }
            .encode()
            .to_vec()
        };
        check("hello", &|byte| !(1..9).contains(&byte), each(&hello));
        let sent = each(&|e| e.transport.id().0.to_vec());
        check("transport key", &|_| false, sent);
        // Two bits make it a resolvable private address, as every phone's is.
        assert!(epochs.iter().all(|e| e.address.0[0] >> 6 == 0b01));
        let sent = each(&|e| {
            let all = e
                .address
                .0
                .iter()
                .fold(0, |all, byte| all << 8 | u64::from(*byte));
            // The other 46 bits, and in the two free places copies of others.
            ((all & !(0b11 << 46)) | (all & 0b11) << 46).to_be_bytes()[2..].to_vec()
        });
        check("address", &|_| false, sent);
    }

    #[test]
    fn an_address_is_never_one_that_the_specification_forbids() {
        let from = |bytes| RadioAddress::from_random(bytes).to_string();
        assert_eq!(from([0; 6]), "40:00:01:00:00:00");
        assert_eq!(from([0xff; 6]), "7F:FF:FE:FF:FF:FF");
        assert_eq!(from([0xc0, 0, 1, 0, 0, 0]), "40:00:01:00:00:00");
        assert_eq!(from([0x81, 0, 0, 0, 0, 0]), "41:00:00:00:00:00");
        assert_eq!(from([0xbf, 0xff, 0xfe, 1, 2, 3]), "7F:FF:FE:01:02:03");
    }

    #[test]
    fn debug_shows_no_secret() {
        let mut rotation = rotation();
        rotation.poll(at(0, 0), &mut ChaCha8Rng::seed_from_u64(6));
        let epoch = rotation.epoch().unwrap();
        let seed = *epoch.transport.seed;
        let text = format!("{rotation:?}");
        assert!(text.contains("RadioAddress") && text.contains("TransportId"));
        assert!(!text.contains(&format!("{}, {}, {}", seed[0], seed[1], seed[2])));
        assert!(!text.contains("7, 7, 7") && !text.contains(&hex::encode(&seed[..4])));
    }
}
