//! Quantities of a scenario: newtypes that refuse, while the file is read, what no world can have. So
//! the error points at the number, and nothing is allocated for it.

use std::time::Duration;

use serde::{Deserialize, Deserializer, de};

macro_rules! number {
    ($(#[$doc:meta])* $name:ident($of:ty), $least:expr, $most:expr, $what:literal) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, PartialOrd)]
        pub struct $name($of);

        impl $name {
            /// Least that is taken.
            pub const LEAST: $of = $least;
            /// Most that is taken.
            pub const MOST: $of = $most;

            /// The quantity, if a scenario can have it.
            #[must_use]
            pub fn new(value: $of) -> Option<Self> {
                // What is no number lies in no range.
                (Self::LEAST..=Self::MOST).contains(&value).then_some(Self(value))
            }

            /// Its value.
            #[must_use]
            pub const fn get(self) -> $of {
                self.0
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let value = <$of>::deserialize(from)?;
                Self::new(value).ok_or_else(|| {
                    de::Error::custom(format_args!(
                        "{value} is out of range: give {} from {} to {}",
                        $what,
                        Self::LEAST,
                        Self::MOST,
                    ))
                })
            }
        }
    };
}

number!(
    /// A place along an axis, in metres.
    Metres(f64), -1e6, 1e6, "metres"
);
number!(
    /// A length that is one, in metres.
    Length(f64), 0.1, 1e6, "metres"
);
number!(
    /// Metres a second.
    Speed(f64), 0.01, 1_000.0, "metres a second"
);
number!(
    /// A part of the whole.
    Share(f64), 0.0, 1.0, "a share"
);
number!(
    /// Decibels of loss or scatter.
    Decibels(f64), 0.0, 200.0, "decibels"
);
number!(
    /// The path loss exponent.
    Exponent(f64), 1.0, 8.0, "an exponent"
);
number!(
    /// People: a million are more than a run can hold in 16 GiB.
    People(u32), 1, 1_000_000, "a number of people"
);
number!(
    /// Copies of one message, in the mean.
    Copies(f64), 1.0, 1e6, "copies"
);
number!(
    /// How often something happens to a phone in an hour, in the mean.
    PerHour(f64), 0.0, 1e6, "times an hour"
);
number!(
    /// Joules, in the mean.
    Joules(f64), 0.0, 1e9, "joules"
);
number!(
    /// Bytes of a text: as many as one may have (docs/protocol.md).
    TextBytes(u32), 1, 12_000, "bytes"
);
number!(
    /// What a hostile one does in a second.
    PerSecond(f64), 0.001, 100.0, "times a second"
);
number!(
    /// Bytes that a radio moves in a second.
    Rate(u32), 1, 100_000_000, "bytes a second"
);
number!(
    /// Seconds, either way.
    Offset(f64), -3.2e9, 3.2e9, "seconds"
);

/// A span of time, written like `"90 s"`, `"2 h"` or `"1 h 30 min"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
pub struct Period(Duration);

impl Period {
    /// Most that is taken: a month.
    pub const MOST: Duration = Duration::from_secs(31 * 86_400);

    /// The span, if a scenario can have it.
    #[must_use]
    pub fn new(value: Duration) -> Option<Self> {
        (value <= Self::MOST).then_some(Self(value))
    }

    /// Its value.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace().peekable();
        words.peek()?;
        let mut sum = Duration::ZERO;
        while let Some(number) = words.next() {
            let unit_ms = match words.next()? {
                "ms" => 1,
                "s" => 1_000,
                "min" => 60_000,
                "h" => 3_600_000,
                "d" => 86_400_000,
                _ => return None,
            };
            let count: u64 = number.parse().ok()?;
            let part = Duration::from_millis(count.checked_mul(unit_ms)?);
            sum = sum.checked_add(part)?;
        }
        Self::new(sum)
    }
}

impl<'de> Deserialize<'de> for Period {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        Self::parse(&text).ok_or_else(|| {
            de::Error::custom(
                "that is no span of time up to 31 d: write whole numbers and units, such as \
                 \"250 ms\", \"90 s\", \"5 min\" or \"1 h 30 min\"",
            )
        })
    }
}

/// A span of time that is not nothing: what repeats, or lasts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Every(Period);

impl Every {
    /// Least that is taken.
    pub const LEAST: Duration = Duration::from_millis(10);

    /// The span, if a scenario can have it.
    #[must_use]
    pub fn new(value: Duration) -> Option<Self> {
        Period::new(value)
            .filter(|_| value >= Self::LEAST)
            .map(Self)
    }

    /// Its value.
    #[must_use]
    pub const fn get(self) -> Duration {
        self.0.get()
    }
}

impl<'de> Deserialize<'de> for Every {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let period = Period::deserialize(from)?;
        Self::new(period.get()).ok_or_else(|| de::Error::custom("give at least \"10 ms\""))
    }
}

/// From the least to the most, written `[least, most]`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Between<T> {
    /// The least.
    pub least: T,
    /// The most, not below it.
    pub most: T,
}

impl<'de, T: Deserialize<'de> + PartialOrd> Deserialize<'de> for Between<T> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let [least, most] = pair(from)?;
        if least > most {
            return Err(de::Error::custom(
                "the first is above the second: write [least, most]",
            ));
        }
        Ok(Self { least, most })
    }
}

/// Two of a kind; a tuple would take more of them and say nothing.
pub(super) fn pair<'de, T: Deserialize<'de>, D: Deserializer<'de>>(
    from: D,
) -> Result<[T; 2], D::Error> {
    let list = Vec::<T>::deserialize(from)?;
    list.try_into()
        .map_err(|_| de::Error::custom("give two of them: [one, other]"))
}

/// A name: what a scenario's parts call each other by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Name(String);

impl Name {
    /// Longest, in bytes.
    pub const MOST: usize = 64;

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, to: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        to.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Name {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-#".contains(c);
        if text.is_empty() || text.len() > Self::MOST || !text.chars().all(plain) {
            return Err(de::Error::custom(
                "that is no name: use 1 to 64 of a-z, 0-9, - and # (for a public channel)",
            ));
        }
        Ok(Self(text))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_of_time_are_read() {
        let ms = |text| Period::parse(text).map(|period| period.get().as_millis());
        for (text, expected) in [
            ("0 s", Some(0)),
            ("250 ms", Some(250)),
            ("90 s", Some(90_000)),
            ("1 h 30 min", Some(5_400_000)),
            ("31 d", Some(31 * 86_400_000)),
            ("31 d 1 ms", None),
            ("90", None),
            ("", None),
            ("90s", None),
            ("-1 s", None),
            ("1.5 s", None),
            ("1 week", None),
            ("18446744073709551615 d", None),
            ("18446744073709551615 ms 18446744073709551615 ms", None),
        ] {
            assert_eq!(ms(text), expected, "{text}");
        }
    }

    #[test]
    fn ranges_include_their_ends_and_nothing_else() {
        assert!(Share::new(0.0).is_some() && Share::new(1.0).is_some());
        for wrong in [-0.001, 1.001, f64::NAN, f64::INFINITY] {
            assert_eq!(Share::new(wrong), None, "{wrong}");
        }
        assert_eq!(People::new(0), None);
        assert_eq!(People::new(1_000_001), None);
        assert!(Every::new(Duration::from_millis(10)).is_some());
        assert_eq!(Every::new(Duration::from_millis(9)), None);
        assert_eq!(Every::new(Period::MOST + Duration::from_millis(1)), None);
    }
}
