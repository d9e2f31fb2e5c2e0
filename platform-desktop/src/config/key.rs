//! The keys. To add one: a row in `KEYS`, and a line where it takes effect.

use serde::Serialize;
use sovereign_node::config::Profile;

/// The value of `log.level` that leaves the choice to the mode.
pub(super) const AUTO: &str = "auto";
/// The value of `dashboard` for none.
pub(super) const OFF: &str = "off";
/// Longest text value, in bytes.
pub(super) const MAX_TEXT_VALUE: usize = 256;
/// Most entries in a list.
pub(super) const MAX_LIST: usize = 16;

/// A value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
pub(crate) enum Value {
    /// On or off.
    Switch(bool),
    /// A whole number in the key's unit.
    Number(u64),
    /// Text; empty means not set.
    Text(String),
    /// Several texts.
    List(Vec<String>),
}

impl std::fmt::Display for Value {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Switch(on) => write!(f, "{on}"),
            Self::Number(number) => write!(f, "{number}"),
            Self::Text(text) if text.is_empty() => f.write_str("-"),
            Self::Text(text) => f.write_str(text),
            Self::List(list) if list.is_empty() => f.write_str("-"),
            Self::List(list) => f.write_str(&list.join(",")),
        }
    }
}

/// A default that can live in a constant.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Preset {
    /// On or off.
    Switch(bool),
    /// A number.
    Number(u64),
    /// A text.
    Text(&'static str),
    /// The empty list.
    Nothing,
}

impl Preset {
    /// As a value.
    #[must_use]
    pub(crate) fn value(self) -> Value {
        match self {
            Self::Switch(on) => Value::Switch(on),
            Self::Number(number) => Value::Number(number),
            Self::Text(text) => Value::Text(text.to_owned()),
            Self::Nothing => Value::List(Vec::new()),
        }
    }
}

/// What a key takes.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Kind {
    /// `true` or `false`.
    Switch,
    /// A whole number within these bounds, both included.
    Number {
        /// Smallest.
        min: u64,
        /// Largest.
        max: u64,
    },
    /// One text that passes the check.
    Text {
        /// Whether it is allowed.
        check: fn(&str) -> bool,
    },
    /// At most `MAX_LIST` texts that pass the check.
    List {
        /// Whether an entry is allowed.
        check: fn(&str) -> bool,
    },
}

/// A key of the configuration.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Key {
    /// Dotted name, as in the file.
    pub name: &'static str,
    /// Unit of a number; empty for others.
    pub unit: &'static str,
    /// What is allowed, in words; for a number its bounds.
    pub range: &'static str,
    /// Built-in value.
    pub default: Preset,
    /// What it takes.
    pub kind: Kind,
    /// What it does.
    pub doc: &'static str,
}

/// The profile of a word.
pub(crate) fn profile(text: &str) -> Option<Profile> {
    match text {
        "performance" => Some(Profile::Performance),
        "balanced" => Some(Profile::Balanced),
        "low-power" => Some(Profile::LowPower),
        _ => None,
    }
}

/// Every key of this build.
pub(crate) const KEYS: &[Key] = &[
    Key {
        name: "ble.adapter",
        unit: "",
        range: "a Bluetooth adapter, e.g. hci1, or empty",
        default: Preset::Text(""),
        kind: Kind::Text {
            check: |text| text.len() <= 16 && text.bytes().all(|byte| byte.is_ascii_alphanumeric()),
        },
        doc: "Which Bluetooth adapter to use; empty leaves the choice to the system",
    },
    Key {
        name: "ble.l2cap",
        unit: "",
        range: "true or false",
        default: Preset::Switch(true),
        kind: Kind::Switch,
        doc: "Use L2CAP channels where both sides have them; without them GATT carries every link",
    },
    Key {
        name: "ble.links",
        unit: "links",
        range: "2 to 7",
        default: Preset::Number(4),
        kind: Kind::Number { min: 2, max: 7 },
        doc: "Links over Bluetooth LE at most; other devices share the adapter's seven",
    },
    Key {
        name: "ble.profile",
        unit: "",
        range: "performance, balanced or low-power",
        default: Preset::Text("balanced"),
        kind: Kind::Text {
            check: |text| profile(text).is_some(),
        },
        doc: "How hard to look for neighbours over Bluetooth LE, and what it costs",
    },
    Key {
        name: "dashboard",
        unit: "",
        range: "off, or a loopback address with a port, e.g. 127.0.0.1:0 (0: any free port)",
        default: Preset::Text("127.0.0.1:0"),
        kind: Kind::Text {
            check: |text| text == OFF || sovereign_dashboard::parse_address(text).is_ok(),
        },
        doc: "Where the web dashboard listens; only browsers on this machine can open it",
    },
    Key {
        name: "gossip.enabled",
        unit: "",
        range: "true or false",
        default: Preset::Switch(true),
        kind: Kind::Switch,
        doc: "Spread messages by gossip among members on wide links; without it they still reconcile",
    },
    Key {
        name: "lan.links",
        unit: "links",
        range: "1 to 256",
        default: Preset::Number(32),
        kind: Kind::Number { min: 1, max: 256 },
        doc: "Links wanted on a local network",
    },
    Key {
        name: "listen",
        unit: "",
        range: "up to 16 multiaddrs, e.g. /ip4/0.0.0.0/tcp/4001",
        default: Preset::Nothing,
        kind: Kind::List {
            check: is_multiaddr,
        },
        doc: "Where to listen; empty means TCP and QUIC on all interfaces, free ports",
    },
    Key {
        name: "local.bluetooth",
        unit: "",
        range: "true or false",
        default: Preset::Switch(true),
        kind: Kind::Switch,
        doc: "Advertise and look over Bluetooth LE where there is an adapter",
    },
    Key {
        name: "local.mdns",
        unit: "",
        range: "true or false",
        default: Preset::Switch(true),
        kind: Kind::Switch,
        doc: "Announce and look on the local network (mDNS)",
    },
    Key {
        name: "log.level",
        unit: "",
        range: "a tracing filter, e.g. info or sovereign_node=debug, or auto",
        default: Preset::Text(AUTO),
        kind: Kind::Text {
            check: is_log_filter,
        },
        doc: "What to log to stderr; auto: nothing at the prompt, info for a node without one, otherwise warn",
    },
    Key {
        name: "name",
        unit: "",
        range: "1 to 64 bytes, no control characters",
        default: Preset::Text(""),
        kind: Kind::Text { check: is_name },
        doc: "Display name; others see it unverified",
    },
    Key {
        name: "service_name",
        unit: "",
        range: "a DNS-SD type, e.g. _sovereign._tcp (1 to 15 letters, digits, hyphens)",
        default: Preset::Text("_sovereign._tcp"),
        kind: Kind::Text { check: is_service },
        doc: "DNS-SD service; nodes with another one do not see each other",
    },
    Key {
        name: "store.cap_mib",
        unit: "MiB",
        range: "1 to 1048576",
        default: Preset::Number(64),
        kind: Kind::Number {
            min: 1,
            max: 1_048_576,
        },
        doc: "Most bundles held, one's own and those carried for others",
    },
];

impl Key {
    /// The environment variable that sets it.
    #[must_use]
    pub(crate) fn variable(&self) -> String {
        format!(
            "SOVEREIGN_{}",
            self.name.to_ascii_uppercase().replace('.', "_")
        )
    }

    /// The range with its unit.
    #[must_use]
    pub(crate) fn allowed(&self) -> String {
        if self.unit.is_empty() {
            self.range.to_owned()
        } else {
            format!("{} {}", self.range, self.unit)
        }
    }

    /// Reads a value from an environment variable; lists are separated by commas.
    ///
    /// # Errors
    /// In words, when it is not allowed.
    pub(crate) fn parse(&self, text: &str) -> Result<Value, String> {
        let value = match self.kind {
            Kind::Switch => match text {
                "true" | "1" => Value::Switch(true),
                "false" | "0" => Value::Switch(false),
                _ => return Err(self.refusal(text)),
            },
            Kind::Number { .. } => Value::Number(text.parse().map_err(|_| self.refusal(text))?),
            Kind::Text { .. } => Value::Text(text.to_owned()),
            Kind::List { .. } => {
                let entries = text.split(',').filter(|entry| !entry.is_empty());
                Value::List(entries.map(str::to_owned).collect())
            }
        };
        self.check(value)
    }

    /// The value, if it is within the range.
    ///
    /// # Errors
    /// In words, with the range.
    pub(crate) fn check(&self, value: Value) -> Result<Value, String> {
        let short = |text: &String| !text.is_empty() && text.len() <= MAX_TEXT_VALUE;
        let fine = match (&value, self.kind) {
            (Value::Switch(_), Kind::Switch) => true,
            (Value::Number(number), Kind::Number { min, max }) => (min..=max).contains(number),
            (Value::Text(text), Kind::Text { check }) => short(text) && check(text),
            (Value::List(list), Kind::List { check }) => {
                list.len() <= MAX_LIST && list.iter().all(|text| short(text) && check(text))
            }
            _ => false,
        };
        if fine {
            Ok(value)
        } else {
            Err(self.refusal(&value.to_string()))
        }
    }

    fn refusal(&self, given: &str) -> String {
        let given = crate::text::fit(&crate::text::line(given), 60);
        format!(
            "{} = {given}: not allowed; range: {}",
            self.name,
            self.allowed()
        )
    }
}

fn is_name(name: &str) -> bool {
    name.len() <= 64 && name.trim() == name && crate::text::line(name) == name
}

fn is_multiaddr(address: &str) -> bool {
    // The node has the last word; this catches what is plainly something else.
    address.starts_with('/') && address.len() > 1 && address.bytes().all(|b| b.is_ascii_graphic())
}

fn is_log_filter(filter: &str) -> bool {
    filter == AUTO || tracing_subscriber::EnvFilter::try_new(filter).is_ok()
}

/// RFC 6763 §7 and RFC 6335 §5.1.
fn is_service(service: &str) -> bool {
    let Some((label, protocol)) = service.strip_prefix('_').and_then(|s| s.split_once('.')) else {
        return false;
    };
    protocol == "_tcp"
        && (1..=15).contains(&label.len())
        && label
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !label.starts_with('-')
        && !label.ends_with('-')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> &'static Key {
        KEYS.iter().find(|key| key.name == name).unwrap()
    }

    #[test]
    fn defaults_are_within_their_ranges_and_keys_are_sorted() {
        for key in KEYS {
            let value = key.default.value();
            if value != Value::Text(String::new()) {
                assert!(key.check(value).is_ok(), "{}", key.name);
            }
            assert!(!key.doc.is_empty() && !key.range.is_empty());
        }
        assert!(KEYS.windows(2).all(|pair| pair[0].name < pair[1].name));
    }

    #[test]
    fn numbers_keep_to_their_bounds() {
        for (name, min, max) in [("store.cap_mib", 1, 1_048_576), ("lan.links", 1, 256)] {
            let key = key(name);
            assert!(key.range.starts_with(&format!("{min} to {max}")));
            for good in [min, max] {
                assert_eq!(key.parse(&good.to_string()), Ok(Value::Number(good)));
            }
            for bad in [
                "0".to_owned(),
                (max + 1).to_string(),
                "-1".into(),
                "1.5".into(),
            ] {
                let error = key.parse(&bad).unwrap_err();
                assert!(error.contains(name) && error.contains(key.range), "{error}");
            }
        }
    }

    #[test]
    fn texts_are_checked() {
        for bad in [
            "sovereign._tcp",
            "_._tcp",
            "_a._udp",
            "_-a._tcp",
            "_sixteen-letters-._tcp",
        ] {
            assert!(key("service_name").parse(bad).is_err(), "{bad}");
        }
        assert!(key("service_name").parse("_fifteen-letters._tcp").is_ok());
        assert!(key("name").parse(&"x".repeat(64)).is_ok());
        for bad in ["", " a", &"x".repeat(65), "a\u{202e}b", "a\nb"] {
            assert!(key("name").parse(bad).is_err(), "{bad:?}");
        }
        assert!(key("log.level").parse("sovereign_node=debug,warn").is_ok());
        assert!(key("log.level").parse("sovereign_node=loud").is_err());
        assert!(
            key("listen")
                .parse("/ip4/0.0.0.0/tcp/0,/ip6/::/tcp/0")
                .is_ok()
        );
        assert!(key("listen").parse("0.0.0.0:80").is_err());
        assert!(key("listen").parse(&"/a,".repeat(16)).is_ok());
        assert!(key("listen").parse(&"/a,".repeat(17)).is_err());
    }

    #[test]
    fn variables_follow_from_names() {
        assert_eq!(key("store.cap_mib").variable(), "SOVEREIGN_STORE_CAP_MIB");
    }
}
