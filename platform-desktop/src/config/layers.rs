//! Puts the layers together: default < file < environment < flag.

use std::path::PathBuf;

use sovereign_node::api::ApiError;

use super::{
    Origin, Settings, file,
    key::{KEYS, Key, OFF, Value},
};
use crate::{
    cli::{Global, NodeArgs},
    failure::invalid,
};

/// What the configuration is made from.
#[derive(Debug)]
pub(crate) struct Sources<'a> {
    /// Flags of every command.
    pub global: &'a Global,
    /// Whether `--data` came from the environment.
    pub data_from_env: bool,
    /// Flags of the node.
    pub node: &'a NodeArgs,
    /// The environment.
    pub variable: fn(&str) -> Option<String>,
}

/// The effective configuration.
///
/// # Errors
/// `invalid`, naming file and line, variable or flag, the key and its range.
pub(crate) fn load(sources: &Sources<'_>) -> Result<Settings, ApiError> {
    let origin = match sources.global.data {
        Some(_) if sources.data_from_env => Origin::Env,
        Some(_) => Origin::Flag,
        None => Origin::Default,
    };
    let mut settings = Settings::defaults(data_dir(sources.global)?, origin);
    if let Some(path) = &sources.node.config {
        for (key, value) in file::read(path)? {
            settings.set(key, value, Origin::File);
        }
    }
    if let Some(filter) = (sources.variable)("RUST_LOG").filter(|filter| !filter.is_empty()) {
        environment(&mut settings, named("log.level"), "RUST_LOG", &filter)?;
    }
    for key in KEYS {
        let variable = key.variable();
        if let Some(text) = (sources.variable)(&variable).filter(|text| !text.is_empty()) {
            environment(&mut settings, key, &variable, &text)?;
        }
    }
    flags(&mut settings, sources)?;
    Ok(settings)
}

/// What commands that only ask a node need.
#[derive(Debug)]
pub(crate) struct Basics {
    /// Data directory.
    pub data: PathBuf,
    /// The log filter that was asked for.
    pub log: Option<String>,
}

/// The data directory and log filter alone: a mistake in a variable of the node's does not keep
/// `sovereign status` from working.
///
/// # Errors
/// `invalid`, as [`load`].
pub(crate) fn basics(
    global: &Global,
    variable: fn(&str) -> Option<String>,
) -> Result<Basics, ApiError> {
    let key = named("log.level");
    let given = [
        ("--log", global.log.clone()),
        ("RUST_LOG", variable("RUST_LOG")),
    ];
    let mut log = None;
    for (shown, filter) in given {
        let Some(filter) = filter.filter(|filter| !filter.is_empty()) else {
            continue;
        };
        key.parse(&filter)
            .map_err(|why| invalid(format!("{shown}: {why}"), key.doc))?;
        log = log.or(Some(filter));
    }
    Ok(Basics {
        data: data_dir(global)?,
        log,
    })
}

fn data_dir(global: &Global) -> Result<PathBuf, ApiError> {
    let data = match &global.data {
        Some(data) => data.clone(),
        None => platform_data()?,
    };
    std::path::absolute(&data).map_err(|error| {
        invalid(
            format!("the data directory {}: {error}", data.display()),
            "give --data DIR",
        )
    })
}

/// The platform's data directory.
///
/// # Errors
/// `invalid` when the platform has none (no home directory).
fn platform_data() -> Result<PathBuf, ApiError> {
    directories::ProjectDirs::from("org", "sovereign-mesh", "sovereign")
        .map(|dirs| dirs.data_local_dir().to_owned())
        .ok_or_else(|| {
            invalid(
                "this user has no home directory, so there is no default data directory",
                "give --data DIR",
            )
        })
}

fn environment(
    settings: &mut Settings,
    key: &Key,
    variable: &str,
    text: &str,
) -> Result<(), ApiError> {
    let value = key
        .parse(text)
        .map_err(|why| invalid(format!("environment variable {variable}: {why}"), key.doc))?;
    settings.set(key, value, Origin::Env);
    Ok(())
}

fn flags(settings: &mut Settings, sources: &Sources<'_>) -> Result<(), ApiError> {
    let node = sources.node;
    let mut flag = |name: &str, shown: &str, value: Value| {
        let key = named(name);
        let value = key
            .check(value)
            .map_err(|why| invalid(format!("{shown}: {why}"), key.doc))?;
        settings.set(key, value, Origin::Flag);
        Ok::<(), ApiError>(())
    };
    if let Some(name) = &node.name {
        flag("name", "--name", Value::Text(name.clone()))?;
    }
    if !node.listen.is_empty() {
        flag("listen", "--listen", Value::List(node.listen.clone()))?;
    }
    if node.no_ble {
        flag("local.bluetooth", "--no-ble", Value::Switch(false))?;
    }
    if node.no_mdns {
        flag("local.mdns", "--no-mdns", Value::Switch(false))?;
    }
    if let Some(filter) = &sources.global.log {
        flag("log.level", "--log", Value::Text(filter.clone()))?;
    }
    if let Some(address) = &node.dashboard {
        if address != OFF
            && let Err(why) = sovereign_dashboard::parse_address(address)
        {
            return Err(invalid(
                format!("--dashboard: {why}"),
                named("dashboard").doc,
            ));
        }
        flag("dashboard", "--dashboard", Value::Text(address.clone()))?;
    }
    Ok(())
}

fn named(name: &str) -> &'static Key {
    KEYS.iter()
        .find(|key| key.name == name)
        .expect("called with names of KEYS only")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn global(log: Option<&str>) -> Global {
        Global {
            data: Some(PathBuf::from("/data")),
            json: false,
            log: log.map(str::to_owned),
        }
    }

    fn load_with(
        log: Option<&str>,
        node: &NodeArgs,
        variable: fn(&str) -> Option<String>,
    ) -> Result<Settings, ApiError> {
        load(&Sources {
            global: &global(log),
            data_from_env: false,
            node,
            variable,
        })
    }

    #[test]
    fn later_layers_win() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("c.toml");
        std::fs::write(
            &path,
            "name='file'\nlan.links=7\nlog.level='debug'\nstore.cap_mib=5\n",
        )
        .unwrap();
        let node = NodeArgs {
            config: Some(path),
            name: Some("flag".into()),
            no_ble: true,
            no_mdns: true,
            ..NodeArgs::default()
        };
        let settings = load_with(None, &node, |name| match name {
            "SOVEREIGN_NAME" | "SOVEREIGN_LOG_LEVEL" => Some("error".into()),
            "RUST_LOG" => Some("trace".into()),
            "SOVEREIGN_LAN_LINKS" => Some("9".into()),
            _ => None,
        })
        .unwrap();
        let origin = |name: &str| settings.get(named(name)).origin;
        assert_eq!(origin("name"), Origin::Flag);
        assert_eq!(origin("lan.links"), Origin::Env);
        assert_eq!(origin("store.cap_mib"), Origin::File);
        assert_eq!(origin("gossip.enabled"), Origin::Default);
        assert_eq!(origin("local.mdns"), Origin::Flag);
        let config = settings.node_config();
        assert_eq!(config.name.as_deref(), Some("flag"));
        assert_eq!(
            (config.lan_links, config.mdns, config.ble),
            (9, false, false)
        );
        assert_eq!(config.store_cap_bytes, 5 * 1024 * 1024);
        assert_eq!(settings.log_filter().as_deref(), Some("error"));
        let logged = load_with(Some("warn"), &node, |_| {
            Some("trace".into()).filter(|_| false)
        });
        assert_eq!(logged.unwrap().log_filter().as_deref(), Some("warn"));
    }

    #[test]
    fn a_wrong_variable_or_flag_is_named() {
        let none = NodeArgs::default();
        let e = load_with(None, &none, |name| {
            (name == "SOVEREIGN_LAN_LINKS").then(|| "0".to_owned())
        })
        .unwrap_err();
        assert!(
            e.message.contains("SOVEREIGN_LAN_LINKS: lan.links = 0"),
            "{}",
            e.message
        );
        assert!(e.message.contains("1 to 256"), "{}", e.message);
        let e = load_with(Some("x=y"), &none, |_| None).unwrap_err();
        assert!(e.message.starts_with("--log: log.level"), "{}", e.message);
    }

    #[test]
    fn the_dashboard_is_for_this_machine_only() {
        for (given, listens) in [
            (None, Some("127.0.0.1:0")),
            (Some("off"), None),
            (Some("[::1]:80"), Some("[::1]:80")),
        ] {
            let node = NodeArgs {
                dashboard: given.map(str::to_owned),
                ..NodeArgs::default()
            };
            let settings = load_with(None, &node, |_| None).unwrap();
            let address = settings.dashboard().map(|address| address.to_string());
            assert_eq!(address.as_deref(), listens);
        }
        for given in ["0.0.0.0:80", "example.org:80", ""] {
            let node = NodeArgs {
                dashboard: Some(given.to_owned()),
                ..NodeArgs::default()
            };
            let error = load_with(None, &node, |_| None).unwrap_err();
            assert!(
                error.message.starts_with("--dashboard: "),
                "{}",
                error.message
            );
        }
    }
}
