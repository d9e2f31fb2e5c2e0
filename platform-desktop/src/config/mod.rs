//! The typed configuration (OPS-1). One row a key: unit, range, default, meaning. Values come from
//! defaults, a TOML file, the environment and flags, in this order, and each knows where it came from.

mod file;
mod key;
mod layers;

use std::{collections::BTreeMap, path::PathBuf};

use serde::Serialize;
use sovereign_node::config::NodeConfig;

pub(crate) use key::{KEYS, Key, Value};
pub(crate) use layers::{Sources, basics, load};

/// Where a value came from; a later one wins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Origin {
    /// Built in.
    Default,
    /// The configuration file.
    File,
    /// An environment variable.
    Env,
    /// A flag.
    Flag,
}

impl Origin {
    /// The stable word.
    #[must_use]
    pub(crate) const fn word(self) -> &'static str {
        match self {
            Self::Default => "default",
            Self::File => "file",
            Self::Env => "env",
            Self::Flag => "flag",
        }
    }
}

/// A value and its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setting {
    /// The value; within its key's range.
    pub value: Value,
    /// Where it came from.
    pub origin: Origin,
}

/// The effective configuration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Settings {
    /// Data directory, not yet made.
    pub data: PathBuf,
    /// Where `data` came from.
    pub data_origin: Origin,
    values: BTreeMap<&'static str, Setting>,
}

impl Settings {
    /// All defaults.
    #[must_use]
    pub(crate) fn defaults(data: PathBuf, data_origin: Origin) -> Self {
        let values = KEYS
            .iter()
            .map(|key| {
                let setting = Setting {
                    value: key.default.value(),
                    origin: Origin::Default,
                };
                (key.name, setting)
            })
            .collect();
        Self {
            data,
            data_origin,
            values,
        }
    }

    /// A key's setting.
    #[must_use]
    pub(crate) fn get(&self, key: &Key) -> &Setting {
        self.values
            .get(key.name)
            .expect("`defaults` put every key of KEYS in")
    }

    pub(crate) fn set(&mut self, key: &Key, value: Value, origin: Origin) {
        self.values.insert(key.name, Setting { value, origin });
    }

    /// What the node is started with.
    #[must_use]
    pub(crate) fn node_config(&self) -> NodeConfig {
        let base = NodeConfig::new(self.data.clone());
        NodeConfig {
            name: self.text("name"),
            listen: self.list("listen"),
            mdns: self.switch("local.mdns"),
            service_name: self.text("service_name").unwrap_or(base.service_name),
            gossip: self.switch("gossip.enabled"),
            store_cap_bytes: self.number("store.cap_mib").saturating_mul(1024 * 1024),
            lan_links: u16::try_from(self.number("lan.links")).unwrap_or(base.lan_links),
            ble: self.switch("local.bluetooth"),
            ble_adapter: self.text("ble.adapter"),
            ble_l2cap: self.switch("ble.l2cap"),
            ble_links: u8::try_from(self.number("ble.links")).unwrap_or(base.ble_links),
            ble_profile: self
                .text("ble.profile")
                .and_then(|text| key::profile(&text))
                .unwrap_or(base.ble_profile),
            data: base.data,
        }
    }

    /// Where the dashboard listens; `None` for nowhere.
    #[must_use]
    pub(crate) fn dashboard(&self) -> Option<std::net::SocketAddr> {
        sovereign_dashboard::parse_address(&self.text("dashboard")?).ok()
    }

    /// Whether somebody said where the dashboard listens.
    #[must_use]
    pub(crate) fn dashboard_is_wanted(&self) -> bool {
        self.values
            .get("dashboard")
            .is_some_and(|setting| setting.origin != Origin::Default)
    }

    /// All values, for the dashboard's settings page.
    #[must_use]
    pub(crate) fn shown(&self) -> Vec<sovereign_dashboard::Setting> {
        let of = |key: &Key| {
            let setting = self.get(key);
            sovereign_dashboard::Setting {
                key: key.name.to_owned(),
                value: setting.value.to_string(),
                from: setting.origin.word().to_owned(),
                doc: key.doc.to_owned(),
            }
        };
        KEYS.iter().map(of).collect()
    }

    /// The log filter that was asked for; `None` means by mode.
    #[must_use]
    pub(crate) fn log_filter(&self) -> Option<String> {
        self.text("log.level").filter(|level| level != key::AUTO)
    }

    fn value(&self, name: &'static str) -> Option<&Value> {
        self.values.get(name).map(|setting| &setting.value)
    }

    fn text(&self, name: &'static str) -> Option<String> {
        match self.value(name) {
            Some(Value::Text(text)) if !text.is_empty() => Some(text.clone()),
            _ => None,
        }
    }

    fn list(&self, name: &'static str) -> Vec<String> {
        match self.value(name) {
            Some(Value::List(list)) => list.clone(),
            _ => Vec::new(),
        }
    }

    fn switch(&self, name: &'static str) -> bool {
        matches!(self.value(name), Some(Value::Switch(true)))
    }

    fn number(&self, name: &'static str) -> u64 {
        match self.value(name) {
            Some(Value::Number(number)) => *number,
            _ => 0,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_defaults_are_the_nodes_own() {
        // OPS-1: one source of truth. A key whose default drifts from the node's fails here.
        let settings = Settings::defaults(PathBuf::from("/d"), Origin::Flag);
        assert_eq!(settings.node_config(), NodeConfig::new(PathBuf::from("/d")));
        assert_eq!(settings.log_filter(), None);
    }

    #[test]
    fn every_key_reaches_the_node_or_the_log() {
        let base = Settings::defaults(PathBuf::from("/d"), Origin::Flag);
        for key in KEYS {
            let mut settings = base.clone();
            let other = match key.default.value() {
                Value::Switch(on) => Value::Switch(!on),
                Value::Number(number) => Value::Number(number + 1),
                Value::Text(_) if key.name == "ble.profile" => Value::Text("low-power".to_owned()),
                Value::Text(_) => Value::Text("other".to_owned()),
                Value::List(_) => Value::List(vec!["/memory/1".to_owned()]),
            };
            settings.set(key, other, Origin::File);
            let same = settings.node_config() == base.node_config()
                && settings.dashboard() == base.dashboard()
                && settings.log_filter() == base.log_filter();
            assert!(!same, "{} has no effect", key.name);
        }
    }
}
